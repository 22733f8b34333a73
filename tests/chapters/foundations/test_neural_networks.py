"""The neural networks chapter: page = package, its explorer, answers for its checks."""

from __future__ import annotations

import functools
import json
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import expit
from scipy.special import softmax as softmax_of

from engine import Engine
from labutils.autograd import Value
from places import run_cells

ENGINE = ("value", "ops", "functions", "order", "backward")


def define(*cells: str) -> dict[str, Any]:
    """The names that cells of the page define, with its imports but none of its data."""
    return run_cells("neural_networks", cells, math=math, np=np, torch=torch, F=F, nn=torch.nn, sigmoid=expit)


# --- the page equals the package ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_the_pages_engine_is_the_packages(seed: int) -> None:
    page = define(*ENGINE)["Value"]
    a, b = np.random.default_rng(seed).uniform(-2, 2, 2)

    def formula(x: Any, y: Any) -> Any:
        z = 3 - x * y + x / (y * y + 1) - (y - 2) / 5 + 1 / (x * x + 1)
        return (z.exp() + (y**2 + 1).log()) * z.tanh() + (x + y).relu() - -x * z

    of_page, of_package = [page(a), page(b)], [Value(a), Value(b)]
    left, right = formula(*of_page), formula(*of_package)
    left.backward()
    right.backward()
    assert left.data == right.data
    assert [x.grad for x in of_page] == [x.grad for x in of_package]
    assert [x.data for x in left.order()] == [x.data for x in right.order()]
    assert repr(left) == repr(right)
    assert {name for name in vars(page) if not name.startswith("__")} == {
        name for name in vars(Value) if not name.startswith("__")
    }


def test_the_perceptron_learns_what_a_line_divides() -> None:
    learn = define("perceptron")["perceptron"]
    for truth in range(16):
        y = [truth >> i & 1 for i in range(4)]
        assert ("never" in learn(y)) == (y in ([0, 1, 1, 0], [1, 0, 0, 1])), y


# --- the explorer ------------------------------------------------------------------------------------------

POINTS = [[0.0, 0.0, 1], [1.3, -1.1, 0], [-1.2, 1.2, 0], [-1.0, -0.9, 1], [0.9, 1.4, 1]]
AT = {"first": [1, 0.6, 0.5], "second": [0.4, 1.2, -0.6], "out": [1, -0.8, 0.2], "x": 1.2, "y": 1.0}


def loss_of(w: list[Any], points: list[list[float]]) -> Any:
    losses = []
    for x, y, kind in points:
        h1, h2 = (w[0] * x + w[1] * y + w[2]).tanh(), (w[3] * x + w[4] * y + w[5]).tanh()
        z = w[6] * h1 + w[7] * h2 + w[8]
        losses.append((1 + ((-1 if kind else 1) * z).exp()).log())
    return sum(losses[1:], losses[0]) / len(points)


@pytest.mark.parametrize("seed", range(5))
def test_explorer_equals_the_engine(engine: Engine, seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = rng.uniform(-3, 3, 11).round(2).tolist()
    values = {"first": drawn[:3], "second": drawn[3:6], "out": drawn[6:9], "x": drawn[9], "y": drawn[10]}
    found = engine.compute("small_net", values, {"points": POINTS})
    w = [Value(x) for x in drawn[:9]]
    loss = loss_of(w, [[*drawn[9:], 1], *POINTS[1:]])
    loss.backward()
    assert found["loss"] == pytest.approx(loss.data, abs=1e-12)
    np.testing.assert_allclose(found["grad"], [x.grad for x in w], atol=1e-12)
    assert 0 <= found["right"] <= 5


def test_the_button_takes_ten_steps_against_the_blame(engine: Engine) -> None:
    name = "labutils.explorers.small_net"
    data, values = {"points": POINTS}, dict(AT)
    w = [Value(x) for part in ("first", "second", "out") for x in AT[part]]  # type: ignore[attr-defined]
    points = [[AT["x"], AT["y"], 1], *POINTS[1:]]
    for _ in range(10):
        loss = loss_of(w, points)  # type: ignore[arg-type]
        loss.backward()
        w = [Value(x.data - 0.5 * x.grad) for x in w]
    press = f"{name}.controls.at(-1).press({name}.compute({json.dumps(values)}, {json.dumps(data)}))"
    found = engine.run(press)
    np.testing.assert_allclose(
        found["first"] + found["second"] + found["out"], [x.data for x in w], atol=1e-12
    )


def test_five_presses_file_all_points_rightly(engine: Engine) -> None:
    """As the page says, with its own points and from the explorer's own start."""
    shown: dict[str, Any] = {}
    run_cells("neural_networks", ["explore-net"], show_explorer=lambda name, **more: shown.update(more))
    name, data, at = "labutils.explorers.small_net", json.dumps(shown["data"]), dict(AT)
    own = engine.run(f"Object.fromEntries({name}.controls.map((c) => [c.name, c.value ?? null]))")
    assert {key: own[key] for key in AT} == AT
    rights = []
    for _ in range(5):
        found = f"{name}.compute({json.dumps(at)}, {data})"
        rights.append(engine.run(f"{found}.right"))
        at |= engine.run(f"{name}.controls.at(-1).press({found})")
    rights.append(engine.compute("small_net", at, shown["data"])["right"])
    assert (rights[0], rights[-1], len(shown["data"]["points"])) == (7, 12, 12)


# --- answers for the checks --------------------------------------------------------------------------------


def gradients(x: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    h = np.maximum(x @ W1 + b1, 0)
    d2 = (softmax_of(h @ W2 + b2, 1) - np.eye(len(b2))[y]) / len(x)
    d1 = np.where(h > 0, d2 @ W2.T, 0)
    return x.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)


def gradients_by_torch(x: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    h = torch.relu(x @ W1 + b1)
    d2 = (torch.softmax(h @ W2 + b2, 1) - torch.eye(len(b2))[y]) / len(x)
    d1 = (d2 @ W2.T) * (h > 0)
    return [x.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)]


def gradients_by_examples(x: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    total = [np.zeros_like(part) for part in (W1, b1, W2, b2)]
    for x_i, y_i in zip(x, y, strict=True):
        s = x_i @ W1 + b1
        h = s * (s > 0)
        p = softmax_of(h @ W2 + b2)
        p[y_i] -= 1
        back = W2 @ p * (s > 0)
        for part, share in zip(total, (np.outer(x_i, back), back, np.outer(h, p), p), strict=True):
            part += share / len(x)
    return tuple(total)


def changed(**how: Any) -> Any:
    """The gradients with one mistake: how the output's blame, the mask or the hidden layer is made."""

    def answer(x: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        sums = x @ W1 + b1
        h = np.maximum(sums, 0)
        z, hot = h @ W2 + b2, np.eye(len(b2))[y]
        d2 = how.get("out", lambda z, hot: (softmax_of(z, 1) - hot) / len(z))(z, hot)
        d1 = (d2 @ W2.T) * how.get("mask", lambda s: s > 0)(sums)
        before = sums if how.get("sums") else h
        return (
            x.T @ d1,
            how.get("bias", lambda d: d.sum(0))(d1),
            before.T @ d2,
            how.get("bias", lambda d: d.sum(0))(d2),
        )

    return answer


def gradients_in_place(x: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    sums = x @ W1 + b1
    h = np.maximum(sums, 0)
    d2 = softmax_of(h @ W2 + b2, 1)
    d2[range(len(y)), y] -= 1
    d2 /= len(y)
    d1 = (d2 @ W2.T) * (sums > 0)
    W1[:], b1[:], W2[:], b2[:] = x.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)
    return W1, b1, W2, b2


def gradients_in_lists(*given: Any) -> Any:
    return tuple(part.astype(np.float32).tolist() for part in gradients(*given))


def whole_columns(x: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    h = np.maximum(x @ W1 + b1, 0)
    d2 = softmax_of(h @ W2 + b2, 1)
    d2[:, y] -= 1
    d2 /= len(y)
    d1 = (d2 @ W2.T) * (h > 0)
    return x.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)


def mask_of_the_blame(x: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    h = np.maximum(x @ W1 + b1, 0)
    d2 = (softmax_of(h @ W2 + b2, 1) - np.eye(len(b2))[y]) / len(x)
    d1 = np.maximum(d2 @ W2.T, 0)
    return x.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)


def mask_without_bias(x: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    h = np.maximum(x @ W1 + b1, 0)
    d2 = (softmax_of(h @ W2 + b2, 1) - np.eye(len(b2))[y]) / len(x)
    d1 = (d2 @ W2.T) * (x @ W1 > 0)
    return x.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)


def after_a_step(x: Any, y: Any, *weights: Any) -> Any:
    return [w - g for w, g in zip(weights, gradients(x, y, *weights), strict=True)]


def forgotten_bias(*given: Any) -> Any:
    a, b, c, d = gradients(*given)
    return a, np.zeros_like(b), c, d


def transposed(*given: Any) -> Any:
    a, b, c, d = gradients(*given)
    return a.T, b, c, d


U = np.linspace(-8, 8, 20_001)
WEIGHT = np.exp(-(U**2) / 2) / np.exp(-(U**2) / 2).sum()


def start(slope: Any) -> Any:
    return 1 / np.sum(WEIGHT * slope(U) ** 2)


def start_by_quadrature(slope: Any) -> Any:
    from scipy.integrate import quad

    inside = [
        quad(lambda u: slope(np.array(u)) ** 2 * math.exp(-u * u / 2), a, b)[0] for a, b in ((-9, 0), (0, 9))
    ]
    return math.sqrt(2 * math.pi) / sum(inside)


def start_by_draws(slope: Any) -> Any:
    return 1 / (slope(np.random.default_rng(0).normal(size=2_000_000)) ** 2).mean()


def start_in_float32(slope: Any) -> Any:
    u = torch.linspace(-8, 8, 4001)
    weight = torch.exp(-(u**2) / 2)
    return weight.sum() / (weight * torch.as_tensor(slope(u.numpy())).float() ** 2).sum()


def softplus(a: Any) -> Any:
    y = max(a.data, 0) + math.log1p(math.exp(-abs(a.data)))
    return Value(y, (a,), (expit(a.data),))


def softplus_by_numpy(a: Any) -> Any:
    return Value(np.logaddexp(0, a.data), (a,), ((1 + math.tanh(a.data / 2)) / 2,))


def softplus_by_cases(a: Any) -> Any:
    e = math.exp(-abs(a.data))
    if a.data >= 0:
        return Value(a.data + math.log1p(e), [a], [1 / (1 + e)])
    return Value(math.log1p(e), [a], [e / (1 + e)])


def softplus_in_float32(a: Any) -> Any:
    at = torch.tensor(a.data)
    return Value(F.softplus(at).item(), (a,), (torch.sigmoid(at).item(),))


@functools.cache
def page_value() -> Any:
    return define(*ENGINE)["Value"]


def softplus_of_the_page(a: Any) -> Any:
    """As a reader writes it who has run the page's cells: with the page's class, not labutils'."""
    return page_value()(soft(a.data), (a,), (expit(a.data),))


def overwritten(a: Any) -> Any:
    made = Value(soft(a.data), (a,), (expit(a.data),))
    a.data = made.data
    return made


def plus(value: Any, slope: Any) -> Any:
    return lambda a: Value(value(a.data), (a,), (slope(a.data),))


def soft(a: float) -> float:
    return float(np.logaddexp(0, a))


RIGHT: dict[str, list[Any]] = {
    "blames": [
        [-36, -12, -30],
        (-36.0, -12.0, -30.0),
        np.array([-36, -12, -30], dtype=np.float32),
        [Fraction(-36), -12, -30],
        torch.tensor([-36, -12, -30]),
    ],
    "gradients": [
        gradients,
        gradients_by_torch,
        gradients_by_examples,
        gradients_in_place,
        gradients_in_lists,
    ],
    "start": [start, start_by_quadrature, start_by_draws, start_in_float32],
    "softplus": [softplus, softplus_by_numpy, softplus_by_cases, softplus_in_float32, softplus_of_the_page],
}

WRONG: list[tuple[str, Any, str]] = [
    ("blames", [-36, -30, -12], "order"),
    ("blames", [-30, -12, -36], "order"),
    ("blames", [36, 12, 30], "signs"),
    ("blames", [-18, -6, -30], "multiplied by v"),
    ("blames", [-72, -24, -30], "not by w"),
    ("blames", [6, 2, 5], "slope of p"),
    ("blames", [60, 20, 50], "not p itself"),
    ("blames", [96, 32, 80], "not y"),
    ("blames", [108, 36, 90], "loss itself"),
    ("blames", [-12, -12, -30], "times x"),
    ("blames", [-36, 0, -30], "slope 1"),
    ("blames", [-36, -36, -30], "added"),
    ("blames", [-36, -12, -6], "times h"),
    ("blames", [-36, -12, -18], "meets h"),
    ("blames", [-36, -12, -60], "times p"),
    ("blames", [-36, -12, -12], "blame of h"),
    ("blames", [-72, -24, -60], "twice"),
    ("blames", [0, 0, -30], "is on"),
    ("blames", [-180, -60, -30], "not h = 5"),
    ("blames", [-48, -12, -30], "not times w"),
    ("blames", [1, 2, 3], "one slope at a time"),
    ("blames", [12, 4], "shape"),
    ("gradients", changed(out=lambda z, hot: softmax_of(z, 1) - hot), "divide by its size"),
    ("gradients", changed(out=lambda z, hot: (hot - softmax_of(z, 1)) / len(z)), "signs"),
    ("gradients", changed(out=lambda z, hot: softmax_of(z, 1) / len(z)), "subtract 1"),
    ("gradients", changed(mask=lambda s: 1), "no blame goes through"),
    ("gradients", changed(mask=lambda s: s < 0), "not where it was negative"),
    ("gradients", changed(mask=lambda s: np.maximum(s, 0)), "0 or 1"),
    ("gradients", changed(sums=True), "behind the ReLU"),
    ("gradients", changed(out=lambda z, hot: (z - hot) / len(z)), "softmax of z"),
    ("gradients", changed(out=lambda z, hot: (expit(z) - hot) / len(z)), "sigmoid for each"),
    (
        "gradients",
        changed(
            out=lambda z, hot: (softmax_of(z, 1) - hot) * softmax_of(z, 1) * (1 - softmax_of(z, 1)) / len(z)
        ),
        "no slope of the output",
    ),
    ("gradients", changed(out=lambda z, hot: (softmax_of(z, 0) - hot) / len(z)), "not over the batch"),
    ("gradients", changed(bias=lambda d: d.mean(0)), "sums over the batch"),
    ("gradients", changed(bias=lambda d: d), "row for each example"),
    ("gradients", transposed, "transposed"),
    ("gradients", whole_columns, "whole columns"),
    ("gradients", mask_of_the_blame, "not of the blame"),
    ("gradients", mask_without_bias, "bias included"),
    ("gradients", after_a_step, "after a step"),
    ("gradients", lambda *given: [part / math.log(2) for part in gradients(*given)], "in bits"),
    ("gradients", lambda *given: [part / 2 for part in gradients(*given)], "no ½"),
    ("gradients", forgotten_bias, "right: W1, W2, b2"),
    ("gradients", lambda *given: gradients(*given)[:3], "tuple of four"),
    ("gradients", lambda *given: gradients(*given)[0], "tuple of four"),
    ("gradients", lambda *given: [1.3 * part for part in gradients(*given)], "expected"),
    ("start", lambda slope: 1 / start(slope), "one over it"),
    ("start", lambda slope: 1 / np.sum(WEIGHT * slope(U)), "square the slope"),
    ("start", lambda slope: 1 / np.sum(WEIGHT * slope(U)) ** 2, "square of the mean"),
    ("start", lambda slope: math.sqrt(start(slope)), "root"),
    ("start", lambda slope: start(slope) ** 2, "c²"),
    ("start", lambda slope: 1 / (slope(U) ** 2).mean(), "normal density"),
    ("start", lambda slope: 1 / (slope(np.linspace(-1, 1, 10_001)) ** 2).mean(), "uniform"),
    ("start", lambda slope: 1 / (slope(np.linspace(0, 1, 10_001)) ** 2).mean(), "uniform"),
    ("start", lambda slope: 1 / np.sum(WEIGHT * slope(abs(U)) ** 2), "only positive u"),
    ("start", lambda slope: 1 / ((b := np.exp(-(U**2))) @ slope(U) ** 2 / b.sum()), "has u²/2"),
    ("start", lambda slope: 1 / (0.0008 * (np.exp(-(U**2) / 2) @ slope(U) ** 2)), "√(2π)"),
    ("start", lambda slope: 1 / (slope(U) ** 2).sum(), "a sum where"),
    ("start", lambda slope: 1 / (WEIGHT @ slope(U) ** 2 - (WEIGHT @ slope(U)) ** 2), "variance"),
    ("start", lambda slope: -start(slope), "positive"),
    ("start", lambda slope: 2.0, "the ReLU's c"),
    ("start", lambda slope: start(slope) * 1.04, "near"),
    ("start", lambda slope: start(slope) / 3, "a third"),
    ("start", lambda slope: 7.0, "expected"),
    ("start", lambda slope: slope(U), "expected one number"),
    ("softplus", plus(lambda a: max(a, 0.0), expit), "that is the ReLU"),
    ("softplus", plus(soft, soft), "softplus itself"),
    ("softplus", plus(soft, lambda a: math.exp(a) if a < 700 else 1), "exponential alone"),
    ("softplus", plus(soft, lambda a: expit(-a)), "on top is missing"),
    ("softplus", plus(soft, lambda a: expit(a) * (1 - expit(a))), "slope of the sigmoid"),
    ("softplus", plus(soft, lambda a: float(a > 0)), "bends gradually"),
    ("softplus", plus(soft, math.tanh), "not tanh"),
    ("softplus", plus(soft, lambda a: -expit(a)), "sign"),
    ("softplus", plus(soft, lambda a: 1.0), "everywhere"),
    ("softplus", plus(lambda a: soft(-a), expit), "sign of a"),
    ("softplus", plus(lambda a: math.log1p(math.exp(-abs(a))), expit), "max(a, 0)"),
    ("softplus", plus(lambda a: math.log1p(math.exp(a)), expit), "overflows"),
    ("softplus", plus(lambda a: float(np.log(1 + np.exp(a))), expit), "overflows"),
    ("softplus", plus(lambda a: soft(a) if abs(a) < 3 else max(a, 0.0), expit), "that is the ReLU"),
    ("softplus", plus(soft, lambda a: expit(a) / math.log(2)), "base 2"),
    ("softplus", overwritten, "changes the number"),
    ("softplus", lambda a: Value(soft(a.data), (a.data,), (expit(a.data),)), "not `a.data`"),
    ("softplus", lambda a: (1 + a.exp()).log(), "several operations"),
    ("softplus", lambda a: soft(a.data), "expected a Value"),
    ("softplus", lambda a: Value(soft(a.data)), "not among the parts"),
    ("softplus", lambda a: Value(soft(a.data), a, expit(a.data)), "tuples, also of one"),
]
