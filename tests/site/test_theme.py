"""Light and dark: the system's choice at first, the reader's from then on, and never a flash of the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from accessible import CONTRAST
from browser import BROWSER_TESTS, Visit, wait_until

pytestmark = BROWSER_TESTS
CHAPTER = "notebooks/foundations/probability.html"
# Remembers the theme of the moment when the body begins, before anything of it is painted.
WATCH = """
new MutationObserver((_, observer) => {
  if (document.body) { window.themeAtFirst = document.documentElement.dataset.theme; observer.disconnect(); }
}).observe(document, { childList: true, subtree: true });
"""
THEME = "document.documentElement.dataset.theme"


def open_(page: Page, address: str) -> list[str]:
    """Open a page, and return its theme before it was painted and when it stands."""
    page.goto(address, wait_until="load")
    return [page.evaluate("window.themeAtFirst"), page.evaluate(THEME)]


@pytest.mark.parametrize("system", ["light", "dark"])
def test_first_visit_follows_the_system_without_a_flash(
    browser: Browser, address: str, site: Path, system: str
) -> None:
    for start in (f"{address}/book/use.html", (site / "book/use.html").as_uri()):
        visit = Visit(browser, color_scheme=system)
        visit.page.add_init_script(WATCH)
        assert open_(visit.page, start) == [system, system]
        visit.page.emulate_media(color_scheme="light" if system == "dark" else "dark")  # at sunset, say
        wait_until(visit.page, f"{THEME} !== '{system}'")
        visit.page.context.close()


def test_the_switch_works_and_is_remembered_without_a_flash(browser: Browser, address: str) -> None:
    visit = Visit(browser, color_scheme="light")
    visit.page.add_init_script(WATCH)
    assert open_(visit.page, f"{address}/book/use.html") == ["light", "light"]
    switch = visit.page.locator(".theme-switch-button:visible").first
    switch.focus()
    for _ in range(3):  # as the system, light, dark, in an order that is the theme's
        if visit.page.evaluate(THEME) == "dark":
            break
        visit.page.keyboard.press("Enter")
    assert visit.page.evaluate(THEME) == "dark"
    paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, paper.removeprefix("rgb(").rstrip(")").split(","))) < 120
    assert open_(visit.page, f"{address}/book/notation.html") == ["dark", "dark"]
    assert visit.faults == []
    visit.page.context.close()


def test_the_system_changed_since_the_last_visit(browser: Browser, address: str) -> None:
    visit = Visit(browser, color_scheme="dark")
    visit.page.add_init_script(WATCH)
    assert open_(visit.page, f"{address}/book/use.html") == ["dark", "dark"]
    visit.page.goto("about:blank")
    visit.page.emulate_media(color_scheme="light")
    assert open_(visit.page, f"{address}/book/use.html") == ["light", "light"]
    visit.page.context.close()


# Relative luminance by WCAG, and the contrast of two colours as the browser computes them.
RATIO = """([ink, ground]) => {
  const light = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = parts.map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}"""


@pytest.mark.parametrize("system", ["light", "dark"])
class TestWithoutScripts:
    @pytest.fixture
    def plain(self, browser: Browser, system: str) -> Iterator[Page]:
        visit = Visit(browser, java_script_enabled=False, color_scheme=system)
        yield visit.page
        visit.page.context.close()

    def ground(self, page: Page) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    @pytest.mark.parametrize("name", ["index.html", CHAPTER, "book/claims.html"])
    def test_a_page_follows_the_system_and_is_read(
        self, plain: Page, address: str, system: str, name: str
    ) -> None:
        plain.goto(f"{address}/{name}")
        is_dark = plain.evaluate(RATIO, [self.ground(plain), "rgb(0, 0, 0)"]) < 4
        assert is_dark == (system == "dark")
        words = "article :is(p, li, h1, h2, h3, th, td, code, summary, strong, a, pre, pre *)"
        assert plain.evaluate(f"(s) => ({CONTRAST})([...document.querySelectorAll(s)])", words) == []
        pictures = plain.locator("article :is(img, figure svg, .cell_output svg):visible")
        wide = pictures.evaluate_all(
            "(all) => all.filter((one) => one.getBoundingClientRect().width > 100).length"
        )
        assert wide >= (5 if "notebooks" in name else 0), "figures that are not seen"

    def test_the_landing_pages_bars_have_colours(self, plain: Page, address: str, system: str) -> None:
        plain.goto(f"{address}/index.html")
        seen = set()
        for bar in (*plain.locator(".front-bars svg").all(), *plain.locator(".claims-strip rect").all()):
            fill = bar.evaluate("(bar) => getComputedStyle(bar).fill")
            seen.add(fill)
            assert fill not in ("rgb(0, 0, 0)", "none")
            assert plain.evaluate(RATIO, [fill, self.ground(plain)]) > 1.9, "a bar that is not seen"
        assert len(seen) == 5, "ours and the others', three kinds of verdicts"

    def test_paper_is_light(self, plain: Page, address: str, system: str) -> None:
        plain.goto(f"{address}/{CHAPTER}")
        plain.emulate_media(media="print", color_scheme=system)  # type: ignore[arg-type]
        assert self.ground(plain) == "rgb(255, 255, 255)"
        ink = plain.locator("article p").first.evaluate("(p) => getComputedStyle(p).color")
        assert plain.evaluate(RATIO, [ink, "rgb(255, 255, 255)"]) > 7


@pytest.mark.parametrize("width", [1440, 360])
@pytest.mark.parametrize("name", ["index.html", CHAPTER])
def test_the_icons_of_the_head_stand_on_one_line(
    browser: Browser, address: str, name: str, width: int
) -> None:
    visit = Visit(browser, viewport={"width": width, "height": 800})
    visit.page.goto(f"{address}/{name}", wait_until="load")
    middles = visit.page.evaluate("""[...document.querySelectorAll(
        ".bd-header-article :is(i, svg, button, button > span.fa-solid)")]
        .filter((part) => part.checkVisibility() && !part.closest(".dropdown-menu"))
        .map((part) => part.getBoundingClientRect()).filter((box) => box.width)
        .map((box) => box.top + box.height / 2)""")
    visit.page.context.close()
    assert len(middles) >= 8
    assert max(middles) - min(middles) <= 1
