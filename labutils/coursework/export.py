"""Exports for other graders: Gradescope's results.json, and a master with nbgrader's metadata."""

from __future__ import annotations

import json
from typing import Any

from labutils.coursework.lab import Lab
from labutils.coursework.notebook import read_bytes

__all__ = ["gradescope", "nbgrader"]

_SCHEMA = 3  # of nbgrader's metadata


def gradescope(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result as Gradescope's results.json: a test a question, with what students may see.

    Without the time it took, which their code chooses: it could tell them what it was asked.
    """
    tests = [
        {
            "name": mark["id"],
            "score": mark["points"],
            "max_score": mark["of"],
            "status": "passed" if mark["points"] == mark["of"] else "failed",
            "output": f"{mark['status']}. {mark['sentence']}",
            "output_format": "text",
            "visibility": "visible",
        }
        for mark in result["questions"]
    ]
    return {
        "score": result["points"],
        "output": f"{result['status']}. {result['reason']}",
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def nbgrader(lab: Lab) -> bytes:
    """Return the master with nbgrader's metadata, as its source version: the markers are nbgrader's own.

    A cell of each coded question is a solution, and a locked cell after it holds its public check, for all of
    its points; the hidden checks stay here, as in nbgrader they would run beside the student's code.
    """
    master = json.loads(read_bytes(lab.path))
    cells: list[dict[str, Any]] = []
    for raw, cell in zip(master["cells"], lab.notebook.cells, strict=True):
        new = json.loads(json.dumps(raw))
        if new["cell_type"] == "code":
            new |= {"outputs": [], "execution_count": None}
        cells.append(new)
        name = cell.value("question")
        if not name:
            continue
        question = lab.question(name)
        by_hand = question.kind == "text"
        new["metadata"]["nbgrader"] = _metadata(name, new["cell_type"], grade=by_hand, solution=True)
        if by_hand:
            new["metadata"]["nbgrader"]["points"] = question.points
            continue
        test = (
            "from labutils.checks.core import evaluate\n"
            f'found = evaluate("{name}", {question.defines})\nassert found.status == "right", found.message'
        )
        if not any(other.value("public") == name for other in lab.notebook.cells):
            test = f'assert "{question.defines}" in globals()'
        metadata = {"nbgrader": _metadata(f"{name}-test", "code", grade=True, solution=False)}
        metadata["nbgrader"]["points"] = question.points
        extra = {"cell_type": "code", "id": f"{name}-test", "metadata": metadata, "outputs": []}
        cells.append(extra | {"execution_count": None, "source": test.splitlines(keepends=True)})
    notebook = master | {"cells": cells}
    return (json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _metadata(name: str, kind: str, *, grade: bool, solution: bool) -> dict[str, Any]:
    return {
        "grade": grade,
        "grade_id": name,
        "locked": not solution,
        "schema_version": _SCHEMA,
        "solution": solution,
        "task": False,
        "cell_type": kind,
    }
