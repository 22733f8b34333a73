"""What took too long for a page: results of committed scripts, with what made them.

`pretraining.json` is written by benchmarks/pretraining.py, `fine_tuning.json` by benchmarks/fine_tuning.py,
`mismatched_generalization.json` by benchmarks/mismatched_generalization.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FILE", "letters", "load", "mismatched"]

FILE = Path(__file__).parent / "pretraining.json"


def load() -> dict[str, Any]:
    """The results by experiment: "scaling", "scaling_rates", "masking", "transfer"; all are bits."""
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return found


def mismatched() -> dict[str, Any]:
    """Refusals taught in some encodings, by experiment: "coverage", "sizes", "rates", "alone", "smollm"."""
    file = FILE.with_name("mismatched_generalization.json")
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def letters(text: str) -> NDArray[np.int64]:
    """A text as numbers, (n,): 0 for a run of other signs, 1 to 26 for letters, small or capital."""
    plain = re.sub(r"[^a-z]+", " ", text.lower()).encode()
    ids = np.frombuffer(plain, dtype=np.uint8).astype(np.int64)
    return np.where(ids == ord(" "), 0, ids - ord("a") + 1)
