"""The GAN chapter: page = package, its explorer, answers for its checks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.special import rel_entr, xlogy

from engine import Engine
from labutils import adversarial as library
from places import run_cells


def define(*cells: str, **more: Any) -> dict[str, Any]:
    """The names that cells of the page define, with its imports but none of its data."""
    imports = {
        "math": math, "np": np, "torch": torch, "F": F, "cdist": cdist, "rel_entr": rel_entr, "xlogy": xlogy,
        "linear_sum_assignment": linear_sum_assignment,
    }  # fmt: skip
    return run_cells("gan", cells, **imports, **more)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- the page equals the package ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_networks_and_losses(seed: int) -> None:
    page = define("net", "losses")
    ours, theirs = (new(3, [2, 7, 5, 1], seeded(seed)) for new in (page["new_net"], library.new_net))
    x = torch.randn(3, 11, 2, generator=seeded(seed))
    torch.testing.assert_close(ours, theirs)
    logits = library.forward(theirs, x)
    torch.testing.assert_close(page["forward"](ours, x), logits)
    torch.testing.assert_close(
        page["discriminator_loss"](logits, -logits), library.discriminator_loss(logits, -logits)
    )
    for kind in (True, False):
        torch.testing.assert_close(page["generator_loss"](logits, kind), library.generator_loss(logits, kind))


def test_training() -> None:
    page = define("net", "losses", "train", "ring")
    ends = []
    for new, run, draw in (
        (page["new_net"], page["train"], page["ring"]),
        (library.new_net, library.train, library.ring),
    ):
        generator = seeded(4)
        g, d = new(2, [3, 8, 2], generator), new(2, [2, 8, 1], generator)
        options = {"n_batch": 16, "rate_g": 2e-3, "rate_d": 4e-3, "keep": [5, 20]}
        kept = run(lambda n, draw=draw, gen=generator: draw(2, n, gen), g, d, 20, generator, **options)
        ends.append(kept if isinstance(kept, dict) else kept.at)
    for step in (5, 20):
        torch.testing.assert_close(ends[0][step], ends[1][step])


@pytest.mark.parametrize("seed", range(3))
def test_measures(seed: int) -> None:
    page = define("optimum", "ring", "measures-parts")
    real, made = (
        library.ring(2, 90, seeded(seed))[0].numpy(),
        library.ring(2, 90, seeded(9))[1].numpy() * 1.05,
    )
    assert page["covered"](made) == tuple(library.covered(made, library.ring_centres(), 0.3))
    assert page["wasserstein"](real, made) == pytest.approx(library.wasserstein(real, made))
    assert page["precision_recall"](real, made) == pytest.approx(library.precision_recall(real, made))
    p, q = np.random.default_rng(seed).dirichlet(np.ones(6), 2)
    found = library.divergences(p, q)
    assert page["js"](p, q) == pytest.approx(found["js"])
    assert page["kl"](p, q) == pytest.approx(found["forward"])
    best = library.optimal_discriminator(p, q)
    np.testing.assert_allclose(page["best_critic"](p, q), best)
    assert page["value"](p, q, best) == pytest.approx(2 * found["js"] - math.log(4))


def test_frechet() -> None:
    page = define("digits")
    x, y = (np.random.default_rng(s).normal(s, 1 + s, (80, 5)) for s in (0, 1))
    assert page["frechet"](x, y) == pytest.approx(library.frechet(x, y))


# --- the explorer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("apart", "mean", "sd"), [(4, -0.8, 1.9), (6, 3, 0.4), (0, 0, 0.5), (2.5, -3, 3)])
def test_explorer_equals_the_measures(engine: Engine, apart: float, mean: float, sd: float) -> None:
    found = engine.compute("critic", {"apart": apart, "mean": mean, "sd": sd})
    x = np.linspace(-6, 6, 481)
    parts = [w * np.exp(-(((x - at) / 0.5) ** 2) / 2) for w, at in ((0.7, -apart / 2), (0.3, apart / 2))]
    p, q = sum(parts), np.exp(-(((x - mean) / sd) ** 2) / 2)
    p, q = p / p.sum(), q / q.sum()
    theirs = library.divergences(p, q)
    for name, value in theirs.items():
        assert found[name] == pytest.approx(value, abs=1e-9)
    assert found["value"] == pytest.approx(2 * theirs["js"] - math.log(4))
    np.testing.assert_allclose(found["best"], library.optimal_discriminator(p, q), atol=1e-9)


# --- answers for the checks --------------------------------------------------------------------------------


def far(a: Any, b: Any) -> Any:
    return np.linalg.norm(a[:, None] - b[None], axis=-1)


def reach(x: Any, k: int) -> Any:
    return np.sort(far(x, x), axis=1)[:, k]


def recall(real: Any, made: Any, k: int) -> Any:
    return (far(real, made) <= reach(made, k)).any(1).mean()


def recall_by_loops(real: Any, made: Any, k: int) -> Any:
    hits = 0
    ways = [sorted(math.dist(a, b) for b in made)[k] for a in made]
    for x in real.tolist():
        hits += any(math.dist(x, a) <= way + 1e-12 for a, way in zip(made.tolist(), ways, strict=True))
    return hits / len(real)


def recall_by_rows(real: Any, made: Any, k: int) -> Any:
    reached = np.zeros(len(real), dtype=bool)
    for point in made:
        reached |= np.linalg.norm(real - point, axis=1) <= np.sort(np.linalg.norm(made - point, axis=1))[k]
    return reached.mean()


def recall_in_place(real: Any, made: Any, k: int) -> Any:
    between = cdist(made, made)
    np.fill_diagonal(between, np.inf)
    between.sort(axis=1)
    return float((cdist(real, made) <= between[:, k - 1]).any(1).mean())


def recall_in_single_precision(real: Any, made: Any, k: int) -> Any:
    return recall_by_torch(real.astype(np.float32), made.astype(np.float32), k).float()


def recall_by_torch(real: Any, made: Any, k: int) -> Any:
    real, made = torch.tensor(real), torch.tensor(made)
    between = torch.cdist(made, made, compute_mode="donot_use_mm_for_euclid_dist")
    way = between.kthvalue(k + 1, dim=1).values
    return (torch.cdist(real, made) <= way).any(1).double().mean()


def recall_by_sklearn(real: Any, made: Any, k: int) -> Any:
    from sklearn.neighbors import NearestNeighbors

    way = NearestNeighbors(n_neighbors=k + 1).fit(made).kneighbors(made)[0][:, -1]
    return np.mean([(cdist(x[None], made)[0] <= way).any() for x in real])


def precision(real: Any, made: Any, k: int) -> Any:
    return (far(real, made) <= reach(real, k)[:, None]).any(0).mean()


def best(p: Any, q: Any, s: float, t: float) -> Any:
    return s * t * p / (s * p + (1 - s) * q)


def best_by_lists(p: Any, q: Any, s: float, t: float) -> Any:
    return [s * t * a / (s * a + (1 - s) * b) for a, b in zip(p.tolist(), q.tolist(), strict=True)]


def best_by_torch(p: Any, q: Any, s: float, t: float) -> Any:
    p, q = torch.tensor(p), torch.tensor(q)
    return t / (1 + (1 - s) / s * q / p)


def best_in_place(p: Any, q: Any, s: float, t: float) -> Any:
    p *= s
    q *= 1 - s
    q += p
    p *= t
    p /= q
    return p


def best_in_single_precision(p: Any, q: Any, s: float, t: float) -> Any:
    p, q = torch.tensor(p).float(), torch.tensor(q).float()
    return s * t * p / (s * p + (1 - s) * q)


def best_by_search(p: Any, q: Any, s: float, t: float) -> Any:
    from scipy.optimize import minimize_scalar

    def loss(d: float, a: float, b: float) -> float:
        return -(s * a * (t * math.log(d) + (1 - t) * math.log1p(-d)) + (1 - s) * b * math.log1p(-d))

    options = {"xatol": 1e-12}
    ends = (1e-9, 1 - 1e-9)
    return [
        minimize_scalar(loss, bounds=ends, args=at, method="bounded", options=options).x
        for at in zip(p, q, strict=True)
    ]


RIGHT: dict[str, list[Any]] = {
    "value": [
        -math.log(2),
        -0.6931,
        -0.69,
        np.log(0.5),
        torch.tensor(0.5).log(),
        np.float32(-0.6931),
        [-0.693],
    ],
    "recall": [
        recall,
        recall_by_loops,
        recall_by_rows,
        recall_by_torch,
        recall_by_sklearn,
        recall_in_place,
        recall_in_single_precision,
    ],
    "best_smoothed": [
        best,
        best_by_lists,
        best_by_torch,
        best_by_search,
        best_in_place,
        best_in_single_precision,
    ],
}

WRONG: list[tuple[str, Any, str]] = [
    ("value", math.log(2), "the sign"),
    ("value", -math.log(4), "where p = q"),
    ("value", 0, "never meet"),
    ("value", math.log(2) / 2, "Jensen–Shannon"),
    ("value", -math.log(2) / 2, "one term only"),
    ("value", -1, "in bits"),
    ("value", math.log10(0.5), "base 10"),
    ("value", -math.inf, "certain only where it is right"),
    ("value", 0.5, "what does it earn"),
    ("value", -0.42, "over the places"),
    ("value", "-0.69", "expected one number"),
    ("value", math.log(2), "2 JS without log 4"),
    ("value", 3 * math.log(0.5), "three times"),
    ("value", math.log(2) / 2 - math.log(4), "enters once"),
    ("value", -0.7, "two digits"),
    ("value", math.inf, "from the mean m of both"),
    ("recall", precision, "that is the precision"),
    ("recall", lambda r, m, k: (far(r, m) <= reach(r, k)[:, None]).any(1).mean(), "that of the real points"),
    ("recall", lambda r, m, k: (far(r, m) <= reach(m, k)).any(0).mean(), "of real ones"),
    ("recall", lambda r, m, k: (far(r, m) <= reach(m, k)).mean(), "over all pairs"),
    ("recall", lambda r, m, k: (far(r, m) <= reach(m, k)).any(1).sum(), "a count"),
    ("recall", lambda r, m, k: (far(r, m) <= reach(m, k)).any(1).sum() / len(m), "by the real ones"),
    ("recall", lambda r, m, k: (far(r, m) <= reach(m, k - 1)).any(1).mean(), "the point itself"),
    ("recall", lambda r, m, k: (far(r, m) <= reach(m, k + 1)).any(1).mean(), "too far"),
    ("recall", lambda r, m, k: 1 - recall(r, m, k), "missed"),
    ("recall", lambda r, m, k: (far(r, m).min(1) <= reach(m, k).mean()).mean(), "one reach for all"),
    ("recall", lambda r, m, k: (far(r, m) <= reach(m, k)).all(1).mean(), "of some is enough"),
    (
        "recall",
        lambda r, m, k: (far(r, m) <= np.sort(far(r, m), axis=0)[k - 1]).any(1).mean(),
        "k-th real point",
    ),
    (
        "recall",
        lambda r, m, k: (far(r, m).min(1) <= reach(m, k)[far(r, m).argmin(1)]).mean(),
        "only the nearest",
    ),
    ("recall", lambda r, m, k: 0.123, "expected"),
    ("recall", lambda r, m, k: recall(r, m, 3), "k is 3 there"),
    ("recall", lambda r, m, k: ((far(r, m) <= reach(m, k)).sum(1) >= k).mean(), "not k of them"),
    ("recall", lambda r, m, k: (far(r, m) <= far(m, m)[:, k]).any(1).mean(), "sort each row"),
    (
        "recall",
        lambda r, m, k: (far(r, m) <= np.sort(far(m, m))[:, 1 : k + 1].mean(1)).any(1).mean(),
        "mean of the k nearest",
    ),
    (
        "recall",
        lambda r, m, k: (far(r, m) <= np.sort(far(m, np.vstack([m, r])))[:, k]).any(1).mean(),
        "among made points only",
    ),
    ("recall", lambda r, m, k: (far(r, m) ** 2 <= reach(m, k)).any(1).mean(), "that is not"),
    ("recall", lambda r, m, k: (far(r, m) <= reach(m, k) ** 2).any(1).mean(), "with a squared one"),
    ("recall", lambda r, m, k: 1.0, "its own reach"),
    ("recall", lambda r, m, k: 100 * recall(r, m, k), "per cent"),
    ("recall", lambda r, m, k: (far(r, m) <= reach(m, k).max()).any(1).mean(), "the longest reach"),
    ("recall", lambda r, m, k: (far(r, m) <= reach(m, k)).any(1), "expected one number"),
    ("best_smoothed", lambda p, q, s, t: p / (p + q), "s and t are missing"),
    ("best_smoothed", lambda p, q, s, t: t * p / (p + q), "s is missing"),
    ("best_smoothed", lambda p, q, s, t: best(p, q, s, 1), "t is missing"),
    ("best_smoothed", lambda p, q, s, t: s * t * p / (s * t * p + (1 - s) * q), "below the line"),
    ("best_smoothed", lambda p, q, s, t: best(p, q, 1 - s, t), "exchanged"),
    ("best_smoothed", lambda p, q, s, t: best(q, p, 1 - s, t), "p and q are exchanged"),
    ("best_smoothed", lambda p, q, s, t: 1 - best(p, q, s, t), "1 − D"),
    ("best_smoothed", lambda p, q, s, t: np.log(s * p / ((1 - s) * q)), "a logit"),
    (
        "best_smoothed",
        lambda p, q, s, t: (s * t * p + (1 - s) * (1 - t) * q) / (s * p + (1 - s) * q),
        "keep 0",
    ),
    ("best_smoothed", lambda p, q, s, t: s * t * p / (p + q), "above the line only"),
    ("best_smoothed", lambda p, q, s, t: s * t * p / (s * p + q), "the weight 1 − s"),
    ("best_smoothed", lambda p, q, s, t: s * p + (1 - s) * q, "below the line"),
    ("best_smoothed", lambda p, q, s, t: p * 0 + 0.3, "expected"),
    ("best_smoothed", lambda p, q, s, t: best(p, q, s, 1 - t), "pull towards 0"),
    ("best_smoothed", lambda p, q, s, t: s * t * p / ((1 - s) * q), "those are odds"),
    ("best_smoothed", lambda p, q, s, t: s * p / (s * t * p + (1 - s) * q), "t stands below"),
    ("best_smoothed", lambda p, q, s, t: np.minimum(best(p, q, s, 1), t), "cut off at t"),
    ("best_smoothed", lambda p, q, s, t: best(p, q, s, t)[0], "shape"),
]
