"""Checks for the exercises of notebooks/foundations/linear_algebra.ipynb."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from labutils.checks.answers import Floats, Wrong, array, compare, number, same, slip
from labutils.checks.core import exercise


@exercise("linear_algebra.multiplications")
def multiplications(answer: Any) -> str | None:
    """2 · 4096 · 16 = 131,072."""
    found = number(answer, "the number of multiplications")
    if same(found, 131_072, 0, 0.1):
        return None
    mistakes = [
        (65_536, "that is one of the two products: the other takes as many again"),
        (4096 * 16 + 16 + 4096, "the sizes of the second product are multiplied, not added"),
        (4096 * 16 * 4096, "that is A @ B alone, and the dear order begins with it"),
        (4096 * 16 * 4096 + 4096 * 4096, "that is the dearer order, x @ (A @ B)"),
        (4096 * 4096, "that is x times a full (4096, 4096) matrix, without the narrow middle"),
        (4096 * 16 * 16 * 4096, "the costs of two products add up: they are not multiplied"),
        (2 * 65_536 * 2, "that counts additions, too: asked are the multiplications"),
        (4096 + 16 + 4096, "that adds the sizes: a product (a, b) @ (b, c) takes abc"),
        (2 * 4096 * 8, "the middle is 16 wide here, not 8"),
        (2 * 4096, "that is a middle of width 1: it is 16"),
        (512 * 2 * 65_536, "that is for 512 tokens, as on the page: here it is one"),
        (2 * 4096 * 16 * 4096, "the two products are of different shapes: add up abc for each"),
    ]
    return f"{slip(found, mistakes, 1e-9) or 'that is not it: add up abc for the two products, each order'}."


def _softmax(z: Floats, axis: int = 1) -> Floats:
    e = np.exp(z - z.max(axis, keepdims=True))
    p: Floats = e / e.sum(axis, keepdims=True)
    return p


def _gradient_mistakes(x: Floats, w: Floats, y: Floats) -> Iterator[tuple[Any, str]]:
    n, m = y.shape
    z = x @ w
    p = _softmax(z)
    right = x.T @ (p - y) / n
    yield right * n, "that is the gradient of the sum over rows: the loss is the mean, divide by n"
    yield -right, "the sign is turned round: it is P − Y, what is said less what is true"
    yield -right * n, "the sign is turned round, and the loss is a mean over rows"
    yield right / m, "divided by the number of classes, too: the mean is over rows alone"
    yield right * n / m, "divided by the number of classes: the mean is over rows"
    yield (
        right / np.log(2),
        "that is in bits, divided by log 2: −log is the natural logarithm here",
    )
    yield right * np.log(2), "multiplied by log 2: −log is the natural logarithm"
    yield right * n / x.shape[1], "divided by d, the columns of X: the mean is over its n rows"
    yield right / x.shape[1], "divided by n · d: the mean is over the n rows alone"
    yield right * n / (n - 1), "divided by n − 1: a mean divides by n"
    yield x.T @ ((p - y) * y) / n, "only the true class is there: the others' logits count too, with slope P"
    yield -x.T @ y / n, "P is missing: raising a logit costs its class's probability, too"
    yield x.T @ (np.log(p) - y) / n, "log P stands where P belongs: the slope for the logits is P − Y"
    yield (
        x.T @ (-y / p) / n,
        "that is the slope for P, not for the logits: the softmax's own slope is missing",
    )
    yield right.T, "it is transposed: the gradient has the shape of W, (d, m)"
    yield x.T @ p / n, "Y is missing: the slope for the logits is P − Y"
    yield x.T @ (z - y) / n, "the softmax is missing: that is the gradient of a squared error"
    yield x.T @ (z - y), "the softmax is missing: that is the gradient of a squared error"
    yield x.T @ (_softmax(z, 0) - y) / n, "the softmax runs down the columns: each row of P sums to 1"
    whole = np.exp(z - z.max())
    yield (
        x.T @ (whole / whole.sum() - y) / n,
        "the softmax runs over the whole table: each row of P sums to 1",
    )
    yield x.T @ (np.exp(z) - y) / n, "the exponentials are not divided by their sum in each row"
    yield x.T @ ((p - y) * p * (1 - p)) / n, "the softmax's slope is in P − Y already: once is enough"
    yield x.T @ (2 * (p - y)) / n, "twice too large: that 2 belongs to a squared error"
    yield x.T @ (1 / (1 + np.exp(-z)) - y) / n, "that is a sigmoid for each class: a softmax is asked"


@exercise("linear_algebra.gradient")
def gradient(answer: Any) -> str | None:
    """Random layers, then one whose logits are large."""
    for n, d, m, seed in ((7, 4, 3, 1), (5, 2, 6, 2)):
        rng = np.random.default_rng(seed)
        x, w = rng.normal(size=(n, d)), rng.normal(size=(d, m))
        y = np.eye(m)[(np.arange(n) * 2 + 1) % m]
        found = _matrix(answer(x, w, y), (d, m), "the gradient")
        right = x.T @ (_softmax(x @ w) - y) / n
        compare(found, right, f"for X {x.shape} and W {w.shape}", _gradient_mistakes(x, w, y), 1e-6)
    x, w, y = np.array([[1.0], [2.0]]), np.array([[900.0, 0.0, -900.0]]), np.eye(3)[[1, 0]]
    with np.errstate(all="ignore"):
        found = _matrix(answer(x, w, y), (1, 3), "the gradient")
    if not same(found, [[0.5, -0.5, 0.0]], 1e-6, 1e-9):
        return "right, but not for logits of ±900: exp overflows; subtract each row's largest logit first."
    return None


def _matrix(value: Any, shape: tuple[int, int], what: str) -> Floats:
    """The answer as an array of this shape; an answer that is its transpose is told so."""
    try:
        return array(value, shape, what)
    except Wrong:
        if shape[0] != shape[1] and getattr(value, "shape", None) == shape[::-1]:
            raise Wrong(f"{what} is transposed: its shape is {shape[::-1]}, expected {shape}.") from None
        raise


def _symmetric(values: Floats, seed: int) -> Floats:
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
    a: Floats = (q * values) @ q.T
    return (a + a.T) / 2


@exercise("linear_algebra.largest_rate")
def largest_rate(answer: Any) -> str | None:
    """2/λ_max of matrices whose other candidates differ, the second with two close eigenvalues."""
    for values, seed in (
        (np.array([0.7, 1.9, 3.1, 8.3]), 1),
        (np.array([0.3, 1.1, 5.0, 5.06, 2.2]), 2),
        (np.array([0.05, 0.13]), 3),
    ):
        a, top, low = _symmetric(values, seed), values.max(), values.min()
        found = number(answer(a), "the rate")
        if same(found, 2 / top, 1e-4, 1e-9):
            continue
        mistakes = [
            (top, "that is λ_max itself: the rate is 2/λ_max"),
            (1 / top, "that is 1/λ_max, a safe rate: growth begins at twice as much"),
            (4 / top, "that is 4/λ_max, twice too much: the gradient of w · A w / 2 is A w"),
            (-2 / top, "the sign is turned round"),
            (2 * top, "that multiplies by λ_max: the rate is 2 divided by it"),
            (top / 2, "that is λ_max/2: it is 2 divided by λ_max"),
            (2 / low, "that is 2/λ_min: the steepest direction sets the limit"),
            (1 / low, "that is 1/λ_min: the steepest direction sets the limit, at 2/λ_max"),
            (2 / (top + low), "that is the best rate: the question is where growth begins"),
            (2 / values.mean(), "that divides by the mean of the eigenvalues: take the largest"),
            (2 / values.sum(), "that divides by the trace, the sum of all eigenvalues: take the largest"),
            (2 / np.sqrt((values**2).sum()), "that divides by the root of the sum of squares: take λ_max"),
            (2 / a.max(), "that divides by the largest entry: an eigenvalue is no entry"),
            (2 / abs(a).max(), "that divides by the largest entry: an eigenvalue is no entry"),
            (2 / np.diag(a).max(), "that divides by the largest entry of the diagonal: take λ_max"),
            (2 / abs(a).sum(1).max(), "that divides by the largest sum of a row, which λ_max stays below"),
            (2 / top**2, "that divides by λ_max²: A was applied twice, or A.T @ A taken"),
            (2 / np.sqrt(top), "that divides by the root of λ_max"),
            (2 / np.sort(values)[-2], "that is the second eigenvalue"),
            *((2 / value, "that is another eigenvalue: eig does not sort them") for value in values),
            (top / low, "that is the condition number"),
        ]
        why = slip(found, mistakes, 1e-4)
        if why is None and same(found, 2 / top, 0.08, 0):
            why = "near, but not to four digits: iterate longer, its two largest eigenvalues may be close"
        shown = ", ".join(f"{value:g}" for value in values)
        told = f"for eigenvalues {shown} you return {found:.5g}, expected {2 / top:.5g}"
        return f"{told}: {why}." if why else f"{told}."
    return None


def _rank(squares: Any, share: float) -> int:
    return int((squares.cumsum() < (share - 1e-12) * squares.sum()).sum()) + 1


def _rank_mistakes(a: Floats, share: float) -> Iterator[tuple[Any, str]]:
    s = np.linalg.svd(a, compute_uv=False)
    right = _rank(s**2, share)
    yield _rank(s, share), "that adds up the singular values: a share of squares takes their squares"
    yield (
        int((s**2 >= (1 - share) * (s**2).sum()).sum()),
        "compare the running sum, not each square by itself",
    )
    yield _rank(s**4, share), "that squares twice: the eigenvalues of AᵀA are squares already"
    yield len(s) - right, "that is how many are left out"
    carried = (s**2).cumsum() / (s**2).sum()
    yield (
        int((s > share * s[0]).sum()),
        "is something compared with the largest singular value, or with 1 − share? Take the running sum",
    )
    yield (
        int((1 - np.sqrt(1 - carried.clip(0, 1)) < share).sum()) + 1,
        "that takes the length of what is left, a root: a share of squares takes its square",
    )
    yield (
        int((np.sqrt(carried) < share).sum()) + 1,
        "a root of the running sum was taken: it is squares already",
    )
    yield int((carried >= share).sum()), "that counts all ranks that reach the share: take the smallest"
    yield carried[0], "that is a share: asked is how many directions reach it"
    yield carried[right - 1], "that is the share which is reached: asked is with how many directions"
    yield len(s) + 1, "so many directions there are not: is each square by itself compared with the share?"
    yield int(np.ceil(share * len(s))), "that is a share of the directions, not of the squares"
    centred = np.linalg.svd(a - a.mean(0), compute_uv=False) ** 2
    yield _rank(centred, share), "the mean of the columns was taken away: A stays as it is"
    yield len(s), "that is the full rank: are the squares added from the smallest?"
    yield right - 1, "one too few: with so many the share is not reached yet"
    yield right + 1, "one too many: the share is reached before"


@exercise("linear_algebra.rank_for")
def rank_for(answer: Any) -> str | None:
    """Matrices of several shapes and spectra, a share that is reached exactly, and all of it."""
    for shape, spread, shift, share, seed in (
        ((60, 45), 0.92, 0.025, 0.9, 1),  # here all mistakes but the centred one differ
        ((60, 40), 0.93, 0.04, 0.9, 1),
        ((5, 12), 0.85, 0.0, 0.9, 2),
    ):
        rng = np.random.default_rng(seed)
        k = min(shape)
        u, v = (np.linalg.qr(rng.normal(size=(side, k)))[0] for side in shape)
        a = (u * spread ** np.arange(k)) @ v.T + shift
        right = _rank(np.linalg.svd(a, compute_uv=False) ** 2, share)
        found = number(answer(a, share), "the rank")
        compare(found, right, f"for a matrix {shape} and a share of {share}", _rank_mistakes(a, share), 1e-9)
    even = np.diag([2.0, 1.0, 1.0, 1.0, 1.0])  # squares 4, 1, 1, 1, 1
    if not same(number(answer(even, 0.5), "the rank"), 1, 0, 1e-9):
        return "a share that is reached exactly counts: 4 of the squares 4, 1, 1, 1, 1 are at least half."
    if not same(number(answer(np.diag([3.0, 1.0, 0.1]), 1.0), "the rank"), 3, 0, 1e-9):
        return "for a share of 1 all singular values that are not zero are needed, small ones, too."
    return None


@exercise("linear_algebra.orthogonal")
def orthogonal(answer: Any) -> str | None:
    """U Vᵀ of a tall, a wide and a stretched matrix."""
    for shape, values, seed in (
        ((5, 3), (4.0, 1.5, 0.4), 1),
        ((3, 6), (9.0, 2.0, 0.7), 2),
        ((4, 4), (1.0, 0.3, 0.05, 0.01), 3),
    ):
        rng = np.random.default_rng(seed)
        u, v = (np.linalg.qr(rng.normal(size=(side, min(shape))))[0] for side in shape)
        s = np.array(values)
        a = (u * s) @ v.T
        with np.errstate(all="ignore"):
            found = _matrix(answer(a), (shape[0], shape[1]), "the result")
        if not np.isfinite(found).all():
            return (
                "the result is not finite: divide A by its length first, or large values run away; "
                "and the cube is taken away, not added."
            )
        if same(found, u @ v.T, 2e-3, 2e-3):
            continue
        length = np.sqrt((s**2).sum())
        mistakes = [
            (a, "A comes back as it is"),
            (a / length, "that is A divided by its length: its singular values still differ"),
            (a / s[0], "that is A divided by its largest singular value: the others are not 1 yet"),
            ((u / s) @ v.T, "the singular values are turned into 1/s: they should all be 1"),
            (np.linalg.qr(a)[0] if shape[0] >= shape[1] else a, "that is the Q of QR: other directions"),
            (-u @ v.T, "the sign is turned round"),
            ((u * s**2) @ v.T, "the singular values were squared: they should all be 1"),
            (a / np.linalg.norm(a, axis=0), "each column was given length 1: that is not yet orthogonal"),
            (a / np.linalg.norm(a, axis=1, keepdims=True), "each row was given length 1, no more"),
            (np.sign(a), "that is the sign of each entry: X Xᵀ X is a product of matrices, not X**3"),
            (np.linalg.svd(a, full_matrices=False)[0], "that is U alone: Vᵀ comes behind it"),
        ]
        if shape[0] >= shape[1]:
            left, _, right = np.linalg.svd(a, full_matrices=False)
            mistakes.append((left @ right.T, "np.linalg.svd returns Vᵀ: it was transposed once more"))
        why = slip(found, mistakes, 1e-4)
        core = u.T @ found @ v
        if why is None and abs(core - np.diag(np.diag(core))).max() < 1e-3:
            sizes = np.linalg.svd(found, compute_uv=False)
            on_the_way = (
                0.9 < sizes[0] < 1.003
            )  # with the right step the largest soon is 1, and none is larger
            shown = ", ".join(f"{size:.3f}" for size in sizes)
            more = (
                "iterate longer"
                if on_the_way
                else "are the step's numbers 3/2 and −1/2? Others rest elsewhere"
            )
            why = f"right directions, but the singular values are {shown}, not 1: {more}"
        told = f"for a matrix {shape} with singular values {', '.join(map(str, values))}"
        return f"{told} {why}." if why else f"{told} U Vᵀ is expected, and something else comes back."
    return None
