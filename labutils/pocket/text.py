"""The pocket models' text, the World English Bible with its last tenth held out, and their 2,048 tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from labutils import data

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["N_VOCAB", "SPECIAL", "encode", "split", "train_tokenizer"]

N_VOCAB = 2048
SPECIAL = ("<|pad|>", "<|endoftext|>", "[CLS]", "[SEP]", "[MASK]")  # ids 0 to 4


def split(text: str | None = None) -> tuple[str, str]:
    """The first nine tenths of a text (the Bible unless given), cut at a line's end, and the last tenth."""
    if text is None:
        text = data.load_text("bible_en")
    cut = text.rindex("\n", 0, len(text) * 9 // 10) + 1
    return text[:cut], text[cut:]


def train_tokenizer(text: str, n_vocab: int = N_VOCAB) -> Tokenizer:
    """Byte-pair encoding over bytes, as in GPT-2 (Radford et al. 2019, §2.2): no text has unknown tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=n_vocab,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, text: str) -> NDArray[np.int64]:
    """The ids of a text, (n_tokens,), without special tokens."""
    return np.array(tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.int64)
