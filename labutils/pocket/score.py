"""How good a pocket model is on the tenth of the text that it never saw: bits, to 0.001 on every machine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from labutils.pocket.recipe import CLS, MASK, SEP
from labutils.pocket.text import encode
from labutils.training import evaluate_bits

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

__all__ = ["bits_per_character", "masked_bits"]


class _Logits(nn.Module):
    """A model of transformers as the book's own are: ids in, logits out."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=ids).logits
        return logits


def bits_per_character(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, text: str) -> float:
    """Bits that a causal model needs for a character of a text, its weights as they are (static).

    Each token but the first is predicted once, from 128 to 256 tokens before it (fewer at the start).
    """
    ids = encode(tokenizer.backend_tokenizer, text)
    per_token = evaluate_bits(_Logits(model), ids, 256, n_least=128, batch_size=16)
    return per_token * (len(ids) - 1) / len(text)


@torch.no_grad()
def masked_bits(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, text: str, n_context: int = 126, seed: int = 0
) -> float:
    """Bits that a masked model needs for a hidden token: 15 % of the tokens of each window are [MASK].

    Windows of `n_context` tokens stand between [CLS] and [SEP], what is left over at the end is not asked;
    what is hidden is drawn with `seed`. The model is in evaluation mode.
    """
    ids = encode(tokenizer.backend_tokenizer, text)
    windows = torch.from_numpy(ids[: len(ids) // n_context * n_context].reshape(-1, n_context))
    hidden = torch.rand(windows.shape, generator=torch.Generator().manual_seed(seed)) < 0.15
    nats, count = 0.0, 0
    for part, hide in zip(windows.split(32), hidden.split(32), strict=True):
        frame = [torch.full((len(part), 1), end) for end in (CLS, SEP)]
        x = torch.cat([frame[0], part.masked_fill(hide, MASK), frame[1]], dim=1)
        logits = model(input_ids=x).logits[:, 1:-1]
        nats += torch.nn.functional.cross_entropy(logits[hide], part[hide], reduction="sum").item()
        count += int(hide.sum())
    return nats / count / math.log(2)
