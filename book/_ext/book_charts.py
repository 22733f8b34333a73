"""Charts that live in the reader's browser, with a still picture for print and without JavaScript.

`labutils.show_chart` stores `<div class="labutils-chart" data-alt="..."><script type="application/json">`
with the chart's Vega-Lite specification. At build time a still is drawn from it; in the browser charts.js
replaces the still by the live chart once the reader comes near it. Only then is Vega loaded,
from the site itself.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vl_convert
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)
VERSION = version("vl-convert-python")
CHART = re.compile(
    r'<div class="labutils-chart" data-alt="(?P<alt>[^"]*)">\s*'
    r'<script type="application/json">(?P<spec>.*?)</script>\s*</div>',
    re.DOTALL,
)


def draw_still(spec: str, folder: Path) -> Path:
    """Draw `spec` into `folder`; the name carries the content, so an unchanged chart is not drawn again."""
    name = hashlib.sha256(f"{VERSION} {spec}".encode()).hexdigest()[:24]
    still = folder / f"chart-{name}.svg"
    if not still.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # No base address is allowed: a chart carries its data, and the build asks no other machine for any.
        svg = vl_convert.vegalite_to_svg(json.loads(spec), allowed_base_urls=[])
        still.write_text(svg, encoding="utf-8")
    return still


class Charts(SphinxTransform):
    """Turn each stored chart into a figure: the still, a place for the live chart, the specification."""

    default_priority = 300  # before AlternativeText (400), which checks the still's words

    def apply(self, **kwargs: Any) -> None:
        for raw in list(self.document.findall(nodes.raw)):
            if raw.get("format") == "html" and "labutils-chart" in raw.astext():
                found = CHART.fullmatch(raw.astext().strip())
                if found is None:
                    logger.warning("a labutils-chart not in the form of labutils.show_chart", location=raw)
                    continue
                self.replace(raw, html.unescape(found["alt"]), found["spec"])

    def replace(self, raw: nodes.raw, alt: str, spec: str) -> None:
        try:
            still = draw_still(spec, Path(self.app.doctreedir) / "charts")
        except ValueError as error:  # from json and from Vega alike
            logger.warning("a chart that cannot be drawn: %s", str(error)[:300], location=raw)
            return
        image = nodes.image(uri="/" + Path(os.path.relpath(still, self.app.srcdir)).as_posix(), alt=alt)
        image["classes"] = ["labutils-chart-still"]
        label = html.escape(alt, quote=True)
        before = f'<figure class="labutils-chart" data-alt="{label}">'
        live = '<div class="labutils-chart-live" hidden></div>'
        after = f'{live}<script type="application/json">{spec}</script></figure>'
        # Not replace_self: that would pass the old node's classes to the first of these, as a box around it.
        raw.parent.replace(
            raw, [nodes.raw("", before, format="html"), image, nodes.raw("", after, format="html")]
        )


def write_bundle(app: Sphinx) -> None:
    """Write Vega, Vega-Lite and Vega-Embed as one script among the static files."""
    folder = Path(app.doctreedir) / "static-charts"
    bundle = folder / "vega" / f"vega-{VERSION}.js"
    if not bundle.exists():
        bundle.parent.mkdir(parents=True, exist_ok=True)
        script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
        # In a function of its own: its names would clash with those of Sphinx's scripts.
        bundle.write_text(f"(() => {{{script}\n}})();\n", encoding="utf-8")
    app.config.html_static_path.append(str(folder))


def load_where_used(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Ask for the script and the styles on pages that have a chart."""
    if doctree is not None and any("labutils-chart" in raw.astext() for raw in doctree.findall(nodes.raw)):
        attributes = {"data-vega": f"vega/vega-{VERSION}.js"}  # loaded by charts.js, near a chart
        app.add_js_file("charts.js", loading_method="defer", priority=801, **attributes)
        app.add_css_file("charts.css", priority=800)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(Charts)
    app.connect("builder-inited", write_bundle)
    app.connect("html-page-context", load_where_used)
    # A change of this file is a reason to read all pages anew.
    own = zlib.crc32(Path(__file__).read_bytes())
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
