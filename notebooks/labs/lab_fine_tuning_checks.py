"""Hidden checks of the lab on fine-tuning: a thousand tenants on one model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labutils.checks.answers import array
from labutils.coursework.cases import Build, Wrong, equal, mistake, tensor

Floats = NDArray[np.float64]
LIMITS = {"seconds": 180, "cell_seconds": 60, "question_seconds": 10}


def _numbers(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _spectrum(rng: np.random.Generator, rows: int, columns: int, sizes: Any) -> Floats:
    """A matrix with these singular values and random directions."""
    left = np.linalg.qr(rng.normal(size=(rows, len(sizes))))[0]
    right = np.linalg.qr(rng.normal(size=(columns, len(sizes))))[0]
    return (left * np.asarray(sizes)) @ right.T


def _pair(found: Any, rank: int, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """A and B of an answer, checked for their shapes."""
    if not isinstance(found, list | tuple) or len(found) != 2:
        raise Wrong("Two matrices are asked for: return A, B.")
    if rank != shape[0] and np.shape(found[0]) == (shape[0], rank):
        raise Wrong("A and B are the other way round: first A, with as many rows as the rank, then B.")
    try:
        a = array(found[0], (rank, shape[1]))
        return a, array(found[1], (shape[0], rank))
    except Wrong:
        if np.shape(found[0]) == (rank, shape[1]) and np.shape(found[1]) == (shape[0], rank):
            raise Wrong("A or B holds what is no real number: is a root taken of a negative one?") from None
        raise Wrong("A or B has the wrong shape: A is (rank, d_in) and B is (d_out, rank).") from None


# --- 1, the invoice


def reference_q1(personal: np.random.Generator) -> dict[str, int]:
    def one(*values: int) -> int:
        return int(personal.choice(values))

    blocks, width, narrow, wide = (
        one(24, 32, 40),
        one(2048, 3072, 4096),
        one(512, 1024),
        one(7168, 11008, 14336),
    )
    rank, weights, space = one(4, 8, 16), 10**9 * one(3, 5, 7), 10**9 * one(24, 40, 80)
    numbers = blocks * rank * (4 * width + narrow + wide)
    free = space - weights * 2
    return {
        "right": free // (numbers * 2),
        "no bytes": free // numbers,
        "no model": space // (numbers * 2),
        "model counted in numbers": (space - weights) // (numbers * 2),
        "square": free // (blocks * rank * 12 * width),
        "whole": free // (blocks * width * (width + narrow + wide) * 2),
        "up": free // (numbers * 2) + 1,
    }


def compare_q1(found: Any, expected: dict[str, int]) -> str | None:
    number = array(found, ()).item()
    if number % 1:
        return "Nobody rents to a part of a tenant: a whole number, rounded down."
    words = {
        "whole": "A tenant stores A and B of each matrix, and not a whole matrix.",
        "no bytes": "Every number of a tenant takes two bytes.",
        "no model": "The model itself is in memory as well.",
        "model counted in numbers": "Every number of the model takes two bytes, too.",
        "square": "Not all of the matrices are square: look at the table of their shapes.",
        "up": "The last tenant does not fit: a whole number, rounded down.",
    }
    other = "This is not the number of tenants for this sheet: the rank times both sides, for three matrices a block."
    return mistake(number, expected, words, other, rtol=0, atol=0)


# --- 2, a LoRA from a change


def inputs_q2(rng: np.random.Generator) -> list[Any]:
    thin = rng.normal(size=(9, 3)) @ rng.normal(size=(3, 9))
    return [
        (tensor(rng.normal(size=(12, 8))), 3),
        (tensor(rng.normal(size=(6, 15))), 1),
        (tensor(rng.normal(size=(7, 7)), "float64"), 5),
        (tensor(thin), 4),
    ]


def reference_q2(change: Any, rank: int) -> dict[str, Any]:
    given = _numbers(change)
    sizes = np.linalg.svd(given, compute_uv=False)
    return {"change": given, "rank": rank, "least": float((sizes[rank:] ** 2).sum())}


def compare_q2(found: Any, expected: dict[str, Any]) -> str | None:
    given = expected["change"]
    a, b = _pair(found, expected["rank"], given.shape)
    lost, whole = float(((given - b @ a) ** 2).sum()), float((given**2).sum())
    if lost <= expected["least"] * 1.001 + 1e-6 * whole:
        return None
    if lost > 1.5 * whole:
        return "The product is far larger than the change: are the singular values in it twice?"
    return (
        "Another product of this rank is nearer to the change: keep the largest singular values, each once."
    )


# --- 3, the rank that is enough


def inputs_q3(rng: np.random.Generator) -> list[Any]:
    cases = []
    for rows, columns, many in ((10, 6, 6), (5, 14, 5), (12, 12, 7)):
        sizes = np.sort(rng.uniform(0.5, 4, many))[::-1]
        held = np.cumsum(sizes**2) / (sizes**2).sum()
        place = int(rng.integers(1, many - 1))
        share = float(held[place - 1] + 0.5 * (held[place] - held[place - 1]))
        cases.append((tensor(_spectrum(rng, rows, columns, sizes)), share))
    steep = _spectrum(rng, 8, 8, [9, 6, 5, 1])
    return [*cases, (tensor(steep), 0.3), (tensor(steep), 0.98), (tensor(steep, "float64"), 0.9)]


def reference_q3(change: Any, share: float) -> dict[str, int]:
    sizes = np.linalg.svd(_numbers(change), compute_uv=False)

    def first(parts: Floats) -> int:
        return int(np.argmax(np.cumsum(parts) >= share * parts.sum())) + 1

    return {"right": first(sizes**2), "plain": first(sizes)}


def compare_q3(found: Any, expected: dict[str, int]) -> str | None:
    number = array(found, ()).item()
    if number == expected["right"]:
        return None
    if number == expected["plain"]:
        return "Too many: square the singular values, and stop where the share is reached."
    if number == expected["right"] - 1:
        return "One too few: with this rank the share is not reached yet."
    return "This is not the smallest rank that holds this share of the squares."


# --- 4, many tenants


def inputs_q4(rng: np.random.Generator) -> list[Build]:
    def case(
        d_in: int, d_out: int, rank: int, many: int, tenant: list[int], alpha: float, leave: str, wants: str
    ) -> Build:
        shapes = {"A": (many, rank, d_in), "B": (many, d_out, rank)}
        shapes |= {"base.weight": (d_out, d_in), "base.bias": (d_out,)}
        state = {
            name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items() if name != leave
        }
        if leave == "A":  # then equal rows of A cancel
            state["B"][..., 1] = -state["B"][..., 0]
        init = {"d_in": d_in, "d_out": d_out, "rank": rank, "n_tenant": many, "alpha": alpha}
        args = (tensor(rng.normal(size=(len(tenant), 4, d_in))), tensor(tenant, "int64"))
        return Build(init, state, args, wants=wants, strict=False)

    return [
        case(5, 4, 2, 3, [2, -1, 0, 2], 8.0, "", "both"),
        case(3, 7, 3, 4, [1, 1, 3], 3.0, "", "output"),
        case(4, 4, 1, 2, [-1, -1], 2.0, "", "output"),
        case(6, 2, 2, 5, [4], 1.0, "", "output"),
        case(4, 3, 2, 3, [0, 1, 2], 4.0, "B", "output"),  # as made, B changes nothing
        case(4, 3, 2, 3, [0, 1, 2], 4.0, "A", "output"),  # as made, A is not zero
    ]


def reference_q4(case: Build) -> dict[str, Any]:
    assert case.state is not None
    x, tenant = _numbers(case.args[0]), case.args[1].tolist()
    state, init = case.state, case.init
    plain = x @ state["base.weight"].T + state["base.bias"]
    made = {"A": "A" not in state, "B": "B" not in state}
    products = np.zeros((init["n_tenant"], init["d_out"], init["d_in"]))
    if not any(made.values()):
        products = state["B"].astype(float) @ state["A"]

    def served(factor: float, owners: list[int]) -> Floats:
        return np.array(
            [p + (factor * row @ products[who].T if who >= 0 else 0)
             for p, row, who in zip(plain, x, owners, strict=True)]
        )  # fmt: skip

    scale, nobody = init["alpha"] / init["rank"], init["n_tenant"] - 1
    right = served(scale, tenant)
    trained = [
        ("A", (init["n_tenant"], init["rank"], init["d_in"])),
        ("B", (init["n_tenant"], init["d_out"], init["rank"])),
    ]
    return {
        "right": right,
        "plain": plain,
        "last": served(scale, [who if who >= 0 else nobody for who in tenant]),
        "zeroth": served(scale, [max(who, 0) for who in tenant]),
        "nothing": right * (np.array(tenant) >= 0)[:, None, None],
        "no zero": served(scale, [who or -1 for who in tenant]),
        "first": served(scale, [tenant[0] if who >= 0 else -1 for who in tenant]),
        "no scale": served(1, tenant),
        "alpha": served(init["alpha"], tenant),
        "trained": trained if case.wants == "both" else None,
        "made": made,
    }


def compare_q4(found: Any, expected: dict[str, Any]) -> str | None:
    trained = None
    if expected["trained"] is not None:
        found, trained = found
    out = array(found, expected["right"].shape)
    if expected["made"]["A"]:
        if equal(out, expected["plain"], 1e-3, 1e-4):
            return "A is zero at first, or all its rows are the same: random numbers, one for each place."
        return None
    if expected["made"]["B"] and not equal(out, expected["plain"], 1e-3, 1e-4):
        return "Before it is trained a LoRA changes nothing: B is zero at first."
    words = {
        "last": "A text of nobody, tenant -1, got the last tenant's product.",
        "zeroth": "A text of nobody, tenant -1, got tenant 0's product.",
        "nothing": "A text of nobody gets the frozen layer's output, and not nothing.",
        "no zero": "Tenant 0 is a tenant, too: -1 alone means nobody.",
        "first": "Each text has its own tenant, and not that of the first text.",
        "no scale": "The product is scaled by alpha / rank.",
        "alpha": "The product is scaled by alpha / rank.",
    }
    other = (
        "The output is not the frozen layer's plus alpha / rank times the product of each text's own tenant."
    )
    why = mistake(out, expected, words, other, rtol=1e-3, atol=1e-4)
    if why is None and trained is not None and not equal(trained, expected["trained"]):
        return "A and B alone are to be trained, by these names and with these shapes."
    return why


# --- 5, two tenants in one


def inputs_q5(rng: np.random.Generator) -> list[Any]:
    def adapters(d_in: int, d_out: int, *ranks: int) -> list[Any]:
        return [
            (
                tensor(rng.normal(size=(r, d_in))),
                tensor(rng.normal(size=(d_out, r))),
                float(rng.choice([1, 3, 8])),
            )
            for r in ranks
        ]

    return [
        (adapters(9, 7, 2, 2), [0.75, 0.25]),
        (adapters(8, 12, 1, 3, 2), rng.uniform(0.2, 2, 3).tolist()),
        (adapters(10, 10, 2, 4), [1.0, -0.7]),
        (adapters(6, 5, 3), [1.5]),
    ]


def reference_q5(adapters: list[Any], weights: list[float]) -> dict[str, Any]:
    products = [_numbers(b) @ _numbers(a) for a, b, _ in adapters]
    ranks, alphas = [len(a) for a, _, _ in adapters], [alpha for _, _, alpha in adapters]
    scales = [alpha / rank for alpha, rank in zip(alphas, ranks, strict=True)]

    def total(*factors: float) -> Any:
        return sum(factor * p for factor, p in zip(factors, products, strict=True))

    each = list(zip(weights, scales, strict=True))
    return {
        "right": total(*(w * s for w, s in each)),
        "no scale": total(*weights),
        "alpha": total(*(w * alpha for w, alpha in zip(weights, alphas, strict=True))),
        "all ranks": total(*(w * alpha / sum(ranks) for w, alpha in zip(weights, alphas, strict=True))),
        "one scale": total(*(w * scales[0] for w in weights)),
        "twice": total(*(w * w * s for w, s in each)),
        "no sign": total(*(abs(w) * s for w, s in each)),
        "rank": sum(ranks),
    }


def compare_q5(found: Any, expected: dict[str, Any]) -> str | None:
    own = "Each product is to be scaled by its own alpha over its own rank."
    words = {
        **dict.fromkeys(("no scale", "alpha", "all ranks", "one scale"), own),
        "twice": "The weights are in it twice: in A or in B, not in both.",
        "no sign": "A negative weight takes a tenant off: its sign is lost.",
    }
    a, b = _pair(found, expected["rank"], expected["right"].shape)
    other = "The product is not the weighted sum of the tenants' products."
    return mistake(b @ a, expected, words, other, rtol=1e-3, atol=1e-4)


# --- 6, protected directions


def inputs_q6(rng: np.random.Generator) -> list[Any]:
    def texts(n: int, d: int) -> Floats:
        many = min(n, d)
        return _spectrum(rng, n, d, 8 * 0.6 ** np.arange(many))

    def thin(rank: int, d: int) -> Any:
        return tensor(rng.normal(size=(rank, d)))

    return [
        (thin(3, 7), tensor(texts(20, 7)), 1),
        (thin(2, 9), tensor(texts(5, 9)), 3),
        (thin(4, 6), tensor(texts(6, 6)), 2),
        (thin(2, 5), tensor(texts(8, 5)), 0),
        (tensor(rng.normal(size=(1, 8)), "float64"), tensor(texts(30, 8), "float64"), 4),
    ]


def reference_q6(a: Any, x: Any, k: int) -> dict[str, Floats]:
    given, rows = _numbers(a), _numbers(x)

    def along(many: Floats, which: slice) -> Floats:
        directions = np.linalg.svd(many, full_matrices=False)[2][which]
        return given @ directions.T @ directions

    centred = rows - rows.mean(0)
    return {
        "right": given - along(rows, slice(k)),
        "kept": along(rows, slice(k)),
        "centred": given - along(centred, slice(k)),
        "smallest": given - along(rows, slice(-k if k else len(rows), None)),
        "first": given - along(rows, slice(1)),
    }


def compare_q6(found: Any, expected: dict[str, Floats]) -> str | None:
    out = array(found, expected["right"].shape)
    words = {
        "kept": "What is kept is what was to be taken out.",
        "centred": "The mean has been subtracted from X: a change meets the vectors as they are.",
        "smallest": "These are the smallest directions of X: the largest are to be protected.",
        "first": "The k largest directions are to be protected: not one always, and none with k = 0.",
    }
    other = "Not the nearest matrix to A that takes the largest directions of X to zero."
    return mistake(out, expected, words, other, rtol=1e-3, atol=1e-3)
