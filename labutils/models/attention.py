"""Attention: scores, masks, softmax, values; with several heads. Equal to torch's functions and weights.

In a mask, True means that the query may see the key. Page: notebooks/transformers/attention.ipynb.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labutils.models.positions import apply_rotary, rotary, sinusoidal_positions

__all__ = [
    "AdditiveScore",
    "GeneralScore",
    "MultiHeadAttention",
    "apply_rotary",
    "attention",
    "causal_mask",
    "masked_softmax",
    "padding_mask",
    "rotary",
    "sinusoidal_positions",
]


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    scale: float | None = None,
    *,
    bias: Tensor | None = None,
    dropout: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Return softmax(scale · q kᵀ + bias) v, (…, n_q, d_v), and the weights, (…, n_q, n_k).

    Vaswani et al. (2017), §3.2.1. q (…, n_q, d), k (…, n_k, d), v (…, n_k, d_v).
    mask: True where a query may see a key, broadcastable to (…, n_q, n_k).
    scale: None stands for 1/√d.  bias: added to the scores, broadcastable to them.
    dropout: the share of weights set to zero before v is weighed; the weights returned are those before.

    A query that may see no key gets weights and an output of zero, as from F.scaled_dot_product_attention.
    Raises ValueError for shapes that do not fit and for a mask that is not Boolean.
    """
    if q.dim() < 2 or k.dim() < 2 or v.dim() < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(
            f"q, k, v have shapes {tuple(q.shape)}, {tuple(k.shape)}, {tuple(v.shape)}: "
            "expected (…, n_q, d), (…, n_k, d), (…, n_k, d_v)"
        )
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = q @ k.mT * scale  # (…, n_q, n_k)
    weights = masked_softmax(scores if bias is None else scores + bias, mask)
    kept = F.dropout(weights, dropout) if dropout else weights
    return kept @ v, weights


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax over the keys, the last axis, among those that `mask` lets a query see; same shape as `scores`.

    A row without a visible key is all zeros, and so is its gradient.
    """
    if mask is None:
        return scores.softmax(-1)
    _check_mask(mask)
    # The lowest number and not −∞: in a row that sees nothing, ∞ − ∞ would be no number.
    hidden = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return hidden.softmax(-1).masked_fill(~mask, 0.0)


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
    if mask.dtype != torch.bool:
        raise ValueError(
            f"mask has dtype {mask.dtype}: expected torch.bool, True where a query may see a key"
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
    key and value. With `fused`, F.scaled_dot_product_attention computes, which never holds all weights.
    `scale` None stands for 1/√(d_model / n_head); `dropout` acts on the weights while training.
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
        nn.init.xavier_uniform_(self.in_proj_weight)
        if bias:
            nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        x_q: Tensor,
        x_kv: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        return_weights: bool = False,
        *,
        bias: Tensor | None = None,
        turn: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return (batch, n_q, d_model), and with `return_weights` also (batch, n_head, n_q, n_k).

        x_q: (batch, n_q, d_model).  x_kv: (batch, n_k, d_model), what is attended to; None: x_q itself.
        mask: True where a query may see a key, (n_q, n_k), (batch, n_q, n_k) or (batch, n_head, n_q, n_k),
        with 1 for any of them.  causal: queries see no later key, whatever `mask` says.
        bias: added to the scores, broadcastable to (batch, n_head, n_q, n_k).
        turn: cosine and sine of `rotary`, by which queries and keys are turned.
        A query that sees no key gets an output of out_proj.bias.
        """
        q, k, v = self._project(x_q, x_kv)  # (batch, n_head, n, d_head) each
        if turn is not None:
            q, k = apply_rotary(q, *turn), apply_rotary(k, *turn)
        if mask is not None and mask.dim() == 3:
            mask = mask[:, None]  # the same for every head
        n_q, n_k = q.shape[2], k.shape[2]
        plain = mask is None and bias is None and n_q == n_k  # then the fused function knows the causal case
        if causal and not (plain and self.fused and not return_weights):
            seen = causal_mask(n_q, n_k, q.device)
            mask, causal = seen if mask is None else mask & seen, False
        dropout = self.dropout if self.training else 0.0
        if self.fused and not return_weights:
            heads = F.scaled_dot_product_attention(
                q, k, v, _additive(mask, bias), dropout, causal, scale=self.scale
            )
        else:
            heads, weights = attention(q, k, v, mask, self.scale, bias=bias, dropout=dropout)
        out: Tensor = self.out_proj(heads.transpose(1, 2).flatten(2))  # heads side by side again
        return (out, weights) if return_weights else out

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


def _additive(mask: Tensor | None, bias: Tensor | None) -> Tensor | None:
    """Mask and bias in one, as the fused function wants them: −∞ where nothing is seen."""
    if mask is not None:
        _check_mask(mask)
    if bias is None or mask is None:
        return mask if bias is None else bias
    return bias.masked_fill(~mask, -math.inf)
