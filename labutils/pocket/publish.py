"""From trained weights to a folder as transformers keeps a model, with a card that says how it came about."""

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

# What transformers calls the special tokens, and which side is padded: a GPT's left, so that texts end alike.
GPT = {
    "bos_token": "<|endoftext|>",
    "eos_token": "<|endoftext|>",
    "pad_token": "<|pad|>",
    "padding_side": "left",
}
BERT = {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]", "pad_token": "<|pad|>"}


def wrap(tokenizer: Tokenizer, kind: str) -> PreTrainedTokenizerFast:
    """The tokenizer as transformers has it; a BERT's (`kind` "bert") puts [CLS] and [SEP] around a text."""
    from tokenizers import AddedToken
    from tokenizers import Tokenizer as Fast
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    if kind == "gpt":
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **GPT)
    framed = Fast.from_str(tokenizer.to_str())
    # The mask takes the space before it, as the token of a word does.
    framed.add_special_tokens([AddedToken("[MASK]", lstrip=True, special=True)])
    framed.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(token, framed.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(tokenizer_object=framed, model_max_length=128, **BERT)


def score(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, kind: str, text: str
) -> dict[str, float]:
    """What the card of a "gpt" or a "bert" records of a held-out text."""
    if kind == "gpt":
        return {"bits_per_character": round(bits_per_character(model, tokenizer, text), 4)}
    return {"bits_per_hidden_token": round(masked_bits(model, tokenizer, text), 4)}


def publish(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    recipe: Recipe,
    run: dict[str, float],
    held_out: str,
    folder: Path,
) -> dict[str, Any]:
    """Write config, weights in float16, tokenizer and card into `folder`, all of it or nothing; the card.

    What is scored is what was written, read again. The weights of `model` itself become float16.
    """
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    wrapped = wrap(tokenizer, recipe.kind)
    kind = AutoModelForCausalLM if recipe.kind == "gpt" else AutoModelForMaskedLM
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left_over in folder.parent.glob(f".{folder.name}-*"):  # of a process that was killed
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as part:
        made, old = Path(part) / "made", Path(part) / "old"
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
        if folder.exists():
            folder.rename(old)
        try:
            made.rename(folder)
        except BaseException:
            if old.exists():
                old.rename(folder)
            raise
    return card
