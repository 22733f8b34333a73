"""The smallest game: factors in closed form, invariants, faults."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labutils.games import RULES, growth, path


@settings(max_examples=40, deadline=None)
@given(rule=st.sampled_from(RULES), rate=st.floats(0.02, 0.45), angle=st.floats(0, 6.28))
def test_the_radius_grows_by_the_factor(rule: str, rate: float, angle: float) -> None:
    radius = np.hypot(*path(rule, 600, rate, start=(math.cos(angle), math.sin(angle))).T)
    if rule == "alternating":  # an ellipse: it stays within bounds and never arrives
        assert 0.7 < radius.min() <= radius.max() < 1.5
    else:
        assert (radius[600] / radius[300]) ** (1 / 300) == pytest.approx(growth(rule, rate), abs=2e-4)


@settings(max_examples=40, deadline=None)
@given(rate=st.floats(0.02, 0.9), x=st.floats(-2, 2), y=st.floats(-2, 2))
def test_each_simultaneous_step_obeys_pythagoras(rate: float, x: float, y: float) -> None:
    square = (path("simultaneous", 20, rate, start=(x, y)) ** 2).sum(1)
    np.testing.assert_allclose(square, square[0] * (1 + rate**2) ** np.arange(21), rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(rate=st.floats(0.02, 0.9), x=st.floats(-2, 2), y=st.floats(-2, 2))
def test_alternation_stays_on_its_ellipse(rate: float, x: float, y: float) -> None:
    a, b = path("alternating", 50, rate, start=(x, y)).T
    kept = a**2 + b**2 - rate * a * b
    np.testing.assert_allclose(kept, kept[0], atol=1e-9)


def test_a_brake_stops_simultaneous_steps_where_it_exceeds_the_rate() -> None:
    for brake, arrives in ((0.05, False), (0.2, True)):
        radius = np.hypot(*path("simultaneous", 500, 0.1, brake).T)
        assert (radius[-1] < radius[0]) == arrives
        assert (radius[-1] / radius[0]) ** (1 / 500) == pytest.approx(
            math.sqrt(1 - 0.1 * brake + 0.01), abs=2e-3
        )


def test_one_step_by_hand() -> None:
    assert path("simultaneous", 1)[1].tolist() == pytest.approx([0.9, 1.1])
    assert path("alternating", 1)[1].tolist() == pytest.approx([0.9, 1.09])
    assert path("extragradient", 1)[1].tolist() == pytest.approx([0.89, 1.09])
    assert path("optimistic", 1)[1].tolist() == pytest.approx([0.9, 1.1])  # nothing is known before
    assert path("optimistic", 2)[2].tolist() == pytest.approx([0.9 - 0.22 + 0.1, 1.1 + 0.18 - 0.1])
    assert path("simultaneous", 1, brake=0.5)[1].tolist() == pytest.approx([0.9, 1.05])
    assert len(path("optimistic", 0)) == 1


def test_faults_are_said() -> None:
    with pytest.raises(ValueError, match="expected one of simultaneous, alternating"):
        path("random", 3)
    with pytest.raises(ValueError, match="rule is 'random'"):
        growth("random", 0.1)
    for rule, rate in (("optimistic", 0.6), ("alternating", 2.0), ("simultaneous", 0.0)):
        with pytest.raises(ValueError, match="expected a number above 0 and below"):
            growth(rule, rate)
