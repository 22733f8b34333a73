"""labutils.models.ngram against slow dictionaries, against nltk.lm, and as probabilities."""

import math
from collections import Counter, defaultdict
from itertools import chain, product

import nltk.lm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.util import everygrams
from scipy.stats import chisquare

from labutils.information import entropy, normalise
from labutils.models.ngram import NGramModel, modified_discounts

quick = settings(deadline=None, max_examples=60, derandomize=True)
SMOOTHINGS = ("kneser-ney", "witten-bell", "add-k")


class SlowKneserNey:
    """Interpolated Kneser–Ney as Chen & Goodman (1999) define it, with dictionaries and recursion."""

    def __init__(self, ids, order, n_vocab, discount=None):
        self.n_vocab = n_vocab
        windows = {m: [tuple(ids[i : i + m]) for i in range(len(ids) - m + 1)] for m in range(1, order + 1)}
        self.followers, self.discounts = {}, {}
        for m in range(1, order + 1):
            counts = Counter(windows[m])
            if m < order:  # N1+(• gram): how many different tokens come before it
                counts = Counter(window[1:] for window in set(windows[m + 1]))
            self.followers[m] = defaultdict(dict)
            for gram, count in counts.items():
                self.followers[m][gram[:-1]][gram[-1]] = count
            estimated = modified_discounts(np.array([*counts.values()]))
            self.discounts[m] = [discount] * 3 if discount else estimated

    def prob(self, token, context):
        order = len(context) + 1
        lower = self.prob(token, context[1:]) if context else 1 / self.n_vocab
        counts = self.followers[order].get(tuple(context))
        if not counts:
            return lower
        d1, d2, d3 = self.discounts[order]
        n1, n2 = (list(counts.values()).count(c) for c in (1, 2))
        gamma = (d1 * n1 + d2 * n2 + d3 * (len(counts) - n1 - n2)) / sum(counts.values())
        count = counts.get(token, 0)
        kept = count - {0: 0, 1: d1, 2: d2}.get(count, d3)
        return kept / sum(counts.values()) + gamma * lower


def ring(ids, order):
    """Let the end repeat the beginning, so that every short n-gram has a token before it."""
    return [*ids, *ids[: order - 1]]


def skewed(n, n_vocab, seed):
    """A text of `n` tokens, a few of them frequent and most of them rare."""
    return (np.random.default_rng(seed).zipf(1.5, n) % n_vocab).tolist()


@st.composite
def models(draw):
    """A model of any kind fitted on a short text."""
    order, n_vocab = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    ids = draw(st.lists(st.integers(0, n_vocab - 1), min_size=order, max_size=30))
    smoothing, discount = draw(st.sampled_from(SMOOTHINGS)), draw(st.none() | st.floats(0.01, 0.99))
    k = draw(st.sampled_from([0.01, 1.0, 30.0]))
    return NGramModel(order, n_vocab, smoothing, discount=discount, k=k).fit(ids)


def every_context(model):
    """All contexts of all lengths up to the order, and one longer than the model looks back."""
    shorter = [product(range(model.n_vocab), repeat=length) for length in range(model.order)]
    return [*chain(*shorter), (0,) * (model.order + 2)]


# ---- Against independent implementations ----


@quick
@given(st.data(), st.integers(1, 4), st.integers(1, 4), st.none() | st.floats(0.01, 0.99))
def test_kneser_ney_equals_the_slow_definition(data, order, n_vocab, discount):
    ids = ring(data.draw(st.lists(st.integers(0, n_vocab - 1), min_size=order, max_size=40)), order)
    slow = SlowKneserNey(ids, order, n_vocab, discount)
    model = NGramModel(order, n_vocab, discount=discount).fit(ids)
    for context in every_context(model)[:-1]:
        expected = [slow.prob(token, context) for token in range(n_vocab)]
        assert model.probs(context) == pytest.approx(expected, abs=1e-12)


def test_modified_kneser_ney_on_a_text_with_every_count():
    order, n_vocab = 3, 40
    ids = ring(skewed(3000, n_vocab, seed=0), order)
    model, slow = NGramModel(order, n_vocab).fit(ids), SlowKneserNey(ids, order, n_vocab)
    assert len(set(slow.discounts[3])) == len(set(slow.discounts[2])) == 3  # not the short-text rule
    for context in [(), (0,), (7,), (0, ids[1]), (ids[-2], ids[-1]), (39, 38)]:
        expected = [slow.prob(token, context) for token in range(n_vocab)]
        assert model.probs(context) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_equals_nltk(order, smoothing):
    text = [chr(ord("a") + i) for i in ring(skewed(150, 6, seed=order), order)]
    theirs = {
        "kneser-ney": nltk.lm.KneserNeyInterpolated(order, discount=0.7),
        "witten-bell": nltk.lm.WittenBellInterpolated(order),
        "add-k": nltk.lm.Lidstone(0.3, order),
    }[smoothing]
    theirs.fit([everygrams(text, max_len=order)], vocabulary_text=text)
    letters = sorted(theirs.vocab)  # with <UNK>, which counts as one token
    ids = [letters.index(letter) for letter in text]
    ours = NGramModel(order, len(letters), smoothing, discount=0.7, k=0.3, unigram_floor=False).fit(ids)
    contexts = [tuple(ids[i : i + order - 1]) for i in range(0, 40, 4)]
    for context in {*contexts, (0,) * (order - 1), (1, 0)[: order - 1]}:
        names = [letters[i] for i in context]
        if order == 1 and smoothing == "kneser-ney":  # nltk's unigrams are always continuation counts
            expected = normalise([text.count(letter) for letter in letters])
        else:
            expected = [theirs.score(letter, names) for letter in letters]
        assert ours.probs(context) == pytest.approx(np.array(expected), abs=1e-12)


def test_add_k_by_hand():
    model = NGramModel(2, 3, "add-k", k=1).fit([0, 1, 0, 1, 0, 0])  # after 0: 1 twice, 0 once
    assert model.probs([0]) == pytest.approx([2 / 6, 3 / 6, 1 / 6])
    assert model.probs([2]) == pytest.approx([1 / 3] * 3)  # never seen: uniform
    assert model.probs() == pytest.approx([1 / 3] * 3)  # no context: add-k has no lower order


def test_discounts_by_hand():
    counts = np.repeat([1.0, 2, 3, 4, 9], [10, 5, 2, 1, 3])
    assert modified_discounts(counts).tolist() == [0.5, 1.4, 2.0]  # Y = 10 / (10 + 2 · 5)
    assert modified_discounts(np.repeat([1.0, 2, 3], [6, 2, 1])).tolist() == [0.6] * 3  # no count of 4: Y
    assert modified_discounts(np.repeat([1.0], [6])).tolist() == [0.9] * 3
    assert modified_discounts(np.repeat([2.0], [6])).tolist() == [0.5] * 3
    # Many counts of 3 and few of 2 make the formula negative: a context must still pass something on.
    assert modified_discounts(np.repeat([1.0, 2, 3, 4], [10, 1, 10, 1]))[1] == 0.1


# ---- As probabilities ----


@quick
@given(models())
def test_probabilities_are_positive_and_sum_to_one_after_any_context(model):
    for context in every_context(model):
        p = model.probs(context)
        assert p.shape == (model.n_vocab,)
        assert p.min() > 0
        assert p.sum() == pytest.approx(1, abs=1e-12)


@quick
@given(models(), st.lists(st.integers(0, 4), max_size=12), st.lists(st.integers(0, 4), max_size=6))
def test_many_at_once_equals_one_by_one(model, ids, context):
    ids, context = [i % model.n_vocab for i in ids], [i % model.n_vocab for i in context]
    together = model.log2_probs(ids, context)
    each = [np.log2(model.probs([*context, *ids[:t]])[token]) for t, token in enumerate(ids)]
    assert together.shape == (len(ids),)
    assert together == pytest.approx(np.array(each), abs=1e-9)
    if ids:
        assert model.cross_entropy(ids) == pytest.approx(-np.mean(model.log2_probs(ids)))


def test_number_of_grams():
    assert NGramModel(3, 3, "witten-bell").fit([0, 1, 0, 1, 0, 2]).n_grams == [3, 3, 3]
    assert NGramModel(2, 3, "witten-bell").fit([0, 0, 0, 0, 1, 1]).n_grams == [2, 3]


def test_what_was_never_seen_is_impossible_without_the_floor():
    ids = [0, 1, 0, 1, 1]
    model = NGramModel(1, 3, "witten-bell", unigram_floor=False).fit(ids)
    assert model.cross_entropy(ids) == pytest.approx(entropy([2 / 5, 3 / 5]))  # the best a unigram can do
    assert model.log2_probs([2])[0] == -np.inf


def test_the_highest_order_that_fits_in_an_integer():
    rng, ones = np.random.default_rng(0), np.ones(100, dtype=int)  # 63 ones make the largest key there is
    ids = np.append(rng.integers(0, 2, 400), ones)
    model = NGramModel(63, 2).fit(ids)
    assert model.probs(ids[:62]).sum() == pytest.approx(1)
    assert model.probs(ones)[1] > 0.9
    assert model.log2_probs([1], ones)[0] > -0.2


# ---- Sampling ----


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_sampled_frequencies_are_the_probabilities(temperature):
    model = NGramModel(2, 4).fit(skewed(80, 4, seed=3))
    drawn = model.sample(6000, np.random.default_rng(0), context=[1], temperature=temperature)
    seen = np.zeros((4, 4))
    np.add.at(seen, (np.concatenate([[1], drawn[:-1]]), drawn), 1)
    for token in range(4):
        expected = normalise(model.probs([token]) ** (1 / temperature)) * seen[token].sum()
        assert chisquare(seen[token], expected).pvalue > 1e-3


def test_at_no_temperature_is_the_impossible_drawn():
    """Without a floor what was never seen has probability 0, and 0 ** (1 / inf) is 1."""
    model = NGramModel(1, 4, unigram_floor=False).fit([0, 0, 0, 1])
    for temperature in (1.0, 1e9, math.inf):
        drawn = model.sample(400, np.random.default_rng(0), temperature=temperature)
        assert set(drawn.tolist()) == {0, 1}
    assert 140 < (drawn == 1).sum() < 260  # equally likely in the end


def test_temperature_limits():
    model = NGramModel(1, 4, "witten-bell", unigram_floor=False).fit([0, 0, 0, 2, 2, 3])
    rng = np.random.default_rng(0)
    assert model.sample(50, rng, [1], temperature=1e-9).tolist() == [0] * 50  # cold: the most probable
    hot = np.bincount(model.sample(3000, rng, temperature=1e9), minlength=4)
    assert hot[1] == 0  # hot: uniform, but the impossible stays impossible
    assert chisquare(hot[[0, 2, 3]]).pvalue > 1e-3


def test_sampling_is_reproducible_and_may_be_empty():
    model = NGramModel(3, 5).fit(skewed(200, 5, seed=2))
    first, again, other = (model.sample(50, np.random.default_rng(seed)).tolist() for seed in (7, 7, 8))
    assert first == again != other
    assert model.sample(0, np.random.default_rng(0)).dtype == np.int64


# ---- What is refused, naming the argument ----

FITTED = NGramModel(2, 3).fit([0, 1, 2, 0])
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: NGramModel(0, 5), "^order is 0"),
        (lambda: NGramModel(10, 127), "^order is 10: with n_vocab 127 at most 9 tokens"),
        (lambda: NGramModel(64, 2), "^order is 64: with n_vocab 2 at most 63 tokens"),
        (lambda: NGramModel(6, np.int64(4000)), "^order is 6: with n_vocab 4000 at most 5 tokens"),
        (lambda: NGramModel(2, 5, "good-turing"), "^smoothing is 'good-turing'"),
        (lambda: NGramModel(2, 5, discount=0), "^discount is 0"),
        (lambda: NGramModel(2, 5, discount=float("nan")), "^discount is nan"),
        (lambda: NGramModel(2, 5, "add-k", k=float("nan")), "^k is nan"),
        (lambda: NGramModel(1, 5).fit([]), "^ids has 0 tokens"),
        (lambda: NGramModel(1, 5).fit([0, 5]), "^ids has ids from 0 to 5"),
        (lambda: NGramModel(1, 5).fit([0.0, 1.0]), "^ids has dtype float64"),
        (lambda: NGramModel(1, 5).fit([[0, 1]]), r"^ids has shape \(1, 2\)"),
        (lambda: NGramModel(1, 5).probs(), r"call fit\(ids\) first"),
        (lambda: FITTED.probs([3]), "^context has ids from 3"),
        (lambda: FITTED.cross_entropy([]), "^ids is empty"),
        (lambda: FITTED.sample(-1, RNG), "^n is -1"),
        (lambda: FITTED.sample(1, RNG, temperature=0), "^temperature is 0"),
        (lambda: FITTED.sample(1, RNG, temperature=float("nan")), "^temperature is nan"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
