"""labutils.coding: the arithmetic coder against constriction and the ideal, Hamming by brute force."""

import math
from itertools import product

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy

from labutils.coding import (
    arithmetic_decode,
    arithmetic_encode,
    bsc_capacity,
    cumulative_counts,
    hamming74_decode,
    hamming74_encode,
)
from labutils.information import normalise
from labutils.models.ngram import NGramModel

quick = settings(deadline=None, max_examples=60, derandomize=True)


def always(p):
    """A model that predicts the same distribution whatever came before."""
    p = np.asarray(p, dtype=np.float64)
    return lambda context: p


def counting(n_vocab):
    """A model that learns while it reads: counts of the tokens so far, plus one."""
    return lambda context: normalise(np.bincount(context, minlength=n_vocab) + 1)


def bits_needed(ids, model):
    """The ideal length of a code: −Σ log₂ P(token | tokens before it)."""
    return -sum(math.log2(model(ids[:t])[token]) for t, token in enumerate(ids))


def round_trip(ids, model):
    """Encode, decode, compare; return the length in bits."""
    data = arithmetic_encode(ids, model)
    decoded = arithmetic_decode(data, len(ids), model)
    assert decoded.dtype == np.int64
    assert decoded.tolist() == list(ids)
    return 8 * len(data)


# ---- Arithmetic coding: what comes out is what went in ----

# Probabilities from 1e-300 to 1, zero included.
weights = st.one_of(st.just(0.0), st.floats(1e-3, 1.0), st.floats(-300, 0).map(lambda power: 10.0**power))
distributions = st.lists(weights, min_size=1, max_size=9).filter(any).map(normalise)


@quick
@given(distributions, st.lists(st.integers(0, 8), max_size=80))
def test_any_tokens_come_back_even_those_of_probability_zero(p, ids):
    round_trip([i % len(p) for i in ids], always(p))


@quick
@given(st.lists(st.integers(0, 8), max_size=80))
def test_the_model_is_asked_about_the_tokens_so_far(ids):
    round_trip(ids, counting(9))


NASTY = {
    "certain": [0.0, 1.0, 0.0],
    "nearly certain": [1e-12, 1 - 2e-12, 1e-12],
    "around the middle": [0.25, 0.5, 0.25],
    "thin in the middle": [0.5 - 1e-9, 2e-9, 0.5 - 1e-9],
    "thirds": [1 / 3] * 3,
    "last one impossible": [0.5, 0.5, 0.0],
}


@pytest.mark.parametrize("p", NASTY.values(), ids=NASTY)
def test_every_short_text_and_long_runs_come_back(p):
    for length in range(6):
        for ids in product(range(3), repeat=length):
            round_trip(ids, always(p))
    for token in range(3):
        for run in (31, 32, 33, 500):
            round_trip([token] * run + [0, 2, 1], always(p))


def test_bits_wait_while_the_interval_lies_around_the_middle():
    # Each token halves the interval from both sides; only the last decides about all bits before.
    for last in (0, 2):
        ids = [1] * 24 + [last]
        data = arithmetic_encode(ids, always([0.25, 0.5, 0.25]))
        bits = "".join(f"{byte:08b}" for byte in data)
        assert bits.startswith({0: "0" + "1" * 20, 2: "1" + "0" * 20}[last])
        assert round_trip(ids, always([0.25, 0.5, 0.25])) <= 24 + 2 + 8


def test_one_symbol_and_empty_texts_cost_next_to_nothing():
    assert round_trip([], always([0.5, 0.5])) <= 8
    assert round_trip([0] * 1000, always([1.0])) <= 8
    assert round_trip([1] * 1000, always([0.0, 1.0])) <= 8


# ---- Arithmetic coding: the length ----


@quick
@given(
    st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=20).map(normalise),
    st.integers(0, 400),
    st.integers(0, 99),
)
def test_length_is_the_ideal_length(p, n, seed):
    ids = np.random.default_rng(seed).choice(len(p), size=n, p=p)
    ideal = bits_needed(ids, always(p))
    assert 0.999 * ideal - 1 <= round_trip(ids, always(p)) <= 1.001 * ideal + 64


def test_as_short_as_constriction():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(64, 0.2))
    ids = rng.choice(64, size=5000, p=p)
    encoder = constriction.stream.queue.RangeEncoder()
    encoder.encode(ids.astype(np.int32), constriction.stream.model.Categorical(p, perfect=False))
    theirs = 32 * len(encoder.get_compressed())
    assert round_trip(ids, always(p)) == pytest.approx(theirs, rel=1e-3, abs=64)


def test_an_n_gram_model_codes_its_text_in_its_cross_entropy():
    rng = np.random.default_rng(1)
    ids = (rng.zipf(1.6, 3000) % 20 + np.arange(3000) % 3).tolist()
    model = NGramModel(3, 22).fit(ids[:2000])
    ideal = model.cross_entropy(ids[2000:]) * 1000
    assert round_trip(ids[2000:], model.probs) == pytest.approx(ideal, rel=1e-3, abs=64)


@quick
@given(distributions)
def test_counts_are_whole_never_zero_and_near_the_probabilities(p):
    cumulative = cumulative_counts(p)
    assert cumulative[0] == 0
    assert cumulative[-1] == 2**32
    assert np.diff(cumulative).min() >= 1
    assert np.diff(cumulative) / 2**32 == pytest.approx(p, abs=1e-8)


def test_sums_that_are_off_by_a_rounding_error_still_code():
    for p in (
        [0.5, 0.5 - 9e-7],
        [0.5, 0.5 + 9e-7],
        [1 + 5e-7, 1e-7],
        np.full(3000, 1 / 3000, dtype=np.float32),
    ):
        round_trip([0, 1, 1, 0, 1], always(p))


@pytest.mark.parametrize(
    "p", [[0.5, 0.4], [1.5, -0.5], [math.nan, 1.0], [math.inf, 0.0], [[0.5, 0.5]], [], 1.0]
)
def test_what_is_no_distribution_is_refused(p):
    for call in (
        lambda: cumulative_counts(p),
        lambda: arithmetic_encode([0], lambda context: p),
        lambda: arithmetic_decode(b"\x00", 1, lambda context: p),
    ):
        with pytest.raises(ValueError, match=r"^probs is not a distribution"):
            call()


# ---- Hamming's code ----

MESSAGES = np.array(list(product([0, 1], repeat=4)))


def test_hamming_code_word_by_hand():
    assert hamming74_encode([[1, 0, 1, 1]]).tolist() == [[0, 1, 1, 0, 0, 1, 1]]


def test_hamming_parities_hold_for_every_message():
    words = hamming74_encode(MESSAGES)
    assert np.array_equal(words[:, [2, 4, 5, 6]], MESSAGES)  # the message stands at positions 3, 5, 6, 7
    for covered in ([1, 3, 5, 7], [2, 3, 6, 7], [4, 5, 6, 7]):
        assert (words[:, np.array(covered) - 1].sum(axis=1) % 2 == 0).all()


def test_hamming_decoder_finds_the_nearest_of_all_words():
    words = hamming74_encode(MESSAGES)
    distances = (words[:, None] != words).sum(axis=2)
    assert distances[~np.eye(16, dtype=bool)].min() == 3
    received = np.array(list(product([0, 1], repeat=7)))  # all 128
    distances = (received[:, None] != words).sum(axis=2)  # (128, 16)
    assert ((distances <= 1).sum(axis=1) == 1).all()  # a perfect code: one word within one flip, never two
    before = received.copy()
    assert np.array_equal(hamming74_decode(received), MESSAGES[distances.argmin(axis=1)])
    assert np.array_equal(received, before)  # the caller's array is left alone


def test_hamming_takes_no_messages_and_truth_values():
    assert hamming74_encode(np.zeros((0, 4))).shape == (0, 7)
    assert hamming74_decode(np.zeros((0, 7))).shape == (0, 4)
    assert hamming74_decode(np.ones((1, 7), dtype=bool)).tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize("flip", [0.0, 1e-9, 0.11, 0.3, 0.5, 0.8, 1.0])
def test_capacity_of_a_binary_symmetric_channel(flip):
    assert bsc_capacity(flip) == pytest.approx(1 - scipy_entropy([flip, 1 - flip], base=2), abs=1e-12)


# ---- What is refused, naming the argument ----

FAIR = always([0.5, 0.5])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: arithmetic_encode([0, 2], FAIR), "^ids has token 2, but the model knows only 2"),
        (lambda: arithmetic_encode([-1], FAIR), "^ids has ids from -1"),
        (lambda: arithmetic_encode([0.0, 1.0], FAIR), "^ids has dtype float64"),
        (lambda: arithmetic_encode([math.nan], FAIR), "^ids has dtype float64"),
        (lambda: arithmetic_encode(["a"], FAIR), "^ids has dtype"),
        (lambda: arithmetic_encode([[0, 1]], FAIR), r"^ids has shape \(1, 2\)"),
        (lambda: arithmetic_decode(b"", -1, FAIR), "^n is -1"),
        (lambda: hamming74_encode([1, 0, 1, 1]), r"^bits has shape \(4,\): expected \(n, 4\)"),
        (lambda: hamming74_encode([[1, 0, 1]]), r"^bits has shape \(1, 3\)"),
        (lambda: hamming74_encode([[0, 1, 2, 0]]), "^bits contains something other than 0 and 1"),
        (lambda: hamming74_encode([[0, 1, math.nan, 0]]), "^bits contains something"),
        (lambda: hamming74_decode([[0, 1, 0, 1]]), r"^words has shape \(1, 4\): expected \(n, 7\)"),
        (lambda: hamming74_decode([[0.5] * 7]), "^words contains something"),
        (lambda: bsc_capacity(-0.1), "^flip is -0.1"),
        (lambda: bsc_capacity(1.1), "^flip is 1.1"),
        (lambda: bsc_capacity(math.nan), "^flip is nan"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
