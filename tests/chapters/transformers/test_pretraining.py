"""The chapter on pre-training: page = package, its explorer, what it states, answers for its checks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine import Engine
from labutils import objectives, records
from labutils.pocket.recipe import RECIPES
from labutils.pocket.recipe import mask_tokens as pocket_mask
from places import run_cells

WORDS = list("abcdefghijklmnopqrst")
SENTINELS = ["<X>", "<Y>", "<Z>", "<U>", "<V>", "<W>", "<A>", "<B>", "<C>", "<D>", "<E>", "<F>", "<G>"]


def define(*cells: str) -> dict[str, Any]:
    return run_cells("pretraining", cells, math=math, np=np, torch=torch, F=F, objectives=objectives)


# --- the page equals the package ---------------------------------------------------------------------------


def test_next_tokens() -> None:
    ids = torch.arange(12).reshape(2, 6)
    for page, package in zip(define("causal")["next_tokens"](ids), objectives.next_tokens(ids), strict=True):
        assert torch.equal(page, package)
    with pytest.raises(ValueError, match="at least two"):
        objectives.next_tokens(ids[:, :1])


@pytest.mark.parametrize("share", [0.15, 0.5])
def test_mask_tokens_is_the_pocket_models(share: float) -> None:
    from dataclasses import replace

    page, ids = (
        define("causal", "masked"),
        torch.randint(0, 2048, (8, 64), generator=torch.Generator().manual_seed(1)),
    )

    def draw() -> torch.Generator:
        return torch.Generator().manual_seed(3)

    expected = pocket_mask(ids, replace(RECIPES["pocket-bert"], masked=share), draw())
    for found in (
        objectives.mask_tokens(ids, share, draw(), mask=4, n_vocab=2048, first=5),
        page["mask_tokens"](ids, share, draw(), 4, 2048, 5),
    ):
        assert torch.equal(found[0], expected[0])
        assert torch.equal(found[1], expected[1])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("share", "mean"), [(0.15, 3.0), (0.5, 1.0), (0.9, 2.5)])
def test_spans_can_be_put_back(seed: int, share: float, mean: float) -> None:
    page = define("causal", "spans")
    source, target = objectives.corrupt_spans(WORDS, share, mean, np.random.default_rng(seed), SENTINELS)
    assert (source, target) == page["corrupt_spans"](
        WORDS, share, mean, np.random.default_rng(seed), SENTINELS
    )
    assert restore(source, target, set(SENTINELS)) == WORDS
    n_hidden = min(max(round(20 * share), 1), 19)
    assert len(source) + len(target) == 20 + 2 * (len(target) - n_hidden - 1) + 1
    assert source[0] == "a"


def test_spans_refuse_too_few_sentinels() -> None:
    with pytest.raises(ValueError, match="sentinels"):
        objectives.corrupt_spans(WORDS, 0.5, 1.0, np.random.default_rng(0), SENTINELS[:3])
    with pytest.raises(ValueError, match="n_parts"):
        objectives.random_parts(2, 3, np.random.default_rng(0))
    with pytest.raises(ValueError, match="share"):
        objectives.mask_tokens(torch.zeros(1, 2), 1.0, torch.Generator(), mask=1, n_vocab=2, first=0)


def test_every_way_to_cut_is_equally_likely() -> None:
    rng = np.random.default_rng(0)
    found = [tuple(objectives.random_parts(5, 3, rng)) for _ in range(6000)]
    counts = {parts: found.count(parts) for parts in set(found)}
    assert len(counts) == 6
    assert all(850 < count < 1150 for count in counts.values())


def test_letters() -> None:
    assert records.letters("A b--Z").tolist() == [1, 0, 2, 0, 26]


# --- the explorer ------------------------------------------------------------------------------------------


class Orders:
    """In place of a random generator: orders that are given, one after another."""

    def __init__(self, orders: list[list[int]]) -> None:
        self.orders = iter(orders)

    def permutation(self, n: int) -> np.ndarray:
        return np.array([place for place in next(self.orders) if place < n], dtype=np.int64)


DRAWS = [[np.random.default_rng(10 * i + j).permutation(20).tolist() for j in range(3)] for i in range(6)]


@pytest.mark.parametrize("draw", [1, 4])
@pytest.mark.parametrize("share", [0.05, 0.15, 0.35, 0.6])
@pytest.mark.parametrize("length", [1, 2.5, 5])
def test_explorer_cuts_spans_as_the_package_does(
    engine: Engine, draw: int, share: float, length: float
) -> None:
    values = {"objective": "spans (T5)", "share": share, "length": length, "draw": draw}
    found = engine.compute("objectives", values, {"tokens": WORDS, "draws": DRAWS})
    rng: Any = Orders(DRAWS[draw - 1][1:])
    source, target = objectives.corrupt_spans(WORDS, share, length, rng, SENTINELS)
    assert (found["nSource"], found["nTarget"]) == (len(source), len(target))
    shown = [token for token, cell in zip(WORDS, found["cells"], strict=True) if cell["look"] == "shown"]
    assert shown == [token for token in source if token not in SENTINELS]


def test_explorer_counts_answers(engine: Engine) -> None:
    data = {"tokens": WORDS, "draws": DRAWS}
    rest = {"share": 0.5, "length": 3, "draw": 2}
    assert engine.compute("objectives", {"objective": "causal (GPT)", **rest}, data)["answers"] == 19
    masked = engine.compute("objectives", {"objective": "masked (BERT)", **rest}, data)
    assert masked["answers"] == 10
    assert sum(cell["asked"] for cell in masked["cells"]) == 10


# --- answers for the checks --------------------------------------------------------------------------------


def restore(source: Any, target: Any, sentinels: Any) -> list[Any]:
    pieces: dict[Any, list[Any]] = {}
    for token in target:
        if token in sentinels:
            current = pieces.setdefault(token, [])
        else:
            current.append(token)
    return [token for place in source for token in (pieces[place] if place in sentinels else [place])]


def restore_by_index(source: Any, target: Any, sentinels: Any) -> Any:
    text = []
    for token in source:
        if token not in sentinels:
            text.append(token)
            continue
        i = target.index(token) + 1
        while i < len(target) and target[i] not in sentinels:
            text.append(target[i])
            i += 1
    return np.array(text, dtype=object)


def restore_in_place(source: Any, target: Any, sentinels: Any) -> Any:
    while target:
        sentinel, piece = target.pop(0), []
        while target and target[0] not in sentinels:
            piece.append(target.pop(0))
        if sentinel in source:
            at = source.index(sentinel)
            source[at : at + 1] = piece
    return tuple(source)


def first_only(source: Any, target: Any, sentinels: Any) -> Any:
    return [target[target.index(t) + 1] if t in sentinels else t for t in source]


def nested(source: Any, target: Any, sentinels: Any) -> Any:
    whole = restore(source, target, sentinels)
    return [whole[:2], *whole[2:]]


def by_torch(logits: Any, ids: Any, pad: Any) -> Any:
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), ignore_index=pad)


def by_numpy(logits: Any, ids: Any, pad: Any) -> Any:
    x, y = logits.double().numpy()[:, :-1], ids.numpy()[:, 1:]
    x = x - x.max(-1, keepdims=True)
    log_p = x - np.log(np.exp(x).sum(-1, keepdims=True))
    rows, columns = np.nonzero(y != pad)
    return -log_p[rows, columns, y[rows, columns]].mean()


def by_loop(logits: Any, ids: Any, pad: Any) -> Any:
    terms = [
        -logits[b, t].log_softmax(-1)[ids[b, t + 1]].item()
        for b in range(len(ids))
        for t in range(ids.shape[1] - 1)
        if ids[b, t + 1] != pad
    ]
    return [sum(terms) / len(terms)]


def each(logits: Any, ids: Any, pad: Any) -> tuple[Any, Any]:
    y = ids[:, 1:]
    return F.cross_entropy(logits[:, :-1].mT, y, reduction="none"), y != pad


def law(losses: Any, r: Any) -> Any:
    first, second, third = losses
    q = (second - third) / (first - second)
    return -math.log(q) / math.log(r), (second - q * first) / (1 - q)


def law_aitken(losses: Any, r: Any) -> Any:
    a, b, c = map(np.float64, losses)
    floor = (a * c - b * b) / (a + c - 2 * b)
    return np.array([np.log((a - floor) / (b - floor)) / np.log(r), floor])


def law_torch(losses: Any, r: Any) -> Any:
    x = torch.tensor(losses, dtype=torch.float64)
    d = x[:-1] - x[1:]
    alpha = torch.log(d[0] / d[1]) / math.log(r)
    return [alpha, x[2] - d[1] / (r**alpha - 1)]


RIGHT = {
    "restore": [restore, restore_by_index, restore_in_place],
    "causal_loss": [by_torch, by_numpy, by_loop],
    "exponent_and_floor": [law, law_aitken, law_torch],
}


def by_inputs(x: Any, ids: Any, pad: Any) -> Any:
    kept = ids[:, :-1] != pad
    return (F.cross_entropy(x[:, :-1].mT, ids[:, 1:], reduction="none") * kept).sum() / kept.sum()


WRONG = [
    (
        "restore",
        lambda s, t, z: [x for x in s if x not in z] + [x for x in t if x not in z],
        "stand at the end",
    ),
    ("restore", lambda s, t, z: [x for x in s if x not in z], "pieces are missing"),
    ("restore", lambda s, t, z: s, "came back as it was"),
    ("restore", lambda s, t, z: " ".join(map(str, restore(s, t, z))), "a string"),
    ("restore", nested, "list within the list"),
    ("restore", first_only, "may have several"),
    ("restore", lambda s, t, z: sorted(restore(s, t, z), reverse=True), "another order"),
    ("restore", lambda s, t, z: [*restore(s, t, z)[:-1], t[0]], "still a sentinel"),
    ("restore", lambda s, t, z: 7, "a int"),
    ("causal_loss", lambda x, i, p: F.cross_entropy(x.mT, i, ignore_index=p), "not shifted"),
    ("causal_loss", lambda x, i, p: F.cross_entropy(x.mT, i), "not shifted"),
    ("causal_loss", lambda x, i, p: F.cross_entropy(x[:, :-1].mT, i[:, 1:]), "padding is counted"),
    ("causal_loss", lambda x, i, p: F.cross_entropy(x[:, 1:].mT, i[:, :-1], ignore_index=p), "the wrong way"),
    (
        "causal_loss",
        lambda x, i, p: F.cross_entropy(x[:, :-2].mT, i[:, 2:], ignore_index=p),
        "shifted by two",
    ),
    ("causal_loss", lambda x, i, p: (each(x, i, p)[0] * each(x, i, p)[1]).mean(), "over all positions"),
    ("causal_loss", lambda x, i, p: (each(x, i, p)[0] * each(x, i, p)[1]).sum(), "that is the sum"),
    ("causal_loss", lambda x, i, p: by_torch(x, i, p) / math.log(2), "in bits"),
    ("causal_loss", lambda x, i, p: -by_torch(x, i, p), "sign"),
    ("causal_loss", lambda x, i, p: by_torch(x, i, p).exp(), "perplexity"),
    ("causal_loss", lambda x, i, p: "low", "expected one number"),
    ("causal_loss", by_inputs, "that of the inputs"),
    ("exponent_and_floor", lambda x, r: (-law(x, r)[0], law(x, r)[1]), "wrong sign"),
    ("exponent_and_floor", lambda x, r: law(x, r)[::-1], "E first"),
    ("exponent_and_floor", lambda x, r: (law(x, r)[0] * math.log(r), law(x, r)[1]), "not divided by ln r"),
    (
        "exponent_and_floor",
        lambda x, r: (math.log(x[0] / x[2]) / (2 * math.log(r)), 0.0),
        "slope of the losses",
    ),
    ("exponent_and_floor", lambda x, r: (r ** -law(x, r)[0], law(x, r)[1]), "take its logarithm"),
    ("exponent_and_floor", lambda x, r: (law(x, r)[0], x[2]), "below the last loss"),
    ("exponent_and_floor", lambda x, r: (law(x, r)[0], 2 * x[2] - x[1]), "one difference below"),
    ("exponent_and_floor", lambda x, r: (law(x, r)[0], 0.0), "not zero"),
    ("exponent_and_floor", lambda x, r: (law(x, r)[0], x[0] - x[1]), "first difference"),
    ("exponent_and_floor", lambda x, r: (law(x, r)[0] / 2, law(x, r)[1]), "halved"),
    ("exponent_and_floor", lambda x, r: law(x, r)[0], "expected (2,)"),
]
