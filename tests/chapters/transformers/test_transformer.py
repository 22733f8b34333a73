"""Transformer: the page is the package's, the explorer counts what labutils counts, the checks judge."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from engine import Engine
from labutils import data
from labutils.checks import evaluate
from labutils.models import transformer as library
from labutils.models.attention import MultiHeadAttention, causal_mask
from labutils.models.config import ModelConfig
from labutils.models.positions import alibi
from labutils.models.sizes import count_parameters
from labutils.models.transformer import GPT, Stack
from labutils.text import Vocabulary, batches, k_fold
from labutils.training import evaluate_bits, train
from places import run_cells, sources

# --- The block


def block(x: Any, a: Any, f: Any, n1: Any, n2: Any) -> Any:
    h = x + a(n1(x))
    return h + f(n2(h))


def post_norm(x: Any, a: Any, f: Any, n1: Any, n2: Any) -> Any:
    h = n1(x + a(x))
    return n2(h + f(h))


def without_first(x: Any, a: Any, f: Any, n1: Any, n2: Any) -> Any:
    h = a(n1(x))
    return h + f(n2(h))


def without_second(x: Any, a: Any, f: Any, n1: Any, n2: Any) -> Any:
    return f(n2(x + a(n1(x))))


def carries_the_normed(x: Any, a: Any, f: Any, n1: Any, n2: Any) -> Any:
    x = n1(x)
    x = x + a(x)
    return x + f(n2(x))


def in_place(x: Any, a: Any, f: Any, n1: Any, n2: Any) -> Any:
    x += a(n1(x))
    return x + f(n2(x))


def plain(x: Any) -> Any:
    return x


# --- Counting


def count(
    n_layer: int,
    d: int,
    n_vocab: int,
    n_context: int,
    tied: bool = True,
    *,
    matrices: int = 4,
    ff: int = 4,
    linear_bias: bool = True,
    norm: int = 2,
    norms: int = 2,
    last: bool = True,
    positions: bool = True,
    head: bool | None = None,
) -> Any:
    attention = matrices * (d * d + linear_bias * d)
    feed_forward = 2 * ff * d * d + linear_bias * (ff * d + d)
    total = n_vocab * d + positions * n_context * d
    total += n_layer * (attention + feed_forward + norms * norm * d) + last * norm * d
    return total + (not tied if head is None else head) * n_vocab * d


def counted_in_torch(*sizes: Any, **tied: Any) -> Any:
    return torch.tensor(count(*sizes, **tied))


# --- The mask


def other(ids: Any, t: int) -> Any:
    ids = ids.clone()
    ids[:, t] = (ids[:, t] + 1) % 11
    return ids


def leaks(model: Any, ids: Any, *, step: int = 0, last: int | None = None, same: Any = torch.allclose) -> Any:
    """Change one token after another and compare the outputs before it."""
    was = model.training
    model.eval()
    before = model(ids)
    found = False
    for t in range(1, ids.shape[1])[:last]:
        found = found or not same(model(other(ids, t))[:, : t - step], before[:, : t - step])
    model.train(was)
    return found


def by_length(model: Any, ids: Any, *, every: bool = True, compare: Any = torch.allclose) -> bool:
    """Cut the text off: what stands before the cut must stay."""
    was = model.training
    model.eval()
    whole = model(ids)
    cuts = range(1, ids.shape[1]) if every else [ids.shape[1] // 2]
    found = any(not compare(model(ids[:, :t]), whole[:, :t]) for t in cuts)
    model.train(was)
    return found


def without_eval(model: Any, ids: Any) -> bool:
    before = model(ids)
    return any(not torch.allclose(model(other(ids, t))[:, :t], before[:, :t]) for t in range(1, ids.shape[1]))


def left_in_evaluation(model: Any, ids: Any) -> Any:
    model.eval()
    return leaks(model, ids)


def left_in_training(model: Any, ids: Any) -> Any:
    found = leaks(model, ids)
    model.train()
    return found


def in_place_leaks(model: Any, ids: Any) -> bool:
    """Writes into the ids that it is given: they are a copy."""
    was, found = model.training, False
    model.eval()
    before = model(ids)
    for t in range(ids.shape[1] - 1, 0, -1):
        ids[:, t] = (ids[:, t] + 1) % 11
        found = found or not torch.allclose(model(ids)[:, :t], before[:, :t])
    model.train(was)
    return found


def half(model: Any, ids: Any, rest: Any) -> Any:
    """Change all of the second half at once."""
    was, n = model.training, ids.shape[1] // 2
    model.eval()
    changed = ids.clone()
    changed[:, n:] = rest(ids[:, n:])
    found = not torch.allclose(model(changed)[:, :n], model(ids)[:, :n])
    model.train(was)
    return found


def only_at(model: Any, ids: Any, where: Any) -> Any:
    """All positions change, but only outputs at `where(t)` are compared."""
    was = model.training
    model.eval()
    found = any(
        not torch.allclose(model(other(ids, t))[:, where(t)], model(ids)[:, where(t)])
        for t in range(1, ids.shape[1])
    )
    model.train(was)
    return found


def to_zero(model: Any, ids: Any) -> bool:
    was = model.training
    model.eval()
    found = False
    for t in range(1, ids.shape[1]):
        changed = ids.clone()
        changed[:, t] = 0
        found = found or not torch.allclose(model(changed)[:, :t], model(ids)[:, :t])
    model.train(was)
    return found


def at_itself(model: Any, ids: Any) -> bool:
    was = model.training
    model.eval()
    found = any(
        not torch.allclose(model(other(ids, t))[:, : t + 1], model(ids)[:, : t + 1])
        for t in range(ids.shape[1])
    )
    model.train(was)
    return found


# --- Positions


def distances(n: int) -> Any:
    return torch.arange(n)[:, None] - torch.arange(n)[None, :]


def hidden(bias: Any) -> Any:
    return bias.masked_fill(distances(len(bias)) < 0, -math.inf)


def bias(n: int, slope: float) -> Any:
    return hidden(-slope * distances(n))


RIGHT: dict[str, list[Any]] = {
    "pre_norm_block": [
        block,
        in_place,
        lambda *given: block(*given).float(),
        lambda *given: block(*given).detach().numpy(),
    ],
    "count": [
        count,
        counted_in_torch,
        lambda *sizes, **tied: np.int64(count(*sizes, **tied)),
        lambda *sizes, **tied: np.array([count(*sizes, **tied)]),
    ],
    "leaks": [leaks, by_length, in_place_leaks, lambda model, ids: torch.tensor(leaks(model, ids))],
    "relative_bias": [
        bias,
        lambda n, slope: bias(n, slope).numpy(),
        lambda n, slope: bias(n, slope).tolist(),
        lambda n, slope: bias(n, slope).half(),
    ],
}


def raises(*arguments: Any, **options: Any) -> Any:
    raise ZeroDivisionError("own fault")


def without_dropout(model: Any) -> Any:
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    return model


WRONG: list[tuple[str, Any, str]] = [
    ("pre_norm_block", post_norm, "that is post-norm: normalise what goes into"),
    ("pre_norm_block", without_first, "the first residual is missing"),
    ("pre_norm_block", without_second, "the second residual is missing"),
    ("pre_norm_block", lambda x, a, f, n1, n2: f(n2(a(n1(x)))), "both residuals are missing"),
    ("pre_norm_block", lambda x, a, f, n1, n2: block(x, a, f, n1, n1), "norm_1 is used twice"),
    ("pre_norm_block", lambda x, a, f, n1, n2: block(x, a, f, n2, n2), "norm_2 is used twice"),
    ("pre_norm_block", lambda x, a, f, n1, n2: block(x, a, f, n2, n1), "the norms have changed places"),
    ("pre_norm_block", lambda x, a, f, n1, n2: block(x, a, f, plain, n2), "attention reads x as it is"),
    ("pre_norm_block", lambda x, a, f, n1, n2: block(x, a, f, n1, plain), "reads its input as it is"),
    ("pre_norm_block", lambda x, a, f, n1, n2: block(x, a, f, plain, plain), "neither norm is used"),
    ("pre_norm_block", lambda x, a, f, n1, n2: block(x, f, a, n1, n2), "feed-forward layer comes first: att"),
    ("pre_norm_block", lambda x, a, f, n1, n2: block(x, f, a, n2, n1), "feed-forward layer comes first: att"),
    ("pre_norm_block", lambda x, a, f, n1, n2: post_norm(x, f, a, n1, n2), "post-norm, and the feed-forward"),
    ("pre_norm_block", lambda x, a, f, n1, n2: x + a(n1(x)) + f(n2(x)), "both sublayers read x"),
    ("pre_norm_block", lambda x, a, f, n1, n2: x + f(n2(x + a(n1(x)))), "the second residual adds x"),
    ("pre_norm_block", carries_the_normed, "the normalised x was added"),
    (
        "pre_norm_block",
        lambda x, a, f, n1, n2: block(x, lambda x: n1(a(x)), lambda x: n2(f(x)), plain, plain),
        "they belong in front",
    ),
    ("pre_norm_block", lambda x, a, f, n1, n2: n2(block(x, a, f, n1, n2)), "a norm too many at the end"),
    ("pre_norm_block", lambda x, a, f, n1, n2: x + a(n1(x)), "the feed-forward sublayer is missing"),
    ("pre_norm_block", lambda x, a, f, n1, n2: x + f(n2(x)), "attention is missing"),
    ("pre_norm_block", lambda x, a, f, n1, n2: 2 * block(x, a, f, n1, n2), "is not h + feed_forward"),
    ("pre_norm_block", lambda x, *parts: block(x, *parts)[:, -1], "has shape (2, 4)"),
    ("pre_norm_block", lambda x, *parts: (block(x, *parts), x), "a tuple of 2"),
    ("pre_norm_block", lambda x, *parts: "a block", "is a str"),
    ("pre_norm_block", raises, "your code raised ZeroDivisionError: own fault"),
    ("count", partial(count, linear_bias=False), "the biases of the linear layers are missing"),
    ("count", partial(count, linear_bias=False, norm=1), "all biases are missing"),
    ("count", partial(count, last=False), "the norm after the last block is missing"),
    ("count", partial(count, head=True), "a tied output layer is counted"),
    ("count", partial(count, head=False), "the output layer is missing, and untied"),
    ("count", lambda *sizes, tied=True: count(*sizes, tied=not tied), "a tied output layer is counted"),
    ("count", partial(count, positions=False), "the positions are missing"),
    ("count", partial(count, norms=1), "a block has two norms"),
    ("count", partial(count, norm=0), "no norm is counted"),
    ("count", partial(count, norm=1), "a norm has a scale and a shift"),
    ("count", partial(count, matrices=3), "three were counted"),
    (
        "count",
        lambda n_layer, d, *sizes, **tied: count(n_layer, d, *sizes, **tied) - n_layer * d * d,
        "three and four were counted",
    ),
    ("count", partial(count, ff=1), "d_model wide instead of 4 d_model"),
    (
        "count",
        lambda n_layer, d, *sizes, **tied: count(n_layer, d, *sizes, **tied) - 4 * n_layer * d * d,
        "has two matrices, one was counted",
    ),
    (
        "count",
        lambda n_layer, d, n_vocab, *sizes, **tied: count(n_layer, d, n_vocab, *sizes, **tied) + n_vocab,
        "no bias, n_vocab too many",
    ),
    (
        "count",
        lambda n_layer, d, n_vocab, *sizes, **tied: count(n_layer, d, n_vocab, *sizes, **tied) - d * n_vocab,
        "the token embedding is missing",
    ),
    ("count", lambda n_layer, *sizes, **tied: count(1, *sizes, **tied), "one block was counted"),
    ("count", partial(count, last=False, positions=False), "is missing; and the positions are missing"),
    (
        "count",
        partial(count, linear_bias=False, head=True),
        "linear layers are missing, 9 d_model a block; a",
    ),
    ("count", lambda *sizes, **tied: count(*sizes, **tied) + 5, "expected 124,439,808, +5"),
    ("count", lambda *sizes, **tied: count(*sizes, **tied) / 1, "is right, but a float"),
    ("count", lambda *sizes, **tied: float("nan"), "gave nan; expected 124,439,808"),
    ("count", lambda *sizes, **tied: 2 * sizes[0], "gave 24; expected"),
    ("count", lambda *sizes, **tied: True, "returned a bool"),
    ("count", lambda *sizes, **tied: {"total": count(*sizes, **tied)}, "returned a dict"),
    ("count", lambda n_layer, d, n_vocab, n_context: count(n_layer, d, n_vocab, n_context), "TypeError"),
    ("count", raises, "your code raised ZeroDivisionError: own fault"),
    ("leaks", lambda model, ids: leaks(model.requires_grad_(False), ids), "left changed"),
    ("leaks", lambda model, ids: leaks(without_dropout(model), ids), "left changed"),
    ("leaks", lambda model, ids: not leaks(model, ids), "True and False have changed places"),
    ("leaks", lambda model, ids: True, "it is True for a model that only looks back"),
    ("leaks", lambda model, ids: False, "it is False for a model in which every position"),
    ("leaks", at_itself, "True for a model that only looks back"),
    ("leaks", partial(leaks, step=1), "each position sees one step ahead"),
    ("leaks", partial(leaks, last=-1), "every position sees the last token"),
    ("leaks", partial(half, rest=lambda rest: (rest + 1) % 11), "only position 0 looks ahead, to position 1"),
    ("leaks", partial(by_length, every=False), "only position 0 looks ahead, to position 1"),
    ("leaks", partial(only_at, where=lambda t: t - 1), "only position 0 looks ahead, to position 7"),
    (
        "leaks",
        partial(only_at, where=lambda t: 0),
        "only position 3 looks ahead",
    ),
    ("leaks", partial(half, rest=lambda rest: rest.flip(1)), "only position 0 looks ahead, to position 1"),
    ("leaks", partial(leaks, same=partial(torch.allclose, atol=0.1)), "the tolerance is too wide"),
    ("leaks", partial(leaks, same=torch.equal), "by rounding only"),
    ("leaks", partial(by_length, compare=torch.equal), "by rounding only"),
    ("leaks", without_eval, "model.eval() first"),
    ("leaks", left_in_evaluation, "came in training mode and is left in evaluation mode"),
    ("leaks", left_in_training, "came in evaluation mode and is left in training mode"),
    ("leaks", to_zero, "missed where that is 0"),
    ("leaks", lambda model, ids: int(leaks(model, ids)), "it returned a int"),
    ("leaks", lambda model, ids: model(ids), "it returned a Tensor"),
    ("leaks", raises, "your code raised ZeroDivisionError: own fault"),
    ("relative_bias", lambda n, slope: bias(n, -slope), "the sign is wrong"),
    ("relative_bias", lambda n, slope: -slope * distances(n).abs(), "the absolute value"),
    ("relative_bias", lambda n, slope: alibi(1, n)[0] * slope * 256, "the absolute value"),
    ("relative_bias", lambda n, slope: -slope * distances(n), "a bonus"),
    ("relative_bias", lambda n, slope: (-slope * distances(n)).tril(), "bias 0, which hides nothing"),
    ("relative_bias", lambda n, slope: bias(n, slope).T, "rows and columns have changed places"),
    ("relative_bias", lambda n, slope: bias(n, 1.0), "slope is not used"),
    ("relative_bias", lambda n, slope: bias(n, 1 / slope), "divided by the slope"),
    ("relative_bias", lambda n, slope: hidden(slope ** distances(n).abs()), "a power of the slope"),
    ("relative_bias", lambda n, slope: bias(n, slope).fill_diagonal_(-math.inf), "the diagonal is hidden"),
    ("relative_bias", lambda n, slope: bias(n, slope) - slope, "too low by one slope"),
    ("relative_bias", lambda n, slope: torch.zeros(n, n), "0 everywhere"),
    ("relative_bias", lambda n, slope: bias(n, 0.0), "the causal mask alone"),
    ("relative_bias", lambda n, slope: bias(n, slope).clamp(min=-1e9), "finite, up to -1e+09"),
    (
        "relative_bias",
        lambda n, slope: -slope * distances(n).tril() + -math.inf * torch.ones(n, n).triu(1),
        "0 · ∞ is no number",
    ),
    ("relative_bias", lambda n, slope: bias(n, 2 * slope).clamp(min=-9.0), "later keys are not hidden"),
    ("relative_bias", lambda n, slope: bias(n, 2 * slope), "row 1, column 0 is -0.5; expected -0.25"),
    ("relative_bias", lambda n, slope: bias(n, slope)[-1], "has shape (5,)"),
    ("relative_bias", lambda n, slope: bias(5, slope), "has shape (5, 5); expected (1, 1)"),
    ("relative_bias", lambda n, slope: "−1", "returned a str"),
    ("relative_bias", raises, "your code raised ZeroDivisionError: own fault"),
]


def test_checks_leave_the_random_numbers_of_the_notebook_alone() -> None:
    for name, answers in RIGHT.items():
        before = torch.get_rng_state()
        evaluate(f"transformer.{name}", answers[0])
        assert torch.equal(torch.get_rng_state(), before), name


# --- The references are what the models of this book do


@pytest.mark.parametrize(
    "sizes", [(12, 768, 50_257, 1024, True), (12, 768, 50_257, 1024, False), (5, 14, 97, 33, True)]
)
def test_count_is_what_a_gpt_has(sizes: Any) -> None:
    n_layer, d_model, n_vocab, n_context, tied = sizes
    with torch.device("meta"):
        model = GPT(
            ModelConfig(
                n_layer=n_layer,
                d_model=d_model,
                n_vocab=n_vocab,
                n_context=n_context,
                tied=tied,
                n_head=2,
            )
        )
    assert sum(p.numel() for p in model.parameters()) == count(*sizes)


def test_the_block_is_the_packages() -> None:
    torch.manual_seed(0)
    config = ModelConfig(n_layer=1, d_model=8, n_vocab=5, n_context=6, n_head=2, positions="none")
    stack = Stack(config, causal=True)
    own: Any = stack.blocks[0]
    x = torch.randn(2, 6, 8)
    parts = (partial(own.attention, causal=True), own.feed_forward, own.attention_norm, own.feed_forward_norm)
    torch.testing.assert_close(stack.last_norm(block(x, *parts)), stack(x))


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("positions", ["learned", "rotary", "alibi"])
@pytest.mark.parametrize("causal", [True, False])
def test_what_passes_as_leaks_judges_a_gpt(positions: Any, causal: bool, fused: bool) -> None:
    torch.manual_seed(0)
    model = GPT(
        ModelConfig(
            n_layer=2,
            d_model=8,
            n_vocab=11,
            n_context=6,
            n_head=2,
            positions=positions,
            causal=causal,
            fused=fused,
            dropout=0.3,
        )
    )
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(10)
    ids = torch.randint(11, (2, 6))
    same = partial(torch.allclose, rtol=1e-4, atol=1e-5)
    assert leaks(model, ids, same=same) == by_length(model, ids, compare=same) == (not causal)


def test_bias_equals_the_packages_alibi() -> None:
    for h, slope in enumerate((2**-4, 2**-8)):
        torch.testing.assert_close(bias(6, slope), hidden(alibi(2, 6)[h]))
    weights = F.softmax(bias(6, 0.5), dim=-1)
    assert (weights.triu(1) == 0).all()


# --- The page


CONFIG = ModelConfig(n_vocab=30, n_context=16, n_layer=2, n_head=4, d_model=16)
GIVEN = {
    "math": math, "re": re, "np": np, "torch": torch, "F": F, "nn": nn, "replace": replace,
    "library": library, "MultiHeadAttention": MultiHeadAttention, "ModelConfig": ModelConfig,
    "Vocabulary": Vocabulary, "batches": batches, "k_fold": k_fold, "train": train,
    "evaluate_bits": evaluate_bits, "data": data,
}  # fmt: skip


def definition(cell: str, name: str) -> str:
    """The source of one function, with its decorator, of a cell that does more."""
    found = re.search(
        rf"^(@.+\n)?def {name}\(.*\n(?:[ \t].*\n?|\n)+", sources("transformer")[cell], re.MULTILINE
    )
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
    config = replace(config, n_layer=1, positions="none")
    theirs = perturbed(library.Stack(config, causal=causal, cross=cross))
    ours = run_cells("transformer", ["block"], **GIVEN)["Block"](config, causal, cross)
    ours.load_state_dict(theirs.blocks[0].state_dict())
    g = torch.Generator().manual_seed(2)
    x, memory = torch.randn(2, 6, 16, generator=g), torch.randn(2, 4, 16, generator=g) if cross else None
    torch.testing.assert_close(theirs.last_norm(ours(x, memory)), theirs(x, memory=memory))


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_models(norm: Any) -> None:
    config, page = (
        replace(CONFIG, norm=norm),
        run_cells("transformer", ["block", "stack", "models", "encoder-decoder"], **GIVEN),
    )
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
    assert page["formula"](*sizes) == count(*sizes)


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
    Listing = run_cells("transformer", ["listing", "listing-model"], **GIVEN)["Listing"]
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


def test_a_smaller_rate_replaces_warm_up() -> None:
    """Exercise 6: post-norm learns at a third of the rate, and with two blocks at all of it."""
    page = run_cells("transformer", ["text", "build"], **GIVEN)
    for cell, name in (("norm-gradients", "glorot"), ("warm-up", "warm")):
        exec(definition(cell, name), page)
    for seed in range(7):
        assert page["warm"]("post", seed, 1, rate=0.0033)[-10:].mean() < 3.5
        assert page["warm"]("post", seed, 1, n_layer=2)[-10:].mean() < 3.5


# --- The explorer


SIZES: dict[str, list[int]] = {
    "n_layer": [1, 2, 4, 6, 12, 24, 48, 96],
    "d_model": [64, 128, 256, 512, 768, 1024, 1600, 4096, 12288],
    "n_context": [0, 64, 256, 512, 1024, 2048, 8192, 32768],
    "n_vocab": [64, 256, 1000, 4000, 16000, 30522, 50257, 128256, 256000],
}
TIED = {False: "a matrix of its own", True: "tied: the embedding's"}
SMALL = {"n_layer": 12, "d_model": 768, "n_context": 1024, "n_vocab": 50_257}


def counted(n_layer: int, d_model: int, n_vocab: int, n_context: int, tied: bool) -> dict[str, int]:
    sizes = {"n_layer": n_layer, "d_model": d_model, "n_vocab": n_vocab, "n_context": max(n_context, 1)}
    positions: Any = "learned" if n_context else "none"
    config: Any = ModelConfig(**sizes, n_head=1, tied=tied, positions=positions)
    return count_parameters(config)


def places(tied: bool = True, **sizes: int) -> dict[str, Any]:
    """The values of the controls for these sizes; the others are those of GPT-2 small."""
    given = SMALL | sizes
    return {name: SIZES[name].index(size) for name, size in given.items()} | {"tied": TIED[tied]}


@pytest.mark.parametrize("tied", [True, False])
def test_counts_equal_the_packages_over_all_sizes(engine: Engine, tied: bool) -> None:
    """Every size at least twice with every other: all pairs of layers and widths, the others in turn."""
    for i, (n_layer, d_model) in enumerate(product(SIZES["n_layer"], SIZES["d_model"])):
        n_context = SIZES["n_context"][i % 8]
        for n_vocab in (SIZES["n_vocab"][i % 9], SIZES["n_vocab"][(i + 4) % 9]):
            values = places(tied, n_layer=n_layer, d_model=d_model, n_context=n_context, n_vocab=n_vocab)
            found = engine.compute("block", values)
            expected, parts = counted(n_layer, d_model, n_vocab, n_context, tied), found["parts"]
            norms = parts["attention norms"] + parts["feed-forward norms"] + parts["last norm"]
            assert {
                "token embedding": parts["token embedding"],
                "positions and segments": parts["positions"],
                "attention": parts["attention"],
                "feed-forward": parts["feed-forward"],
                "normalisation": norms,
                "pooler": 0,
                "output": parts["output"],
                "total": found["total"],
            } == expected
            assert found["blocks"] == expected["attention"] + expected["feed-forward"] + norms - 2 * d_model


def test_controls_offer_these_sizes(engine: Engine) -> None:
    figure = engine.markup("block")
    for name, sizes in SIZES.items():
        slider = figure.select_one(f"input[data-name={name}]")
        assert slider is not None
        assert (slider["min"], slider["max"]) == ("0", str(len(sizes) - 1))
        for place, size in enumerate(sizes):
            control = f'labutils.explorers.block.controls.find((control) => control.name === "{name}")'
            assert engine.run(f"{control}.format({place})") == (
                f"{size:,}" if size else "no learned positions"
            )
        assert slider["aria-valuetext"] == f"{SMALL[name]:,}"  # a screen reader hears the size, not the place
    assert [option.get_text() for option in figure.select("option")] == list(TIED.values())


@pytest.mark.parametrize(
    ("button", "sizes"),
    [
        ("small", SMALL),
        ("three", {"n_layer": 96, "d_model": 12_288, "n_context": 2048, "n_vocab": 50_257}),
    ],
)
def test_buttons_set_known_models(engine: Engine, button: str, sizes: dict[str, int]) -> None:
    press = f'labutils.explorers.block.controls.find((control) => control.name === "{button}").press()'
    assert engine.run(press) == places(**sizes)


def said(engine: Engine, tied: bool = True, **sizes: int) -> str:
    line = engine.markup("block", **places(tied, **sizes)).select_one(".labutils-say")
    assert line is not None
    return line.get_text().replace("\N{NO-BREAK SPACE}", " ")


def test_says_what_weighs_most(engine: Engine) -> None:
    assert said(engine) == (
        "124 M parameters: attention 23 %, feed-forward layers 46 %, embedding 31 %, positions under 1 %. "
        "The blocks weigh most: a block has about as many parameters as 12 · 768 = 9,216 token vectors, "
        "all 12 as 110,592; the vocabulary has 50,257, the positions 1,024."
    )
    untied = said(engine, tied=False)
    assert untied.startswith("163 M parameters")
    assert "embedding and output layer 47 %" in untied
    assert "the vocabulary has 100,514" in untied
    assert "The vocabulary weighs most" in said(engine, n_layer=4)
    assert "The positions weigh most" in said(engine, n_layer=1, d_model=64, n_vocab=64)
    assert said(engine, n_layer=96, d_model=12_288, n_context=2048).startswith("175 B parameters")
    assert "positions 0 %" in said(engine, n_context=0)


@pytest.mark.parametrize(("tied", "n_context"), [(True, 0), (True, 1024), (False, 0), (False, 1024)])
def test_bars_are_as_long_as_parts_are_large(engine: Engine, tied: bool, n_context: int) -> None:
    values = places(tied, n_context=n_context)
    drawn = engine.markup("block", **values)
    bars = [float(bar["width"]) for bar in drawn.select("svg rect:not(.hollow)")]  # type: ignore[arg-type]
    parts = list(engine.compute("block", values)["parts"].values())
    assert len(bars) == len(parts) == 8
    for bar, part in zip(bars, parts, strict=True):
        assert bar == pytest.approx(max(bars) * part / max(parts), abs=0.01)
    words = " ".join(text.get_text() for text in drawn.select("svg text"))
    assert "× 12 blocks" in words
    assert ("none of its own" in words) == tied
    assert ("none learned" in words) == (n_context == 0)
    assert not re.search(r"NaN|undefined|Infinity", str(drawn))


def test_one_block_is_not_blocks(engine: Engine) -> None:
    assert "× 1 block<" in str(engine.markup("block", **places(n_layer=1)))
