"""What the chapters' tables of claims add up to: the ledger, and numbers that pages quote.

A cell that calls `labutils.figures.claims` stores its table as Markdown. Here the stored tables of all
chapters are read when the site is built, so that no page types what they say:

* the directive `{claims-ledger}` shows all claims with their verdicts, each chapter's under a link to it;
* `{{ claims }}`, `{{ wrong }}` and `{{ chapters }}` are numbers for a sentence, `{{ Chapters }}` begins one,
  as a word where there is one; `{{ verdicts }}` says how many claims got which: "40 are wrong, …, 9 hold",
  and `{{ others }}` the same without those that are wrong;
* the directive `{claims-strip}` draws them, a cell for each claim, in the order and colours of the verdicts.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

from book_access import VERDICTS as KINDS
from labutils.figures import VERDICTS

HEAD = "| Where | Claim | Measured here | Verdict |"
ROW = re.compile(r"\| (?P<claim>.*) \| \*\*(?P<verdict>[^|*]+)\*\* \|")
WORDS = (
    "No",
    "One",
    "Two",
    "Three",
    "Four",
    "Five",
    "Six",
    "Seven",
    "Eight",
    "Nine",
    "Ten",
    "Eleven",
    "Twelve",
)
# How a verdict is said of one claim, and of several.
SAID = {
    "wrong": ("is wrong", "are wrong"),
    "misleading": ("is misleading", "are misleading"),
    "holds with a condition": ("holds with a condition", "hold with a condition"),
    "holds": ("holds", "hold"),
}


@dataclass(frozen=True)
class Chapter:
    """A chapter's page, and the rows of its tables of claims as Markdown, with their verdicts."""

    page: str
    title: str
    rows: tuple[tuple[str, str], ...]


def rows_of(table: str) -> list[tuple[str, str]]:
    """Return the rows of a stored table and their verdicts; raises ValueError for what is no such table."""
    lines = table.splitlines()
    rows = lines[2:]
    found = [ROW.fullmatch(row) for row in rows]
    if lines[:1] != [HEAD] or not rows or not all(found):
        raise ValueError(f"no table of labutils.figures.claims: {table[:200]}")
    read = [(row, match["verdict"]) for row, match in zip(rows, found, strict=True) if match]
    if unknown := {verdict for _, verdict in read} - set(VERDICTS):
        raise ValueError(f"a verdict is one of {', '.join(VERDICTS)}, not {', '.join(sorted(unknown))}")
    return read


def chapter(root: Path, page: str) -> Chapter:
    """Read a chapter's claims from its stored outputs."""
    notebook = nbformat.read(root / f"{page}.ipynb", as_version=4)
    first = next(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    rows = [
        row
        for cell in notebook.cells
        if cell.cell_type == "code" and re.search(r"^claims\(", cell.source, re.MULTILINE)
        for output in cell.outputs
        for row in rows_of(output["data"]["text/markdown"])
    ]
    return Chapter(page, first.splitlines()[0].removeprefix("# "), tuple(rows))


def chapters(root: Path) -> list[Chapter]:
    """Return the chapters of the table of contents with their claims."""
    pages = re.findall(r"^\s*- file: (\S+)", (root / "_toc.yml").read_text(encoding="utf-8"), re.MULTILINE)
    return [chapter(root, page) for page in pages if (root / f"{page}.ipynb").is_file()]


def verdicts(read: list[Chapter]) -> Counter[str]:
    """Return how often each verdict was given."""
    return Counter(verdict for one in read for _, verdict in one.rows)


def numbers(read: list[Chapter]) -> dict[str, str]:
    """Return what pages quote, by name."""
    count = verdicts(read)
    told = [
        f"{count[verdict]} {many if count[verdict] != 1 else one}"
        for verdict, (one, many) in SAID.items()
        if count[verdict]
    ]
    return {
        "chapters": str(len(read)),
        "Chapters": WORDS[len(read)] if len(read) < len(WORDS) else str(len(read)),
        "claims": str(count.total()),
        "wrong": str(count["wrong"]),
        "verdicts": ", ".join(told),
        "others": ", ".join(told[1:] if count["wrong"] else told),
    }


class Ledger(SphinxDirective):
    """All claims: a table of counts, then each chapter's claims under a heading of its own."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        read = [one for one in chapters(root) if one.rows]
        for one in read:
            self.env.note_dependency(str(root / f"{one.page}.ipynb"))
        used = [verdict for verdict in VERDICTS if verdicts(read)[verdict]]
        up = "../" * self.env.docname.count("/")
        count = [f"| Chapter | Claims | {' | '.join(used)} |", "|---|" + "---:|" * (len(used) + 1)]
        for one in read:
            each = verdicts([one])
            cells = [str(each.total()), *(str(each[verdict]) for verdict in used)]
            count.append(f"| [{one.title}]({up}{one.page}.ipynb) | {' | '.join(cells)} |")
        total = verdicts(read)
        cells = [str(total.total()), *(str(total[verdict]) for verdict in used)]
        count.append(f"| **All** | {' | '.join(f'**{cell}**' for cell in cells)} |")
        lines = [*count, ""]
        for one in read:
            lines += [f"## {one.title}", "", f"Measured in [the chapter]({up}{one.page}.ipynb).", ""]
            lines += [HEAD, "|---|---|---|---|", *(row for row, _ in one.rows), ""]
        parent = nodes.section()
        parent.document = self.state.document
        self.state.nested_parse(
            StringList(lines, self.get_source_info()[0]), self.content_offset, parent, match_titles=True
        )
        return list(parent.children)


class Strip(SphinxDirective):
    """A picture of how many claims got which verdict; the text beside it says so in numbers."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        read = chapters(root)
        for one in read:
            self.env.note_dependency(str(root / f"{one.page}.ipynb"))
        return [nodes.raw("", strip(verdicts(read)), format="html")]


def strip(count: Counter[str]) -> str:
    """Return a row of cells as SVG, a cell for each claim, those of a verdict side by side."""
    cells, left = [], 0
    for verdict in SAID:
        for _ in range(count[verdict]):
            cells.append(f'<rect class="verdict-{KINDS[verdict]}" x="{left}" width="8" height="20"/>')
            left += 10
        left += 8 if count[verdict] else 0
    return (
        f'<svg class="claims-strip" viewBox="0 0 {max(left - 10, 1)} 20" preserveAspectRatio="none" '
        f'aria-hidden="true">{"".join(cells)}</svg>'
    )


def set_numbers(app: Sphinx, config: Config) -> None:
    """Offer the numbers to the pages as MyST's substitutions."""
    root = Path(app.srcdir)
    if (root / "_toc.yml").is_file():
        config.myst_substitutions = {**config.myst_substitutions, **numbers(chapters(root))}


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("claims-ledger", Ledger)
    app.add_directive("claims-strip", Strip)
    app.connect("config-inited", set_numbers)
    # A change of this file is a reason to read all pages anew.
    own = zlib.crc32(Path(__file__).read_bytes())
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
