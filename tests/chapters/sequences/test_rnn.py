"""The chapter rnn: page = package, its explorer, and answers to its checks."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine import Engine
from labutils.models.recurrent import RNN, RNNCell
from places import run_cells


def page(*cells: str) -> dict[str, Any]:
    """The names that cells of the chapter define, with nothing but the imports before them."""
    return run_cells("rnn", cells, np=np, torch=torch, F=F, nn=torch.nn)


def weights(module: Any) -> tuple[torch.Tensor, ...]:
    w_x, w_h, b_x, b_h = (part.detach() for part in module.weights())
    return w_x.T, w_h.T, b_x + b_h


@pytest.mark.parametrize(
    ("n_in", "n_hidden", "n_batch", "n_time"), [(1, 1, 1, 1), (3, 5, 4, 7), (6, 2, 3, 40)]
)
def test_step_and_loop_equal_the_package(n_in: int, n_hidden: int, n_batch: int, n_time: int) -> None:
    names = page("step")
    cell, layer = RNNCell(n_in, n_hidden), RNN(n_in, n_hidden)
    x, h = torch.randn(n_batch, n_time, n_in), torch.randn(n_batch, n_hidden)
    torch.testing.assert_close(names["step"](x[:, 0], h, *weights(cell)), cell(x[:, 0], h))
    torch.testing.assert_close(names["unroll"](x, h, *weights(layer)), layer(x, h[None])[0])


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 100])
def test_bptt_equals_autograd_that_is_cut(cut: int) -> None:
    """Truncation by hand is `detach` at the first step of each piece."""
    names = page("step", "equal", "bptt-loop")
    torch.manual_seed(1)
    w_x, w_h, b = torch.randn(3, 4), (0.5 * torch.randn(4, 4)).requires_grad_(), torch.randn(4)
    x, wanted = torch.randn(8, 2, 3), torch.randn(8, 2, 4)
    h, states, loss = torch.zeros(2, 4), [torch.zeros(2, 4)], torch.zeros(())
    for t in range(8):
        h = names["step"](x[t], h.detach() if t % cut == 0 else h, w_x, w_h, b)
        states.append(h)
        loss = loss + ((h - wanted[t]) ** 2).sum()
    loss.backward()
    with torch.no_grad():
        along = torch.stack(states)
        passes = (torch.arange(8)[:, None, None] % cut != 0) * 1.0
        blame = names["bptt"](w_h, along, 2 * (along[1:] - wanted), passes)
        by_hand = sum(before.T @ delta for before, delta in zip(along[:-1], blame, strict=True))
    assert w_h.grad is not None
    torch.testing.assert_close(w_h.grad, by_hand)


def test_theory_without_input_is_the_spectral_radius_below_one() -> None:
    theory = page("theory")["theory"]
    for radius in (0.2, 0.5, 0.9):
        assert theory(radius, 0.0) == pytest.approx(radius, abs=1e-6)
    assert 1 < theory(1.5, 0.0) < 1.1
    rates = [theory(1.2, signal) for signal in (0.0, 0.3, 1.0, 3.0)]
    assert rates == sorted(rates, reverse=True)


def test_gains_equal_autograd() -> None:
    names = page("theory")
    found = names["gains"](1.2, 0.7, seed=3, n=12, n_back=5, n_before=4)
    rng = np.random.default_rng(3)
    w = rng.normal(size=(12, 12))
    w *= 1.2 / abs(np.linalg.eigvals(w)).max()
    h, noise = torch.tensor(rng.normal(size=12)), torch.tensor(rng.normal(size=(9, 12)))
    for a in noise[:4]:
        h = torch.tanh(h @ torch.tensor(w) + 0.7 * a)

    def later(state: torch.Tensor) -> torch.Tensor:
        for a in noise[4:]:
            state = torch.tanh(state @ torch.tensor(w) + 0.7 * a)
        return state

    jacobian = torch.autograd.functional.jacobian(later, h)
    assert found[-1] == pytest.approx(torch.linalg.matrix_norm(jacobian).item() / np.sqrt(12))


def test_tosses_ask_for_what_was_tossed() -> None:
    tosses = page("copy-gradients")["tosses"]
    x, y, weight = tosses(torch.tensor([0, 1, 3]), 6, 5, torch.Generator().manual_seed(0))
    for net, lag in enumerate((0, 1, 3)):
        assert torch.equal(y[lag:, net], x[: 6 - lag, net])
        assert (weight[:lag, net] == 0).all()
        assert weight[:, net].sum() == pytest.approx(1.0)


# --- the explorer ---

N, BEFORE, BACK = 64, 60, 50
KINDS = {"identity": lambda a: a, "tanh": torch.tanh, "ReLU": torch.relu}


def numbers() -> tuple[Any, Any, Any]:
    """The start, the noise and the matrix of spectral radius 1, by the explorer's generator."""
    state = 20241

    def uniform() -> float:
        nonlocal state
        state = (1664525 * state + 1013904223) % 2**32
        return (state + 0.5) / 2**32

    def normals(rows: int) -> Any:
        pairs = ((uniform(), uniform()) for _ in range(rows * N))
        return np.array([math.sqrt(-2 * math.log(a)) * math.cos(2 * math.pi * b) for a, b in pairs]).reshape(
            rows, N
        )

    start, noise, raw = normals(1)[0], normals(BEFORE + BACK), normals(N)
    return start, noise, raw / abs(np.linalg.eigvals(raw)).max()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("radius", "signal"), [(0.5, 0.0), (0.9, 0.5), (1.0, 1.0), (1.5, 0.0), (2.5, 2.0)])
def test_explorer_gains_equal_autograd(engine: Engine, kind: str, radius: float, signal: float) -> None:
    found = engine.compute("gradient_decay", {"radius": radius, "kind": kind, "signal": signal})["gains"]
    start, noise, unit = (torch.tensor(array) for array in numbers())
    h = start
    for a in noise[:BEFORE]:
        h = KINDS[kind](radius * h @ unit + signal * a)

    def later(h: torch.Tensor, k: int) -> torch.Tensor:
        for a in noise[BEFORE : BEFORE + k]:
            h = KINDS[kind](radius * h @ unit + signal * a)
        return h

    assert len(found) == BACK
    for k in (1, 2, 7, 20):
        jacobian = torch.autograd.functional.jacobian(lambda state, k=k: later(state, k), h)
        assert found[k - 1] == pytest.approx(
            torch.linalg.matrix_norm(jacobian).item() / math.sqrt(N), rel=1e-3
        )


@pytest.mark.parametrize(
    ("radius", "signal"), [(0.3, 0.0), (0.5, 1.0), (0.9, 0.5), (1.1, 0.3), (1.5, 1.0), (2.5, 2.0)]
)
def test_theory_equals_the_pages(engine: Engine, radius: float, signal: float) -> None:
    theory = page("theory")["theory"]
    found = engine.compute("gradient_decay", {"radius": radius, "kind": "tanh", "signal": signal})
    assert found["rate"] == pytest.approx(theory(radius, signal), rel=1e-4)


def test_theory_without_tanh(engine: Engine) -> None:
    for kind, rate in (("identity", 1.2), ("ReLU", 1.2 / math.sqrt(2))):
        assert engine.compute("gradient_decay", {"radius": 1.2, "kind": kind, "signal": 0.5})["rate"] == rate


def test_linear_network_follows_its_spectral_radius(engine: Engine) -> None:
    gains = engine.compute("gradient_decay", {"radius": 0.8, "kind": "identity", "signal": 1.0})["gains"]
    assert np.mean([b / a for a, b in pairwise(gains[20:])]) == pytest.approx(0.8, abs=0.02)


def test_line_and_dots_stay_inside_and_keep_their_slope(engine: Engine) -> None:
    for radius in (0.3, 1.0, 3.0):
        drawing = engine.markup("gradient_decay", radius=radius, kind="identity").find("svg")
        assert drawing is not None
        line = drawing.find("line", class_="orange dashed")
        x1, x2, y1, y2 = (float(str(line[name])) for name in ("x1", "x2", "y1", "y2"))  # type: ignore[index]
        per_step, per_power = (640 - 10 - 46) / 50, (250 - 26) / 18
        assert (y1 - y2) / per_power == pytest.approx(math.log10(radius) * (x2 - x1) / per_step, abs=0.01)
        assert all(26 <= float(str(dot["cy"])) <= 250 for dot in drawing.find_all("circle")[:-1])


def test_nothing_in_the_figure_overflows(engine: Engine) -> None:
    for values in (
        {"radius": 3, "kind": "identity", "signal": 2},
        {"radius": 0.3, "kind": "ReLU", "signal": 0},
    ):
        figure = str(engine.markup("gradient_decay", **values))
        assert not re.search(r"NaN|Infinity|undefined", figure)


def test_sentence_names_all_controls(engine: Engine) -> None:
    """Without a non-linearity the input changes nothing that is drawn: the sentence still follows it."""
    small, large = (str(engine.markup("gradient_decay", kind="identity", signal=s)) for s in (0.5, 1.5))
    assert "identity, input of size 0.5: theory says 0.90 a step" in small
    assert "identity, input of size 1.5: theory says 0.90 a step" in large


# --- answers to the checks: test_checks.py runs them ---


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


def states(w: float, x: Any) -> list[float]:
    h = [0.0]
    for x_t in x:
        h.append(math.tanh(x_t + w * h[-1]))
    return h


def slope_of_the_step_behind(w: float, x: Any, y: float, k: int) -> float:
    h, T = states(w, x), len(x)
    delta, gradient = (h[T] - y) * (1 - h[T] ** 2), 0.0
    for t in range(T, max(T - k, 0), -1):
        gradient += delta * h[t - 1]
        delta *= w * (1 - h[t] ** 2)
    return gradient


def joined_in_place(x: Any, h: Any, W: Any, b: Any) -> Any:
    sums = (h @ W[: h.shape[1]]).astype(np.float32)
    sums += (x @ W[h.shape[1] :] + b).astype(np.float32)
    return np.tanh(sums, out=sums).tolist()


def joined_by_torch(x: Any, h: Any, W: Any, b: Any) -> Any:
    x, h, W, b = (torch.tensor(part) for part in (x, h, W, b))
    return torch.tanh(torch.cat([h, x], dim=1) @ W + b)


def clip_in_place(gradient: Any, limit: float) -> Any:
    length = norm(gradient)
    for part in gradient:
        part *= min(1.0, limit / (length + 1e-12))
    return gradient


RIGHT: dict[str, list[Any]] = {
    "steps_back": [21, 21.0, np.array([21])],
    "joined_step": [joined_step, joined_in_place, joined_by_torch],
    "clip": [
        clip,
        clip_in_place,
        lambda gradient, limit: tuple(clip(gradient, limit)),
        lambda gradient, limit: [part.astype(np.float32) for part in clip(gradient, limit)],
    ],
    "truncated": [
        truncated,
        lambda w, x, y, k: np.array([truncated(w, x, y, k)]),
        lambda w, x, y, k: torch.tensor(truncated(w, x, y, k)),
    ],
}

WRONG: list[tuple[str, Any, str]] = [
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
    (
        "joined_step",
        lambda x, h, W, b: joined_step(x, h, W, b).T,
        "the next state (batch, n_hidden) has shape (4, 3)",
    ),
    ("joined_step", lambda x, h, W, b: joined_step(x, h, W, 2 * b), "for random weights you return"),
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
    ("clip", lambda g, limit: [p * limit / max(abs(q).max() for q in g) for p in g], "largest number"),
    ("clip", lambda g, limit: [p * limit / sum(abs(q).sum() for q in g) for p in g], "adds absolute values"),
    ("clip", lambda g, limit: [-p for p in clip(g, limit)], "divide each number by 5"),
    ("clip", lambda g, limit: [p * min(0.5, limit / norm(g)) for p in g], "shorter than the limit was"),
    ("clip", lambda g, limit: clip(g, limit) if norm(g) > limit else g[0], "expected a list of 2"),
    ("clip", lambda g, limit: clip(g, limit) if norm(g) > 0 else 0.0, "expected a list of 1"),
    ("clip", lambda g, limit: np.concatenate([p.ravel() for p in g]), "expected a list of 2"),
    ("clip", lambda g, limit: [p.ravel() for p in clip(g, limit)], "an array that came back has shape"),
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
    ("truncated", lambda w, x, y, k: truncated(w, x[-k:], y, k), "run forward from the start"),
    (
        "truncated",
        lambda w, x, y, k: truncated(w, x, y, k) / (1 - states(w, x)[-1] ** 2),
        "The last step has a slope",
    ),
    ("truncated", slope_of_the_step_behind, "meets that step's slope"),
    ("truncated", lambda w, x, y, k: "0", "gave"),
]
