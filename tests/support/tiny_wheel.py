"""A data set of the tests, in a wheel of a few hundred bytes, and what the tests ask about it."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable

import pytest

from labutils import data
from labutils.data import DataError, cache
from labutils.data.catalogue import Entry

TEXT = "A tiny text.\n" * 1000

Register = Callable[..., Entry]


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel() -> bytes:
    info = "tiny_text-1.0.dist-info"
    files = {
        "tiny_text/text.txt": TEXT,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny-text\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def source_distribution(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            item = tarfile.TarInfo(f"tiny-text-1.0/{name}")
            item.size = len(text.encode())
            archive.addfile(item, io.BytesIO(text.encode()))
    return buffer.getvalue()


def kept() -> list[str]:
    """What is in the cache, locks left aside."""
    return sorted(file.name for file in cache.cache_folder().glob("*") if file.suffix != ".lock")


def failure(name: str = "tiny") -> str:
    with pytest.raises(DataError) as caught:
        data.fetch(name)
    return str(caught.value)


def offline(*arguments: object, **settings: object) -> bytes:
    """In place of `download`: whoever asks learns that there is no network."""
    raise DataError("no network in this test.")
