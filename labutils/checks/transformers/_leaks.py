"""The check "transformer.leaks": does a test for a causal mask find every way of looking ahead?

Page: notebooks/transformers/transformer.ipynb.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labutils.checks.core import exercise

N_VOCAB = 11


def _vectors() -> Tensor:
    return torch.randn(N_VOCAB, 6, generator=torch.Generator().manual_seed(6))


class _Config:
    n_vocab = N_VOCAB


class _Reader(nn.Module):
    """Gives each position the mean of the vectors of those that `sees` (time, time) shows it."""

    def __init__(self, sees: Callable[[int], Tensor], strength: float = 1.0, dropout: float = 0.0) -> None:
        super().__init__()
        self.config, self.sees, self.strength = _Config(), sees, strength
        self.embedding = nn.Embedding.from_pretrained(_vectors(), freeze=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor) -> Tensor:
        vectors, n = self.embedding(ids), ids.shape[-1]
        past = torch.ones(n, n).tril()
        future = self.sees(n) * (1 - past) * self.strength
        logits: Tensor = self.dropout((past + future) @ vectors)
        return logits


class _Rounding(_Reader):
    """Looks at the past alone, but its last binary digit hangs on all tokens, as when sums change order."""

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = super().forward(ids)
        return logits * (1 + 2**-23 * (ids.sum(1) % 2))[:, None, None]


def _nothing(n: int) -> Tensor:
    return torch.zeros(n, n)


def _all(n: int) -> Tensor:
    return 1 + torch.arange(n).expand(n, n) / n  # unequal, so that an exchange of two tokens can be seen


def _pair(query: int, key: int) -> Callable[[int], Tensor]:
    """Only position `query` sees something later: `key`. In shorter texts nobody sees anything."""

    def sees(n: int) -> Tensor:
        seen = torch.zeros(n, n)
        if key < n:
            seen[query, key] = 1
        return seen

    return sees


def _last(n: int) -> Tensor:
    return torch.ones(n, 1) * (torch.arange(n) == n - 1)


def _next(n: int) -> Tensor:
    return torch.ones(n, n).tril(1)


IDS = [[3, 1, 4, 1, 5, 9, 2, 6], [10, 7, 1, 8, 2, 8, 1, 5]]
N = len(IDS[0])


@exercise("transformer.leaks")
def leaks(answer: Any) -> str | None:
    """Models that look ahead in one way each, models that do not, and what a test must leave as it was."""

    def ask(model: nn.Module, what: str, ids: list[list[int]] = IDS) -> tuple[Any, str | None]:
        was_training, before = model.training, _settings(model)
        found = answer(model, torch.tensor(ids))
        if isinstance(found, Tensor | np.ndarray) and found.size and np.prod(tuple(found.shape)) == 1:
            found = found.item()
        if not isinstance(found, bool | np.bool_):
            return None, f"for {what} it returned a {type(found).__name__}: return True or False."
        if model.training != was_training:
            modes = ["evaluation", "training"]
            was, now = modes[was_training], modes[model.training]
            return None, f"the model came in {was} mode and is left in {now} mode: put it back."
        if _settings(model) != before:
            return None, "the model is left changed: its dropout, or which parameters learn. Put that back."
        return bool(found), None

    whole = "a model in which every position sees every other"
    back, fault = ask(_Reader(_nothing).eval(), "a model that only looks back")
    everywhere, fault_2 = (None, fault) if fault else ask(_Reader(_all).eval(), whole)
    if fault or fault_2:
        return fault or fault_2
    if back and not everywhere:
        return "True and False have changed places: a model leaks if an output changes with a later token."
    if back:
        return (
            "it is True for a model that only looks back: a changed token may change the outputs at its own "
            "position and after it, so compare those before it."
        )
    if not everywhere:
        return f"it is False for {whole}: change later tokens, and compare the outputs before them."
    for model, expected, what, why in _cases():
        found, fault = ask(model, what)
        if fault:
            return fault
        if found != expected:
            return f"it is {found} for {what}: {why}."
    for token in range(N_VOCAB):  # a new token that is the old one changes nothing
        found, fault = ask(_Reader(_last).eval(), "a model", [[*IDS[0][:-1], token]])
        if fault:
            return fault
        if not found:
            return f"a leak from the last token is missed where that is {token}: was it replaced by another?"
    return None


def _settings(model: nn.Module) -> list[Any]:
    """What a test might switch off for good: the share of each dropout, and whether a parameter learns."""
    shares = [part.p for part in model.modules() if isinstance(part, nn.Dropout)]
    return [*shares, *(p.requires_grad for p in model.parameters())]


def _cases() -> list[tuple[nn.Module, bool, str, str]]:
    random = "dropout draws anew at every call, so two outputs differ anyway: model.eval() first"
    return [
        (
            _Reader(_next).eval(),
            True,
            "a model in which each position sees one step ahead",
            "when token t changes, the outputs up to and with t − 1 must stay, and t runs over all positions",
        ),
        (
            _Reader(_last).eval(),
            True,
            "a model in which every position sees the last token",
            "the last token must be among those that change",
        ),
        *(
            (
                _Reader(_pair(query, key)).eval(),
                True,
                f"a model in which only position {query} looks ahead, to position {key}",
                "compare the outputs at all earlier positions, for a change at every later one",
            )
            for query, key in ((0, 1), (0, N - 1), (3, 5), (N - 2, N - 1))
        ),
        (
            _Reader(_next, 1e-3).eval(),
            True,
            "a model that looks ahead with a weight of 0.001",
            "the tolerance is too wide",
        ),
        (
            _Rounding(_nothing).eval(),
            False,
            "a model whose outputs change by rounding only, in the seventh digit",
            "compare with torch.allclose and a tolerance such as 1e-5",
        ),
        (_Reader(_nothing, dropout=0.5), False, "a model in training mode that only looks back", random),
        (
            _Reader(_next, dropout=0.5),
            True,
            "a model in training mode that looks ahead",
            "put it into evaluation mode, and compare as before",
        ),
    ]
