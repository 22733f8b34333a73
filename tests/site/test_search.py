"""Search: answers while the reader types, by keyboard, in English and Chinese, served and from disk."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route

from browser import BROWSER_TESTS, Visit, wait_until

PAGE = "notebooks/foundations/probability.html"


@pytest.fixture(scope="module", params=["served", "from disk"])
def base(request: pytest.FixtureRequest, site: Path, address: str) -> str:
    return address if request.param == "served" else site.as_uri()


def leads(site: Path) -> dict[str, dict[str, list[str]]]:
    text = (site / "_static/search-leads.js").read_text("utf-8")
    found = json.loads(text.removeprefix("window.bookLeads = ").rstrip(";\n"))
    assert isinstance(found, dict)
    return found


def index(site: Path) -> dict[str, object]:
    text = (site / "searchindex.js").read_text("utf-8")
    found = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    assert isinstance(found, dict)
    return found


# --- what the script leans on, none of it promised by Sphinx


def test_sphinx_index_has_the_form_that_the_script_reads(site: Path) -> None:
    has = index(site)
    assert {"alltitles", "docnames", "indexentries", "terms", "titles", "titleterms"} <= set(has)
    title, places = next(iter(has["alltitles"].items()))  # type: ignore[attr-defined]
    assert isinstance(title, str)
    assert isinstance(places[0][0], int)
    assert isinstance(places[0][1], str | None)
    language = (site / "_static/language_data.js").read_text("utf-8")
    assert "Stemmer" in language
    assert "stemWord" in language
    assert "stopwords" in language
    assert "_index" in (site / "_static/searchtools.js").read_text("utf-8")


def test_every_page_and_definition_has_its_first_words(site: Path) -> None:
    has, said = index(site), leads(site)
    assert set(said) == set(has["docnames"])  # type: ignore[call-overload]
    for page, sections in said.items():
        assert sections[""][1], page
    assert "perplexity · 困惑度" in {title for title, _ in said["book/glossary"].values()}
    words = [words for sections in said.values() for _, words in sections.values()]
    assert not [text for text in words if len(text) > 150 or "\\" in text or "\n" in text]


def test_other_pages_load_the_small_script_alone(site: Path) -> None:
    asked = re.findall(r'src="([^"]+)"', (site / PAGE).read_text("utf-8"))
    assert sum("/search.js" in address for address in asked) == 1
    assert not [address for address in asked if "searchindex" in address or "searchtools" in address]


# --- in a browser


def answers(page: Page, typed: str) -> list[str]:
    """Type into the field that has the focus and return the titles of the answers."""
    page.keyboard.press("Control+a")
    page.keyboard.type(typed)
    mine = "document.activeElement.form.nextElementSibling.dataset.answers"
    wait_until(page, f"{mine} === {json.dumps(typed)}")
    return page.locator(".live-search:visible .live-search-title").all_inner_texts()


class TestInABrowser:
    pytestmark = BROWSER_TESTS

    def test_answers_while_typing(self, visit: Visit, base: str) -> None:
        page = visit.page
        page.goto(f"{base}/{PAGE}", wait_until="load")
        loaded: list[str] = []
        page.on("request", lambda request: loaded.append(request.url))
        page.keyboard.press("Control+k")
        assert answers(page, "perpl")[0] == "perplexity · 困惑度"  # in the middle of a word
        assert answers(page, "困惑")[0] == "perplexity · 困惑度"
        assert answers(page, "smoothing prior")[0] == "Smoothing is a prior"
        assert answers(page, "SMOOTHING IS A PRIOR")[0] == "Smoothing is a prior"
        assert "How to use this book" in answers(page, "jupyter")  # in the text, in no heading
        assert answers(page, "xyzzy") == []
        status = page.locator("[role=status].live-search-status").first
        assert status.inner_text() == "Nothing found."
        assert answers(page, "<img src=x>") is not None  # nothing typed is taken for markup
        assert page.locator(".live-search img").count() == 0
        assert sum("searchindex.js" in url for url in loaded) == 1
        # A glossary entry shows what it says; a section shows where it is.
        answers(page, "perplexity")
        first = page.locator(".live-search-results a").first.inner_text()
        assert "Glossary" in first
        assert "cross-entropy" in first
        assert re.match(r"\d+ results", status.inner_text())
        assert visit.faults == []

    def test_by_keyboard(self, visit: Visit, base: str) -> None:
        page = visit.page
        page.goto(f"{base}/{PAGE}", wait_until="load")
        page.keyboard.press("Control+k")
        answers(page, "entropy")
        focused = "[...document.querySelectorAll('.live-search-results a')].indexOf(document.activeElement)"
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert page.evaluate(focused) == 1
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        assert page.evaluate("document.activeElement.name") == "q"
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Escape")
        assert not page.locator(".search-button__wrapper.show").count()
        page.keyboard.press("Control+k")
        answers(page, "perplexity")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url("**/book/glossary.html#term-perplexity")
        page.keyboard.press("Control+k")
        page.keyboard.type("entropy")
        page.keyboard.press("Enter")  # in the field: all results
        page.wait_for_url("**/search.html?q=entropy")
        assert visit.faults == []

    def test_a_result_on_the_same_page_closes_the_dialog(self, visit: Visit, address: str) -> None:
        visit.page.goto(f"{address}/{PAGE}", wait_until="load")
        visit.page.keyboard.press("Control+k")
        assert answers(visit.page, "smoothing is a prior")
        visit.page.locator(".live-search-results a").first.click()
        visit.page.wait_for_url(f"**/{PAGE}#smoothing-is-a-prior")
        assert not visit.page.locator(".search-button__wrapper.show").count()

    def test_results_page(self, visit: Visit, base: str) -> None:
        page = visit.page
        page.goto(f"{base}/search.html?q=entropy", wait_until="load")
        page.locator("#search-results li p.context").first.wait_for()
        assert page.locator("#search-results li a").count() >= 3
        assert page.evaluate("document.activeElement.value") == "entropy"
        assert answers(page, "calibration")[0].startswith("calibration")
        assert visit.faults == []

    def test_results_page_whose_index_comes_last(self, visit: Visit, address: str) -> None:
        page = visit.page
        held: list[Route] = []
        page.route("**/searchindex.js", lambda route: held.append(route))
        page.goto(f"{address}/search.html?q=entropy", wait_until="commit")
        wait_until(page, "window.bookLeads && document.activeElement.name === 'q'")
        page.wait_for_timeout(100)  # what waits for the first words alone goes on now
        held[0].continue_()
        page.locator("#search-results li p.context").first.wait_for()
        assert answers(page, "calibration")[0].startswith("calibration")
        assert visit.faults == []

    def test_a_missing_index_is_said(self, visit: Visit, address: str) -> None:
        visit.page.route("**/searchindex.js", lambda route: route.abort())
        visit.page.goto(f"{address}/{PAGE}", wait_until="load")
        visit.page.keyboard.press("Control+k")
        visit.page.keyboard.type("entropy")
        status = visit.page.locator(".live-search-status").first
        status.wait_for()
        assert "searchindex.js does not load" in status.inner_text()
