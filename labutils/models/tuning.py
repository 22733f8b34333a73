"""Opinions as a task for the upper blocks of MiniLM: the lower ones are run once, and their output is kept.

The page notebooks/adaptation/fine_tuning.ipynb and benchmarks/fine_tuning.py share this: both train alike.
"""

from __future__ import annotations

import copy
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labutils import data
from labutils.models.adapters import (
    add_adapters,
    add_lora,
    add_prefix,
    bitfit,
    freeze,
    prepend,
)

__all__ = [
    "METHODS",
    "Cached",
    "Upper",
    "Whole",
    "accuracy",
    "encode",
    "fit",
    "halves",
    "make",
    "matched",
    "measured",
    "opinions",
    "peak_memory",
    "pick",
    "run_lower",
]

METHODS = ("head only", "BitFit", "prompt", "prefix", "LoRA", "adapter", "full")
N_LOWER = 4  # of MiniLM's 6 blocks


@dataclass(frozen=True)
class Cached:
    """The lower blocks' output, (n, time, d_model), which places are tokens, (n, time), and labels, (n,)."""

    x: Tensor
    mask: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, at: Any) -> Cached:
        mask = self.mask[at]
        longest = int(mask.sum(1).max())  # no more padding than these need
        return Cached(self.x[at][:, :longest], mask[:, :longest], self.y[at])


def opinions(
    domain: str, tokenizer: Any, n: int, n_tokens: int = 20, seed: int = 0
) -> tuple[list[str], Tensor]:
    """n texts of at most `n_tokens` tokens, rated ≤ −1 or ≥ 1, the kinds in turn; and y, 1 for ≥ 1."""
    found = data.load_opinions(domain)
    lengths = np.array([len(ids) for ids in tokenizer(found.texts)["input_ids"]])
    keep = np.flatnonzero((lengths <= n_tokens) & (np.abs(found.ratings) >= 1))
    rng = np.random.default_rng(seed)
    kinds = [rng.permutation(keep[found.ratings[keep] * sign > 0]) for sign in (-1, 1)]
    if min(map(len, kinds)) < (n + 1) // 2:
        raise ValueError(f"n is {n}: {domain} has {2 * min(map(len, kinds))} such texts, half of each kind")
    at = np.stack([kind[: (n + 1) // 2] for kind in kinds], 1).ravel()[:n]  # kinds in turn
    return [found.texts[i] for i in at], torch.tensor(found.ratings[at] > 0).long()


@torch.no_grad()
def run_lower(body: Any, tokenizer: Any, texts: list[str], y: Tensor, n_lower: int = N_LOWER) -> Cached:
    """Run the embeddings and the lowest `n_lower` blocks, 32 texts at a time."""
    parts, masks = [], []
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    for ids, mask in zip(batch["input_ids"].split(32), batch["attention_mask"].split(32), strict=True):
        x, hidden = body.embeddings(ids), additive(mask)
        for block in body.encoder.layer[:n_lower]:
            x = block(x, hidden)
        parts.append(x)
        masks.append(mask)
    return Cached(torch.cat(parts), torch.cat(masks), y)


def pick(n_pool: int, n: int, seed: int) -> Tensor:
    """Places of n texts drawn from a pool in which the kinds stand in turn, half of each: (n,)."""
    at = torch.randperm(n_pool // 2, generator=torch.Generator().manual_seed(seed))[: n // 2]
    return torch.stack([2 * at, 2 * at + 1], 1).flatten()


@cache
def measured() -> dict[str, Any]:
    """What benchmarks/fine_tuning.py stored."""
    found: dict[str, Any] = json.loads(
        (Path(__file__).parents[1] / "records/fine_tuning.json").read_text("utf-8")
    )
    return found


def additive(mask: Tensor) -> Tensor:
    """A mask to add to scores, (batch, 1, 1, time): 0 for a token, very negative for padding."""
    return (1.0 - mask[:, None, None].float()) * torch.finfo(torch.float32).min


class Upper(nn.Module):
    """The upper blocks of an encoder, the mean over tokens, and a linear layer: (batch, n_class)."""

    def __init__(self, body: Any, n_lower: int = N_LOWER, n_class: int = 2, n_prompt: int = 0) -> None:
        super().__init__()
        self.blocks = copy.deepcopy(body.encoder.layer[n_lower:])  # its config comes along: a copy, too
        d_model = body.config.hidden_size
        self.prompt = nn.Parameter(0.5 * torch.randn(n_prompt, d_model)) if n_prompt else None
        self.head = nn.Linear(d_model, n_class)

    def embed(self, x: Tensor, mask: Tensor) -> Tensor:
        """One vector a text, the mean over its tokens: (batch, d_model)."""
        own = mask
        if self.prompt is not None:
            x, mask = prepend(self.prompt, x, mask)
        hidden = additive(mask)
        for block in self.blocks:
            x = block(x, hidden)
        tokens = own[..., None].float()
        out: Tensor = (x[:, -own.shape[1] :] * tokens).sum(1) / tokens.sum(1)
        return out

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Logits, (batch, n_class)."""
        logits: Tensor = self.head(self.embed(x, mask))
        return logits


class Whole(nn.Module):
    """A whole encoder, the mean over tokens, and a linear layer: (batch, n_class). For `encode`d texts.

    With `fresh` the encoder is another of the same configuration, with random weights.
    """

    def __init__(self, body: Any, seed: int, *, fresh: bool = False, n_class: int = 2) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = type(body)(body.config) if fresh else copy.deepcopy(body)
        self.body.requires_grad_(True)
        self.head = nn.Linear(body.config.hidden_size, n_class)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Logits (batch, n_class) of token ids (batch, time) and of which are tokens, (batch, time)."""
        x = self.body(input_ids=ids, attention_mask=mask).last_hidden_state
        tokens = mask[..., None].float()
        logits: Tensor = self.head((x * tokens).sum(1) / tokens.sum(1))
        return logits


def encode(tokenizer: Any, texts: list[str], y: Tensor) -> Cached:
    """Token ids in the place of the lower blocks' output, (n, time): what a `Whole` model reads."""
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    return Cached(batch["input_ids"], batch["attention_mask"], y)


def make(body: Any, method: str, seed: int, size: int = 8, n_lower: int = N_LOWER, n_class: int = 2) -> Upper:
    """The upper blocks, ready to be trained by a method; `size`: rank, width, or number of vectors."""
    if method not in METHODS:
        raise ValueError(f"method is {method!r}: expected one of {', '.join(METHODS)}")
    torch.manual_seed(seed)
    model = Upper(body, n_lower, n_class, size if method == "prompt" else 0)
    blocks: Any = model.blocks
    if method == "BitFit":
        bitfit(blocks)
    elif method == "prefix":
        add_prefix(blocks, size)
    elif method == "LoRA":
        add_lora(blocks, size)
    elif method == "adapter":
        add_adapters(blocks, size)
    elif method != "full":
        freeze(blocks)
    return model


def fit(
    model: Upper | Whole,
    train: Cached,
    rate: float,
    n_steps: int,
    seed: int,
    batch_size: int = 8,
    decay: bool = True,
) -> list[float]:
    """Adam on batches, through the data again and again, the rate falling to zero. Returns the losses."""
    g = torch.Generator().manual_seed(seed)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(trained, rate)
    losses: list[float] = []
    order: list[int] = []
    model.eval()  # no dropout: with so few steps it only slows down
    for step in range(n_steps):
        if len(order) < min(batch_size, len(train)):
            order += torch.randperm(len(train), generator=g).tolist()
        at, order = order[:batch_size], order[batch_size:]
        batch = train[at]
        loss = F.cross_entropy(model(batch.x, batch.mask), batch.y)
        optimiser.zero_grad()
        loss.backward()
        if decay:
            optimiser.param_groups[0]["lr"] = rate * (1 - step / n_steps)
        optimiser.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def accuracy(model: Upper | Whole, data_: Cached, batch_size: int = 64) -> float:
    """The share of texts whose class is named."""
    right = 0
    for start in range(0, len(data_), batch_size):
        part = data_[slice(start, start + batch_size)]
        right += int((model(part.x, part.mask).argmax(1) == part.y).sum())
    return right / len(data_)


def halves(body: Any, tokenizer: Any, n: int = 100) -> tuple[Cached, Cached]:
    """MiniLM's old task: n sentences from Wikipedia, cut in two; the first halves and the second ones."""
    found = re.findall(r"[A-Z][^.\n]{90,160}\.", data.load_text("wikipedia_en"))
    at = torch.randperm(len(found), generator=torch.Generator().manual_seed(0))[:n]
    words = [found[i].split() for i in at]
    first = run_lower(body, tokenizer, [" ".join(w[: len(w) // 2]) for w in words], torch.zeros(n))
    return first, run_lower(body, tokenizer, [" ".join(w[len(w) // 2 :]) for w in words], torch.zeros(n))


@torch.no_grad()
def matched(model: Upper, first: Cached, second: Cached) -> int:
    """For how many first halves is their own second half the most similar of all."""
    a, b = (F.normalize(model.embed(half.x, half.mask), dim=1) for half in (first, second))
    return int(((a @ b.T).argmax(1) == torch.arange(len(a))).sum())


def peak_memory(run: Callable[[], object]) -> int:
    """The most bytes of tensors that `run` holds at once, beyond those that are there when it begins.

    By torch's profiler, which is told of each piece of memory that is taken or given back.
    """
    from torch.profiler import ProfilerActivity, profile

    sys.stderr.flush()
    kept, quiet = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)  # the profiler says on stderr, not by Python, that it begins and ends
    try:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
            run()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(quiet)
    inner: Any = found.profiler
    events = [event for event in inner.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate((int(event.nbytes()) for event in events), initial=0))
