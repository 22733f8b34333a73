"""Mathematics, set at build time: a page carries its formulas as HTML and loads no MathJax.

MathJax comes from an installed package and runs in a JavaScript engine without a browser. Formulas therefore
stand without JavaScript and in print, cost no script time, and TeX that MathJax does not understand stops the
build. Each formula also holds its MathML, which is what screen readers say, and its TeX, which `copy-tex.js`
puts on the clipboard. A displayed one says how wide it is, so that site.css can fit it into a narrow place.
The pages share one style sheet, `mathjax/mathjax.css`, with the rules of the characters that the site uses,
and a few font files.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from docutils import nodes
from py_mini_racer import MiniRacer
from sphinx.application import Sphinx
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

from book_icons import write_font

logger = logging.getLogger(__name__)
PACKAGE = "sphinx-mathjax-offline"
PARTS = (
    "loader.js",
    "core.js",
    "adaptors/liteDOM.js",
    "input/tex-full.js",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
    "a11y/assistive-mml.js",
)
CONTENT = re.compile(r'content: "((?:[^"\\]|\\.)*)"')
FONTS = "output/chtml/fonts/woff-v2"
STYLE_SHEET = "mathjax/mathjax.css"
SCRIPT = "copy-tex.js"
FITS = 12  # em: a formula of this width fits everywhere
OWN_RULES = """
/* MathJax's letters are small: as high as those of the prose around them. */
mjx-container[jax="CHTML"] { font-size: 119.5%; }
"""


@dataclass(frozen=True)
class Formula:
    """A formula as HTML, and how wide it is in its own em; 0 if it stands within a line."""

    html: str
    width: float


class Setter:
    """MathJax in an engine of its own; remembers what it has set."""

    def __init__(self) -> None:
        self.engine = MiniRacer()
        self.engine.eval(
            "var window = globalThis, MathJax = {loader: {load: []}, startup: {typeset: false}};"
        )
        for part in PARTS:
            self.engine.eval((files() / part).read_text(encoding="utf-8"))
        self.engine.eval((Path(__file__).parent / "mathjax_setter.js").read_text(encoding="utf-8"))
        self.done: dict[tuple[str, bool], Formula] = {}

    def set(self, tex: str, display: bool) -> Formula:
        """Return a formula set; raises ValueError where MathJax does not understand it."""
        if (tex, display) not in self.done:
            answer = json.loads(str(self.engine.call("set", tex, display)))
            if "fault" in answer:
                raise ValueError(answer["fault"])
            self.done[tex, display] = Formula(answer["html"], answer["width"])
        return self.done[tex, display]

    def css(self) -> str:
        """Return the rules for everything set so far."""
        return str(self.engine.call("css")) + OWN_RULES


def files() -> Path:
    """Return the folder of MathJax's files."""
    return Path(str(distribution(PACKAGE).locate_file(PACKAGE))) / "static" / "mathjax"


@cache
def setter() -> Setter:
    """Return the one setter of this build, started on first use."""
    return Setter()


def tex_of(node: nodes.Element) -> str:
    """Return the TeX of a node; several lines without an environment of their own are one below the other."""
    tex = str(node.astext()).strip()
    if isinstance(node, nodes.math) or node.get("nowrap") or r"\\" not in tex or r"\begin" in tex:
        return tex
    return rf"\begin{{split}}{tex}\end{{split}}"


def set_formula(node: nodes.Element, display: bool) -> Formula:
    """Return a node's formula set; one that MathJax does not understand stops the build."""
    try:
        return setter().set(tex_of(node), display)
    except ValueError as error:
        logger.warning("TeX that MathJax cannot set: %s in %s", error, tex_of(node)[:200], location=node)
        return Formula("", 0)


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    tex = str(node.astext()).strip()
    start = self.starttag(node, "span", "", CLASS="math notranslate nohighlight", **{"data-tex": tex})
    self.body.append(f"{start}{set_formula(node, display=False).html}</span>")
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    formula = set_formula(node, display=True)
    more = {"data-tex": str(node.astext()).strip()}
    if formula.width > FITS:
        more["style"] = f"--width: {math.ceil(formula.width)}"
    self.body.append(self.starttag(node, "div", "", CLASS="math notranslate nohighlight", **more))
    if node.get("number"):
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append(f"{formula.html}</div>\n")
    raise nodes.SkipNode


def choose(app: Sphinx, config: Any) -> None:
    """Take this way of writing mathematics instead of Sphinx's, which sends MathJax to the reader."""
    config.html_math_renderer = "built"


def load_where_used(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Ask for style sheet and script on pages with a formula, in its text or its table of contents."""
    if "<mjx-container" in context.get("body", ""):
        app.add_css_file(STYLE_SHEET, priority=700)
        app.add_js_file(SCRIPT)


def write_files(app: Sphinx, exception: Exception | None) -> None:
    """Write the style sheet and the fonts, if the site has a formula."""
    if exception is None and setter.cache_info().currsize:
        css = setter().css()
        path = Path(app.outdir) / "_static" / STYLE_SHEET
        (path.parent / "fonts").mkdir(parents=True, exist_ok=True)
        path.write_text(css, encoding="utf-8")
        # A formula's characters all stand in the style sheet, as `content`.
        used = {ord(character) for text in CONTENT.findall(css) for character in unescaped(text)}
        for font in (files() / FONTS).iterdir():
            target = path.parent / "fonts" / font.name
            if font.stem == "MathJax_Zero":
                shutil.copyfile(font, target)  # it has no characters, only heights
            else:
                write_font(font, target, used)


def unescaped(content: str) -> str:
    """Return what a string in a style sheet stands for."""
    return re.sub(r"\\([0-9A-Fa-f]+) ?|\\(.)", lambda at: chr(int(at[1], 16)) if at[1] else at[2], content)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("built", (visit_inline, None), (visit_block, None))
    app.connect("config-inited", choose)
    app.connect("html-page-context", load_where_used)
    app.connect("build-finished", write_files)
    own = zlib.crc32(Path(__file__).read_bytes())
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": False}
