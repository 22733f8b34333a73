"""Checks for the exercises of notebooks/transformers/transformer.ipynb; `leaks` has a module of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labutils.checks.answers import array, close
from labutils.checks.core import exercise
from labutils.checks.transformers import _leaks as _leaks  # registers transformer.leaks


def _draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _same(found: Tensor, expected: Tensor) -> bool:
    return bool(torch.allclose(found.to(expected), expected, rtol=1e-5, atol=1e-7))


# --- The block ----------------------------------------------------------------------------------------------


@exercise("transformer.pre_norm_block")
def pre_norm_block(answer: Any) -> str | None:
    """Four functions that nothing commutes with, and every order in which they are confused."""
    x, mix, read, write = (
        _draw(*shape, seed=i) for i, shape in enumerate([(2, 3, 4), (4, 4), (4, 8), (8, 4)])
    )
    scale_1, scale_2 = _draw(4, seed=4), _draw(4, seed=5)

    def attention(x: Tensor) -> Tensor:
        return torch.tanh(x.cumsum(1) @ mix)  # a token and those before it

    def feed_forward(x: Tensor) -> Tensor:
        return torch.relu(x @ read) @ write

    def norm_1(x: Tensor) -> Tensor:
        return nn.functional.layer_norm(x, (4,), scale_1)

    def norm_2(x: Tensor) -> Tensor:
        return nn.functional.layer_norm(x, (4,), scale_2, scale_1)

    value = answer(x, attention, feed_forward, norm_1, norm_2)
    if isinstance(value, tuple):
        return f"it returned a tuple of {len(value)}: return the block's output alone."
    if isinstance(value, Tensor) and value.shape != x.shape:
        return f"the output has shape {tuple(value.shape)}; a block keeps the shape of x, {tuple(x.shape)}."
    found = torch.as_tensor(array(value, x.shape, "the block's output"))
    h = x + attention(norm_1(x))
    right = h + feed_forward(norm_2(h))
    if _same(found, right):
        return None
    for slip, meaning in _slips_of_a_block(x, attention, feed_forward, norm_1, norm_2):
        if _same(found, slip):
            return f"{meaning}."
    return "the output is not h + feed_forward(norm_2(h)) with h = x + attention(norm_1(x))."


def _slips_of_a_block(x: Tensor, a: Any, f: Any, norm_1: Any, norm_2: Any) -> list[tuple[Tensor, str]]:
    def block(
        first: Callable[[Tensor], Tensor],
        second: Callable[[Tensor], Tensor],
        keep: tuple[bool, bool] = (True, True),
    ) -> Tensor:
        h = first(x) + (x if keep[0] else 0)
        return second(h) + (h if keep[1] else 0)

    def post(first: Any, second: Any) -> Tensor:
        h: Tensor = norm_1(x + first(x))
        result: Tensor = norm_2(h + second(h))
        return result

    def a_1(x: Tensor) -> Tensor:
        result: Tensor = a(norm_1(x))
        return result

    def f_2(x: Tensor) -> Tensor:
        result: Tensor = f(norm_2(x))
        return result

    h, n = x + a_1(x), norm_1(x)
    from_norm = n + a(n)
    return [
        (post(a, f), "that is post-norm: normalise what goes into a sublayer, not the sum that comes out"),
        (
            block(a_1, f_2, (False, True)),
            "x is not added to what attention gives: the first residual is missing",
        ),
        (
            block(a_1, f_2, (True, False)),
            "the second residual is missing: add the feed-forward's result to its input",
        ),
        (
            block(a_1, f_2, (False, False)),
            "both residuals are missing: each sublayer's result is added to its input",
        ),
        (block(a_1, lambda h: f(norm_1(h))), "norm_1 is used twice: the feed-forward layer has norm_2"),
        (block(lambda x: a(norm_2(x)), f_2), "norm_2 is used twice: attention has norm_1"),
        (block(lambda x: a(norm_2(x)), lambda h: f(norm_1(h))), "the norms have changed places"),
        (block(a, f_2), "attention reads x as it is: normalise its input with norm_1"),
        (block(a_1, f), "the feed-forward layer reads its input as it is: normalise that with norm_2"),
        (block(a, f), "neither norm is used: normalise what goes into each sublayer"),
        (
            block(lambda x: f(norm_1(x)), lambda h: a(norm_2(h))),
            "the feed-forward layer comes first: attention does",
        ),
        (block(f_2, a_1), "the feed-forward layer comes first: attention does"),
        (post(f, a), "that is post-norm, and the feed-forward layer comes first"),
        (h + f_2(x), "both sublayers read x: the feed-forward layer reads what attention has added to it"),
        (
            x + f_2(h),
            "the second residual adds x: add what went into norm_2, which holds attention's result too",
        ),
        (
            from_norm + f(norm_2(from_norm)),
            "the normalised x was added: the residual carries x as it came, else no scale ever gets through",
        ),
        (
            block(lambda x: norm_1(a(x)), lambda h: norm_2(f(h))),
            "the norms act on what the sublayers give: they belong in front of them",
        ),
        (norm_2(h + f_2(h)), "there is a norm too many at the end: the stack has one, not the block"),
        (h, "that is the first half: the feed-forward sublayer is missing"),
        (x + f_2(x), "that is the second half alone: attention is missing"),
    ]


# --- Counting -----------------------------------------------------------------------------------------------

# What is forgotten or counted too much, from (n_layer, d_model, n_vocab, n_context, tied).
Sizes = tuple[int, int, int, int, bool]
_MISCOUNTS: dict[str, Callable[[Sizes], int]] = {
    "the biases of the linear layers are missing, 9 d_model a block": lambda s: -9 * s[0] * s[1],
    "all biases are missing, those of the linear layers and of the norms": lambda s: -(11 * s[0] + 1) * s[1],
    "the norm after the last block is missing": lambda s: -2 * s[1],
    "a tied output layer is counted, though it is the embedding's own matrix": lambda s: s[4] * s[1] * s[2],
    "the output layer is missing, and untied it has a matrix of its own": lambda s: -(not s[4]) * s[1] * s[2],
    "the positions are missing, n_context · d_model": lambda s: -s[1] * s[3],
    "the token embedding is missing": lambda s: -s[1] * s[2],
    "a block has two norms, one was counted": lambda s: -2 * s[0] * s[1],
    "no norm is counted, and there are 2 n_layer + 1": lambda s: -2 * (2 * s[0] + 1) * s[1],
    "a norm has a scale and a shift, one of them was counted": lambda s: -(2 * s[0] + 1) * s[1],
    "attention has four matrices, three were counted: the output's is missing": lambda s: (
        -s[0] * s[1] * (s[1] + 1)
    ),
    "attention has four matrices and four biases, three and four were counted": lambda s: -s[0] * s[1] ** 2,
    "the feed-forward layer is d_model wide instead of 4 d_model": lambda s: (
        -s[0] * (6 * s[1] ** 2 + 3 * s[1])
    ),
    "the feed-forward layer has two matrices, one was counted": lambda s: -4 * s[0] * s[1] ** 2,
    "the output layer of GPT-2 has no bias, n_vocab too many": lambda s: s[2],
    "one block was counted, not n_layer of them": lambda s: -(s[0] - 1) * (12 * s[1] ** 2 + 13 * s[1]),
}


def _counted(s: Sizes) -> int:
    n_layer, d_model, n_vocab, n_context, tied = s
    block = 12 * d_model**2 + 13 * d_model
    return n_layer * block + (n_vocab + n_context + 2 + (0 if tied else n_vocab)) * d_model


@exercise("transformer.count")
def count(answer: Any) -> str | None:
    """GPT-2 small, then untied, then sizes that share no factor."""
    for s in ((12, 768, 50_257, 1024, True), (12, 768, 50_257, 1024, False), (5, 14, 97, 33, True)):
        found = answer(*s[:4]) if s[4] else answer(*s[:4], tied=False)
        if hasattr(found, "item") and hasattr(found, "reshape") and getattr(found, "size", None) is not None:
            found = found.item() if np.prod(tuple(found.shape)) == 1 else found
        right, call = _counted(s), f"count({', '.join(map(str, s[:4]))}{'' if s[4] else ', tied=False'})"
        if isinstance(found, int | np.integer) and not isinstance(found, bool) and found == right:
            continue
        if close(found, right, 1e-12):
            return f"{call} is right, but a {type(found).__name__}: return an int, // in place of /."
        if isinstance(found, bool) or not isinstance(found, int | float | np.number):
            return f"it returned a {type(found).__name__}: return the number of parameters, an int."
        for n in (1, 2):
            for faults in combinations(_MISCOUNTS, n):
                errors = [_MISCOUNTS[fault](s) for fault in faults]
                if all(errors) and close(found, right + sum(errors), 1e-12):
                    return f"{call} gave {found:,}: {'; and '.join(faults)}."
        return f"{call} gave {found:,}; expected {right:,}, {found - right:+,}."
    return None


# --- Positions ----------------------------------------------------------------------------------------------


@exercise("transformer.relative_bias")
def relative_bias(answer: Any) -> str | None:
    """Five positions at slope 0.25, where slope, slope² and 1 differ; then one position."""
    n, slope = 5, 0.25
    for size in (n, 1):
        value = answer(size, slope)
        try:
            given = value.detach() if isinstance(value, Tensor) else np.array(value, dtype=np.float64)
            found = torch.as_tensor(given, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError):
            return f"it returned a {type(value).__name__}: the bias must be a tensor."
        if tuple(found.shape) != (size, size):
            return f"the bias has shape {tuple(found.shape)}; expected {(size, size)}, a row a query."
        message = _slip_of_a_bias(found, size, slope)
        if message:
            return message
    return None


def _slip_of_a_bias(found: Tensor, n: int, slope: float) -> str | None:
    distance = (torch.arange(n)[:, None] - torch.arange(n)[None, :]).double()  # query − key
    later = distance < 0

    def hidden(bias: Tensor) -> Tensor:
        return bias.masked_fill(later, -math.inf)

    right = hidden(-slope * distance)
    if _same(found, right):
        return None
    if found.isnan().any():
        return "it holds NaN: 0 · ∞ is no number, so put −∞ in with masked_fill, not by a product."
    slips = [
        (hidden(slope * distance), "the sign is wrong: what is far away gets less, −slope · (i − j)"),
        (right.T, "rows and columns have changed places: row i is the query, and sees j ≤ i"),
        (
            -slope * distance.abs(),
            "the absolute value gives later keys a finite bias: with j > i it is −∞, as in a causal mask",
        ),
        (-slope * distance, "later keys even get a bonus: with j > i the bias is −∞"),
        ((-slope * distance).tril(), "later keys have bias 0, which hides nothing: with j > i it is −∞"),
        (hidden(-distance), "slope is not used: the bias is −slope · (i − j)"),
        (hidden(-distance / slope), "divided by the slope: multiply"),
        (hidden(slope ** distance.abs()), "that is a power of the slope: the bias grows in a straight line"),
        (
            right.masked_fill(distance == 0, -math.inf),
            "the diagonal is hidden: a position sees itself, with bias 0",
        ),
        (
            hidden(-slope * (distance + 1)),
            "each row is too low by one slope: the softmax would not notice, but j = i has bias 0",
        ),
        (torch.zeros_like(right), "it is 0 everywhere"),
        (hidden(0 * distance), "that is the causal mask alone: the slope is missing"),
    ]
    for slip, meaning in slips:
        if _same(found, slip):
            return f"{meaning}."
    if _same(found[~later], right[~later]):
        largest = found[later].max().item()
        return f"for j > i the bias is finite, up to {largest:.4g}: only −∞ hides a key whatever its score."
    if not found[later].isneginf().all():
        return "later keys are not hidden: with j > i the bias is −∞."
    i, j = (((found - right).nan_to_num().abs() * ~later) > 1e-7).nonzero()[0].tolist()
    return f"row {i}, column {j} is {found[i, j].item():.4g}; expected {right[i, j].item():.4g}."
