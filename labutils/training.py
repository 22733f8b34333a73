"""A plain training loop, and how many bits a trained model needs for a text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor, nn

__all__ = ["evaluate_bits", "train"]


def train(
    model: nn.Module,
    batches: Iterable[tuple[Any, Any]],
    optimiser: torch.optim.Optimizer,
    n_steps: int,
    clip: float | None = None,
    schedule: Callable[[int], float] | None = None,
) -> list[float]:
    """Take `n_steps` steps down the cross-entropy of `model(x)` against y; return the losses, in nats.

    batches: pairs (x, y) of arrays or tensors of token ids, (batch, time); a y of −100 is not counted. A
        generator is read on; anything else that can be iterated again starts anew where it ends.
    clip: the largest norm of the gradient, over all parameters; a longer one is shortened to it.
    schedule: from the step, 0 … n_steps − 1, to a factor on each learning rate that `optimiser` began with.

    A model may return (logits, state): the state is not used. ValueError where the batches run out.
    """
    rates = [group["lr"] for group in optimiser.param_groups]
    device = next(model.parameters()).device
    source = iter(batches)
    losses: list[float] = []
    model.train()
    for step in range(n_steps):
        pair = next(source, None)
        if pair is None:
            source = iter(batches)
            pair = next(source, None)
        if pair is None:
            raise ValueError(f"batches ran out after {step} of {n_steps} steps: give more, or a list of them")
        x, y = (torch.as_tensor(part, device=device) for part in pair)
        loss = F.cross_entropy(_logits(model(x)).flatten(0, -2), y.flatten())
        optimiser.zero_grad()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        if schedule is not None:
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * schedule(step)
        optimiser.step()
        losses.append(loss.item())
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = rate
    return losses


@torch.no_grad()
def evaluate_bits(
    model: nn.Module, ids: ArrayLike, n_context: int, *, n_least: int = 0, batch_size: int = 32
) -> float:
    """Mean of −log₂ P(token | tokens before it) over all of `ids` (n,) but the first: bits a token.

    A model that returns (logits, state), a RecurrentLM, reads the text in pieces of `n_context` tokens and
    carries its state from one to the next. Any other sees at most `n_context` tokens at once: windows
    overlap so that each token is predicted from more than `n_least` tokens before it (where there are so
    many), and is counted once. More of them cost time and save bits. `batch_size` windows go in together.

    The model is in evaluation mode meanwhile. ValueError for a text of fewer than two tokens.
    """
    text = torch.as_tensor(ids, device=next(model.parameters()).device)
    if text.dim() != 1 or len(text) < 2 or text.is_floating_point():
        raise ValueError(f"ids has shape {tuple(text.shape)}, {text.dtype}: expected integers (n,), n ≥ 2")
    if not 0 <= n_least < n_context:
        raise ValueError(
            f"n_least is {n_least} and n_context is {n_context}: expected 0 ≤ n_least < n_context"
        )
    was_training = model.training
    model.eval()
    try:
        nats = _nats(model, text.long(), n_context, n_least, batch_size)
    finally:
        model.train(was_training)
    return nats / (len(text) - 1) / math.log(2)


def _nats(model: nn.Module, text: Tensor, n_context: int, n_least: int, batch_size: int) -> float:
    """The sum of −ln P over text[1:]."""
    x, y = text[:-1], text[1:]
    if isinstance(model(x[None, :1]), tuple):
        total, state = 0.0, None
        for piece, target in zip(x.split(n_context), y.split(n_context), strict=True):
            logits, state = model(piece[None], state)
            total += F.cross_entropy(logits[0], target, reduction="sum").item()
        return total
    # Window i starts at i · stride and counts its last `stride` predictions; the first one counts them all.
    stride = n_context - n_least
    starts = range(0, max(1, len(x) - n_least), stride)
    full = [s for s in starts if s + n_context <= len(x)]
    total = 0.0
    for first in range(0, len(full), batch_size):
        where = torch.tensor(full[first : first + batch_size])[:, None] + torch.arange(n_context)
        where = where.to(text.device)
        losses = F.cross_entropy(model(x[where]).mT, y[where], reduction="none")  # (windows, n_context)
        total += losses[:, n_least:].sum().item() + (losses[0, :n_least].sum().item() if first == 0 else 0.0)
    for s in starts[len(full) :]:  # at most one, shorter than the others
        losses = F.cross_entropy(model(x[None, s:])[0], y[s:], reduction="none")
        total += losses[n_least if s else 0 :].sum().item()
    return total


def _logits(output: Any) -> Tensor:
    logits: Tensor = output[0] if isinstance(output, tuple) else output
    return logits
