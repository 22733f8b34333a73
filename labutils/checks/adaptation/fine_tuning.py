"""Checks for the exercises of notebooks/adaptation/fine_tuning.ipynb."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labutils.checks.adaptation import _reward as _reward  # makes fine_tuning.reinforce_loss known
from labutils.checks.answers import Wrong, array, number, same, slip
from labutils.checks.core import exercise


def _draw(*shapes: tuple[int, ...], seed: int) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=g) for shape in shapes]


def _told(found: Any, right: Tensor, what: str, mistakes: list[tuple[Tensor, str]]) -> str | None:
    if isinstance(found, tuple):
        raise Wrong(f"it returned a tuple of {len(found)}: return {what} alone.")
    for value, why in mistakes:  # some have another shape
        if value.shape != right.shape and same(found, value, 1e-4, 1e-5):
            return f"{why}."
    array(found, right.shape, what)
    if same(found, right, 1e-4, 1e-5):
        return None
    named = slip(found, mistakes)
    return f"{named or f'{what} differs from the right one, with random inputs of standard deviation 1'}."


@exercise("fine_tuning.count")
def count(answer: Any) -> str | None:
    """32 blocks, two matrices, rank 16, 4096 + 4096."""
    right = 32 * 2 * 16 * (4096 + 4096)
    mistakes = [
        (right // 2, "that is half of it: B is not counted, or the second matrix of each block"),
        (right // 32, "that is one block: there are 32"),
        (right // 4, "that is a quarter: two matrices a block, and each has an A and a B"),
        (32 * 2 * 4096 * 4096, "that is all of both matrices: LoRA leaves them frozen"),
        (32 * 2 * 16 * 4096 * 4096, "that multiplies both widths: A and B stand beside each other, so add"),
        (right + 32 * 2 * 4096 * 4096, "that adds the frozen matrices: they are not trained"),
        (right * 2, "twice too many: two matrices of each block, not four; and weights are asked, not bytes"),
        (right / 1e6, "that is in millions: give the number itself"),
        (32 * 2 * 16, "that counts the ranks: each has a row of A and a column of B"),
        (right // 16, "that is rank 1: the rank is 16"),
    ]
    found = number(answer, "your count")
    if same(found, right, 1e-9, 0):
        return None
    why = slip(found, mistakes, 1e-9)
    return f"{why or 'that is not it: blocks × matrices × rank × (width in + width out)'}."


@exercise("fine_tuning.lora")
def lora(answer: Any) -> str | None:
    """The output of a linear layer with LoRA; shapes that no two coincide in."""
    for axes in ((3,), (2, 3)):
        x, weight, bias, a, b = _draw((*axes, 6), (5, 6), (5,), (2, 6), (5, 2), seed=len(axes))
        alpha, base = 7.0, x @ weight.T + bias
        product = x @ a.T @ b.T
        found = answer(x, weight, bias, a, b, alpha)
        mistakes = [
            (base, "the product is not added, or is zero"),
            (base + product, "the factor alpha / rank is missing"),
            (base + alpha * product, "multiplied by alpha: it is alpha / rank, here 7 / 2"),
            (base + product / 2, "divided by the rank, but alpha is missing"),
            (base + alpha // 2 * product, "divided in whole numbers: use /, not //"),
            (base + product * 2 / alpha, "the factor is upside down: alpha / rank"),
            (base + alpha / 6 * product, "divided by the width of x: the rank is the number of rows of A"),
            (
                base + alpha / 5 * product,
                "divided by the output's width: the rank is the number of rows of A",
            ),
            (x @ weight.T + alpha / 2 * product, "the bias is missing"),
            (alpha / 2 * product, "only the product: the frozen layer's output is missing"),
            (alpha / 2 * product + bias, "the frozen matrix is missing"),
            (base - alpha / 2 * product, "the product is taken off: add it"),
            (
                alpha / 2 * (base + product),
                "the factor scales the frozen layer, too: only the product has it",
            ),
            (x @ weight.T + alpha / 2 * (product + bias), "the factor scales the bias, too"),
        ]
        told = _told(found, base + alpha / 2 * product, "the output", mistakes)
        if told:
            return told
    return None


@exercise("fine_tuning.merge")
def merge(answer: Any) -> str | None:
    """One matrix in place of two; the frozen one must not be changed where a copy is asked."""
    weight, a, b = _draw((5, 5), (2, 5), (5, 2), seed=3)
    alpha, product = 7.0, b @ a
    mistakes = [
        (weight, "nothing was added"),
        (weight + product, "the factor alpha / rank is missing"),
        (weight + alpha * product, "multiplied by alpha: it is alpha / rank, here 7 / 2"),
        (weight + 3.5 * product.T, "the product is transposed: B A, not (B A)ᵀ"),
        (weight + alpha / 5 * product, "divided by the width: the rank is the number of rows of A"),
        (weight - 3.5 * product, "the product was taken off: add it"),
        (3.5 * product, "only the product: the frozen matrix is missing"),
        (weight.T + 3.5 * product, "the frozen matrix is transposed"),
        (weight @ (3.5 * product), "the matrices were multiplied: add them"),
        (weight + product / 2, "alpha is missing: the factor is alpha / rank"),
        (weight + 2 / alpha * product, "the factor is upside down: alpha / rank"),
    ]
    return _told(answer(weight, a, b, alpha), weight + 3.5 * product, "the matrix", mistakes)


@exercise("fine_tuning.prefix")
def prefix(answer: Any) -> str | None:
    """One head's attention with a prefix that no mask hides."""
    q, k, v, prefix_k, prefix_v = _draw((4, 8), (6, 8), (6, 3), (2, 8), (2, 3), seed=4)
    mask = torch.ones(4, 6, dtype=torch.bool).tril(1)

    def attend(keys: Tensor, values: Tensor, seen: Tensor, scale: float = 8**-0.5) -> Tensor:
        return (q @ keys.T * scale).masked_fill(~seen, -torch.inf).softmax(-1) @ values

    keys, values = torch.cat([prefix_k, k]), torch.cat([prefix_v, v])
    seen = torch.cat([torch.ones(4, 2, dtype=torch.bool), mask], 1)
    late = torch.cat([mask, torch.ones(4, 2, dtype=torch.bool)], 1)
    weights_own = (q @ k.T * 8**-0.5).masked_fill(~mask, -torch.inf).softmax(-1)
    weights_prefix = (q @ prefix_k.T * 8**-0.5).softmax(-1)
    everything = torch.ones(4, 8, dtype=torch.bool)
    mistakes = [
        (
            attend(k, v, mask),
            "the prefix changes nothing: it is left out, or the mask hides it, and every query should see it",
        ),
        (attend(keys, values, late), "the mask is widened on the wrong side: the prefix stands in front"),
        (attend(keys, values, torch.cat([seen[:, :2], ~mask], 1)), "the mask is turned round: True is seen"),
        (
            ((q @ keys.T * 8**-0.5).softmax(-1) * seen) @ values,
            "masked after the softmax, so that rows no longer sum to 1",
        ),
        (attend(keys, values, everything), "the mask is lost: a query sees keys that it may not"),
        (attend(keys, values, seen, 1.0), "the scores are not divided by √d"),
        (attend(keys, values, seen, 1 / 8), "divided by d: it is the root of d"),
        (
            weights_own @ v + weights_prefix @ prefix_v,
            "two softmaxes were added: one softmax runs over prefix and keys together",
        ),
        (attend(keys, torch.cat([v, prefix_v]), seen), "values and keys stand in different orders"),
        (weights_prefix @ prefix_v, "only the prefix is looked at"),
        (
            attend(keys, torch.cat([torch.zeros_like(prefix_v), v]), seen),
            "the prefix's values are missing: only its keys take part",
        ),
    ]
    return _told(
        answer(q, k, v, prefix_k, prefix_v, mask), attend(keys, values, seen), "the output", mistakes
    )
