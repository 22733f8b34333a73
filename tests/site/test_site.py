"""The built site: every page, every link leads somewhere, every picture has words, no other host is asked."""

from __future__ import annotations

import gzip
import re
import statistics
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag

import assets
import book
import repository
from places import ROOT

PAGES = book.pages_of_toc(ROOT)
CITED = f"{repository.read(ROOT).site}book/references.html#"  # with a key, the address of a citation
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
    assert text.select("figure.labutils-explorer svg")
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
def test_a_page_loads_mathematics_only_where_used(site: Path, page: str) -> None:
    asked = assets.asked(site, f"{page}.html")
    assert ("mathjax/mathjax.css" in asked) == bool(article(site, page).select("mjx-container"))


def test_mathematics_is_set_in_the_page(site: Path) -> None:
    for page in PAGES:
        for formula in article(site, page).select("span.math, div.math"):
            assert formula.select_one("mjx-container mjx-math")
            assert formula.select_one("mjx-assistive-mml math")
    style = (site / "_static/mathjax/mathjax.css").read_text("utf-8")
    asked = set(re.findall(r'url\("([^"]+)"\)', style))
    assert asked
    assert [name for name in asked if not (site / "_static/mathjax" / name).is_file()] == []


def test_icons_are_those_that_are_used(site: Path) -> None:
    style = (site / "_static/icons/icons.css").read_text("utf-8")
    used = set()
    for path in site.rglob("*.html"):
        for icon in soup(path).select("i[class*=fa-], span[class*=fa-]"):
            used |= {name for name in icon.get("class") or [] if name.startswith("fa-")}
    assert {"fa-bars", "fa-magnifying-glass", "fa-github"} <= used
    assert (
        sorted(
            name
            for name in used
            if f".{name} " not in style and f".{name}:" not in style and f".{name}," not in style
        )
        == []
    )
    assert set(re.findall(r"\.(fa-[a-z-]+)::before", style)) <= used
    assert sum(path.stat().st_size for path in (site / "_static/icons").iterdir()) < 12_000


# What a page without widgets may weigh: the goal for the median page, measured as GitHub Pages sends it.
MOST_BYTES = 400_000


def loaded_at_once(page: Path) -> list[str]:
    """What a page asks for before the reader scrolls, as it stands in its HTML."""
    found = []
    for element in soup(page).select("script[src], link[rel=stylesheet], link[rel=icon], img[src]"):
        if element.get("loading") != "lazy":
            found.append(urlsplit(str(element.get("src") or element.get("href"))).path)
    return found


def weight(page: Path) -> int:
    """Return the bytes of a page and of what it loads at once, compressed where a server compresses."""
    files = {(page.parent / name).resolve() for name in loaded_at_once(page)}
    html = page.read_text("utf-8")
    for style in [file for file in files if file.suffix == ".css"]:
        for face in re.findall(r"@font-face[^}]*}", style.read_text("utf-8")):
            family = re.search(r"font-family:\s*MJX(TEX-\w+)", face)
            if family and not re.search(rf'[" ]{family[1]}[" ]', html):
                continue  # MathJax names the font of each sign by a class: no browser fetches this one
            names = re.findall(r"url\([\"']?([^\"')]+\.woff2?)", face)
            files |= {(style.parent / name).resolve() for name in names}
    packed = {".png", ".woff", ".woff2"}
    return sum(
        file.stat().st_size if file.suffix in packed else len(gzip.compress(file.read_bytes(), 6))
        for file in {page, *files}
    )


def test_the_median_page_is_light(site: Path) -> None:
    weights = {page: weight(site / f"{page}.html") for page in PAGES}
    print({page: f"{size / 1000:.0f} kB" for page, size in weights.items()})
    assert statistics.median(weights.values()) < MOST_BYTES
    assert max(weights.values()) < 1.5 * MOST_BYTES


def test_nothing_is_shipped_that_nobody_asks_for(site: Path) -> None:
    shipped = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert [name for name in shipped if re.search(r"fontawesome|\.map$|\.po$|\.mo$|sre/|a11y/", name)] == []
    scripts = [path for path in site.rglob("*.js") if path.stat().st_size > 100_000]
    scripts = [path for path in scripts if path.parent.name != "search"]  # comes when somebody searches
    scripts = [path for path in scripts if not path.name.startswith("book-")]  # see test_weight.py
    assert scripts == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_the_style_of_questions_only_where_one_is(site: Path, page: str) -> None:
    assert ("quiz.css" in assets.asked(site, f"{page}.html")) == bool(
        article(site, page).select(".labutils-question")
    )


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


def test_a_sound_page_is_built(small: Path) -> None:
    assert (book.build(small) / "page.html").is_file()


def test_a_faulty_page_stops_the_build_and_all_faults_are_named(small: Path) -> None:
    faults = {
        "[lost](nowhere.md)": "nowhere.md",
        "[lost](#no-such-heading)": "no-such-heading",
        f"[Nobody (2000)]({CITED}nobody2000nothing)": "nobody2000nothing",
        "![](picture.png)": "picture without alternative text",
        "![A picture that is an empty file](picture.png)": "a picture that cannot be read",
        '<div class="labutils-explorer"></div>': "does not say from which notebook and cell it comes",
        "**Question.** Where are the choices?": "a question needs choices",
        r"$\frac{1$": "TeX that MathJax cannot set: Missing close brace",
        r"$\nonsense$": r"Undefined control sequence \nonsense",
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
