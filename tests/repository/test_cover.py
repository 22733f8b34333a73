"""The landing page quotes what the chapter on information theory prints, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import card  # scripts/card.py
import cover  # scripts/cover.py

ROOT = Path(__file__).resolve().parents[2]


def test_the_landing_page_quotes_what_the_chapter_prints() -> None:
    page = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
    bits = cover.measured()
    assert cover.bars(bits) in page, "run `make cover`"
    assert card.quoted(page) == {name: bits[name] for name in cover.ON_PAGE}
    for number in re.findall(r"\b\d\.\d\d\b", page.split("## Four ways")[0]):
        assert float(number) in bits.values()


def test_best_of_all_is_on_the_page() -> None:
    """A comparison that leaves out its winner is no comparison."""
    bits = cover.measured()
    assert min(bits, key=lambda name: bits[name]) in cover.ON_PAGE


PRINTED = """bits a character: mean of ten tenths (lowest–highest)
              alone               after nine, fixed   after nine, learning
gzip          2.95 (2.87–3.03)                        2.92 (2.84–3.00)
6-gram        2.37 (2.29–2.45)    2.11 (2.05–2.23)    2.05 (1.99–2.14)
guessing      6.99
"""


def test_table_is_read_by_column() -> None:
    assert cover.table(PRINTED) == {
        ("gzip", "alone"): 2.95,
        ("gzip", "learning"): 2.92,
        ("6-gram", "alone"): 2.37,
        ("6-gram", "fixed"): 2.11,
        ("6-gram", "learning"): 2.05,
        ("guessing", "alone"): 6.99,
    }


def test_method_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cover, "table", lambda _: {})
    with pytest.raises(KeyError, match="PPMd"):
        cover.measured()
