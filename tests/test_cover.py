"""The landing page and the README quote scripts/cover.py: its figures are measured again here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cover  # scripts/cover.py

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
@pytest.mark.xdist_group("data")
def test_the_landing_page_quotes_what_is_measured() -> None:
    page = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
    (alternative,) = re.findall(r':alt: "[^"]* need: ([^"]*)\."', page)
    quoted = dict(re.findall(r"([\w -]+?) (\d\.\d\d)(?:, |$)", alternative))
    measured = {
        " ".join(name.split()).replace(",", ""): f"{bits:.2f}" for name, bits in cover.measure().items()
    }
    assert quoted == measured
    for number in re.findall(r"\d\.\d\d", page.split("## Four ways")[0]):
        assert number in measured.values()
