"""The generation chapter: page = package, its explorer, answers for its checks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from engine import Engine
from labutils import generation as library
from places import run_cells


def define(*cells: str) -> dict[str, Any]:
    """The names that cells of the page define, with its imports but none of its data."""
    return run_cells("generation", cells, math=math, torch=torch, np=np)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- the page equals the package ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_filters(seed: int) -> None:
    page, z = define("filters"), draw(5, 40, seed=seed)
    ids = torch.randint(40, (5, 7), generator=torch.Generator().manual_seed(seed))
    for name, value in (("temper", 0.6), ("top_k", 5), ("top_p", 0.8), ("min_p", 0.1)):
        assert torch.equal(page[name](z, value), getattr(library, name)(z, value)), name
    assert torch.equal(page["penalise"](z, ids, 1.3), library.penalise(z, ids, 1.3))


def test_distances_and_repeats() -> None:
    page = define("distance")
    p, q = draw(3, 9).softmax(-1), draw(3, 9, seed=1).softmax(-1)
    torch.testing.assert_close(page["total_variation"](p, q), library.total_variation(p, q))
    page = define("repeated")
    for text in ("ababab", "abcdefg", [1, 2, 3, 1, 2, 3, 1]):
        for n in (1, 2, 4):
            assert page["repeated"](text, n) == library.repeated(text, n)


# --- results that the page states --------------------------------------------------------------------------


def test_a_step_of_speculation_is_exact() -> None:
    """Chance of each token in closed form: kept guesses and what is drawn after a fall add up to p."""
    rng = np.random.default_rng(0)
    for n in (2, 5, 30):
        p, q = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))
        kept = q * np.minimum(1, p / q)
        rest = np.maximum(p - q, 0)
        np.testing.assert_allclose(kept + (1 - kept.sum()) * rest / rest.sum(), p, atol=1e-12)
        assert kept.sum() == pytest.approx(1 - np.abs(p - q).sum() / 2)


def test_speculation_draws_like_the_target() -> None:
    page = define("speculate")
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
    rng, counts = np.random.default_rng(3), np.zeros(3)
    for _ in range(4000):
        new = page["speculate"](lambda ids, n: np.tile(p, (n, 1)), lambda ids: q, [0], 2, rng)
        assert 1 <= len(new) <= 3
        counts[new[0]] += 1
    np.testing.assert_allclose(counts / 4000, p, atol=0.03)


def test_beam_finds_the_likeliest_of_all_when_wide_enough() -> None:
    page = define("beam")
    table = draw(4, 4).log_softmax(-1)
    texts, scores = page["beam_search"](lambda ids: table[ids[:, -1]], torch.tensor([0]), 3, 64)
    best = max(
        (table[0, a] + table[a, b] + table[b, c], [a, b, c])
        for a in range(4)
        for b in range(4)
        for c in range(4)
    )
    assert texts[0, 1:].tolist() == best[1]
    assert scores[0].item() == pytest.approx(best[0].item(), rel=1e-5)
    assert (scores.diff() <= 0).all()


def test_grammar() -> None:
    fits = define("grammar-fits")["fits"]
    parts = [("a", "bc"), ("0", "1")]
    whole = {"", "a", "b", "bc", "a0", "a1", "bc0", "bc1"}
    for text in [*whole, "c", "b0", "a2", "bc10", "ab"]:
        assert fits(text, parts) == (text in whole), text


# --- the explorer ------------------------------------------------------------------------------------------

SORTED = draw(2048, seed=4).softmax(-1).sort(descending=True).values.tolist()
DATA = {"tokens": [f"t{i}" for i in range(20)], "p": SORTED}


@pytest.mark.parametrize(
    "values",
    [
        {"tau": 1, "k": 2048, "p": 1, "min": 0},
        {"tau": 0.5, "k": 2048, "p": 0.9, "min": 0},
        {"tau": 1.5, "k": 50, "p": 0.8, "min": 0.02},
        {"tau": 0.1, "k": 5, "p": 1, "min": 0.3},
        {"tau": 3, "k": 1, "p": 0.05, "min": 0.5},
    ],
)
def test_explorer_equals_the_filters(engine: Engine, values: dict[str, float]) -> None:
    z = library.temper(torch.tensor([SORTED], dtype=torch.float64).log(), values["tau"])
    z = library.top_k(z, int(values["k"]))
    z = library.min_p(library.top_p(z, values["p"]), values["min"])
    expected = z.softmax(-1)[0]
    found = engine.compute("decoding", values, DATA)
    np.testing.assert_allclose(found["left"], expected, atol=1e-9)
    assert found["n"] == int((expected > 0).sum())
    whole = torch.tensor(SORTED, dtype=torch.float64)
    assert found["distance"] == pytest.approx(
        library.total_variation(whole / whole.sum(), expected).item(), abs=1e-9
    )


def test_explorer_says_what_is_cut(engine: Engine) -> None:
    figure = engine.markup("decoding", DATA, k=3, p=1)
    assert sum(text.get_text() == "cut" for text in figure.select("svg text")) == 12  # 11 of 14, and the rest
    assert "NaN" not in str(figure)


# --- answers for the checks --------------------------------------------------------------------------------


def share(p: Any) -> Any:
    return p / p.sum()


def nucleus(p: Any, mass: float) -> Any:
    order = np.argsort(-p)
    keep = order[: np.searchsorted(np.cumsum(p[order]), mass - 1e-12) + 1]
    out = np.zeros_like(p)
    out[keep] = p[keep]
    return share(out)


def nucleus_by_torch(p: Any, mass: float) -> Any:
    logits = torch.tensor(p).log()[None]
    return library.top_p(logits, mass).softmax(-1)[0]


def nucleus_by_lists(p: Any, mass: float) -> Any:
    kept: dict[int, float] = {}
    for i in sorted(range(len(p)), key=lambda i: -p[i]):
        if sum(kept.values()) < mass:
            kept[i] = float(p[i])
    return [kept.get(i, 0.0) / sum(kept.values()) for i in range(len(p))]


def nucleus_in_place(p: Any, mass: float) -> Any:
    for i in np.argsort(p):
        if p.sum() - p[i] >= mass - 1e-12 and (p > 0).sum() > 1:
            p[i] = 0
        else:
            break
    p /= p.sum()
    return p


def ranked(p: Any, keep: Any) -> Any:
    """The probabilities at places that `keep` chooses, given the sorted ones and their running sums."""
    order = np.argsort(-p)
    out = np.zeros_like(p)
    chosen = order[keep(p[order], p[order].cumsum())]
    out[chosen] = p[chosen]
    return out


def leftover(p: Any, q: Any) -> Any:
    return np.minimum(p, q).sum(), share(np.maximum(p - q, 0))


def leftover_by_torch(p: Any, q: Any) -> Any:
    p, q = torch.tensor(p), torch.tensor(q)
    return (q * (p / q).clamp(max=1)).sum(), torch.relu(p - q) / torch.relu(p - q).sum()


def leftover_by_lists(p: Any, q: Any) -> Any:
    rest = [max(0.0, a - b) for a, b in zip(p, q, strict=True)]
    return [1 - sum(rest), [r / sum(rest) for r in rest]]


def typical(p: Any, mass: float) -> Any:
    h = -(p * np.log2(p)).sum()
    order = np.argsort(abs(-np.log2(p) - h))
    out = np.zeros_like(p)
    for i in order:
        out[i] = p[i]
        if out.sum() >= mass:
            break
    return share(out)


def typical_by_torch(p: Any, mass: float) -> Any:
    process = pytest.importorskip("transformers").generation.logits_process.TypicalLogitsWarper(mass)
    return process(torch.zeros(1, 1), torch.tensor(p).log()[None]).softmax(-1)[0]


def typical_by_lists(p: Any, mass: float) -> Any:
    h = sum(-x * math.log(x) for x in p)
    kept: dict[int, float] = {}
    for i in sorted(range(len(p)), key=lambda i: abs(math.log(p[i]) + h)):
        if sum(kept.values()) < mass:
            kept[i] = float(p[i])
    return [kept.get(i, 0.0) / sum(kept.values()) for i in range(len(p))]


def near(p: Any, mass: float, score: Any) -> Any:
    order = np.argsort(score)
    keep = order[np.cumsum(p[order]) - p[order] < mass]
    out = np.zeros_like(p)
    out[keep] = p[keep]
    return share(out)


def nats(p: Any) -> Any:
    return -(p * np.log(p)).sum()


RIGHT: dict[str, list[Any]] = {
    "distance": [0.14, np.float32(0.14), torch.tensor([0.14]), 1 - 0.86],
    "nucleus": [nucleus, nucleus_by_torch, nucleus_by_lists, nucleus_in_place],
    "leftover": [leftover, leftover_by_torch, leftover_by_lists],
    "typical": [typical, typical_by_torch, typical_by_lists],
}


def by_rank(p: Any, mass: float) -> Any:
    r = np.sort(p)[::-1]
    return share(np.where(r.cumsum() - r < mass, p, 0))


WRONG: list[tuple[str, Any, str]] = [
    ("distance", 0.86, "mass that is kept"),
    ("distance", 0.28, "half"),
    ("distance", 0.07, "halves twice"),
    ("distance", 0.2, "1 − p"),
    ("distance", 0.31, "keeps two"),
    ("distance", 0.05, "keeps four"),
    ("distance", 0.58, "greedy"),
    ("distance", 0, "if all tokens stayed"),
    ("distance", 14, "percentage"),
    ("distance", 0.8, "0.8 is p"),
    ("distance", 0.5, "which tokens stay"),
    ("distance", "0.14", "expected one number"),
    ("nucleus", lambda p, mass: ranked(p, lambda r, s: s - r < mass), "divide them by their sum"),
    ("nucleus", lambda p, mass: share(ranked(p, lambda r, s: s <= mass)), "that passes p is missing"),
    ("nucleus", lambda p, mass: np.where(p >= 1 - mass, p, 0), "0 of 12 tokens have"),
    ("nucleus", lambda p, mass: share(ranked(p, lambda r, s: s - r >= mass)), "wrong way round"),
    (
        "nucleus",
        lambda p, mass: share(ranked(p, lambda r, s: np.arange(len(p)) < round(mass * len(p)))),
        "share of the mass",
    ),
    ("nucleus", lambda p, mass: share(ranked(p, lambda r, s: [0])), "only the likeliest"),
    ("nucleus", lambda p, mass: share(np.where(np.cumsum(p) - p < mass, p, 0)), "sort first"),
    (
        "nucleus",
        lambda p, mass: share(
            np.where(np.arange(len(p)) < (nucleus(p, mass) > 0).sum(), np.sort(p)[::-1], 0)
        ),
        "come back sorted",
    ),
    ("nucleus", lambda p, mass: p, "nothing is cut"),
    ("nucleus", by_rank, "the mask is in sorted order"),
    ("nucleus", lambda p, mass: np.where(nucleus(p, mass) > 0, p, -np.inf), "not finite"),
    ("distance", 0.09, "add the other"),
    ("nucleus", lambda p, mass: nucleus(p, mass)[nucleus(p, mass) > 0], "shape"),
    ("nucleus", lambda p, mass: nucleus(p, 0.5), "have some probability"),
    (
        "nucleus",
        lambda p, mass: nucleus(p, mass) if len(p) > 3 else share(ranked(p, lambda r, s: s <= mass) + 1e-9),
        "0.95",
    ),
    ("leftover", lambda p, q: (1 - np.minimum(p, q).sum(), share(np.maximum(p - q, 0))), "total variation"),
    ("leftover", lambda p, q: (np.minimum(1, p / q).mean(), share(np.maximum(p - q, 0))), "weigh each by q"),
    (
        "leftover",
        lambda p, q: ((p * np.minimum(1, p / q)).sum(), share(np.maximum(p - q, 0))),
        "weighed by p",
    ),
    ("leftover", lambda p, q: ((p * q).sum(), share(np.maximum(p - q, 0))), "independent draws"),
    ("leftover", lambda p, q: (np.maximum(p, q).sum(), share(np.maximum(p - q, 0))), "smaller one"),
    ("leftover", lambda p, q: (1 - abs(p - q).sum(), share(np.maximum(p - q, 0))), "half of it"),
    ("leftover", lambda p, q: leftover(p, q)[0], "two things"),
    ("leftover", lambda p, q: (leftover(p, q)[0], np.maximum(p - q, 0)), "divide by its sum"),
    ("leftover", lambda p, q: (leftover(p, q)[0], p), "counts twice"),
    ("leftover", lambda p, q: (leftover(p, q)[0], q), "from q again"),
    ("leftover", lambda p, q: (leftover(p, q)[0], p - q), "negative"),
    ("leftover", lambda p, q: (leftover(p, q)[0], share(abs(p - q))), "too much of"),
    ("leftover", lambda p, q: (leftover(p, q)[0], share(np.maximum(q - p, 0))), "wrong way round"),
    ("leftover", lambda p, q: (leftover(p, q)[0], share(np.minimum(p, q))), "what was kept"),
    ("leftover", lambda p, q: (leftover(p, q)[0], share(p / q)), "decides about keeping"),
    ("typical", nucleus, "that is the nucleus"),
    ("typical", lambda p, mass: near(p, mass, -abs(-np.log(p) - nats(p))), "ascending"),
    ("typical", lambda p, mass: near(p, mass, np.log(p) + nats(p)), "absolute value"),
    ("typical", lambda p, mass: near(p, mass, abs(-np.log(p) - nats(p) / np.log(2))), "one base"),
    ("typical", lambda p, mass: near(p, mass, abs(-np.log(p) - (-np.log(p)).mean())), "weighs it by p"),
    ("typical", lambda p, mass: near(p, mass, abs(p - nats(p))), "that is the nucleus"),
    ("typical", lambda p, mass: p, "nothing is cut"),
    ("typical", lambda p, mass: np.where(typical(p, mass) > 0, p, 0), "divide them by their sum"),
    ("typical", lambda p, mass: typical(p, 0.2), "other tokens stay"),
]
