"""Explorers on the page: drawn at build time, alive in the browser.

`labutils.show_explorer` stores an SVG whose metadata say what the explorer starts from. The build runs the
same JavaScript as the browser (in V8, by mini-racer) and puts a drawing with colours for light and dark into
the page, so that print and readers without JavaScript see it; each page loads only the explorers that it has.
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
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

from labutils import explorers

logger = logging.getLogger(__name__)
TAKEN = re.compile(r'<div class="labutils-explorer" data-from="(?P<file>[^"#]+)#(?P<cell>[^"]+)">\s*</div>')


def stored_in(notebook: Path, cell_id: str) -> str:
    """Return the spec of the explorer that a notebook's cell stores; raises ValueError if there is none."""
    if not notebook.is_file():
        raise ValueError(f"there is no notebook {notebook.name}")
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.get("id") == cell_id:
            for output in cell.get("outputs", []):
                if spec := explorers.spec_in(output.get("data", {}).get("image/svg+xml", "")):
                    return spec
    raise ValueError(f"{notebook.name} has no cell {cell_id} that shows an explorer")


def figure(spec: str) -> str:
    """Return the explorer's figure as HTML; raises ValueError with what its JavaScript complained of."""
    name = html.escape(json.loads(spec)["name"])
    inside = explorers.call("markup", spec)
    safe = spec.replace("<", "\\u003c")  # nothing may end the script element early
    stored = f'<script type="application/json">{safe}</script>'
    still = "<noscript><p>A still picture: what moves it needs JavaScript.</p></noscript>"
    return f'<figure class="labutils-explorer" data-explorer="{name}">{inside}{still}{stored}</figure>'


def taken(text: str) -> tuple[str, str]:
    """Return from which notebook and cell a page takes an explorer; raises ValueError if it does not say."""
    found = TAKEN.fullmatch(text.strip())
    if found is None:
        raise ValueError("a labutils-explorer that does not say from which notebook and cell it comes")
    return found["file"], found["cell"]


class Explorers(SphinxTransform):
    """Turn each stored explorer, and each that a page takes from a notebook, into a figure."""

    default_priority = 300  # before AlternativeText (400), for which a drawing is a picture

    def apply(self, **kwargs: Any) -> None:
        for node in list(self.document.findall(lambda node: isinstance(node, nodes.image | nodes.raw))):
            try:
                if spec := self.spec_of(node):
                    node.parent.replace(node, nodes.raw("", figure(spec), format="html"))
            except ValueError as error:
                logger.warning("%s", error, location=node)

    def spec_of(self, node: nodes.Element) -> str | None:
        """Return the spec of the explorer that a node stands for, or None if it is none."""
        root = Path(self.app.srcdir)
        if isinstance(node, nodes.image):
            drawing = root / Path(node["uri"].lstrip("/"))
            is_file = drawing.suffix == ".svg" and drawing.is_file()
            return explorers.spec_in(drawing.read_text(encoding="utf-8")) if is_file else None
        if node.get("format") != "html" or '<div class="labutils-explorer"' not in node.astext():
            return None
        file, cell = taken(node.astext())
        self.env.note_dependency(str(root / file))
        return stored_in(root / file, cell)


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
    used = sorted(set(re.findall(r'<figure class="labutils-explorer\b[^>]* data-explorer="(\w+)"', text)))
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
