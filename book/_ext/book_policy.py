"""One strict Content-Security-Policy in every page, and pages that can live with it.

GitHub Pages sends no headers of one's own, so each page carries the policy as its first `<meta>`. The theme
writes scripts and handlers into its pages; here they become plain markup, which `actions.js` and `mode.js`
bring to life. Style attributes, of which MathJax writes hundreds, become classes. What is left and would be
refused by a reader's browser stops the build instead: an inline script, a handler (`onclick=`), a `<style>`,
or something from another host.
"""

from __future__ import annotations

import hashlib
import html
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

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
EXCEPTIONS: dict[str, tuple[str, str]] = {
    "img-src": ("'self' data:", "a heat map within a figure is a picture of a few hundred bytes in the page"),
}
SCRIPT = re.compile(r"[ \t]*<script(?P<attributes>[^>]*)>(?P<text>.*?)</script>\n?", re.DOTALL)
WRITTEN = re.compile(r"document\.write\(`(?P<markup>.*)`\);?\s*", re.DOTALL)
BUTTON = re.compile(r"<(?P<tag>button|a)\b")
# Inline scripts of the theme that files replace, by a part of their text.
REPLACED = ('localStorage.getItem("mode")', "DOCUMENTATION_OPTIONS.pagename", "Set focus on search field")
# What the theme's buttons do, and the word by which actions.js knows it.
ACTIONS = {"window.print()": "print", "toggleFullScreen()": "full-screen"}
HANDLER = re.compile(r' onclick="(?P<code>[^"]*)"')
BLOCKING = re.compile(r"<script (?=[^>]*\bsrc=)(?![^>]*\b(?:defer|async|module)\b)")
FIRST = re.compile(r'[ \t]*<script [^>]*src="[^"]*_static/mode\.js[^"]*"[^>]*></script>\n?')
STYLE = re.compile(r'<(?P<tag>[\w-]+)(?P<before>(?:\s[^<>]*?)?)\sstyle="(?P<style>[^"]*)"(?P<after>[^<>]*)>')
CLASS = re.compile(r'\sclass="')
ROOT = re.compile(r'<html\b[^>]* data-content_root="(?P<root>[^"]*)"')
SCOPED = re.compile(r"<style scoped>.*?</style>\s*", re.DOTALL)  # of pandas' tables; no browser reads it
STYLE_SHEET = "inline.css"
DATA = re.compile(r"application/(?:ld\+)?json")  # no script, and not held to the policy
REFUSED_ADDRESS = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//|^javascript:", re.IGNORECASE)
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}


def policy() -> str:
    """Return the policy as browsers read it."""
    rules = {**POLICY, **{directive: sources for directive, (sources, _) in EXCEPTIONS.items()}}
    return "; ".join(f"{directive} {sources}" for directive, sources in rules.items())


def tamed(page: str, styles: dict[str, str]) -> str:
    """Return the HTML of a page with the policy, and what the policy forbids replaced where a file can do it.

    `styles` collects the style attributes, by the class that stands in their place.
    """
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'
    page = SCRIPT.sub(tame_script, page)
    page = HANDLER.sub(tame_handler, page)
    page = SCOPED.sub("", page)
    root = ROOT.search(page)
    if root:
        page, changes = STYLE.subn(lambda found: tame_style(found, styles), page)
        if changes:
            link = f'<link href="{root["root"]}_static/{STYLE_SHEET}" rel="stylesheet" />'
            page = page.replace("</head>", f"  {link}\n  </head>", 1)
    # Under a policy in the page, Chromium no longer looks ahead for what a page needs: a script that is not
    # deferred would hold up everything behind it. Only the one that sets the theme runs at once.
    page = BLOCKING.sub("<script defer ", page)
    first = FIRST.search(page)
    if first:
        page = page[: first.start()] + page[first.end() :]
        meta += "\n    " + first[0].strip().replace(" defer ", " ") + "\n"
    charset = re.search(r'<meta charset="utf-8" ?/?>', page)
    if charset:
        return page[: charset.end()] + meta + page[charset.end() :]
    return f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{meta}\n{page}</head></html>\n'


def tame_script(found: re.Match[str]) -> str:
    """Return what stands in a script's place."""
    text = found["text"].strip()
    if "src=" in found["attributes"] or not text or DATA.search(found["attributes"]):
        return found[0]
    written = WRITTEN.fullmatch(text)
    if (
        written
    ):  # markup that needs JavaScript: in the page from the start, shown by site.css once there is some
        return BUTTON.sub(r"<\g<tag> data-needs-script", written["markup"].strip(), count=1) + "\n"
    return "" if any(part in text for part in REPLACED) else found[0]


def tame_handler(found: re.Match[str]) -> str:
    """Return an attribute that names the action of a handler."""
    action = ACTIONS.get(html.unescape(found["code"]))
    return f' data-action="{action}" data-needs-script' if action else found[0]


class Offences(HTMLParser):
    """Reads a page and collects what its policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "style":
            self.found.append("a <style>: write it into a file of book/static")
        self.in_script = (
            tag == "script" and not values.get("src") and not DATA.search(f"{values.get('type')}")
        )
        address = values.get(LOADS.get(tag, ""), "")
        if REFUSED_ADDRESS.search(address):
            self.found.append(f"<{tag}> with an address of another host: {address[:80]}")
        for name, value in values.items():
            if name.startswith("on"):
                self.found.append(f"<{tag}> with a handler {name}=: listen in a file of book/static")
            elif name == "style":
                self.found.append(f"<{tag}> with style={value!r}: give it a class and a rule in site.css")

    def handle_data(self, data: str) -> None:
        if self.in_script:
            start = data.strip()[:60]
            self.found.append(f"an inline <script>: write it into a file of book/static ({start!r})")


def tame_style(found: re.Match[str], styles: dict[str, str]) -> str:
    """Return a tag with a class instead of its style."""
    style = html.unescape(found["style"]).strip()
    name = "style-" + hashlib.sha256(style.encode()).hexdigest()[:8]
    styles[name] = style
    rest = found["before"] + found["after"]
    classes = CLASS.search(rest)
    if classes:
        return f"<{found['tag']}{rest[: classes.end()]}{name} {rest[classes.end() :]}>"
    return f'<{found["tag"]} class="{name}"{rest}>'


def offences(page: str) -> list[str]:
    """Say what in a page its policy would refuse."""
    reader = Offences()
    reader.feed(page)
    reader.close()
    return reader.found


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
    styles: dict[str, str] = {}
    for path in sorted(site.rglob("*.html")):
        if "_static" in path.relative_to(site).parts:
            path.unlink()  # templates of the theme, no pages
            continue
        page = path.read_text(encoding="utf-8")
        if '<meta http-equiv="Content-Security-Policy"' not in page:
            page = tamed(page, styles)
            path.write_text(page, encoding="utf-8")
        complaints += [f"{path.relative_to(site)}: {offence}" for offence in offences(page)]
    # The name three times: a style attribute is stronger than the style sheets' other rules.
    rules = (f".{name}.{name}.{name} {{ {style} }}\n" for name, style in sorted(styles.items()))
    (site / "_static" / STYLE_SHEET).write_text("".join(rules), encoding="utf-8")
    if complaints:
        raise SphinxError(
            "The site's Content-Security-Policy forbids\n" + "\n".join(dict.fromkeys(complaints))
        )


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", no_page_name, priority=900)  # after the theme has added it
    app.connect("build-finished", apply, priority=950)  # after all that write pages
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
