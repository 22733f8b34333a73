"""Every check accepts the right answer and says what is wrong with plausible wrong ones."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from labutils.checks import evaluate, names
from labutils.models.positions import alibi
from labutils.models.transformer import GPT, Block, ModelConfig

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


def changes_ids(model: Any, ids: Any) -> bool:
    before = model(ids)
    ids[:, -1] = (ids[:, -1] + 1) % 11
    return not torch.allclose(model(ids)[:, :-1], before[:, :-1])


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
    "pre_norm_block": [block],
    "count": [count],
    "leaks": [leaks, by_length, lambda model, ids: torch.tensor(leaks(model, ids))],
    "relative_bias": [
        bias,
        lambda n, slope: bias(n, slope).numpy(),
        lambda n, slope: bias(n, slope).tolist(),
        lambda n, slope: bias(n, slope).half(),
    ],
}


def raises(*arguments: Any, **options: Any) -> Any:
    raise ZeroDivisionError("own fault")


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
    ("pre_norm_block", in_place, "x itself was changed"),
    ("pre_norm_block", lambda x, a, f, n1, n2: 2 * block(x, a, f, n1, n2), "is not h + feed_forward"),
    ("pre_norm_block", lambda x, *parts: block(x, *parts)[:, -1], "has shape (2, 4)"),
    ("pre_norm_block", lambda x, *parts: (block(x, *parts), x), "a tuple of 2"),
    ("pre_norm_block", lambda x, *parts: block(x, *parts).tolist(), "returned a list"),
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
    ("leaks", changes_ids, "changes the ids"),
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


@pytest.mark.parametrize(("name", "answer"), [(name, a) for name, answers in RIGHT.items() for a in answers])
def test_right_answer_passes(name: str, answer: Any) -> None:
    result = evaluate(f"transformer.{name}", answer)
    assert result.status == "right", result.message


@pytest.mark.parametrize("name", RIGHT)
def test_stub_is_unanswered(name: str) -> None:
    assert evaluate(f"transformer.{name}", lambda *given, **options: None).status == "unanswered"


@pytest.mark.parametrize(("name", "answer", "message"), WRONG, ids=[f"{n}-{m}" for n, _, m in WRONG])
def test_wrong_answer_is_diagnosed(name: str, answer: Any, message: str) -> None:
    result = evaluate(f"transformer.{name}", answer)
    assert result.status == "wrong"
    assert message in result.message, result.message


def test_every_check_has_a_right_answer_and_two_wrong_ones() -> None:
    own = {name.split(".")[1] for name in names() if name.startswith("transformer.")}
    assert own == set(RIGHT)
    assert all(sum(name == wrong for wrong, _, _ in WRONG) >= 2 for name in own)


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
    own = Block(ModelConfig(n_layer=1, d_model=8, n_vocab=5, n_context=6, n_head=2), causal=True)
    x = torch.randn(2, 6, 8)
    parts = (partial(own.attention, causal=True), own.feed_forward, own.attention_norm, own.feed_forward_norm)
    torch.testing.assert_close(block(x, *parts), own(x))


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
