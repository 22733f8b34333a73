"""The built site: every page, every link leads somewhere, every picture has words, no other host is asked."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag

import book
from conftest import ROOT

PAGES = book.pages_of_toc(ROOT)
GENERATED = {"404", "genindex", "search"}  # no page of the book
# Attributes by which a page makes the browser ask for something; an ordinary <a href> asks for nothing.
LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
NOT_FETCHED = {"next", "prev", "index", "search", "canonical"}  # <link rel>


@cache
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def article(site: Path, page: str) -> Tag:
    found = soup(site / f"{page}.html").find("article")
    assert isinstance(found, Tag)
    return found


def test_the_site_has_the_pages_of_the_table_of_contents(site: Path) -> None:
    built = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    assert {page for page in built if not page.startswith("_static/")} == {*PAGES, *GENERATED}


@pytest.mark.parametrize("page", PAGES)
def test_no_page_is_empty(site: Path, page: str) -> None:
    assert len(article(site, page).get_text(" ").split()) >= 200


@pytest.mark.parametrize("page", PAGES)
def test_every_internal_link_leads_somewhere(site: Path, page: str) -> None:
    here = site / f"{page}.html"
    lost = []
    for link in soup(here).find_all("a", href=True):
        target = urlsplit(str(link["href"]))
        if target.scheme or target.netloc:
            continue
        there = (here.parent / unquote(target.path)).resolve() if target.path else here
        if not there.is_file():
            lost.append(link["href"])
        elif target.fragment and there.suffix == ".html":
            anchor = unquote(target.fragment)
            if not soup(there).find(id=anchor) and not soup(there).find(attrs={"name": anchor}):
                lost.append(link["href"])
    assert lost == []


@pytest.mark.parametrize("page", PAGES)
def test_every_picture_says_what_is_seen(site: Path, page: str) -> None:
    words = [str(image.get("alt", "")) for image in article(site, page).find_all("img")]
    silent = [text for text in words if len(text) < 25 or " " not in text or re.search(r"\.(png|svg)$", text)]
    assert silent == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("notebooks/")])
def test_chapters_have_mathematics_code_and_charts(site: Path, page: str) -> None:
    text = article(site, page)
    assert len(text.select("span.math, div.math")) >= 3
    assert len(text.select("div.cell_input")) >= 10
    assert text.select("figure.labutils-chart img.labutils-chart-still, figure.labutils-explorer svg")
    assert not text.find(string=re.compile(r"\{cite:[pt]\}|\$\$|```"))  # markup that was not understood


@pytest.mark.parametrize("page", [*PAGES, *sorted(GENERATED)])
def test_a_page_asks_no_other_host(site: Path, page: str) -> None:
    asked = []
    for tag, attribute in LOADS.items():
        for element in soup(site / f"{page}.html").find_all(tag):
            address = str(element.get(attribute, ""))
            if urlsplit(address).netloc and not NOT_FETCHED & set(element.get("rel") or []):
                asked.append(address)
    assert asked == []


def test_styles_ask_no_other_host(site: Path) -> None:
    asked = {
        f"{style.name}: {address}"
        for style in site.rglob("*.css")
        for address in re.findall(
            r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')]+)", style.read_text("utf-8")
        )
    }
    assert asked == set()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_vega_and_mathjax_only_where_used(site: Path, page: str) -> None:
    scripts = " ".join(
        str(script.get("src", "")) for script in soup(site / f"{page}.html").find_all("script")
    )
    text = article(site, page)
    assert ("/vega/" in scripts) == bool(text.select("figure.labutils-chart"))
    assert ("/charts.js" in scripts) == bool(text.select("figure.labutils-chart"))
    assert ("/mathjax/" in scripts) == bool(text.select("span.math, div.math"))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_the_style_of_questions_only_where_one_is(site: Path, page: str) -> None:
    styles = " ".join(str(link.get("href", "")) for link in soup(site / f"{page}.html").find_all("link"))
    assert ("/quiz.css" in styles) == bool(article(site, page).select(".labutils-question"))


def test_the_bibliography_is_in_the_order_of_the_alphabet(site: Path) -> None:
    words = article(site, "book/references").get_text(" ")
    places = [words.index(name) for name in ("Colin Raffel", "Řehůřek", "Rissanen", "Zipf")]
    assert places == sorted(places)


def test_chapters_open_in_colab(site: Path) -> None:
    for page in PAGES:
        if page.startswith("notebooks/"):
            links = [str(link.get("href", "")) for link in soup(site / f"{page}.html").find_all("a")]
            assert any("colab" in link and link.endswith(f"/blob/main/{page}.ipynb") for link in links), page


# --- a build that goes wrong says so


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A copy of the book with one page of its own, quick to build."""
    shutil.copy(ROOT / "_config.yml", tmp_path)
    shutil.copytree(ROOT / "book/_ext", tmp_path / "book/_ext", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "book/static", tmp_path / "book/static")
    shutil.copytree(ROOT / "book/templates", tmp_path / "book/templates")
    (tmp_path / "book/references.bib").write_text("", encoding="utf-8")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: page\n", encoding="utf-8")
    (tmp_path / "page.md").write_text("# A page\n\nWith a [link](page.md).\n", encoding="utf-8")
    return tmp_path


def test_a_sound_page_is_built(small: Path) -> None:
    assert (book.build(small) / "page.html").is_file()


def test_a_faulty_page_stops_the_build_and_all_faults_are_named(small: Path) -> None:
    faults = {
        "[lost](nowhere.md)": "nowhere.md",
        "[lost](#no-such-heading)": "no-such-heading",
        "{cite:t}`nobody2000nothing`": "nobody2000nothing",
        "![](picture.png)": "picture without alternative text",
        '<div class="labutils-chart" data-alt="x">': "not in the form of labutils.show_chart",
        "**Question.** Where are the choices?": "a question needs choices",
    }
    (small / "picture.png").write_bytes(b"")
    (small / "page.md").write_text("# A page\n\n" + "\n\n".join(faults), encoding="utf-8")
    with pytest.raises(RuntimeError) as stopped:
        book.build(small)
    assert [complaint for complaint in faults.values() if complaint not in str(stopped.value)] == []


def test_an_empty_table_of_contents_stops_the_build(small: Path) -> None:
    (small / "_toc.yml").write_text("", encoding="utf-8")
    with pytest.raises(RuntimeError):
        book.build(small)


def test_a_page_that_is_not_there_stops_the_build(small: Path) -> None:
    (small / "_toc.yml").write_text(
        "format: jb-book\nroot: page\nchapters:\n- file: lost\n", encoding="utf-8"
    )
    with pytest.raises(RuntimeError, match="lost"):
        book.build(small)
