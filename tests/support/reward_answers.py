"""Right and wrong answers for the check "fine_tuning.reinforce_loss", for two test modules of the chapter.

test_reward.py tries them alone; test_fine_tuning.py takes them into its tables RIGHT and WRONG.
"""

from __future__ import annotations

from typing import Any

import torch


def loss(log_p: Any, mask: Any, reward: Any) -> Any:
    baseline = (reward.sum() - reward) / (len(reward) - 1)
    return -((reward - baseline) * (log_p * mask).sum(1)).mean()


def looped(log_p: Any, mask: Any, reward: Any) -> Any:
    n, total = len(reward), 0.0
    for i in range(n):
        others = [float(reward[j]) for j in range(n) if j != i]
        for t in range(log_p.shape[1]):
            if mask[i, t]:
                total = total - (float(reward[i]) - sum(others) / len(others)) * log_p[i, t]
    return total / n


def in_place(log_p: Any, mask: Any, reward: Any) -> Any:
    reward -= reward.mean()
    reward *= len(reward) / (len(reward) - 1)
    log_p *= mask
    return -(reward @ log_p).sum() / len(reward)


def doubled(log_p: Any, mask: Any, reward: Any) -> Any:
    return loss(log_p.double(), mask.bool(), reward.double())[None]


def by_numpy(log_p: Any, mask: Any, reward: Any) -> Any:
    r = reward.numpy()
    gain = r - (r.sum() - r) / (len(r) - 1)
    return -torch.einsum("i,ij,ij->", torch.tensor(gain), log_p, mask) / len(r)


def ratio(log_p: Any, mask: Any, reward: Any) -> Any:
    """Another value, the same gradient."""
    return loss((log_p - log_p.detach()).exp(), mask, reward)


def gain(reward: Any) -> Any:
    return reward - (reward.sum() - reward) / (len(reward) - 1)


RIGHT_ANSWERS = [loss, looped, in_place, doubled, by_numpy, ratio]
WRONG_ANSWERS: list[tuple[Any, str]] = [
    (lambda p, m, r: -loss(p, m, r), "sign"),
    (lambda p, m, r: -(r * (p * m).sum(1)).mean(), "no baseline"),
    (lambda p, m, r: -((r - r.mean()) * (p * m).sum(1)).mean(), "mean of all rewards"),
    (lambda p, m, r: loss(p, m.fill_(1), r), "the mask is not used"),
    (lambda p, m, r: loss(p, 1 - m, r), "turned round"),
    (lambda p, m, r: loss(p, m, r) * len(r), "sum over the answers"),
    (lambda p, m, r: -(gain(r)[:, None] * p * m).mean(), "mean over tokens, too"),
    (lambda p, m, r: -(gain(r)[:, None] * p * m).mean(1).sum(), "changed places"),
    (lambda p, m, r: -(gain(r)[:, None] * p * m).sum() / m.sum(), "all tokens that count"),
    (lambda p, m, r: -(gain(r) * (p * m).sum(1) / m.sum(1)).mean(), "divided by its length"),
    (lambda p, m, r: -((r - (r.sum() - r)) * (p * m).sum(1)).mean(), "divide by n − 1"),
    (lambda p, m, r: -((r - (r.sum() - r) / len(r)) * (p * m).sum(1)).mean(), "there are n − 1"),
    (lambda p, m, r: loss(p.exp(), m, r), "leave out exp()"),
    (lambda p, m, r: loss(p, m * (m.cumsum(1) == m.sum(1, keepdim=True)), r), "last token"),
    (lambda p, m, r: -(gain(r) * p[:, 0]).mean(), "first token"),
    (lambda p, m, r: -(gain(r).clamp(min=0) * (p * m).sum(1)).mean(), "below the baseline"),
    (lambda p, m, r: -((r - r.mean()) / r.std() * (p * m).sum(1)).mean(), "standard deviation"),
    (lambda p, m, r: -(gain(r) * p * m).sum() / len(r), "along the tokens"),
    (lambda p, m, r: -(gain(r) * p * m).mean(), "along the tokens"),
    (lambda p, m, r: -((r - r.median()) * (p * m).sum(1)).mean(), "median"),
    (lambda p, m, r: loss(p.detach(), m, r), "no gradient"),
    (lambda p, m, r: loss(p, m, r).item(), "no gradient"),
    (lambda p, m, r: -(gain(r) * (p * m).sum(1)), "expected one number"),
    (lambda p, m, r: loss(p.log(), m, r), "not a number"),
    (lambda p, m, r: loss(p, m, torch.zeros_like(r) + r.max()), "expected"),
    (lambda p, m, r: -(gain(r).softmax(0) * (p * m).sum(1)).sum(), "expected"),
]
