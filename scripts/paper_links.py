"""Links in the PDF of the book: within a page, from page to page, and to what is only on the site.

Chromium writes a link within a page as the name of a place, and every page has a place called "summary"; a
link to another page it writes as the address of a file. Both become places in the joined PDF.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from posixpath import relpath
from typing import Any
from urllib.parse import unquote, urlsplit

from pypdf import PageObject, PdfReader, PdfWriter
from pypdf.generic import ArrayObject, FloatObject, NameObject, NullObject, TextStringObject


@dataclass(frozen=True)
class Place:
    """A sheet, counted from 0, and how far up on it."""

    sheet: int
    top: float


def target(page: Any, top: float) -> ArrayObject:
    """Return a place as PDF says it: the page, and its upper edge."""
    return ArrayObject([page, NameObject("/XYZ"), NullObject(), FloatObject(top), NullObject()])


def links(page: PageObject) -> list[Any]:
    """Return the links of a sheet."""
    found = [entry.get_object() for entry in page.get("/Annots") or ()]
    return [one for one in found if one.get("/Subtype") == "/Link"]


def places(pdf: PdfReader) -> dict[str, Place]:
    """Return the named places of a printed page by their names, which are its anchors."""
    numbers = {page.indirect_reference: number for number, page in enumerate(pdf.pages)}
    found = {}
    for name, place in pdf.named_destinations.items():
        if (number := numbers.get(place.raw_get("/Page"))) is not None:
            found[unquote(name.removeprefix("/"))] = Place(number, float(place.get("/Top") or 0))
    return found


def explicit(pdf: PdfReader) -> dict[str, Place]:
    """Let the links within a printed page name the sheet itself; return the places that they may name."""
    known = places(pdf)
    for page in pdf.pages:
        for link in links(page):
            action = link.get("/A") or {}
            name = link.get("/Dest") or (action.get("/D") if action.get("/S") == "/GoTo" else None)
            place = known.get(unquote(str(name).removeprefix("/"))) if name is not None else None
            if place is not None:
                link.pop("/A", None)
                sheet = pdf.pages[place.sheet].indirect_reference
                link[NameObject("/Dest")] = target(sheet, place.top)
    return known


def lead(writer: PdfWriter, site: Path, address: str, known: dict[str, dict[str, Place]]) -> None:
    """Let links from page to page lead within the PDF, and links to pages that are not in it to the site.

    `known` has the places of each printed page, by their anchors, as sheets of the whole; "" is its first.
    """
    base = urlsplit(site.as_uri() + "/").path
    for page in writer.pages:
        for link in links(page):
            action = link.get("/A") or {}
            uri = urlsplit(str(action.get("/URI", "")))
            if uri.scheme != "file" or not uri.path.startswith(base):
                continue
            name = relpath(uri.path, base)
            anchors = known.get(unquote(name).removesuffix(".html"))
            if anchors is None:
                fragment = f"#{uri.fragment}" if uri.fragment else ""
                action[NameObject("/URI")] = TextStringObject(f"{address}{name}{fragment}")
            else:
                place = anchors.get(unquote(uri.fragment), anchors[""])
                link.pop("/A")
                link[NameObject("/Dest")] = target(writer.pages[place.sheet].indirect_reference, place.top)
