"""One style sheet and one or two scripts for a page, joined from all that is registered for it.

Whatever Sphinx, the theme and the book's extensions register, for all pages or for one, is joined in its
order, so nothing need know of this file. The scripts that every page has are one file, which a browser keeps
from page to page; those that a page has of its own, its explorers for example, are another. A file's name has
a hash of what is in it; its first line says of what it is joined. The script that sets the theme before the
first paint stays alone, and so does one that reads attributes of its own tag. The originals stay, too.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from pathlib import Path
from typing import Any

import rcssmin
from sphinx.application import Sphinx

from book_purge import names_in, purged

STATIC = "_static/"
LINK = re.compile(r'[ \t]*<link (?=[^>]*rel="stylesheet")[^>]*>\n?')
PRELOAD = re.compile(r'[ \t]*<link (?=[^>]*rel="preload")(?=[^>]*as="script")[^>]*>\n?')
SCRIPT = re.compile(r"[ \t]*<script (?=[^>]*\bdefer\b)(?=[^>]*\bsrc=)[^>]*></script>\n?")
ADDRESS = re.compile(r'\b(?:href|src)="(?P<base>[^":]*?)_static/(?P<name>[^"?#]*)[^"]*"')
MEDIA = re.compile(r'\bmedia="(?P<media>[^"]*)"')
# Of a script that reads its own tag. sphinx-design's tabs do where they are told another prefix than theirs.
OWN = re.compile(r"\bdata-(?!sd-tabs-storage-prefix)")
URL = re.compile(r"""url\(\s*(?P<quote>["']?)(?P<address>(?![a-z]+:|/|#)[^"')]+)(?P=quote)\s*\)""")
CHARSET = re.compile(r'@charset "[^"]*";')
IMPORT = re.compile(r"""@import\s+["'](?P<name>[^"']+)["']\s*;""")
# Of Sphinx's own search, which the book does not use, and its shortcuts, which the theme has, too.
UNUSED = ("doctools.js", "sphinx_highlight.js")


def names_of(tags: list[str]) -> list[str]:
    """Return the files below _static that tags ask for, each once."""
    found = (ADDRESS.search(tag) for tag in tags)
    return list(dict.fromkeys(match["name"] for match in found if match))


def rules_of(static: Path, name: str) -> str:
    """Return the rules of a style sheet and of those that it imports, addresses as seen from _static."""
    folder = posixpath.dirname(name)

    def here(address: str) -> str:
        return posixpath.normpath(posixpath.join(folder, address))

    rules = CHARSET.sub("", (static / name).read_text(encoding="utf-8"))
    rules = URL.sub(lambda found: f'url("{here(found["address"])}")', rules)
    return IMPORT.sub(lambda found: rules_of(static, here(found["name"])), rules)


def joined_style(static: Path, sheets: tuple[tuple[str, str], ...], names: set[str]) -> str:
    """Return the rules of style sheets, given as (file, media), that may apply where `names` occur."""
    parts = []
    for name, media in sheets:
        rules = purged(rules_of(static, name), names)
        parts.append(f"@media {media} {{\n{rules}\n}}" if media not in ("", "all") else rules)
    return str(rcssmin.cssmin("\n".join(parts)))


def joined_script(static: Path, names: tuple[str, ...]) -> str:
    """Return scripts one after the other, each as if it stood alone: no "use strict" reaches the next one."""
    return "".join(f";\n{(static / name).read_text(encoding='utf-8').rstrip()}\n" for name in names)


class Bundles:
    """The joined files of a site; each is written once."""

    def __init__(self, static: Path, names: set[str]) -> None:
        self.static, self.names = static, names
        self.written: dict[tuple[object, ...], str] = {}

    def style(self, sheets: tuple[tuple[str, str], ...]) -> str:
        """Return the file of these style sheets."""
        if sheets not in self.written:
            self.written[sheets] = self.write(
                [name for name, _ in sheets], joined_style(self.static, sheets, self.names), "css"
            )
        return self.written[sheets]

    def script(self, names: tuple[str, ...]) -> str:
        """Return the file of these scripts."""
        if names not in self.written:
            self.written[names] = self.write(list(names), joined_script(self.static, names), "js")
        return self.written[names]

    def write(self, names: list[str], text: str, suffix: str) -> str:
        """Write a file named by what is in it and return its name."""
        text = f"/*!{' '.join(names)}*/\n{text}"
        name = f"book-{hashlib.sha256(text.encode()).hexdigest()[:10]}.{suffix}"
        (self.static / name).write_text(text, encoding="utf-8")
        return name


def joinable(page: str) -> tuple[list[str], list[str]]:
    """Return the tags of a page's style sheets and of its scripts that can be joined, in their order."""
    styles = [tag for tag in LINK.findall(page) if ADDRESS.search(tag)]
    scripts = [tag for tag in SCRIPT.findall(page) if ADDRESS.search(tag) and not OWN.search(tag)]
    return styles, scripts


def bundled(page: str, bundles: Bundles, common: tuple[str, ...]) -> str:
    """Return a page that asks for joined files; `common` are the scripts that all pages have."""
    styles, scripts = joinable(page)
    base = next((match["base"] for match in map(ADDRESS.search, styles + scripts) if match), "")
    sheets = []
    for tag in styles:
        media, address = MEDIA.search(tag), ADDRESS.search(tag)
        sheets.append((address["name"] if address else "", media["media"] if media else ""))
    names = names_of(scripts)
    own = tuple(name for name in names if name not in common and name not in UNUSED)
    for tag in (*styles, *scripts, *PRELOAD.findall(page)):
        page = page.replace(tag, "", 1)
    head = ""
    if sheets:
        name = bundles.style(tuple(dict.fromkeys(sheets)))
        head += f'<link rel="stylesheet" href="{base}{STATIC}{name}">\n'
    shared = tuple(name for name in common if name in names)
    for group in (shared, own):
        if group:
            head += f'<script defer src="{base}{STATIC}{bundles.script(group)}"></script>\n'
    # A script that stands alone may lean on the joined ones: these come before it.
    alone = SCRIPT.search(page)
    at = alone.start() if alone and alone.start() < page.index("</head>") else page.index("</head>")
    return page[:at] + head + page[at:]


def apply(app: Sphinx, exception: Exception | None) -> None:
    """Join the files of every page."""
    if exception is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(site.rglob("*.html"))}
    asked = [names_of(joinable(page)[1]) for page in pages.values()]
    common = tuple(
        name
        for name in max(asked, key=len, default=[])
        if name not in UNUSED and all(name in one for one in asked)
    )
    bundles = Bundles(site / STATIC, names_in([*pages, *(site / STATIC).rglob("*.js")]))
    for path, page in pages.items():
        path.write_text(bundled(page, bundles, common), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect(
        "build-finished", apply, priority=960
    )  # after the policy, which writes pages and a style sheet
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
