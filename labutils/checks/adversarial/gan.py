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
        (
            np.log(2),
            "the sign: logarithms of probabilities are at most 0; that is −V, or 2 JS without log 4",
        ),
        (-np.log(4), "that is the value where p = q: here the critic is certain at two places"),
        (0, "that is the value where p and q never meet: at the middle place they do"),
        (np.log(2) / 2, "that is the Jensen–Shannon divergence: V is twice that, less log 4"),
        (-np.log(2) / 2, "one term only: the middle place costs ½ log ½ as real and as made"),
        (
            np.log(2) - np.log(4) * 2,
            "three times log ½, or log 4 off twice: only one place costs, with weights of ½",
        ),
        (
            np.log(2) / 2 - np.log(4),
            "the divergence enters once, or a place too many: 2 JS − log 4, and only the middle place costs",
        ),
        (-0.7, "near, but give two digits"),
        (np.inf, "a divergence of p from q is infinite here; the critic's is from the mean m of both"),
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
    if k != 3:
        third = far <= _reach(made, 3)
        yield float(third.any(1).mean()), "k is 3 there: take the k that is given"
    yield (
        float((inside.sum(1) >= k).mean()),
        "a real point counts if one made point reaches it: not k of them",
    )
    unsorted = far <= _far(made, made)[:, k]
    yield float(unsorted.any(1).mean()), "the distances to one and the same point: sort each row first"
    average = far <= np.sort(_far(made, made), axis=1)[:, 1 : k + 1].mean(1)
    yield float(average.any(1).mean()), "the mean of the k nearest distances: the reach is the k-th of them"
    pooled = far <= np.sort(np.hstack([_far(made, made), far.T]), axis=1)[:, k]
    yield (
        float(pooled.any(1).mean()),
        "real points count as neighbours there: a reach is among made points only",
    )
    yield float((far**2 <= reach).any(1).mean()), "a squared distance is compared with one that is not"
    yield float((far <= reach**2).any(1).mean()), "a distance is compared with a squared one"
    yield 100 * float(inside.any(1).mean()), "in per cent: return the share"
    yield float((far <= reach.max()).any(1).mean()), "the longest reach for all: every made point has its own"
    yield (
        1.0,
        "every real point counts: has each made point its own reach, the distance to its k-th neighbour?",
    )


SETS = ((211, 97, 5, 19), (145, 180, 1, 1), (150, 130, 6, 3), (270, 141, 2, 4))  # n, m, k, seed


@exercise("gan.recall")
def recall(answer: Any) -> str | None:
    """Share of real points in reach of a made one, where counts, sets and neighbours differ."""
    for n, m, k, seed in SETS:
        rng = np.random.default_rng(seed)
        real = rng.normal(size=(n, 2)) * (0.8, 0.5)
        made = rng.normal(size=(m, 2)) * rng.gamma(1.2, 0.3, (m, 1)) + (0.9, 0.2)
        expected = float((_far(real, made) <= _reach(made, k)).any(1).mean())
        found = number(answer(real.copy(), made.copy(), k), "the recall")
        given = f"for {n} real and {m} made points and k = {k}"
        compare(found, expected, given, _recall_mistakes(real, made, k), 1e-6)
    return None


@exercise("gan.best_smoothed")
def best_smoothed(answer: Any) -> str | None:
    """s t p / (s p + (1 − s) q), with shares and labels that differ."""
    for s, t, seed in ((0.6, 0.8, 1), (0.3, 0.9, 2), (0.45, 1.0, 3)):
        rng = np.random.default_rng(seed)
        p, q = rng.uniform(0.05, 2, 6), rng.uniform(0.05, 2, 6)
        right = s * t * p / (s * p + (1 - s) * q)
        found = array(answer(p.copy(), q.copy(), s, t), (6,), "what you return")
        mistakes: list[tuple[Any, str]] = [
            (p / (p + q), "that is the best critic for equal batches and label 1: s and t are missing"),
            (s * (1 - t) * p / (s * p + (1 - s) * q), "1 − t is the pull towards 0: above the line stands t"),
            (s * t * p / ((1 - s) * q), "those are odds: below the line stands the whole batch"),
            (s * p / (s * t * p + (1 - s) * q), "t stands below the line: it weighs log d, above it"),
            (np.minimum(s * p / (s * p + (1 - s) * q), t),
             "the plain critic, cut off at t: smoothing lowers it everywhere, by the factor t"),
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
        compare(found, right, f"for s = {s} and t = {t}", mistakes, 1e-5)
    return None
