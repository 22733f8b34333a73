"""Run the check of an exercise on a reader's answer.

A check is a function that takes the answer and returns None if it is right, else a sentence that says what
is probably wrong; it may raise `Wrong` with that sentence. What a check hands to the reader's function are
copies: an answer that works in place on its arguments changes nothing that the check compares with.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import os
import sysconfig
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np

from labutils.checks.answers import Wrong
from labutils.runtime import degrade

__all__ = ["Result", "check", "evaluate", "exercise", "names"]

Check = Callable[[Any], str | None]
_CHECKS: dict[str, Check] = {}
_MARKS = {"right": "✓", "wrong": "✗", "unanswered": "○"}
# Where code lives that is not the reader's: Python, its packages, and labutils itself.
_NOT_THE_READERS = (
    *(sysconfig.get_path(key) + os.sep for key in ("stdlib", "purelib", "platlib")),
    str(Path(__file__).parents[1]) + os.sep,
    "<frozen",
)


@dataclass(frozen=True)
class Result:
    """What a check found: `status` and one sentence for the reader."""

    status: Literal["right", "wrong", "unanswered"]
    message: str

    def __str__(self) -> str:
        return f"{_MARKS[self.status]} {self.message}"


class _UnansweredError(Exception):
    """Raised when the reader's function is still the stub that the notebook came with."""


class _PartlyNoneError(Exception):
    """Raised when the reader's function answered before and now returns None."""


def exercise(name: str) -> Callable[[Check], Check]:
    """Register a check under ``"chapter.exercise"``."""

    def register(function: Check) -> Check:
        if name in _CHECKS:
            raise ValueError(f"name is {name!r}: there is a check of that name already")
        _CHECKS[name] = function
        return function

    return register


def names(chapter: str | None = None) -> list[str]:
    """Return the names of the checks of a chapter, or of all chapters, sorted; loads what it lists."""
    for part, stem in _modules():
        if chapter in (None, stem):
            import_module(f"{__package__}.{part}.{stem}")
    return sorted(name for name in _CHECKS if chapter in (None, name.partition(".")[0]))


def _modules() -> list[tuple[str, str]]:
    """The part and the name of every chapter that has checks."""
    files = Path(__file__).parent.glob("*/*.py")
    return sorted((file.parent.name, file.stem) for file in files if not file.stem.startswith("_"))


def _find(name: str) -> Check:
    """The check of this name; only its chapter is loaded. ValueError, with the nearest names, without one."""
    chapter = name.partition(".")[0]
    names(chapter)
    if name not in _CHECKS:
        near = difflib.get_close_matches(name, names(), n=3) or names()
        raise ValueError(f"name is {name!r}: there is no such check; did you mean {', '.join(near)}?")
    return _CHECKS[name]


def _copy(value: Any) -> Any:
    """A copy of arrays and tensors, also within lists, tuples and dicts; anything else as it is."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(_copy(part) for part in value)
    if type(value) is dict:
        return {key: _copy(part) for key, part in value.items()}
    if type(value).__module__ == "torch" and hasattr(value, "clone"):  # asked so: torch need not be loaded
        return value if value.requires_grad else value.clone()
    return value


def _watched(answer: Any) -> Any:
    """Wrap the reader's function so that a stub is told apart from a wrong answer."""
    if not (inspect.isroutine(answer) or isinstance(answer, functools.partial)):
        return answer  # a value, or an object or class whose attributes the check may want
    answered = False

    @functools.wraps(answer)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal answered
        try:
            value = answer(*_copy(args), **_copy(kwargs))
        except NotImplementedError:
            raise _UnansweredError("raises NotImplementedError") from None
        if value is None or value is ...:
            raise _PartlyNoneError if answered else _UnansweredError(f"returns {value}")
        answered = True
        return value

    return call


def evaluate(name: str, answer: object) -> Result:
    """Check `answer` and return a Result; what the reader's code raises becomes a message.

    Raises ValueError, with the nearest names, if there is no such check.
    """
    test = _find(name)
    if answer is None or answer is ...:
        return Result("unanswered", f"{name}: no answer yet.")
    try:
        found = test(_watched(answer))
    except _UnansweredError as error:
        return Result("unanswered", f"{name}: no answer yet (the function {error}).")
    except _PartlyNoneError:
        text = "your function returns None for some arguments: does every path end in a return?"
        return Result("wrong", f"{name}: {text}")
    except Wrong as wrong:
        return Result("wrong", f"{name}: {wrong}")
    except Exception as error:  # the reader's code may raise anything
        return Result("wrong", f"{name}: {_blame(error)}")
    return Result("right", f"{name}: right.") if found is None else Result("wrong", f"{name}: {found}")


def _blame(error: Exception) -> str:
    """Say what was raised and on which of the reader's own lines, not where deep in a library."""
    text = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_NOT_THE_READERS)]
    if not own:
        return f"the check could not use your answer: is it what the exercise asks for? ({text})"
    return f"your code raised {text} (line {own[-1].lineno} of {own[-1].name}())."


def check(name: str, answer: object) -> None:
    """Check the answer to an exercise and print what was found.

    `name` is "chapter.exercise"; `answer` is the function or the value that the exercise asks for.
    """
    degrade()
    print(evaluate(name, answer))
