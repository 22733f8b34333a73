"""Every lab in notebooks/labs: its master keeps the form, and its release proves itself."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

import anatomy
import repository  # scripts/repository.py
from coursework_kit import sandbox
from labutils.coursework.code import defined, plain, tree
from labutils.coursework.lab import KINDS, Lab, load
from labutils.coursework.release import prove, release
from places import MASTERS, ROOT

POINTS, FEWEST, MOST, LONGEST = 20, 5, 8, 110
RULES: dict[str, Any] = {}


def rule(function: Any) -> Any:
    RULES[function.__name__] = function
    return function


@rule
def asks_five_to_eight_questions_of_all_kinds_for_twenty_points(lab: Lab, notebook: Any) -> list[str]:
    kinds = {question.kind for question in lab.questions}
    return [
        *([] if kinds == set(KINDS) else [f"only of kind {', '.join(sorted(kinds))}"]),
        *([] if lab.points == POINTS else [f"{lab.points:g} points"]),
        *([] if FEWEST <= len(lab.questions) <= MOST else [f"{len(lab.questions)} questions"]),
    ]


@rule
def begins_as_a_chapter_does(lab: Lab, notebook: Any) -> list[str]:
    setup = next((cell for cell in notebook.cells if cell.cell_type == "code"), None)
    titled = notebook.cells[0].source.startswith(f"# {lab.title}\n")
    return [
        *([] if titled else [f"the first cell is not the title, {lab.title}"]),
        *([] if setup and setup.id == "setup" else ["the first code cell has not the id setup"]),
        *(
            []
            if setup and setup.source == repository.read(ROOT).setup
            else ["it is not the book's: make repository"]
        ),
        *([] if lab.name == lab.path.stem else [f"its name is {lab.name}"]),
    ]


@rule
def every_coded_question_has_a_public_check(lab: Lab, notebook: Any) -> list[str]:
    faults = []
    sources = [cell.source.strip() for cell in notebook.cells if cell.cell_type == "code"]
    for question in lab.questions:
        registers = f'@exercise("{question.id}", defines="{question.defines}")'
        public = [cell for cell in lab.notebook.cells if f"public={question.id}" in cell.tags]
        if question.kind != "text" and not any(registers in cell.source for cell in public):
            faults.append(f"no cell tagged public={question.id} with {registers}")
        if question.kind != "text" and f'check("{question.id}")' not in sources:
            faults.append(f'no cell that is check("{question.id}") alone')
    return faults + (
        [] if sources[-1].endswith("check()") else ["the last code cell does not end with check()"]
    )


@rule
def stores_nothing_and_is_laid_out_to_be_read(lab: Lab, notebook: Any) -> list[str]:
    faults = []
    for cell in notebook.cells:
        if not re.fullmatch(r"[a-z][a-z0-9-]+", cell.id):
            faults.append(f"{cell.id}: an id that speaks has small letters and dashes")
        if cell.cell_type == "code":
            faults += [f"{cell.id}: outputs are stored"] if cell.outputs or cell.execution_count else []
            long = [line for line in cell.source.splitlines() if len(line) > LONGEST and "%pip" not in line]
            faults += [f"{cell.id}: a line of {len(line)} characters" for line in long]
    return faults


@rule
def imports_what_colab_has(lab: Lab, notebook: Any) -> list[str]:
    known = {*sys.stdlib_module_names, *anatomy.COLAB}
    faults = []
    for cell in lab.notebook.cells:
        parsed = tree(plain(cell.source)) if cell.kind == "code" else None
        for node in ast.walk(parsed) if parsed else []:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            faults += [f"{cell.id}: {name}" for name in names if name.partition(".")[0] not in known]
    return faults


@rule
def no_name_is_taken_by_two_questions(lab: Lab, notebook: Any) -> list[str]:
    """An answer that has lost its tags is found by the name that it defines."""
    faults = []
    for question in lab.questions:
        cells = [
            cell.id
            for cell in lab.notebook.cells
            if cell.kind == "code" and question.defines in defined(cell.source)
        ]
        if question.kind != "text" and cells != [question.cell]:
            faults.append(f"{question.defines} is defined in {', '.join(cells)}")
    return faults


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_master_keeps_rule(path: Path, name: str) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert RULES[name](load(path), notebook) == []


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_release_proves_itself(path: Path) -> None:
    lab = load(path)
    proved = prove(lab, release(lab), sandbox())
    assert len(proved) == 4
