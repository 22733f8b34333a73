"""Ways of writing a text so that a filter may miss it, and ways of finding out: ciphers, readings, letters.

Letters are a to z; capitals become small, everything else stays as it is.
Page: notebooks/limits/mismatched_generalization.ipynb.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

__all__ = ["ALPHABETS", "ENCODINGS", "Encoding", "LetterModel", "compose", "listed", "normalise", "readings"]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Letter for letter, by place in the alphabet (Greek, from alpha on) or as the blind read them (Braille).
ALPHABETS = {
    "rot13": LETTERS[13:] + LETTERS[:13],
    "greek": "".join(chr(0x3B1 + i) for i in range(26)),
    "braille": "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵",
    "leet": LETTERS.translate(str.maketrans("aeiost", "431057")),
}


@dataclass(frozen=True)
class Encoding:
    """A way of writing: `encode` goes there, `decode` comes back."""

    name: str
    encode: Callable[[str], str]
    decode: Callable[[str], str]


def _alphabet(name: str, letters: str) -> Encoding:
    there, back = str.maketrans(LETTERS, letters), str.maketrans(letters, LETTERS)
    return Encoding(name, lambda text: text.lower().translate(there), lambda text: text.translate(back))


def _to_digits(text: str) -> str:
    """Every letter as two digits: a is 01, z is 26."""
    return re.sub("[a-z]", lambda found: f"{LETTERS.index(found[0]) + 1:02d}", text.lower())


def _from_digits(text: str) -> str:
    return re.sub(r"0[1-9]|1\d|2[0-6]", lambda found: LETTERS[int(found[0]) - 1], text)


ENCODINGS = {
    encoding.name: encoding
    for encoding in (
        Encoding("plain", str.lower, str),
        _alphabet("leet", ALPHABETS["leet"]),
        Encoding("reversed", lambda text: text.lower()[::-1], lambda text: text[::-1]),
        _alphabet("rot13", ALPHABETS["rot13"]),
        _alphabet("greek", ALPHABETS["greek"]),
        _alphabet("braille", ALPHABETS["braille"]),
        Encoding("digits", _to_digits, _from_digits),
    )
}


def compose(*encodings: Encoding) -> Encoding:
    """One encoding after another, the first one first; decoding goes back from the last."""

    def encode(text: str) -> str:
        for each in encodings:
            text = each.encode(text)
        return text

    def decode(text: str) -> str:
        for each in reversed(encodings):
            text = each.decode(text)
        return text

    return Encoding(" + ".join(each.name for each in encodings), encode, decode)


def readings(text: str, encodings: Iterable[Encoding] = tuple(ENCODINGS.values())) -> dict[str, str]:
    """What `text` says if it is written in each of `encodings`, by their names."""
    return {each.name: each.decode(text) for each in encodings}


class LetterModel:
    """How surprising a text is, letter by letter, after the two signs before it (a trigram model).

    Counts of three signs are mixed with counts of two, of one, and a uniform share (Witten and Bell, 1991,
    method C). n_signs: of how many signs the uniform share is taken, so that no sign is impossible.
    Raises ValueError where there is nothing to count.
    """

    def __init__(self, words: Iterable[str], n_signs: int = 1000) -> None:
        self.n_signs = n_signs
        self._counts: list[dict[str, Counter[str]]] = [{}, {}, {}]
        for word in words:
            text = f"  {word} "
            for i in range(2, len(text)):
                for order in range(3):
                    self._counts[order].setdefault(text[i - order : i], Counter())[text[i]] += 1
        if not self._counts[0]:
            raise ValueError("no words to count")

    @cached_property
    def _sums(self) -> list[dict[str, tuple[int, int]]]:
        return [{h: (sum(n.values()), len(n)) for h, n in order.items()} for order in self._counts]

    def probability(self, sign: str, before: str) -> float:
        """P(sign | the last two signs of `before`)."""
        p = 1 / self.n_signs
        for order in range(3):
            context = before[len(before) - order :]
            total, kinds = self._sums[order].get(context, (0, 0))
            if total:
                p = (self._counts[order][context][sign] + kinds * p) / (total + kinds)
        return p

    def bits(self, text: str) -> float:
        """Mean bits a sign of a word or of several, their ends included."""
        costs = []
        for word in text.split() or [""]:
            padded = f"  {word} "
            costs += [-math.log2(self.probability(padded[i], padded[:i])) for i in range(2, len(padded))]
        return sum(costs) / len(costs)


def normalise(
    text: str, letters: LetterModel, encodings: Iterable[Encoding] = tuple(ENCODINGS.values())
) -> tuple[str, str]:
    """The least surprising of all readings: the encoding's name and what the text says in it."""
    found = readings(text, encodings)
    name = min(found, key=lambda each: letters.bits(found[each]))
    return name, found[name]


def listed(
    text: str, words: Iterable[str], encodings: Iterable[Encoding] = tuple(ENCODINGS.values())
) -> bool:
    """Whether any reading of `text` contains one of `words` as a whole word."""
    wanted = set(words)
    return any(wanted & set(re.findall("[a-z]+", each)) for each in readings(text, encodings).values())
