"""From text to token numbers and back: vocabularies, byte-pair encoding, splits, batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import regex
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Ids", "Vocabulary", "as_ids", "batches", "k_fold", "train_bpe", "words"]

Ids = NDArray[np.int64]
Level = Literal["char", "word"]

# A combining mark belongs to the letter before it (Devanagari's vowels, a decomposed é), and the two joiners
# stand within words of Hindi and Persian.
_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{N}\p{M}\u200c\u200d]*|[^\s\x1c-\x1f\p{L}\p{N}]\p{M}*")
_UNKNOWN: dict[Level, str] = {"char": "\ufffd", "word": "<unk>"}


def words(text: str) -> list[str]:
    """Split `text` into runs of letters and digits, with their combining marks, and single other signs."""
    found: list[str] = _WORD.findall(text)
    return found


def as_ids(name: str, ids: ArrayLike, n_vocab: int) -> Ids:
    """Return `ids` as an int64 array (n,) after checking that all lie in 0 … n_vocab − 1."""
    try:
        values = np.asarray(ids)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} is not an array: {error}") from None
    if values.ndim != 1:
        raise ValueError(f"{name} has shape {values.shape}: expected (n,)")
    if values.size == 0:
        return np.zeros(0, dtype=np.int64)
    if values.dtype.kind not in "iu":
        raise ValueError(f"{name} has dtype {values.dtype}: token ids are integers")
    if values.min() < 0 or values.max() >= n_vocab:
        raise ValueError(f"{name} has ids from {values.min()} to {values.max()}, outside 0 … {n_vocab - 1}")
    return values.astype(np.int64)


@dataclass(frozen=True)
class Vocabulary:
    """A fixed list of tokens; a token's id is its place in the list.

    `unknown_id` is the id that stands for everything outside the list, or None if the
    vocabulary is closed (then `encode` refuses what it does not know).
    """

    tokens: tuple[str, ...]
    level: Level = "char"
    unknown_id: int | None = None
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.level not in _UNKNOWN:
            raise ValueError(f"level is {self.level!r}: expected 'char' or 'word'")
        if not self.tokens:
            raise ValueError("tokens is empty: a vocabulary has at least one token")
        if self.unknown_id is not None and not 0 <= self.unknown_id < len(self.tokens):
            raise ValueError(f"unknown_id is {self.unknown_id}: expected 0 … {len(self.tokens) - 1}")
        if len(set(self.tokens)) != len(self.tokens):
            raise ValueError("tokens contains the same token twice")
        if self.level == "char" and any(len(token) != 1 for token in self.tokens):
            raise ValueError("tokens contains a string that is not one character")
        object.__setattr__(self, "_ids", {token: i for i, token in enumerate(self.tokens)})

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def from_text(
        cls, text: str, level: Level = "char", *, max_size: int | None = None, min_count: int = 1
    ) -> Vocabulary:
        """Collect the tokens of `text`, the most frequent first (ties in code-point order).

        With `max_size` (the unknown token included) or `min_count` above 1 the vocabulary is
        open: the rest of the tokens, and any that turn up later, become the unknown token.
        Raises ValueError for text without a token.
        """
        if level not in _UNKNOWN:
            raise ValueError(f"level is {level!r}: expected 'char' or 'word'")
        if max_size is not None and max_size < 2:
            raise ValueError(f"max_size is {max_size}: expected at least 2, one token and the unknown")
        counts = Counter(text if level == "char" else words(text))
        if not counts:
            raise ValueError("text is empty or all white space: there is nothing to build a vocabulary from")
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        if max_size is None and min_count <= 1:
            return cls(tuple(ranked), level)
        unknown = _UNKNOWN[level]
        kept = [token for token in ranked if counts[token] >= min_count and token != unknown]
        kept = kept if max_size is None else kept[: max_size - 1]
        return cls((*kept, unknown), level, unknown_id=len(kept))

    def encode(self, text: str) -> Ids:
        """Return the ids of the tokens of `text`, shape (n,).

        Raises ValueError, naming the token, if the vocabulary is closed and lacks it.
        """
        tokens = text if self.level == "char" else words(text)
        if self.level == "char" and text:
            return self._encode_characters(text)
        unknown = -1 if self.unknown_id is None else self.unknown_id
        ids = np.fromiter((self._ids.get(token, unknown) for token in tokens), np.int64)
        return self._refuse_missing(ids, tokens)

    def _encode_characters(self, text: str) -> Ids:
        # One table look-up by code point for the whole text: millions of characters in milliseconds.
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        known = np.array([ord(token) for token in self.tokens], dtype=np.int64)
        table = np.full(max(int(points.max()), int(known.max())) + 1, -1, dtype=np.int64)
        if self.unknown_id is not None:
            table[:] = self.unknown_id
        table[known] = np.arange(len(self))
        return self._refuse_missing(table[points], text)

    def _refuse_missing(self, ids: Ids, tokens: str | list[str]) -> Ids:
        if ids.size and ids.min() < 0:
            where = int(ids.argmin())
            raise ValueError(
                f"text has {tokens[where]!r} at position {where}, which this vocabulary lacks: "
                "build it with max_size or min_count to have an unknown token"
            )
        return ids

    def decode(self, ids: ArrayLike) -> str:
        """Return the text of `ids`, shape (n,); words are joined by single spaces."""
        checked = as_ids("ids", ids, len(self))
        return ("" if self.level == "char" else " ").join(self.tokens[i] for i in checked)


def k_fold(text: str, fold: int, n_folds: int = 10) -> tuple[str, str]:
    """Split `text` into (train, test): test is the `fold`-th of `n_folds` contiguous pieces.

    Contiguous, because neighbouring characters are far from independent: a random split
    would leak half-words from the training text into the test text.
    """
    if n_folds < 2 or len(text) < n_folds:
        raise ValueError(f"n_folds is {n_folds}: expected between 2 and the length of text ({len(text)})")
    if not 0 <= fold < n_folds:
        raise ValueError(f"fold is {fold}: expected 0 … {n_folds - 1}")
    start, end = (len(text) * i // n_folds for i in (fold, fold + 1))
    return text[:start] + text[end:], text[start:end]


def batches(
    ids: ArrayLike, batch_size: int, n_steps: int, rng: np.random.Generator
) -> Iterator[tuple[Ids, Ids]]:
    """Yield one epoch of pairs (x, y), each (batch_size, n_steps), in random order.

    The windows do not overlap; y is x shifted by one token, what a language model predicts.
    A last incomplete batch is left out.
    """
    values = as_ids("ids", ids, np.iinfo(np.int64).max)
    if batch_size < 1 or n_steps < 1:
        raise ValueError(f"batch_size is {batch_size} and n_steps is {n_steps}: both must be at least 1")
    starts = rng.permutation((len(values) - 1) // n_steps) * n_steps
    if len(starts) < batch_size:
        raise ValueError(f"ids has {len(values)} tokens: one batch needs {batch_size * n_steps + 1}")
    for first in range(0, len(starts) - batch_size + 1, batch_size):
        where = starts[first : first + batch_size, None] + np.arange(n_steps)
        yield values[where], values[where + 1]


def train_bpe(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train a byte-level byte-pair encoding of `vocab_size` tokens (Sennrich, Haddow & Birch, 2016).

    Any text can be encoded and decoded without loss: the 256 bytes are always in the vocabulary.
    Raises ValueError where the texts are empty, hold half of a surrogate pair (no character, so without
    UTF-8), or have fewer different pairs than it would take to reach `vocab_size`.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    if vocab_size < 256:
        raise ValueError(f"vocab_size is {vocab_size}: a byte-level vocabulary starts with 256 bytes")
    texts = [texts] if isinstance(texts, str) else list(texts)
    if not any(texts):
        raise ValueError("texts is empty: there is nothing to train on")
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"texts has {text[error.start]!r} at position {error.start}, half of a surrogate pair: "
                "read the file with errors='replace', or take it out"
            ) from None
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    if (size := tokenizer.get_vocab_size()) < vocab_size:
        raise ValueError(
            f"vocab_size is {vocab_size}: after {size} tokens these texts have no pair left to merge; "
            f"ask for {size} or give more text"
        )
    return tokenizer
