"""Self-test questions in a real browser: by keyboard, without JavaScript, on paper, in both themes."""

from __future__ import annotations

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page

import anatomy
import question_rules
from browser import BROWSER_TESTS, Visit, chapters
from places import NOTEBOOKS, ROOT

pytestmark = BROWSER_TESTS
CHAPTERS = {
    path.relative_to(ROOT).with_suffix("").as_posix(): question_rules.questions(
        anatomy.Chapter(nbformat.read(path, as_version=4), path.stem)
    )
    for path in NOTEBOOKS
}


def groups(page: Page) -> list[Locator]:
    return page.locator(".labutils-question").all()


def answer_by_keyboard(page: Page, group: Locator, number: int, mark: str) -> None:
    """Open one choice with the keyboard alone: its answer appears, with its mark, its word and its tint."""
    choice = group.locator("details").nth(number)
    answer = choice.locator("summary ~ *").first
    assert not answer.is_visible(), "an answer is seen before its choice was opened"
    closed = choice.evaluate("choice => getComputedStyle(choice).backgroundColor")
    choice.locator("summary").focus()
    page.keyboard.press("Enter")
    answer.wait_for(state="visible", timeout=2000)
    assert answer.inner_text().startswith(mark)
    assert choice.evaluate("choice => getComputedStyle(choice).backgroundColor") != closed
    if number + 1 < group.locator("details").count():
        page.keyboard.press("Tab")  # goes on to the next choice, or to a formula of the answer
        assert page.evaluate("!!document.activeElement.closest('.labutils-question')")


@pytest.mark.parametrize("name", chapters())
def test_choices_open_by_keyboard_and_say_why(visit: Visit, address: str, name: str) -> None:
    page = visit.page
    page.goto(f"{address}/{name}.html", wait_until="load")
    assert len(groups(page)) == len(CHAPTERS[name]) >= 2
    for group, question in zip(groups(page), CHAPTERS[name], strict=True):
        assert (group.get_attribute("role"), group.get_attribute("aria-label")) == ("group", "Question")
        assert group.locator("details").count() == len(question.choices)
        [right] = question.right
        answer_by_keyboard(page, group, 1 if right == 0 else 0, "✗ No.")
        answer_by_keyboard(page, group, right, "✓ Yes.")
    open_all(page)
    tex = page.locator(".labutils-question span.math")
    assert tex.count() > 0 or not any("$" in answer for q in CHAPTERS[name] for _, answer in q.choices)
    for formula in tex.all():
        formula.locator("mjx-container").wait_for(timeout=10_000)
    assert [
        text for group in groups(page) for text in ("$", "\\(", "**", "`") if text in group.inner_text()
    ] == []
    assert visit.faults == []


def open_all(page: Page) -> None:
    page.evaluate("document.querySelectorAll('.labutils-question details').forEach(d => { d.open = true; })")


def test_answers_are_legible_in_both_themes(visit: Visit, address: str) -> None:
    page = visit.page
    page.goto(f"{address}/{next(iter(CHAPTERS))}.html", wait_until="load")
    open_all(page)
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        found = Axe().run(page, context=".labutils-question").response["violations"]
        assert [(theme, fault["id"], fault["nodes"][0]["html"][:200]) for fault in found] == []


def test_questions_need_no_javascript(browser: Browser, address: str) -> None:
    plain = Visit(browser, java_script_enabled=False)
    plain.page.goto(f"{address}/{next(iter(CHAPTERS))}.html")
    choice = plain.page.locator(".labutils-question details").first
    assert not choice.locator("p").first.is_visible()
    choice.locator("summary").click()
    assert choice.locator("p").first.is_visible()
    plain.page.context.close()


def test_paper_shows_every_answer(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/{next(iter(CHAPTERS))}.html", wait_until="load")
    visit.page.emulate_media(media="print")
    for choice in visit.page.locator(".labutils-question details").all():
        answer, around = choice.locator("p").first.bounding_box(), choice.bounding_box()
        assert answer is not None
        assert around is not None  # a folded answer has a place as well, but outside of its choice
        assert around["y"] < answer["y"] < answer["y"] + answer["height"] <= around["y"] + around["height"]
