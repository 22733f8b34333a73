"""The uncertainty chapter: page = package, its explorer, answers for its checks."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax

from engine import Engine
from labutils import calibration as library
from places import run_cells


def define(*cells: str, **more: Any) -> dict[str, Any]:
    """The names that cells of the page define, with its imports but none of its data."""
    return run_cells("uncertainty", cells, math=math, np=np, Fraction=Fraction, **more)


def draw(n: int = 400, n_class: int = 3, seed: int = 0) -> tuple[Any, Any]:
    """Logits (n, n_class) that are twice too large, and the truths."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, n_class))
    return 2 * z, np.array([rng.choice(n_class, p=p) for p in softmax(z, -1)])


# --- the page equals the package ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_scores_and_errors(seed: int) -> None:
    page = define("scores", "ece", "bias", "select")
    z, y = draw(seed=seed)
    p = library.softmax(z)
    assert page["log_loss"](p, y) == pytest.approx(library.log_loss(p, y))
    assert page["brier"](p, y) == pytest.approx(library.brier(p, y))
    said, right = library.confidence(p, y)
    for ours, theirs in zip(page["confidence"](p, y), (said, right), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for n_bins in (1, 7, 15):
        for ours, theirs in zip(
            page["bins_of"](said, right, n_bins), library.reliability(said, right, n_bins), strict=True
        ):
            np.testing.assert_allclose(ours, theirs)
        assert page["ece"](said, right, n_bins) == pytest.approx(
            library.calibration_error(said, right, n_bins)
        )
        assert page["chance"](said, n_bins) == pytest.approx(library.bias_if_calibrated(said, n_bins))
    np.testing.assert_allclose(page["risk_at"](said, right, [1, 0.5]), library.risk_at(said, right, [1, 0.5]))


@pytest.mark.parametrize("seed", range(3))
def test_temperature_and_sets(seed: int) -> None:
    page = define("temper", "conformal", "weighted", softmax=library.softmax)
    z, y = draw(seed=seed)
    assert page["fit_temperature"](z, y) == pytest.approx(library.fit_temperature(z, y))
    scores = library.lac_scores(library.softmax(z), y)
    for n in (5, 59, 400):
        for alpha in (0.05, 0.1, 0.3):
            assert page["conformal_rank"](n, alpha) == library.conformal_rank(n, alpha)
            ours = page["conformal_quantile"](scores[:n], alpha)
            assert ours == library.conformal_quantile(scores[:n], alpha)
    weights = np.random.default_rng(seed).random(400)
    np.testing.assert_array_equal(
        page["weighted_quantile"](scores, weights, weights[:9], 0.1),
        library.weighted_quantile(scores, weights, weights[:9], 0.1),
    )


# --- the explorer ------------------------------------------------------------------------------------------

Z, Y = draw(1500, seed=4)
DATA = {"z": Z.round(2).tolist(), "y": Y.tolist()}


@pytest.mark.parametrize(("tau", "bins", "n"), [(1, 15, 1500), (2.1, 4, 300), (0.3, 60, 50), (10, 2, 1000)])
def test_explorer_equals_the_measures(engine: Engine, tau: float, bins: int, n: int) -> None:
    found = engine.compute("reliability", {"tau": tau, "bins": bins, "n": n}, DATA)
    p, y = library.softmax(Z.round(2)[:n], tau), Y[:n]
    said, right = library.confidence(p, y)
    assert found["ece"] == pytest.approx(library.calibration_error(said, right, bins), abs=1e-9)
    assert found["chance"] == pytest.approx(library.bias_if_calibrated(said, bins), abs=1e-9)
    assert found["bits"] == pytest.approx(library.log_loss(p, y), abs=1e-9)
    assert found["brier"] == pytest.approx(library.brier(p, y), abs=1e-9)
    steps = library.reliability(said, right, bins)
    np.testing.assert_allclose([step["right"] for step in found["steps"]], steps.accuracy)
    np.testing.assert_allclose([step["size"] for step in found["steps"]], steps.size)


# --- answers for the checks --------------------------------------------------------------------------------


def equal_counts(said: Any, right: Any, n_bins: int) -> Any:
    order = np.argsort(said)
    return np.mean(
        [
            abs(r.mean() - s.mean())
            for s, r in zip(
                np.split(said[order], n_bins), np.split(np.asarray(right)[order], n_bins), strict=True
            )
        ]
    )


def equal_counts_by_lists(said: Any, right: Any, n_bins: int) -> Any:
    pairs = sorted(zip(said.tolist(), right.tolist(), strict=True))
    m = len(pairs) // n_bins
    groups = [pairs[i * m : (i + 1) * m] for i in range(n_bins)]
    return sum(abs(sum(r - s for s, r in group)) / m for group in groups) / n_bins


def equal_counts_by_torch(said: Any, right: Any, n_bins: int) -> Any:
    import torch

    said, order = torch.tensor(said).sort()
    return (torch.tensor(right)[order] - said).view(n_bins, -1).mean(1).abs().mean()


def groups(said: Any, right: Any, n_bins: int) -> Any:
    order = np.argsort(said)
    return right[order].reshape(n_bins, -1).mean(1) - said[order].reshape(n_bins, -1).mean(1)


def gaps_by(s: Any, r: Any, order: Any, n: int, axis: int = 1) -> Any:
    """Mean gaps, in size, of groups along an order."""
    return abs((r - s)[order].reshape(n, -1).mean(axis))


def equal_counts_by_loop(said: Any, right: Any, n_bins: int) -> Any:
    order, total = sorted(range(len(said)), key=said.__getitem__), 0.0
    m = len(order) // n_bins
    for b in range(n_bins):
        held = order[b * m : (b + 1) * m]
        total += abs(sum(right[i] for i in held) / m - sum(said[i] for i in held) / m)
    return total / n_bins


def equal_counts_in_place(said: Any, right: Any, n_bins: int) -> Any:
    order = said.argsort()
    said[:], right[:] = said[order], right[order]
    right -= said
    return abs(right.astype(np.float32).reshape(n_bins, -1).mean(1)).mean()


def equal_counts_by_quantiles(said: Any, right: Any, n_bins: int) -> Any:
    edges = np.quantile(said, np.linspace(0, 1, n_bins + 1))
    at = np.digitize(said, edges[1:-1])
    return np.mean([abs(right[at == b].mean() - said[at == b].mean()) for b in range(n_bins)])


def widths(said: Any, right: Any, n_bins: int) -> Any:
    return library.calibration_error(said, right, n_bins)


def loss_of(z: Any, y: Any, t: Any) -> Any:
    return np.logaddexp(0, -(2 * y - 1) * z / t).mean()


GRID = np.geomspace(0.1, 20, 4000)


def temperature(z: Any, y: Any) -> Any:
    return GRID[np.argmin([loss_of(z, y, t) for t in GRID])]


def temperature_by_scipy(z: Any, y: Any) -> Any:
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(lambda s: loss_of(z, y, math.exp(s)), bounds=(-2.3, 3), method="bounded")
    return math.exp(found.x)


def temperature_by_halving(z: Any, y: Any) -> Any:
    two = np.stack([np.zeros_like(z), z], 1)
    return library.fit_temperature(two, y, 0.1, 20)


def temperature_by_torch(z: Any, y: Any) -> Any:
    import torch

    z, y, beta = torch.tensor(z), torch.tensor(y).double(), torch.ones((), dtype=torch.float64)
    beta.requires_grad_()
    solver = torch.optim.LBFGS([beta], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Any:
        solver.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(beta * z, y)
        loss.backward()
        return loss

    solver.step(closure)
    return 1 / beta


def temperature_in_place(z: Any, y: Any) -> Any:
    z *= 2 * y - 1
    return GRID[np.log1p(np.exp(-z[None] / GRID[:, None])).sum(1).argmin()]


def temperature_by_single_precision(z: Any, y: Any) -> Any:
    import torch

    z, y = torch.tensor(z).float(), torch.tensor(y).float()
    grid = torch.tensor(GRID).float()
    loss = torch.nn.functional.softplus(-(2 * y - 1) * z / grid[:, None])
    return grid[loss.mean(1).argmin()]


def at_least(z: Any, y: Any, penalty: Any) -> Any:
    return GRID[np.argmin([penalty(expit(z / t)) for t in GRID])]


def adaptive(p: Any, y: Any) -> Any:
    order = np.argsort(-p, 1)
    sums = np.take_along_axis(p, order, 1).cumsum(1)
    return sums[order == y[:, None]]


def adaptive_by_loops(p: Any, y: Any) -> Any:
    return [sum(x for x in row if x >= row[k]) for row, k in zip(p.tolist(), y.tolist(), strict=True)]


def adaptive_in_place(p: Any, y: Any) -> Any:
    p[p < true(p, y)[:, None]] = 0
    return p.sum(1).tolist()


def adaptive_by_single_precision(p: Any, y: Any) -> Any:
    return adaptive(p.astype(np.float32), y)


def adaptive_by_torch(p: Any, y: Any) -> Any:
    import torch

    p = torch.tensor(p)
    return (p * (p >= p.gather(1, torch.tensor(y)[:, None]))).sum(1)


def true(p: Any, y: Any) -> Any:
    return p[np.arange(len(p)), y]


RIGHT: dict[str, list[Any]] = {
    "rank": [28, 28.0, np.int64(28), math.ceil(27.9)],
    "equal_counts": [
        equal_counts,
        equal_counts_by_lists,
        equal_counts_by_torch,
        equal_counts_by_loop,
        equal_counts_in_place,
        equal_counts_by_quantiles,
    ],
    "temperature": [
        temperature,
        temperature_by_scipy,
        temperature_by_halving,
        temperature_by_torch,
        temperature_in_place,
        temperature_by_single_precision,
    ],
    "adaptive": [
        adaptive,
        adaptive_by_loops,
        adaptive_by_torch,
        adaptive_in_place,
        adaptive_by_single_precision,
    ],
}

WRONG: list[tuple[str, Any, str]] = [
    ("rank", 27, "one more"),
    ("rank", 27.9, "round up"),
    ("rank", 29, "one too many"),
    ("rank", 30, "the largest score"),
    ("rank", 31, "only 30"),
    ("rank", 3, "from the small end"),
    ("rank", 4, "one set of ten"),
    ("rank", 27.9 / 30, "rounded up"),
    ("rank", 28 / 30, "asked is the rank"),
    ("rank", 0.9, "the level"),
    ("rank", 28 / 31, "rank that has it"),
    ("rank", 15, "smallest k"),
    ("rank", "28", "expected one number"),
    ("equal_counts", lambda s, r, n: groups(s, r, n).mean(), "before the mean"),
    ("equal_counts", lambda s, r, n: abs(groups(s, r, n).mean()), "before the mean"),
    ("equal_counts", lambda s, r, n: (groups(s, r, n) ** 2).mean(), "squared"),
    ("equal_counts", lambda s, r, n: math.sqrt((groups(s, r, n) ** 2).mean()), "root"),
    ("equal_counts", lambda s, r, n: abs(groups(s, r, n)).max(), "largest gap"),
    ("equal_counts", lambda s, r, n: abs(groups(s, r, n)).sum(), "divide by the number"),
    ("equal_counts", lambda s, r, n: abs(s - r).mean(), "means in each group"),
    ("equal_counts", widths, "equal width"),
    (
        "equal_counts",
        lambda s, r, n: abs((r - s).reshape(n, -1).mean(1)).mean(),
        "sort by said",
    ),
    (
        "equal_counts",
        lambda s, r, n: abs((r - np.sort(s)).reshape(n, -1).mean(1)).mean(),
        "right is not",
    ),
    (
        "equal_counts",
        lambda s, r, n: abs((np.sort(r) - np.sort(s)).reshape(n, -1).mean(1)).mean(),
        "by itself",
    ),
    ("equal_counts", lambda s, r, n: equal_counts(s, r, len(s) // n), "number of groups"),
    (
        "equal_counts",
        lambda s, r, n: abs((r - s)[np.argsort(s)].reshape(-1, n).mean(0)).mean(),
        "dealt out",
    ),
    ("equal_counts", lambda s, r, n: abs(groups(s, r, n)).mean() * len(s) / n, "sums within"),
    ("equal_counts", lambda s, r, n: abs(groups(s, r, n)).mean() / n, "twice"),
    ("equal_counts", lambda s, r, n: 100 * abs(groups(s, r, n)).mean(), "per cent"),
    ("equal_counts", lambda s, r, n: abs(groups(s, r, n))[:-1].mean(), "last group"),
    ("equal_counts", lambda s, r, n: abs(groups(s, r, n))[1:].sum() / n, "first group"),
    ("equal_counts", lambda s, r, n: gaps_by(s, r, np.argsort(s), n, 0).mean(), "axis 1"),
    ("equal_counts", lambda s, r, n: gaps_by(s, r, s.argsort().argsort(), n).mean(), "argsort once"),
    ("equal_counts", lambda s, r, n: gaps_by(s, r, r.argsort(kind="stable"), n).mean(), "sort by said"),
    ("equal_counts", lambda s, r, n: abs(groups(s, r, n)), "expected one number"),
    ("equal_counts", lambda s, r, n: 0.5, "expected"),
    ("temperature", lambda z, y: 1 / temperature(z, y), "1/T"),
    ("temperature", lambda z, y: math.log(temperature(z, y)), "logarithm"),
    ("temperature", lambda z, y: math.log2(temperature(z, y)), "logarithm"),
    ("temperature", lambda z, y: 2 * temperature(z, y), "that is 2T"),
    ("temperature", lambda z, y: temperature(z[y == 1], y[y == 1]), "truth is yes"),
    ("temperature", lambda z, y: temperature(z[y == 0], y[y == 0]), "truth is no"),
    ("temperature", lambda z, y: temperature(expit(z), y), "taken twice"),
    ("temperature", lambda z, y: at_least(z, y, lambda p: abs(p.mean() - y.mean())), "share of yes"),
    ("temperature", lambda z, y: min(loss_of(z, y, t) for t in GRID) / math.log(2), "least loss"),
    ("temperature", lambda z, y: int(np.argmin([loss_of(z, y, t) for t in GRID])), "place in a list"),
    (
        "temperature",
        lambda z, y: min(np.arange(0.1, 20, 0.1), key=lambda t: loss_of(z, y, t)),
        "coarse grid",
    ),
    ("temperature", lambda z, y: min(loss_of(z, y, t) for t in GRID), "least loss"),
    ("temperature", lambda z, y: 1.0, "as they are"),
    ("temperature", lambda z, y: at_least(z, y, lambda p: ((p - y) ** 2).mean()), "Brier"),
    ("temperature", lambda z, y: temperature(z, 1 - y), "end of the range"),
    ("temperature", lambda z, y: GRID[np.argmax([loss_of(z, y, t) for t in GRID])], "end of the range"),
    ("temperature", lambda z, y: at_least(z, y, lambda p: abs(y - p).mean()), "linear"),
    (
        "temperature",
        lambda z, y: at_least(
            z, y, lambda p: abs(np.maximum(p, 1 - p).mean() - ((z > 0) == (y == 1)).mean())
        ),
        "on average",
    ),
    ("temperature", lambda z, y: round(temperature(z, y) * 1.04, 3), "coarse grid"),
    ("temperature", lambda z, y: 7.7, "times too large"),
    ("temperature", lambda z, y: GRID, "expected one number"),
    ("adaptive", lambda p, y: adaptive(p, y) - true(p, y), "itself is missing"),
    ("adaptive", lambda p, y: (p * (p <= true(p, y)[:, None])).sum(1), "at most as likely"),
    ("adaptive", lambda p, y: 1 - true(p, y), "the page's score"),
    ("adaptive", true, "of the truth alone"),
    ("adaptive", lambda p, y: (p >= true(p, y)[:, None]).sum(1), "places"),
    ("adaptive", lambda p, y: (p > true(p, y)[:, None]).sum(1), "how many"),
    ("adaptive", lambda p, y: p.max(1), "likeliest class alone"),
    ("adaptive", lambda p, y: true(p.cumsum(1), y), "order of the classes"),
    ("adaptive", lambda p, y: true(np.sort(p)[:, ::-1].cumsum(1), y), "read at y"),
    ("adaptive", lambda p, y: true(np.sort(p).cumsum(1), y), "wrong way round"),
    ("adaptive", lambda p, y: 1 - adaptive(p, y), "less likely"),
    ("adaptive", lambda p, y: adaptive(p, y) - true(p, y) / 2, "half of the true"),
    ("adaptive", lambda p, y: adaptive(p, y) / (p >= true(p, y)[:, None]).sum(1), "take their sum"),
    ("adaptive", lambda p, y: -np.log(adaptive(p, y)), "surprise"),
    (
        "adaptive",
        lambda p, y: true(np.sort(p)[:, ::-1].cumsum(1), true(np.argsort(-p, 1), y)),
        "which class stands",
    ),
    ("adaptive", lambda p, y: p[:, y].sum(1), "its own y"),
    ("adaptive", lambda p, y: adaptive(p, y)[0], "shape"),
    ("adaptive", lambda p, y: adaptive(p, y)[:, None], "shape"),
    ("adaptive", lambda p, y: (p * (p < true(p, y)[:, None])).sum(1), "expected"),
]
