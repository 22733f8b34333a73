"""A figure's stored SVG as the site shows it: colours as variables, a panel a drawing, names of its own.

`labutils.show` stores literal colours, which stand alone in Jupyter and on GitHub. Those of labutils.figures
become CSS variables here, which figures.css sets for light and for dark; any other colour and every picture
within, as of a heat map, looks as it was drawn.
"""

from __future__ import annotations

import base64
import copy
import html
import io
import itertools
import re
from dataclasses import dataclass
from xml.etree import ElementTree

from PIL import Image

from labutils.figures import DEEP, GROUND, INK, PALETTE, QUIET
from labutils.svg import SVG

HUES = ("blue", "orange", "green", "sky", "red", "ink", "pink")
VARIABLES = dict(zip(map(str.lower, PALETTE), HUES, strict=True))
VARIABLES |= {
    colour.lower(): f"deep-{hue}"
    for colour, hue in zip(DEEP, (*HUES, "purple"), strict=True)
    if colour not in PALETTE
}
VARIABLES |= {INK: "ink", QUIET: "quiet", GROUND: "ground"}
# Words need more contrast than lines: the palette's lighter hues are written in their deeper tone.
WORDS = {hue: f"deep-{hue}" for hue in ("orange", "green", "sky", "red", "pink")}
ElementTree.register_namespace("", SVG)


@dataclass(frozen=True)
class Drawing:
    """A figure as the site shows it; each of its panels is a width, a height and the SVG within."""

    panels: tuple[tuple[float, float, str], ...]
    name: str

    def html(self, *, first: bool = True) -> str:
        """Return the panels as HTML; not the `first` time they only point to what is on the page already."""
        made = []
        for number, (width, height, inside) in enumerate(self.panels):
            place = f"{self.name}-{number}"
            drawn = f'<g id="{place}">{inside}</g>' if first else f'<use href="#{place}"/>'
            made.append(
                f'<svg viewBox="0 0 {width:g} {height:g}" style="--width: {width:g}; --height: {height:g}" '
                f'aria-hidden="true">{drawn}</svg>'
            )
        return "".join(made)


def tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def recolour(root: ElementTree.Element) -> None:
    """Put variables in the place of the colours that follow the page."""
    for element in root.iter():
        words = tag(element) in ("text", "tspan") or any(tag(child) == "text" for child in element)
        for attribute in ("fill", "stroke"):
            name = VARIABLES.get(element.get(attribute, "").lower())
            if name is not None:
                element.set(attribute, f"var(--figure-{WORDS.get(name, name) if words else name})")
        if "monospace" in element.get("font-family", ""):
            element.set("font-family", "var(--pst-font-family-monospace)")


def rename(root: ElementTree.Element, name: str) -> None:
    """Give ids and what refers to them the figure's name in front: a page has many figures."""
    for element in root.iter():
        if "id" in element.attrib:
            element.set("id", f"{name}-{element.get('id')}")
        for attribute in ("href", "clip-path"):
            if "#" in (value := element.get(attribute, "")):
                element.set(attribute, re.sub("#", f"#{name}-", value, count=1))


PNG = "data:image/png;base64,"
COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")


def lighten(root: ElementTree.Element) -> None:
    """Say the same in fewer bytes: pictures within, as of a heat map, as lossless WebP, paths in steps."""
    for element in root.iter():
        if (address := element.get("href", "")).startswith(PNG):
            packed = io.BytesIO()
            with Image.open(io.BytesIO(base64.b64decode(address.removeprefix(PNG)))) as picture:
                picture.save(packed, "WEBP", lossless=True, exact=True, method=6)
            smaller = "data:image/webp;base64," + base64.b64encode(packed.getvalue()).decode()
            element.set("href", min(address, smaller, key=len))
        if "d" in element.attrib:
            element.set("d", stepwise(element.attrib["d"]))


def stepwise(path: str) -> str:
    """Return a path in steps from where it stands, whose numbers are shorter: exact in hundredths.

    A path of other commands than move, line and curves in absolute numbers comes back as it was.
    """
    commands = COMMAND.findall(path)
    if not {command for command, _ in commands} <= set("MLQCZz"):
        return path
    made, here, start = [], (0, 0), (0, 0)
    for command, rest in commands:
        numbers = [round(100 * float(number)) for number in rest.split()]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        if command in "Zz":
            here = start
        steps = [to - at for point in points for to, at in zip(point, here, strict=True)]
        made.append(command.lower() + " ".join(map(hundredths, steps)).replace(" -", "-"))
        here = points[-1] if points else here
        start = here if command == "M" else start
    return "".join(made)


def hundredths(number: int) -> str:
    """Return a number of hundredths in as few characters as SVG allows."""
    return re.sub(r"^(-?)0(?=\.)", r"\1", f"{number / 100:.2f}".rstrip("0").rstrip("."))


def drawing(stored: str, name: str) -> Drawing:
    """Return a stored figure as the site shows it; raises ValueError if it is not of `labutils.show`."""
    try:
        root = ElementTree.fromstring(stored)  # noqa: S314  (our own notebooks)
    except ElementTree.ParseError as error:
        raise ValueError(f"figure {name} is no SVG: {error}") from None
    cuts = [float(cut) for cut in root.get("data-panels", "").split()]
    if len(cuts) < 2:
        raise ValueError(f"figure {name} was not stored by labutils.show: run the cell again")
    height = float(root.get("viewBox", "0 0 0 0").split()[3])
    rename(root, name)
    if len(root) and root[0].get("fill") == GROUND:
        root.remove(root[0])  # the page is the ground
    recolour(root)
    lighten(root)
    panels = []
    for number, (left, right) in enumerate(itertools.pairwise(cuts)):
        here = f"{name}-panel-{number}-"
        shared = number == 0  # what belongs to no panel, such as clips, is named and found from all of them
        inside = [
            child
            for child in root
            if child.get("id", "").startswith(here)
            or (shared and f"{name}-panel-" not in child.get("id", ""))
        ]
        panels.append((right - left, height, shifted(inside, left)))
    return Drawing(tuple(panels), name)


def shifted(elements: list[ElementTree.Element], left: float) -> str:
    """Return SVG of elements that begin at `left` as if they began at 0."""
    group = ElementTree.Element(f"{{{SVG}}}g", {"transform": f"translate({-left:g})"} if left else {})
    group.extend(copy.deepcopy(element) for element in elements)
    for element in group:
        element.attrib.pop("id", None)
    text = ElementTree.tostring(group, encoding="unicode").replace(f' xmlns="{SVG}"', "").replace(" />", "/>")
    return text.removeprefix("<g>").removesuffix("</g>") if not left else text


def framed(picture: Drawing, alt: str, *, anchor: str = "", kind: str = "", first: bool = True) -> str:
    """Return the beginning of a `<figure>`: its drawing and the button that enlarges it."""
    own = f' id="{anchor}"' if anchor else ""
    return (
        f'<figure class="book-figure{kind}"{own}>'
        f'<div class="panels" role="img" aria-label="{html.escape(alt)}">{picture.html(first=first)}</div>'
        '<button type="button" class="enlarge" data-needs-script aria-label="Enlarge the figure">⤢</button>'
    )
