"""Checks for the exercises of notebooks/sequences/rnn.ipynb."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labutils.checks.answers import array, close, compare, same, say
from labutils.checks.core import exercise

Floats = NDArray[np.float64]


@exercise("rnn.steps_back")
def steps_back(answer: Any) -> str | None:
    """The first k with 0.8 to the power k below 0.01."""
    exact = math.log(0.01) / math.log(0.8)  # 20.6
    if close(answer, math.ceil(exact)):
        return None
    if close(answer, math.floor(exact)):
        return f"after 20 steps 0.8 ** 20 = {0.8**20:.4f} is left, still more than 0.01."
    if close(answer, exact, 0.01):
        return f"{float(answer):.1f} is where the curve passes 1 %: which whole step is the first beyond?"
    if close(answer, 5):
        return "5 takes a fifth of the original away at each step; it is a fifth of what is left."
    if close(answer, 4) or close(answer, math.log(0.5) / math.log(0.8), 0.02):
        return "that is about the half-life: after 3 to 4 steps one half is left, not one hundredth."
    if close(answer, math.ceil(math.log(0.01) / math.log(0.2))):
        return "3 keeps a fifth at each step: the factor is 0.8, not 0.2."
    return f"it is not that one: try your k in 0.8 ** k and compare with 0.01; yours leaves {_left(answer)}."


def _left(answer: Any) -> str:
    try:
        return f"{0.8 ** float(answer):.3g}"
    except (TypeError, ValueError, OverflowError):
        return "nothing that can be computed"


@exercise("rnn.joined_step")
def joined_step(answer: Any) -> str | None:
    """Three sequences, two inputs, four units: all shapes differ."""
    rng = np.random.default_rng(0)
    x, h, b = rng.normal(size=(3, 2)), rng.normal(size=(3, 4)), rng.normal(size=4)
    W = rng.normal(size=(6, 4))
    try:
        value = answer(x, h, W, b)
    except ValueError as error:
        if "concatenat" in str(error) or "matmul" in str(error) or "shapes" in str(error):
            return f"the shapes do not fit ({error}): join along the last axis, then (3, 6) @ (6, 4)."
        raise
    found = array(value, (3, 4), "the next state (batch, n_hidden)")
    sums = np.concatenate([h, x], axis=1) @ W + b
    slips = {
        "has no tanh": sums,
        "has no bias": np.tanh(sums - b),
        "joins [x, h]: here the state comes first": np.tanh(np.concatenate([x, h], axis=1) @ W + b),
        "adds the bias after the tanh": np.tanh(sums - b) + b,
        "uses a logistic sigmoid in place of tanh": 1 / (1 + np.exp(-sums)),
        "uses ReLU in place of tanh": np.maximum(sums, 0),
        "leaves the state out": np.tanh(x @ W[4:] + b),
    }
    for slip, value in slips.items():
        if same(found, value):
            return f"your step {slip}."
    compare(found, np.tanh(sums), "for random weights")
    return None


@exercise("rnn.clip")
def clip(answer: Any) -> str | None:
    """Two arrays with a norm of 13 together; a short gradient; a gradient of zero."""
    gradient = [np.array([[3.0, 0.0], [0.0, 4.0]]), np.array([-12.0])]
    given = [g.copy() for g in gradient]
    found = _arrays(answer(given, 2.6), gradient)
    if isinstance(found, str):
        return found
    norm = math.sqrt(sum(float((g**2).sum()) for g in found))
    slips: dict[str, list[Floats]] = {
        "clips each array by itself, which turns the whole gradient: take one norm over all arrays": [
            g * min(1.0, 2.6 / float(np.linalg.norm(g))) for g in gradient
        ],
        "clips every number to ± limit, which turns the gradient: scale all of it by one factor": [
            np.clip(g, -2.6, 2.6) for g in gradient
        ],
        "divides by the norm and forgets the limit": [g / 13 for g in gradient],
        "divides by the square of the norm: the root is missing": [g * 2.6 / 169 for g in gradient],
        "leaves the gradient as it was, though its norm is 13 and the limit 2.6": gradient,
        "adds the arrays' norms, 5 + 12; the norm of all together is √(5² + 12²) = 13": [
            g * 2.6 / 17 for g in gradient
        ],
        "takes the largest number, 12, for the norm: add up squares": [g * 2.6 / 12 for g in gradient],
        "adds absolute values, 3 + 4 + 12: the norm adds squares": [g * 2.6 / 19 for g in gradient],
    }
    for slip, value in slips.items():
        if all(same(a, b) for a, b in zip(found, value, strict=True)):
            return f"it {slip}."
    if not all(same(a, g / 5) for a, g in zip(found, gradient, strict=True)):
        return f"the clipped gradient has norm {norm:.3g}, the limit was 2.6: divide each number by 5."
    short = _arrays(answer([g.copy() for g in gradient], 130.0), gradient)
    if isinstance(short, str):
        return short
    if same(short[1], gradient[1] * 10):
        return "a gradient of norm 13 was stretched to the limit of 130: the factor must never exceed 1."
    if not all(same(a, b) for a, b in zip(short, gradient, strict=True)):
        return "a gradient that is shorter than the limit was changed."
    with np.errstate(all="ignore"):
        nothing = _arrays(answer([np.zeros(2)], 1.0), [np.zeros(2)])
    if isinstance(nothing, str):
        return nothing
    if not np.array_equal(nothing[0], np.zeros(2)):
        return "a gradient of zero became NaN: its norm is 0, do not divide by it."
    return None


def _arrays(found: Any, like: list[Floats]) -> list[Floats] | str:
    if not isinstance(found, (list, tuple)) or len(found) != len(like):
        return f"it returned {type(found).__name__}; expected a list of {len(like)} arrays, as it was given."
    return [array(part, one.shape, "an array that came back") for part, one in zip(found, like, strict=True)]


def _states(w: float, x: list[float]) -> list[float]:
    h = [0.0]
    for x_t in x:
        h.append(math.tanh(x_t + w * h[-1]))
    return h


def _terms(
    w: float, x: list[float], y: float, *, slopes: bool = True, previous: bool = True, later: int = 0
) -> list[float]:
    """What each step, from the last to the first, adds to the derivative by w."""
    h = _states(w, x)
    terms, delta = [], h[-1] - y
    for t in range(len(x), 0, -1):
        delta *= 1 - h[min(t + later, len(x))] ** 2 if slopes else 1.0
        terms.append(delta * (h[t - 1] if previous else h[t]))
        delta *= w
    return terms


@exercise("rnn.truncated")
def truncated(answer: Any) -> str | None:
    """Five steps with numbers that tell the slips apart, for k from 1 to beyond the sequence."""
    w, x, y = 0.8, [0.5, -0.3, 0.9, 0.2, -0.6], 0.7
    terms = _terms(w, x, y)
    for k in (2, 1, 3, 5, 9):
        found, right = answer(w, list(x), y, k), sum(terms[:k])
        if close(found, right):
            continue
        what = f"truncated({w}, x, {y}, {k}) with five steps gave {say(found, right)}; "
        what += f"expected {say(right, found)}"
        if close(found, sum(terms)):
            return f"{what}. Yours is the whole gradient: stop after {k} step{'s' if k > 1 else ''}."
        if close(found, sum(terms[: k + 1])):
            return f"{what}. Yours goes back {k + 1} steps: one too many."
        if close(found, sum(terms[: k - 1])):
            return f"{what}. Yours goes back {k - 1} step{'s' if k != 2 else ''}: one too few."
        if close(found, sum(terms[-k:])):
            return f"{what}. Yours keeps the first {k} steps of the sequence: blame starts at the end."
        if close(found, sum(_terms(w, x, y, slopes=False)[:k])):
            return f"{what}. The slopes 1 - h² of tanh are missing."
        if close(found, sum(_terms(w, x, y, previous=False)[:k])):
            return f"{what}. Multiply the blame of step t by the *previous* state, h[t - 1]."
        if close(found, right / (1 - _states(w, x)[-1] ** 2)):
            return f"{what}. The last step has a slope, too: the blame starts with (h - y) · (1 - h²)."
        if close(found, sum(_terms(w, x, y, later=1)[:k])):
            return f"{what}. On its way to step t - 1 the blame meets that step's slope, 1 - h[t - 1]²."
        if close(found, sum(_terms(w, x[-k:], y))):
            return f"{what}. The state forgets as well: run forward from the start, cut only the blame."
        if close(found, -right):
            return f"{what}. The sign is turned: the blame starts with h - y."
        if close(found, terms[k - 1] if k <= len(terms) else math.nan):
            return f"{what}. Yours is the share of one step: add them up."
        return f"{what}."
    return None
