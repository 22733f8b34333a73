"""What a page of the built site asks for: names of scripts and style sheets, also inside the joined files."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from bs4 import BeautifulSoup

SELECTOR = "script[src], link[rel=stylesheet]"


def addresses(page: Path, selector: str = SELECTOR) -> list[str]:
    """Return the addresses as they stand in the page, without what follows a question mark."""
    found = BeautifulSoup(page.read_text("utf-8"), "html.parser").select(selector)
    return [urlsplit(str(one.get("src") or one.get("href"))).path for one in found]


def asked(site: Path, page: str, selector: str = SELECTOR) -> list[str]:
    """Return the files below _static that a page, "a/b.html", asks for; those of joined files one by one."""
    names = [address.partition("_static/")[2] for address in addresses(site / page, selector)]
    return [part for name in names for part in parts_of(site / "_static" / name) or [name]]


def parts_of(path: Path) -> list[str]:
    """Return of what a file of book_bundle is joined; nothing for others."""
    if not re.fullmatch(r"book-\w+\.(css|js)", path.name):
        return []
    first = path.read_text("utf-8").partition("*/")[0]
    return first.removeprefix("/*!").split()
