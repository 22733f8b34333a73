"""What tests of labs share: many answers to a lab's questions, graded in one run of its master."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from coursework_kit import SECRET, sandbox
from labutils.coursework.judge import Mark, asked, mark
from labutils.coursework.lab import Lab
from labutils.coursework.process import execute
from labutils.coursework.release import as_student

Answers = Mapping[
    str, Mapping[str, str]
]  # by question, then by what is special in it: the source of its cell
FEWEST = {"right": 2, "wrong": 3}


def solution(lab: Lab, question: str, *changes: tuple[str, str]) -> str:
    """The source of the master's own cell, with each text of `changes` replaced by the other."""
    source = lab.question(question).solution
    for old, new in changes:
        assert source.count(old), f"{question}: the solution has no {old!r}"
        source = source.replace(old, new)
    return source


def marks(lab: Lab, answers: Answers, student: str = "s1") -> dict[str, dict[str, Mark]]:
    """What each of `answers` gets, and "the solution".

    The cells of the master run once; an answer runs after the master's own cell, with the name that it should
    define gone, and then that cell again, so that those below find what they expect.
    """
    cells: list[dict[str, str]] = []
    puts, sent = {}, []
    for cell in lab.notebook.cells:
        source = as_student(cell.source, student) if cell.kind == "code" else ""
        cells.append({"source": source})
        name = cell.value("question")
        question = lab.question(name) if name else None
        if question is None or question.kind == "text":
            continue
        for label, answer in {"the solution": source, **answers.get(question.id, {})}.items():
            gone = f"globals().pop({question.defines!r}, None)"
            cells += [{"source": gone}, {"source": answer}]
            put = asked(lab, question, SECRET, student, label, student)
            key = f"{question.id} {label}"
            puts[key] = question.id, label, put
            sent.append(put.sent(len(cells) - 1, question.defines) | {"id": key})
        cells.append({"source": source})
    limits = replace(lab.limits, seconds=20 * lab.limits.seconds)
    job = {"cells": cells, "questions": sent, "leave_out": []}
    job |= {"cell_seconds": limits.cell_seconds, "question_seconds": limits.question_seconds}
    outcome = execute(sandbox(), job, limits, limits.seconds)
    assert outcome.ended == "done", f"{outcome.ended} at {outcome.last}: {outcome.words[-500:]}"
    found: dict[str, dict[str, Mark]] = {}
    for line in outcome.lines:
        if line.get("question") in puts:
            question_id, label, put = puts[line["question"]]
            found.setdefault(question_id, {})[label] = mark(lab, put, line)
    return found


def discriminates(
    lab: Lab, right: Answers, wrong: Answers, student: str = "s1"
) -> dict[str, dict[str, Mark]]:
    """Assert that of every coded question the solution and `right` get full marks, and `wrong` do not.

    Each question needs two differently written right answers and three plausible wrong ones. Returns `marks`.
    """
    coded = [question.id for question in lab.questions if question.kind != "text"]
    for what, answers in (("right", right), ("wrong", wrong)):
        assert set(answers) <= set(coded), f"{what}: no such question among {coded}"
        few = [name for name in coded if len(answers.get(name, {})) < FEWEST[what]]
        assert not few, f"fewer than {FEWEST[what]} {what} answers to {', '.join(few)}"
    both = {name: {**right[name], **wrong[name]} for name in coded}
    assert all(len(both[name]) == len(right[name]) + len(wrong[name]) for name in coded), "a label twice"
    faults = []
    found = marks(lab, both, student)
    for name, got in found.items():
        for label, one in got.items():
            if (one.status == "right") != (label not in wrong[name]):
                faults.append(f"{name}, {label}: {one.status}. {one.sentence} {one.note}")
            elif label in wrong[name] and one.status not in ("wrong", "partly right", "error", "unreadable"):
                faults.append(f"{name}, {label}: {one.status}, which is no wrong answer")
    assert not faults, "\n".join(faults)
    return found
