"""Light-weight fine-tuning: LoRA equals peft's, merging is exact, nothing but the inserted weights moves."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from labutils.models import adapters
from labutils.models.adapters import Prompted, add_adapters, add_lora, add_prefix, bitfit, merge_lora
from labutils.models.exchange.lora import lora_by_peft

IDS = torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])


def bert() -> Any:
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=32, attn_implementation="eager")  # fmt: skip
    return BertModel(config, add_pooling_layer=False).eval()


def llama() -> Any:
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
                         num_key_value_heads=2, intermediate_size=32,
                         attn_implementation="eager")  # fmt: skip
    return LlamaModel(config).eval()


def run(model: nn.Module) -> torch.Tensor:
    out = model(input_ids=IDS, attention_mask=MASK)
    return out if torch.is_tensor(out) else out.last_hidden_state


def shake(model: nn.Module) -> None:
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.copy_(0.3 * torch.randn(p.shape, generator=g))


@pytest.mark.parametrize("make", [bert, llama])
@pytest.mark.parametrize("alpha", [3.0, 6.0])
def test_lora_equals_peft(make: Any, alpha: float) -> None:
    names = ("query", "value") if make is bert else ("q_proj", "v_proj")
    ours, theirs = add_lora(make(), 3, alpha), lora_by_peft(make(), 3, alpha, names)
    shake(ours)
    wanted = {name: p for name, p in ours.named_parameters() if p.requires_grad}
    assert wanted.keys() == theirs["parameters"].keys()
    assert len(wanted) == 8
    with torch.no_grad():
        for name, p in theirs["parameters"].items():
            p.copy_(wanted[name])
    torch.testing.assert_close(run(ours), run(theirs["model"]))
    for model in (ours, theirs["model"]):
        run(model).square().mean().backward()
    for name, p in theirs["parameters"].items():
        torch.testing.assert_close(wanted[name].grad, p.grad)


@pytest.mark.parametrize("make", [bert, llama])
def test_merging_is_exact_and_leaves_the_old_layers(make: Any) -> None:
    model = add_lora(make(), 2, 5.0)
    shake(model)
    before = run(model).detach()
    merged = merge_lora(model)
    torch.testing.assert_close(run(merged), before)
    assert merged.state_dict().keys() == make().state_dict().keys()
    with pytest.raises(ValueError, match="no LoRA"):
        merge_lora(merged)


@pytest.mark.parametrize("make", [bert, llama])
@pytest.mark.parametrize("insert", [lambda m: add_lora(m, 2), lambda m: add_adapters(m, 3)])
def test_nothing_changes_at_first_and_only_the_inserted_trains(make: Any, insert: Any) -> None:
    plain, model = make(), insert(make())
    torch.testing.assert_close(run(model), run(plain))
    frozen = copy.deepcopy({n: p for n, p in model.named_parameters() if not p.requires_grad})
    shake(model)
    assert not torch.allclose(run(model), run(plain), atol=1e-3)
    assert all(torch.equal(p, dict(model.named_parameters())[name]) for name, p in frozen.items())
    assert sum(p.numel() for p in frozen.values()) == sum(p.numel() for p in plain.parameters())


def test_counts() -> None:
    total = sum(p.numel() for p in bert().parameters())
    assert adapters.count_parameters(add_lora(bert(), 3)) == (4 * 3 * 32, total + 4 * 3 * 32)
    assert adapters.count_parameters(add_adapters(bert(), 3))[0] == 4 * (2 * 3 * 16 + 3 + 16)
    assert adapters.count_parameters(add_prefix(bert(), 5))[0] == 2 * 2 * 5 * 16
    assert adapters.count_parameters(add_prefix(llama(), 5))[0] == 2 * 2 * 5 * 8
    assert adapters.count_parameters(Prompted(bert(), 5))[0] == 5 * 16
    assert set(adapters.trained_state(bitfit(bert()))) == {
        n for n in bert().state_dict() if n.endswith("bias")
    }
    with pytest.raises(ValueError, match="no biases"):
        bitfit(llama())


@pytest.mark.parametrize("make", [bert, llama])
def test_prefix_is_attention_to_more_keys(make: Any) -> None:
    """A prefix is seen by all, equal to more keys and values; padding stays hidden."""
    plain, model = make(), add_prefix(make(), 3)
    shake(model)
    assert not torch.allclose(run(model)[0], run(plain)[0], atol=1e-3)
    other = IDS.clone()
    other[1, 2:] = 11
    hidden = model(input_ids=other, attention_mask=MASK).last_hidden_state
    torch.testing.assert_close(hidden[1, :2], run(model)[1, :2])
    layer = next(m for m in model.modules() if hasattr(m, "prefix_key"))
    module: Any = layer
    q, k, v = torch.randn(1, module.prefix_key.shape[0], 2, 4 if make is llama else 8).repeat(3, 1, 1, 1, 1)
    out, weights = adapters._attention(module, q, k, v, None)
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    keys, values = torch.cat([module.prefix_key[None], k], 2), torch.cat([module.prefix_value[None], v], 2)
    wanted = nn.functional.scaled_dot_product_attention(q, keys, values, scale=module.scaling)
    torch.testing.assert_close(out, wanted.transpose(1, 2))


def test_prompt_equals_words_put_in_front() -> None:
    from transformers import BertModel

    body = bert()
    model = Prompted(body, 2)
    with torch.no_grad():
        model.prompt.copy_(body.get_input_embeddings().weight[[3, 4]])
    front = torch.tensor([[3, 4], [3, 4]])
    assert isinstance(body, BertModel)
    wanted = body(
        input_ids=torch.cat([front, IDS], 1), attention_mask=torch.cat([torch.ones_like(front), MASK], 1)
    )
    torch.testing.assert_close(run(model), wanted.last_hidden_state[:, 2:])


@pytest.mark.parametrize("wrong", [lambda: add_lora(bert(), 0), lambda: add_lora(bert(), 17),
    lambda: add_lora(bert(), 2, targets=("nothing",)), lambda: add_adapters(bert(), 0),
    lambda: add_prefix(bert(), 0), lambda: add_prefix(nn.Linear(2, 2), 1),
    lambda: Prompted(bert(), 0)])  # fmt: skip
def test_what_cannot_be_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"expected|no linear|no attention"):
        wrong()
