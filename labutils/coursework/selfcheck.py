"""Before a student hands in: what is still unanswered, and what the notebook's own public checks say.

`labutils coursework check` uses it, and the proof of a release: the solution passes its own public checks.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labutils.coursework import code
from labutils.coursework.find import find, personal_id
from labutils.coursework.judge import told
from labutils.coursework.lab import KINDS, Limits, Question
from labutils.coursework.notebook import Cell, Notebook, NotebookError, parse, read_bytes
from labutils.coursework.probing import probe
from labutils.coursework.process import execute
from labutils.coursework.sandbox import Sandbox
from labutils.coursework.wire import WireError, decode

__all__ = ["look", "run", "run_public"]

_PROGRAM = """
from labutils.coursework.student import results as _results
_public = [(_name, _found.status, _found.message) for _name, _found in _results()]
"""


def _questions(notebook: Notebook) -> list[Question]:
    """The questions of a release, from its metadata; what tags say where those are lost."""
    about = notebook.own.get("lab")
    rows: list[Any] = about.get("questions", []) if isinstance(about, dict) else []
    found = []
    for row in rows:
        if isinstance(row, dict) and row.get("kind") in KINDS:
            texts = {key: str(row.get(key, "")) for key in ("id", "kind", "defines", "cell", "stub")}
            found.append(Question(points=float(row.get("points", 0)), solution="", **texts))
    if not found:
        for cell in notebook.cells:
            if (name := cell.value("question")) and cell.value("kind") in KINDS:
                kind = cell.value("kind") or ""
                defines = cell.value("defines") or code.last_defined(cell.source, kind) or ""
                found.append(Question(name, kind, float(cell.value("points") or 0), defines, cell.id, "", ""))
    if not found:
        raise NotebookError("it is no lab: neither its metadata nor its tags name a question")
    return found


def look(path: Path) -> tuple[list[str], int]:
    """Return a line a question, and how many are open. NotebookError if the file is no notebook of a lab."""
    notebook = parse(read_bytes(path))
    questions = _questions(notebook)
    found = find(questions, notebook)
    lines, still_open = [], 0
    for question in questions:
        answer = found[question.id]
        state = "answered"
        if answer.cell is None:
            state = "missing: its cell and the name it defines are gone"
        elif answer.untouched or _stub(question, notebook.cells[answer.cell].source):
            state = "no answer yet"
        elif question.kind != "text" and code.tree(code.plain(notebook.cells[answer.cell].source)) is None:
            state = "its cell is no valid Python"
        elif question.kind != "text" and question.defines and answer.name != question.defines:
            state = f"its cell defines no {question.defines}"
        still_open += state != "answered"
        lines.append(f"{question.id} ({question.points:g} points): {state}")
    asks = any("STUDENT" in code.defined(cell.source) for cell in notebook.cells if cell.kind == "code")
    if asks and not personal_id(notebook):
        still_open += 1
        lines.append('STUDENT is empty: write your student id, as in STUDENT = "s1234"')
    return lines, still_open


def _stub(question: Question, source: str) -> bool:
    """Whether a cell is still what a release holds, where the release's own text is lost."""
    marks = ("raise NotImplementedError  # your code here", "...  # your code here", "*Your answer to ")
    return not question.stub and any(mark in source for mark in marks)


def run(path: Path) -> tuple[list[str], int]:
    """Run the notebook from the top and its public checks, on the student's own computer; as `look` does."""
    if not hasattr(os, "fork"):
        return ["--run needs Linux or macOS: run the notebook's own cells from the top instead"], 0
    cells = parse(read_bytes(path)).cells
    public, faults, ended = run_public(cells, probe(unsafe=True), Limits(seconds=600, cell_seconds=300))
    lines = [
        f"cell {line['cell'] + 1}: {told(line['fault'])[1] or line['fault'].get('type')}"
        for line in faults
        if "cell" in line
    ]
    lines += [message for _, _, message in public]
    failing = sum(status != "right" for _, status, _ in public)
    if ended != "done":
        lines.append(f"the notebook did not run to its end: {ended}")
        failing += 1
    return lines, failing


def run_public(
    cells: Sequence[Cell], sandbox: Sandbox, limits: Limits
) -> tuple[list[tuple[str, str, str]], list[dict[str, Any]], str]:
    """Return (question, status, message) of each public check, the faults of cells, and how the run ended.

    What is read here was computed by the notebook itself: good for its owner, worthless as a grade.
    """
    sources = [{"source": cell.source if cell.kind == "code" else ""} for cell in cells] + [
        {"source": _PROGRAM}
    ]
    asked = {"id": "public", "kind": "value", "cell": len(cells), "name": "_public", "cases": []}
    job = {"cells": sources, "questions": [asked], "leave_out": []}
    job |= {"cell_seconds": limits.cell_seconds, "question_seconds": limits.question_seconds}
    outcome = execute(sandbox, job, limits, limits.seconds)
    found: list[tuple[str, str, str]] = []
    for line in outcome.lines:
        results = line.get("results") if line.get("question") == "public" else None
        try:
            rows = decode(results[0]["value"]) if results else []
            found += [(str(name), str(status), str(message)) for name, status, message in rows]
        except (WireError, KeyError, TypeError, ValueError):
            continue
    faults = [line for line in outcome.lines if isinstance(line.get("fault"), dict)]
    return found, faults, outcome.ended
