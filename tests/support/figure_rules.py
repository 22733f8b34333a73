"""The rules for figures, on top of those of anatomy.py; book/authors.md says them to authors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import execute
import figures
from anatomy import Chapter, plain, rule
from book_drawings import VARIABLES, tag

IMAGE = re.compile(r"\n\n!\[([^\]\n]+)\]\(attachment:key-figure\.png\)\n\n> ")
SHORTEST, LONGEST = 8, 60  # words of a caption


def drawn(chapter: Chapter) -> list[Any]:
    """The cells that draw a figure."""
    return [cell for cell in chapter.notebook.cells if figures.is_figure(cell)]


def captions(chapter: Chapter) -> Iterator[tuple[Any, str]]:
    """Each figure's cell and the text of the cell behind it."""
    cells = chapter.notebook.cells
    for number, cell in enumerate(cells):
        if figures.is_figure(cell):
            behind = cells[number + 1] if number + 1 < len(cells) else None
            mine = behind is not None and behind.cell_type == "markdown" and behind.id == f"{cell.id}-caption"
            yield cell, behind.source if mine else ""


@rule
def captions_its_figures(chapter: Chapter) -> list[str]:
    faults = []
    for number, (cell, text) in enumerate(captions(chapter), start=1):
        if not text.startswith(f"**Figure {number}.** "):
            faults.append(
                f"{cell.id}: the cell behind it is no caption, **Figure {number}.** … (make figures)"
            )
        elif (
            "\n\n" in text
            or not SHORTEST <= len(plain(text).split()) <= LONGEST
            or not text.rstrip().endswith(".")
        ):
            faults.append(f"{cell.id}: its caption is not one paragraph of {SHORTEST} to {LONGEST} words")
    wanted = {f"{cell.id}-caption" for cell in drawn(chapter)}
    return faults + [
        f"{cell.id}: a caption without figure"
        for cell in chapter.notebook.cells
        if cell.cell_type == "markdown"
        and (cell.id.endswith("-caption") or cell.source.startswith("**Figure "))
        and cell.id not in wanted
    ]


@rule
def names_every_figure(chapter: Chapter) -> list[str]:
    texts = [
        (cell.id, figures.CAPTION.sub("", cell.source))
        for cell in chapter.notebook.cells
        if cell.cell_type == "markdown"
    ]
    named = {int(found[2]) for _, text in texts for found in figures.REFERENCE.finditer(text)}
    there = set(range(1, len(drawn(chapter)) + 1))
    faults = [f"the text never says Figure {number}" for number in sorted(there - named)]
    faults += [f"the text says Figure {number}, which is not there" for number in sorted(named - there)]
    return faults + [
        f"{cell_id}: {found[0]!r} is no link: say Figure 2 and Figure 3"
        for cell_id, text in texts
        for found in re.finditer(r"\b(?:Figures|Fig\.|figures?)\s+\d", text)
    ]


@rule
def opens_with_its_key_figure(chapter: Chapter) -> list[str]:
    first = chapter.notebook.cells[0]
    tagged = [cell for cell in chapter.notebook.cells if "key-figure" in cell.metadata.get("tags", [])]
    if len(tagged) != 1 or not figures.is_figure(tagged[0]):
        return [f"{len(tagged)} cells tagged key-figure: one that draws a figure"]
    found = IMAGE.search(first.source)
    if found is None or len(found[1].split()) < SHORTEST:
        return ["no ![a sentence that says the message](attachment:key-figure.png) before the box"]
    same = execute.shows_its_key_figure(chapter.notebook)
    return [] if same else ["the figure at the top is not that of the cell tagged key-figure: make execute"]


@rule
def draws_for_light_and_dark(chapter: Chapter) -> list[str]:
    """Words are in colours that the site replaces, or on a heat map in black or white."""
    faults = []
    for cell, output in chapter.outputs(execute.SVG):
        if "data-panels" not in output.data[execute.SVG][:5000]:
            continue  # an explorer, whose own tests look at its colours
        root = ElementTree.fromstring(output.data[execute.SVG])
        fixed = {"#ffffff", "#000000"} if root.find(".//{*}image") is not None else set()
        parents = {child: parent for parent in root.iter() for child in parent}
        for element in root.iter():
            if tag(element) in ("text", "tspan") and (element.text or "").strip():
                colour = next((c for c in inherited(element, parents) if c), "#000000").lower()
                if colour not in VARIABLES and colour not in fixed:
                    faults.append(
                        f"{cell.id}: {element.text!r} in {colour}: take a colour of labutils.figures"
                    )
    return faults


def inherited(element: Any, parents: dict[Any, Any]) -> Iterator[str]:
    """The fills of an element and of what it stands in."""
    while element is not None:
        yield element.get("fill", "")
        element = parents.get(element)
