"""Checks for the exercises of notebooks/limits/mismatched_generalization.ipynb."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from labutils.checks.answers import Floats, Wrong, number, same, slip
from labutils.checks.core import exercise

DOUBT = 1e-3


@exercise("mismatched_generalization.share")
def share(answer: Any) -> str | None:
    """Four codes of six have no refusals, and there 0.45 is told."""
    mistakes = [
        (0.45, "0.45 is told in a code without refusals: the attacker may pick one that has them"),
        (0.15, "0.15 weighs by the two codes that have refusals: told is what the other four tell"),
        (4 / 6, "that is the chance of picking a code without refusals: what is told there?"),
        (2 / 6, "that is the chance of picking a code with refusals"),
        (
            1 - 0.55**4,
            "that is for an attacker who may try all four codes without refusals: this one asks once",
        ),
        (1 - 0.55**6, "that is for an attacker who may try six codes: this one asks once"),
        (4 * 0.45, "1.8 adds four codes up: the attacker picks one of six, so divide by 6"),
        (0.55, "0.55 is what a code without refusals keeps"),
        (0.7, "0.7 is the share that stays secret"),
        (5 / 7 * 0.45, "that counts plain text among the codes: the attacker picks one of the six codes"),
        (4 / 7 * 0.45, "that counts plain text among the codes: the attacker picks one of the six codes"),
        (0.225, "0.225 takes half of the codes as without refusals: it is four of six"),
        (30.0, "30 is a percentage: as a share it is less than 1"),
    ]
    found = number(answer, "your share")
    if same(found, 0.3, DOUBT, 0):
        return None
    why = slip(found, mistakes, 5e-3)
    return f"{why or 'that is not it: weigh what each kind of code tells by how often it is picked'}."


KNOWN = frozenset(
    re.findall(r"\w+", "the wolf and hare met at a gate by night quiet frog sang of seven lost keys")
)
TEXTS = (  # a text and by how many places it is moved; some words are not known
    ("the wolf met a zebra by night", 3),
    ("seven lost keys and a jigsaw", 19),
    ("quiet frog sang at xylophone gate", 25),
    ("of hare", 1),
    ("i met the wolf by night", 20),  # a lone letter is a known word under other shifts, too
    ("i sang of seven keys", 3),
    ("wolf of green figure", 8),  # known words stand inside the words of another shift
)


def _moved(text: str, shift: int, n: int = 26) -> str:
    return "".join(chr((ord(s) - 97 + shift) % n + 97) if s.isalpha() else s for s in text)


def _pair(found: Any, what: str) -> tuple[Any, Any]:
    if isinstance(found, (dict, set)):
        raise Wrong(f"that is a {type(found).__name__}: return a pair, {what}.")
    sized = hasattr(found, "__len__") and getattr(found, "shape", (2,)) != () and not isinstance(found, str)
    if not sized or len(found) != 2:
        raise Wrong(f"return two things: {what}.")
    return found[0], found[1]


@exercise("mismatched_generalization.crack")
def crack(answer: Any) -> str | None:
    """Seven texts moved by 1 to 25 places, with words that are not known."""
    for text, shift in TEXTS:
        sent = _moved(text, shift)
        found = answer(sent, set(KNOWN))
        by, said = _pair(found, "the shift and what the text says")
        if isinstance(by, str) and not isinstance(said, str):
            return "the two things are in the other order: first the shift, then what the text says."
        if not isinstance(said, str):
            raise Wrong(f"what the text says is a {type(said).__name__}: expected a text.")
        by = number(by, "the shift")
        if said == sent:
            return f"{sent!r} comes back as it was sent: undo the shift."
        if said == text and same(by, shift):
            continue
        if said == text and same(by, 26 - shift):
            return (
                f"the text is right, and {shift} places were moved, not {26 - shift}: that is what undoes it."
            )
        if said == text and same(by % 26, shift):
            return f"the text is right, and the shift is {by:g}: give it from 1 to 25."
        if said == text:
            return f"the text is right, and it was moved by {shift} places, not by {by:g}."
        if said.lower() == text:
            return f"the text has to come in small letters, as it was given: you return {said!r}."
        if said.replace(" ", "") == text.replace(" ", ""):
            return "the letters are right: leave the spaces where they are."
        if said.count(" ") != text.count(" "):
            return f"from {sent!r} comes {said!r}: move letters alone, the spaces stay where they are."
        if same(by, shift) and said == _moved(sent, shift):
            return f"the shift {shift} is right and was done once more: move back to undo it."
        if any(not ("a" <= sign <= "z" or sign == " ") for sign in said):
            return f"from {sent!r} comes {said!r}: behind z follows a, so take places modulo 26."
        if said == _moved(sent, -int(by), 25) != _moved(sent, -int(by)):
            return f"from {sent!r} comes {said!r}: there are 26 letters, so take places modulo 26."
        known = sum(word in KNOWN for word in said.split())
        many = sum(word in KNOWN for word in text.split())
        if sum(word in said for word in KNOWN) > sum(word in text for word in KNOWN):
            return (
                f"from {sent!r} you read {said!r}: count whole words, of which {known} are known "
                f"there and {many} with a shift of {shift}; a known word inside another does not count."
            )
        return (
            f"from {sent!r} you read {said!r}, with {known} known words; a shift of {shift} gives {many} of "
            f"{len(text.split())}: try all 25 and count known words, not all of which need be there."
        )
    return None


def _limits(n: int, m: int, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    return rng.normal(3, 0.8, n), rng.normal(4.4, 1, m)


def _limit_mistakes(innocent: Floats, coded: Floats, alarms: float) -> Iterator[tuple[float, str]]:
    ranked, n = np.sort(innocent), len(innocent)
    above = math.floor(alarms * n + 1e-9)
    if int(alarms * n) < above:
        yield (
            ranked[n - above],
            f"one value too high: {alarms} · {n} is {alarms * n} in floating point, and cut off that is "
            f"{above - 1}, where {above} may be stopped: add a little before you cut",
        )
    if n - above < n:
        yield (
            ranked[n - above],
            "one value too high: the smallest limit lets exactly as many alarms as allowed",
        )
    if above + 1 < n:
        yield ranked[n - 2 - above], "one value too low: then more than the allowed share is stopped"
    yield ranked[min(above, n - 1)], "that leaves the share below the limit: what is above is stopped"
    yield (
        np.quantile(innocent, 1 - alarms),
        "np.quantile interpolates: take the limit from the values in innocent",
    )
    yield np.quantile(innocent, alarms), "the quantile at alarms, from below: stopped is what lies above"
    yield ranked[-1], "the largest innocent value stops no innocent at all: some alarms are allowed"
    yield np.quantile(coded, 1 - alarms), "the limit is set on coded: it is innocent that limits the alarms"
    yield (
        np.sort(coded)[len(coded) - 1 - math.floor(alarms * len(coded))],
        "the limit is set on coded: use innocent",
    )
    yield np.median(innocent), "the median stops half of the innocent: sort and count"
    yield innocent[n - 1 - above], "taken from the array as given: sort first"
    yield np.percentile(innocent, 1 - alarms), "np.percentile counts from 0 to 100, and it interpolates"
    yield n - 1 - above, "that is the place of the limit in the sorted array: return the value there"
    yield innocent.mean(), "the mean has no share of alarms: sort and count"
    yield (
        ranked[min(round(n * (1 - alarms)), n - 1)],
        "one value too high: n · (1 − alarms) is one place too far",
    )


@exercise("mismatched_generalization.set_filter")
def set_filter(answer: Any) -> str | None:
    """Pairs of samples of different lengths, and the shares 0.1 of 37, 0.3 of 10, 0 of 29, 0.29 of 100."""
    for n, m, seed, alarms in ((37, 23, 6, 0.1), (10, 31, 3, 0.3), (29, 17, 8, 0.0), (100, 23, 4, 0.29)):
        innocent, coded = _limits(n, m, seed)
        found = answer(innocent.copy(), coded.copy(), alarms)
        limit, caught = _pair(found, "the limit and the share of coded that it stops")
        limit, caught = number(limit, "the limit"), number(caught, "the share that is stopped")
        above = math.floor(alarms * n + 1e-9)
        right = float(np.sort(innocent)[n - 1 - above])
        share = float(np.mean(coded > right))
        if same(limit, share, 1e-6) and same(caught, right, 1e-6):
            return "the two things are in the other order: first the limit, then the share."
        if not same(limit, right, 1e-6):
            why = slip(limit, _limit_mistakes(innocent, coded, alarms), 1e-6)
            stopped = int(np.sum(innocent > limit))
            told = f"your limit stops {stopped} of {n} innocent values, and {above} may be stopped"
            if stopped == above:
                told += ": the number is right, and the limit has to be one of these values, the smallest"
            return f"{why or told} (alarms {alarms}, {n} innocent, {m} coded)."
        if not same(caught, share, 1e-6):
            mistakes = [
                (1 - share, "that is the share of coded that passes: asked is what is stopped"),
                (np.sum(coded > right), "that is a count: divide by the length of coded"),
                (
                    np.sum(coded > right) / n,
                    "divided by the number of innocent: divide by the length of coded",
                ),
                (np.mean(innocent > right), "that is the share of innocent: count coded"),
                (np.sum(coded > right) / (n + m), "divided by all: divide by the length of coded"),
                (np.mean(np.r_[innocent, coded] > right), "counted over both: count coded alone"),
                (100 * share, "that is a percentage: give a share"),
            ]
            why = slip(caught, mistakes, 1e-6)
            return (
                f"the limit is right; {why or f'of coded {share:.3f} is above it, you return {caught:.3f}'}."
            )
    return None
