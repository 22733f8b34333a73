"""The menu "Run" of a chapter: exact addresses, the reader's own hub, keyboard, no script, no storage."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page, Route, expect

import assets
import book_launch
import repository
from browser import BROWSER_TESTS, Visit
from places import NOTEBOOKS, ROOT

CHAPTERS = [path.relative_to(ROOT).with_suffix("").as_posix() for path in NOTEBOOKS]
CHAPTER = "notebooks/foundations/probability"
HUB = "https://hub.example.org/jupyter"
REPOSITORY = repository.read(ROOT)
QUERY = {
    "repo": REPOSITORY.url,
    "branch": REPOSITORY.branch,
    "urlpath": f"lab/tree/{REPOSITORY.folder}/{CHAPTER}.ipynb",
}


def menu(site: Path, page: str) -> dict[str, dict[str, str]]:
    """The entries of a page's menu, each with its attributes."""
    soup = BeautifulSoup((site / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
    return {link.get_text(): link.attrs for link in soup.select(".book-launch a")}


@pytest.mark.parametrize("page", CHAPTERS)
def test_every_chapter_has_the_menu_with_the_addresses_of_the_configuration(site: Path, page: str) -> None:
    services = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["launch_buttons"]
    found = menu(site, page)
    assert list(found) == [
        "Open in Colab",
        "Open on Binder",
        "Open on a JupyterHub…",
        "Download the notebook",
    ]
    name = REPOSITORY.url.removeprefix("https://github.com/")
    in_colab = f"{services['colab_url']}/github/{name}/blob/{REPOSITORY.branch}/{page}.ipynb"
    assert found["Open in Colab"]["href"] == in_colab
    binder = urlsplit(found["Open on Binder"]["href"])
    assert (
        binder._replace(query="").geturl() == f"{services['binderhub_url']}/v2/gh/{name}/{REPOSITORY.branch}"
    )
    assert parse_qsl(binder.query) == [("urlpath", f"lab/tree/{page}.ipynb")]

    hub = found["Open on a JupyterHub…"]
    wanted = f"lab/tree/{REPOSITORY.folder}/{page}.ipynb"
    assert dict(parse_qsl(hub["data-git-pull"])) == QUERY | {"urlpath": wanted}
    guide, _, section = hub["href"].partition("#")
    target = (site / page).parent / guide
    assert BeautifulSoup(target.read_text(encoding="utf-8"), "html.parser").find(id=section) is not None

    download = (site / page).parent / found["Download the notebook"]["href"]
    assert download.read_bytes() == (ROOT / f"{page}.ipynb").read_bytes()
    assert found["Download the notebook"]["download"] == f"{page.rpartition('/')[2]}.ipynb"


def test_pages_that_cannot_be_run_have_no_menu_and_load_nothing_of_it(site: Path) -> None:
    for page in ("index", "book/use", "genindex"):
        text = (site / f"{page}.html").read_text(encoding="utf-8")
        assert "book-launch" not in text
        assert not {"launch.js", "launch.css"} & set(assets.asked(site, f"{page}.html"))


def test_addresses_of_other_hosts_and_of_tags() -> None:
    name = "notebooks/a/b.ipynb"
    services = ("https://colab.example", "https://binder.example")
    found = book_launch.links("https://gitlab.com/some/where", "v1.0", name, *services)
    assert found == {
        "binder": "https://binder.example/v2/gl/some%2Fwhere/v1.0?urlpath=lab%2Ftree%2Fnotebooks%2Fa%2Fb.ipynb"
    }
    found = book_launch.links("https://git.example/x.git", "a/b", name, *services)
    assert found["binder"].startswith(
        "https://binder.example/v2/git/https%3A%2F%2Fgit.example%2Fx.git/a%2Fb?"
    )
    found = book_launch.links("https://github.com/some/book.git", "main", name, *services)
    assert found["colab"] == "https://colab.example/github/some/book/blob/main/notebooks/a/b.ipynb"
    assert "urlpath=lab%2Ftree%2Fbook%2Fnotebooks" in book_launch.git_pull("https://h/book.git", "main", name)


# ---- In a browser ----


def answer(route: Route) -> None:
    route.fulfill(body="the hub")


def open_dialog(page: Page) -> None:
    """As a reader does who has no mouse."""
    page.locator(".book-launch button").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".book-launch .dropdown-menu")).to_be_visible()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(page.locator(".book-launch-hub")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("dialog.book-hub")).to_be_visible()


class TestInABrowser:
    pytestmark = BROWSER_TESTS

    def test_a_hub_is_asked_for_checked_opened_and_remembered(self, visit: Visit, address: str) -> None:
        page = visit.page
        page.context.route("https://hub.example.org/**", answer)
        page.goto(f"{address}/{CHAPTER}.html")
        open_dialog(page)
        field, error = page.get_by_label("Address of the hub"), page.get_by_role("alert")
        expect(field).to_be_focused()
        for typed, said in {
            "": "Type your hub's address",
            "not an address": "not the address of a hub",
            "https://": "not the address of a hub",
            "http://hub.example.org": "has to begin with https://",
            "javascript:alert(1)": "has to begin with https://",
            "https://ann:secret@hub.example.org": "Leave name and password out",
        }.items():
            field.fill(typed)
            page.keyboard.press("Enter")
            expect(error).to_contain_text(said)
            expect(field).to_have_attribute("aria-invalid", "true")
            expect(field).to_be_focused()
        assert page.evaluate("localStorage.getItem('labutils-hub')") is None
        page.keyboard.press("Escape")
        expect(page.locator("dialog.book-hub")).to_be_hidden()
        expect(page.locator(".book-launch button")).to_be_focused()

        open_dialog(page)
        expect(error).to_be_empty()
        field.fill("  hub.example.org/jupyter/user/ann/lab/tree?reset#top ")
        with page.context.expect_page() as opened:
            page.keyboard.press("Enter")
        there = urlsplit(opened.value.url)
        assert there._replace(query="").geturl() == f"{HUB}/hub/user-redirect/git-pull"
        assert dict(parse_qsl(there.query)) == QUERY
        assert opened.value.evaluate("window.opener") is None

        page.goto(f"{address}/{CHAPTERS[0]}.html")  # another chapter knows the hub
        page.locator(".book-launch button").click()
        known = page.get_by_role("link", name="Open on hub.example.org")
        expect(known).to_have_attribute(
            "href", re.compile(re.escape(f"{HUB}/hub/user-redirect/git-pull?repo="))
        )
        page.get_by_text("Another JupyterHub…").click()
        expect(field).to_have_value(HUB)
        field.fill("https://other.example.org:8443/")
        page.context.route("https://other.example.org:8443/**", answer)
        with page.context.expect_page():
            page.get_by_role("button", name="Open the chapter").click()
        page.reload()
        expect(page.locator(".book-launch-hub")).to_have_text("Open on other.example.org:8443")
        assert visit.faults == []

    def test_what_other_pages_stored_is_not_trusted(self, visit: Visit, address: str) -> None:
        page = visit.page
        page.add_init_script("localStorage.setItem('labutils-hub', 'javascript:alert(1)')")
        page.goto(f"{address}/{CHAPTER}.html")
        expect(page.locator(".book-launch-hub")).to_have_attribute("href", re.compile(r"use\.html#run-it-on"))
        assert visit.faults == []

    def test_on_a_phone_from_disk_without_storage(self, browser: Browser, site: Path) -> None:
        visit = Visit(browser, viewport={"width": 360, "height": 640}, color_scheme="dark")
        page = visit.page
        page.context.route("https://hub.example.org/**", answer)
        page.add_init_script(
            "for (const name of ['getItem', 'setItem']) Storage.prototype[name] = function (key) {"
            " if (key === 'labutils-hub') throw new DOMException('refused', 'SecurityError'); return null; };"
        )
        page.goto((site / f"{CHAPTER}.html").as_uri())
        page.locator(".book-launch button").click()
        box = page.locator(".book-launch .dropdown-menu").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        page.locator(".book-launch-hub").click()
        box = page.locator("dialog.book-hub").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        page.get_by_label("Address of the hub").fill("https://hub.example.org")
        with page.context.expect_page() as opened:
            page.get_by_role("button", name="Open the chapter").click()
        assert opened.value.url.startswith("https://hub.example.org/hub/user-redirect/git-pull?")
        assert [fault for fault in visit.faults if fault.startswith("script")] == []
        page.context.close()

    def test_without_javascript_the_entry_leads_to_the_guide(self, browser: Browser, address: str) -> None:
        visit = Visit(browser, java_script_enabled=False)
        visit.page.goto(f"{address}/{CHAPTER}.html")
        href = visit.page.locator(".book-launch-hub").get_attribute("href") or ""
        visit.page.goto(f"{address}/{CHAPTER.rpartition('/')[0]}/{href}")
        assert visit.page.locator("#run-it-on-a-jupyterhub").is_visible()
        visit.page.context.close()
