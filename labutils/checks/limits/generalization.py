"""Checks for the exercises of notebooks/limits/generalization.ipynb."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from labutils.checks.answers import Floats, Wrong, array, number, same, slip
from labutils.checks.core import exercise


@exercise("generalization.error_away")
def error_away(answer: Any) -> str | None:
    """0.1 · 0.05 + 0.3 · 0.2 + 0.6 · 0.4."""
    mistakes = [
        (0.13, "0.13 is the error at home: use the shares that the kinds have away"),
        (0.65 / 3, "0.217 counts the three kinds equally: weigh them by their shares away"),
        (0.65, "0.65 adds the three errors: weigh each by its share away"),
        (0.695, "0.695 is the share that it gets right"),
        (30.5, "30.5 is a percentage: as a share it is less than 1"),
        (0.31, "0.31 is rounded: give three digits"),
        (0.175, "0.175 is the difference to home, not the error itself"),
        (0.305 / 0.13, "2.35 is how many times the error grows, not the error itself"),
        (0.6 * 6 * 0.05 + 0.3 * 0.2 + 0.1 / 6 * 0.4, "the weights are upside down: away over home"),
        (1.50083, "the weights 1/6, 1 and 6 go with the shares at home, not with those away"),
        (1.6083, "the weights 1/6, 1 and 6 have to be multiplied by the shares at home as well"),
        (2.6083, "the weights 1/6, 1 and 6 have to be multiplied by the shares at home as well"),
        (0.4, "0.4 is the error on notes alone"),
        (0.24, "0.24 is the part of the notes: the other two kinds err as well"),
        (0.435, "0.435 is the sum of both: only the shares away count"),
        (0.0, "a model that errs on some of every kind errs away, too"),
    ]
    found = number(answer, "your number")
    if same(found, 0.305, 1e-3, 0):
        return None
    why = slip(found, mistakes, 2e-3)
    return f"{why or 'that is not it: sum, over the kinds, the share away times the error'}."


def _loss_away(losses: Floats, logits: Floats) -> tuple[float, float]:
    w = np.exp(logits)
    w = w / w.mean()
    return float((w * losses).mean()), float(w.sum() ** 2 / (w**2).sum())


def _pair(answer: Any, first: str, second: str) -> tuple[float, float]:
    if not isinstance(answer, (tuple, list)) and getattr(answer, "shape", None) != (2,):
        raise Wrong(f"return two things: {first}, and {second}.")
    if len(answer) != 2:
        raise Wrong(f"return two things, not {len(answer)}: {first}, and {second}.")
    return number(answer[0], first), number(answer[1], second)


@exercise("generalization.loss_away")
def loss_away(answer: Any) -> str | None:
    """A weighted mean with weights from the odds, and Kish's effective size."""
    for seed, n, n_home, n_away in ((1, 9, 300, 120), (2, 40, 50, 400)):
        g = np.random.default_rng(seed)
        losses, logits = g.exponential(0.7, n), g.normal(-0.4, 1.1, n)
        mean, size = _pair(answer(losses, logits, n_home, n_away), "the estimate", "the effective size")
        right, effective = _loss_away(losses, logits)
        odds, p = np.exp(logits), 1 / (1 + np.exp(-logits))
        if same(mean, effective, 1e-6) and same(size, right, 1e-6):
            raise Wrong("the two are swapped: the estimate comes first.")
        if not same(mean, right, 1e-6, 1e-9):
            why = slip(
                mean,
                [
                    (losses.mean(), "that is the mean loss at home: nothing is weighted"),
                    (_loss_away(losses, -logits)[0], "the ratio is upside down: e^z, not e^−z"),
                    ((p * losses).sum() / p.sum(), "weighted by the probability: the weight is the odds"),
                    ((logits * losses).sum() / logits.sum(), "weighted by the logits: take e^z"),
                    ((p * losses).mean(), "weighted by the probability: the weight is the odds, scaled"),
                    (
                        _loss_away(losses, logits * np.log(2))[0],
                        "that is 2^z: a logit is a natural logarithm, take e^z",
                    ),
                    (
                        _loss_away(losses, np.log1p(odds))[0],
                        "1 / (1 − p) is the odds plus 1: take p / (1 − p)",
                    ),
                    ((odds * losses).sum(), "not scaled: divide by the sum of the weights"),
                    ((odds * n_home / n_away * losses).sum(), "not scaled: divide by the sum of the weights"),
                    (right - losses.mean(), "that is the difference to home: return the loss itself"),
                    ((odds * losses).mean(), "the weights do not have the mean 1: divide by their mean"),
                    (
                        (odds * n_home / n_away * losses).mean(),
                        "the weights do not have the mean 1: divide by their mean",
                    ),
                    (
                        (odds * n_away / n_home * losses).mean(),
                        "the weights do not have the mean 1, and the sizes are upside down",
                    ),
                    (right * n, "that is the sum over texts: take the mean"),
                    (right / n, "divided by n twice: weights that sum to 1 are summed, not averaged"),
                    ((odds**2 * losses).sum() / (odds**2).sum(), "the weights are squared"),
                    (
                        float((losses * (odds > 1)).sum() / max((odds > 1).sum(), 1)),
                        "texts are kept or dropped: every text has a weight",
                    ),
                ],
                1e-5,
            )
            raise Wrong(f"{why or f'for {n} texts the estimate is {mean:.5g}, expected {right:.5g}'}.")
        if not same(size, effective, 1e-6, 1e-9):
            w = odds / odds.mean()
            why = slip(
                size,
                [
                    (n, "that is the number of texts: unequal weights are worth less"),
                    (np.floor(effective), "rounded down: the effective size need not be a whole number"),
                    (round(effective), "rounded: the effective size need not be a whole number"),
                    (n_home, "that is n_home: the effective size is that of the weights"),
                    (
                        p.sum() ** 2 / (p**2).sum(),
                        "computed from the probabilities: the weights are the odds",
                    ),
                    (
                        (w * losses).sum() ** 2 / ((w * losses) ** 2).sum(),
                        "the losses have no part in it: weights alone",
                    ),
                    (np.sqrt(effective), "that is its square root"),
                    (1 / effective, "upside down: the squared sum goes on top"),
                    (effective / n, "that is the share of n: the effective size is a number of texts"),
                    (w.sum() / (w**2).sum(), "the sum on top has to be squared"),
                    ((w**2).sum(), "that is the sum of squares: divide the squared sum by it"),
                    (1 / (w**2).sum(), "1 / Σw² is right for weights that sum to 1: these have the mean 1"),
                    ((w**2).mean(), "that is the mean of squares: divide the squared sum by their sum"),
                    (float((w > 1).sum()), "that counts the weights above 1"),
                    (w.sum() ** 2 / (w**2).mean(), "sum of squares below, not their mean"),
                    (1.0, "that is (Σw)² / (Σw)²: square each weight below, then sum"),
                ],
                1e-5,
            )
            told = f"for {n} texts the effective size is {size:.5g}, expected {effective:.5g}"
            raise Wrong(f"{why or told}.")
    return None


def _em(probs: Floats, prior: Floats, n_steps: int) -> Floats:
    shares = prior
    for _ in range(n_steps):
        adapted = probs * shares / prior
        shares = (adapted / adapted.sum(1, keepdims=True)).mean(0)
    return shares


def _em_mistakes(probs: Floats, prior: Floats, n_steps: int) -> Iterator[tuple[Floats, str]]:
    yield prior, "that is the prior: no step was made"
    yield (  # also what steps in place on `prior` return
        probs.mean(0),
        "that is the mean of the posteriors, one step: go on for n_steps (on a copy, if `prior` changes too)",
    )
    yield _em(probs, prior, 500), "that is where EM ends: make n_steps steps"
    for n, why in ((n_steps - 1, "one step too few"), (n_steps + 1, "one step too many")):
        yield _em(probs, prior, n), why
    again, shares = probs, prior
    for _ in range(n_steps):
        again = again * shares / prior
        again = again / again.sum(1, keepdims=True)
        shares = again.mean(0)
    yield shares, "each step adapts the last step's posteriors: adapt the original ones"
    shares, moving = prior, prior
    for _ in range(n_steps):
        adapted = probs * shares / moving
        moving, shares = shares, (adapted / adapted.sum(1, keepdims=True)).mean(0)
    yield shares, "the divisor moves along: divide by the original prior"
    shares = prior
    for _ in range(n_steps):
        adapted = probs * shares
        shares = (adapted / adapted.sum(1, keepdims=True)).mean(0)
    yield shares, "not divided by the prior: the old shares are still in the posteriors"
    shares = prior
    for _ in range(n_steps):
        adapted = probs * shares / prior
        shares = adapted.mean(0) / adapted.mean(0).sum()
    yield shares, "each row of the adapted posteriors has to sum to 1 before the mean"
    shares = prior
    for _ in range(n_steps):
        adapted = probs * prior / shares
        shares = (adapted / adapted.sum(1, keepdims=True)).mean(0)
    yield shares, "the ratio is upside down: new shares over the prior"
    flat = np.full(len(prior), 1 / len(prior))
    shares = flat
    for _ in range(n_steps):
        adapted = probs * shares / prior
        shares = (adapted / adapted.sum(1, keepdims=True)).mean(0)
    yield shares, "it starts from equal shares: start from the prior"
    yield _em(probs, flat, n_steps), "the prior is taken to be equal shares: use the one given"
    shares, counted = prior, "that counts predictions: EM uses the probabilities"
    yield np.bincount(probs.argmax(1), minlength=len(prior)) / len(probs), counted
    for _ in range(n_steps):
        shares = np.bincount((probs * shares / prior).argmax(1), minlength=len(prior)) / len(probs)
    yield shares, counted
    adapted = probs / prior
    yield (
        (adapted / adapted.sum(1, keepdims=True)).mean(0),
        "the present guess is missing: times shares over prior",
    )


@exercise("generalization.new_shares")
def new_shares(answer: Any) -> str | None:
    """Three and two classes; no steps at all."""
    for seed, n, prior, n_steps in (
        (7, 30, [0.5, 0.3, 0.2], 5),
        (5, 25, [0.7, 0.3], 4),
        (5, 9, [0.6, 0.4], 0),
    ):
        g = np.random.default_rng(seed)
        old = np.array(prior)
        probs = g.dirichlet([0.5, 0.6] if len(prior) == 2 else [0.35, 0.3, 0.45], n)
        found = array(answer(probs, old, n_steps), old.shape, "what you return")
        right = _em(probs, old, n_steps)
        if same(found, right, 1e-6, 1e-9):
            continue
        if n_steps == 0:
            return "with n_steps = 0 no step is made: return the prior."
        if same(found * old, right, 1e-6):
            return "those are the ratios to the prior: return the shares."
        if not same(found.sum(), 1.0, 1e-6):
            told = f"the shares sum to {found.sum():.4g}, not to 1"
            summed = slip(found / found.sum(), [(right, "take a mean, not a sum")], 1e-5)
            return f"{told}: {summed or 'divide each row by its sum, then average the rows'}."
        why = slip(found, _em_mistakes(probs, old, n_steps), 1e-5)
        told = f"after {n_steps} steps expected {right.round(4).tolist()}, got {found.round(4).tolist()}"
        return f"{why or told}."
    return None


@exercise("generalization.by_group")
def by_group(answer: Any) -> str | None:
    """Groups of unequal size, one pair that does not occur, and a group without any right answer."""
    # As one number, y + attribute collides in the first, 2 y + attribute in the second.
    for seed, never, low, high in ((25, False, 1, 2), (7, True, 1, 3)):
        g = np.random.default_rng(seed)
        y = g.choice(3, 80, p=[0.6, 0.3, 0.1])
        attribute = np.where(y == 2, high, g.choice([low, high], 80, p=[0.8, 0.2]))  # (2, low) does not occur
        predicted = np.where(g.random(80) < 0.7, y, (y + 1) % 3)
        if never:
            gone = (y == 1) & (attribute == high)
            predicted[gone] = 0
        hits = predicted == y
        occur = [(y == a) & (attribute == b) for a in range(3) for b in (low, high)]
        members = [group for group in occur if group.any()]
        groups = [float(hits[group].mean()) for group in members]
        reply = answer(predicted, y, attribute)
        if isinstance(reply, (tuple, list)) and any(np.isnan(x) for x in reply if isinstance(x, float)):
            raise Wrong("that is nan: a pair that does not occur has no accuracy, leave it out.")
        worst, mean = _pair(reply, "the worst accuracy", "the mean of the groups")
        right = min(groups), float(np.mean(groups))
        by_label = [float(hits[y == a].mean()) for a in range(3)]
        by_value = [float(hits[attribute == b].mean()) for b in (low, high)]
        by_guess = [
            float(hits[(predicted == a) & (attribute == b)].mean())
            for a in range(3)
            for b in (low, high)
            if ((predicted == a) & (attribute == b)).any()
        ]
        counts = [float(hits[g].sum()) for g in members]
        collided = [
            [float(hits[key == k].mean()) for k in np.unique(key)]
            for key in (y + attribute, 2 * y + attribute)
        ]
        if same([worst, mean], [min(by_guess), np.mean(by_guess)]):
            raise Wrong("those are groups by prediction: use the true label.")
        if not same(worst, right[0], 1e-6, 1e-9):
            why = slip(
                worst,
                [
                    (0.0, "a pair that does not occur is no group, and must not count as 0"),
                    (min(by_label), "those are groups by label alone: use pairs of label and attribute"),
                    (min(by_value), "those are groups by attribute alone: use pairs"),
                    (max(groups), "that is the best group"),
                    (1 - right[0], "that is the worst group's error"),
                    (min(by_guess), "those are groups by prediction: use the true label"),
                    (min(counts), "that is a number of texts: divide by the size of the group"),
                    (min(counts) / 80, "that is a share of all texts: divide by the size of the group"),
                    *(
                        (min(x), "as one number, two pairs of label and attribute are the same")
                        for x in collided
                    ),
                    (1 - max(groups), "that is the best group's error"),
                    (float(hits.mean()), "that is the accuracy over all"),
                    (right[1], "that is the mean of the groups: the worst comes first"),
                    *(
                        (x, "that is another group's accuracy: look at every pair that occurs")
                        for x in groups
                    ),
                ],
                1e-5,
            )
            raise Wrong(f"{why or f'the worst accuracy is {worst:.4g}, expected {right[0]:.4g}'}.")
        if not same(mean, right[1], 1e-6, 1e-9):
            why = slip(
                mean,
                [
                    (float(hits.mean()), "that is the accuracy over all texts: each group counts once"),
                    (float(np.mean(by_label)), "those are groups by label alone: use pairs"),
                    (float(np.mean(by_value)), "those are groups by attribute alone: use pairs"),
                    *(
                        (np.mean(x), "as one number, two pairs of label and attribute are the same")
                        for x in collided
                    ),
                    (
                        (sum(groups) + 1) / 6,
                        "a pair that does not occur is no group, and must not count as 1",
                    ),
                    (sum(groups) / 4, "divided by four: count the pairs that occur"),
                    (sum(groups) / 6, "divided by all six pairs: one of them does not occur"),
                    (sum(groups), "that is the sum of the groups' accuracies"),
                    (1 - right[1], "that is the mean error"),
                    (float(np.median(groups)), "that is the median"),
                    ((min(groups) + max(groups)) / 2, "that is halfway between worst and best"),
                ],
                1e-5,
            )
            raise Wrong(f"{why or f'the mean of the groups is {mean:.4g}, expected {right[1]:.4g}'}.")
    return None
