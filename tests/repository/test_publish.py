"""What GitHub Pages would serve: the site packed as the workflow packs it, under a path of its own."""

from __future__ import annotations

import re
import tarfile
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import Request, urlopen

import pytest
import yaml

import book
import repository
from browser import BROWSER_TESTS, Visit, wait_until
from places import ROOT

# A project's page is not at the root of its host: the path is the repository's name, if not set otherwise.
HTML = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["html"]
BASE = urlsplit(HTML.get("baseurl") or repository.read(ROOT).url.rpartition("/")[2]).path.strip("/")
BASE = f"/{BASE}/" if BASE else "/"
LARGEST_SITE, LARGEST_FILE = 200e6, 25e6  # Pages takes 1 GB; a book that nears this should know why
FORBIDDEN = re.compile(r'[":<>|*?\r\n\\]')  # in names of files, by the action that uploads the preview
ATTRIBUTES = {"a": "href", "link": "href", "script": "src", "img": "src", "source": "src", "iframe": "src"}


class Links(HTMLParser):
    """Collects what a page leads to or loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {value for name, value in attrs if name == ATTRIBUTES.get(tag) and value}


class Pages(SimpleHTTPRequestHandler):
    """Serves as GitHub Pages does: only what was packed, with 404.html for all that is not there."""

    folder = ""

    def translate_path(self, path: str) -> str:
        path = unquote(urlsplit(path).path)
        if not path.startswith(BASE):
            return f"{self.folder}/no such page"
        return f"{self.folder}/{path.removeprefix(BASE)}"

    def list_directory(self, path: object) -> None:  # Pages lists no folder
        self.send_error(HTTPStatus.NOT_FOUND)

    def send_error(self, code: int, *_: object) -> None:
        page = Path(self.folder, "404.html")
        body = page.read_bytes() if page.is_file() else b"not there"
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def packed(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as it arrives: packed without hidden files, links followed, and unpacked again."""
    folder = tmp_path_factory.mktemp("pages")

    def visible(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if Path(member.name).name.startswith(".") and member.name != "." else member

    with tarfile.open(folder / "artifact.tar", "w", dereference=True) as tar:
        tar.add(site, arcname=".", filter=visible)
    with tarfile.open(folder / "artifact.tar") as tar:
        tar.extractall(folder / "served", filter="data")
    return folder / "served"


@pytest.fixture(scope="module")
def host(packed: Path) -> Iterator[str]:
    handler = type("PagesHere", (Pages,), {"folder": str(packed)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def links(page: str, address: str) -> set[str]:
    """The addresses on the same host that a page leads to or loads, without what comes after #."""
    parser = Links()
    parser.feed(page)
    whole = {urldefrag(urljoin(address, link))[0] for link in parser.found}
    return {link for link in whole if urlsplit(link)[:2] == urlsplit(address)[:2]}


def status(address: str) -> int:
    try:
        with urlopen(Request(address, method="HEAD"), timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_everything_that_pages_lead_to_is_served_under_the_path(packed: Path, host: str) -> None:
    pages = [path for path in packed.rglob("*.html") if "_static" not in path.relative_to(packed).parts]
    assert len(pages) > len(book.pages_of_toc(ROOT))
    wanted = {
        link
        for path in pages
        if path.name != "404.html"  # which is served at every address: the next test
        for link in links(
            path.read_text(encoding="utf-8"), f"{host}{BASE}{path.relative_to(packed).as_posix()}"
        )
    }
    assert len(wanted) > 40
    assert {link for link in wanted if status(link) != 200} == set()
    assert status(f"{host}{BASE}") == 200
    if BASE != "/":
        assert status(f"{host}/_static/site.css") == 404  # what only works at the root would be seen


def test_the_artifact_is_one_that_github_takes(site: Path, packed: Path) -> None:
    files = [path for path in packed.rglob("*") if path.is_file()]
    names = [path.relative_to(packed).as_posix() for path in files]
    assert [name for name in names if FORBIDDEN.search(name)] == []
    assert [name for name in names if not (packed / name).stat().st_mode & 0o444] == []
    assert [path for path in site.rglob("*") if path.is_symlink()] == []
    assert sum(path.stat().st_size for path in files) < LARGEST_SITE
    assert [path.name for path in files if path.stat().st_size > LARGEST_FILE] == []
    lower = [name.lower() for name in names]
    assert [name for name in names if lower.count(name.lower()) > 1] == []  # one file where case is ignored
    strays = re.compile(r"\.(doctree|pickle|pyc|py|bak|log|env|pem)$|(^|/)(\.|__pycache__|node_modules)")
    assert [name for name in names if strays.search(name)] == []


def test_no_page_names_a_folder_of_this_machine(packed: Path) -> None:
    texts = [path for path in packed.rglob("*") if path.suffix in (".html", ".js", ".json", ".txt", ".ipynb")]
    assert [path.name for path in texts if str(ROOT) in path.read_text(encoding="utf-8")] == []


class TestInABrowser:
    pytestmark = BROWSER_TESTS

    def test_a_chapter_is_alive_under_the_path(self, host: str, visit: Visit) -> None:
        visit.page.goto(f"{host}{BASE}notebooks/foundations/information_theory.html")
        figure = visit.page.locator("figure.labutils-explorer").first
        before = figure.locator("svg").inner_html()
        figure.locator("input").first.press("End")
        changed = "([figure, before]) => figure.querySelector('svg').innerHTML !== before"
        wait_until(visit.page, changed, arg=[figure.element_handle(), before])
        assert visit.faults == []

    def test_a_page_that_is_not_there_is_answered_with_style(
        self, packed: Path, host: str, visit: Visit
    ) -> None:
        if not (packed / "404.html").is_file():
            pytest.skip("the site has no page 404.html")
        here = f"{host}{BASE}notebooks/no/such/page.html"
        answer = visit.page.goto(here)
        assert answer is not None
        assert answer.status == 404
        assert visit.page.locator("article h1").first.is_visible()
        assert len(visit.page.evaluate("[...document.styleSheets].filter(sheet => sheet.href)")) > 0
        # The console tells of the page itself, and of nothing else.
        assert [fault for fault in visit.faults if "status of 404" not in fault] == []
        assert len(visit.faults) <= 1
        found = visit.page.locator("a[href]").evaluate_all("links => links.map(link => link.href)")
        leading = {urldefrag(link)[0] for link in found if link.startswith(host)} - {here}
        assert leading
        assert {link for link in leading if status(link) != 200} == set()
