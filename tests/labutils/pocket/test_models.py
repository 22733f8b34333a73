"""The pocket models that are committed: their folders, their cards, and that the cards say what is true."""

import json
from dataclasses import asdict

import pytest
import torch
from click.testing import CliRunner

from labutils.models.pretrained import POCKET, card, load
from labutils.pocket import __main__ as command
from labutils.pocket.recipe import RECIPES
from labutils.pocket.text import N_VOCAB, split

NAMES = sorted(POCKET)
FIELDS = {
    "data",
    "held_out",
    "parameters",
    "tokens_seen",
    "wall_minutes",
    "threads",
    "machine",
    "torch",
    "n_vocab",
    "recipe",
}
real = pytest.mark.xdist_group("transformers")  # one worker loads it


@pytest.mark.parametrize("name", NAMES)
def test_a_few_megabytes_in_files_that_every_version_of_the_library_reads(name):
    files = {file.name: file.stat().st_size for file in POCKET[name].iterdir()}
    assert {"card.json", "config.json", "model.safetensors", "tokenizer.json"} <= set(files)
    assert all(file.endswith((".json", ".safetensors")) for file in files)
    assert sum(files.values()) < 6e6


@real
@pytest.mark.parametrize("name", NAMES)
def test_the_library_loads_the_folder_alone(name, monkeypatch):
    import transformers
    from transformers import AutoTokenizer

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    kind = "LlamaForCausalLM" if name == "pocket-gpt" else "ModernBertForMaskedLM"
    auto = transformers.AutoModelForCausalLM if name == "pocket-gpt" else transformers.AutoModelForMaskedLM
    theirs = auto.from_pretrained(POCKET[name], dtype=torch.float32).eval()
    ours, tokenizer = load(name)
    assert type(ours) is type(theirs) is getattr(transformers, kind)
    assert not ours.training
    assert {p.dtype for p in ours.parameters()} == {torch.float32}
    batch = tokenizer(["In the beginning, God", "And"], padding=True, return_tensors="pt")
    expected = AutoTokenizer.from_pretrained(POCKET[name])(
        ["In the beginning, God", "And"], padding=True, return_tensors="pt"
    )
    assert torch.equal(batch["input_ids"], expected["input_ids"])
    with torch.no_grad():
        logits = [model(input_ids=batch["input_ids"]).logits for model in (ours, theirs)]
    assert torch.equal(*logits)
    assert logits[0].shape[-1] == N_VOCAB


@pytest.mark.parametrize("name", NAMES)
def test_the_card_says_how_it_came_about(name):
    found, recipe = card(name), RECIPES[name]
    assert set(found) >= FIELDS
    assert found["recipe"] == asdict(recipe)
    assert found["tokens_seen"] == recipe.n_steps * recipe.batch_size * recipe.n_context
    assert found["n_vocab"] == N_VOCAB
    assert found["data"].startswith("bible_en, sha256 0e64581d")
    assert 0 < found["wall_minutes"] < 600
    assert (POCKET[name] / "card.json").read_text("utf-8") == json.dumps(found, indent=1) + "\n"


def test_the_gpt_is_better_than_the_counts_of_eight_characters():
    assert card("pocket-gpt")["held_out"]["bits_per_character"] < 1.70  # a Kneser–Ney 8-gram has 1.783


@real
@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_score_is_measured_again(name):
    """On the whole held-out tenth, by the command itself, as a reader would."""
    result = CliRunner().invoke(command.main, ["score", name])
    assert result.exit_code == 0, result.output
    assert "measured {" in result.output
    assert json.dumps(card(name)["held_out"]) in result.output


@real
def test_another_score_than_the_recorded_one_fails(monkeypatch):
    monkeypatch.setattr("labutils.pocket.text.split", lambda: ("", split()[1][:2000]))
    result = CliRunner().invoke(command.main, ["score", "pocket-gpt"])
    assert result.exit_code == 1
    assert "Error: they differ by more than 0.002" in result.output


@real
def test_parameters_are_counted(monkeypatch):
    for name in NAMES:
        model, _ = load(name)
        assert card(name)["parameters"] == sum(p.numel() for p in model.parameters())
