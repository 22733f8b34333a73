"""The scalar engine equals torch's autograd and finite differences; blame adds up where paths meet."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labutils.autograd import Value

FORMULAS: dict[str, Callable[[Any, Any], Any]] = {
    "arithmetic": lambda a, b: 3 - a * b + a / b - (b - 2) / 5 + 1 / a - -b,
    "powers": lambda a, b: a**3 + (b * b) ** 0.5 + (a * a + 1) ** -1.5,
    "functions": lambda a, b: (a.exp() + (b * b).log()).tanh() + (a * b).relu() + b.relu(),
    "used again": lambda a, b: (a + b) * (a + b) * (a + b).tanh() + a + a,
}


@pytest.mark.parametrize("name", FORMULAS)
@settings(max_examples=40, deadline=None)
@given(a=st.floats(-2, 2).filter(lambda x: abs(x) > 0.1), b=st.floats(-2, 2).filter(lambda x: abs(x) > 0.1))
def test_blame_equals_torch(name: str, a: float, b: float) -> None:
    ours, theirs = (
        [Value(a), Value(b)],
        [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (a, b)],
    )
    y, z = FORMULAS[name](*ours), FORMULAS[name](*theirs)
    y.backward()
    z.backward()
    assert y.data == pytest.approx(z.item(), rel=1e-12)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.grad == pytest.approx(
            0.0 if other.grad is None else other.grad.item(), rel=1e-9, abs=1e-12
        )


def test_a_number_that_is_used_twice_gets_both_shares() -> None:
    x = Value(3)
    (x * x).backward()
    assert x.grad == 6
    y = x = Value(1)
    for _ in range(40):
        y = y + y
    y.backward()
    assert (x.grad, len(y.order())) == (2**40, 41)


def test_a_second_pass_starts_anew() -> None:
    x = Value(2)
    y = x**2
    y.backward()
    y.backward()
    assert (x.grad, y.grad) == (4, 1)


def test_order_has_parts_first_and_each_once() -> None:
    a, b = Value(1), Value(2)
    c = a * b
    last = c + a + c.tanh()
    nodes = last.order()
    place = {id(node): i for i, node in enumerate(nodes)}
    assert len(place) == len(nodes)
    assert nodes[-1] is last
    assert all(place[id(part)] < place[id(node)] for node in nodes for part in node.parts)


def test_a_chain_longer_than_python_nests() -> None:
    x = y = Value(0.5)
    for _ in range(20_000):
        y = y + 1
    y.backward()
    assert x.grad == 1


def test_relu_at_zero_and_faults() -> None:
    x = Value(0)
    x.relu().backward()
    assert x.grad == 0
    assert repr(Value(1.5)) == "Value(1.5, grad=0)"
    with pytest.raises(ValueError, match="math domain"):
        Value(-1).log()
    with pytest.raises(OverflowError):
        Value(710).exp()
    with pytest.raises(ZeroDivisionError):
        Value(1) / Value(0)
    assert math.isclose((2 / Value(4)).data, 0.5)
