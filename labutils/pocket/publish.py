"""From trained weights to a folder as transformers keeps a model, with the card that says how it came about."""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from labutils.data.catalogue import find
from labutils.pocket.recipe import Recipe
from labutils.pocket.score import bits_per_character, masked_bits
from labutils.pocket.text import N_VOCAB

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

__all__ = ["publish", "score", "wrap"]


def wrap(tokenizer: Tokenizer, kind: str) -> PreTrainedTokenizerFast:
    """The tokenizer as transformers has it: a BERT's puts [CLS] and [SEP] around, a GPT's pads on the left."""
    from tokenizers import Tokenizer as Fast
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    if kind == "gpt":
        return PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            bos_token="<|endoftext|>",
            eos_token="<|endoftext|>",
            pad_token="<|pad|>",
            padding_side="left",
        )
    framed = Fast.from_str(tokenizer.to_str())
    framed.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(token, framed.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=framed,
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        pad_token="<|pad|>",
        model_max_length=128,
    )


def score(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, kind: str, text: str) -> dict[str, float]:
    """What the card records of a held-out text."""
    if kind == "gpt":
        return {"bits_per_character": round(bits_per_character(model, tokenizer, text), 4)}
    return {"bits_per_hidden_token": round(masked_bits(model, tokenizer, text), 4)}


def publish(
    model: PreTrainedModel, tokenizer: Tokenizer, recipe: Recipe, run: dict[str, float], held_out: str, folder: Path
) -> dict[str, Any]:
    """Write config, weights in float16, tokenizer and card into `folder`, all of it or nothing; the card."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    wrapped = wrap(tokenizer, recipe.kind)
    kind = AutoModelForCausalLM if recipe.kind == "gpt" else AutoModelForMaskedLM
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as part:
        made = Path(part) / "model"
        model.half().save_pretrained(made)
        wrapped.save_pretrained(made)
        rounded = kind.from_pretrained(made, dtype=torch.float32).eval()
        card: dict[str, Any] = {
            "data": f"bible_en, sha256 {find('bible_en').parsed_sha256}: the first nine tenths",
            "held_out": score(rounded, wrapped, recipe.kind, held_out),
            "parameters": sum(p.numel() for p in rounded.parameters()),
            "tokens_seen": recipe.n_steps * recipe.batch_size * recipe.n_context,
            "wall_minutes": round(run["seconds"] / 60, 1),
            "threads": torch.get_num_threads(),
            "machine": platform.processor() or platform.machine(),
            "torch": torch.__version__,
            "n_vocab": N_VOCAB,
            "recipe": asdict(recipe),
        }
        (made / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return card
