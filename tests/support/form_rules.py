"""The rules for what a reader meets where there is no Sphinx: citations, folds, time to read, solutions.

They stand on top of those of anatomy.py; book/authors.md says them to authors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import bibliography  # book/_ext/bibliography.py
import repository  # scripts/repository.py
from anatomy import DETAILS, ROOT, Chapter, check_calls, reading_minutes, rule

# What only Sphinx reads, outside code: {role}`…`, ```{directive}, :::{directive} and (label)=
FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,})(?!`*\{).*?^(?P=fence)`*$", re.DOTALL | re.MULTILINE)
RAW = re.compile(
    r"(?P<raw>\{[a-zA-Z][\w:.+-]*\}`[^`]+`|^[ >]*(?::{3,}|`{3,}|~{3,})\{[^}\n]+\}|^\([\w-]+\)=$)|"
    r"(?P<code>(?<!`)(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))",
    re.DOTALL | re.MULTILINE,
)


def texts(chapter: Chapter) -> Iterator[tuple[str, str]]:
    """Markdown cells and what cells show as Markdown or HTML, each with its cell's id."""
    for cell in chapter.notebook.cells:
        if cell.cell_type == "markdown":
            yield cell.id, cell.source
    for kind in ("text/markdown", "text/html"):
        for cell, output in chapter.outputs(kind):
            yield cell.id, output.data[kind]


def raw_markup(text: str) -> list[str]:
    """Roles, directives and labels that stand in a text outside code."""
    return [found["raw"] for found in RAW.finditer(FENCE.sub(" ", text)) if found["raw"]]


@rule
def shows_no_markup_of_sphinx(chapter: Chapter) -> list[str]:
    return [
        f"cell {cell_id}: {found!r}: a reader in JupyterLab sees it raw (citations: make repository)"
        for cell_id, text in texts(chapter)
        for found in raw_markup(text)
    ]


@rule
def cites_in_links_that_read_well(chapter: Chapter) -> list[str]:
    known, site = repository.works(ROOT), repository.read(ROOT).site
    faults = [
        f"cell {cell_id}: {fault}"
        for cell_id, text in texts(chapter)
        for fault in bibliography.faults(text, known, site)
    ]
    return faults if bibliography.LINK.search(chapter.markdown) else [*faults, "it cites nothing"]


@rule
def folds_in_notebooks_what_the_site_folds(chapter: Chapter) -> list[str]:
    faults = []
    for cell in chapter.code:
        wanted = "hide-input" in cell.metadata.get("tags", [])
        hidden = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        if {hidden, cell.metadata.get("cellView") == "form"} != {wanted}:
            faults.append(
                f"cell {cell.id} is {'not ' * wanted}folded in JupyterLab or Colab: make repository"
            )
    return faults


@rule
def says_how_long_it_takes_to_read(chapter: Chapter) -> list[str]:
    cells, wanted = chapter.notebook.cells, reading_minutes(chapter)
    start = "\n".join(cell.source for cell in cells[: cells.index(chapter.code[0])])
    found = re.search(r"\babout (\d+) minutes of reading\b", start)
    if found and abs(int(found[1]) - wanted) <= 5:
        return []
    said = repr(found[0]) if found else "no reading time"
    return [f"its box says {said}, not 'about {wanted} minutes of reading'"]


@rule
def keeps_solutions_behind_the_students_cell(chapter: Chapter) -> list[str]:
    """An exercise is its statement, the cell that the student fills, then hint and solution."""
    faults, heading, told = [], "", ""
    for cell in chapter.notebook.cells:
        if cell.cell_type == "code" and told and check_calls(chapter.tree(cell)):
            faults.append(f"cell {cell.id}: hint or solution of {told!r} stand before it, not behind")
        elif cell.cell_type == "markdown":
            for part in re.split(r"^(?=#{2,3} )", cell.source, flags=re.MULTILINE):
                if part.startswith("#"):
                    heading, told = part.partition("\n")[0], ""
                if heading.startswith("### Exercise") and DETAILS.search(part):
                    told = heading
    return faults
