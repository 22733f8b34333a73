"""Checks for the exercises of notebooks/limits/uncertainty.ipynb."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from labutils.checks.answers import Floats, Wrong, array, compare, number, same, slip
from labutils.checks.core import exercise


@exercise("uncertainty.rank")
def rank(answer: Any) -> str | None:
    """⌈31 · 0.9⌉ = 28."""
    found = number(answer, "the rank")
    if same(found, 28, 0, 1e-9):
        return None
    mistakes = [
        (27, "the new text is one more: there are n + 1 = 31 places, not 30 (and places count from 1)"),
        (27.9, "27.9 is no place: round up, or less than 90 % are covered"),
        (29, "one too many: 28/31 is above 0.9 already"),
        (30, "that is the largest score: it covers 30/31"),
        (31, "there are only 30 scores"),
        (3, "the third from the large end is the one: asked is its place from the small end"),
        (4, "⌈31 · 0.1⌉: with α in place of 1 − α the truth is in one set of ten"),
        (0.9, "0.9 is the level: asked is the place of the score that has it"),
        (0.903, "that is the coverage, 28/31: asked is the rank that has it"),
        (0.93, "that is a share of the 30 scores, 27.9/30: asked is the rank, rounded up"),
        (0.9333, "that is a share of the 30 scores, 28/30: asked is the rank"),
        (26, "two too few: 26/31 is 0.84"),
    ]
    return f"{slip(found, mistakes, 2e-3) or 'that is not it: the smallest k with k/31 of 0.9 or more'}."


def _groups(said: Floats, right: Floats, n_bins: int) -> tuple[Floats, Floats]:
    order = np.argsort(said, kind="stable")
    sure: Floats = said[order].reshape(n_bins, -1).mean(1)
    true: Floats = right[order].reshape(n_bins, -1).mean(1)
    return sure, true


def _error_mistakes(said: Floats, right: Floats, n_bins: int) -> Iterator[tuple[float, str]]:
    sure, true = _groups(said, right, n_bins)
    gap = true - sure
    yield abs(gap.mean()), "take |…| in each group, before the mean: here gaps of different signs cancel"
    yield float(-gap.mean()), "take |…| in each group, before the mean: here gaps of different signs cancel"
    yield float(gap.mean()), "take |…| in each group, before the mean: here gaps of different signs cancel"
    yield float((gap**2).mean()), "squared gaps: take |…|"
    yield float(np.sqrt((gap**2).mean())), "the root of the mean square: take the mean of |…|"
    yield float(abs(gap).max()), "the largest gap: take the mean over groups"
    yield float(abs(gap).sum()), "the sum of the gaps: divide by the number of groups"
    size = len(said) // n_bins
    yield size * float(abs(gap).mean()), "sums within the groups: take the mean of each"
    yield float(abs(gap).mean()) / n_bins, "divided by the number of groups twice"
    yield 100 * float(abs(gap).mean()), "that is in per cent: return it as a share"
    for kept, which in ((gap[:-1], "last"), (gap[1:], "first")):
        for value in (abs(kept).mean(), abs(kept).sum() / n_bins):
            yield float(value), f"the {which} group is missing"
    yield float(abs(right - said).mean()), "|…| of each text: take means in each group first"
    at = np.minimum((said * n_bins).astype(int), n_bins - 1)
    count = np.bincount(at, minlength=n_bins)
    full = count > 0
    gaps = abs(np.bincount(at, right - said, n_bins)[full])
    yield (
        float(gaps.sum() / len(said)),
        "bins of equal width: cut the sorted texts into groups of equal counts",
    )
    yield float((gaps / count[full]).mean()), "bins of equal width, without weights: groups of equal counts"
    as_given = abs(right.reshape(n_bins, -1).mean(1) - said.reshape(n_bins, -1).mean(1)).mean()
    yield float(as_given), "sort by said before you cut"
    order = np.argsort(said, kind="stable")
    unsorted = abs(right.reshape(n_bins, -1).mean(1) - said[order].reshape(n_bins, -1).mean(1)).mean()
    yield float(unsorted), "said is sorted and right is not: bring both into the same order"
    both = abs(np.sort(right).reshape(n_bins, -1).mean(1) - sure).mean()
    yield float(both), "right is sorted by itself: bring it into the order of said"
    across = (right - said)[order].reshape(n_bins, size).mean(0)
    yield float(abs(across).mean()), "a mean across the groups, axis 0: within a group it is axis 1"
    ranks = np.argsort(order)
    yield (
        float(abs((right - said)[ranks].reshape(n_bins, size).mean(1)).mean()),
        "indexed by each text's rank, argsort of argsort: argsort once gives the order",
    )
    by_right = np.argsort(right, kind="stable")
    yield (
        float(abs((right - said)[by_right].reshape(n_bins, size).mean(1)).mean()),
        "sorted by right: sort by said",
    )
    dealt = abs(right[order].reshape(-1, n_bins).mean(0) - said[order].reshape(-1, n_bins).mean(0)).mean()
    yield float(dealt), "the groups are dealt out in turn: neighbours in the order belong together"
    other = len(said) // n_bins
    sure, true = _groups(said, right, other)
    yield float(abs(true - sure).mean()), "that has n_bins texts a group: n_bins is the number of groups"


@exercise("uncertainty.equal_counts")
def equal_counts(answer: Any) -> str | None:
    """The mean gap over groups of equal counts, on data where widths and counts differ."""
    for n, n_bins, seed in ((60, 4, 1), (84, 6, 2), (40, 8, 3)):
        rng = np.random.default_rng(seed)
        said = rng.beta(4, 2, n).clip(0.01, 0.99)
        right = (rng.random(n) < 0.3 + 0.45 * said).astype(float)
        sure, true = _groups(said, right, n_bins)
        found = number(answer(said.copy(), right.copy(), n_bins), "the error")
        mistakes = _error_mistakes(said, right, n_bins)
        compare(found, float(abs(true - sure).mean()), f"for {n} texts in {n_bins} groups", mistakes, 1e-6)
    return None


def _loss(z: Floats, y: Floats, t: Floats | float) -> Any:
    return np.logaddexp(0, -(2 * y - 1)[..., None] * z[..., None] / t).mean(0)


@exercise("uncertainty.temperature")
def temperature(answer: Any) -> str | None:
    """Logits too large or too small by a known factor; the best temperature by a fine grid."""
    grid = np.geomspace(0.1, 20, 20_001)
    for scale, seed in ((3.0, 1), (0.4, 2), (1.6, 3)):
        rng = np.random.default_rng(seed)
        honest = rng.normal(0.4, 1.5, 400)
        y = (rng.random(400) < 1 / (1 + np.exp(-honest))).astype(int)
        z = scale * honest
        right = float(grid[np.argmin(_loss(z, y, grid))])
        found = number(answer(z.copy(), y.copy()), "the temperature")
        if same(found, right, 0.012, 0):
            continue
        p = 1 / (1 + np.exp(-z[:, None] / grid))
        brier = float(grid[np.argmin(((p - y[:, None]) ** 2).mean(0))])
        likely = float(grid[np.argmax(np.where(y[:, None] == 1, p, 1 - p).mean(0))])
        gap = float(grid[np.argmin(abs(np.maximum(p, 1 - p).mean(0) - ((z > 0) == (y == 1)).mean()))])
        share = float(grid[np.argmin(abs(p.mean(0) - y.mean()))])
        yes = float(grid[np.argmin(_loss(z[y == 1], y[y == 1], grid))])
        no = float(grid[np.argmin(_loss(z[y == 0], y[y == 0], grid))])
        twice = float(grid[np.argmin(_loss(1 / (1 + np.exp(-z)), y, grid))])
        mistakes = [
            (1 / right, "that is 1/T: the logits are divided by T"),
            *((log(right), "that is the logarithm of T") for log in (np.log, np.log2, np.log10)),
            *(
                (_loss(z, y, right).item() / unit, "that is the least loss: return the T at which it is")
                for unit in (1, np.log(2), 1 / len(y))
            ),
            (2 * right, "that is 2T: softmax of (−z, z) is σ(2z), take softmax of (0, z)"),
            (yes, "that is best for the texts whose truth is yes: where it is no, count −log(1 − σ(z/T))"),
            (no, "that is best for the texts whose truth is no: where it is yes, count −log σ(z/T)"),
            (twice, "σ was taken twice: z are logits, and σ(z/T) is the probability"),
            (share, "that makes the mean of σ(z/T) the share of yes: asked is the log loss"),
            (int(np.argmin(_loss(z, y, grid))), "that is a place in a list: return the T that stands there"),
            (1.0, "1 leaves the logits as they are, and the best T may lie on either side of it"),
            (brier, "that minimises the Brier score: asked is the log loss"),
            (
                likely,
                "that maximises the mean probability of the truth, the linear score: take the logarithm",
            ),
            (gap, "that makes confidence and accuracy equal on average: asked is the log loss"),
            (20.0, "the end of the range: has the loss the wrong sign, or are yes and no exchanged"),
            (0.1, "the end of the range: is something maximised that should be minimised"),
        ]
        why = slip(found, mistakes, 4e-3)
        if why is None and same(found, right, 0.14, 0):
            why = "near, but not within one per cent: a coarse grid, or another measure than log loss"
        if why is None and not 0.1 <= found <= 20:
            why = "that is outside 0.1 to 20: a place in a list, or a loss"
        if why is None and same(found, scale, 4e-3, 0):
            why = "that is the factor behind these data: 400 texts have another best T, near it"
        ask = f"you return {found:.4g}, expected {right:.4g}"
        raise Wrong(f"{ask}: {why}." if why else f"{ask} for logits that are {scale} times too large.")
    return None


def _adaptive(p: Floats, y: Any) -> Floats:
    true = p[np.arange(len(p)), y][:, None]
    scores: Floats = (p * (p >= true)).sum(1)
    return scores


@exercise("uncertainty.adaptive")
def adaptive(answer: Any) -> str | None:
    """The mass of the classes at least as likely as the true one."""
    for n, n_class, seed in ((9, 5, 1), (6, 4, 2)):
        rng = np.random.default_rng(seed)
        p = rng.dirichlet(np.full(n_class, 0.8), n)
        y = np.array([(i * 2 + 1) % n_class for i in range(n)])
        true = p[np.arange(n), y][:, None]
        right = _adaptive(p, y)
        found = array(answer(p.copy(), y.copy()), (n,), "what you return")
        place = (p > true).sum(1)
        mistakes: list[tuple[Any, str]] = [
            ((p * (p > true)).sum(1), "the true class itself is missing: it is included"),
            ((p * (p <= true)).sum(1), "the mass of classes at most as likely: it is the likelier ones"),
            ((p * (p < true)).sum(1), "the mass of the less likely classes: it is the likelier ones"),
            (1 - true[:, 0], "that is 1 − p of the truth, the page's score: add up the likelier classes"),
            (true[:, 0], "that is p of the truth alone: add the likelier classes"),
            (place + 1, "the rank of the true class: add up probabilities, not places"),
            (place, "how many classes are likelier: add up their probabilities"),
            (p.max(1), "the likeliest class alone: go down to the true one"),
            (right - true[:, 0] / 2, "half of the true class is missing: all of it is included"),
            (right / (place + 1), "the mean of those classes: take their sum"),
            (-np.log(right), "that is its surprise: return the mass itself"),
            (np.sort(p)[:, ::-1].cumsum(1)[np.arange(n), np.argsort(-p)[np.arange(n), y]],
             "argsort says which class stands at a place: asked is the place of the true class"),
            (p[:, y].sum(1), "p[:, y] has the columns of all texts: pair each row with its own y"),
            (p.cumsum(1)[np.arange(n), y], "summed in the order of the classes: sort by probability first"),
            (np.sort(p)[:, ::-1].cumsum(1)[np.arange(n), y],
             "sorted sums, read at y: read them at the place of the true class among the sorted"),
            (np.sort(p).cumsum(1)[np.arange(n), y], "sorted the wrong way round: the likeliest come first"),
        ]  # fmt: skip
        compare(found, right, f"for {n} texts and {n_class} classes", mistakes, 1e-6)
    sure = np.array([[0.2, 0.5, 0.3]])
    if not same(array(answer(sure, np.array([1])), (1,), "what you return"), [0.5], 1e-6):
        return "right for many texts, wrong for one: a true class that is likeliest has its own probability."
    return None
