"""Checks for the exercises of notebooks/transformers/transformer.ipynb."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labutils.checks import close, exercise
from labutils.parameters import TransformerConfig, count_parameters

V = 11  # the vocabulary of the models that `leaks` is tried on


def _draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _same(found: Tensor, expected: Tensor) -> bool:
    return bool(torch.allclose(found.to(expected), expected, rtol=1e-5, atol=1e-7))


# --- The block ----------------------------------------------------------------------------------------------


@exercise("transformer.pre_norm_block")
def pre_norm_block(answer: Any) -> str | None:
    """Four functions that nothing commutes with, and every order in which they are confused."""
    x, mix, read, write = (
        _draw(*shape, seed=i) for i, shape in enumerate([(2, 3, 4), (4, 4), (4, 8), (8, 4)])
    )
    scale_1, scale_2 = _draw(4, seed=4), _draw(4, seed=5)

    def attention(x: Tensor) -> Tensor:
        return torch.tanh(x.cumsum(1) @ mix)  # a token and those before it

    def feed_forward(x: Tensor) -> Tensor:
        return torch.relu(x @ read) @ write

    def norm_1(x: Tensor) -> Tensor:
        return nn.functional.layer_norm(x, (4,), scale_1)

    def norm_2(x: Tensor) -> Tensor:
        return nn.functional.layer_norm(x, (4,), scale_2, scale_1)

    given = x.clone()
    found = answer(given, attention, feed_forward, norm_1, norm_2)
    if isinstance(found, tuple):
        return f"it returned a tuple of {len(found)}: return the block's output alone."
    if not isinstance(found, Tensor):
        return f"it returned a {type(found).__name__}: the block's output must be a tensor."
    if found.shape != x.shape:
        return f"the output has shape {tuple(found.shape)}; a block keeps the shape of x, {tuple(x.shape)}."
    h = x + attention(norm_1(x))
    right = h + feed_forward(norm_2(h))
    if _same(found, right):
        if torch.equal(given, x):
            return None
        return "the output is right, but x itself was changed: write x = x + …, for x += … writes into it."
    for slip, meaning in _slips_of_a_block(x, attention, feed_forward, norm_1, norm_2):
        if _same(found, slip):
            return f"{meaning}."
    return "the output is not h + feed_forward(norm_2(h)) with h = x + attention(norm_1(x))."


def _slips_of_a_block(x: Tensor, a: Any, f: Any, norm_1: Any, norm_2: Any) -> list[tuple[Tensor, str]]:
    def block(
        first: Callable[[Tensor], Tensor],
        second: Callable[[Tensor], Tensor],
        keep: tuple[bool, bool] = (True, True),
    ) -> Tensor:
        h = first(x) + (x if keep[0] else 0)
        return second(h) + (h if keep[1] else 0)

    def post(first: Any, second: Any) -> Tensor:
        h: Tensor = norm_1(x + first(x))
        result: Tensor = norm_2(h + second(h))
        return result

    def a_1(x: Tensor) -> Tensor:
        result: Tensor = a(norm_1(x))
        return result

    def f_2(x: Tensor) -> Tensor:
        result: Tensor = f(norm_2(x))
        return result

    h, n = x + a_1(x), norm_1(x)
    from_norm = n + a(n)
    return [
        (post(a, f), "that is post-norm: normalise what goes into a sublayer, not the sum that comes out"),
        (
            block(a_1, f_2, (False, True)),
            "x is not added to what attention gives: the first residual is missing",
        ),
        (
            block(a_1, f_2, (True, False)),
            "the second residual is missing: add the feed-forward's result to its input",
        ),
        (
            block(a_1, f_2, (False, False)),
            "both residuals are missing: each sublayer's result is added to its input",
        ),
        (block(a_1, lambda h: f(norm_1(h))), "norm_1 is used twice: the feed-forward layer has norm_2"),
        (block(lambda x: a(norm_2(x)), f_2), "norm_2 is used twice: attention has norm_1"),
        (block(lambda x: a(norm_2(x)), lambda h: f(norm_1(h))), "the norms have changed places"),
        (block(a, f_2), "attention reads x as it is: normalise its input with norm_1"),
        (block(a_1, f), "the feed-forward layer reads its input as it is: normalise that with norm_2"),
        (block(a, f), "neither norm is used: normalise what goes into each sublayer"),
        (
            block(lambda x: f(norm_1(x)), lambda h: a(norm_2(h))),
            "the feed-forward layer comes first: attention does",
        ),
        (block(f_2, a_1), "the feed-forward layer comes first: attention does"),
        (post(f, a), "that is post-norm, and the feed-forward layer comes first"),
        (h + f_2(x), "both sublayers read x: the feed-forward layer reads what attention has added to it"),
        (
            x + f_2(h),
            "the second residual adds x: add what went into norm_2, which holds attention's result too",
        ),
        (
            from_norm + f(norm_2(from_norm)),
            "the normalised x was added: the residual carries x as it came, else no scale ever gets through",
        ),
        (
            block(lambda x: norm_1(a(x)), lambda h: norm_2(f(h))),
            "the norms act on what the sublayers give: they belong in front of them",
        ),
        (norm_2(h + f_2(h)), "there is a norm too many at the end: the stack has one, not the block"),
        (h, "that is the first half: the feed-forward sublayer is missing"),
        (x + f_2(x), "that is the second half alone: attention is missing"),
    ]


# --- Counting -----------------------------------------------------------------------------------------------

# What is forgotten or counted too much, from (n_layer, d_model, n_vocab, n_context, tied).
Sizes = tuple[int, int, int, int, bool]
_MISCOUNTS: dict[str, Callable[[Sizes], int]] = {
    "the biases of the linear layers are missing, 9 d_model a block": lambda s: -9 * s[0] * s[1],
    "all biases are missing, those of the linear layers and of the norms": lambda s: -(11 * s[0] + 1) * s[1],
    "the norm after the last block is missing": lambda s: -2 * s[1],
    "a tied output layer is counted, though it is the embedding's own matrix": lambda s: s[4] * s[1] * s[2],
    "the output layer is missing, and untied it has a matrix of its own": lambda s: -(not s[4]) * s[1] * s[2],
    "the positions are missing, n_context · d_model": lambda s: -s[1] * s[3],
    "the token embedding is missing": lambda s: -s[1] * s[2],
    "a block has two norms, one was counted": lambda s: -2 * s[0] * s[1],
    "no norm is counted, and there are 2 n_layer + 1": lambda s: -2 * (2 * s[0] + 1) * s[1],
    "a norm has a scale and a shift, one of them was counted": lambda s: -(2 * s[0] + 1) * s[1],
    "attention has four matrices, three were counted: the output's is missing": lambda s: (
        -s[0] * s[1] * (s[1] + 1)
    ),
    "attention has four matrices and four biases, three and four were counted": lambda s: -s[0] * s[1] ** 2,
    "the feed-forward layer is d_model wide instead of 4 d_model": lambda s: (
        -s[0] * (6 * s[1] ** 2 + 3 * s[1])
    ),
    "the feed-forward layer has two matrices, one was counted": lambda s: -4 * s[0] * s[1] ** 2,
    "the output layer of GPT-2 has no bias, n_vocab too many": lambda s: s[2],
    "one block was counted, not n_layer of them": lambda s: -(s[0] - 1) * (12 * s[1] ** 2 + 13 * s[1]),
}


def _counted(s: Sizes) -> int:
    n_layer, d_model, n_vocab, n_context, tied = s
    config = TransformerConfig(n_layer, d_model, n_vocab, n_context, final_norm=True, tied=tied)
    return count_parameters(config)["total"]


@exercise("transformer.count")
def count(answer: Any) -> str | None:
    """GPT-2 small, then untied, then sizes that share no factor."""
    for s in ((12, 768, 50_257, 1024, True), (12, 768, 50_257, 1024, False), (5, 14, 97, 33, True)):
        found = answer(*s[:4]) if s[4] else answer(*s[:4], tied=False)
        right, call = _counted(s), f"count({', '.join(map(str, s[:4]))}{'' if s[4] else ', tied=False'})"
        if isinstance(found, int | np.integer) and not isinstance(found, bool) and found == right:
            continue
        if close(found, right, 1e-12):
            return f"{call} is right, but a {type(found).__name__}: return an int, // in place of /."
        if isinstance(found, bool) or not isinstance(found, int | float | np.number):
            return f"it returned a {type(found).__name__}: return the number of parameters, an int."
        for n in (1, 2):
            for faults in combinations(_MISCOUNTS, n):
                errors = [_MISCOUNTS[fault](s) for fault in faults]
                if all(errors) and close(found, right + sum(errors), 1e-12):
                    return f"{call} gave {found:,}: {'; and '.join(faults)}."
        return f"{call} gave {found:,}; expected {right:,}, {found - right:+,}."
    return None


# --- The mask -----------------------------------------------------------------------------------------------


class _Config:
    n_vocab = V


class _Reader(nn.Module):
    """Gives each position the mean of the vectors of those that `sees` (time, time) shows it."""

    def __init__(self, sees: Callable[[int], Tensor], strength: float = 1.0, dropout: float = 0.0) -> None:
        super().__init__()
        self.config, self.sees, self.strength = _Config(), sees, strength
        self.embedding = nn.Embedding.from_pretrained(_draw(V, 6, seed=6).float(), freeze=False)
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
        given, was_training = torch.tensor(ids), model.training
        found = answer(model, given)
        if isinstance(found, Tensor) and found.numel() == 1:
            found = found.item()
        if given.tolist() != ids:
            return None, "your function changes the ids that it is given: work on ids.clone()."
        if not isinstance(found, bool | np.bool_):
            return None, f"for {what} it returned a {type(found).__name__}: return True or False."
        if model.training != was_training:
            modes = ["evaluation", "training"]
            was, now = modes[was_training], modes[model.training]
            return None, f"the model came in {was} mode and is left in {now} mode: put it back."
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
    for token in range(V):  # a new token that is the old one changes nothing
        found, fault = ask(_Reader(_last).eval(), "a model", [[*IDS[0][:-1], token]])
        if fault:
            return fault
        if not found:
            return f"a leak from the last token is missed where that is {token}: was it replaced by another?"
    return None


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


# --- Positions ----------------------------------------------------------------------------------------------


@exercise("transformer.relative_bias")
def relative_bias(answer: Any) -> str | None:
    """Five positions at slope 0.25, where slope, slope² and 1 differ; then one position."""
    n, slope = 5, 0.25
    for size in (n, 1):
        value = answer(size, slope)
        try:
            given = value.detach() if isinstance(value, Tensor) else np.array(value, dtype=np.float64)
            found = torch.as_tensor(given, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError):
            return f"it returned a {type(value).__name__}: the bias must be a tensor."
        if tuple(found.shape) != (size, size):
            return f"the bias has shape {tuple(found.shape)}; expected {(size, size)}, a row a query."
        message = _slip_of_a_bias(found, size, slope)
        if message:
            return message
    return None


def _slip_of_a_bias(found: Tensor, n: int, slope: float) -> str | None:
    distance = (torch.arange(n)[:, None] - torch.arange(n)[None, :]).double()  # query − key
    later = distance < 0

    def hidden(bias: Tensor) -> Tensor:
        return bias.masked_fill(later, -math.inf)

    right = hidden(-slope * distance)
    if _same(found, right):
        return None
    if found.isnan().any():
        return "it holds NaN: 0 · ∞ is no number, so put −∞ in with masked_fill, not by a product."
    slips = [
        (hidden(slope * distance), "the sign is wrong: what is far away gets less, −slope · (i − j)"),
        (right.T, "rows and columns have changed places: row i is the query, and sees j ≤ i"),
        (
            -slope * distance.abs(),
            "the absolute value gives later keys a finite bias: with j > i it is −∞, as in a causal mask",
        ),
        (-slope * distance, "later keys even get a bonus: with j > i the bias is −∞"),
        ((-slope * distance).tril(), "later keys have bias 0, which hides nothing: with j > i it is −∞"),
        (hidden(-distance), "slope is not used: the bias is −slope · (i − j)"),
        (hidden(-distance / slope), "divided by the slope: multiply"),
        (hidden(slope ** distance.abs()), "that is a power of the slope: the bias grows in a straight line"),
        (
            right.masked_fill(distance == 0, -math.inf),
            "the diagonal is hidden: a position sees itself, with bias 0",
        ),
        (
            hidden(-slope * (distance + 1)),
            "each row is too low by one slope: the softmax would not notice, but j = i has bias 0",
        ),
        (torch.zeros_like(right), "it is 0 everywhere"),
        (hidden(0 * distance), "that is the causal mask alone: the slope is missing"),
    ]
    for slip, meaning in slips:
        if _same(found, slip):
            return f"{meaning}."
    if _same(found[~later], right[~later]):
        largest = found[later].max().item()
        return f"for j > i the bias is finite, up to {largest:.4g}: only −∞ hides a key whatever its score."
    if not found[later].isneginf().all():
        return "later keys are not hidden: with j > i the bias is −∞."
    i, j = (((found - right).nan_to_num().abs() * ~later) > 1e-7).nonzero()[0].tolist()
    return f"row {i}, column {j} is {found[i, j].item():.4g}; expected {right[i, j].item():.4g}."
