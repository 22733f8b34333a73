"""One strict Content-Security-Policy in every page, and pages that can live with it.

GitHub Pages sends no headers of one's own, so each page carries the policy as its first `<meta>`. The theme
writes scripts and handlers into its pages; here they become plain markup, which `actions.js` and `mode.js`
bring to life. What is left and would be refused by a reader's browser stops the build instead: an inline
script, a handler (`onclick=`), an inline style, or something from another host.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import SphinxError

# What a page may do. Directives that are not here fall back to the first.
POLICY = {
    "default-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
}
# Exceptions, each with the reason for which it is there; a test takes each away and sees something break.
EXCEPTIONS = {
    "img-src": (
        "'self' data:",
        "The theme's style sheet draws the arrows and ticks of its controls from pictures within itself.",
    ),
}
SCRIPT = re.compile(r"[ \t]*<script(?P<attributes>[^>]*)>(?P<text>.*?)</script>\n?", re.DOTALL)
WRITTEN = re.compile(r"document\.write\(`(?P<markup>.*)`\);?\s*", re.DOTALL)
BUTTON = re.compile(r"<(?P<tag>button|a)\b")
# Inline scripts of the theme that files replace, by a part of their text.
REPLACED = ('localStorage.getItem("mode")', "DOCUMENTATION_OPTIONS.pagename", "Set focus on search field")
# What the theme's buttons do, and the word by which actions.js knows it.
ACTIONS = {"window.print()": "print", "toggleFullScreen()": "full-screen"}
HANDLER = re.compile(r' onclick="(?P<code>[^"]*)"')
DATA = re.compile(r'type="(?:application/(?:ld\+)?json|text/template)"')
REFUSED_ADDRESS = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//|^javascript:", re.IGNORECASE)
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}


def policy() -> str:
    """Return the policy as browsers read it."""
    rules = {**POLICY, **{directive: sources for directive, (sources, _) in EXCEPTIONS.items()}}
    return "; ".join(f"{directive} {sources}" for directive, sources in rules.items())


def tamed(page: str) -> str:
    """Return the HTML of a page with the policy, its theme's inline scripts and handlers turned into markup."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy())}">'
    page = SCRIPT.sub(tame_script, page)
    page = HANDLER.sub(tame_handler, page)
    if "<head>" in page:
        return page.replace("<head>", f'<head>\n    <meta charset="utf-8">{meta}', 1)
    return f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{meta}\n{page}</head></html>\n'


def tame_script(found: re.Match[str]) -> str:
    """Return what stands in a script's place."""
    text = found["text"].strip()
    if "src=" in found["attributes"] or not text or DATA.search(found["attributes"]):
        return found[0]
    written = WRITTEN.fullmatch(text)
    if written:  # markup that needs JavaScript: in the page from the start, shown by site.css once there is some
        return BUTTON.sub(r"<\g<tag> data-needs-script", written["markup"].strip(), count=1) + "\n"
    return "" if any(part in text for part in REPLACED) else found[0]


def tame_handler(found: re.Match[str]) -> str:
    """Return an attribute that names the action of a handler."""
    action = ACTIONS.get(html.unescape(found["code"]))
    return f' data-action="{action}" data-needs-script' if action else found[0]


def offences(page: str) -> list[str]:
    """Say what in a page its policy would refuse."""
    found = []
    for element in BeautifulSoup(page, "html.parser").find_all(True):
        assert isinstance(element, Tag)
        what = f"<{element.name}> with"
        if element.name == "style":
            found.append("a <style>: write it into a file of book/static")
        if element.name == "script" and not element.get("src") and not DATA.search(f'type="{element.get("type")}"'):
            found.append(f"an inline <script>: write it into a file of book/static ({element.text.strip()[:60]!r})")
        address = str(element.get(LOADS.get(element.name, ""), "") or "")
        if REFUSED_ADDRESS.search(address):
            found.append(f"{what} an address of another host: {address[:80]}")
        for name in element.attrs:
            if name.startswith("on"):
                found.append(f"{what} a handler {name}=: listen in a file of book/static")
            elif name == "style":
                found.append(f"{what} style={element[name]!r}: give it a class and a rule in book/static/site.css")
    return found


def no_page_name(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.Node) -> None:
    """Take off the theme's script with the page's name, which only its switch between versions reads."""
    context["script_files"][:] = [
        script
        for script in context["script_files"]
        if "DOCUMENTATION_OPTIONS.pagename" not in str(getattr(script, "attributes", {}).get("body", ""))
    ]


def apply(app: Sphinx, exception: Exception | None) -> None:
    """Give every page the policy; raises SphinxError where a page would break under it."""
    if exception is not None or app.builder.format != "html":
        return
    site, complaints = Path(app.outdir), []
    for path in sorted(site.rglob("*.html")):
        if "_static" in path.relative_to(site).parts:
            path.unlink()  # templates of the theme, no pages
            continue
        page = path.read_text(encoding="utf-8")
        if "Content-Security-Policy" not in page:
            page = tamed(page)
            path.write_text(page, encoding="utf-8")
        complaints += [f"{path.relative_to(site)}: {offence}" for offence in offences(page)]
    if complaints:
        raise SphinxError("The site's Content-Security-Policy forbids\n" + "\n".join(dict.fromkeys(complaints)))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", no_page_name, priority=900)  # after the theme has added it
    app.connect("build-finished", apply, priority=950)  # after all that write pages
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
