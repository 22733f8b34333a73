"""A formula is copied as its TeX: with the text around it, alone by its button, cut or whole."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

from browser import BROWSER_TESTS, Visit

pytestmark = BROWSER_TESTS
CHAPTER = "notebooks/sequences/lstm_gru.html"
# Selects from the first to the second of two nodes, copies, and returns what a program would paste.
COPY = """([first, last]) => {
  const selection = getSelection();
  selection.removeAllRanges();
  const range = document.createRange();
  range.setStart(first, 0);
  range.setEnd(last, last.childNodes.length);
  selection.addRange(range);
  const clipboardData = new DataTransfer();
  const event = new ClipboardEvent("copy", { clipboardData, bubbles: true, cancelable: true });
  first.dispatchEvent(event);
  return [event.defaultPrevented, clipboardData.getData("text/plain"), clipboardData.getData("text/html")];
}"""


@pytest.fixture
def page(visit: Visit, address: str) -> Page:
    visit.page.goto(f"{address}/{CHAPTER}", wait_until="load")
    return visit.page


def copied(page: Page, first: str, last: str) -> tuple[bool, str, str]:
    pick = "(selector) => document.querySelector(selector)"
    ends = [page.evaluate_handle(pick, selector) for selector in (first, last)]
    taken, text, html = page.evaluate(COPY, ends)
    return bool(taken), str(text), str(html)


def test_a_paragraph_keeps_its_words_and_its_formulas(page: Page) -> None:
    paragraph = "article p:has(span.math)"
    taken, text, html = copied(page, paragraph, paragraph)
    tex = [str(tex) for tex in page.locator(f"{paragraph} >> nth=0").evaluate(
        "(p) => [...p.querySelectorAll('.math')].map((formula) => formula.dataset.tex)"
    )]  # fmt: skip
    assert taken
    assert tex
    for formula in tex:
        assert f"${formula}$" in text
        assert f"${formula}$".replace("&", "&amp;") in html
    words = page.locator(paragraph).first.evaluate("(p) => p.firstChild.textContent.trim()")
    assert words in " ".join(text.split())
    assert "mjx" not in html
    assert page.locator(".copied-with-tex").count() == 0


def test_a_displayed_formula_and_one_that_is_cut(page: Page) -> None:
    tex = str(page.locator("div.math").first.get_attribute("data-tex"))
    taken, text, _ = copied(page, "div.math", "div.math")
    assert taken
    assert text == f"$$\n{tex}\n$$"
    # A selection that begins and ends within a formula takes all of it.
    _, text, _ = copied(page, "div.math mjx-math", "div.math mjx-math")
    assert text == f"$$\n{tex}\n$$"


def test_without_a_formula_the_browser_copies(page: Page) -> None:
    taken, text, _ = copied(page, "article h2", "article h2")
    assert not taken
    assert text == ""


def test_the_button_copies_by_keyboard_and_through_the_clipboard(browser: Browser, address: str) -> None:
    visit = Visit(browser, permissions=["clipboard-read", "clipboard-write"])
    visit.page.goto(f"{address}/{CHAPTER}", wait_until="load")
    button = visit.page.locator("button.copy-tex").first
    assert button.get_attribute("aria-label") == "Copy this formula as TeX"
    button.focus()
    assert button.evaluate("(button) => getComputedStyle(button).opacity") == "1"
    visit.page.keyboard.press("Enter")
    visit.page.locator("button.copy-tex", has_text="Copied").wait_for(timeout=5_000)
    tex = visit.page.locator("div.math").first.get_attribute("data-tex")
    assert visit.page.evaluate("navigator.clipboard.readText()") == tex
    # And a real selection, by the keys that everybody uses.
    visit.page.locator("article p:has(span.math)").first.evaluate(
        "(p) => getSelection().selectAllChildren(p)"
    )
    visit.page.keyboard.press("Control+c")
    inline = visit.page.locator("article p span.math").first.get_attribute("data-tex")
    assert f"${inline}$" in visit.page.evaluate("navigator.clipboard.readText()")
    assert visit.faults == []
    visit.page.context.close()
