"""Filters equal the library's logits processors; the loop equals its generate; the measures by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from labutils import generation as g

transformers = pytest.importorskip("transformers")
process = transformers.generation.logits_process


def draw(*shape: int, seed: int = 0, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def cut(logits: Tensor) -> Tensor:
    return logits.masked_fill(logits.isinf(), -1e9)


PAIRS: dict[str, tuple[Callable[[Tensor], Tensor], Any]] = {
    "temperature": (lambda z: g.temper(z, 0.7), process.TemperatureLogitsWarper(0.7)),
    "top-k": (lambda z: g.top_k(z, 7), process.TopKLogitsWarper(7)),
    "more than all": (lambda z: g.top_k(z, 700), process.TopKLogitsWarper(700)),
    "nucleus": (lambda z: g.top_p(z, 0.8), process.TopPLogitsWarper(0.8)),
    "a small nucleus": (lambda z: g.top_p(z, 0.01), process.TopPLogitsWarper(0.01)),
    "min-p": (lambda z: g.min_p(z, 0.1), process.MinPLogitsWarper(0.1)),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("seed", range(5))
def test_filter_equals_the_librarys(name: str, seed: int) -> None:
    ours, theirs = PAIRS[name]
    z = draw(4, 60, seed=seed)
    before = z.clone()
    torch.testing.assert_close(cut(ours(z)), cut(theirs(torch.zeros(4, 1, dtype=torch.long), z.clone())))
    assert torch.equal(z, before)


@pytest.mark.parametrize("penalty", [0.8, 1.0, 1.3])
def test_penalty_equals_the_librarys(penalty: float) -> None:
    z, ids = draw(4, 60), torch.randint(60, (4, 9), generator=torch.Generator().manual_seed(1))
    theirs = process.RepetitionPenaltyLogitsProcessor(penalty)(ids, z.clone())
    torch.testing.assert_close(g.penalise(z, ids, penalty), theirs)


def test_ties_stay_and_the_nucleus_has_its_mass() -> None:
    tied = torch.tensor([[2.0, 1.0, 1.0, 0.0]])
    assert g.top_k(tied, 2).isfinite().tolist() == [[True, True, True, False]]
    z = draw(50, 40)
    kept = g.top_p(z, 0.9).isfinite()
    probs = z.softmax(-1)
    mass = (probs * kept).sum(-1)
    assert (mass >= 0.9 - 1e-6).all()
    least = probs.masked_fill(~kept, 2.0).amin(-1)
    assert (mass - least < 0.9).all()  # without its last member it has not


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda z: g.temper(z, 0), "greedy"),
        (lambda z: g.top_k(z, 0), "k is 0"),
        (lambda z: g.top_p(z, 0), "p is 0"),
        (lambda z: g.top_p(z, 1.1), "p is 1.1"),
        (lambda z: g.min_p(z, -0.1), "share is -0.1"),
        (lambda z: g.penalise(z, torch.zeros(1, 1, dtype=torch.long), 0), "penalty is 0"),
        (lambda z: g.repeated([1, 2], 3), "n is 3"),
    ],
)
def test_faults_are_said(call: Callable[[Tensor], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call(draw(1, 8))


def tiny(kind: str) -> Any:
    torch.manual_seed(0)
    if kind == "gpt2":
        config = transformers.GPT2Config(
            n_layer=2, n_embd=32, n_head=4, vocab_size=50, n_positions=64, pad_token_id=0, eos_token_id=None
        )
        return transformers.GPT2LMHeadModel(config).eval()
    config = transformers.LlamaConfig(
        num_hidden_layers=2, hidden_size=32, intermediate_size=64, num_attention_heads=4, vocab_size=50
    )
    config.pad_token_id, config.eos_token_id = 0, None
    model = transformers.LlamaForCausalLM(config).eval()
    model.generation_config.eos_token_id = None
    return model


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_the_loop_equals_generate(kind: str) -> None:
    model, ids = tiny(kind), torch.randint(1, 50, (3, 6), generator=torch.Generator().manual_seed(0))
    options: dict[str, Any] = {"max_new_tokens": 12, "attention_mask": torch.ones_like(ids)}
    assert torch.equal(g.generate(model, ids, 12), model.generate(ids, do_sample=False, **options))
    torch.manual_seed(3)
    expected = model.generate(ids, do_sample=True, temperature=0.8, top_k=20, top_p=0.9, **options)
    torch.manual_seed(3)
    choose = g.sampler(lambda z: g.temper(z, 0.8), lambda z: g.top_k(z, 20), lambda z: g.top_p(z, 0.9))
    assert torch.equal(g.generate(model, ids, 12, choose), expected)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_left_padding_gives_the_tokens_of_each_alone(kind: str) -> None:
    model = tiny(kind)
    prompts = [[5, 9, 3], [7], [8, 8, 2, 30, 11]]
    alone = [g.generate(model, torch.tensor([p]), 10)[0, len(p) :] for p in prompts]
    ids = torch.tensor([[0] * (5 - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (5 - len(p)) + [1] * len(p) for p in prompts])
    assert torch.equal(g.generate(model, ids, 10, mask=mask)[:, 5:], torch.stack(alone))
    with pytest.raises(ValueError, match="pad on the left"):
        g.generate(model, ids, 10, mask=mask.flip(1))


def test_a_generator_repeats_its_texts() -> None:
    model, ids = tiny("llama"), torch.tensor([[4, 5]])
    texts = [
        g.generate(model, ids, 20, g.sampler(generator=torch.Generator().manual_seed(s))) for s in (1, 1, 2)
    ]
    assert torch.equal(texts[0], texts[1])
    assert not torch.equal(texts[0], texts[2])


def test_bits_of_tokens() -> None:
    model, ids = tiny("gpt2"), torch.randint(50, (2, 9), generator=torch.Generator().manual_seed(5))
    found = g.token_bits(model, ids, 4)
    logs = model(input_ids=ids).logits.log_softmax(-1)
    assert found.shape == (2, 5)
    for row in range(2):
        for t in range(5):
            nats = -logs[row, 3 + t, ids[row, 4 + t]].item()
            assert found[row, t].item() == pytest.approx(nats / 0.693147, rel=1e-4)
    with pytest.raises(ValueError, match="n_prompt is 0"):
        g.token_bits(model, ids, 0)


def test_measures_by_hand() -> None:
    p, q = torch.tensor([0.1, 0.2, 0.6, 0.1]), torch.tensor([0.0, 0.0, 1.0, 0.0])
    assert g.total_variation(p, q).item() == pytest.approx(0.4)
    assert g.repeated([1, 2, 1, 2, 1], 2) == pytest.approx(0.5)  # 12 21 12 21
    assert g.repeated("abcd", 2) == 0
    assert g.distinct([[1, 2, 3], [1, 2, 4]], 2) == pytest.approx(0.75)
