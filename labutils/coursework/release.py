"""From a master to what students get: a pure transform, and the proof that it gives nothing away."""

from __future__ import annotations

import json
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from labutils.coursework import code
from labutils.coursework.grading import grade
from labutils.coursework.lab import Lab
from labutils.coursework.notebook import parse, read_bytes
from labutils.coursework.sandbox import Sandbox
from labutils.coursework.selfcheck import run_public

__all__ = ["ReleaseError", "as_student", "leaks", "prove", "release", "write"]

_SHORT, _SHORT_CHECK = 10, 20  # characters, blanks aside: shorter lines are nobody's secret
ASSISTANTS = Path(__file__).with_name("ai_assistants.md")
_ONE, _OTHER = "proof-one", "proof-two"
_STUDENT = re.compile(r"^(\s*STUDENT\s*=\s*)(\"\"|'')", re.MULTILINE)


class ReleaseError(ValueError):
    """A release that would give something away, or a solution that is not right."""


def release(lab: Lab) -> bytes:
    """Return the notebook that students get, as bytes: no solutions, no outputs, no private cells."""
    master = json.loads(read_bytes(lab.path))
    stubs = {question.id: question.stub for question in lab.questions}
    cells = []
    for raw, cell in zip(master["cells"], lab.notebook.cells, strict=True):
        if "private" in cell.tags:
            continue
        name = cell.value("question")
        source = stubs[name] if name else code.without_solution(cell.source)
        metadata = {
            key: value
            for key, value in raw.get("metadata", {}).items()
            if key in ("tags", "jupyter", "cellView")
        }
        new: dict[str, Any] = {"cell_type": raw["cell_type"], "id": raw.get("id", ""), "metadata": metadata}
        new["source"] = source.splitlines(keepends=True)
        if raw["cell_type"] == "code":
            new |= {"outputs": [], "execution_count": None}
        cells.append(new)
    keys = ("id", "kind", "points", "defines", "cell", "stub")
    about = {"name": lab.name, "title": lab.title}
    about_all = about | {
        "questions": [{key: getattr(question, key) for key in keys} for question in lab.questions]
    }
    metadata = {
        key: master["metadata"][key] for key in ("kernelspec", "language_info") if key in master["metadata"]
    }
    notebook = {
        "cells": cells,
        "metadata": metadata | {"labutils": {"lab": about_all}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _bare(text: str) -> str:
    return "".join(text.split())


def leaks(lab: Lab, released: bytes) -> list[str]:
    """Return what of the solutions and hidden checks is still in a release; nothing where it is clean."""
    found = []
    data = json.loads(released)
    text = "\n".join("".join(cell["source"]) for cell in data["cells"]) + "\n" + json.dumps(data["metadata"])
    bare = _bare(text)
    for mark in (code.BEGIN, code.END):
        if _bare(mark) in bare:
            found.append(f"the marker {mark!r}")
    for cell in lab.notebook.cells:
        private = cell.source.splitlines() if "private" in cell.tags else code.solution_lines(cell.source)
        for line in private:
            if len(_bare(line)) >= _SHORT and _bare(line) in bare:
                found.append(f"a line of a solution: {line.strip()[:80]}")
    for line in lab.checks_path.read_text(encoding="utf-8").splitlines():
        line = line.strip()
        harmless = line.startswith(("import ", "from ", "#", '"""')) or any(
            text in line for text in lab.sentences
        )
        if not harmless and len(_bare(line)) >= _SHORT_CHECK and _bare(line) in bare:
            found.append(f"a line of the hidden checks: {line[:80]}")
    if any(cell.get("outputs") or cell.get("attachments") for cell in data["cells"]):
        found.append("an output")
    return found


def prove(lab: Lab, released: bytes, sandbox: Sandbox) -> list[str]:
    """Return what is proved, a sentence each. ReleaseError names what is not.

    The solution gets full marks and passes its own public checks, for two students, inputs drawn anew; the
    release gets no points, and every question in it counts as unanswered; nothing leaks.
    """
    if found := leaks(lab, released):
        raise ReleaseError("the release gives away " + "; ".join(dict.fromkeys(found)))
    solution, secret = read_bytes(lab.path), secrets.token_bytes(32)
    by_hand = sum(question.points for question in lab.questions if question.kind == "text")
    cells = [replace(cell, source=as_student(cell.source, _ONE)) for cell in lab.notebook.cells]
    with ThreadPoolExecutor(2) as pool:  # they wait for what runs in sandboxes
        graded = [
            pool.submit(grade, lab, _handed_in(solution, student), student, secret, sandbox, student)
            for student in (_ONE, _OTHER)
        ]
        checked = pool.submit(run_public, cells, sandbox, lab.limits)
    for result in (future.result() for future in graded):
        lost = [mark for mark in result["questions"] if mark["kind"] != "text" and mark["status"] != "right"]
        if lost or abs(result["points"] - (lab.points - by_hand)) > 1e-6 or result["status"] != "graded":
            told = "; ".join(
                f"{mark['id']}: {mark['status']}. {mark['sentence']} {mark['note']}" for mark in lost
            )
            raise ReleaseError(f"the solution does not get full marks: {told or result['reason']}")
    result = grade(lab, _handed_in(released, _ONE), _ONE, secret, sandbox)
    answered = [mark["id"] for mark in result["questions"] if mark["status"] != "unanswered"]
    if result["points"] or answered:
        raise ReleaseError(f"the release is not empty: {', '.join(answered)} counts as answered")
    public, _, ended = checked.result()
    failing = [f"{name}: {message}" for name, status, message in public if status != "right"]
    if ended != "done" or failing:
        raise ReleaseError(f"the solution fails its own public checks: {'; '.join(failing) or ended}")
    return [
        f"the solution gets {lab.points - by_hand:g} of {lab.points - by_hand:g} points, for two students",
        f"the release gets 0 points, and all of its {len(lab.questions)} questions count as unanswered",
        f"the solution passes its own public checks, {len(public)} in all",
        "no line of a solution or of the hidden checks, no marker and no output is left in it",
    ]


def as_student(source: str, student: str) -> str:
    """Return a cell's source with the id filled in where it asks for one."""
    return _STUDENT.sub(rf'\g<1>"{student}"', source)


def _handed_in(content: bytes, student: str) -> bytes:
    data = json.loads(content)
    for cell, plain in zip(data["cells"], parse(content).cells, strict=True):
        if plain.kind == "code":
            cell["source"] = as_student(plain.source, student)
    return json.dumps(data).encode()


def write(released: bytes, lab: Lab, folder: Path) -> list[Path]:
    """Write the release and the page for AI assistants into `folder`; return both."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / lab.path.name, folder / "AGENTS.md"]
    paths[0].write_bytes(released)
    paths[1].write_bytes(ASSISTANTS.read_bytes())
    return paths
