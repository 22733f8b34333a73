"""Small GPTs of one shape, side by side: their weights are stacked, so that a step of all costs little more.

A tiny model spends its time on calling torch, not on numbers. Page: notebooks/adaptation/fine_tuning.ipynb,
where eight models that differ only by their seeds are trained at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labutils.models.config import ModelConfig
from labutils.models.ids import check_ids
from labutils.models.transformer import GPT

__all__ = ["Many"]

Kept = list[
    tuple[Tensor, Tensor]
]  # of each block the keys and values, (n_model, batch, n_head, time, d_head)


class Many(nn.Module):
    """`n_model` GPTs in GPT-2's style (`ModelConfig`'s defaults, no dropout), each with weights of its own.

    Adam moves each weight by its own gradient alone: with the *sum* of the models' losses each is trained as
    if it were by itself. Raises ValueError for models of unlike or other configurations.
    """

    def __init__(self, models: Sequence[GPT]) -> None:
        super().__init__()
        c = self.config = models[0].config
        plain = ModelConfig(
            n_vocab=c.n_vocab, n_context=c.n_context, n_layer=c.n_layer, n_head=c.n_head, d_model=c.d_model,
            d_ff=c.d_ff,
        )  # fmt: skip
        if any(replace(model.config, fused=True) != plain for model in models):
            raise ValueError("expected models of one shape, in GPT-2's style: ModelConfig's defaults")
        of_each = [dict(model.named_parameters()) for model in models]  # a shared matrix comes once
        self.weights = nn.ParameterDict(
            {
                name.replace(".", "/"): torch.stack([own[name].detach() for own in of_each])
                for name in of_each[0]
            }
        )
        self.n_model = len(models)

    def forward(self, ids: Tensor, kept: Kept | None = None) -> Tensor:
        """Logits (n_model, batch, time, n_vocab) of `ids` (n_model, batch, time), each model reading its own.

        kept: a list, empty at first, of what was read before; what is new is added to it.
        """
        c, rows = self.config, check_ids(ids.flatten(0, 1), self.config.n_vocab).view(ids.shape)
        words = self.weights["embedding/weight"]  # (n_model, n_vocab, d_model)
        start = kept[0][0].shape[3] if kept else 0
        if start + ids.shape[2] > c.n_context:
            raise ValueError(f"the text has {start + ids.shape[2]} tokens: n_context is {c.n_context}")
        here = self.weights["decoder/positions/weight"][:, None, start : start + ids.shape[2]]
        x = words[torch.arange(self.n_model)[:, None, None], rows] + here
        for i in range(c.n_layer):
            x = x + self._attention(x, i, kept)
            name = f"decoder/blocks/{i}/feed_forward"
            h = self._linear(self._norm(x, f"{name}_norm"), f"{name}/0")
            x = x + self._linear(F.gelu(h, approximate="tanh"), f"{name}/2")
        return self._each(self._norm(x, "decoder/last_norm"), words)

    def _attention(self, x: Tensor, i: int, kept: Kept | None) -> Tensor:
        name, n = f"decoder/blocks/{i}/attention", x.shape[2]
        h = self._norm(x, f"{name}_norm")
        weight, bias = self.weights[f"{name}/in_proj_weight"], self.weights[f"{name}/in_proj_bias"]
        parts = (self._each(h, weight) + bias[:, None, None]).chunk(3, -1)
        q, k, v = (p.unflatten(-1, (self.config.n_head, -1)).transpose(2, 3) for p in parts)
        if kept is not None:
            if i < len(kept):
                k, v = torch.cat([kept[i][0], k], 3), torch.cat([kept[i][1], v], 3)
                kept[i] = k, v
            else:
                kept.append((k, v))
        late = torch.ones(n, k.shape[3], dtype=torch.bool).triu(k.shape[3] - n + 1)
        scores = (q @ k.mT * q.shape[-1] ** -0.5).masked_fill(late, -torch.inf)
        return self._linear((scores.softmax(-1) @ v).transpose(2, 3).flatten(3), f"{name}/out_proj")

    def _norm(self, x: Tensor, name: str) -> Tensor:
        w, b = self.weights[f"{name}/weight"], self.weights[f"{name}/bias"]
        out: Tensor = F.layer_norm(x, x.shape[-1:], eps=self.config.eps) * w[:, None, None] + b[:, None, None]
        return out

    def _linear(self, x: Tensor, name: str) -> Tensor:
        out: Tensor = (
            self._each(x, self.weights[f"{name}/weight"]) + self.weights[f"{name}/bias"][:, None, None]
        )
        return out

    @staticmethod
    def _each(x: Tensor, weight: Tensor) -> Tensor:
        """x (n_model, batch, time, d_in) by each model's weight (n_model, d_out, d_in)."""
        out: Tensor = (x.flatten(1, 2) @ weight.mT).unflatten(1, x.shape[1:3])
        return out
