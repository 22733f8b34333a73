"""A headless Chromium for tests: the site is served, the network is cut, faults are remembered.

A test module that uses these fixtures sets `pytestmark = BROWSER_TESTS`; one with a test per page takes
`pages()`, which BOOK_PAGES restricts. The tests spread over pytest-xdist's workers, a browser in each.
"""

from __future__ import annotations

import functools
import os
import shutil
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request

import book  # scripts/book.py
from places import ROOT

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
    pytest.mark.skipif(CHROMIUM is None, reason="NO CHROMIUM HERE: THE SITE IS NOT SEEN IN A BROWSER"),
]
# Pages that the table of contents does not list.
GENERATED = ("search", "genindex", "404")


def pages(*generated: str) -> list[str]:
    """Return the pages of the table of contents and `generated`, or those of them that BOOK_PAGES names.

    The environment variable names pages as files of the site without suffix, separated by spaces.
    """
    every = [*book.pages_of_toc(ROOT), *generated]
    if "BOOK_PAGES" not in os.environ:
        return every
    chosen = os.environ["BOOK_PAGES"].split()
    if unknown := set(chosen) - {*every, *GENERATED}:
        raise ValueError(f"BOOK_PAGES names what is no page of the site: {', '.join(sorted(unknown))}")
    return [page for page in every if page in chosen]


def chapters() -> list[str]:
    """Return those of `pages()` that are notebooks."""
    return [page for page in pages() if page.startswith("notebooks/")]


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
    """A page of the browser that lets no request leave this machine and remembers what went wrong.

    It asks for reduced motion, so that no test need wait for a fade.
    """

    def __init__(self, browser: Browser, **options: object) -> None:
        context = browser.new_context(**{"reduced_motion": "reduce", **options})  # type: ignore[arg-type]
        self.page: Page = context.new_page()
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
