"""labutils.models.exchange.carry against transformers' own classes, small, random, in both directions.

transformers' models take seconds to import, so one worker runs all of these.
"""

import copy
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from labutils.models.attention import padding_mask
from labutils.models.config import ModelConfig
from labutils.models.exchange import carry
from labutils.models.exchange import names as carry_names
from labutils.models.transformer import GPT, Encoder, EncoderDecoder

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.xdist_group("transformers")

SMALL = {"n_vocab": 23, "n_context": 16, "n_layer": 3, "n_head": 4, "d_model": 16}
close = {"rtol": 1e-5, "atol": 1e-5}


def shaken(model):
    """Every parameter random, so that none can be forgotten: biases start at zero and scales at one."""
    torch.manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return model.eval()


def their_gpt(**changes):
    sizes = {"vocab_size": 23, "n_positions": 16, "n_layer": 3, "n_head": 4, "n_embd": 16}
    ends = {"bos_token_id": None, "eos_token_id": None}
    return shaken(transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes | ends | changes)))


def their_bert(head=True, **changes):
    sizes = {
        "vocab_size": 23,
        "max_position_embeddings": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
    }
    sizes |= {"hidden_size": 16, "intermediate_size": 40, "pad_token_id": None}
    kind = transformers.BertForMaskedLM if head else transformers.BertModel
    return shaken(kind(transformers.BertConfig(**sizes | changes)))


def their_t5(**changes):
    sizes = {"vocab_size": 23, "num_layers": 3, "num_heads": 4, "d_model": 16, "d_kv": 4, "d_ff": 40}
    sizes |= {"relative_attention_num_buckets": 8, "relative_attention_max_distance": 12}
    return shaken(transformers.T5ForConditionalGeneration(transformers.T5Config(**sizes | changes)))


torch.manual_seed(0)
IDS, OTHERS, SEGMENTS = torch.randint(23, (2, 16)), torch.randint(23, (2, 13)), torch.randint(2, (2, 16))
LENGTHS = torch.tensor([16, 9])
SEEN = padding_mask(LENGTHS, 16)


def gpt_logits(ours, theirs):
    return ours(IDS), theirs(IDS).logits


def bert_logits(ours, theirs):
    output = theirs(IDS, attention_mask=SEEN[:, 0].long(), token_type_ids=SEGMENTS)
    return ours(IDS, SEEN, SEGMENTS), output[0]


def t5_logits(ours, theirs):
    output = theirs(IDS, attention_mask=SEEN[:, 0].long(), decoder_input_ids=OTHERS)
    return ours(IDS, OTHERS, SEEN), output.logits


FROM = {
    "gpt": (their_gpt, carry.gpt_from_transformers, carry.gpt_to_transformers, gpt_logits),
    "gpt-untied": (
        lambda: their_gpt(tie_word_embeddings=False, n_inner=40, activation_function="relu"),
        carry.gpt_from_transformers, carry.gpt_to_transformers, gpt_logits,
    ),
    "bert": (
        lambda: their_bert(type_vocab_size=3),
        carry.encoder_from_transformers, carry.encoder_to_transformers, bert_logits,
    ),
    "bert-without-head": (
        lambda: their_bert(head=False),
        carry.encoder_from_transformers, carry.encoder_to_transformers, bert_logits,
    ),
    "t5": (
        their_t5, carry.encoder_decoder_from_transformers, carry.encoder_decoder_to_transformers, t5_logits,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FROM)
def test_from_transformers_and_back(kind):
    make, from_theirs, to_theirs, logits = FROM[kind]
    theirs = make()
    ours = from_theirs(theirs)
    assert_close(*logits(ours, theirs), **close)
    assert ours.training is False
    again = to_theirs(ours)
    assert_close(logits(ours, again)[1], logits(ours, theirs)[1], rtol=0, atol=0)
    for name, tensor in again.state_dict().items():  # all of it, exactly
        assert torch.equal(tensor, theirs.state_dict()[name]), name
    # The library's own models are untouched by training ours, and ours by training theirs.
    with torch.no_grad():
        next(ours.parameters()).add_(1)
    assert torch.equal(next(iter(again.state_dict().values())), next(iter(theirs.state_dict().values())))


TO = {
    "gpt": (lambda: GPT(ModelConfig(**SMALL)), "gpt"),
    "gpt-untied": (lambda: GPT(ModelConfig(**SMALL, tied=False, d_ff=24, activation="gelu")), "gpt"),
    "bert": (lambda: Encoder(ModelConfig.bert(**SMALL)), "bert"),
    "bert-without-head": (lambda: Encoder(ModelConfig.bert(**SMALL), head=False), "bert"),
    "t5": (lambda: EncoderDecoder(ModelConfig.t5(**SMALL, n_buckets=8, max_distance=12)), "t5"),
}


@pytest.mark.parametrize("kind", TO)
def test_to_transformers_and_back(kind):
    make, their_kind = TO[kind]
    _, from_theirs, to_theirs, logits = FROM[their_kind]
    ours = shaken(make())
    theirs = to_theirs(ours)
    assert_close(*logits(ours, theirs), **close)
    again = from_theirs(theirs)
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, ours.state_dict()[name]), name


@pytest.mark.parametrize("kind", ["gpt", "bert", "t5"])
def test_gradients_agree(kind):
    make, from_theirs, _, logits = FROM[kind]
    theirs = make()
    ours = from_theirs(theirs)
    a, b = logits(ours, theirs)
    a.square().mean().backward()
    b.square().mean().backward()
    embedding = theirs.get_input_embeddings().weight
    assert_close(ours.embedding.weight.grad, embedding.grad, rtol=1e-4, atol=1e-6)
    total = [sum(p.grad.square().sum() for p in model.parameters()) for model in (ours, theirs)]
    assert_close(*total, rtol=1e-4, atol=0)


@pytest.mark.parametrize("kind", ["gpt", "bert", "t5"])
def test_tied_weights_are_one_tensor_and_stay_so(kind):
    make, from_theirs, to_theirs, _ = FROM[kind]
    ours = from_theirs(make())
    assert ours.head.weight is ours.embedding.weight
    assert copy.deepcopy(ours).head.weight.data_ptr() != ours.head.weight.data_ptr()
    theirs = to_theirs(ours)
    assert theirs.get_output_embeddings().weight is theirs.get_input_embeddings().weight
    with torch.no_grad():
        ours.embedding.weight.add_(1)
    assert torch.equal(ours.head.weight, ours.embedding.weight)


def test_untied_weights_are_two():
    ours = carry.gpt_from_transformers(their_gpt(tie_word_embeddings=False))
    assert not torch.equal(ours.head.weight, ours.embedding.weight)


def test_settings_travel():
    theirs = their_gpt(resid_pdrop=0.3, embd_pdrop=0.3, attn_pdrop=0.3, layer_norm_epsilon=1e-3)
    config = carry.gpt_from_transformers(theirs.train()).config
    assert (config.dropout, config.eps, config.tied) == (0.3, 1e-3, True)
    again = carry.gpt_to_transformers(carry.gpt_from_transformers(theirs))
    assert again.training
    assert again.config.to_dict() | {"architectures": None} == theirs.config.to_dict() | {
        "architectures": None
    }


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (
            "bert",
            {
                "hidden_dropout_prob": 0.3,
                "attention_probs_dropout_prob": 0.3,
                "layer_norm_eps": 1e-3,
                "hidden_act": "relu",
                "type_vocab_size": 3,
            },
        ),
        (
            "t5",
            {
                "dropout_rate": 0.3,
                "layer_norm_epsilon": 1e-3,
                "relative_attention_num_buckets": 6,
                "relative_attention_max_distance": 9,
                "d_ff": 24,
            },
        ),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_settings_of_encoders_travel(kind, settings, training):
    _, from_theirs, to_theirs, _ = FROM[kind]
    theirs = {"bert": their_bert, "t5": their_t5}[kind](**settings).train(training)
    ours = from_theirs(theirs)
    assert (ours.config.dropout, ours.config.eps, ours.training) == (0.3, 1e-3, training)
    again = to_theirs(ours)
    assert {name: getattr(again.config, name) for name in settings} == settings
    assert again.training == training


def test_relative_positions_beyond_the_longest_distance():
    theirs = their_t5()
    ours = carry.encoder_decoder_from_transformers(theirs)
    ids = torch.randint(23, (1, 200))
    assert_close(ours(ids, ids), theirs(ids, decoder_input_ids=ids).logits, **close)


# ---- Deliberate faults must be seen ----


def _without_transposition(config):
    square = ("attention.out_proj",)
    for ours, theirs, transposed in carry_names.gpt_pairs(config):
        yield ours, theirs, transposed and not any(part in ours for part in square)


def _swapped(pairs):
    def faulty(config, **options):
        for ours, theirs, transposed in pairs(config, **options):
            yield ours, (theirs[1], theirs[0], *theirs[2:]) if len(theirs) > 1 else theirs, transposed

    return faulty


def _one_less(pairs):
    return lambda config, **options: list(pairs(config, **options))[:-1]


@pytest.mark.parametrize(
    ("kind", "name", "fault"),
    [
        ("gpt", "gpt_pairs", _without_transposition),
        ("bert", "bert_pairs", _swapped(carry_names.bert_pairs)),
        ("t5", "t5_pairs", _swapped(carry_names.t5_pairs)),
    ],
    ids=["not transposed", "queries for keys", "queries for keys in T5"],
)
def test_a_fault_is_seen(kind, name, fault, monkeypatch):
    monkeypatch.setattr(carry, name, fault)
    with pytest.raises(AssertionError):
        test_from_transformers_and_back(kind)


@pytest.mark.parametrize("kind", ["gpt", "bert", "t5"])
def test_a_forgotten_tensor_is_named(kind, monkeypatch):
    pairs = getattr(carry, f"{kind}_pairs")
    monkeypatch.setattr(carry, f"{kind}_pairs", _one_less(pairs))
    make, from_theirs, _, _ = FROM[kind]
    with pytest.raises(ValueError, match=r"^no counterpart for \w+"):
        from_theirs(make())


# ---- What is refused ----


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: carry.gpt_from_transformers(their_gpt(scale_attn_weights=False)),
            "scale_attn_weights = False",
        ),
        (lambda: carry.gpt_from_transformers(their_gpt(attn_pdrop=0.5)), "attn_pdrop = 0.5: only 0.1"),
        (lambda: carry.gpt_from_transformers(their_gpt(activation_function="silu")), "^activation 'silu'"),
        (
            lambda: carry.encoder_decoder_from_transformers(their_t5(feed_forward_proj="gated-gelu")),
            "is_gated_act = True: only False",
        ),
        (lambda: carry.encoder_decoder_from_transformers(their_t5(d_kv=8)), "d_kv = 8: only 4"),
        (
            lambda: carry.encoder_decoder_from_transformers(their_t5(num_decoder_layers=1)),
            "num_decoder_layers",
        ),
        *(
            (lambda c=change: carry.gpt_to_transformers(GPT(replace(ModelConfig(**SMALL), **c))), message)
            for change, message in [
                ({"norm": "post"}, "^norm is 'post'"),
                ({"positions": "rotary"}, "^positions is 'rotary': transformers' class has only 'learned'"),
                ({"residual": False}, "^residual is False"),
                ({"normalise": False}, "^normalise is False"),
                ({"causal": False}, "^causal is False"),
                ({"bias": False}, "^bias is False"),
            ]
        ),
        (lambda: carry.encoder_to_transformers(Encoder(ModelConfig(**SMALL))), "^norm is 'pre'"),
        (
            lambda: carry.encoder_to_transformers(Encoder(ModelConfig.bert(**SMALL, tied=False))),
            "^tied is False",
        ),
        (
            lambda: carry.encoder_from_transformers(their_bert(tie_word_embeddings=False)),
            "tie_word_embeddings = False: only True",
        ),
        (
            lambda: carry.encoder_decoder_to_transformers(EncoderDecoder(ModelConfig(**SMALL))),
            "^norm_type is",
        ),
    ],
)
def test_what_cannot_be_carried_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_styles_have_the_defaults_of_transformers_configurations():
    """Whoever writes ModelConfig.bert(…) or .t5(…) gets the activation and ε that the papers' code has."""
    bert, t5 = transformers.BertConfig(), transformers.T5Config()
    gpt, named = transformers.GPT2Config(), carry.OUR_ACTIVATIONS
    for ours, activation, eps in (
        (ModelConfig(**SMALL), gpt.activation_function, gpt.layer_norm_epsilon),
        (ModelConfig.bert(**SMALL), bert.hidden_act, bert.layer_norm_eps),
        (ModelConfig.t5(**SMALL), t5.dense_act_fn, t5.layer_norm_epsilon),
    ):
        assert (ours.activation, ours.eps) == (named[activation], eps)
    assert ModelConfig.t5(**SMALL).n_buckets == t5.relative_attention_num_buckets
    assert ModelConfig.t5(**SMALL).max_distance == t5.relative_attention_max_distance


# ---- Weights that would be lost ----


def _untie(model, name):
    """Replace a tensor that is tied by one of its own, twice as large; the configuration is not told."""
    owner, _, last = name.rpartition(".")
    part = model.get_submodule(owner)
    setattr(part, last, torch.nn.Parameter(2 * getattr(part, last).detach().clone() + 1))
    return model


@pytest.mark.parametrize(
    ("kind", "name", "partner"),
    [
        ("gpt", "lm_head.weight", "transformer.wte.weight"),
        ("bert", "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
        ("bert", "cls.predictions.decoder.bias", "cls.predictions.bias"),
        ("t5", "lm_head.weight", "shared.weight"),
        ("t5", "encoder.embed_tokens.weight", "shared.weight"),
        ("t5", "decoder.embed_tokens.weight", "shared.weight"),
    ],
)
def test_weights_untied_under_a_tied_configuration_are_refused(kind, name, partner):
    make, from_theirs, _, _ = FROM[kind]
    with pytest.raises(ValueError, match=f"^{name} differs from {partner}, but"):
        from_theirs(_untie(make(), name))


@pytest.mark.parametrize("kind", ["gpt", "bert", "t5"])
def test_ours_untied_under_a_tied_configuration_are_refused(kind):
    make, from_theirs, to_theirs, _ = FROM[kind]
    with pytest.raises(ValueError, match=r"^head\.weight differs from embedding\.weight, but"):
        to_theirs(_untie(from_theirs(make()), "head.weight"))


@pytest.mark.parametrize("kind", ["gpt", "bert", "t5"])
def test_two_tensors_that_are_equal_may_be_carried_as_one(kind):
    make, from_theirs, _, logits = FROM[kind]
    theirs = make()
    head = theirs.get_output_embeddings()
    head.weight = torch.nn.Parameter(head.weight.detach().clone())
    assert_close(*logits(from_theirs(theirs), theirs), **close)


def test_a_pooler_is_left_behind_and_nothing_else():
    theirs = their_bert(head=False)
    assert any(name.startswith("pooler.") for name in theirs.state_dict())
    carry.encoder_from_transformers(theirs)
    theirs.more = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"^more\.weight has no counterpart"):
        carry.encoder_from_transformers(theirs)


def _small(kind, config, **sizes):
    return lambda: getattr(transformers, kind)(getattr(transformers, config)(**sizes))


BERT_SIZES = {
    "vocab_size": 23,
    "max_position_embeddings": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
BERTS = "BertForMaskedLM or a BertModel"
BERT_SIZES |= {"hidden_size": 8, "intermediate_size": 8}
GPT_SIZES = {"vocab_size": 23, "n_positions": 16, "n_layer": 1, "n_head": 2, "n_embd": 8}
T5_SIZES = {"vocab_size": 23, "num_layers": 1, "num_heads": 2, "d_model": 8, "d_kv": 4, "d_ff": 8}


@pytest.mark.parametrize(
    ("make", "carry_it", "accepted"),
    [
        (_small("GPT2Model", "GPT2Config", **GPT_SIZES), "gpt", "GPT2LMHeadModel"),
        (_small("GPT2DoubleHeadsModel", "GPT2Config", **GPT_SIZES), "gpt", "GPT2LMHeadModel"),
        (_small("BertForMaskedLM", "BertConfig", **BERT_SIZES), "gpt", "GPT2LMHeadModel"),
        (_small("RobertaModel", "RobertaConfig", **BERT_SIZES), "encoder", BERTS),
        (_small("RobertaForMaskedLM", "RobertaConfig", **BERT_SIZES), "encoder", BERTS),
        (
            _small("BertForSequenceClassification", "BertConfig", **BERT_SIZES),
            "encoder", BERTS,
        ),
        (
            _small("BertForPreTraining", "BertConfig", **BERT_SIZES),
            "encoder", BERTS,
        ),
        (
            _small("DistilBertModel", "DistilBertConfig", dim=8, n_heads=2, n_layers=1, hidden_dim=8),
            "encoder", BERTS,
        ),
        (_small("MT5ForConditionalGeneration", "MT5Config", **T5_SIZES), "encoder_decoder", "T5For"),
        (_small("T5EncoderModel", "T5Config", **T5_SIZES), "encoder_decoder", "T5ForConditionalGeneration"),
    ],
)  # fmt: skip
def test_other_classes_are_refused_and_what_is_accepted_is_said(make, carry_it, accepted):
    model = make()
    with pytest.raises(ValueError, match=rf"^model is a {type(model).__name__}: a {accepted}"):
        getattr(carry, f"{carry_it}_from_transformers")(model)


@pytest.mark.parametrize("name", ["gpt", "encoder", "encoder_decoder"])
def test_other_classes_of_ours_are_refused(name):
    with pytest.raises(ValueError, match=r"^model is a Linear: a \w+ can be carried"):
        getattr(carry, f"{name}_to_transformers")(torch.nn.Linear(2, 2))


# ---- Dtypes ----


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("kind", FROM)
def test_dtypes_survive_in_both_directions(kind, dtype):
    make, from_theirs, to_theirs, _ = FROM[kind]
    theirs = make().to(dtype)
    ours = from_theirs(theirs)
    again = to_theirs(ours)
    for model in (ours, again):
        assert {p.dtype for p in model.parameters()} == {dtype}
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, theirs.state_dict()[name]), name
    if hasattr(ours, "head") and ours.config.tied:
        assert ours.head.weight is ours.embedding.weight


def test_weights_of_two_types_are_refused():
    theirs = their_t5().to(torch.bfloat16)
    theirs.lm_head.float()
    with pytest.raises(ValueError, match=r"^the weights are of types torch\.bfloat16, torch\.float32: call"):
        carry.encoder_decoder_from_transformers(theirs)
