"""Carry weights between the models of this book and the classes of the library transformers.

`…_from_transformers` makes a model of ours with the library's weights, `…_to_transformers` the reverse; both
give the same logits as the model they start from, in the same dtype and on the same device. What is not of
these classes, and weights that would be lost, are refused with a ValueError. The list of pairs of names in
`names` says which tensor goes where, and serves both directions. Importing transformers' models takes
seconds: it happens at the first call.
Page: notebooks/transformers/transformer.ipynb.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from labutils.models.config import Activation, ModelConfig
from labutils.models.exchange.names import bert_pairs, gpt_pairs, t5_pairs
from labutils.models.exchange.transfer import copy_weights
from labutils.models.transformer import GPT, Encoder, EncoderDecoder

if TYPE_CHECKING:
    from transformers import (
        BertForMaskedLM,
        BertModel,
        GPT2LMHeadModel,
        PreTrainedModel,
        T5ForConditionalGeneration,
    )

__all__ = [
    "encoder_decoder_from_transformers",
    "encoder_decoder_to_transformers",
    "encoder_from_transformers",
    "encoder_to_transformers",
    "gpt_from_transformers",
    "gpt_to_transformers",
]

OUR_ACTIVATIONS: dict[str, Activation] = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu": "gelu",
    "relu": "relu",
}
THEIR_ACTIVATIONS = {"gelu_tanh": "gelu_new", "gelu": "gelu", "relu": "relu"}


def _is(model: object, *classes: type) -> None:
    """Raise ValueError unless `model` is of one of these classes."""
    if not isinstance(model, classes):
        expected = " or a ".join(kind.__name__ for kind in classes)
        raise ValueError(f"model is a {type(model).__name__}: a {expected} can be carried")


def _need(theirs: PreTrainedModel, **expected: Any) -> None:
    for name, value in expected.items():
        found = getattr(theirs.config, name)
        if found != value:
            raise ValueError(f"the configuration has {name} = {found!r}: only {value!r} can be carried")


def _activation(name: str) -> Activation:
    if name not in OUR_ACTIVATIONS:
        raise ValueError(
            f"activation {name!r} cannot be carried: expected one of {', '.join(OUR_ACTIVATIONS)}"
        )
    return OUR_ACTIVATIONS[name]


def _must_be(config: ModelConfig, style: ModelConfig, sizes: tuple[str, ...]) -> None:
    """Raise ValueError unless `config` is `style` in everything but `sizes` and how it is computed."""
    free = {name: getattr(config, name) for name in (*sizes, "fused")}
    for name, value in vars(replace(style, **free)).items():
        if getattr(config, name) != value:
            raise ValueError(
                f"{name} is {getattr(config, name)!r}: transformers' class has only {value!r}, so this model "
                "cannot be carried"
            )


SIZES = ("n_vocab", "n_context", "n_layer", "n_head", "d_model", "d_ff", "dropout", "eps", "activation")


# --- GPT-2 --------------------------------------------------------------------------------------------------


def gpt_from_transformers(model: GPT2LMHeadModel) -> GPT:
    """A GPT with the weights of a GPT2LMHeadModel. ValueError for another class or variant."""
    from transformers import GPT2LMHeadModel

    _is(model, GPT2LMHeadModel)
    c = model.config
    _need(
        model,
        scale_attn_weights=True,
        scale_attn_by_inverse_layer_idx=False,
        add_cross_attention=False,
        embd_pdrop=c.resid_pdrop,
        attn_pdrop=c.resid_pdrop,
    )
    config = ModelConfig(
        n_vocab=c.vocab_size,
        n_context=c.n_positions,
        n_layer=c.n_layer,
        n_head=c.n_head,
        d_model=c.n_embd,
        d_ff=c.n_inner,
        activation=_activation(c.activation_function),
        dropout=c.resid_pdrop,
        eps=c.layer_norm_epsilon,
        tied=c.tie_word_embeddings,
    )
    ours = GPT(config).train(model.training)
    copy_weights(gpt_pairs(config), ours, model, to_theirs=False)
    return ours


def gpt_to_transformers(model: GPT) -> GPT2LMHeadModel:
    """A GPT2LMHeadModel with the weights of `model`. ValueError if that is not of GPT-2's style."""
    from transformers import GPT2Config, GPT2LMHeadModel

    _is(model, GPT)
    c = model.config
    _must_be(c, ModelConfig(n_vocab=1, n_context=1, n_layer=1, n_head=1, d_model=1), (*SIZES, "tied"))
    theirs: GPT2LMHeadModel = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=c.n_vocab,
            n_positions=c.n_context,
            n_layer=c.n_layer,
            n_head=c.n_head,
            n_embd=c.d_model,
            n_inner=c.d_ff,
            activation_function=THEIR_ACTIVATIONS[c.activation],
            resid_pdrop=c.dropout,
            embd_pdrop=c.dropout,
            attn_pdrop=c.dropout,
            layer_norm_epsilon=c.eps,
            tie_word_embeddings=c.tied,
            bos_token_id=None,
            eos_token_id=None,
        )
    )
    theirs.train(model.training)
    copy_weights(gpt_pairs(c), model, theirs, to_theirs=True)
    return theirs


# --- BERT ---------------------------------------------------------------------------------------------------


def encoder_from_transformers(model: BertForMaskedLM | BertModel) -> Encoder:
    """An Encoder with the weights of a BertForMaskedLM, or without head those of a BertModel.

    A BertModel's pooler, a layer on the first token, has no counterpart and is left behind.
    """
    from transformers import BertForMaskedLM, BertModel

    _is(model, BertForMaskedLM, BertModel)
    c = model.config
    head = isinstance(model, BertForMaskedLM)
    # Untied, transformers' class has a second bias that it never uses.
    _need(
        model, is_decoder=False, attention_probs_dropout_prob=c.hidden_dropout_prob, tie_word_embeddings=True
    )
    config = ModelConfig.bert(
        n_vocab=c.vocab_size,
        n_context=c.max_position_embeddings,
        n_layer=c.num_hidden_layers,
        n_head=c.num_attention_heads,
        d_model=c.hidden_size,
        d_ff=c.intermediate_size,
        n_segments=c.type_vocab_size,
        activation=_activation(c.hidden_act),
        dropout=c.hidden_dropout_prob,
        eps=c.layer_norm_eps,
    )
    ours = Encoder(config, head=head).train(model.training)
    copy_weights(bert_pairs(config, head=head), ours, model, to_theirs=False, without="pooler.")
    return ours


def encoder_to_transformers(model: Encoder) -> BertForMaskedLM | BertModel:
    """A BertForMaskedLM, or without head a BertModel without pooler, with the weights of `model`."""
    from transformers import BertConfig, BertForMaskedLM, BertModel

    _is(model, Encoder)
    c = model.config
    style = ModelConfig.bert(n_vocab=1, n_context=1, n_layer=1, n_head=1, d_model=1)
    _must_be(c, style, (*SIZES, "n_segments", "causal"))
    config = BertConfig(
        vocab_size=c.n_vocab,
        max_position_embeddings=c.n_context,
        num_hidden_layers=c.n_layer,
        num_attention_heads=c.n_head,
        hidden_size=c.d_model,
        intermediate_size=c.width_ff,
        type_vocab_size=c.n_segments,
        hidden_act=THEIR_ACTIVATIONS[c.activation],
        hidden_dropout_prob=c.dropout,
        attention_probs_dropout_prob=c.dropout,
        layer_norm_eps=c.eps,
        pad_token_id=None,
    )
    head = hasattr(model, "head")
    theirs = BertForMaskedLM(config) if head else BertModel(config, add_pooling_layer=False)
    theirs.train(model.training)
    copy_weights(bert_pairs(c, head=head), model, theirs, to_theirs=True)
    return theirs


# --- T5 -----------------------------------------------------------------------------------------------------


def encoder_decoder_from_transformers(model: T5ForConditionalGeneration) -> EncoderDecoder:
    """An EncoderDecoder with the weights of a T5ForConditionalGeneration of the first T5's style.

    ValueError for the gated feed-forward layer of T5 1.1, and where heads do not split d_model.
    """
    from transformers import T5ForConditionalGeneration

    _is(model, T5ForConditionalGeneration)
    c = model.config
    _need(
        model,
        is_gated_act=False,
        scale_decoder_outputs=True,
        num_decoder_layers=c.num_layers,
        d_kv=c.d_model // c.num_heads,
    )
    config = ModelConfig.t5(
        n_vocab=c.vocab_size,
        n_context=c.relative_attention_max_distance,  # says nothing here: T5 has no longest context
        n_layer=c.num_layers,
        n_head=c.num_heads,
        d_model=c.d_model,
        d_ff=c.d_ff,
        n_buckets=c.relative_attention_num_buckets,
        max_distance=c.relative_attention_max_distance,
        activation=_activation(c.dense_act_fn),
        dropout=c.dropout_rate,
        eps=c.layer_norm_epsilon,
    )
    ours = EncoderDecoder(config).train(model.training)
    copy_weights(t5_pairs(config), ours, model, to_theirs=False)
    return ours


def encoder_decoder_to_transformers(model: EncoderDecoder) -> T5ForConditionalGeneration:
    """A T5ForConditionalGeneration with the weights of `model`. ValueError if that is not of T5's style."""
    from transformers import T5Config, T5ForConditionalGeneration

    _is(model, EncoderDecoder)
    c = model.config
    style = ModelConfig.t5(n_vocab=1, n_context=1, n_layer=1, n_head=1, d_model=1)
    _must_be(c, style, (*SIZES, "n_buckets", "max_distance"))
    theirs: T5ForConditionalGeneration = T5ForConditionalGeneration(
        T5Config(
            vocab_size=c.n_vocab,
            num_layers=c.n_layer,
            num_heads=c.n_head,
            d_model=c.d_model,
            d_kv=c.d_model // c.n_head,
            d_ff=c.width_ff,
            relative_attention_num_buckets=c.n_buckets,
            relative_attention_max_distance=c.max_distance,
            feed_forward_proj=THEIR_ACTIVATIONS[c.activation],
            dropout_rate=c.dropout,
            layer_norm_epsilon=c.eps,
        )
    )
    theirs.train(model.training)
    copy_weights(t5_pairs(c), model, theirs, to_theirs=True)
    return theirs
