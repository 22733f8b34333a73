"""Glossary terms in the chapters: linked at first use, with their meaning beside them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, Page

import book
from book_terms import forms, pattern
from browser import BROWSER_TESTS, Visit, chapters
from places import ROOT

CHAPTERS = [page for page in book.pages_of_toc(ROOT) if page.startswith("notebooks/")]
CHAPTER = "notebooks/foundations/probability"


@cache
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def links(site: Path, page: str) -> list[Tag]:
    return list(soup(site / f"{page}.html").select("article a.glossary-term"))


# --- which words


@pytest.mark.parametrize(
    ("words", "definition", "found"),
    [
        ("entropy", "", {"entropy", "Entropy", "entropies", "Entropies"}),
        ("KL divergence", "", {"KL divergence", "KL divergences"}),
        ("long short-term memory (LSTM)", "", {"LSTM", "LSTMs", "Long short-term memory"}),
        ("back-propagation through time", "Blame. Abbreviated BPTT.", {"BPTT", "BPTTs"}),
        ("half-life of a cell", "", {"half-lives of a cell", "half-life of a cell"}),
        ("softmax", "", {"softmaxes"}),
        ("Bayes' theorem", "", {"Bayes' theorem"}),
    ],
)  # fmt: skip
def test_a_term_has_forms(words: str, definition: str, found: set[str]) -> None:
    assert found <= set(forms(words, definition))


def test_the_longest_term_is_found_and_no_part_of_a_word() -> None:
    finds = pattern(
        [
            "entropy",
            "cross-entropy",
            "attention",
            "multi-head attention",
            "Bayes' theorem",
            "encoder",
            "encoder–decoder",
        ]
    )
    text = "Cross-entropy, cross-entropy, multi-head\nattention, inattention, Bayes’ theorem, entropy, "
    text += "encoder–decoder."
    assert finds.findall(text) == [
        "cross-entropy",
        "multi-head\nattention",
        "Bayes’ theorem",
        "entropy",
        "encoder–decoder",
    ]


# --- where


@pytest.mark.parametrize("page", CHAPTERS)
def test_a_chapter_links_its_terms_once_and_only_in_prose(site: Path, page: str) -> None:
    found = links(site, page)
    assert len(found) >= 8
    targets = [str(link["href"]).partition("#")[2] for link in found]
    assert len(targets) == len(set(targets))
    for outside in ("h1", "h2", "h3", "summary", "table", "pre", "code", ".cell_output", ".math", "a"):
        assert soup(site / f"{page}.html").select(f"article {outside} a.glossary-term") == []
    assert soup(site / f"{page}.html").select("#further-reading a.glossary-term") == []
    glossary = soup(site / "book/glossary.html")
    assert [target for target in targets if glossary.find("dt", id=target) is None] == []


@pytest.mark.parametrize("page", CHAPTERS)
def test_every_term_has_its_meaning_and_its_chinese_on_the_page(site: Path, page: str) -> None:
    here, glossary = soup(site / f"{page}.html"), soup(site / "book/glossary.html")
    for link in links(site, page):
        box = here.find(id=str(link["aria-describedby"]))
        assert isinstance(box, Tag)
        assert box.has_attr("hidden")
        assert box["role"] == "tooltip"
        term = glossary.find("dt", id=str(link["href"]).partition("#")[2])
        assert isinstance(term, Tag)
        entry = term.find_next("dd")
        said = " ".join(entry.get_text(" ").split()) if entry else ""
        meaning = " ".join(box.select("p")[-1].get_text(" ").split())
        assert meaning[:30] == said[:30]
        assert "→" not in meaning
        assert box.select("a") == []
    names = here.select(".glossary-name")
    chinese = [name for name in names if name.select('[lang="zh"]')]
    assert len(chinese) >= len(names) - 1  # Bayes' theorem has 贝叶斯定理, …


def test_an_everyday_word_is_a_term_from_its_chapter_on(site: Path) -> None:
    def of(page: str) -> set[str]:
        return {str(link["href"]).partition("#")[2] for link in links(site, page)}

    assert "term-attention" in of("notebooks/transformers/attention")
    for page in CHAPTERS[: CHAPTERS.index("notebooks/transformers/attention")]:
        assert not {"term-attention", "term-block", "term-mask"} & of(page)


def test_the_search_does_not_find_meanings_in_chapters(site: Path) -> None:
    """The boxes stand behind the page's text, so the index, which is made of the text, lacks them."""
    meaning = "the fewest bits that describe it on average"
    texts = {path: path.read_text(encoding="utf-8") for path in (site / "_static/search").glob("*.js")}
    assert len([path for path, text in texts.items() if meaning in text]) == 1, "the glossary alone"
    for page in CHAPTERS:
        assert soup(site / f"{page}.html").select_one(".glossary-meanings[data-pagefind-ignore]")


# --- in a browser


def shown(page: Page) -> list[str]:
    return page.locator(".glossary-meaning:visible .glossary-name").all_inner_texts()


class TestInABrowser:
    pytestmark = BROWSER_TESTS

    def test_on_hover_and_the_pointer_may_move_onto_the_box(self, visit: Visit, address: str) -> None:
        page = visit.page
        page.goto(f"{address}/{CHAPTER}.html", wait_until="load")
        link = page.locator("a.glossary-term", has_text="softmax").first
        link.hover()
        assert [name.split()[0] for name in shown(page)] == ["softmax"]
        assert page.locator(".glossary-meaning:visible mjx-container").count() >= 1  # set, not TeX
        page.locator(".glossary-meaning:visible").hover()
        page.wait_for_timeout(400)
        assert len(shown(page)) == 1
        page.locator("h1").first.hover()
        page.wait_for_timeout(400)
        assert shown(page) == []
        assert visit.faults == []

    def test_on_keyboard_focus_and_escape_closes(self, visit: Visit, address: str) -> None:
        page = visit.page
        page.goto(f"{address}/{CHAPTER}.html", wait_until="load")
        first = page.locator("a.glossary-term").first
        first.focus()
        assert len(shown(page)) == 1
        page.keyboard.press("Escape")
        assert shown(page) == []
        assert first.evaluate("(link) => link === document.activeElement")
        page.keyboard.press("Tab")
        page.locator("a.glossary-term").nth(1).focus()
        assert len(shown(page)) == 1
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"book/glossary\.html#term-"))
        assert visit.faults == []

    def test_a_tap_shows_and_the_next_one_leads(self, browser: Browser, address: str) -> None:
        visit = Visit(browser, has_touch=True, is_mobile=True, viewport={"width": 360, "height": 740})
        page = visit.page
        page.goto(f"{address}/{CHAPTER}.html", wait_until="load")
        link = page.locator("a.glossary-term").nth(1)
        link.tap()
        assert len(shown(page)) == 1
        assert page.url.endswith(f"{CHAPTER}.html")
        page.locator("h1").first.tap()
        assert shown(page) == []
        link.tap()
        link.tap()
        page.wait_for_url(re.compile(r"book/glossary\.html#term-"))
        assert visit.faults == []
        page.context.close()

    @pytest.mark.parametrize("name", chapters())
    def test_a_box_is_whole_on_a_phone(self, browser: Browser, address: str, name: str) -> None:
        visit = Visit(browser, viewport={"width": 360, "height": 740})
        page = visit.page
        page.goto(f"{address}/{name}.html", wait_until="load")
        page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
        for link in page.locator("a.glossary-term").all():
            link.focus()
            box = page.locator(".glossary-meaning:visible").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 360
            assert box["y"] + box["height"] <= 741
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.context.close()
