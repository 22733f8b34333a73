"""Checks of the exercises of notebooks/foundations/information_theory.ipynb."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from labutils import information
from labutils.checks.answers import close
from labutils.checks.core import exercise

Floats = NDArray[np.float64]
Model = Callable[[str], dict[str, Fraction]]


def _diagnose(found: object, mistakes: Iterable[tuple[float, str]]) -> str | None:
    """Return the sentence that belongs to the wrong value that was found, if it is a known one."""
    return next((why for value, why in mistakes if close(found, value, 1e-5)), None)


def _number(found: object, unit: str) -> str | None:
    """Return what is wrong if `found` is not a finite number."""
    try:
        value = float(found)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return f"it returned a {type(found).__name__}: expected one number, in {unit}."
    if math.isnan(value):
        return "the result is not a number (nan): leave out the cells with zero; 0 log 0 counts as 0."
    return None


def _correlation(joint: Floats) -> float:
    """Return the correlation coefficient of a joint distribution whose values are 0, 1, 2, …"""
    x, y = (np.arange(n) for n in joint.shape)
    p_x, p_y = joint.sum(axis=1), joint.sum(axis=0)
    variances = (x**2 @ p_x - (x @ p_x) ** 2) * (y**2 @ p_y - (y @ p_y) ** 2)
    return float((x @ joint @ y - (x @ p_x) * (y @ p_y)) / math.sqrt(variances))


@exercise("information_theory.mutual_information")
def mutual_information(answer: Callable[[Floats], float]) -> str | None:
    """Try a table of counts, the parabola with its zeros, and ten times the same counts."""
    counts = np.array([[30.0, 10.0, 5.0], [5.0, 10.0, 40.0]])
    joint = counts / counts.sum()
    expected = information.mutual_information(joint)
    found = answer(counts.copy())
    if wrong := _number(found, "bits"):
        return wrong
    if not close(found, expected):
        h_x, h_y = information.entropy(joint.sum(axis=1)), information.entropy(joint.sum(axis=0))
        h_xy = information.entropy(joint.ravel())
        independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
        outer = np.outer(counts.sum(axis=1), counts.sum(axis=0))
        r = _correlation(joint)
        why = _diagnose(
            found,
            [
                (expected * math.log(2), "the value is in nats: divide by ln 2, or use log2."),
                (
                    -expected,
                    "the sign is turned round: p(x, y) stands above the fraction line.",
                ),
                (h_xy, "that is the joint entropy H(X, Y): subtract it from H(X) + H(Y)."),
                (h_xy - h_x, "that is H(Y | X), what remains unknown: I = H(Y) − H(Y | X)."),
                (h_xy - h_y, "that is H(X | Y), what remains unknown: I = H(X) − H(X | Y)."),
                (
                    r,
                    "that is the correlation coefficient, which sees straight lines only: use the logarithm.",
                ),
                (
                    information.kl_divergence(independent.ravel(), joint.ravel()),
                    "that is D(p(x)p(y) ‖ p(x, y)), the wrong way round: the joint comes first.",
                ),
                (
                    float((counts * np.log2(counts / outer)).sum()),
                    "the counts were used as probabilities: divide by their sum first.",
                ),
            ],
        )
        if why:
            return why
        if not close(answer(counts * 10), float(found)):
            return "ten times the counts give another value: turn counts into probabilities first."
        return f"a table whose information is {expected:.4f} bits gave {float(found):.4f}."
    parabola = np.array([[0, 0, 8], [0, 8, 0], [8, 0, 0], [0, 8, 0], [0, 0, 8]], dtype=np.float64)
    with np.errstate(all="ignore"):
        found = answer(parabola.copy())
    if wrong := _number(found, "bits"):
        return wrong
    if not close(found, information.mutual_information(parabola / parabola.sum())):
        return (
            f"for Y = X², with zeros in the table, the answer is H(Y) = 1.5219 bits, not {float(found):.4f}."
        )
    return None


def _fixed(_: str) -> dict[str, Fraction]:
    return {"a": Fraction(1, 2), "b": Fraction(1, 3), "c": Fraction(1, 6)}


def _laplace(prefix: str) -> dict[str, Fraction]:
    return {symbol: Fraction(prefix.count(symbol) + 1, len(prefix) + 3) for symbol in "abc"}


def _interval(text: str, model: Model) -> tuple[Fraction, Fraction]:
    low, width = Fraction(0), Fraction(1)
    for t, symbol in enumerate(text):
        for other, p in model(text[:t]).items():
            if other == symbol:
                width *= p
                break
            low += width * p
    return low, low + width


@exercise("information_theory.interval")
def interval(answer: Callable[[str, Model], tuple[Fraction, Fraction]]) -> str | None:
    """Try "cab" with fixed probabilities, a model that learns, and a text of 60 letters."""
    found = answer("cab", _fixed)
    if not isinstance(found, tuple | list) or len(found) != 2:
        return "expected a pair (low, high)."
    low, high = _interval("cab", _fixed)
    if found[0] != low or found[1] != high:
        if close(found[0], float(low)) and close(found[1], float(high - low)):
            return f"the second number is the width {high - low}: return low + width."
        if close(found[0], float(low)) and close(found[1], float(high)):
            return "the numbers are right but not exact: keep Fractions, a float runs out of digits."
        if tuple(found) == _interval("bac", _fixed):
            return "the symbols were taken from the end: the first one divides the whole interval."
        if found[1] - found[0] == high - low:
            return f"the width {high - low} is right, but not the place: {found[0]} instead of low = {low}."
        return f'"cab" lies between {low} and {high}, not between {found[0]} and {found[1]}.'
    if tuple(answer("", _fixed)) != (Fraction(0), Fraction(1)):
        return "the empty text owns the whole interval: (0, 1)."
    low, high = _interval("cabbc", _laplace)
    found = answer("cabbc", _laplace)
    if tuple(found) != (low, high):
        if tuple(found) == _interval("cabbc", lambda _: _laplace("")):
            return "the model was asked once: ask it again before each symbol, model(text[:t])."
        if tuple(found) == _interval("cabbc", lambda _: _laplace("cabbc")):
            return "the model saw the whole text: before symbol t it may see text[:t] only."
        return f"with a model that learns, low should be {low}, not {found[0]}: is it given text[:t]?"
    text = "cab" * 20
    if tuple(answer(text, _fixed)) != _interval(text, _fixed):
        return "a text of 60 letters gives an inexact interval: keep Fractions all the way."
    return None


def _code_length(text: str, alphabet: str) -> float:
    counts = dict.fromkeys(alphabet, 0)
    bits = 0.0
    for t, symbol in enumerate(text):
        bits -= math.log2((counts[symbol] + 1) / (t + len(alphabet)))
        counts[symbol] += 1
    return bits


@exercise("information_theory.code_length")
def code_length(answer: Callable[[str, str], float]) -> str | None:
    """Try "abracadabra" with the alphabet a, b, c, d, r, and the same with letters that never come."""
    text, alphabet = "abracadabra", "abcdr"
    expected = _code_length(text, alphabet)
    found = answer(text, alphabet)
    if wrong := _number(found, "bits"):
        return wrong
    if math.isinf(float(found)):
        return "the length is infinite: a symbol that was not seen yet has probability 1/(t + K), not 0."
    if not close(found, expected):
        n, k = len(text), len(alphabet)
        shares = np.array([text.count(symbol) for symbol in alphabet]) / n
        seen_too_early = -sum(
            math.log2((text[: t + 1].count(symbol) + 1) / (t + 1 + k)) for t, symbol in enumerate(text)
        )
        half_early = -sum(
            math.log2((text[: t + 1].count(symbol) + 1) / (t + k)) for t, symbol in enumerate(text)
        )
        rounded = sum(
            math.ceil(-math.log2((text[:t].count(symbol) + 1) / (t + k))) for t, symbol in enumerate(text)
        )
        from_all = -sum(math.log2((text.count(symbol) + 1) / (n + k)) for symbol in text)
        why = _diagnose(
            found,
            [
                (expected * math.log(2), "the value is in nats: use log2."),
                (-expected, "the sign is turned round: a length is not negative."),
                (expected / n, "that is the length per symbol: the exercise asks for the whole text."),
                (
                    n * information.entropy(shares),
                    "that is n · H of the final counts, which no decoder knows.",
                ),
                (from_all, "the counts are those of the whole text: only the t symbols before may count."),
                (seen_too_early, "the symbol was counted before it was priced: the decoder cannot do that."),
                (half_early, "the symbol was counted before it was priced: the decoder cannot do that."),
                (rounded, "each symbol was rounded up to whole bits: an arithmetic coder need not."),
                (n * math.log2(k), "that is the uniform model: let the counts grow."),
            ],
        )
        return why or f'"{text}" takes {expected:.4f} bits, not {float(found):.4f}.'
    if not close(answer(text, alphabet + "xyz"), _code_length(text, alphabet + "xyz")):
        return "letters that never occur cost too: K is the size of the alphabet, not of what was seen."
    return None


@exercise("information_theory.file_size")
def file_size(answer: Callable[[float, int], float]) -> str | None:
    """A loss of 1.4 nats on 100,000 tokens."""
    loss, n_tokens = 1.4, 100_000
    expected = loss / math.log(2) * n_tokens / 8
    found = answer(loss, n_tokens)
    if wrong := _number(found, "bytes"):
        return wrong
    if float(found) in (math.floor(expected), math.ceil(expected)) or close(found, expected):
        return None
    why = _diagnose(
        found,
        [
            (expected * 8, "that is in bits: eight of them are a byte."),
            (expected * 64, "a byte is eight bits: divide by 8, do not multiply."),
            (loss * n_tokens / 8, "the nats were taken for bits: divide the loss by ln 2."),
            (loss * math.log(2) * n_tokens / 8, "multiplied by ln 2: a nat is more than a bit, so divide."),
            (
                2**loss * n_tokens / 8,
                "that uses 2 to the loss, a perplexity: take the loss itself.",
            ),
            (math.exp(loss) * n_tokens / 8, "that uses e to the loss, a perplexity: take the loss itself."),
            (loss / math.log(2) / 8, "that is for one token: multiply by their number."),
        ],
    )
    return why or f"{n_tokens:,} tokens at {loss} nats make {expected:,.0f} bytes, not {float(found):,.0f}."


@exercise("information_theory.hamming_syndrome")
def hamming_syndrome(answer: Callable[[list[int]], int]) -> str | None:
    """Try every code word of the (7, 4) code, intact and with each of its bits flipped."""
    parity = np.array([[position >> i & 1 for position in range(1, 8)] for i in range(3)])
    words = [word for word in np.ndindex(*[2] * 7) if not (parity @ word % 2).any()]
    for word in words:
        for flipped in range(8):  # 0: none
            received = [bit ^ (position == flipped) for position, bit in enumerate(word, start=1)]
            found = answer(list(received))
            if np.ndim(found) != 0:
                return "it returned several numbers: read the three parities as one binary number, 4 2 1."
            if found != flipped:
                return _name_the_mistake(int(found), flipped, received)
    return None


def _name_the_mistake(found: int, flipped: int, received: list[int]) -> str:
    shown = "".join(map(str, received))
    mirrored = int(f"{flipped:03b}"[::-1], 2)
    if flipped == 0:
        return f"{shown} is a code word and needs no repair: expected 0, not {found}."
    if found == flipped - 1:
        return f"{shown} has bit {flipped} flipped, not {found}: positions count from 1; 0 means none."
    if found == mirrored:
        return f"for {shown}, {found} is {flipped} with its binary digits reversed: parity i weighs 2**i."
    if found == 8 - flipped:
        return f"for {shown}, {found} is {flipped} counted from the right: position 1 is on the left."
    if found > 7:
        return f"for {shown} you return {found}: each parity counts modulo 2."
    return f"{shown} has bit {flipped} flipped, not {found}."
