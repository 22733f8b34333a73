"""No line begins with a comma: punctuation stays with the formula that it touches."""

from __future__ import annotations

import pytest

from browser import BROWSER_TESTS, Visit, chapters

pytestmark = BROWSER_TESTS

# Punctuation behind a formula that begins a line, and brackets before one that end the line above it.
STRAYS = """() => {
    const found = [];
    const at = (node, start) => {
        const range = document.createRange();
        range.setStart(node, start);
        range.setEnd(node, start + 1);
        return range.getBoundingClientRect();
    };
    for (const folded of document.querySelectorAll("details")) folded.open = true;
    const formulas = "#main-content p span.math, #main-content li span.math";
    for (const formula of document.querySelectorAll(formulas)) {
        if (!formula.checkVisibility()) continue;  // in the meaning of a term, which is shown when asked for
        const box = formula.closest("p, li").getBoundingClientRect();
        const parent = formula.parentElement;
        const whole = parent.classList.contains("text-nowrap") ? parent : formula;
        for (const next of [formula.nextSibling, whole.nextSibling])
            if (next?.nodeType === 3 && /^[,.;:)]/.test(next.data) && at(next, 0).left < box.left + 3)
                found.push(`${formula.textContent}${next.data.slice(0, 20)}`);
        for (const last of [formula.previousSibling, whole.previousSibling])
            if (last?.nodeType === 3 && /\\($/.test(last.data)
                    && at(last, last.length - 1).bottom <= formula.getBoundingClientRect().top)
                found.push(`${last.data.slice(-20)}${formula.textContent}`);
    }
    return found;
}"""


@pytest.mark.parametrize("name", chapters())
def test_no_line_begins_with_a_comma(visit: Visit, address: str, name: str) -> None:
    visit.page.goto(f"{address}/{name}.html", wait_until="load")
    assert visit.page.locator("#main-content p span.math").count() > 5
    for width in (320, 360, 390, 768, 1440):
        visit.page.set_viewport_size({"width": width, "height": 900})
        assert visit.page.evaluate(STRAYS) == [], f"at {width} px"
