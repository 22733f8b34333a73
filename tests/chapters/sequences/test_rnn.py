"""Every check accepts the right answer and says what is wrong with plausible wrong ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from labutils.checks import evaluate


def joined_step(x: Any, h: Any, W: Any, b: Any) -> Any:
    return np.tanh(np.concatenate([h, x], axis=1) @ W + b)


def norm(gradient: Any) -> Any:
    return np.sqrt(sum((g**2).sum() for g in gradient))


def clip(gradient: Any, limit: float) -> Any:
    factor = min(1.0, limit / norm(gradient)) if norm(gradient) > 0 else 1.0
    return [g * factor for g in gradient]


def backwards(
    w: float,
    x: Any,
    y: float,
    steps: Callable[[int], range],
    slope: Any = None,
    shift: int = 1,
    sign: int = 1,
) -> float:
    h = [0.0]
    for x_t in x:
        h.append(math.tanh(x_t + w * h[-1]))
    slope = slope or (lambda state: 1 - state**2)
    wanted, T = steps(len(x)), len(x)
    delta, gradient = sign * (h[T] - y) * slope(h[T]), 0.0
    for t in range(T, 0, -1):
        if t in wanted:
            gradient += delta * h[t - shift]
        delta *= w * slope(h[t - 1])
    return gradient


def last(k: int) -> Callable[[int], range]:
    return lambda T: range(max(T - k, 0) + 1, T + 1)


def truncated(w: float, x: Any, y: float, k: int) -> float:
    return backwards(w, x, y, last(k))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("steps_back", 21),
        ("steps_back", 21.0),
        ("joined_step", joined_step),
        ("clip", clip),
        ("clip", lambda gradient, limit: tuple(clip(gradient, limit))),
        ("truncated", truncated),
        ("truncated", lambda w, x, y, k: np.float64(truncated(w, x, y, k))),
    ],
)
def test_right_answers(name: str, answer: Any) -> None:
    assert evaluate(f"rnn.{name}", answer).status == "right"


@pytest.mark.parametrize(
    ("name", "answer", "complaint"),
    [
        ("steps_back", 20, "still more than 0.01"),
        ("steps_back", 20.64, "first beyond"),
        ("steps_back", 5, "a fifth of what is left"),
        ("steps_back", 4, "half-life"),
        ("steps_back", 3.1, "half-life"),
        ("steps_back", 3, "not 0.2"),
        ("steps_back", 100, "try your k"),
        ("steps_back", "many", "nothing that can be computed"),
        ("joined_step", lambda x, h, W, b: np.concatenate([h, x], axis=1) @ W + b, "has no tanh"),
        ("joined_step", lambda x, h, W, b: np.tanh(np.concatenate([h, x], axis=1) @ W), "has no bias"),
        (
            "joined_step",
            lambda x, h, W, b: np.tanh(np.concatenate([x, h], axis=1) @ W + b),
            "state comes first",
        ),
        (
            "joined_step",
            lambda x, h, W, b: np.tanh(np.concatenate([h, x]) @ W + b),
            "join along the last axis",
        ),
        ("joined_step", lambda x, h, W, b: joined_step(x, 0 * h, W, b), "leaves the state out"),
        ("joined_step", lambda x, h, W, b: joined_step(x, h, W, 0 * b) + b, "adds the bias after the tanh"),
        (
            "joined_step",
            lambda x, h, W, b: 1 / (1 + np.exp(-(np.concatenate([h, x], axis=1) @ W + b))),
            "logistic sigmoid",
        ),
        ("joined_step", lambda x, h, W, b: np.maximum(np.concatenate([h, x], axis=1) @ W + b, 0), "ReLU"),
        ("joined_step", lambda x, h, W, b: joined_step(x, h, W, b).T, "expected (batch, n_hidden)"),
        ("joined_step", lambda x, h, W, b: joined_step(x, h, W, 2 * b), "the first new state"),
        ("clip", lambda g, limit: [p * min(1, limit / np.linalg.norm(p)) for p in g], "each array by itself"),
        ("clip", lambda g, limit: [np.clip(p, -limit, limit) for p in g], "every number"),
        ("clip", lambda g, limit: [p / 13 for p in g], "forgets the limit"),
        ("clip", lambda g, limit: g, "leaves the gradient as it was"),
        ("clip", lambda g, limit: [p * limit / 13 for p in g], "must never exceed 1"),
        (
            "clip",
            lambda g, limit: [p * limit / norm(g) ** 2 for p in g],
            "the root is missing",
        ),
        (
            "clip",
            lambda g, limit: [p * limit / sum(np.linalg.norm(q) for q in g) for p in g],
            "adds the arrays' norms",
        ),
        (
            "clip",
            lambda g, limit: [p / norm(g) * min(limit, norm(g)) for p in g],
            "became NaN",
        ),
        ("clip", lambda g, limit: [-p for p in clip(g, limit)], "divide each number by 5"),
        ("clip", lambda g, limit: [p * min(0.5, limit / norm(g)) for p in g], "shorter than the limit was"),
        ("clip", lambda g, limit: clip(g, limit) if norm(g) > limit else g[0], "expected a list of 2"),
        ("clip", lambda g, limit: clip(g, limit) if norm(g) > 0 else 0.0, "expected a list of 1"),
        ("clip", lambda g, limit: np.concatenate([p.ravel() for p in g]), "expected a list of 2"),
        ("clip", lambda g, limit: [p.ravel() for p in clip(g, limit)], "came back with shape"),
        ("truncated", lambda w, x, y, k: backwards(w, x, y, last(99)), "whole gradient"),
        ("truncated", lambda w, x, y, k: backwards(w, x, y, last(k + 1)), "one too many"),
        ("truncated", lambda w, x, y, k: backwards(w, x, y, last(k - 1)), "one too few"),
        (
            "truncated",
            lambda w, x, y, k: backwards(w, x, y, lambda T: range(1, k + 1)),
            "blame starts at the end",
        ),
        ("truncated", lambda w, x, y, k: backwards(w, x, y, last(k), slope=lambda h: 1.0), "slopes"),
        ("truncated", lambda w, x, y, k: backwards(w, x, y, last(k), shift=0), "previous"),
        ("truncated", lambda w, x, y, k: backwards(w, x, y, last(k), sign=-1), "sign"),
        (
            "truncated",
            lambda w, x, y, k: backwards(w, x, y, lambda T: range(T - k + 1, T - k + 2)),
            "one step",
        ),
        ("truncated", lambda w, x, y, k: "0", "gave"),
    ],
)
def test_wrong_answers_are_explained(name: str, answer: Any, complaint: str) -> None:
    result = evaluate(f"rnn.{name}", answer)
    assert result.status == "wrong"
    assert complaint in result.message
