"""Shifts: what makes them keeps what it says, what corrects them is right where theory says so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from labutils import shift


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- making a shift


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0, 1), seed=st.integers(0, 99))
def test_label_shift_has_the_prior_and_no_place_twice(share: float, seed: int) -> None:
    y = np.repeat([0, 1], [300, 200])
    drawn = shift.draw_with_prior(y, [1 - share, share], 150, generator(seed))
    assert len(set(drawn.tolist())) == len(drawn) == 150
    assert abs(y[drawn].mean() - share) <= 1 / 150


def test_label_shift_keeps_what_each_class_looks_like() -> None:
    x, y = np.arange(20_000) % 7, np.arange(20_000) % 2
    drawn = shift.draw_with_prior(y, [0.9, 0.1], 10_000, generator())
    for c in (0, 1):
        np.testing.assert_allclose(x[drawn][y[drawn] == c].mean(), x[y == c].mean(), atol=0.1)


def test_label_shift_refuses() -> None:
    with pytest.raises(ValueError, match="class 1 has 2 places, 5 are wanted"):
        shift.draw_with_prior([0] * 9 + [1] * 2, [0.5, 0.5], 10, generator())
    for prior in ([0.5, 0.6], [1.5, -0.5]):
        with pytest.raises(ValueError, match="sum to 1"):
            shift.draw_with_prior([0, 1], prior, 1, generator())


def test_covariate_shift_moves_the_score_and_keeps_labels_given_it() -> None:
    g = generator()
    x = g.integers(0, 4, 40_000)
    y = g.random(40_000) < np.array([0.1, 0.8, 0.3, 0.5])[x]
    drawn = shift.draw_tilted(x, 1.0, 8000, g)
    assert len(set(drawn.tolist())) == 8000
    assert x[drawn].mean() > x.mean() + 0.5
    for value in range(4):
        assert abs(y[drawn][x[drawn] == value].mean() - y[x == value].mean()) < 0.06
    assert abs(x[shift.draw_tilted(x, 0.0, 8000, g)].mean() - x.mean()) < 0.05


def test_covariate_shift_refuses() -> None:
    with pytest.raises(ValueError, match="without putting back"):
        shift.draw_tilted([1, 2], 1, 3, generator())
    with pytest.raises(ValueError, match="equal"):
        shift.draw_tilted([1, 1], 1, 1, generator())


def test_a_planted_word_stands_where_it_is_said() -> None:
    y = np.repeat([0, 1], 5000)
    texts, has = shift.plant(["so it goes"] * 10_000, y, "zorp", 0.95, generator())
    assert [text.startswith("zorp so") for text in texts] == has.astype(bool).tolist()
    assert abs(has[y == 1].mean() - 0.95) < 0.02
    assert abs(has[y == 0].mean() - 0.05) < 0.02
    with pytest.raises(ValueError, match="probability"):
        shift.plant(["a"], [1], "b", 1.2, generator())


# --- correcting one


def test_logistic_equals_scikit_learn() -> None:
    g = generator()
    x, w = g.normal(size=(200, 5)), g.random(200)
    y = (x[:, 0] + g.normal(size=200) > 0).astype(int)
    for weights in (None, w):
        theirs = LogisticRegression(C=0.7, tol=1e-8, max_iter=1000).fit(x, y, sample_weight=weights)
        found, bias = shift.logistic(x, y, 0.7, weights)
        np.testing.assert_allclose(found, theirs.coef_[0], atol=2e-4)
        assert bias == pytest.approx(theirs.intercept_[0], abs=2e-4)


def test_importance_weights_find_a_known_ratio() -> None:
    """N(0, 1) against N(1, 1): the ratio is e^(x − ½)."""
    g = generator()
    source, target = g.normal(size=(8000, 1)), g.normal(1, 1, size=(4000, 1))
    weights = shift.importance_weights(source, target, C=10)
    truth = np.exp(source[:, 0] - 0.5)
    np.testing.assert_allclose(np.log(weights), np.log(truth / truth.mean()), atol=0.35)
    assert np.average(source[:, 0], weights=weights) == pytest.approx(1, abs=0.12)
    assert weights.mean() == pytest.approx(1)


def test_ratio_counts_the_sizes() -> None:
    np.testing.assert_allclose(shift.ratio_from_logits([0.0, np.log(2)], 300, 100), [3, 6])


@given(n=st.integers(1, 40), scale=st.floats(0.1, 10))
def test_effective_size(n: int, scale: float) -> None:
    assert shift.effective_size(np.full(n, scale)) == pytest.approx(n)
    assert shift.effective_size([scale] + [0.0] * n) == pytest.approx(1)


def world(share: float, n: int, g: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels and the exact posteriors under shares of one half, of two Gaussians two apart."""
    y = (g.random(n) < share).astype(int)
    x = g.normal(2 * y - 1, 1)
    p = 1 / (1 + np.exp(-2 * x))
    return y, np.stack([1 - p, p], axis=1)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_both_estimates_find_the_target_prior(share: float) -> None:
    g = generator(3)
    (y, p), (_, q) = world(0.5, 20_000, g), world(share, 20_000, g)
    ratios = shift.bbse(y, p.argmax(1), q.argmax(1))
    np.testing.assert_allclose(ratios * np.bincount(y) / len(y), [1 - share, share], atol=0.015)
    np.testing.assert_allclose(shift.em_prior(q, [0.5, 0.5]), [1 - share, share], atol=0.015)


def test_adapted_posteriors_are_those_of_the_new_shares() -> None:
    y, p = world(0.9, 40_000, generator(5))
    adapted = shift.adapt(p, [0.5, 0.5], [0.1, 0.9])
    np.testing.assert_allclose(adapted.sum(1), 1)
    sure = adapted[:, 1] > 0.97
    assert y[sure].mean() == pytest.approx(adapted[sure, 1].mean(), abs=0.01)
    np.testing.assert_allclose(shift.adapt(adapted, [0.1, 0.9], [0.5, 0.5]), p)


def test_bbse_refuses_a_classifier_that_cannot_tell() -> None:
    with pytest.raises(ValueError, match="cannot be inverted"):
        shift.bbse([0, 1, 0, 1], [1, 1, 1, 1], [1, 1])


# --- groups


def test_group_accuracy() -> None:
    found = shift.group_accuracy([1, 0, 1, 1, 0], [0, 0, 2, 2, 2])
    np.testing.assert_allclose(found, [0.5, np.nan, 2 / 3])


def test_balanced_subsample_takes_as_many_of_each() -> None:
    group = np.repeat([0, 1, 3], [50, 7, 20])
    drawn = shift.balanced_subsample(group, generator())
    assert len(set(drawn.tolist())) == 21
    assert np.bincount(group[drawn]).tolist() == [7, 7, 0, 7]


def test_group_dro_lowers_the_worst_groups_loss() -> None:
    """A label that follows x₀ always and x₁ in the large groups only."""
    g = generator(2)
    y = g.integers(0, 2, 4000)
    other = np.where(g.random(4000) < 0.95, y, 1 - y)
    x = np.stack([2 * y - 1 + g.normal(0, 1.5, 4000), 2 * other - 1 + g.normal(0, 0.3, 4000)], axis=1)
    group = 2 * y + other
    w, bias = shift.group_dro(x, y, group)
    plain, plain_bias = shift.logistic(x, y)
    robust = shift.group_accuracy((x @ w + bias > 0) == y, group)
    usual = shift.group_accuracy((x @ plain + plain_bias > 0) == y, group)
    assert robust.min() > usual.min() + 0.2
    assert np.ptp(robust) < 0.1


# --- noticing one


@settings(max_examples=40)
@given(
    inside=st.lists(st.integers(0, 9), min_size=1, max_size=20),
    outside=st.lists(st.integers(0, 9), min_size=1, max_size=20),
)
def test_auroc_equals_scikit_learn(inside: list[int], outside: list[int]) -> None:
    truth = [0] * len(inside) + [1] * len(outside)
    assert shift.auroc(inside, outside) == pytest.approx(roc_auc_score(truth, inside + outside))
