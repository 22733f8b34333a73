"""Read a notebook that nobody vouches for: a regular file of bounded size, parsed into plain cells."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labutils.coursework.wire import WireError, loads

__all__ = ["Cell", "Notebook", "NotebookError", "parse", "read_bytes"]

MOST_BYTES = 20_000_000
MOST_CELLS = 2_000
MOST_SOURCE = 200_000


class NotebookError(ValueError):
    """A file that is no notebook, with the reason."""


@dataclass(frozen=True)
class Cell:
    """A cell: its type, its source as one text, its tags, its id, its metadata of labutils."""

    kind: str
    source: str
    tags: tuple[str, ...] = ()
    id: str = ""
    own: dict[str, Any] = field(default_factory=dict)

    def value(self, key: str) -> str | None:
        """Return what stands after ``key=`` in one of the tags."""
        found = [tag.removeprefix(f"{key}=") for tag in self.tags if tag.startswith(f"{key}=")]
        return found[0] if found else None


@dataclass(frozen=True)
class Notebook:
    """The cells of a notebook, labutils' part of its metadata, and the language of its kernel, if stated."""

    cells: tuple[Cell, ...]
    own: dict[str, Any] = field(default_factory=dict)
    language: str = ""


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the content of a regular file of at most `most` bytes, no link followed. NotebookError else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise NotebookError(f"it cannot be opened ({error.strerror}); links are not followed") from error
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise NotebookError("it is no regular file")
        if facts.st_size > most:
            raise NotebookError(f"it has {facts.st_size:,} bytes, more than {most:,}")
        content = file.read(most + 1)
    if len(content) > most:
        raise NotebookError(f"it has more than {most:,} bytes")
    return content


def parse(content: bytes) -> Notebook:
    """Return the notebook in `content`. NotebookError, with the reason, if it is none."""
    if not content.strip():
        raise NotebookError("the file is empty")
    try:
        data = loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise NotebookError("it is no text in UTF-8") from error
    except WireError as error:
        raise NotebookError(f"it is {error}") from error
    cells = data.get("cells") if isinstance(data, dict) else None
    if not isinstance(cells, list):
        raise NotebookError("it is JSON, but has no list of cells (notebook format 4)")
    if len(cells) > MOST_CELLS:
        raise NotebookError(f"it has {len(cells):,} cells, more than {MOST_CELLS:,}")
    metadata = data.get("metadata")
    return Notebook(tuple(_cell(cell) for cell in cells), _own(metadata), _language(metadata))


def _language(metadata: Any) -> str:
    kernel = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    found = kernel.get("language") if isinstance(kernel, dict) else None
    return found if isinstance(found, str) and re.fullmatch(r"[\w+#.-]{1,20}", found) else ""


def _own(metadata: Any) -> dict[str, Any]:
    found = metadata.get("labutils") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def _cell(cell: Any) -> Cell:
    if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
        raise NotebookError("one of its cells is none")
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise NotebookError("the source of a cell is no text")
    if len(source) > MOST_SOURCE:
        raise NotebookError(f"a cell has {len(source):,} characters, more than {MOST_SOURCE:,}")
    source = source.encode("utf-8", "replace").decode("utf-8")  # lone surrogates
    metadata = cell.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    tags = metadata.get("tags")
    tags = tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    ids = [
        name for name in (cell.get("id"), metadata.get("id")) if isinstance(name, str)
    ]  # Colab: the second
    return Cell(cell["cell_type"], source, tags, ids[0] if ids else "", _own(metadata))
