"""Where the book is, its notebooks and masters of labs, and the parts of a notebook that tests run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat

import book  # scripts/book.py

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = [ROOT / f"{page}.ipynb" for page in book.pages_of_toc(ROOT) if page.startswith("notebooks/")]
MASTERS = sorted((ROOT / "notebooks/labs").glob("*.ipynb"))  # of labs: no page shows them


def sources(chapter: str) -> dict[str, str]:
    """The code cells of a chapter, by id; `chapter` is its name, as in "attention"."""
    [path] = (ROOT / "notebooks").rglob(f"{chapter}.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    return {cell.id: cell.source for cell in cells if cell.cell_type == "code"}


def run_cells(chapter: str, ids: Iterable[str], /, **names: Any) -> dict[str, Any]:
    """Run cells of a chapter one after another, beginning with `names`; return all names that are there then.

    KeyError, naming the cell, where the chapter has none of that id.
    """
    code = sources(chapter)
    known: dict[str, Any] = {"__name__": chapter, **names}
    for cell in ids:
        exec(compile(code[cell], f"{chapter}:{cell}", "exec"), known)
    return known
