"""Which tensor of our models is which tensor of transformers' classes; `carry` reads it."""

from __future__ import annotations

from collections.abc import Iterator

from labutils.models.config import ModelConfig

__all__ = ["Pairs", "bert_pairs", "gpt_pairs", "t5_pairs"]

# Ours, theirs, and whether theirs is transposed; several of theirs stand below each other in one of ours.
Pairs = Iterator[tuple[str, tuple[str, ...], bool]]


def gpt_pairs(config: ModelConfig) -> Pairs:
    """GPT and GPT2LMHeadModel, whose linear layers are stored transposed, as (in, out)."""
    yield "embedding.weight", ("transformer.wte.weight",), False
    yield "decoder.positions.weight", ("transformer.wpe.weight",), False
    parts = {
        "attention_norm": "ln_1",
        "attention.in_proj": "attn.c_attn",
        "attention.out_proj": "attn.c_proj",
        "feed_forward_norm": "ln_2",
        "feed_forward.0": "mlp.c_fc",
        "feed_forward.2": "mlp.c_proj",
    }
    for i in range(config.n_layer):
        for ours, theirs in parts.items():
            joint = "_" if ours == "attention.in_proj" else "."
            transposed = not ours.endswith("norm")
            yield (
                f"decoder.blocks.{i}.{ours}{joint}weight",
                (f"transformer.h.{i}.{theirs}.weight",),
                transposed,
            )
            yield f"decoder.blocks.{i}.{ours}{joint}bias", (f"transformer.h.{i}.{theirs}.bias",), False
    yield "decoder.last_norm.weight", ("transformer.ln_f.weight",), False
    yield "decoder.last_norm.bias", ("transformer.ln_f.bias",), False
    if not config.tied:
        yield "head.weight", ("lm_head.weight",), False


def bert_pairs(config: ModelConfig, *, head: bool) -> Pairs:
    """Encoder and BertForMaskedLM, or without head BertModel."""
    body = "bert." if head else ""
    whole = {
        "embedding": "embeddings.word_embeddings",
        "encoder.positions": "embeddings.position_embeddings",
        "encoder.segments": "embeddings.token_type_embeddings",
    }
    for ours, theirs in whole.items():
        yield f"{ours}.weight", (f"{body}{theirs}.weight",), False
    for kind in ("weight", "bias"):
        yield f"encoder.embedding_norm.{kind}", (f"{body}embeddings.LayerNorm.{kind}",), False
        for i in range(config.n_layer):
            us, them = f"encoder.blocks.{i}", f"{body}encoder.layer.{i}"
            qkv = tuple(f"{them}.attention.self.{part}.{kind}" for part in ("query", "key", "value"))
            yield f"{us}.attention.in_proj_{kind}", qkv, False
            yield f"{us}.attention.out_proj.{kind}", (f"{them}.attention.output.dense.{kind}",), False
            yield f"{us}.attention_norm.{kind}", (f"{them}.attention.output.LayerNorm.{kind}",), False
            yield f"{us}.feed_forward.0.{kind}", (f"{them}.intermediate.dense.{kind}",), False
            yield f"{us}.feed_forward.2.{kind}", (f"{them}.output.dense.{kind}",), False
            yield f"{us}.feed_forward_norm.{kind}", (f"{them}.output.LayerNorm.{kind}",), False
        if head:
            yield f"transform.0.{kind}", (f"cls.predictions.transform.dense.{kind}",), False
            yield f"transform.2.{kind}", (f"cls.predictions.transform.LayerNorm.{kind}",), False
    if head:
        yield "head.bias", ("cls.predictions.bias",), False


def t5_pairs(config: ModelConfig) -> Pairs:
    """EncoderDecoder and T5ForConditionalGeneration."""
    yield "embedding.weight", ("shared.weight",), False
    for stack in ("encoder", "decoder"):
        # T5 keeps the biases of the distances in the first block of each stack; all blocks use them.
        first = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        yield f"{stack}.distances.weight", (first,), False
        yield f"{stack}.last_norm.weight", (f"{stack}.final_layer_norm.weight",), False
        for i in range(config.n_layer):
            us, them = f"{stack}.blocks.{i}", f"{stack}.block.{i}.layer"
            kinds = [("attention", "SelfAttention"), ("cross", "EncDecAttention")]
            for at, (ours, theirs) in enumerate(kinds if stack == "decoder" else kinds[:1]):
                qkv = tuple(f"{them}.{at}.{theirs}.{part}.weight" for part in "qkv")
                yield f"{us}.{ours}.in_proj_weight", qkv, False
                yield f"{us}.{ours}.out_proj.weight", (f"{them}.{at}.{theirs}.o.weight",), False
                yield f"{us}.{ours}_norm.weight", (f"{them}.{at}.layer_norm.weight",), False
            at = 2 if stack == "decoder" else 1
            yield f"{us}.feed_forward.0.weight", (f"{them}.{at}.DenseReluDense.wi.weight",), False
            yield f"{us}.feed_forward.2.weight", (f"{them}.{at}.DenseReluDense.wo.weight",), False
            yield f"{us}.feed_forward_norm.weight", (f"{them}.{at}.layer_norm.weight",), False
