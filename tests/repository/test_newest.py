"""The run with the newest libraries: which pins it loosens, and what it reports."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

import issue
import lock
import newest
from places import ROOT

TEXT = """\
# a remark: stays: not here
stays-put==1.0  # stays: 2.0 is another thing
loose_one==1.2.post1  # for the charts
marked==3 ; sys_platform != "win32"

kept==4.0
"""


def test_pins_are_loosened_unless_a_reason_says_that_they_stay() -> None:
    pins = newest.read_pins(TEXT)
    assert newest.loosen(pins, keep=["Kept"]).splitlines() == [
        "stays-put==1.0",
        "loose_one>=1.2.post1",
        'marked>=3 ; sys_platform != "win32"',
        "kept==4.0",
    ]
    assert [pin.stays for pin in pins] == ["2.0 is another thing", "", "", ""]


def test_every_pin_of_the_book_is_read() -> None:
    text = lock.FILE.read_text(encoding="utf-8")
    pins = newest.read_pins(text)
    assert len(pins) == sum("==" in line.split("#")[0] for line in text.splitlines())
    stay = {pin.name for pin in pins if pin.stays}
    assert {"jupyter-book", "sphinx-book-theme"} <= stay
    assert stay <= {pin.name for pin in newest.read_pins(text.partition(lock.LINE)[0])}


def test_the_stages_are_those_of_make_test() -> None:
    stages = runpy.run_path(str(ROOT / "scripts/test.py"))["STAGES"]
    assert [stage.name for stage in stages] == list(newest.STAGES)


def test_changes_are_by_name_and_leave_out_what_is_ours() -> None:
    pins = newest.read_pins("Same_One==1.0\nold==1.0\ngone==1.0\ntorch==2.0\n")
    installed = {
        "same-one": "1.0",
        "Old": "2.0",
        "fresh": "0.1",
        "pip": "9",
        "labutils": "1",
        "torch": "2.0+cpu",
    }
    assert newest.changes(pins, installed) == [
        ("fresh", "–", "0.1"),
        ("gone", "1.0", "–"),
        ("old", "1.0", "2.0"),
    ]


def test_a_run_stops_at_the_first_command_that_fails_and_keeps_its_end() -> None:
    say = [sys.executable, "-c", "for n in range(500): print('line', n)"]
    fail = [sys.executable, "-c", "import sys; print('no luck', file=sys.stderr); sys.exit(3)"]
    result = newest.run("stage", say, fail, say)
    assert not result.passed
    assert result.end.splitlines()[-2:] == ["line 499", "no luck"]
    assert len(result.end.splitlines()) == 60
    assert newest.run("stage", say).passed


def fake_python(folder: Path, failing: str) -> str:
    """A Python that does nothing, and fails if its arguments hold the word `failing`."""
    path = folder / "python"
    path.write_text(f'#!/bin/sh\necho "$@"\ncase "$*" in *"{failing}"*) echo broken; exit 1;; esac\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.skipif(sys.platform == "win32", reason="a script for shells stands in for Python")
@pytest.mark.parametrize(
    ("failing", "results"),
    [
        ("nothing", {"install": True, "lint": True, "tests": True}),
        ("test.py lint", {"install": True, "lint": False, "tests": True}),
        ("pip check", {"install": False}),
    ],
)
def test_stages_run_if_the_installation_did(tmp_path: Path, failing: str, results: dict[str, bool]) -> None:
    python = fake_python(tmp_path, failing.replace("pip check", "version-check check"))
    attempted = newest.attempt(python, tmp_path / "requirements.txt", ["lint", "tests"])
    assert {result.name: result.passed for result in attempted} == results


def test_the_report_says_what_changed_and_how_it_ended() -> None:
    direct, brought = newest.read_pins(TEXT), newest.read_pins("below==1.0\n")
    results = [newest.Result("install", True, 9, ""), newest.Result("types", False, 2, "x.py: ```wrong```")]
    installed = {"stays-put": "1.0", "loose-one": "1.3", "marked": "3", "kept": "4.0", "below": "2.0"}
    text = newest.report(results, direct, brought, installed, ["kept"])
    assert text.startswith("**The newest libraries break: types.**")
    assert "| loose-one | 1.2.post1 | 1.3 |" in text
    assert "and 1 of those that they bring" in text
    assert "| below | 1.0 | 2.0 |" in text
    assert "````text\nx.py: ```wrong```\n````" in text
    assert "| stays-put | 1.0 | 2.0 is another thing |" in text
    assert "kept by hand" in text
    passed = newest.report(results[:1], direct, brought, installed, [])
    assert passed.startswith("**The newest libraries pass.**")
    assert "ended" not in passed


def test_words_of_others_stay_words() -> None:
    assert issue.fenced("\x1b[31mred\x1b[0m\x07 ````\nend") == "`````text\nred ````\nend\n`````"
    row = issue.table(("a",), [("<b>|`x` @all #1 [l](u)\n\x00",)]).splitlines()[-1]
    assert row == r"| \<b\>\|\`x\` \@all \#1 \[l\](u) |"
    assert issue.tail("a\n" * 100, lines=3) == "a\na\na"
    assert len(issue.tail("x" * 10_000, characters=100)) == 100
    assert issue.tail("start\n" + "y" * 50 + "\nend", characters=10) == "end"
