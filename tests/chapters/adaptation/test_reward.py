"""The check "fine_tuning.reinforce_loss": right answers, wrong ones, and that the reference is unbiased."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from labutils.checks import evaluate
from labutils.checks.adaptation import _reward as _reward  # registers the check
from reward_answers import RIGHT_ANSWERS, WRONG_ANSWERS, loss


@pytest.mark.parametrize("answer", RIGHT_ANSWERS, ids=lambda answer: answer.__name__)
def test_right_answer_passes(answer: Any) -> None:
    result = evaluate("fine_tuning.reinforce_loss", answer)
    assert result.status == "right", result.message


@pytest.mark.parametrize(("answer", "words"), [pytest.param(*row, id=row[1]) for row in WRONG_ANSWERS])
def test_wrong_answer_is_told_why(answer: Any, words: str) -> None:
    result = evaluate("fine_tuning.reinforce_loss", answer)
    assert result.status == "wrong", words
    assert words in result.message, result.message


def test_stub_is_unanswered() -> None:
    assert evaluate("fine_tuning.reinforce_loss", lambda *given: None).status == "unanswered"


@pytest.mark.parametrize("n", [2, 3, 5])
def test_mean_gradient_is_that_of_the_mean_reward(n: int) -> None:
    """Averaged over all batches, the reference gives the gradient of the mean reward: it is unbiased."""
    reward = torch.tensor([1.0, 0.0, 0.4])
    logits = torch.tensor([0.2, -0.5, 0.9], dtype=torch.float64, requires_grad=True)
    p = logits.softmax(0)
    (exact,) = torch.autograd.grad((p * reward).sum(), logits, retain_graph=True)
    total = torch.zeros(3, dtype=torch.float64)
    for batch in torch.cartesian_prod(*[torch.arange(3)] * n):
        value = loss(p.log()[batch][:, None], torch.ones(n, 1), reward[batch])
        (gradient,) = torch.autograd.grad(value, logits, retain_graph=True)
        total -= p[batch].prod().detach() * gradient
    torch.testing.assert_close(total, exact)
