"""labutils.models.attention and .positions against torch, and as properties."""

import contextlib
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

import labutils.models.attention as attention_module
from labutils.models.attention import (
    AdditiveScore,
    GeneralScore,
    MultiHeadAttention,
    attention,
    causal_mask,
    combine,
    masked_softmax,
    padding_mask,
    watch,
)
from labutils.models.positions import alibi, apply_rotary, relative_buckets, rotary, sinusoidal_positions

quick = settings(deadline=None, max_examples=30, derandomize=True)
sizes = st.integers(1, 6)


def draw(*shapes, seed=0):
    torch.manual_seed(seed)
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


def outputs_and_gradients(function, inputs):
    output = function(*inputs)
    return output, torch.autograd.grad((output * torch.arange(output.numel()).view_as(output)).sum(), inputs)


# ---- One attention ----


@quick
@given(sizes, sizes, sizes, sizes, st.sampled_from([None, 1.0, 0.3]), st.data())
def test_equals_torch_with_any_mask(n_q, n_k, d, d_v, scale, data):
    seed = data.draw(st.integers(0, 9))
    inputs = draw((2, 3, n_q, d), (2, 3, n_k, d), (2, 3, n_k, d_v), seed=seed)
    shape = data.draw(st.sampled_from([(n_q, n_k), (2, 1, 1, n_k), (2, 3, n_q, n_k), None]))
    mask = None if shape is None else torch.rand(shape) < 0.6  # some rows see nothing
    ours = outputs_and_gradients(lambda q, k, v: attention(q, k, v, mask, scale)[0], inputs)
    theirs = outputs_and_gradients(
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask, scale=scale), inputs
    )
    assert_close(ours, theirs)


def test_bias_is_added_to_the_scores():
    q, k, v, bias = draw((2, 3, 4, 8), (2, 3, 5, 8), (2, 3, 5, 8), (3, 4, 5))
    assert_close(
        attention(q, k, v, bias)[0], F.scaled_dot_product_attention(q, k, v, bias.expand(2, 3, 4, 5))
    )


@quick
@given(sizes, sizes, st.integers(0, 20))
def test_weights_are_probabilities_over_what_is_seen(n_q, n_k, seed):
    q, k, v = draw((n_q, 4), (n_k, 4), (n_k, 4), seed=seed)
    mask = torch.rand(n_q, n_k) < 0.5
    output, weights = attention(q, k, v, mask)
    assert (weights >= 0).all()
    assert (weights[~mask] == 0).all()
    sees = mask.any(-1)
    assert_close(weights.sum(-1), sees.double())
    assert (output[~sees] == 0).all()
    # A mean stays between the smallest and the largest value.
    for row, seen in zip(output[sees], mask[sees], strict=True):
        assert (row <= v[seen].max(0).values + 1e-9).all()
        assert (row >= v[seen].min(0).values - 1e-9).all()


def test_by_hand():
    q = torch.tensor([[math.log(3.0), 0.0]])
    k, v = torch.eye(2), torch.tensor([[8.0], [0.0]])
    output, weights = attention(q, k, v, scale=1.0)
    assert_close(weights, torch.tensor([[0.75, 0.25]]))  # e^(ln 3) : e^0
    assert_close(output, torch.tensor([[6.0]]))


def test_variance_of_a_dot_product_is_its_width():
    torch.manual_seed(0)
    for d in (4, 64, 256):
        q, k = torch.randn(20_000, d), torch.randn(20_000, d)
        assert (q * k).sum(-1).var().item() == pytest.approx(d, rel=0.05)


def test_dropout_thins_the_weights_and_keeps_the_mean():
    q, k, _ = draw((200, 4), (50, 4), (50, 1))
    torch.manual_seed(0)
    output, weights = attention(q, k, torch.ones(50, 1).double(), dropout=0.4)
    assert_close(weights.sum(-1), torch.ones(200).double())  # what is returned is before dropout
    assert output.std() > 0.05
    assert output.mean().item() == pytest.approx(1, abs=0.05)


# ---- Masks ----


def test_causal_mask_by_hand():
    assert causal_mask(3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert causal_mask(2, 4).tolist() == [[True, True, True, False], [True] * 4]


def test_padding_mask_by_hand():
    mask = padding_mask(torch.tensor([2, 0, 3]))
    assert mask.shape == (3, 1, 3)
    assert mask[:, 0].tolist() == [[True, True, False], [False] * 3, [True] * 3]
    assert padding_mask(torch.tensor([1]), 4).tolist() == [[[True, False, False, False]]]


@quick
@given(sizes, st.integers(0, 20))
def test_a_perturbed_future_changes_nothing(n, seed):
    q, k, v = draw((n, 4), (n, 4), (n, 4), seed=seed)
    output, _ = attention(q, k, v, causal_mask(n))
    for t in range(n - 1):
        changed, _ = attention(q, *(torch.cat([x[: t + 1], x[t + 1 :] + 9]) for x in (k, v)), causal_mask(n))
        assert torch.equal(changed[: t + 1], output[: t + 1])
        assert not torch.allclose(changed[t + 1 :], output[t + 1 :])


def test_queries_from_a_cache_see_what_they_saw():
    q, k, v = draw((5, 4), (5, 4), (5, 4))
    whole, _ = attention(q, k, v, causal_mask(5))
    assert_close(attention(q[3:], k, v, causal_mask(2, 5))[0], whole[3:])


# ---- Other scores ----


def test_additive_score_by_loops():
    score = AdditiveScore(3, 4, 5)
    q, k = torch.randn(2, 6, 3), torch.randn(2, 7, 4)
    scores = score(q, k)
    assert scores.shape == (2, 6, 7)
    w = {name: p.detach().numpy() for name, p in score.named_parameters()}
    for b, i, j in [(0, 0, 0), (1, 5, 6), (0, 3, 2)]:
        inner = w["query.weight"] @ q[b, i].numpy() + w["key.weight"] @ k[b, j].numpy() + w["key.bias"]
        assert scores[b, i, j].item() == pytest.approx((w["weight.weight"] @ np.tanh(inner)).item(), abs=1e-5)


def test_general_score_contains_the_dot_product():
    score = GeneralScore(4, 4)
    q, k = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    assert_close(score(q, k), torch.einsum("bid,de,bje->bij", q, score.weight, k))
    with torch.no_grad():
        score.weight.copy_(torch.eye(4))
    assert_close(score(q, k), q @ k.mT)
    assert GeneralScore(3, 6)(torch.randn(2, 3), torch.randn(5, 6)).shape == (2, 5)


# ---- Several heads ----


def both(d_model, n_head, bias=True, fused=True):
    """Ours and torch's with the same weights, none of them zero."""
    ours = MultiHeadAttention(d_model, n_head, bias, fused).double()
    theirs = nn.MultiheadAttention(d_model, n_head, bias=bias, batch_first=True).double()
    for p in theirs.parameters():
        nn.init.normal_(p, std=0.5)
    ours.load_state_dict(theirs.state_dict())
    assert_close(theirs.state_dict(), ours.state_dict())  # and back: the same names
    return ours, theirs


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cross", [True, False])
@pytest.mark.parametrize("masked", ["no", "padding", "causal", "both", "each head"])
def test_equals_nn_multiheadattention(fused, bias, cross, masked):
    torch.manual_seed(0)
    ours, theirs = both(12, 3, bias, fused)
    x, y = draw((2, 5, 12), (2, 5, 12))
    kv = y if cross else x
    padding = padding_mask(torch.tensor([5, 3])) if masked in ("padding", "both") else None
    causal = masked in ("causal", "both")
    heads = torch.rand(2, 3, 5, 5) < 0.7
    heads[..., 0] = True
    mask = heads if masked == "each head" else padding
    expected, weights = theirs(
        x, kv, kv,
        key_padding_mask=None if padding is None else ~padding[:, 0],
        attn_mask=~heads.flatten(0, 1) if masked == "each head" else ~causal_mask(5) if causal else None,
        average_attn_weights=False,
    )  # fmt: skip
    with watch(ours) as watched:
        output = ours(x, y if cross else None, mask, causal)
    [own_weights] = watched
    assert_close(output, expected)
    assert_close(own_weights, weights)
    assert_close(ours(x, y if cross else None, mask, causal), expected)
    results = []
    for module, call in (
        (ours, lambda: ours(x, y if cross else None, mask, causal)),
        (theirs, lambda: expected),
    ):
        parameters = [p for _, p in sorted(module.named_parameters())]
        results.append(torch.autograd.grad(call().square().sum(), [x, *parameters], retain_graph=True))
    assert_close(*results)


@pytest.mark.parametrize("fused", [True, False])
def test_fewer_queries_than_keys_are_the_last_ones(fused):
    ours, _ = both(8, 2, fused=fused)
    (x,) = draw((2, 6, 8))
    assert_close(ours(x[:, 4:], x, causal=True), ours(x, causal=True)[:, 4:])


@pytest.mark.parametrize("fused", [True, False])
def test_a_query_that_sees_nothing_gets_the_output_bias(fused):
    ours, _ = both(8, 2, fused=fused)
    (x,) = draw((2, 3, 8))
    output = ours(x, mask=padding_mask(torch.tensor([3, 0])))
    assert_close(output[1], ours.out_proj.bias.expand(3, 8))
    gradient = torch.autograd.grad(output.sum(), x)[0]
    assert gradient.isfinite().all()
    assert (gradient[1] == 0).all()


@pytest.mark.parametrize("fused", [True, False])
def test_padding_changes_nothing(fused):
    ours, _ = both(8, 2, fused=fused)
    (x,) = draw((2, 6, 8))
    short = ours(x[:, :4])
    padded = ours(x, mask=padding_mask(torch.tensor([4, 4]), 6))
    assert_close(padded[:, :4], short)


@quick
@given(st.permutations(range(6)))
def test_without_positions_order_is_invisible(order):
    ours, _ = both(8, 2)
    (x,) = draw((2, 6, 8))
    assert_close(ours(x[:, order]), ours(x)[:, order])
    cos, sin = rotary(6, 4)
    if order != sorted(order):  # with them it is not
        turned = ours(x, turn=(cos.double(), sin.double()))[:, order]
        assert not torch.allclose(ours(x[:, order], turn=(cos.double(), sin.double())), turned)


def test_heads_split_the_features_and_not_the_sequence():
    ours, _ = both(8, 4)
    (x,) = draw((1, 8, 8))
    moved = x.detach().clone()
    moved[0, 7] += 1
    assert (ours(moved)[0, 0] - ours(x)[0, 0]).abs().max() > 1e-3  # token 0 sees token 7, through any head
    # Each head alone: with the other heads' part of out_proj at zero, the heads' outputs add up.
    total, bias = 0, ours.out_proj.bias
    for h in range(4):
        alone, _ = both(8, 4)
        alone.load_state_dict(ours.state_dict())
        with torch.no_grad():
            keep = torch.zeros(8).index_fill(0, torch.arange(2 * h, 2 * h + 2), 1)
            alone.out_proj.weight *= keep
        total = total + alone(x) - bias
    assert_close(total + bias, ours(x))


@pytest.mark.parametrize("fused", [True, False])
def test_bias_and_mask_together(fused):
    ours, _ = both(8, 2, fused=fused)
    x, bias = draw((2, 5, 8), (2, 5, 5))
    mask = padding_mask(torch.tensor([5, 2]))
    both_masks = combine(mask[:, None], bias)
    with watch(ours):
        expected = ours(x, mask=both_masks, causal=True)
    assert_close(ours(x, mask=both_masks, causal=True), expected)
    assert not torch.allclose(ours(x, mask=mask, causal=True), expected)
    hidden = bias.masked_fill(~(mask[:, None] & causal_mask(5)), -math.inf)
    assert_close(ours(x, mask=hidden), expected)


KINDS = {
    "none": None,
    "padding": padding_mask(torch.tensor([5, 2])),
    "a sequence that sees nothing": padding_mask(torch.tensor([5, 0])),
    "a query that sees nothing": (torch.arange(5) != 2)[:, None].expand(5, 5),
    "numbers": torch.linspace(-3, 3, 25).double().reshape(5, 5),
    "numbers and −∞": torch.zeros(5, 5).double().masked_fill(torch.eye(5) > 0, -math.inf),
    "a row of −∞": torch.zeros(5, 5).double().index_fill(0, torch.tensor([1]), -math.inf),
    "each head": torch.rand(2, 2, 5, 5, generator=torch.Generator().manual_seed(0)) < 0.4,
}


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_fused_plain_and_watched_agree(kind, causal):
    """Outputs and gradients, for every kind of mask, also where a query sees nothing."""
    fused, _ = both(8, 2)
    plain = MultiHeadAttention(8, 2, fused=False).double()
    plain.load_state_dict(fused.state_dict())
    (x,) = draw((2, 5, 8))
    expected = fused(x, mask=KINDS[kind], causal=causal)
    gradients = torch.autograd.grad(expected.square().sum(), [x, *fused.parameters()])
    assert all(part.isfinite().all() for part in (expected, *gradients))
    found = plain(x, mask=KINDS[kind], causal=causal)
    assert_close(found, expected)
    assert_close(torch.autograd.grad(found.square().sum(), [x, *plain.parameters()]), gradients)
    with watch(fused) as weights:
        assert_close(fused(x, mask=KINDS[kind], causal=causal), expected)
    assert len(weights) == 1
    assert torch.all(torch.isclose(weights[0].sum(-1), torch.ones(()).double()) | (weights[0] == 0).all(-1))


def test_watching_ends_even_with_an_error():
    layer = MultiHeadAttention(8, 2)
    with watch(nn.Sequential(layer)) as outer:
        with watch(layer) as inner:
            layer(torch.randn(1, 3, 8))
        assert (len(inner), len(outer)) == (1, 0)
        layer(torch.randn(1, 3, 8))
        assert len(outer) == 1
    assert layer.watched is None
    with contextlib.suppress(ZeroDivisionError), watch(layer):
        _ = 1 / 0
    assert layer.watched is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(dtype):
    """q = k = 40 at d = 64 has scores of 102,400 before the division: more than the largest float16."""
    q = torch.full((1, 3, 64), 40.0, dtype=dtype)
    v = torch.tensor([[[-0.5], [-1.0], [-0.857]]], dtype=dtype)
    found, weights = attention(q, q, v)
    assert found.dtype == weights.dtype == dtype
    assert found.isfinite().all()
    torch.testing.assert_close(found, F.scaled_dot_product_attention(q, q, v), atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize(
    ("one", "other", "hidden", "added"),
    [
        (True, False, True, 0),
        (True, True, False, 0),
        (True, 2.5, False, 2.5),
        (2.5, True, False, 2.5),
        (2.5, False, True, 0),
        (2.5, 1.5, False, 4.0),
        (-math.inf, 1.5, True, 0),
        (None, 1.5, False, 1.5),
    ],
)
def test_masks_combine(one, other, hidden, added):
    made = combine(None if one is None else torch.tensor([one]), torch.tensor([other]))
    weights = masked_softmax(
        torch.zeros(1, 2), torch.cat([made, torch.tensor([True if made.dtype == torch.bool else 0.0])])[None]
    )
    assert (weights[0, 0] == 0) == hidden
    if not hidden:
        torch.testing.assert_close(weights[0, 0] / weights[0, 1], torch.tensor(math.exp(added)))


def test_a_mask_of_whole_numbers_is_refused():
    with pytest.raises(ValueError, match=r"^mask has dtype torch.int64: .* pass mask.bool\(\)"):
        MultiHeadAttention(8, 2)(torch.randn(1, 3, 8), mask=torch.ones(3, 3, dtype=torch.long))


def test_dropout_acts_only_in_training():
    ours = MultiHeadAttention(8, 2, dropout=0.5)
    x = torch.randn(2, 5, 8)
    assert not torch.equal(ours(x), ours(x))
    ours.eval()
    assert torch.equal(ours(x), ours(x))


def test_parameter_count():
    for d in (8, 64):
        assert sum(p.numel() for p in MultiHeadAttention(d, 4).parameters()) == 4 * d * d + 4 * d
        assert sum(p.numel() for p in MultiHeadAttention(d, 4, bias=False).parameters()) == 4 * d * d


# ---- Positions ----


@pytest.mark.parametrize("base", [100.0, 10_000.0, 500_000.0])
def test_rotary_angles_are_exact_at_far_positions_and_have_their_base(base):
    """Against Python's own floats: angles in float32 would be off by hundredths at position 100,000."""
    n, d = 100_001, 8
    cos, sin = rotary(n, d, base)
    for i in range(d // 2):
        angle = (n - 1) * base ** (-2 * i / d)
        assert cos[-1, i].item() == pytest.approx(math.cos(angle), abs=1e-6)
        assert sin[-1, i].item() == pytest.approx(math.sin(angle), abs=1e-6)


@quick
@given(st.integers(1, 20), st.integers(0, 30))
def test_a_shift_of_sinusoidal_positions_is_a_linear_map(half, shift):
    d = 2 * half
    table = sinusoidal_positions(64, d).double()
    angles = shift * 10_000.0 ** (-torch.arange(0, d, 2).double() / d)
    turn = torch.block_diag(
        *(torch.tensor([[a.cos(), a.sin()], [-a.sin(), a.cos()]]) for a in angles)
    ).double()
    assert_close(table[:30] @ turn.T, table[shift : shift + 30], atol=1e-5, rtol=0)


def test_sinusoidal_positions_by_hand():
    table = sinusoidal_positions(3, 4)
    expected = [[0, 1, 0, 1]] + [
        [math.sin(p), math.cos(p), math.sin(p / 100), math.cos(p / 100)] for p in (1, 2)
    ]
    assert_close(table, torch.tensor(expected))


@quick
@given(st.integers(1, 8), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_rotary_scores_depend_on_differences_only(half, p, q, shift):
    a, b = draw((2 * half,), (2 * half,), seed=half)
    cos, sin = (t.double() for t in rotary(81, 2 * half))

    def score(at_p, at_q):
        turned = [apply_rotary(x[None], cos[i : i + 1], sin[i : i + 1]) for x, i in ((a, at_p), (b, at_q))]
        return (turned[0] * turned[1]).sum()

    assert_close(score(p, q), score(p + shift, q + shift), atol=1e-5, rtol=1e-5)
    if half == 1 and p != q:
        assert not torch.allclose(score(p, q), score(q, q))


def test_rotary_turns_as_su_et_al_print_it():
    x = torch.randn(50, 8, dtype=torch.float64)
    pairs = torch.view_as_complex(x.view(50, 4, 2).contiguous())
    angles = torch.tensor([[p * 10_000 ** (-2 * i / 8) for i in range(4)] for p in range(50)])  # θ_i, §3.2.2
    turned = torch.view_as_real(pairs * torch.exp(1j * angles)).flatten(1)
    assert_close(apply_rotary(x, *rotary(50, 8)), turned, rtol=0, atol=1e-5)


def test_scale_counts_in_both_ways_of_computing():
    torch.manual_seed(0)
    x = torch.randn(2, 5, 8)
    models = [
        MultiHeadAttention(8, 2, fused=fused, scale=scale) for scale in (0.1, 3.0) for fused in (True, False)
    ]
    for model in models[1:]:
        model.load_state_dict(models[0].state_dict())
    small, small_naive, large, large_naive = (model(x) for model in models)
    assert_close(small, small_naive)
    assert_close(large, large_naive)
    assert (large - small).abs().max() > 0.01


def test_rotary_keeps_lengths_and_position_zero():
    (x,) = draw((2, 5, 8))
    cos, sin = (t.double() for t in rotary(5, 8))
    turned = apply_rotary(x, cos, sin)
    assert_close(turned.norm(dim=-1), x.norm(dim=-1), atol=1e-6, rtol=1e-6)
    assert torch.equal(turned[:, 0], x[:, 0])
    as_complex = torch.view_as_complex(x.detach().unflatten(-1, (4, 2))) * torch.complex(cos, sin)
    assert_close(turned, torch.view_as_real(as_complex).flatten(-2))


def test_alibi_by_hand():
    bias = alibi(2, 2, 3)
    assert_close(bias[0], -(2.0**-4) * torch.tensor([[1.0, 0, 1], [2, 1, 0]]))
    assert_close(bias[1], -(2.0**-8) * torch.tensor([[1.0, 0, 1], [2, 1, 0]]))


def test_relative_buckets_by_hand():
    causal = relative_buckets(200, bidirectional=False)
    assert causal.min() == 0
    assert causal.max() == 31
    assert causal[-1, -1 - torch.arange(16)].tolist() == list(range(16))  # small distances: one bucket each
    assert causal[0].tolist() == [0] * 200  # the future
    both_ways = relative_buckets(200, bidirectional=True)
    assert both_ways[100, 92:109].tolist() == [8, 7, 6, 5, 4, 3, 2, 1, 0, 17, 18, 19, 20, 21, 22, 23, 24]
    assert (both_ways[0, 128:] == 31).all()
    assert torch.equal(relative_buckets(3, 200, bidirectional=True), both_ways[-3:])
    steps = causal[-1].flip(0)
    assert (steps[1:] >= steps[:-1]).all()  # further away is never a lower bucket


# ---- Deliberate faults must be seen ----


def _after_the_softmax(q, k, v, mask=None, scale=None, **more):
    weights = masked_softmax(q @ k.mT, mask) / math.sqrt(q.shape[-1])  # E004: the scale outside
    return weights @ v, weights


def _additive_mask(scores, mask=None):
    return (scores if mask is None else scores + mask).softmax(-1)  # True is added as 1


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("attention", _after_the_softmax),
        ("masked_softmax", _additive_mask),
        ("masked_softmax", lambda scores, mask=None: masked_softmax(scores.mT, mask).mT),
        ("causal_mask", lambda n_q, n_k, device: torch.ones(n_q, n_k, dtype=torch.bool).tril(1)),
        ("combine", lambda mask, other: other),
    ],
    ids=["scale outside", "mask added", "softmax over queries", "mask one step late", "mask forgotten"],
)
def test_a_fault_is_seen(name, fault, monkeypatch):
    monkeypatch.setattr(attention_module, name, fault)
    with pytest.raises(AssertionError):
        test_equals_nn_multiheadattention(name == "combine", True, False, "both")


# ---- What is refused ----

X = torch.zeros(2, 3, 8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: attention(X, X[..., :4], X), r"^q, k, v have shapes \(2, 3, 8\), \(2, 3, 4\)"),
        (lambda: attention(X, X, X[:, :2]), "^q, k, v have shapes"),
        (lambda: attention(X[0, 0], X, X), "^q, k, v have shapes"),
        (lambda: attention(X, X, X, torch.ones(3, 3).long()), "^mask has dtype torch.int64.*True where"),
        (lambda: MultiHeadAttention(8, 2)(X, mask=torch.ones(3, 3).int()), "^mask has dtype torch.int32"),
        (lambda: MultiHeadAttention(8, 3), "^d_model is 8 and n_head is 3"),
        (lambda: MultiHeadAttention(8, 2, dropout=1.0), "^dropout is 1.0"),
        (
            lambda: MultiHeadAttention(8, 2)(X[0]),
            r"^x_q has shape \(3, 8\): expected \(batch, time, d_model = 8",
        ),
        (lambda: MultiHeadAttention(8, 2)(X, X[..., :4]), r"^x_kv has shape \(2, 3, 4\)"),
        (lambda: causal_mask(3, 2), "^n_q is 3 and n_k is 2"),
        (lambda: padding_mask(torch.tensor([1.0])), "^lengths has shape"),
        (lambda: padding_mask(torch.tensor([5]), 4), "^lengths go from 5 to 5: expected 0 … n_k = 4"),
        (lambda: sinusoidal_positions(4, 3), "^n is 4 and d is 3"),
        (lambda: apply_rotary(X, *rotary(4, 8)), r"^x has shape \(2, 3, 8\), cos \(4, 4\)"),
        (lambda: relative_buckets(4, bidirectional=True, max_distance=8), "max_distance above 8"),
        (lambda: relative_buckets(4, bidirectional=True, n_buckets=2), "at least 4 n_buckets"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
