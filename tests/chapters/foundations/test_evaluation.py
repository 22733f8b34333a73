"""The evaluation chapter: page = package, its explorer, answers for its checks."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, norm
from sklearn.metrics import cohen_kappa_score

from engine import Engine
from labutils import evaluation as library
from places import run_cells


def define(*cells: str, **more: Any) -> dict[str, Any]:
    """The names that cells of the page define, with its imports but none of its data."""
    return run_cells("evaluation", cells, math=math, np=np, Counter=Counter, binom=binom, norm=norm, **more)


def draw(n: int = 80, n_class: int = 4, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_class, n)
    return y, np.where(rng.random(n) < 0.6, y, rng.integers(0, n_class, n))


# --- the page equals the package ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_scores_and_intervals(seed: int) -> None:
    page = define("f1", "strays", "kappa", cohen_kappa_score=cohen_kappa_score)
    y, said = draw(seed=seed)
    np.testing.assert_array_equal(page["confusion"](y, said, 4), library.confusion(y, said, 4))
    assert page["f1"](y, said, 4, "macro") == pytest.approx(library.macro_f1(y, said, 4))
    assert page["f1"](y, said, 4, "micro") == pytest.approx(library.micro_f1(y, said, 4))
    assert page["kappa"](y, said, 4) == pytest.approx(library.kappa(y, said, 4))
    np.testing.assert_allclose(page["bootstrap"](y == said), library.bootstrap(y == said))


def test_paired_test_and_sizes() -> None:
    page = define("mcnemar", binomtest=lambda k, n: type("R", (), {"pvalue": 2 * binom.cdf(k, n, 0.5)}))
    rng = np.random.default_rng(0)
    for only_a, only_b in rng.integers(0, 30, (20, 2)):
        a, b = np.repeat([1, 0], [only_a, only_b]), np.repeat([0, 1], [only_a, only_b])
        assert page["mcnemar"](only_a, only_b) == pytest.approx(library.mcnemar(a, b))
    page = define("power", p=0.74, q=0.72, differ=0.15)
    for gain, differ in ((0.01, 0.1), (0.03, 0.2), (0.05, 0.06)):
        assert page["needed"](gain, differ) == pytest.approx(library.needed_size(gain, differ), rel=3e-3)
        assert page["power"](900, gain, differ) == pytest.approx(
            library.power_of(900, gain, differ), abs=1e-3
        )


def test_bleu_and_chrf() -> None:
    page = define("bleu")
    rng = np.random.default_rng(0)
    wanted = [" ".join(rng.choice(["the", "cat", "sat", "down", "here"], 12)) for _ in range(30)]
    said = [" ".join(w if rng.random() < 0.8 else "dog" for w in text.split()) for text in wanted]
    split = [[text.split() for text in texts] for texts in (said, wanted)]
    assert page["bleu"](said, wanted) == pytest.approx(library.bleu(*split))
    assert page["chrf"](said, wanted) == pytest.approx(library.chrf(said, wanted))


# --- the explorer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gain", "differ", "n", "k"),
    [(0.02, 0.16, 1000, 1), (0.005, 0.12, 20000, 40), (0.1, 0.12, 50, 3), (0.1, 0.6, 3000, 20)],
)
def test_explorer_equals_the_formulas(engine: Engine, gain: float, differ: float, n: int, k: int) -> None:
    found = engine.compute("test_size", {"gain": gain, "differ": differ, "n": n, "k": k}, {})
    level = 1 - 0.05 / k
    assert found["power"] == pytest.approx(library.power_of(n, gain, differ, level), abs=1e-9)
    assert found["needed"] == pytest.approx(library.needed_size(gain, differ, level), abs=1)
    assert found["luck"] == pytest.approx(1 - 0.95**k)
    assert found["line"] == pytest.approx(norm.ppf((1 + level) / 2) * math.sqrt(differ / n))


# --- answers for the checks --------------------------------------------------------------------------------


def holm(p: Any) -> Any:
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def holm_by_lists(p: Any) -> Any:
    ranked, result, most = sorted(range(len(p)), key=lambda i: p[i]), [0.0] * len(p), 0.0
    for place, i in enumerate(ranked):
        most = max(most, (len(p) - place) * float(p[i]))
        result[i] = min(1.0, most)
    return result


def holm_in_place(p: Any) -> Any:
    most = 0.0
    for place, i in enumerate(np.argsort(p)):
        p[i] = most = max(most, min(1, p[i] * (len(p) - place)))
    return p


def holm_by_torch(p: Any) -> Any:
    import torch

    values, order = torch.tensor(p).sort()
    steps = (values * torch.arange(len(p), 0, -1)).cummax(0).values.clamp(max=1)
    return torch.zeros_like(values).scatter(0, order, steps)


def steps_of(p: Any, factors: Any) -> tuple[Any, Any]:
    order = np.argsort(p)
    return p[order] * factors, np.argsort(order)


def falling(p: Any) -> Any:
    return np.arange(len(p), 0, -1)


def hochberg(p: Any) -> Any:
    steps, back = steps_of(p, falling(p))
    return np.minimum(1, np.minimum.accumulate(steps[::-1])[::-1])[back]


def benjamini(p: Any) -> Any:
    steps, back = steps_of(p, len(p) / np.arange(1, len(p) + 1))
    return np.minimum(1, np.minimum.accumulate(steps[::-1])[::-1])[back]


def carried(p: Any, factors: Any) -> Any:
    steps, back = steps_of(p, factors)
    return np.minimum(1, np.maximum.accumulate(steps))[back]


def holm_descending(p: Any) -> Any:
    order, adjusted = np.argsort(-p), np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * falling(p)))
    return adjusted


def neighbours(p: Any) -> Any:
    steps, back = steps_of(p, falling(p))
    return np.minimum(1, np.maximum(steps, np.append(0, steps[:-1])))[back]


def weighted(a: Any, b: Any, n_class: int) -> Any:
    return 1 - ((a - b) ** 2).mean() / ((a[:, None] - b[None]) ** 2).mean()


def weighted_by_table(a: Any, b: Any, n_class: int) -> Any:
    table = np.zeros((n_class, n_class))
    np.add.at(table, (a, b), 1 / len(a))
    cost = np.subtract.outer(np.arange(n_class), np.arange(n_class)) ** 2
    return 1 - (cost * table).sum() / (cost * np.outer(table.sum(1), table.sum(0))).sum()


def weighted_by_scikit_learn(a: Any, b: Any, n_class: int) -> Any:
    return cohen_kappa_score(a, b, weights="quadratic")


def weighted_by_torch(a: Any, b: Any, n_class: int) -> Any:
    import torch

    a, b = torch.tensor(a).float(), torch.tensor(b).float()
    return 1 - (a - b).square().mean() / torch.cdist(a[:, None], b[:, None]).square().mean()


def costs(a: Any, b: Any) -> tuple[Any, Any]:
    return ((a - b) ** 2).mean(), ((a[:, None] - b[None]) ** 2).mean()


RIGHT: dict[str, list[Any]] = {
    "texts": [2350, 2351.0, np.float64(2347.3), 7.8 * 0.12 / 0.02**2],
    "holm": [holm, holm_by_lists, holm_by_torch, holm_in_place, lambda p: holm(p.astype(np.float32))],
    "weighted_kappa": [
        weighted,
        weighted_by_table,
        weighted_by_scikit_learn,
        weighted_by_torch,
        lambda a, b, n: weighted(a.astype(np.float32), b.astype(np.float32), n),
    ],
    "culprits": ["EFDABC", "efdabc", "E, F, D, A, B, C", list("EFDABC"), np.array(list("EFDABC"))],
}

WRONG: list[tuple[str, Any, str]] = [
    ("texts", 48.5, "square it"),
    ("texts", 1.96**2 * 0.12 / 0.02**2, "power is one half"),
    ("texts", 0.84**2 * 0.12 / 0.02**2, "nothing is tested"),
    ("texts", (1.645 + 0.84) ** 2 * 0.12 / 0.02**2, "one side"),
    ("texts", 7.84 * 0.12 / 0.02, "divide by the square"),
    ("texts", 7.84 / 0.02**2, "0.12, is missing"),
    ("texts", 7.84 * 0.5 / 0.02**2, "tests of their own"),
    ("texts", 4700, "twice as many"),
    ("texts", (1.96 + 1.28) ** 2 * 0.12 / 0.02**2, "nine times in ten"),
    ("texts", 7.84 * 0.12 * 0.88 / 0.02**2, "variance already"),
    ("texts", 7.84 * 0.0144 / 0.02**2, "d once"),
    ("texts", 0.235, "a gain of two points"),
    ("texts", 235_200, "12 % is 0.12"),
    ("texts", 1000, "7.8"),
    ("texts", "many", "expected one number"),
    ("holm", lambda p: np.minimum(1, len(p) * p), "Bonferroni"),
    ("holm", lambda p: len(p) * p, "Bonferroni"),
    ("holm", lambda p: np.sort(holm(p)), "back to the order"),
    ("holm", lambda p: np.minimum(1, steps_of(p, falling(p))[0])[steps_of(p, falling(p))[1]], "so far along"),
    ("holm", lambda p: steps_of(p, falling(p))[0][steps_of(p, falling(p))[1]], "so far along"),
    ("holm", lambda p: carried(p, falling(p)[::-1]), "wrong way"),
    ("holm", lambda p: np.minimum(1, p * falling(p)), "sort before"),
    ("holm", lambda p: np.minimum(1, np.maximum.accumulate(p * falling(p))), "sort before"),
    ("holm", lambda p: np.sort(holm(p))[np.argsort(p)], "once more"),
    ("holm", benjamini, "Benjamini"),
    ("holm", hochberg, "Hochberg"),
    ("holm", lambda p: carried(p, falling(p) - 1), "they are k"),
    ("holm", lambda p: 1 - (1 - p) ** len(p), "Šidák"),
    ("holm", lambda p: holm(p) < 0.05, "verdict"),
    ("holm", lambda p: carried(p, falling(p) + 1), "k + 1"),
    ("holm", lambda p: carried(p, 1 / falling(p)), "divided"),
    ("holm", lambda p: np.sort(p) * falling(p), "order of p, and carry"),
    ("holm", lambda p: (np.sort(p) * falling(p))[np.argsort(p)], "once more"),
    ("holm", lambda p: np.sort(p) * falling(p)[::-1], "wrong way"),
    ("holm", lambda p: steps_of(p, falling(p)[::-1])[0][steps_of(p, 1)[1]], "wrong way"),
    ("holm", lambda p: holm_descending(p), "from the largest down"),
    ("holm", lambda p: neighbours(p), "the one before alone"),
    ("holm", lambda p: np.sort(p), "sorted, and not multiplied"),
    ("holm", lambda p: np.zeros(len(p)), "expected"),
    ("holm", lambda p: p, "as it came"),
    ("holm", lambda p: holm(p)[:2], "shape"),
    ("holm", lambda p: holm(p) / 2, "expected"),
    ("weighted_kappa", library.kappa, "without weights"),
    (
        "weighted_kappa",
        lambda a, b, n: 1 - abs(a - b).mean() / abs(a[:, None] - b[None]).mean(),
        "to be squared",
    ),
    ("weighted_kappa", lambda a, b, n: 1 - costs(a, b)[0], "what chance gives"),
    ("weighted_kappa", lambda a, b, n: costs(a, b)[0] / costs(a, b)[1], "subtract it"),
    ("weighted_kappa", lambda a, b, n: costs(a, b)[0], "C alone"),
    ("weighted_kappa", lambda a, b, n: costs(a, b)[1], "C₀ alone"),
    ("weighted_kappa", lambda a, b, n: 1 - costs(a, b)[1] / costs(a, b)[0], "upside down"),
    ("weighted_kappa", lambda a, b, n: np.corrcoef(a, b)[0, 1], "correlation"),
    ("weighted_kappa", lambda a, b, n: (a == b).mean(), "agree"),
    ("weighted_kappa", lambda a, b, n: 1 - ((a - b) ** 2).sum() / costs(a, b)[1], "means in both"),
    ("weighted_kappa", lambda a, b, n: 1 - costs(a, b)[0] / costs(a, a)[1], "pair a with b"),
    ("weighted_kappa", lambda a, b, n: 1 - costs(a, b)[0] / (a.var() + b.var()), "means differ"),
    (
        "weighted_kappa",
        lambda a, b, n: 1 - costs(a, b)[0] * (len(a) - 1) / (len(a) * costs(a, b)[1] - costs(a, b)[0]),
        "two different texts",
    ),
    ("weighted_kappa", lambda a, b, n: 1 - costs(a, b)[0] / costs(b, b)[1], "of b with itself"),
    ("weighted_kappa", lambda a, b, n: 1 - costs(a, b)[0] / b.var(), "variance of b"),
    (
        "weighted_kappa",
        lambda a, b, n: 1 - ((a - b) ** 2).sum() / ((a[:, None] - b) ** 2).sum(),
        "n texts and n² pairs",
    ),
    (
        "weighted_kappa",
        lambda a, b, n: 1 - ((a - b) ** 2).mean() / ((a[:, None] - b) ** 2).sum(),
        "a sum over",
    ),
    ("weighted_kappa", lambda a, b, n: 1 - costs(a, b)[0] / ((a - b) ** 2).mean(), "came out as C"),
    ("weighted_kappa", lambda a, b, n: 1 - (costs(a, b)[0] / costs(a, b)[1]) ** 0.5, "a root"),
    ("weighted_kappa", lambda a, b, n: costs(a, b)[0] / costs(a, b)[1] - 1, "the sign"),
    ("weighted_kappa", lambda a, b, n: 1 - costs(a, b)[0] / (n - 1) ** 2, "largest possible"),
    (
        "weighted_kappa",
        lambda a, b, n: 1 - costs(a, b)[0] / ((a[:, None] - b) ** 2)[np.triu_indices(len(a), 1)].mean(),
        "below j alone",
    ),
    ("weighted_kappa", lambda a, b, n: weighted(a, b, 5) if n == 5 else 0.5, "expected"),
    ("weighted_kappa", lambda a, b, n: 0.5, "expected"),
    ("culprits", "EFDACB", "log 5"),
    ("culprits", "AFDEBC", "log 1"),
    ("culprits", "DEFCAB", "the other way round"),
    ("culprits", "EFDAB", "5 letters"),
    ("culprits", "EFDABB", "once"),
    ("culprits", 3, "six letters"),
]
