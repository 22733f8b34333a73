"""The rules for self-test questions, on top of those of anatomy.py; book/authors.md says them to authors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from anatomy import Chapter, rule

LEAD = "**Question.** "
CHOICE = re.compile(r"<details><summary>([^\n]+)</summary>\n\n(.+?)\n\n</details>", re.DOTALL)
FORM = re.compile(rf"{re.escape(LEAD)}(?P<asked>.+?)\n\n(?P<choices><details>.+</details>)", re.DOTALL)
ANSWER = re.compile(r"\*\*(✓ Yes|✗ No)\.\*\* \S")
MARKDOWN = re.compile(r"[$`*]|\]\(")  # the site does not read it in a <summary>
FEWEST_WORDS = 12


@dataclass
class Question:
    """One question cell in its parts: what is asked, and each choice with its answer."""

    cell_id: str
    asked: str
    choices: list[tuple[str, str]]

    @property
    def right(self) -> list[int]:
        return [n for n, (_, answer) in enumerate(self.choices) if answer.startswith("**✓")]


def question_cells(chapter: Chapter) -> list[Any]:
    return [
        cell
        for cell in chapter.notebook.cells
        if cell.cell_type == "markdown" and (cell.id.startswith("question-") or LEAD.strip() in cell.source)
    ]


def parse(cell: Any) -> Question | None:
    """The parts of a question cell; None if it is not in the form."""
    found = FORM.fullmatch(cell.source)
    if not found or not cell.id.startswith("question-"):
        return None
    choices = CHOICE.findall(found["choices"])
    whole = "\n\n".join(
        f"<details><summary>{choice}</summary>\n\n{answer}\n\n</details>" for choice, answer in choices
    )
    return Question(cell.id, found["asked"], choices) if whole == found["choices"] else None


def questions(chapter: Chapter) -> list[Question]:
    return [question for question in map(parse, question_cells(chapter)) if question]


@rule
def asks_where_it_bites(chapter: Chapter) -> list[str]:
    """Two to four questions, each in a section of its own, none after the chapter's argument has ended."""
    count = len(question_cells(chapter))
    faults = [] if 2 <= count <= 4 else [f"{count} self-test questions, 2 to 4 wanted"]
    asked_in: dict[str, str] = {}
    section = ""
    for cell in chapter.notebook.cells:
        if cell in question_cells(chapter):
            if section in ("", "Claims checked") or section in asked_in:
                other = f", where {asked_in[section]} is" if section in asked_in else ""
                faults.append(f"{cell.id} stands in the section {section!r}{other}: put it where it bites")
            asked_in[section] = cell.id
        elif cell.cell_type == "markdown" and section != "Claims checked":
            headings = re.findall(r"^#{2,3} (.+)$", cell.source, re.MULTILINE)
            section = "Claims checked" if "Claims checked" in headings else [section, *headings][-1]
    return faults


@rule
def answers_every_choice(chapter: Chapter) -> list[str]:
    """The form that Jupyter, GitHub and the site all show, one right choice, and a reason for each."""
    faults = []
    for cell in question_cells(chapter):
        question = parse(cell)
        if question is None:
            faults.append(
                f"{cell.id} is not in the form of book/authors.md: an id question-…, {LEAD}…?, then only "
                "choices as <details><summary>…</summary>, blank line, answer, blank line, </details>"
            )
            continue
        if not question.asked.endswith("?"):
            faults.append(f"{cell.id} does not end with a question mark before its choices")
        if not 3 <= len(question.choices) <= 4 or len(question.right) != 1:
            faults.append(
                f"{cell.id} has {len(question.choices)} choices, {len(question.right)} of them right: "
                "3 or 4 wanted, one right"
            )
        for choice, answer in question.choices:
            if not ANSWER.match(answer) or len(answer.split()) < FEWEST_WORDS:
                faults.append(
                    f"{cell.id}, {choice!r}: begin its answer with '**✓ Yes.** ' or '**✗ No.** ' and say "
                    f"why, in {FEWEST_WORDS} words at least"
                )
            if MARKDOWN.search(choice):
                faults.append(
                    f"{cell.id}, {choice!r}: no Markdown and no TeX in a choice, but ½, φ, <i>x</i>"
                )
    return faults


@rule
def hides_its_right_answers(chapter: Chapter) -> list[str]:
    """No place and no length gives the right choice away."""
    found = [question for question in questions(chapter) if len(question.right) == 1]
    faults = []
    if len(found) > 1 and len({question.right[0] for question in found}) == 1:
        faults.append(f"the right choice is number {found[0].right[0] + 1} in all {len(found)} questions")
    longest = [max(range(len(q.choices)), key=lambda n: len(q.choices[n][0])) == q.right[0] for q in found]
    if len(found) > 1 and all(longest):
        faults.append("the right choice is always the longest")
    return faults
