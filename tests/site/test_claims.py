"""The ledger of claims and the numbers that pages quote: what the chapters' cells printed, nothing typed."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

import book
import book_claims
from book_access import VERDICTS as KINDS
from labutils.figures import VERDICTS, claims
from places import NOTEBOOKS, ROOT


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def counted(page: BeautifulSoup) -> Counter[str]:
    """The verdicts that a page's tables of claims show."""
    return Counter(cell.get_text(strip=True) for cell in page.select("table.claims td.verdict"))


def test_the_ledger_holds_the_claims_of_every_chapter(site: Path) -> None:
    ledger = soup(site / "book/claims.html")
    shown: Counter[str] = Counter()
    for path in NOTEBOOKS:
        name = path.relative_to(ROOT).with_suffix("").as_posix()
        page = soup(site / f"{name}.html")
        shown += counted(page)
        links = ledger.select(f'article a[href="../{name}.html"]')
        assert len(links) == 2, f"{name}: in the table of counts, and above its claims"
        [row] = [link.find_parent("tr") for link in links if link.find_parent("tr")]
        assert row.find_all("td")[1].get_text(strip=True) == str(counted(page).total())
    assert counted(ledger) == shown
    assert shown.total() >= 5 * len(NOTEBOOKS)


def test_the_numbers_of_the_front_page_are_those_of_the_ledger(site: Path) -> None:
    count = counted(soup(site / "book/claims.html"))
    words = " ".join(soup(site / "index.html").select_one("article").get_text().split())
    found = re.search(r"So far (\d+) claims that circulate have been measured: (.*?)\. Each chapter", words)
    assert found, "the front page says how many claims were measured"
    assert int(found[1]) == count.total()
    assert sum(map(int, re.findall(r"\d+", found[2]))) == count.total()
    assert f"{count['wrong']} are wrong" in found[2]
    written = {7: "Seven", 8: "Eight", 9: "Nine", 10: "Ten"}.get(len(NOTEBOOKS), str(len(NOTEBOOKS)))
    assert f"{written} chapters are written" in words
    for page in ("index", "claims"):
        source = (ROOT / f"book/{page}.md").read_text(encoding="utf-8")
        assert "{{ verdicts }}" in source
        assert not re.search(r"\d+ (claims|are wrong|holds?\b)", source), "a number that is typed"


def test_the_first_screen_tells_and_draws_the_verdicts(site: Path) -> None:
    count = counted(soup(site / "book/claims.html"))
    fact = soup(site / "index.html").select_one(".front-claims")
    assert fact is not None
    assert fact.select_one("strong").get_text() == f"{count['wrong']} of {count.total()} claims are wrong."
    others = re.findall(r"\d+", fact.get_text().split("Of the others,")[1])
    assert sum(map(int, others)) == count.total() - count["wrong"]
    assert fact.select_one('a[href="book/claims.html"]')
    drawn = Counter(str(cell["class"][0]).removeprefix("verdict-") for cell in fact.select("svg rect"))
    assert drawn == Counter({KINDS[verdict]: number for verdict, number in count.items()})


def test_a_table_is_read_as_labutils_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(f"00{n} §1", "a | b", "$x$ is 2", verdict) for n, verdict in enumerate(VERDICTS)]
    shown: list[dict[str, str]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    claims(rows)
    read = book_claims.rows_of(shown[0]["text/markdown"])
    assert [verdict for _, verdict in read] == list(VERDICTS)
    one, many = (
        book_claims.numbers([book_claims.Chapter("a", "A", tuple(read * times))]) for times in (1, 2)
    )
    assert one["verdicts"] == "1 is wrong, 1 is misleading, 1 holds with a condition, 1 holds"
    assert many["verdicts"] == "2 are wrong, 2 are misleading, 2 hold with a condition, 2 hold"
    assert (one["Chapters"], one["claims"], one["wrong"]) == ("One", "4", "1")
    assert one["others"] == "1 is misleading, 1 holds with a condition, 1 holds"


NO_TABLES = (
    "",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    f"{book_claims.HEAD}\n|---|\n| a | **so** |",
    book_claims.HEAD,
)


@pytest.mark.parametrize("table", NO_TABLES)
def test_what_is_no_table_of_claims_is_noticed(table: str) -> None:
    with pytest.raises(ValueError, match=r"no table of labutils|a verdict is one of"):
        book_claims.rows_of(table)


def test_a_claim_more_is_counted_at_the_next_build(small: Path) -> None:
    """The ledger, the sentence and the badge of every verdict, in a small book of one chapter."""

    def build(verdicts: tuple[str, ...]) -> BeautifulSoup:
        lines = [book_claims.HEAD, "|---|---|---|---|"]
        lines += [f"| 001 §1 | claim {verdict} | measured | **{verdict}** |" for verdict in verdicts]
        data = {"text/markdown": "\n".join(lines), "text/plain": "\n".join(lines)}
        output = nbformat.v4.new_output("display_data", data=data)
        cells = [
            nbformat.v4.new_markdown_cell("# Chapter: what is it?"),
            nbformat.v4.new_code_cell("claims([])", execution_count=1, outputs=[output]),
        ]
        info = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=info), small / "chapter.ipynb")
        return soup(book.build(small) / "page.html")

    (small / "_toc.yml").write_text(
        "format: jb-book\nroot: page\nchapters:\n  - file: chapter\n", encoding="utf-8"
    )
    (small / "page.md").write_text(
        "# A page\n\n{{ Chapters }} chapter, {{ claims }} claims: {{ verdicts }}.\n\n"
        "```{claims-ledger}\n```\n",
        encoding="utf-8",
    )
    page = build(VERDICTS[:3])
    assert "One chapter, 3 claims: 1 is misleading, 1 holds with a condition, 1 holds." in page.get_text()
    assert counted(page) == Counter(VERDICTS[:3])
    page = build(VERDICTS)
    assert "One chapter, 4 claims: 1 is wrong" in page.get_text()
    assert counted(page) == Counter(VERDICTS)
