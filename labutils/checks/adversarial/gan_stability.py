"""Checks for the exercises of notebooks/adversarial/gan_stability.ipynb."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from labutils.checks.answers import Floats, array, compare, number, same, say, slip
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
    for shape, turned in ((w.shape[1], w), (w.shape[0], w.T)):
        first = np.ones(shape) / math.sqrt(shape)
        yield (
            float(np.linalg.norm(turned @ first)),
            "that is how far the first vector is stretched: go on turning it",
        )


@exercise("gan_stability.stretch")
def stretch(answer: Any) -> str | None:
    """The largest singular value of matrices whose second one is well below it, none of them symmetric."""
    for shape, n_step, seed in (((4, 4), 60, 1), ((3, 5), 60, 2), ((6, 2), 40, 3)):
        rng = np.random.default_rng(seed)
        k = min(shape)
        left, right = (np.linalg.qr(rng.normal(size=(n, n)))[0][:, :k] for n in shape)
        sizes = np.array([2.6, 1.3, 0.9, 0.4])[:k] * (1 + 0.1 * seed)
        w = (left * sizes) @ right.T
        found = number(answer(w.copy(), n_step), "the stretch")
        if same(-found, sizes[0], 1e-4):
            return "the size is right and the sign is not: v and u have to be of one round, v = W u."
        compare(
            found, float(sizes[0]), f"for a matrix {shape} and {n_step} rounds", _stretch_mistakes(w), 1e-4
        )
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
    for n, n_word, baseline, seed in ((7, 3, 1.7, 1), (12, 5, -0.6, 2), (5, 4, 0.9, 3)):
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
    first = x + rate * c
    yield (
        (first, y + rate * slopes(first, v)[1]),
        "the second player's slope is taken anew: both at the place ahead",
    )
    yield (y + rate * d, x + rate * c), "x and y are exchanged"
    yield (c, d), "those are the slopes ahead: make a step with them"


@exercise("gan_stability.ahead")
def ahead(answer: Any) -> str | None:
    """Extragradient on three games, one of them not linear."""
    games: list[tuple[str, Slopes]] = [
        ("the game x · y with a brake of 0.3", lambda x, y: (-y, x - 0.3 * y)),
        ("the game x² / 2 + 2 x y − y⁴ / 4", lambda x, y: (-x - 2 * y, 2 * x - y**3)),
        ("the game sin(x) y", lambda x, y: (-np.cos(x) * y, np.sin(x))),
    ]
    for (name, slopes), (x, y, rate) in zip(
        games, ((1.2, -0.7, 0.15), (0.8, 0.6, 0.2), (0.5, 1.4, 0.3)), strict=True
    ):
        a, b = slopes(x, y)
        c, d = slopes(x + rate * a, y + rate * b)
        found = array(answer(slopes, x, y, rate), (2,), "what you return, x and y,")
        right = (x + rate * c, y + rate * d)
        compare(found, right, f"for {name}", _steps(slopes, x, y, rate), 1e-6)
    return None
