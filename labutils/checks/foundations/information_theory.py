"""Checks of the exercises of notebooks/foundations/information_theory.ipynb."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labutils import information
from labutils.checks.answers import Wrong, close, compare, number
from labutils.checks.core import exercise

Floats = NDArray[np.float64]
Model = Callable[[str], dict[str, Fraction]]


def _correlation(joint: Floats) -> float:
    """Return the correlation coefficient of a joint distribution whose values are 0, 1, 2, …"""
    x, y = (np.arange(n) for n in joint.shape)
    p_x, p_y = joint.sum(axis=1), joint.sum(axis=0)
    variances = (x**2 @ p_x - (x @ p_x) ** 2) * (y**2 @ p_y - (y @ p_y) ** 2)
    return float((x @ joint @ y - (x @ p_x) * (y @ p_y)) / math.sqrt(variances))


@exercise("information_theory.mutual_information")
def mutual_information(answer: Callable[[Floats], float]) -> str | None:
    """Try a table of counts drawn at random, three times the same counts, and two tables with zeros."""
    counts = np.random.default_rng(3).integers(2, 40, size=(3, 4)).astype(np.float64)
    joint = counts / counts.sum()
    p_x, p_y = joint.sum(axis=1), joint.sum(axis=0)
    expected = information.mutual_information(joint)
    h_x, h_y, h_xy = (information.entropy(p) for p in (p_x, p_y, joint.ravel()))
    independent = np.outer(p_x, p_y)
    outer = np.outer(counts.sum(axis=1), counts.sum(axis=0))
    ratio = np.log2(joint / independent)
    shown = ", ".join(f"[{', '.join(f'{value:.0f}' for value in row)}]" for row in counts)
    found = number(answer(counts))
    if not close(found, expected, 1e-5) and close(number(answer(counts * 3)), 3 * found, 1e-5):
        return "three times the counts give three times the value: divide them by their sum first."
    compare(
        found,
        expected,
        f"for the counts [{shown}]",
        [
            (expected * math.log(2), "that is in nats: divide by ln 2, or use log2."),
            (expected * math.log10(2), "that is with log10: use log2."),
            (-expected, "the sign is turned round: p(x, y) stands above the fraction line."),
            (h_xy, "that is the joint entropy H(X, Y): subtract it from H(X) + H(Y)."),
            (h_x, "that is H(X): subtract what remains unknown, H(X | Y)."),
            (h_y, "that is H(Y): subtract what remains unknown, H(Y | X)."),
            (h_x + h_y, "that is H(X) + H(Y): subtract H(X, Y)."),
            (h_xy - h_x, "that is H(Y | X), what remains unknown: I = H(Y) − H(Y | X)."),
            (h_xy - h_y, "that is H(X | Y), what remains unknown: I = H(X) − H(X | Y)."),
            (_correlation(joint), "that is the correlation coefficient, which sees straight lines only."),
            (ratio.mean(), "that is the plain mean of the logarithms: weight each by p(x, y)."),
            (ratio.sum(), "the logarithms were added without their weights p(x, y)."),
            (expected / h_xy, "that is a share of H(X, Y): the exercise asks for bits."),
            (expected / min(h_x, h_y), "that is a share of the smaller entropy: the exercise asks for bits."),
            (
                information.kl_divergence(independent.ravel(), joint.ravel()),
                "that is D(p(x)p(y) ‖ p(x, y)), the wrong way round: the joint comes first.",
            ),
            (
                float((counts * np.log2(counts / outer)).sum()),
                "the counts were used as probabilities: divide by their sum first.",
            ),
            (
                float((joint * np.log2(counts / outer)).sum()),
                "inside the logarithm stand counts: divide by their sum there, too.",
            ),
        ],
    )
    with np.errstate(all="ignore"):
        for name, zeros in {
            "Y = X²": np.array([[0, 0, 8], [0, 5, 0], [11, 0, 0], [0, 7, 0], [0, 0, 3]], dtype=np.float64),
            "a row and a column that never occur": np.array([[6.0, 0, 1], [0, 0, 0], [2, 0, 9]]),
        }.items():
            try:
                found = number(answer(zeros))
            except Wrong:
                return (
                    f"for {name} the result is not a number: leave out the cells with zero, for 0 log 0 = 0."
                )
            expected = information.mutual_information(zeros / zeros.sum())
            if not close(found, expected, 1e-5):
                return f"for {name}, with zeros in the table, the answer is {expected:.4f}, not {found:.4f}."
    return None


def _fixed(_: str) -> dict[str, Fraction]:
    return {"a": Fraction(1, 2), "b": Fraction(1, 3), "c": Fraction(1, 6)}


def _laplace(prefix: str) -> dict[str, Fraction]:  # its order is not that of the alphabet
    return {symbol: Fraction(prefix.count(symbol) + 1, len(prefix) + 3) for symbol in "bca"}


def _interval(text: str, model: Model) -> tuple[Fraction, Fraction]:
    low, width = Fraction(0), Fraction(1)
    for t, symbol in enumerate(text):
        for other, p in model(text[:t]).items():
            if other == symbol:
                width *= p
                break
            low += width * p
    return low, low + width


def _pair(found: Any) -> tuple[Any, Any]:
    if isinstance(found, np.ndarray):
        found = found.tolist()
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        raise Wrong(f"it returned {found!r:.60}: expected a pair (low, high).")
    return found[0], found[1]


@exercise("information_theory.interval")
def interval(answer: Callable[[str, Model], tuple[Fraction, Fraction]]) -> str | None:
    """Try "cab" with fixed probabilities, a model that learns, and a text of 60 letters."""
    found = _pair(answer("cab", _fixed))
    low, high = _interval("cab", _fixed)
    if found != (low, high):
        ends = [number(float(end), "an end of the interval") for end in found]
        if close(ends[0], float(low)) and close(ends[1], float(high - low)):
            return f"the second number is the width {high - low}: return low + width."
        if close(ends[0], float(low)) and close(ends[1], float(high)):
            return "the numbers are right but not exact: keep Fractions, a float runs out of digits."
        if found == _interval("bac", _fixed):
            return "the symbols were taken from the end: the first one divides the whole interval."
        if found == (high, low):
            return "the two ends are the right ones, in the wrong order: return (low, high)."
        if found == _interval("cab", lambda _: dict(reversed(_fixed("").items()))):
            return "the symbols lie in the order of the dictionary: the first begins at low."
        if close(ends[1] - ends[0], float(high - low)):
            return f"the width {high - low} is right, but not the place: {found[0]} instead of low = {low}."
        return f'"cab" lies between {low} and {high}, not between {found[0]} and {found[1]}.'
    if _pair(answer("", _fixed)) != (Fraction(0), Fraction(1)):
        return "the empty text owns the whole interval: (0, 1)."
    low, high = _interval("cabbcabacb", _laplace)
    found = _pair(answer("cabbcabacb", _laplace))
    if found != (low, high):
        if found == _interval("cabbcabacb", lambda _: _laplace("")):
            return "the model was asked once: ask it again before each symbol, model(text[:t])."
        if found == _interval("cabbcabacb", lambda _: _laplace("cabbcabacb")):
            return "the model saw the whole text: before symbol t it may see text[:t] only."
        if found == _interval("cabbcabacb", lambda prefix: dict(sorted(_laplace(prefix).items()))):
            return "the symbols were sorted: keep the order in which the model's dictionary has them."
        return f"with a model that learns, low should be {low}, not {found[0]}: is it given text[:t]?"
    text = "cab" * 20
    if _pair(answer(text, _fixed)) != _interval(text, _fixed):
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
    n, k = len(text), len(alphabet)
    expected = _code_length(text, alphabet)
    found = number(answer(text, alphabet))
    if math.isinf(found):
        return "the length is infinite: a symbol that was not seen yet has probability 1/(t + K), not 0."
    before = [text[:t].count(symbol) for t, symbol in enumerate(text)]
    shares = np.array([text.count(symbol) for symbol in alphabet]) / n

    def bits(probabilities: Any) -> float:
        return float(-sum(math.log2(p) for p in probabilities))

    early = "the symbol was counted before it was priced: the decoder cannot do that."
    compare(
        found,
        expected,
        f'for the text "{text}" and the alphabet "{alphabet}"',
        [
            (expected * math.log(2), "that is in nats: use log2."),
            (-expected, "the sign is turned round: a length is not negative."),
            (expected / n, "that is the length per symbol: the exercise asks for the whole text."),
            (expected / 8, "that is in bytes: the exercise asks for bits."),
            (math.ceil(expected), "that is rounded up: leave the fraction of a bit."),
            (n * information.entropy(shares), "that is n · H of the final counts, which no decoder knows."),
            (
                bits((text.count(symbol) + 1) / (n + k) for symbol in text),
                "the counts are those of the whole text: only the t symbols before may count.",
            ),
            (bits((c + 2) / (t + 1 + k) for t, c in enumerate(before)), early),
            (bits((c + 2) / (t + k) for t, c in enumerate(before)), early),
            (
                bits((c + 1) / (t + 1 + k) for t, c in enumerate(before)),
                "the denominator is one too large: before the first symbol t is 0, so it is K.",
            ),
            (
                bits((c + 0.5) / (t + k / 2) for t, c in enumerate(before)),
                "that adds one half to each count; Laplace's model adds one.",
            ),
            (
                bits((c + 1) / (t + 1) for t, c in enumerate(before)),
                "the probabilities sum to more than 1: with one added to each count the total is t + K.",
            ),
            (
                float(sum(math.ceil(-math.log2((c + 1) / (t + k))) for t, c in enumerate(before))),
                "each symbol was rounded up to whole bits: an arithmetic coder need not.",
            ),
            (n * math.log2(k), "that is the uniform model: let the counts grow."),
        ],
    )
    if not close(number(answer(text, alphabet + "xyz")), _code_length(text, alphabet + "xyz"), 1e-5):
        return "letters that never occur cost too: K is the size of the alphabet, not of what was seen."
    if not close(number(answer("", alphabet)), 0.0):
        return "the empty text takes 0 bits."
    return None


@exercise("information_theory.file_size")
def file_size(answer: Callable[[float, int], float]) -> str | None:
    """A loss of 1.37 nats on 84,321 tokens, and half of that loss."""
    loss, n_tokens = 1.37, 84_321
    expected = loss / math.log(2) * n_tokens / 8
    found = number(answer(loss, n_tokens))
    if found not in (math.floor(expected), math.ceil(expected)):
        compare(
            found,
            expected,
            f"for {n_tokens:,} tokens at {loss} nats",
            [
                (expected * 8, "that is in bits: eight of them are a byte."),
                (expected * 64, "a byte is eight bits: divide by 8, do not multiply."),
                (loss * n_tokens / 8, "the nats were taken for bits: divide the loss by ln 2."),
                (loss * n_tokens, "that is in nats: divide by ln 2 for bits and by 8 for bytes."),
                (
                    loss * math.log(2) * n_tokens / 8,
                    "multiplied by ln 2: a nat is more than a bit, so divide.",
                ),
                (loss / math.log10(2) * n_tokens / 8, "divided by log10(2): a nat is 1/ln 2 bits."),
                (2**loss * n_tokens / 8, "that uses 2 to the loss, a perplexity: take the loss itself."),
                (
                    math.exp(loss) * n_tokens / 8,
                    "that uses e to the loss, a perplexity: take the loss itself.",
                ),
                (
                    math.log2(loss) * n_tokens / 8,
                    "that is the logarithm of the loss: the loss is one already.",
                ),
                (loss / math.log(2) / 8, "that is for one token: multiply by their number."),
                (expected / 1000, "that is in kilobytes: the exercise asks for bytes."),
                (expected / 1024, "that is in kibibytes: the exercise asks for bytes."),
            ],
            tolerance=1e-5,
        )
    half = number(answer(loss / 2, n_tokens))
    if abs(half - expected / 2) > 1:
        return f"half the loss makes half the file, {expected / 2:,.0f} bytes, not {half:,.0f}."
    return None


@exercise("information_theory.hamming_syndrome")
def hamming_syndrome(answer: Callable[[list[int]], int]) -> str | None:
    """Try every code word of the (7, 4) code, intact and with each of its bits flipped."""
    parity = np.array([[position >> i & 1 for position in range(1, 8)] for i in range(3)])
    words = [word for word in np.ndindex(*[2] * 7) if not (parity @ word % 2).any()]
    for word in words:
        for flipped in range(8):  # 0: none
            received = [bit ^ (position == flipped) for position, bit in enumerate(word, start=1)]
            found = answer(list(received))
            if np.size(np.asarray(found)) != 1:
                return "it returned several numbers: read the three parities as one binary number, 4 2 1."
            if (value := number(found)) != flipped:
                return _name_the_mistake(value, flipped, received)
    return None


def _name_the_mistake(found: float, flipped: int, received: list[int]) -> str:
    shown, told = "".join(map(str, received)), f"{found:g}"
    mirrored = int(f"{flipped:03b}"[::-1], 2)
    if found > 7:
        return f"for {shown} you return {told}: each parity counts modulo 2."
    if flipped == 0:
        return f"{shown} is a code word and needs no repair: expected 0, not {told}."
    if found == flipped - 1:
        return f"{shown} has bit {flipped} flipped, not {told}: positions count from 1; 0 means none."
    if found == mirrored:
        return f"for {shown}, {told} is {flipped} with its binary digits reversed: parity i weighs 2**i."
    if found == 8 - flipped:
        return f"for {shown}, {told} is {flipped} counted from the right: position 1 is on the left."
    return f"{shown} has bit {flipped} flipped, not {told}."
