"""What a page costs a reader when it opens: requests, and bytes as GitHub Pages sends them."""

from __future__ import annotations

import gzip
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import assets
import book_bundle
import book_purge
from browser import BROWSER_TESTS, Visit, pages

# The budget of every page, the heaviest chapter's included.
MOST_REQUESTS = 22
MOST_BYTES = 350_000
ICON = "_static/favicon.svg"
PACKED = {".png", ".woff", ".woff2"}  # no server compresses these again


def sent(file: Path) -> int:
    """Return the bytes of a file on the wire."""
    body = file.read_bytes()
    return len(body if file.suffix in PACKED else gzip.compress(body, 6))


@pytest.mark.parametrize("name", pages("search", "genindex"))
class TestInABrowser:
    pytestmark = BROWSER_TESTS

    def test_a_page_keeps_to_the_budget(self, visit: Visit, address: str, site: Path, name: str) -> None:
        page = visit.page
        page.set_viewport_size({"width": 1440, "height": 900})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/{name}.html", wait_until="load")
        page.evaluate("document.fonts.ready")
        page.wait_for_timeout(500)  # what starts by itself after loading
        files = [unquote(urlsplit(url).path).lstrip("/") for url in asked if url.startswith(address)]
        if files.count(ICON) > 1:  # headless Chromium asks twice and answers itself
            files.remove(ICON)
        weight = sum(sent(site / file) for file in files)
        said = "\n".join(f"{sent(site / file) / 1000:6.1f} kB  {file}" for file in files)
        print(f"{name}: {len(files)} requests, {weight / 1000:.0f} kB")
        assert len(files) == len(set(files)), said
        assert len(files) <= MOST_REQUESTS, said
        assert weight <= MOST_BYTES, said
        assert visit.faults == []


def test_a_page_asks_for_one_style_sheet_and_its_scripts_are_joined(site: Path) -> None:
    for path in site.rglob("*.html"):
        styles = assets.addresses(path, "link[rel=stylesheet]")
        scripts = assets.addresses(path, "script[src]")
        assert len(styles) == 1, path
        assert len(scripts) <= 3, path
        assert "mode.js" in scripts[0], path  # alone, before the first paint
        page = path.relative_to(site).as_posix()
        names = assets.asked(site, page)
        assert len(names) == len(set(names)), page
        assert {"site.css", "print.css", "styles/bootstrap.css", "search.js", "scripts/bootstrap.js"} <= set(
            names
        )
        explorers = [name for name in names if name.startswith("explorers/")]
        assert not explorers or "data-explorer=" in path.read_text("utf-8"), page


def test_all_pages_share_the_script_of_the_theme(site: Path) -> None:
    pages = [assets.addresses(path, "script[src]") for path in site.rglob("*.html")]
    assert len({scripts[1].rpartition("/")[2] for scripts in pages}) == 1


def test_addresses_in_a_joined_style_sheet(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "base.css").write_text("a { b: url('x.svg') }", encoding="utf-8")
    (tmp_path / "deep/one.css").write_text(
        '@charset "UTF-8";@import "../base.css"; c { d: url(data:image/png;base64,AA/A) }\n'
        'e { f: url("g/h.woff2") }',
        encoding="utf-8",
    )
    (tmp_path / "two.css").write_text("/* says */ i { j: calc(1px + 2px) }", encoding="utf-8")
    joined = book_bundle.joined_style(tmp_path, (("deep/one.css", ""), ("two.css", "print")), {"x"})
    assert 'url("x.svg")' in joined
    assert 'url("deep/g/h.woff2")' in joined
    assert "url(data:image/png;base64,AA/A)" in joined
    assert "calc(1px + 2px)" in joined
    assert joined.endswith("@media print{i{j:calc(1px + 2px)}}")
    assert "@import" not in joined


def test_rules_that_no_page_can_use_go() -> None:
    rules = (
        "a{b:c}.used,.lost>p{d:e}.used .lost{f:g}p:not(.lost){h:i}#here{j:k}.bs-tooltip-auto{l:m}"
        "@media print{.lost{n:o}.used{p:q}}@media screen{.lost{r:s}}@font-face{font-family:x}"
    )
    assert book_purge.purged(rules, {"used", "here"}).replace("\n", "") == (
        "a{b:c}.used{d:e}p:not(.lost){h:i}#here{j:k}.bs-tooltip-auto{l:m}"
        "@media print{.used{p:q}}@font-face{font-family:x}"
    )


def test_a_page_keeps_the_order_and_what_stands_alone() -> None:
    page = """<head>
<script src="../_static/mode.js?v=1"></script>
<link rel="stylesheet" href="../_static/a.css?v=2" />
<link rel="preload" as="script" href="../_static/lib.js" />
<script defer src="../_static/own.js"></script>
<script defer data-what="x" src="../_static/alone.js"></script>
</head><body><script defer src="../_static/lib.js"></script></body>"""

    class Named(book_bundle.Bundles):
        def write(self, names: list[str], text: str, suffix: str) -> str:
            return "+".join(names)

        def __init__(self) -> None:
            super().__init__(Path(), set())

        def style(self, sheets: tuple[tuple[str, str], ...]) -> str:
            return "+".join(name for name, _ in sheets)

        def script(self, names: tuple[str, ...]) -> str:
            return "+".join(names)

    head = book_bundle.bundled(page, Named(), ("lib.js",)).partition("</head>")[0].splitlines()[1:]
    assert head == [
        '<script src="../_static/mode.js?v=1"></script>',
        '<link rel="stylesheet" href="../_static/a.css">',
        '<script defer src="../_static/lib.js"></script>',
        '<script defer src="../_static/own.js"></script>',
        '<script defer data-what="x" src="../_static/alone.js"></script>',
    ]
