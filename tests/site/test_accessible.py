"""Everybody can use every page: axe-core finds nothing, light and dark, laptop and phone; keys reach all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

import book
from accessible import Checker, markup_faults
from browser import BROWSER_TESTS, GENERATED, Visit, pages
from places import ROOT

PAGES = [*book.pages_of_toc(ROOT), *GENERATED]
LAPTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
CHAPTER = "notebooks/foundations/probability"
SOUND = '<html lang="en"><a href="#main-content">Skip</a><main id="main-content"><article>{}</article></main>'


def settle(page: Page) -> None:
    """Wait for what scripts still draw, and unfold what a reader would unfold."""
    page.evaluate("""() => {
        for (const kind of ["details.hide", "details:not(.hide)"])
            [...document.querySelectorAll(kind)].slice(0, 3).forEach((folded) => (folded.open = true));
    }""")


def dark(page: Page) -> None:
    page.evaluate("document.documentElement.dataset.theme = 'dark'")


def at_root(page: Page, lost: Path) -> None:
    """Serve the page for lost visitors from here; its addresses begin where the book is published."""
    html = lost.read_text(encoding="utf-8")
    root = re.search(r'data-content_root="([^"]*)"', html)
    assert root
    body = html.replace(f'="{root[1]}', '="/')
    page.route("**/404.html", lambda route: route.fulfill(body=body, content_type="text/html"))


# --- without a browser


def test_every_page_is_checked(site: Path) -> None:
    built = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    assert {page for page in built if not page.startswith("_static/")} == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_markup(site: Path, name: str) -> None:
    assert markup_faults((site / f"{name}.html").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("<h1>A</h1><h3>B</h3>", "h1 is followed by h3"),
        ("<h1>A</h1><h1>B</h1>", "not one h1"),
        ("<h2>A</h2><h1>B</h1>", "not one h1"),
        ("<h1>A</h1><table><tr><td>1</td></tr></table>", "without head cells"),
        ("<h1>A</h1><table><tr><th>1</th></tr></table>", "without scope"),
        ('<h1>A</h1><table><tr><th scope="col"> </th></tr></table>', "empty head cell"),
        ('<h1>A</h1><img src="a.png">', "picture without alt"),
        ('<h1>A</h1><input type="range">', "form control without a label"),
        ('<h1>A</h1><button><i class="icon"></i></button>', "button without words"),
        ("<h1>A</h1><p>熵</p>", "Chinese that is not marked"),
        ('<h1 id="a">A</h1><p id="a">B</p>', "id given twice"),
    ],
)
def test_each_fault_of_markup_is_found(fault: str, complaint: str) -> None:
    assert markup_faults(SOUND.format("<h1>A</h1>")) == []
    assert [found for found in markup_faults(SOUND.format(fault)) if complaint in found]


def test_a_page_without_language_or_skip_link_is_found() -> None:
    assert len(markup_faults("<html><h1>A</h1></html>")) == 2


# --- in a browser


@pytest.mark.parametrize("name", pages(*GENERATED))
class TestInABrowser:
    pytestmark = BROWSER_TESTS

    def test_axe_finds_nothing(self, visit: Visit, address: str, site: Path, name: str) -> None:
        page, check = visit.page, Checker(visit.page)
        page.set_viewport_size(LAPTOP)  # type: ignore[arg-type]
        if name == "404":
            at_root(page, site / "404.html")
        page.goto(f"{address}/{name}.html" + ("?q=entropy" if name == "search" else ""), wait_until="load")
        settle(page)
        faults = {"laptop": check.everything_but_colours(), "laptop, light": check.colours()}
        dark(page)
        faults["laptop, dark"] = check.colours()
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        page.wait_for_timeout(500)  # charts and tables find their new width
        faults["phone"] = check.everything_but_colours()
        if name in (PAGES[0], CHAPTER):
            page.locator(".primary-toggle").click()
            page.locator(".bd-sidebar-primary").wait_for()
            faults["phone, contents open"] = check.everything_but_colours()
        assert {where: found for where, found in faults.items() if found} == {}


FAULTS = {
    "color-contrast": '<p class="fault" style="color: #999; background: #fff">pale</p>',
    "link-in-text-block": "<p>A text, <a href='x' style='text-decoration: none; color: #234'>a link</a>.</p>",
    "image-alt": '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">',
    "heading-order": "<h2>Two</h2><h4>Four</h4>",
    "label": '<input type="range">',
    "button-name": "<button></button>",
    "td-has-header": f"<table><tr><th>a</th>{'<td>b</td>' * 3}</tr>{('<tr>' + '<td>1' * 4) * 4}</table>",
    "scrollable-region-focusable": f"<div style='width:5em; overflow:auto; white-space:pre'>{'a ' * 9}</div>",
    "target-size": '<button style="width: 9px; height: 9px; padding: 0">a</button>' * 2,
    "valid-lang": '<span lang="chinese">熵</span>',
    "landmark-no-duplicate-main": "<main>Second</main>",
}


class TestFaultsAreFound:
    pytestmark = BROWSER_TESTS

    def test_by_axe(self, visit: Visit, address: str) -> None:
        visit.page.goto(f"{address}/book/notation.html", wait_until="load")
        visit.page.evaluate(
            "html => document.querySelector('article').insertAdjacentHTML('beforeend', html)",
            "".join(FAULTS.values()),
        )
        # Set by script, since the site's policy allows no style attributes in markup.
        visit.page.evaluate(
            "document.querySelectorAll('article [style]')"
            ".forEach((one) => (one.style.cssText = one.getAttribute('style')))"
        )
        check = Checker(visit.page)
        found = {fault.split(":")[0] for fault in check.everything_but_colours() + check.colours()}
        assert set(FAULTS) - found == set()

    def test_in_one_theme_alone_and_in_code_and_charts(self, visit: Visit, address: str) -> None:
        visit.page.goto(f"{address}/{CHAPTER}.html", wait_until="load")
        settle(visit.page)
        check = Checker(visit.page)
        pick = "document.querySelector({!r}).style.{}"
        visit.page.evaluate(pick.format("div.highlight pre span.c1", "color = '#5a5a5a'"))
        visit.page.evaluate(pick.format(".labutils-picture svg text", "fill = '#606060'"))
        selectors = ["pre *", "svg text"]
        assert check.contrast(selectors) == []
        dark(visit.page)
        visit.page.evaluate(pick.format(".labutils-picture svg text", "fill = '#606060'"))  # drawn anew
        assert len(check.contrast(selectors)) == 2


class TestKeyboard:
    pytestmark = BROWSER_TESTS

    def test_skip_link_comes_first_and_leads_to_the_text(self, visit: Visit, address: str) -> None:
        visit.page.goto(f"{address}/{CHAPTER}.html", wait_until="load")
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("document.activeElement.getAttribute('href')") == "#main-content"
        assert visit.page.locator(".skip-link a").is_visible()
        visit.page.keyboard.press("Enter")
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("document.activeElement.closest('main') !== null")

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_what_has_the_focus_is_seen(self, browser: Browser, address: str, theme: str) -> None:
        visit = Visit(browser, color_scheme=theme)
        visit.page.goto(f"{address}/{CHAPTER}.html", wait_until="load")
        settle(visit.page)
        kinds, unseen = set(), []
        for _ in range(60):
            visit.page.keyboard.press("Tab")
            kind, shown = visit.page.evaluate("""() => {
                const element = document.activeElement, style = getComputedStyle(element);
                const thick = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
                const seen = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
                return [element.tagName, thick && seen];
            }""")
            kinds.add(kind)
            unseen += [] if shown else [visit.page.evaluate("document.activeElement.outerHTML.slice(0, 100)")]
        visit.page.context.close()
        assert unseen == []
        assert {"A", "BUTTON", "SUMMARY"} <= kinds

    def test_scrolling_boxes_can_be_reached_and_only_these(self, visit: Visit, address: str) -> None:
        boxes = ".pst-scrollable-table-container"
        reachable = (
            "(boxes) => boxes.map((box) => [box.scrollWidth > box.clientWidth + 1, box.tabIndex === 0])"
        )
        visit.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        visit.page.goto(f"{address}/book/notation.html", wait_until="load")
        visit.page.locator(f"{boxes}[tabindex='0']").first.wait_for()
        assert [True, True] in visit.page.locator(boxes).evaluate_all(reachable)
        visit.page.set_viewport_size({"width": 1440, "height": 900})
        visit.page.locator(f"{boxes}[tabindex='0']").first.wait_for(state="detached")
        assert all(scrolls == focus for scrolls, focus in visit.page.locator(boxes).evaluate_all(reachable))

    def test_nothing_moves_for_those_who_asked_for_that(self, browser: Browser, address: str) -> None:
        visit = Visit(browser)  # asks for that
        visit.page.goto(f"{address}/{CHAPTER}.html", wait_until="load")
        moving = visit.page.evaluate("""[...document.querySelectorAll("*")].filter((element) => {
            const style = getComputedStyle(element);
            const moves = style.animationName !== "none" || style.transitionDuration !== "0s";
            return moves || style.scrollBehavior === "smooth";
        }).length""")
        visit.page.context.close()
        assert moving == 0
