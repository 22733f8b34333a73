"""Figures on the page: numbered, linked, in the page's colours, stacked and enlarged on a phone."""

from __future__ import annotations

import base64
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib import pyplot as plt
from PIL import Image
from playwright.sync_api import Browser, Page

import book
import execute
from book_drawings import VARIABLES, lighten, stepwise
from browser import BROWSER_TESTS, Visit, chapters, serve, wait_until
from labutils import figures, show_explorer
from places import ROOT
from sound import ALT, sound_notebook

mpl.use("Agg")
PHONE, LAPTOP = {"width": 360, "height": 740}, {"width": 1440, "height": 900}
WIDGET = "application/vnd.jupyter.widget-view+json"


def displayed(monkeypatch: pytest.MonkeyPatch, show: Any) -> dict[str, Any]:
    """What a notebook stores of something that is shown."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: found.append(data))
    show()
    return {kind: data for kind, data in found[0].items() if kind != WIDGET}


def draw() -> None:
    """Two panels: lines in every colour, and a heat map with words on it."""
    with mpl.rc_context():
        figures.style()
        fig, (left, right) = plt.subplots(1, 2, figsize=(7, 3))
        for number, colour in enumerate((*figures.PALETTE, *figures.DEEP, figures.QUIET)):
            left.plot([1, 2], [number, number], color=colour, marker="o")
            left.text(1.1, number, "word", color=colour)
        right.imshow([[0, 1], [1, 0]], cmap="cividis")
        right.text(0, 0, "dark", color="white")
        right.text(1, 0, "light", color="black")
        figures.show(fig, ALT)


def chapter(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tiny chapter with outputs that the build can use."""
    notebook = sound_notebook()
    cells = {cell.id: cell for cell in notebook.cells}
    cells["title"].source = re.sub(r"\[Use\]\(\S+\)", "Nothing", cells["title"].source)
    cells["one"].source = "## One\n\nA word."
    cells["figure"].outputs[0].data = displayed(monkeypatch, draw)
    cells["chart"].outputs[0].data = displayed(monkeypatch, lambda: show_explorer("divergence", ALT))
    svg = cells["figure"].outputs[0].data["image/svg+xml"]
    execute.put_key_figure(notebook, {execute.name_of(svg): b"a picture"})
    notebook.cells.remove(cells["table"])  # the ledger has tests of its own
    for cell in notebook.cells:  # there is no other page
        cell.source = re.sub(r"(?<!!)\[([^\]]*)\]\((?!attachment)[^)]*\)", r"\1", cell.source)
    return notebook


def copy_of_the_book(folder: Path, notebooks: dict[str, Any]) -> Path:
    """A book of these notebooks, quick to build."""
    shutil.copy(ROOT / "_config.yml", folder)
    for name in ("_ext", "static", "templates"):
        shutil.copytree(
            ROOT / "book" / name, folder / "book" / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    (folder / "book/references.bib").write_text("", encoding="utf-8")
    files = "".join(f"  - file: {name}\n" for name in notebooks)
    (folder / "_toc.yml").write_text(
        f"format: jb-book\nroot: page\nparts:\n- caption: Part\n  numbered: true\n  chapters:\n{files}",
        "utf-8",
    )
    (folder / "page.md").write_text("# A page\n\nWords.\n", encoding="utf-8")
    for name, notebook in notebooks.items():
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a book with one tiny chapter."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        notebook = chapter(monkeypatch)
    return book.build(copy_of_the_book(tmp_path_factory.mktemp("tiny"), {"tiny": notebook}))


@pytest.fixture(scope="module")
def page_of(tiny: Path) -> BeautifulSoup:
    return BeautifulSoup((tiny / "tiny.html").read_text("utf-8"), "html.parser")


# --- pictures and paths within a figure


def packed(picture: Image.Image) -> str:
    """A picture's address as matplotlib writes it."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def lightened(*addresses: str) -> list[str]:
    root = ElementTree.Element("svg")
    for address in addresses:
        ElementTree.SubElement(root, "image", href=address)
    lighten(root)
    return [image.get("href", "") for image in root]


def test_pictures_keep_their_pixels_in_fewer_bytes() -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (40, 60, 1)).repeat(3, 2)
    veil = rng.integers(0, 256, (40, 60, 1))  # colours beneath what cannot be seen count, too
    pictures = [np.concatenate([grey, veil], 2), np.concatenate([grey, 0 * veil + 255], 2)]
    pictures = [Image.fromarray(picture.astype(np.uint8)) for picture in pictures]
    stored = [packed(picture) for picture in pictures]
    for picture, before, after in zip(pictures, stored, lightened(*stored), strict=True):
        kind, _, body = after.partition(",")
        assert kind == "data:image/webp;base64"
        assert len(after) < 0.8 * len(before)
        again = Image.open(io.BytesIO(base64.b64decode(body)))
        np.testing.assert_array_equal(np.asarray(again.convert("RGBA")), np.asarray(picture))


def ends(path: str, *, steps: bool) -> list[tuple[str, tuple[float, ...]]]:
    """The commands of a path with their numbers, where it leads in absolute numbers."""
    made, here, start = [], np.zeros(2), np.zeros(2)
    for command, rest in re.findall(r"([a-zA-Z])([^a-zA-Z]*)", path):
        points = np.array(re.findall(r"-?\d*\.?\d+", rest), float).reshape(-1, 2)
        points = points + here if steps else points
        made.append((command.upper(), tuple(points.round(2).ravel())))
        here = start if command in "Zz" else points[-1]
        start = here if command in "Mm" else start
    return made


def test_paths_in_steps_lead_where_they_led() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        path = ""
        for command, n_number in zip("MLLCLZLQMCLZ", (2, 2, 2, 6, 2, 0, 2, 4, 2, 6, 2, 0), strict=True):
            path += command + " ".join(f"{x:.2f}" for x in rng.uniform(-500, 500, n_number))
        short = stepwise(path)
        assert ends(short, steps=True) == ends(path, steps=False)
        assert len(short) < len(path) + 12
    long = "M" + "L".join(f"{x:.2f} {300 - x / 3:.2f}" for x in np.linspace(100, 500, 200))
    assert len(stepwise(long)) < 0.7 * len(long)
    assert stepwise("M0.5 -0.25L1 0Z") == "m.5-.25l.5 .25z"
    assert stepwise("M1 1A2 2 0 0 1 3 3") == "M1 1A2 2 0 0 1 3 3"  # an arc's first numbers are no points


def test_what_is_no_picture_or_smaller_already_stays() -> None:
    smallest = "data:image/webp;base64,UklGRg=="
    assert lightened("#panel", smallest) == ["#panel", smallest]


# --- what stands in the page


def test_figures_have_address_number_caption_and_words(page_of: BeautifulSoup) -> None:
    for number, name in enumerate(("figure", "chart"), start=1):
        figure = page_of.find(id=name)
        assert figure.name == "figure"
        caption = figure.find("figcaption", recursive=False)
        assert caption.get_text().startswith(f"Figure 1.{number}. ")
        assert caption.a["href"] == f"#{name}"
        assert not page_of.find("p", string=re.compile(r"^Figure \d"))  # the caption is nowhere else
    panels = page_of.select_one("#figure .panels")
    assert (panels["role"], panels["aria-label"]) == ("img", ALT)
    assert len(panels.find_all("svg", recursive=False)) == 2
    assert "labutils-explorer" in page_of.find(id="chart")["class"]


def test_plain_words_become_links_with_the_chapters_number(page_of: BeautifulSoup) -> None:
    two = page_of.find("section", id="two").find("p")
    assert re.sub(r"\s", " ", two.get_text()) == "See Figure 1.1, and then Figure 1.2."
    assert [link["href"] for link in two.find_all("a")] == ["#figure", "#chart"]


def test_ids_are_unique_and_what_refers_to_them_finds_them(page_of: BeautifulSoup) -> None:
    ids = [element["id"] for element in page_of.find_all(id=True)]
    assert {name for name in ids if ids.count(name) > 1} == set()
    asked = {use["href"] for use in page_of.find_all("use")}
    asked |= {element["clip-path"][4:-1] for element in page_of.find_all(attrs={"clip-path": True})}
    assert asked
    assert {name for name in asked if name.removeprefix("#") not in ids} == set()


def test_the_key_figure_is_sent_once_and_says_where_it_is_made(page_of: BeautifulSoup) -> None:
    top, below = page_of.select_one("figure.key-figure"), page_of.find(id="figure")
    assert len(top.select("path")) > 20
    assert below.select("svg path") == []
    assert [use["href"] for use in below.select("svg > use")] == [f"#figure-{n}" for n in range(2)]
    assert re.sub(r"\s", " ", top.figcaption.get_text()).endswith("Figure 1.1, made in “Two”")
    assert top.figcaption.a["href"] == "#figure"
    assert top.find_previous("p").get_text() == "A question, and 2.06 bits."


def test_colours_are_variables_but_for_heat_maps(page_of: BeautifulSoup) -> None:
    drawn = str(page_of.select_one("figure.key-figure .panels"))
    assert not re.search(rf'"({"|".join(VARIABLES)})"', drawn, re.IGNORECASE)
    assert {f"--figure-{name}" for name in VARIABLES.values()} - set(
        re.findall(r"--figure-[\w-]+", drawn)
    ) <= {
        "--figure-ground"  # the page itself
    }
    fills = {text.get_text(): text.get("fill") for text in page_of.select("figure.key-figure text")}
    assert (fills["dark"], fills["light"]) == ("#ffffff", None)  # on the map, whatever the page's mode
    assert "data:image/webp" in drawn


def test_every_variable_has_a_value_for_light_and_for_dark() -> None:
    style = (ROOT / "book/static/figures.css").read_text("utf-8")
    names = {name for name in VARIABLES.values() if name != "ground"}
    blocks = re.findall(r"(?:--figure-[\w-]+: [^;]+;\s*(?:/\*.*?\*/)?\s*){5,}", style)
    values = [dict(re.findall(r"--figure-([\w-]+): (#\w{6});", block)) for block in blocks]
    assert [set(value) for value in values] == [names] * 3
    assert values[1] == values[2]  # with a theme, and without scripts
    assert not re.search(r"filter\s*:", style)


FAULTS = {
    "Figure 1 has no caption": lambda cells: cells.pop("figure-caption"),
    "a caption without a figure": lambda cells: cells["figure"].outputs.clear(),
    "stands where Figure 1 does": lambda cells: cells["figure-caption"].update(source="**Figure 3.** Three."),
    "there is no Figure 7": lambda cells: cells["two"].update(source="## Two\n\nSee Figure 7."),
    "key figure needs one cell": lambda cells: cells["figure"].metadata.tags.remove("key-figure"),
    "was not stored by labutils.show": lambda cells: (
        cells["figure"].outputs[0].data.update({"image/svg+xml": "<svg></svg>"})
    ),
}


def test_faulty_figures_stop_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebooks = {}
    for number, spoil in enumerate(FAULTS.values()):
        notebook = chapter(monkeypatch)
        cells = {cell.id: cell for cell in notebook.cells}
        spoil(cells)
        notebook.cells = list(cells.values())
        notebooks[f"n{number}"] = notebook
    with pytest.raises(RuntimeError) as stopped:
        book.build(copy_of_the_book(tmp_path, notebooks))
    said = str(stopped.value)
    missing = [
        complaint
        for number, complaint in enumerate(FAULTS)
        if not re.search(rf"n{number}\.ipynb.*{complaint.replace('Figure 1 has', 'figure figure has')}", said)
    ]
    assert missing == [], said


# --- in a browser

# The contrast of what is written or drawn in figures with the page: [contrast, what], lowest first.
CONTRAST = """(kind) => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (colour) => {
    const [r, g, b] = rgb(colour).map((c) => (c / 255 + 0.055) / 1.055).map((c) => c ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const page = light(getComputedStyle(document.body).backgroundColor);
  const found = [];
  for (const element of document.querySelectorAll(".book-figure:not(.labutils-explorer) svg " + kind)) {
    if (element.closest("defs, clipPath")) continue;
    const look = getComputedStyle(element);
    const fixed = element.closest("[fill]")?.getAttribute("fill");
    if (kind === "text" && (!fixed || fixed === "#ffffff")) continue;  // on a heat map
    const words = getComputedStyle(element.querySelector("tspan") ?? element);
    const colour = kind === "text" ? words.fill : look.stroke;
    if (colour === "none" || look.strokeOpacity < 1 || look.opacity < 1) continue;
    const [a, b] = [light(colour), page].sort((x, y) => y - x);
    if (element.getAttribute("stroke") !== "var(--figure-ground)")
      found.push([(a + 0.05) / (b + 0.05), element.textContent || element.getAttribute("stroke")]);
  }
  return found.sort((x, y) => x[0] - y[0]);
}"""
SIZES = """() => [...document.querySelectorAll("#figure .panels > svg")].map((svg) => {
  const { x, y, width } = svg.getBoundingClientRect();
  return [x, y, width, width / svg.viewBox.baseVal.width];
})"""


@pytest.fixture(scope="module")
def there(tiny: Path) -> Iterator[str]:
    server = serve(tiny)
    yield f"http://127.0.0.1:{server.server_port}/tiny.html"
    server.shutdown()
    server.server_close()


class TestInABrowser:
    pytestmark = BROWSER_TESTS

    @pytest.fixture(params=["light", "dark", "dark, no scripts", "paper"])
    def shown(self, request: pytest.FixtureRequest, browser: Browser, there: str) -> Iterator[Page]:
        theme = request.param.split(",")[0]
        options = {"color_scheme": "light" if theme == "light" else "dark", "java_script_enabled": True}
        visit = Visit(browser, **options)
        if "scripts" in request.param:
            visit.page.route(re.compile(r"\.js"), lambda route: route.abort())
        visit.page.goto(there, wait_until="load")
        if theme == "paper":
            visit.page.emulate_media(media="print")
        visit.page.mode = theme  # type: ignore[attr-defined]
        yield visit.page
        visit.page.context.close()

    def test_words_and_lines_are_seen_in_light_and_in_dark(self, shown: Page) -> None:
        ink = shown.evaluate(
            "getComputedStyle(document.documentElement).getPropertyValue('--figure-ink')"
        ).strip()
        assert ink == ("#e4eaf0" if shown.mode == "dark" else "#1c1c1c")  # type: ignore[attr-defined]
        if "data-theme" in shown.content()[:500] or shown.mode != "dark":  # type: ignore[attr-defined]
            for kind, least in (("text", 4.5), ("path", 3)):
                found = shown.evaluate(CONTRAST, kind)
                assert len(found) >= 10
                assert [what for what in found if what[0] < least] == []
        every = "[...document.querySelectorAll('.book-figure, .book-figure *')]"
        assert set(shown.evaluate(f"{every}.map(e => getComputedStyle(e).filter)")) == {"none"}

    def test_panels_stand_side_by_side_on_a_laptop_and_below_each_other_on_a_phone(
        self, visit: Visit, there: str
    ) -> None:
        visit.page.set_viewport_size(LAPTOP)
        visit.page.goto(there, wait_until="load")
        (x1, y1, w1, scale), (x2, y2, _, other) = visit.page.evaluate(SIZES)
        assert (y1, x2) == (pytest.approx(y2, abs=1), pytest.approx(x1 + w1, abs=1))
        assert scale == pytest.approx(other, rel=0.01)
        assert 13 <= 10 * scale <= 16  # the words in it, beside prose of 16 pixels
        visit.page.set_viewport_size(PHONE)
        (x1, y1, w1, scale), (x2, y2, _, other) = visit.page.evaluate(SIZES)
        assert x2 == pytest.approx(x1, abs=1)
        assert y2 > y1 + 50
        assert x1 + w1 <= PHONE["width"]
        assert min(scale, other) * 10 >= 10
        every = "[...document.querySelectorAll('.book-figure')]"
        assert visit.page.evaluate(f"{every}.filter(f => f.scrollWidth > f.clientWidth).length") == 0

    def test_a_figure_is_enlarged_by_keyboard_and_by_a_tap(self, browser: Browser, there: str) -> None:
        visit = Visit(browser, viewport=PHONE, has_touch=True)
        page = visit.page
        page.goto(there, wait_until="load")
        button = page.locator("#figure > .enlarge")
        for open_ in (lambda: button.press("Enter"), page.locator("#figure .panels").tap):
            button.scroll_into_view_if_needed()
            open_()
            dialog = page.locator("dialog.figure-dialog[open]")
            dialog.wait_for()
            assert dialog.get_attribute("aria-label") == ALT
            pane = dialog.locator("> div")
            scale = dialog.locator("svg").first.evaluate(
                "s => s.getBoundingClientRect().width / s.viewBox.baseVal.width"
            )
            assert 10 * scale >= 16
            assert pane.evaluate("p => p.scrollWidth > p.clientWidth")
            pane.evaluate("p => p.scrollBy(80, 0)")
            assert pane.evaluate("p => p.scrollLeft") == 80
            page.keyboard.press("Escape")
            wait_until(page, "!document.querySelector('dialog')")
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 24
        button.press("Enter")
        page.locator("dialog button").click()
        wait_until(page, "!document.querySelector('dialog')")
        assert page.evaluate("document.activeElement.className") == "enlarge"
        assert visit.faults == []
        page.context.close()

    @pytest.mark.parametrize("name", chapters())
    def test_a_chapters_figures_are_numbered_and_seen_in_both_modes(
        self, visit: Visit, address: str, name: str
    ) -> None:
        page = visit.page
        page.goto(f"{address}/{name}.html", wait_until="load")
        numbers = page.locator(".book-figure .figure-number").all_text_contents()
        chapter_number = numbers[0].split(".")[0]
        assert numbers == [f"{chapter_number}.{n}." for n in range(1, len(numbers) + 1)]
        assert len(numbers) >= 3
        assert page.locator(".cell_output img").count() == 0
        for theme in ("light", "dark"):
            page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
            assert [what for what in page.evaluate(CONTRAST, "text") if what[0] < 4.5] == []
        assert visit.faults == []

    @pytest.mark.parametrize("name", chapters())
    def test_the_key_figure_is_on_the_first_screen(self, visit: Visit, address: str, name: str) -> None:
        for screen in (LAPTOP, PHONE):
            visit.page.set_viewport_size(screen)
            visit.page.goto(f"{address}/{name}.html", wait_until="load")
            box = visit.page.locator(".key-figure").bounding_box()
            assert box is not None
            needed = box["height"] if screen is LAPTOP else 60
            assert box["y"] + needed <= screen["height"], screen
