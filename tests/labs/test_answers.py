"""Checks tell right answers from plausible wrong ones, in every lab, and say what is wrong.

The answers to a lab stand in answers/<lab>.py: LAB, its master (without the cells that no question needs,
where they take long), RIGHT and WRONG by question, and SAID, a part of what a wrong one is told. PUBLIC,
where it is given, names the cells that the lab's public checks need, which then have to tell right and wrong
apart, too. STUDENT is whose data the answers are graded with, if it matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from lab_kit import discriminates
from lab_public import told
from labutils.coursework.judge import Mark
from places import MASTERS

ANSWERS = {path.stem: import_module(f"answers.{path.stem}") for path in MASTERS}


def cases(*names: str, parts: Any = lambda answers: [()]) -> Any:
    """A test for each lab and each of its `parts`; those of one lab share a worker, which grades once."""
    listed = [
        pytest.param(lab, *part, marks=pytest.mark.xdist_group(lab), id="-".join((lab, *part)))
        for lab, answers in ANSWERS.items()
        for part in parts(answers)
    ]
    return pytest.mark.parametrize(names, listed, indirect=["graded"] if "graded" in names else [])


def mistakes(answers: Any) -> Iterator[tuple[str, str]]:
    return ((question, label) for question, said in answers.SAID.items() for label in said)


def asked_in_public(answers: Any) -> Iterator[tuple[str]]:
    coded = (question.id for question in answers.LAB.questions if question.kind != "text")
    return ((question,) for question in coded if hasattr(answers, "PUBLIC"))


@pytest.fixture(scope="module")
def graded(request: pytest.FixtureRequest) -> tuple[Any, dict[str, dict[str, Mark]]]:
    """The answers to a lab and what each gets; that right and wrong are told apart is asserted on the way."""
    answers = ANSWERS[request.param]
    student = getattr(answers, "STUDENT", "s1")
    return answers, discriminates(answers.LAB, answers.RIGHT, answers.WRONG, student)


@cases("graded")
def test_right_and_wrong_are_told_apart(graded: tuple[Any, dict[str, dict[str, Mark]]]) -> None:
    answers, found = graded
    assert {question: len(got) for question, got in found.items()} == {
        question: 1 + len(answers.RIGHT[question]) + len(answers.WRONG[question])
        for question in answers.RIGHT
    }


@cases("graded", "question", "label", parts=mistakes)
def test_the_mistake_is_named(
    graded: tuple[Any, dict[str, dict[str, Mark]]], question: str, label: str
) -> None:
    answers, found = graded
    assert answers.SAID[question][label] in found[question][label].sentence


@cases("lab", "question", parts=asked_in_public)
def test_the_public_check_lets_right_answers_pass_and_names_mistakes(lab: str, question: str) -> None:
    answers = ANSWERS[lab]
    right = told(answers.LAB, question, answers.RIGHT[question], answers.PUBLIC)
    assert {label: found for label, found in right.items() if found} == {}
    if answers.LAB.question(question).kind != "value":  # of a number it finds gross mistakes only
        wrong = told(answers.LAB, question, answers.WRONG[question], answers.PUBLIC)
        assert [label for label, found in wrong.items() if not found] == []
