"""Find the answers in a submission: by tag, by the cell's id, then by the name that is defined."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from labutils.coursework import code
from labutils.coursework.lab import Lab, Question
from labutils.coursework.notebook import Cell, Notebook

__all__ = ["Found", "find", "other_lab", "personal_id"]


@dataclass(frozen=True)
class Found:
    """Where an answer is: `cell` (None if nowhere), the `name` it binds, the `text` of a text."""

    cell: int | None
    name: str = ""
    text: str = ""
    untouched: bool = False
    note: str = ""


def _same(a: str, b: str) -> bool:
    return re.sub(r"\s+", " ", a).strip() == re.sub(r"\s+", " ", b).strip()


def find(
    questions: Sequence[Question], notebook: Notebook, master: tuple[Cell, ...] = ()
) -> dict[str, Found]:
    """Return where each question is answered; `master` are the cells of the lab's master, if it is known."""
    found = {}
    for question in questions:
        if question.kind == "text":
            found[question.id] = _text(master, question, notebook.cells)
        else:
            found[question.id] = _find(questions, question, notebook.cells)
    return found


def _marked(question: Question, cells: tuple[Cell, ...], kind: str) -> list[int]:
    tagged = [
        n for n, cell in enumerate(cells) if cell.kind == kind and cell.value("question") == question.id
    ]
    return tagged or [
        n for n, cell in enumerate(cells) if cell.kind == kind and question.cell and cell.id == question.cell
    ]


def _find(questions: Sequence[Question], question: Question, cells: tuple[Cell, ...]) -> Found:
    marked = _marked(question, cells, "code")
    touched = [n for n in marked if not _same(cells[n].source, question.stub)]
    others = {other.id for other in questions} - {question.id}
    naming = [
        n
        for n, cell in enumerate(cells)
        if cell.kind == "code"
        and cell.value("question") not in others
        and question.defines in code.defined(cell.source)
    ]
    for group, note in ((touched, ""), ([n for n in naming if n not in marked], "found by its name")):
        named = [n for n in group if n in naming and not _same(cells[n].source, question.stub)]
        if named:
            return Found(named[-1], question.defines, note=note)
    for number in reversed(touched):
        name = code.last_defined(cells[number].source, question.kind)
        if name:
            return Found(number, name, note=f"defined as {name[:60]}")
    if touched:
        return Found(touched[-1], question.defines)
    if marked or naming:
        return Found((marked or naming)[-1], question.defines, untouched=True)
    return Found(None)


def _text(master: tuple[Cell, ...], question: Question, cells: tuple[Cell, ...]) -> Found:
    marked = _marked(question, cells, "markdown")
    if not marked:
        marked = _after_prompt(master, question, cells)
    if not marked:
        return Found(None)
    source = max(
        (cells[n].source for n in marked), key=lambda text: (not _same(text, question.stub), len(text))
    )
    stub = [line.strip() for line in question.stub.splitlines() if line.strip()]
    kept = "\n".join(line for line in source.splitlines() if line.strip() not in stub).strip()
    return Found(marked[-1], text=kept, untouched=not kept)


def _after_prompt(master: tuple[Cell, ...], question: Question, cells: tuple[Cell, ...]) -> list[int]:
    """The markdown cell after the cell that asks, where tags and ids are lost."""
    places = [n for n, cell in enumerate(master) if cell.value("question") == question.id]
    before = master[places[0] - 1] if places and places[0] else None
    for number, cell in enumerate(cells[:-1]):
        asked = before is not None and before.kind == cell.kind and _same(before.source, cell.source)
        if asked and cells[number + 1].kind == "markdown":
            return [number + 1]
    return []


def other_lab(lab: Lab, notebook: Notebook, found: dict[str, Found]) -> str | None:
    """Return why this is another lab's notebook, or None."""
    about = notebook.own.get("lab")
    name = about.get("name") if isinstance(about, dict) else None
    if isinstance(name, str) and name != lab.name:
        shown = re.sub(r"[^\w-]", "?", name)[:40]
        return f"it says that it is the lab {shown}, and this is {lab.name}"
    if all(answer.cell is None for answer in found.values()):
        return f"none of the questions of {lab.name} is in it"
    return None


def personal_id(notebook: Notebook) -> str | None:
    """Return the student id that the notebook states, in `STUDENT = "…"`; None without one."""
    found = [code.literal(cell.source, "STUDENT") for cell in notebook.cells if cell.kind == "code"]
    named = [name.strip() for name in found if name and name.strip()]
    return named[-1][:100] if named else None
