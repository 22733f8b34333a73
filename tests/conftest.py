"""What several test modules share: the built site, where it is served, a browser."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, sync_playwright

import book  # scripts/book.py
from browser import CHROMIUM, FLAGS, Visit, serve
from engine import Engine
from places import ROOT


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The site, built once for all workers of this test run."""
    if worker_id == "master":
        return book.build(ROOT)
    shared = tmp_path_factory.getbasetemp().parent  # the workers' own folders are in it
    built = shared / "site-is-built"
    with FileLock(shared / "site.lock"):
        if not built.exists():
            built.write_text(str(book.build(ROOT)), encoding="utf-8")
    return Path(built.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the built site is served."""
    server = serve(site)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The explorers' JavaScript."""
    engine = Engine()
    yield engine
    engine.racer.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # playwright's own event loop
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            yield browser
            browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A fresh window of the browser."""
    visit = Visit(browser)
    yield visit
    visit.page.context.close()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A copy of the book with one page of its own, quick to build."""
    shutil.copy(ROOT / "_config.yml", tmp_path)
    shutil.copytree(ROOT / "book/_ext", tmp_path / "book/_ext", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "book/static", tmp_path / "book/static")
    shutil.copytree(ROOT / "book/templates", tmp_path / "book/templates")
    (tmp_path / "book/references.bib").write_text("", encoding="utf-8")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: page\n", encoding="utf-8")
    (tmp_path / "page.md").write_text("# A page\n\nWith a [link](page.md).\n", encoding="utf-8")
    return tmp_path
