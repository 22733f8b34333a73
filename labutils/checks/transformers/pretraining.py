"""Checks for the exercises of notebooks/transformers/pretraining.ipynb."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labutils.checks.answers import array, close, compare, number
from labutils.checks.core import exercise

# --- Spans --------------------------------------------------------------------------------------------------

# Text, its source, its target; the sentinels' order in the text is not that of the alphabet.
_TEXTS: list[tuple[list[Any], list[Any], list[Any]]] = [
    (list("abcdefgh"), ["a", "b", "X", "e", "f", "Y", "h"], ["X", "c", "d", "Y", "g", "Z"]),
    ([5, 6, 7, 8, 7, 5], [5, 97, 8, 99, 5], [97, 6, 7, 99, 7, 98]),
    (list("abc"), ["a", "Y"], ["Y", "b", "c", "X"]),
]
_SENTINELS: tuple[set[Any], ...] = ({"X", "Y", "Z"}, {97, 98, 99}, {"X", "Y", "Z"})


@exercise("pretraining.restore")
def restore(answer: Any) -> str | None:
    """Texts whose sentinels come in another order than the alphabet's."""
    for (text, source, target), sentinels in zip(_TEXTS, _SENTINELS, strict=True):
        value = answer(list(source), list(target), set(sentinels))
        if isinstance(value, str):
            return "it returned a string: return the list of tokens."
        try:
            found = [token.item() if hasattr(token, "item") else token for token in value]
        except TypeError:
            return f"it returned a {type(value).__name__}: return the list of tokens."
        if found != text:
            why = _slip_of_restoring(found, text, source, target, sentinels)
            return f"for source {source} and target {target}: {why}"
    return None


def _slip_of_restoring(
    found: list[Any], text: list[Any], source: list[Any], target: list[Any], sentinels: set[Any]
) -> str:
    spans = [token for token in target if token not in sentinels]
    shown = [token for token in source if token not in sentinels]
    if found == [*shown, *spans]:
        return "the pieces stand at the end: each belongs where its sentinel stands in the source."
    if found == shown:
        return "the pieces are missing: what the target has behind each sentinel goes into its hole."
    if found == source:
        return "the source came back as it was."
    if any(isinstance(token, list) for token in found):
        return "a piece stands there as a list within the list: append its tokens one by one (+=)."
    if any(token in sentinels for token in found):
        return "there is still a sentinel in the text: the piece takes its place."
    if sorted(map(str, found)) == sorted(map(str, text)):
        return f"all tokens are there in another order: {found}, expected {text}."
    if len(found) < len(text):
        return f"tokens are missing: {found}, expected {text}. A span may have several."
    return f"you return {found}, expected {text}."


# --- The loss of a padded batch -----------------------------------------------------------------------------


@exercise("pretraining.causal_loss")
def causal_loss(answer: Any) -> str | None:
    """Rows of different lengths, and a padding token that is not zero."""
    for seed, pad, lengths in ((0, 0, (6, 3, 2)), (1, 4, (5, 5, 2)), (2, 0, (6, 6, 6))):
        g = torch.Generator().manual_seed(seed)
        logits = 2 * torch.randn(3, 6, 7, generator=g)
        ids = torch.randint(1, 7, (3, 6), generator=g)
        ids[ids == pad] = 5  # the padding token stands only where padding is
        for row, n in enumerate(lengths):
            ids[row, n:] = pad
        found = number(answer(logits, ids, pad), "the loss")
        y = ids[:, 1:]
        compare(
            found,
            _nats(logits[:, :-1], y, y != pad),
            f"for lengths {lengths} and pad = {pad}",
            _slips_of_a_loss(logits, ids, pad),
        )
    return None


def _nats(logits: Tensor, y: Tensor, counted: Tensor) -> float:
    return (F.cross_entropy(logits.mT, y, reduction="none") * counted).sum().item() / int(counted.sum())


def _slips_of_a_loss(logits: Tensor, ids: Tensor, pad: int) -> list[tuple[float, str]]:
    x, y = logits[:, :-1], ids[:, 1:]
    real, every = y != pad, torch.ones_like(y, dtype=torch.bool)
    each = F.cross_entropy(x.mT, y, reduction="none")
    right, all_ = _nats(x, y, real), torch.ones_like(ids, dtype=torch.bool)
    return [
        (
            _nats(logits, ids, ids != pad),
            "the labels are not shifted: the output at t is asked for the token at t + 1",
        ),
        (_nats(logits, ids, all_), "the labels are not shifted, and padding is counted"),
        (
            _nats(x, y, ids[:, :-1] != pad),
            "the mask is that of the inputs: leave out where the target is pad",
        ),
        (
            _nats(logits[:, 1:], ids[:, :-1], ids[:, :-1] != pad),
            "shifted the wrong way: that asks for the token before",
        ),
        (
            _nats(logits[:, :-2], ids[:, 2:], ids[:, 2:] != pad),
            "shifted by two: that asks for the token after the next",
        ),
        (_nats(x, y, every), "padding is counted as a target"),
        (
            (each * real).mean().item(),
            "the sum is right, the mean is over all positions: divide by the number of real targets",
        ),
        ((each * real).sum().item(), "that is the sum: divide by the number of real targets"),
        (
            ((each * real).sum(1) / real.sum(1)).mean().item(),
            "that is the mean of the rows' means: a token of a short row counts for more",
        ),
        (right / math.log(2), "that is in bits: the loss is asked in nats"),
        (-right, "the sign is wrong: a loss is −ln p"),
        (math.exp(right), "that is the perplexity: its logarithm is the loss"),
        (
            (each * real).sum().item() / int((ids != pad).sum()),
            "divided by the number of real tokens: the first of each row is no target",
        ),
    ]


# --- The floor of a scaling law -----------------------------------------------------------------------------


@exercise("pretraining.exponent_and_floor")
def exponent_and_floor(answer: Any) -> str | None:
    """Laws drawn at random."""
    rng = np.random.default_rng()
    for _ in range(4):
        alpha, floor, a, r = (
            rng.uniform(0.1, 0.7),
            rng.uniform(0.8, 1.7),
            rng.uniform(3, 9),
            rng.choice([3.0, 5.0, 8.0]),
        )
        losses = [float(floor + a * r ** (-alpha * k)) for k in range(1, 4)]
        given = f"for losses {', '.join(f'{loss:.4f}' for loss in losses)} and r = {r:.0f}"
        found = array(answer(list(losses), float(r)), (2,), "the pair")
        if close(found[0], alpha, 1e-4) and close(found[1], floor, 1e-4):
            continue
        return f"{given}: {_slip_of_the_law(found, losses, float(r), alpha, floor)}"
    return None


def _slip_of_the_law(found: Any, losses: list[float], r: float, alpha: float, floor: float) -> str:
    first, second, third = losses
    q = (second - third) / (first - second)
    slope = -math.log(third / first) / (2 * math.log(r))
    for value, why in (
        (-alpha, "α has the wrong sign: the loss falls, as N to the power −α"),
        (floor, "that is E first: return α, then E"),
        (alpha * math.log(r), "α is not divided by ln r: the sizes grow by the factor r, not e"),
        (
            alpha * math.log(r) / math.log(2),
            "α is divided by ln 2: it is the factor r between the sizes that counts",
        ),
        (q, "the first number is the ratio q = r^−α: take its logarithm to the base r"),
        (
            slope,
            "that is the slope of the losses themselves: differences take E off first",
        ),
        (alpha / 2, "α is halved: from the first difference to the second the sizes grow once by r"),
    ):
        if close(found[0], value, 1e-4) and not close(found[0], alpha, 1e-4):
            return f"{why}."
    if not close(found[0], alpha, 1e-4):
        return f"α is {found[0]:.4g}, expected {alpha:.4g}."
    for value, why in (
        (third, "E is below the last loss: the excess goes on shrinking"),
        (
            third - (second - third),
            "E is not one difference below the last loss: the differences go on, as a geometric series",
        ),
        (first - second, "that is the first difference, not E"),
        (0.0, "E is not zero: the losses do not fall to nothing"),
    ):
        if close(found[1], value, 1e-4):
            return f"α is right. {why}."
    return f"α is right, E is {found[1]:.4g}, expected {floor:.4g}."
