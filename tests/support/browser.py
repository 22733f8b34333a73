"""A headless Chromium for tests: the site is served, the network is cut, faults are remembered.

A test module that uses these fixtures sets `pytestmark = BROWSER_TESTS`.
"""

from __future__ import annotations

import functools
import shutil
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
]
BROWSER_TESTS = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),  # one worker, one browser
    pytest.mark.skipif(CHROMIUM is None, reason="NO CHROMIUM HERE: THE SITE IS NOT SEEN IN A BROWSER"),
]


class Quiet(SimpleHTTPRequestHandler):
    """A file server that writes no log."""

    def log_message(self, *_: object) -> None:
        pass


def serve(folder: Path) -> ThreadingHTTPServer:
    """Serve `folder` on a free port of this machine; the caller shuts it down."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Visit:
    """A page of the browser that lets no request leave this machine and remembers what went wrong."""

    def __init__(self, browser: Browser, **options: object) -> None:
        self.page: Page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
        self.faults: list[str] = []
        self.page.route("**/*", self.cut)
        self.page.on("console", lambda said: self.fault(said.type == "error", f"console: {said.text}"))
        self.page.on("pageerror", lambda error: self.fault(True, f"script: {error}"))
        self.page.on("requestfailed", self.failed)

    def fault(self, is_one: bool, text: str) -> None:
        if is_one:
            self.faults.append(text)

    def failed(self, request: Request) -> None:
        # Aborted: the next page was asked for before this one had its icon.
        self.fault(request.failure != "net::ERR_ABORTED", f"not there: {request.url} ({request.failure})")

    def cut(self, route) -> None:  # type: ignore[no-untyped-def]
        if route.request.url.startswith(("http://127.0.0.1:", "file:", "data:", "blob:")):
            route.continue_()
        else:
            self.faults.append(f"request to another host: {route.request.url}")
            route.abort()


def wait_until(page: Page, expression: str, arg: object = None, seconds: float = 10) -> None:
    """Wait until an expression is true in the page; `page.wait_for_function` needs eval, which is refused."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression, arg):
        if time.monotonic() > end:
            raise TimeoutError(f"not true after {seconds} s: {expression}")
        page.wait_for_timeout(25)


def live_charts(page: Page) -> int:
    """Go to every chart of the page, wait until it is drawn, and return how many there are."""
    charts = page.locator("figure.labutils-chart")
    for number in range(charts.count()):
        charts.nth(number).scroll_into_view_if_needed()  # only then is it drawn
        charts.nth(number).locator(".labutils-chart-live svg").wait_for(timeout=10_000)
        charts.nth(number).locator("img").wait_for(state="hidden", timeout=10_000)
    return charts.count()
