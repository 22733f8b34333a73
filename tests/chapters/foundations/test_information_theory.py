"""Information theory: page and package agree, answers of exercises hold, checks tell right from wrong."""

from __future__ import annotations

import inspect
import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Engine
from labutils import coding, data, information
from labutils.checks import evaluate
from labutils.models.ngram import NGramModel
from labutils.text import Ids, Vocabulary, k_fold
from places import run_cells, sources

# --- the page is the package


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """The chapter's definitions that need no data."""
    ids = ["imports", "entropy", "kl", "integer", "encode", "decode", "hamming"]
    return run_cells("information_theory", ids, TOTAL=1 << 32)


def test_measures_of_the_page_are_those_of_the_package(page: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    for p, q in zip(rng.dirichlet(np.ones(7), 20), rng.dirichlet(np.ones(7), 20), strict=True):
        assert page["entropy"](p) == pytest.approx(information.entropy(p))
        assert page["kl"](p, q) == pytest.approx(information.kl_divergence(p, q))
        assert page["cross_entropy"](p, q) == pytest.approx(information.cross_entropy(p, q))


def test_coder_of_the_page_is_that_of_the_package(page: dict[str, Any]) -> None:
    """On probabilities that change with the context, near a half (the waiting bits) and far from it."""
    rng = np.random.default_rng(2)
    tables = rng.dirichlet(np.full(6, 0.3), size=6)
    tables[0] = [0.49999, 0.00002, 0.49999, 0, 0, 0]
    ids = rng.integers(0, 6, size=300).tolist()

    def cumulative(context: Any) -> Any:
        return coding.cumulative_counts(tables[context[-1] if context else 0])

    packed = page["encode"](ids, cumulative)
    assert page["decode"](packed, len(ids), cumulative) == ids
    ours = coding.arithmetic_encode(np.array(ids), lambda before: tables[before[-1] if len(before) else 0])
    assert packed == ours


def test_hamming_of_the_page_is_that_of_the_package(page: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, size=(50, 4), dtype=np.uint8)
    words = page["hamming_encode"](bits)
    np.testing.assert_array_equal(words, coding.hamming74_encode(bits))
    noise = words ^ (rng.random(words.shape) < 0.3).astype(np.uint8)
    np.testing.assert_array_equal(page["hamming_decode"](noise), coding.hamming74_decode(noise))


def test_mutual_information_of_the_page_is_that_of_the_package() -> None:
    """The definition alone: its cell goes on to count pairs of characters."""
    page = run_cells("information_theory", ["imports", "entropy", "kl"])
    source = sources("information_theory")["mi"].split("noisy_bit =")[0]
    exec(compile(source, "mi", "exec"), page)
    for joint in np.random.default_rng(1).dirichlet(np.full(12, 0.4), 20).reshape(20, 3, 4):
        np.testing.assert_allclose(page["mutual"](joint), information.mutual_information(joint), atol=1e-12)


def test_count_on_pays_for_every_character_once() -> None:
    """With a single stretch it is the fixed model; a recount uses no more than what came before."""
    page = run_cells("information_theory", ["imports"], priced={})
    page |= run_cells("information_theory", ["adaptive"], **page)
    ids = np.random.default_rng(0).integers(0, 5, size=3_000)
    fixed = -NGramModel(6, 5).fit(ids[:2_000]).log2_probs(ids[2_000:], ids[1_995:2_000]).sum()
    assert page["count_on"](ids, 2_000, 5, 2.0) == pytest.approx(fixed)
    two = -NGramModel(6, 5).fit(ids[:2_500]).log2_probs(ids[2_500:], ids[2_495:2_500]).sum()
    two -= NGramModel(6, 5).fit(ids[:2_000]).log2_probs(ids[2_000:2_500], ids[1_995:2_000]).sum()
    assert page["count_on"](ids, 2_000, 5, 1.25) == pytest.approx(two)


def test_one_way_to_be_wrong_has_one_valley_and_the_other_three() -> None:
    """Text under the chart of two humps: on the right-hand hump one is stuck with D(q‖p) only."""
    page = run_cells("information_theory", ["imports", "fit"])
    valleys = {}
    for name, table in page["ways"].items():
        around = np.pad(table, 1, constant_values=np.inf)
        steps = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
        lower = [table < around[i : i + table.shape[0], j : j + table.shape[1]] for i, j in steps]
        valleys[name] = [page["mu"][i] for i, _ in np.argwhere(np.all(lower, axis=0))]
    assert len(valleys["D(p‖q)"]) == 1
    assert any(abs(place - 2.5) < 0.2 for place in valleys["D(q‖p)"])


# --- what the solutions of exercises say


@pytest.fixture(scope="module")
def tenth() -> Any:
    """A function from the number of a tenth to vocabulary, training and test text."""
    english = data.load_text("wikipedia_en")

    def split(fold: int) -> tuple[Vocabulary, Ids, Ids]:
        train, test = k_fold(english, fold)
        vocabulary = Vocabulary.from_text(train, max_size=127)
        return vocabulary, vocabulary.encode(train), vocabulary.encode(test)

    return split


@pytest.mark.xdist_group("data")
def test_the_bible_does_not_help_with_wikipedia(tenth: Any) -> None:
    """Exercise 8: alone over three bits, together about a tenth of a bit worse than Wikipedia by itself."""
    vocabulary, train, test = tenth(9)
    bible = vocabulary.encode(data.load_text("bible_en"))
    sources = {"own": train, "bible": bible, "both": np.concatenate([bible, train])}
    bits = {
        name: NGramModel(6, len(vocabulary)).fit(ids).cross_entropy(test) for name, ids in sources.items()
    }
    assert bits["bible"] > 3.1
    assert 0.05 < bits["both"] - bits["own"] < 0.15


@pytest.mark.xdist_group("data")
@pytest.mark.parametrize(("fold", "ten", "forty"), [(9, 0.04, 0.08), (5, 0.13, 0.19)])
def test_recounting_on_the_way_closes_half_of_the_lead(
    tenth: Any, fold: int, ten: float, forty: float
) -> None:
    """Exercise 9: what ten and forty recounts gain; forty make up about half of PPMd's lead."""
    pyppmd = pytest.importorskip("pyppmd")
    vocabulary, train, test = tenth(fold)
    ids, bits = np.concatenate([train, test]), {}
    for n_counts in (1, 10, 40):
        cuts = np.linspace(len(train), len(ids), n_counts + 1).astype(int)
        paid = 0.0
        for known, upto in pairwise(cuts):
            model = NGramModel(6, len(vocabulary)).fit(ids[:known])
            paid -= model.log2_probs(ids[known:upto], ids[known - 5 : known]).sum()
        bits[n_counts] = paid / len(test)
    assert bits[1] - bits[10] == pytest.approx(ten, abs=0.01)
    assert bits[1] - bits[40] == pytest.approx(forty, abs=0.01)
    seen, unseen = (part.encode() for part in k_fold(data.load_text("wikipedia_en"), fold))
    sizes = [len(pyppmd.compress(text, max_order=6)) for text in (seen + unseen, seen)]
    lead = bits[1] - 8 * (sizes[0] - sizes[1]) / len(test)
    assert 0.4 < (bits[1] - bits[40]) / lead < 0.65


# --- the checks


def mutual_information(counts: Any) -> Any:
    joint = counts / counts.sum()
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0
    return (joint[seen] * np.log2(joint[seen] / independent[seen])).sum()


def in_place(counts: Any) -> Any:
    counts /= counts.sum()
    x, y = counts.sum(axis=1), counts.sum(axis=0)
    return np.array([entropy(x) + entropy(y) - entropy(counts.ravel())], dtype=np.float32)


def in_loops(counts: Any) -> float:
    table = counts.tolist()
    n = sum(map(sum, table))
    rows, columns = [sum(row) for row in table], [sum(column) for column in zip(*table, strict=True)]
    return sum(
        value / n * math.log2(value * n / rows[i] / columns[j])
        for i, row in enumerate(table)
        for j, value in enumerate(row)
        if value
    )


def with_scipy(counts: Any) -> Any:
    import scipy.stats

    joint = counts / counts.sum()
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    return scipy.stats.entropy(joint.ravel(), independent.ravel(), base=2)


def interval(text: str, model: Any) -> Any:
    low, width = Fraction(0), Fraction(1)
    for t, symbol in enumerate(text):
        for other, p in model(text[:t]).items():
            if other == symbol:
                width *= p
                break
            low += width * p
    return low, low + width


def ends_as_a_list(text: str, model: Any) -> list[Any]:
    ends = [0, 1]
    for t, symbol in enumerate(text):
        names, parts = zip(*model(text[:t]).items(), strict=True)
        at, size = names.index(symbol), ends[1] - ends[0]
        start = sum(parts[:at])
        ends = [ends[0] + size * start, ends[0] + size * (start + parts[at])]
    return ends


def code_length(text: str, alphabet: str) -> float:
    counts = dict.fromkeys(alphabet, 0)
    bits = 0.0
    for t, symbol in enumerate(text):
        bits -= math.log2((counts[symbol] + 1) / (t + len(alphabet)))
        counts[symbol] += 1
    return bits


def by_factorials(text: str, alphabet: str) -> float:
    """What came is as probable in any order."""
    nats = math.lgamma(len(text) + len(alphabet)) - math.lgamma(len(alphabet))
    return (nats - sum(math.lgamma(text.count(symbol) + 1) for symbol in alphabet)) / math.log(2)


def as_array(text: str, alphabet: str) -> Any:
    p = [(text[:t].count(symbol) + 1) / (t + len(alphabet)) for t, symbol in enumerate(text)]
    return np.atleast_1d(-np.log2(np.array(p, dtype=np.float64)).sum())


def file_size(loss: float, n_tokens: int) -> float:
    return loss / math.log(2) * n_tokens / 8


def hamming_syndrome(word: Any) -> int:
    position = 0
    for i, bit in enumerate(word, start=1):
        position ^= i * bit
    return position


def parities(word: Any) -> list[int]:
    return [sum(word[i] for i in range(7) if (i + 1) >> k & 1) % 2 for k in range(3)]


RIGHT = {
    "mutual_information": [mutual_information, in_place, in_loops, with_scipy],
    "interval": [interval, ends_as_a_list],
    "code_length": [code_length, by_factorials, as_array],
    "file_size": [
        file_size,
        lambda loss, n: math.ceil(file_size(loss, n)),
        lambda loss, n: np.array([np.float32(file_size(loss, n))]),
        lambda loss, n: n * np.log2(np.exp(loss)) / 8,
    ],
    "hamming_syndrome": [
        hamming_syndrome,
        lambda w: int(np.dot([1, 2, 4], parities(w))),
        lambda w: np.array(parities(w)) @ [1, 2, 4],
        lambda w: np.array([sum(b << k for k, b in enumerate(parities(w)))]),
    ],
}


def entropy(p: Any) -> float:
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())


def ratios(counts: Any) -> Any:
    joint = counts / counts.sum()
    with np.errstate(all="ignore"):
        return np.log2(joint / np.outer(joint.sum(axis=1), joint.sum(axis=0)))


def wrong_way_round(counts: Any) -> Any:
    joint = counts / counts.sum()
    other = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    return (other * np.log2(other / joint)).sum()


def correlation(counts: Any) -> Any:
    pairs = [(i, j) for (i, j), n in np.ndenumerate(counts) for _ in range(int(n))]
    return np.corrcoef(np.array(pairs).T)[0, 1]


def joint_entropy(counts: Any) -> float:
    return entropy((counts / counts.sum()).ravel())


def asks_once(text: str, model: Any) -> Any:
    probs = model("")
    return interval(text, lambda _: probs)


def priced(text: str, alphabet: str, add: float = 1, more: float = 0, early: int = 0) -> float:
    """The length with (c + add) / (t + more + K · add), the symbol itself counted `early` times."""
    return -sum(
        math.log2((text[:t].count(s) + early + add) / (t + more + len(alphabet) * add))
        for t, s in enumerate(text)
    )


def static(text: str, alphabet: str) -> float:
    return len(text) * entropy(np.array([text.count(s) for s in alphabet]) / max(len(text), 1))


def grows_its_alphabet(text: str, alphabet: str) -> float:
    return code_length(text, "".join(dict.fromkeys(text)))


def sorts(text: str, model: Any) -> Any:
    return interval(text, lambda prefix: dict(sorted(model(prefix).items())))


def turned(text: str, model: Any) -> Any:
    return interval(text, lambda prefix: dict(reversed(model(prefix).items())))


WRONG = [
    ("mutual_information", lambda c: mutual_information(c) * math.log(2), "in nats"),
    ("mutual_information", lambda c: mutual_information(c) * math.log10(2), "log10"),
    ("mutual_information", lambda c: -mutual_information(c), "sign"),
    ("mutual_information", joint_entropy, "joint entropy"),
    ("mutual_information", lambda c: entropy(c.sum(axis=1) / c.sum()), "that is H(X):"),
    ("mutual_information", lambda c: entropy(c.sum(axis=0) / c.sum()), "that is H(Y):"),
    ("mutual_information", lambda c: joint_entropy(c) - entropy(c.sum(axis=0) / c.sum()), "H(X | Y)"),
    ("mutual_information", lambda c: joint_entropy(c) - entropy(c.sum(axis=1) / c.sum()), "H(Y | X)"),
    ("mutual_information", lambda c: joint_entropy(c) + mutual_information(c), "H(X) + H(Y): subtract"),
    ("mutual_information", lambda c: mutual_information(c) / joint_entropy(c), "share of H(X, Y)"),
    ("mutual_information", lambda c: ratios(c).mean(), "weight each"),
    ("mutual_information", lambda c: ratios(c).sum(), "without their weights"),
    ("mutual_information", wrong_way_round, "wrong way round"),
    ("mutual_information", lambda c: c.sum() * mutual_information(c), "three times the counts"),
    (
        "mutual_information",
        lambda c: (c * np.log2(c / np.outer(c.sum(axis=1), c.sum(axis=0)))).sum(),
        "used as probabilities",
    ),
    ("mutual_information", lambda c: (c / c.sum() * ratios(c)).sum(), "0 log 0"),
    ("mutual_information", correlation, "straight lines"),
    ("mutual_information", lambda c: mutual_information(c) if c.all() else 0.0, "Y = X²"),
    ("mutual_information", lambda c: mutual_information(c + 1e-2), "expected"),
    ("mutual_information", lambda c: c / c.sum(), "expected one number"),
    ("mutual_information", lambda c: 0.5, "expected"),
    ("interval", lambda t, m: interval(t, m)[0], "pair"),
    ("interval", lambda t, m: interval(t, lambda prefix: m(prefix[-5:])), "is it given text[:t]"),
    ("interval", lambda t, m: interval(t, m)[::-1], "wrong order"),
    ("interval", lambda t, m: (interval(t, m)[0], interval(t, m)[1] - interval(t, m)[0]), "width"),
    ("interval", lambda t, m: tuple(map(float, interval(t, m))), "not exact"),
    ("interval", lambda t, m: interval(t[::-1], m), "from the end"),
    ("interval", turned, "order of the dictionary"),
    ("interval", sorts, "sorted"),
    (
        "interval",
        lambda t, m: (Fraction(0), interval(t, m)[1] - interval(t, m)[0]),
        "but not the place",
    ),
    ("interval", lambda t, m: (Fraction(1, 3), Fraction(1, 2)), "lies between"),
    ("interval", lambda t, m: interval(t or "a", m), "empty text"),
    ("interval", asks_once, "asked once"),
    ("interval", lambda t, m: interval(t, lambda _: m(t)), "whole text"),
    ("interval", lambda t, m: interval(t, lambda prefix: m(prefix[1:])), "text[:t]"),
    ("interval", lambda t, m: interval(t, lambda prefix: m(prefix[-1:])), "text[:t]"),
    ("interval", lambda t, m: interval(t[:50], m), "60 letters"),
    ("code_length", lambda t, a: code_length(t, a) * math.log(2), "nats"),
    ("code_length", lambda t, a: -code_length(t, a), "sign"),
    ("code_length", lambda t, a: code_length(t, a) / len(t), "per symbol"),
    ("code_length", lambda t, a: code_length(t, a) / 8, "bytes"),
    ("code_length", lambda t, a: math.ceil(code_length(t, a)), "rounded up"),
    ("code_length", static, "final counts"),
    ("code_length", lambda t, a: priced(t, a, more=1, early=1), "before it was priced"),
    ("code_length", lambda t, a: priced(t, a, early=1), "before it was priced"),
    ("code_length", lambda t, a: priced(t, a, more=1), "one too large"),
    ("code_length", lambda t, a: priced(t, a, add=0.5), "one half"),
    ("code_length", lambda t, a: priced(t, a, more=1 - len(a)), "more than 1"),
    (
        "code_length",
        lambda t, a: -sum(math.log2((t.count(s) + 1) / (len(t) + len(a))) for s in t),
        "whole text",
    ),
    ("code_length", lambda t, a: math.inf, "infinite"),
    ("code_length", lambda t, a: len(t) * math.log2(len(a)), "uniform"),
    ("code_length", grows_its_alphabet, "letters that never occur"),
    ("code_length", lambda t, a: code_length(t or "a", a), "empty text"),
    ("code_length", lambda t, a: 1.0, "expected"),
    ("file_size", lambda loss, n: loss * n / 8, "taken for bits"),
    ("file_size", lambda loss, n: loss * n, "in nats"),
    ("file_size", lambda loss, n: loss / math.log(2) * n, "eight"),
    ("file_size", lambda loss, n: loss / math.log(2) * n * 8, "do not multiply"),
    ("file_size", lambda loss, n: loss * math.log(2) * n / 8, "so divide"),
    ("file_size", lambda loss, n: loss / math.log10(2) * n / 8, "log10"),
    ("file_size", lambda loss, n: math.exp(loss) * n / 8, "perplexity"),
    ("file_size", lambda loss, n: 2**loss * n / 8, "perplexity"),
    ("file_size", lambda loss, n: math.log2(loss) * n / 8, "one already"),
    ("file_size", lambda loss, n: loss / math.log(2) / 8, "one token"),
    ("file_size", lambda loss, n: file_size(loss, n) / 1000, "kilobytes"),
    ("file_size", lambda loss, n: file_size(loss, n) / 1024, "kibibytes"),
    ("file_size", lambda loss, n: file_size(1.37, n), "half the loss"),
    ("file_size", lambda loss, n: 7.0, "expected"),
    ("hamming_syndrome", parities, "several numbers"),
    ("hamming_syndrome", lambda w: hamming_syndrome(w) - 1, "code word"),
    ("hamming_syndrome", lambda w: max(hamming_syndrome(w) - 1, 0), "count from 1"),
    ("hamming_syndrome", lambda w: hamming_syndrome(w[::-1]), "from the right"),
    ("hamming_syndrome", lambda w: int(np.dot([4, 2, 1], parities(w))), "reversed"),
    ("hamming_syndrome", lambda w: sum(i * bit for i, bit in enumerate(w, start=1)), "modulo 2"),
    ("hamming_syndrome", lambda w: sum(parities(w)), "flipped, not"),
    ("hamming_syndrome", lambda w: int(any(parities(w))), "flipped, not"),
    ("hamming_syndrome", lambda w: int(np.dot([1, 2, 4], parities(w))) if sum(w) else 1, "needs no repair"),
    ("hamming_syndrome", lambda w: 7 - hamming_syndrome(w), "needs no repair"),
    ("hamming_syndrome", lambda w: 0, "has bit 1 flipped"),
]


def test_the_tables_of_a_check_share_no_value() -> None:
    """Two mistakes that give the same number would be told as one of them: all that are named differ."""
    counts = np.random.default_rng(3).integers(2, 40, size=(3, 4)).astype(float)
    values = [
        float(answer(counts))
        for name, answer, _ in WRONG
        if name == "mutual_information" and np.size(answer(counts)) == 1
    ]
    values = [value for value in values if not math.isclose(value, mutual_information(counts))]
    assert len({f"{value:.3f}" for value in values}) == len(values)


def test_a_fraction_of_a_byte_may_be_cut() -> None:
    assert evaluate("information_theory.file_size", lambda *a: math.floor(file_size(*a))).status == "right"
    assert all(inspect.isroutine(answer) for answers in RIGHT.values() for answer in answers)


# --- its explorers


@settings(max_examples=60, deadline=None)
@given(p=st.floats(0.02, 0.98), q=st.floats(0.02, 0.98))
def test_coin_equals_the_measures(engine: Engine, p: float, q: float) -> None:
    found = engine.compute("coin", {"p": p, "q": q})
    truth, belief = np.array([p, 1 - p]), np.array([q, 1 - q])
    assert found["entropy"] == pytest.approx(information.entropy(truth))
    assert found["crossEntropy"] == pytest.approx(information.cross_entropy(truth, belief))
    assert found["divergence"] == pytest.approx(information.kl_divergence(truth, belief), abs=1e-12)


def test_coin_says_what_its_text_says(engine: Engine) -> None:
    words = str(engine.markup("coin"))
    assert "H(p) = 0.88, H(p, q) = 1.72, D(p‖q) = 0.84 bits" in words
    dear = engine.markup("coin", p=0.02, q=0.98)
    assert "D(p‖q) = 5.39 bits" in dear.get_text()
    assert "↑" in dear.get_text()  # the bar leaves the figure
    worst = max(engine.compute("coin", {"p": share, "q": 0.5})["divergence"] for share in (0.02, 0.5, 0.98))
    assert worst < 1  # the worst you can lose by not knowing the coin


GRID = np.linspace(-8, 8, 81)
HUMPS = 0.6 / 0.8 * np.exp(-((GRID + 3) ** 2) / 1.28) + 0.4 / 1.2 * np.exp(-((GRID - 2.5) ** 2) / 2.88)
HUMPS /= HUMPS.sum()
FIT = {"x": GRID.tolist(), "p": HUMPS.tolist()}


@settings(max_examples=60, deadline=None)
@given(mu=st.floats(-6, 6), sd=st.floats(0.4, 6))
def test_gaussian_fit_equals_the_divergences(engine: Engine, mu: float, sd: float) -> None:
    found = engine.compute("gaussian_fit", {"mu": mu, "sd": sd}, FIT)
    q = np.exp(-(((GRID - mu) / sd) ** 2) / 2)
    q /= q.sum()
    np.testing.assert_allclose(found["q"], q, atol=1e-12)
    assert found["forward"] == pytest.approx(information.kl_divergence(HUMPS, q), rel=1e-6)
    assert found["backward"] == pytest.approx(information.kl_divergence(q, HUMPS), rel=1e-6)


def test_small_steps_are_stuck_in_one_direction_only(engine: Engine) -> None:
    """What the page lets its readers find: D(q‖p) has a valley at the right-hand hump, D(p‖q) has not."""

    def descend(way: str) -> tuple[float, float]:
        place, best = (2.5, 1.2), np.inf
        while True:
            near = [(place[0] + a, max(0.4, place[1] + b)) for a in (-0.1, 0, 0.1) for b in (-0.1, 0, 0.1)]
            scores = [engine.compute("gaussian_fit", {"mu": mu, "sd": sd}, FIT)[way] for mu, sd in near]
            if min(scores) >= best - 1e-9:
                return place
            best, place = min(scores), near[int(np.argmin(scores))]

    assert descend("backward") == pytest.approx((2.5, 1.2), abs=0.21)
    assert descend("forward") == pytest.approx((-0.8, 2.9), abs=0.25)
