"""The Content-Security-Policy: strict, in every page, and nothing on any page runs into it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Page

import book
import browser as browser_tests
from browser import BROWSER_TESTS, GENERATED, Visit, wait_until
from places import ROOT

sys.path.insert(0, str(ROOT / "book/_ext"))

from book_policy import EXCEPTIONS, offences, policy, tamed

CHAPTERS = [page for page in book.pages_of_toc(ROOT) if page.startswith("notebooks/")]
REMEMBER = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) =>
  violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
window.print = () => (window.printed = true);
"""


def violations(page: Page) -> list[str]:
    return list(page.evaluate("window.violations"))


# --- what stands in the pages


def pages(site: Path) -> dict[str, str]:
    return {path.relative_to(site).as_posix(): path.read_text("utf-8") for path in site.rglob("*.html")}


def test_every_page_has_the_policy_before_anything_it_applies_to(site: Path) -> None:
    assert len(pages(site)) >= len(CHAPTERS) + 3
    for name, page in pages(site).items():
        soup = BeautifulSoup(page, "html.parser")
        found = soup.select("head > meta[http-equiv=Content-Security-Policy]")
        assert [meta["content"] for meta in found] == [policy()], name
        assert not {before.name for before in found[0].find_all_previous()} & {"script", "link", "style"}, (
            name
        )


def test_the_policy_is_strict() -> None:
    rules = dict(rule.split(" ", 1) for rule in policy().split("; "))
    assert rules["default-src"] == rules["form-action"] == "'self'"
    assert rules["object-src"] == rules["base-uri"] == "'none'"
    assert "script-src" not in rules
    assert "connect-src" not in rules
    assert not re.search(r"unsafe|\*|https?:", policy())
    assert [directive for directive, (_, reason) in EXCEPTIONS.items() if len(reason) < 30] == []


def test_no_page_has_anything_that_the_policy_refuses(site: Path) -> None:
    assert {name: found for name, page in pages(site).items() if (found := offences(page))} == {}


# --- how pages are made fit for it

HEAD = '<html lang="en" data-content_root="../"><head><meta charset="utf-8" /></head><body>{}</body></html>'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '<button onclick="window.print()">p</button>',
            '<button data-action="print" data-needs-script>p</button>',
        ),
        ("<script>document.write(`<button>x</button>`);</script>", "<button data-needs-script>x</button>\n"),
        ('<p class="a" style="color: red">', '<p class="style-57b8a1f8 a">'),
        ('<img style="width: 1px" alt="a">', '<img class="style-cc4e5ae5" alt="a">'),
        ("<style scoped>td {}</style><table>", "<table>"),
        ("<pre>&lt;p style=&quot;&quot;></pre>", None),
        ('<script type="application/json">{"a": "<p style=\\"\\">"}</script>', None),
    ],
)
def test_markup_takes_the_place_of_what_is_forbidden(before: str, after: str | None) -> None:
    styles: dict[str, str] = {}
    page = tamed(HEAD.format(before), styles)
    body = page.split("<body>")[1].split("</body>")[0]
    assert re.sub(r"style-\w+", "style-", body) == re.sub(
        r"style-\w+", "style-", before if after is None else after
    )
    assert ("inline.css" in page) == bool(styles) == ("style-" in body)
    assert offences(page) == []


def test_no_script_holds_up_the_page_but_the_one_that_sets_the_theme(site: Path) -> None:
    for name, page in pages(site).items():
        scripts = BeautifulSoup(page, "html.parser").select("script[src]")
        blocking = [str(script["src"]) for script in scripts if not script.has_attr("defer")]
        assert len(blocking) == len(scripts[:1]), name
        assert all("/mode.js" in address for address in blocking), name
        assert "stylesheet" not in page or page.index("/mode.js") < page.index("stylesheet"), name


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ("<script>alert(1)</script>", "inline <script>"),
        ('<script type="module">import "./a.js"</script>', "inline <script>"),
        ('<p onmouseover="x()">', "onmouseover"),
        ("<style>p {}</style>", "<style>"),
        ('<script src="https://elsewhere.example/a.js"></script>', "another host"),
        ('<img src="//elsewhere.example/a.png">', "another host"),
        ('<iframe src="http://elsewhere.example/"></iframe>', "another host"),
    ],
)
def test_what_cannot_be_replaced_is_named(fault: str, word: str) -> None:
    assert word in " ".join(offences(tamed(HEAD.format(fault), {})))


def test_a_page_with_an_inline_script_stops_the_build(small: Path) -> None:
    (small / "page.md").write_text("# A page\n\nText.\n\n<script>alert(1)</script>\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"(?s)page\.html: an inline <script>.*alert\(1\)"):
        book.build(small)


# --- in a browser


@pytest.fixture(scope="module", params=["served", "from disk"])
def base(request: pytest.FixtureRequest, site: Path, address: str) -> str:
    return address if request.param == "served" else site.as_uri()


class TestInABrowser:
    pytestmark = BROWSER_TESTS

    @pytest.fixture
    def strict(self, visit: Visit) -> Visit:
        visit.page.add_init_script(REMEMBER)
        return visit

    def test_no_page_runs_into_the_policy(self, strict: Visit, base: str) -> None:
        for name in browser_tests.pages(*GENERATED):
            if name == "404":
                continue  # seen by test_front.py, below the path that it is made for
            query = "?q=entropy" if name == "search" else ""
            strict.page.goto(f"{base}/{name}.html{query}", wait_until="load")
            if query:
                strict.page.locator(".live-search-results a").first.wait_for()
            assert violations(strict.page) == [], name
        assert strict.faults == []

    @pytest.mark.parametrize("name", browser_tests.chapters())
    def test_what_moves_moves_under_the_policy(self, strict: Visit, base: str, name: str) -> None:
        page = strict.page
        page.goto(f"{base}/{name}.html", wait_until="load")
        sliders = page.locator("figure input[type=range]:visible")
        assert sliders.count() >= 1
        for slider in sliders.all():
            slider.press("End")
        theme = page.evaluate("document.documentElement.dataset.theme")
        for _ in range(2):
            page.locator(".bd-header-article .theme-switch-button").click()
        assert page.evaluate("document.documentElement.dataset.mode") in ("light", "dark", "auto")
        assert theme
        page.locator(".dropdown-download-buttons > button").click()
        page.locator("[data-action=print]").click()
        assert page.evaluate("window.printed")
        page.locator("[data-action=full-screen]").click()
        wait_until(page, "document.fullscreenElement !== null")
        assert violations(page) == []
        assert strict.faults == []

    def test_a_violation_would_be_seen(self, strict: Visit, site: Path, tmp_path: Path) -> None:
        """The tests above can fail: here is a page with an inline script and an inline style."""
        meta = f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'
        (tmp_path / "page.html").write_text(
            f'{meta}<script>window.ran = true</script><p style="color: red">', encoding="utf-8"
        )
        strict.page.goto((tmp_path / "page.html").as_uri(), wait_until="load")
        assert len(violations(strict.page)) == 2
        assert strict.page.evaluate("window.ran") is None
