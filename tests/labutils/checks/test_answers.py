"""labutils.checks.answers: whatever a right answer is wrapped in is read; what cannot be meant is told."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labutils.checks.answers import Wrong, array, compare, number, same, say, slip

quick = settings(deadline=None, max_examples=60, derandomize=True)
FORMS = {
    "python": float,
    "numpy": np.float32,
    "0-d array": np.array,
    "1-element array": lambda x: np.array([x]),
    "list": lambda x: [x],
    "tensor": torch.tensor,
    "tensor on a graph": lambda x: torch.tensor([[x]], requires_grad=True),
    "bfloat16": lambda x: torch.tensor(x, dtype=torch.bfloat16),
    "list of tensors": lambda x: [torch.tensor(x)],
    "fraction": Fraction,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_number_in_any_form(form: str) -> None:
    assert number(FORMS[form](0.75)) == 0.75
    assert same(FORMS[form](0.75), 0.75)
    compare(FORMS[form](0.75), 0.75, "for nothing")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "a NoneType: expected one number"),
        ("0.75", "a str: expected"),
        ([0.5, 0.5], r"a list of shape \(2,\): expected one number"),
        (np.ones((2, 3)), r"a ndarray of shape \(2, 3\)"),
        (torch.ones(2), r"a Tensor of shape \(2,\)"),
        (1j, "a complex"),
        (lambda: 1, "a function"),
        (math.nan, r"not a number \(nan\): look for 0/0"),
        (torch.tensor(math.nan), "not a number"),
        ([[1], [2, 3]], "a list: expected"),
    ],
)
def test_what_is_no_number_is_told(value: Any, told: str) -> None:
    with pytest.raises(Wrong, match=f"^the bits is {told}"):
        number(value, "the bits")


def test_infinity_is_a_number() -> None:
    assert number(math.inf) == math.inf
    assert same(math.inf, math.inf)
    assert not same(math.inf, 1e300)
    assert not same(math.nan, math.nan)


@quick
@given(st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), min_size=1, max_size=4))
def test_an_array_in_any_form(rows: list[list[int]]) -> None:
    expected = np.array(rows, dtype=np.float64)
    for form in (
        rows,
        tuple(map(tuple, rows)),
        np.array(rows),
        np.array(rows, dtype=np.float32),
        torch.tensor(rows),
        [torch.tensor(row) for row in rows],
    ):
        found = array(form, expected.shape)
        assert found.dtype == np.float64
        assert np.array_equal(found, expected)
        assert same(form, rows)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.ones((3, 2)), r"the result has shape \(3, 2\): expected \(2, 3\)"),
        (1.0, r"has shape \(\): expected \(2, 3\)"),
        ((1, "a"), r"is a tuple of 2: expected numbers of shape \(2, 3\)"),
        (None, "is a NoneType"),
        (np.array([["a"] * 3] * 2), "is a ndarray"),
    ],
)
def test_what_is_no_such_array_is_told(value: Any, told: str) -> None:
    with pytest.raises(Wrong, match=told):
        array(value, (2, 3))


def test_an_array_is_a_copy() -> None:
    given = np.zeros(3)
    array(given, (3,))[0] = 1
    assert given[0] == 0


def test_equal_means_as_far_as_float32_carries() -> None:
    third = np.full(5, 1 / 3)
    assert same(third.astype(np.float32), third)
    assert not same(third + 1e-3, third)
    assert not same(third[:4], third)
    assert not same(third[None], third)
    assert not same("abc", third)


def test_the_first_mistake_that_fits_is_named() -> None:
    mistakes = [(2.0, "twice"), (np.array([1.0, 2.0]), "a pair"), (2.0, "again")]
    assert slip(torch.tensor(2.0), mistakes) == "twice"
    assert slip([1, 2], mistakes) == "a pair"
    assert slip(3, mistakes) is None
    assert slip("text", mistakes) is None


@pytest.mark.parametrize(
    ("value", "beside", "said"),
    [
        (0.123456, None, "0.1235"),
        (2.634, 2.63399, "2.634"),  # told apart …
        (2.63399, 2.634, "2.63399"),  # … by more digits
        (0.65 + 1e-10, 0.65, "0.65000000010000003"),
        (5, 5, "5"),
        ([0.5, 0.25], None, "[0.5, 0.25]"),
        (torch.ones(2, 2), None, "[[1, 1], [1, 1]]"),
        (True, None, "1"),
        ("abc", None, "a str"),
        (math.inf, 1.0, "inf"),
    ],
)
def test_answers_are_told_short_and_apart(value: Any, beside: Any, said: str) -> None:
    assert say(value, beside) == said


@quick
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_different_numbers_never_read_alike(a: float, b: float) -> None:
    """A reader who is told "gave 2.634; expected 2.634" learns nothing."""
    assert (say(a, b) == say(b, a)) == (a == b)


def test_compare_says_what_was_given_what_came_and_why() -> None:
    compare([1, 2], np.array([1.0, 2.0]), "for x = 1")
    with pytest.raises(Wrong, match=r"^for x = 1 you return 4, expected 2: that is its square\.$"):
        compare(4, 2, "for x = 1", [(4, "that is its square.")])
    with pytest.raises(Wrong, match=r"^for x = 1 you return 5, expected 2\.$"):
        compare(5, 2, "for x = 1", [(4, "that is its square.")])


def test_no_torch_is_loaded() -> None:
    code = "import sys; from labutils.checks import answers; answers.number([1.0]); "
    code += "print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
