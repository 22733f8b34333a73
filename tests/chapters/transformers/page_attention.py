"""What the attention chapter defines equals what labutils keeps, and its answers' results are measured."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labutils.models import attention as library
from places import ROOT

PAGE = ROOT / "notebooks/transformers/attention.ipynb"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the page has it: two threads that wait for each other take minutes on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def define(*cells: str) -> dict[str, Any]:
    """The names that cells of the page define, with its imports but none of its data."""
    source = {cell.id: cell.source for cell in nbformat.read(PAGE, as_version=4).cells}
    names: dict[str, Any] = {"math": math, "torch": torch, "F": F, "nn": nn}
    for cell in cells:
        exec(source[cell], names)
    return names


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scale", [None, 1.0, 0.3])
@pytest.mark.parametrize("masked", [False, True])
def test_attention(scale: float | None, masked: bool) -> None:
    q, k, v = draw(2, 5, 8), draw(2, 7, 8, seed=1), draw(2, 7, 3, seed=2)
    mask = library.causal_mask(5, 7) if masked else None
    found = define("attention")["attention"](q, k, v, mask, scale)
    torch.testing.assert_close(found, library.attention(q, k, v, mask, scale))
    torch.testing.assert_close(found[0], F.scaled_dot_product_attention(q, k, v, mask, scale=scale))


def test_masks() -> None:
    page = define("masks")
    assert torch.equal(page["causal_mask"](4, 6), library.causal_mask(4, 6))
    assert torch.equal(page["causal_mask"](5), library.causal_mask(5))
    lengths = torch.tensor([3, 1, 6])
    assert torch.equal(page["padding_mask"](lengths, 6), library.padding_mask(lengths, 6))


def test_scores() -> None:
    page = define("score-modules", "additive")
    q, k = draw(2, 3, 4), draw(2, 5, 6, seed=1)
    for ours, theirs in (
        (page["General"](4, 6), library.GeneralScore(4, 6)),
        (page["Additive"](4, 6, 7), library.AdditiveScore(4, 6, 7)),
    ):
        ours.load_state_dict(theirs.state_dict())
        torch.testing.assert_close(ours(q, k), theirs(q, k))
    torch.testing.assert_close(page["dot"](q, q).softmax(-1) @ q, library.attention(q, q, q)[0])


def test_positions() -> None:
    page = define("positions")
    torch.testing.assert_close(page["sinusoidal_positions"](50, 12), library.sinusoidal_positions(50, 12))
    x = draw(2, 3, 50, 12)
    torch.testing.assert_close(page["rotate"](x), library.apply_rotary(x, *library.rotary(50, 12)))


@pytest.mark.parametrize("n_head", [1, 2, 8])
def test_multi_head(n_head: int) -> None:
    page = define("attention", "multi-head")
    layer, x, mask = library.MultiHeadAttention(16, n_head), draw(2, 6, 16), library.causal_mask(6)
    weights = layer.in_proj_weight, layer.in_proj_bias, layer.out_proj.weight, layer.out_proj.bias
    found = page["multi_head"](x, *weights, n_head, mask)
    torch.testing.assert_close(found, layer(x, mask=mask, return_weights=True))


def test_derived_divisor_of_the_bilinear_score() -> None:
    """Exercise 2: with entries of W at variance σ², the standard deviation of hᵀWh' is σ d."""
    d, n = 64, 4000
    h, other, W = draw(n, 1, d), draw(n, d, 1, seed=1), draw(n, d, d, seed=2)
    for sigma in (1.0, d**-0.5):
        assert (h @ (sigma * W) @ other).std().item() == pytest.approx(sigma * d, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_pairs", "n_hidden", "before", "after"),
    [(2, 32, 0.7, 0.75), (4, 32, 0.4, 0.41), (2, 64, 0.9, 0.95), (4, 64, 0.55, 0.6)],
)
def test_an_lstm_learns_few_pairs_given_time(
    n_pairs: int, n_hidden: int, before: float, after: float
) -> None:
    """Exercise 6: 1,000 steps take the LSTM away from guessing, the more so the wider it is."""
    page = define("attention", "task", "lookup-model", "train", "loop-count", "remember")
    for seed in range(3):
        _, right = page["train"](
            lambda: page["Remember"](64, n_hidden), seed, n_pairs, 1000, 1e-2, n_batch=64, every=250
        )
        assert right[0] < before
        assert right[-1] > after


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "divided", "undivided"),
    [(2.5e-4, (0.97, 1.0), (0.6, 0.97)), (1e-3, (0.97, 1.0), (0.05, 0.5)), (8e-3, (0.0, 0.35), (0.0, 0.35))],
)
def test_the_division_moves_the_range_of_rates(
    rate: float, divided: tuple[float, float], undivided: tuple[float, float]
) -> None:
    """Exercise 7: what rates the layer of the opening learns at, with the division and without."""
    page = define("attention", "task", "lookup-model", "train")
    for scale, (low, high) in ((None, divided), (1.0, undivided)):
        runs = [
            page["train"](lambda s=scale: page["LookUp"](256, s), seed, 8, 120, rate, every=120)[1][-1]
            for seed in range(3)
        ]
        assert low <= sum(runs) / 3 <= high
