"""A map of the chapters: which needs which, drawn from what their boxes ask a reader to *know first*.

The map stands on the landing page where `<div class="chapter-map"></div>` does. A chapter needs those that
its box links under *Know first* and that stand before it in the book; what follows from others is not drawn.
One drawing is for wide screens and one for phones, chosen by map.css; a list says the same in words.
"""

from __future__ import annotations

import html
import re
import textwrap
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

import nbformat
import networkx as nx
from sphinx.application import Sphinx

PLACE = '<div class="chapter-map"></div>'
KNOW = re.compile(
    r"^> ?\*\*(?:Know first|You should know)[.:]?\*\*(?P<said>.*(?:\n> ?[^\n>].*)*)", re.MULTILINE
)
LINK = re.compile(r"\]\((?P<target>[^)#\s]+)\.ipynb(?:#[^)]*)?\)")
# In units of the drawing, which are pixels where it is shown at its own size.
GAP = (12, 44)
LANE = 14  # for a line that passes a row


@dataclass(frozen=True)
class Chapter:
    """A chapter: its name with its number, the rest of its title, its address seen from the landing page."""

    page: str
    name: str
    asks: str
    address: str


@dataclass(frozen=True)
class Look:
    """How a drawing looks: its class, the chapters in a row, the size of a box, whether questions show."""

    name: str
    across: int
    width: int
    height: int
    asks: bool


WIDE = Look("map-wide", 3, 300, 56, asks=True)
NARROW = Look("map-narrow", 2, 158, 46, asks=False)


def needs(root: Path, page: str) -> list[str] | None:
    """Return the pages that a chapter's box links under *Know first*, or None where it has no such words."""
    notebook = nbformat.read(root / f"{page}.ipynb", as_version=4)
    said = next((found for cell in notebook.cells[:6] if (found := KNOW.search(cell.source))), None)
    if said is None:
        return None
    here = PurePosixPath(page).parent
    return [normpath((here / link["target"]).as_posix()) for link in LINK.finditer(said["said"])]


def graph(order: list[str], wanted: dict[str, list[str]]) -> nx.DiGraph:
    """Return what needs what, from the chapter that is needed; only lines that do not follow from others."""
    places = {page: place for place, page in enumerate(order)}
    every = nx.DiGraph()
    every.add_nodes_from(order)
    for page, others in wanted.items():
        # What comes later is announced, not needed.
        before = [other for other in others if places.get(other, len(order)) < places[page]]
        every.add_edges_from((other, page) for other in before)
    reduced = nx.transitive_reduction(every)
    ordered = nx.DiGraph()
    ordered.add_nodes_from(order)
    ordered.add_edges_from(sorted(reduced.edges, key=lambda edge: (places[edge[1]], places[edge[0]])))
    return ordered


def rows(needed: nx.DiGraph, across: int) -> list[list[str | tuple[str, str]]]:
    """Return the rows of a drawing, at most `across` chapters in each, below all that they need.

    A line that passes a row has a place there, too: the pair of its ends.
    """
    level: dict[str, int] = {}
    for page in needed:  # in the order of the book, so what it needs has a row already
        row = max((level[other] + 1 for other in needed.predecessors(page)), default=0)
        while list(level.values()).count(row) == across:
            row += 1
        level[page] = row
    drawn: list[list[str | tuple[str, str]]] = [[] for _ in range(max(level.values()) + 1)]
    for page, row in level.items():
        drawn[row].append(page)
    for start, end in needed.edges:
        for row in range(level[start] + 1, level[end]):
            drawn[row].append((start, end))
    for number in range(1, len(drawn)):
        above = {place: i / max(1, len(drawn[number - 1]) - 1) for i, place in enumerate(drawn[number - 1])}

        def mean(place: str | tuple[str, str], above: dict[Any, float] = above) -> float:
            ends = [place] if isinstance(place, tuple) else []
            origins = [place[0]] if isinstance(place, tuple) else list(needed.predecessors(place))
            found = [above[x] for x in [*ends, *origins, *((o, place) for o in origins)] if x in above]
            return sum(found) / len(found) if found else 0.5

        drawn[number].sort(key=mean)  # stable: otherwise the order of the book
    return drawn


def placed(
    drawn: list[list[str | tuple[str, str]]], width: float, look: Look
) -> dict[Any, list[tuple[float, float]]]:
    """Return the middle of a chapter, and for a line that passes rows the middle of its place in each."""
    at: dict[Any, list[tuple[float, float]]] = {}
    for number, row in enumerate(drawn):
        sizes = [LANE if isinstance(place, tuple) else look.width for place in row]
        x = (width - sum(sizes) - GAP[0] * (len(row) - 1)) / 2
        for place, size in zip(row, sizes, strict=True):
            middle = (x + size / 2, look.height / 2 + 1 + number * (look.height + GAP[1]))
            at.setdefault(place, []).append(middle)
            x += size + GAP[0]
    return at


def line(points: list[tuple[float, float]], half: float) -> str:
    """Return a line that leaves a box below, passes rows upright, and ends above another box."""
    x, y = points[0][0], points[0][1] + half
    path = f"M{x:g} {y:g}"
    for number, (next_x, middle) in enumerate(points[1:], 2):
        top = middle - half - (5 if number == len(points) else 0)  # room for the arrow's head
        bend = (y + top) / 2
        path += f"C{x:g} {bend:g} {next_x:g} {bend:g} {next_x:g} {top:g}"
        x, y = next_x, middle + half
        if number < len(points):
            path += f"V{y:g}"
    return path


def label(chapter: Chapter, x: float, y: float, look: Look) -> str:
    """Return a chapter's name, and its question below it or the name in two lines if it is long."""
    names = [chapter.name] if look.asks else textwrap.wrap(chapter.name, 22)
    lines = [("name", name) for name in names]
    if look.asks and chapter.asks:
        lines.append(("asks", textwrap.shorten(chapter.asks, 50, placeholder=" …")))
    first = y + 4.5 - 9 * (len(lines) - 1)
    return " ".join(
        f'<text class="{kind}" x="{x:g}" y="{first + 18 * number:g}">{html.escape(words)}</text>'
        for number, (kind, words) in enumerate(lines)
    )


def drawing(needed: nx.DiGraph, chapters: dict[str, Chapter], look: Look) -> str:
    """Return the map as SVG; each chapter is a link that says what it needs."""
    drawn = rows(needed, look.across)
    widths = [
        sum(LANE if isinstance(place, tuple) else look.width for place in row) + GAP[0] * (len(row) - 1)
        for row in drawn
    ]
    width = max(widths) + 2
    height = len(drawn) * (look.height + GAP[1]) - GAP[1] + 2
    at = placed(drawn, width, look)
    parts = []
    for start, end in needed.edges:
        points = [*at[start], *at.get((start, end), []), *at[end]]
        parts.append(f'<path class="needs" d="{line(points, look.height / 2)}"/>')
        x, y = points[-1][0], points[-1][1] - look.height / 2
        parts.append(f'<path class="head" d="M{x - 4:g} {y - 7:g}L{x:g} {y:g}L{x + 4:g} {y - 7:g}Z"/>')
    for page, chapter in chapters.items():
        [(x, y)] = at[page]
        corner = f'x="{x - look.width / 2:g}" y="{y - look.height / 2:g}"'
        box = f'<rect {corner} width="{look.width}" height="{look.height}" rx="6"/>'
        said = f"<desc>{html.escape(needs_in_words(page, needed, chapters))}</desc>"
        address = html.escape(chapter.address)
        parts.append(f'<a href="{address}">{said}{box}{label(chapter, x, y, look)}</a>')
    return (
        f'<svg class="{look.name}" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'role="group" aria-label="Which chapter needs which">{"".join(parts)}</svg>'
    )


def needs_in_words(page: str, needed: nx.DiGraph, chapters: dict[str, Chapter]) -> str:
    """Return what a chapter needs, as a sentence."""
    names = [chapters[other].name for other in chapters if needed.has_edge(other, page)]
    if not names:
        return "Needs no other chapter."
    return "Needs " + (" and ".join([", ".join(names[:-1]), names[-1]]) if names[1:] else names[0]) + "."


def listed(needed: nx.DiGraph, chapters: dict[str, Chapter]) -> str:
    """Return the same as a list."""

    def link(page: str) -> str:
        return f'<a href="{html.escape(chapters[page].address)}">{html.escape(chapters[page].name)}</a>'

    items = []
    for page in chapters:
        others = [link(other) for other in chapters if needed.has_edge(other, page)]
        items.append(f"<li>{link(page)} needs {' and '.join(others) if others else 'no other chapter'}</li>")
    return f"<details><summary>The same as a list</summary><ul>{''.join(items)}</ul></details>"


def chapters_of(app: Sphinx, seen_from: str) -> dict[str, Chapter]:
    """Return the chapters in the order of the book, with their numbers."""
    relations = app.env.collect_relations()
    found: dict[str, Chapter] = {}
    page: str | None = str(app.config.root_doc)
    visited: set[str] = set()
    while page and page not in visited:
        visited.add(page)
        if Path(app.env.doc2path(page)).suffix == ".ipynb":
            number = ".".join(map(str, app.env.toc_secnumbers.get(page, {}).get("", ())))
            title, _, asks = app.env.titles[page].astext().partition(": ")
            name = f"{number}. {title}" if number else title
            found[page] = Chapter(page, name, asks, app.builder.get_relative_uri(seen_from, page))
        page = relations[page][2] if page in relations else None
    return found


def add_map(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Put the map into its place."""
    if doctree is None or PLACE not in context.get("body", ""):
        return
    chapters = chapters_of(app, page)
    # A box that names no chapters, or does not say what to know, is for a test to find.
    wanted = {chapter: needs(Path(app.srcdir), chapter) or [] for chapter in chapters}
    needed = graph(list(chapters), wanted)
    both = [drawing(needed, chapters, look) for look in (WIDE, NARROW)] if chapters else []
    context["body"] = context["body"].replace(
        PLACE, f'<div class="chapter-map">{"".join(both)}{listed(needed, chapters)}</div>'
    )
    app.add_css_file("map.css")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", add_map)
    own = zlib.crc32(Path(__file__).read_bytes())
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
