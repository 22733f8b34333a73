"""What a model is asked about a text that nobody has labelled: the next token, hidden tokens, hidden spans.

Page: notebooks/transformers/pretraining.ipynb, which builds them.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["corrupt_spans", "mask_tokens", "next_tokens", "random_parts"]

IGNORED = -100  # a target that is not counted: what torch's cross-entropy leaves out


def next_tokens(ids: Tensor) -> tuple[Tensor, Tensor]:
    """The causal objective: of `ids` (batch, time + 1) what is seen and what is asked, (batch, time)."""
    if ids.dim() != 2 or ids.shape[1] < 2:
        raise ValueError(
            f"ids has shape {tuple(ids.shape)}: expected (batch, time), at least two tokens long"
        )
    return ids[:, :-1], ids[:, 1:]


def mask_tokens(
    ids: Tensor, share: float, generator: torch.Generator, *, mask: int, n_vocab: int, first: int
) -> tuple[Tensor, Tensor]:
    """BERT's objective (Devlin et al. 2019, §3.1): what is seen and what is asked, (batch, time) each.

    A `share` of the tokens is asked for. Of these 8 in 10 are replaced by `mask`, 1 in 10 by a random
    token of first … n_vocab − 1, and 1 in 10 is left as it is. Tokens below
    `first` are special and never asked for.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}: expected a number between 0 and 1")
    asked = (torch.rand(ids.shape, generator=generator) < share) & (ids >= first)
    kind = torch.rand(ids.shape, generator=generator)
    other = torch.randint(first, n_vocab, ids.shape, generator=generator)
    seen = torch.where(asked & (kind < 0.8), mask, ids)
    seen = torch.where(asked & (kind >= 0.9), other, seen)
    return seen, torch.where(asked, ids, IGNORED)


def random_parts(total: int, n_parts: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Cut `total` into `n_parts` whole numbers of at least 1, every way to do so equally likely."""
    if not 1 <= n_parts <= total:
        raise ValueError(f"n_parts is {n_parts} and total is {total}: expected 1 ≤ n_parts ≤ total")
    cuts = np.sort(rng.permutation(total - 1)[: n_parts - 1]) + 1
    return np.diff(np.concatenate([[0], cuts, [total]])).astype(np.int64)


def corrupt_spans(
    ids: list[int], share: float, mean_length: float, rng: np.random.Generator, sentinels: list[int]
) -> tuple[list[int], list[int]]:
    """T5's objective (Raffel et al. 2020, §3.1.4): a text with holes, and what stood in them.

    About `share` of the tokens is cut out in spans of `mean_length` on average. In the source one sentinel
    stands for each; the target is sentinel, span, sentinel, span …, and a last sentinel. The first token is
    always seen. ValueError where the text is too short, or the sentinels are too few.
    """
    n = len(ids)
    n_hidden = min(max(round(n * share), 1), n - 1)
    n_spans = min(max(round(n_hidden / mean_length), 1), n_hidden, n - n_hidden)
    if n < 2 or len(sentinels) <= n_spans:
        raise ValueError(
            f"ids has {n} tokens and sentinels {len(sentinels)}: expected 2 and {n_spans + 1}, or more"
        )
    hidden, seen = random_parts(n_hidden, n_spans, rng), random_parts(n - n_hidden, n_spans, rng)
    source: list[int] = []
    target: list[int] = []
    at = 0
    for sentinel, n_seen, n_cut in zip(sentinels, seen, hidden, strict=False):
        source += [*ids[at : at + n_seen], sentinel]
        target += [sentinel, *ids[at + n_seen : at + n_seen + n_cut]]
        at += int(n_seen + n_cut)
    return source, [*target, sentinels[n_spans]]
