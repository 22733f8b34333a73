"""Search: answers while the reader types, by keyboard, in English and Chinese, served and from disk."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Page, Route

import book
import book_search
from browser import BROWSER_TESTS, Visit, wait_until
from places import ROOT

PAGE = "notebooks/foundations/probability.html"
# What is typed, and a part of the title or the address that one of the first three answers must have.
KNOWN = {
    "entropy": "entropy · 信息熵",
    "perplexity": "#bits-perplexity-and-how-many-ways-to-go-on",
    "calibration": "#term-calibration",
    "does its 0.99 mean 0.99": "#does-its-0-99-mean-0-99",
    "temperature": "#term-temperature",
    "vanishing gradient": "#term-vanishing-gradient",
    "gradient clipping": "#when-the-gradient-explodes",
    "smoothing is a prior": "#smoothing-is-a-prior",
    "bits per character": "#term-bits-per-character",
    "why divide by the square root": "attention.html",
    "scaled dot product": "#why-the-square-root",
    "residual": "#term-residual-connection",
    "late mask": "#a-late-mask-learnt",
    "gzip": "#a-language-model-is-a-compressor",
    "zipf": "#laws-of-words-and-a-monkey",
    "noisy": "#through-a-noisy-wire",
    "colab": "#run-it-in-colab",
    "self attention": "#term-self-attention",
    "models": "#models",
    "entropies": "entropy · 信息熵",
    # slips of the keyboard
    "perplexty": "#term-perplexity",
    "entorpy": "entropy · 信息熵",
    "atention": "#term-attention",
    "vanishing gradeint": "#term-vanishing-gradient",
    # Chinese
    "熵": "entropy · 信息熵",
    "困惑度": "#bits-perplexity-and-how-many-ways-to-go-on",
    "注意力": "#term-attention",
    "梯度消失": "#term-vanishing-gradient",
    # names in code, and of authors
    "log_sum_exp": "#and-the-product-is-zero",
    "masked_fill": "attention.html",
    "kullback": "Kullback and Leibler (1951)",
    "hochreiter": "Hochreiter and Schmidhuber (1997)",
    "Rehurek": "Řehůřek and Sojka (2010)",
}


@pytest.fixture(scope="module", params=["served", "from disk"])
def base(request: pytest.FixtureRequest, site: Path, address: str) -> str:
    return address if request.param == "served" else site.as_uri()


def script(path: Path) -> Any:
    """Return what a script of the index sets."""
    return json.loads(path.read_text("utf-8").split(" = ", 1)[1].rstrip(";\n"))


# --- the index


def test_every_page_section_and_definition_is_in_the_index(site: Path) -> None:
    index = script(site / "_static/search/index.js")
    pages = [page for page, _ in index["pages"]]
    assert sorted(pages) == sorted(f"{page}.html" for page in book.pages_of_toc(ROOT))
    for number, page in enumerate(pages):
        html = BeautifulSoup((site / page).read_text("utf-8"), "html.parser")
        mine = [(anchor, title) for own, anchor, title in index["sections"] if own == number]
        texts = script(site / f"_static/search/{number}.js")
        assert len(texts) == len(mine), page
        assert mine[0][0] == "", page
        missing = [anchor for anchor, _ in mine[1:] if html.find(id=anchor) is None]
        assert missing == [], f"{page}: results that lead nowhere"
        headings = {str(section["id"]) for section in html.select("article section section[id]")}
        assert headings <= {anchor for anchor, _ in mine}, page
        said = [line for text in texts for line in text.split("\n")]
        assert any(len(line) > 60 for line in said), page
        assert not [line for line in said if "\\frac" in line], page
    titles = [title for _, _, title in index["sections"]]
    assert "perplexity · 困惑度" in titles
    assert "Kullback and Leibler (1951)" in titles


def test_the_index_is_light_and_comes_when_it_is_needed(site: Path) -> None:
    """Of 33 chapters it is about 270 kB, once, and 25 kB for each page of which results are shown."""
    page = (site / PAGE).read_text("utf-8")
    assert "_static/search/" not in page
    assert "search-engine" not in page
    static = site / "_static"
    packed = {path.name: len(gzip.compress(path.read_bytes(), 6)) for path in static.glob("search/*.js")}
    packed["search-engine.js"] = len(gzip.compress((static / "search-engine.js").read_bytes(), 6))
    print(packed)
    pages = len(book.pages_of_toc(ROOT))
    assert packed.pop("index.js") < 15_000 + 6_000 * pages
    assert max(packed.values()) < 40_000
    assert not (site / "searchindex.js").exists(), "Sphinx's own index, which nothing reads"
    assert not (static / "searchtools.js").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Řehůřek’s log_sum_exp of 12, in 1948", ["rehurek", "s", "log_sum_exp", "12", "1948"]),
        ("信息熵 is entropy", ["信", "息", "熵", "信息", "息熵", "entropy"]),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert list(book_search.words(text)) == words


# --- in a browser


def answers(page: Page, typed: str) -> list[str]:
    """Type into the field that has the focus and return the titles of the answers."""
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(typed)  # as an input method does, too
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
        assert "A language model is a compressor" in answers(page, "gzip")  # in the text, in no heading
        assert answers(page, "xyzzy") == []
        status = page.locator("[role=status].live-search-status").first
        assert status.inner_text() == "Nothing found."
        assert answers(page, "<img src=x>") is not None  # nothing typed is taken for markup
        assert page.locator(".live-search img").count() == 0
        assert sum("search/index.js" in url for url in loaded) == 1
        # Each answer shows where it is and the sentence that matches, with the words marked.
        answers(page, "perplexity")
        links = page.locator(".live-search:visible .live-search-results a")
        assert "Glossary" in links.first.inner_text()
        assert "cross-entropy" in links.first.inner_text()
        for link in links.all():  # a definition may not say its own word
            assert "perplexit" in link.locator("mark").first.inner_text().lower()
            assert 0 < len(link.locator(".live-search-words").inner_text()) < 200
        assert re.match(r"\d+ results?[.,]", status.inner_text())
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
        page.locator(".bd-search-container .live-search-results mark").nth(12).wait_for()
        assert page.locator(".bd-search-container .live-search-results a").count() > 10
        assert page.evaluate("document.activeElement.value") == "entropy"
        assert answers(page, "calibration")[0].startswith("calibration")
        assert visit.faults == []

    def test_results_page_whose_index_comes_last(self, visit: Visit, address: str) -> None:
        page = visit.page
        held: list[Route] = []
        page.route("**/search/index.js", lambda route: held.append(route))
        page.goto(f"{address}/search.html?q=entropy", wait_until="domcontentloaded")
        wait_until(page, "document.activeElement.value === 'entropy'")
        page.keyboard.press("Control+a")
        page.keyboard.type("calibration")
        held[0].continue_()
        assert answers(page, "calibration")[0].startswith("calibration")
        assert visit.faults == []

    def test_known_items(self, visit: Visit, address: str) -> None:
        """What a reader looks for is among the first three answers."""
        page = visit.page
        page.goto(f"{address}/search.html", wait_until="load")
        lost = {}
        for typed, wanted in KNOWN.items():
            answers(page, typed)
            links = page.locator(".live-search:visible .live-search-results a").all()[:3]
            shown = [
                f"{link.locator('.live-search-title').inner_text()} {link.get_attribute('href')}"
                for link in links
            ]
            if not any(wanted in one for one in shown):
                lost[typed] = shown
        assert lost == {}
        assert len(KNOWN) >= 25

    def test_a_slip_of_the_keyboard_is_said(self, visit: Visit, address: str) -> None:
        visit.page.goto(f"{address}/search.html", wait_until="load")
        assert answers(visit.page, "perplexty")[0] == "perplexity · 困惑度"
        status = visit.page.locator(".bd-search-container .live-search-status").inner_text()
        assert status.startswith("Nothing says “perplexty”; this is for “perplexity”.")

    def test_a_chinese_term_finds_the_sections_that_use_it(self, visit: Visit, address: str) -> None:
        visit.page.goto(f"{address}/search.html", wait_until="load")
        titles = answers(visit.page, "熵")
        assert titles[0] == "entropy · 信息熵"
        assert "The price of a wrong belief" in titles
        assert visit.page.locator(".live-search:visible .live-search-words mark").first.inner_text() == "熵"
        # Pages say most things in English alone: a term of the glossary finds them by its English name.
        assert "Bits, perplexity, and how many ways to go on" in answers(visit.page, "困惑度")[:3]

    def test_a_missing_index_is_said(self, visit: Visit, address: str) -> None:
        visit.page.route("**/search/index.js", lambda route: route.abort())
        visit.page.goto(f"{address}/{PAGE}", wait_until="load")
        visit.page.keyboard.press("Control+k")
        visit.page.keyboard.type("entropy")
        status = visit.page.locator(".live-search-status").first
        status.wait_for()
        assert "search/index.js does not load" in status.inner_text()
        visit.page.unroute("**/search/index.js")  # the network is back
        assert answers(visit.page, "perplexity")[0] == "perplexity · 困惑度"
