"""In a student's notebook: the public checks that it brings itself, each with the name that its answer has.

A lab's cell registers a check with `@exercise("q2", defines="entropy")`; `check("q2")` looks the answer up
among what the notebook has defined, and `check()` does so for all. Messages are those of `labutils.checks`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from labutils.checks import core
from labutils.runtime import degrade

__all__ = ["check", "exercise", "results"]

_CHECKS: dict[str, tuple[str, core.Check]] = {}  # by question: the name of the answer, the check


def exercise(question: str, *, defines: str) -> Callable[[core.Check], core.Check]:
    """Register a check of the answer that the notebook calls `defines`; run again, it replaces the check."""

    def register(function: core.Check) -> core.Check:
        if question not in _CHECKS:
            core.exercise(question)(lambda answer: _found(question, answer))
        _CHECKS[question] = defines, function
        return function

    return register


def _found(question: str, answer: object) -> str | None:
    """What the check says; an answer that raises NotImplementedError, as the release does, is none yet."""
    try:
        return _CHECKS[question][1](answer)
    except NotImplementedError:
        raise core._UnansweredError("raises NotImplementedError") from None


def results() -> Iterator[tuple[str, core.Result]]:
    """Yield each question that has a check, and what its check found."""
    for question in _CHECKS:
        yield question, _result(question)


def _result(question: str) -> core.Result:
    name, _ = _CHECKS[question]
    return core.evaluate(question, getattr(sys.modules["__main__"], name, None))


def check(question: str = "") -> None:
    """Check the answer to `question`, or to all that have a check, and print what was found.

    ValueError if there is no such check: has its cell been run?
    """
    degrade()
    if question and question not in _CHECKS:
        known = ", ".join(_CHECKS) or "none: has the cell with the checks been run?"
        raise ValueError(f"question is {question!r}: there is no check of it, only of {known}")
    if question:
        print(_result(question))
        return
    found = dict(results())
    still_open = [name for name, result in found.items() if result.status == "unanswered"]
    for result in found.values():
        print(result)
    print(f"Still unanswered: {', '.join(still_open)}." if still_open else "All that is checked is answered.")
