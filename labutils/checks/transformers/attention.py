"""Checks for the exercises of notebooks/transformers/attention.ipynb."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from labutils.checks.answers import close
from labutils.checks.core import exercise


def _draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, scale: float | None = None
) -> Tensor:
    scores = q @ k.mT * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-1) @ v


def _same(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape and torch.allclose(found.float(), expected, rtol=1e-4, atol=1e-5)


def _wrong_shape(found: object, expected: Tensor, what: str) -> str | None:
    """Say what is wrong with the kind or the shape of an answer, or return None."""
    if isinstance(found, tuple):
        return f"it returned a tuple of {len(found)}: return {what} alone."
    if not isinstance(found, Tensor):
        return f"it returned a {type(found).__name__}: {what} must be a tensor."
    if found.shape != expected.shape:
        return f"{what} has shape {tuple(found.shape)}; expected {tuple(expected.shape)}."
    return None


@exercise("attention.divisor")
def divisor(answer: Any) -> str | None:
    """The standard deviation of a sum of 64 products of standard deviations 3 and 2."""
    slips = {
        8.0: "8 is √d, right for entries of variance 1: these have 9 and 4",
        6.0: "6 is the standard deviation of one product: 64 of them are added",
        36.0: "36 is the variance of one product: 64 of them are added",
        2304.0: "2304 is the variance of the score: its standard deviation is asked",
        384.0: "384 adds standard deviations: it is the variances of independent terms that add up",
        40.0: "40 adds the two spreads: those of a product multiply",
        math.sqrt(384): "that takes 3 · 2 for the variance of a product: the variances 9 and 4 multiply",
    }
    if close(answer, 48.0, 1e-3):
        return None
    for slip, meaning in slips.items():
        if close(answer, slip, 1e-3):
            return f"{meaning}."
    return "that is not it: the variance of one product, times 64, and then the root."


@exercise("attention.attention")
def attention(answer: Any) -> str | None:
    """Rows of weights are seen by values of one; then the scale, the mask and what it hides."""
    q, k, v = _draw(2, 4, 64, seed=1), _draw(2, 6, 64, seed=2), _draw(2, 6, 3, seed=3)
    right = _attend(q, k, v)
    found = answer(q, k, v)
    if fault := _wrong_shape(found, right, "the output"):
        return fault
    sums = answer(q, k, torch.ones(2, 6, 1))
    if not torch.allclose(sums, torch.ones(2, 4, 1), atol=1e-4):
        if close(sums.mean(), 1 / 8, 1e-3):
            return "rows of weights sum to 0.125 at d = 64: divided after the softmax?"
        columns = (q @ k.mT / 8).softmax(-2) @ v
        if _same(found, columns):
            return (
                "the columns of weights sum to one, not the rows: the softmax runs along the keys, axis −1."
            )
        return f"rows of weights sum to {float(sums.mean()):.3g} on average, not to 1."
    for scale, meaning in (
        (1.0, "without any division the scores are 8 times too far apart at d = 64"),
        (1 / 64, "divided by d: it is the root of d"),
        (1 / math.sqrt(6), "divided by the root of the number of keys: it is the width of a key that counts"),
        (8.0, "multiplied by √d instead of divided"),
    ):
        if _same(found, _attend(q, k, v, scale=scale)):
            return f"the weights are those of scores scaled by {scale:.3g}: {meaning}."
    if not _same(found, right):
        return "without a mask the output differs from F.scaled_dot_product_attention(q, k, v)."
    return _masked(answer, q, k, v)


def _masked(answer: Any, q: Tensor, k: Tensor, v: Tensor) -> str | None:
    mask = torch.ones(4, 6, dtype=torch.bool).tril(2)
    right, found = _attend(q, k, v, mask), answer(q, k, v, mask)
    if fault := _wrong_shape(found, right, "the output with a mask"):
        return fault
    if _same(found, right):
        return None
    if _same(found, _attend(q, k, v)):
        return "the mask changes nothing: put −∞ where it is False."
    turned = _attend(q, k, v, ~mask | torch.eye(4, 6, dtype=torch.bool))
    if torch.isnan(found).any() or _same(found, turned):
        return "no number comes out: True means that a key may be seen, so hide where the mask is False."
    late = ((q @ k.mT / 8).softmax(-1) * mask) @ v
    if _same(found, late):
        sums = float(((q @ k.mT / 8).softmax(-1) * mask).sum(-1).mean())
        return f"with a mask rows sum to {sums:.2f} on average: masked after the softmax?"
    zeroed = (q @ k.mT / 8).masked_fill(~mask, 0.0).softmax(-1) @ v
    if _same(found, zeroed):
        return "hidden scores were set to 0, and e⁰ = 1 is a good score: it takes −∞ to hide a key."
    if _same(found, _attend(q, k, v, ~mask)):
        return "it sees what it should not: True means that a key may be seen."
    return "with a mask the output differs from F.scaled_dot_product_attention(q, k, v, mask)."


@exercise("attention.heads")
def heads(answer: Any) -> str | None:
    """Two heads of four columns on six rows; other cuts and other scales give themselves away."""
    n, d, n_head = 6, 8, 2
    q, k, v = (2 * _draw(n, d, seed=seed) for seed in (4, 5, 6))

    def joined(parts: list[tuple[Tensor, ...]], scale: float | None, dim: int) -> Tensor:
        return torch.cat([_attend(q_i, k_i, v_i, scale=scale) for q_i, k_i, v_i in parts], dim=dim)

    columns = list(zip(*(x.chunk(n_head, dim=-1) for x in (q, k, v)), strict=True))
    rows = list(zip(*(x.chunk(n_head, dim=0) for x in (q, k, v)), strict=True))
    right, found = joined(columns, None, -1), answer(q, k, v, n_head)
    if isinstance(found, Tensor) and found.shape == (n, d // n_head):
        shape = tuple(found.shape)
        return f"the output has shape {shape}: put the heads side by side, do not add or average them."
    if isinstance(found, Tensor) and found.shape == (n_head * n, d // n_head):
        shape = tuple(found.shape)
        return f"the output has shape {shape}: put the heads side by side, not one under the other."
    if fault := _wrong_shape(found, right, "the output"):
        return fault
    if _same(found, right):
        whole = answer(q, k, v, 1)
        return None if _same(whole, _attend(q, k, v)) else "with one head it should be plain attention."
    viewed = [tuple(x.reshape(n_head, n, d // n_head)[i] for x in (q, k, v)) for i in range(n_head)]
    laced = [tuple(x[:, i::n_head] for x in (q, k, v)) for i in range(n_head)]
    stacked = joined(columns, None, 0).reshape(n, d)  # (n_head, n, d_head) seen as (n, d)
    cut = "reshape to (n_head, n, d_head) cuts rows apart: to (n, n_head, d_head), then transpose"
    slips = [
        (joined(columns, 1 / math.sqrt(d), -1), "divided by the root of d = 8: a head has 4 columns, √4 = 2"),
        (joined(columns, 1.0, -1), "the scores of a head are not divided by the root of its width"),
        (
            joined(rows, None, 0),
            "the heads split the rows, so no token sees the other half: split the columns",
        ),
        (_attend(q, k, v), "that is one head: every head needs a softmax of its own"),
        (joined(viewed, None, -1), cut),
        (joined(viewed, None, 0).reshape(n, d), cut),
        (stacked, "side by side in the wrong order: transpose back to (n, n_head, d_head), then reshape"),
        (joined(laced, None, -1), "head 0 should have columns 0 to 3, not every second one"),
    ]
    for slip, meaning in slips:
        if _same(found, slip):
            return f"{meaning}."
    return "the output differs from two attentions on columns 0 to 3 and 4 to 7, put side by side."


@exercise("attention.streaming")
def streaming(answer: Any) -> str | None:
    """Blocks whose largest score comes late, an iterator, and scores in the thousands."""
    q, k, v = _draw(16, seed=7), _draw(12, 16, seed=8), _draw(12, 3, seed=9)
    k = 2 * k[(k @ q).argsort()]  # every block brings a larger score
    right = _attend(q[None], k, v)[0]
    blocks = list(zip(k.split(5), v.split(5), strict=True))
    found = answer(q, iter(blocks))
    if fault := _wrong_shape(found, right, "the output"):
        return fault
    if not _same(found, right):
        return _slip_of_streaming(found, q, blocks, k, v)
    large = k * 2000
    found = answer(q, iter(list(zip(large.split(5), v.split(5), strict=True))))
    if not torch.isfinite(found).all():
        return "with scores in the thousands it overflows: subtract the largest score so far before exp."
    if not _same(found, _attend(q[None], large, v)[0]):
        return "right for small scores and wrong for scores in the thousands: which maximum is subtracted?"
    down = list(zip(k.flip(0).split(5), v.flip(0).split(5), strict=True))
    if not _same(answer(q, iter(down)), right):
        return (
            "it depends on the order of the blocks: a block without a new maximum must not lower the old one."
        )
    return None


def _slip_of_streaming(
    found: Tensor, q: Tensor, blocks: list[tuple[Tensor, Tensor]], k: Tensor, v: Tensor
) -> str:
    scale = 1 / math.sqrt(len(q))
    parts = [_attend(q[None], K, V)[0] for K, V in blocks]
    largest, total, output = -math.inf, torch.zeros(()), torch.zeros(v.shape[-1])
    for K, V in blocks:  # sums that are never corrected when a larger score turns up
        scores = K @ q * scale
        largest = max(largest, float(scores.max()))
        weights = (scores - largest).exp()
        total, output = total + weights.sum(), output + weights @ V
    if _same(found, output / total):
        return "what was added before a larger score came is too large: multiply both sums by exp(old − new)."
    if _same(found, torch.stack(parts).mean(0)):
        return "that is the mean of the blocks' outputs: a block with larger scores must weigh more."
    if _same(found, parts[-1]):
        return "that is the last block's output: the ones before it are forgotten."
    if _same(found, _attend(q[None], k, v, scale=1.0)[0]):
        return "the scores are not divided by √d."
    weights = (k @ q * scale - (k @ q * scale).max()).exp()
    if _same(found, weights @ v):
        return "the weighted sum is right: divide it by the sum of the weights at the end."
    return "the output differs from attention over all keys at once."
