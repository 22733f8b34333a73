"""The map of chapters: what the boxes say, nothing that follows from it, readable and usable everywhere."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import nbformat
import networkx as nx
import numpy as np
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser

import book
from book_map import NARROW, WIDE, Chapter, Look, drawing, graph, needs, placed, rows
from browser import BROWSER_TESTS, Visit
from places import NOTEBOOKS, ROOT

CHAPTERS = [page for page in book.pages_of_toc(ROOT) if page.startswith("notebooks/")]


@cache
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_box_says_what_to_know_first(path: Path) -> None:
    wanted = needs(ROOT, path.relative_to(ROOT).with_suffix("").as_posix())
    assert wanted is not None
    assert [page for page in wanted if not (ROOT / f"{page}.ipynb").is_file()] == []


def test_needs_are_the_links_of_know_first_alone(tmp_path: Path) -> None:
    box = (
        "# T\n\n> **You will be able to** see [x](x.ipynb).\n>\n"
        "> **Know first** [a](../p/a.ipynb#part) and, on the\n> next line, [b](b.ipynb); [web](https://example.org).\n"
        ">\n> **Time** as in [c](c.ipynb).\n"
    )
    (tmp_path / "q").mkdir()
    cells = [nbformat.v4.new_markdown_cell(box)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "q/n.ipynb")
    assert needs(tmp_path, "q/n") == ["p/a", "q/b"]
    nbformat.write(nbformat.v4.new_notebook(cells=[]), tmp_path / "q/n.ipynb")
    assert needs(tmp_path, "q/n") is None


def test_what_follows_is_not_drawn_and_what_comes_later_is_not_needed() -> None:
    found = graph(["a", "b", "c"], {"a": ["c"], "b": ["a"], "c": ["a", "b", "elsewhere"]})
    assert list(found.edges) == [("a", "b"), ("b", "c")]


@st.composite
def wanted(draw: st.DrawFn) -> tuple[list[str], dict[str, list[str]]]:
    order = [f"c{number}" for number in range(draw(st.integers(1, 33)))]
    return order, {
        page: draw(st.lists(st.sampled_from(order[:place]), max_size=4)) if place else []
        for place, page in enumerate(order)
    }


@given(wanted(), st.sampled_from([WIDE, NARROW]))
def test_any_book_is_drawn_below_what_it_needs_without_a_box_on_another(
    of: tuple[list[str], dict[str, list[str]]], look: Look
) -> None:
    order, wants = of
    needed = graph(order, wants)
    everything = nx.transitive_closure(needed)
    assert all(everything.has_edge(other, page) for page in order for other in wants[page])
    drawn = rows(needed, look.across)
    assert sorted(place for row in drawn for place in row if isinstance(place, str)) == sorted(order)
    level = {place: number for number, row in enumerate(drawn) for place in row if isinstance(place, str)}
    assert all(level[start] < level[end] for start, end in needed.edges)
    for row in drawn:
        assert sum(isinstance(place, str) for place in row) <= look.across
    at = placed(drawn, 2000, look)
    for row in drawn:
        boxes = sorted(at[place][0][0] for place in row if isinstance(place, str))
        assert all(right - left >= look.width for left, right in pairwise(boxes))
    chapters = {page: Chapter(page, page, "why?", f"{page}.html") for page in order}
    picture = BeautifulSoup(drawing(needed, chapters, look), "html.parser")
    assert len(picture.select("a")) == len(order)
    assert len(picture.select("path.needs")) == needed.number_of_edges()
    boxes = np.array(
        [[float(box[key]) for key in ("x", "y", "width", "height")] for box in picture.select("rect")]
    )
    for path in picture.select("path.needs"):
        x, y = followed(path["d"])[:, :, None]
        within = (x > boxes[:, 0]) & (x < boxes[:, 0] + boxes[:, 2])
        assert not (within & (y > boxes[:, 1] + 0.1) & (y < boxes[:, 1] + boxes[:, 3] - 0.1)).any()


def followed(path: str) -> np.ndarray:
    """Points along a line of the map, (2, n): its commands are M, C and V in absolute numbers."""
    points = []
    for command, rest in re.findall(r"([MCV])([^MCV]*)", path):
        numbers = np.array(rest.split(), float)
        if command == "M":
            points.append(numbers)
        elif command == "V":
            points += [np.array([points[-1][0], y]) for y in np.linspace(points[-1][1], numbers[0], 20)]
        else:
            t = np.linspace(0, 1, 20)[:, None]
            a, b, c, d = points[-1], *numbers.reshape(3, 2)
            points += list((1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d)
    return np.array(points).T


def test_the_landing_page_shows_every_chapter_in_both_drawings_and_in_the_list(site: Path) -> None:
    [place] = soup(site / "index.html").select(".chapter-map")
    addresses = [f"{page}.html" for page in CHAPTERS]
    for name in (".map-wide", ".map-narrow"):
        [picture] = place.select(f"svg{name}")
        assert [link["href"] for link in picture.select("a")] == addresses
    items = place.select("details li")
    assert [item.select("a")[0]["href"] for item in items] == addresses
    edges = sum(len(item.select("a")) - 1 for item in items)
    assert edges == len(place.select(".map-wide path.needs")) == len(place.select(".map-narrow path.needs"))
    assert edges >= len(CHAPTERS) - 1
    labels = {link["href"]: link.desc.get_text() for link in place.select(".map-wide a")}
    assert "Attention" in labels["notebooks/transformers/transformer.html"]


class TestInABrowser:
    pytestmark = BROWSER_TESTS

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [360, 1440])
    def test_it_is_read_and_used_by_keyboard_without_javascript(
        self, browser: Browser, address: str, width: int, scheme: str
    ) -> None:
        visit = Visit(
            browser, viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=False
        )
        page = visit.page
        page.goto(f"{address}/index.html", wait_until="load")
        pictures = page.locator(".chapter-map svg:visible")
        assert pictures.count() == 1
        assert pictures.get_attribute("class") == ("map-narrow" if width == 360 else "map-wide")
        box = pictures.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= width
        heights = [text.bounding_box() for text in pictures.locator("text.name").all()]
        assert min(height["height"] for height in heights if height) >= 11  # of letters of 12 pixels and more
        first = pictures.locator("a").first
        first.focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/{CHAPTERS[0]}.html")
        page.context.close()

    @pytest.mark.parametrize("width", [360, 1440])
    def test_every_name_fits_its_box(self, browser: Browser, address: str, width: int) -> None:
        visit = Visit(browser, viewport={"width": width, "height": 800})
        visit.page.goto(f"{address}/index.html", wait_until="load")
        visit.page.evaluate("document.fonts.ready.then(() => null)")
        wide = visit.page.evaluate("""() =>
            [...document.querySelectorAll(".chapter-map svg a")].filter((link) => {
            const box = link.querySelector("rect").getBoundingClientRect();
            return [...link.querySelectorAll("text")].some((text) => {
                const own = text.getBoundingClientRect();
                return own.left < box.left || own.right > box.right || own.bottom > box.bottom;
            });
        }).map((link) => link.textContent)""")
        assert wide == []
        assert visit.faults == []
        visit.page.context.close()
