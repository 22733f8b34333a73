"""What is wider than a phone, or than a laptop's column: it scrolls in a box of its own that shows it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from PIL import Image, ImageStat
from playwright.sync_api import Browser, Locator, Page

import book_claims
import book_wide
from browser import BROWSER_TESTS, GENERATED, Visit, pages

PHONE, SMALL, LAPTOP = ({"width": w, "height": h} for w, h in ((360, 740), (320, 640), (1440, 900)))
CHAPTER = "notebooks/foundations/information_theory.html"
GATES = "notebooks/sequences/lstm_gru.html"
PRINTED = """bits a character: mean of ten tenths (lowest-highest)
              alone               after nine
gzip          2.95 (2.87-3.03)
xz            2.60 (2.53-2.66)    2.25 (2.21-2.29)
ahead of all others, and by more than anybody had thought before it was measured
step  5: loss 2.08
step 10: loss 1.58

[[0.5 0.5]
 [0.1 0.9]]

one  line"""


# --- at build


def test_printed_tables_are_told_from_prose() -> None:
    lines = PRINTED.split("\n")
    assert (
        [lines[run.start : run.stop] for run in book_wide.tables(lines)]
        == [
            lines[1:4],
            lines[5:7],  # the second line has no double space and stands in the same columns
            lines[8:10],
        ]
    )
    assert book_wide.tables(["A sentence on one line", "and another below it, which is longer."]) == []


def test_a_box_changes_nothing_but_where_lines_break() -> None:
    boxed = book_wide.with_boxes(PRINTED)
    assert boxed.count('<span class="columns">') == 3
    # As a block begins and ends a line, the line breaks around it are not in the text.
    assert book_wide.TAG.sub("", boxed).replace("\n", "") == PRINTED.replace("\n", "")
    colour = '<span class="red">a  b\nc  d</span>\ne  f'
    assert book_wide.with_boxes('x  y\n<span class="red">a  b\nc') == 'x  y\n<span class="red">a  b\nc'
    assert book_wide.with_boxes(colour).count("columns") == 1


@pytest.mark.parametrize(
    ("code", "broken"),
    [("torch.nn.LSTM", "torch.|nn.|LSTM"), ("n_hidden", "n_|hidden"), ("order", "order"), ("a/b", "a/|b"),
     ("__init__", "__init__"), ("2.5", "2.5"), ("&lt;a&gt;.b", "&lt;a&gt;.b")],
)  # fmt: skip
def test_names_break_at_their_joints(code: str, broken: str) -> None:
    page = f'<code class="docutils literal notranslate"><span class="pre">{code}</span></code>'
    assert book_wide.with_joints(page) == page.replace(code, broken).replace("|", "<wbr>")


# --- in a browser


def edge(box: Locator, side: str) -> int:
    """Return how much a box's ground differs at one side, of 255: by medians, since words are few."""
    with Image.open(io.BytesIO(box.screenshot(animations="disabled"))) as picture:
        grey = picture.convert("L")
        x = grey.width - 2 if side == "right" else 4  # a border may stand on the left
        column = grey.crop((x, 0, x + 1, grey.height))
        return abs(int(ImageStat.Stat(grey).median[0]) - int(ImageStat.Stat(column).median[0]))


def widest(page: Page, selector: str) -> Locator:
    """Return the box, of those that a selector finds, in which most is hidden; mark it by an id."""
    page.evaluate(
        """(selector) => {
        const boxes = [...document.querySelectorAll(selector)].filter((box) => box.checkVisibility());
        const hidden = (box) => box.scrollWidth - box.clientWidth;
        boxes.sort((a, b) => hidden(b) - hidden(a))[0].id = "widest";
    }""",
        selector,
    )
    return page.locator("#widest")


@pytest.mark.parametrize("name", pages(*GENERATED))
class TestNoPage:
    pytestmark = BROWSER_TESTS

    @pytest.mark.parametrize("size", [SMALL, PHONE], ids=["320", "360"])
    def test_scrolls_sideways(self, browser: Browser, address: str, name: str, size: dict[str, int]) -> None:
        visit = Visit(browser, viewport=size)
        visit.page.goto(f"{address}/{name}.html", wait_until="load")
        visit.page.evaluate("document.querySelectorAll('details').forEach((folded) => (folded.open = true))")
        visit.page.wait_for_timeout(200)  # charts find their width
        width = visit.page.evaluate("document.documentElement.scrollWidth")
        visit.page.context.close()
        assert width <= size["width"]


class TestOnAPhone:
    pytestmark = BROWSER_TESTS

    @pytest.mark.parametrize(
        ("page", "selector", "role"),
        [
            (CHAPTER, "pre > .columns", "Printed table"),
            ("book/notation.html", ".pst-scrollable-table-container", "Table"),
            (GATES, "div.math", "Formula"),
            (CHAPTER, ".cell_input pre", ""),
        ],
    )
    def test_a_wide_box_scrolls_shows_it_and_is_reached(
        self, browser: Browser, address: str, page: str, selector: str, role: str
    ) -> None:
        visit = Visit(browser, viewport=PHONE)
        visit.page.goto(f"{address}/{page}", wait_until="load")
        box = widest(visit.page, selector)
        assert box.evaluate("(box) => box.scrollWidth > box.clientWidth + 20"), "nothing here is wide"
        visit.page.wait_for_timeout(200)  # observers of size
        box.scroll_into_view_if_needed()
        assert edge(box, "right") > 20, "nothing shows that there is more"
        assert edge(box, "left") < 10
        box.focus()
        assert box.evaluate("(box) => box === document.activeElement")
        if role:
            assert box.get_attribute("aria-label") == f"{role}, scrolls sideways"
            assert box.get_attribute("role") == "group"
        box.press("ArrowRight")
        visit.page.wait_for_timeout(300)
        assert box.evaluate("(box) => box.scrollLeft") > 0
        box.evaluate("(box) => { box.scrollLeft = 1e6; box.blur(); }")
        assert edge(box, "right") < 10, "at its end a box says that there is more"
        assert edge(box, "left") > 20
        visit.page.context.close()

    @pytest.mark.parametrize("page", [GATES, "notebooks/transformers/attention.html"])
    def test_a_formula_that_is_all_seen_does_not_scroll(
        self, browser: Browser, address: str, page: str
    ) -> None:
        visit = Visit(browser, viewport=PHONE)
        visit.page.goto(f"{address}/{page}", wait_until="load")
        boxes = visit.page.locator("div.math:visible").evaluate_all("""(boxes) => boxes.map((box) => {
            const formula = box.querySelector("mjx-math").getBoundingClientRect();
            return [box.scrollWidth > box.clientWidth + 1, formula.width > box.clientWidth + 1];
        })""")
        visit.page.context.close()
        assert len(boxes) >= 4
        assert all(scrolls == is_wide for scrolls, is_wide in boxes)

    def test_rows_of_a_printed_table_stay_on_their_lines(self, browser: Browser, address: str) -> None:
        visit = Visit(browser, viewport=PHONE)
        visit.page.goto(f"{address}/{CHAPTER}", wait_until="load")
        wrapped = visit.page.evaluate("""[...document.querySelectorAll("pre > .columns")].filter((box) => {
            const lines = box.textContent.split("\\n").length;
            const height = parseFloat(getComputedStyle(box).lineHeight);
            return box.checkVisibility() && box.scrollHeight > (lines + 0.5) * height;
        }).length""")
        assert wrapped == 0
        assert visit.page.locator("pre > .columns:visible").count() >= 5
        visit.page.context.close()

    def test_no_name_breaks_within_a_word(self, browser: Browser, address: str) -> None:
        visit = Visit(browser, viewport=SMALL)
        for page in ("book/notation", "book/claims", "book/use", "notebooks/sequences/rnn"):
            visit.page.goto(f"{address}/{page}.html", wait_until="load")
            broken = visit.page.evaluate("""() => {
                const found = [];
                for (const piece of document.querySelectorAll("article code .pre")) {
                    for (const text of piece.childNodes) {
                        if (text.nodeType !== 3) continue;
                        const range = document.createRange();
                        range.selectNodeContents(text);
                        const tops = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
                        if (tops.size > 1 && !text.textContent.includes("-")) found.push(text.textContent);
                    }
                }
                return found;
            }""")
            assert broken == [], page
        visit.page.context.close()

    @pytest.mark.parametrize("page", ["book/claims", "notebooks/sequences/lstm_gru"])
    def test_claims_are_cards_with_the_verdict_first(self, browser: Browser, address: str, page: str) -> None:
        visit = Visit(browser, viewport=PHONE)
        visit.page.goto(f"{address}/{page}.html", wait_until="load")
        cards = visit.page.locator("table.claims tbody tr").evaluate_all("""(rows) => rows.map((row) => {
            const cells = [...row.children].map((cell) => cell.getBoundingClientRect());
            const words = [...row.children].map((cell) => getComputedStyle(cell, "::before").content);
            const order = [3, 1, 2].map((n) => cells[n].top);
            return [words, order[0] < order[1] && order[1] < order[2],
                    cells.every((cell) => cell.left >= 0 && cell.right <= innerWidth)];
        })""")
        head = [part.strip() for part in book_claims.HEAD.strip("| ").split("|")]
        assert len(cards) >= 5
        for said, in_order, whole in cards:
            assert [word.strip('"') for word in said] == head
            assert in_order, "verdict, claim, what was measured"
            assert whole, "a part of a card is off the screen"
        visit.page.set_viewport_size(LAPTOP)  # type: ignore[arg-type]
        assert (
            visit.page.locator("table.claims tr").first.evaluate("(row) => getComputedStyle(row).display")
            == "table-row"
        )
        visit.page.context.close()


class TestOnALaptop:
    pytestmark = BROWSER_TESTS

    def test_code_is_of_a_size_with_prose_and_110_characters_fit(
        self, browser: Browser, address: str
    ) -> None:
        visit = Visit(browser, viewport=LAPTOP)
        visit.page.goto(f"{address}/{CHAPTER}", wait_until="load")
        code = visit.page.locator(".cell_input pre:visible").first
        size = "(element) => parseFloat(getComputedStyle(element).fontSize)"
        assert code.evaluate(size) == 13.5
        assert visit.page.locator(".cell_output pre:visible").first.evaluate(size) == 13.5
        assert visit.page.locator("article p").first.evaluate(size) == 16
        code.evaluate("(pre) => (pre.textContent = 'x'.repeat(110))")
        assert code.evaluate("(pre) => pre.scrollWidth <= pre.clientWidth")
        code.evaluate("(pre) => (pre.textContent = 'x'.repeat(120))")
        assert code.evaluate("(pre) => pre.scrollWidth > pre.clientWidth")  # the check can tell
        visit.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        assert code.evaluate(size) == 13
        visit.page.context.close()

    @pytest.mark.parametrize("system", ["light", "dark"])
    def test_words_of_code_have_colours(self, browser: Browser, address: str, system: str) -> None:
        visit = Visit(browser, viewport=LAPTOP, color_scheme=system)
        visit.page.goto(f"{address}/{CHAPTER}", wait_until="load")
        colours = visit.page.evaluate("""["k", "s2", "mi", "nf", "nb", "c1", "n"].map((kind) =>
            getComputedStyle(document.querySelector(`.cell_input pre span.${kind}`)).color)""")
        visit.page.context.close()
        assert len(set(colours)) == len(colours)

    def test_no_formula_is_cut_on_screen_or_paper(self, browser: Browser, address: str) -> None:
        visit = Visit(browser, viewport=LAPTOP)
        visit.page.goto(f"{address}/{GATES}", wait_until="load")
        cut = """(most) => [...document.querySelectorAll("div.math")].map((box) => {
            const formula = box.querySelector("mjx-math").getBoundingClientRect();
            return [formula.right - box.getBoundingClientRect().right, box.dataset.tex.slice(0, 40)];
        }).filter(([over]) => over > most)"""
        visit.page.evaluate("document.querySelectorAll('details').forEach((folded) => (folded.open = true))")
        assert visit.page.evaluate(cut, 1) == []
        visit.page.set_viewport_size({"width": 660, "height": 940})  # A4 less its margins
        visit.page.emulate_media(media="print")
        assert visit.page.evaluate(cut, 1) == []
        assert len(visit.page.evaluate(cut, -400)) >= 3, "no formula here is wide"
        visit.page.context.close()


def test_every_formula_says_its_tex(site: Path) -> None:
    page = BeautifulSoup((site / GATES).read_text(encoding="utf-8"), "html.parser")
    formulas = page.select(".math")
    assert len(formulas) > 50
    assert all(formula.get("data-tex") for formula in formulas)
    assert any(re.search(r"\\odot", str(formula["data-tex"])) for formula in formulas)
