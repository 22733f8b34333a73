"""The site brings its fonts: the same look everywhere, small, licensed, and read by browsers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

import book_fonts
from browser import BROWSER_TESTS, Visit
from places import ROOT

STYLE = (ROOT / "book/static/site.css").read_text(encoding="utf-8")


def test_the_style_sheet_names_the_fonts_that_are_written(site: Path) -> None:
    faces = re.findall(r"@font-face \{([^}]*)\}", STYLE)
    named = {re.findall(r'src: url\("fonts/([\w.-]+)"\) format\("woff2"\);', face)[0] for face in faces}
    assert named == {font.file for font in book_fonts.FONTS}
    assert all("font-display: swap;" in face for face in faces)
    written = site / "_static" / book_fonts.FOLDER
    assert named == {path.name for path in written.glob("*.woff2")}
    assert sum((written / name).stat().st_size for name in named) < 80_000


@pytest.mark.parametrize("font", book_fonts.FONTS, ids=lambda font: font.file)
def test_a_font_holds_what_pages_say_and_its_licence(site: Path, font: book_fonts.Font) -> None:
    folder = site / "_static" / book_fonts.FOLDER
    cut = TTFont(folder / font.file)
    characters = set(cut.getBestCmap())
    assert set(range(0x20, 0x7F)) <= characters
    assert {ord(letter) for letter in "éüλσ–“”…≈→"} <= characters
    assert not any(0x4E00 <= code <= 0x9FFF for code in characters)  # the system has these
    assert "SIL Open Font Licen" in str(cut["name"].getDebugName(13))
    if font.axes["wght"] == book_fonts.REGULAR_TO_BOLD:
        [axis] = cut["fvar"].axes
        assert (axis.axisTag, axis.minValue, axis.maxValue) == ("wght", *book_fonts.REGULAR_TO_BOLD)
    licence = folder / f"{font.package}-licence.txt"
    assert "SIL Open Font License, Version 1.1" in licence.read_text(encoding="utf-8")
    assert font.family in (ROOT / "book/index.md").read_text(encoding="utf-8")


def test_a_character_that_only_a_script_writes_is_in_the_fonts(tmp_path: Path) -> None:
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static/chart.js").write_text("write('ĕ 熵')", encoding="utf-8")
    (tmp_path / "page.html").write_text("<p>Ẽ</p>", encoding="utf-8")
    assert book_fonts.characters_of(tmp_path) - book_fonts.ALWAYS == {ord("ĕ"), ord("Ẽ")}


class TestInABrowser:
    pytestmark = BROWSER_TESTS

    def test_text_and_code_are_set_in_them(self, visit: Visit, address: str) -> None:
        asked: list[str] = []
        visit.page.on("request", lambda request: asked.append(request.url))
        said: list[str] = []
        visit.page.on("console", lambda message: said.append(message.text))
        visit.page.goto(f"{address}/notebooks/foundations/probability.html", wait_until="load")
        session = visit.page.context.new_cdp_session(visit.page)
        session.send("DOM.enable")
        session.send("CSS.enable")
        document = session.send("DOM.getDocument")["root"]["nodeId"]

        def fonts(selector: str) -> set[tuple[str, bool]]:
            node = session.send("DOM.querySelector", {"nodeId": document, "selector": selector})["nodeId"]
            used = session.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
            return {(font["familyName"], font["isCustomFont"]) for font in used}

        visit.page.evaluate("document.fonts.ready")
        assert fonts("article h1") == {("Inter", True)}
        assert fonts("article section > p") == {("Inter", True)}
        assert fonts("article section > p code span.pre") == {("JetBrains Mono", True)}
        # Asked for ahead, by the very address that the style sheet names: fetched once.
        assert sum("fonts/text.woff2" in url for url in asked) == 1
        assert [text for text in said if "preload" in text] == []
        assert visit.faults == []
