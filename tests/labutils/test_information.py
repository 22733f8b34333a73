"""labutils.information against scipy, scikit-learn, hand values and the identities of information theory."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.special import rel_entr
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import mutual_info_score

from labutils.information import (
    bits_per_token,
    conditional_entropy,
    cross_entropy,
    entropy,
    kl_divergence,
    mutual_information,
    normalise,
    perplexity,
)

quick = settings(deadline=None, max_examples=60, derandomize=True)
ROUNDING = 1e-9  # bits

# Weights of very different sizes, zeros among them; at least one is positive.
weights = st.one_of(st.just(0.0), st.floats(1e-12, 1e6))
vectors = st.lists(weights, min_size=1, max_size=12).filter(any).map(normalise)
pairs = (
    st.integers(1, 12)
    .flatmap(lambda n: st.tuples(*[st.lists(weights, min_size=n, max_size=n).filter(any)] * 2))
    .map(lambda two: (normalise(two[0]), normalise(two[1])))
)
joints = (
    arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=weights)
    .filter(np.any)
    .map(normalise)
)


# ---- Values that a reader can check by hand ----
@pytest.mark.parametrize(
    ("p", "bits"),
    [
        ([1.0], 0.0),
        ([0.0, 1.0, 0.0], 0.0),
        ([0.5, 0.5], 1.0),
        ([0.5, 0.25, 0.125, 0.125], 1.75),
        ([1 / 6] * 6, math.log2(6)),
        ([0.75, 0.25], 2 - 0.75 * math.log2(3)),
    ],
)
def test_entropy_by_hand(p, bits):
    assert entropy(p) == pytest.approx(bits, abs=1e-12)


def test_a_sum_of_one_is_held_to_a_millionth():
    """Wide enough for float32 softmax over 100,000 tokens, and no wider."""
    assert entropy([0.5, 0.5 + 5e-7]) == pytest.approx(1)
    assert bits_per_token([5e-7, -1.0]) == pytest.approx(0.5)
    for call in (
        lambda: entropy([0.5, 0.5 + 3e-6]),
        lambda: kl_divergence([0.5, 0.5], [0.5, 0.5 - 3e-6]),
        lambda: mutual_information([[0.5, 0.5 - 3e-6]]),
        lambda: bits_per_token([3e-6, -1.0]),
    ):
        with pytest.raises(ValueError, match=r"normalise it first|positive value"):
            call()


def test_what_is_beyond_the_largest_float_is_infinite():
    """The counter-example of a bug report: 2.0**1100 raises OverflowError."""
    assert perplexity(1100.0) == math.inf
    assert perplexity(math.inf) == math.inf
    assert perplexity(1023.0) == 2.0**1023
    assert perplexity(0) == perplexity(-0.0) == 1


@pytest.mark.parametrize(
    "zero",
    [
        entropy([1.0]),
        cross_entropy([1.0, 0.0], [1.0, 0.0]),
        kl_divergence([1.0, 0.0], [1.0, 0.0]),
        kl_divergence([0.3, 0.7], [0.3, 0.7]),
        mutual_information([[1.0, 0.0]]),
        mutual_information([[0.25, 0.25], [0.25, 0.25]]),
        conditional_entropy([[1.0]]),
        bits_per_token([0.0, 0.0]),
    ],
)
def test_nothing_is_plus_zero(zero):
    assert zero == 0
    assert math.copysign(1, zero) == 1


def test_divergence_is_not_symmetric():
    p, q = [0.5, 0.5], [0.75, 0.25]
    assert kl_divergence(p, q) == pytest.approx(1 - math.log2(3) / 2)
    assert kl_divergence(q, p) == pytest.approx(0.75 * math.log2(3) - 1)


def test_what_the_model_calls_impossible_costs_infinitely_many_bits():
    p, q = [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]
    assert cross_entropy(p, q) == math.inf
    assert kl_divergence(p, q) == math.inf
    assert kl_divergence(q, p) == 1.0  # the other way round nothing impossible happens


def test_zero_correlation_but_positive_information():
    # X uniform on −1, 0, 1 and Y = X²: rows are x, columns are y = 0, 1.
    joint = np.array([[0, 1], [1, 0], [0, 1]]) / 3
    x, y = np.array([-1, 0, 1]), np.array([0, 1])
    assert (joint * np.outer(x, y)).sum() - (joint.sum(1) @ x) * (joint.sum(0) @ y) == 0
    assert mutual_information(joint) == pytest.approx(math.log2(3) - 2 / 3)
    assert conditional_entropy(joint) == 0.0  # H(Y|X): X decides Y
    assert conditional_entropy(joint.T) == pytest.approx(2 / 3)  # H(X|Y): Y leaves the sign open


def test_perplexity_is_the_branching_factor():
    assert perplexity(0) == 1.0
    assert perplexity(entropy([1 / 27] * 27)) == pytest.approx(27)


def test_bits_per_token_is_a_mean_with_the_sign_turned():
    assert bits_per_token([-1.0, -2.0, -6.0]) == 3.0
    assert bits_per_token([0.0, -math.inf]) == math.inf


def test_zero_prints_without_a_minus_sign():
    values = [entropy([1.0]), cross_entropy([1.0], [1.0]), bits_per_token([0.0]), kl_divergence([1.0], [1.0])]
    assert [str(value) for value in values] == ["0.0"] * 4


def test_normalise_keeps_the_shape_and_the_ratios():
    p = normalise([[1, 3], [0, 4]])
    assert p.tolist() == [[0.125, 0.375], [0.0, 0.5]]


# ---- Independent implementations ----


@quick
@given(vectors)
def test_entropy_equals_scipy(p):
    assert entropy(p) == pytest.approx(scipy_entropy(p, base=2), abs=ROUNDING)
    assert entropy(p, base=math.e) == pytest.approx(scipy_entropy(p), abs=ROUNDING)


@quick
@given(pairs)
def test_divergence_and_cross_entropy_equal_scipy(pair):
    p, q = pair
    expected = rel_entr(p, q).sum() / math.log(2)
    assert kl_divergence(p, q) == pytest.approx(expected, abs=ROUNDING)
    assert cross_entropy(p, q) == pytest.approx(scipy_entropy(p, base=2) + expected, abs=ROUNDING)


@quick
@given(
    arrays(np.int64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(0, 50)).filter(
        np.any
    )
)
def test_mutual_information_equals_scikit_learn(counts):
    expected = mutual_info_score(None, None, contingency=counts)  # in nats
    assert mutual_information(normalise(counts), base=math.e) == pytest.approx(expected, abs=ROUNDING)


# ---- Identities and inequalities ----


@quick
@given(vectors)
def test_entropy_lies_between_zero_and_uniform(p):
    assert 0 <= entropy(p) <= math.log2(len(p)) + ROUNDING
    assert cross_entropy(p, p) == pytest.approx(entropy(p), abs=ROUNDING)


@quick
@given(pairs)
def test_divergence_is_zero_only_for_equal_distributions(pair):
    p, q = pair
    assert kl_divergence(p, p) == 0.0
    distance = np.abs(p - q).sum()
    assert kl_divergence(p, q) >= distance**2 / (2 * math.log(2)) - ROUNDING  # Pinsker's inequality


@quick
@given(joints)
def test_information_identities(joint):
    both, x, y = entropy(joint.ravel()), entropy(joint.sum(axis=1)), entropy(joint.sum(axis=0))
    shared = mutual_information(joint)
    assert shared == pytest.approx(mutual_information(joint.T), abs=ROUNDING)
    assert shared == pytest.approx(x + y - both, abs=ROUNDING)
    assert 0 <= shared <= min(x, y) + ROUNDING
    assert conditional_entropy(joint) == pytest.approx(y - shared, abs=ROUNDING)
    assert conditional_entropy(joint) <= y + ROUNDING


@quick
@given(vectors, vectors)
def test_independent_variables_share_nothing(p, q):
    assert mutual_information(np.outer(p, q)) == pytest.approx(0, abs=ROUNDING)


def test_information_of_events_too_rare_for_their_product():
    # 1e-200 · 1e-200 is zero in float64; its logarithm must not make the result infinite.
    assert mutual_information([[1.0, 0.0], [0.0, 1e-200]]) == pytest.approx(0, abs=1e-12)


def test_another_base_only_changes_the_unit():
    p, q, joint = [0.2, 0.8], [0.6, 0.4], [[0.1, 0.4], [0.3, 0.2]]
    for measure, arguments in [
        (entropy, (p,)),
        (cross_entropy, (p, q)),
        (kl_divergence, (p, q)),
        (mutual_information, (joint,)),
        (conditional_entropy, (joint,)),
    ]:
        assert measure(*arguments, base=256) == pytest.approx(measure(*arguments) / 8)


def test_float32_softmax_over_a_large_vocabulary_is_accepted():
    logits = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    p = np.exp(logits) / np.exp(logits).sum()
    assert p.dtype == np.float32
    assert entropy(p) == pytest.approx(scipy_entropy(p.astype(np.float64), base=2), abs=1e-4)


# ---- What is refused, naming the argument ----

FAIR = [0.5, 0.5]
BAD_DISTRIBUTIONS = {
    "sums to 0.9": [0.5, 0.4],
    "sums to 2": [1.0, 1.0],
    "negative": [1.5, -0.5],
    "not finite": [math.nan, 1.0],
    "is not finite": [math.inf, 0.0],
    "is empty": [],
    "not an array of numbers": ["half", "half"],
}


@pytest.mark.parametrize(("reason", "values"), BAD_DISTRIBUTIONS.items(), ids=BAD_DISTRIBUTIONS)
def test_bad_distributions_are_refused_by_name(reason, values):
    for call, name in [
        (lambda: entropy(values), "p"),
        (lambda: cross_entropy(values, FAIR), "p"),
        (lambda: cross_entropy(FAIR, values), "q"),
        (lambda: kl_divergence(FAIR, values), "q"),
    ]:
        with pytest.raises(ValueError, match=rf"^{name} .*{reason}"):
            call()
    if values:  # the same numbers as a joint distribution of one row
        for measure in (mutual_information, conditional_entropy):
            with pytest.raises(ValueError, match=rf"^joint .*{reason}"):
                measure([values])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: entropy([FAIR]), r"^p has shape \(1, 2\)"),
        (lambda: entropy(1.0), r"^p has shape \(\)"),
        (lambda: entropy([[0.5], [0.2, 0.3]]), "^p is not an array of numbers"),
        (lambda: mutual_information(FAIR), r"^joint has shape \(2,\)"),
        (lambda: conditional_entropy(FAIR), r"^joint has shape \(2,\)"),
        (lambda: kl_divergence([1.0], FAIR), r"p has shape \(1,\) and q has shape \(2,\)"),
        (lambda: entropy(FAIR, base=1), "^base is 1"),
        (lambda: entropy(FAIR, base=math.nan), "^base is nan"),
        (lambda: normalise([]), "^counts is empty"),
        (lambda: normalise([1, -1, 5]), "^counts contains a negative"),
        (lambda: normalise([0, 0]), "^counts are all zero"),
        (lambda: normalise([1, math.nan]), "^counts .*not finite"),
        (lambda: normalise(["many"]), "^counts is not an array of numbers"),
        (lambda: perplexity(-0.1), "^bits is -0.1"),
        (lambda: perplexity(math.nan), "^bits is nan"),
        (lambda: bits_per_token([]), r"^log2_probs has shape \(0,\)"),
        (lambda: bits_per_token([[-1.0]]), r"^log2_probs has shape \(1, 1\)"),
        (lambda: bits_per_token([0.25, 0.5]), "^log2_probs contains a positive"),  # forgot the logarithm
        (lambda: bits_per_token([-1.0, math.nan]), "^log2_probs contains .*NaN"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
