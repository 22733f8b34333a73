"""What is wider than a phone: tables that code printed, and names of code within prose.

A printed table keeps its columns only while its lines stay whole. In an output, lines that stand in columns
become a box, `<span class="columns">`, that scrolls sideways (site.css, access.js); all other lines wrap as
prose does. A dotted name may break behind its dots and underscores, `<wbr>`, and nowhere else.
"""

from __future__ import annotations

import html
import re
from typing import Any

from sphinx.application import Sphinx

OUTPUT = re.compile(
    r'(<div class="output (?:stream|text_plain)\b[^"]*"><div class="highlight"><pre><span></span>)'
    r"(.*?)(</pre>)",
    re.DOTALL,
)
TAG = re.compile(r"<[^>]*>")
# Two spaces or more set a column off; a matrix is printed as rows in brackets.
COLUMN = re.compile(r"(?:^|\S) {2,}\S|^ ?\[")
ENTRY = re.compile(r"(?<!\S)\S")
CODE = re.compile(r'<code class="docutils literal notranslate">.*?</code>', re.DOTALL)
PIECE = re.compile(r'(?<=<span class="pre">)[^<]+')
JOINT = re.compile(r"(?<=[^\W_])([._/]+)(?=[^\W\d_])")


def aligned(line: str, other: str) -> bool:
    """Whether at least half of the entries of two lines stand below each other."""
    here, there = ({at.start() for at in ENTRY.finditer(text)} for text in (line, other))
    both = len(here & there)
    return both >= 2 and 2 * both >= max(len(here), len(there))


def tables(lines: list[str]) -> list[range]:
    """Return which runs of two lines or more are tables: lines with columns, and those aligned with them."""
    is_row = [bool(COLUMN.search(line)) for line in lines]
    for order in (range(1, len(lines)), range(len(lines) - 2, -1, -1)):
        step = order.step
        for n in order:
            is_row[n] = is_row[n] or (is_row[n - step] and aligned(lines[n], lines[n - step]))
    found: list[range] = []
    for n in [n for n, row in enumerate(is_row) if row]:
        if found and found[-1].stop == n:
            found[-1] = range(found[-1].start, n + 1)
        else:
            found.append(range(n, n + 1))
    return [run for run in found if len(run) > 1]


def with_boxes(printed: str) -> str:
    """Return the HTML of an output with its tables in boxes."""
    lines = printed.split("\n")
    plain = [html.unescape(TAG.sub("", line)) for line in lines]
    for run in reversed(tables(plain)):
        table = "\n".join(lines[run.start : run.stop])
        if table.count("<span") != table.count("</span"):
            continue  # a colour that goes on: the boxes would cross
        rest = "\n".join(lines[run.stop :])  # a box ends its line
        lines[run.start :] = [f'<span class="columns">{table}</span>{rest}']
    return "\n".join(lines)


def with_joints(code: str) -> str:
    """Return the HTML of code in prose with the places where a name may break."""
    return PIECE.sub(lambda piece: JOINT.sub(r"\1<wbr>", piece[0]), code)


def mend(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Mend a page's body."""
    if "body" in context:
        body = OUTPUT.sub(lambda found: found[1] + with_boxes(found[2]) + found[3], context["body"])
        context["body"] = CODE.sub(lambda found: with_joints(found[0]), body)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", mend)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
