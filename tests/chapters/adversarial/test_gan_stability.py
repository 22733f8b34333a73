"""The chapter on the stability of GANs: page = package and libraries, its explorer, answers for checks."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Engine
from labutils import adversarial
from labutils.games import RULES, growth, path
from places import run_cells

GLOBALS = {"math": math, "np": np, "torch": torch, "F": F, "NamedTuple": NamedTuple}


def define(*cells: str, **more: Any) -> dict[str, Any]:
    """The names that cells of the page define, with its imports but none of its data."""
    known = {name: getattr(adversarial, name) for name in ("forward", "new_net", "ring", "ring_centres")}
    return run_cells("gan_stability", cells, **GLOBALS, **known, **more)


# --- the page equals the package and the libraries ---------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("rate", "brake"), [(0.1, 0.0), (0.3, 0.2), (0.02, 1.0)])
def test_walk_equals_path(rule: str, rate: float, brake: float) -> None:
    walk = define("walk")["walk"]
    np.testing.assert_allclose(
        walk(rule, 60, rate, brake, 0.7, -1.1), path(rule, 60, rate, brake, (0.7, -1.1))
    )


def test_theory_equals_growth() -> None:
    theory = define("walk", "growth")["theory"]
    assert {rule: pytest.approx(growth(rule, 0.1)) for rule in RULES} == theory


def test_spectral_equals_the_singular_value_and_keeps_its_vector() -> None:
    page = define("bank", "spectral")
    net = adversarial.new_net(3, [5, 7, 2], torch.Generator().manual_seed(0))
    normed = page["Spectral"](True, 200)
    for w in normed(net)[::2]:
        torch.testing.assert_close(torch.linalg.matrix_norm(w, 2), torch.ones(3), rtol=1e-3, atol=1e-3)
    assert [part is other for part, other in zip(net, normed(net), strict=True)] == [False, True] * 2
    assert page["Spectral"](False)(net) is net


def test_spectral_has_the_slope_of_torchs() -> None:
    """σ depends on W: the slope of W/σ is not that of W divided by a constant."""
    page = define("bank", "spectral")
    layer = torch.nn.utils.parametrizations.spectral_norm(
        torch.nn.Linear(4, 3, bias=False), n_power_iterations=100
    )
    w = layer.parametrizations.weight.original.detach().T[None].clone().requires_grad_()
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    out = x @ page["Spectral"](True, 200)([w, torch.zeros(1, 1, 3)])[0][0]
    (out**3).sum().backward()
    (layer(x) ** 3).sum().backward()
    theirs = layer.parametrizations.weight.original.grad
    torch.testing.assert_close(w.grad[0].T, theirs, rtol=2e-3, atol=2e-3)


def test_slopes_of_critics_equal_finite_differences() -> None:
    page = define("bank", "losses", "penalties")
    d = [part.double() for part in adversarial.new_net(2, [2, 8, 1], torch.Generator().manual_seed(1))]
    x = torch.randn(2, 5, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = page["slope_at"](d, x)
    h = 1e-6
    steps = [h * torch.eye(2, dtype=torch.float64)[k] for k in range(2)]
    pieces = [(adversarial.forward(d, x + s) - adversarial.forward(d, x - s)) / (2 * h) for s in steps]
    torch.testing.assert_close(found, torch.cat(pieces, 2).square().sum(2), rtol=1e-5, atol=1e-7)


def test_losses_are_those_of_the_papers() -> None:
    losses = define("bank", "losses")["LOSSES"]
    a, b = torch.tensor([[[0.3]], [[-1.0]]]), torch.tensor([[[2.0]], [[0.1]]])
    critic, maker = losses["log"]
    torch.testing.assert_close(critic(a, b), -(a.sigmoid().log() + (1 - b.sigmoid()).log()))
    torch.testing.assert_close(maker(b), -b.sigmoid().log())
    a2, b2 = torch.randn(2, 3, 2), torch.randn(2, 3, 2)
    critic, maker = losses["two critics"]
    p, q = F.softplus(a2), F.softplus(b2)
    gain = 0.2 * p[..., 0].log() - q[..., 0] - p[..., 1] + 0.1 * q[..., 1].log()
    torch.testing.assert_close(critic(a2, b2)[..., 0], -gain)
    torch.testing.assert_close(maker(b2)[..., 0], -q[..., 0] + 0.1 * q[..., 1].log())


def test_gradients_are_cut_run_by_run_and_keep_their_direction() -> None:
    cut = define("bank", "losses", "penalties", "spectral", "recipe")["cut"]
    slopes = [torch.randn(3, 4, 5), torch.randn(3, 1, 5)]
    slopes[0][1], slopes[1][1] = 1e-4 * slopes[0][1], 1e-4 * slopes[1][1]  # one run is short already
    short = cut(slopes, 0.1)
    flat = [torch.cat([part.flatten(1) for part in parts], 1) for parts in (slopes, short)]
    lengths = flat[1].norm(dim=1)
    torch.testing.assert_close(lengths[[0, 2]], torch.full((2,), 0.1))
    torch.testing.assert_close(flat[1][1], flat[0][1])
    torch.testing.assert_close(F.cosine_similarity(*flat, dim=1), torch.ones(3))
    assert cut(slopes, 0.0) is slopes


def test_each_run_has_its_own_rate_and_no_run_moves_another() -> None:
    page = define("bank")
    net = page["begin"]([2, 3, 1], 0)
    torch.testing.assert_close(net[0][:8], net[0][8:])  # the same starts at each rate
    before = [part.detach().clone() for part in net]
    slopes = [torch.zeros_like(part) for part in net]
    slopes[0][2], slopes[0][10] = 1.0, 1.0
    page["Adam"](net, page["rate"]).step(slopes)
    moved = (net[0] - before[0]).detach().abs().amax((1, 2))
    assert moved.nonzero().flatten().tolist() == [2, 10]
    torch.testing.assert_close(
        moved[[2, 10]], torch.tensor([3e-3, 9e-3]), rtol=1e-3, atol=0
    )  # Adam's first step


def speakers() -> dict[str, Any]:
    import itertools

    return define("bank", "losses", "penalties", "grammar", "speaker", "judge", "learn", itertools=itertools)


def test_a_speaker_speaks_as_its_exact_probabilities_say() -> None:
    page = speakers()
    net = page["begin"](page["SPEAKER"], 7)
    x = page["speak"](net, 300, torch.Generator().manual_seed(0))
    assert x.shape == (16, 300, 5, 13)
    assert torch.equal(x.sum(3), torch.ones(16, 300, 5))
    first = x[:, :, 0].mean(1)  # shares of the first words
    wanted = page["logits_of"](net, x)[:, 0, 0].softmax(-1)
    assert (first - wanted).abs().max() < 0.12
    changed = x.clone()
    changed[:, :, 3:] = changed[:, :, 3:].roll(1, -1)  # what comes later does not matter
    torch.testing.assert_close(page["logits_of"](net, x)[:, :, :4], page["logits_of"](net, changed)[:, :, :4])


def test_the_slope_passes_through_soft_choices_alone() -> None:
    page = speakers()
    net = page["begin"](page["SPEAKER"], 7)
    soft = page["speak"](net, 4, torch.Generator().manual_seed(0), tau=1.0)
    assert torch.equal(
        soft.detach().round(decimals=4), page["speak"](net, 4, torch.Generator().manual_seed(0))
    )
    assert soft.requires_grad
    assert not page["speak"](net, 4, torch.Generator().manual_seed(0)).requires_grad


def test_a_table_of_the_truth_is_judged_perfect() -> None:
    page = speakers()
    assert len(page["language"]) == 192
    assert page["truth"].sum() == pytest.approx(1, abs=1e-5)
    for sentence in page["language"]:
        assert sentence[0] != "a" or not sentence[1].endswith("s")
        assert sentence[0] != "two" or sentence[1].endswith("s")
        assert sentence[1].rstrip("s") != sentence[4].rstrip("s")
        assert (sentence[1][-1] == "s") != (sentence[2][-1] == "s")


# --- the explorer ------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    rule=st.sampled_from(RULES), rate=st.floats(0.02, 0.5), brake=st.floats(0, 1), steps=st.integers(10, 300)
)
def test_explorer_equals_path(engine: Engine, rule: str, rate: float, brake: float, steps: int) -> None:
    found = engine.compute("rotation", {"rule": rule, "rate": rate, "brake": brake, "steps": steps})
    points = path(rule, steps, rate, brake)
    np.testing.assert_allclose(found["points"], points, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found["radii"], np.hypot(*points.T), rtol=1e-8, atol=1e-10)
    assert found["meanRadius"] == pytest.approx(float(np.hypot(*points.mean(0))), rel=1e-8, abs=1e-10)


# --- answers for the checks --------------------------------------------------------------------------------


def stretch(w: Any, n_step: int) -> Any:
    u = np.ones(w.shape[1]) + 0.1 * np.arange(w.shape[1])
    for _ in range(n_step):
        v = w @ u
        u = w.T @ v
        u /= np.linalg.norm(u)
    return np.linalg.norm(w @ u)


def stretch_by_torch(w: Any, n_step: int) -> Any:
    w = torch.tensor(w)
    u = F.normalize(torch.randn(w.shape[1], generator=torch.Generator().manual_seed(3)).double(), dim=0)
    for _ in range(n_step):
        v = F.normalize(w @ u, dim=0)
        u = F.normalize(w.T @ v, dim=0)
    return v @ w @ u


def stretch_by_lists(w: Any, n_step: int) -> Any:
    rows = np.asarray(w).tolist()
    u = [1.0 + 0.3 * j for j in range(len(rows[0]))]
    for _ in range(n_step):
        v = [sum(a * b for a, b in zip(row, u, strict=True)) for row in rows]
        u = [sum(row[j] * b for row, b in zip(rows, v, strict=True)) for j in range(len(u))]
        size = math.sqrt(sum(x * x for x in u))
        u = [x / size for x in u]
    return math.sqrt(sum(sum(a * b for a, b in zip(row, u, strict=True)) ** 2 for row in rows))


def values(w: Any) -> Any:
    return np.linalg.svd(w, compute_uv=False)


def reinforce(q: Any, f: Any, drawn: Any, b: float) -> Any:
    return ((f[drawn] - b)[:, None] * (np.eye(len(q))[drawn] - q)).mean(0)


def reinforce_by_loops(q: Any, f: Any, drawn: Any, b: float) -> Any:
    total = [0.0] * len(q)
    for k in drawn.tolist():
        for j in range(len(q)):
            total[j] += (f[k] - b) * ((j == k) - q[j]) / len(drawn)
    return total


def reinforce_by_autograd(q: Any, f: Any, drawn: Any, b: float) -> Any:
    z = torch.tensor(q).log().requires_grad_()
    gain = torch.tensor(f)[torch.tensor(drawn)] - b
    (gain * z.log_softmax(0)[torch.tensor(drawn)]).mean().backward()
    return z.grad


def ahead(slopes: Any, x: Any, y: Any, rate: float) -> Any:
    a, b = slopes(x, y)
    c, d = slopes(x + rate * a, y + rate * b)
    return x + rate * c, y + rate * d


def ahead_by_arrays(slopes: Any, x: Any, y: Any, rate: float) -> Any:
    at = np.array([x, y])
    return at + rate * np.array(slopes(*(at + rate * np.array(slopes(*at)))))


def ahead_by_torch(slopes: Any, x: Any, y: Any, rate: float) -> Any:
    half = [float(p + rate * s) for p, s in zip((x, y), slopes(x, y), strict=True)]
    return torch.tensor([x, y]).double() + rate * torch.tensor([float(s) for s in slopes(*half)]).double()


def hot(q: Any, drawn: Any) -> Any:
    return np.eye(len(q))[drawn]


def two_steps(slopes: Any, x: Any, y: Any, rate: float) -> Any:
    for _ in range(2):
        a, b = slopes(x, y)
        x, y = x + rate * a, y + rate * b
    return x, y


def plain(slopes: Any, x: Any, y: Any, rate: float) -> Any:
    a, b = slopes(x, y)
    return x + rate * a, y + rate * b


def in_turn(slopes: Any, x: Any, y: Any, rate: float) -> Any:
    x = x + rate * slopes(x, y)[0]
    return x, y + rate * slopes(x, y)[1]


def mean_of_both(slopes: Any, x: Any, y: Any, rate: float) -> Any:
    a, b = slopes(x, y)
    c, d = slopes(x + rate * a, y + rate * b)
    return x + rate * (a + c) / 2, y + rate * (b + d) / 2


def stretch_in_float32(w: Any, n_step: int) -> Any:
    """In place, from the left, in float32."""
    w = w.astype(np.float32)
    w /= np.float32(2)
    v = np.ones(len(w), np.float32)
    for _ in range(n_step):
        u = v @ w
        u /= np.linalg.norm(u)
        v = w @ u
        size = np.linalg.norm(v)
        v /= size
    return 2 * size


def turned(w: Any, n_step: int, shorten: Any = np.linalg.norm) -> Any:
    """Where a vector has turned to, shortened in each round by whatever is asked for."""
    u = np.ones(w.shape[1])
    for _ in range(n_step):
        u = w.T @ (w @ u)
        u /= shorten(u)
    return u


def square_alone(w: Any, n_step: int) -> Any:
    u = np.ones(w.shape[0])
    for _ in range(n_step):
        u = w.T @ (w @ u)
        u /= np.linalg.norm(u)
    return np.linalg.norm(w @ u)


def reinforce_in_place(q: Any, f: Any, drawn: Any, b: float) -> Any:
    f -= b
    total = -q * f[drawn].sum()
    np.add.at(total, drawn, f[drawn])
    total /= len(drawn)
    return total


def reinforce_in_float32(q: Any, f: Any, drawn: Any, b: float) -> Any:
    q, f = torch.tensor(q, dtype=torch.float32), torch.tensor(f, dtype=torch.float32)
    choice = F.one_hot(torch.tensor(drawn), len(q))
    return ((f[drawn] - b)[:, None] * (choice - q)).mean(0)


def last_alone(q: Any, f: Any, drawn: Any, b: float) -> Any:
    total = np.zeros(len(q))
    total[drawn] += f[drawn] - b
    return (total - q * (f[drawn] - b).sum()) / len(drawn)


def ahead_in_float32(slopes: Any, x: Any, y: Any, rate: float) -> Any:
    return [np.float32(part) for part in ahead(slopes, np.float32(x), np.float32(y), np.float32(rate))]


def second_looks_from_the_new_x(slopes: Any, x: Any, y: Any, rate: float) -> Any:
    a, b = slopes(*in_turn(slopes, x, y, rate))
    return x + rate * a, y + rate * b


def three_calls(slopes: Any, x: Any, y: Any, rate: float) -> Any:
    a, b = slopes(*ahead(slopes, x, y, rate))
    return x + rate * a, y + rate * b


def look(part: float, step: float, turn: tuple[int, int] = (1, 1)) -> Any:
    """A look `part` rates ahead and a step of `step` rates, with signs turned."""

    def answer(slopes: Any, x: Any, y: Any, rate: float) -> Any:
        a, b = slopes(x, y)
        a, b = slopes(x + turn[0] * part * rate * a, y + turn[1] * part * rate * b)
        return x + turn[0] * step * rate * a, y + turn[1] * step * rate * b

    return answer


RIGHT: dict[str, list[Any]] = {
    "radius": [1.04**50, 7.107, 7.11, np.float32(7.1067), torch.tensor(7.1067)],
    "stretch": [stretch, stretch_by_torch, stretch_by_lists, stretch_in_float32, lambda w, n: values(w)[0]],
    "reinforce": [
        reinforce,
        reinforce_by_loops,
        reinforce_by_autograd,
        reinforce_in_place,
        reinforce_in_float32,
    ],
    "ahead": [ahead, ahead_by_arrays, ahead_by_torch, ahead_in_float32],
}

WRONG: list[tuple[str, Any, str]] = [
    ("radius", 50.5, "squared distance"),
    ("radius", 7.389, "limit of small rates"),
    ("radius", 1.2**100, "Pythagoras"),
    ("radius", 1, "infinitely small"),
    ("radius", 0.1407, "lead out"),
    ("radius", 1.6446, "rate 0.1"),
    ("radius", 10.05, "distance 1"),
    ("radius", 3.0, "compounds"),
    ("radius", 1.0198, "one step"),
    ("radius", 0.1, "which factor"),
    ("radius", 1.2**50, "√(1 + η) a step"),
    ("radius", 2.666, "taken twice"),
    ("radius", 0.1299, "does not shrink"),
    ("radius", 102, "factors multiply"),
    ("radius", 5, "not by a sum"),
    ("radius", 21, "stands across"),
    ("radius", 7, "three digits"),
    ("radius", "7.1", "expected one number"),
    ("stretch", lambda w, n: values(w)[0] ** 2, "σ²"),
    ("stretch", lambda w, n: np.linalg.norm(w), "Frobenius"),
    ("stretch", lambda w, n: values(w).sum(), "sum of all singular"),
    ("stretch", lambda w, n: values(w)[-1], "smallest"),
    ("stretch", lambda w, n: values(w)[1], "second"),
    ("stretch", lambda w, n: 1 / values(w)[0], "1/σ"),
    ("stretch", lambda w, n: -values(w)[0], "sign is not"),
    ("stretch", lambda w, n: abs(w).max(), "largest entry"),
    ("stretch", lambda w, n: np.linalg.norm(w, axis=0).max(), "longest column"),
    ("stretch", lambda w, n: np.linalg.norm(w, axis=1).max(), "longest row"),
    ("stretch", lambda w, n: abs(w).sum(1).max(), "a row's sizes"),
    ("stretch", lambda w, n: abs(w).sum(0).max(), "a column's sizes"),
    ("stretch", lambda w, n: abs(np.linalg.eigvals(w)).max(), "eigenvalue"),
    ("stretch", lambda w, n: np.linalg.norm(w @ np.full(w.shape[1], w.shape[1] ** -0.5)), "go on turning"),
    ("stretch", lambda w, n: w / values(w)[0], "expected one number"),
    ("stretch", lambda w, n: 1.0, "length of u"),
    ("stretch", lambda w, n: np.linalg.norm(w.T @ w), "all of WᵀW"),
    ("stretch", lambda w, n: np.sqrt(((w @ turned(w, n)) ** 2).mean()), "mean square"),
    ("stretch", lambda w, n: np.linalg.norm(w @ turned(w, n, lambda u: 1)), "divide u by its length"),
    ("stretch", lambda w, n: np.linalg.norm(w @ turned(w, n, np.sum)), "divide u by its length"),
    ("stretch", lambda w, n: np.linalg.norm(w @ turned(w, n, np.max)), "divide u by its length"),
    ("stretch", lambda w, n: abs(w @ turned(w, n)).sum(), "divide u by its length"),
    ("stretch", lambda w, n: np.linalg.norm(w @ turned(w, 1)), "too little"),
    ("stretch", lambda w, n: abs(w @ turned(w, n)).max(), "too little"),
    ("stretch", lambda w, n: w @ turned(w, n), "expected one number"),
    ("stretch", square_alone, "not square"),
    ("reinforce", lambda q, f, k, b: -reinforce(q, f, k, b), "signs are turned"),
    ("reinforce", lambda q, f, k, b: reinforce(q, f, k, 0), "baseline is missing"),
    ("reinforce", lambda q, f, k, b: reinforce(q, f, k, -b), "taken away"),
    ("reinforce", lambda q, f, k, b: reinforce(q, f, k, b) * len(k), "sum over the draws"),
    ("reinforce", lambda q, f, k, b: ((f[k] - b)[:, None] * hot(q, k)).mean(0), "− q is missing"),
    ("reinforce", lambda q, f, k, b: ((f[k] - b)[:, None] * hot(q, k) / q).mean(0), "of the logits"),
    ("reinforce", lambda q, f, k, b: reinforce(q, f, k, b) * q, "once more"),
    ("reinforce", lambda q, f, k, b: reinforce(q, f, k, f[k].mean()), "draws' mean"),
    ("reinforce", lambda q, f, k, b: q * (f - q @ f), "exact slope"),
    ("reinforce", lambda q, f, k, b: (f[k] - b).mean() * (hot(q, k) - q).mean(0), "its own score"),
    (
        "reinforce",
        lambda q, f, k, b: ((f[k] - b)[:, None] * (hot(q, k) - 1 / len(q))).mean(0),
        "equally likely",
    ),
    (
        "reinforce",
        lambda q, f, k, b: ((f[k] - b)[:, None] * np.log(q)[k][:, None] * (hot(q, k) - q)).mean(0),
        "slope of log q",
    ),
    ("reinforce", lambda q, f, k, b: (f[k] - b)[:, None] * (hot(q, k) - q), "shape"),
    (
        "reinforce",
        lambda q, f, k, b: ((f[k] - b)[:, None] * (hot(q, k) - q[k][:, None])).mean(0),
        "word drawn",
    ),
    ("reinforce", last_alone, "drawn twice"),
    ("reinforce", lambda q, f, k, b: ((f[k] - b)[:, None] * (hot(q, k) / q - 1)).mean(0), "for a logit"),
    ("reinforce", lambda q, f, k, b: reinforce(q, f, k, b) * len(k) / len(q), "number of words"),
    ("reinforce", lambda q, f, k, b: reinforce(q, f, k, b) * len(k) / (len(k) - 1), "n − 1"),
    ("reinforce", lambda q, f, k, b: ((f - b) * (hot(q, k) - q)).mean(0), "f[drawn]"),
    ("reinforce", lambda q, f, k, b: ((f[k] - b)[:, None] * hot(q, k) * (1 - q)).mean(0), "not drawn"),
    ("reinforce", lambda q, f, k, b: ((f[k] - b)[:, None] * hot(q, k) - q).mean(0), "not hot alone"),
    (
        "reinforce",
        lambda q, f, k, b: ((f[k] - b)[:, None] * (hot(q, k) - np.exp(q) / np.exp(q).sum())).mean(0),
        "no softmax",
    ),
    ("reinforce", lambda q, f, k, b: q * (f - b), "over all words"),
    ("reinforce", lambda q, f, k, b: reinforce(q, f, k, b) / f[k].std(), "spread of the scores"),
    ("reinforce", lambda q, f, k, b: ((f[k] - b)[:, None] * (hot(q, k) - q)).mean(1), "shape"),
    ("ahead", second_looks_from_the_new_x, "started from u"),
    ("ahead", three_calls, "not three"),
    ("ahead", lambda s, x, y, r: ahead(s, *plain(s, x, y, r), r), "not at the place ahead"),
    ("ahead", lambda s, x, y, r: ahead(s, x, y, 1.0), "in both halves"),
    ("ahead", lambda s, x, y, r: (x - r * (y + r * x), y + r * (x - r * y)), "x · y alone"),
    ("ahead", lambda s, x, y, r: ahead(s, x, y, r)[0], "shape"),
    ("ahead", look(0.5, 1), "half a rate far"),
    ("ahead", look(1, 0.5), "half a step"),
    ("ahead", look(0, 2), "twice the slopes here"),
    ("ahead", look(1, 1, (-1, 1)), "points down already"),
    ("ahead", lambda s, x, y, r: look(1, r)(s, x, y, r), "rate is in it twice"),
    ("ahead", plain, "never looks"),
    ("ahead", two_steps, "two steps in a row"),
    ("ahead", in_turn, "alternating"),
    ("ahead", mean_of_both, "the mean of both"),
    (
        "ahead",
        lambda s, x, y, r: tuple(
            p + r * (2 * c - a) for p, a, c in zip((x, y), s(x, y), s(*plain(s, x, y, r)), strict=True)
        ),
        "take them once",
    ),
    ("ahead", lambda s, x, y, r: ahead(s, x, y, -r), "both times"),
    (
        "ahead",
        lambda s, x, y, r: tuple(2 * p - q for p, q in zip((x, y), ahead(s, x, y, r), strict=True)),
        "add them",
    ),
    ("ahead", lambda s, x, y, r: ahead(s, x, y, r)[::-1], "exchanged"),
    ("ahead", lambda s, x, y, r: s(*plain(s, x, y, r)), "make a step"),
    (
        "ahead",
        lambda s, x, y, r: (x + r * s(x + r * s(x, y)[0], y)[0], y + r * s(x, y + r * s(x, y)[1])[1]),
        "looks ahead alone",
    ),
    (
        "ahead",
        lambda s, x, y, r: tuple(p + q for p, q in zip((x, y), s(*plain(s, x, y, r)), strict=True)),
        "rate is missing",
    ),
    ("ahead", lambda s, x, y, r: plain(s, *plain(s, x, y, r), r)[0], "expected"),
]
