"""The chapter probability: answers to its exercises, its page's models, what its solutions state."""

from __future__ import annotations

import contextlib
import io
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln, logsumexp, softmax

from engine import Engine
from labutils import data
from labutils.checks import evaluate
from labutils.information import entropy
from labutils.models.ngram import NGramModel
from labutils.text import Vocabulary, k_fold, words
from places import run_cells, sources

# --- right answers, in several styles


def posterior(prior: Any, sensitivity: Any, false_alarm: Any) -> Any:
    machine = prior * sensitivity
    return machine / (machine + (1 - prior) * false_alarm)


def posterior_by_odds(prior: float, sensitivity: float, false_alarm: float) -> float:
    odds = prior / (1 - prior) * sensitivity / false_alarm
    return odds / (1 + odds)


def posterior_inverted(prior: float, sensitivity: float, false_alarm: float) -> Any:
    return np.array([1 / (1 + (1 - prior) / prior * false_alarm / sensitivity)], dtype=np.float32)


def log_sum_exp(a: Any) -> Any:
    m = a.max()
    return m if m == -np.inf else m + np.log(np.exp(a - m).sum())


def log_sum_exp_in_place(a: Any) -> Any:
    m = max(a.max(), -1e300)
    a -= m
    np.exp(a, out=a)
    return np.array([m + np.log(a.sum())])


def log_sum_exp_pairwise(a: Any) -> float:
    total = -np.inf
    for x in a.tolist():
        total = float(np.logaddexp(total, x))
    return total


def dirichlet_mean(counts: Any, alpha: Any) -> Any:
    return (counts + alpha) / (counts.sum(axis=1, keepdims=True) + alpha.sum())


def dirichlet_mean_in_place(counts: Any, alpha: Any) -> Any:
    counts += alpha
    counts /= counts.sum(axis=1, keepdims=True)
    return counts.astype(np.float32)


def dirichlet_mean_in_lists(counts: Any, alpha: Any) -> list[list[float]]:
    total = sum(alpha)
    return [[(n + a) / (sum(row) + total) for n, a in zip(row, alpha, strict=True)] for row in counts]


def sample(p: Any, u: Any, temperature: float = 1.0) -> Any:
    steps = np.cumsum(p ** (1 / temperature))
    return np.searchsorted(steps / steps[-1], u, side="right")


def sample_in_place(p: Any, u: Any, temperature: float = 1.0) -> Any:
    p **= 1 / temperature
    c = p.cumsum()
    u *= c[-1]
    return c.searchsorted(u, side="right")


def sample_in_a_loop(p: Any, u: Any, temperature: float = 1.0) -> list[int]:
    with np.errstate(divide="ignore"):
        q = softmax(np.log(p) / temperature)
    likely, ids = np.flatnonzero(p), []
    for x in u:
        total = 0.0
        for i in likely:
            total += q[i]
            if x < total:
                break
        ids.append(int(i))
    return ids


def joint(prior: Any, theta: Any, present: Any) -> Any:
    return present @ np.log(theta).T + (1 - present) @ np.log(1 - theta).T + np.log(prior)


def bernoulli_bayes(prior: Any, theta: Any, present: Any) -> Any:
    scores = joint(prior, theta, present)
    return scores - logsumexp(scores, axis=1, keepdims=True)


def bernoulli_bayes_in_torch(prior: Any, theta: Any, present: Any) -> Any:
    prior, theta, present = (torch.tensor(x) for x in (prior, theta, present))
    chosen = torch.where(present[:, None] == 1, theta, 1 - theta)  # (n_docs, n_classes, n_words)
    return torch.log_softmax(chosen.log().sum(dim=2) + prior.log(), dim=1)


RIGHT: dict[str, list[Any]] = {
    "two_flags": [18050 / 20500, 0.88, 0.8805, np.array([0.8805]), torch.tensor(0.8805)],
    "posterior": [posterior, posterior_by_odds, posterior_inverted],
    "log_sum_exp": [log_sum_exp, log_sum_exp_in_place, log_sum_exp_pairwise, np.logaddexp.reduce],
    "dirichlet_mean": [dirichlet_mean, dirichlet_mean_in_place, dirichlet_mean_in_lists],
    "sample": [sample, sample_in_place, sample_in_a_loop],
    "bernoulli_bayes": [bernoulli_bayes, bernoulli_bayes_in_torch],
}

# --- mistakes, and words of the message that each must get


def odds(p: float, s: float, f: float) -> float:
    return p * s / ((1 - p) * f)


def naive(x: Any) -> Any:
    return np.log(np.exp(x).sum())


def powered(p: Any, temperature: float) -> Any:
    return np.cumsum(p**temperature / (p**temperature).sum())


def drawn(p: Any, u: Any, t: float) -> Any:
    return np.searchsorted(np.cumsum(p ** (1 / t) / (p ** (1 / t)).sum()), u, side="right")


def normalised(x: Any) -> Any:
    return x - logsumexp(x, axis=1, keepdims=True)


def shifted(x: Any, by: float) -> Any:
    by = by if np.isfinite(by) else 0.0
    return by + np.log(np.exp(x - by).sum())


WRONG: list[tuple[str, Any, str]] = [
    ("two_flags", 88, "percentage"),
    ("two_flags", 88.05, "percentage"),
    ("two_flags", 0.28, "after one flag"),
    ("two_flags", 18050 / 2450, "is the odds"),
    ("two_flags", 0.1195, "a human wrote it"),
    ("two_flags", 361 / 362, "forgets the base rate"),
    ("two_flags", 0.95**2, "P(two flags | machine)"),
    ("two_flags", 0.9975, "turn it around"),
    ("two_flags", 0.95, "the detector's own rate"),
    ("two_flags", 0.56, "odds that multiply"),
    ("two_flags", 0.48, "count the base rate once"),
    ("two_flags", 0.078, "uses the base rate twice"),
    ("two_flags", 0.01805, "divide by P(two flags)"),
    ("two_flags", 0.159, "gets two flags with probability 0.05²"),
    ("two_flags", 0.885, "is near"),
    ("two_flags", 0.9, "0.9 is near"),
    ("two_flags", 0.4, "is not it"),
    ("two_flags", "often", "a str: expected one number"),
    ("posterior", lambda p, s, f: s, "P(flag | machine)"),
    ("posterior", lambda p, s, f: s / (s + f), "base rate"),
    ("posterior", lambda p, s, f: p * s, "divide by P(flag)"),
    ("posterior", lambda p, s, f: p * s + (1 - p) * f, "belongs below the line"),
    ("posterior", lambda p, s, f: p * s / (p * s + f), "1 - prior"),
    ("posterior", lambda p, s, f: p * s / (s + f), "and not below"),
    ("posterior", lambda p, s, f: posterior(p, s, 1 - f), "third argument"),
    ("posterior", lambda p, s, f: posterior(p, f, s), "exchanged"),
    ("posterior", lambda p, s, f: posterior(1 - p, s, f), "the machine's share"),
    ("posterior", lambda p, s, f: posterior(p, 1 - s, 1 - f), "*not* flagged"),
    ("posterior", lambda p, s, f: posterior(p, s, s), "as if the flag had changed nothing"),
    ("posterior", odds, "those are the odds"),
    ("posterior", lambda p, s, f: 1 - posterior(p, s, f), "P(human | flag)"),
    ("posterior", lambda p, s, f: 100 * posterior(p, s, f), "percentage"),
    ("posterior", lambda p, s, f: p / 7, "expected"),
    ("posterior", lambda p, s, f: np.array([p, s]), "expected one number"),
    ("log_sum_exp", naive, "exp overflows"),
    ("log_sum_exp", lambda x: np.nan_to_num(naive(x)), "exp overflows"),
    ("log_sum_exp", lambda x: shifted(x, min(x[np.isfinite(x)], default=0)), "subtract the largest number"),
    ("log_sum_exp", lambda x: shifted(x, x[0]), "subtract the largest number"),
    ("log_sum_exp", lambda x: np.exp(x).sum(), "take its logarithm"),
    ("log_sum_exp", lambda x: np.log2(np.exp(x).sum()), "natural one"),
    ("log_sum_exp", lambda x: np.log10(np.exp(x).sum()), "to base 10"),
    ("log_sum_exp", lambda x: np.log1p(np.exp(x).sum()), "one too many"),
    ("log_sum_exp", lambda x: np.log(np.exp(x - x.max()).sum()), "did not add it back"),
    ("log_sum_exp", lambda x: x.max() + naive(x), "was not subtracted"),
    ("log_sum_exp", lambda x: x.max(), "the largest entry alone"),
    ("log_sum_exp", lambda x: np.log(np.exp(x).mean()), "*mean*"),
    ("log_sum_exp", lambda x: x.mean(), "mean of the logarithms"),
    ("log_sum_exp", lambda x: x.sum(), "of the product"),
    ("log_sum_exp", lambda x: x - x.max(), "expected one number"),
    ("log_sum_exp", lambda x: 700 + naive(x - 700), "underflow"),
    ("log_sum_exp", lambda x: x.min() + naive(x - x.min()), "subtract the largest number"),
    ("log_sum_exp", lambda x: log_sum_exp(x) if np.isfinite(x).all() else np.nan, "adds nothing"),
    ("log_sum_exp", lambda x: -np.inf if np.isinf(x).any() else log_sum_exp(x), "leaves the others"),
    ("log_sum_exp", lambda x: x.max() + naive(x - x.max()), "is not a number"),
    ("log_sum_exp", lambda x: np.nan_to_num(x.max() + naive(x - x.max())), "has a NaN been replaced by 0"),
    ("log_sum_exp", lambda x: log_sum_exp(np.nan_to_num(x)), "not a large finite number"),
    ("dirichlet_mean", lambda c, a: c / c.sum(axis=1, keepdims=True), "plain frequencies"),
    ("dirichlet_mean", lambda c, a: c + a, "counts still"),
    ("dirichlet_mean", lambda c, a: (c + a) / c.sum(axis=1, keepdims=True), "pseudo-counts are missing"),
    ("dirichlet_mean", lambda c, a: (c + a) / (c.sum(axis=1, keepdims=True) + 1), "alpha.sum(), not 1"),
    ("dirichlet_mean", lambda c, a: (c + a) / (c.sum(axis=1, keepdims=True) + 4), "number of tokens"),
    ("dirichlet_mean", lambda c, a: (c + a) / (c.sum(axis=1, keepdims=True) + 4 * a.sum()), "once more"),
    ("dirichlet_mean", lambda c, a: (c + a) / (c.sum(axis=1, keepdims=True) + a), "*sum* of alpha"),
    ("dirichlet_mean", lambda c, a: c / (c.sum(axis=1, keepdims=True) + a.sum()), "above the line"),
    ("dirichlet_mean", lambda c, a: dirichlet_mean(c, np.full_like(a, a.sum())), "not the sum of all"),
    ("dirichlet_mean", lambda c, a: dirichlet_mean(c, np.full_like(a, a.mean())), "has its own"),
    ("dirichlet_mean", lambda c, a: dirichlet_mean(c, np.ones(4)), "add-one"),
    ("dirichlet_mean", lambda c, a: dirichlet_mean(c, a / a.sum()), "normalised first"),
    ("dirichlet_mean", lambda c, a: (c + a) / (c + a).sum(), "each *row* must"),
    ("dirichlet_mean", lambda c, a: (c + a) / (c + a).sum(axis=0), "column sums"),
    ("dirichlet_mean", lambda c, a: dirichlet_mean(c, a - 1), "highest point"),
    ("dirichlet_mean", lambda c, a: np.log(dirichlet_mean(c, a)), "logarithms"),
    (
        "dirichlet_mean",
        lambda c, a: dirichlet_mean(c, a) + np.log(c.sum(1, keepdims=True) > 0),
        "without counts",
    ),
    (
        "dirichlet_mean",
        lambda c, a: np.where(c.sum(1, keepdims=True) > 0, dirichlet_mean(c, a), 0.25),
        "prior speaks",
    ),
    ("dirichlet_mean", lambda c, a: dirichlet_mean(c, a)[0], "shape (4,)"),
    ("dirichlet_mean", lambda c, a: dirichlet_mean(c, a[::-1]), "reversed order"),
    ("dirichlet_mean", lambda c, a: dirichlet_mean(c, a**2), "expected"),
    ("sample", lambda p, u, t: sample(p, u, t) + 1, "one too high"),
    ("sample", lambda p, u, t: sample(p, u, t) - 1, "one too low"),
    ("sample", lambda p, u, t: np.full(len(u), p.argmax()), "no draw"),
    ("sample", lambda p, u, t: np.searchsorted((s := np.cumsum(p ** (1 / t))) / s[-1], u), "side='right'"),
    ("sample", lambda p, u, t: sample(p, u, 1.0), "temperature changes nothing"),
    ("sample", lambda p, u, t: sample(p / t, u, 1.0), "temperature changes nothing"),
    ("sample", lambda p, u, t: sample(p, u, max(t, 1.0)), "temperature changes nothing"),
    ("sample", lambda p, u, t: sample(p, u, min(t, 1.0)), "temperature changes nothing"),
    ("sample", lambda p, u, t: np.searchsorted(powered(p, t), u, side="right"), "backwards"),
    ("sample", lambda p, u, t: sample(np.exp(p / t), u), "softmax of p"),
    ("sample", lambda p, u, t: np.searchsorted(np.cumsum(p ** (1 / t)), u, side="right"), "normalise again"),
    ("sample", lambda p, u, t: sample(p[::-1], u, t), "from the last to the first"),
    ("sample", lambda p, u, t: np.sort(sample(p, u, t)), "sorted"),
    ("sample", lambda p, u, t: sample(np.sort(p), u, t), "cumulative sums are"),
    ("sample", lambda p, u, t: np.random.default_rng(0).choice(len(p), len(u), p=p), "cumulative sums are"),
    ("sample", drawn, "divide them by the last"),
    ("sample", lambda p, u, t: np.minimum(drawn(p, u, t), len(p) - 1), "divide them by the last"),
    ("sample", lambda p, u, t: int(u[0] > p[0]), "shape ()"),
    ("bernoulli_bayes", lambda q, t, x: np.exp(bernoulli_bayes(q, t, x)), "return their logarithms"),
    ("bernoulli_bayes", lambda q, t, x: bernoulli_bayes(q, t, x) / np.log(2), "base 2"),
    ("bernoulli_bayes", joint, "subtract log-sum-exp"),
    ("bernoulli_bayes", lambda q, t, x: bernoulli_bayes(q * 0 + 1, t, x), "prior is missing"),
    ("bernoulli_bayes", lambda q, t, x: bernoulli_bayes(np.exp(q), t, x), "add its logarithm"),
    ("bernoulli_bayes", lambda q, t, x: normalised(joint(q * 0 + 1, t, x)) + np.log(q), "before it"),
    ("bernoulli_bayes", lambda q, t, x: normalised(x @ np.log(t).T + np.log(q)), "absent words"),
    (
        "bernoulli_bayes",
        lambda q, t, x: normalised((1 - x) @ np.log(1 - t).T + np.log(q)),
        "present words are",
    ),
    (
        "bernoulli_bayes",
        lambda q, t, x: normalised(np.ones_like(x) @ np.log(t).T + np.log(q)),
        "not log(theta)",
    ),
    ("bernoulli_bayes", lambda q, t, x: normalised((2 * x - 1) @ np.log(t).T + np.log(q)), "something else"),
    ("bernoulli_bayes", lambda q, t, x: bernoulli_bayes(q, t, 1 - x), "exchanged"),
    ("bernoulli_bayes", lambda q, t, x: (s := joint(q, t, x)) - logsumexp(s, axis=0), "axis=1"),
    ("bernoulli_bayes", lambda q, t, x: (s := joint(q, t, x)) - logsumexp(s), "whole table"),
    ("bernoulli_bayes", lambda q, t, x: (s := joint(q, t, x)) - s.max(1, keepdims=True), "largest was"),
    (
        "bernoulli_bayes",
        lambda q, t, x: (s := joint(q, t, x)) / s.sum(1, keepdims=True),
        "divided by their sum",
    ),
    ("bernoulli_bayes", lambda q, t, x: np.log(softmax(joint(q, t, x) * 1.0, axis=1) + 1e-3), "for document"),
    (
        "bernoulli_bayes",
        lambda q, t, x: np.log((s := np.exp(joint(q, t, x))) / s.sum(axis=1, keepdims=True)),
        "1,000 words",
    ),
    ("bernoulli_bayes", lambda q, t, x: bernoulli_bayes(q, t, x).T, "shape (3, 5)"),
]


def test_value_not_given_is_unanswered() -> None:
    assert evaluate("probability.two_flags", ...).status == "unanswered"


@pytest.mark.parametrize("name", ["posterior", "log_sum_exp", "dirichlet_mean", "sample", "bernoulli_bayes"])
def test_random_examples_never_turn_a_right_answer_away(name: str) -> None:
    """Examples are drawn anew at each call: what passes once passes a hundred times."""
    for answer in RIGHT[name]:
        for _ in range(100):
            result = evaluate(f"probability.{name}", answer)
            assert result.status == "right", result.message


# --- the page


def ran(names: dict[str, Any], *ids: str) -> dict[str, Any]:
    """Run cells among names that are there already; what they print is dropped."""
    code = sources("probability")
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in ids:
            exec(compile(code[cell], f"probability:{cell}", "exec"), names)
    return names


def test_windows_and_times_seen_count() -> None:
    page = run_cells("probability", ["count-windows"], np=np, n_vocab=4)
    ids = np.array([0, 1, 2, 3, 0, 1, 2, 0])
    assert page["windows"](ids, 3).tolist() == [6, 27, 44, 49, 6, 24]
    new = page["windows"](np.array([0, 1, 2, 2]), 3)  # 012, 122
    assert page["times_seen"](page["windows"](ids, 3), new).tolist() == [2, 0]


def test_add_k_of_the_page_equals_the_model() -> None:
    """What `which-k` computes from counts is NGramModel's add-k, from the first whole window on."""
    rng = np.random.default_rng(0)
    old, new = rng.integers(4, size=500), rng.integers(4, size=80)
    page = run_cells("probability", ["count-windows"], np=np, n_vocab=4)
    a, b = page["windows"](old, 3), page["windows"](new, 3)
    n, total = page["times_seen"](a, b), page["times_seen"](a // 4, b // 4)
    bits = -np.log2((n + 0.3) / (total + 0.3 * 4))
    model = NGramModel(3, 4, "add-k", k=0.3).fit(old)
    np.testing.assert_allclose(bits, -model.log2_probs(new)[2:])


def test_evidence_is_the_product_of_predictions() -> None:
    """The closed form equals predicting each token from those before it, by add-k with growing counts."""
    rng, k, n_vocab = np.random.default_rng(1), 0.4, 3
    ids, seen, log_p = rng.integers(n_vocab, size=60), np.zeros((3, 3)), 0.0
    for before, token in pairwise(ids):
        log_p += np.log((seen[before, token] + k) / (seen[before].sum() + k * n_vocab))
        seen[before, token] += 1
    total = seen.sum(axis=1)
    closed = (gammaln(k * n_vocab) - gammaln(k * n_vocab + total)).sum() + (
        gammaln(k + seen) - gammaln(k)
    ).sum()
    assert closed == pytest.approx(log_p)


def test_reliability_counts_by_hand() -> None:
    page = run_cells("probability", ["forecasts"], np=np)
    said, came = np.array([[0.1, 0.3], [0.35, 0.9]]), np.array([[False, True], [False, True]])
    n, x, y = page["reliability"](said, came, np.array([0, 0.25, 0.5, 1.01]))
    assert n.tolist() == [1, 2, 1]
    np.testing.assert_allclose([x, y], [[0.1, 0.325, 0.9], [0, 0.5, 1]])


def test_calibration_error_by_hand() -> None:
    """One fold each: sure 0.8 twice, right once: the error is 0.3."""
    page = run_cells("probability", ["forecasts", "calibration"], np=np)
    z = np.tile([np.log(4), -np.log(4)], 5)
    _, rows = page["confidence"](z, np.ones(10, bool), np.repeat(np.arange(5), 2))
    np.testing.assert_allclose(rows, np.tile([0.8, 0.5, 0.3], (5, 1)))


# --- what solutions state, where no cell of the page measures it


@pytest.mark.xdist_group("data")
def test_pairs_of_words_decide_better_and_know_less() -> None:
    """Exercise 9: accuracy 0.789 → 0.795, calibration error 0.080 → 0.132."""
    page = ran({}, "imports", "forecasts", "calibration")
    accuracy, error = {}, {}
    for name, units in {
        "words": words,
        "pairs": lambda text: words(text) + [" ".join(pair) for pair in pairwise(words(text))],
    }.items():
        page["words"] = units  # `films` makes index and counts of what this returns
        page |= ran({**page, "n_vocab": 2}, "films", "naive-bayes")
        with contextlib.suppress(AssertionError):  # the page's own bounds are for words
            ran(page, "accuracy")
        log_odds = page["log_p"][:, 1] - page["log_p"][:, 0]
        _, rows = page["confidence"](log_odds, page["y"], page["fold"])
        _, accuracy[name], error[name] = rows.mean(axis=0)
    assert [accuracy["words"], accuracy["pairs"]] == pytest.approx([0.789, 0.795], abs=0.001)
    assert [error["words"], error["pairs"]] == pytest.approx([0.080, 0.132], abs=0.001)


@pytest.mark.xdist_group("data")
def test_the_shorter_context_is_the_better_prior() -> None:
    """Exercise 8: κ = 20 and 30, 2.55 and 2.15 bits at order 4 and 6, on the first split."""
    text = data.load_text("wikipedia_en")
    vocab = Vocabulary.from_text(text, max_size=128)
    n_vocab = len(vocab)
    rest, test = (vocab.encode(part) for part in k_fold(text, 0))
    valid, train = np.split(rest, [len(rest) // 9])
    page = run_cells("probability", ["count-windows"], np=np, n_vocab=n_vocab)

    def bits(counted: Any, new: Any, order: int, kappas: list[int]) -> Any:
        kappa, p = np.array(kappas)[:, None], 1 / n_vocab
        for r in range(1, order + 1):
            a, b = page["windows"](counted, r), page["windows"](new, r)[order - r :]
            n, total = page["times_seen"](a, b), page["times_seen"](a // n_vocab, b // n_vocab)
            p = (n + kappa * p) / (total + kappa)
        return -np.log2(p).mean(axis=1)

    for order, best, expected, k, add_k, kneser_ney in (
        (4, 20, 2.55, 10**-1.5, 2.60, 2.52),
        (6, 30, 2.15, 0.01, 2.64, 2.05),
    ):
        kappas = [10, 20, 30, 50, 80]
        assert kappas[bits(train, valid, order, kappas).argmin()] == best
        assert bits(rest, test, order, [best])[0] == pytest.approx(expected, abs=0.01)
        plain = NGramModel(order, n_vocab, "add-k", k=k).fit(rest)
        assert plain.cross_entropy(test) == pytest.approx(add_k, abs=0.01)
        model = NGramModel(order, n_vocab).fit(rest)
        assert model.cross_entropy(test) == pytest.approx(kneser_ney, abs=0.01)


# --- its explorer


@settings(max_examples=60, deadline=None)
@given(
    tau=st.floats(0.1, 3),
    counts=st.lists(st.integers(1, 50_000), min_size=2, max_size=40).map(lambda n: sorted(n, reverse=True)),
)
def test_heat_equals_the_pages(engine: Engine, tau: float, counts: list[int]) -> None:
    p = np.array(counts) / sum(counts)
    given_ = {"tokens": [f"t{i}" for i in range(len(p))], "p": p.tolist()}
    found = engine.compute("heat", {"tau": tau}, given_)
    page: dict[str, Any] = {"p": p}
    exec(sources("probability")["temperature-data"].split("\n\n")[0], page)  # its definition alone
    heat = page["heat"]
    np.testing.assert_allclose(found["hot"], heat(tau), atol=1e-12)
    assert found["entropy"] == pytest.approx(entropy(heat(tau)), abs=1e-9)
    assert found["most"] == pytest.approx(np.log2(len(p)))
    for warmth, bits in found["curve"][::19]:
        assert bits == pytest.approx(entropy(heat(warmth)), abs=1e-9)
