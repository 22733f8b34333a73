"""labutils.models.sizes against transformers' own count, without memory, and against published sizes."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Model,
    OpenAIGPTConfig,
    OpenAIGPTModel,
)

from labutils.models.sizes import PUBLISHED, TransformerConfig, count_parameters

TINY = TransformerConfig(n_layer=2, d_model=12, n_vocab=50, n_context=16)


def counted_by_transformers(kind, config):
    """The parameters of the library's own model; on the meta device it has shapes but no numbers."""
    c = config
    d_ff = c.d_ff or 4 * c.d_model
    gpt = {
        "vocab_size": c.n_vocab,
        "n_positions": c.n_context,
        "n_embd": c.d_model,
        "n_layer": c.n_layer,
        "n_head": 4,
    }
    with torch.device("meta"):
        if kind == "GPT-1":
            model = OpenAIGPTModel(OpenAIGPTConfig(**gpt))
        elif kind == "GPT-2":
            model = GPT2Model(GPT2Config(**gpt, n_inner=c.d_ff))
        elif kind == "GPT-2 untied":
            model = GPT2LMHeadModel(GPT2Config(**gpt, n_inner=c.d_ff, tie_word_embeddings=False))
        else:
            bert = BertConfig(
                vocab_size=c.n_vocab,
                hidden_size=c.d_model,
                num_hidden_layers=c.n_layer,
                num_attention_heads=4,
                intermediate_size=d_ff,
                max_position_embeddings=c.n_context,
                type_vocab_size=c.n_segments,
            )
            model = BertModel(bert, add_pooling_layer=c.pooler)
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("GPT-1", {}),
        ("GPT-2", {"final_norm": True}),
        ("GPT-2", {"final_norm": True, "d_ff": 20}),
        ("GPT-2 untied", {"final_norm": True, "tied": False}),
        ("BERT", {"final_norm": True, "n_segments": 2, "pooler": True}),
        ("BERT", {"final_norm": True, "n_segments": 3, "d_ff": 20}),
    ],
)
def test_equals_transformers_on_tiny_models(kind, changes):
    config = dataclasses.replace(TINY, **changes)
    assert count_parameters(config)["total"] == counted_by_transformers(kind, config)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_equal_transformers_and_their_papers_within_two_percent(name):
    config, size, source = PUBLISHED[name]
    total = count_parameters(config)["total"]
    kind = {"GPT-1": "GPT-1", "BERT-large": "BERT"}.get(name, "GPT-2")
    assert total == counted_by_transformers(kind, config)
    assert total == pytest.approx(size, rel=0.02)
    assert "et al." in source


def test_gpt_3_does_not_have_150_billion_parameters():
    assert count_parameters(PUBLISHED["GPT-3"][0])["total"] > 1.15 * 150e9


def test_sizes_that_are_often_quoted():
    gpt2_small = TransformerConfig(12, 768, 50_257, 1024, final_norm=True)
    bert_base = TransformerConfig(12, 768, 30_522, 512, n_segments=2, final_norm=True, pooler=True)
    assert count_parameters(gpt2_small)["total"] == 124_439_808
    assert count_parameters(bert_base)["total"] == 109_482_240


sizes = st.integers(1, 10_000)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(sizes, sizes, sizes, st.integers(0, 10_000), st.none() | sizes, st.booleans(), st.booleans())
def test_parts_add_up_and_layers_are_alike(n_layer, d_model, n_vocab, n_context, d_ff, final_norm, tied):
    config = TransformerConfig(n_layer, d_model, n_vocab, n_context, d_ff, final_norm=final_norm, tied=tied)
    parts = count_parameters(config)
    assert parts.pop("total") == sum(parts.values())
    totals = [count_parameters(dataclasses.replace(config, n_layer=n))["total"] for n in (1, 2, 3)]
    assert totals[2] - totals[1] == totals[1] - totals[0]
    untied = count_parameters(dataclasses.replace(config, tied=False))["total"]
    assert untied - count_parameters(dataclasses.replace(config, tied=True))["total"] == n_vocab * d_model


@pytest.mark.parametrize("name", ["n_layer", "d_model", "n_vocab", "d_ff", "n_context", "n_segments"])
def test_bad_sizes_are_refused_by_name(name):
    with pytest.raises(ValueError, match=name):
        count_parameters(dataclasses.replace(TINY, **{name: -1}))
    if name not in ("n_context", "n_segments"):
        with pytest.raises(ValueError, match=f"^{name} is 0"):
            count_parameters(dataclasses.replace(TINY, **{name: 0}))
