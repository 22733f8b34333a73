"""Checks for the exercises of notebooks/adversarial/gan.ipynb."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from labutils.checks.answers import Floats, array, compare, number, same, slip
from labutils.checks.core import exercise


@exercise("gan.value")
def value(answer: Any) -> str | None:
    """−log 2 = −0.6931."""
    found = number(answer, "the value")
    if same(found, -np.log(2), 6e-3, 0):  # −0.69 will do
        return None
    mistakes = [
        (np.log(2), "the sign: logarithms of probabilities are at most 0; this is the critic's loss, −V"),
        (-np.log(4), "that is the value where p = q: here the critic is certain at two places"),
        (0, "that is the value where p and q never meet: at the middle place they do"),
        (np.log(2) / 2, "that is the Jensen–Shannon divergence: V is twice that, less log 4"),
        (-np.log(2) / 2, "one term only: the middle place costs ½ log ½ as real and as made"),
        (np.log(2) - np.log(4) * 2, "log 4 is taken off twice"),
        (-1.0, "that is in bits: take natural logarithms"),
        (-2.0, "that is −log 4 in bits: p and q are not the same, and natural logarithms are asked"),
        (-0.30103, "that is with logarithms to base 10: take natural ones"),
        (-np.inf, "the best critic is certain only where it is right: 0 · log 0 counts as 0"),
        (0.5, "½ is what it says in the middle: what does it earn?"),
        (-0.3466 - np.log(4), "the divergence enters twice, with a plus: 2 JS − log 4"),
    ]
    return f"{slip(found, mistakes, 2e-3) or 'that is not it: sum p log D + q log(1 − D) over the places'}."


def _far(a: Floats, b: Floats) -> Floats:
    far: Floats = np.linalg.norm(a[:, None] - b[None], axis=-1)
    return far


def _reach(points: Floats, k: int) -> Floats:
    reach: Floats = np.sort(_far(points, points), axis=1)[:, k]
    return reach


def _recall_mistakes(real: Floats, made: Floats, k: int) -> Iterator[tuple[float, str]]:
    far, reach = _far(real, made), _reach(made, k)
    among = far <= _reach(real, k)[:, None]
    yield float(among.any(0).mean()), "that is the precision: made points among real ones, with their reach"
    yield float(among.any(1).mean()), "the reach is that of the real points: take the made ones'"
    inside = far <= reach
    yield float(inside.any(0).mean()), "the share of made points that have a real one in reach: of real ones"
    yield (
        float(inside.mean()),
        "the mean over all pairs: a real point counts once, if any made one reaches it",
    )
    yield float(inside.all(1).mean()), "within the reach of all made points: of some is enough"
    yield float(inside.any(1).sum()), "a count: divide by the number of real points"
    yield float(inside.any(1).sum() / len(made)), "divided by the number of made points: by the real ones"
    closer = far <= _reach(made, k - 1)
    yield float(closer.any(1).mean()), "one neighbour too near: place 0 of the sorted row is the point itself"
    wider = far <= _reach(made, k + 1)
    yield float(wider.any(1).mean()), "one neighbour too far: its k-th other point, itself not counted"
    to_real = np.sort(far, axis=0)[k - 1]
    yield float((far <= to_real).any(1).mean()), "the reach is to the k-th real point: to the k-th made one"
    yield 1 - float(inside.any(1).mean()), "the share that is missed: take the others"
    nearest = far.argmin(1)
    hit = far[np.arange(len(real)), nearest] <= reach[nearest]
    yield float(hit.mean()), "only the nearest made point is asked: another, with a longer reach, may do"
    yield (
        float((far.min(1) <= reach.mean()).mean()),
        "one reach for all: every made point has its own",
    )
    squared = far <= reach**2
    yield float(squared.any(1).mean()), "a distance is compared with a squared one"


@exercise("gan.recall")
def recall(answer: Any) -> str | None:
    """Share of real points in reach of a made one, where counts, sets and neighbours differ."""
    for n, m, k, seed in ((60, 37, 3, 2), (45, 80, 1, 1), (50, 30, 5, 3), (70, 41, 2, 4)):
        rng = np.random.default_rng(seed)
        real = rng.normal(size=(n, 2)) * (1.6, 1.0)
        made = rng.normal(size=(m, 2)) * rng.gamma(1.2, 0.6, (m, 1)) + (0.9, 0.2)
        expected = float((_far(real, made) <= _reach(made, k)).any(1).mean())
        found = number(answer(real.copy(), made.copy(), k), "the recall")
        given = f"for {n} real and {m} made points and k = {k}"
        compare(found, expected, given, _recall_mistakes(real, made, k), 1e-6)
    return None


@exercise("gan.best_smoothed")
def best_smoothed(answer: Any) -> str | None:
    """s t p / (s p + (1 − s) q), with shares and labels that differ."""
    for s, t, seed in ((0.3, 0.9, 1), (0.8, 0.7, 2), (0.45, 1.0, 3)):
        rng = np.random.default_rng(seed)
        p, q = rng.uniform(0.05, 2, 6), rng.uniform(0.05, 2, 6)
        right = s * t * p / (s * p + (1 - s) * q)
        found = array(answer(p.copy(), q.copy(), s, t), (6,), "what you return")
        mistakes: list[tuple[Any, str]] = [
            (p / (p + q), "that is the best critic for equal batches and label 1: s and t are missing"),
            (t * p / (p + q), "s is missing: the batch is real with a share of s"),
            (s * p / (s * p + (1 - s) * q), "t is missing: a real sample pulls towards t, not towards 1"),
            (s * t * p / (s * t * p + (1 - s) * q),
             "below the line real samples count in full: their part 1 − t pulls towards 0"),
            (t * (1 - s) * p / ((1 - s) * p + s * q), "s and 1 − s are exchanged: s is the real share"),
            (t * (1 - s) * q / (s * p + (1 - s) * q), "p and q are exchanged: that is the made share"),
            (1 - right, "that is 1 − D: the probability of made"),
            (np.log(s * p / ((1 - s) * q)), "that is a logit: return the probability"),
            (np.log(right / (1 - right)), "that is the logit: return the probability"),
            (s * p + (1 - s) * q, "that is what stands below the line: the density of the whole batch"),
            (s * t * p / (s * p + (1 - s) * q) + (1 - s) * (1 - t) * q / (s * p + (1 - s) * q),
             "both labels are smoothed: made samples keep 0"),
            ((s * t * p + (1 - s) * (1 - t) * q) / (s * p + (1 - s) * q),
             "both labels are smoothed: made samples keep 0"),
            (s * t * p / (p + q), "s stands above the line only: made samples have the weight 1 − s"),
            (s * t * p / (s * p + q), "made samples have the weight 1 − s"),
            (s * p**t / (s * p**t + (1 - s) * q), "t is a power there: the label enters as a weight"),
        ]  # fmt: skip
        compare(found, right, f"for s = {s} and t = {t}", mistakes, 1e-6)
    return None
