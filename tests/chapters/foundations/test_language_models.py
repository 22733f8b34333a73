"""Every check accepts the right answer and says what is wrong with plausible wrong ones."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from labutils.checks import evaluate


def bigram(text: str, context: str, token: str) -> float:
    pairs = Counter(pairwise(text))
    total = sum(count for (first, _), count in pairs.items() if first == context)
    return pairs[context, token] / total


def perplexity(probs: Any) -> float:
    return float(2 ** -np.log2(probs).mean())


def add_k(counts: Any, k: float) -> Any:
    return (counts + k) / (counts.sum() + k * len(counts))


def interpolate(counts: Any, lower: Any, discount: float) -> Any:
    total = counts.sum()
    if total == 0:
        return lower
    return (np.maximum(counts - discount, 0) + discount * (counts > 0).sum() * lower) / total


def parameters(n_layer: int, d_model: int, n_vocab: int, n_context: int) -> int:
    block = 12 * d_model**2 + 9 * d_model + 4 * d_model
    return (n_vocab + n_context) * d_model + n_layer * block + 2 * d_model


RIGHT = {
    "bigram": bigram,
    "perplexity": perplexity,
    "add_k": add_k,
    "interpolate": interpolate,
    "parameters": parameters,
}

WRONG = [
    ("bigram", lambda text, h, w: Counter(pairwise(text))[h, w] / text.count(h), "no follower"),
    ("bigram", lambda text, h, w: Counter(pairwise(text))[h, w] / (len(text) - 1), "P(a, b)"),
    ("bigram", lambda text, h, w: Counter(pairwise(text))[h, w] / text[1:].count(w), "end in b"),
    ("bigram", lambda text, h, w: Counter(pairwise(text))[h, w], "that is the count"),
    ("bigram", lambda text, h, w: text.count(h + w) / text[:-1].count(h), "overlap"),
    ("perplexity", lambda p: -np.log2(p).mean(), "cross-entropy, 2 bits"),
    ("perplexity", lambda p: 2 ** -np.log(p).mean(), "2 to nats"),
    ("perplexity", lambda p: np.exp(-np.log2(p).mean()), "e to bits"),
    ("perplexity", lambda p: 2 ** -np.log2(p).sum(), "take their mean"),
    ("perplexity", lambda p: 1 / np.mean(p), "average their logarithms"),
    ("perplexity", lambda p: np.prod(p) ** (1 / len(p)), "one over it"),
    ("perplexity", lambda p: 1 / max(math.prod(p), 1e-300) ** (1 / len(p)), "add logarithms"),
    ("add_k", lambda c, k: (c + k) / c.sum(), "the four pseudo-counts"),
    ("add_k", lambda c, k: (c + k) / (c.sum() + k), "k is added once"),
    ("add_k", lambda c, k: (c + 1) / (c.sum() + len(c)), "1 instead of k"),
    ("add_k", lambda c, k: np.where(c > 0, (c + k) / (c.sum() + k * len(c)), 0), "never seen"),
    ("add_k", lambda c, k: (c + k).sum() / (c.sum() + k * len(c)), "shape"),
    ("add_k", lambda c, k: add_k(c, k) if c.sum() else c, "never seen (all counts 0)"),
    ("interpolate", lambda c, q, d: (c - d) / c.sum() + 0.25 * q, "negative"),
    ("interpolate", lambda c, q, d: np.maximum(c - d, 0) / c.sum(), "sums to 0.75"),
    ("interpolate", lambda c, q, d: np.maximum(c - d, 0) / c.sum() + d * q, "you hand on D:"),
    ("interpolate", lambda c, q, d: np.maximum(c - d, 0) / c.sum() + d / c.sum() * q, "D/total"),
    ("interpolate", lambda c, q, d: np.where(c > 0, (c - d) / c.sum(), d * 2 / c.sum() * q), "backing off"),
    ("interpolate", lambda c, q, d: interpolate(c, q, d) if c.sum() else c, "all counts 0"),
    ("parameters", lambda n, d, v, c: parameters(n, d, v, c) + v * d, "shares the token embedding"),
    ("parameters", lambda n, d, v, c: parameters(n, d, v, c) - c * d, "position embedding is missing"),
    ("parameters", lambda n, d, v, c: parameters(n, d, v, c) - n * 9 * d, "biases are missing"),
    ("parameters", lambda n, d, v, c: parameters(n, d, v, c) - 2 * d, "after the last block"),
    ("parameters", lambda n, d, v, c: 12 * n * d * d, "the matrices alone"),
    ("parameters", lambda n, d, v, c: parameters(n, d, v, c) + 7, "a difference of 7"),
    ("parameters", lambda n, d, v, c: 124_439_808, "(2, 8, 11, 5)"),
]


@pytest.mark.parametrize("name", RIGHT)
def test_right_answer_passes(name: str) -> None:
    assert evaluate(f"language_models.{name}", RIGHT[name]).status == "right"


@pytest.mark.parametrize(("name", "answer", "part"), WRONG)
def test_wrong_answer_is_diagnosed(name: str, answer: Any, part: str) -> None:
    with np.errstate(all="ignore"):
        result = evaluate(f"language_models.{name}", answer)
    assert result.status == "wrong"
    assert part in result.message


@pytest.mark.parametrize("name", RIGHT)
def test_stub_is_unanswered(name: str) -> None:
    assert evaluate(f"language_models.{name}", lambda *args: None).status == "unanswered"
