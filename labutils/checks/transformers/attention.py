"""Checks for the exercises of notebooks/transformers/attention.ipynb."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from labutils.checks.answers import Wrong, array, number, same, slip
from labutils.checks.core import exercise
from labutils.checks.transformers._blocks import Blocks, Longest


def _draw(*shapes: tuple[int, ...], seed: int) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=g) for shape in shapes]


def _attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, scale: float | None = None
) -> Tensor:
    scores = q @ k.mT * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-1) @ v


def _output(found: Any, expected: Tensor, what: str = "the output") -> Any:
    """The numbers of an answer of the right shape; `Wrong` for a tuple or another shape."""
    if isinstance(found, tuple):
        raise Wrong(f"it returned a tuple of {len(found)}: return {what} alone.")
    return array(found, expected.shape, what)


@exercise("attention.divisor")
def divisor(answer: Any) -> str | None:
    """The standard deviation of a sum of 64 products of standard deviations 3 and 2."""
    mistakes = [
        (8, "8 is √d, right for entries of variance 1: these have 9 and 4"),
        (6, "6 is the standard deviation of one product: 64 of them are added"),
        (36, "36 is the variance of one product: 64 of them are added"),
        (2304, "2304 is the variance of the score: its standard deviation is asked"),
        (384, "384 adds standard deviations: it is the variances of independent terms that add up"),
        (40, "40 adds the two spreads: those of a product multiply"),
        (math.sqrt(384), "that takes 3 · 2 for the variance of a product: the variances 9 and 4 multiply"),
        (math.sqrt(64 * 13), "that adds the variances 9 and 4: those of a product multiply"),
        (24, "24 is 3 · √64: the keys have a spread, too"),
        (16, "16 is 2 · √64: the queries have a spread, too"),
        (1 / 48, "scores are divided by this number, not multiplied: it is the inverse of yours"),
        (3072, "that multiplies 48 by d once more: the root of d is in it already"),
    ]
    found = number(answer, "your divisor")
    if same(found, 48, 1e-3, 0):
        return None
    why = slip(found, mistakes, 1e-3)
    return f"{why or 'that is not it: the variance of one product, times 64, and then the root'}."


@exercise("attention.attention")
def attention(answer: Any) -> str | None:
    """Rows of weights are seen by values of one; then the scale, the mask and what it hides."""
    q, k, v = _draw((2, 4, 64), (2, 6, 64), (2, 6, 3), seed=1)
    right, found = _attend(q, k, v), answer(q, k, v)
    _output(found, right)
    sums = _output(answer(q, k, torch.ones(2, 6, 1)), torch.ones(2, 4, 1))
    if not same(sums, torch.ones(2, 4, 1)):
        if same(sums, torch.full((2, 4, 1), 1 / 8), 1e-3):
            return "rows of weights sum to 0.125 at d = 64: divided after the softmax?"
        if same(found, (q @ k.mT / 8).softmax(-2) @ v, atol=1e-5):
            return (
                "the columns of weights sum to one, not the rows: the softmax runs along the keys, axis −1."
            )
        return f"rows of weights sum to {float(sums.mean()):.3g} on average, not to 1."
    other = "the width of a key is what counts"
    for scale, meaning in (
        (1.0, "without any division the scores are 8 times too far apart at d = 64"),
        (1 / 64, "divided by d: it is the root of d"),
        (1 / math.sqrt(6), f"divided by the root of the number of keys: {other}"),
        (1 / math.sqrt(4), f"divided by the root of the number of queries: {other}"),
        (1 / math.sqrt(3), f"divided by the root of the width of a value: {other}"),
        (8.0, "multiplied by √d instead of divided"),
    ):
        if same(found, _attend(q, k, v, scale=scale), atol=1e-5):
            return f"the weights are those of scores scaled by {scale:.3g}: {meaning}."
    if not same(found, right, atol=1e-5):
        return "without a mask the output differs from F.scaled_dot_product_attention(q, k, v)."
    for axes in ((), (2, 3)):  # none, or batch and head
        queries, keys, values = _draw((*axes, 4, 64), (*axes, 6, 64), (*axes, 6, 3), seed=2)
        expected, what = _attend(queries, keys, values), f"with {len(axes)} axes before (n, d) the output"
        if not same(_output(answer(queries, keys, values), expected, what), expected, atol=1e-5):
            return f"{what} differs: count axes from the end, −1 and −2."
    return _masked(answer, q, k, v)


def _masked(answer: Any, q: Tensor, k: Tensor, v: Tensor) -> str | None:
    mask = torch.ones(4, 6, dtype=torch.bool).tril(2)
    right, found = _attend(q, k, v, mask), answer(q, k, v, mask)
    scores, weights = q @ k.mT / 8, (q @ k.mT / 8).softmax(-1)
    turned = _attend(q, k, v, ~mask)
    if torch.is_tensor(found) and found.isnan().any():
        return "no number comes out: True means that a key may be seen, so hide where the mask is False."
    _output(found, right, "the output with a mask")
    if not same(found, right, atol=1e-5):
        late = f"with a mask rows sum to {float((weights * mask).sum(-1).mean()):.2f} on average"
        why = slip(
            found,
            [
                (_attend(q, k, v), "the mask changes nothing: put −∞ where it is False"),
                ((weights * mask) @ v, f"{late}: masked after the softmax?"),
                (
                    scores.masked_fill(~mask, 0.0).softmax(-1) @ v,
                    "hidden scores were set to 0, and e⁰ = 1 is a good score: it takes −∞ to hide a key",
                ),
                (
                    (scores + mask.float()).softmax(-1) @ v,
                    "the mask was added as 0 and 1: a hidden score must be −∞, a visible one left alone",
                ),
                (turned.nan_to_num(), "it sees what it should not: True means that a key may be seen"),
            ],
            1e-4,
        )
        why = why or "with a mask the output differs from F.scaled_dot_product_attention(q, k, v, mask)"
        return f"{why}."
    # What is hidden has a very good score, what is seen a very bad one: only −∞ hides then.
    q, k = torch.full((2, 4, 64), 1000.0), torch.full((2, 6, 64), -1000.0)
    k[:, 2:] = 1000.0
    first = torch.zeros(4, 6, dtype=torch.bool)
    first[:, :2] = True
    found = answer(q, k, v, first)
    _output(found, right, "the output with a mask")
    if not same(found, _attend(q, k, v, first), atol=1e-5):
        return (
            "where all visible scores are −8 million and the hidden ones 8 million, hidden keys are seen: "
            "a number like −50 or −10,000 is not −∞."
        )
    return None


def _heads_mistakes(q: Tensor, k: Tensor, v: Tensor, n_head: int) -> Iterator[tuple[Tensor, str]]:
    (n, d), d_head = q.shape, q.shape[1] // n_head

    def joined(parts: list[tuple[Tensor, ...]], scale: float | None, dim: int) -> Tensor:
        return torch.cat([_attend(part[0], part[1], part[2], scale=scale) for part in parts], dim=dim)

    columns = list(zip(*(x.chunk(n_head, dim=-1) for x in (q, k, v)), strict=True))
    rows = list(zip(*(x.chunk(n_head, dim=0) for x in (q, k, v)), strict=True))
    viewed = [tuple(x.reshape(n_head, n, d_head)[i] for x in (q, k, v)) for i in range(n_head)]
    laced = [tuple(x[:, i::n_head] for x in (q, k, v)) for i in range(n_head)]
    cut = "reshape to (n_head, n, d_head) cuts rows apart: to (n, n_head, d_head), then transpose"
    width = f"a head has {d_head} columns: divide by the root of {d_head}"
    yield joined(columns, 1 / math.sqrt(d), -1), f"divided by the root of d = {d}: {width}"
    yield joined(columns, 1.0, -1), "the scores of a head are not divided by the root of its width"
    yield joined(columns, 1 / d_head, -1), f"divided by {d_head}, a head's width: it is the root of that"
    yield joined(columns, 1 / math.sqrt(n_head), -1), f"divided by the root of the number of heads: {width}"
    yield joined(rows, None, 0), "the heads split the rows, so no token sees the others: split the columns"
    yield _attend(q, k, v), "that is one head: every head needs a softmax of its own"
    yield joined(viewed, None, -1), cut
    yield joined(viewed, None, 0).reshape(n, d), cut
    yield (
        joined(columns, None, 0).reshape(n, d),
        "side by side in the wrong order: transpose back to (n, n_head, d_head), then reshape",
    )
    yield joined(columns[::-1], None, -1), "the heads stand in the reverse order"
    yield joined(laced, None, -1), f"head 0 should have columns 0 to {d_head - 1}, not every {n_head}th one"
    yield joined(columns, None, -1) / n_head, "put the heads side by side and leave their values as they are"


@exercise("attention.heads")
def heads(answer: Any) -> str | None:
    """Three heads of four columns on six rows; other cuts and other scales give themselves away."""
    n, d, n_head = 6, 12, 3
    q, k, v = (2 * x for x in _draw((n, d), (n, d), (n, d), seed=2))
    columns = zip(*(x.chunk(n_head, dim=-1) for x in (q, k, v)), strict=True)
    right, found = torch.cat([_attend(*part) for part in columns], dim=-1), answer(q, k, v, n_head)
    shape = tuple(getattr(found, "shape", ()))
    if shape == (n, d // n_head):
        return f"the output has shape {shape}: put the heads side by side, do not add or average them."
    if shape == (n_head * n, d // n_head):
        return f"the output has shape {shape}: put the heads side by side, not one under the other."
    _output(found, right)
    if not same(found, right, atol=1e-5):
        why = slip(found, _heads_mistakes(q, k, v, n_head), 1e-4)
        return f"{why or 'the output differs from three attentions on columns 0 to 3, 4 to 7 and 8 to 11'}."
    for other in (1, 2):
        parts = zip(*(x.chunk(other, dim=-1) for x in (q, k, v)), strict=True)
        expected = torch.cat([_attend(*part) for part in parts], dim=-1)
        if not same(_output(answer(q, k, v, other), expected), expected, atol=1e-5):
            return f"right with three heads and wrong with n_head = {other}: is a number of heads written in?"
    return None


@exercise("attention.streaming")
def streaming(answer: Any) -> str | None:
    """Blocks of unequal sizes that can be read once, the largest score late, early, low or huge."""
    q, k, v = _draw((16,), (23, 16), (23, 3), seed=3)
    k = 2 * k[(k @ q).argsort()]  # every block brings a larger score
    sizes = [9, 2, 7, 5]
    right = _attend(q[None], k, v)[0]
    blocks = Blocks(k, v, sizes)
    with Longest() as seen:  # type: ignore[no-untyped-call]
        found = answer(q, blocks)
    _output(found, right)
    if not same(found, right, atol=1e-5):
        return _slip_of_streaming(found, q, blocks.pairs, k, v)
    if blocks.most > 2 or seen.longest >= len(k) > len(q):
        return (
            "right, but it holds all blocks at once: keep a running maximum, a "
            "running sum and a running weighted sum, and let each block go."
        )
    low = k - 640 * q / (q @ q)  # all scores 160 lower
    thousands = "scores in the thousands"
    for keys, values, order, why in (
        (k.flip(0), v.flip(0), sizes, "a block without a new maximum must not lower the old one"),
        (low, v, sizes, "all scores are far below 0 there: start the maximum at −∞, not at 0"),
        (2000 * k, v, sizes, f"{thousands}: subtract the largest score so far before exp"),
        (2000 * k.flip(0), v.flip(0), sizes, f"{thousands}, the largest first: which maximum is subtracted?"),
        (k[:1], v[:1], [1], "there is one key, alone in one block"),
    ):
        expected = _attend(q[None], keys, values)[0]
        found = answer(q, Blocks(keys, values, order))
        if torch.is_tensor(found) and not found.isfinite().all():
            return f"no number comes out: {why}."
        if not same(_output(found, expected), expected, atol=1e-5):
            return f"right for one order of blocks, wrong for another: {why}."
    return None


def _slip_of_streaming(
    found: Any, q: Tensor, blocks: list[tuple[Tensor, Tensor]], k: Tensor, v: Tensor
) -> str:
    scale = 1 / math.sqrt(len(q))
    parts = [_attend(q[None], K, V)[0] for K, V in blocks]
    scores = [K @ q * scale for K, _ in blocks]
    if torch.as_tensor(found).isnan().any():
        return "no number comes out, as from ∞ · 0: the correction is exp(old − new), never above 1."

    def running(total_too: bool, output_too: bool) -> Tensor:
        largest, total, output = torch.tensor(-math.inf), torch.zeros(()), torch.zeros(v.shape[-1])
        for s, (_, V) in zip(scores, blocks, strict=True):
            new = torch.maximum(largest, s.max())
            weights, shrink = (s - new).exp(), (largest - new).exp()
            total = total * (shrink if total_too else 1) + weights.sum()
            output = output * (shrink if output_too else 1) + weights @ V
            largest = new
        return output / total

    weights = (k @ q * scale - (k @ q * scale).max()).exp()
    once = _attend(q[None], k, v, scale=1.0)[0]
    mistakes = [
        (
            running(False, False),
            "what came before a larger score is too large: multiply both sums by exp(old − new)",
        ),
        (
            running(False, True),
            "the sum of weights is not corrected: multiply it, too, by exp(old − new)",
        ),
        (running(True, False), "the weighted sum is not corrected: multiply it, too, by exp(old − new)"),
        (
            torch.stack(parts).mean(0),
            "that is the mean of the blocks' outputs: larger scores must weigh more",
        ),
        (torch.stack(parts).sum(0), "that is the sum of the blocks' outputs: all weights must sum to one"),
        (parts[-1], "that is the last block's output: the ones before it are forgotten"),
        (parts[0], "that is the first block's output: the loop ends too early"),
        (once, "the scores are not divided by √d"),
        (_attend(q[None], k, v, scale=1 / len(q))[0], "the scores are divided by d: it is the root of d"),
        (weights @ v, "the weighted sum is right: divide it by the sum of the weights at the end"),
        (v.mean(0), "that is the plain mean of the values: the scores have no effect"),
    ]
    why = slip(found, mistakes, 1e-4)
    return f"{why or 'the output differs from attention over all keys at once'}."
