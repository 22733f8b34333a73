"""What a visitor meets first: the landing page at the site's root, the page for lost visitors, previews.

The root page of _toc.yml, book/index, becomes the site's index.html itself: no redirect, no second copy.
Everything absolute (previews, canonical addresses, the 404 page) starts from one address, `html.baseurl`;
where _config.yml sets none it is where GitHub Pages serves the repository that _config.yml names.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.config import Config
from sphinx.environment.adapters.toctree import global_toctree_for_doc
from sphinx.errors import ConfigError

import addresses

CARD = "_static/card.png"  # drawn by scripts/card.py
CARD_SIZE = (1200, 630)
CARD_ALT = (
    "Large Language Models, Measured. Bars of bits per character on unseen pages of Wikipedia: "
    "a table of counts needs fewer than the compressor xz that was shown the same text."
)
LONGEST = 200  # characters of a description: what search engines and previews show
SENTENCE_END = re.compile(r"(?<=[.?!])\s+(?=[A-Z0-9“\"])")
# An address relative to the page, in an attribute: not one with a scheme, from the root, or within the page.
RELATIVE = re.compile(r'(?<=\s)(href|src|action|data-content_root)="(?![a-z][a-z0-9+.-]*:|/|#)([^"]*)"', re.I)


def set_address(app: Sphinx, config: Config) -> None:
    """Set the site's address, with a slash at its end."""
    repository = str(config.html_theme_options.get("repository_url", ""))
    try:
        config.html_baseurl = addresses.site_address(repository, config.html_baseurl)
    except ValueError as error:
        raise ConfigError(str(error)) from None


class Site(StandaloneHTMLBuilder):
    """Sphinx's HTML builder, with the root page of the table of contents as the site's index.html."""

    def place(self, page: str) -> str:
        """Return where a page stands in the site, without suffix."""
        at_root = page == self.config.root_doc and page.endswith("/index")
        return "index" if at_root else page

    def get_outfilename(self, pagename: str) -> str:
        return super().get_outfilename(self.place(pagename))

    def get_target_uri(self, docname: str, typ: str | None = None) -> str:
        return super().get_target_uri(self.place(docname), typ)

    def dump_search_index(self) -> None:
        super().dump_search_index()
        index = Path(self.outdir) / self.searchindex_filename
        root = str(self.config.root_doc)
        if index.is_file():  # results lead to where the page stands
            text = index.read_text(encoding="utf-8")
            index.write_text(text.replace(f'"{root}"', f'"{self.place(root)}"'), encoding="utf-8")


def address_of(app: Sphinx, page: str) -> str:
    """Return the absolute address of a page; that of the landing page is the site's own."""
    assert isinstance(app.builder, StandaloneHTMLBuilder)
    uri = app.builder.get_target_uri(page)
    return str(app.config.html_baseurl) + ("" if uri == "index.html" else uri)


def opening(doctree: nodes.document) -> str:
    """Return a page's first sentences, as many as a preview shows; a formula or a table ends them."""
    said = ""
    prose = nodes.section | nodes.container | nodes.block_quote  # what a paragraph of prose stands in
    for paragraph in doctree.findall(nodes.paragraph):
        if not isinstance(paragraph.parent, prose):
            break
        formula = next(
            (n for n, part in enumerate(paragraph) if part.next_node(nodes.math, include_self=True)), None
        )
        sentences = SENTENCE_END.split(
            " ".join("".join(part.astext() for part in paragraph[:formula]).split())
        )
        for sentence in sentences if formula is None else sentences[:-1]:
            if said and len(said) + 1 + len(sentence) > LONGEST:
                return said
            said = f"{said} {sentence}".strip()
        if formula is not None:
            break
    return said


def shortened(text: str) -> str:
    """Return `text`, cut at a word and marked so where a preview would not show all of it."""
    cut = text if len(text) <= LONGEST else text[: LONGEST - 1].rsplit(" ", 1)[0]
    return text if cut == text and text[-1:] not in ",;:" else cut.rstrip(",;:") + "…"


def tag(element: str, /, **attributes: str) -> str:
    """Return an empty element; an underscore at the end of a name is dropped (`property_`)."""
    listed = (f'{key.rstrip("_")}="{html.escape(value)}"' for key, value in attributes.items())
    return f"<{element} {' '.join(listed)}>"


def add_head(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Add a page's icons, canonical address, description and preview."""
    pathto = context["pathto"]
    tags = [
        tag("link", rel="icon", type="image/png", sizes="32x32", href=pathto("_static/icon-32.png", True)),
        tag("link", rel="apple-touch-icon", href=pathto("_static/icon-180.png", True)),
    ]
    if page in ("404", "search", "genindex"):
        context["pageurl"] = None
        tags.append(tag("meta", name="robots", content="noindex"))
    if page in (app.config.root_doc, "404"):
        app.add_css_file("front.css", priority=900)
    if doctree is not None:
        context["pageurl"] = address = address_of(app, page)
        is_front = page == app.config.root_doc
        description = shortened(opening(doctree))
        title = app.config.html_title if is_front else app.env.titles[page].astext()
        tags.append(tag("meta", name="description", content=description))
        for name, content in {
            "og:type": "website" if is_front else "article",
            "og:site_name": app.config.html_title,
            "og:title": title,
            "og:description": description,
            "og:url": address,
            "og:image": app.config.html_baseurl + CARD,
            "og:image:width": str(CARD_SIZE[0]),
            "og:image:height": str(CARD_SIZE[1]),
            "og:image:alt": CARD_ALT,
        }.items():
            tags.append(tag("meta", property_=name, content=content))
        tags.append(tag("meta", name="twitter:card", content="summary_large_image"))
    context["metatags"] = context.get("metatags", "") + "\n".join(["", *tags, ""])


def contents(app: Sphinx) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the parts of the book, each with the addresses and titles of its pages."""
    assert isinstance(app.builder, StandaloneHTMLBuilder)
    toc = global_toctree_for_doc(app.env, app.config.root_doc, app.builder, collapse=False, maxdepth=1)
    parts: list[tuple[str, list[tuple[str, str]]]] = []
    for node in toc.findall(lambda node: isinstance(node, nodes.title | nodes.reference)) if toc else ():
        if isinstance(node, nodes.title):
            parts.append((node.astext(), []))
        elif parts:
            number = ".".join(map(str, node.get("secnumber") or ()))
            parts[-1][1].append((node["refuri"], f"{number}. {node.astext()}" if number else node.astext()))
    return parts


def add_lost_page(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Write 404.html, which GitHub Pages serves for every address that is not there."""
    yield "404", {"title": "Page not found", "contents": contents(app)}, "404.html"


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Make the addresses in 404.html absolute, since it is shown at any depth; list the pages."""
    if exception is not None or not isinstance(app.builder, Site):
        return
    lost = Path(app.outdir) / "404.html"
    base = urlsplit(app.config.html_baseurl).path
    text = RELATIVE.sub(
        lambda found: f'{found[1]}="{base}{found[2].removeprefix("./")}"', lost.read_text(encoding="utf-8")
    )
    lost.write_text(text, encoding="utf-8")
    addresses = [address_of(app, page) for page in sorted(app.env.found_docs)]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">',
        *(f"<url><loc>{html.escape(address)}</loc></url>" for address in addresses),
        "</urlset>",
    ]
    (Path(app.outdir) / "sitemap.xml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_builder(Site, override=True)
    app.connect("config-inited", set_address, priority=900)  # after Jupyter Book and the theme
    app.connect("html-collect-pages", add_lost_page)
    app.connect("html-page-context", add_head)
    app.connect("build-finished", finish, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
