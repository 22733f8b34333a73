"""Checks for the exercises of notebooks/adversarial/gan_stability.ipynb."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from labutils.checks.answers import Floats, Wrong, array, compare, number, same, say, slip
from labutils.checks.core import exercise


@exercise("gan_stability.radius")
def radius(answer: Any) -> str | None:
    """1.04⁵⁰ = 7.107: the distance grows by the root of 1 + η² a step."""
    found = number(answer, "the distance")
    if same(found, 1.04**50, 2e-3, 0):
        return None
    mistakes = [
        (1.04**100, "that is the squared distance: the distance itself grows by √(1 + η²)"),
        (math.exp(2), "exp(η² n / 2) is the limit of small rates: take √(1 + η²) to the 100th power"),
        (
            1.2**100,
            "that grows by 1 + η a step: the slope stands across the way, so Pythagoras gives √(1 + η²)",
        ),
        (1.0, "only infinitely small steps stay on the circle"),
        (1.04**-50, "that shrinks: simultaneous steps lead out"),
        (1.01**50, "that is for the rate 0.1: here it is 0.2"),
        (math.sqrt(2) * 1.04**50, "that starts at (1, 1), √2 away: here the start is at distance 1"),
        (1.2**50, "that grows by √(1 + η) a step: Pythagoras gives √(1 + η²)"),
        (1.04**25, "the root is taken twice: η² is 0.04, and √1.04 to the 100th power is asked"),
        (0.96**50, "the sign is turned: the squared distance grows by 1 + η², it does not shrink"),
        (100 * math.sqrt(1.04), "that is a hundred times one step's factor: the factors multiply"),
        (
            1 + 0.04 * 100,
            "squared distances grow by a factor, not by a sum: it compounds, then take the root",
        ),
        (1 + 0.2 * 100, "a step of length η stands across the way, and the growth compounds"),
        (7.0, "too coarse: give three digits"),
        (math.sqrt(1 + 0.04 * 100), "the growth is of the new distance, not of the first one: it compounds"),
        (1 + 0.02 * 100, "the growth is of the new distance, not of the first one: it compounds"),
        (math.sqrt(1.04), "that is one step: there are 100"),
        (1.02**100, "1 + η²/2 is nearly the root of 1 + η², and 100 steps show the difference"),
        ((1 - 0.04 + 0.0016) ** 50, "that is extragradient: asked is both at once"),
    ]
    why = slip(found, mistakes, 2e-3)
    return f"{why}." if why else f"you say {say(found)}: which factor does the distance grow by in one step?"


# --- the largest stretch --------------------------------------------------------------------------------


def _stretch_mistakes(w: Floats) -> Iterator[tuple[Any, str]]:
    s = np.linalg.svd(w, compute_uv=False)
    yield s[0] ** 2, "that is σ²: W and its transpose stretch by σ each, take vᵀ W u or the root"
    yield float(np.sqrt((s**2).sum())), "that is the Frobenius norm, the root of all squared entries"
    yield float(s.sum()), "that is the sum of all singular values: asked is the largest"
    yield s[-1], "that is the smallest singular value: power iteration turns to the largest"
    yield 1.0, "that is the length of u, which is kept at 1: asked is that of w @ u"
    yield 1 / s[0], "that is 1/σ, by which the matrix is multiplied later"
    if len(s) > 1:
        yield s[1], "that is the second singular value"
    yield float(abs(w).max()), "that is the largest entry"
    yield (
        float(np.sqrt((w**2).sum(0)).max()),
        "that is the longest column: a mix of columns is stretched more",
    )
    yield float(np.sqrt((w**2).sum(1)).max()), "that is the longest row: a mix of rows is stretched more"
    yield float(abs(w).sum(1).max()), "that is the largest sum of a row's sizes, another norm"
    yield float(abs(w).sum(0).max()), "that is the largest sum of a column's sizes, another norm"
    if w.shape[0] == w.shape[1]:
        yield (
            float(abs(np.linalg.eigvals(w)).max()),
            "that is an eigenvalue: multiply by W and by its transpose in turn",
        )
    for n in {*w.shape}:
        yield s[0] / math.sqrt(n), "that is the root of the mean square: a length has the sum under the root"
    yield float(np.linalg.norm(w.T @ w)), "that is the length of all of WᵀW: multiply a vector by it"
    for shape, turned in ((w.shape[1], w), (w.shape[0], w.T)):
        first = np.ones(shape) / math.sqrt(shape)
        yield (
            float(np.linalg.norm(turned @ first)),
            "that is how far the first vector is stretched: go on turning it",
        )


def _unfinished(found: float, largest: float) -> Iterator[tuple[Any, str]]:
    """What gives a mistake away that no formula does: too much or too little for a vector of length 1."""
    if found > largest:
        yield found, "no vector of length 1 is stretched so far: divide u by its length in every round"
    elif found > 0:
        yield (
            found,
            "too little: has u turned through all rounds, and is this the length of w @ u, the root of its "
            "squared entries' sum?",
        )


@exercise("gan_stability.stretch")
def stretch(answer: Any) -> str | None:
    """The largest singular value of matrices whose second one is well below it, none of them symmetric."""
    for shape, n_step, seed in (((4, 4), 60, 1), ((3, 5), 60, 2), ((6, 2), 40, 3)):
        rng = np.random.default_rng(seed)
        k = min(shape)
        left, right = (np.linalg.qr(rng.normal(size=(n, n)))[0][:, :k] for n in shape)
        sizes = np.array([2.6, 1.45, 0.9, 0.4])[:k] * (1 + 0.1 * seed)
        w = (left * sizes) @ right.T
        try:
            value = answer(w.copy(), n_step)
        except (ValueError, RuntimeError, IndexError) as error:
            if shape[0] == shape[1]:
                raise
            raise Wrong(
                f"for a matrix {shape}, which is not square, your code raised {type(error).__name__}: "
                "u has as many numbers as w has columns, and w @ u as many as it has rows."
            ) from None
        found = number(value, "the stretch")
        if same(-found, sizes[0], 1e-4):
            return "the size is right and the sign is not: v and u have to be of one round, v = W u."
        mistakes = (*_stretch_mistakes(w), *_unfinished(found, float(sizes[0])))
        compare(found, float(sizes[0]), f"for a matrix {shape} and {n_step} rounds", mistakes, 1e-4)
    return None


# --- the slope of a choice ------------------------------------------------------------------------------


def _estimates(q: Floats, f: Floats, drawn: Any, baseline: float) -> Iterator[tuple[Any, str]]:
    hot = np.eye(len(q))[drawn]
    gain = (f[drawn] - baseline)[:, None]
    yield -(gain * (hot - q)).mean(0), "the signs are turned: this is the slope of what shall grow"
    yield (f[drawn][:, None] * (hot - q)).mean(0), "the baseline is missing: take it from every score"
    yield ((f[drawn] + baseline)[:, None] * (hot - q)).mean(0), "the baseline is added: it is taken away"
    yield (gain * (hot - q)).sum(0), "that is the sum over the draws: take their mean"
    yield (gain * hot).mean(0), "∇ log q_k with respect to the logits is onehot(k) − q: the − q is missing"
    yield (
        (gain * hot / q).mean(0),
        "that is the slope with respect to the probabilities: asked is that of the logits",
    )
    yield (gain * (hot - q) * q).mean(0), "weighted by q once more: the draws come as often as q says already"
    yield (
        (gain * (hot - q) * q[drawn][:, None]).mean(0),
        ("weighted by q once more: the draws come as often as q says already"),
    )
    yield (
        (gain * np.log(q)[drawn][:, None] * (hot - q)).mean(0),
        "the slope of log q is meant, not log q times it",
    )
    yield (gain * (hot / q - 1)).mean(0), "hot / q is the slope for a probability: for a logit it is hot − q"
    if len(drawn) != len(q):
        yield (gain * (hot - q)).sum(0) / len(q), "divide by the number of draws, not by the number of words"
    yield (gain * (hot - q)).sum(0) / (len(drawn) - 1), "a plain mean: divide by n, not by n − 1"
    yield ((f - baseline) * (hot - q)).mean(0), "each draw goes with the score of the word drawn, f[drawn]"
    once = np.zeros(len(q))
    once[drawn] += gain[:, 0]
    yield (
        (once - q * gain.sum()) / len(drawn),
        "a word that is drawn twice counts once: `total[drawn] += …` keeps the last, np.add.at adds them all",
    )
    yield (gain * hot * (1 - q)).mean(0), "− q falls on the words that were not drawn, too: hot − q for all"
    yield (gain * hot - q).mean(0), "the gain multiplies all of hot − q, not hot alone"
    soft = np.exp(q) / np.exp(q).sum()
    yield (gain * (hot - soft)).mean(0), "q are probabilities already: no softmax of them"
    yield q * (f - baseline), "that goes over all words: here the slope is to be estimated from the draws"
    yield (gain / f[drawn].std() * (hot - q)).mean(0), "divided by the spread of the scores: not asked"
    own = f[drawn].mean()
    yield (
        ((f[drawn] - own)[:, None] * (hot - q)).mean(0),
        "use the baseline that is given, not the draws' mean",
    )
    yield q * (f - q @ f), "that is the exact slope: here it is to be estimated from the draws"
    yield (
        ((f[drawn] - baseline).mean() * (hot - q)).mean(0),
        "each draw goes with its own score: multiply, then mean",
    )
    own_q = q[drawn][:, None]
    yield (gain * (hot - own_q)).mean(0), "− q is that of each word j, not that of the word drawn"
    yield (gain * (hot - 1 / len(q))).mean(0), "that takes the words for equally likely: subtract q"


@exercise("gan_stability.reinforce")
def reinforce(answer: Any) -> str | None:
    """The mean of (f[k] − b)(onehot(k) − q) over draws k."""
    for n, n_word, baseline, seed in ((7, 3, 1.7, 1), (12, 5, -0.6, 2), (9, 4, 0.9, 3)):
        rng = np.random.default_rng(seed)
        q, f = rng.dirichlet(np.full(n_word, 2.0)), rng.normal(1, 2, n_word)
        drawn = rng.choice(n_word, n, p=q)
        right = ((f[drawn] - baseline)[:, None] * (np.eye(n_word)[drawn] - q)).mean(0)
        found = array(answer(q.copy(), f.copy(), drawn.copy(), baseline), (n_word,), "the slope")
        compare(found, right, f"for {n} draws of {n_word} words", _estimates(q, f, drawn, baseline), 1e-5)
    return None


# --- a look ahead ---------------------------------------------------------------------------------------

Slopes = Callable[[Any, Any], tuple[Any, Any]]


def _steps(slopes: Slopes, x: float, y: float, rate: float) -> Iterator[tuple[Any, str]]:
    a, b = slopes(x, y)
    u, v = x + rate * a, y + rate * b
    c, d = slopes(u, v)
    yield (u, v), "that is a plain step: it never looks at the slopes ahead"
    yield (u + rate * c, v + rate * d), "two steps in a row: the second starts where the first did, at (x, y)"
    yield (x + rate * a, y + rate * slopes(u, y)[1]), "alternating steps: both players look ahead at once"
    yield (x - rate * c, y - rate * d), "the slopes say where each wants to go: add them"
    yield (x + rate * (2 * a - c), y + rate * (2 * b - d)), "now and ahead are exchanged, and doubled"
    yield (
        (x + rate * (2 * c - a), y + rate * (2 * d - b)),
        "twice the slopes ahead, less those here: take them once",
    )
    yield (x + rate * (a + c) / 2, y + rate * (b + d) / 2), "the mean of both slopes: take those ahead alone"
    yield (x + rate * (a + c), y + rate * (b + d)), "both slopes are added: take those ahead alone"
    yield (x + c, y + d), "the rate is missing in the second half"
    p, q = slopes(x + a, y + b)
    yield (x + rate * p, y + rate * q), "the look ahead goes a whole slope far: one rate times it"
    p, q = slopes(x + rate * a, y)[0], slopes(x, y + rate * b)[1]
    yield (x + rate * p, y + rate * q), "each player looks ahead alone: the other moves, too"
    yield (
        (x + rate * slopes(x, v)[0], y + rate * slopes(u, y)[1]),
        "each looks at the other's move alone, not at its own",
    )
    p, q = slopes(x - rate * a, y - rate * b)
    yield (x + rate * p, y + rate * q), "that looks back: go along the slopes"
    p, q = slopes(x + rate * a / 2, y + rate * b / 2)
    yield (x + rate * p, y + rate * q), "the look ahead goes half a rate far: a whole one"
    p, q = slopes(u, y + rate * slopes(u, y)[1])
    yield (
        (x + rate * p, y + rate * q),
        "for the look ahead, too, both move at once: the second started from u",
    )
    yield (u + rate * p, v + rate * q), "the step itself starts at (x, y), and both look ahead at once"
    p, q = slopes(x - rate * a, y - rate * b)
    yield (x - rate * p, y - rate * q), "the slopes say where each wants to go: add them, both times"
    p, q = slopes(x - rate * a, y + rate * b)
    yield (x - rate * p, y + rate * q), "the slope of x points down already: add both"
    yield (x - rate * (y + rate * x), y + rate * (x - rate * y)), "that is for x · y alone: call `slopes`"
    yield (x + rate * c / 2, y + rate * d / 2), "half a step: the whole rate from (x, y)"
    yield (x + rate**2 * c, y + rate**2 * d), "the rate is in it twice: once in the look, once in the step"
    p, q = slopes(x + a, y + b)
    yield (x + p, y + q), "the rate is missing in both halves"
    yield (x + 2 * rate * a, y + 2 * rate * b), "twice the slopes here: take those ahead, once"
    p, q = slopes(u + rate * c, v + rate * d)
    yield (x + rate * p, y + rate * q), "that looks two steps ahead: one"
    p, q = slopes(x + rate * c, y + rate * d)
    yield (x + rate * p, y + rate * q), "that looks ahead twice: two calls of `slopes`, not three"
    p, q = slopes(u + rate * c, v + rate * d)
    yield (u + rate * p, v + rate * q), "the step itself starts at (x, y), not at the place ahead"
    first = x + rate * c
    yield (
        (first, y + rate * slopes(first, v)[1]),
        "the second player's slope is taken anew: both at the place ahead",
    )
    yield (y + rate * d, x + rate * c), "x and y are exchanged"
    yield (c, d), "those are the slopes ahead: make a step with them"


@exercise("gan_stability.ahead")
def ahead(answer: Any) -> str | None:
    """Extragradient on three games, two of them not linear."""
    games: list[tuple[str, Slopes]] = [
        ("the game x² / 2 + 2 x y − y⁴ / 4", lambda x, y: (-x - 2 * y, 2 * x - y**3)),
        ("the game x · y with a brake of 0.3", lambda x, y: (-y, x - 0.3 * y)),
        ("the game sin(x) y", lambda x, y: (-np.cos(x) * y, np.sin(x))),
    ]
    for (name, slopes), (x, y, rate) in zip(
        games, ((0.8, 0.6, 0.2), (1.2, -0.7, 0.15), (0.5, 1.4, 0.3)), strict=True
    ):
        a, b = slopes(x, y)
        c, d = slopes(x + rate * a, y + rate * b)
        found = array(answer(slopes, x, y, rate), (2,), "what you return, x and y,")
        right = (x + rate * c, y + rate * d)
        compare(found, right, f"for {name}", _steps(slopes, x, y, rate), 1e-6)
    return None
