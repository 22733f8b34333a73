"""Light and dark: the system's choice at first, the reader's from then on, and never a flash of the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from browser import BROWSER_TESTS, Visit, wait_until

pytestmark = BROWSER_TESTS
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
