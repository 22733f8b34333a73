"""Run a notebook's own public checks, those that it registers itself, and say what they found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labutils.coursework.lab import Limits
from labutils.coursework.notebook import Cell
from labutils.coursework.process import execute
from labutils.coursework.sandbox import Sandbox
from labutils.coursework.wire import WireError, decode

__all__ = ["run_public"]

_PROGRAM = """
from labutils.coursework.student import results as _results
_public = [(_name, _found.status, _found.message) for _name, _found in _results()]
"""


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
