"""The chapter on conflicting objectives: page = package, its explorer, answers for its checks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine import Engine
from labutils import multitask as library
from places import run_cells


def define(*cells: str) -> dict[str, Any]:
    """The names that cells of the page define, with its imports but none of its data."""
    return run_cells("objective_conflict", cells, math=math, torch=torch, np=np, F=F)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- the page equals the package ---------------------------------------------------------------------------


def test_rules() -> None:
    page = define("gram", "rules")
    gram = library.gram_of(draw(50, 2, 7))
    assert torch.equal(page["gram_of"](draw(50, 2, 7)), gram)
    assert torch.equal(page["cosine"](gram), library.cosine(gram))
    for name in ("conflict_free", "min_norm"):
        assert torch.equal(page[name](gram), getattr(library, name)(gram)), name


def test_uncertainty_and_weighted() -> None:
    page, ours = define("remedies")["Uncertainty"](0.2), library.Uncertainty(0.2)
    for seed in range(4):
        losses = draw(3, 2, seed=seed).exp()
        torch.testing.assert_close(page(None, losses), ours(losses, losses))
    share = torch.tensor([0.0, 0.3, 1.0])
    page_rule = define("fit-rule")["weighted"](share)
    assert torch.equal(page_rule(None, None), library.weighted(share)(share, share))


def test_model() -> None:
    page = define("trunk", "heads")
    sizes = {"d_model": 6, "n_vocab": 20}
    weights = library.start([3, 4], **sizes)
    ids = torch.randint(20, (5, 11), generator=torch.Generator().manual_seed(0))
    label = torch.tensor([0, 1, 1, 0, 1])
    both = library.two_losses(weights, ids.expand(2, -1, -1), label.expand(2, -1), **sizes)
    for run in range(2):
        own = page["two_losses"](library.unpack(weights, run, **sizes), ids, label)
        torch.testing.assert_close(own, both[run])


# --- results that the page states --------------------------------------------------------------------------


def test_steps_lower_both_losses() -> None:
    g = draw(300, 2, 5)
    g[:, 1] *= torch.logspace(-1, 1, 300, dtype=torch.float64)[:, None]
    gram = library.gram_of(g)
    for rule in (library.conflict_free, library.min_norm):
        step = (rule(gram)[:, None] @ g)[:, 0]
        assert ((g @ step[:, :, None])[..., 0] > -1e-9).all()
    weights = library.min_norm(gram)
    inside = (weights > 1e-9).all(1)
    falls = (g @ (weights[:, None] @ g).transpose(1, 2))[..., 0]
    torch.testing.assert_close(falls[inside, 0], falls[inside, 1])
    assert inside.sum() > 100


def test_min_norm_is_shortest() -> None:
    g = draw(40, 2, 4, seed=2)
    best = (library.min_norm(library.gram_of(g))[:, None] @ g)[:, 0].norm(dim=1)
    for alpha in torch.linspace(0, 1, 21, dtype=torch.float64):
        assert (best <= (alpha * g[:, 0] + (1 - alpha) * g[:, 1]).norm(dim=1) + 1e-12).all()


def test_uncertainty_settles_at_one_over_two_losses() -> None:
    rule, losses = library.Uncertainty(0.1), torch.tensor([[3.3, 0.5]])
    for _ in range(500):
        weights = rule(losses, losses)
    torch.testing.assert_close(weights, 1 / (2 * losses), rtol=1e-3, atol=1e-4)


# --- the package -------------------------------------------------------------------------------------------


def test_trunk_sees_no_future() -> None:
    sizes = {"d_model": 4, "n_vocab": 9}
    trunk = library.start([0], **sizes)["trunk"]
    ids = torch.randint(9, (1, 3, 10), generator=torch.Generator().manual_seed(1))
    other = ids.clone()
    other[..., 6:] = (other[..., 6:] + 1) % 9
    a, b = (library.read(trunk, x, **sizes) for x in (ids, other))
    torch.testing.assert_close(a[:, :, :6], b[:, :, :6])
    assert not torch.allclose(a[:, :, 6:], b[:, :, 6:])


def small(rule: library.Rule, seeds: list[int], **options: Any) -> library.Pairs:
    generator = torch.Generator().manual_seed(0)
    parts = {"train": 60, "val": 20, "test": 30}
    texts = {part: torch.randint(1, 12, (n, 11), generator=generator) for part, n in parts.items()}
    labels = {part: (ids[:, 0] > 5).long().expand(len(seeds), -1) for part, ids in texts.items()}
    return library.train_pairs(texts, labels, rule, seeds, d_model=4, n_vocab=12, n_steps=12, **options)


def test_runs_do_not_touch_each_other() -> None:
    both = small(library.weighted(torch.tensor([0.3, 0.8])), [1, 2])
    alone = small(library.weighted(torch.tensor([0.8])), [2])
    torch.testing.assert_close(both.test[:, 1:], alone.test, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(both.cosines[:, 1:], alone.cosines, rtol=1e-3, atol=1e-3)
    assert both.steps == [4, 8, 12]
    assert both.best().shape == (2, 2)
    assert len(both.weights) == 3


def test_scale_is_a_weight_to_adam() -> None:
    share = torch.tensor([0.25])
    one = small(library.weighted(share), [0])
    plain = small(lambda gram, losses: torch.ones(1, 2), [0], scale=2 * torch.stack([1 - share, share], 1))
    torch.testing.assert_close(one.test, plain.test, rtol=1e-3, atol=1e-4)


def test_a_step_follows_its_rule() -> None:
    """With all weight on one loss the other's head learns, and the trunk does not know of it."""
    first = small(library.weighted(torch.tensor([0.0])), [0])
    trunk = first.weights[-1]["trunk"]
    coin = small(library.weighted(torch.tensor([0.0])), [0], n_train=torch.tensor([60]))
    assert torch.equal(trunk, coin.weights[-1]["trunk"])
    assert not torch.equal(trunk, small(library.weighted(torch.tensor([0.5])), [0]).weights[-1]["trunk"])


def test_best_takes_each_loss_at_its_own_checkpoint() -> None:
    val = torch.tensor([[[3.0, 1.0]], [[2.0, 2.0]]])
    pairs = library.Pairs([1, 2], val, torch.tensor([[[30.0, 10.0]], [[20.0, 20.0]]]), torch.empty(2, 1), [])
    assert pairs.best().tolist() == [[20.0, 10.0]]


def test_pareto_and_errors() -> None:
    points = torch.tensor([[1.0, 4.0], [2.0, 2.0], [2.0, 3.0], [2.0, 2.0], [5.0, 5.0]])
    assert library.pareto(points).tolist() == [True, True, False, True, False]
    with pytest.raises(ValueError, match="expected"):
        library.pareto(points[0])
    with pytest.raises(ValueError, match="share"):
        library.weighted(torch.tensor([1.5]))
    texts = {"train": torch.zeros(3, 11, dtype=torch.long)}
    with pytest.raises(ValueError, match="labels"):
        library.train_pairs(texts, texts, library.min_norm, [0, 1], d_model=4, n_vocab=5)


# --- the explorer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("w", [0.02, 0.3, 0.44, 0.7, 0.98])
@pytest.mark.parametrize("shape", ["two bowls", "two wells"])
@pytest.mark.parametrize("rule", ["their sum", "the larger of the two"])
def test_explorer_equals_the_page(engine: Engine, shape: str, rule: str, w: float) -> None:
    page = define("fronts")
    found = engine.compute("front", {"shape": shape, "rule": rule, "w": w}, None)
    points = torch.tensor(found["points"], dtype=torch.float64)
    fine = page["bowls" if shape == "two bowls" else "wells"].flip(0)[::5]
    np.testing.assert_allclose(points, fine, atol=1e-5)
    at = page["chosen"](points, w, rule != "their sum")
    np.testing.assert_allclose(found["losses"], points[at], atol=0.02)
    inner = {i for i in range(401) if min(found["points"][i]) > 0.1}
    assert found["inner"] == len(inner & set(found["reached"]))
    assert (found["inner"] == 0) == (shape == "two wells" and rule == "their sum")


# --- answers for the checks --------------------------------------------------------------------------------


def shortest(a: Any, b: Any) -> Any:
    apart = (a - b) @ (a - b)
    alpha = np.clip((b - a) @ b / apart, 0, 1) if apart > 0 else 0.5
    return alpha * a + (1 - alpha) * b


def mixed(alpha: Any) -> Any:
    def answer(a: Any, b: Any) -> Any:
        share = alpha(a, b) if not np.array_equal(a, b) else 0.5
        return share * a + (1 - share) * b

    return answer


def by_search(a: Any, b: Any) -> list[float]:
    low, high = 0.0, 1.0
    for _ in range(200):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        lengths = [np.linalg.norm(x * a + (1 - x) * b) for x in (left, right)]
        low, high = (low, right) if lengths[0] < lengths[1] else (left, high)
    return list(low * a + (1 - low) * b)


def in_torch(a: Any, b: Any) -> Any:
    g = torch.tensor(np.stack([a, b]))[None]
    return (library.min_norm(library.gram_of(g))[:, None] @ g)[0, 0]


def front(points: Any) -> Any:
    no_worse = (points[None] <= points[:, None]).all(-1)
    better = (points[None] < points[:, None]).any(-1)
    return ~(no_worse & better).any(1)


def front_by_loops(points: Any) -> list[bool]:
    rows = [tuple(row) for row in points]

    def beaten(row: tuple[float, ...]) -> bool:
        return any(o != row and all(x <= y for x, y in zip(o, row, strict=True)) for o in rows)

    return [not beaten(row) for row in rows]


def surgery(gradients: Any) -> Any:
    total = np.zeros(gradients.shape[1])
    for i, own in enumerate(gradients):
        copy = own.astype(float)
        for j, other in enumerate(gradients):
            if i != j and copy @ other < 0:
                copy = copy - (copy @ other) / (other @ other) * other
        total += copy
    return total


def surgery_in_torch(gradients: Any) -> Any:
    g = torch.tensor(gradients)
    copies = g.clone()
    for i in range(len(g)):
        for j in range(len(g)):
            if i != j:
                copies[i] -= (copies[i] @ g[j]).clamp(max=0) / g[j].square().sum() * g[j]
    return copies.sum(0)


def surgery_in_lists(gradients: Any) -> list[float]:
    total = [0.0] * len(gradients[0])
    for i in range(len(gradients)):
        copy = list(gradients[i])
        for j in range(len(gradients)):
            other = list(gradients[j])
            inner = sum(x * y for x, y in zip(copy, other, strict=True))
            if j != i and inner < 0:
                size = sum(y * y for y in other)
                copy = [x - inner / size * y for x, y in zip(copy, other, strict=True)]
        total = [t + x for t, x in zip(total, copy, strict=True)]
    return total


def operated(change: Any) -> Any:
    def answer(g: Any) -> Any:
        total = np.zeros(g.shape[1])
        for i in range(len(g)):
            copy = g[i].copy()
            for j in range(len(g)):
                if i != j:
                    copy = change(copy, g[i], g[j])
            total += copy
        return total

    return answer


def by_cases(a: Any, b: Any) -> Any:
    inner = a @ b
    if inner >= min(a @ a, b @ b):
        return min(a, b, key=np.linalg.norm)
    return b + (b @ b - inner) / ((a - b) @ (a - b)) * (a - b)


def in_place(a: Any, b: Any) -> Any:
    apart = ((a - b) ** 2).sum()
    alpha = 0.5 if apart == 0 else min(max((b @ b - a @ b) / apart, 0), 1)
    a *= alpha
    b *= 1 - alpha
    a += b
    return a


def by_grid(a: Any, b: Any) -> Any:
    shares = np.linspace(0, 1, 100_001)[:, None]
    mixes = shares * a + (1 - shares) * b
    return mixes[(mixes**2).sum(1).argmin()]


def in_float32(a: Any, b: Any) -> Any:
    a, b = torch.tensor(a).float(), torch.tensor(b).float()
    alpha = (((b - a) @ b) / ((a - b) @ (a - b) + 1e-12)).clamp(0, 1)
    return alpha * a + (1 - alpha) * b


def front_row_by_row(points: Any) -> Any:
    kept = np.ones(len(points), dtype=int)
    for row in points:
        kept &= (points < row).any(1) | (points == row).all(1)
    return kept


def front_by_sorting(points: Any, ties: bool = False) -> Any:
    kept, least = np.zeros(len(points), dtype=bool), np.inf
    for i in np.lexsort((points[:, 1], points[:, 0])):
        if points[i, 1] < least or (ties and points[i, 1] == least):
            kept[i], least = True, points[i, 1]
    return kept


def front_by_sums(points: Any) -> Any:
    shares = np.linspace(0, 1, 101)
    return np.isin(np.arange(len(points)), (points[:, :2] @ np.array([1 - shares, shares])).argmin(0))


def surgery_in_place(g: Any) -> Any:
    own = g.copy()
    for i in range(len(g)):
        for j in range(len(g)):
            if (inner := g[i] @ own[j]) < 0 and i != j:
                g[i] -= inner / (own[j] @ own[j]) * own[j]
    return g.sum(0)


def surgery_along_changed(g: Any) -> Any:
    for i in range(len(g)):
        for j in range(len(g)):
            if (inner := g[i] @ g[j]) < 0 and i != j:
                g[i] -= inner / (g[j] @ g[j]) * g[j]
    return g.sum(0)


def surgery_with(others: Any, most: int = 9) -> Any:
    def answer(g: Any) -> Any:
        total = np.zeros(g.shape[1])
        for i in range(len(g)):
            copy, done = g[i].copy(), 0
            for j in others(i, len(g)):
                if j != i and copy @ g[j] < 0 and done < most:
                    copy, done = copy - (copy @ g[j]) / (g[j] @ g[j]) * g[j], done + 1
            total += copy
        return total

    return answer


RIGHT: dict[str, list[Any]] = {
    "fall": [7.2, 3 * 2.4, np.float32(7.2), torch.tensor(7.2), [7.2]],
    "shortest": [shortest, in_torch, by_search, by_cases, in_place, by_grid, in_float32],
    "on_front": [
        front,
        front_by_loops,
        front_row_by_row,
        lambda p: library.pareto(torch.tensor(p)),
        lambda p: library.pareto(torch.tensor(p).float()).int().tolist(),
    ],
    "surgery": [
        surgery,
        surgery_in_torch,
        surgery_in_lists,
        surgery_in_place,
        lambda g: surgery(g.astype(np.float32)).astype(np.float32),
    ],
}
WRONG: list[tuple[str, Any, str]] = [
    ("fall", 6, "plain sum"),
    ("fall", 4, "length of d"),
    ("fall", 9, "too, loses its part"),
    ("fall", 24, "not divided"),
    ("fall", 10.97, "by its square"),
    ("fall", 3.6, "not averaged"),
    ("fall", 1.8, "MGDA"),
    ("fall", 4.2, "first gradient alone"),
    ("fall", 10.4, "wrong gradient"),
    ("fall", -7.2, "fall as positive"),
    ("fall", 4.8, "taken away"),
    ("fall", 5.5, "you say 5.5"),
    ("fall", "7.2", "expected one number"),
    ("shortest", mixed(lambda a, b: (b - a) @ b / ((a - b) @ (a - b))), "left the interval"),
    (
        "shortest",
        mixed(lambda a, b: 1 - np.clip((b - a) @ b / ((a - b) @ (a - b)), 0, 1)),
        "exchanged",
    ),
    ("shortest", lambda a, b: (a + b) / 2, "the mean"),
    ("shortest", lambda a, b: a + b, "the sum"),
    ("shortest", lambda a, b: a - b, "difference"),
    ("shortest", lambda a, b: min(a, b, key=np.linalg.norm), "one of the two as it is"),
    ("shortest", lambda a, b: -shortest(a, b), "the sign"),
    ("shortest", lambda a, b: shortest(a, b) / np.linalg.norm(shortest(a, b)), "made one long"),
    ("shortest", lambda a, b: np.linalg.norm(shortest(a, b)), "shape"),
    ("shortest", mixed(lambda a, b: np.clip((b - a) @ b / np.linalg.norm(a - b), 0, 1)), "its square"),
    ("shortest", mixed(lambda a, b: np.clip((b - a) @ b / ((a + b) @ (a + b)), 0, 1)), "not by ‖a + b‖²"),
    (
        "shortest",
        mixed(lambda a, b: np.clip((np.linalg.norm(b) - a @ b) / ((a - b) @ (a - b)), 0, 1)),
        "not ‖b‖",
    ),
    (
        "shortest",
        mixed(lambda a, b: np.linalg.norm(b) / (np.linalg.norm(a) + np.linalg.norm(b))),
        "lengths alone",
    ),
    ("shortest", mixed(lambda a, b: max(0, (b - a) @ b / ((a - b) @ (a - b)))), "left the interval"),
    ("shortest", mixed(lambda a, b: min(1, (b - a) @ b / ((a - b) @ (a - b)))), "left the interval"),
    ("shortest", mixed(lambda a, b: b @ b / (a @ a + b @ b)), "left out"),
    ("shortest", mixed(lambda a, b: np.clip((a + b) @ b / ((a - b) @ (a - b)), 0, 1)), "wrong sign"),
    ("shortest", lambda a, b: 0.5, "shape"),
    (
        "shortest",
        lambda a, b: shortest(a, b) if not np.array_equal(a, b) else a * math.nan,
        "equal gradients",
    ),
    ("on_front", lambda p: ~front(p), "off the front"),
    ("on_front", lambda p: front(-p), "beats no other"),
    (
        "on_front",
        lambda p: ~((p[None] <= p[:, None]).all(-1) & (p[None] < p[:, None]).any(-1)).any(0),
        "over the other axis",
    ),
    ("on_front", lambda p: ~(p[None] <= p[:, None]).all(-1).any(1), "beat itself"),
    ("on_front", front_by_sorting, "of two equal models"),
    ("on_front", lambda p: front_by_sorting(p, ties=True), "a tie does not save it"),
    ("on_front", front_by_sums, "weighted sums"),
    ("on_front", lambda p: np.arange(len(p)) == p.sum(1).argmin(), "least sum"),
    (
        "on_front",
        lambda p: [not any((q <= r).all() and (q < r).any() for q in p[:i]) for i, r in enumerate(p)],
        "before it alone",
    ),
    ("on_front", lambda p: front(p)[np.lexsort(p.T[::-1])], "another order"),
    ("on_front", lambda p: p[front(p)], "shape"),
    (
        "on_front",
        lambda p: ~((p[None] <= p[:, None]).all(-1) & ~np.eye(len(p), dtype=bool)).any(1),
        "equal models",
    ),
    ("on_front", lambda p: ~(p[None] < p[:, None]).all(-1).any(1), "one is enough"),
    ("on_front", lambda p: ~(p[None] < p[:, None]).any(-1).any(1), "beats nobody"),
    ("on_front", lambda p: p.sum(1) == p.sum(1).min(), "least sum"),
    ("on_front", lambda p: (p == p.min(0)).any(1), "compromises between"),
    ("on_front", lambda p: np.ones(len(p)), "all are kept"),
    ("on_front", lambda p: front(p[:, :2]), "first two"),
    ("on_front", lambda p: np.flatnonzero(front(p)), "shape"),
    ("surgery", lambda g: g.sum(0), "plain sum"),
    ("surgery", lambda g: surgery(g) / len(g), "averaged"),
    ("surgery", operated(lambda c, own, o: c - (c @ o) / (o @ o) * o), "at any sign"),
    ("surgery", operated(lambda c, own, o: c - min(c @ o, 0) * o), "division is missing"),
    ("surgery", operated(lambda c, own, o: c - min(c @ o, 0) / (own @ own) * o), "own squared norm"),
    ("surgery", operated(lambda c, own, o: c + min(c @ o, 0) / (o @ o) * o), "was added"),
    ("surgery", operated(lambda c, own, o: c - min(c @ o, 0) / np.linalg.norm(o) * o), "by its square"),
    ("surgery", operated(lambda c, own, o: c - max(c @ o, 0) / (o @ o) * o), "agree lose"),
    ("surgery", operated(lambda c, own, o: c - min(own @ o, 0) / (o @ o) * o), "as it is by then"),
    (
        "surgery",
        operated(lambda c, own, o: c - (c @ o) / (o @ o) * o if own @ o < 0 else c),
        "whether there is",
    ),
    ("surgery", surgery_along_changed, "changed already"),
    ("surgery", surgery_with(lambda i, n: range(i + 1, n)), "only later ones"),
    ("surgery", surgery_with(lambda i, n: range(i)), "before it"),
    ("surgery", surgery_with(lambda i, n: range(n)[::-1]), "in their order"),
    ("surgery", surgery_with(lambda i, n: range(n), most=1), "first conflict"),
    ("surgery", lambda g: g, "shape"),
]
