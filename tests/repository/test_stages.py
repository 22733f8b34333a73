"""scripts/test.py: what it plans to check, what it writes down as passed, what it prints in the end."""

from __future__ import annotations

import math
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import keys
from costs import Case
from places import NOTEBOOKS, ROOT

CHAPTERS = [path.stem for path in NOTEBOOKS]


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The script's functions, with a file of what passed that is the test's own."""
    file = tmp_path / "verified.json"
    monkeypatch.setattr(keys.Verified.__init__, "__defaults__", (file,))
    return SimpleNamespace(**runpy.run_path(str(ROOT / "scripts/test.py")), file=file)


def alone(chapter: str, *, passed: bool = True) -> Case:
    name = f"test_notebook_alone_prints_what_is_stored[{chapter}]"
    return Case(f"tests.repository.test_colab::{name}", 60.0, passed)


def own(chapter: str, *, passed: bool = True) -> Case:
    return Case(f"tests.chapters.part.test_{chapter}::test_page", 3.0, passed)


def look(page: str, test: str = "test_axe_finds_nothing", *, passed: bool = True) -> Case:
    return Case(f"tests.site.test_accessible.TestInABrowser::{test}[{page}]", 2.0, passed)


def test_at_first_all_is_due_and_then_a_sample(stages: Any) -> None:
    first = stages.plan()
    assert sorted(first.elsewhere) == sorted(first.chapters) == sorted(CHAPTERS)
    assert {*stages.SHELL, "book/use", "notebooks/foundations/probability"} <= set(first.pages)
    reports = {"elsewhere": [alone(chapter) for chapter in CHAPTERS], "tests": [own(c) for c in CHAPTERS]}
    stages.record(first, reports)
    second = stages.plan()
    assert len(second.elsewhere) == math.ceil(len(CHAPTERS) / 8)
    assert second.chapters == first.chapters  # as stored, each of them runs always
    assert set(second.pages) == set(first.pages)  # of pages none has passed yet
    assert stages.plan(everything=True).elsewhere == second.chapters


def test_a_part_has_its_own_chapters(stages: Any) -> None:
    sequences = {path.stem for path in NOTEBOOKS if path.parent.name == "sequences"}
    assert set(stages.plan(part="sequences").chapters) == sequences
    with pytest.raises(SystemExit, match=r"No part nothing; there are .*foundations, "):
        stages.plan(part="nothing")


def test_only_what_passed_is_written_down(stages: Any) -> None:
    planned = stages.plan()
    page, other, third, fourth = [page for page in planned.pages if page.startswith("notebooks/")][:4]
    good, bad, broken, skipped = CHAPTERS[:4]
    reports = {
        "elsewhere": [alone(good), alone(bad, passed=False), alone(broken), alone(skipped)],
        "tests": [
            *(own(good), own(bad), own(broken, passed=False)),  # of the last none ran
            *(look(page), look(page, "test_phone")),
            *(look(other), look(other, "test_phone", passed=False)),
            look(third),  # the other test of it did not run at all
            Case(f"tests.repository.test_notebooks::test_rule[{fourth}]", 1.0, True),
        ],
    }
    stages.record(planned, reports)
    written = keys.Verified(stages.file).keys
    assert list(written["notebooks"]) == [good]
    assert list(written["pages"]) == [page]
    assert written["notebooks"][good] == planned.keys[good]


def test_nothing_passed_leaves_no_file(stages: Any) -> None:
    stages.record(stages.plan(), {"elsewhere": [alone(CHAPTERS[0], passed=False)]})
    assert not stages.file.exists()


def test_the_end_says_what_each_chapter_cost_and_what_the_book_would(
    stages: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = {"notebooks": [Case(f"notebooks.{chapter}::cell", 40.0, True) for chapter in CHAPTERS]}
    rows = [(stage, int(stage.name == "types"), 10.0) for stage in stages.STAGES]
    stages.summary(rows, reports, stages.plan())
    said = capsys.readouterr().out
    assert [line.split()[1] for line in said.splitlines() if line.startswith(tuple(CHAPTERS))] == [
        "40"
    ] * len(CHAPTERS)
    seconds = 10 * (len(stages.STAGES) - 1) + 10 * 41 / len(CHAPTERS)
    assert "Predicted for 41 chapters and labs, 2 of them changed" in said
    assert f": {seconds / 60:.0f} min." in said
    assert f"{len(rows) - 1} of {len(rows)} stages passed in {10 * len(rows)} s." in said


def test_an_unknown_stage_is_answered_with_the_known_ones() -> None:
    command = [sys.executable, str(ROOT / "scripts/test.py"), "portable"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "No stage portable; there are lint, types, tests, notebooks, elsewhere." in done.stderr
