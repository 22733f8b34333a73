"""Every check accepts the right answer and says what is wrong with plausible wrong ones."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from labutils.checks import evaluate


def mutual_information(counts: Any) -> Any:
    joint = counts / counts.sum()
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0
    return (joint[seen] * np.log2(joint[seen] / independent[seen])).sum()


def interval(text: str, model: Any) -> Any:
    low, width = Fraction(0), Fraction(1)
    for t, symbol in enumerate(text):
        for other, p in model(text[:t]).items():
            if other == symbol:
                width *= p
                break
            low += width * p
    return low, low + width


def code_length(text: str, alphabet: str) -> float:
    counts = dict.fromkeys(alphabet, 0)
    bits = 0.0
    for t, symbol in enumerate(text):
        bits -= math.log2((counts[symbol] + 1) / (t + len(alphabet)))
        counts[symbol] += 1
    return bits


def file_size(loss: float, n_tokens: int) -> float:
    return loss / math.log(2) * n_tokens / 8


def hamming_syndrome(word: Any) -> int:
    position = 0
    for i, bit in enumerate(word, start=1):
        position ^= i * bit
    return position


RIGHT = {f.__name__: f for f in (mutual_information, interval, code_length, file_size, hamming_syndrome)}


def entropy(p: Any) -> float:
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())


def with_nan(counts: Any) -> Any:
    joint = counts / counts.sum()
    with np.errstate(all="ignore"):
        return (joint * np.log2(joint / np.outer(joint.sum(axis=1), joint.sum(axis=0)))).sum()


def wrong_way_round(counts: Any) -> Any:
    joint = counts / counts.sum()
    other = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    return (other * np.log2(other / joint)).sum()


def correlation(counts: Any) -> Any:
    pairs = [(i, j) for (i, j), n in np.ndenumerate(counts) for _ in range(int(n))]
    return np.corrcoef(np.array(pairs).T)[0, 1]


def asks_once(text: str, model: Any) -> Any:
    probs = model("")
    return interval(text, lambda _: probs)


def static(text: str, alphabet: str) -> float:
    return len(text) * entropy(np.array([text.count(s) for s in alphabet]) / len(text))


def counts_first(text: str, alphabet: str) -> float:
    bits = 0.0
    for t, symbol in enumerate(text, start=1):
        bits -= math.log2((text[:t].count(symbol) + 1) / (t + len(alphabet)))
    return bits


def without_one(text: str, alphabet: str) -> float:
    return math.inf


def grows_its_alphabet(text: str, alphabet: str) -> float:
    return code_length(text, "".join(dict.fromkeys(text)))


def parities(word: Any) -> list[int]:
    return [sum(word[i] for i in range(7) if (i + 1) >> k & 1) % 2 for k in range(3)]


WRONG = [
    ("mutual_information", lambda c: mutual_information(c) * math.log(2), "in nats"),
    ("mutual_information", lambda c: -mutual_information(c), "sign"),
    ("mutual_information", lambda c: entropy((c / c.sum()).ravel()), "joint entropy"),
    (
        "mutual_information",
        lambda c: entropy((c / c.sum()).ravel()) - entropy(c.sum(axis=0) / c.sum()),
        "H(X | Y)",
    ),
    (
        "mutual_information",
        lambda c: entropy((c / c.sum()).ravel()) - entropy(c.sum(axis=1) / c.sum()),
        "H(Y | X)",
    ),
    ("mutual_information", wrong_way_round, "wrong way round"),
    ("mutual_information", lambda c: c.sum() * mutual_information(c), "ten times the counts"),
    (
        "mutual_information",
        lambda c: (c * np.log2(c / np.outer(c.sum(axis=1), c.sum(axis=0)))).sum(),
        "used as probabilities",
    ),
    ("mutual_information", with_nan, "0 log 0"),
    ("mutual_information", correlation, "straight lines"),
    ("mutual_information", lambda c: mutual_information(c) if c.all() else 0.0, "Y = X²"),
    ("mutual_information", lambda c: c / c.sum(), "expected one number"),
    ("interval", lambda t, m: interval(t, m)[0], "pair"),
    ("interval", lambda t, m: (interval(t, m)[0], interval(t, m)[1] - interval(t, m)[0]), "width"),
    ("interval", lambda t, m: tuple(map(float, interval(t, m))), "not exact"),
    ("interval", lambda t, m: interval(t[::-1], m), "from the end"),
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
    ("interval", lambda t, m: interval(t[:50], m), "60 letters"),
    ("code_length", lambda t, a: code_length(t, a) * math.log(2), "nats"),
    ("code_length", lambda t, a: -code_length(t, a), "sign"),
    ("code_length", lambda t, a: code_length(t, a) / len(t), "per symbol"),
    ("code_length", static, "final counts"),
    ("code_length", counts_first, "before it was priced"),
    ("code_length", without_one, "infinite"),
    ("code_length", lambda t, a: len(t) * math.log2(len(a)), "uniform"),
    ("code_length", grows_its_alphabet, "letters that never occur"),
    ("code_length", lambda t, a: 1.0, "not 1.0000"),
    ("file_size", lambda loss, n: loss * n / 8, "taken for bits"),
    ("file_size", lambda loss, n: loss / math.log(2) * n, "eight"),
    ("file_size", lambda loss, n: loss / math.log(2) * n * 8, "do not multiply"),
    ("file_size", lambda loss, n: loss * math.log(2) * n / 8, "so divide"),
    ("file_size", lambda loss, n: math.exp(loss) * n / 8, "perplexity"),
    ("file_size", lambda loss, n: loss / math.log(2) / 8, "one token"),
    ("file_size", lambda loss, n: 7.0, "not 7"),
    ("hamming_syndrome", parities, "several numbers"),
    ("hamming_syndrome", lambda w: hamming_syndrome(w) - 1, "code word"),
    ("hamming_syndrome", lambda w: max(hamming_syndrome(w) - 1, 0), "count from 1"),
    ("hamming_syndrome", lambda w: hamming_syndrome(w[::-1]), "from the right"),
    ("hamming_syndrome", lambda w: int(np.dot([4, 2, 1], parities(w))), "reversed"),
    ("hamming_syndrome", lambda w: sum(i * bit for i, bit in enumerate(w, start=1)), "code word"),
    ("hamming_syndrome", lambda w: 0, "has bit 1 flipped"),
]


@pytest.mark.parametrize("name", RIGHT)
def test_right_answer_passes(name: str) -> None:
    assert evaluate(f"information_theory.{name}", RIGHT[name]).status == "right"


@pytest.mark.parametrize(("name", "answer", "message"), WRONG, ids=[f"{n}-{m}" for n, _, m in WRONG])
def test_wrong_answer_is_diagnosed(name: str, answer: Any, message: str) -> None:
    result = evaluate(f"information_theory.{name}", answer)
    assert result.status == "wrong"
    assert message in result.message


@pytest.mark.parametrize("name", RIGHT)
def test_stub_is_unanswered(name: str) -> None:
    assert evaluate(f"information_theory.{name}", lambda *_: None).status == "unanswered"


def test_whole_bytes_are_accepted() -> None:
    assert evaluate("information_theory.file_size", lambda *a: math.ceil(file_size(*a))).status == "right"
