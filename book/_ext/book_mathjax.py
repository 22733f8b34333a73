"""Mathematics typeset by MathJax from the site itself, its files taken from an installed package.

The package's own extension copies 20 MB, speech rules of a dozen languages among them; this copies what pages
in English can ask for, and only pages with mathematics load it.
"""

from __future__ import annotations

import shutil
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

PACKAGE = "sphinx-mathjax-offline"
PARTS = (  # relative to the package's mathjax folder
    "tex-chtml.js",
    "output/chtml/fonts/woff-v2",
    "input/tex/extensions",  # commands that are loaded on first use, e.g. \cancel
    "a11y",  # the explorer for screen readers, off until the reader asks for it
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
)


def copy_mathjax(app: Sphinx) -> None:
    """Put MathJax among the static files, once for every version of the package."""
    package = distribution(PACKAGE)
    source = Path(str(package.locate_file(PACKAGE))) / "static" / "mathjax"
    folder = Path(app.doctreedir) / f"static-mathjax-{package.version}"
    for part in PARTS:
        target = folder / "mathjax" / part
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            if (source / part).is_dir():
                shutil.copytree(source / part, target)
            else:
                shutil.copyfile(source / part, target)
    app.config.html_static_path.append(str(folder))
    app.config.mathjax_path = "mathjax/tex-chtml.js"


def load_where_used(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Take MathJax off pages without mathematics of their own: Sphinx counts the pages below them, too."""
    if not app.env.get_domain("math").data["has_equations"].get(page):
        kept = [script for script in context["script_files"] if "mathjax" not in script_text(script).lower()]
        context["script_files"][:] = kept


def script_text(script: Any) -> str:
    """Return where a script is loaded from, or what it says if it stands in the page."""
    return str(getattr(script, "filename", "") or getattr(script, "attributes", {}).get("body", ""))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", copy_mathjax)
    app.connect("html-page-context", load_where_used, priority=900)  # after Sphinx has asked for it
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
