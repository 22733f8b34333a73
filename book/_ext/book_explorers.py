"""Explorers on the page: drawn at build time, alive in the browser.

`labutils.show_explorer` stores a `<div class="labutils-explorer">` with what the explorer starts from.
The build runs the same JavaScript as the browser (in V8, by mini-racer) and puts the drawing into the
page, so that print and readers without JavaScript see it; each page loads only the explorers that it has.
A page in Markdown takes a notebook's explorer by
`<div class="labutils-explorer" data-from="notebooks/….ipynb#cell-id"></div>`.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import zlib
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

from labutils import explorers

logger = logging.getLogger(__name__)
STORED = re.compile(
    r'<div class="labutils-explorer" data-explorer="\w+">\s*'
    r'<script type="application/json">(?P<spec>.*?)</script>.*</div>',
    re.DOTALL,
)
TAKEN = re.compile(r'<div class="labutils-explorer" data-from="(?P<file>[^"#]+)#(?P<cell>[^"]+)">\s*</div>')


def stored_in(notebook: Path, cell_id: str) -> str:
    """Return the explorer's stored text from a cell of a notebook; raises ValueError if there is none."""
    if not notebook.is_file():
        raise ValueError(f"there is no notebook {notebook.name}")
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.get("id") == cell_id:
            for output in cell.get("outputs", []):
                if "labutils-explorer" in (text := output.get("data", {}).get("text/markdown", "")):
                    return str(text)
    raise ValueError(f"{notebook.name} has no cell {cell_id} that shows an explorer")


def figure(spec: str) -> str:
    """Return the explorer's figure as HTML; raises ValueError with what its JavaScript complained of."""
    name = json.loads(spec)["name"]
    with MiniRacer() as engine:
        try:
            engine.eval(explorers.source(name))
            inside = engine.eval(f"labutils.markup({spec})")
        except JSEvalException as error:
            raise ValueError(f"explorer {name}: {str(error).strip()[:300]}") from None
    stored = f'<script type="application/json">{spec}</script>'
    return f'<figure class="labutils-explorer" data-explorer="{html.escape(name)}">{inside}{stored}</figure>'


def made(text: str, root: Path) -> str:
    """Return the figure for what a page holds; raises ValueError with what is wrong with it."""
    if taken := TAKEN.fullmatch(text.strip()):
        text = stored_in(root / taken["file"], taken["cell"])
    found = STORED.fullmatch(text.strip())
    if found is None:
        raise ValueError("a labutils-explorer not in the form of labutils.show_explorer")
    return figure(found["spec"])


class Explorers(SphinxTransform):
    """Turn each stored explorer into a figure."""

    default_priority = 300

    def apply(self, **kwargs: Any) -> None:
        for raw in list(self.document.findall(nodes.raw)):
            text = raw.astext()
            if raw.get("format") == "html" and 'class="labutils-explorer"' in text:
                root = Path(self.app.srcdir)
                if taken := TAKEN.fullmatch(text.strip()):
                    self.env.note_dependency(str(root / taken["file"]))
                try:
                    raw.parent.replace(raw, nodes.raw("", made(text, root), format="html"))
                except ValueError as error:
                    logger.warning("%s", error, location=raw)


def copy_scripts(app: Sphinx) -> None:
    """Put the explorers' scripts and their style among the static files."""
    folder = Path(app.doctreedir) / "static-explorers"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "explorers").mkdir(parents=True)
    for path in explorers.FOLDER.glob("*.[jc]s*"):
        shutil.copyfile(path, folder / "explorers" / path.name)
    app.config.html_static_path.append(str(folder))


def load_where_used(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Ask for the style, the kit and the page's own explorers, on pages that have one."""
    if doctree is None:
        return
    text = "".join(raw.astext() for raw in doctree.findall(nodes.raw))
    used = sorted(set(re.findall(r'<figure class="labutils-explorer" data-explorer="(\w+)"', text)))
    if used:
        app.add_css_file("explorers/explorers.css")
        for number, name in enumerate(("kit", *used)):
            app.add_js_file(f"explorers/{name}.js", loading_method="defer", priority=810 + number)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(Explorers)
    app.connect("builder-inited", copy_scripts)
    app.connect("html-page-context", load_where_used)
    # A change of the explorers or of this file is a reason to read all pages anew.
    parts = (Path(__file__), *sorted(explorers.FOLDER.glob("*.js")))
    own = zlib.crc32(b"".join(part.read_bytes() for part in parts))
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
