"""What hidden checks are written with: the calls that go into the sandbox, and the comparison that stays out.

A checks file `<lab>_checks.py` stands beside its master and has, for a question `q2`,

- `inputs_q2(rng)`: a list of cases, each a tuple of arguments, a `Call` or (for a module) a `Build`;
- `reference_q2(...)`: the right result of one case, given what the case holds;
- `compare_q2(found, expected)`, if equality is not enough: None or True where right, a sentence where wrong.

A value has no inputs, and its reference takes nothing. A function that has a parameter `personal` gets the
generator of the student's own data there. `partial_q2 = True` gives points for the share of right cases.
Sentences reach the student only if they stand literally in the checks file: write them without values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labutils.checks.answers import Wrong, same
from labutils.coursework.wire import encode

__all__ = ["Build", "Call", "Wrong", "as_case", "equal", "mistake", "sent", "tensor"]


@dataclass(frozen=True)
class Call:
    """A call of the student's function."""

    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Build:
    """A module built, given weights, and called.

    `init` are the keyword arguments of its constructor, `state` the weights by name (arrays; None leaves what
    it was made with; `strict` as in load_state_dict), `method` what is called with `args`. With `wants`
    "trainable" the result is the sorted list of (name, shape) of the parameters that would be trained; with
    "both", that after the output.
    """

    init: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] | None = None
    args: Sequence[Any] = ()
    method: str = "forward"
    wants: str = "output"
    strict: bool = True


def as_case(case: Any) -> Call | Build:
    """Return a case as what it is: a tuple or list is the arguments of a call."""
    if isinstance(case, Call | Build):
        return case
    if isinstance(case, tuple | list):
        return Call(tuple(case))
    raise TypeError(f"a case is a {type(case).__name__}: write a tuple of arguments, a Call or a Build")


def sent(case: Call | Build) -> dict[str, Any]:
    """Return what the sandbox is told of a case."""
    if isinstance(case, Call):
        return {"args": encode(list(case.args)), "kwargs": encode(dict(case.kwargs))}
    state = None if case.state is None else encode(dict(case.state))
    return {
        "init": encode(dict(case.init)),
        "state": state,
        "args": encode(list(case.args)),
        "method": case.method,
        "wants": case.wants,
        "strict": case.strict,
    }


def equal(found: Any, expected: Any, rtol: float = 1e-4, atol: float = 1e-6) -> bool:
    """Return whether what was found is what was expected: numbers nearly, text and structure exactly.

    A list does for a tuple and for an array of its numbers; nothing else does for a number.
    """
    if expected is None or isinstance(expected, str | bytes):
        return type(found) is type(expected) and bool(found == expected)
    if isinstance(expected, Mapping):
        if not isinstance(found, dict) or set(found) != set(expected):
            return False
        return all(equal(found[key], part, rtol, atol) for key, part in expected.items())
    if isinstance(expected, set | frozenset):
        return isinstance(found, set | frozenset) and found == expected
    if isinstance(expected, list | tuple) and not _numbers_only(expected):
        if isinstance(found, np.ndarray) and found.ndim:
            found = list(found)
        if not isinstance(found, list | tuple) or len(found) != len(expected):
            return False
        return all(equal(a, b, rtol, atol) for a, b in zip(found, expected, strict=True))
    if hasattr(expected, "detach"):
        expected = expected.detach().cpu()
    if isinstance(expected, bool) and not isinstance(found, bool | np.ndarray):
        return False
    if isinstance(expected, float) and math.isnan(expected):
        return isinstance(found, float) and math.isnan(found)
    if isinstance(expected, complex):
        return isinstance(found, int | float | complex) and bool(np.isclose(found, expected, rtol, atol))
    return same(found, expected, rtol, atol)


def mistake(
    found: Any,
    expected: Mapping[str, Any],
    words: Mapping[str, str],
    otherwise: str,
    *,
    rtol: float = 1e-4,
    atol: float = 1e-6,
) -> str | None:
    """Return None if `found` equals what is expected under "right", or else a sentence about the mistake.

    `expected` also has, by name, what known mistakes give; the first that `found` equals has its sentence in
    `words`. Any other result is told `otherwise`.
    """
    if equal(found, expected["right"], rtol, atol):
        return None
    made = (words[name] for name in words if equal(found, expected[name], rtol, atol))
    return next(made, otherwise)


def tensor(values: Any, dtype: str = "float32") -> Any:
    """Return numbers as a tensor, as cases of functions on tensors need them; torch loads with the first."""
    import torch

    return torch.tensor(np.asarray(values), dtype=getattr(torch, dtype))


def _numbers_only(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_numbers_only(part) for part in value) and len({np.shape(part) for part in value}) <= 1
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
