"""The tests of a chapter train and count again: `make test` runs those of what has changed, and a sample.

The variable BOOK_CHAPTERS names the chapters (scripts/test.py sets it); without it, all run. The tables of
answers, test_checks.py, are always tried.
"""

from __future__ import annotations

import os
from pathlib import Path

CHOSEN = os.environ.get("BOOK_CHAPTERS")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    part, name = collection_path.parent, collection_path.stem.removeprefix("test_")
    is_chapter = part.parent.name == "chapters" and collection_path.suffix == ".py"
    return True if CHOSEN is not None and is_chapter and name not in CHOSEN.split() else None
