"""Explorers on the page: drawn at build time, alive in the browser.

`labutils.show_explorer` stores an SVG whose metadata say what the explorer starts from. The build runs the same
JavaScript as the browser (in V8, by mini-racer) and puts a drawing with the page's own colours into the page, so
that print and readers without JavaScript see it; each page loads only the explorers that it has.
A page in Markdown takes a notebook's explorer by
`<div class="labutils-explorer" data-from="notebooks/….ipynb#cell-id"></div>`.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import zlib
from collections.abc import Callable
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
    """Return the spec of the explorer that a notebook's cell has stored; raises ValueError if there is none."""
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
    return f'<figure class="labutils-explorer" data-explorer="{name}">{inside}{stored}</figure>'


def taken(text: str, root: Path) -> str:
    """Return the figure for what a page takes from a notebook; raises ValueError with what is wrong."""
    found = TAKEN.fullmatch(text.strip())
    if found is None:
        raise ValueError("a labutils-explorer that does not say from which notebook and cell it comes")
    return figure(stored_in(root / found["file"], found["cell"]))


class Explorers(SphinxTransform):
    """Turn each stored explorer, and each that a page takes from a notebook, into a figure."""

    default_priority = 300  # before AlternativeText (400), for which a drawing is a picture

    def apply(self, **kwargs: Any) -> None:
        root = Path(self.app.srcdir)
        for image in list(self.document.findall(nodes.image)):
            drawing = root / Path(image["uri"].lstrip("/"))
            if drawing.suffix == ".svg" and drawing.is_file():
                if spec := explorers.spec_in(drawing.read_text(encoding="utf-8")):
                    self.put(image, lambda spec=spec: figure(spec))
        for raw in list(self.document.findall(nodes.raw)):
            text = raw.astext()
            if raw.get("format") == "html" and '<div class="labutils-explorer"' in text:
                if found := TAKEN.fullmatch(text.strip()):
                    self.env.note_dependency(str(root / found["file"]))
                self.put(raw, lambda text=text: taken(text, root))

    def put(self, node: nodes.Node, make: Callable[[], str]) -> None:
        """Replace a node by the figure that `make` makes; what is wrong with it stops the build."""
        try:
            node.parent.replace(node, nodes.raw("", make(), format="html"))
        except ValueError as error:
            logger.warning("%s", error, location=node)


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
