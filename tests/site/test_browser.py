"""The site in a real browser, network cut: nothing missing, mathematics set, charts alive, search answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from browser import BROWSER_TESTS, Visit, chapters, live_charts, pages

pytestmark = BROWSER_TESTS


@pytest.mark.parametrize("name", pages())
def test_page_opens_without_a_fault(visit: Visit, address: str, name: str) -> None:
    visit.page.goto(f"{address}/{name}.html", wait_until="load")
    live_charts(visit.page)
    formulas = visit.page.locator("span.math, div.math").count()
    if formulas:
        assert visit.page.locator("mjx-container").count() >= formulas
        assert visit.page.locator("mjx-merror, [data-mjx-error]").all_inner_texts() == []
    assert visit.faults == []


@pytest.mark.parametrize("name", chapters())
def test_charts_answer_to_their_controls(visit: Visit, address: str, name: str) -> None:
    visit.page.goto(f"{address}/{name}.html", wait_until="load")
    live_charts(visit.page)
    for figure in visit.page.locator("figure.labutils-chart").all():
        svg = figure.locator(".labutils-chart-live svg")
        assert svg.get_attribute("aria-label") or figure.locator("[aria-label]").count()
        for control in figure.locator("input[type=range]").all():
            assert control.evaluate("input => input.labels.length") == 1, "a slider without a label"
            before = svg.inner_html()
            control.focus()
            for key in ("End", "Home", "ArrowRight"):
                control.press(key)
                visit.page.wait_for_timeout(50)
                if svg.inner_html() != before:
                    break
            else:
                pytest.fail("a slider that changes nothing")
    assert visit.faults == []


def test_search_finds_a_page(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/search.html?q=entropy", wait_until="load")
    visit.page.locator(".live-search-results a").first.wait_for(timeout=10_000)
    found = [str(link.get_attribute("href")) for link in visit.page.locator(".live-search-results a").all()]
    assert any("information_theory" in address for address in found)
    assert visit.faults == []


def test_dark_theme_redraws_charts(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/notebooks/foundations/probability.html", wait_until="load")
    live_charts(visit.page)
    visit.page.evaluate("document.documentElement.dataset.theme = 'dark'")
    visit.page.locator(".labutils-chart-live svg text[fill='#ddd']").first.wait_for(timeout=10_000)
    assert visit.faults == []


def test_page_opens_from_disk(visit: Visit, site: Path) -> None:
    visit.page.goto((site / "notebooks/foundations/probability.html").as_uri(), wait_until="load")
    assert live_charts(visit.page) >= 1
    assert visit.page.locator("mjx-container").first.bounding_box()
    assert visit.faults == []


@pytest.mark.parametrize("name", chapters())
def test_phone_does_not_scroll_sideways(browser: Browser, address: str, name: str) -> None:
    visit = Visit(browser, viewport={"width": 360, "height": 740})
    visit.page.goto(f"{address}/{name}.html", wait_until="load")
    live_charts(visit.page)
    width = visit.page.evaluate("document.documentElement.scrollWidth")
    visit.page.context.close()
    assert width <= 360


def test_still_is_seen_without_javascript_and_in_print(browser: Browser, address: str) -> None:
    url = f"{address}/notebooks/foundations/probability.html"
    plain = Visit(browser, java_script_enabled=False)
    plain.page.goto(url)
    assert plain.page.locator("figure.labutils-chart img").first.is_visible()
    plain.page.context.close()
    printed = Visit(browser)
    printed.page.goto(url, wait_until="load")
    live_charts(printed.page)
    printed.page.emulate_media(media="print")
    assert printed.page.locator("figure.labutils-chart img").first.is_visible()
    assert not printed.page.locator(".labutils-chart-live").first.is_visible()
    printed.page.context.close()
