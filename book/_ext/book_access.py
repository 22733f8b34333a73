"""What screen readers, keyboards and dark mode need and neither Sphinx nor the theme gives a page.

Chinese words say that they are Chinese; tables say which cells head which; a table of claims shows its
verdicts as badges, a word each.
"""

from __future__ import annotations

import html
import re
import zlib
from pathlib import Path
from typing import Any

from docutils import nodes
from markupsafe import Markup
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)
# A word with a Chinese character in it, and all up to the last such word of the run: 加k平滑; 你好，世界
HAN = r"[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
WORD = rf"\w*{HAN}\w*"
CHINESE = re.compile(rf"{WORD}(?:[\s·、，。；：？！“”‘’（）《》〈〉「」『』…—]*{WORD})*[、，。；：？！…]*")
# Not prose: code and formulas stay as they are.
NOT_PROSE = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw, nodes.comment)
VERDICTS = {
    "holds": "holds",
    "holds with a condition": "condition",
    "misleading": "misleading",
    "wrong": "wrong",
}


class ChineseWords(SphinxPostTransform):
    """Mark runs of Chinese in prose, `<span lang="zh">`: screen readers change their voice for it."""

    default_priority = 800  # after citations and links have their text
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for text in list(self.document.findall(nodes.Text)):
            if CHINESE.search(text) and self.is_prose(text):
                text.parent.replace(text, self.marked(str(text)))

    def is_prose(self, node: nodes.Node) -> bool:
        while (node := node.parent) is not None:
            if isinstance(node, NOT_PROSE) or "language-zh" in node.get("classes", ()):
                return False
        return True

    def marked(self, text: str) -> list[nodes.Node]:
        parts: list[nodes.Node] = []
        end = 0
        for found in CHINESE.finditer(text):
            parts.append(nodes.Text(text[end : found.start()]))
            # docutils writes a class "language-…" as the attribute lang
            parts.append(nodes.inline(found[0], found[0], classes=["language-zh"]))
            end = found.end()
        parts.append(nodes.Text(text[end:]))
        return [part for part in parts if part.astext()]


class Claims(SphinxPostTransform):
    """In a table of claims, head each row by its first cell and mark the verdict in its last."""

    default_priority = 800
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for table in self.document.findall(nodes.table):
            head = next(table.findall(nodes.thead), None)
            if head is None or head.children[-1].children[-1].astext().strip() != "Verdict":
                continue
            table["classes"].append("claims")
            next(table.findall(nodes.colspec))["stub"] = 1
            for row in next(table.findall(nodes.tbody)).children:
                cell = row.children[-1]
                said = cell.astext().strip()
                if said not in VERDICTS:
                    logger.warning("a verdict is one of %s, not %r", ", ".join(VERDICTS), said, location=cell)
                else:
                    cell["classes"] += ["verdict", f"verdict-{VERDICTS[said]}"]


def marked(text: str) -> Markup:
    """Return plain text as HTML with its Chinese marked, for templates."""
    return Markup(CHINESE.sub(lambda found: f'<span lang="zh">{found[0]}</span>', html.escape(text)))  # noqa: S704


def head_cell(found: re.Match[str]) -> str:
    """Return the opening tag of a head cell with what it heads; one that says so already stays."""
    if "scope=" in found[0]:
        return found[0]
    heads_row = re.search(r'class="[^"]*\bstub\b', found[0]) and not re.search(r'class="head', found[0])
    return found[0].replace("<th", f'<th scope="{"row" if heads_row else "col"}"', 1)


def mend(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Mend what Sphinx's writers say of a page to screen readers."""
    context["marked"] = marked
    if "body" in context:
        body = re.sub(r"<th\b[^>]*>", head_cell, context["body"])
        # ARIA 1.3 takes this role back; the entries stand in a list.
        body = body.replace('role="doc-biblioentry"', 'role="listitem"')
        # The words in the line itself say more: "Show code cell source".
        context["body"] = body.replace('<summary aria-label="Toggle hidden content">', "<summary>")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_post_transform(ChineseWords)
    app.add_post_transform(Claims)
    app.connect("html-page-context", mend)
    # A change of this file is a reason to read all pages anew.
    own = zlib.crc32(Path(__file__).read_bytes())
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
