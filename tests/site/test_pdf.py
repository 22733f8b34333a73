"""The PDF of the book: numbered, with bookmarks and contents, full pages, and links that lead within it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import nbformat
import pypdfium2 as pdfium
import pytest
from playwright.sync_api import Browser
from pypdf import PdfReader
from pypdf.generic import Destination

import book
import pdf
from browser import BROWSER_TESTS
from places import ROOT

PRINTED = [
    ("notebooks/foundations/probability", "Foundations"),
    ("notebooks/transformers/attention", "Transformers"),
    ("book/glossary", "Reference"),
]
MARGINS = (0.06, 0.935)  # above and below stand the title and the number of the page


@pytest.fixture(scope="module")
def printed(browser: Browser, site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two chapters and the glossary, printed."""
    out = tmp_path_factory.mktemp("pdf") / "book.pdf"
    assert pdf.make(browser, ROOT, site, out, PRINTED) == len(PdfReader(out).pages)
    return out


@pytest.fixture(scope="module")
def texts(printed: Path) -> list[str]:
    return [page.extract_text() for page in PdfReader(printed).pages]


def firsts(printed: Path) -> list[int]:
    """The numbers of the sheets on which the pages of the site begin, counted from 1."""
    reader = PdfReader(printed)
    tops = [entry for entry in reader.outline if isinstance(entry, Destination)]
    return [(reader.get_destination_page_number(top) or 0) + 1 for top in tops]


def fills(printed: Path) -> Iterator[float]:
    """How far down each sheet is printed on, between 0 and 1."""
    for page in pdfium.PdfDocument(printed):
        picture = page.render(scale=0.5, grayscale=True).to_pil()
        top, bottom = (int(picture.height * share) for share in MARGINS)
        inside = picture.crop((0, top, picture.width, bottom))
        inked = inside.point(lambda shade: 255 if shade < 245 else 0).getbbox()
        yield inked[3] / inside.height if inked else 0.0


class TestPrinted:
    pytestmark = BROWSER_TESTS

    def test_bookmarks_name_chapters_and_sections(self, printed: Path) -> None:
        outline = PdfReader(printed).outline
        tops = [str(entry.title) for entry in outline if isinstance(entry, Destination)]
        chapters = [page for page in book.pages_of_toc(ROOT) if page.startswith("notebooks/")]
        wanted = [f"{chapters.index(name) + 1}. {Path(name).name.capitalize()}" for name, _ in PRINTED[:2]]
        assert [top.split(":")[0] for top in tops] == [*wanted, "Glossary"]
        assert "Claims checked" in str(outline[1])
        assert "Solutions" in str(outline[1])

    def test_pages_are_numbered_through_and_the_contents_name_them(
        self, printed: Path, texts: list[str]
    ) -> None:
        begins = firsts(printed)
        for number, text in enumerate(texts[begins[0] - 1 :], begins[0]):
            assert str(number) in re.findall(r"\d+", text[-40:] + text[:120]), text[:120]
        contents = next(text for text in texts if "Contents" in text)
        assert [int(found) for found in re.findall(r"(?<=[\s?])(\d+)$", contents, re.MULTILINE)] == begins
        assert 60 <= len(texts) <= 120

    def test_pages_are_full(self, printed: Path) -> None:
        ends = {first - 1 for first in firsts(printed)}  # the last sheets of the front and of chapters
        full = [fill for number, fill in enumerate(fills(printed), 1) if number not in ends][1:-1]
        assert mean(full) >= 0.9
        assert sum(fill < 0.5 for fill in full) <= len(full) / 50

    def test_the_code_of_figures_is_not_printed_and_other_code_is(self, texts: list[str]) -> None:
        text = "".join("".join(texts).split())
        for page, _ in PRINTED[:2]:
            cells = [
                cell
                for cell in nbformat.read(ROOT / f"{page}.ipynb", as_version=4).cells
                if cell.cell_type == "code"
            ]
            folded = [cell.source for cell in cells if "hide-input" in cell.metadata.get("tags", [])]
            shown = [cell.source for cell in cells if "hide-input" not in cell.metadata.get("tags", [])]
            assert folded
            lines = [
                line for source in folded for line in source.splitlines() if "plt." in line or "show(" in line
            ]
            assert lines
            assert [line for line in lines if "".join(line.split()) in text] == []
            whole = [line for source in shown for line in source.splitlines() if 20 < len(line) < 90]
            assert mean("".join(line.split()) in text for line in whole) > 0.95

    def test_going_deeper_is_printed_and_solutions_stand_at_the_end(self, texts: list[str]) -> None:
        text = " ".join(" ".join(texts).split())
        assert "Two detectors that learnt from the same data make the same mistakes" in text  # a solution
        first, second = (match.start() for match in re.finditer(r"Further reading", text))
        solutions = [match.start() for match in re.finditer(r"Solutions Exercise 1", text)]
        assert len(solutions) == 2
        assert first < solutions[0] < second < solutions[1]
        assert "Going deeper" in text

    def test_fonts_are_in_the_file(self, printed: Path) -> None:
        missing = set()
        for page in PdfReader(printed).pages:
            for font in (page["/Resources"].get("/Font") or {}).values():
                font = font.get_object()
                inner = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
                if inner["/Subtype"] == "/Type3":
                    continue  # its characters are drawings in the file
                kept = inner["/FontDescriptor"].get_object().keys() & {
                    "/FontFile",
                    "/FontFile2",
                    "/FontFile3",
                }
                if not kept:
                    missing.add(inner["/BaseFont"])
        assert missing == set()

    def test_links_lead_within_the_file_or_to_the_site(self, printed: Path) -> None:
        reader = PdfReader(printed)
        numbers = {page.indirect_reference.idnum: n for n, page in enumerate(reader.pages, 1)}
        begins = firsts(printed)
        inside, outside = [], []
        for number, page in enumerate(reader.pages, 1):
            for link in page.get("/Annots") or ():
                link = link.get_object()
                if link.get("/Subtype") != "/Link":
                    continue
                if "/Dest" in link:
                    inside.append((number, numbers[link["/Dest"][0].indirect_reference.idnum]))
                else:
                    outside.append(str(link["/A"]["/URI"]))
        assert [link for link in outside if not link.startswith("http")] == []
        assert any(link.endswith("notebooks/sequences/rnn.html") for link in outside)  # is not in this file
        contents = [target for start, target in inside if start < begins[0]]
        assert contents == begins
        to_glossary = [target for start, target in inside if target >= begins[2] > start]
        assert len(to_glossary) >= 10  # terms
        assert len(set(to_glossary)) >= 3  # each at its own place
        assert any(begins[0] <= target < begins[1] <= start < begins[2] for start, target in inside)  # 6 to 2


def test_the_book_has_its_chapters_and_references() -> None:
    pages = [page for page, _ in pdf.printed_pages(ROOT)]
    assert [page for page in book.pages_of_toc(ROOT) if page not in pages] == [
        page for page in book.pages_of_toc(ROOT) if page in pdf.LEFT_OUT
    ]
    assert {"notebooks/sequences/rnn", "book/glossary", "book/references"} <= set(pages)


def test_without_a_browser_the_command_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts/pdf.py")]
    done = subprocess.run(
        command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert "make pdf prints with Chromium or Chrome" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("text", "found"), [("the book of 熵", True), ("the book of", False)])
def test_gaps_for_chinese_are_noticed(text: str, found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Sheet:
        def extract_text(self) -> str:
            return text

    monkeypatch.setattr(pdf, "PdfReader", lambda out: type("Reader", (), {"pages": [Sheet()]}))
    assert pdf.has_chinese(Path("book.pdf")) is found
