"""Explorers: figures that compute in the reader's browser, on the site as in Jupyter and Colab.

Each is a JavaScript file of this folder: `compute`, `draw` and `say` are its pure functions, the
controls are data, and kit.js does the rest. How to write one: the page book/authors.md.
"""

from __future__ import annotations

import json
import logging
import re
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, unescape

from labutils.figures import checked_alt

__all__ = ["FOLDER", "call", "names", "show_explorer", "source", "spec_in"]

FOLDER = Path(__file__).parent
_CARRIED = re.compile(r'<metadata data-explorer="\w+">(?P<spec>.*?)</metadata>', re.DOTALL)


def names() -> tuple[str, ...]:
    """Return the names of all explorers, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.js") if path.stem != "kit"))


def source(name: str) -> str:
    """Return the JavaScript of the kit and of the explorer `name`, ready to run in that order.

    Raises ValueError for a name that no explorer has.
    """
    if name not in names():
        raise ValueError(f"no explorer is called {name!r}; there are {', '.join(names())}")
    return "\n".join((FOLDER / f"{part}.js").read_text(encoding="utf-8") for part in ("kit", name))


def call(function: str, spec: str) -> str:
    """Return what a function of kit.js, "markup" or "still", makes of a spec in JSON, run in V8.

    Raises ValueError with what the JavaScript complained of, and ImportError without mini-racer.
    """
    from py_mini_racer import JSEvalException, MiniRacer

    name = json.loads(spec)["name"]
    with MiniRacer() as engine:
        try:
            engine.eval(source(name))
            return str(engine.eval(f"labutils.{function}({spec})"))
        except JSEvalException as error:
            raise ValueError(f"explorer {name}: {str(error).strip()[:300]}") from None


def spec_in(drawing: str) -> str | None:
    """Return the JSON that a stored drawing carries, or None if it is no explorer's."""
    found = _CARRIED.search(drawing)
    return unescape(found["spec"]) if found else None


@cache
def _widget_class(name: str) -> type[Any]:
    """Return the widget class of an explorer, an anywidget whose front end is the explorer's file."""
    import anywidget
    import traitlets

    front = source(name) + "\nexport default { render: globalThis.labutils.render };\n"
    style = (FOLDER / "explorers.css").read_text(encoding="utf-8")
    members = {"_esm": front, "_css": style, "spec": traitlets.Dict().tag(sync=True)}
    return type(f"Explorer_{name}", (anywidget.AnyWidget,), members)


def show_explorer(name: str, alt: str, data: Any = None, **values: Any) -> None:
    """Display the explorer `name`, with `alt` as its text for those who cannot see it.

    `data` is what it computes from and `values` are its controls' first values; both must be what
    JSON can hold. In Jupyter and Colab it is a widget. The stored output is a still drawing that carries
    the description, from which the site makes a figure that needs no kernel. Raises ValueError if the name
    is unknown, if `alt` says too little, or if JSON cannot hold the data or the values.
    """
    from IPython.display import display

    alt = checked_alt(alt)
    spec = {"name": name, "alt": alt, "data": data, "values": values}
    source(name)  # complains of an unknown name
    try:
        text = json.dumps(spec, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"explorer {name!r}: JSON cannot hold its data or values ({error}); "
            "pass lists, texts, finite numbers and dictionaries, e.g. array.tolist()"
        ) from None
    display(_widget_view(name, json.loads(text)) | _still(name, text) | {"text/plain": alt}, raw=True)


def _still(name: str, spec: str) -> dict[str, str]:
    """Return the drawing that a notebook stores, or nothing where there is no V8, as in Colab."""
    try:
        drawing = call("still", spec)
    except ImportError:
        return {}
    carried = f'<metadata data-explorer="{name}">{escape(spec)}</metadata>'
    return {"image/svg+xml": drawing.replace("</title>", f"</title>{carried}", 1)}


def _widget_view(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return what a notebook needs to show the live widget, or nothing where no widget can be made."""
    try:
        made = _widget_class(name)(spec=spec)._repr_mimebundle_()
    except ImportError:  # anywidget is not there: the still remains
        logging.getLogger(__name__).warning("anywidget is not installed, so the explorer stays a picture")
        return {}
    found = made[0] if isinstance(made, tuple) else made
    kind = "application/vnd.jupyter.widget-view+json"
    return {kind: found[kind]} if found and kind in found else {}
