"""Hidden checks of the lab on attention: a head that copies."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labutils.checks.answers import slip
from labutils.coursework.cases import Build, equal

LIMITS = {"seconds": 180, "cell_seconds": 60, "question_seconds": 15, "memory_mb": 8000}

# The sentences of the master's page, as they stand there.
PAGE = (
    "The ferry leaves the northern harbour at six, and the captain never waits for anybody.",
    "My neighbour repairs old radios in a cellar that smells of dust and hot solder.",
    "On Tuesdays the library lends out telescopes to children who promise to return them.",
    "Nobody could say why the lighthouse had been painted green, but everybody liked it.",
    "A thin fox crossed the railway bridge and looked back twice before it vanished.",
    "The new bakery sells seven kinds of bread, and the queue reaches the corner by noon.",
    "She keeps a notebook of every storm since the winter in which the pier was lost.",
    "The museum of clocks is closed because all of its clocks have stopped.",
    "Two engineers measured the tide for a year and quarrelled about a single millimetre.",
    "When the power failed, the whole street carried its chairs outside and told stories.",
    "The radio played an old song about a sailor, a parrot and an unpaid bill.",
    "In the market an old woman weighs plums with pebbles that her grandfather collected.",
)
N = 100  # tokens of a reading

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


@lru_cache(maxsize=1)
def _pocket() -> tuple[Any, Any]:
    from labutils.models.pretrained import load

    return load("pocket-gpt")


@lru_cache(maxsize=64)
def _read(places: tuple[int, ...]) -> tuple[Ids, Floats]:
    """The tokens of a student's two readings, (201,), and the model's probabilities, (201, n_vocab)."""
    import torch

    pocket, splitter = _pocket()
    text = " ".join(PAGE[place] for place in places)
    tokens = splitter(text, add_special_tokens=False)["input_ids"][:N]
    both = [splitter.bos_token_id] + tokens + tokens
    with torch.no_grad():
        said = pocket(torch.tensor([both])).logits[0].double()
    return np.array(both), said.softmax(-1).numpy()


def _own(rng: np.random.Generator) -> tuple[Ids, Floats]:
    return _read(tuple(rng.permutation(len(PAGE)).tolist()))


def _surprise(tokens: Ids, p: Floats) -> Floats:
    """Bits for each token but the first."""
    surprise: Floats = -np.log2(p[np.arange(len(tokens) - 1), tokens[1:]])
    return surprise


def reference_q1(personal: np.random.Generator) -> tuple[float, float]:
    """Mean bits of each reading."""
    each = _surprise(*_own(personal))
    return float(each[:N].mean()), float(each[N:].mean())


def compare_q1(found: Any, expected: tuple[float, float]) -> str | None:
    """None where right, to a thousandth: the second reading alone costs nearly what it costs after the first."""
    if equal(found, np.array(expected), 1e-3):
        return None
    if equal(found, np.array(expected) * np.log(2), 1e-3):
        return "These are nats: divide by the natural logarithm of 2."
    if equal(found, np.array(expected[::-1]), 1e-3):
        return "The first and the second reading are exchanged."
    return (
        "These are not the two means of bits, each over 100 tokens of your page, "
        "both from `logits`: is each row compared with the token that comes next?"
    )


def inputs_q2(rng: np.random.Generator) -> list[Any]:
    """A list, an array and a tensor; tokens that never, once or often come again."""
    import torch

    texts = [rng.integers(0, high, size=size) for high, size in ((3, 9), (40, 60), (9, 30))]
    return [(texts[0].tolist(),), (texts[1],), (torch.tensor(texts[2]),), (rng.permutation(12),)]


def reference_q2(ids: Any) -> Ids:
    """By looking back from each position."""
    tokens = [int(part) for part in ids]
    places = []
    for i, token in enumerate(tokens):
        earlier = [j for j in range(i) if tokens[j] == token]
        places.append(max(earlier) + 1 if earlier else -1)
    return np.array(places)


def compare_q2(found: Any, expected: Ids) -> str | None:
    """None where right."""
    if equal(found, expected):
        return None
    if equal(found, np.where(expected < 0, -1, expected - 1)):
        return "This is where the token stood. Wanted is the position after it."
    if equal(found, np.full(len(expected), -1)):
        return "It finds no token again: two elements of a tensor are two objects, and not the same key."
    return "For other tokens it is wrong: the last occurrence strictly before, and one further; else -1."


def inputs_q3(rng: np.random.Generator) -> list[Any]:
    """Weights of several heads, not causal ones alone, with and without positions that have no source."""
    import torch

    cases = []
    for heads, n, share in ((2, 6, 0.5), (4, 12, 0.3), (1, 8, 0.0)):
        raw = rng.exponential(size=(heads, n, n))
        raw /= raw.sum(-1, keepdims=True)
        place = np.array([rng.integers(0, i + 1) for i in range(n)])
        place = np.where(rng.random(n) < share, -1, place)
        place[-1] = n - 2
        cases.append((torch.tensor(raw, dtype=torch.float32), torch.tensor(place)))
    return cases


def reference_q3(weights: Any, source: Any) -> dict[str, Floats]:
    """Query by query; and what comes of four mistakes."""
    pairs = list(enumerate(source.tolist()))
    has = [(i, j) for i, j in pairs if j >= 0]

    def means(chosen: list[tuple[int, int]], share: float = 1.0) -> Floats:
        return np.array([np.mean([float(head[i, j]) for i, j in chosen]) * share for head in weights])

    return {
        "right": means(has),
        "The mean is over the positions that have a source, not over all.": means(has, len(has) / len(pairs)),
        "A source of -1 means that there is none; as an index it means the last column.": means(pairs),
        "Queries are rows and sources columns: you take them the other way round.": means(
            [(j, i) for i, j in has]
        ),
        "Position 0 may be a source, too: -1 alone means that there is none.": means(
            [(i, j) for i, j in has if j] or has
        ),
    }


def compare_q3(found: Any, expected: dict[str, Floats]) -> str | None:
    """None where right."""
    right = expected["right"]
    if equal(found, right):
        return None
    if np.shape(found) != right.shape:
        return "One number a head is expected."
    why = slip(found, [(value, sentence) for sentence, value in expected.items() if sentence != "right"])
    return why or "These are not the means of the weights that queries give to their sources."


def inputs_q4(rng: np.random.Generator) -> list[Build]:
    """Random embeddings that are nearly alike, so that all weights count; several sizes and sharpnesses."""
    import torch

    cases = []
    for size, d, sharpness, batch, steps in ((6, 4, 1.5, 3, 7), (9, 16, 2.5, 1, 12), (5, 2, 0.5, 2, 2)):
        state = {"token.weight": rng.normal(size=(size, d)).astype(np.float32)}
        given = torch.tensor(rng.integers(0, size, size=(batch, steps)))
        settings = {"n_vocab": size, "d": d, "sharpness": sharpness}
        cases.append(Build(settings, state, (given,)))
    return cases


def reference_q4(case: Build) -> dict[str, Floats]:
    """Position by position; and what comes of some mistakes."""
    assert case.state is not None
    table = case.state["token.weight"].astype(float)
    tokens, factor = case.args[0].numpy(), case.init["sharpness"]
    root = np.sqrt(case.init["d"])
    scale, n = factor / root, tokens.shape[1]
    return {
        "right": _copied(tokens, table, scale),
        "The scores are not divided by the root of d.": _copied(tokens, table, factor),
        "The scores are not multiplied by the sharpness.": _copied(tokens, table, 1 / root),
        "The sharpness is what the module is given, and not always 2.": _copied(tokens, table, 2 / root),
        "Position i may see itself, too: its key is the token before it.": _copied(
            tokens, table, scale, lambda i: range(1, max(i, 2))
        ),
        "Position 0 has nothing before it, and is seen by nobody.": _copied(
            tokens, table, scale, lambda i: range(i + 1)
        ),
        "Position i may not see what comes after it.": _copied(tokens, table, scale, lambda i: range(1, n)),
        "The key of a position is the token before it, not its own.": _copied(tokens, table, scale, shift=0),
    }


def _copied(
    tokens: Ids,
    table: Floats,
    scale: float,
    sees: Callable[[int], range] = lambda i: range(1, i + 1),
    shift: int = 1,
) -> Floats:
    mean = np.full((*tokens.shape, len(table)), 1 / len(table))
    for text, rows in zip(tokens, mean, strict=True):
        before = np.concatenate(
            [np.zeros_like(table[:shift]), table[text]]
        )  # the keys; of position 0 nothing
        for i in range(1, len(text)):
            raw = {j: np.exp(scale * table[text[i]] @ before[j]) for j in sees(i)}
            rows[i] = 0
            for j, weight in raw.items():
                rows[i, text[j]] += weight / sum(raw.values())
    return mean


def compare_q4(found: Any, expected: dict[str, Floats]) -> str | None:
    """None where right."""
    right = expected["right"]
    if equal(found, right, 1e-3, 1e-5):
        return None
    values = np.asarray(found, dtype=float)
    if values.shape != right.shape:
        return "The output has not the shape (batch, T, n_vocab) for other sizes."
    if np.isnan(values).any():
        return "There is a nan: the first position sees nothing, and a softmax over nothing is 0/0."
    if (values < 0).any():
        return "A probability is not negative: expected is the weighted mean of values itself."
    if not np.allclose(values[:, 0], right[:, 0], atol=1e-4):
        return "The first position has nothing to copy, and should give each token the same."
    for sentence, slipped in expected.items():  # positions 0 and 1 see too little to tell mistakes apart
        if sentence != "right" and values.shape[1] > 2 and equal(values[:, 2:], slipped[:, 2:], 1e-3, 1e-5):
            return sentence
    return "For other embeddings the distribution is another: look at keys, values and what may be seen."


def reference_q5(personal: np.random.Generator) -> list[tuple[str, float]]:
    """Half the model, half the share with which each token followed before; and what comes of some mistakes."""
    tokens, p = _own(personal)
    places = np.arange(N, 2 * N)
    said = p[places, tokens[places + 1]]
    followed = [[tokens[j] for j in range(1, i + 1) if tokens[j - 1] == tokens[i]] for i in places]
    share = np.array([np.mean(np.array(then) == tokens[i + 1]) if then else 0.0 for i, then in
                      zip(places, followed, strict=True)])  # fmt: skip
    paid = -np.log2((said + share) / 2)
    right = float(paid[1:].mean())
    logarithms = -(np.log2(said[1:]) + np.log2(share[1:])) / 2
    return [
        ("right", right),
        ("These are nats: take the logarithm to the base 2.", right * np.log(2)),
        ("The first token of the second reading, at position 101, is left out.", float(paid.mean())),
        ("The copying head's probability is one half of the mixture only.", float(-np.log2(share[1:]).mean())),
        ("Both are halved in the mixture.", right - 1),
        ("Probabilities are mixed, and then the logarithm is taken.", float(logarithms.mean())),
        ("The logarithm is taken of each token's probability, the mean after it.",
         float(-np.log2(np.mean(said[1:] + share[1:]) / 2))),
    ]  # fmt: skip


def compare_q5(found: Any, expected: list[tuple[str, float]]) -> str | None:
    """None where right, to a hundredth of a bit: the embeddings are random, and move it by up to 0.006."""
    if isinstance(found, float | int | np.ndarray) and np.size(found) == 1:
        for sentence, value in expected:
            if abs(float(np.reshape(found, ())) - value) < 0.01:
                return None if sentence == "right" else sentence
    return (
        "This is not what the mixture pays for the second reading. A wrong CopyHead can be the reason, too."
    )
