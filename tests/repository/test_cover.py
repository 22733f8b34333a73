"""The landing page and the README quote scripts/cover.py: its figures are measured again here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import card  # scripts/card.py
import cover  # scripts/cover.py

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.xdist_group("data")
def test_the_landing_page_quotes_what_is_measured() -> None:
    page = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
    bits = cover.measure()
    measured = {" ".join(name.split()): f"{value:.2f}" for name, value in bits.items()}
    shown = card.quoted(page)
    assert tuple(shown) == cover.ON_PAGE
    assert {name: f"{value:.2f}" for name, value in shown.items()}.items() <= measured.items()
    assert cover.bars(bits) in page, "run `make cover`"
    for number in re.findall(r"\b\d\.\d\d\b", page.split("## Four ways")[0]):
        assert number in measured.values()
