"""How long the checks take, chapter by chapter, and what they would take of the whole book.

Reads the reports that pytest wrote (JUnit's XML). Time that belongs to a chapter or page, by the name of the
test, grows with the book; the rest does not.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PLANNED = 33 + 8  # chapters and labs
CHANGED = 2  # chapters, in a usual change


@dataclass(frozen=True)
class Case:
    """One test of a report: its name with its file, how long it took, whether it passed."""

    name: str
    seconds: float
    passed: bool


def read(report: Path) -> list[Case]:
    """Return the tests of a report; none where it does not exist."""
    if not report.exists():
        return []
    cases = []
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  (pytest wrote it just now)
        passed = not any(child.tag in ("failure", "error", "skipped") for child in case)
        name = f"{case.get('classname')}::{case.get('name')}"
        cases.append(Case(name, float(case.get("time") or 0), passed))
    return cases


def chapter_of(case: Case, chapters: Iterable[str]) -> str | None:
    """Return the chapter that a test is about, by its file or by what stands in its brackets."""
    if case.name.startswith("tests.labutils."):
        return None  # test_attention.py there is about the package
    words = set(re.split(r"[^\w]+|test_", case.name))
    return next((name for name in chapters if name in words), None)


def by_chapter(cases: Iterable[Case], chapters: list[str]) -> dict[str | None, float]:
    """Return the seconds of each chapter, and under None those of no chapter."""
    seconds: dict[str | None, float] = dict.fromkeys([*chapters, None], 0.0)
    for case in cases:
        seconds[chapter_of(case, chapters)] += case.seconds
    return seconds


def is_sampled(case: Case) -> bool:
    """Whether a test runs only for what has changed and for a sample."""
    return bool(re.search(r"test_colab|\.site\.|tests\.chapters\.\w+\.test_", case.name))


def sampled(n_due: int, n: int, share: int = 8) -> int:
    """Return how many of `n` run elsewhere: the `n_due` that changed, and one in `share` of the rest."""
    return min(n, n_due + -(-(n - n_due) // share))


def predict(walls: dict[str, float], cases: dict[str, list[Case]], chapters: list[str]) -> float:
    """Return the seconds that all stages would take of the whole book with `CHANGED` chapters changed.

    walls: seconds of each stage as measured.  cases: the tests of the stages that have a report.  Tests that
    run side by side share a stage's seconds in proportion to their own.
    """
    total = 0.0
    for stage, wall in walls.items():
        ran = cases.get(stage, [])
        spent = sum(case.seconds for case in ran)
        if not spent:
            total += wall
            continue
        grown = 0.0
        for again, many in ((True, sampled(CHANGED, PLANNED)), (False, PLANNED)):
            seconds = by_chapter([case for case in ran if is_sampled(case) == again], chapters)
            grown += seconds.pop(None)
            tested = [of_chapter for of_chapter in seconds.values() if of_chapter]
            grown += sum(tested) / max(1, len(tested)) * many
        total += wall * grown / spent
    return total
