"""What several test modules share: where the book is, its notebooks, the built site."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import book  # noqa: E402  (scripts/book.py)

NOTEBOOKS = [ROOT / f"{page}.ipynb" for page in book.pages_of_toc(ROOT) if page.startswith("notebooks/")]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The site, built once for all workers of this test run."""
    if worker_id == "master":
        return book.build(ROOT)
    shared = tmp_path_factory.getbasetemp().parent  # the workers' own folders are in it
    built = shared / "site-is-built"
    with FileLock(shared / "site.lock"):
        if not built.exists():
            built.write_text(str(book.build(ROOT)), encoding="utf-8")
    return Path(built.read_text(encoding="utf-8"))
