"""A trained model becomes a folder, whole or not at all."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from labutils.models.pretrained import POCKET
from labutils.pocket import publish as module
from labutils.pocket.publish import publish
from labutils.pocket.recipe import Recipe, build
from labutils.pocket.text import split

RECIPES = {
    kind: Recipe(kind, n_steps=7, n_context=128, n_layer=1, n_head=2, d_model=16, d_hidden=32)
    for kind in ("gpt", "bert")
}


@pytest.fixture
def made(tmp_path):
    """A function that publishes an untrained model, as if it had been trained for an hour."""
    from tokenizers import Tokenizer

    def make(kind="gpt", seed=0):
        recipe = RECIPES[kind]
        torch.manual_seed(seed)
        model = build(recipe)
        with torch.no_grad():
            for p in model.parameters():
                p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(seed)))
        tokenizer = Tokenizer.from_file(str(POCKET["pocket-gpt"] / "tokenizer.json"))
        before = [p.detach().clone() for p in model.parameters()]
        card = publish(
            model.eval(), tokenizer, recipe, {"seconds": 3600.0}, split()[1][:3000], tmp_path / kind
        )
        return before, card

    return make


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("kind", ["gpt", "bert"])
def test_the_folder_is_a_plain_checkpoint_with_a_card(made, kind, tmp_path):
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    before, card = made(kind)
    auto = AutoModelForCausalLM if kind == "gpt" else AutoModelForMaskedLM
    model = auto.from_pretrained(tmp_path / kind, dtype=torch.float32)
    for a, b in zip(model.parameters(), before, strict=True):
        assert torch.equal(a, b.half().float())
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / kind)
    text = "In the beginning"
    ids = tokenizer(text).input_ids
    assert (ids[0], ids[-1]) == (2, 3) if kind == "bert" else tokenizer.decode(ids) == text
    assert json.loads((tmp_path / kind / "card.json").read_text()) == card
    assert card["recipe"] == asdict(RECIPES[kind])
    assert card["wall_minutes"] == 60
    assert card["parameters"] == sum(p.numel() for p in model.parameters())
    assert card["tokens_seen"] == 7 * 16 * 128
    assert card["held_out"] == module.score(model.eval(), tokenizer, kind, split()[1][:3000])
    assert [file.name for file in tmp_path.iterdir()] == [kind]


def test_a_second_time_takes_the_first_ones_place(made, tmp_path):
    made()
    first = contents(tmp_path / "gpt")
    (tmp_path / "gpt" / "stray").touch()
    (tmp_path / ".gpt-killed").mkdir()
    made(seed=1)
    second = contents(tmp_path / "gpt")
    assert second.keys() == first.keys()
    assert second["model.safetensors"] != first["model.safetensors"]
    assert [file.name for file in tmp_path.iterdir()] == ["gpt"]


@pytest.mark.parametrize("what", ["score", "rename"])
def test_where_it_fails_the_first_one_stays(made, what, tmp_path, monkeypatch):
    made()
    first = contents(tmp_path / "gpt")

    def fail(*arguments, **settings):
        raise KeyboardInterrupt

    if what == "score":
        monkeypatch.setattr(module, "score", fail)
    else:
        rename = Path.rename
        monkeypatch.setattr(Path, "rename", lambda a, b: fail() if a.name == "made" else rename(a, b))
    with pytest.raises(KeyboardInterrupt):
        made(seed=1)
    assert contents(tmp_path / "gpt") == first
    assert [file.name for file in tmp_path.iterdir()] == ["gpt"]


def test_what_was_scored_is_what_was_written(made):
    """In float16, read again: not the weights as they were in training."""
    before, card = made()
    model = build(RECIPES["gpt"]).eval()
    with torch.no_grad():
        for p, b in zip(model.parameters(), before, strict=True):
            p.copy_(b.half())
    wrapped = module.wrap(
        __import__("tokenizers").Tokenizer.from_file(str(POCKET["pocket-gpt"] / "tokenizer.json")), "gpt"
    )
    again = module.score(model, wrapped, "gpt", split()[1][:3000])
    assert_close(
        torch.tensor(again["bits_per_character"]), torch.tensor(card["held_out"]["bits_per_character"])
    )
