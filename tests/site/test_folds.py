"""The section "Going deeper": folded on the page, open for links that lead into it and on paper."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Page

import book
from accessible import Checker, markup_faults
from browser import BROWSER_TESTS, Visit, serve, wait_until
from places import ROOT

CELLS = [
    nbformat.v4.new_markdown_cell("# A page\n\nWith a way [into it](#a-side-question) from its first words."),
    nbformat.v4.new_markdown_cell("## Summary\n\nThe main road ends here."),
    nbformat.v4.new_markdown_cell("## Going deeper", id="going-deeper"),
    nbformat.v4.new_markdown_cell("Two questions beside the road.\n\n### A side question\n\nAnswered."),
    nbformat.v4.new_code_cell(
        "print(1 + 1)", execution_count=1,
        outputs=[nbformat.v4.new_output("stream", text="2\n")],
    ),
    nbformat.v4.new_markdown_cell(
        "### Another\n\n<details><summary>Hint</summary>\n\nA fold in the fold.\n\n</details>"
    ),
    nbformat.v4.new_markdown_cell("## Exercises\n\n" + "Text that fills the screen.\n\n" * 30),
]  # fmt: skip


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A site with one chapter that goes deeper, and its address."""
    root = tmp_path_factory.mktemp("folded")
    shutil.copy(ROOT / "_config.yml", root)
    for folder in ("_ext", "static", "templates"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "book" / folder, root / "book" / folder, ignore=ignore)
    (root / "book/references.bib").write_text("", encoding="utf-8")
    (root / "_toc.yml").write_text("format: jb-book\nroot: page\n", encoding="utf-8")
    info = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=CELLS, metadata=info), root / "page.ipynb")
    site = book.build(root)
    server = serve(site)
    yield site, f"http://127.0.0.1:{server.server_port}/page.html"
    server.shutdown()
    server.server_close()


def test_heading_is_the_summary_and_what_follows_stays_outside(folded: tuple[Path, str]) -> None:
    text = (folded[0] / "page.html").read_text(encoding="utf-8")
    page = BeautifulSoup(text, "html.parser")
    section = page.select_one("section#going-deeper")
    assert section is not None
    fold = section.select_one(":scope > details")
    assert fold is not None
    assert not fold.has_attr("open")
    assert fold.select_one(":scope > summary > h2").get_text().startswith("Going deeper")
    assert [child.name for child in section.find_all(recursive=False)] == ["details"]
    assert len(fold.select(":scope > section")) == 2
    assert fold.select_one("div.cell_output")
    exercises = page.select_one("section#exercises")
    assert exercises is not None
    assert exercises.find_parent("details") is None
    assert markup_faults(text) == []


class TestInABrowser:
    pytestmark = BROWSER_TESTS

    def is_open(self, page: Page) -> bool:
        return bool(page.evaluate("document.querySelector('#going-deeper > details').open"))

    def test_opens_by_keyboard_link_and_address(self, visit: Visit, folded: tuple[Path, str]) -> None:
        page, address = visit.page, folded[1]
        page.goto(address, wait_until="load")
        assert not self.is_open(page)
        assert not page.locator("#a-side-question h3").is_visible()
        page.locator("#going-deeper > details > summary").focus()
        page.keyboard.press("Enter")
        assert page.locator("#a-side-question h3").is_visible()
        for target in ("a-side-question", "going-deeper"):
            page.goto("about:blank")
            page.goto(f"{address}#{target}", wait_until="load")
            wait_until(page, "document.querySelector('#going-deeper > details').open")
            page.goto("about:blank")
            page.goto(address, wait_until="load")
            assert not self.is_open(page)
            page.locator(f".bd-sidebar-secondary a[href='#{target}']").evaluate("link => link.click()")
            wait_until(page, "document.querySelector('#going-deeper > details').open")
            box = page.locator(f"#{target}").bounding_box()
            assert box is not None
            assert -5 <= box["y"] < page.viewport_size["height"], "the target is not on the screen"
        # The fold in the fold stays as it was, and the section's own heading can be closed again.
        assert page.locator("#another details:not([open])").count() == 1
        assert visit.faults == []

    def test_everybody_can_use_it_and_paper_shows_it(self, visit: Visit, folded: tuple[Path, str]) -> None:
        page = visit.page
        page.goto(folded[1], wait_until="load")
        check = Checker(page)
        assert check.everything_but_colours() + check.colours() == []
        page.locator("#going-deeper > details > summary").click()
        assert check.everything_but_colours() + check.colours() == []
        page.locator("#going-deeper > details > summary").click()
        page.emulate_media(media="print")
        wait_until(page, "document.querySelector('#going-deeper > details').open")
        assert page.get_by_text("Answered.").is_visible()
        assert page.locator("#going-deeper h2").is_visible()

    def test_a_phone_does_not_scroll_sideways(self, visit: Visit, folded: tuple[Path, str]) -> None:
        visit.page.set_viewport_size({"width": 360, "height": 740})
        visit.page.goto(f"{folded[1]}#a-side-question", wait_until="load")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360
