"""Citations and the list of references: every citation leads to its work, and every work back to the page."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page

import bibliography
import book
import repository
from browser import BROWSER_TESTS, Visit, wait_until
from places import NOTEBOOKS, ROOT

SITE = repository.read(ROOT).site
LIST = "book/references.html"
# How far each work's second line stands to the right of its first, and the least distance between works.
SHAPE = """() => {
  const works = [...document.querySelectorAll("ul.references > li")];
  const indents = works.map((work) => {
    const range = document.createRange();
    range.selectNodeContents(work.querySelector("p"));
    const boxes = [...range.getClientRects()].filter((box) => box.width > 1);
    const below = boxes.find((box) => box.top > boxes[0].top + 10);
    return below ? below.left - boxes[0].left : null;
  }).filter((indent) => indent !== null);
  const boxes = works.map((work) => work.getBoundingClientRect());
  const gaps = boxes.slice(1).map((box, i) => box.top - boxes[i].bottom);
  return { indents, gap: Math.min(...gaps), widest: document.documentElement.scrollWidth };
}"""


@cache
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_the_site_is_where_the_citations_say(site: Path) -> None:
    """The address in the notebooks is the one that the built pages call their own."""
    [canonical] = soup(site / LIST).select('link[rel="canonical"]')
    assert canonical["href"] == SITE + LIST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_citations_of_a_chapter_lead_to_works_of_this_site(site: Path, path: Path) -> None:
    page = path.relative_to(ROOT).with_suffix(".html").as_posix()
    text = soup(site / page).select_one("article")
    assert text is not None
    assert not text.select(f'a[href^="{SITE}"][href*="references"]')  # they work from disk, too
    cited = text.select('a[href*="references.html#"]')
    notebook = nbformat.read(path, as_version=4)
    written = {key for cell in notebook.cells for _, _, key in bibliography.LINK.findall(cell.source)}
    assert {urlsplit(str(link["href"])).fragment for link in cited} == written
    works = {str(work["id"]) for work in soup(site / LIST).select("ul.references > li")}
    assert written <= works


def test_every_work_leads_back_to_where_it_is_cited(site: Path) -> None:
    works = soup(site / LIST).select("ul.references > li")
    assert len(works) > 100
    for work in works:
        back = work.select("p.cited-in a")
        assert back, work["id"]
        for link in back:
            target = urlsplit(str(link["href"]))
            there = ((site / LIST).parent / target.path).resolve() if target.path else site / LIST
            cited = soup(there).find(id=target.fragment)
            assert cited is not None, link
            assert cited.name == "a"
            assert str(cited["href"]).endswith(f"#{work['id']}")


def test_links_back_name_chapters_by_number_in_order(site: Path) -> None:
    said = soup(site / LIST).select_one("#vaswani2017attention p.cited-in").get_text()
    cited = re.fullmatch(r"Cited in ((\d+) [\w -]+)( · (\d+) [\w -]+)*", said)
    assert cited, said
    numbers = [int(number) for number in re.findall(r"(?:in|·) (\d+) ", said)]
    assert numbers == sorted(numbers)
    assert "Attention" in said
    assert "The transformer" in said


def test_citations_in_cells_outputs_and_prose_lead_to_the_list(small: Path) -> None:
    """In a Markdown cell, in a table that a cell shows, on a page of prose; each work once in the list."""
    cite = f"[Shannon (1951)]({SITE}{LIST}#shannon1951prediction)"
    other = f"[Zipf (1949)]({SITE}{LIST}#zipf1949human)"
    (small / bibliography.FILE).write_bytes((ROOT / bibliography.FILE).read_bytes())
    table = f"| Where | Says |\n|---|---|\n| {other} | so |"
    output = nbformat.v4.new_output("display_data", data={"text/markdown": table, "text/plain": table})
    cells = [
        nbformat.v4.new_markdown_cell(f"# Chapter: what?\n\nAs {cite} and again {cite} say."),
        nbformat.v4.new_code_cell("table()", execution_count=1, outputs=[output]),
    ]
    info = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=info), small / "chapter.ipynb")
    (small / "page.md").write_text(f"# A page\n\n{cite}.\n", encoding="utf-8")
    (small / "book/references.md").write_text("# List\n\n```{bibliography}\n```\n", encoding="utf-8")
    (small / "_toc.yml").write_text(
        "format: jb-book\nroot: page\nchapters:\n  - file: chapter\n  - file: book/references\n",
        encoding="utf-8",
    )
    built = book.build(small)
    chapter, front = soup(built / "chapter.html"), soup(built / "page.html")
    expected = ["book/references.html#shannon1951prediction"] * 2 + ["book/references.html#zipf1949human"]
    assert [link["href"] for link in chapter.select('a[href*="references.html#"]')] == expected
    assert [link.get("id") for link in chapter.select('a[href*="references.html#"]')] == [
        "cite-shannon1951prediction",
        None,
        "cite-zipf1949human",
    ]
    assert front.select_one("#cite-shannon1951prediction")["href"] == expected[0]
    works = soup(built / LIST).select("ul.references > li")
    assert [work["id"] for work in works] == ["shannon1951prediction", "zipf1949human"]
    assert [link["href"] for link in works[0].select(".cited-in a")] == [
        "../page.html#cite-shannon1951prediction",
        "../chapter.html#cite-shannon1951prediction",
    ]


class TestInABrowser:
    pytestmark = BROWSER_TESTS

    @pytest.mark.parametrize("width", [360, 1440])
    @pytest.mark.parametrize("system", ["light", "dark"])
    def test_works_stand_apart_with_a_hanging_indent(
        self, browser: Browser, address: str, width: int, system: str
    ) -> None:
        visit = Visit(browser, color_scheme=system, viewport={"width": width, "height": 800})
        visit.page.goto(f"{address}/{LIST}", wait_until="load")
        shape = visit.page.evaluate(SHAPE)
        assert len(shape["indents"]) > 50
        assert min(shape["indents"]) >= 12
        assert shape["gap"] >= 12
        assert shape["widest"] <= width
        visit.page.goto(f"{address}/{LIST}#vaswani2017attention", wait_until="load")
        assert self.stands_out(visit.page, "vaswani2017attention")
        assert visit.faults == []
        visit.page.context.close()

    def test_there_and_back_by_keyboard(self, visit: Visit, address: str) -> None:
        """From a citation to its work, and from there to a citation in a section that is folded."""
        page = visit.page
        page.goto(f"{address}/notebooks/transformers/attention.html", wait_until="load")
        page.locator("#cite-vaswani2017attention").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/references.html#vaswani2017attention")
        assert self.stands_out(page, "vaswani2017attention")
        page.locator("#dao2022flashattention .cited-in a").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/attention.html#cite-dao2022flashattention")
        wait_until(page, "document.querySelector('#going-deeper > details').open")
        assert self.stands_out(page, "cite-dao2022flashattention")
        assert visit.faults == []

    def stands_out(self, page: Page, target: str) -> bool:
        """Whether an element is on the screen, below the header, and marked."""
        wait_until(
            page,
            """(id) => {
              const box = document.getElementById(id).getBoundingClientRect();
              const header = document.querySelector(".bd-header-article").getBoundingClientRect();
              return box.top >= header.bottom - 8 && box.bottom <= innerHeight;
            }""",
            target,
        )
        paint = page.evaluate("(id) => getComputedStyle(document.getElementById(id)).backgroundColor", target)
        return paint not in ("rgba(0, 0, 0, 0)", "transparent")
