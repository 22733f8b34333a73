"""labutils.checks: what a reader sees for a stub, a wrong answer, a right one and code that fails.

The checks of the chapters have their own tests, in tests/chapters.
"""

import functools
import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from labutils.checks import Result, check, core, evaluate, exercise, names
from labutils.checks.answers import Wrong, close
from labutils.information import perplexity


@pytest.fixture(autouse=True)
def register(monkeypatch):
    """Register checks for one test only, in an empty list."""
    monkeypatch.setattr(core, "_CHECKS", {})
    monkeypatch.setattr(core, "_modules", lambda: [])

    @exercise("test.double")
    def double(answer):
        for x in (1, 2, 3):
            if not close(answer(x), 2 * x):
                return f"double({x}) is {answer(x)}, not {2 * x}."
        return None

    @exercise("test.half")
    def half(answer):
        return None if close(answer, 0.5) else f"{answer} is not a half."

    exercise("test.number")(perplexity)  # a function of labutils itself, which wants a number


# ---- The three outcomes ----


def test_right_and_wrong_answers():
    assert evaluate("test.double", lambda x: 2 * x) == Result("right", "test.double: right.")
    assert evaluate("test.half", 0.5).status == "right"
    wrong = evaluate("test.double", lambda x: x**2)
    assert wrong == Result("wrong", "test.double: double(1) is 1, not 2.")


def test_one_line_is_printed(capsys):
    check("test.double", lambda x: 2 * x)
    check("test.double", lambda x: x)
    check("test.double", None)
    assert capsys.readouterr().out.splitlines() == [
        "✓ test.double: right.",
        "✗ test.double: double(1) is 1, not 2.",
        "○ test.double: no answer yet.",
    ]


def test_what_the_readers_function_prints_stays(capsys):
    check("test.double", lambda x: print("x =", x) or 2 * x)
    assert capsys.readouterr().out.splitlines() == ["x = 1", "x = 2", "x = 3", "✓ test.double: right."]


def test_a_check_may_raise_its_sentence():
    @exercise("test.raises")
    def raises(answer):
        raise Wrong(f"{answer} is too much.")

    assert evaluate("test.raises", 7) == Result("wrong", "test.raises: 7 is too much.")


def test_only_the_chapter_that_is_asked_for_is_loaded():
    """A broken module of another chapter, or torch where no torch is needed, is not this reader's trouble."""
    code = "import sys; from labutils.checks import evaluate; evaluate('probability.two_flags', 1); "
    code += "print(sorted(name for name in sys.modules if name.startswith('labutils.checks.'))); "
    code += "print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = ["answers", "core", "foundations", "foundations.probability"]
    assert done.stdout == f"{[f'labutils.checks.{name}' for name in ours]}\nFalse\n"


# ---- No answer yet ----


def stub(x): ...


def stub_of_python(x):
    raise NotImplementedError


def stub_that_returns_dots(x):
    return ...


@pytest.mark.parametrize("answer", [None, ..., stub, stub_of_python, stub_that_returns_dots, lambda x: None])
def test_stubs_are_unanswered_not_wrong(answer):
    result = evaluate("test.double", answer)
    assert result.status == "unanswered"
    assert "no answer yet" in result.message


def test_unanswered_says_how_it_was_seen():
    assert evaluate("test.double", stub).message.endswith("(the function returns None).")
    assert evaluate("test.double", stub_of_python).message.endswith(
        "(the function raises NotImplementedError)."
    )


def test_none_for_one_case_only_is_wrong():
    def forgets_three(x):
        return 2 * x if x < 3 else None

    result = evaluate("test.double", forgets_three)
    assert result.status == "wrong"
    assert "returns None for some arguments" in result.message


@pytest.mark.parametrize("falsy", [0, 0.0, False, "", [], np.zeros(0), np.zeros(3)])
def test_a_falsy_answer_is_an_answer(falsy):
    assert evaluate("test.half", falsy).status == "wrong"
    assert evaluate("test.double", lambda x: falsy).status == "wrong"


# ---- Code that fails ----


def test_the_exception_and_the_readers_own_line_are_named():
    def divides(x):
        y = x - 1
        return 2 / y

    line = divides.__code__.co_firstlineno + 2
    result = evaluate("test.double", divides)
    assert result.status == "wrong"
    assert (
        f"your code raised ZeroDivisionError: division by zero (line {line} of divides())" in result.message
    )


def test_the_line_is_the_readers_even_if_a_library_raised():
    def solves(x):
        return np.linalg.inv(np.zeros((2, 2)))[0, 0] + x

    result = evaluate("test.double", solves)
    assert (
        f"LinAlgError: Singular matrix (line {solves.__code__.co_firstlineno + 1} of solves())"
        in result.message
    )


def test_wrong_number_of_parameters():
    result = evaluate("test.double", lambda: 2)
    assert result.status == "wrong"
    assert "TypeError" in result.message
    assert "takes 0 positional arguments but 1 was given" in result.message


@pytest.mark.parametrize("answer", [{}, "text", [1], lambda: 3, np.ones(2), -1])
def test_an_answer_of_the_wrong_kind_is_not_called_the_readers_error(answer):
    result = evaluate("test.number", answer)
    assert result.status == "wrong"
    assert "the check could not use your answer" in result.message


def test_interrupting_the_kernel_still_interrupts():
    def slow(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate("test.double", slow)


# ---- What a check may ask of an answer ----


def test_functions_keep_their_name_and_objects_their_attributes():
    seen = []
    exercise("test.look")(lambda answer: seen.append(answer) or None)

    class Callable:
        weight = 3

        def __call__(self, x):
            return self.weight * x

    def triple(x):
        """Thrice x."""
        return 3 * x

    layer = torch.nn.Linear(2, 3)
    for answer in (triple, functools.partial(pow, 2), Callable(), Callable, layer, np.exp):
        assert evaluate("test.look", answer).status == "right"
    assert seen[0].__name__ == "triple"
    assert seen[0](2) == 6
    assert seen[1](3) == 8
    assert seen[2].weight == seen[3].weight == 3
    assert [tuple(p.shape) for p in seen[4].parameters()] == [(3, 2), (3,)]


# ---- Names ----


def test_unknown_names_are_refused_with_close_ones():
    with pytest.raises(ValueError, match=r"name is 'test.dubble': .*did you mean test\.double"):
        check("test.dubble", 1)
    with pytest.raises(ValueError, match=r"did you mean test\.double, test\.half, test\.number\?"):
        check("zzz", 1)


def test_the_same_name_twice_is_refused():
    with pytest.raises(ValueError, match=r"^name is 'test\.half'"):
        exercise("test.half")(lambda answer: None)
    assert evaluate("test.half", 0.5).status == "right"  # the first one stands


def test_the_chapters_checks_are_found(monkeypatch):
    monkeypatch.undo()
    chapters = {name.split(".")[0] for name in names()}
    assert {"language_models", "probability", "information_theory"} <= chapters
    assert names() == sorted(names())


# ---- Numbers ----


@pytest.mark.parametrize(
    ("found", "expected", "is_close"),
    [
        (0.5, 0.5, True),
        (0.5 + 1e-7, 0.5, True),
        (0.5 + 1e-5, 0.5, False),
        (1e9 + 1, 1e9, True),  # relative above one …
        (1e-7, 0.0, True),  # … absolute below
        (np.float32(0.25), 0.25, True),
        (np.array(0.25), 0.25, True),
        (torch.tensor(0.25), 0.25, True),
        (3, 3.0, True),
        (math.inf, math.inf, True),
        (-math.inf, math.inf, False),
        (1.0, math.inf, False),
        (math.inf, 1.0, False),
        (math.nan, 0.5, False),
        (0.5, math.nan, False),
        (None, 0.0, False),
        (..., 0.0, False),
        ("0.5", 0.5, False),
        (b"0.5", 0.5, False),
        (1j, 1.0, False),
        (np.array([0.5, 0.5]), 0.5, False),
        (torch.tensor([0.5, 0.5]), 0.5, False),
        ([0.5], 0.5, True),  # one element is one number
        (torch.tensor([[0.5]]), 0.5, True),
        pytest.param(10**400, 0.5, False, id="too large for a float"),
        (lambda: 0.5, 0.5, False),
    ],
)
def test_close(found, expected, is_close):
    assert close(found, expected) is is_close
