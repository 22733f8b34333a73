"""Scores and tests of models against libraries, closed forms and what has to hold of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from sklearn.metrics import cohen_kappa_score, confusion_matrix, f1_score, precision_recall_fscore_support

from labutils import evaluation as e

TEXTS = st.lists(st.text("abc d", max_size=30), min_size=1, max_size=5)


def draw(n: int = 60, n_class: int = 4, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_class, n)
    return y, np.where(rng.random(n) < 0.6, y, rng.integers(0, n_class, n))


@pytest.mark.parametrize("seed", range(4))
def test_class_scores_equal_scikit_learns(seed: int) -> None:
    y, said = draw(seed=seed)
    labels = np.arange(5)  # one class more than there is
    np.testing.assert_array_equal(e.confusion(y, said, 5), confusion_matrix(y, said, labels=labels))
    theirs = precision_recall_fscore_support(y, said, labels=labels, zero_division=0)
    for ours, other in zip(e.class_scores(y, said, 5), theirs, strict=False):
        np.testing.assert_allclose(ours, other)
    macro = f1_score(y, said, labels=labels, average="macro", zero_division=0)
    assert e.macro_f1(y, said, 5) == pytest.approx(macro)


@given(seed=st.integers(0, 999), n=st.integers(1, 30))
def test_micro_f1_is_the_accuracy(seed: int, n: int) -> None:
    y, said = draw(n, seed=seed)
    assert e.micro_f1(y, said, 4) == pytest.approx((y == said).mean())


@pytest.mark.parametrize(
    ("y", "said", "n_class", "why"),
    [
        ([0, 1], [0], 2, r"y has shape \(2,\) and said \(1,\)"),
        ([], [], 2, "n of 1 or more"),
        ([0, 2], [0, 1], 2, "above 1"),
        ([0, -1], [0, 1], 2, "below 0"),
        ([0.5, 1], [0, 1], 2, "whole numbers"),
    ],
)
def test_classes_that_are_none_are_refused(y: Any, said: Any, n_class: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        e.macro_f1(y, said, n_class)


def test_bootstrap_is_as_wide_as_the_normal_law_says() -> None:
    values = (np.random.default_rng(0).random(400) < 0.7).astype(float)
    low, high = e.bootstrap(values, 0.9, 4000)
    half = norm.ppf(0.95) * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.005)
    assert high == pytest.approx(values.mean() + half, abs=0.005)
    assert e.bootstrap(np.ones(7)) == (1, 1)
    assert e.bootstrap(values, seed=1) != e.bootstrap(values, seed=2)
    long = np.tile(values, 20)  # more than one block of draws
    assert np.diff(e.bootstrap(long, 0.9, 600)) == pytest.approx(2 * half / math.sqrt(20), rel=0.15)
    with pytest.raises(ValueError, match=r"expected \(n,\)"):
        e.bootstrap([])
    with pytest.raises(ValueError, match="level is 95"):
        e.bootstrap(values, 95)


@given(only_a=st.integers(0, 40), only_b=st.integers(0, 40), both=st.integers(0, 5))
def test_mcnemar_is_the_exact_binomial_test(only_a: int, only_b: int, both: int) -> None:
    a = np.repeat([1, 0, 1], [only_a, only_b, both])
    b = np.repeat([0, 1, 1], [only_a, only_b, both])
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert e.mcnemar(a, b) == pytest.approx(expected)
    assert e.mcnemar(b, a) == e.mcnemar(a, b)


def test_mcnemar_keeps_its_level_and_refuses_what_it_cannot_pair() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 600, 80)) < 0.7
    assert np.mean([e.mcnemar(x, y) < 0.05 for x, y in zip(a, b, strict=True)]) < 0.065
    with pytest.raises(ValueError, match="2 answers of A and 3 of B"):
        e.mcnemar([1, 0], [1, 0, 1])
    with pytest.raises(ValueError, match="0 and 1"):
        e.mcnemar([0.5], [1])


@settings(max_examples=40)
@given(gain=st.floats(0.01, 0.1), extra=st.floats(0.02, 0.4), power=st.floats(0.5, 0.95))
def test_needed_size_is_the_least_that_has_the_power(gain: float, extra: float, power: float) -> None:
    n = e.needed_size(gain, gain + extra, power=power)
    assert e.power_of(n, gain, gain + extra) >= power - 1e-9
    assert e.power_of(n - 1, gain, gain + extra) < power + 1e-9
    assert e.power_of(n, -gain, gain + extra) == e.power_of(n, gain, gain + extra)


def test_power_is_what_a_simulation_finds() -> None:
    n, only_a, only_b = 500, 0.09, 0.05
    counts = np.random.default_rng(0).multinomial(n, [only_a, only_b, 1 - only_a - only_b], 20_000)
    z = (counts[:, 0] - counts[:, 1]) / np.sqrt(counts[:, 0] + counts[:, 1])
    assert (z > 1.96).mean() == pytest.approx(e.power_of(n, 0.04, 0.14), abs=0.015)
    for gain, differ, why in (
        (0, 0.1, "gain is 0"),
        (0.2, 0.1, "at least the gain"),
        (0.1, 1.1, "at most 1"),
    ):
        with pytest.raises(ValueError, match=why):
            e.needed_size(gain, differ)
    with pytest.raises(ValueError, match="power 1"):
        e.needed_size(0.1, 0.2, power=1)
    assert e.power_of(1, 1, 1) == 1


def test_best_of_equals_closed_forms() -> None:
    assert e.best_of(1) == pytest.approx(0, abs=1e-9)
    assert e.best_of(2) == pytest.approx(1 / math.sqrt(math.pi))
    assert e.best_of(3) == pytest.approx(1.5 / math.sqrt(math.pi))
    assert e.best_of(20) == pytest.approx(
        np.random.default_rng(0).normal(size=(40_000, 20)).max(1).mean(), abs=0.01
    )
    with pytest.raises(ValueError, match="k is 0"):
        e.best_of(0)


@pytest.mark.parametrize("seed", range(4))
def test_kappa_equals_scikit_learns(seed: int) -> None:
    a, b = draw(seed=seed)
    assert e.kappa(a, b, 4) == pytest.approx(cohen_kappa_score(a, b))
    distance = abs(np.subtract.outer(np.arange(4), np.arange(4)))
    assert e.weighted_kappa(a, b, distance) == pytest.approx(cohen_kappa_score(a, b, weights="linear"))
    assert e.weighted_kappa(a, b, distance**2) == pytest.approx(cohen_kappa_score(a, b, weights="quadratic"))
    assert e.kappa(a, a, 4) == 1
    assert e.kappa(a, np.zeros_like(a), 4) == pytest.approx(0)
    assert math.isnan(e.kappa([1, 1], [1, 1], 4))
    with pytest.raises(ValueError, match="cost has shape"):
        e.weighted_kappa(a, b, distance[0])


@settings(max_examples=150)
@given(said=TEXTS, wanted=TEXTS)
def test_bleu_and_chrf_equal_sacrebleus(said: list[str], wanted: list[str]) -> None:
    n = min(len(said), len(wanted))
    said, wanted = said[:n], wanted[:n]
    theirs = sacrebleu.corpus_bleu(said, [wanted], tokenize="none", force=True).score
    ours = e.bleu([s.split() for s in said], [w.split() for w in wanted])
    assert ours == pytest.approx(theirs, abs=1e-9)
    assert e.chrf(said, wanted) == pytest.approx(sacrebleu.corpus_chrf(said, [wanted]).score, abs=1e-9)


def test_bleu_and_chrf_of_extremes() -> None:
    verse = "in the beginning was the word"
    assert e.bleu([verse.split()], [verse.split()]) == pytest.approx(100)
    assert e.chrf([verse], [verse]) == pytest.approx(100)
    assert e.bleu([["x"] * 6], [verse.split()]) == e.chrf(["xyz"], ["abc"]) == 0
    assert e.bleu([verse.split()[:5]], [verse.split()]) == pytest.approx(100 * math.exp(1 - 6 / 5))
    for score in (e.bleu, e.chrf):
        with pytest.raises(ValueError, match="1 texts said and 2 wanted"):
            score([verse], [verse, verse])
        with pytest.raises(ValueError, match="1 or more"):
            score([], [])
