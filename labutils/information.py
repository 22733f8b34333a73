"""Measures of information and surprise, in bits unless another base is asked for.

Notation and identities follow Cover & Thomas, *Elements of Information Theory* (2006),
chapter 2. Zero probabilities contribute nothing: 0 log 0 = 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

__all__ = [
    "bits_per_token",
    "conditional_entropy",
    "cross_entropy",
    "entropy",
    "kl_divergence",
    "mutual_information",
    "normalise",
    "perplexity",
]

_TOLERANCE = 1e-6  # wide enough for float32 softmax output over 100,000 tokens


def _numbers(name: str, values: ArrayLike) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:  # text, or rows of different lengths
        raise ValueError(f"{name} is not an array of numbers: {error}") from None


def _probabilities(name: str, values: ArrayLike, ndim: int) -> Floats:
    """Return `values` as float64 after checking that they are one probability distribution."""
    p = _numbers(name, values)
    if p.ndim != ndim:
        raise ValueError(f"{name} has shape {p.shape}: expected {ndim} dimension(s)")
    if p.size == 0:
        raise ValueError(f"{name} is empty")
    if not np.all(np.isfinite(p)):
        raise ValueError(f"{name} contains a value that is not finite")
    if p.min() < 0:
        raise ValueError(f"{name} contains a negative probability: {p.min():.3g}")
    if abs(p.sum() - 1.0) > _TOLERANCE:
        raise ValueError(f"{name} sums to {p.sum():.6g}, not to 1: normalise it first")
    return p


def _log(p: Floats, base: float) -> Floats:
    if not base > 1:
        raise ValueError(f"base is {base}: a logarithm needs a base above 1 (2 for bits, math.e for nats)")
    logs: Floats = np.log(p) / np.log(base)
    return logs


def normalise(counts: ArrayLike) -> Floats:
    """Turn non-negative counts of any shape into probabilities that sum to 1.

    Raises ValueError if a count is negative or not finite, or if all are zero.
    """
    c = _numbers("counts", counts)
    if c.size == 0 or not np.all(np.isfinite(c)):
        raise ValueError("counts is empty or contains a value that is not finite")
    if c.min() < 0:
        raise ValueError(f"counts contains a negative count: {c.min():.3g}")
    total = c.sum()
    if total == 0:
        raise ValueError("counts are all zero: there is nothing to normalise")
    p: Floats = c / total
    return p


def entropy(p: ArrayLike, *, base: float = 2) -> float:
    """H(p) = −Σ p log p of a distribution `p`, shape (n,). Shannon (1948), §6."""
    p = _probabilities("p", p, 1)
    p = p[p > 0]
    return float(-(p * _log(p, base)).sum()) + 0.0  # + 0.0 turns −0.0 into 0.0


def cross_entropy(p: ArrayLike, q: ArrayLike, *, base: float = 2) -> float:
    """H(p, q) = −Σ p log q: the code length when `q` models data drawn from `p`; both (n,).

    Infinite where q is zero and p is not.
    """
    p, q = _pair(p, q)
    seen = p > 0
    with np.errstate(divide="ignore"):
        return float(-(p[seen] * _log(q[seen], base)).sum()) + 0.0


def kl_divergence(p: ArrayLike, q: ArrayLike, *, base: float = 2) -> float:
    """D(p‖q) = Σ p log(p/q) ≥ 0; both (n,). Kullback & Leibler (1951).

    Infinite where q is zero and p is not.
    """
    p, q = _pair(p, q)
    seen = p > 0
    with np.errstate(divide="ignore"):
        ratio = _log(p[seen], base) - _log(q[seen], base)
    return max(0.0, float((p[seen] * ratio).sum()))  # rounding may give −1e-17, and a max of −0.0 first −0.0


def _pair(p: ArrayLike, q: ArrayLike) -> tuple[Floats, Floats]:
    p, q = _probabilities("p", p, 1), _probabilities("q", q, 1)
    if p.shape != q.shape:
        raise ValueError(f"p has shape {p.shape} and q has shape {q.shape}: they must be equal")
    return p, q


def mutual_information(joint: ArrayLike, *, base: float = 2) -> float:
    """I(X;Y) = D(p(x,y) ‖ p(x)p(y)) of a joint distribution `joint`, shape (n_x, n_y)."""
    joint = _probabilities("joint", joint, 2)
    x, y = joint.nonzero()
    p = joint[x, y]
    # Logarithms are added, not probabilities multiplied: the product of two small ones may be zero.
    independent = _log(joint.sum(axis=1)[x], base) + _log(joint.sum(axis=0)[y], base)
    ratio = _log(p, base) - independent
    return max(0.0, float((p * ratio).sum()))


def conditional_entropy(joint: ArrayLike, *, base: float = 2) -> float:
    """H(Y|X) = H(X,Y) − H(X) of a joint distribution `joint`, shape (n_x, n_y)."""
    joint = _probabilities("joint", joint, 2)
    both = entropy(joint.ravel(), base=base)
    return max(0.0, both - entropy(joint.sum(axis=1), base=base))


def perplexity(bits: float) -> float:
    """2 ** bits: the number of equally likely choices that would be as surprising.

    Jelinek, Mercer, Bahl & Baker (1977). `bits` is a cross-entropy per token; from 1,024 bits on the result
    is beyond the largest float, infinite.
    """
    if not bits >= 0:
        raise ValueError(f"bits is {bits}: a cross-entropy is not negative")
    with np.errstate(over="ignore"):
        return float(np.exp2(np.float64(bits)))


def bits_per_token(log2_probs: ArrayLike) -> float:
    """The mean of −log₂ P over tokens, from an array (n,) of log₂ probabilities.

    Raises ValueError if the array is empty or contains a positive value.
    """
    values = _numbers("log2_probs", log2_probs)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"log2_probs has shape {values.shape}: expected (n,) with n > 0")
    if np.isnan(values).any() or values.max() > _TOLERANCE:
        raise ValueError("log2_probs contains a positive value or NaN: pass logarithms of probabilities")
    return float(-values.mean()) + 0.0
