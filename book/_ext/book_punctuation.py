"""A formula keeps the comma behind it and the bracket before it on its line.

A browser may break a line on either side of a formula, which is no text to it, so that a line could begin
with a comma. Formula and punctuation become one `<span>` in which lines do not break.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

OPENS = re.compile(r"[(\[“‘]+$")
CLOSES = re.compile(r"^[,.;:!?)\]”’…]+")
UNBROKEN = "text-nowrap"  # Bootstrap's class, which the theme brings


def cut(text: nodes.Node | None, pattern: re.Pattern[str]) -> str:
    """Take what the pattern finds off a text in its place; nothing of what is no text."""
    found = pattern.search(text.astext()) if isinstance(text, nodes.Text) else None
    if found is None or text is None or text.parent is None:
        return ""
    text.parent.replace(text, nodes.Text(pattern.sub("", text.astext())))
    return found[0]


class Punctuation(SphinxPostTransform):
    """Wrap each formula within a line together with the punctuation that touches it."""

    default_priority = 880
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for formula in list(self.document.findall(nodes.math)):
            before, after = formula.previous_sibling(), formula.next_node(descend=False, siblings=True)
            opening, closing = cut(before, OPENS), cut(after, CLOSES)
            if opening or closing:
                whole = nodes.inline(classes=[UNBROKEN])
                formula.replace_self(whole)
                whole += [nodes.Text(opening), formula, nodes.Text(closing)]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_post_transform(Punctuation)
    # A change of this file is a reason to read all pages anew.
    own = zlib.crc32(Path(__file__).read_bytes())
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
