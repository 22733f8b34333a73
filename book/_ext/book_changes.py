"""An Atom feed of what has changed, made from the sections of book/changelog.md.

Each entry of the page is a section under a target that holds its date, `(changes-2026-11-28)=`, and behind it
a word where a day has two, `(changes-2026-11-28-models)=`. Date and target stay as they are for good, and so
does the entry's id in the feed; its words may be mended.
"""

from __future__ import annotations

import html
import re
import zlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from xml.etree import ElementTree

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.util import logging

from book_front import address_of, tag

logger = logging.getLogger(__name__)
PAGE = "book/changelog"
FEED = "book/changes.xml"
ANCHOR = re.compile(r"changes-(\d{4}-\d\d-\d\d)(-[a-z]+)?")
HREF = re.compile(r'(?<=\s)href="([^"]*)"')
ATOM = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True)
class Entry:
    """A change: where it stands on the page, when it was, its title and what it says as HTML."""

    anchor: str
    day: date
    title: str
    said: str


def absolute(said: str, base: str) -> str:
    """Return HTML whose links lead there from anywhere: a feed is read elsewhere."""
    return HREF.sub(lambda at: f'href="{html.escape(urljoin(base, html.unescape(at[1])))}"', said)


def entries(app: Sphinx, page: nodes.document) -> list[Entry]:
    """Return the changes that the page tells, in its order."""
    assert isinstance(app.builder, StandaloneHTMLBuilder)
    found = []
    for section in page[0].children:
        if not isinstance(section, nodes.section):
            continue
        dated = next(filter(None, map(ANCHOR.fullmatch, section["ids"])), None)
        if dated is None:
            logger.warning("a change needs its date above it: (changes-2026-11-28)=", location=section)
            continue
        anchor, day = dated[0], date.fromisoformat(dated[1])
        said = "".join(app.builder.render_partial(part)["fragment"] for part in section.children[1:])
        found.append(Entry(anchor, day, section[0].astext(), absolute(said, address_of(app, PAGE))))
    if [entry.day for entry in found] != sorted((entry.day for entry in found), reverse=True):
        logger.warning("the newest change stands first", location=page)
    return found


def feed(app: Sphinx, changes: list[Entry]) -> bytes:
    """Return the feed; a day stands for its first minute in universal time."""
    page = address_of(app, PAGE)
    root = ElementTree.Element("feed", {"xmlns": ATOM, "xml:lang": "en"})

    def add(parent: ElementTree.Element, name: str, text: str | None = None, **attributes: str) -> None:
        ElementTree.SubElement(parent, name, attributes).text = text

    add(root, "id", page)
    add(root, "title", f"{app.config.html_title}: what has changed")
    add(root, "link", rel="self", type="application/atom+xml", href=app.config.html_baseurl + FEED)
    add(root, "link", rel="alternate", type="text/html", href=page)
    add(root, "updated", f"{max(change.day for change in changes)}T00:00:00Z")
    author = ElementTree.SubElement(root, "author")
    add(author, "name", str(app.config.author))
    for change in changes:
        entry = ElementTree.SubElement(root, "entry")
        add(entry, "id", f"{page}#{change.anchor}")
        add(entry, "title", change.title)
        add(entry, "link", rel="alternate", type="text/html", href=f"{page}#{change.anchor}")
        add(entry, "updated", f"{change.day}T00:00:00Z")
        add(entry, "content", change.said, type="html")
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def write(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Write the feed beside the page that it is made from, and name it in every page's head."""
    if PAGE not in app.env.all_docs:
        return
    title = f"{app.config.html_title}: what has changed"
    href = context["pathto"](FEED, True)
    context["book_changes"] = {"page": context["pathto"](PAGE), "feed": href}
    context["metatags"] = context.get("metatags", "") + tag(
        "link", rel="alternate", type="application/atom+xml", title=title, href=href
    )
    if page == PAGE and (changes := entries(app, doctree)):
        path = Path(app.outdir) / FEED
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(feed(app, changes))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", write)
    own = zlib.crc32(Path(__file__).read_bytes())
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
