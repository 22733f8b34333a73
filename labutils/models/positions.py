"""How a transformer learns where a token stands: added vectors, rotations, and biases on the scores.

Learned positions need no code of their own: they are an nn.Embedding. Page:
notebooks/transformers/attention.ipynb.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["alibi", "apply_rotary", "relative_buckets", "rotary", "sinusoidal_positions"]


def _angles(n: int, d: int, base: float) -> Tensor:
    """position × base^(−2 i / d) for i = 0 … d/2 − 1, (n, d // 2), in float64: far positions stay exact."""
    if n < 1 or d < 2 or d % 2:
        raise ValueError(f"n is {n} and d is {d}: expected n of at least 1 and an even d")
    frequencies = base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    return torch.arange(n, dtype=torch.float64)[:, None] * frequencies


def sinusoidal_positions(n: int, d: int, base: float = 10_000.0) -> Tensor:
    """One vector a position, (n, d): sines in even columns, cosines in odd. Vaswani et al. (2017), §3.5.

    Position p + k is a fixed linear map (a rotation of each pair of columns) of position p.
    """
    angles = _angles(n, d, base)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).float()


def rotary(n: int, d: int, base: float = 10_000.0) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the angles by which `apply_rotary` turns, (n, d // 2) each. Su et al. (2021)."""
    angles = _angles(n, d, base)
    return angles.cos().float(), angles.sin().float()


def apply_rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of neighbouring columns of `x` (…, n, d) by its position's angle; same shape.

    A query turned by p and a key turned by q have a dot product that depends on p − q alone. `cos` and `sin`
    are those of `rotary(n, d)`, or rows of them. (Llama pairs column i with i + d/2 instead: the same up to
    an order of columns.)
    """
    n, d = x.shape[-2:]
    if cos.shape != (n, d // 2) or sin.shape != cos.shape or d % 2:
        raise ValueError(
            f"x has shape {tuple(x.shape)}, cos {tuple(cos.shape)}, sin {tuple(sin.shape)}: expected "
            f"(…, n, d), (n, d // 2), (n, d // 2) with an even d"
        )
    even, odd = x[..., 0::2], x[..., 1::2]  # (…, n, d // 2) each
    turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    return turned.flatten(-2)


def alibi(n_head: int, n_q: int, n_k: int | None = None) -> Tensor:
    """A bias on the scores that grows with distance, (n_head, n_q, n_k). Press, Smith & Lewis (2022).

    −slope · |distance|, the slopes of the heads being 2^(−8 h / n_head) for h = 1 … n_head. The queries are
    the last n_q of the n_k positions, as in `causal_mask`.
    """
    slopes = 2.0 ** (-8.0 * torch.arange(1, n_head + 1) / n_head)
    return -slopes[:, None, None] * _distances(n_q, n_k).abs()


def relative_buckets(
    n_q: int, n_k: int | None = None, *, bidirectional: bool, n_buckets: int = 32, max_distance: int = 128
) -> Tensor:
    """The bucket, 0 … n_buckets − 1, of every pair's distance, (n_q, n_k). Raffel et al. (2020), §2.1.

    Half of the buckets hold one small distance each, the others ever wider ranges up to `max_distance`, and
    the last one everything beyond. With `bidirectional`, keys before the query share the lower half of the
    buckets and keys after it the upper half; without, all keys after the query are at distance 0.
    The queries are the last n_q of the n_k positions, as in `causal_mask`.
    """
    after = _distances(n_q, n_k)  # key − query
    start = torch.zeros_like(after)
    if bidirectional:
        n_buckets //= 2
        start = n_buckets * (after > 0)
        distance = after.abs()
    else:
        distance = (-after).clamp(min=0)
    exact = n_buckets // 2
    if exact < 1 or max_distance <= exact:
        raise ValueError(
            f"expected at least {4 if bidirectional else 2} n_buckets and a max_distance above {exact}, "
            f"the distances that have a bucket of their own; max_distance is {max_distance}"
        )
    # The logarithm of the distance in steps, from `exact` to `max_distance`, over the other buckets.
    fraction = torch.log(distance.clamp(min=1) / exact) / math.log(max_distance / exact)
    wide = (exact + (fraction * (n_buckets - exact)).long()).clamp(max=n_buckets - 1)
    return start + torch.where(distance < exact, distance, wide)


def _distances(n_q: int, n_k: int | None) -> Tensor:
    """Place of the key minus place of the query, (n_q, n_k); the queries are the last ones."""
    n_k = n_q if n_k is None else n_k
    return torch.arange(n_k)[None, :] - torch.arange(n_k - n_q, n_k)[:, None]
