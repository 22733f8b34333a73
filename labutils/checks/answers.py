"""What the checks of all chapters are written with: read an answer, compare it, name its mistake.

`number` and `array` take what a reader may return (Python's numbers, lists, NumPy's and torch's arrays of any
precision, one element or several) and raise `Wrong` with a sentence where it cannot be meant. Nothing here
loads torch.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

__all__ = ["Floats", "Wrong", "array", "close", "compare", "number", "same", "say", "slip"]


class Wrong(Exception):  # noqa: N818  (it is no error of the program)
    """The answer is wrong, and this sentence says how; a check raises it in place of returning it."""


def number(value: Any, what: str = "the result") -> float:
    """Return `value`, one number or an array or tensor of one element, as a float; else `Wrong`."""
    found = _numbers(value)
    if found is None or found.size != 1:
        shape = "" if found is None or found.ndim == 0 else f" of shape {found.shape}"
        raise Wrong(f"{what} is a {type(value).__name__}{shape}: expected one number.")
    if math.isnan(result := float(found.reshape(()))):
        raise Wrong(f"{what} is not a number (nan): look for 0/0, ∞ − ∞, 0 · ∞ or the logarithm of 0.")
    return result


def array(value: Any, shape: Sequence[int], what: str = "the result") -> Floats:
    """Return `value`, a list, an array or a tensor, as float64 of this `shape`. `Wrong` for anything else."""
    found = _numbers(value)
    if found is None:
        many = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
        raise Wrong(f"{what} is a {type(value).__name__}{many}: expected numbers of shape {tuple(shape)}.")
    if found.shape != tuple(shape):
        raise Wrong(f"{what} has shape {found.shape}: expected {tuple(shape)}.")
    return found


def _numbers(value: Any) -> Floats | None:
    """The numbers of `value` as float64, or None where it has none."""
    if value is None or isinstance(value, (str, bytes)):
        return None
    try:
        if isinstance(value, (list, tuple)):  # maybe of tensors
            value = [_numbers(part) if hasattr(part, "detach") else part for part in value]
        if hasattr(value, "detach"):  # a tensor, maybe on a graph, on another device, of a type NumPy lacks
            value = value.detach().cpu().double().numpy()
        found = np.array(value)
        if found.dtype.kind == "O" and all(isinstance(part, numbers.Real) for part in found.flat):
            return found.astype(np.float64)  # fractions, or numbers of several kinds
        return found.astype(np.float64) if found.dtype.kind in "biuf" else None
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None


def close(found: object, expected: float, tolerance: float = 1e-6) -> bool:
    """Return whether `found` is one number within `tolerance` of `expected`, relative or absolute.

    An infinite value is close to itself alone, NaN and text to nothing.
    """
    value = _numbers(found)
    if value is None or value.size != 1:
        return False
    result = float(value.reshape(()))
    if math.isinf(result) or math.isinf(expected):
        return result == expected
    return abs(result - expected) <= tolerance * max(1.0, abs(expected))


def same(found: Any, expected: Any, rtol: float = 1e-4, atol: float = 1e-6) -> bool:
    """Return whether shapes and values are equal, as far as float32 carries; NaN equals nothing."""
    a, b = _numbers(found), _numbers(expected)
    if a is not None and b is not None and a.size == b.size == 1:  # one number, in whatever it is wrapped
        a, b = a.reshape(()), b.reshape(())
    return a is not None and b is not None and a.shape == b.shape and np.allclose(a, b, rtol=rtol, atol=atol)


def slip(found: Any, mistakes: Iterable[tuple[Any, str]], tolerance: float = 1e-4) -> str | None:
    """Return the sentence of the first mistake whose value is what was found; None if it is none of them."""
    return next((why for value, why in mistakes if same(found, value, tolerance, tolerance * 1e-2)), None)


def say(value: Any, beside: Any = None) -> str:
    """Write what an answer returned: numbers short, but with enough digits to be told from `beside`."""
    found, other = _numbers(value), _numbers(beside)
    if found is None:
        return f"a {type(value).__name__}"
    texts = [_written(found, digits) for digits in (4, 6, 9, 17)]
    if other is None or same(found, other, 0, 0):
        return texts[0]
    others = [_written(other, digits) for digits in (4, 6, 9, 17)]
    return next((text for text, theirs in zip(texts, others, strict=True) if text != theirs), texts[-1])


def _written(values: Floats, digits: int) -> str:
    formats: Any = {"float_kind": lambda x: f"{x:.{digits}g}"}
    return " ".join(np.array2string(values, separator=", ", threshold=12, formatter=formats).split())


def compare(
    found: Any, expected: Any, given: str, mistakes: Iterable[tuple[Any, str]] = (), tolerance: float = 1e-4
) -> None:
    """Raise `Wrong` unless the answer equals `expected`: with its mistake if it is one of `mistakes`.

    `given` says for which inputs, as in "for counts 5, 2, 0 and k = 0.5". An unknown mistake is answered with
    what was expected and what came.
    """
    if same(found, expected, tolerance, tolerance * 1e-2):
        return
    why = slip(found, mistakes, tolerance)
    told = f"{given} you return {say(found, expected)}, expected {say(expected, found)}"
    raise Wrong(f"{told}: {why}" if why else f"{told}.")
