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

    batches: pairs (x, y) of arrays or tensors of token ids, (batch, time), integers of any type; a y of −100
        is not counted. A generator is read on; anything else that can be iterated again starts anew where it
        ends.
    clip: the largest norm of the gradient, over all parameters; a longer one is shortened to it.
    schedule: from the step, 0 … n_steps − 1, to a factor on each learning rate that `optimiser` began with;
        at the end, or at an error, the rates are what they were.

    A model may return (logits, state): the state is not used. A model in evaluation mode is put into training
    mode, except for parts whose parameters are all frozen; in a model in training mode every part keeps its
    own. The loss is computed in float32 at least.

    ValueError where the batches run out or a batch has no target that counts; FloatingPointError, before the
    step is taken, where the gradient that `clip` is to shorten has an infinite part or one that is no number.
    """
    rates = [group["lr"] for group in optimiser.param_groups]
    device = next(model.parameters()).device
    source = iter(batches)
    losses: list[float] = []
    _to_training_mode(model)
    try:
        for step in range(n_steps):
            pair = next(source, None)
            if pair is None:
                source = iter(batches)
                pair = next(source, None)
            if pair is None:
                raise ValueError(
                    f"batches ran out after {step} of {n_steps} steps: give more, or a list of them"
                )
            x, y = (_ids(part, device) for part in pair)
            if (y == -100).all():
                raise ValueError(f"step {step} has no target that counts: y is −100 everywhere, or empty")
            loss = _nats_each(_logits(model(x)).flatten(0, -2), y.flatten(), "mean")
            optimiser.zero_grad()
            loss.backward()
            if clip is not None:
                _clip(model, clip, step)
            if schedule is not None:
                for group, rate in zip(optimiser.param_groups, rates, strict=True):
                    group["lr"] = rate * schedule(step)
            optimiser.step()
            losses.append(loss.item())
    finally:
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate
    return losses


def _to_training_mode(model: nn.Module) -> None:
    if model.training:
        return  # parts in evaluation mode were put there on purpose
    kept: list[tuple[nn.Module, bool]] = []
    for part in model.modules():
        parameters = list(part.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            kept += [(inner, inner.training) for inner in part.modules()]  # its dropout, too
    model.train()
    for part, was_training in kept:
        part.training = was_training


def _clip(model: nn.Module, longest: float, step: int) -> None:
    """Shorten the gradient to the norm `longest`, also one whose square is beyond its type of number."""
    named = [(name, p) for name, p in model.named_parameters() if p.grad is not None]
    gradients = [p.grad for _, p in named if p.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if not norm.isfinite():
        for name, p in named:
            if p.grad is not None and not p.grad.isfinite().all():
                raise FloatingPointError(
                    f"at step {step} the gradient of {name} is not finite and cannot be clipped: weights or "
                    "learning rate are too large, or the type of number too small"
                )
        largest = torch.stack([g.abs().max().double() for g in gradients]).max()
        norm = largest * torch.stack([(g.double() / largest).norm() for g in gradients]).norm()
    nn.utils.clip_grads_with_norm_([p for _, p in named], longest, norm)


@torch.no_grad()
def evaluate_bits(
    model: nn.Module, ids: ArrayLike, n_context: int, *, n_least: int = 0, batch_size: int = 32
) -> float:
    """Mean of −log₂ P(token | tokens before it) over all of `ids` (n,) but the first: bits a token.

    A model that returns (logits, state), a RecurrentLM, reads the text in pieces of `n_context` tokens and
    carries its state from one to the next. Any other sees at most `n_context` tokens at once: windows
    overlap so that each token is predicted from more than `n_least` tokens before it (where there are so
    many), and is counted once. More of them cost time and save bits. `batch_size` windows go in together.

    The model is in evaluation mode meanwhile; then each of its parts gets its own mode back. Whatever the
    model computes in, probabilities are taken in float32 at least and summed in float64. ValueError for a
    text of fewer than two tokens.
    """
    text = torch.as_tensor(ids, device=next(model.parameters()).device)
    if text.dim() != 1 or len(text) < 2 or text.is_floating_point():
        raise ValueError(f"ids has shape {tuple(text.shape)}, {text.dtype}: expected integers (n,), n ≥ 2")
    if not 0 <= n_least < n_context:
        raise ValueError(
            f"n_least is {n_least} and n_context is {n_context}: expected 0 ≤ n_least < n_context"
        )
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        nats = _nats(model, text.long(), n_context, n_least, batch_size)
    finally:
        for part, was_training in modes:
            part.training = was_training
    return nats / (len(text) - 1) / math.log(2)


def _nats(model: nn.Module, text: Tensor, n_context: int, n_least: int, batch_size: int) -> float:
    """The sum of −ln P over text[1:]."""
    x, y = text[:-1], text[1:]
    if isinstance(model(x[None, :1]), tuple):
        total, state = 0.0, None
        for piece, target in zip(x.split(n_context), y.split(n_context), strict=True):
            logits, state = model(piece[None], state)
            total += _sum(_nats_each(logits[0], target))
        return total
    # Window i starts at i · stride and counts its last `stride` predictions; the first one counts them all.
    stride = n_context - n_least
    starts = range(0, max(1, len(x) - n_least), stride)
    full = [s for s in starts if s + n_context <= len(x)]
    total = 0.0
    for first in range(0, len(full), batch_size):
        where = torch.tensor(full[first : first + batch_size])[:, None] + torch.arange(n_context)
        where = where.to(text.device)
        losses = _nats_each(model(x[where]).mT, y[where])  # (windows, n_context)
        total += _sum(losses[:, n_least:]) + (_sum(losses[0, :n_least]) if first == 0 else 0.0)
    for s in starts[len(full) :]:  # at most one, shorter than the others
        losses = _nats_each(model(x[None, s:])[0], y[s:])
        total += _sum(losses[n_least if s else 0 :])
    return total


def _nats_each(logits: Tensor, y: Tensor, reduction: str = "none") -> Tensor:
    """−ln P(y), in float32 where the logits have fewer bits."""
    wide = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    return F.cross_entropy(wide, y, reduction=reduction)


def _sum(losses: Tensor) -> float:
    return losses.sum(dtype=torch.float64).item()


def _ids(part: Any, device: torch.device) -> Tensor:
    """A tensor of it; whole numbers as int64, the one type that both embeddings and cross-entropy take."""
    tensor = torch.as_tensor(part, device=device)
    return tensor if tensor.is_floating_point() or tensor.is_complex() else tensor.long()


def _logits(output: Any) -> Tensor:
    logits: Tensor = output[0] if isinstance(output, tuple) else output
    return logits
