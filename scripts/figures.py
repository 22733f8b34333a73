"""Number the figures of the notebooks again after one was added or moved. `make figures` runs this.

A figure is a code cell that calls `show(` or `show_explorer(`; the Markdown cell behind it, whose id is the
figure's with `-caption` at its end, begins with `**Figure 2.**`. Numbers run through a notebook in order, and
the words "Figure 2" in its text follow. Run twice, it changes nothing the second time.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import nbformat

import execute

SHOWS = re.compile(r"(?<![\w.])show(?:_explorer)?\(")
CAPTION = re.compile(r"\A\*\*Figure (\d+|\?)\.\*\*")
REFERENCE = re.compile(r"\bFigure(\s)(\d+)(?!\d|\.\d)")


def is_figure(cell: Any) -> bool:
    """Whether a cell draws a figure."""
    return cell.cell_type == "code" and bool(SHOWS.search(cell.source))


def renumber(notebook: Any) -> list[str]:
    """Number captions in order and let the text follow; return what only an author can mend.

    The number of a new caption may be written as `?`, so that no reference is taken for one to it.
    """
    faults: list[str] = []
    captions = {cell.id: cell for cell in notebook.cells if cell.id.endswith("-caption")}
    new: dict[str, str] = {}
    order: list[tuple[Any, str]] = []
    for cell in filter(is_figure, notebook.cells):
        caption = captions.get(f"{cell.id}-caption")
        found = CAPTION.search(caption.source) if caption is not None else None
        if caption is None or found is None:
            faults.append(
                f"{cell.id} has no caption: a cell {cell.id}-caption that begins with **Figure ?.**"
            )
            continue
        order.append((caption, str(len(order) + 1)))
        if found[1] in new:
            faults.append(f"two captions were Figure {found[1]}: text that names it may mean either")
        if found[1] != "?":
            new[found[1]] = order[-1][1]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            body = CAPTION.sub("", cell.source) if cell.id.endswith("-caption") else cell.source
            head = cell.source[: len(cell.source) - len(body)]
            cell.source = head + REFERENCE.sub(
                lambda found: f"Figure{found[1]}{new.get(found[2], found[2])}", body
            )
    for caption, number in order:
        caption.source = CAPTION.sub(f"**Figure {number}.**", caption.source)
    return faults


def main() -> int:
    """Number the figures of the notebooks that are named, or of all; 1 if a caption is missing."""
    wrong = 0
    for path in execute.select(sys.argv[1:]):
        before = path.read_text(encoding="utf-8")
        notebook = nbformat.reads(before, as_version=4)
        faults = renumber(notebook)
        after = nbformat.writes(notebook) + "\n"
        if after != before:
            path.write_text(after, encoding="utf-8")
        print(f"{path.name}: {'numbered anew' if after != before else 'as it was'}")
        for fault in faults:
            print(f"  {fault}", file=sys.stderr)
        wrong += len(faults)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
