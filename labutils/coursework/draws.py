"""Random draws: inputs that only the instructor can foresee, and data that are each student's own."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

import numpy as np

__all__ = ["fingerprint", "personal", "read_secret", "secret_rng"]

_SHORTEST = 16


def _generator(digest: bytes) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(digest, "big"))


def personal(lab: str, student: str) -> np.random.Generator:
    """Return the generator of a student's own data; public, so that notebook and grader draw the same.

    Capitals and blanks in `student` do not matter. ValueError if it is empty.
    """
    name = "".join(str(student).split()).casefold()
    if not name:
        raise ValueError("student is empty: write your student id between the quotes")
    return _generator(hashlib.sha256(f"labutils personal\0{lab}\0{name}".encode()).digest())


def secret_rng(secret: bytes, *context: str) -> np.random.Generator:
    """Return the generator of what `context` (lab, question, student, submission) is asked, by HMAC."""
    message = "\0".join(("labutils inputs", *context)).encode()
    return _generator(hmac.new(secret, message, hashlib.sha256).digest())


def fingerprint(secret: bytes) -> str:
    """Return what names a secret without telling it."""
    return hmac.new(secret, b"labutils fingerprint", hashlib.sha256).hexdigest()[:16]


def read_secret(path: Path) -> bytes:
    """Return the instructor's secret; makes the file, for its owner alone, where there is none.

    ValueError if it is too short to be one.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
    secret = path.read_bytes().strip()
    if len(secret) < _SHORTEST:
        raise ValueError(f"{path} holds {len(secret)} characters: a secret needs at least {_SHORTEST}")
    return secret
