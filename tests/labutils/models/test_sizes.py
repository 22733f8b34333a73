"""labutils.models.sizes against transformers' own count, without memory, and against published sizes."""

import dataclasses
import subprocess
import sys

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

from labutils.models.config import ModelConfig
from labutils.models.sizes import PUBLISHED, count_parameters

TINY = ModelConfig(n_layer=2, n_head=4, d_model=12, n_vocab=50, n_context=16)
BERT = {"norm": "post", "embedding_norm": True, "activation": "gelu"}


def gpt1(**sizes):
    return OpenAIGPTModel(OpenAIGPTConfig(**sizes))


def gpt2(**sizes):
    return GPT2Model(GPT2Config(**sizes))


def untied(**sizes):
    return GPT2LMHeadModel(GPT2Config(**sizes, tie_word_embeddings=False))


def bert(pooler=False, **sizes):
    return BertModel(BertConfig(**sizes), add_pooling_layer=pooler)


def counted(make, **sizes):
    """The parameters of the library's own model; on the meta device it has shapes but no numbers."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in make(**sizes).parameters())


THEIR_TINY = {"vocab_size": 50, "n_positions": 16, "n_embd": 12, "n_layer": 2, "n_head": 4}
THEIR_TINY_BERT = {
    "vocab_size": 50, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 16,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "pooler", "make", "sizes"),
    [
        ({"norm": "post"}, False, gpt1, THEIR_TINY),
        ({}, False, gpt2, THEIR_TINY),
        ({"d_ff": 20}, False, gpt2, THEIR_TINY | {"n_inner": 20}),
        ({"tied": False}, False, untied, THEIR_TINY),
        (BERT | {"n_segments": 2}, True, bert, THEIR_TINY_BERT | {"intermediate_size": 48, "pooler": True}),
        (BERT | {"n_segments": 3, "d_ff": 20}, False, bert,
         THEIR_TINY_BERT | {"intermediate_size": 20, "type_vocab_size": 3}),
    ],
)  # fmt: skip
def test_equals_transformers_on_tiny_models(changes, pooler, make, sizes):
    total = count_parameters(dataclasses.replace(TINY, **changes), pooler=pooler)["total"]
    assert total == counted(make, **sizes)


# What transformers is told of the published models, in numbers of its own.
THEIR_PUBLISHED = {
    "GPT-1": (gpt1, {}),  # the library's defaults are these models' sizes
    "BERT-large": (
        bert,
        {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
    ),
    "GPT-2 XL": (gpt2, {"n_embd": 1600, "n_layer": 48, "n_head": 25}),
    "GPT-3": (gpt2, {"n_embd": 12_288, "n_layer": 96, "n_head": 96, "n_positions": 2048}),
}


@pytest.mark.parametrize("name", THEIR_PUBLISHED)
def test_published_models_equal_transformers_and_their_papers_within_two_percent(name):
    config, size, source = PUBLISHED[name]
    make, sizes = THEIR_PUBLISHED[name]
    assert count_parameters(config)["total"] == counted(make, **sizes)
    pooler = name == "BERT-large"
    if pooler:
        assert count_parameters(config, pooler=True)["total"] == counted(make, pooler=True, **sizes)
    assert count_parameters(config, pooler=pooler)["total"] == pytest.approx(size, rel=0.02)
    assert set(PUBLISHED) == set(THEIR_PUBLISHED)
    assert "et al." in source


def test_gpt_3_does_not_have_150_billion_parameters():
    assert count_parameters(PUBLISHED["GPT-3"][0])["total"] > 1.15 * 150e9


def test_sizes_that_are_often_quoted():
    gpt2_small = ModelConfig(n_layer=12, n_head=12, d_model=768, n_vocab=50_257, n_context=1024)
    bert_base = ModelConfig.bert(n_layer=12, n_head=12, d_model=768, n_vocab=30_522, n_context=512)
    assert count_parameters(gpt2_small)["total"] == 124_439_808
    assert count_parameters(bert_base, pooler=True)["total"] == 109_482_240


sizes = st.integers(1, 10_000)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    sizes, sizes, sizes, sizes, st.none() | sizes, st.sampled_from(["pre", "post"]),
    st.sampled_from(["learned", "rotary", "none"]),
)  # fmt: skip
def test_parts_add_up_and_layers_are_alike(n_layer, d_model, n_vocab, n_context, d_ff, norm, positions):
    config = ModelConfig(
        n_layer=n_layer, n_head=1, d_model=2 * d_model, n_vocab=n_vocab, n_context=n_context, d_ff=d_ff,
        norm=norm, positions=positions,
    )  # fmt: skip
    parts = count_parameters(config)
    assert parts.pop("total") == sum(parts.values())
    assert parts["positions and segments"] == (n_context * 2 * d_model if positions == "learned" else 0)
    totals = [count_parameters(dataclasses.replace(config, n_layer=n))["total"] for n in (1, 2, 3)]
    assert totals[2] - totals[1] == totals[1] - totals[0]
    apart = count_parameters(dataclasses.replace(config, tied=False))["total"]
    assert apart - count_parameters(config)["total"] == n_vocab * 2 * d_model


def test_no_torch_is_loaded():
    code = "import sys, labutils.models.sizes; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
