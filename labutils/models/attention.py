"""Attention: scores, masks, softmax, values; with several heads. Equal to torch's functions and weights.

In a mask, True means that the query may see the key. Page: notebooks/transformers/attention.ipynb.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labutils.models.cache import Cache
from labutils.models.positions import apply_rotary, rotary, sinusoidal_positions

__all__ = [
    "AdditiveScore",
    "GeneralScore",
    "MultiHeadAttention",
    "apply_rotary",
    "attention",
    "causal_mask",
    "combine",
    "masked_softmax",
    "padding_mask",
    "rotary",
    "sinusoidal_positions",
    "watch",
]


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    scale: float | None = None,
    *,
    dropout: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Return softmax(scale · q kᵀ) v, (…, n_q, d_v), and the weights, (…, n_q, n_k).

    Vaswani et al. (2017), §3.2.1. q (…, n_q, d), k (…, n_k, d), v (…, n_k, d_v).
    mask: Boolean, True where a query may see a key, or numbers that are added to the scores, −∞ where it may
    not; broadcastable to (…, n_q, n_k).
    scale: None stands for 1/√d.  dropout: the share of weights set to zero before v is weighed; the weights
    returned are those before.

    A query that may see no key gets weights and an output of zero, as from F.scaled_dot_product_attention.
    Scores of half precision are computed in float32, as there: 40 · 40 · 64 is beyond the largest float16.
    Raises ValueError for shapes that do not fit and for a mask of whole numbers.
    """
    if q.dim() < 2 or k.dim() < 2 or v.dim() < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(
            f"q, k, v have shapes {tuple(q.shape)}, {tuple(k.shape)}, {tuple(v.shape)}: "
            "expected (…, n_q, d), (…, n_k, d), (…, n_k, d_v)"
        )
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    half = q.dtype in (torch.float16, torch.bfloat16)
    scores = (q.float() @ k.float().mT if half else q @ k.mT) * scale  # (…, n_q, n_k)
    weights = masked_softmax(scores, mask).to(v.dtype)
    kept = F.dropout(weights, dropout) if dropout else weights
    return kept @ v, weights


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax over the keys, the last axis, among those that `mask` lets a query see; same shape as `scores`.

    mask: as in `attention`. A row without a visible key is all zeros, and so is its gradient.
    """
    if mask is None:
        return scores.softmax(-1)
    _check_mask(mask)
    seen = mask
    if mask.is_floating_point():
        seen = mask != -math.inf
        scores = scores + mask.masked_fill(~seen, 0.0)
    # The lowest number and not −∞: in a row that sees nothing, ∞ − ∞ would be no number.
    hidden = scores.masked_fill(~seen, torch.finfo(scores.dtype).min)
    return hidden.softmax(-1).masked_fill(~seen, 0.0)


def combine(mask: Tensor | None, other: Tensor) -> Tensor:
    """One mask, as in `attention`, that hides what either hides and adds what either adds to the scores."""
    if mask is None:
        return other
    _check_mask(mask)
    _check_mask(other)
    if mask.dtype == other.dtype == torch.bool:
        return mask & other
    if mask.dtype == torch.bool:
        mask, other = other, mask
    return mask.masked_fill(~other, -math.inf) if other.dtype == torch.bool else mask + other


def causal_mask(n_q: int, n_k: int | None = None, device: torch.device | None = None) -> Tensor:
    """True where key j is not after query i, (n_q, n_k).

    With n_k > n_q the queries are the last n_q positions, as when earlier keys come from a cache.
    """
    n_k = n_q if n_k is None else n_k
    if not 1 <= n_q <= n_k:
        raise ValueError(f"n_q is {n_q} and n_k is {n_k}: expected 1 ≤ n_q ≤ n_k")
    return torch.ones(n_q, n_k, dtype=torch.bool, device=device).tril(n_k - n_q)


def padding_mask(lengths: Tensor, n_k: int | None = None) -> Tensor:
    """True at the first `lengths[b]` keys of sequence b, (batch, 1, n_k): the same for every query.

    lengths: (batch,) whole numbers.  n_k: the padded length, by default the largest of them.
    """
    if lengths.dim() != 1 or lengths.is_floating_point():
        raise ValueError(
            f"lengths has shape {tuple(lengths.shape)}, {lengths.dtype}: expected integers (batch,)"
        )
    n_k = int(lengths.max()) if n_k is None else n_k
    if lengths.min() < 0 or lengths.max() > n_k:
        raise ValueError(f"lengths go from {lengths.min()} to {lengths.max()}: expected 0 … n_k = {n_k}")
    return (torch.arange(n_k, device=lengths.device) < lengths[:, None])[:, None, :]


def _check_mask(mask: Tensor) -> None:
    if mask.dtype != torch.bool and not mask.is_floating_point():
        raise ValueError(
            f"mask has dtype {mask.dtype}: expected torch.bool, True where a query may see a key, or numbers "
            "to add to the scores; for a mask of 0 and 1 pass mask.bool()"
        )


# --- other scores -------------------------------------------------------------------------------------------


class AdditiveScore(nn.Module):
    """wᵀ tanh(W_q q + W_k k), for queries and keys of any widths. Bahdanau, Cho & Bengio (2015)."""

    def __init__(self, d_q: int, d_k: int, d_hidden: int) -> None:
        super().__init__()
        self.query = nn.Linear(d_q, d_hidden, bias=False)
        self.key = nn.Linear(d_k, d_hidden)
        self.weight = nn.Linear(d_hidden, 1, bias=False)

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Scores (…, n_q, n_k) of q (…, n_q, d_q) and k (…, n_k, d_k), for `masked_softmax`."""
        pairs = self.query(q)[..., :, None, :] + self.key(k)[..., None, :, :]  # (…, n_q, n_k, d_hidden)
        scores: Tensor = self.weight(torch.tanh(pairs))
        return scores[..., 0]


class GeneralScore(nn.Module):
    """qᵀ W k: the bilinear form of Luong, Pham & Manning (2015), "general" there."""

    def __init__(self, d_q: int, d_k: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_q, d_k).uniform_(-1, 1) / math.sqrt(d_k))

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Scores (…, n_q, n_k) of q (…, n_q, d_q) and k (…, n_k, d_k), for `masked_softmax`."""
        return q @ self.weight @ k.mT


# --- several heads ------------------------------------------------------------------------------------------


class MultiHeadAttention(nn.Module):
    """`n_head` attentions side by side, each on d_model / n_head features of the *whole* sequence.

    Vaswani et al. (2017), §3.2.2. Parameters have the names and shapes of torch.nn.MultiheadAttention, so
    `load_state_dict` carries weights both ways: in_proj_weight (3 d_model, d_model) has the rows of query,
    key and value. With `fused`, F.scaled_dot_product_attention computes, which never holds all weights; to
    see them, `watch`. `scale` None stands for 1/√(d_model / n_head); `dropout` acts on the weights while
    training.
    """

    def __init__(
        self,
        d_model: int,
        n_head: int,
        bias: bool = True,
        fused: bool = True,
        *,
        dropout: float = 0.0,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        if n_head < 1 or d_model < 1 or d_model % n_head:
            raise ValueError(f"d_model is {d_model} and n_head is {n_head}: heads split d_model evenly")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is {dropout}: expected a share, 0 ≤ dropout < 1")
        self.d_model, self.n_head, self.d_head = d_model, n_head, d_model // n_head
        self.fused, self.dropout = fused, dropout
        self.scale = 1 / math.sqrt(self.d_head) if scale is None else scale
        self.in_proj_weight = nn.Parameter(torch.empty(3 * d_model, d_model))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * d_model)) if bias else None
        self.out_proj = nn.Linear(d_model, d_model, bias=bias)
        self.watched: list[Tensor] | None = None  # what `watch` collects into
        nn.init.xavier_uniform_(self.in_proj_weight)
        if bias:
            nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        x_q: Tensor,
        x_kv: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        turn: tuple[Tensor, Tensor] | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """Take `x_q` (batch, n_q, d_model) to the same shape.

        x_kv: (batch, n_k, d_model), what is attended to; None: x_q itself.
        mask: as in `attention`, (n_q, n_k), (batch, n_q, n_k) or (batch, n_head, n_q, n_k), with 1 for any of
        them.  causal: queries see no later key, whatever `mask` says.
        turn: cosine and sine of `rotary`, by which queries and keys are turned.
        cache: earlier keys and values are taken from it, and these are added.
        A query that sees no key gets an output of out_proj.bias.
        """
        q, k, v = self._project(x_q, x_kv)  # (batch, n_head, n, d_head) each
        if turn is not None:
            q, k = apply_rotary(q, *turn), apply_rotary(k, *turn)
        if cache is not None:
            k, v = cache.extend(self, k, v)
        if mask is not None and mask.dim() == 3:
            mask = mask[:, None]  # the same for every head
        if mask is not None:
            _check_mask(mask)
        plain = not self.fused or self.watched is not None
        if causal and (plain or mask is not None or q.shape[2] != k.shape[2]):
            mask, causal = combine(mask, causal_mask(q.shape[2], k.shape[2], q.device)), False
        dropout = self.dropout if self.training else 0.0
        if plain:
            heads, weights = attention(q, k, v, mask, self.scale, dropout=dropout)
            if self.watched is not None:
                self.watched.append(weights)
        else:
            heads = F.scaled_dot_product_attention(q, k, v, mask, dropout, causal, scale=self.scale)
        out: Tensor = self.out_proj(heads.transpose(1, 2).flatten(2))  # heads side by side again
        return out

    def _project(self, x_q: Tensor, x_kv: Tensor | None) -> tuple[Tensor, ...]:
        for name, x in (("x_q", x_q), ("x_kv", x_kv)):
            if x is not None and (x.dim() != 3 or x.shape[-1] != self.d_model):
                expected = f"(batch, time, d_model = {self.d_model})"
                raise ValueError(f"{name} has shape {tuple(x.shape)}: expected {expected}")
        w, b, d = self.in_proj_weight, self.in_proj_bias, self.d_model
        if x_kv is None:
            parts: tuple[Tensor, ...] = F.linear(x_q, w, b).split(d, dim=-1)
        else:
            b_q, b_kv = (None, None) if b is None else (b[:d], b[d:])
            parts = F.linear(x_q, w[:d], b_q), *F.linear(x_kv, w[d:], b_kv).split(d, dim=-1)
        return tuple(p.unflatten(-1, (self.n_head, self.d_head)).transpose(1, 2) for p in parts)

    def extra_repr(self) -> str:
        """The sizes, where the module is printed."""
        return f"{self.d_model}, {self.n_head}"


@contextmanager
def watch(model: nn.Module) -> Iterator[list[Tensor]]:
    """Within this context, collect the attention weights of all layers of `model`, (batch, n_head, n_q, n_k).

    `with watch(model) as weights: model(ids)`: one tensor a layer, in the order in which they computed. Fused
    attention is computed step by step meanwhile, with equal results.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, MultiHeadAttention)]
    before = [layer.watched for layer in layers]
    collected: list[Tensor] = []
    try:
        for layer in layers:
            layer.watched = collected
        yield collected
    finally:
        for layer, old in zip(layers, before, strict=True):
            layer.watched = old
