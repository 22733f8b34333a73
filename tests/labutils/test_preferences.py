"""DPO, its optimum and best-of-n: against NumPy, a closed form and counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from labutils.preferences import best_of_n_kl, dpo_loss, reply_log_probs, tilted, token_kl


class Table(nn.Module):
    """Logits by the current token alone."""

    def __init__(self, seed: int, n_vocab: int = 7) -> None:
        super().__init__()
        self.rows = nn.Parameter(
            torch.randn(n_vocab, n_vocab, generator=torch.Generator().manual_seed(seed)).double()
        )

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.rows[ids]


def test_log_probs_and_loss_equal_numpy() -> None:
    model, anchor = Table(0), Table(1)
    rng = np.random.default_rng(2)
    x, y = (torch.as_tensor(rng.integers(0, 7, (6, 5))) for _ in range(2))
    y[:, :2] = -100
    y[2, 4] = -100
    by_hand = []
    for table in (model, anchor):
        rows = table.rows.detach().numpy()
        sums = np.zeros(6)
        for i in range(6):
            for t in range(5):
                if y[i, t] >= 0:
                    row = rows[x[i, t]]
                    sums[i] += row[y[i, t]] - np.log(np.exp(row).sum())
        np.testing.assert_allclose(reply_log_probs(table, x, y).detach(), sums)
        by_hand.append(sums)
    ours, theirs = by_hand
    gain = ours - theirs
    expected = np.mean([math.log1p(math.exp(-0.3 * (gain[i] - gain[i + 3]))) for i in range(3)])
    tensors = [torch.as_tensor(part) for part in (ours[:3], ours[3:], theirs[:3], theirs[3:])]
    assert dpo_loss(*tensors, beta=0.3).item() == pytest.approx(expected)


def test_loss_starts_at_ln_2_and_falls_with_the_margin() -> None:
    some, other = torch.tensor([-3.0, -1.0]), torch.tensor([-2.0, -5.0])
    assert dpo_loss(some, other, some, other, 0.1).item() == pytest.approx(math.log(2))
    assert (
        dpo_loss(some + 1, other, some, other, 0.1)
        < math.log(2)
        < dpo_loss(some, other + 1, some, other, 0.1)
    )


def test_optimum_of_dpo_is_the_tilted_anchor() -> None:
    """With Bradley-Terry preferences from a reward, over all pairs, training ends there."""
    anchor = torch.tensor([0.5, 0.3, 0.15, 0.05]).double()
    reward, beta = torch.tensor([0.0, 1.0, -1.0, 2.0]).double(), 0.7
    logits = anchor.log().clone().requires_grad_()
    a, b = torch.cartesian_prod(torch.arange(4), torch.arange(4)).T
    weight = torch.sigmoid(reward[a] - reward[b])
    optimiser = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        logs = logits.log_softmax(-1)
        each = [
            dpo_loss(logs[i : i + 1], logs[j : j + 1], anchor.log()[i : i + 1], anchor.log()[j : j + 1], beta)
            for i, j in zip(a, b, strict=True)
        ]
        total = (weight * torch.stack(each)).sum()
        total.backward()
        return total

    optimiser.step(loss)
    torch.testing.assert_close(logits.detach().softmax(-1), tilted(anchor, reward, beta), atol=1e-5, rtol=0)


def test_tilted_is_better_than_its_neighbours() -> None:
    anchor, reward, beta = torch.tensor([0.6, 0.3, 0.1]), torch.tensor([0.0, 1.0, 3.0]), 1.5

    def worth(p: torch.Tensor) -> float:
        return (p @ reward - beta * (p * (p / anchor).log()).sum()).item()

    best = tilted(anchor, reward, beta)
    for seed in range(20):
        noise = torch.randn(3, generator=torch.Generator().manual_seed(seed))
        assert worth((best.log() + 0.1 * noise).softmax(-1)) < worth(best)


def test_kl_counts_only_the_reply() -> None:
    a, b = (torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    y = torch.tensor([[-100, 1, 2], [-100, -100, 4]])
    p, q = a.softmax(-1), b.softmax(-1)
    each = (p * (p / q).log()).sum(-1)
    assert token_kl(a, b, y).item() == pytest.approx(each[y >= 0].mean().item(), rel=1e-5)
    assert token_kl(a, a, y).item() == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="everywhere"):
        token_kl(a, b, torch.full_like(y, -100))


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_best_of_n_equals_counting(n: int) -> None:
    """Of 20,000 equally likely replies the one of rank i is the best of n with (i/N)ⁿ − ((i − 1)/N)ⁿ."""
    size = 20_000
    p = np.diff((np.arange(size + 1) / size) ** n)
    p = p[p > 0]
    assert best_of_n_kl(n) == pytest.approx((p * np.log(p * size)).sum(), abs=2e-3)


def test_bad_arguments_are_refused() -> None:
    some = torch.zeros(1)
    for call in (
        lambda: dpo_loss(some, some, some, some, 0),
        lambda: tilted(torch.ones(1), some, -1),
        lambda: best_of_n_kl(0),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()
