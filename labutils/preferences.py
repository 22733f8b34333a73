"""Direct preference optimisation against an anchor, the divergence from it, and what best-of-n costs.

A reply's log-probability is the sum over its tokens; targets of −100 do not count, as in `labutils.training`.
Page: notebooks/limits/competing_objectives.ipynb.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["best_of_n_kl", "dpo_loss", "reply_log_probs", "tilted", "token_kl"]


def reply_log_probs(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """ln P(reply | prompt), (batch,): inputs x and targets y are (batch, time), y is −100 off the reply."""
    logits: Tensor = model(x)
    nats = F.cross_entropy(logits.mT, y, reduction="none", ignore_index=-100)  # (batch, time), 0 where −100
    return -nats.sum(-1)


def dpo_loss(
    chosen: Tensor, rejected: Tensor, chosen_anchor: Tensor, rejected_anchor: Tensor, beta: float
) -> Tensor:
    """The mean loss of Rafailov et al. (2023), eq. 7, from four log-probabilities (batch,).

    −ln σ(β · margin), where the margin is how much more the model has raised the chosen reply above the
    anchor's probability than the rejected one. ValueError where beta is not positive.
    """
    if not beta > 0:
        raise ValueError(f"beta is {beta}: expected above 0")
    margin = (chosen - chosen_anchor) - (rejected - rejected_anchor)
    return -F.logsigmoid(beta * margin).mean()


def token_kl(logits: Tensor, anchor_logits: Tensor, y: Tensor) -> Tensor:
    """KL(model ‖ anchor) in nats, the mean over places (batch, time) where y is not −100.

    logits and anchor_logits are (batch, time, n_vocab). ValueError where no place counts.
    """
    counts = y != -100
    if not counts.any():
        raise ValueError("no place counts: y is −100 everywhere")
    logs, anchor = logits.log_softmax(-1), anchor_logits.log_softmax(-1)
    each = (logs.exp() * (logs - anchor)).sum(-1)  # (batch, time)
    return each[counts].mean()


def tilted(anchor: Tensor, reward: Tensor, beta: float) -> Tensor:
    """The policy (n,) that maximises mean reward − β · KL from `anchor` (n,), in closed form."""
    if not beta > 0:
        raise ValueError(f"beta is {beta}: expected above 0")
    return (anchor.log() + reward / beta).softmax(-1)


def best_of_n_kl(n: int) -> float:
    """ln n − (n − 1)/n: the KL in nats of the best of n draws from one draw, where no two rewards are equal.

    With equal rewards it is an upper bound (Beirami et al. 2024). ValueError where n is below 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}: expected 1 or more")
    return math.log(n) - (n - 1) / n
