"""Calibration: closed forms, libraries, and the coverage that theory gives exactly."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from labutils import calibration as c


def draw(n: int = 500, n_class: int = 3, seed: int = 0, scale: float = 1.0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, n_class))
    return scale * z, np.array([rng.choice(n_class, p=p) for p in c.softmax(z)])


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_scikit_learns(seed: int) -> None:
    z, y = draw(seed=seed)
    p = c.softmax(z)
    assert c.log_loss(p, y) == pytest.approx(sklearn_log_loss(y, p) / math.log(2))
    each = [brier_score_loss(y == k, p[:, k]) for k in range(3)]
    assert c.brier(p, y) == pytest.approx(sum(each))


def test_scores_of_extremes() -> None:
    assert c.log_loss([[1.0, 0.0]], [1]) == math.inf
    assert c.brier([[1.0, 0.0]], [1]) == 2
    assert c.log_loss([[1.0, 0.0]], [0]) == c.brier([[1.0, 0.0]], [0]) == 0


@given(belief=st.floats(0.05, 0.95), said=st.floats(0.05, 0.95))
def test_scores_are_proper(belief: float, said: float) -> None:
    def expected(score: Any, q: float) -> float:
        rain, dry = (float(score([[q, 1 - q]], [k])) for k in (0, 1))
        return belief * rain + (1 - belief) * dry

    for score in (c.log_loss, c.brier):
        assert expected(score, belief) <= expected(score, said) + 1e-12


def test_reliability_by_hand() -> None:
    said, right = [0.95, 0.95, 0.95, 0.95, 0.55, 0.55], [1, 1, 1, 0, 1, 0]
    bins = c.reliability(said, right, 10)
    np.testing.assert_allclose(bins.size, [2, 4])
    np.testing.assert_allclose(bins.accuracy, [0.5, 0.75])
    assert c.calibration_error(said, right, 10) == pytest.approx(4 / 6 * 0.2 + 2 / 6 * 0.05)
    assert c.reliability([1.0, 0.0], [1, 0], 4).size.tolist() == [1, 1]  # 1 is in the last bin


def test_bins_of_equal_counts() -> None:
    said = np.random.default_rng(0).beta(5, 1, 60)
    assert c.reliability(said, said, 6, equal_counts=True).size.tolist() == [10] * 6
    assert c.calibration_error(said, said, 6, equal_counts=True) == pytest.approx(0)


@pytest.mark.parametrize(("n", "n_bins"), [(2000, 10), (500, 10), (1000, 40)])
def test_what_chance_alone_brings(n: int, n_bins: int) -> None:
    rng = np.random.default_rng(1)
    said = rng.uniform(0.4, 0.98, n)
    drawn = [c.calibration_error(said, rng.random(n) < said, n_bins) for _ in range(300)]
    assert np.mean(drawn) == pytest.approx(c.bias_if_calibrated(said, n_bins), rel=0.06)


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.5, 8.0])
def test_temperature_finds_the_factor(scale: float) -> None:
    z, y = draw(4000, 4, seed=1, scale=scale)
    t = c.fit_temperature(z, y)
    assert t == pytest.approx(scale, rel=0.1)
    for other in (0.97, 1.03):
        assert c.log_loss(c.softmax(z, t), y) < c.log_loss(c.softmax(z, t * other), y)
    assert c.fit_temperature(2 * z, y) == pytest.approx(2 * t, rel=1e-5)


@settings(max_examples=60)
@given(n=st.integers(1, 400), tenths=st.integers(1, 99))
def test_rank_is_exact(n: int, tenths: int) -> None:
    k = c.conformal_rank(n, tenths / 100)
    level = Fraction(100 - tenths, 100)
    assert Fraction(k, n + 1) >= level > Fraction(k - 1, n + 1)


def test_too_few_scores_promise_nothing() -> None:
    assert c.conformal_quantile(np.arange(9), 0.05) == math.inf
    assert c.conformal_quantile(np.arange(9), 0.1) == 8


def covered(threshold: Any, n: int, alpha: float, m: int = 400, n_split: int = 1500) -> Any:
    """How many of m new scores are at most the threshold of n, in many draws."""
    rng = np.random.default_rng(0)
    scores = rng.random((n_split, n + m))
    return np.array([(row[n:] <= threshold(row[:n], alpha)).sum() for row in scores])


def old_mapie(scores: Any, alpha: float) -> Any:
    n = len(scores)
    return np.quantile(scores, min(1.0, (n + 1) * (1 - alpha) / n), method="higher")


def copied_line(scores: Any, alpha: float) -> Any:
    n = len(scores)
    return np.quantile(scores, min(1.0, math.ceil((n + 1) * (1 - alpha)) / n), method="higher")


@pytest.mark.parametrize(("n", "alpha"), [(59, 0.1), (99, 0.1), (39, 0.2), (45, 0.05)])
def test_coverage_is_beta_binomial(n: int, alpha: float) -> None:
    """In mean and spread; a threshold that is one rank off is caught."""
    k, m = c.conformal_rank(n, alpha), 400
    law = betabinom(m, k, n + 1 - k)

    def off_by(threshold: Any) -> float:
        found = covered(threshold, n, alpha)
        return float((found.mean() - law.mean()) / (law.std() / math.sqrt(len(found))))

    assert abs(off_by(c.conformal_quantile)) < 3.5
    assert covered(c.conformal_quantile, n, alpha).std() == pytest.approx(law.std(), rel=0.08)
    assert abs(off_by(copied_line)) > 6


def test_the_old_rule_of_mapie_is_caught_where_it_errs() -> None:
    n, alpha = 59, 0.1
    k = c.conformal_rank(n, alpha)
    assert old_mapie(np.arange(1, n + 1), alpha) == k + 1
    found = covered(old_mapie, n, alpha)
    law = betabinom(400, k, n + 1 - k)
    assert (found.mean() - law.mean()) / (law.std() / math.sqrt(len(found))) > 6


def test_weights_that_are_equal_change_nothing() -> None:
    scores = np.random.default_rng(3).random(99)
    for alpha in (0.1, 0.2, 0.35, 0.005):
        found = c.weighted_quantile(scores, np.full(99, 0.7), np.array([0.7]), alpha)
        assert found[0] == c.conformal_quantile(scores, alpha)


def test_weights_bring_the_coverage_back() -> None:
    rng = np.random.default_rng(5)
    x = rng.random((400, 300))
    scores = rng.random((400, 300)) * (0.2 + x)  # larger where x is
    held = []
    for row, place in zip(scores, x, strict=True):
        arrive = 100 + np.flatnonzero(rng.random(200) < place[100:] ** 2)
        weighted = c.weighted_quantile(row[:100], place[:100] ** 2, place[arrive] ** 2, 0.2)
        plain = c.conformal_quantile(row[:100], 0.2)
        held.append([(row[arrive] <= line).mean() for line in (plain, weighted)])
    plain_mean, weighted_mean = np.mean(held, 0)
    assert plain_mean < 0.74
    assert 0.79 < weighted_mean < 0.83


def test_adaptive_scores_by_hand() -> None:
    p = np.array([[0.1, 0.6, 0.3]])
    np.testing.assert_allclose(c.aps_scores(p), [[1.0, 0.6, 0.9]])
    np.testing.assert_allclose(c.aps_scores(p, [2]), [0.9])
    np.testing.assert_allclose(c.lac_scores(p, [2]), [0.7])


def test_risk_by_hand() -> None:
    np.testing.assert_allclose(
        c.risk_at([0.9, 0.5, 0.8, 0.6], [1, 0, 1, 1], [0.25, 0.5, 0.75, 1]), [0, 0, 0, 0.25]
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: c.log_loss([0.5, 0.5], [0]), "shape"),
        (lambda: c.log_loss([[0.5, 0.5]], [2]), "classes"),
        (lambda: c.brier(np.zeros((0, 2)), np.zeros(0, int)), "no forecasts"),
        (lambda: c.brier([[0.5, 0.5]], [0.5]), "whole numbers"),
        (lambda: c.softmax([[1.0, 2.0]], 0), "temperature"),
        (lambda: c.reliability([0.5], [1, 0]), "shape"),
        (lambda: c.reliability([1.5], [1]), "probabilities"),
        (lambda: c.reliability([0.5], [1], 0), "n_bins"),
        (lambda: c.conformal_rank(10, 1.0), "alpha"),
        (lambda: c.weighted_quantile([0.1], [-1.0], [1.0], 0.1), "negative"),
    ],
)
def test_faults_are_said(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
