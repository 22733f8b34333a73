"""The cache of keys and values with which a decoder reads each token once (Pope et al. 2022, §3.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Cache"]


class Cache:
    """Keys and values of the tokens that a model has read, for all of its layers of self-attention.

    Hand the same one to each call, and only the tokens that are new: `model(ids[:, :5], cache=cache)`, then
    `model(ids[:, 5:6], cache=cache)`. Reordering a beam: `cache.select(rows)`.
    """

    def __init__(self) -> None:
        self._kept: dict[
            nn.Module, tuple[Tensor, Tensor]
        ] = {}  # layer → (batch, n_head, n_tokens, d_head) each

    @property
    def n_tokens(self) -> int:
        """How many tokens have been read."""
        return next((k.shape[2] for k, _ in self._kept.values()), 0)

    def extend(self, layer: nn.Module, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Keep keys and values of new tokens of a layer; return those of all its tokens."""
        if layer in self._kept:
            old_k, old_v = self._kept[layer]
            if old_k.shape[0] != k.shape[0]:
                raise ValueError(f"the cache has {old_k.shape[0]} sequences and ids {k.shape[0]}")
            k, v = torch.cat([old_k, k], dim=2), torch.cat([old_v, v], dim=2)
        self._kept[layer] = k, v
        return k, v

    def select(self, rows: Tensor) -> None:
        """Keep of the batch these sequences, in this order; `rows` (n,) may name one more than once."""
        self._kept = {layer: (k[rows], v[rows]) for layer, (k, v) in self._kept.items()}
