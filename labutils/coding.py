"""Codes: arithmetic coding driven by any model of the next token, and Hamming's (7, 4) code.

Page: notebooks/foundations/information_theory.ipynb.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labutils.text import Ids, as_ids

__all__ = [
    "arithmetic_decode",
    "arithmetic_encode",
    "bsc_capacity",
    "cumulative_counts",
    "hamming74_decode",
    "hamming74_encode",
]

ModelProbs = Callable[[Ids], NDArray[np.float64]]
Bits = NDArray[np.uint8]

_BITS = 48  # width of the interval's ends; the counts below use 32 of them
_TOTAL = 1 << 32
_WHOLE = 1 << _BITS
_HALF, _QUARTER = _WHOLE >> 1, _WHOLE >> 2


def cumulative_counts(probs: ArrayLike) -> Ids:
    """Turn probabilities (n_vocab,) into cumulative whole counts (n_vocab + 1,) up to 2**32.

    Every token gets at least one count, so that anything can be coded. Encoder and decoder must
    round alike, which is why both call this function: one count of difference and the rest of
    the text is noise.
    """
    p = np.asarray(probs, dtype=np.float64)
    if p.ndim != 1 or p.size == 0 or not np.all(p >= 0) or abs(p.sum() - 1) > 1e-6:
        raise ValueError("probs is not a distribution: expected (n_vocab,), not negative, with sum 1")
    cumulative = np.zeros(len(p) + 1, dtype=np.int64)
    cumulative[1:] = np.minimum(p.cumsum(), 1.0) * (_TOTAL - len(p)) + np.arange(1, len(p) + 1)
    cumulative[-1] = _TOTAL
    return cumulative


def arithmetic_encode(ids: ArrayLike, model_probs: ModelProbs) -> bytes:
    """Code `ids` (n,) in about −log₂ P(ids) bits; Witten, Neal & Cleary (1987).

    `model_probs` takes the tokens so far (t,) and returns P(next token), shape (n_vocab,).
    """
    values = as_ids("ids", ids, np.iinfo(np.int64).max)
    low, high, waiting = 0, _WHOLE - 1, 0
    bits: list[int] = []
    for t, token in enumerate(values):
        cumulative = cumulative_counts(model_probs(values[:t]))
        if token >= len(cumulative) - 1:
            raise ValueError(f"ids has token {token}, but the model knows only {len(cumulative) - 1}")
        low, high = _narrow(low, high, int(cumulative[token]), int(cumulative[token + 1]))
        while True:
            if high < _HALF or low >= _HALF:  # both ends agree on the next bit
                bit = int(low >= _HALF)
                bits += [bit, *[1 - bit] * waiting]
                waiting, shift = 0, bit * _HALF
            elif low >= _QUARTER and high < _HALF + _QUARTER:  # around the middle: the bit must wait
                waiting, shift = waiting + 1, _QUARTER
            else:
                break
            low, high = 2 * (low - shift), 2 * (high - shift) + 1
    last = int(low >= _QUARTER)  # two more bits name a point inside the last interval
    bits += [last, *[1 - last] * (waiting + 1)]
    return np.packbits(np.array(bits, dtype=np.uint8)).tobytes()


def arithmetic_decode(data: bytes, n: int, model_probs: ModelProbs) -> Ids:
    """Recover the `n` tokens that `arithmetic_encode` coded with the same `model_probs`."""
    if n < 0:
        raise ValueError(f"n is {n}: expected a number of tokens")
    stream = _bits(data)
    low, high, point = 0, _WHOLE - 1, 0
    for _ in range(_BITS):
        point = 2 * point + next(stream)
    ids = np.zeros(n, dtype=np.int64)
    for t in range(n):
        cumulative = cumulative_counts(model_probs(ids[:t]))
        count = ((point - low + 1) * _TOTAL - 1) // (high - low + 1)
        token = int(cumulative.searchsorted(count, side="right")) - 1
        ids[t] = token
        low, high = _narrow(low, high, int(cumulative[token]), int(cumulative[token + 1]))
        while True:
            if high < _HALF or low >= _HALF:
                shift = int(low >= _HALF) * _HALF
            elif low >= _QUARTER and high < _HALF + _QUARTER:
                shift = _QUARTER
            else:
                break
            low, high = 2 * (low - shift), 2 * (high - shift) + 1
            point = 2 * (point - shift) + next(stream)
    return ids


def _narrow(low: int, high: int, start: int, end: int) -> tuple[int, int]:
    """Keep of the interval [low, high] the part from `start` to `end` of _TOTAL."""
    width = high - low + 1
    return low + width * start // _TOTAL, low + width * end // _TOTAL - 1


def _bits(data: bytes) -> Iterator[int]:
    yield from np.unpackbits(np.frombuffer(data, dtype=np.uint8)).tolist()
    while True:
        yield 0  # the bits that the encoder did not need to write


# Parity bit i covers the positions whose binary number contains i: 1, 2 and 4 (Hamming, 1950).
_PARITY = np.array([[position >> i & 1 for position in range(1, 8)] for i in range(3)], dtype=np.uint8)
_DATA = [2, 4, 5, 6]  # positions 3, 5, 6 and 7 carry the message


def _rows(name: str, bits: ArrayLike, width: int) -> Bits:
    values = np.asarray(bits)
    if values.ndim != 2 or values.shape[1] != width:
        raise ValueError(f"{name} has shape {values.shape}: expected (n, {width})")
    if not np.isin(values, (0, 1)).all():
        raise ValueError(f"{name} contains something other than 0 and 1")
    return values.astype(np.uint8)


def hamming74_encode(bits: ArrayLike) -> Bits:
    """Return code words (n, 7) for messages `bits` (n, 4); Hamming (1950)."""
    message = _rows("bits", bits, 4)
    words = np.zeros((len(message), 7), dtype=np.uint8)
    words[:, _DATA] = message
    words[:, [0, 1, 3]] = words @ _PARITY.T % 2
    return words


def hamming74_decode(words: ArrayLike) -> Bits:
    """Return messages (n, 4) from received `words` (n, 7): any single flipped bit is repaired."""
    received = _rows("words", words, 7).copy()
    error = received @ _PARITY.T % 2 @ np.array([1, 2, 4], dtype=np.uint8)  # 0: none, else its position
    wrong = np.flatnonzero(error)
    received[wrong, error[wrong] - 1] ^= 1
    return received[:, _DATA]


def bsc_capacity(flip: float) -> float:
    """Capacity 1 − H(flip) in bits per use of a channel that flips each bit with that probability.

    Shannon (1948), section 15.
    """
    from labutils.information import entropy

    if not 0 <= flip <= 1:
        raise ValueError(f"flip is {flip}: expected a probability")
    return 1.0 - entropy([flip, 1.0 - flip])
