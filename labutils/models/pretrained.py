"""Trained models by name, offline: the book's own pocket models, and two that others trained."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import json
import logging
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from labutils import data
from labutils.data.cache import cache_folder
from labutils.data.catalogue import ENTRIES, find

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

__all__ = ["SHELF", "card", "load"]

POCKET = {name: Path(__file__).parents[1] / "pocket" / name[7:] for name in ("pocket-gpt", "pocket-bert")}
SHELF = (*POCKET, "minilm", "smollm2-135m")
LOCK_SECONDS = 900.0
_log = logging.getLogger(__name__)


def load(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A trained model in evaluation mode, in float32, and its tokenizer: plain objects of transformers.

    "pocket-gpt": a Llama of 2.2 million parameters, trained on the Bible by labutils.pocket; in the package.
    "pocket-bert": a BERT with its masked-language head, of 2.2 million, on the same text; in the package.
    "minilm": all-MiniLM-L6-v2, MiniLM (Wang et al. 2020) trained on to embed sentences (Reimers & Gurevych
        2019): a BERT of 6 blocks, 12 heads and width 384, without a head. Attention is computed step by
        step, so `output_attentions=True` gives each block's weights, (batch, n_head, time, time). Downloads
        83.5 MB at the first call.
    "smollm2-135m": SmolLM2-135M-Instruct (Ben Allal et al. 2025), a Llama of 30 blocks and width 576, with
        its chat template. Downloads 92.9 MB at the first call and converts them once, in half a minute.
    Any other name is a model hub's, such as "gpt2", for readers who are online, or a folder's: the class is
        the one that the model's configuration names, the tokenizer is transformers' own.

    A tokenizer of a model that generates pads on the left. DataError, with what to do, where a model cannot
    be had: without a network, or with a library missing. ValueError for a name that is nearly one of these,
    or that of a data set.
    """
    if name in POCKET:
        return _from_folder(POCKET[name])
    if name == "minilm":
        return _minilm()
    if name == "smollm2-135m":
        return _smollm2()
    if name in ENTRIES:
        raise ValueError(f"{name} is not a model: {find(name).reader} reads it")
    near = difflib.get_close_matches(str(name).lower(), SHELF, n=2, cutoff=0.7)
    if near and not Path(name).exists():
        raise ValueError(f"no model is called {name!r}: did you mean {' or '.join(near)}?")
    return _from_hub(name)


def card(name: str) -> dict[str, Any]:
    """How a pocket model came about: data, seed, recipe, wall time, bits. ValueError for another model."""
    if name not in POCKET:
        raise ValueError(f"{name} has no card: the pocket models, {' and '.join(POCKET)}, have")
    found: dict[str, Any] = json.loads((POCKET[name] / "card.json").read_text("utf-8"))
    return found


def _from_folder(folder: Path, **settings: Any) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """What `save_pretrained` wrote: the class that its configuration names."""
    import torch
    import transformers

    config = json.loads((folder / "config.json").read_text("utf-8"))
    kind = getattr(transformers, config["architectures"][0])
    model: PreTrainedModel = kind.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), transformers.PreTrainedTokenizerFast.from_pretrained(folder, **settings)


def _minilm() -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    with zipfile.ZipFile(data.fetch("minilm")) as files:  # before the seconds that transformers takes
        config, settings = (json.loads(files.read(f"{part}config.json")) for part in ("", "tokenizer_"))
        weights, vocabulary = files.read("model.safetensors"), files.read("tokenizer.json")

    from safetensors.torch import load as load_tensors
    from tokenizers import Tokenizer
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    settings = {key: value for key, value in settings.items() if key.endswith(("_token", "_max_length"))}
    tokenizer = Tokenizer.from_buffer(vocabulary)
    tokenizer.no_padding()  # the file pads all to 128 tokens; transformers asks for it where it is wanted
    tokenizer.no_truncation()
    model: PreTrainedModel = AutoModel.from_config(
        AutoConfig.for_model(config.pop("model_type"), **config), attn_implementation="eager"
    )
    tensors = load_tensors(weights)
    tensors.pop("embeddings.position_ids", None)  # 0, 1, 2, …: older versions stored them
    model.load_state_dict(tensors)
    return model.eval(), PreTrainedTokenizerFast(tokenizer_object=tokenizer, **settings)


def _smollm2() -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    name = "smollm2-135m"
    cache = cache_folder()
    folder = cache / f"{name}-{find(name).parsed_sha256[:12]}-float16"
    if not _is_whole(folder):
        source = data.fetch(name)
        try:
            with FileLock(cache / f"{name}.float16.lock", timeout=LOCK_SECONDS):
                if not _is_whole(folder):  # else another process converted it while this one waited
                    _convert(source, folder)
        except Timeout as error:
            raise data.DataError(
                f"another process has been converting {name} for {LOCK_SECONDS / 60:.0f} minutes. Wait for "
                "it or end it, then try again."
            ) from error
    return _from_folder(folder, padding_side="left")


def _is_whole(folder: Path) -> bool:
    """Whether a converted model is what was written: each file of the list, written last, by its sum."""
    try:
        sums = json.loads((folder / "sha256.json").read_text("utf-8"))
        return bool(sums) and all(_sum(folder / name) == sum_ for name, sum_ in sums.items())
    except (OSError, ValueError, AttributeError):
        return False


def _sum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _convert(source: Path, folder: Path) -> None:
    """Read a GGUF file with its 4-bit weights and keep it as float16, whole or not at all."""
    missing = [library for library in ("gguf", "accelerate") if importlib.util.find_spec(library) is None]
    if missing:
        raise data.DataError(
            f"smollm2-135m is read with a library that is missing: `pip install {' '.join(missing)}`, then "
            "restart Python and try again. The download is kept."
        )
    _say(f"smollm2-135m: converting 4-bit weights to float16, 270 MB, once, half a minute, into {folder}")
    # Left by a process that was killed, and by no other: the lock is ours.
    for left_over in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as part:
            made = Path(part) / "model"
            _write_float16(source, made)
            sums = {file.name: _sum(file) for file in sorted(made.iterdir())}
            (made / "sha256.json").write_text(json.dumps(sums, indent=1), "utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)
    except Exception as error:  # safetensors has its own for a disk that is full
        raise data.DataError(
            f"smollm2-135m could not be converted ({type(error).__name__}: {error}). It takes 270 MB in "
            f"{folder.parent} and 2 GB of memory: free some, or set the environment variable LABUTILS_CACHE "
            "to a folder on another disk, then try again. The download is kept."
        ) from error
    _say("smollm2-135m: ready")


def _write_float16(source: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with _bar_for_terminals():
        model = AutoModelForCausalLM.from_pretrained(
            source.parent, gguf_file=source.name, dtype=torch.float32
        )
    plain = type(model)(model.config)  # a model read from GGUF refuses to be saved
    plain.load_state_dict(model.state_dict())
    plain.generation_config = model.generation_config
    plain.half().save_pretrained(folder)
    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(folder)


@contextmanager
def _bar_for_terminals() -> Iterator[None]:
    """Keep the reader's progress bar out of notebooks: there it would be a widget, stored with the outputs.

    transformers offers no switch for this bar. `disable=None` shows it in a terminal alone.
    """
    from tqdm.std import tqdm

    reader: Any = importlib.import_module("transformers.modeling_gguf_pytorch_utils")
    bar = reader.tqdm
    reader.tqdm = partial(tqdm, disable=None)
    try:
        yield
    finally:
        reader.tqdm = bar


def _from_hub(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    import transformers
    from huggingface_hub import constants, get_session
    from transformers import AutoConfig, AutoTokenizer

    offline = constants.HF_HUB_OFFLINE
    why = (
        "HF_HUB_OFFLINE is set, and it was not downloaded before" if offline else "the hub has no such model"
    )
    if not offline and not Path(name).exists():
        try:  # once: the libraries try six times
            get_session().head(constants.ENDPOINT, timeout=10)
        except Exception:  # each version of the library has its own
            offline, why = True, "no model hub can be reached, and it was not downloaded before"
    try:
        config = AutoConfig.from_pretrained(name, local_files_only=offline)
        kind = getattr(transformers, (config.architectures or ["AutoModel"])[0])
        model: PreTrainedModel = kind.from_pretrained(name, local_files_only=offline)
        side = "left" if model.can_generate() else "right"
        tokenizer: Any = AutoTokenizer.from_pretrained(name, padding_side=side, local_files_only=offline)
    except Exception as error:
        raise data.DataError(
            f"{name} is not one of the book's models ({', '.join(SHELF)}), and {why} "
            f"({type(error).__name__}): check the name and the network, or load one of those."
        ) from error
    return model.eval(), tokenizer


def _say(line: str) -> None:
    _log.info(line)
    if sys.stdout.isatty():
        print(line, file=sys.stderr)
