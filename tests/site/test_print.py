"""A chapter on paper: text, solutions, stills and formulas; no navigation; light, whatever the screen is."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page
from pypdf import PdfReader

from browser import BROWSER_TESTS, Visit, wait_until

pytestmark = BROWSER_TESTS
CHAPTER = "notebooks/foundations/probability.html"
HIDDEN = [
    ".bd-sidebar-primary",
    ".bd-sidebar-secondary",
    ".bd-header-article",
    ".prev-next-footer",
    ".headerlink",
]
SOLUTION = "Two detectors that learnt from the same data make the same mistakes"
FOLDED_CODE = "from itertools import pairwise"


@pytest.fixture(scope="module")
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A chapter as it stands on a dark screen."""
    visit = Visit(browser, color_scheme="dark", viewport={"width": 1280, "height": 900})
    visit.page.goto(f"{address}/{CHAPTER}", wait_until="load")
    yield visit.page
    assert visit.faults == []
    visit.page.context.close()


@pytest.fixture
def paper(page: Page) -> Iterator[Page]:
    page.emulate_media(media="print")
    wait_until(page, "document.documentElement.dataset.theme === 'light'")
    yield page
    page.emulate_media(media="null")  # no emulation: a PDF is then in print media
    wait_until(page, "document.documentElement.dataset.theme === 'dark'")


def test_no_navigation_and_one_title(paper: Page) -> None:
    assert [part for part in HIDDEN for found in paper.locator(part).all() if found.is_visible()] == []
    assert [heading.is_visible() for heading in paper.locator("h1").all()] == [True]


def test_nothing_is_folded_but_the_code_of_figures(paper: Page) -> None:
    assert paper.get_by_text(SOLUTION).is_visible()
    unseen = paper.evaluate("""[...document.querySelectorAll("details:not(.hide) > :not(summary)")]
        .filter((part) => part.textContent.trim() && part.getBoundingClientRect().height === 0).length""")
    assert unseen == 0
    assert not paper.get_by_text("Show code cell source").first.is_visible()
    assert not paper.get_by_text(FOLDED_CODE).first.is_visible()  # of a figure: the figure is printed


def test_what_is_folded_is_folded_again_afterwards(page: Page) -> None:
    page.emulate_media(media="print")
    wait_until(page, "document.querySelectorAll('details:not([open])').length === 0")
    page.emulate_media(media="null")  # no emulation: a PDF is then in print media
    wait_until(page, "document.querySelectorAll('details[open]').length === 0")


def test_stills_stand_for_what_moves(paper: Page) -> None:
    explorers = paper.locator(".labutils-explorer").all()
    assert explorers
    for figure in explorers:  # one drawing, alive or not
        assert figure.locator(".labutils-picture svg").is_visible()
        assert not figure.locator(".labutils-controls").is_visible()


def test_nothing_is_wider_than_the_paper(paper: Page) -> None:
    paper.set_viewport_size({"width": 660, "height": 940})  # A4 less its margins
    wide = paper.locator("article :is(pre, table, img, div.math, p)").evaluate_all(
        "(parts) => parts.filter((e) => e.getBoundingClientRect().right > innerWidth + 1)"
        ".map((e) => e.outerHTML.slice(0, 90))"
    )
    paper.set_viewport_size({"width": 1280, "height": 900})
    assert wide == []


def test_the_pdf_holds_text_solutions_formulas_and_stills(page: Page) -> None:
    pdf = PdfReader(io.BytesIO(page.pdf(format="A4")))
    text = " ".join(" ".join(sheet.extract_text() for sheet in pdf.pages).split())
    assert SOLUTION in text
    assert FOLDED_CODE not in text
    assert "probability of the next character" in text  # the title of an axis, which is drawn as text
    assert "Skip to main content" not in text
    assert not re.search(r"Show code cell source|Back to top", text)
    assert text.count("Where it breaks") == 1  # as a heading, and in no table of contents
    pictures = sum(len(sheet.images) for sheet in pdf.pages)
    assert pictures >= page.locator("article .cell_output img[src$='.png']").count()
    fonts = {
        str((font.get("/FontDescriptor") or font).get("/FontName"))
        for sheet in pdf.pages
        for font in (sheet["/Resources"].get("/Font") or {}).values()
    }
    # Fonts that come with the page; nothing but formulas uses any.
    assert any("OTS-derived" in font or "MathJax" in font for font in fonts)


def paper_colours(page: Page) -> set[str]:
    """Return what the first sheet of a PDF is filled with from edge to edge."""
    sheet = PdfReader(io.BytesIO(page.pdf(format="A4", page_ranges="1", print_background=True))).pages[0]
    contents = sheet.get_contents()
    assert contents is not None
    drawn = contents.get_data().decode("latin-1")
    fills = re.findall(r"([\d.]+ [\d.]+ [\d.]+) rg\s(?:/G\d+ gs\s)?0 0 ([\d.]+) [\d.]+ re\sf", drawn)
    return {colour for colour, width in fills if float(width) > 500}


def test_a_dark_page_is_printed_on_white(page: Page) -> None:
    assert paper_colours(page) == {"1 1 1"}
    page.evaluate("""() => {
        window.darken = () => (document.documentElement.dataset.theme = "dark");
        addEventListener("beforeprint", window.darken);
    }""")
    assert paper_colours(page) != {"1 1 1"}  # the check can tell
    page.evaluate("removeEventListener('beforeprint', window.darken)")


def test_the_button_of_the_page_prints(browser: Browser, address: str) -> None:
    visit = Visit(browser, color_scheme="dark")
    visit.page.goto(f"{address}/{CHAPTER}", wait_until="load")
    # Without a screen nobody closes the browser's dialogue, so there is no "afterprint".
    visit.page.evaluate("""addEventListener("beforeprint", () => {
        window.seen = [document.documentElement.dataset.theme, document.querySelector("details").open];
    })""")
    visit.page.locator(".dropdown-download-buttons > button").click()
    visit.page.locator(".btn-download-pdf-button").click()
    wait_until(visit.page, "window.seen")
    assert visit.page.evaluate("window.seen") == ["light", True]
    assert visit.faults == []
    visit.page.context.close()
