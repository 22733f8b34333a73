"""The front door: landing page at the root, page for lost visitors, previews, icons, commands that exist."""

from __future__ import annotations

import functools
import json
import re
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urljoin, urlsplit

import click
import numpy as np
import pytest
import yaml
from bs4 import BeautifulSoup
from matplotlib import image
from matplotlib import pyplot as plt
from sphinx.errors import ConfigError

import addresses
import assets
import book
import book_front
import browser as browser_tests
import card
from browser import Quiet, Visit, wait_until
from labutils.cli import main as labutils_command
from labutils.data.catalogue import ENTRIES
from labutils.models.pretrained import POCKET
from places import ROOT

PAGES = book.pages_of_toc(ROOT)
FRONT = (ROOT / "book/index.md").read_text(encoding="utf-8")
USE = (ROOT / "book/use.md").read_text(encoding="utf-8")
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
BASE = addresses.pages_address(CONFIG["repository"]["url"])
PATH = urlsplit(str(BASE)).path


def in_browser(test):  # type: ignore[no-untyped-def]
    for mark in browser_tests.BROWSER_TESTS:
        test = mark(test)
    return test


@functools.cache
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


# --- the landing page says what is so


def test_every_chapter_is_linked_and_no_written_one_is_called_planned() -> None:
    table = FRONT.split("## The parts")[1].split("\n## ")[0]
    linked = re.findall(r"\* \[[^]]*\]\(\.\./(notebooks/\S+?)\.ipynb\): .+\?$", table, re.MULTILINE)
    assert linked == [page for page in PAGES if page.startswith("notebooks/")], "each with its question"
    planned = [name for line in re.findall(r"Planned: (.*)", table) for name in line.split(" · ")]
    written = {Path(page).name for page in PAGES}
    assert [name for name in planned if re.sub(r"\W", "_", name.lower()) in written] == []
    # Every chapter of the map is offered or planned, none is forgotten.
    assert len(linked) + len(planned) >= 33, "a chapter of the map is neither linked nor planned"


def test_the_citation_is_that_of_the_citation_file() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["preferred-citation"]
    (entry,) = re.findall(r"```bibtex\n@book\{\w+,\n(.*?)\n\}\n```", FRONT, re.DOTALL)
    fields = dict(re.findall(r"^ *(\w+) *= \{(.*)\},?$", entry, re.MULTILINE))
    assert fields == {
        "title": citation["title"],
        "author": f"{{{citation['authors'][0]['name']}}}",
        "year": str(citation["year"]),
        "url": citation["url"],
    }
    assert citation["url"] == CONFIG["repository"]["url"]


@pytest.mark.parametrize("name", ["card.png", "icon-32.png", "icon-180.png"])
def test_pictures_are_those_that_the_script_draws(tmp_path: Path, name: str) -> None:
    drawn = card.pictures()[name]
    drawn.savefig(tmp_path / name, dpi=100)
    plt.close("all")
    new, stored = image.imread(tmp_path / name), image.imread(ROOT / "book/static" / name)
    assert new.shape == stored.shape, f"{name}: run `make cover`"
    # Another machine may shade the edge of a letter otherwise; another number moves whole pixels.
    moved = np.mean(np.abs(new - stored).max(axis=2) > 0.2)
    assert moved < 1e-4, f"{name} is not up to date: run `make cover`"


def test_the_card_is_as_large_as_the_pages_say() -> None:
    height, width = image.imread(ROOT / "book/static/card.png").shape[:2]
    assert (width, height) == book_front.CARD_SIZE
    assert (ROOT / "book/static/card.png").stat().st_size < 100_000
    assert list(card.quoted(FRONT).values()) == sorted(card.quoted(FRONT).values()), "best first"


def test_the_icons_are_drawn_alike() -> None:
    favicon = (ROOT / "book/static/favicon.svg").read_text(encoding="utf-8")
    bars = re.findall(r'<rect x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"/>', favicon)
    assert [tuple(map(int, bar)) for bar in bars] == [(x, y, width, 26 - y) for x, y, width in card.BARS]


# --- addresses


@pytest.mark.parametrize(
    ("repository", "address"),
    [
        ("https://github.com/llm-measured/book", "https://llm-measured.github.io/book/"),
        ("https://github.com/Some-One/A.Book.git", "https://some-one.github.io/A.Book/"),
        ("https://github.com/some/some.github.io/", "https://some.github.io/"),
        ("https://example.org/some/book", None),
        ("", None),
    ],
)
def test_the_sites_address_follows_from_the_repository(repository: str, address: str | None) -> None:
    assert addresses.pages_address(repository) == address


def test_a_repository_elsewhere_asks_for_the_sites_address() -> None:
    config = SimpleNamespace(
        html_theme_options={"repository_url": "https://example.org/some/book"}, html_baseurl=""
    )
    with pytest.raises(ConfigError, match="baseurl: https"):
        book_front.set_address(None, config)
    config.html_baseurl = "https://example.org/pages"
    book_front.set_address(None, config)
    assert config.html_baseurl == "https://example.org/pages/"


def test_the_landing_page_is_the_sites_root(site: Path) -> None:
    root = soup(site / "index.html")
    assert root.select_one("article h1")
    assert not root.find("meta", attrs={"http-equiv": re.compile("refresh", re.I)})
    assert not (site / "book/index.html").exists(), "the same page under two addresses"
    index = (site / "_static/search/index.js").read_text(encoding="utf-8")
    names = [page for page, _ in json.loads(index.removeprefix("window.bookIndex = ").rstrip(";\n"))["pages"]]
    assert sorted(names) == sorted(
        f"{page}.html" for page in PAGES
    )  # all found where they are, and 404 is not among them


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_what_it_is_and_where(site: Path, page: str) -> None:
    here = soup(site / f"{page}.html")
    address = urljoin(str(BASE), "" if page == "index" else f"{page}.html")

    def content(key: str, value: str) -> str:
        (found,) = here.find_all("meta", attrs={key: value})
        return str(found["content"])

    assert [str(link["href"]) for link in here.find_all("link", rel="canonical")] == [address]
    assert content("property", "og:url") == address
    heading = here.select_one("article h1").get_text().strip().removesuffix("#").strip()
    assert heading.endswith(content("property", "og:title"))  # a chapter's number stands before it
    description = content("name", "description")
    assert description == content("property", "og:description")
    assert 40 <= len(description) <= 200
    assert description[-1] in ".?!…", description
    assert content("name", "twitter:card") == "summary_large_image"
    card_address = content("property", "og:image")
    assert card_address.startswith(str(BASE))
    assert (site / card_address.removeprefix(str(BASE))).is_file()
    for icon in here.find_all("link", rel=["icon", "apple-touch-icon"]):
        assert (site / page / ".." / str(icon["href"])).resolve().is_file(), icon


def test_descriptions_differ(site: Path) -> None:
    told = [
        soup(site / f"{page}.html").find("meta", attrs={"name": "description"})["content"] for page in PAGES
    ]
    assert len(set(told)) == len(PAGES)


def test_the_sitemap_lists_every_page(site: Path) -> None:
    listed = re.findall(r"<loc>(.*?)</loc>", (site / "sitemap.xml").read_text(encoding="utf-8"))
    canonical = {soup(site / f"{page}.html").find("link", rel="canonical")["href"] for page in PAGES}
    assert set(listed) == canonical
    assert len(listed) == len(PAGES)


def test_front_css_is_loaded_where_it_is_meant(site: Path) -> None:
    with_it = {
        path.relative_to(site).as_posix()
        for path in site.rglob("*.html")
        if "front.css" in assets.asked(site, path.relative_to(site).as_posix())
    }
    assert with_it == {"index.html", "404.html"}


# --- the page for lost visitors


def test_every_address_of_the_lost_page_is_absolute_and_leads_somewhere(site: Path) -> None:
    lost = soup(site / "404.html")
    found = [
        str(element[name])
        for name in ("href", "src", "action", "data-content_root")
        for element in lost.find_all(attrs={name: True})
    ]
    here = [address for address in found if not urlsplit(address).scheme and not address.startswith("#")]
    assert len(here) > 25
    assert [address for address in here if not address.startswith(PATH)] == []
    files = [urlsplit(address).path.removeprefix(PATH) for address in here]
    assert [name for name in files if not (site / name).exists()] == []
    for page in PAGES:
        assert lost.select(f'article a[href="{PATH}{page}.html"]'), f"{page} is not offered"
    assert lost.find("meta", attrs={"name": "robots", "content": "noindex"})
    assert not lost.find("link", rel="canonical")


class Pages(Quiet):
    """Serves as GitHub Pages does: the site below its path, 404.html wherever nothing is."""

    def translate_path(self, path: str) -> str:
        below = path.removeprefix(PATH) if path.startswith(PATH) else "no/such/file"
        return super().translate_path(f"/{below}")

    def send_error(self, code: int, *_: object) -> None:  # type: ignore[override]
        body = (Path(self.directory) / "404.html").read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def below(site: Path) -> Iterator[str]:
    """The address of the site when it is served below a path, as it will be."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Pages, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}{PATH}"
    server.shutdown()
    server.server_close()


@in_browser
def test_a_lost_visitor_finds_the_way_at_any_depth(visit: Visit, below: str) -> None:
    for lost in ("lost.html", "notebooks/lost.html", "a/b/c/lost"):
        answer = visit.page.goto(below + lost, wait_until="load")
        assert answer is not None
        assert answer.status == 404
        assert visit.page.locator("article h1").inner_text() == "Page not found"
        font = visit.page.evaluate("getComputedStyle(document.querySelector('article h1')).fontFamily")
        assert "serif" not in font.split(",")[0], "the styles are not there"
        # The browser reports the page's own status, 404; nothing else may be missing.
        assert [fault for fault in visit.faults if "status of 404" not in fault] == []
        assert len([fault for fault in visit.faults if "status of 404" in fault]) == 1
        visit.faults.clear()
    visit.page.locator("#front-query").fill("entropy")
    visit.page.locator("#front-query").press("Enter")
    visit.page.locator(".live-search-results a").first.wait_for(timeout=10_000)
    visit.page.goto(below + "a/b/c/lost", wait_until="load")
    visit.faults.clear()
    visit.page.locator("article a", has_text="Information theory").click()
    visit.page.wait_for_url("**/information_theory.html")
    assert "Information theory" in visit.page.title()
    assert visit.faults == []


# --- the first screen


@in_browser
def test_one_screen_shows_what_the_book_is(browser, below: str) -> None:  # type: ignore[no-untyped-def]
    visit = Visit(browser, viewport={"width": 1440, "height": 900})
    visit.page.goto(below, wait_until="load")
    for part in (
        "article h1",
        ".front-lead",
        ".front-claims",
        ".front-claims a",
        "svg.claims-strip",
        ".front-live figure.labutils-explorer",
        ".front-bars",
        ".front-start a",
    ):
        box = visit.page.locator(part).first.bounding_box()
        assert box is not None, part
        assert box["y"] + box["height"] <= 900, f"{part} ends below the first screen"
        assert box["width"] > 100, part
    assert visit.page.locator("#four-ways-to-use-it").bounding_box()["y"] < 850, "no sign of what follows"
    assert visit.page.locator(".bd-sidebar-secondary").count() == 0
    visit.page.locator("a", has_text="Read chapter 1").click()
    visit.page.wait_for_url("**/notebooks/foundations/language_models.html")
    visit.page.locator("a.navbar-brand").first.click()
    visit.page.wait_for_url(re.compile(r".*/book/(index\.html)?$"))
    assert visit.faults == []
    visit.page.context.close()


@in_browser
def test_the_landing_pages_explorer_answers(visit: Visit, below: str) -> None:
    visit.page.goto(below, wait_until="load")
    figure = visit.page.locator(".front-live figure.labutils-explorer")
    said = figure.locator(".labutils-say")
    for what in ("input[type=text]", "input[type=range]"):
        before = said.inner_text()
        field = figure.locator(what)
        field.focus()
        field.press("End")
        field.press("z" if "text" in what else "Home")
        wait_until(
            visit.page,
            "([element, before]) => element.innerText !== before",
            arg=[said.element_handle(), before],
        )
    assert visit.faults == []


def without_fonts(visit: Visit) -> None:
    """Let the site's own text and code fonts not arrive: DejaVu, the widest that systems have, stands in."""
    visit.page.route("**/_static/fonts/*", lambda route: route.fulfill(status=204))
    rule = ':root { --pst-font-family-base: "DejaVu Sans"; --pst-font-family-heading: "DejaVu Sans"; }'
    visit.page.route(
        "**/_static/book-*.css",
        lambda route: route.fulfill(body=route.fetch().text() + rule, content_type="text/css"),
    )


@in_browser
@pytest.mark.parametrize("fonts", ["the site's fonts", "the widest"])
def test_a_phone_shows_the_front_without_scrolling_sideways(browser, below: str, fonts: str) -> None:  # type: ignore[no-untyped-def]
    visit = Visit(browser, viewport={"width": 360, "height": 740})
    if fonts == "the widest":
        without_fonts(visit)
    for page in ("index.html", "book/use.html", "lost.html"):
        visit.page.goto(below + page, wait_until="load")
        visit.page.evaluate("document.fonts.ready")
        came = visit.page.evaluate(
            "[...document.fonts].filter((f) => f.status === 'loaded').map((f) => f.family)"
        )
        assert ("Inter" in came) == (fonts == "the site's fonts")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360, page
        if page == "index.html":
            figure = visit.page.locator(".front-live figure.labutils-explorer").first.bounding_box()
            assert figure is not None
            assert figure["y"] < 640, "a phone's first screen does not reach the explorer"
            fact = visit.page.locator(".front-claims").bounding_box()
            assert fact is not None
            assert fact["y"] + fact["height"] < 640, (
                "a phone's first screen does not say what is most striking"
            )
    visit.page.context.close()


# --- "How to use": every command is one that exists


def commands(text: str) -> list[str]:
    """The commands of a page: lines of its shell blocks, and code in its text that begins with a program."""
    blocks = re.findall(r"```(?:bash|powershell|)\n(.*?)```", text, re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [line for line in lines if line] + [span for span in spans if " " in span]


def complaint(command: str) -> str | None:
    """What is wrong with a command, if this repository can tell."""
    words = command.split()
    program = Path(words[0].replace("\\", "/")).name
    rest = [word for word in words[1:] if not word.startswith("PYTHON=")]
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return None if set(rest) <= set(targets) else f"no such target: {command}"
    if program in ("python", "python3", "py") and rest[:1] != ["-m"]:
        scripts = [word.replace("\\", "/") for word in rest if word.endswith(".py")]
        return None if all((ROOT / script).is_file() for script in scripts) else f"no such script: {command}"
    if program in ("python", "python3", "py"):
        known = {"venv", "pip", "pytest", "labutils"}
        files = [rest[i + 1] for i, word in enumerate(rest[:-1]) if word == "-r"]
        if rest[1] == "labutils.pocket":
            return None if rest[2] in ("train", "score") and rest[3] in POCKET else command
        return None if rest[1] in known and all((ROOT / name).is_file() for name in files) else command
    if program == "labutils":
        group: click.Command = labutils_command
        for word in rest:
            if isinstance(group, click.Group):
                if word not in group.commands:
                    return f"labutils has no such command: {command}"
                group = group.commands[word]
            elif word.startswith("-"):
                if word not in {option for parameter in group.params for option in parameter.opts}:
                    return f"no such option: {command}"
            elif word not in ENTRIES:
                return f"no such data set: {command}"
        return None
    if program in ("jupyter-lab", "jupyter"):
        installed = {entry.name for entry in entry_points(group="console_scripts")}
        return None if program in installed and all((ROOT / name).exists() for name in rest) else command
    return None if program in ("git", "cd", "sudo", "xcode-select", "pip") else f"unknown program: {command}"


@pytest.mark.parametrize("page", ["README.md", "book/use.md", "book/index.md"])
def test_every_command_of_the_page_exists(page: str) -> None:
    used = commands((ROOT / page).read_text(encoding="utf-8").replace("```bibtex", "```text\n"))
    used = [command for command in used if re.match(r"(make|labutils|git|py|python3?|\.venv\S+) ", command)]
    assert len(used) >= (1 if page == "book/index.md" else 8)
    assert [fault for fault in map(complaint, used) if fault] == []


@pytest.mark.parametrize(
    "command",
    ["make nothing", "labutils data feed", "labutils data fetch --al", "labutils data fetch bible",
     r".venv\Scripts\python scripts\nothing.py", "rm -rf /", "py -m pip install -r no.txt"],
)  # fmt: skip
def test_a_command_that_does_not_exist_is_noticed(command: str) -> None:
    assert complaint(command)


def test_commands_without_make_are_those_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `make (\w+)` \| `\.venv\\Scripts\\(.+?)`", USE, re.MULTILINE)
    rows += [
        (target, plain.strip())
        for plain, target in re.findall(
            r"^\.venv\\Scripts\\(.+?) +# make (\w+)$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE
        )
    ]
    assert len(rows) >= 9
    for target, plain in rows:
        (recipe,) = re.findall(rf"^{target}:.*\n\t@\$\(PYTHON_BIN\) (.*)$", makefile, re.MULTILINE)
        recipe = re.sub(r" \$\(\w+\)", "", recipe)
        plain = plain.replace("\\", "/").removeprefix("python ")
        plain = re.sub(r"^labutils ", "-m labutils ", plain)
        assert plain == recipe, f"make {target}"


def test_the_table_of_data_is_the_catalogue() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| .*? \| ([\w-]+) \| ([\d.]+) MB \| ([^|]+?) \|$", USE, re.MULTILINE)
    assert {name: (package, float(size)) for name, package, size, _ in rows} == {
        entry.name: (entry.distribution, round(entry.size / 1e6, 1)) for entry in ENTRIES.values()
    }
    for name, _, _, licence in rows:
        assert licence.startswith(ENTRIES[name].licence)
    total = f"{sum(entry.size for entry in ENTRIES.values()) / 1e6:.0f} MB"
    assert total in USE
    assert total in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_sections_that_other_pages_link_to_are_there(site: Path) -> None:
    ids = {str(element["id"]) for element in soup(site / "book/use.html").find_all("section", id=True)}
    assert ids >= {
        "read-it", "run-it-on-your-machine", "run-it-in-colab", "run-it-on-binder", "run-it-on-a-jupyterhub",
        "assign-it", "where-the-data-come-from",
    }  # fmt: skip
