"""Values as JSON, in and out of the sandbox: plain data only, never pickled, sized and checked.

Numbers, text, lists, tuples, dicts with text keys, NumPy's arrays and torch's tensors. What comes out of a
sandbox is decoded by `decode`, which trusts nothing: types, shapes and sizes are checked first.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any

import numpy as np

__all__ = ["WireError", "decode", "dumps", "encode", "loads"]

MAX_DEPTH = 20
MAX_BYTES = 2_000_000
MAX_ITEMS = 200_000
_DTYPES = {
    "bool": 1,
    "int8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "uint8": 1,
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
    "float16": 2,
    "float32": 4,
    "float64": 8,
    "complex64": 8,
    "complex128": 16,
}
_MOST_DIGITS = 1000


class WireError(ValueError):
    """A value that cannot be sent, or a message that is not one."""


def encode(value: Any, depth: int = 0) -> Any:
    """Return `value` as what JSON has, with dicts marked by "$" for all else. WireError if it cannot be."""
    if depth > MAX_DEPTH:
        raise WireError(f"nested deeper than {MAX_DEPTH}")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if len(value) > MAX_BYTES:
            raise WireError(f"a text of {len(value)} characters")
        return str.__str__(value)
    if isinstance(value, int):
        if abs(int(value)) >= 10**_MOST_DIGITS:
            raise WireError("a whole number that is too long")
        return int(value)
    if isinstance(value, float):
        return _float(float(value))
    if isinstance(value, complex):
        return {"$": "complex", "of": [_float(value.real), _float(value.imag)]}
    if isinstance(value, (np.ndarray, np.generic)):
        return _array(np.asarray(value), "array")
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        return _tensor(value)
    if isinstance(value, (list, tuple, set, frozenset, range)):
        if len(value) > MAX_ITEMS:
            raise WireError(f"a {type(value).__name__} of {len(value)} items")
        parts = [encode(part, depth + 1) for part in value]
        if isinstance(value, (set, frozenset)):
            return {"$": "set", "of": sorted(parts, key=lambda part: json.dumps(part, sort_keys=True))}
        return {"$": "tuple", "of": parts} if isinstance(value, tuple) else parts
    if isinstance(value, dict):
        if len(value) > MAX_ITEMS:
            raise WireError(f"a dict of {len(value)} items")
        pairs = [[encode(key, depth + 1), encode(part, depth + 1)] for key, part in value.items()]
        return {"$": "dict", "of": pairs}
    raise WireError(f"a {type(value).__name__}")


def _float(value: float) -> Any:
    return value if math.isfinite(value) else {"$": "float", "of": str(value)}


def _tensor(value: Any) -> Any:
    value = value.detach().cpu().resolve_conj().resolve_neg()
    if str(value.layout) != "torch.strided":
        value = value.to_dense()
    if str(value.dtype) == "torch.bfloat16":
        value = value.float()
    return _array(value.numpy(), "tensor")


def _array(value: np.ndarray[Any, Any], kind: str) -> Any:
    if value.dtype.kind == "O" and value.size <= MAX_ITEMS:
        return encode(value.tolist(), 1)
    if value.dtype.kind == "U":
        return encode(value.tolist(), 1)
    if value.dtype.name not in _DTYPES:
        value = value.astype(np.float64) if value.dtype.kind == "f" else value
    if value.dtype.name not in _DTYPES:
        raise WireError(f"an array of {value.dtype}")
    if value.nbytes > MAX_BYTES:
        raise WireError(f"an array of {value.nbytes:,} bytes")
    raw = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
    text = base64.b64encode(raw).decode("ascii")
    return {"$": kind, "dtype": value.dtype.name, "shape": list(value.shape), "of": text}


def decode(value: Any, depth: int = 0, *, tensors: bool = False) -> Any:
    """Return what `encode` was given; tensors as arrays unless `tensors`. WireError where malformed."""
    if depth > MAX_DEPTH:
        raise WireError(f"nested deeper than {MAX_DEPTH}")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        if len(value) > MAX_ITEMS:
            raise WireError(f"a list of {len(value)} items")
        return [decode(part, depth + 1, tensors=tensors) for part in value]
    if not isinstance(value, dict):
        raise WireError(f"a {type(value).__name__}")
    kind, of = value.get("$"), value.get("of")
    if kind in ("array", "tensor"):
        return _decode_array(value, as_tensor=tensors and kind == "tensor")
    if kind == "float" and of in ("nan", "inf", "-inf"):
        return float(of)
    if kind in ("tuple", "set", "dict", "complex") and isinstance(of, list):
        parts = decode(of, depth, tensors=tensors)
        try:
            if kind == "complex":
                return complex(*map(float, parts))
            return {"tuple": tuple, "set": frozenset, "dict": dict}[kind](parts)
        except (TypeError, ValueError) as error:
            raise WireError(f"a malformed {kind}") from error
    raise WireError("a message of no known kind")


def _decode_array(value: dict[str, Any], *, as_tensor: bool) -> Any:
    dtype, shape, text = value.get("dtype"), value.get("shape"), value.get("of")
    if dtype not in _DTYPES or not isinstance(text, str) or not isinstance(shape, list) or len(shape) > 16:
        raise WireError("a malformed array")
    if not all(type(side) is int and 0 <= side <= MAX_BYTES for side in shape):
        raise WireError("an array of a malformed shape")
    size = len(text) // 4 * 3 - text[-2:].count("=")
    if len(text) > 2 * MAX_BYTES or math.prod(shape) * _DTYPES[dtype] != size:
        raise WireError("an array whose size is not that of its shape")
    try:
        raw = base64.b64decode(text, validate=True)
        found = np.frombuffer(raw, dtype=np.dtype(dtype).newbyteorder("<")).reshape(shape).astype(dtype)
    except (binascii.Error, ValueError) as error:
        raise WireError("a malformed array") from error
    if as_tensor:
        import torch

        return torch.from_numpy(found)
    return found


def dumps(message: Any) -> bytes:
    """Return one line of JSON, without NaN."""
    return json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def loads(line: bytes | str) -> Any:
    """Parse JSON that nobody vouches for. WireError where it is none, or too deep, or of absurd numbers."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError, MemoryError) as error:
        raise WireError(f"not JSON ({type(error).__name__})") from error
