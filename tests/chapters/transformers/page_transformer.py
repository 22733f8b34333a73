"""What the transformer chapter defines equals what labutils keeps, and its answers' results are measured."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labutils import data
from labutils.models import transformer as library
from labutils.models.attention import MultiHeadAttention, causal_mask
from labutils.models.config import ModelConfig
from labutils.models.sizes import count_parameters
from labutils.text import Vocabulary, batches, k_fold
from labutils.training import evaluate_bits, train
from places import ROOT

PAGE = ROOT / "notebooks/transformers/transformer.ipynb"
CONFIG = ModelConfig(n_vocab=30, n_context=16, n_layer=2, n_head=4, d_model=16)
GIVEN = {
    "math": math, "re": re, "np": np, "torch": torch, "F": F, "nn": nn, "replace": replace,
    "library": library, "MultiHeadAttention": MultiHeadAttention, "ModelConfig": ModelConfig,
    "Vocabulary": Vocabulary, "batches": batches, "k_fold": k_fold, "train": train,
    "evaluate_bits": evaluate_bits, "data": data,
}  # fmt: skip


@cache
def sources() -> dict[str, str]:
    return {cell.id: cell.source for cell in nbformat.read(PAGE, as_version=4).cells}


def define(*cells: str, **names: Any) -> dict[str, Any]:
    """The names that cells of the page define, with its imports but none of its data."""
    found = GIVEN | names
    for cell in cells:
        exec(sources()[cell], found)
    return found


def definition(cell: str, name: str) -> str:
    """The source of one function, with its decorator, of a cell that does more."""
    found = re.search(rf"^(@.+\n)?def {name}\(.*\n(?:[ \t].*\n?|\n)+", sources()[cell], re.MULTILINE)
    assert found
    return found[0]


def ids(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(CONFIG.n_vocab, shape, generator=torch.Generator().manual_seed(seed))


def perturbed(model: nn.Module) -> nn.Module:
    """Biases and scales away from 0 and 1, so that none of them can be forgotten."""
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=g))
    return model.eval()


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("cross", [False, True])
def test_block(norm: Any, causal: bool, cross: bool) -> None:
    config = replace(CONFIG, norm=norm)
    theirs = perturbed(library.Block(config, causal=causal, cross=cross))
    ours = define("block")["Block"](config, causal, cross)
    ours.load_state_dict(theirs.state_dict())
    g = torch.Generator().manual_seed(2)
    x, memory = torch.randn(2, 6, 16, generator=g), torch.randn(2, 4, 16, generator=g) if cross else None
    torch.testing.assert_close(ours(x, memory), theirs(x, memory=memory))


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_models(norm: Any) -> None:
    config, page = replace(CONFIG, norm=norm), define("block", "stack", "models", "encoder-decoder")
    source, target = ids(2, 9), ids(2, 5, seed=1)
    for name, theirs, inputs in (
        ("GPT", library.GPT(config), (source,)),
        ("Encoder", library.Encoder(config, head=False), (source,)),
        ("EncoderDecoder", library.EncoderDecoder(config), (source, target)),
    ):
        ours = page["same_weights"](page[name](config), perturbed(theirs))
        torch.testing.assert_close(ours(*inputs), theirs(*inputs))


@pytest.mark.parametrize("sizes", [(12, 768, 50_257, 1024), (2, 32, 30, 16), (3, 10, 7, 5)])
def test_formula(sizes: tuple[int, int, int, int]) -> None:
    page: dict[str, Any] = {}
    exec(definition("count", "formula"), page)
    n_layer, d_model, n_vocab, n_context = sizes
    config = ModelConfig(n_layer=n_layer, d_model=d_model, n_vocab=n_vocab, n_context=n_context, n_head=1)
    assert page["formula"](*sizes) == count_parameters(config.sizes())["total"]


@pytest.mark.parametrize("causal", [False, True])
def test_what_moves_what(causal: bool) -> None:
    page = dict(GIVEN)
    exec(definition("sees", "moved_by"), page)
    model = perturbed(library.GPT(replace(CONFIG, causal=causal)))
    expected = causal_mask(7) if causal else torch.ones(7, 7, dtype=torch.bool)
    assert torch.equal(page["moved_by"](model, ids(2, 7)), expected)


def test_bits_with_the_future_hidden() -> None:
    """For a causal model they are the usual ones; for another they are not."""
    page = dict(GIVEN)
    exec(definition("honest", "honest_bits"), page)
    x, y = ids(4, 12), ids(4, 12, seed=1)
    for causal in (True, False):
        model = perturbed(library.GPT(replace(CONFIG, causal=causal)))
        with torch.no_grad():
            usual = F.cross_entropy(model(x).mT, y).item() / math.log(2)
        found = page["honest_bits"](model, x, y).mean()
        assert bool(found == pytest.approx(usual, abs=1e-4)) is causal


def test_listing() -> None:
    """The parameters of 004's listing; without mask and positions it knows the bag of tokens and no order."""
    Listing = define("listing", "listing-model")["Listing"]
    with torch.device("meta"):
        assert sum(p.numel() for p in Listing(512, 8, 10_000).parameters()) == 79_558_928
    model = Listing(16, 2, CONFIG.n_vocab).eval()
    x, order = ids(3, 8), torch.randperm(8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(x[:, order]), model(x)[:, order])
    masked = Listing(16, 2, CONFIG.n_vocab, causal=True).eval()
    torch.testing.assert_close(masked(x)[:, :5], masked(x[:, :5]))


def test_reach_of_a_mask_that_is_wrong_by_one() -> None:
    """Exercise 1: two such layers look two tokens ahead."""
    sees = torch.ones(8, 8, dtype=torch.long).tril(1)
    assert (sees @ sees)[2].bool().tolist() == [True] * 5 + [False] * 3


@pytest.mark.parametrize("n_layer", [2, 24])
def test_road_of_independent_terms(n_layer: int) -> None:
    """Exercise 2: √(1 + 2 L), and √2 with terms that are 1/√(2 L) times as large."""
    terms = torch.randn(1 + 2 * n_layer, 20_000, generator=torch.Generator().manual_seed(0))
    assert terms.sum(0).std().item() == pytest.approx(math.sqrt(1 + 2 * n_layer), rel=0.03)
    shrunk = terms[0] + terms[1:].sum(0) / math.sqrt(2 * n_layer)
    assert shrunk.std().item() == pytest.approx(math.sqrt(2), rel=0.03)


@pytest.mark.slow
def test_a_smaller_rate_replaces_warm_up() -> None:
    """Exercise 6: post-norm learns at a third of the rate, and with two blocks at all of it."""
    page = define("text", "build")
    for cell, name in (("norm-gradients", "glorot"), ("warm-up", "warm")):
        exec(definition(cell, name), page)
    for seed in range(3):
        assert page["warm"]("post", seed, 1, rate=0.0033)[-10:].mean() < 3.5
        assert page["warm"]("post", seed, 1, n_layer=2)[-10:].mean() < 3.5
