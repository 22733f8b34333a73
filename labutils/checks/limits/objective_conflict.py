"""Checks for the exercises of notebooks/limits/objective_conflict.ipynb."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from labutils.checks.answers import Floats, array, compare, number, same, say, slip
from labutils.checks.core import exercise


@exercise("objective_conflict.fall")
def fall(answer: Any) -> str | None:
    """g1 = (3, 0), g2 = (-1, 2): after surgery (2.4, 1.2) and (0, 2)."""
    found = number(answer, "your fall")
    mistakes = [
        (6.0, "6 is what the plain sum brings: do the surgery first"),
        (4.0, "4 is what the second loss falls by, and the length of d: asked is g₁ · d"),
        (24.0, "24 has not divided: the part along the other is (g₁ · g₂ / ‖other‖²) times it"),
        (10.966, "10.97 divides by the norm of the other gradient: by its square"),
        (3.6, "3.6 is half of it: the gradients are added, not averaged"),
        (1.8, "1.8 is MGDA's: PCGrad takes no shortest mix"),
        (4.2, "4.2 changes the first gradient alone: the second loses its part along the first, too"),
        (9.0, "9 leaves the first gradient as it was: it, too, loses its part along the second"),
        (-7.2, "the size is right; a step against the gradient lowers the loss: count a fall as positive"),
        (2.4, "2.4 is the first part of the step: times 3, the first gradient's"),
        (4.8, "4.8 has added the part along the other gradient where it is to be taken away"),
        (10.4, "10.4 divides by the norm of the wrong gradient: by that of the one along which is projected"),
        (0.0, "0 is the inner product of the first gradient with the second after surgery alone"),
    ]
    if same(found, 7.2, 1e-3, 0):
        return None
    why = slip(found, mistakes, 5e-3)
    told = f"you say {say(found)}: form both gradients after surgery, add them, and take g₁ · d"
    return f"{why or told}."


# --- the shortest mix ---------------------------------------------------------------------------------------


def _mix(a: Floats, b: Floats, alpha: float) -> Floats:
    mixed: Floats = alpha * a + (1 - alpha) * b
    return mixed


def _shortest(a: Floats, b: Floats) -> Floats:
    apart = float((a - b) @ (a - b))
    return _mix(a, b, float(np.clip((b - a) @ b / apart, 0, 1)) if apart > 0 else 0.5)


def _mix_mistakes(a: Floats, b: Floats) -> Iterator[tuple[Floats, str]]:
    apart = float((a - b) @ (a - b))
    free = float((b - a) @ b / apart)
    held = float(np.clip(free, 0, 1))
    long_a, long_b = float(np.sqrt(a @ a)), float(np.sqrt(b @ b))
    against = max(0.0, -float(a @ b))
    yield _mix(a, b, free), "α has left the interval from 0 to 1: hold it there"
    yield _mix(a, b, 1 - held), "α and 1 − α are exchanged: a long gradient gets the small weight"
    yield _mix(a, b, 0.5), "that is the mean: the shortest mix weighs a long gradient less"
    yield a + b, "that is the sum: look for the shortest mix"
    yield a - b, "that is the difference of the two: it is what α divides by, not the mix"
    yield held * (a - b), "α (a − b) starts at zero: the mix is b + α (a − b)"
    yield (
        a * (1 + against / long_a**2) + b * (1 + against / long_b**2),
        "that is PCGrad's step: no surgery here",
    )
    yield (a / long_a + b / long_b) / 2, "the gradients were made equally long first: mix them as they are"
    yield (
        _mix(a, b, float(np.clip(b @ b / (a @ a + b @ b), 0, 1))),
        "the inner product a · b is left out of α",
    )
    yield _mix(a, b, float(np.clip((b @ b + a @ b) / apart, 0, 1))), "a · b has the wrong sign in α"
    yield _mix(a, b, float(np.clip((b - a) @ b / np.sqrt(apart), 0, 1))), "divide by ‖a − b‖², its square"
    yield _mix(a, b, float(np.clip((long_b - a @ b) / apart, 0, 1))), "‖b‖² stands in α, not ‖b‖"
    yield _mix(a, b, long_b / (long_a + long_b)), "that weighs by the lengths alone: α knows a · b, too"
    shortest = _mix(a, b, held)
    yield -shortest, "the sign: return the mix itself; the step would be against it"
    yield shortest / np.sqrt(shortest @ shortest), "the mix has been made one long: return it as it is"
    yield (
        _mix(a, b, float(np.clip((b - a) @ b / ((a + b) @ (a + b)), 0, 1))),
        "α divides by ‖a − b‖², not by ‖a + b‖²",
    )
    for short in (a, b):
        yield short, "one of the two as it is: a mix is shorter than either here (is α cut off at 0 or 1?)"


@exercise("objective_conflict.shortest")
def shortest(answer: Any) -> str | None:
    """A blunt angle, a sharp one with unequal lengths in both orders, and equal gradients."""
    rng = np.random.default_rng(11)
    a, b = rng.normal(size=5), rng.normal(size=5)
    b = b - (a @ b) / (a @ a) * a  # at right angles; below, blunt, and short: few slips drive α to 0 or 1
    a, b = 0.8 * a / np.sqrt(a @ a), 0.6 * b / np.sqrt(b @ b)
    b = b - 0.3 * a
    near = a + 0.2 * rng.normal(size=5)
    for first, second, what in (
        (a, b, "for a blunt angle"),
        (near, 4 * a, "where one gradient is much longer and the angle is sharp"),
        (4 * near, a, "where one gradient is much longer and the angle is sharp"),
    ):
        found = array(answer(first, second), first.shape, "the mix")
        compare(found, _shortest(first, second), what, _mix_mistakes(first, second))
    found = array(answer(a, a.copy()), a.shape, "the mix")
    if not same(found, a, 1e-6):
        return (
            f"for two equal gradients you return {say(found)}: any mix is the gradient itself (look at 0/0)."
        )
    return None


# --- the front ----------------------------------------------------------------------------------------------


_SHARES = np.linspace(0, 1, 101)


def _front(points: Any) -> Floats:
    no_worse = (points[None] <= points[:, None]).all(-1)
    better = (points[None] < points[:, None]).any(-1)
    kept: Floats = (~(no_worse & better).any(1)).astype(np.float64)
    return kept


def _front_mistakes(p: Any) -> Iterator[tuple[Any, str]]:
    others = ~np.eye(len(p), dtype=bool)
    no_worse = (p[None] <= p[:, None]).all(-1)
    less = p[None] < p[:, None]
    right = _front(p)
    yield 1 - right, "that is the models which are off the front: turn it round"
    yield _front(-p), "kept is what beats no other: turn < and <= round, or take `any` over the other axis"
    yield ~(no_worse & others).any(1), "equal models remove each other: ask for lower in at least one"
    yield ~less.all(-1).any(1), "a model counts as beaten only if it is worse in every loss: one is enough"
    yield np.zeros(len(p)), "none is left: lower in one loss alone beats nobody, nor does a model beat itself"
    yield ~less.any(-1).any(1), "lower in one loss alone beats nobody: it must be no higher in all others"
    rows = np.arange(len(p))
    once = right * [not (p[:i] == row).all(1).any() for i, row in enumerate(p)]
    yield once, "of two equal models one is gone: neither removes the other"
    for least in (p.sum(1) == p.sum(1).min(), rows == p.sum(1).argmin()):
        yield least, "only the least sum is kept: the front has other compromises"
    for ends in ((p == p.min(0)).any(1), np.isin(rows, p.argmin(0))):
        yield ends, "only the best in one loss are kept: compromises between belong to the front"
    swept = p @ np.array([1 - _SHARES, _SHARES, *(0 * _SHARES,) * (p.shape[1] - 2)])  # (n, shares)
    for sums in ((swept == swept.min(0)).any(1), np.isin(rows, swept.argmin(0))):
        yield sums, "these are what weighted sums choose: where the front bulges outwards, it has more"
    yield np.ones(len(p)), "all are kept"
    before = (no_worse & less.any(-1) & (rows[None] < rows[:, None])).any(1)
    yield ~before, "each model is compared with those before it alone: the others may beat it, too"
    if p.shape[1] > 2:
        for first in (~less[..., :2].all(-1).any(1), _front(p[:, :2])):
            yield first, "only the first two losses are compared"
    order = np.lexsort(p.T[::-1])
    yield right[order], "the answer is in another order: one value for each row, in the order of the rows"
    falling = np.zeros(len(p))
    falling[order] = [p[j, 1] <= p[order[: k + 1], 1].min() for k, j in enumerate(order)]
    yield falling, "as low in one loss and higher in the other is beaten: a tie does not save it"


@exercise("objective_conflict.on_front")
def on_front(answer: Any) -> str | None:
    """Two losses with a tie in one, equal models, one on a bulge that no sum finds; then three losses."""
    two = np.array(
        [[1, 6], [3, 1], [1, 4], [2, 2], [1.6, 3.2], [2, 5], [3, 1], [4, 4], [5, 0.5], [2.5, 2]],
        dtype=np.float64,
    )
    three = np.random.default_rng(4).integers(0, 6, size=(12, 3)).astype(np.float64)
    for points in (two, three):
        found = array(answer(points), (len(points),), "what you return")
        compare(
            found,
            _front(points),
            f"for {len(points)} models with {points.shape[1]} losses",
            _front_mistakes(points),
        )
    return None


# --- surgery for several gradients --------------------------------------------------------------------------


def _surgery(
    g: Floats,
    *,
    against: str = "original",
    once: bool = False,
    asked: bool = False,
    sign: float = -1.0,
    others: Callable[[int, int], Iterable[int]] = lambda i, n: range(n),
    most: int = 99,
) -> Floats:
    """The sum after surgery, or what comes of a mistake in it."""
    total = np.zeros(g.shape[1])
    changed = g.copy()
    for i in range(len(g)):
        copy, done = g[i].copy(), 0
        for j in others(i, len(g)):
            other = changed[j] if against == "changed" else g[j]
            inner = float((g[i] if once else copy) @ other)
            if i != j and sign * float((g[i] if asked else copy) @ other) > 0 and done < most:
                copy, done = copy - inner / float(other @ other) * other, done + 1
        changed[i] = copy
        total += copy
    return total


def _surgery_mistakes(g: Floats) -> Iterator[tuple[Floats, str]]:
    right = _surgery(g)
    yield g.sum(0), "that is the plain sum, without surgery"
    yield right / len(g), "the copies are averaged: return their sum"
    yield (
        _surgery(g, against="changed"),
        "the others have been changed already, or only later ones are used: project along all the originals",
    )
    for both in (False, True):
        yield (
            _surgery(g, once=True, asked=both),
            "the inner product is with the gradient as it was: with the copy as it is by then",
        )
    yield _surgery(g, asked=True), "whether there is a conflict is asked of the copy as it is by then"
    yield _surgery(g, others=lambda i, n: range(i)), "only the gradients before it are used: all the others"
    yield _surgery(g, others=lambda i, n: range(n)[::-1]), "from the last to the first: go in their order"
    yield _surgery(g, most=1), "only the first conflict is mended: go on through all the others"
    yield _surgery(g, sign=1.0), "gradients that agree lose their common part: only where it is negative"
    every = np.zeros(g.shape[1])
    unscaled, own, added = every.copy(), every.copy(), every.copy()
    root = every.copy()
    for i in range(len(g)):
        copies = [g[i].copy() for _ in range(5)]
        for j in range(len(g)):
            if i == j:
                continue
            size = float(g[j] @ g[j])
            inner = [float(copy @ g[j]) for copy in copies]
            copies[0] = copies[0] - inner[0] / size * g[j]
            copies[1] = copies[1] - min(inner[1], 0) * g[j]
            copies[2] = copies[2] - min(inner[2], 0) / float(g[i] @ g[i]) * g[j]
            copies[3] = copies[3] + min(inner[3], 0) / size * g[j]
            copies[4] = copies[4] - min(inner[4], 0) / np.sqrt(size) * g[j]
        for total, copy in zip((every, unscaled, own, added, root), copies, strict=True):
            total += copy
    yield every, "the part along the other is taken away at any sign: only where it is negative"
    yield unscaled, "the part along the other is inner product / ‖other‖² times it: the division is missing"
    yield own, "divided by the gradient's own squared norm: by that of the other, along which is projected"
    yield added, "the part along the other was added: take it away"
    yield root, "divided by the norm of the other: by its square"


@exercise("objective_conflict.surgery")
def surgery(answer: Any) -> str | None:
    """Three and four gradients in conflict, and two that agree."""
    for seed, k in ((5, 3), (8, 4)):
        g = np.random.default_rng(seed).normal(size=(k, 4))
        g[1] -= 1.5 * g[0]
        found = array(answer(g), (4,), "what you return")
        compare(found, _surgery(g), f"for {k} gradients", _surgery_mistakes(g), 1e-5)
    g = np.array([[2.0, 1.0], [1.0, 3.0]])
    found = array(answer(g), (2,), "what you return")
    if not same(found, g.sum(0), 1e-6):
        agree = "right for gradients in conflict; for (2, 1) and (1, 3), which agree,"
        return f"{agree} you return {say(found)}, not (3, 4)."
    return None
