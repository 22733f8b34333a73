"""Self-test questions: a group with a name for screen readers, and each choice marked as right or wrong.

An author writes plain Markdown, which Jupyter, Colab and GitHub show as it is: a paragraph that begins with
**Question.**, then each choice as `<details><summary>choice</summary>`, its answer, `</details>`, where the
answer begins with ✓ or ✗. The page gets what style sheets need: `<div class="labutils-question">` around it,
and `<details class="right">` or "wrong". No script: a choice opens as any drop-down does.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)
LEAD = "Question."
MARKS = {"✓": "right", "✗": "wrong"}
OPENS, CLOSES = re.compile(r"<details>(?=\s*<summary>)"), re.compile(r"</details>")
BEGIN = '<div class="labutils-question" role="group" aria-label="Question">'


def is_question(node: nodes.Node) -> bool:
    """Whether a node is the paragraph that begins a question."""
    if not isinstance(node, nodes.paragraph):
        return False
    first = next((child for child in node.children if child.astext()), None)  # MyST begins with an empty text
    return isinstance(first, nodes.strong) and first.astext() == LEAD


def extent(siblings: list[nodes.Node], start: int) -> int:
    """Where the question that begins at `start` ends: behind its last choice. `start` if it has none."""
    end, depth = start, 0
    for i in range(start + 1, len(siblings)):
        node = siblings[i]
        if isinstance(node, nodes.raw):
            depth += len(OPENS.findall(node.astext()))
            closed = len(CLOSES.findall(node.astext()))
            depth, end = depth - closed, i + 1 if closed else end
        if depth == 0 and ((end > start and i >= end) or is_question(node)):
            break
    return end


def raw(html: str) -> nodes.raw:
    return nodes.raw("", html, format="html")


class Questions(SphinxTransform):
    """Put each question into a group of its own and mark its choices; complain about a misshapen one."""

    default_priority = 400  # at reading

    def questions(self) -> Iterator[tuple[nodes.Element, int]]:
        for node in list(self.document.findall(is_question)):
            assert node.parent is not None
            yield node.parent, node.parent.index(node)

    def apply(self, **kwargs: Any) -> None:
        for parent, start in self.questions():
            end = extent(parent.children, start)
            marks = [self.mark(parent.children, i) for i in range(start + 1, end)]
            found = [mark for mark in marks if mark]
            if found.count("right") != 1 or "wrong" not in found or "unmarked" in found:
                logger.warning(
                    "a question needs choices in the form of book/authors.md, one of them with ✓, "
                    "the others with ✗; found: %s",
                    ", ".join(found) or "none",
                    location=parent.children[start],
                )
            parent.insert(end, raw("</div>"))
            parent.insert(start, raw(BEGIN))

    def mark(self, siblings: list[nodes.Node], at: int) -> str:
        """Give the choice that begins at `at`, if one does, the class of the mark of its answer."""
        node = siblings[at]
        if not isinstance(node, nodes.raw) or not OPENS.search(node.astext()):
            return ""
        kind = MARKS.get(siblings[at + 1].astext()[:1], "unmarked") if at + 1 < len(siblings) else "unmarked"
        siblings[at].parent.replace(node, raw(OPENS.sub(f'<details class="{kind}">', node.astext())))
        return kind


def style_where_used(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Ask for the style sheet on pages that have a question."""
    if doctree is not None and any(node.astext() == BEGIN for node in doctree.findall(nodes.raw)):
        app.add_css_file("quiz.css")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(Questions)
    app.connect("html-page-context", style_where_used)
    # A change of this file is a reason to read all pages anew.
    own = zlib.crc32(Path(__file__).read_bytes())
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
