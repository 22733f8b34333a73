"""What `pip install` from the repository brings: all that labutils opens, and what Colab lacks."""

from __future__ import annotations

import re
import subprocess
import tomllib

import keys
import repository
from places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# What Colab has, of which labutils alone brings none: each would bring torch, or is torch.
THERE = {"torch", "transformers", "accelerate", "peft", "ipywidgets", "scikit-learn", "nltk"}


def names(lines: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", line)[0].lower() for line in lines if re.match(r"\w", line)}


def test_every_file_of_the_package_is_installed() -> None:
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "labutils"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["labutils"]
    brought = {file for pattern in patterns for file in (ROOT / "labutils").glob(pattern)}
    assert {ROOT / name for name in listed if not name.endswith(".py")} == brought
    assert {"model.safetensors", "card.json"} <= {file.name for file in brought}


def test_nothing_brings_torch_and_the_rest_of_what_loads_models_is_brought() -> None:
    loose = names(PROJECT["project"]["dependencies"])
    assert not loose & THERE
    assert {"gguf", "tokenizers", "filelock"} <= loose
    pinned = names((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())
    assert loose | THERE <= pinned


def test_what_single_chapters_need_is_an_extra_that_colab_and_binder_ask_for() -> None:
    extra = names(PROJECT["project"]["optional-dependencies"]["notebooks"])
    pinned = (ROOT / "requirements.txt").read_text(encoding="utf-8").partition(keys.SINGLE)[2]
    assert extra == names(pinned.partition("# ---")[0].splitlines())
    assert "labutils[notebooks] @" in repository.SETUP
    assert "--editable .[notebooks]" in (ROOT / ".binder/requirements.txt").read_text(encoding="utf-8")


def test_binder_has_what_is_not_brought() -> None:
    listed = names((ROOT / ".binder/requirements.txt").read_text(encoding="utf-8").splitlines())
    assert listed >= THERE
