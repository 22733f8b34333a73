"""Hidden checks of the lab on recurrent networks: a recurrence that need not wait."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labutils.coursework.cases import Build, equal, mistake, tensor

# Five cells call rounds: where it never ends, there has to be time left for the other questions.
LIMITS = {"seconds": 300, "cell_seconds": 12, "question_seconds": 10, "memory_mb": 6000}
MOST_UNITS = 300  # of a network for a small machine

Floats = NDArray[np.float64]


def reference_q1(personal: np.random.Generator) -> int:
    """The first length at which the rounds take less time than the steps."""
    step, turn = int(personal.integers(2, 8)), int(personal.integers(60, 400))
    lengths = range(2, 200 * turn)
    return next(n for n in lengths if n * step > turn * math.ceil(math.log2(n)))


def compare_q1(found: Any, expected: int) -> str | None:
    """None where right."""
    if equal(found, expected, 0, 0):
        return None
    return "Try your length and the one before it: rounds are whole numbers, rounded up, and a tie is not faster."


def inputs_q2(rng: np.random.Generator) -> list[Any]:
    """Pairs of several shapes."""
    cases = []
    for shape in ((3,), (2, 4), (1,)):
        first, second = ((tensor(rng.normal(size=shape)), tensor(rng.normal(size=shape))) for _ in "ab")
        cases.append((first, second))
    return cases


def reference_q2(first: Any, second: Any) -> dict[str, tuple[Floats, Floats]]:
    """Both orders, and two kinds of sum."""
    (a, b), (c, d) = ([part.double().numpy() for part in pair] for pair in (first, second))
    return {
        "right": (a * c, b * c + d),
        "other way": (a * c, d * a + b),
        "slopes": (a + c, b * c + d),
        "intercepts": (a * c, b + d),
    }


TOLD_Q2 = {
    "other way": "This does the second step first.",
    "slopes": "The intercepts are right, the slopes are not: how much does h grow in two steps?",
    "intercepts": "The slopes are right, the intercepts are not: what does the second step do to the first's?",
}


def compare_q2(found: Any, expected: dict[str, Any]) -> str | None:
    """None where right."""
    if _pair(found, expected["right"]):
        return None
    for name, sentence in TOLD_Q2.items():
        if _pair(found, expected[name]):
            return sentence
    return "Put a number in for h, do one step and then the other: the pair gives something else."


def _pair(found: Any, expected: tuple[Floats, Floats]) -> bool:
    return (
        isinstance(found, tuple | list | np.ndarray) and len(found) == 2 and all(map(equal, found, expected))
    )


def inputs_q3(rng: np.random.Generator) -> list[Any]:
    """Lengths that are powers of two and that are not, with gates of 0, negative ones, and one more axis."""
    cases = []
    for shape in ((2, 3), (13, 2), (64, 1), (37, 2, 3)):
        slopes = rng.uniform(-1.1, 1.1, size=shape) * (rng.random(shape) > 0.1)
        cases.append((tensor(slopes), tensor(rng.normal(size=shape))))
    return cases


def reference_q3(a: Any, b: Any) -> Floats:
    """After round r: what the last 2^r steps make of a state of 0, by a loop."""
    slopes, offsets = a.double().numpy(), b.double().numpy()
    n = len(slopes)
    rows = []
    for reach in (2**r for r in range(1, math.ceil(math.log2(n)) + 1)):
        row = np.zeros_like(offsets)
        for t in range(n):
            for s in range(max(0, t - reach + 1), t + 1):
                row[t] = slopes[s] * row[t] + offsets[s]
        rows.append(row)
    return np.array(rows)


def compare_q3(found: Any, expected: Floats) -> str | None:
    """None where right."""
    if equal(found, expected, 1e-3, 1e-5):
        return None
    if equal(found, expected[-1], 1e-3, 1e-5):
        return "These are the states at the end alone: return what there is after each round."
    values = np.asarray(found, dtype=float)
    if values.shape != expected.shape:
        return "For this length the number of rounds, or the shape, is not right."
    if equal(values[-1], expected[-1], 1e-3, 1e-5):
        return (
            "The states at the end are right, those after the rounds before are not: which distance has each?"
        )
    if equal(values[0], expected[0], 1e-3, 1e-5):
        return "The first round is right, later ones are not: are the slopes combined as well?"
    return (
        "Not even the first round is right: who comes first, and are the slopes those from before the round?"
    )


def _state(rng: np.random.Generator, n_in: int, n_hidden: int) -> dict[str, Any]:
    parts = {"weight": (n_hidden, n_in), "bias": (n_hidden,)}
    names = [(layer, part) for layer in ("gate", "candidate") for part in parts]
    return {f"{layer}.{part}": rng.normal(size=parts[part]).astype(np.float32) for layer, part in names}


def inputs_q4(rng: np.random.Generator) -> list[Build]:
    """Two sizes, the second with as many sequences as steps."""
    cases = []
    for n_in, n_hidden, batch, steps in ((2, 3, 2, 9), (3, 4, 5, 5)):
        given = tensor(rng.normal(size=(batch, steps, n_in)))
        sizes = {"n_in": n_in, "n_hidden": n_hidden}
        cases.append(Build(sizes, _state(rng, n_in, n_hidden), (given,)))
    return cases


def reference_q4(case: Build) -> dict[str, Floats]:
    """By a loop, and what comes of mistakes."""
    assert case.state is not None
    x = case.args[0].double().numpy()
    layers = [
        x @ case.state[f"{name}.weight"].T + case.state[f"{name}.bias"] for name in ("gate", "candidate")
    ]
    z, g = 1 / (1 + np.exp(-layers[0])), layers[1]
    states = _loop(1 - z, z * g)
    return {
        "right": states,
        "gates": _loop(z, (1 - z) * g),
        "tanh": _loop(1 - z, z * np.tanh(g)),
        "raw": _loop(1 - layers[0], layers[0] * g),
        "last": states[:, -1],
        "time first": states.swapaxes(0, 1),
        "batch": _loop((1 - z).swapaxes(0, 1), (z * g).swapaxes(0, 1)).swapaxes(0, 1),
        "first candidate": _loop(1 - z, z * g, g[:, 0]),
        "late": np.concatenate([np.zeros_like(states[:, :1]), states[:, :-1]], axis=1),
    }


TOLD_Q4 = {
    "gates": "z and 1 − z are exchanged: z is the share of the new.",
    "tanh": "There is a tanh around the candidate; here it has none.",
    "raw": "The gate is not between 0 and 1: its sigmoid is missing.",
    "last": "This is the last state alone: return all of them.",
    "time first": "The states are right, but batch and steps have changed places.",
    "batch": "It runs from one sequence to the next: steps are the second axis.",
    "first candidate": "It starts from the first candidate: the state before the first step is 0.",
    "late": "Each state is that of the step before.",
}


def _loop(slopes: Floats, offsets: Floats, start: Floats | float = 0.0) -> Floats:
    states = np.zeros_like(offsets)
    for t in range(offsets.shape[1]):
        before = states[:, t - 1] if t else start
        states[:, t] = slopes[:, t] * before + offsets[:, t]
    return states


def compare_q4(found: Any, expected: dict[str, Floats]) -> str | None:
    """None where right."""
    return mistake(found, expected, TOLD_Q4, "These are not the states of the recurrence.")


def inputs_q5(rng: np.random.Generator) -> list[Any]:
    """Machines of several sizes; in the last one nothing leads back to the start."""
    cases = []
    for states, symbols in ((2, 3), (4, 2), (3, 3), (5, 2)):
        machine = rng.integers(0, states, size=(states, symbols))
        begin = int(rng.integers(states))
        if (states, symbols) == (5, 2):
            after, *others = rng.permutation([state for state in range(states) if state != begin])
            machine = np.where(np.isin(machine, (begin, after)), others[0], machine)
            machine[begin, 0] = after  # which nobody else goes to
        cases.append((machine, begin))
    return cases


def reference_q5(delta: NDArray[np.int64], start: int) -> dict[str, Any]:
    """Words, and the states that the machine goes through; no network is expected."""
    draws = np.random.default_rng([start, *delta.ravel().tolist()])
    words = draws.integers(0, delta.shape[1], size=(20, 40))
    visited = np.zeros_like(words)
    for row, word in zip(visited, words, strict=True):
        now = start
        for t, symbol in enumerate(word):
            row[t] = now = int(delta[now, symbol])
    return {"words": words, "visited": visited, "sizes": delta.shape, "start": start}


def compare_q5(found: Any, expected: dict[str, Any]) -> str | None:
    """None where the network goes through the machine's states."""
    states, symbols = expected["sizes"]
    if not isinstance(found, tuple | list) or len(found) != 5:
        return "Five arrays are expected: W_x, W_h, b, h0, W_out."
    w_x, w_h, bias, first, out = (np.asarray(part, dtype=float) for part in found)
    n = len(bias) if bias.ndim == 1 else 0
    if n > MOST_UNITS:
        return "That many units cannot be needed for so small a machine."
    shapes = [w_x.shape, w_h.shape, first.shape, out.shape]
    if n == 0 or shapes != [(n, symbols), (n, n), (n,), (states, n)]:
        return "The shapes of the arrays do not fit together, or not to this machine."
    visited, firing = np.zeros_like(expected["visited"]), []
    for row, word in zip(visited, expected["words"], strict=True):
        h = first
        for t, symbol in enumerate(word):
            h = (w_x[:, symbol] + w_h @ h + bias > 0).astype(float)
            row[t] = np.argmax(out @ h)
            firing.append(h.sum())
    right = visited == expected["visited"]
    if right.all():
        return None
    before = np.insert(expected["visited"][:, :-1], 0, expected["start"], axis=1)
    if not any(firing):
        return "No unit ever fires: what stands in h0, and are two things that are true above 0, not at 0?"
    if np.array_equal(visited, before):
        return "What W_out reads is the state before the symbol, not the one after it."
    if not right[:, 0].all():
        return "For one machine the state is wrong after the very first symbol: which units fire then, from h0 on?"
    return "For one machine the first symbol leads to the right state, a later one does not."
