"""The generalization chapter: its explorer, the identities that it states, answers for its checks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from engine import Engine
from labutils import shift

# --- the explorer


GRID = np.round(-7 + 0.05 * np.arange(261), 2)


def bell(x: Any, mean: float, sd: float) -> Any:
    return np.exp(-0.5 * ((x - mean) / sd) ** 2) / sd


def home() -> Any:
    both = np.stack([bell(GRID, -0.8, 0.7), bell(GRID, 1.4, 1.7)])
    return both / both.sum()


def threshold(mass: Any) -> float:
    """Of a logistic regression on x, by another optimiser."""

    def loss(at: Any) -> float:
        z = at[0] * GRID + at[1]
        return float((mass[0] * np.logaddexp(0, z) + mass[1] * np.logaddexp(0, -z)).sum())

    slope, bias = minimize(loss, [1.0, 0.0], method="BFGS", options={"gtol": 1e-9}).x
    return float(-bias / slope)


def error(mass: Any, at: float) -> float:
    return float(mass[0][at < GRID].sum() + mass[1][at >= GRID].sum())


def compute(engine: Engine, kind: str, strength: float, correction: str) -> Any:
    return engine.compute("shift", {"kind": kind, "strength": strength, "correction": correction})


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_explorer_repairs_a_label_shift(engine: Engine, strength: float) -> None:
    found = compute(engine, "label", strength, "class shares")
    positive = 0.5 - 0.4 * strength
    mass = home() * 2 * np.array([[1 - positive], [positive]])
    np.testing.assert_allclose(found["target"], mass, atol=1e-12)
    assert found["share"] == pytest.approx(positive, abs=1e-6)
    assert found["learnt"] == pytest.approx(threshold(home()), abs=1e-3)
    assert found["moved"] == pytest.approx(threshold(mass), abs=1e-3)
    assert found["uncorrected"] == pytest.approx(error(mass, found["learnt"]))
    assert found["corrected"] == pytest.approx(error(mass, found["moved"]))


@pytest.mark.parametrize("strength", [0.3, 0.6, 1.0])
def test_explorer_keeps_what_a_covariate_shift_keeps(engine: Engine, strength: float) -> None:
    found = compute(engine, "covariate", strength, "importance weights")
    mass, before = np.array(found["target"]), home()
    np.testing.assert_allclose(mass[1] / mass.sum(0), before[1] / before.sum(0), atol=1e-9)
    assert found["moved"] == pytest.approx(threshold(mass), abs=1e-3)
    assert found["corrected"] <= found["uncorrected"] + 1e-9
    assert compute(engine, "covariate", 1.0, "class shares")["corrected"] > found["uncorrected"]


@pytest.mark.parametrize("correction", ["importance weights", "class shares"])
def test_explorer_cannot_see_a_concept_shift(engine: Engine, correction: str) -> None:
    found = compute(engine, "concept", 0.8, correction)
    np.testing.assert_allclose(np.sum(found["target"], 0), home().sum(0), atol=1e-12)
    assert found["moved"] == pytest.approx(found["learnt"], abs=1e-6)
    assert found["uncorrected"] > found["least"] + 0.05


# --- what the page derives


def test_class_shares_from_two_rates() -> None:
    """Exercise 2: q = (μ − f) / (s − f) is what BBSE solves with two classes."""
    y = np.repeat([0, 1], [60, 40])
    predicted = np.concatenate([np.repeat([0, 1], [45, 15]), np.repeat([0, 1], [8, 32])])
    away = np.repeat([0, 1], [130, 70])
    s, f, mu = 0.8, 0.25, 0.35
    ratios = shift.bbse(y, predicted, away)
    assert ratios[1] * 0.4 == pytest.approx((mu - f) / (s - f))


# --- answers for the checks


def loss_away(losses: Any, logits: Any, n_home: int, n_away: int) -> Any:
    weights = np.exp(logits) * n_home / n_away
    weights = weights / weights.mean()
    return (weights * losses).mean(), weights.sum() ** 2 / (weights**2).sum()


def loss_away_in_torch(losses: Any, logits: Any, n_home: int, n_away: int) -> Any:
    w = torch.tensor(logits).softmax(0)
    return [(w * torch.tensor(losses)).sum(), 1 / (w**2).sum()]


def loss_away_in_loops(losses: Any, logits: Any, n_home: int, n_away: int) -> Any:
    logits -= logits.max()
    total = squares = mean = 0.0
    for loss, z in zip(losses, logits, strict=True):
        w = float(np.exp(z))
        total, squares, mean = total + w, squares + w * w, mean + w * loss
    return np.array([mean / total, total * total / squares])


def weighed(estimate: Any, size: Any = None) -> Any:
    """An answer with another estimate, or another effective size."""

    def answer(losses: Any, logits: Any, n_home: int, n_away: int) -> Any:
        right, effective = loss_away(losses, logits, n_home, n_away)
        odds = np.exp(logits)
        first = right if estimate is None else estimate(losses, odds, n_home / n_away)
        return first, effective if size is None else size(odds / odds.mean())

    return answer


def new_shares(probs: Any, prior: Any, n_steps: int) -> Any:
    shares = prior
    for _ in range(n_steps):
        adapted = probs * shares / prior
        shares = (adapted / adapted.sum(1, keepdims=True)).mean(0)
    return shares


def new_shares_in_torch(probs: Any, prior: Any, n_steps: int) -> Any:
    p, old = torch.tensor(probs), torch.tensor(prior)
    shares = old.clone()
    for _ in range(n_steps):
        shares = (p.log() + shares.log() - old.log()).softmax(-1).mean(0)
    return shares


def new_shares_in_place(probs: Any, prior: Any, n_steps: int) -> Any:
    probs /= prior
    shares = prior.tolist()
    for _ in range(n_steps):
        rows = [[p * s for p, s in zip(row, shares, strict=True)] for row in probs]
        rows = [[p / sum(row) for p in row] for row in rows]
        shares = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    return shares


def em(step: Any, start: Any = None) -> Any:
    """An EM answer whose step (probs, shares, prior) → shares is another one."""

    def answer(probs: Any, prior: Any, n_steps: int) -> Any:
        shares = prior if start is None else start(prior)
        for _ in range(n_steps):
            shares = step(probs, shares, prior)
        return shares if n_steps else prior

    return answer


def rows(x: Any) -> Any:
    return x / x.sum(1, keepdims=True)


def compounded(probs: Any, prior: Any, n_steps: int) -> Any:
    shares = prior
    for _ in range(n_steps):
        probs = rows(probs * shares / prior)
        shares = probs.mean(0)
    return shares


def unscaled(p: Any, shares: Any, prior: Any) -> Any:
    return (p * shares / prior).mean(0) / (p * shares / prior).mean(0).sum()


def counted(p: Any, shares: Any, prior: Any) -> Any:
    return np.bincount(p.argmax(1), minlength=len(shares)) / len(p)


def overwriting(probs: Any, prior: Any, n_steps: int) -> Any:
    shares = prior  # the same array
    for _ in range(n_steps):
        shares[:] = rows(probs * shares / prior).mean(0)
    return shares


def new_shares_in_float32(probs: Any, prior: Any, n_steps: int) -> Any:
    return new_shares(probs.astype(np.float32), prior.astype(np.float32), n_steps)


def loss_away_in_float32(losses: Any, logits: Any, n_home: int, n_away: int) -> Any:
    return loss_away(losses.astype(np.float32), logits.astype(np.float32), n_home, n_away)


def flat(prior: Any) -> Any:
    return np.full(len(prior), 1 / len(prior))


def by_group(predicted: Any, y: Any, attribute: Any) -> Any:
    found = []
    for label, value in set(zip(y.tolist(), attribute.tolist(), strict=True)):
        members = (y == label) & (attribute == value)
        found.append((predicted[members] == label).mean())
    return min(found), np.mean(found)


def by_group_with_unique(predicted: Any, y: Any, attribute: Any) -> Any:
    _, group = np.unique(np.stack([y, attribute]), axis=1, return_inverse=True)
    shares = shift.group_accuracy(predicted == y, group.ravel())
    return np.array([shares.min(), shares.mean()])


def by_group_in_a_dict(predicted: Any, y: Any, attribute: Any) -> Any:
    hits: dict[tuple[int, int], list[bool]] = {}
    for p, label, value in zip(predicted, y, attribute, strict=True):
        hits.setdefault((int(label), int(value)), []).append(bool(p == label))
    shares = [sum(group) / len(group) for group in hits.values()]
    return [min(shares), sum(shares) / len(shares)]


def grouped(keys: Any, worst: Any = min, mean: Any = np.mean) -> Any:
    """An answer by other groups, or with other summaries."""

    def answer(predicted: Any, y: Any, attribute: Any) -> Any:
        key = keys(predicted, y, attribute)
        hits = predicted == y
        shares = [float(hits[key == k].mean()) for k in np.unique(key)]
        return worst(shares), mean(shares)

    return answer


def pairs(predicted: Any, y: Any, attribute: Any) -> Any:
    return 10 * y + attribute


def with_empty(instead: float) -> Any:
    """An answer in which a pair that does not occur has the accuracy `instead`."""

    def answer(predicted: Any, y: Any, attribute: Any) -> Any:
        hits, found = predicted == y, []
        for a, b in itertools.product(np.unique(y), np.unique(attribute)):
            members = hits[(y == a) & (attribute == b)]
            found.append(members.mean() if len(members) else instead)
        return min(found), np.mean(found)

    return answer


def only_binary(predicted: Any, y: Any, attribute: Any) -> Any:
    few = (y < 2) & (attribute < 2)
    return by_group(predicted[few], y[few], attribute[few])


RIGHT: dict[str, list[Any]] = {
    "error_away": [0.305, 0.1 * 0.05 + 0.3 * 0.2 + 0.6 * 0.4, np.array([0.305]), torch.tensor(0.305)],
    "loss_away": [loss_away, loss_away_in_torch, loss_away_in_loops, loss_away_in_float32],
    "new_shares": [new_shares, new_shares_in_torch, new_shares_in_place, new_shares_in_float32],
    "by_group": [by_group, by_group_with_unique, by_group_in_a_dict],
}

WRONG: list[tuple[str, Any, str]] = [
    ("error_away", 0.13, "the error at home"),
    ("error_away", 0.2167, "counts the three kinds equally"),
    ("error_away", 0.65, "adds the three errors"),
    ("error_away", 0.695, "that it gets right"),
    ("error_away", 30.5, "percentage"),
    ("error_away", 0.175, "the difference to home"),
    ("error_away", 2.346, "how many times"),
    ("error_away", 0.4, "on notes alone"),
    ("error_away", 0.24, "the part of the notes"),
    ("error_away", 0.435, "the sum of both"),
    ("error_away", 0.31, "is rounded"),
    ("error_away", 0.6 * 6 * 0.05 + 0.3 * 0.2 + 0.1 / 6 * 0.4, "upside down"),
    ("error_away", 0.1 / 6 * 0.05 + 0.3 * 0.2 + 0.6 * 6 * 0.4, "not with those away"),
    ("error_away", 0.5, "that is not it"),
    ("error_away", "a third", "expected one number"),
    ("loss_away", weighed(lambda x, w, r: x.mean()), "nothing is weighted"),
    ("loss_away", weighed(lambda x, w, r: np.average(x, weights=1 / w)), "upside down"),
    ("loss_away", weighed(lambda x, w, r: np.average(x, weights=w / (1 + w))), "by the probability"),
    ("loss_away", weighed(lambda x, w, r: np.average(x, weights=np.log(w))), "by the logits"),
    ("loss_away", weighed(lambda x, w, r: (x * w).mean()), "do not have the mean 1"),
    ("loss_away", weighed(lambda x, w, r: (x * w * r).mean()), "do not have the mean 1"),
    ("loss_away", weighed(lambda x, w, r: (x * w / r).mean()), "the sizes are upside down"),
    ("loss_away", weighed(lambda x, w, r: (x * w).sum() / w.mean()), "the sum over texts"),
    ("loss_away", weighed(lambda x, w, r: np.average(x, weights=w**2)), "squared"),
    ("loss_away", weighed(lambda x, w, r: (x * w).mean() / w.sum()), "divided by n twice"),
    ("loss_away", weighed(lambda x, w, r: np.average(x, weights=2 ** np.log(w))), "natural logarithm"),
    ("loss_away", weighed(lambda x, w, r: np.average(x, weights=1 + w)), "the odds plus 1"),
    ("loss_away", weighed(lambda x, w, r: (x * w / (1 + w)).mean()), "by the probability"),
    ("loss_away", weighed(lambda x, w, r: (x * w).sum()), "by the sum of the weights"),
    ("loss_away", weighed(lambda x, w, r: np.average(x, weights=w) - x.mean()), "the difference to home"),
    ("loss_away", lambda *given: loss_away(*given)[::-1], "swapped"),
    ("loss_away", weighed(None, lambda w: int(shift.effective_size(w))), "rounded"),
    ("loss_away", weighed(None, lambda w: shift.effective_size(w) ** 0.5), "square root"),
    ("loss_away", weighed(None, len), "the number of texts"),
    ("loss_away", weighed(None, lambda w: (w**2).sum() / w.sum() ** 2), "upside down"),
    ("loss_away", weighed(None, lambda w: (w**2).sum()), "the sum of squares"),
    ("loss_away", weighed(None, lambda w: 1 / (w**2).sum()), "that sum to 1"),
    ("loss_away", weighed(None, lambda w: w.mean() ** 2 / (w**2).mean()), "the share of n"),
    ("loss_away", weighed(None, lambda w: 7.7), "expected"),
    ("loss_away", lambda losses, logits, a, b: losses.mean(), "return two things"),
    ("new_shares", lambda p, prior, n: prior, "no step was made"),
    ("new_shares", lambda p, prior, n: p.mean(0) if n else prior, "one step: go on"),
    ("new_shares", lambda p, prior, n: new_shares(p, prior, max(n - 1, 0)), "one step too few"),
    ("new_shares", lambda p, prior, n: new_shares(p, prior, n + 1) if n else prior, "one step too many"),
    ("new_shares", compounded, "adapt the original ones"),
    ("new_shares", overwriting, "on a copy"),
    ("new_shares", lambda p, prior, n: new_shares(p, prior, 500) if n else prior, "where EM ends"),
    ("new_shares", em(lambda p, q, prior: counted(p * q / prior, q, prior)), "counts predictions"),
    ("new_shares", em(lambda p, q, prior: rows(p / prior).mean(0)), "the present guess is missing"),
    ("new_shares", lambda p, prior, n: new_shares(p, prior, n) / prior, "the ratios to the prior"),
    ("new_shares", em(lambda p, q, prior: rows(p * q).mean(0)), "not divided by the prior"),
    (
        "new_shares",
        em(lambda p, q, prior: (p * q / prior).mean(0) / (p * q / prior).mean(0).sum()),
        "each row",
    ),
    ("new_shares", em(lambda p, q, prior: rows(p * prior / q).mean(0)), "upside down"),
    ("new_shares", em(lambda p, q, prior: rows(p * q / prior).mean(0), flat), "start from the prior"),
    ("new_shares", lambda p, prior, n: new_shares(p, flat(prior), n) if n else prior, "use the one given"),
    ("new_shares", em(lambda p, q, prior: rows(p * q / prior).sum(0)), "not to 1"),
    (
        "new_shares",
        em(lambda p, q, prior: np.bincount(p.argmax(1), minlength=len(q)) / len(p)),
        "counts predictions",
    ),
    ("new_shares", lambda p, prior, n: p, "shape"),
    ("by_group", grouped(lambda p, y, a: y), "by label alone"),
    ("by_group", grouped(lambda p, y, a: a), "by attribute alone"),
    ("by_group", grouped(pairs, max), "the best group"),
    ("by_group", grouped(pairs, lambda s: 1 - min(s)), "the worst group's error"),
    ("by_group", grouped(pairs, np.mean, min), "the worst comes first"),
    ("by_group", grouped(pairs, min, sum), "the sum of"),
    ("by_group", grouped(pairs, min, np.median), "the median"),
    ("by_group", grouped(pairs, min, lambda s: sum(s) / 6), "divided by all six"),
    ("by_group", grouped(pairs, min, lambda s: 1 - np.mean(s)), "the mean error"),
    ("by_group", grouped(pairs, min, lambda s: (min(s) + max(s)) / 2), "halfway"),
    ("by_group", lambda p, y, a: (by_group(p, y, a)[0], (p == y).mean()), "each group counts once"),
    ("by_group", lambda p, y, a: ((p == y).mean(), by_group(p, y, a)[1]), "the accuracy over all"),
    ("by_group", with_empty(0.0), "must not count as 0"),
    ("by_group", with_empty(1.0), "must not count as 1"),
    ("by_group", with_empty(np.nan), "leave it out"),
    ("by_group", only_binary, "another group's accuracy"),
    ("by_group", lambda p, y, a: by_group(y, p, a), "by prediction"),
    ("by_group", grouped(lambda p, y, a: y + a), "as one number"),
    ("by_group", grouped(lambda p, y, a: 2 * y + a), "as one number"),
    ("by_group", grouped(pairs, min, lambda s: sum(s) / 4), "divided by four"),
    ("by_group", lambda p, y, a: by_group(p, y, a)[0], "return two things"),
]
