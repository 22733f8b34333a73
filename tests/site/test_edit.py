"""*Edit this page* and *report a problem*: at every section, filled in, found by pointer and keyboard."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import Page

import book
import repository
from book_edit import FORM, Host, version
from browser import BROWSER_TESTS, Visit
from places import ROOT

PAGES = book.pages_of_toc(ROOT)
REPOSITORY = repository.read(ROOT)
CHAPTER = "notebooks/sequences/rnn"


@cache
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def source(page: str) -> str:
    """The file of a page, as it is called in the repository."""
    page = "book/index" if page == "index" else page
    return next(f"{page}{end}" for end in (".md", ".ipynb") if (ROOT / f"{page}{end}").is_file())


@pytest.mark.parametrize("page", PAGES)
def test_every_section_has_both_links(site: Path, page: str) -> None:
    sections = 0
    for heading in soup(site / f"{page}.html").select("article :is(h2, h3):has(> a.headerlink)"):
        if heading.find_parent("summary"):
            continue
        sections += 1
        tools = heading.find_next_sibling()
        assert tools is not None
        assert tools["class"] == ["section-tools"], heading
        edit, report = tools.select("a")
        assert str(edit["href"]).startswith(f"{REPOSITORY.url}/")
        assert str(edit["href"]).endswith(f"/{REPOSITORY.branch}/{source(page)}")
        asked = parse_qs(urlsplit(str(report["href"])).query)
        anchor = str(heading.select_one("a.headerlink")["href"])
        name = " ".join(heading.get_text(" ").replace("#", "").split())
        assert asked["page"] == [source(page) + anchor]
        assert asked["section"][0].split()[-1] in name
        assert asked["version"][0].startswith(REPOSITORY.branch)
        for link in (
            edit,
            report,
        ):  # heard alone, each says where it leads; and what is seen is in what is heard
            assert asked["section"][0] in str(link["aria-label"])
            assert str(link["aria-label"]).startswith(link.get_text())
    assert sections or page in ("book/glossary", "book/references")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_ends_with_both_links(site: Path, page: str) -> None:
    edit, report = soup(site / f"{page}.html").select("article .page-tools a")
    assert [edit.get_text(), report.get_text()] == ["Edit this page", "Report a problem"]
    how = "blob" if source(page).endswith(".ipynb") else "edit"
    assert edit["href"] == f"{REPOSITORY.url}/{how}/{REPOSITORY.branch}/{source(page)}"
    assert parse_qs(urlsplit(str(report["href"])).query)["page"] == [source(page)]
    menu = {
        link.get_text(strip=True): link["href"]
        for link in soup(site / f"{page}.html").select("a.dropdown-item")
    }
    assert menu["Edit this page"] == edit["href"]
    assert menu["Report a problem"] == report["href"]
    assert "Open issue" not in menu


def test_what_the_address_fills_is_in_the_form() -> None:
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE" / FORM).read_text(encoding="utf-8"))
    fields = {item["id"] for item in form["body"]}
    asked = parse_qs(urlsplit(Host("https://github.com/a/b", "main").report("p", "t", "s", "v")).query)
    assert set(asked) - {"template", "title"} <= fields
    assert asked["template"] == [FORM]
    assert form["name"]
    assert form["description"]


def test_another_host_has_other_addresses() -> None:
    host = Host("https://gitlab.com/a/b", "v1/2")
    assert host.edit("book/use.md") == "https://gitlab.com/a/b/-/edit/v1%2F2/book/use.md"
    assert host.edit("a b.ipynb") == "https://gitlab.com/a/b/-/blob/v1%2F2/a%20b.ipynb"
    asked = parse_qs(urlsplit(host.report("p.md#s", "T", "S", "main")).query)
    assert asked["issue[title]"] == ["T: S"]
    assert "p.md#s" in asked["issue[description]"][0]


def test_without_git_the_version_is_the_branch(tmp_path: Path) -> None:
    version.cache_clear()
    assert version(str(tmp_path), "main") == "main"


def test_the_address_of_the_repository_stands_in_no_extension() -> None:
    for path in (ROOT / "book/_ext").glob("*.py"):
        assert REPOSITORY.url not in path.read_text(encoding="utf-8"), path


class TestInABrowser:
    pytestmark = BROWSER_TESTS

    def opacity(self, page: Page, place: int) -> str:
        return str(
            page.locator(".section-tools").nth(place).locator("a").first.evaluate(
                "(link) => getComputedStyle(link).opacity"
            )
        )  # fmt: skip

    def test_links_show_on_hover_and_on_focus(self, visit: Visit, address: str) -> None:
        page = visit.page
        page.goto(f"{address}/{CHAPTER}.html", wait_until="load")
        assert self.opacity(page, 0) == "0"
        page.locator("h2").first.hover()
        assert self.opacity(page, 0) == "1"
        page.locator("h1").first.hover()
        page.locator(".section-tools").nth(1).locator("a").last.focus()
        assert self.opacity(page, 1) == "1"
        page.emulate_media(media="print")
        assert not page.locator(".section-tools a").first.is_visible()
        assert not page.locator(".page-tools").is_visible()
        page.emulate_media(media="screen")
        assert visit.faults == []

    def test_they_cover_nothing(self, visit: Visit, address: str) -> None:
        """They stand between the heading and the text, however long the heading is."""
        page = visit.page
        page.goto(f"{address}/{CHAPTER}.html", wait_until="load")
        for width in (1440, 360):
            page.set_viewport_size({"width": width, "height": 900})
            first = page.locator("h2 + .section-tools").first
            first.locator("a").first.focus()
            before = first.locator("xpath=preceding-sibling::*[1]").bounding_box()
            link = first.locator("a").first.bounding_box()
            after = first.locator("xpath=following-sibling::*[1]").bounding_box()
            assert link is not None
            assert after is not None
            assert before is not None
            assert link["y"] >= before["y"] + before["height"] - 1
            assert link["y"] + link["height"] <= after["y"] + 1
            assert page.evaluate("document.documentElement.scrollWidth") <= width
