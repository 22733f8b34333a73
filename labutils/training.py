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

IGNORED = -100  # torch's own mark of a target that is not counted


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

    A model may return (logits, state): the state is not used. Losses and the norm are computed in at least
    float32. A model in evaluation mode is put into training mode; in one that trains already, parts that you
    have put into evaluation mode stay there. The learning rates are the first ones again at the end, also
    after Ctrl-C.

    Raises ValueError where the batches run out or a batch has no target that counts, and FloatingPointError,
    before any weight is changed by it, where the loss or, with `clip`, the gradient is no finite number.
    """
    rates = [group["lr"] for group in optimiser.param_groups]
    device = next(model.parameters()).device
    source = iter(batches)
    losses: list[float] = []
    if not model.training:
        model.train()
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
            x, y = (torch.as_tensor(part, device=device) for part in pair)
            loss = F.cross_entropy(_logits(model(_whole(x))).flatten(0, -2), _targets(y, step))
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise FloatingPointError(f"the loss is {losses[-1]} at step {step}: {_REMEDY}")
            optimiser.zero_grad()
            loss.backward()
            if clip is not None:
                _clip(model, clip, step)
            if schedule is not None:
                for group, rate in zip(optimiser.param_groups, rates, strict=True):
                    group["lr"] = rate * schedule(step)
            optimiser.step()
    finally:
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate
    return losses


_REMEDY = "lower the learning rate, warm it up, or clip the gradient"


def _whole(ids: Tensor) -> Tensor:
    """Token ids as int64, which torch looks up and compares; other inputs as they are."""
    return ids if ids.is_floating_point() else ids.long()


def _targets(y: Tensor, step: int) -> Tensor:
    y = y.long().flatten()
    if not (y != IGNORED).any():
        raise ValueError(f"batch {step} has no target that counts: all of its y are {IGNORED}")
    return y


def _clip(model: nn.Module, clip: float, step: int) -> None:
    """Shorten the gradient to the norm `clip`."""
    parameters = [p for p in model.parameters() if p.grad is not None]
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if not norm.isfinite():  # 1e20 squared is beyond float32, but not beyond float64
        norm = nn.utils.get_total_norm([g.double() for g in gradients])
    if not norm.isfinite():
        raise FloatingPointError(f"the norm of the gradient is {norm.item()} at step {step}: {_REMEDY}")
    nn.utils.clip_grads_with_norm_(parameters, clip, norm)


@torch.no_grad()
def evaluate_bits(
    model: nn.Module, ids: ArrayLike, n_context: int, *, n_least: int = 0, batch_size: int = 32
) -> float:
    """Mean of −log₂ P(token | tokens before it) over all of `ids` (n,) but the first: bits a token.

    A model that returns (logits, state), a RecurrentLM, reads the text in pieces of `n_context` tokens and
    carries its state from one to the next. Any other sees at most `n_context` tokens at once: windows
    overlap so that each token is predicted from more than `n_least` tokens before it (where there are so
    many), and is counted once. More of them cost time and save bits. `batch_size` windows go in together.

    The model is in evaluation mode meanwhile, and each of its parts in its own mode again afterwards. Losses
    are computed in at least float32 and summed in float64. ValueError for a text of fewer than two tokens.
    """
    text = torch.as_tensor(ids, device=next(model.parameters()).device)
    if text.dim() != 1 or len(text) < 2 or text.is_floating_point():
        raise ValueError(f"ids has shape {tuple(text.shape)}, {text.dtype}: expected integers (n,), n ≥ 2")
    if not 0 <= n_least < n_context:
        raise ValueError(
            f"n_least is {n_least} and n_context is {n_context}: expected 0 ≤ n_least < n_context"
        )
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        nats = _nats(model, text.long(), n_context, n_least, batch_size)
    finally:
        for module, mode in modes:
            module.training = mode
    return nats / (len(text) - 1) / math.log(2)


def _nats(model: nn.Module, text: Tensor, n_context: int, n_least: int, batch_size: int) -> float:
    """The sum of −ln P over text[1:]."""
    x, y = text[:-1], text[1:]
    if isinstance(model(x[None, :1]), tuple):
        total, state = 0.0, None
        for piece, target in zip(x.split(n_context), y.split(n_context), strict=True):
            logits, state = model(piece[None], state)
            total += _sum(F.cross_entropy(_full(logits[0]), target, reduction="none"))
        return total
    # Window i starts at i · stride and counts its last `stride` predictions; the first one counts them all.
    stride = n_context - n_least
    starts = range(0, max(1, len(x) - n_least), stride)
    full = [s for s in starts if s + n_context <= len(x)]
    total = 0.0
    for first in range(0, len(full), batch_size):
        where = torch.tensor(full[first : first + batch_size])[:, None] + torch.arange(n_context)
        where = where.to(text.device)
        losses = F.cross_entropy(
            _full(model(x[where])).mT, y[where], reduction="none"
        )  # (windows, n_context)
        total += _sum(losses[:, n_least:]) + (_sum(losses[0, :n_least]) if first == 0 else 0.0)
    for s in starts[len(full) :]:  # at most one, shorter than the others
        losses = F.cross_entropy(_full(model(x[None, s:])[0]), y[s:], reduction="none")
        total += _sum(losses[n_least if s else 0 :])
    return total


def _logits(output: Any) -> Tensor:
    logits: Tensor = output[0] if isinstance(output, tuple) else output
    return _full(logits)


def _full(logits: Tensor) -> Tensor:
    """Logits in float32 where a model computes with less: in bfloat16 the loss is off in its third digit."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def _sum(losses: Tensor) -> float:
    return losses.double().sum().item()
