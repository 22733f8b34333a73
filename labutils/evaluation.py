"""Which of two models is better, and how sure is that: scores, intervals, paired tests, BLEU and chrF.

Built on the page notebooks/foundations/evaluation.ipynb. NumPy in and out: `y` and `said` are (n,) whole
numbers, the classes; `right` is (n,) of 0 and 1. Sources: McNemar (1947); Efron (1979); Cohen (1960);
Papineni et al., *BLEU: a Method for Automatic Evaluation of Machine Translation* (2002); Popović, *chrF:
character n-gram F-score for automatic MT evaluation* (2015), both as sacrebleu computes them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.intp]

__all__ = [
    "ClassScores",
    "best_of",
    "bleu",
    "bootstrap",
    "chrf",
    "class_scores",
    "confusion",
    "kappa",
    "macro_f1",
    "mcnemar",
    "micro_f1",
    "needed_size",
    "power_of",
    "weighted_kappa",
]


class ClassScores(NamedTuple):
    """Of each class, (n_class,); 0 where nothing was said or nothing was there."""

    precision: Floats
    recall: Floats
    f1: Floats


def _classes(y: ArrayLike, said: ArrayLike, n_class: int) -> tuple[Whole, Whole]:
    y, said = np.asarray(y), np.asarray(said)
    if y.ndim != 1 or y.shape != said.shape or len(y) == 0:
        raise ValueError(
            f"y has shape {y.shape} and said {said.shape}: expected the same (n,), n of 1 or more"
        )
    if y.dtype.kind not in "iub" or said.dtype.kind not in "iub":
        raise ValueError(f"y holds {y.dtype} and said {said.dtype}: classes are whole numbers")
    if min(y.min(), said.min()) < 0 or max(y.max(), said.max()) >= n_class:
        raise ValueError(f"a class is below 0 or above {n_class - 1}: n_class is {n_class}")
    return y.astype(np.intp), said.astype(np.intp)


def confusion(y: ArrayLike, said: ArrayLike, n_class: int) -> Whole:
    """How many of class i were called j: (n_class, n_class)."""
    y, said = _classes(y, said, n_class)
    return np.bincount(y * n_class + said, minlength=n_class**2).reshape(n_class, n_class)


def _ratio(a: Floats | Whole, b: Floats | Whole) -> Floats:
    return np.divide(a, b, out=np.zeros(np.shape(a)), where=np.asarray(b) > 0)


def class_scores(y: ArrayLike, said: ArrayLike, n_class: int) -> ClassScores:
    """Precision, recall and F1 of each class."""
    table = confusion(y, said, n_class)
    hits, called, there = np.diag(table), table.sum(0), table.sum(1)
    return ClassScores(_ratio(hits, called), _ratio(hits, there), _ratio(2 * hits, called + there))


def macro_f1(y: ArrayLike, said: ArrayLike, n_class: int) -> float:
    """The mean of the classes' F1: each counts the same, however rare. One that never occurs counts 0."""
    return float(class_scores(y, said, n_class).f1.mean())


def micro_f1(y: ArrayLike, said: ArrayLike, n_class: int) -> float:
    """F1 of the counts of all classes together. With one class a text it is the accuracy."""
    table = confusion(y, said, n_class)
    return float(2 * np.trace(table) / (table.sum(0) + table.sum(1)).sum())


# --- intervals and tests ------------------------------------------------------------------------------------


def bootstrap(
    values: ArrayLike, level: float = 0.95, n_draw: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Bounds for the mean of `values` (n,), by drawing n of them with replacement, `n_draw` times.

    Give the differences of two models on the same texts, and it is the paired interval.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"values has shape {values.shape}: expected (n,), n of 1 or more")
    if not 0 < level < 1 or n_draw < 1:
        raise ValueError(
            f"level is {level} and n_draw {n_draw}: expected a level between 0 and 1, a draw or more"
        )
    rng = np.random.default_rng(seed)
    block = max(1, 4_000_000 // len(values))  # draws at a time, so that memory stays small
    means = [
        values[rng.integers(0, len(values), (min(block, n_draw - done), len(values)))].mean(1)
        for done in range(0, n_draw, block)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _right(right: ArrayLike) -> NDArray[np.bool_]:
    values = np.asarray(right)
    if values.ndim != 1 or not np.isin(values, (0, 1)).all():
        raise ValueError("expected (n,) of 0 and 1: whether each answer was right")
    return values.astype(bool)


def mcnemar(right_a: ArrayLike, right_b: ArrayLike) -> float:
    """The exact p-value, both sides: is each text on which A and B differ the toss of a fair coin?"""
    a, b = _right(right_a), _right(right_b)
    if a.shape != b.shape:
        raise ValueError(f"{len(a)} answers of A and {len(b)} of B: they are to be on the same texts")
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    m, k = only_a + only_b, min(only_a, only_b)
    return min(1.0, 2 * float(sum(math.comb(m, i) for i in range(k + 1)) / 2**m))


def power_of(n: float, gain: float, differ: float, level: float = 0.95) -> float:
    """How often n texts show, at that level, a gain of models that differ on a share `differ` of texts.

    By the normal law of the mean difference, whose variance is (differ - gain²) / n; the wrong side of the
    test is left out. For two models on test sets of their own, differ = p (1 - p) + q (1 - q) + gain².
    """
    spread, flat = _spreads(gain, differ)
    edge = NormalDist().inv_cdf((1 + level) / 2)
    return NormalDist().cdf((abs(gain) * math.sqrt(n) - edge * flat) / spread) if spread else 1.0


def needed_size(gain: float, differ: float, level: float = 0.95, power: float = 0.8) -> int:
    """The fewest texts on which `power_of` is at least `power`."""
    spread, flat = _spreads(gain, differ)
    if gain == 0:
        raise ValueError("gain is 0: no test set is large enough to show it")
    if not (0 < level < 1 and 0 < power < 1):
        raise ValueError(f"level is {level} and power {power}: both lie between 0 and 1")
    edges = NormalDist().inv_cdf((1 + level) / 2) * flat + NormalDist().inv_cdf(power) * spread
    return max(1, math.ceil((edges / gain) ** 2))


def _spreads(gain: float, differ: float) -> tuple[float, float]:
    """The standard deviation of one text's difference, with this gain and with none."""
    if not abs(gain) <= differ <= 1:
        raise ValueError(f"differ is {differ}: at least the gain, {abs(gain)}, and at most 1")
    return math.sqrt(differ - gain**2), math.sqrt(differ)


def best_of(k: int) -> float:
    """The mean of the largest of k independent standard normals: how lucky the best of k equals looks."""
    if k < 1:
        raise ValueError(f"k is {k}: expected 1 or more")
    x = np.linspace(-9, 9, 3601)
    below = np.array([NormalDist().cdf(float(at)) for at in x])
    density = k * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) * below ** (k - 1)
    return float(np.trapezoid(x * density, x))


# --- people -------------------------------------------------------------------------------------------------


def kappa(a: ArrayLike, b: ArrayLike, n_class: int) -> float:
    """Cohen's κ of two raters: agreement beyond what their own shares of classes give by chance."""
    return weighted_kappa(a, b, 1 - np.eye(n_class))


def weighted_kappa(a: ArrayLike, b: ArrayLike, cost: ArrayLike) -> float:
    """κ where to call i what the other calls j costs cost[i, j], (n_class, n_class); nan if none can."""
    cost = np.asarray(cost, dtype=np.float64)
    if cost.ndim != 2 or cost.shape[0] != cost.shape[1]:
        raise ValueError(f"cost has shape {cost.shape}: expected (n_class, n_class)")
    table = confusion(a, b, len(cost)) / np.size(a)
    by_chance = float((cost * np.outer(table.sum(1), table.sum(0))).sum())
    return 1 - float((cost * table).sum()) / by_chance if by_chance > 0 else math.nan


# --- texts --------------------------------------------------------------------------------------------------


def _grams(tokens: Sequence[str] | str, n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[i:] for i in range(n)), strict=False))


def _matches(
    said: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]], order: int, *, fair: bool = False
) -> tuple[Whole, Whole, Whole]:
    """Of each length of n-gram: how many are shared, said, wanted, over all texts; each (order,).

    If `fair`, what is said counts only where the wanted text is long enough to have such n-grams.
    """
    if len(said) != len(wanted) or not said:
        raise ValueError(f"{len(said)} texts said and {len(wanted)} wanted: expected as many, 1 or more")
    found = np.zeros((3, order), dtype=np.intp)
    for s, w in zip(said, wanted, strict=True):
        for n in range(1, order + 1):
            ours, theirs = _grams(s, n), _grams(w, n)
            counted = ours.total() if theirs or not fair else 0
            found[:, n - 1] += (ours & theirs).total(), counted, theirs.total()
    return found[0], found[1], found[2]


def bleu(said: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]], order: int = 4) -> float:
    """BLEU of texts that are lists of tokens, one reference each, from 0 to 100.

    Counts of all texts are added first: it is no mean over texts. Equals sacrebleu's corpus_bleu with
    tokenize="none": an order without a match counts as ½, the next such as ¼, and so on.
    """
    shared, ours, theirs = _matches(said, wanted, order)
    if shared.sum() == 0 or ours.min() == 0:
        return 0.0
    halves = 0.5 ** np.cumsum(shared == 0)
    logs = np.log(np.where(shared > 0, shared, halves) / ours)
    brevity = min(0.0, 1 - theirs[0] / ours[0])
    return float(100 * np.exp(brevity + logs.mean()))


def chrf(said: Sequence[str], wanted: Sequence[str], order: int = 6, beta: float = 2.0) -> float:
    """chrF of texts, 0 to 100: F_β of the mean precision and recall of character n-grams, without spaces.

    Equals sacrebleu's corpus_chrf: orders that one side lacks are left out.
    """
    packed = [["".join(text.split()) for text in texts] for texts in (said, wanted)]
    shared, ours, theirs = _matches(packed[0], packed[1], order, fair=True)
    there = (ours > 0) & (theirs > 0)
    if not shared.any():
        return 0.0
    precision, recall = (float((shared[there] / of[there]).mean()) for of in (ours, theirs))
    return 100 * (1 + beta**2) * precision * recall / (beta**2 * precision + recall)
