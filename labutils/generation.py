"""Choosing texts from a language model: filters of logits, the loop with its cache, and what texts are like.

The functions of the page notebooks/transformers/generation.ipynb that later chapters need again. A filter
takes logits (batch, n_vocab) and returns logits of that shape, −∞ where a token is cut; filters follow one
another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "Choose",
    "distinct",
    "generate",
    "greedy",
    "min_p",
    "penalise",
    "repeated",
    "sampler",
    "temper",
    "token_bits",
    "top_k",
    "top_p",
    "total_variation",
]

Filter = Callable[[Tensor], Tensor]  # logits (batch, n_vocab) → the same shape
Choose = Callable[[Tensor, Tensor], Tensor]  # logits (batch, n_vocab), ids (batch, time) → tokens (batch,)


def temper(logits: Tensor, temperature: float) -> Tensor:
    """Divide the logits: below 1 the likely tokens gain (Ackley et al. 1985 have the idea)."""
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}: expected a number above 0; greedy() is its limit")
    return logits / temperature


def top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k most likely tokens, and those that tie with the last of them (Fan et al. 2018, §5.4)."""
    if k < 1:
        raise ValueError(f"k is {k}: at least one token has to stay")
    last = logits.topk(min(k, logits.shape[-1])).values[..., -1:]
    return logits.masked_fill(logits < last, -torch.inf)


def top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the nucleus, the fewest likeliest tokens with mass p or more (Holtzman et al. 2020, §3.1)."""
    if not 0 < p <= 1:
        raise ValueError(f"p is {p}: expected a share of the mass, above 0 and at most 1")
    ranked, order = logits.sort(descending=True, stable=True)
    probs = ranked.softmax(-1)
    before = probs.cumsum(-1) - probs  # the mass of all likelier tokens
    cut = (before >= p).scatter(-1, order, before >= p)
    return logits.masked_fill(cut, -torch.inf)


def min_p(logits: Tensor, share: float) -> Tensor:
    """Keep the tokens with at least this share of the likeliest one's probability (Nguyen et al. 2024)."""
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}: expected a number from 0 to 1")
    probs = logits.softmax(-1)
    return logits.masked_fill(probs < share * probs.amax(-1, keepdim=True), -torch.inf)


def penalise(logits: Tensor, ids: Tensor, penalty: float) -> Tensor:
    """Lower the logits of tokens that stand in `ids` (batch, time) already (Keskar et al. 2019, §4.1).

    A positive logit is divided by the penalty, a negative one multiplied with it: what is lowered depends on
    where zero is, which a softmax does not know.
    """
    if not penalty > 0:
        raise ValueError(f"penalty is {penalty}: expected a number above 0; 1 changes nothing")
    old = logits.gather(-1, ids)
    return logits.scatter(-1, ids, torch.where(old < 0, old * penalty, old / penalty))


def greedy(logits: Tensor, ids: Tensor) -> Tensor:
    """Choose the most likely token; `ids` is not looked at."""
    return logits.argmax(-1)


def sampler(*filters: Filter, generator: torch.Generator | None = None) -> Choose:
    """Make the choice that draws a token from what the filters, one after another, leave."""

    def choose(logits: Tensor, ids: Tensor) -> Tensor:
        for each in filters:
            logits = each(logits)
        return torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]

    return choose


@torch.no_grad()
def generate(
    model: Any, ids: Tensor, n_new: int, choose: Choose = greedy, *, mask: Tensor | None = None
) -> Tensor:
    """Append `n_new` tokens to `ids` (batch, time), each token read once.

    `model` is a causal model of transformers. `mask` (batch, time) is True at real tokens where prompts of
    several lengths were padded on the left. ValueError for padding on the right: there the new tokens would
    follow the padding.
    """
    mask = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
    if mask.shape != ids.shape or not mask[:, -1].all():
        raise ValueError("mask has another shape than ids, or a prompt ends in padding: pad on the left")
    kept, new = None, ids
    for _ in range(n_new):
        places = (mask.cumsum(-1) - 1).clamp(min=0)[:, -new.shape[1] :]
        out = model(
            input_ids=new,
            attention_mask=mask.long(),
            position_ids=places,
            past_key_values=kept,
            use_cache=True,
            logits_to_keep=1,
        )
        token = choose(out.logits[:, -1], ids)[:, None]
        kept, new = out.past_key_values, token
        ids, mask = torch.cat([ids, token], 1), torch.cat([mask, torch.ones_like(token, dtype=torch.bool)], 1)
    return ids


@torch.no_grad()
def token_bits(model: Any, ids: Tensor, n_prompt: int) -> Tensor:
    """−log₂ P of each token of `ids` (batch, time) behind the first `n_prompt`: (batch, time − n_prompt)."""
    if not 0 < n_prompt < ids.shape[1]:
        raise ValueError(f"n_prompt is {n_prompt}: expected at least 1 and less than {ids.shape[1]} tokens")
    logits = model(input_ids=ids, logits_to_keep=ids.shape[1] - n_prompt + 1).logits[:, :-1]
    logs = logits.log_softmax(-1).gather(-1, ids[:, n_prompt:, None])[..., 0]
    bits: Tensor = -logs / torch.log(torch.tensor(2.0))
    return bits


def total_variation(p: Tensor, q: Tensor) -> Tensor:
    """Half the sum of |p − q| over the last axis: the most that two distributions differ on any event."""
    return (p - q).abs().sum(-1) / 2


def _grams(tokens: Sequence[Any], n: int) -> list[tuple[Any, ...]]:
    if n < 1 or len(tokens) < n:
        raise ValueError(f"n is {n} and there are {len(tokens)} tokens: expected 1 to that many")
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def repeated(tokens: Sequence[Any], n: int) -> float:
    """The share of a text's n-grams that stood in it before (Welleck et al. 2020, §6)."""
    grams = _grams(tokens, n)
    return 1 - len(set(grams)) / len(grams)


def distinct(texts: Sequence[Sequence[Any]], n: int) -> float:
    """The share of all n-grams of several texts that are different ones: distinct-n (Li et al. 2016, §5)."""
    grams = [gram for text in texts for gram in _grams(text, n)]
    return len(set(grams)) / len(grams)
