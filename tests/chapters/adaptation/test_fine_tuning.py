"""The fine-tuning chapter: page = package, its explorer, what was stored, answers for its checks."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from engine import Engine
from labutils.models import adapters, tuning
from places import run_cells
from reward_answers import RIGHT_ANSWERS, WRONG_ANSWERS


def define(*cells: str) -> dict[str, Any]:
    return run_cells("fine_tuning", cells, copy=copy, torch=torch, F=F, nn=nn)


def bert(n_layer: int = 3, d_model: int = 16, d_hidden: int = 24) -> Any:
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    sizes = {"vocab_size": 40, "hidden_size": d_model, "num_hidden_layers": n_layer, "num_attention_heads": 2,
             "intermediate_size": d_hidden, "max_position_embeddings": 32}  # fmt: skip
    config = BertConfig(**sizes, attn_implementation="eager")
    return BertModel(config, add_pooling_layer=False).eval()


# --- the page equals the package ---------------------------------------------------------------------------


def test_lora() -> None:
    page = define("lora")["LoRALinear"]
    ours, theirs = page(nn.Linear(6, 5), 2, 7.0), adapters.LoRALinear(nn.Linear(6, 5), 2, 7.0)
    nn.init.normal_(theirs.B)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 4, 6)
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.merged()(x), theirs.merged()(x))


def test_adapter_prompt_and_prefix() -> None:
    page = define("adapter")
    ours, theirs = page["Adapted"](nn.Linear(6, 5), 2), adapters.Adapted(nn.Linear(6, 5), 2)
    nn.init.normal_(theirs.up.weight)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 4, 6)
    torch.testing.assert_close(ours(x), theirs(x))
    prompt, mask = torch.randn(2, 6), torch.tensor([[1, 1, 1, 0]] * 3)
    for a, b in zip(page["with_prompt"](x, mask, prompt), adapters.prepend(prompt, x, mask), strict=True):
        assert torch.equal(a, b)
    attention = adapters.add_prefix(bert(), 3).encoder.layer[0].attention.self
    q, k, v = torch.randn(3, 2, 2, 4, 8)
    keys, values = page["with_prefix"](k, v, attention.prefix_key, attention.prefix_value)
    wanted = F.scaled_dot_product_attention(q, keys, values)
    torch.testing.assert_close(adapters._attention(attention, q, k, v, None)[0], wanted.transpose(1, 2))


def test_upper() -> None:
    body = bert()
    ours, theirs = define("upper")["Upper"](body, 1), tuning.Upper(body, 1)
    theirs.load_state_dict(ours.state_dict())
    x, mask = torch.randn(2, 5, 16), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    torch.testing.assert_close(ours(x, mask), theirs(x, mask))
    other = x.clone()
    other[1, 2:] = 9.0
    torch.testing.assert_close(theirs(other, mask), theirs(x, mask))


class Words:
    """A tokenizer of one token a letter."""

    def __call__(self, texts: list[str], padding: bool = False, return_tensors: str | None = None) -> Any:
        ids = [[4 + ord(letter) % 32 for letter in text] for text in texts]
        longest = max(map(len, ids))
        padded = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
        return {"input_ids": padded, "attention_mask": (padded > 0).long()}


def test_lower_and_upper_blocks_are_the_model() -> None:
    body, texts = bert(), ["abc", "hello", "a"] * 15
    cached = tuning.run_lower(body, Words(), texts, torch.zeros(45), n_lower=2)
    batch = Words()(texts)
    whole = body(**batch).last_hidden_state
    tokens = batch["attention_mask"][..., None]
    wanted = (whole * tokens).sum(1) / tokens.sum(1)
    torch.testing.assert_close(tuning.Upper(body, 2).embed(cached.x, cached.mask), wanted)
    few = cached[[0, 2]]
    assert few.x.shape == (2, 3, 16)
    assert len(few) == 2


@pytest.mark.parametrize("method", tuning.METHODS)
def test_methods_learn_and_leave_the_rest(method: str) -> None:
    body = bert()
    x = torch.randn(40, 4, 16)
    cached = tuning.Cached(x, torch.ones(40, 4, dtype=torch.long), (x.mean((1, 2)) > 0).long())
    model = tuning.make(body, method, 0, 4, n_lower=1)
    frozen = {name: p.clone() for name, p in model.named_parameters() if not p.requires_grad}
    losses = tuning.fit(model, cached, 0.02, 60, 0)
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    assert all(torch.equal(p, frozen[name]) for name, p in model.named_parameters() if name in frozen)
    assert tuning.accuracy(model, cached) > 0.5
    assert all(torch.equal(p, q) for p, q in zip(body.parameters(), bert().parameters(), strict=True))


def test_draws() -> None:
    at = tuning.pick(100, 20, 3)
    assert len(set(at.tolist())) == 20
    assert (at % 2).sum() == 10
    assert not torch.equal(at, tuning.pick(100, 20, 4))
    with pytest.raises(ValueError, match="expected one of"):
        tuning.make(bert(), "magic", 0)


def test_a_whole_model_learns_whether_read_before_or_not() -> None:
    body = bert()
    texts = [letter * n for n in (3, 5) for letter in "abcdefgh"]
    cached = tuning.encode(Words(), texts, torch.arange(16) % 2)
    assert cached.x.shape == (16, 5)
    for fresh in (False, True):
        model = tuning.Whole(body, 1, fresh=fresh)
        same = torch.equal(
            model.body.embeddings.word_embeddings.weight, body.embeddings.word_embeddings.weight
        )
        assert same != fresh
        tuning.fit(model, cached, 0.01, 60, 0)
        assert tuning.accuracy(model, cached) > 0.9
    assert all(torch.equal(p, q) for p, q in zip(body.parameters(), bert().parameters(), strict=True))


def test_pairs_that_are_equal_find_each_other() -> None:
    model = tuning.make(bert(), "head only", 0, n_lower=1)
    half = tuning.Cached(torch.randn(6, 4, 16), torch.ones(6, 4, dtype=torch.long), torch.zeros(6))
    assert tuning.matched(model, half, half) == 6
    turned = tuning.Cached(half.x.roll(1, 0), half.mask, half.y)
    assert tuning.matched(model, half, turned) == 0


def test_peak_memory_counts_what_is_held_at_once() -> None:
    def run() -> None:
        for _ in range(3):
            x = torch.ones(1000, 250)  # a million bytes
            x = x + 1  # another, while the first is there

    assert tuning.peak_memory(run) == pytest.approx(2e6, rel=0.6)
    assert tuning.peak_memory(lambda: torch.ones(2_500_000)) == pytest.approx(1e7, rel=0.01)


# --- the explorer ------------------------------------------------------------------------------------------

MATRICES = {
    "query and value": ("query", "value"),
    "all of attention": ("query", "key", "value", "attention.output.dense"),
    "all linear layers": ("query", "key", "value", "output.dense", "intermediate.dense"),
}


@settings(max_examples=8, deadline=None)
@given(
    rank=st.integers(1, 8), n_layer=st.integers(1, 3), matrices=st.sampled_from(sorted(MATRICES)),
    widths=st.sampled_from([(8, 12), (16, 40)]),
)  # fmt: skip
def test_explorer_counts(
    engine: Engine, rank: int, n_layer: int, matrices: str, widths: tuple[int, int]
) -> None:
    data = {"tiny": {"n_layer": n_layer, "d_model": widths[0], "d_hidden": widths[1], "n_rows": 40 + 32 + 2}}
    found = engine.compute("fine_tuning", {"model": "tiny", "rank": rank, "matrices": matrices}, data)[
        "counts"
    ]

    def size(change: Any) -> int:
        return adapters.count_parameters(change(bert(n_layer, *widths)))[0]

    assert found["full"] == size(lambda m: m)
    assert found["LoRA"] == size(lambda m: adapters.add_lora(m, rank, targets=MATRICES[matrices]))
    assert found["adapter"] == size(lambda m: adapters.add_adapters(m, rank))
    assert found["BitFit"] == size(adapters.bitfit)
    assert found["prefix"] == size(lambda m: adapters.add_prefix(m, rank))
    assert found["prompt"] == size(lambda m: adapters.Prompted(m, rank))


# --- what was stored ---------------------------------------------------------------------------------------


def test_the_stored_grid_is_whole() -> None:
    grid = tuning.measured()["methods"]
    assert set(grid) == set(tuning.METHODS)
    for entry in grid.values():
        assert len(entry["validation"]) == 4
        assert entry["rate"] == float(max(entry["validation"], key=lambda rate: entry["validation"][rate]))
        assert len(entry["test"]) == 3


def test_all_parts_are_stored() -> None:
    stored = tuning.measured()
    assert set(stored["memory"]) == set(tuning.METHODS)
    assert all(entry["tensors"] < entry["process"] + 8e6 for entry in stored["memory"].values())
    assert set(tuning.METHODS) < set(stored["forgetting"]["after"])
    for entry in stored["untrained"].values():
        assert entry["rate"] == float(max(entry["validation"], key=lambda rate: entry["validation"][rate]))
    assert all(
        len(arm[text]) == 3 for rates in stored["gpt"].values() for arm in rates.values() for text in arm
    )


# --- answers for the checks --------------------------------------------------------------------------------


def lora(x: Any, weight: Any, bias: Any, a: Any, b: Any, alpha: float) -> Any:
    return x @ weight.T + bias + alpha / len(a) * (x @ a.T @ b.T)


def lora_merged(x: Any, weight: Any, bias: Any, a: Any, b: Any, alpha: float) -> Any:
    weight += alpha / len(a) * b @ a
    return F.linear(x, weight, bias)


def lora_numpy(*given: Any) -> Any:
    return lora(*(part.numpy().astype(float) for part in given[:-1]), given[-1])


def prefix(q: Any, k: Any, v: Any, pk: Any, pv: Any, mask: Any) -> Any:
    seen = F.pad(mask, (len(pk), 0), value=True)
    return F.scaled_dot_product_attention(q, torch.cat([pk, k]), torch.cat([pv, v]), seen)


def prefix_by_hand(q: Any, k: Any, v: Any, pk: Any, pv: Any, mask: Any) -> Any:
    own = (q @ k.T / 8**0.5).masked_fill(~mask, -torch.inf).exp()
    more = (q @ pk.T / 8**0.5).exp()
    return ((own @ v + more @ pv) / (own.sum(1) + more.sum(1))[:, None]).tolist()


def scaled(factor: float) -> Any:
    return lambda x, w, c, a, b, alpha: x @ w.T + c + factor * (x @ a.T @ b.T)


def attend(q: Any, k: Any, v: Any, mask: Any = None, scale: float | None = None) -> Any:
    return F.scaled_dot_product_attention(q, k, v, mask, scale=scale)


def joined(pk: Any, k: Any) -> Any:
    return torch.cat([pk, k])


RIGHT: dict[str, list[Any]] = {
    "count": [8_388_608, 32 * 2 * 16 * 8192.0, np.array([8388608]), torch.tensor(8388608)],
    "lora": [lora, lora_merged, lora_numpy, lambda *given: lora(*given).double()],
    "merge": [
        lambda w, a, b, alpha: w + alpha / a.shape[0] * b @ a,
        lambda w, a, b, alpha: w.add_(b @ a, alpha=alpha / len(a)),
        lambda w, a, b, alpha: (w.numpy() + alpha / 2 * b.numpy() @ a.numpy()).tolist(),
    ],
    "prefix": [prefix, prefix_by_hand, lambda *given: prefix(*given).double().numpy()],
}


def turned(q: Any, k: Any, v: Any, pk: Any, pv: Any, m: Any) -> Any:
    return attend(q, joined(pk, k), joined(pv, v), F.pad(~m, (2, 0), value=True))


def late(q: Any, k: Any, v: Any, pk: Any, pv: Any, m: Any) -> Any:
    weights = (q @ joined(pk, k).T / q.shape[-1] ** 0.5).softmax(-1)
    return (weights * F.pad(m, (2, 0), value=True)) @ joined(pv, v)


WRONG: list[tuple[str, Any, str]] = [
    ("count", 4_194_304, "half of it"),
    ("count", 262_144, "one block"),
    ("count", 2_097_152, "a quarter"),
    ("count", 1_073_741_824, "leaves them frozen"),
    ("count", 17_179_869_184, "multiplies both widths"),
    ("count", 8_388_608 + 1_073_741_824, "adds the frozen"),
    ("count", 16_777_216, "twice too many"),
    ("count", 8.388608, "in millions"),
    ("count", 1024, "counts the ranks"),
    ("count", 524_288, "rank 1"),
    ("count", 7, "that is not it"),
    ("count", "many", "expected one number"),
    ("lora", scaled(0.0), "not added"),
    ("lora", scaled(1.0), "alpha / rank is missing"),
    ("lora", scaled(7.0), "multiplied by alpha"),
    ("lora", scaled(0.5), "alpha is missing"),
    ("lora", scaled(2 / 7), "upside down"),
    ("lora", scaled(7 / 6), "width of x"),
    ("lora", scaled(7 / 5), "output's width"),
    ("lora", scaled(-3.5), "taken off"),
    ("lora", scaled(2.5), "differs"),
    ("lora", lambda x, w, c, a, b, alpha: x @ w.T + 3.5 * (x @ a.T @ b.T), "bias is missing"),
    ("lora", lambda x, w, c, a, b, alpha: 3.5 * (x @ a.T @ b.T), "only the product"),
    ("lora", lambda x, w, c, a, b, alpha: 3.5 * (x @ a.T @ b.T) + c, "frozen matrix is missing"),
    ("lora", lambda x, w, c, a, b, alpha: 3.5 * (x @ w.T + c + x @ a.T @ b.T), "frozen layer, too"),
    ("lora", lambda x, w, c, a, b, alpha: x @ w.T + 3.5 * (c + x @ a.T @ b.T), "the bias, too"),
    ("lora", lambda *given: (lora(*given), 1), "tuple of 2"),
    ("merge", lambda w, a, b, alpha: w, "nothing was added"),
    ("merge", lambda w, a, b, alpha: w + b @ a, "alpha / rank is missing"),
    ("merge", lambda w, a, b, alpha: w + alpha * b @ a, "multiplied by alpha"),
    ("merge", lambda w, a, b, alpha: w + 3.5 * (b @ a).T, "transposed: B A"),
    ("merge", lambda w, a, b, alpha: w + alpha / 5 * b @ a, "divided by the width"),
    ("merge", lambda w, a, b, alpha: w - 3.5 * b @ a, "taken off"),
    ("merge", lambda w, a, b, alpha: 3.5 * b @ a, "only the product"),
    ("merge", lambda w, a, b, alpha: w.T + 3.5 * b @ a, "frozen matrix is transposed"),
    ("merge", lambda w, a, b, alpha: w @ (3.5 * b @ a), "were multiplied"),
    ("merge", lambda w, a, b, alpha: w + b @ a / 2, "alpha is missing"),
    ("merge", lambda w, a, b, alpha: w + 2 / 7 * b @ a, "upside down"),
    ("merge", lambda w, a, b, alpha: a @ b, "has shape (2, 2)"),
    ("prefix", lambda q, k, v, pk, pv, m: attend(q, k, v, m), "changes nothing"),
    (
        "prefix",
        lambda q, k, v, pk, pv, m: attend(q, joined(pk, k), joined(pv, v), F.pad(m, (2, 0))),
        "the mask hides it",
    ),
    (
        "prefix",
        lambda q, k, v, pk, pv, m: attend(q, joined(pk, k), joined(pv, v), F.pad(m, (0, 2), value=True)),
        "wrong side",
    ),
    ("prefix", lambda q, k, v, pk, pv, m: attend(q, joined(pk, k), joined(pv, v)), "the mask is lost"),
    (
        "prefix",
        lambda q, k, v, pk, pv, m: attend(
            q, joined(pk, k), joined(pv, v), F.pad(m, (2, 0), value=True), scale=1.0
        ),
        "not divided",
    ),
    (
        "prefix",
        lambda q, k, v, pk, pv, m: attend(
            q, joined(pk, k), joined(pv, v), F.pad(m, (2, 0), value=True), scale=1 / 8
        ),
        "divided by d",
    ),
    ("prefix", lambda q, k, v, pk, pv, m: attend(q, k, v, m) + attend(q, pk, pv), "two softmaxes"),
    (
        "prefix",
        lambda q, k, v, pk, pv, m: attend(q, joined(pk, k), joined(v, pv), F.pad(m, (2, 0), value=True)),
        "different orders",
    ),
    ("prefix", lambda q, k, v, pk, pv, m: attend(q, pk, pv), "only the prefix"),
    ("prefix", turned, "turned round"),
    ("prefix", late, "after the softmax"),
    ("lora", lambda x, w, bias, a, b, alpha: x @ w.T + bias + alpha // len(a) * (x @ a.T @ b.T), "not //"),
    ("prefix", lambda q, k, v, pk, pv, m: prefix(q, k, v, pk, 0 * pv, m), "values are missing"),
    ("prefix", lambda q, k, v, pk, pv, m: prefix(q, k, v, pk, pv, m)[0], "has shape (3,)"),
]

RIGHT["reinforce_loss"] = RIGHT_ANSWERS
WRONG += [("reinforce_loss", *row) for row in WRONG_ANSWERS]
