"""Every check of every chapter accepts right answers in several styles and tells wrong ones apart.

The answers are tables in the chapters' own test modules: RIGHT[exercise] is a list of right answers,
WRONG a list of (exercise, wrong answer, words that the message must have).
"""

from __future__ import annotations

import importlib.util
import inspect
from collections import Counter, defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from labutils.checks import core, evaluate, names

HERE = Path(__file__).parent


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"answers_{path.stem}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLES = {path.stem.removeprefix("test_"): _load(path) for path in sorted(HERE.glob("*/test_*.py"))}
RIGHT = [
    (f"{chapter}.{name}", number, answer)
    for chapter, module in TABLES.items()
    for name, answers in getattr(module, "RIGHT", {}).items()
    for number, answer in enumerate(answers)
]
WRONG = [
    (f"{chapter}.{name}", answer, words)
    for chapter, module in TABLES.items()
    for name, answer, words in getattr(module, "WRONG", [])
]


@pytest.mark.parametrize(("name", "answer"), [pytest.param(n, a, id=f"{n}-{i}") for n, i, a in RIGHT])
def test_right_answer_passes(name: str, answer: Any) -> None:
    result = evaluate(name, answer)
    assert result.status == "right", result.message


@pytest.mark.parametrize(
    ("name", "answer", "words"), [pytest.param(*row, id=f"{row[0]}-{row[2]}") for row in WRONG]
)
def test_wrong_answer_is_told_why(name: str, answer: Any, words: str) -> None:
    result = evaluate(name, answer)
    assert result.status == "wrong", f"{words}: {result.message}"
    assert words in result.message, result.message


@pytest.mark.parametrize("name", sorted({name for name, _, answer in RIGHT if inspect.isroutine(answer)}))
def test_stub_is_unanswered(name: str) -> None:
    assert evaluate(name, lambda *args, **options: None).status == "unanswered"


@pytest.mark.parametrize("name", names())
def test_check_is_tried(name: str) -> None:
    """Two right answers at least, and two wrong ones that get different words."""
    assert sum(name == other for other, _, _ in RIGHT) >= 2
    messages = Counter(evaluate(other, answer).message for other, answer, _ in WRONG if other == name)
    assert len(messages) >= 2, messages


def test_tables_name_checks_that_exist() -> None:
    assert {name for name, *_ in [*RIGHT, *WRONG]} <= set(names())


@pytest.mark.parametrize("chapter", TABLES)
def test_asking_for_a_chapter_loads_no_other(chapter: str) -> None:
    """In this process all are loaded: the list of names is the chapter's own all the same."""
    assert all(name.startswith(f"{chapter}.") for name in names(chapter))


def test_an_answer_that_works_in_place_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The copies are of arrays and tensors, within lists and dicts as well."""
    torch = pytest.importorskip("torch")
    given: defaultdict[str, Any] = defaultdict(
        list,
        array=np.ones(3),
        tensor=torch.ones(3),
        many=[np.ones(2), (torch.ones(2),)],
        named={"a": np.ones(2)},
    )

    def answer(array: Any, tensor: Any, many: Any, named: Any) -> bool:
        for part in (array, tensor, many[0], many[1][0], named["a"]):
            part *= 0
        return True

    def check(answer: Any) -> str | None:
        answer(given["array"], given["tensor"], given["many"], named=given["named"])
        left = [given["array"], given["tensor"], given["many"][0], given["many"][1][0], given["named"]["a"]]
        return None if all(bool((part == 1).all()) for part in left) else "changed"

    monkeypatch.setitem(core._CHECKS, "test.copies", check)
    assert evaluate("test.copies", answer).status == "right"
