"""The chapter language_models: its checks, its page's model, and what its exercises' answers state."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labutils import data
from labutils.information import entropy
from labutils.models.ngram import NGramModel, modified_discounts
from labutils.text import Ids, Vocabulary, k_fold
from places import run_cells

# --- answers: right ones in several styles, and mistakes with words of the message that each must get


def bigram(text: str, h: str, w: str) -> float:
    pairs = Counter(pairwise(text))
    return pairs[h, w] / sum(count for (first, _), count in pairs.items() if first == h)


def bigram_by_places(text: str, h: str, w: str) -> Any:
    after = [text[i + 1] for i in range(len(text) - 1) if text[i] == h]
    return np.array([np.mean([c == w for c in after])], dtype=np.float32)


def bigram_by_pattern(text: str, h: str, w: str) -> float:
    return len(re.findall(f"(?={h}{w})", text)) / text[:-1].count(h)


def perplexity(probs: Any) -> Any:
    return 2 ** -np.log2(probs).mean()


def perplexity_in_place(probs: Any) -> Any:
    np.log(probs, out=probs)
    probs *= -1 / len(probs)
    return np.exp(probs.sum(keepdims=True)).astype(np.float32)


def perplexity_of_lists(probs: Any) -> float:
    return math.exp(-sum(math.log(p) for p in probs) / len(probs))


def add_k(counts: Any, k: float) -> Any:
    return (counts + k) / (counts.sum() + k * len(counts))


def add_k_in_place(counts: Any, k: float) -> Any:
    counts += k
    counts /= counts.sum()
    return counts


def add_k_of_lists(counts: Any, k: float) -> list[float]:
    total = sum(counts) + k * len(counts)
    return [(c + k) / total for c in counts]


def interpolate(counts: Any, lower: Any, discount: float) -> Any:
    total = counts.sum()
    if total == 0:
        return lower
    return (np.maximum(counts - discount, 0) + discount * np.count_nonzero(counts) * lower) / total


def interpolate_in_place(counts: Any, lower: Any, discount: float) -> Any:
    if total := counts.sum():
        lower *= discount * (counts > 0).sum() / total
        counts -= discount
        np.clip(counts, 0, None, out=counts)
        counts /= total
    counts += lower
    return counts.astype(np.float32)


def interpolate_of_lists(counts: Any, lower: Any, discount: float) -> list[float]:
    total, seen = sum(counts), sum(c > 0 for c in counts)
    if not total:
        return list(lower)
    both = zip(counts, lower, strict=True)
    return [max(c - discount, 0) / total + discount * seen / total * q for c, q in both]


def continuation(text: str, w: str) -> float:
    pairs = set(pairwise(text))
    return sum(second == w for _, second in pairs) / len(pairs)


def continuation_by_dictionary(text: str, w: str) -> Any:
    before = defaultdict(set)
    for first, second in pairwise(text):
        before[second].add(first)
    return np.array(len(before[w]) / sum(map(len, before.values())), dtype=np.float32)


RIGHT: dict[str, list[Any]] = {
    "bigram": [bigram, bigram_by_places, bigram_by_pattern],
    "perplexity": [perplexity, perplexity_in_place, perplexity_of_lists],
    "add_k": [add_k, add_k_in_place, add_k_of_lists],
    "interpolate": [interpolate, interpolate_in_place, interpolate_of_lists],
    "continuation": [continuation, continuation_by_dictionary],
}


def starting(text: str, h: str) -> int:
    return text[:-1].count(h)


def kept(c: Any, d: float) -> Any:
    return np.maximum(c - d, 0) / c.sum()


def back_off(c: Any, q: Any, d: float) -> Any:
    free = d * np.count_nonzero(c) / c.sum() / q[c == 0].sum()
    return np.where(c > 0, kept(c, d), free * q)


def quiet(function: Any) -> Any:
    """The same without NumPy's warnings, which are no part of what a reader gets wrong."""

    def call(*args: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*args)

    return call


MISTAKES: list[tuple[str, Any, str]] = [
    ("perplexity", lambda p: 2 ** -np.log2(np.maximum(p, 1e-3)).mean(), "expected 200"),
    ("bigram", lambda t, h, w: bigram(t.lower(), h.lower(), w.lower()), "expected 1"),
    ("bigram", lambda t, h, w: bigram(t.replace(" ", ""), h, w), "expected 0.5"),
    ("bigram", lambda t, h, w: Counter(pairwise(t))[h, w] / t.count(h), "no follower"),
    ("bigram", lambda t, h, w: Counter(pairwise(t))[h, w] / (len(t) - 1), "P(a, b)"),
    ("bigram", lambda t, h, w: Counter(pairwise(t))[h, w] / len(t), "length of the text"),
    ("bigram", lambda t, h, w: Counter(pairwise(t))[h, w] / t[1:].count(w), "end in b"),
    ("bigram", lambda t, h, w: Counter(pairwise(t))[h, w], "that is the count"),
    ("bigram", lambda t, h, w: t.count(h + w) / starting(t, h), "overlap"),
    ("bigram", lambda t, h, w: (Counter(pairwise(t))[h, w] + 1) / (starting(t, h) + len(set(t))), "add-one"),
    ("bigram", lambda t, h, w: Counter(pairwise(t))[w, h] / starting(t, h), "b before a"),
    ("bigram", lambda t, h, w: t.count(w) / len(t), "frequent b is"),
    ("bigram", lambda t, h, w: 1 / len({b for a, b in pairwise(t) if a == h}), "not equally likely"),
    ("bigram", lambda t, h, w: 0.67, "0.67, expected 0.5"),
    ("bigram", lambda t, h, w: 0.5, "expected 0"),
    ("bigram", lambda t, h, w: str(bigram(t, h, w)), "is a str"),
    ("perplexity", lambda p: -np.log2(p).mean(), "cross-entropy, 2.25 bits"),
    ("perplexity", lambda p: -np.log(p).mean(), "in nats"),
    ("perplexity", lambda p: 2 ** -np.log(p).mean(), "2 to nats"),
    ("perplexity", lambda p: np.exp(-np.log2(p).mean()), "e to bits"),
    ("perplexity", lambda p: 10 ** -np.log2(p).mean(), "10 to bits"),
    ("perplexity", lambda p: 2 ** -np.log2(p).sum(), "take their mean"),
    ("perplexity", lambda p: 1 / np.mean(p), "average their logarithms"),
    ("perplexity", lambda p: np.mean(1 / p), "you average 1/p"),
    ("perplexity", lambda p: 1 / np.median(p), "median"),
    ("perplexity", lambda p: 1 / np.sqrt(p.min() * p.max()), "smallest and the largest"),
    ("perplexity", lambda p: 1 / p.max(), "over the largest"),
    ("perplexity", lambda p: 1 / p.min(), "over the smallest"),
    ("perplexity", lambda p: np.prod(p) ** (1 / len(p)), "one over it"),
    ("perplexity", lambda p: 1 / max(math.prod(p), 1e-300) ** (1 / len(p)), "add logarithms"),
    ("perplexity", lambda p: (1 / math.prod(p.tolist())) ** (1 / len(p)), "divides by zero or overflows"),
    ("perplexity", quiet(lambda p: (1 / np.prod(p)) ** (1 / len(p))), "below the smallest float"),
    ("perplexity", lambda p: 4.0, "you return 4, expected"),
    ("perplexity", lambda p: -np.log2(p), "shape (4,)"),
    ("add_k", lambda c, k: (c + k) / c.sum(), "the 7 pseudo-counts"),
    ("add_k", lambda c, k: (c + k) / (c.sum() + k), "k is added once"),
    ("add_k", lambda c, k: (c + k) / (c.sum() + k * np.count_nonzero(c)), "for the 4 seen tokens"),
    ("add_k", lambda c, k: (c + k) / (c.sum() + k * (c == 0).sum()), "unseen tokens only"),
    ("add_k", lambda c, k: (c + k) / (c.sum() * (1 + k)), "k times the total"),
    ("add_k", lambda c, k: (c + k) / (c.sum() + len(c)), "that of k = 1"),
    ("add_k", lambda c, k: (c + 1) / (c.sum() + len(c)), "1 instead of k"),
    ("add_k", lambda c, k: (c + 0.5) / (c.sum() + 0.5 * len(c)), "0.5 whatever k is"),
    ("add_k", lambda c, k: (c + 0.3) / (c.sum() + 0.3 * len(c)), "k = 0.7"),
    ("add_k", lambda c, k: c / c.sum(), "plain ratios"),
    ("add_k", lambda c, k: (c + k) / len(c), "divide by the sum"),
    ("add_k", lambda c, k: c + k, "divide them by their sum"),
    ("add_k", lambda c, k: c / (c.sum() + k * len(c)), "missing in the numerators"),
    ("add_k", lambda c, k: np.where(c > 0, add_k(c, k), 0), "probability 0"),
    ("add_k", lambda c, k: np.where(c > 0, c, k) / np.where(c > 0, c, k).sum(), "seen tokens get k as well"),
    ("add_k", lambda c, k: add_k(c, k).sum(), "expected"),
    ("add_k", lambda c, k: add_k(c, k)[:4], "has shape (4,)"),
    ("add_k", lambda c, k: add_k(c, k) if c.sum() else c, "never seen (all counts 0)"),
    ("interpolate", quiet(lambda c, q, d: (c - d) / c.sum()), "negative"),
    ("interpolate", lambda c, q, d: (c - d + d * np.count_nonzero(c) * q) / c.sum(), "above"),
    ("interpolate", lambda c, q, d: kept(c, d), "not handed to the lower order"),
    ("interpolate", lambda c, q, d: kept(c, d) + d * q, "you hand on D:"),
    ("interpolate", lambda c, q, d: kept(c, d) + d / c.sum() * q, "D/total"),
    ("interpolate", lambda c, q, d: kept(c, d) + (1 - d) * q, "1 − D"),
    ("interpolate", lambda c, q, d: kept(c, d) + d * len(c) / c.sum() * q, "each token of the vocabulary"),
    ("interpolate", lambda c, q, d: kept(c, d) + d * (c == 0).sum() / c.sum() * q, "*unseen* token"),
    ("interpolate", lambda c, q, d: kept(c, d) + d * 2 / c.sum() * q, "D for two tokens"),
    ("interpolate", lambda c, q, d: kept(c, d) + np.count_nonzero(c) / c.sum() * q, "D is missing"),
    ("interpolate", lambda c, q, d: kept(c, d) + np.count_nonzero(c) / (2 * c.sum()) * q, "½ in it"),
    ("interpolate", lambda c, q, d: interpolate(c, q, 0.5), "you take ½ off"),
    ("interpolate", lambda c, q, d: kept(c, d) + d * np.count_nonzero(c) * q, "not divided by the total"),
    ("interpolate", lambda c, q, d: kept(c, d) + d * np.count_nonzero(c) / c.sum() / len(c), "spread evenly"),
    ("interpolate", lambda c, q, d: kept(c, d) + q, "added whole"),
    (
        "interpolate",
        lambda c, q, d: c / c.sum() + d * np.count_nonzero(c) / c.sum() * q,
        "keep all of theirs",
    ),
    (
        "interpolate",
        lambda c, q, d: np.where(c > 0, kept(c, d), d * np.count_nonzero(c) / c.sum() * q),
        "backing off",
    ),
    ("interpolate", back_off, "backing off"),
    ("interpolate", lambda c, q, d: interpolate(c, q, d) if c.sum() else c, "all counts 0"),
    (
        "interpolate",
        lambda c, q, d: kept(c, d) + d * np.count_nonzero(c) / c.sum() * q,
        "where the lower order has the last word, you divide by a total of 0",
    ),
    ("add_k", lambda c, k: add_k(c, k) if c.sum() else c / c.sum(), "0/0 is no number"),
    ("add_k", lambda c, k: add_k(c, k) if c.sum() else [0 / int(c.sum())], "0/0 is no number"),
    ("interpolate", lambda c, q, d: interpolate(c, q, 0.3), "D = 0.8"),
    ("continuation", lambda t, w: t.count(w) / len(t), "how frequent it is"),
    ("continuation", lambda t, w: t[1:].count(w) / (len(t) - 1), "not made different"),
    (
        "continuation",
        lambda t, w: sum(a == w for a, _ in set(pairwise(t))) / len(set(pairwise(t))),
        "*after*",
    ),
    ("continuation", lambda t, w: sum(b == w for _, b in set(pairwise(t))), "that is the count"),
    (
        "continuation",
        lambda t, w: sum(b == w for _, b in set(pairwise(t))) / len(set(t)),
        "different letters",
    ),
    ("continuation", lambda t, w: sum(b == w for _, b in set(pairwise(t))) / (len(t) - 1), "all pairs"),
    ("continuation", lambda t, w: sum(b == w for _, b in set(pairwise(t))) / len(t), "length of the text"),
    (
        "continuation",
        lambda t, w: sum(b == w for _, b in set(pairwise(t))) / t[1:].count(w),
        "how often a came",
    ),
    ("continuation", lambda t, w: t[1:].count(w) / len(set(pairwise(t))), "counts once"),
    (
        "continuation",
        lambda t, w: sum(w in pair for pair in set(pairwise(t))) / len(set(pairwise(t))),
        "begin with a",
    ),
    ("continuation", lambda t, w: 1 / len(set(t)), "all letters alike"),
    ("continuation", lambda t, w: 3 / 7, "expected"),
]
WRONG = [(name, quiet(answer), words) for name, answer, words in MISTAKES]


# --- the page's model is the package's

MODEL = ["toy-bigram", "continuation", "level", "probability", "three-discounts"]


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """The functions of the page, with a short text in place of Wikipedia."""
    return run_cells("language_models", MODEL, Counter=Counter, readable="abracadabra" * 3 + "barbarac")


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    text=st.text("abcde", min_size=6, max_size=80),
    typed=st.text("abcde", max_size=6),
    order=st.integers(1, 5),
)
@pytest.mark.parametrize("discount", [None, 0.6])
def test_the_models_of_page_and_package_are_one(
    page: dict[str, Any], discount: float | None, text: str, typed: str, order: int
) -> None:
    letters = Vocabulary(tuple("abcde"))
    counts = page["continuation_counts"](text, order)
    rule = page["three_discounts"] if discount is None else lambda counts: [0, *[discount] * 3]
    levels = [page["level"](counts[n], rule(counts[n])) for n in range(1, order + 1)]
    found = [page["probability"](levels, typed, w, 5) for w in letters.tokens]
    model = NGramModel(order, 5, discount=discount).fit(letters.encode(text))
    limits = [modified_discounts(np.array([*grams.values()], dtype=float)) for grams in counts.values()]
    if discount is None and not all(D[0] > 0.1 and D[-1] < 3 and D[0] < 0.9 for D in limits):
        return  # the package keeps every discount within bounds, which a short text may reach
    np.testing.assert_allclose(found, model.probs(letters.encode(typed)), atol=1e-12)


def test_a_discount_for_each_count(page: dict[str, Any]) -> None:
    counts = Counter({str(i): c for i, c in enumerate([1] * 20 + [2] * 7 + [3] * 4 + [4] * 2 + [9])})
    expected = modified_discounts(np.array([*counts.values()], dtype=float))
    np.testing.assert_allclose(page["three_discounts"](counts)[1:], expected)


# --- numbers that the prose and the answers of exercises state


@pytest.fixture(scope="module")
def wikipedia() -> tuple[Vocabulary, Ids, Ids]:
    train, test = k_fold(data.load_text("wikipedia_en"), 9)
    vocabulary = Vocabulary.from_text(train, max_size=127)
    return vocabulary, vocabulary.encode(train), vocabulary.encode(test)


on_wikipedia = pytest.mark.xdist_group("data")


@on_wikipedia
def test_add_k_treats_what_it_never_saw_alike(wikipedia: tuple[Vocabulary, Ids, Ids]) -> None:
    """On smoothing: after "aikid" the add-one 6-gram bets as much on % as on o."""
    vocabulary, train, _ = wikipedia
    context, (o, percent) = vocabulary.encode("aikid"), vocabulary.encode("o%")
    add_one = NGramModel(6, len(vocabulary), "add-k").fit(train).probs(context)
    kneser_ney = NGramModel(6, len(vocabulary)).fit(train).probs(context)
    assert add_one[o] == add_one[percent]
    assert kneser_ney[o] > 100 * kneser_ney[percent]


@on_wikipedia
def test_doubt_after_of_the_q(wikipedia: tuple[Vocabulary, Ids, Ids]) -> None:
    """Exercise 1: it never rises with sixty thousand characters, with ten thousand it does."""
    train_text, _ = k_fold(data.load_text("wikipedia_en"), 9)
    names = {"re": re, "train_text": train_text, "Vocabulary": Vocabulary, "NGramModel": NGramModel}
    page = run_cells("language_models", ["explore"], entropy=entropy, **names)
    letters, alphabet = page["letters"], page["alphabet"]

    def expected(size: int, order: int) -> Any:
        return NGramModel(order, 27).fit(alphabet.encode(letters[:size])).probs(alphabet.encode("of the q"))

    doubt = [entropy(expected(60_000, n)) for n in range(1, 7)]
    assert [round(doubt[i], 2) for i in (0, 1, 5)] == [4.11, 0.75, 0.26]
    assert (np.diff(doubt) < 0).all()
    after = Counter(re.findall("q(.)", letters))
    assert (after["m"], after.total()) == (5, 55)
    little = letters[:10_000]
    assert [round(entropy(expected(10_000, n)), 1) for n in (2, 3)] == [2.2, 3.7]
    assert Counter(re.findall("q(.)", little)) == {"u": 6}
    assert " q" not in little
    assert set(re.findall("(.)qu", little)) == set("aie")
    u = alphabet.tokens.index("u")
    assert [round(float(expected(10_000, n)[u]), 2) for n in (2, 3)] == [0.71, 0.40]


@on_wikipedia
def test_a_million_takes_four_characters(wikipedia: tuple[Vocabulary, Ids, Ids]) -> None:
    """Exercise 2."""
    vocabulary, train, test = wikipedia
    doublings = np.log2(127) - NGramModel(6, len(vocabulary)).fit(train).cross_entropy(test)
    assert round(doublings, 3) == 4.944
    assert math.log2(1e6) / doublings == pytest.approx(4, abs=0.05)


@on_wikipedia
def test_turned_round(wikipedia: tuple[Vocabulary, Ids, Ids]) -> None:
    """Exercise 8."""
    vocabulary, train, test = wikipedia
    forwards = NGramModel(6, len(vocabulary)).fit(train)
    backwards = NGramModel(6, len(vocabulary)).fit(train[::-1])
    assert round(forwards.cross_entropy(test[::-1]), 2) == 5.96
    there, back = forwards.cross_entropy(test), backwards.cross_entropy(test[::-1])
    assert round(there, 3) == 2.045
    assert 0 < abs(there - back) < 0.001


@on_wikipedia
def test_what_samples_cost(wikipedia: tuple[Vocabulary, Ids, Ids]) -> None:
    """Exercise 9: 1.2 bits at temperature 0.5, over 6 at 2, and at 1 below the text's 2.04 for each seed."""
    vocabulary, train, test = wikipedia
    model = NGramModel(6, len(vocabulary)).fit(train)

    def price(temperature: float, seed: int = 0, n: int = 20_000) -> float:
        return model.cross_entropy(model.sample(n, np.random.default_rng(seed), temperature=temperature))

    assert [round(price(0.5, n=5_000), 1), price(2, n=5_000) > 6] == [1.2, True]
    own = [price(1, seed) for seed in range(3)]
    assert 1.88 < min(own) < max(own) < 2.0 < model.cross_entropy(test)


def by_block(text: Ids, models: list[NGramModel], memory: int = 20_000, block: int = 2_000) -> list[Any]:
    """P(what came) in each block, (n_models, block): under the models, and under what was just read."""
    fixed, blocks = [2 ** model.log2_probs(text) for model in models], []
    for start in range(memory, len(text) - block + 1, block):
        here = slice(start, start + block)
        recent = NGramModel(6, models[0].n_vocab).fit(text[start - memory : start])
        cached = 2 ** recent.log2_probs(text[here], context=text[start - 5 : start])
        blocks.append(np.array([*(p[here] for p in fixed), cached]))
    return blocks


def mix(blocks: list[Any], start: list[float] | None = None) -> tuple[float, Any]:
    """Exercise 10: bits a character; the weights before each block, (n_blocks, n_models)."""
    weights = np.full(len(blocks[0]), 1 / len(blocks[0])) if start is None else np.array(start)
    bits, path = [], []
    for p in blocks:
        path.append(weights)
        bits.append(-np.log2(weights @ p).mean())
        posterior = weights[:, None] * p / (weights @ p)
        weights = 0.5 * weights + 0.5 * posterior.mean(axis=1)
    return float(np.mean(bits)), np.array(path)


@on_wikipedia
@pytest.mark.parametrize(("fold", "best"), [(9, 0.25), (5, 0.35)])
def test_a_learnt_weight_comes_near_the_best_fixed_one(fold: int, best: float) -> None:
    """Exercise 10: within a few thousandths of a bit; a start at 0.9 costs up to a hundredth more."""
    train, test = k_fold(data.load_text("wikipedia_en"), fold)
    vocabulary = Vocabulary.from_text(train, max_size=127)
    model = NGramModel(6, len(vocabulary)).fit(vocabulary.encode(train))
    blocks = by_block(vocabulary.encode(test), [model])
    fixed = {
        weight: float(np.mean([-np.log2((1 - weight) * p[0] + weight * p[1]).mean() for p in blocks]))
        for weight in np.arange(0.05, 0.6, 0.05).round(2).tolist()
    }
    assert min(fixed, key=lambda weight: fixed[weight]) == best
    more = {start: mix(blocks, [1 - start, start])[0] - fixed[best] for start in (0.2, 0.5, 0.9)}
    assert abs(more[0.2]) < 0.004
    assert abs(more[0.5]) < 0.004
    assert {9: more[0.5] > 0 > more[0.2], 5: more[0.5] < 0}[fold]  # a little above, or below
    assert max(more[0.2], more[0.5]) + 0.005 < more[0.9] < 0.015
    assert mix(blocks)[1][5:, 1].mean() == pytest.approx(best, abs=0.02)


@on_wikipedia
def test_the_weight_of_the_bible_follows_the_text(wikipedia: tuple[Vocabulary, Ids, Ids]) -> None:
    """Exercise 10: below a tenth on Wikipedia, the largest after a dozen blocks of Scripture."""
    vocabulary, train, test = wikipedia
    scripture, verses = (
        vocabulary.encode(part) for part in k_fold(data.load_text("bible_en")[-2_800_000:], 9)
    )
    models = [NGramModel(6, len(vocabulary)).fit(counted) for counted in (train, scripture)]
    _, path = mix(by_block(np.concatenate([test[:60_000], verses[:40_000]]), models))  # twenty blocks of each
    assert path[19, 1] < 0.1
    assert [path[i].argmax() for i in (24, 36)] == [0, 1]
