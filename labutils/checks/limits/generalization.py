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
        (0.175, "0.175 is the difference to home: what is the error itself?"),
        (0.305 / 0.13, "2.35 is how many times the error grows: what is the error itself?"),
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
        if not same(mean, right, 1e-6, 1e-9):
            why = slip(
                mean,
                [
                    (losses.mean(), "that is the mean loss at home: nothing is weighted"),
                    (_loss_away(losses, -logits)[0], "the ratio is upside down: e^z, not e^−z"),
                    ((p * losses).sum() / p.sum(), "weighted by the probability: the weight is the odds"),
                    ((logits * losses).sum() / logits.sum(), "weighted by the logits: take e^z"),
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
            raise Wrong(f"{why or f'the estimate is {mean:.5g}, expected {right:.5g}'}.")
        if not same(size, effective, 1e-6, 1e-9):
            w = odds / odds.mean()
            why = slip(
                size,
                [
                    (n, "that is the number of texts: unequal weights are worth less"),
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
            raise Wrong(f"{why or f'the effective size is {size:.5g}, expected {effective:.5g}'}.")
    return None


def _em(probs: Floats, prior: Floats, n_steps: int) -> Floats:
    shares = prior
    for _ in range(n_steps):
        adapted = probs * shares / prior
        shares = (adapted / adapted.sum(1, keepdims=True)).mean(0)
    return shares


def _em_mistakes(probs: Floats, prior: Floats, n_steps: int) -> Iterator[tuple[Floats, str]]:
    yield prior, "that is the prior: no step was made"
    yield probs.mean(0), "that is the mean of the posteriors, one step: go on for n_steps"
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
    yield (
        np.bincount(probs.argmax(1), minlength=len(prior)) / len(probs),
        "that counts predictions: EM uses the probabilities",
    )


@exercise("generalization.new_shares")
def new_shares(answer: Any) -> str | None:
    """Three and two classes; no steps at all."""
    for seed, n, prior, n_steps in (
        (3, 30, [0.5, 0.3, 0.2], 5),
        (4, 25, [0.7, 0.3], 4),
        (5, 9, [0.6, 0.4], 0),
    ):
        g = np.random.default_rng(seed)
        old = np.array(prior)
        probs = g.dirichlet(np.linspace(0.5, 1.5, len(prior)), n)
        found = array(answer(probs.copy(), old.copy(), n_steps), old.shape, "what you return")
        right = _em(probs, old, n_steps)
        if same(found, right, 1e-6, 1e-9):
            continue
        if n_steps == 0:
            return "with n_steps = 0 no step is made: return the prior."
        if not same(found.sum(), 1.0, 1e-6):
            told = f"the shares sum to {found.sum():.4g}, not to 1"
            summed = slip(found / found.sum(), [(right, "take a mean, not a sum")], 1e-5)
            return f"{told}: {summed or 'are the rows divided by their sums, and then averaged?'}."
        why = slip(found, _em_mistakes(probs, old, n_steps), 1e-5)
        told = f"after {n_steps} steps expected {right.round(4).tolist()}, got {found.round(4).tolist()}"
        return f"{why or told}."
    return None


@exercise("generalization.by_group")
def by_group(answer: Any) -> str | None:
    """Groups of unequal size, one pair that does not occur, and a group without any right answer."""
    for seed, never in ((6, False), (7, True)):
        g = np.random.default_rng(seed)
        y = g.choice(3, 80, p=[0.6, 0.3, 0.1])
        attribute = np.where(y == 2, 4, g.choice([1, 4], 80, p=[0.8, 0.2]))  # (2, 1) does not occur
        predicted = np.where(g.random(80) < 0.7, y, (y + 1) % 3)
        if never:
            gone = (y == 1) & (attribute == 4)
            predicted[gone] = 0
        worst, mean = _pair(answer(predicted, y, attribute), "the worst accuracy", "the mean of the groups")
        hits = predicted == y
        groups = [
            float(hits[(y == a) & (attribute == b)].mean())
            for a in range(3)
            for b in (1, 4)
            if ((y == a) & (attribute == b)).any()
        ]
        right = min(groups), float(np.mean(groups))
        by_label = [float(hits[y == a].mean()) for a in range(3)]
        by_value = [float(hits[attribute == b].mean()) for b in (1, 4)]
        by_guess = [
            float(hits[(predicted == a) & (attribute == b)].mean())
            for a in range(3)
            for b in (1, 4)
            if ((predicted == a) & (attribute == b)).any()
        ]
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
                    (1 - max(groups), "that is the best group's error"),
                    (float(hits.mean()), "that is the accuracy over all"),
                    (right[1], "that is the mean of the groups: the worst comes first"),
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
