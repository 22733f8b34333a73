"""The check "fine_tuning.reinforce_loss": REINFORCE, each answer against the mean reward of the others.

Judged is the gradient alone, since two losses with one gradient teach the same.
Page: notebooks/adaptation/fine_tuning.ipynb.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labutils.checks.answers import Wrong, number, same, say, slip
from labutils.checks.core import exercise


@exercise("fine_tuning.reinforce_loss")
def reinforce_loss(answer: Any) -> str | None:
    """As many answers as tokens, where rewards along the wrong axis raise no error; then 5 answers of 3."""
    for shape, seed in (((4, 4), 1), ((5, 3), 2), ((2, 6), 3)):
        log_p, mask, reward = _draw(*shape, seed=seed)
        found = _gradient(answer, log_p, mask, reward)
        right = _right(mask, reward)
        if same(found, right, 1e-4, 1e-6):
            continue
        given = f"{shape[0]} answers of {shape[1]} tokens"
        why = slip(found, _mistakes(log_p, mask, reward))
        if why:
            return f"for {given}, {why}."
        i = int((found - right).abs().amax(1).argmax())
        return (
            f"for {given}, with rewards {say(reward)} and the mask {say(mask[i])} for answer {i}, the "
            f"gradient by its log-probabilities is {say(found[i], right[i])}, "
            f"expected {say(right[i], found[i])}."
        )
    return None


def _draw(n: int, time: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities and mask (n, time), rewards (n,): no two answers are paid alike, lengths differ."""
    g = torch.Generator().manual_seed(seed)
    log_p = -0.1 - 2 * torch.rand(n, time, generator=g)
    length = torch.arange(n) % time + 1
    mask = (torch.arange(time) < length[:, None]).float()
    return log_p, mask, torch.rand(n, generator=g) + torch.arange(n) % 2


def _gradient(answer: Any, log_p: Tensor, mask: Tensor, reward: Tensor) -> Tensor:
    """The gradient of the reader's loss by `log_p`; `Wrong` where there is none."""
    leaf = log_p.clone().requires_grad_()
    loss = answer(leaf * 1.0, mask, reward)  # no leaf: an answer may work in place on it
    number(loss, "the loss")
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        raise Wrong(
            "no gradient reaches log_p, so nothing can be learnt: stay in torch, without detach() or item()."
        )
    (found,) = torch.autograd.grad(loss.reshape(()), leaf, allow_unused=True)
    if found is None:
        raise Wrong("the loss does not depend on log_p.")
    if not bool(found.isfinite().all()):
        raise Wrong("its gradient is not finite: is there a division by zero, or a logarithm of a logarithm?")
    return found


def _others(reward: Tensor) -> Tensor:
    """For each answer the mean reward of the others, (n,)."""
    return (reward.sum() - reward) / (len(reward) - 1)


def _right(mask: Tensor, reward: Tensor) -> Tensor:
    return -(reward - _others(reward))[:, None] * mask / len(reward)


def _mistakes(log_p: Tensor, mask: Tensor, reward: Tensor) -> list[tuple[Tensor, str]]:
    n, time = mask.shape
    right, gain = _right(mask, reward), reward - _others(reward)
    last = mask * (mask.cumsum(1) == mask.sum(1, keepdim=True))
    first = mask * (torch.arange(time) == 0)
    own = reward - reward.mean()
    rows: list[tuple[Tensor, str]] = [
        (-right, "the sign is turned: a loss goes down, so what was paid well needs a minus"),
        (-reward[:, None] * mask / n, "there is no baseline: subtract the mean reward of the other answers"),
        (
            -own[:, None] * mask / n,
            "the baseline is the mean of all rewards: leave out the answer's own (it takes 1/n off)",
        ),
        (-gain[:, None].expand(n, time) / n, "the mask is not used: tokens behind the end are learnt too"),
        (-gain[:, None] * (1 - mask) / n, "the mask is turned round: it is 1 for the tokens that count"),
        (right * n, "it is the sum over the answers: take their mean"),
        (
            right / time,
            "it is the mean over tokens, too: sum over tokens, mean over answers",
        ),
        (right * n / time, "sum and mean have changed places: sum over tokens, mean over answers"),
        (
            right * n / mask.sum(),
            "it is divided by all tokens that count: sum over an answer's tokens, mean over answers",
        ),
        (
            right / mask.sum(1, keepdim=True),
            "each answer is divided by its length: log p of an answer is the sum over its tokens",
        ),
        (
            -(reward - (reward.sum() - reward))[:, None] * mask / n,
            "the baseline is the sum of the other rewards: divide by n − 1",
        ),
        (
            -(reward - (reward.sum() - reward) / n)[:, None] * mask / n,
            "the other rewards are divided by n: there are n − 1 of them",
        ),
        (right * log_p.exp(), "the gradient is that of p, not of log p: leave out exp()"),
        (-gain[:, None] * last / n, "only an answer's last token learns: the reward is for all of them"),
        (
            -gain[:, None] * first / n,
            "only an answer's first token learns: the reward is for all of them",
        ),
        (right.clamp(max=0), "answers below the baseline are left out: they must become less probable"),
    ]
    for divisor in (gain.std(), gain.std(correction=0), own.std(), own.std(correction=0)):
        for top in (gain, own):
            words = "the rewards are divided by their standard deviation: that is another method (GRPO's)"
            rows.append((-(top / divisor)[:, None] * mask / n, words))
    if n == time:
        along = "the rewards run along the tokens, not along the answers: reward[:, None]"
        rows += [(-top[None, :] * mask / n, along) for top in (gain, own, reward)]
        rows += [(-top[None, :] * mask / n**2, along) for top in (gain, own, reward)]
    median = (reward - reward.median())[:, None]
    rows.append((-median * mask / n, "the baseline is the median: take the mean of the other rewards"))
    return rows
