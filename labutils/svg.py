"""What matplotlib writes as SVG, made small and the same everywhere: `compact`.

Styles become attributes, groups that say nothing go, numbers are rounded to a hundredth of a point, and names
are given by their order, so that two machines write the same but for the last digits. Text stays text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

__all__ = ["SVG", "compact"]

SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_ROUNDED = ("d", "x", "y", "width", "height", "stroke-width", "stroke-dasharray", "font-size", "transform")
_SANS = (
    "DejaVu Sans, sans-serif"  # what the figure was laid out with: wider than most, so that words have room
)
_SIZE = "10"
_DEFAULTS = {
    "stroke-opacity": "1",
    "text-anchor": "start",
    "stroke-linecap": "butt",
    "stroke-linejoin": "round",
    "stroke-dashoffset": "0",
    "font-size": _SIZE,
    "font-family": _SANS,
}
KEPT = "panel"  # ids that begin so are the panels of a figure


def compact(text: str) -> str:
    """Return matplotlib's SVG without what a reader does not see."""
    root = ElementTree.fromstring(text)  # noqa: S314  (written by matplotlib a moment ago)
    for element in list(root):
        if _tag(element) == "metadata" or (
            _tag(element) == "defs" and element.find(f"{{{SVG}}}style") is not None
        ):
            root.remove(element)
    root.set("stroke-linejoin", "round")
    root.set("font-family", _SANS)
    root.set("font-size", _SIZE)
    root.attrib.pop("version", None)
    for element in root.iter():
        if element is not root:
            _simplify(element)
    for words in root.iter(f"{{{SVG}}}text"):
        _flow(words)
    _drop_repeated_style(root)
    _rename(root)
    _unwrap(root)
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _round(found: re.Match[str]) -> str:
    short = f"{float(found[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def _simplify(element: ElementTree.Element) -> None:
    """Make a style's rules attributes, drop those that are the default, round numbers."""
    if (target := element.attrib.pop(_XLINK, None)) is not None:
        element.set("href", re.sub(r"\s", "", target))  # matplotlib breaks the lines of a picture
    for rule in filter(None, (part.strip() for part in element.attrib.pop("style", "").split(";"))):
        name, _, value = rule.partition(":")
        value = value.strip().removesuffix("px")
        if name == "font-family":
            value = "DejaVu Sans Mono, monospace" if "monospace" in value or "Mono'" in value else _SANS
        if name == "image-rendering":
            value = "pixelated"  # the last of two rules wins
        element.set(name, value)
    for name in _ROUNDED:
        if name in element.attrib:
            element.set(name, _NUMBER.sub(_round, element.attrib[name]))
    if (drawn := element.get("d")) is not None:
        element.set("d", re.sub(r"\s*([A-Za-z])\s*", r"\1", drawn.strip()))
    if re.match(r"rotate\(-?0 ", element.get("transform", "")):
        del element.attrib["transform"]
    for name, value in _DEFAULTS.items():
        if element.get(name) == value:
            del element.attrib[name]


def _flow(words: ElementTree.Element) -> None:
    """Let the signs of a formula on one line, with exponents, follow each other in whatever font there is.

    Matplotlib sets each sign at a place of its own, which fits one font. Fractions and roots keep theirs.
    """
    signs = [sign for sign in words if _tag(sign) == "tspan"]
    if not signs or len(signs) != len(words):
        return
    starts = [float(sign.get("x", "nan").split()[0]) for sign in signs]
    levels = [float(sign.get("y", "nan").split()[0]) for sign in signs]
    if starts != sorted(starts) or len(set(levels)) > 3:
        return
    for sign in signs:
        words.remove(sign)
    words.text = None
    before = None
    for sign, level in zip(signs, levels, strict=True):
        look = {name: value for name, value in sign.attrib.items() if name not in ("x", "y")}
        if before is not None and (level, look) == before:
            words[-1].text = (words[-1].text or "") + (sign.text or "")
            continue
        flowing = ElementTree.SubElement(words, sign.tag, look)
        flowing.text = sign.text
        if level != (0.0 if before is None else before[0]):
            shift = level - (0.0 if before is None else before[0])
            flowing.set("dy", _NUMBER.sub(_round, f"{shift:.6f}"))
        before = (level, look)


def _drop_repeated_style(root: ElementTree.Element) -> None:
    """A marker is drawn once and used often: its uses need not repeat how it looks."""
    looks = {
        f"#{shape.get('id')}": {
            name: value for name, value in shape.attrib.items() if name not in ("id", "d")
        }
        for shape in root.iter()
        if shape.get("id") and _tag(shape) == "path"
    }
    for use in root.iter(f"{{{SVG}}}use"):
        for name, value in looks.get(use.get("href", ""), {}).items():
            if use.get(name) == value:
                del use.attrib[name]


def _rename(root: ElementTree.Element) -> None:
    """Number what is referred to, in order; drop the ids that nobody needs."""
    used: list[str] = []
    for element in root.iter():
        for value in (element.get("href", ""), element.get("clip-path", "")):
            used += re.findall(r"^#(.+)$|^url\(#(.+)\)$", value) and [re.sub(r"^(?:url\()?#|\)$", "", value)]
    names = {name: f"n{number}" for number, name in enumerate(dict.fromkeys(used))}
    for element in root.iter():
        if (own := element.attrib.pop("id", None)) is not None and (own in names or own.startswith(KEPT)):
            element.set("id", names.get(own, own))
        for attribute in ("href", "clip-path"):
            if "#" in (value := element.get(attribute, "")):
                element.set(attribute, re.sub(r"#([^)]+)", lambda found: f"#{names[found[1]]}", value))


def _unwrap(parent: ElementTree.Element) -> None:
    """Put the children of groups without attributes in their groups' place, and drop what is empty."""
    parent[:] = list(_kept(parent))
    for element in (parent, *parent):
        if _tag(element) not in ("text", "tspan"):
            element.text = None
        element.tail = None


def _kept(parent: ElementTree.Element) -> Iterator[ElementTree.Element]:
    for element in parent:
        if _tag(element) == "text":
            for sign in element:
                sign.tail = None
            if len(element):
                element.text = None
            yield element
            continue
        _unwrap(element)
        if _tag(element) == "path" and element.get("fill") == "none" and "stroke" not in element.attrib:
            continue  # nothing to see
        if _tag(element) not in ("g", "defs"):
            yield element
        elif len(element) and not element.attrib and _tag(element) == "g":
            yield from element
        elif len(element):
            yield element
