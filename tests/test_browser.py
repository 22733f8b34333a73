"""The site in a real browser, network cut: nothing missing, mathematics set, charts alive, search answers."""

from __future__ import annotations

import functools
import shutil
import threading
import warnings
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import book
from conftest import ROOT

PAGES = book.pages_of_toc(ROOT)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),  # one worker, one browser
    pytest.mark.skipif(CHROMIUM is None, reason="NO CHROMIUM HERE: THE SITE IS NOT SEEN IN A BROWSER"),
]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # playwright's own event loop
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            yield browser
            browser.close()


class Visit:
    """A page of the browser that lets no request leave this machine and remembers what went wrong."""

    def __init__(self, browser: Browser, **options: object) -> None:
        self.page: Page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
        self.faults: list[str] = []
        self.page.route("**/*", self.cut)
        self.page.on("console", lambda said: self.fault(said.type == "error", f"console: {said.text}"))
        self.page.on("pageerror", lambda error: self.fault(True, f"script: {error}"))
        self.page.on("requestfailed", lambda request: self.fault(True, f"not there: {request.url}"))

    def fault(self, is_one: bool, text: str) -> None:
        if is_one:
            self.faults.append(text)

    def cut(self, route) -> None:  # type: ignore[no-untyped-def]
        if route.request.url.startswith(("http://127.0.0.1:", "file:", "data:", "blob:")):
            route.continue_()
        else:
            self.faults.append(f"request to another host: {route.request.url}")
            route.abort()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    visit = Visit(browser)
    yield visit
    visit.page.context.close()


def live_charts(page: Page) -> int:
    """Wait until every chart of the page is drawn, and return how many there are."""
    charts = page.locator("figure.labutils-chart")
    for number in range(charts.count()):
        charts.nth(number).locator(".labutils-chart-live svg").wait_for(timeout=10_000)
        charts.nth(number).locator("img").wait_for(state="hidden", timeout=10_000)
    return charts.count()


@pytest.mark.parametrize("name", PAGES)
def test_page_opens_without_a_fault(visit: Visit, address: str, name: str) -> None:
    visit.page.goto(f"{address}/{name}.html", wait_until="load")
    live_charts(visit.page)
    formulas = visit.page.locator("span.math, div.math").count()
    if formulas:
        visit.page.wait_for_function("document.querySelectorAll('mjx-container').length > 0", timeout=10_000)
        visit.page.evaluate("MathJax.startup.promise")
        assert visit.page.locator("mjx-container").count() >= formulas
        assert visit.page.locator("mjx-merror, [data-mjx-error]").all_inner_texts() == []
    assert visit.faults == []


@pytest.mark.parametrize("name", [page for page in PAGES if page.startswith("notebooks/")])
def test_charts_answer_to_their_controls(visit: Visit, address: str, name: str) -> None:
    visit.page.goto(f"{address}/{name}.html", wait_until="load")
    assert live_charts(visit.page) >= 1
    moved = 0
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
                    moved += 1
                    break
            else:
                pytest.fail("a slider that changes nothing")
    print(f"{name}: {moved} sliders move their charts")
    assert visit.faults == []


def test_search_finds_a_page(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/search.html?q=entropy", wait_until="load")
    visit.page.locator("#search-results ul.search li a").first.wait_for(timeout=10_000)
    found = [str(link.get_attribute("href")) for link in visit.page.locator("ul.search a").all()]
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
    visit.page.wait_for_function("document.querySelectorAll('mjx-container').length > 0", timeout=10_000)
    # The theme preloads icon fonts in a way that Chromium refuses from disk; icons are SVG all the same.
    icons = ("webfonts/fa-", "console: Failed to load resource: net::ERR_FAILED")
    assert [fault for fault in visit.faults if not any(icon in fault for icon in icons)] == []


@pytest.mark.parametrize("name", [page for page in PAGES if page.startswith("notebooks/")])
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
