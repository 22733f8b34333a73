"""Every check accepts the right answer and says what is wrong with plausible wrong ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp

from labutils.checks import evaluate


def posterior(prior: float, sensitivity: float, false_alarm: float) -> float:
    machine = prior * sensitivity
    return machine / (machine + (1 - prior) * false_alarm)


def log_sum_exp(x: Any) -> Any:
    m = x.max()
    return m if m == -np.inf else m + np.log(np.exp(x - m).sum())


def dirichlet_mean(counts: Any, alpha: Any) -> Any:
    return (counts + alpha) / (counts.sum(axis=1, keepdims=True) + alpha.sum())


def sample(p: Any, u: Any, temperature: float = 1.0) -> Any:
    p = p ** (1 / temperature)
    return np.searchsorted(np.cumsum(p / p.sum()), u, side="right")


def joint(prior: Any, theta: Any, present: Any) -> Any:
    return present @ np.log(theta).T + (1 - present) @ np.log(1 - theta).T + np.log(prior)


def bernoulli_bayes(prior: Any, theta: Any, present: Any) -> Any:
    scores = joint(prior, theta, present)
    return scores - logsumexp(scores, axis=1, keepdims=True)


RIGHT: dict[str, Any] = {
    "two_flags": 0.8805,
    "posterior": posterior,
    "log_sum_exp": log_sum_exp,
    "dirichlet_mean": dirichlet_mean,
    "sample": sample,
    "bernoulli_bayes": bernoulli_bayes,
}


def powered(p: Any, temperature: float) -> Any:
    return np.cumsum(p**temperature / (p**temperature).sum())


WRONG: list[tuple[str, Any, str]] = [
    ("two_flags", 88, "percentage"),
    ("two_flags", 0.28, "after one flag"),
    ("two_flags", 361 / 362, "forgets the base rate"),
    ("two_flags", 0.95**2, "turn it around"),
    ("two_flags", 0.56, "odds that multiply"),
    ("two_flags", 0.4, "is not it"),
    ("two_flags", "often", "a str is not it"),
    ("posterior", lambda p, s, f: s, "P(flag | machine)"),
    ("posterior", lambda p, s, f: s / (s + f), "base rate"),
    ("posterior", lambda p, s, f: p * s, "divide by P(flag)"),
    ("posterior", lambda p, s, f: p * s / (p * s + f), "1 - prior"),
    ("posterior", lambda p, s, f: posterior(p, s, 1 - f), "third argument"),
    ("posterior", lambda p, s, f: 1 - posterior(p, s, f), "P(human | flag)"),
    ("posterior", lambda p, s, f: 100 * posterior(p, s, f), "percentage"),
    ("posterior", lambda p, s, f: p / 2, "80 of 350"),
    ("posterior", lambda p, s, f: posterior(max(p, 0.01), s, f), "prior of 0"),
    ("log_sum_exp", lambda x: np.log(np.exp(x).sum()), "[1000, 1000] gave inf"),
    ("log_sum_exp", lambda x: np.exp(x).sum(), "take its logarithm"),
    ("log_sum_exp", lambda x: np.log2(np.exp(x).sum()), "natural logarithm"),
    ("log_sum_exp", lambda x: np.log(np.exp(x - x.max()).sum()), "did not add it back"),
    ("log_sum_exp", lambda x: x.max(), "the largest entry alone"),
    ("log_sum_exp", lambda x: x.mean(), "expected ln 8"),
    ("log_sum_exp", lambda x: 700 + np.log(np.exp(x - 700).sum()), "[-1000, -1001]"),
    ("log_sum_exp", lambda x: x.min() + np.log(np.exp(x - x.min()).sum()), "[-inf, 2]"),
    ("log_sum_exp", lambda x: x.max() + np.log(np.exp(x - x.max()).sum()), "[-inf, -inf] gave nan"),
    ("dirichlet_mean", lambda c, a: c / c.sum(axis=1, keepdims=True), "plain frequencies"),
    ("dirichlet_mean", lambda c, a: (c + a) / c.sum(axis=1, keepdims=True), "pseudo-counts are missing"),
    ("dirichlet_mean", lambda c, a: (c + a) / (c.sum(axis=1, keepdims=True) + 1), "alpha.sum(), not 1"),
    ("dirichlet_mean", lambda c, a: dirichlet_mean(c, np.full_like(a, a.mean())), "each has its own"),
    ("dirichlet_mean", lambda c, a: (c + a) / (c + a).sum(), "each *row* must"),
    ("dirichlet_mean", lambda c, a: (c + a) / (c + a).sum(axis=0), "column sums"),
    ("dirichlet_mean", lambda c, a: dirichlet_mean(c, a - 1), "highest point"),
    ("dirichlet_mean", lambda c, a: dirichlet_mean(c, a) + np.log(c.sum(1, keepdims=True) > 0), "NaN"),
    ("dirichlet_mean", lambda c, a: dirichlet_mean(c, a)[0], "shape (4,)"),
    ("dirichlet_mean", lambda c, a: dirichlet_mean(c, a[::-1]), "expected [0.533"),
    ("sample", lambda p, u, t: sample(p, u, t) + 1, "one too high"),
    ("sample", lambda p, u, t: np.full(len(u), p.argmax()), "arg-max"),
    ("sample", lambda p, u, t: np.searchsorted(np.cumsum(p), u), "side='right'"),
    ("sample", lambda p, u, t: sample(p, u, 1.0), "temperature changes nothing"),
    ("sample", lambda p, u, t: np.searchsorted(powered(p, t), u, side="right"), "backwards"),
    ("sample", lambda p, u, t: np.searchsorted(np.cumsum(p ** (1 / t)), u, side="right"), "normalise again"),
    ("sample", lambda p, u, t: sample(p[::-1], u, t), "expected [0, 1, 1, 2, 2]"),
    ("sample", lambda p, u, t: int(u[0] > p[0]), "shape ()"),
    ("bernoulli_bayes", lambda q, t, x: np.exp(bernoulli_bayes(q, t, x)), "return their logarithms"),
    ("bernoulli_bayes", joint, "subtract log-sum-exp"),
    ("bernoulli_bayes", lambda q, t, x: bernoulli_bayes(q * 0 + 1, t, x), "prior is missing"),
    (
        "bernoulli_bayes",
        lambda q, t, x: (s := x @ np.log(t).T + np.log(q)) - logsumexp(s, axis=1, keepdims=True),
        "absent words",
    ),
    ("bernoulli_bayes", lambda q, t, x: (s := joint(q, t, x)) - logsumexp(s, axis=0), "axis=1"),
    (
        "bernoulli_bayes",
        lambda q, t, x: np.log((s := np.exp(joint(q, t, x))) / s.sum(axis=1, keepdims=True)),
        "1,000 words",
    ),
    ("bernoulli_bayes", lambda q, t, x: bernoulli_bayes(q, t, 1 - x), "document 0"),
]


@pytest.mark.parametrize("name", RIGHT)
def test_right_answer_passes(name: str) -> None:
    assert evaluate(f"probability.{name}", RIGHT[name]).status == "right"


@pytest.mark.parametrize(("name", "answer", "part"), WRONG)
def test_wrong_answer_is_diagnosed(name: str, answer: Any, part: str) -> None:
    with np.errstate(all="ignore"):
        result = evaluate(f"probability.{name}", answer)
    assert result.status == "wrong"
    assert part in result.message


@pytest.mark.parametrize("name", [name for name in RIGHT if callable(RIGHT[name])])
def test_stub_is_unanswered(name: str) -> None:
    assert evaluate(f"probability.{name}", lambda *args: None).status == "unanswered"


def test_value_not_given_is_unanswered() -> None:
    assert evaluate("probability.two_flags", ...).status == "unanswered"
