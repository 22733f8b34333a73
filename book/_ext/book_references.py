"""Citations on the site, and the list of the works that are cited, each with links back to where that is.

A citation is a link to the published list of references (see bibliography.py). Here it becomes a link within
the site, so that it works from disk and in a preview, too. A key that the bibliography lacks stops the build.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from pybtex.style.formatting.unsrt import Style
from pybtex.style.sorting.author_year_title import SortingStyle
from pybtex_docutils import Backend
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import bibliography
from addresses import REFERENCES

CITED = "citations"  # of each page's metadata: key → the id of its first citation there
logger = logging.getLogger(__name__)


class Alphabetical(SortingStyle):  # type: ignore[misc]
    """By author, year and title, letters without their accents: pybtex puts Ř after Z."""

    def sorting_key(self, entry: Any) -> tuple[str, ...]:
        return tuple(bibliography.plain_letters(str(part)) for part in super().sorting_key(entry))


class Citations(SphinxTransform):
    """Find the links that are citations, and note for the list of references where they stand."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        start = f"{self.config.html_baseurl}{REFERENCES}.html#"
        known = works_of(self.app)
        anchors: dict[str, str] = {}
        for link in self.document.findall(nodes.reference):
            if not link.get("refuri", "").startswith(start):
                continue
            key = link["refuri"].removeprefix(start)
            if key not in known:
                logger.warning("no reference %s in %s", key, bibliography.FILE, location=link)
                continue
            link["citation"] = key
            if key not in anchors and not any(isinstance(up, nodes.title) for up in ancestors(link)):
                anchors[key] = f"cite-{key}"
                link["ids"].append(anchors[key])
        self.env.metadata[self.env.docname][CITED] = anchors


class Bibliography(SphinxDirective):
    """The place of the list."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(bibliography.FILE)
        return [Works()]


class Works(nodes.General, nodes.Element):  # type: ignore[misc]
    """The list, which is written when all pages have been read."""


class WriteReferences(SphinxPostTransform):
    """Lead the citations to the list, and write the list."""

    default_priority = 5
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for link in self.document.findall(nodes.reference):
            if "citation" in link:
                link["refuri"] = f"{self.uri(REFERENCES)}#{link['citation']}"
                link["internal"] = True
        for place in list(self.document.findall(Works)):
            place.replace_self(self.list_of_works())

    def uri(self, page: str) -> str:
        here = self.env.docname
        return "" if page == here else str(self.app.builder.get_relative_uri(here, page))

    def list_of_works(self) -> nodes.bullet_list:
        cited = {key for page in self.env.found_docs for key in self.env.metadata[page].get(CITED, ())}
        data = bibliography.load(Path(self.env.srcdir))
        entries = Alphabetical().sort([entry for key, entry in data.entries.items() if key in cited])
        backend, items = Backend(), nodes.bullet_list(classes=["references"])
        for entry in Style().format_entries(entries):
            work = backend.paragraph(entry)
            where = nodes.paragraph("", "Cited in ", classes=["cited-in"])
            for number, link in enumerate(self.links_back(entry.key)):
                where += [nodes.Text(" · ")] * bool(number) + [link]
            items += nodes.list_item("", work, where, ids=[entry.key])
        return items

    def links_back(self, key: str) -> Iterator[nodes.reference]:
        for page in pages_in_order(self.env):
            anchor = self.env.metadata[page].get(CITED, {}).get(key)
            if anchor:
                uri = f"{self.uri(page)}#{anchor}"
                yield nodes.reference("", short_title(self.env, page), refuri=uri, internal=True)


def ancestors(node: nodes.Node) -> Iterator[nodes.Node]:
    while node.parent is not None:
        node = node.parent
        yield node


def works_of(app: Sphinx) -> dict[str, bibliography.Work]:
    """Return the works of the bibliography, read once a build."""
    if not hasattr(app, "book_works"):
        app.book_works = bibliography.works(bibliography.load(Path(app.srcdir)))  # type: ignore[attr-defined]
    known: dict[str, bibliography.Work] = app.book_works  # type: ignore[attr-defined]
    return known


def pages_in_order(env: BuildEnvironment) -> list[str]:
    """Return the pages in the order of the table of contents, the first of them the landing page."""
    ordered = list(dict.fromkeys([env.config.root_doc, *walk(env, env.config.root_doc)]))
    return [page for page in ordered if page in env.found_docs]


def walk(env: BuildEnvironment, page: str) -> Iterator[str]:
    for below in env.toctree_includes.get(page, ()):
        yield below
        yield from walk(env, below)


def short_title(env: BuildEnvironment, page: str) -> str:
    """Return a page's number and the first words of its title, up to the question behind them."""
    if page == env.config.root_doc:
        return "the landing page"
    if page == REFERENCES:
        return "the text above"
    number = ".".join(map(str, env.toc_secnumbers.get(page, {}).get("", None) or ()))
    return f"{number} {env.titles[page].astext().partition(':')[0]}".strip()


def renew(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """The list says what all pages cite: it is written again when any of them has been read again."""
    return [REFERENCES] if REFERENCES in env.found_docs else []


def add_style(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if page == REFERENCES:
        app.add_css_file("references.css", priority=900)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("bibliography", Bibliography)
    app.add_transform(Citations)
    app.add_post_transform(WriteReferences)
    app.connect("env-updated", renew)
    app.connect("html-page-context", add_style)
    app.add_node(Works)
    # A change of these files is a reason to read all pages anew.
    own = zlib.crc32(Path(__file__).read_bytes() + Path(bibliography.__file__).read_bytes())
    return {"version": "2", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
