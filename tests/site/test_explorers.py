"""Explorers in a real browser: every control moves its figure, by keyboard, served and from disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from browser import BROWSER_TESTS, Visit, chapters, wait_until

pytestmark = BROWSER_TESTS


def state(figure: Locator) -> str:
    return figure.locator(".labutils-picture").inner_html() + figure.locator(".labutils-say").inner_text()


def moved(figure: Locator, before: str) -> str:
    """Wait until the figure differs from `before` and return what it is now."""
    handle = figure.element_handle()
    wait_until(
        figure.page,
        "([f, b]) => f.querySelector('.labutils-picture').innerHTML + "
        "f.querySelector('.labutils-say').innerText !== b",
        arg=[handle, before],
    )
    return state(figure)


def operate(control: Locator) -> None:
    """Change a control with the keyboard alone."""
    control.focus()
    kind = control.get_attribute("type") or control.evaluate("node => node.tagName")
    if kind == "range":
        control.press("PageUp" if control.input_value() != control.get_attribute("max") else "PageDown")
    elif kind == "text":
        control.press("End")
        control.press_sequentially(" +q")  # a letter, or a sign on a tape
    elif kind == "SELECT":
        control.press("Home" if control.evaluate("n => n.selectedIndex === n.length - 1") else "End")
    else:
        control.press("Enter")


def try_all(page: Page) -> int:
    tried = 0
    for figure in page.locator("figure.labutils-explorer").all():
        figure.scroll_into_view_if_needed()
        now = state(figure)
        for control in figure.locator("input, select, button").all():
            operate(control)
            now = moved(figure, now)
            tried += 1
        assert "NaN" not in now
    return tried


@pytest.mark.parametrize("name", chapters())
def test_every_control_moves_its_figure(visit: Visit, address: str, name: str) -> None:
    visit.page.goto(f"{address}/{name}.html", wait_until="load")
    if visit.page.locator("figure.labutils-explorer").count():
        assert try_all(visit.page) >= 3
    assert visit.faults == []


def test_explorers_live_on_a_page_from_disk(visit: Visit, site: Path) -> None:
    visit.page.goto((site / "notebooks/foundations/probability.html").as_uri(), wait_until="load")
    assert try_all(visit.page) >= 3


def test_buttons_write_into_the_text(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/notebooks/foundations/language_models.html", wait_until="load")
    figure = visit.page.locator('figure[data-explorer="next_character"]')
    field = figure.locator("input[type=text]")
    field.fill("the unite")
    assert "d with probability" in moved(figure, "")
    figure.locator("button", has_text="first choice").press("Enter")
    wait_until(visit.page, "document.querySelector('[data-name=typed]').value === 'the united'")
    before = state(figure)
    figure.locator("button", has_text="draw").press("Space")
    moved(figure, before)
    assert len(field.input_value()) == len("the united") + 1


def test_a_phone_gets_a_drawing_of_its_own(browser: Browser, address: str) -> None:
    visit = Visit(browser, viewport={"width": 360, "height": 740})
    visit.page.goto(f"{address}/notebooks/foundations/information_theory.html", wait_until="load")
    wait_until(visit.page, "document.querySelector('.labutils-picture svg').width.baseVal.value < 340")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert visit.faults == []
    visit.page.context.close()


def test_drawing_stands_without_javascript_and_in_print(browser: Browser, address: str) -> None:
    url = f"{address}/notebooks/foundations/probability.html"
    plain = Visit(browser, java_script_enabled=False)
    plain.page.goto(url)
    assert plain.page.locator(".labutils-explorer svg").first.is_visible()
    assert not plain.page.locator(".labutils-explorer .labutils-controls").first.is_visible()
    plain.page.context.close()
    printed = Visit(browser)
    printed.page.goto(url, wait_until="load")
    figure = printed.page.locator(".labutils-explorer").first
    before = state(figure)
    operate(figure.locator("input").first)
    moved(figure, before)
    words = figure.locator(".labutils-say").inner_text()
    printed.page.emulate_media(media="print")
    assert figure.locator("svg").is_visible()
    assert not figure.locator(".labutils-controls").is_visible()
    assert figure.locator(".labutils-say").inner_text() == words  # printed as the reader has set it
    printed.page.context.close()
