"""Does a forecast mean what it says: scores, reliability, one temperature, split conformal sets.

Built on the page notebooks/limits/uncertainty.ipynb. NumPy in and out: `p` and `logits` are (n, n_class), `y`
(n,) whole numbers below n_class. Sources: Brier (1950); Guo et al., *On Calibration of Modern Neural
Networks* (2017); Vovk et al., *Algorithmic Learning in a Random World* (2005); Romano et al.,
*Classification with Valid and Adaptive Coverage* (2020); Tibshirani et al., *Conformal Prediction Under
Covariate Shift* (2019).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.intp]

__all__ = [
    "Bins",
    "aps_scores",
    "bias_if_calibrated",
    "brier",
    "calibration_error",
    "confidence",
    "conformal_quantile",
    "conformal_rank",
    "fit_temperature",
    "lac_scores",
    "log_loss",
    "reliability",
    "risk_at",
    "softmax",
    "weighted_quantile",
]


class Bins(NamedTuple):
    """Groups of forecasts of like confidence, empty ones left out: each (n_bins,)."""

    size: Floats
    confidence: Floats  # the mean of what was said
    accuracy: Floats  # the share that came true


def _forecasts(p: ArrayLike, y: ArrayLike) -> tuple[Floats, Whole]:
    p, y = np.asarray(p, dtype=np.float64), np.asarray(y)
    if p.ndim != 2 or y.shape != p.shape[:1] or y.dtype.kind not in "iu":
        raise ValueError(
            f"p has shape {p.shape} and y {y.shape}: expected (n, n_class), and (n,) whole numbers"
        )
    if len(y) == 0:
        raise ValueError("no forecasts")
    if y.min() < 0 or y.max() >= p.shape[1]:
        raise ValueError(f"y has values from {y.min()} to {y.max()}: there are {p.shape[1]} classes")
    return p, y.astype(np.intp)


def softmax(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Probabilities of logits (..., n_class) that were divided by `temperature`."""
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}: it divides, so it is above 0")
    z = np.asarray(logits, dtype=np.float64) / temperature
    weights = np.exp(z - z.max(-1, keepdims=True))
    shares: Floats = weights / weights.sum(-1, keepdims=True)
    return shares


def log_loss(p: ArrayLike, y: ArrayLike) -> float:
    """Mean surprise at what came true, in bits; infinite where it was called impossible."""
    p, y = _forecasts(p, y)
    with np.errstate(divide="ignore"):
        return float(-np.log2(p[np.arange(len(y)), y]).mean())


def brier(p: ArrayLike, y: ArrayLike) -> float:
    """Mean squared distance, summed over classes, of forecast and what came true: from 0 to 2."""
    p, y = _forecasts(p, y)
    return float(((p - np.eye(p.shape[1])[y]) ** 2).sum(1).mean())


def confidence(p: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """What each forecast says of its likeliest class, and whether that came true (1 or 0): each (n,)."""
    p, y = _forecasts(p, y)
    return p.max(1), (p.argmax(1) == y).astype(np.float64)


def reliability(said: ArrayLike, right: ArrayLike, n_bins: int = 15, equal_counts: bool = False) -> Bins:
    """Sort forecasts into bins of equal width, or of equal counts.

    said, right: (n,), from `confidence`. A bin of equal width has its lower edge and not its upper one; the
    last one has both.
    """
    said, right = np.asarray(said, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if said.ndim != 1 or said.shape != right.shape or said.size == 0:
        raise ValueError(f"said has shape {said.shape} and right {right.shape}: expected two of (n,), n > 0")
    if not (said.min() >= 0 and said.max() <= 1):
        raise ValueError(f"said has values from {said.min():.3g} to {said.max():.3g}: expected probabilities")
    if n_bins < 1:
        raise ValueError(f"n_bins is {n_bins}: at least 1")
    if equal_counts:
        rank = np.empty(len(said), dtype=np.intp)
        rank[np.argsort(said, kind="stable")] = np.arange(len(said))
        at = rank * n_bins // len(said)
    else:
        at = np.minimum((said * n_bins).astype(np.intp), n_bins - 1)
    count = np.bincount(at, minlength=n_bins).astype(np.float64)
    full = count > 0
    sums = [np.bincount(at, each, minlength=n_bins)[full] / count[full] for each in (said, right)]
    return Bins(count[full], sums[0], sums[1])


def calibration_error(
    said: ArrayLike, right: ArrayLike, n_bins: int = 15, equal_counts: bool = False
) -> float:
    """The expected calibration error: the mean gap of confidence and accuracy, bins weighted by size."""
    bins = reliability(said, right, n_bins, equal_counts)
    return float((bins.size * np.abs(bins.accuracy - bins.confidence)).sum() / bins.size.sum())


def bias_if_calibrated(said: ArrayLike, n_bins: int = 15) -> float:
    """About what calibration error forecasts `said` (n,) get if they are exactly right, by chance alone.

    In a bin of n forecasts the accuracy strays with variance v/n, v the mean of said (1 − said), and the mean
    size of a normal variable is √(2/π) times its standard deviation.
    """
    said = np.asarray(said, dtype=np.float64)
    spread = reliability(said, said * (1 - said), n_bins)
    return float(np.sqrt(2 / math.pi * spread.size * spread.accuracy).sum() / len(said))


def fit_temperature(logits: ArrayLike, y: ArrayLike, low: float = 0.05, high: float = 100.0) -> float:
    """The temperature of the least log loss between `low` and `high`.

    By halving log T: the loss is convex in 1/T, and its slope there says on which side the least one lies.
    """
    logits, y = _forecasts(logits, y)
    true = logits[np.arange(len(y)), y]
    a, b = math.log(low), math.log(high)
    for _ in range(30):
        middle = (a + b) / 2
        expected = (softmax(logits, math.exp(middle)) * logits).sum(1)
        a, b = (middle, b) if (expected - true).mean() > 0 else (a, middle)  # d loss / d(1/T)
    return math.exp((a + b) / 2)


def lac_scores(p: ArrayLike, y: ArrayLike | None = None) -> Floats:
    """1 − p of the true class (n,), or of every class (n, n_class): least ambiguous sets."""
    p = np.asarray(p, dtype=np.float64)
    scores: Floats = 1 - p
    return scores if y is None else scores[np.arange(len(p)), np.asarray(y)]


def aps_scores(p: ArrayLike, y: ArrayLike | None = None) -> Floats:
    """The mass of classes at least as likely as the true one (n,), or as each (n, n_class): adaptive sets."""
    p = np.asarray(p, dtype=np.float64)
    scores: Floats = (p[:, None, :] * (p[:, None, :] >= p[:, :, None])).sum(-1)
    return scores if y is None else scores[np.arange(len(p)), np.asarray(y)]


def conformal_rank(n: int, alpha: float) -> int:
    """⌈(n + 1)(1 − α)⌉, exactly: `alpha` is read as the decimal that it is written as."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}: expected a share between 0 and 1 that may be missed")
    return math.ceil((n + 1) * (1 - Fraction(str(alpha))))


def conformal_quantile(scores: ArrayLike, alpha: float) -> float:
    """The threshold for new scores: the ⌈(n + 1)(1 − α)⌉-th smallest of `scores` (n,), else infinity."""
    scores = np.asarray(scores, dtype=np.float64)
    rank = conformal_rank(len(scores), alpha)
    return float(np.partition(scores, rank - 1)[rank - 1]) if rank <= len(scores) else math.inf


def weighted_quantile(scores: ArrayLike, weights: ArrayLike, new: ArrayLike, alpha: float) -> Floats:
    """A threshold for each new text, if texts are now `weights` times as likely: (n_new,).

    scores, weights: (n,), of the calibration texts; new: (n_new,), the weights of the new ones, whose own
    mass lies at infinity. With equal weights it is `conformal_quantile`.
    """
    scores, weights, new = (np.asarray(x, dtype=np.float64) for x in (scores, weights, new))
    if min(weights.min(), new.min()) < 0:
        raise ValueError("a weight is negative")
    order = np.argsort(scores)
    mass = np.cumsum(weights[order])
    need = float(1 - Fraction(str(alpha))) * (mass[-1] + new)
    at = np.searchsorted(mass, need - 1e-9 * mass[-1])
    found: Floats = np.append(scores[order], math.inf)[at]
    return found


def risk_at(said: ArrayLike, right: ArrayLike, coverage: ArrayLike) -> Floats:
    """The share of errors among the surest forecasts, for each share `coverage` of them that is answered."""
    said, right = np.asarray(said, dtype=np.float64), np.asarray(right, dtype=np.float64)
    wrong = 1 - right[np.argsort(-said, kind="stable")]
    answered = np.maximum(1, np.round(np.asarray(coverage) * len(said)).astype(np.intp))
    risk: Floats = (np.cumsum(wrong) / np.arange(1, len(said) + 1))[answered - 1]
    return risk
