"""Trained models by name, offline: the book's own pocket models, and two that others trained."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from labutils import data
from labutils.data.cache import cache_folder
from labutils.data.catalogue import find

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

__all__ = ["SHELF", "card", "load"]

SHELF = ("pocket-gpt", "pocket-bert", "minilm", "smollm2-135m")
POCKET = Path(__file__).parents[1] / "pocket"
LOCK_SECONDS = 900.0
_log = logging.getLogger(__name__)

def load(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A trained model in evaluation mode, in float32, and its tokenizer: plain objects of transformers.

    "pocket-gpt": a Llama of 2.2 million parameters, trained on the Bible by `labutils.pocket`; in the package.
    "pocket-bert": a BERT with its masked-language head, of 2.2 million, on the same text; in the package.
    "minilm": all-MiniLM-L6-v2, MiniLM (Wang et al. 2020) trained on to embed sentences (Reimers & Gurevych
        2019): a BERT of 6 blocks, 12 heads and width 384, without a head. Attention is computed step by step,
        so `output_attentions=True` gives each block's weights, (batch, n_head, time, time). Downloads 83.5 MB
        at the first call.
    "smollm2-135m": SmolLM2-135M-Instruct (Ben Allal et al. 2025), a Llama of 30 blocks and width 576, with its
        chat template. Downloads 93 MB at the first call and converts them once, in about half a minute.
    Any other name is a model hub's, such as "gpt2", for readers who are online: the class is the one that the
        model's configuration names, the tokenizer is transformers' own.

    A tokenizer of a model that generates pads on the left. DataError, with what to do, where a model cannot be
    had: without a network, or with a library missing.
    """
    if name in ("pocket-gpt", "pocket-bert"):
        return _pocket(POCKET / name.removeprefix("pocket-"))
    if name == "minilm":
        return _minilm()
    if name == "smollm2-135m":
        return _smollm2()
    return _from_hub(name)


def card(name: str) -> dict[str, Any]:
    """How a pocket model came about: data, seed, recipe, wall time, bits. ValueError for another model."""
    if name not in ("pocket-gpt", "pocket-bert"):
        raise ValueError(f"{name} has no card: the pocket models, pocket-gpt and pocket-bert, have")
    found: dict[str, Any] = json.loads((POCKET / name.removeprefix("pocket-") / "card.json").read_text("utf-8"))
    return found


def _pocket(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    import torch
    import transformers
    from transformers import PreTrainedTokenizerFast

    config = json.loads((folder / "config.json").read_text("utf-8"))
    kind = getattr(transformers, config["architectures"][0])
    model: PreTrainedModel = kind.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), PreTrainedTokenizerFast.from_pretrained(folder)


def _minilm() -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    with zipfile.ZipFile(data.fetch("minilm")) as files:  # before the seconds that importing transformers takes
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
    folder = cache_folder() / f"{name}-{find(name).parsed_sha256[:12]}-float16"
    if not _is_whole(folder):
        source = data.fetch(name)
        with FileLock(cache_folder() / f"{name}-float16.lock", timeout=LOCK_SECONDS):
            if not _is_whole(folder):  # else another process converted it while this one waited
                _convert(source, folder)

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), AutoTokenizer.from_pretrained(folder, padding_side="left")


def _is_whole(folder: Path) -> bool:
    """Whether a converted model is what was written: every file of the list that was written last, by its sum."""
    try:
        sums = json.loads((folder / "sha256.json").read_text("utf-8"))
        return all(_sum(folder / name) == sum_ for name, sum_ in sums.items())
    except (OSError, ValueError):
        return False


def _sum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _convert(source: Path, folder: Path) -> None:
    """Read a GGUF file with its 4-bit weights and keep it as float16, whole or not at all."""
    _say(f"smollm2-135m: converting 4-bit weights to float16, once, about half a minute, into {folder}")
    try:
        import accelerate  # noqa: F401: transformers asks for it
        import gguf  # noqa: F401
    except ImportError as error:
        raise data.DataError(
            f"smollm2-135m is read with a library that is missing ({error}): `pip install gguf accelerate`, "
            "then try again. The download is kept."
        ) from error
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for left_over in folder.parent.glob(f".{folder.name}-*"):  # of a process that was killed: we hold its lock
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as part:
        made = Path(part) / "model"
        model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
        plain = type(model)(model.config)  # a model read from GGUF refuses to be saved
        plain.load_state_dict(model.state_dict())
        plain.generation_config = model.generation_config
        plain.half().save_pretrained(made)
        AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(made)
        sums = {file.name: _sum(file) for file in sorted(made.iterdir())}
        (made / "sha256.json").write_text(json.dumps(sums, indent=1), "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    _say("smollm2-135m: ready")


def _from_hub(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    import transformers
    from huggingface_hub import constants, get_session
    from transformers import AutoConfig, AutoTokenizer

    try:
        if not constants.is_offline_mode() and not Path(name).exists():  # asked once: the library tries six times
            get_session().head(constants.ENDPOINT, timeout=10)
        config = AutoConfig.from_pretrained(name)
        kind = getattr(transformers, (config.architectures or ["AutoModel"])[0])
        model: PreTrainedModel = kind.from_pretrained(name)
        side = "left" if model.can_generate() else "right"
        return model.eval(), AutoTokenizer.from_pretrained(name, padding_side=side)
    except Exception as error:  # each version of the library has its own for a network that is not there
        raise data.DataError(
            f"{name} is not one of the book's models ({', '.join(SHELF)}), and a model hub cannot be reached or "
            "has no such model: check the name and the network, or load one of those."
        ) from error


def _say(line: str) -> None:
    _log.info(line)
    if sys.stdout.isatty():
        print(line, file=sys.stderr)
