"""Checks for the exercises of notebooks/foundations/training.ipynb."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from labutils.checks.answers import Floats, Wrong, array, compare, number, same, slip
from labutils.checks.core import exercise


@exercise("training.first_step")
def first_step(answer: Any) -> str | None:
    """Corrected, both moments are those of one gradient: the step is the rate."""
    found = number(answer, "the change")
    if same(found, 0.01, 1e-3, 0):
        return None
    mistakes = [
        (-0.01, "the step goes against the gradient, and the gradient is negative"),
        (0.00002, "that is rate times gradient, the step of SGD: Adam divides by the root of the square"),
        (-0.00002, "that is rate times gradient, the step of SGD: Adam divides by the root of the square"),
        (0.000002, "m alone, not divided: Adam divides by the root of the squares"),
        *(
            (sign * size, f"{what} for starting at zero{' (and the sign is that of g)' if sign < 0 else ''}")
            for sign in (1, -1)
            for size, what in (
                (0.01 * 0.1 / math.sqrt(0.001), "m and v are not corrected"),
                (0.001, "m is not corrected (divide it by 1 − β₁)"),
                (0.01 / math.sqrt(0.001), "v is not corrected (divide it by 1 − β₂)"),
            )
        ),
        (1.0, "that is the direction: times the rate"),
        (-1.0, "that is the direction of the gradient: minus it, times the rate"),
        (5.0, "rate over gradient: divide the gradient by its own size, then times the rate"),
        (-5.0, "rate over gradient: divide the gradient by its own size, then times the rate"),
        (0.002, "that is the size of the gradient, which does not matter"),
        (-0.002, "that is the gradient, whose size does not matter"),
    ]
    return f"{slip(found, mistakes, 2e-3) or 'that is not it: find m / √v after one gradient'}."


def _arrays(found: Any, like: list[Floats]) -> list[Floats]:
    if found is None or isinstance(found, (str, bytes, dict)) or not hasattr(found, "__len__"):
        raise Wrong(f"the result is a {type(found).__name__}: expected a list of {len(like)} arrays.")
    if len(found) != len(like):
        raise Wrong(f"the result has {len(found)} parts: expected {len(like)}, one for each array of theta.")
    return [
        array(part, each.shape, f"part {i} of the result")
        for i, (part, each) in enumerate(zip(found, like, strict=True))
    ]


def _clip_mistakes(
    t: list[Floats], g: list[Floats], rate: float, longest: float
) -> Iterator[tuple[Floats, str]]:
    def flat(parts: Any) -> Floats:
        return np.concatenate([np.ravel(part) for part in parts])

    norm = math.sqrt(sum(float((part**2).sum()) for part in g))
    factor = min(1.0, longest / norm)
    pairs = list(zip(t, g, strict=True))

    def step(by: Any) -> Floats:
        return flat([a - rate * by(b) for a, b in pairs])

    yield step(lambda b: b), "nothing is shortened"
    yield flat([a + rate * factor * b for a, b in pairs]), "the step goes along the gradient: subtract it"
    yield (
        flat([a - factor * b for a, b in pairs]),
        "the rate is missing, or comes before the clip: shorten the gradient, then take the step",
    )
    yield flat([factor * b for b in g]), "that is the clipped gradient: take the step, too"
    yield flat([rate * factor * b for b in g]), "that is the step alone: subtract it from theta"
    yield (
        step(lambda b: b * min(1.0, longest / math.sqrt(float((b**2).sum())))),
        "each array is shortened by its own norm: one norm for all of them keeps the direction",
    )
    yield step(lambda b: np.clip(b, -longest, longest)), "each number is cut off: that changes the direction"
    yield (
        step(lambda b: b * longest / norm),
        "a gradient that is short enough is made longer: leave it as it is",
    )
    yield step(lambda b: b / norm), "the gradient is shortened to norm 1: to `longest`"
    yield step(lambda b: b / max(1.0, norm)), "the gradient is shortened to norm 1: to `longest`"
    yield step(lambda b: b * min(1.0, longest / norm**2)), "the root of the sum of squares is missing"
    largest = max(float(abs(b).max()) for b in g)
    yield step(lambda b: b * min(1.0, longest / largest)), "that is by the largest number: take the norm"
    total = sum(float(abs(b).sum()) for b in g)
    yield (
        step(lambda b: b * min(1.0, longest / total)),
        "that is the sum of sizes: take the root of the squares",
    )
    apart = sum(math.sqrt(float((b**2).sum())) for b in g)
    yield (
        step(lambda b: b * min(1.0, longest / apart)),
        "norms of the arrays were added: add squares, then the root",
    )
    count = sum(b.size for b in g)
    yield (
        step(lambda b: b * min(1.0, longest * math.sqrt(count) / norm)),
        "that is the root of the mean of the squares: take the root of their sum",
    )
    means = math.sqrt(sum(float((b**2).mean()) for b in g))
    yield (
        step(lambda b: b * min(1.0, longest / means)),
        "that is the root of the mean of the squares: take the root of their sum",
    )
    first = math.sqrt(float((g[0] ** 2).sum()))
    yield (
        step(lambda b: b * min(1.0, longest / first)),
        "the norm is that of the first array: take that of all together",
    )
    yield (
        step(lambda b: b / factor),
        "the gradient is made longer: the factor is `longest` / norm, not its inverse",
    )
    new = [a - rate * b for a, b in pairs]
    far = math.sqrt(sum(float((a**2).sum()) for a in new))
    yield flat([a * min(1.0, longest / far) for a in new]), "theta was shortened: shorten the gradient"
    yield (
        step(lambda b: b - longest if norm > longest else b),
        "`longest` was subtracted from each number: multiply by `longest` / norm, which keeps the direction",
    )
    quiet = 1.0 if norm <= longest else 0.0
    yield step(lambda b: b * quiet), "a long gradient is dropped: shorten it"


@exercise("training.clipped_step")
def clipped_step(answer: Any) -> str | None:
    """One norm over two arrays of unlike sizes; long gradients, a short one and one of zeros."""
    rng = np.random.default_rng(7)
    for case, size in (("a long gradient", 3.0), ("a short gradient", 0.05), ("a gradient of zeros", 0.0)):
        for rate, longest in ((0.3, 1.7), (0.05, 0.6)):
            theta = [rng.normal(size=(2, 3)), rng.normal(size=4)]
            g = [size * rng.normal(size=(2, 3)), 2.5 * size * rng.normal(size=4)]
            norm = math.sqrt(sum(float((part**2).sum()) for part in g))
            factor = min(1.0, longest / norm) if norm else 1.0
            expected = np.concatenate(
                [(a - rate * factor * b).ravel() for a, b in zip(theta, g, strict=True)]
            )
            found = answer([part.copy() for part in theta], [part.copy() for part in g], rate, longest)
            flat = np.concatenate([part.ravel() for part in _arrays(found, theta)])
            mistakes = _clip_mistakes(theta, g, rate, longest) if norm else ()
            compare(
                flat, expected, f"for {case} of norm {norm:.3g}, longest {longest}, rate {rate}", mistakes
            )
    return None


def _factor(step: int, n_warm: int, n_steps: int) -> float:
    if step < n_warm:
        return (step + 1) / n_warm
    return 0.5 + 0.5 * math.cos(math.pi * (step - n_warm + 1) / (n_steps - n_warm))


def _schedule_mistakes(step: int, n_warm: int, n_steps: int) -> Iterator[tuple[float, str]]:
    rest = n_steps - n_warm
    if step < n_warm:
        yield step / n_warm, "step 0 has rate 0 and is wasted: count from 1"
        yield step / max(1, n_warm - 1), "step 0 has rate 0 and is wasted: count from 1"
        yield (
            (step + 1) / (n_warm + 1),
            "the rise reaches 1 one step late: step n_warm − 1 has the whole rate",
        )
        yield 1.0, "there is no warm-up: the first steps have a part of the rate"
        yield 0.5 - 0.5 * math.cos(math.pi * (step + 1) / n_warm), "the rise is a cosine: it is to be linear"
        yield (
            0.5 + 0.5 * math.cos(math.pi * step / (n_steps - 1)),
            "there is no warm-up: the first steps have a part of the rate",
        )
        whole = (step + 1) / n_warm * (0.5 + 0.5 * math.cos(math.pi * step / (n_steps - 1)))
        yield whole, "the fall begins at once: it begins when the rise is over"
        return
    yield (
        0.5 + 0.5 * math.cos(math.pi * (step - n_warm) / rest),
        "the fall comes one step late: the last step, n_steps − 1, has rate 0",
    )
    if rest > 1:
        yield (
            0.5 + 0.5 * math.cos(math.pi * (step - n_warm) / (rest - 1)),
            "two steps have the whole rate: the fall begins at step n_warm − 1, not one later",
        )
    share = (step - n_warm + 1) / rest
    yield 1 - share, "the fall is a straight line: it is to be half a cosine"
    yield math.cos(math.pi * share), "half of 1 + cos(π · share): this falls to −1"
    yield 1 + math.cos(math.pi * share), "half of 1 + cos(π · share): this begins at 2"
    yield (
        math.cos(math.pi * share / 2),
        "a quarter of a cosine: from 1 to 0 along half of one, 0.5 + 0.5 cos(π · share)",
    )
    yield 0.5 + 0.5 * math.cos(2 * math.pi * share), "a whole cosine rises again: half of one"
    yield 0.5 - 0.5 * math.cos(math.pi * share), "the fall is upside down: it rises"
    yield (
        0.5 + 0.5 * math.cos(math.pi * step / (n_steps - 1)),
        "the fall is counted from the first step: count it from the end of the rise",
    )
    yield 0.5 + 0.5 * math.cos(share), "π is missing in the cosine"
    yield 0.5 + 0.5 * math.cos(180 * share), "that is in degrees: math.cos takes radians, π for half a turn"
    yield 0.5 + 0.5 * math.sin(math.pi * share), "that is a sine: a cosine falls from 1"
    for wrong in (n_steps, n_steps - 1, rest + 1, rest - 1):
        if wrong > 0:
            yield (
                0.5 + 0.5 * math.cos(math.pi * (step - n_warm + 1) / wrong),
                f"the fall is spread over {wrong} steps: from n_warm − 1 to n_steps − 1 there are {rest}",
            )
    yield math.exp(-share), "the fall is exponential: it is to be half a cosine, down to 0"
    yield 0.0, "the rate is 0 at once after the rise: it falls along half a cosine"
    yield 1.0, "the rate does not fall after the rise"
    yield (step + 1) / n_warm, "the rise goes on: it ends at step n_warm − 1"


@exercise("training.factor")
def factor(answer: Any) -> str | None:
    """Every step of three schedules."""
    for n_warm, n_steps in ((4, 15), (7, 20), (3, 40)):
        for step in [
            (n_warm + 2 * n_steps) // 3,
            *range(n_warm, n_steps),
            *range(n_warm),
        ]:  # the middle first
            found = number(answer(step, n_warm, n_steps), f"factor({step}, {n_warm}, {n_steps})")
            expected, given = (
                _factor(step, n_warm, n_steps),
                f"for step {step}, n_warm {n_warm}, n_steps {n_steps}",
            )
            compare(found, expected, given, _schedule_mistakes(step, n_warm, n_steps))
    return None
