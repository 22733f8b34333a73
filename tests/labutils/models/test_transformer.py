"""labutils.models.transformer: blocks equal to torch's, what masks hide, what each switch leaves out."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from labutils.models import transformer
from labutils.models.attention import MultiHeadAttention, padding_mask, watch
from labutils.models.cache import Cache
from labutils.models.sizes import count_parameters
from labutils.models.transformer import GPT, Block, Encoder, EncoderDecoder, ModelConfig, Scope

SMALL = {"n_vocab": 13, "n_context": 12, "n_layer": 2, "n_head": 2, "d_model": 8}
PLACES = ["learned", "sinusoidal", "rotary", "alibi", "relative", "none"]


def config(**changes):
    return ModelConfig(**SMALL | changes)


def shaken(model):
    """Large random weights, so that what a token changes can be seen far away."""
    torch.manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return model.double().eval()


torch.manual_seed(0)
IDS = torch.randint(13, (2, 12))
FOREIGN = torch.arange(12)[None].clone().index_fill_(1, torch.tensor([11]), 13)  # one id too many
SQUARE = torch.arange(144).reshape(12, 12) % 13  # as many sequences as tokens


def changed(ids, t):
    """The same text with another token at t."""
    other = ids.clone()
    other[:, t] = (other[:, t] + 1) % 13
    return other


def same(a, b):
    return torch.allclose(a, b, rtol=0, atol=1e-12)


# ---- Against torch ----


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("causal", [True, False])
def test_a_block_equals_torchs_encoder_layer(norm, causal):
    c = config(norm=norm, activation="relu", d_ff=20)
    ours = shaken(Block(c))
    theirs = nn.TransformerEncoderLayer(8, 2, 20, 0.0, batch_first=True, norm_first=norm == "pre").double()
    names = {
        "attention": "self_attn", "attention_norm": "norm1", "feed_forward_norm": "norm2",
        "feed_forward.0": "linear1", "feed_forward.2": "linear2",
    }  # fmt: skip
    state = {}
    for name, tensor in ours.state_dict().items():
        prefix = max((p for p in names if name.startswith(p + ".")), key=len)
        state[names[prefix] + name.removeprefix(prefix)] = tensor
    theirs.load_state_dict(state)
    x = torch.randn(2, 12, 8).double()
    mask = nn.Transformer.generate_square_subsequent_mask(12).double() if causal else None
    assert_close(ours(x, Scope(causal=causal)), theirs(x, src_mask=mask))


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_block_with_cross_attention_equals_torchs_decoder_layer(norm):
    c = config(norm=norm, activation="relu", d_ff=20)
    ours = shaken(Block(c, cross=True))
    theirs = nn.TransformerDecoderLayer(8, 2, 20, 0.0, batch_first=True, norm_first=norm == "pre").double()
    names = {
        "attention": "self_attn", "cross": "multihead_attn", "attention_norm": "norm1", "cross_norm": "norm2",
        "feed_forward_norm": "norm3", "feed_forward.0": "linear1", "feed_forward.2": "linear2",
    }  # fmt: skip
    state = {}
    for name, tensor in ours.state_dict().items():
        prefix = max((p for p in names if name.startswith(p + ".")), key=len)
        state[names[prefix] + name.removeprefix(prefix)] = tensor
    theirs.load_state_dict(state)
    x, memory = torch.randn(2, 5, 8).double(), torch.randn(2, 7, 8).double()
    seen = padding_mask(torch.tensor([7, 4]))
    expected = theirs(
        x, memory, tgt_mask=nn.Transformer.generate_square_subsequent_mask(5).double(),
        memory_key_padding_mask=~seen[:, 0],
    )  # fmt: skip
    assert_close(ours(x, Scope(causal=True, memory=memory, memory_mask=seen)), expected)


# ---- What a position sees ----


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("positions", PLACES)
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_gpt_does_not_see_the_future(positions, norm, fused):
    model = shaken(GPT(config(positions=positions, norm=norm, fused=fused)))
    logits = model(IDS)
    assert logits.shape == (2, 12, 13)
    for t in (0, 5, 11):
        other = model(changed(IDS, t))
        assert torch.equal(other[:, :t], logits[:, :t])
        assert not same(other[:, t:], logits[:, t:])


def test_without_the_causal_mask_it_does():
    model = shaken(GPT(config(causal=False)))
    assert not same(model(changed(IDS, 11))[:, 0], model(IDS)[:, 0])


@pytest.mark.parametrize("positions", PLACES)
def test_an_encoder_sees_both_ways_and_no_padding(positions):
    model = shaken(Encoder(ModelConfig.bert(**SMALL | {"positions": positions})))
    logits = model(IDS)
    for t in (0, 11):
        assert not same(model(changed(IDS, t))[:, 5], logits[:, 5])
    mask = padding_mask(torch.tensor([9, 9]), 12)
    assert_close(model(IDS, mask)[:, :9], model(IDS[:, :9]))
    assert torch.equal(model(changed(IDS, 10), mask)[:, :9], model(IDS, mask)[:, :9])


def test_an_encoder_decoder_sees_the_source_and_the_past_of_the_target():
    model = shaken(EncoderDecoder(ModelConfig.t5(**SMALL)))
    logits = model(IDS, IDS)
    assert not same(model(changed(IDS, 11), IDS)[:, 0], logits[:, 0])
    other = model(IDS, changed(IDS, 6))
    assert torch.equal(other[:, :6], logits[:, :6])
    assert not same(other[:, 6:], logits[:, 6:])
    mask = padding_mask(torch.tensor([9, 9]), 12)
    assert_close(model(IDS, IDS, mask), model(IDS[:, :9], IDS))


@pytest.mark.parametrize("positions", PLACES)
def test_order_is_visible_with_positions_only(positions):
    model = shaken(Encoder(ModelConfig.bert(**SMALL | {"positions": positions})))
    order = torch.tensor([3, 1, 0, 2, *range(4, 12)])
    equivariant = torch.allclose(model(IDS[:, order]), model(IDS)[:, order])
    assert equivariant == (positions == "none")


@pytest.mark.parametrize("positions", PLACES)
def test_a_longer_text_than_in_training(positions):
    model = shaken(GPT(config(positions=positions)))
    longer = IDS.repeat(1, 2)
    if positions == "learned":
        with pytest.raises(ValueError, match=r"^the text has 24 tokens: .* end at n_context = 12"):
            model(longer)
    else:
        assert_close(model(longer)[:, :12], model(IDS))


def test_rotary_and_relative_models_depend_on_differences_only():
    for positions in ("rotary", "alibi", "relative", "none"):
        model = shaken(Encoder(config(positions=positions)))
        ids = torch.cat([IDS[:, :1].repeat(1, 4), IDS], dim=1)
        padded = model(ids, torch.tensor([False] * 4 + [True] * 12)[None, None])
        assert_close(padded[:, 4:], model(IDS))


@pytest.mark.parametrize("positions", ["rotary", "alibi", "relative", "none"])
def test_a_decoder_sees_no_padding_in_front_of_its_text(positions):
    model = shaken(GPT(config(positions=positions)))
    ids = torch.cat([IDS[:, :1].repeat(1, 4), IDS], dim=1)
    mask = torch.tensor([False] * 4 + [True] * 12)[None, None]
    assert_close(model(ids, mask)[:, 4:], model(IDS), rtol=0, atol=1e-5)  # turns are in float32
    assert torch.equal(model(changed(ids, 2), mask)[:, 4:], model(ids, mask)[:, 4:])
    assert not same(model(ids)[:, 4:], model(IDS))


def test_sine_scales_the_embeddings():
    model = shaken(GPT(config(positions="sinusoidal", normalise=False, feed_forward=False, n_layer=1)))
    with torch.no_grad():
        model.decoder.blocks[0].attention.out_proj.weight.zero_()
        model.decoder.blocks[0].attention.out_proj.bias.zero_()
    expected = model.embedding(IDS) * math.sqrt(8) + transformer.sinusoidal_positions(12, 8).double()
    assert_close(model(IDS), expected @ model.embedding.weight.T)


def test_segments_are_seen():
    model = shaken(Encoder(ModelConfig.bert(**SMALL)))
    assert_close(model(IDS), model(IDS, segments=torch.zeros_like(IDS)))
    assert not same(model(IDS), model(IDS, segments=torch.ones_like(IDS)))


# ---- Attention weights ----


@pytest.mark.parametrize("fused", [True, False])
def test_collected_weights(fused):
    model = shaken(GPT(config(fused=fused)))
    with watch(model) as collected:
        watched = model(IDS)
    assert_close(watched, model(IDS))
    assert all(layer.watched is None for layer in model.modules() if isinstance(layer, MultiHeadAttention))
    assert [w.shape for w in collected] == [(2, 2, 12, 12)] * 2
    for weights in collected:
        assert_close(weights.sum(-1), torch.ones(2, 2, 12).double())
        assert (weights.triu(1) == 0).all()


def test_fused_and_naive_agree():
    for positions in PLACES:
        fused = shaken(GPT(config(positions=positions)))
        naive = GPT(config(positions=positions, fused=False)).double()
        naive.load_state_dict(fused.state_dict())
        assert_close(fused(IDS), naive(IDS))


# ---- Switches ----


def test_without_residual_a_block_forgets_its_input():
    model = shaken(GPT(config(residual=False)))
    whole = shaken(GPT(config()))
    with torch.no_grad():  # each sublayer adds nothing
        for m in (model, whole):
            for name, p in m.named_parameters():
                if "out_proj" in name or "feed_forward.2" in name:
                    p.zero_()
    assert_close(model(IDS), model(changed(IDS, 0)))  # nothing came through
    assert not same(whole(IDS), whole(changed(IDS, 0)))


def test_without_normalisation_scale_goes_through():
    # The variance of what comes out of one block: fixed by the last norm, or free.
    for normalise in (True, False):
        model = GPT(config(normalise=normalise, feed_forward=False)).double()
        with torch.no_grad():
            model.embedding.weight.mul_(50)
        x = model.decoder(model.embed(IDS))
        assert (x.std(-1, unbiased=False).sub(1).abs().max() < 1e-2) == normalise
    modules = list(GPT(config(normalise=False)).modules())
    assert not [m for m in modules if isinstance(m, nn.LayerNorm | nn.RMSNorm)]


def test_without_feed_forward_a_block_is_attention():
    shapes = [
        {name: p.shape for name, p in GPT(config(feed_forward=kept)).named_parameters()}
        for kept in (True, False)
    ]
    left_out = set(shapes[0]) - set(shapes[1])
    assert left_out
    assert all(".feed_forward" in name for name in left_out)
    assert not [name for name in shapes[1] if ".feed_forward" in name]


def test_without_bias_nothing_is_called_bias():
    for model in (GPT(config(bias=False)), EncoderDecoder(ModelConfig.t5(**SMALL))):
        assert not [name for name, _ in model.named_parameters() if name.endswith("bias")]


def test_tied_weights_are_one_tensor():
    tied, untied = GPT(config()), GPT(config(tied=False))
    assert tied.head.weight is tied.embedding.weight
    assert sum(p.numel() for p in untied.parameters()) - sum(p.numel() for p in tied.parameters()) == 13 * 8
    tied(IDS).square().sum().backward()
    assert tied.head.weight.grad is tied.embedding.weight.grad
    moved = tied.double()
    assert moved.head.weight is moved.embedding.weight
    tied.load_state_dict(GPT(config()).state_dict())
    assert torch.equal(tied.head.weight, tied.embedding.weight)


def test_post_norm_ends_each_block_with_a_norm_and_pre_norm_the_stack():
    for norm in ("pre", "post"):
        stack = GPT(config(norm=norm)).decoder
        x = torch.randn(2, 12, 8)
        for scale in (1.0, 100.0):
            after = stack.blocks[0](scale * x)
            assert (after.std(-1, unbiased=False).sub(1).abs().max() < 1e-2) == (norm == "post")
        assert (stack(x).std(-1, unbiased=False).sub(1).abs().max()) < 1e-2


@pytest.mark.parametrize("n_segments", [0, 2])
def test_what_goes_into_the_first_block_is_normalised(n_segments):
    stack = GPT(config(embedding_norm=True, n_segments=n_segments)).decoder
    x = 7 * torch.randn(2, 12, 8) + 3
    received = []
    stack.blocks[0].register_forward_pre_hook(lambda block, given: received.append(given[0]))
    stack(x)
    assert_close(received[0].std(-1, unbiased=False), torch.ones(2, 12), rtol=0, atol=1e-3)
    assert_close(received[0].mean(-1), torch.zeros(2, 12), rtol=0, atol=1e-5)


def test_rms_takes_no_mean_off():
    model = EncoderDecoder(ModelConfig.t5(**SMALL))
    norm = model.encoder.last_norm
    x = torch.randn(3, 8) + 5
    assert_close(norm(x), x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt())


def test_dropout_acts_in_training_only():
    model = GPT(config(dropout=0.4))
    assert not torch.equal(model(IDS), model(IDS))
    model.eval()
    assert torch.equal(model(IDS), model(IDS))


def test_dropout_stands_where_gpt2_has_it():
    """On what comes in, on each sublayer's result (never on the residual), and on attention weights."""
    bare = {"dropout": 0.5, "normalise": False, "positions": "none", "n_layer": 1}
    stack = EncoderDecoder(config(**bare)).decoder.train()
    block = stack.blocks[0]
    assert block.attention.dropout == block.cross.dropout == 0.5
    last = [block.attention.out_proj, block.cross.out_proj, block.feed_forward[2]]
    with torch.no_grad():  # each sublayer gives a constant, zero at first
        for linear in last:
            linear.weight.zero_()
            linear.bias.zero_()
    x, memory = torch.ones(4, 12, 8), torch.randn(4, 3, 8)
    torch.manual_seed(0)
    assert set(stack(x).unique().tolist()) == {0.0, 2.0}
    assert torch.equal(block(x, Scope(memory=memory)), x)
    for linear in last:
        nn.init.constant_(linear.bias, 3.0)
        assert set(block(x, Scope(memory=memory)).unique().tolist()) == {1.0, 7.0}
        nn.init.zeros_(linear.bias)
    stack.eval()
    assert torch.equal(stack(x, memory=memory), x)


def test_t5_scaling_undoes_the_width():
    x = torch.randn(1, 1, 8)
    plain, scaled = EncoderDecoder(config()), EncoderDecoder(config(t5_scaling=True))
    scaled.load_state_dict(plain.state_dict())
    assert_close(scaled.logits(x), plain.logits(x) / math.sqrt(8))
    own = EncoderDecoder(config(t5_scaling=True, tied=False))  # T5 1.1 unties, and does without
    assert_close(own.logits(x), own.head(x))
    assert scaled.encoder.blocks[0].attention.scale == scaled.decoder.blocks[0].cross.scale == 1.0
    assert plain.encoder.blocks[0].attention.scale == 1 / 2


# ---- Initial weights ----


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("make", [GPT, Encoder, EncoderDecoder])
def test_initial_weights_and_loss(make, norm):
    torch.manual_seed(0)
    c = ModelConfig(n_vocab=100, n_context=64, n_layer=4, n_head=4, d_model=128, norm=norm)
    model = make(c)
    for name, p in model.named_parameters():
        if p.dim() == 2:
            adds = name.endswith(("out_proj.weight", "feed_forward.2.weight"))
            assert p.std().item() == pytest.approx(
                0.02 / math.sqrt(8) if adds and norm == "pre" else 0.02, rel=0.1
            ), name
        else:
            assert torch.equal(p, torch.zeros_like(p) if name.endswith("bias") else torch.ones_like(p)), name
    ids = torch.randint(100, (8, 64))
    logits = model(ids, ids) if make is EncoderDecoder else model(ids)
    assert F.cross_entropy(logits[:, :-1].mT, ids[:, 1:]).item() == pytest.approx(math.log(100), abs=0.1)


def test_a_seed_gives_the_same_weights():
    models = []
    for _ in range(2):
        torch.manual_seed(3)
        models.append(GPT(config()).state_dict())
    assert_close(*models, rtol=0, atol=0)


# ---- Counting ----


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tied": False},
        {"positions": "rotary"},
        {"norm": "post"},
        {"d_ff": 5},
        {"n_layer": 5, "d_model": 16},
    ],
    ids=str,
)
def test_counts_agree_with_the_formula(changes):
    c = config(**changes)
    parts = count_parameters(c)
    model = GPT(c)
    counted = dict.fromkeys(parts, 0)
    for name, p in model.named_parameters():
        part = (
            "normalisation" if "norm" in name
            else "attention" if "attention" in name
            else "feed-forward" if "feed_forward" in name
            else "positions and segments" if "positions" in name
            else "output" if "head" in name
            else "token embedding"
        )  # fmt: skip
        counted[part] += p.numel()
        counted["total"] += p.numel()
    assert counted == parts


def test_counts_of_an_encoder_without_head():
    c = ModelConfig.bert(**SMALL)
    assert sum(p.numel() for p in Encoder(c, head=False).parameters()) == count_parameters(c)["total"]


def test_bert_base_has_109_million():
    c = ModelConfig.bert(n_vocab=30_522, n_context=512, n_layer=12, n_head=12, d_model=768)
    with torch.device("meta"):
        n = sum(p.numel() for p in Encoder(c, head=False).parameters())
    assert n == 109_482_240 - (768 * 768 + 768)  # the pooler


# ---- Deliberate faults must be seen ----


@pytest.mark.parametrize(
    ("target", "name", "fault"),
    [
        (Block, "_add", lambda self, x, norm, sublayer: norm(x) + sublayer(norm(x))),
        (Block, "_add", lambda self, x, norm, sublayer: x + norm(sublayer(x))),
        (transformer, "ACTIVATIONS", {"relu": nn.GELU}),
    ],
    ids=["residual from the norm", "norm after the sublayer", "another activation"],
)
def test_a_fault_in_the_block_is_seen(target, name, fault, monkeypatch):
    monkeypatch.setattr(target, name, fault)
    with pytest.raises(AssertionError):
        test_a_block_equals_torchs_encoder_layer("pre", False)


def test_a_mask_forgotten_is_seen(monkeypatch):
    monkeypatch.setattr(transformer, "_attention", lambda c: _Blind(transformer.MultiHeadAttention(8, 2)))
    with pytest.raises(AssertionError):
        test_gpt_does_not_see_the_future("learned", "pre", True)


class _Blind(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x, kv, mask, causal, *rest, **more):
        return self.inner(x, kv, mask, False, *rest, **more)


# ---- The cache ----


@torch.no_grad()
@pytest.mark.parametrize("positions", PLACES)
@pytest.mark.parametrize("chunks", [(1,) * 12, (5, 7), (5, 1, 4, 2), (12,)])
@pytest.mark.parametrize("fused", [True, False])
def test_a_text_read_piece_by_piece_gives_the_same_logits(positions, chunks, fused):
    model, cache = shaken(GPT(config(positions=positions, fused=fused))), Cache()
    pieces = [model(piece, cache=cache) for piece in IDS.split(chunks, dim=1)]
    assert_close(torch.cat(pieces, dim=1), model(IDS))
    assert cache.n_tokens == 12


@torch.no_grad()
@pytest.mark.parametrize("positions", PLACES)
def test_padding_on_the_left_is_hidden_from_what_comes_later(positions):
    """Of the second sequence the first three keys are padding; the mask goes on covering all keys."""
    model, cache = shaken(GPT(config(positions=positions))), Cache()
    seen = torch.ones(2, 1, 12, dtype=torch.bool)
    seen[1, :, :3] = False
    pieces = [model(IDS[:, :8], seen[..., :8], cache), model(IDS[:, 8:], seen, cache)]
    whole = model(IDS, seen)
    assert_close(torch.cat(pieces, dim=1)[:, 3:], whole[:, 3:])
    assert not same(whole[1, 3:], model(IDS)[1, 3:])


@torch.no_grad()
def test_a_cache_keeps_its_beams_apart():
    model, cache = shaken(GPT(config())), Cache()
    model(IDS[:, :6], cache=cache)
    cache.select(torch.tensor([1, 1, 0]))
    expected = model(IDS[[1, 1, 0]][:, :8])[:, 6:]
    assert_close(model(IDS[[1, 1, 0]][:, 6:8], cache=cache), expected)
    with pytest.raises(ValueError, match=r"^the cache has 3 sequences and ids 2$"):
        model(IDS[:, 8:9], cache=cache)


@torch.no_grad()
def test_learned_positions_end_with_the_cache_too():
    model, cache = GPT(config(n_context=12)).eval(), Cache()
    model(IDS, cache=cache)
    with pytest.raises(ValueError, match=r"^the text has 13 tokens: .* end at n_context = 12$"):
        model(IDS[:, :1], cache=cache)


# ---- Where a mutant could live ----


def test_dropout_comes_after_the_embeddings_normalisation():
    """BERT's order: a normalisation behind the dropout would fill the zeros again."""
    torch.manual_seed(0)
    model = Encoder(ModelConfig.bert(**SMALL, dropout=0.5)).train()
    entering = []
    model.encoder.blocks[0].register_forward_pre_hook(lambda block, inputs: entering.append(inputs[0]))
    model(IDS)
    assert 0.3 < (entering[0] == 0).double().mean() < 0.7


@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh"])
def test_an_encoders_head_has_the_models_activation(activation):
    model = shaken(Encoder(ModelConfig.bert(**SMALL, activation=activation)))
    x = model.encoder(model.embed(IDS))
    linear, _, norm = model.transform
    functions = {"relu": F.relu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh")}
    assert_close(model(IDS), model.head(norm(functions[activation](linear(x)))))
    others = [f for name, f in functions.items() if name != activation]
    assert all(not same(model(IDS), model.head(norm(f(linear(x))))) for f in others)


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.int16, torch.uint16])
def test_ids_of_any_whole_type(dtype):
    model = shaken(GPT(config()))
    assert torch.equal(model(IDS.to(dtype)), model(IDS))


# ---- What is refused ----


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: config(n_vocab=0), "^n_vocab is 0"),
        (lambda: config(d_ff=0), "^d_ff is 0"),
        (lambda: config(n_head=3), "^d_model is 8 and n_head is 3"),
        (lambda: config(positions="rotary", n_head=8), "a head has 1: expected an even number"),
        (
            lambda: config(positions="sinusoidal", d_model=7, n_head=1),
            "^positions is 'sinusoidal' and d_model is 7",
        ),
        (lambda: config(dropout=1), "^dropout is 1"),
        (lambda: config(norm="none"), "^norm is 'none': expected one of 'pre', 'post'"),
        (lambda: config(norm_type="batch"), "^norm_type is 'batch'"),
        (lambda: config(positions="absolute"), "^positions is 'absolute': expected one of 'learned'"),
        (lambda: config(activation="swish"), "^activation is 'swish'"),
        (lambda: count_parameters(config(bias=False)), "^the formula counts blocks with biases"),
        (lambda: count_parameters(config(positions="relative")), "^positions is 'relative'"),
        (
            lambda: GPT(config())(IDS[0]),
            r"^ids has shape \(12,\), .*: expected whole numbers",
        ),
        (lambda: GPT(config())(IDS.float()), "dtype torch.float32: expected whole numbers"),
        *(
            (call, r"^ids go from 0 to 13: this model's go from 0 to n_vocab − 1 = 12")
            for call in (
                lambda: GPT(config())(FOREIGN),
                lambda: Encoder(ModelConfig.bert(**SMALL))(FOREIGN),
                lambda: Encoder(ModelConfig.bert(**SMALL), head=False)(FOREIGN),
                lambda: EncoderDecoder(ModelConfig.t5(**SMALL))(FOREIGN, IDS),
                lambda: EncoderDecoder(ModelConfig.t5(**SMALL))(IDS, FOREIGN),
            )
        ),
        (lambda: GPT(config())(FOREIGN - 1), "^ids go from -1 to 12"),
        *(
            (call, r"^mask has shape \(12, 12\): expected \(batch, 1, n_k\)")
            for call in (
                lambda: GPT(config())(SQUARE, SQUARE > 0),
                lambda: Encoder(ModelConfig.bert(**SMALL))(SQUARE, SQUARE > 0),
                lambda: EncoderDecoder(ModelConfig.t5(**SMALL))(SQUARE, SQUARE, SQUARE > 0),
            )
        ),
    ],
)
def test_bad_arguments_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_configuration_can_be_changed_in_one_field():
    assert replace(config(), residual=False) == config(residual=False) != config()
