"""What search.js shows beside Sphinx's own index: the first words of sections, and glossary definitions.

Sphinx's index knows which page has a word, not what the page says. Sphinx's own results page fetches whole
pages for that, which browsers refuse from disk.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

LENGTH = 140  # characters
SIGNS = {
    "mid": "|",
    "log": "log",
    "cdot": "·",
    "ge": "≥",
    "le": "≤",
    "times": "×",
    "in": "∈",
    "alpha": "α",
    "theta": "θ",
}


def opening(text: str) -> str:
    """Return the first words of a paragraph."""
    text = " ".join(text.split())
    return text if len(text) <= LENGTH else text[:LENGTH].rsplit(" ", 1)[0].rstrip(",;:") + " …"


def said_by(block: nodes.Element) -> str:
    """Return the text of a block; of its formulas what reads without TeX."""
    return "".join(
        plain(text.astext()) if isinstance(text.parent, nodes.math | nodes.math_block) else text.astext()
        for text in block.findall(nodes.Text)
    )


def plain(tex: str) -> str:
    """Return a short formula as text, and an ellipsis for others: `P(A \\mid B)` is P(A | B)."""
    for command, sign in SIGNS.items():
        tex = re.sub(rf"\\{command}(?![A-Za-z])", sign, tex)
    return "…" if re.search(r"[\\{}&]", tex) else tex


def leads_of(doctree: nodes.document) -> dict[str, tuple[str, str]]:
    """Return title and first words of a page ("") and of its sections and definitions, by their anchors."""
    leads: dict[str, tuple[str, str]] = {}
    for section in doctree.findall(nodes.section):
        heading = section.next_node(nodes.title)
        said = next((said_by(child) for child in section.children if isinstance(child, nodes.paragraph)), "")
        if heading is not None:
            is_page = isinstance(section.parent, nodes.document)
            if is_page and not said:  # the landing page opens with a box
                said = next(map(said_by, section.findall(nodes.paragraph)), "")
            leads["" if is_page else section["ids"][0]] = (heading.astext(), opening(said))
    for item in doctree.findall(nodes.definition_list_item):
        definition = item.next_node(nodes.definition)
        terms = [child for child in item.children if isinstance(child, nodes.term)]
        title = " · ".join(term.astext() for term in terms)  # English and Chinese
        if definition is not None:
            leads |= {
                anchor: (title, opening(said_by(definition))) for term in terms for anchor in term["ids"]
            }
    return leads


def collect(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Remember what a page says, under the name that the search index has for it."""
    if doctree is not None:
        uri = app.builder.get_target_uri(page)  # an index.html elsewhere than its source has another name
        found[uri.removesuffix(".html")] = leads_of(doctree)


found: dict[str, dict[str, tuple[str, str]]] = {}


def start(app: Sphinx) -> None:
    found.clear()
    app.config.html_show_search_summary = False
    app.add_js_file("search.js", loading_method="defer")
    app.add_css_file("search.css")


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write what was collected as a script, which also loads from disk."""
    if exception is None and app.builder.format == "html":
        text = json.dumps(dict(sorted(found.items())), ensure_ascii=False, separators=(",", ":"))
        path = Path(app.outdir) / "_static" / "search-leads.js"
        path.write_text(f"window.bookLeads = {text};\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", start)
    app.connect("html-page-context", collect)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
