"""Grade one submission: what is in it, what its code answers in the sandbox, what that is worth."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from labutils.coursework.find import Found, find, other_lab, personal_id
from labutils.coursework.judge import SENTENCES, Asked, Mark, asked, blank, mark, told
from labutils.coursework.lab import Lab
from labutils.coursework.notebook import Notebook, NotebookError, parse
from labutils.coursework.preload import preloaded
from labutils.coursework.process import Outcome, execute
from labutils.coursework.sandbox import Sandbox, SandboxError

__all__ = ["STATUSES", "grade", "nothing"]

STATUSES = (
    "graded",
    "partial",
    "question missing",
    "timeout",
    "crashed",
    "out of memory",
    "wrong lab",
    "not a notebook",
    "grader failed",
)
_ATTEMPTS = 4
_ALONE = threading.Lock()  # hidden checks load libraries and models, which threads may not do at once
# What a notebook raises wherever it runs: not for want of a folder to write into, of time or of memory.
_PLAIN = {
    *(
        "AssertionError",
        "AttributeError",
        "IndentationError",
        "IndexError",
        "KeyError",
        "NameError",
        "SyntaxError",
    ),
    *("TypeError", "UnboundLocalError", "ZeroDivisionError", "unreadable"),
}
_LOST = {"timeout": "timeout", "out of memory": "out of memory", "exit": "crashed", "output": "crashed"}


@dataclass
class _Run:
    """What several attempts to run a notebook have found."""

    answers: dict[str, dict[str, Any]]
    faults: dict[int, dict[str, Any]]
    lost_cells: dict[int, str]
    attempts: int = 0
    noise: int = 0
    words: str = ""


def grade(
    lab: Lab, content: bytes, student: str, secret: bytes, sandbox: Sandbox, own: str | None = None
) -> dict[str, Any]:
    """Return the result of a submission as plain data; whatever is in it, this returns.

    `student` is who handed it in, `own` the id that personal data are drawn from, if a roster knows it.
    SandboxError only where the sandbox itself did not start.
    """
    began = time.monotonic()
    digest = hashlib.sha256(content).hexdigest()
    base = {"lab": lab.name, "digest": lab.digest, "sha256": digest, "student": student, "of": lab.points}
    base |= {"sandbox": sandbox.note}
    try:
        notebook = parse(content)
    except NotebookError as error:
        return base | nothing(lab, "not a notebook", f"{error}.")
    found = find(lab.questions, notebook, lab.notebook.cells)
    if reason := other_lab(lab, notebook, found):
        return base | nothing(lab, "wrong lab", f"{reason}.")
    stated = personal_id(notebook)
    notes = _notes(found, own, stated)
    with _ALONE:
        puts = {
            question.id: asked(lab, question, secret, student, digest, own or stated)
            for question in lab.questions
            if question.kind != "text"
            and found[question.id].cell is not None
            and not found[question.id].untouched
        }
    run = _run(lab, notebook, found, puts, sandbox) if puts else _Run({}, {}, {})
    with _ALONE:
        marks = [
            _marked(lab, found[question.id], puts.get(question.id), run, question.id)
            for question in lab.questions
        ]
    status, reason = _status(marks, run)
    if status == "partial" and notebook.language.lower() not in ("", "python", "python3"):
        reason = f"Its kernel is one for {notebook.language}, and answers are read as Python. {reason}"
    if run.noise:
        notes.append(f"{run.noise} lines that were none of the runner's came out of the sandbox")
    return base | {
        "status": status,
        "reason": reason,
        "points": round(sum(mark.points for mark in marks), 2),
        "questions": [mark.as_dict() for mark in marks],
        "notes": notes,
        "personal_id": stated,
        "attempts": run.attempts,
        "seconds": round(time.monotonic() - began, 2),
    }


def nothing(lab: Lab, status: str, reason: str) -> dict[str, Any]:
    """Return the part of a result that says why nothing was looked at."""
    marks = [blank(question, "missing", sentence="Not looked at: see above.") for question in lab.questions]
    found = {"status": status, "reason": reason[:1].upper() + reason[1:], "points": 0.0, "notes": []}
    questions = [mark.as_dict() for mark in marks]
    return found | {"questions": questions, "personal_id": None, "attempts": 0, "seconds": 0.0}


def _notes(found: dict[str, Found], own: str | None, stated: str | None) -> list[str]:
    notes = [f"{name}: {answer.note}" for name, answer in found.items() if answer.note]
    if own and stated and "".join(own.split()).casefold() != "".join(stated.split()).casefold():
        notes.append(f"the notebook states the id {stated!r}, the roster says {own!r}: graded by the roster")
    return notes


def _run(
    lab: Lab, notebook: Notebook, found: dict[str, Found], puts: dict[str, Asked], sandbox: Sandbox
) -> _Run:
    """Run the notebook; a cell or question that ends the process is left out, and the rest runs again."""
    cells = [{"source": cell.source if cell.kind == "code" else ""} for cell in notebook.cells]
    if sandbox.preload and (fast := _preloaded(lab, cells, found, puts, sandbox)):
        return fast
    run = _Run({}, {}, {})
    left = lab.limits.seconds
    while run.attempts < _ATTEMPTS and left > 1 and set(puts) - set(run.answers):
        outcome = execute(sandbox, _job(lab, cells, found, puts, run), lab.limits, left)
        run.attempts += 1
        left -= outcome.seconds
        if not outcome.started and outcome.ended == "exit":
            told = outcome.words.strip()[-300:] or "it said nothing"
            raise SandboxError(f"the sandbox did not start: {told}")
        _collect(run, outcome, puts)
        if outcome.ended == "done" or not _blame(run, outcome, len(cells), puts):
            break
        if not set(puts) - set(run.answers) - {name for name in puts if found[name].cell in run.lost_cells}:
            break
    return run


def _job(
    lab: Lab, cells: list[dict[str, str]], found: dict[str, Found], puts: dict[str, Asked], run: _Run
) -> dict[str, Any]:
    """What the sandbox is told: cells, and the questions that are still open with their inputs."""
    still = [name for name in puts if name not in run.answers]
    return {
        "cells": cells,
        "questions": [puts[name].sent(found[name].cell or 0, found[name].name) for name in still],
        "leave_out": sorted(run.lost_cells),
        "cell_seconds": lab.limits.cell_seconds,
        "question_seconds": lab.limits.question_seconds,
    }


def _preloaded(
    lab: Lab, cells: list[dict[str, str]], found: dict[str, Found], puts: dict[str, Asked], sandbox: Sandbox
) -> _Run | None:
    """Run the notebook where its modules are loaded already; None where that may not be the last word."""
    run = _Run({}, {}, {}, attempts=1)
    try:
        job = _job(lab, cells, found, puts, run)
        outcome = preloaded(sandbox, lab.limits).execute(job, lab.limits.seconds)
    except SandboxError:
        return None
    _collect(run, outcome, puts)
    answers = list(run.answers.values())
    plain = all(fault.get("type") in _PLAIN for fault in _faults(run))
    well = outcome.ended == "done" and not outcome.noise and set(run.answers) == set(puts)
    known = all(answer.get("status") in ("answered", "unanswered", "undefined") for answer in answers)
    return run if well and known and plain else None


def _faults(run: _Run) -> list[dict[str, Any]]:
    """All that was raised, in cells and in answers."""
    lists = [answer.get("results") for answer in run.answers.values()]
    results = [result for results in lists if isinstance(results, list) for result in results]
    found = [result.get("fault") for result in results if isinstance(result, dict)]
    return [*run.faults.values(), *(fault for fault in found if isinstance(fault, dict))]


def _collect(run: _Run, outcome: Outcome, puts: dict[str, Asked]) -> None:
    run.noise += outcome.noise
    run.words = outcome.words
    for line in outcome.lines:
        name, cell = line.get("question"), line.get("cell")
        if isinstance(name, str) and name in puts:
            run.answers.setdefault(name, line)
        elif type(cell) is int and isinstance(line.get("fault"), dict):
            run.faults[cell] = line["fault"]


def _blame(run: _Run, outcome: Outcome, cells: int, puts: dict[str, Asked]) -> bool:
    """Note which cell or question ended the process; False where none can be told."""
    lost = _LOST[outcome.ended]
    kind, which = outcome.last or ("", None)
    if kind == "cell" and isinstance(which, int) and 0 <= which < cells and which not in run.lost_cells:
        run.lost_cells[which] = lost
        return True
    if kind == "question" and which in puts and which not in run.answers:
        run.answers[which] = {"status": lost}
        return True
    return False


def _marked(lab: Lab, found: Found, put: Asked | None, run: _Run, name: str) -> Mark:
    question = lab.question(name)
    if found.cell is None:
        return blank(question, "missing")
    if found.untouched:
        return blank(question, "unanswered")
    if question.kind == "text":
        return replace(blank(question, "by hand"), text=found.text[:20_000])
    answer = run.answers.get(name)
    if found.cell in run.lost_cells and (answer is None or answer.get("status") == "undefined"):
        return blank(question, run.lost_cells[found.cell], f"cell {found.cell + 1} did")
    if put is None or answer is None:
        return blank(
            question,
            next(iter(run.lost_cells.values()), "crashed"),
            "another part of the notebook ended the run",
        )
    got = mark(lab, put, answer)
    if found.name != question.defines and got.status == "wrong":
        other = f"Its cell does not define {question.defines}; what it defines last was taken for the answer."
        got = replace(got, sentence=f"{other} {got.sentence}")
    fault = run.faults.get(found.cell)
    if answer.get("status") == "undefined" and fault:
        status, sentence, note = told(fault)
        return blank(question, status, note, sentence)
    return got


def _status(marks: list[Mark], run: _Run) -> tuple[str, str]:
    """The status of the whole and its reason, in words that may be shown to the student."""
    lost = [mark for mark in marks if mark.status in ("timeout", "crashed", "out of memory")]
    coded = [mark for mark in marks if mark.kind != "text" and mark.status not in ("missing", "unanswered")]
    missing = [mark.id for mark in marks if mark.status == "missing"]
    if lost:
        why = "; ".join(f"{mark.id}: {SENTENCES[mark.status]}" for mark in lost)
        return (lost[0].status if len(lost) == len(coded) else "partial"), why
    faulty = [mark for mark in marks if mark.status in ("error", "unreadable")]
    if missing:
        return "question missing", f"Not in the notebook: {', '.join(missing)}."
    if faulty:
        return "partial", "; ".join(f"{mark.id}: {mark.sentence}" for mark in faulty)
    empty = all(mark.status == "unanswered" for mark in marks)
    return "graded", "No question is answered." if empty else "Every question was looked at."
