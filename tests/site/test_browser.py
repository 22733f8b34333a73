"""The site in a real browser, network cut: nothing missing, mathematics set, search answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from browser import BROWSER_TESTS, Visit, chapters, pages

pytestmark = BROWSER_TESTS


@pytest.mark.parametrize("name", pages())
def test_page_opens_without_a_fault(visit: Visit, address: str, name: str) -> None:
    visit.page.goto(f"{address}/{name}.html", wait_until="load")
    formulas = visit.page.locator("span.math, div.math").count()
    if formulas:
        assert visit.page.locator("mjx-container").count() >= formulas
        assert visit.page.locator("mjx-merror, [data-mjx-error]").all_inner_texts() == []
    assert visit.faults == []


def test_search_finds_a_page(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/search.html?q=entropy", wait_until="load")
    visit.page.locator(".live-search-results a").first.wait_for(timeout=10_000)
    found = [str(link.get_attribute("href")) for link in visit.page.locator(".live-search-results a").all()]
    assert any("information_theory" in address for address in found)
    assert visit.faults == []


def test_page_opens_from_disk(visit: Visit, site: Path) -> None:
    visit.page.goto((site / "notebooks/foundations/probability.html").as_uri(), wait_until="load")
    assert visit.page.locator("mjx-container").first.bounding_box()
    assert visit.faults == []


@pytest.mark.parametrize("name", chapters())
def test_phone_does_not_scroll_sideways(browser: Browser, address: str, name: str) -> None:
    visit = Visit(browser, viewport={"width": 360, "height": 740})
    visit.page.goto(f"{address}/{name}.html", wait_until="load")
    width = visit.page.evaluate("document.documentElement.scrollWidth")
    visit.page.context.close()
    assert width <= 360
