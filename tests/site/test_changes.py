"""The page of changes and its Atom feed: read by a feed reader, complete, in order, with ids that stay."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import feedparser
import pytest
from bs4 import BeautifulSoup

import book
from browser import BROWSER_TESTS, Visit
from places import ROOT

PAGES = book.pages_of_toc(ROOT)
BASE = "https://llm-measured.github.io/book/"
CHANGELOG = (ROOT / "book/changelog.md").read_text(encoding="utf-8")
NAMES = re.findall(r"^\(changes-(\S+)\)=$", CHANGELOG, re.MULTILINE)  # a date, and a word where a day has two
DATES = [name[:10] for name in NAMES]


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_a_feed_reader_understands_the_feed(site: Path) -> None:
    feed = feedparser.parse((site / "book/changes.xml").read_bytes())
    assert not feed.bozo, feed.get("bozo_exception")
    assert feed.version == "atom10"
    assert feed.feed.id == f"{BASE}book/changelog.html"
    assert {link["rel"]: link["href"] for link in feed.feed.links} == {
        "self": f"{BASE}book/changes.xml",
        "alternate": f"{BASE}book/changelog.html",
    }
    assert feed.feed.updated == f"{DATES[0]}T00:00:00Z"
    assert feed.feed.author
    assert len(feed.entries) == len(DATES) >= 3
    for entry, name, date in zip(feed.entries, NAMES, DATES, strict=True):
        assert entry.id == entry.link == f"{BASE}book/changelog.html#changes-{name}"
        assert entry.updated == f"{date}T00:00:00Z"
        assert entry.title
        said = BeautifulSoup(entry.content[0]["value"], "html.parser")
        assert len(said.select("li")) >= 3
        assert [link["href"] for link in said.select("a") if not urlsplit(str(link["href"])).netloc] == []


def test_the_entries_lead_to_the_page(site: Path) -> None:
    page = soup(site / "book/changelog.html")
    for name in NAMES:
        assert page.find(id=f"changes-{name}"), name
    headings = [heading.get_text() for heading in page.select("article h2")]
    assert len(headings) == len(DATES)
    assert sorted(DATES, reverse=True) == DATES


@pytest.mark.parametrize("page", [*PAGES, "404"])
def test_every_page_names_the_feed_and_leads_to_the_changes(site: Path, page: str) -> None:
    text = soup(site / f"{page}.html")
    [link] = text.select('head link[rel=alternate][type="application/atom+xml"]')
    found = urljoin(f"{BASE}{page}.html", str(link["href"]))
    assert found == f"{BASE}book/changes.xml"
    footer = [urljoin(f"{BASE}{page}.html", str(a["href"])) for a in text.select(".footer-changes a")]
    assert footer == [f"{BASE}book/changelog.html", f"{BASE}book/changes.xml"]


def test_the_contents_list_the_page(site: Path) -> None:
    assert "book/changelog" in PAGES
    assert soup(site / "index.html").select('nav a[href="book/changelog.html"]')


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("## A change\n\nWithout a date.", "a change needs its date"),
        (
            "(changes-2026-01-01)=\n## Old\n\nA.\n\n(changes-2026-02-01)=\n## New\n\nB.",
            "newest change stands first",
        ),
    ],
)
def test_a_change_without_a_date_or_in_the_wrong_place_stops_the_build(
    small: Path, text: str, complaint: str
) -> None:
    (small / "book/changelog.md").write_text(f"# What has changed\n\n{text}\n", encoding="utf-8")
    (small / "_toc.yml").write_text(
        "format: jb-book\nroot: page\nchapters:\n- file: book/changelog\n", encoding="utf-8"
    )
    with pytest.raises(RuntimeError, match=complaint):
        book.build(small)


def test_a_page_says_when_it_was_changed_where_git_knows(site: Path) -> None:
    dated = [page for page in PAGES if soup(site / f"{page}.html").select(".last-updated")]
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone: no dates")
    assert set(dated) in ({*PAGES}, {*PAGES} - {"book/changelog"}, set())  # a shallow clone has none


class TestInABrowser:
    pytestmark = BROWSER_TESTS

    def test_the_footer_leads_there(self, visit: Visit, address: str) -> None:
        page = visit.page
        page.goto(f"{address}/notebooks/sequences/rnn.html", wait_until="load")
        page.locator(".footer-changes a").first.click()
        page.wait_for_url("**/book/changelog.html")
        assert page.locator("h1").first.is_visible()
        assert visit.faults == []
