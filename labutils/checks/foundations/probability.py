"""Checks for the exercises of notebooks/foundations/probability.ipynb."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labutils.checks.answers import close
from labutils.checks.core import exercise

Floats = NDArray[np.float64]


def _array(value: object, shape: tuple[int, ...], what: str) -> tuple[Floats, None] | tuple[None, str]:
    """Return (array, None) if `value` has the shape that is wanted, else (None, a message)."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None, f"it returned {type(value).__name__}, but {what} must be an array of numbers."
    if array.shape != shape:
        return None, f"{what} has shape {array.shape}; expected {shape}."
    return array, None


def _same(found: Floats, expected: Floats) -> bool:
    return bool(np.allclose(found, expected, rtol=1e-6, atol=1e-9))


def _say(found: object) -> str:
    """Write what the reader's code returned: 4 digits of a number, or else its type."""
    try:
        return f"{float(found):.4g}"  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return f"a {type(found).__name__}"


@exercise("probability.two_flags")
def two_flags(answer: Any) -> str | None:
    """The posterior after two independent detectors agree: odds of 2 to 98, times 19, times 19."""
    prior, sensitivity, false_alarm = 0.02, 0.95, 0.05
    once = 1 / (1 + (1 - prior) / prior * false_alarm / sensitivity)
    twice = 1 / (1 + (1 - prior) / prior * (false_alarm / sensitivity) ** 2)
    if close(answer, twice, 0.006):
        return None
    if close(answer, 100 * twice, 0.006):
        return "that is a percentage: a probability lies between 0 and 1."
    if close(answer, once, 0.006):
        return f"{once:.2f} is the answer after one flag: the second one is evidence too."
    if close(answer, 1 / (1 + (false_alarm / sensitivity) ** 2), 0.002):
        return f"{float(answer):.3f} forgets the base rate: before any flag the odds are 2 to 98, not 1 to 1."
    if close(answer, sensitivity**2, 0.003) or close(answer, 1 - false_alarm**2, 0.001):
        return f"{float(answer):.4f} is about two flags on an essay whose author you know: turn it around."
    if close(answer, 2 * once, 0.01):
        return f"{float(answer):.2f} adds two posteriors: it is the odds that multiply, once for each flag."
    return (
        f"{_say(answer)} is not it: write the odds 2 : 98, multiply by 95 : 5 for each flag, "
        "then turn odds into a probability."
    )


@exercise("probability.posterior")
def posterior(answer: Any) -> str | None:
    """Try rates that tell the usual slips apart: 10 % machine, 80 % caught, 30 % falsely flagged."""
    p, s, f = 0.1, 0.8, 0.3
    found = answer(p, s, f)
    right = p * s / (p * s + (1 - p) * f)
    slips = {
        s: "is P(flag | machine) handed back: the question is P(machine | flag)",
        s / (s + f): "leaves out the base rate: weigh both kinds of flag by how common their authors are",
        p * s: "is P(machine and flag): divide by P(flag), the sum over both kinds of author",
        p * s / (p * s + f): "weighs the machine's flags by the prior but not the human ones by 1 - prior",
        p * s / (p * s + (1 - p) * (1 - f)): "takes the third argument for the share of humans let pass; "
        "it is the share of humans flagged",
        1 - right: "is P(human | flag)",
        100 * right: "is a percentage: a probability lies between 0 and 1",
    }
    for slip, meaning in slips.items():
        if close(found, slip):
            return f"posterior({p}, {s}, {f}) gave {float(found):.3g}, which {meaning}."
    if not close(found, right):
        return f"posterior({p}, {s}, {f}) gave {_say(found)}; expected 80 of 350 flags, {right:.3f}."
    for prior, expected in ((0.0, 0.0), (1.0, 1.0)):
        if not close(answer(prior, s, f), expected):
            return f"with a prior of {prior:g} no evidence can change the answer: it must stay {expected:g}."
    return None


@exercise("probability.log_sum_exp")
def log_sum_exp(answer: Any) -> str | None:
    """Small numbers, then numbers near ±1,000, then impossible ones (minus infinity)."""
    with np.errstate(all="ignore"):
        found = answer(np.log(np.array([1.0, 2.0, 5.0])))  # ln 8
        if close(found, 8.0):
            return "log_sum_exp of ln 1, ln 2, ln 5 gave 8: the sum is right, now take its logarithm."
        if close(found, 3.0):
            return "log_sum_exp of ln 1, ln 2, ln 5 gave 3, which is log₂ 8: use the natural logarithm."
        if close(found, np.log(1.6)):
            return f"log_sum_exp gave {float(found):.3f}: you subtracted the maximum and did not add it back."
        if close(found, np.log(5.0)):
            return "log_sum_exp gave the largest entry alone: the others count too."
        if not close(found, np.log(8.0)):
            return f"log_sum_exp of ln 1, ln 2, ln 5 gave {_say(found)}; expected ln 8 = {np.log(8.0):.4f}."
        large = answer(np.array([1000.0, 1000.0]))
        if not close(large, 1000 + np.log(2)):
            return (
                f"log_sum_exp of [1000, 1000] gave {_say(large)}: exp overflows; subtract the maximum first."
            )
        small = answer(np.array([-1000.0, -1001.0]))
        if not close(small, -1000 + np.log1p(np.exp(-1))):
            return (
                f"log_sum_exp of [-1000, -1001] gave {_say(small)}: both underflow; subtract their maximum."
            )
        half = answer(np.array([-np.inf, 2.0]))
        if not close(half, 2.0):
            return (
                f"log_sum_exp of [-inf, 2] gave {_say(half)}: what is impossible adds nothing, so expect 2."
            )
        none = float(answer(np.array([-np.inf, -np.inf])))
        if none != -np.inf:
            return f"log_sum_exp of [-inf, -inf] gave {none}: -inf - (-inf) is not a number; expected -inf."
    return None


@exercise("probability.dirichlet_mean")
def dirichlet_mean(answer: Any) -> str | None:
    """A table of counts with an empty row, and a prior that does not treat the tokens alike."""
    counts = np.array([[3.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    alpha = np.array([0.2, 0.4, 0.6, 0.8])
    p, problem = _array(answer(counts.copy(), alpha.copy()), (2, 4), "the table of probabilities")
    if p is None:
        return problem
    total = counts.sum(axis=1, keepdims=True)
    right = (counts + alpha) / (total + alpha.sum())
    if _same(p, right):
        return None
    slips = [
        (counts[0] / 4, "is the plain frequencies: the prior has no effect yet"),
        ((counts[0] + alpha) / 4, f"sums to {p[0].sum():.3g}: the pseudo-counts are missing below the line"),
        ((counts[0] + alpha) / 5, f"sums to {p[0].sum():.3g}: below the line stands alpha.sum(), not 1"),
        ((counts[0] + alpha.mean()) / 6, "uses the mean of alpha for every token: each has its own"),
        ((counts + alpha)[0] / (counts + alpha).sum(), "belongs to a table that sums to 1: each *row* must"),
        ((counts + alpha)[0] / (counts + alpha).sum(axis=0), "was divided by column sums: contexts are rows"),
        (
            (counts[0] + alpha - 1) / (4 + alpha.sum() - 4),
            "is the highest point of the posterior, not its mean",
        ),
    ]
    for slip, meaning in slips:
        if _same(p[0], slip):
            return f"row 0 {meaning}."
    if not np.isfinite(p).all():
        return "a row without counts gave NaN or infinity: there only the prior speaks, alpha / alpha.sum()."
    row = 0 if not _same(p[0], right[0]) else 1
    return f"row {row} is {np.round(p[row], 3).tolist()}; expected {np.round(right[row], 3).tolist()}."


@exercise("probability.sample")
def sample(answer: Any) -> str | None:
    """Chosen numbers u instead of random ones, so that the right ids are known."""
    p = np.array([0.25, 0.25, 0.5])
    u = np.array([0.1, 0.3, 0.45, 0.6, 0.99])
    ids, problem = _array(answer(p.copy(), u.copy(), 1.0), (5,), "the array of ids")
    if ids is None:
        return problem
    if _same(ids, np.array([1.0, 2, 2, 3, 3])):
        return "every id is one too high: ids start at 0, and 0.1 lies below the first cumulative sum."
    if len(set(ids.tolist())) == 1:
        return f"every u gave {ids[0]:g}: that is arg-max, not a draw; compare u with the cumulative sums."
    if not _same(ids, np.array([0.0, 1, 1, 2, 2])):
        return f"for p = {p.tolist()}, u = {u.tolist()} the ids are {ids.tolist()}; expected [0, 1, 1, 2, 2]."
    ids, _ = _array(answer(np.array([0.0, 0.5, 0.5]), np.array([0.0, 0.5]), 1.0), (2,), "the array of ids")
    if ids is None or not _same(ids, np.array([1.0, 2.0])):
        return "u = 0 drew a token of probability 0, or u = 0.5 stayed left of the step: use side='right'."
    # τ = 1/2 squares: 1/6, 1/6, 4/6.  τ = 2 takes the root: 0.293, 0.293, 0.414.
    u = np.array([0.2, 0.4, 0.55, 0.95])
    cold, _ = _array(answer(p.copy(), u, 0.5), (4,), "the array of ids")
    hot, _ = _array(answer(p.copy(), u, 2.0), (4,), "the array of ids")
    if cold is None or hot is None:
        return "with a temperature other than 1 the shape of the answer changes."
    if max(cold.max(), hot.max()) > 2:
        return "an id of 3 turned up: after p ** (1 / temperature) the sum is not 1; normalise again."
    if _same(cold, hot):
        return "temperature changes nothing: raise p to the power 1 / temperature and normalise."
    if _same(cold, np.array([0.0, 1, 1, 2])) and _same(hot, np.array([1.0, 2, 2, 2])):
        return "temperature works backwards: the power is 1 / temperature, so that a low one sharpens."
    if not (_same(cold, np.array([1.0, 2, 2, 2])) and _same(hot, np.array([0.0, 1, 1, 2]))):
        return f"at temperature 0.5 the ids are {cold.tolist()}; expected [1, 2, 2, 2] (p² normalised)."
    return None


@exercise("probability.bernoulli_bayes")
def bernoulli_bayes(answer: Any) -> str | None:
    """Two classes, three words; then a thousand words, where products underflow."""
    prior = np.array([0.25, 0.75])
    theta = np.array([[0.5, 0.2, 0.1], [0.1, 0.4, 0.3]])
    present = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    with np.errstate(all="ignore"):
        value = answer(prior.copy(), theta.copy(), present.copy())
        found, problem = _array(value, (2, 2), "the log posterior")
        if found is None:
            return problem
        seen = present @ np.log(theta).T
        absent = (1 - present) @ np.log(1 - theta).T
        joint = seen + absent + np.log(prior)
        if _same(found, _normalised(joint)):
            wide = np.full((2, 1000), 0.4)
            wide[1] = 0.3
            long = np.asarray(answer(np.array([0.5, 0.5]), wide, np.ones((1, 1000))), dtype=np.float64)
            if not np.isfinite(long).all():
                return "with 1,000 words the answer is not finite: stay in logarithms until the very end."
            return None
        if _same(found, np.exp(_normalised(joint))):
            return "these are probabilities: return their logarithms."
        if _same(found, joint):
            return "these are log P(class, words): subtract log-sum-exp over the classes, row by row."
        if _same(found, _normalised(seen + np.log(prior))):
            return "absent words are missing: here a word that is not there counts too, as log(1 - theta)."
        if _same(found, _normalised(seen + absent)):
            return "the prior is missing: add log(prior) before you normalise."
        if _same(found, joint - np.log(np.exp(joint).sum(axis=0))):
            return "normalised over the documents: the classes of one document must sum to 1 (axis=1)."
        first = np.round(np.exp(found[0]), 3).tolist()
    right = np.round(np.exp(_normalised(joint)[0]), 3).tolist()
    return f"document 0 has posterior {first}; expected {right}."


def _normalised(joint: Floats) -> Floats:
    normal: Floats = joint - np.log(np.exp(joint).sum(axis=1, keepdims=True))
    return normal
