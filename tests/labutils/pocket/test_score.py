"""Scores against loops that predict one token at a time."""

import math

import pytest
import torch

from labutils.models.pretrained import POCKET
from labutils.pocket.publish import score, wrap
from labutils.pocket.recipe import CLS, MASK, SEP, Recipe, build
from labutils.pocket.score import bits_per_character, masked_bits
from labutils.pocket.text import encode, split

SMALL = {"n_steps": 1, "n_layer": 1, "n_head": 2, "d_model": 16, "d_hidden": 32}


@pytest.fixture(scope="module")
def plain():
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(POCKET["pocket-gpt"] / "tokenizer.json"))


def untrained(kind, n_context):
    model = build(Recipe(kind, n_context=n_context, **SMALL)).eval()
    with torch.no_grad():  # away from an even distribution
        for p in model.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    return model


@torch.no_grad()
def test_bits_per_character_one_token_at_a_time(plain):
    model, text = untrained("gpt", 256), split()[1][:2000]
    ids = encode(plain, text)
    assert len(ids) > 500
    nats = 0.0
    for place in range(1, len(ids)):
        start = 0 if place <= 256 else 128 * ((place - 257) // 128 + 1)
        logits = model(input_ids=torch.from_numpy(ids[start:place])[None]).logits[0, -1]
        nats -= logits.log_softmax(0)[ids[place]].item()
    expected = nats / math.log(2) / len(text)
    assert bits_per_character(model, wrap(plain, "gpt"), text) == pytest.approx(expected, rel=1e-4)
    assert score(model, wrap(plain, "gpt"), "gpt", text) == {"bits_per_character": round(expected, 4)}


@torch.no_grad()
def test_masked_bits_one_token_at_a_time(plain):
    model, text = untrained("bert", 128), split()[1][:3000]
    ids = torch.from_numpy(encode(plain, text))
    n = len(ids) // 126
    hidden = torch.rand(n, 126, generator=torch.Generator().manual_seed(0)) < 0.15
    bits = []
    for window, hide in zip(ids[: n * 126].view(n, 126), hidden, strict=True):
        seen = torch.tensor([CLS, *window.masked_fill(hide, MASK), SEP])
        shares = model(input_ids=seen[None]).logits[0, 1:-1].softmax(-1)
        bits += [-math.log2(shares[i, window[i]]) for i in range(126) if hide[i]]
    assert 0.1 < len(bits) / (n * 126) < 0.2
    expected = sum(bits) / len(bits)
    assert masked_bits(model, wrap(plain, "bert"), text) == pytest.approx(expected, rel=1e-4)
    assert masked_bits(model, wrap(plain, "bert"), text, seed=1) != pytest.approx(expected, rel=1e-4)
    assert score(model, wrap(plain, "bert"), "bert", text) == {"bits_per_hidden_token": round(expected, 4)}
