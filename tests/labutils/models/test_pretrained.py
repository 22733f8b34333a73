"""The encoder that others trained, against transformers' own loader, and what a reader is told offline."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from labutils import data
from labutils.data import DataError, cache, catalogue
from labutils.models.attention import padding_mask, watch
from labutils.models.exchange.pretrained import load_encoder
from tiny_wheel import TEXT, Register, offline

pytest_plugins = ["tiny_fixtures"]
TEXTS = ["The animal did not cross the street because it was too tired.", "A cat sleeps.", ""]


# ---- The real one ----


@pytest.fixture(scope="module")
def encoder():
    return load_encoder()


real = pytest.mark.xdist_group("transformers")  # one worker loads it


@real
def test_equals_what_transformers_loads_from_the_same_files(encoder, tmp_path, monkeypatch):
    from transformers import AutoModel, AutoTokenizer

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with zipfile.ZipFile(data.fetch("minilm")) as files:
        files.extractall(tmp_path)
    model, tokenizer = encoder
    theirs = AutoModel.from_pretrained(tmp_path, attn_implementation="eager")
    their_tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    expected = their_tokenizer(TEXTS, padding=True, return_tensors="pt")
    assert torch.equal(batch["input_ids"], expected["input_ids"])
    assert torch.equal(batch["attention_mask"], expected["attention_mask"])
    with torch.no_grad():
        assert_close(
            model(**batch).last_hidden_state, theirs(**expected).last_hidden_state, atol=1e-5, rtol=0
        )
    assert not model.training


@real
def test_it_shows_its_attention_and_knows_what_is_alike(encoder):
    model, tokenizer = encoder
    texts = ["A cat is sleeping.", "A kitten takes a nap.", "The parliament passed the budget."]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    assert batch["input_ids"].shape[1] < 20  # as long as the longest, not the 128 of the file
    with torch.no_grad():
        output = model(**batch, output_attentions=True)
    n = batch["input_ids"].shape[1]
    assert [w.shape for w in output.attentions] == [(3, 12, n, n)] * 6
    for weights in output.attentions:
        assert_close(weights.sum(-1), torch.ones(3, 12, n))
    seen = batch["attention_mask"][..., None]
    vectors = torch.nn.functional.normalize((output.last_hidden_state * seen).sum(1) / seen.sum(1), dim=1)
    alike = vectors @ vectors.T
    assert alike[0, 1] > 0.5 > 0.2 > alike[0, 2]
    assert sum(p.numel() for p in model.parameters()) == 22_713_216


@real
def test_our_encoder_carries_it(encoder):
    from labutils.models.exchange.carry import encoder_from_transformers

    model, tokenizer = encoder
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    ours = encoder_from_transformers(model)
    with torch.no_grad(), watch(ours) as collected:
        expected = model(**batch, output_attentions=True)
        mask = padding_mask(batch["attention_mask"].sum(1))
        assert_close(ours(batch["input_ids"], mask), expected.last_hidden_state, atol=1e-4, rtol=0)
    assert_close(collected, list(expected.attentions), atol=1e-4, rtol=0)


# ---- What goes wrong ----


def test_without_network_the_reader_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABUTILS_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "download", offline)
    with pytest.raises(DataError, match=r"no network in this test\. In the cache already: nothing"):
        load_encoder()


def test_a_damaged_file_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABUTILS_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "download", offline)
    cache.cached_path(catalogue.ENTRIES["minilm"]).write_bytes(b"PK")
    with pytest.raises(DataError, match="no network"):
        load_encoder()


@pytest.mark.usefixtures("served")
def test_a_package_without_the_folder(register: Register) -> None:
    register(member="tiny_text/model/", reader="labutils.models.exchange.pretrained.load_encoder")
    with pytest.raises(DataError, match=r"tiny-text 1\.0 has no such file inside: tiny_text/model/"):
        load_encoder("tiny")


@pytest.mark.usefixtures("served")
def test_a_folder_is_cached_whole(register: Register) -> None:
    register(member="tiny_text/")
    with pytest.raises(DataError) as caught:
        data.fetch("tiny")
    digest = str(caught.value).split(", got ")[1][:64]  # as one finds it for a new entry
    register(member="tiny_text/", parsed_sha256=digest, suffix=".zip")
    with zipfile.ZipFile(data.fetch("tiny")) as files:
        assert files.read("text.txt").decode() == TEXT


def test_a_text_is_no_encoder() -> None:
    with pytest.raises(ValueError, match=r"^bible_en is not an encoder: data\.load_text reads it"):
        load_encoder("bible_en")
    with pytest.raises(ValueError, match="did you mean minilm"):
        load_encoder("minilm6")


def test_importing_the_module_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, labutils.models.exchange.pretrained; print({'torch', 'transformers'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
