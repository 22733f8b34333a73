"""On a console that knows few characters, and in a home of any name, output degrades and nothing crashes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from places import ROOT

CHECK = "from labutils import check; check('probability.two_flags', {}); check('probability.two_flags', None)"
COMMANDS = {
    "start": ("-c", "import labutils; labutils.start(); print('≈ 0.5')"),
    "right": ("-c", CHECK.format("0.8805")),
    "wrong": ("-c", CHECK.format("0.5")),
    "data list": ("-m", "labutils", "data", "list"),
    "data verify": ("-m", "labutils", "data", "verify"),
    "data path": ("-m", "labutils", "data", "path", "bible_en"),
    "data of no such name": ("-m", "labutils", "data", "fetch", "wikipedia_ен"),
    "data clear": ("-m", "labutils", "data", "clear"),
    "help": ("-m", "labutils", "data", "fetch", "--help"),
    "no such stage": ("scripts/test.py", "ünit"),
    "no such notebook": ("scripts/execute.py", "ünit"),
}
CONSOLES = {
    "C": {"LC_ALL": "C"},
    "C in its own encoding": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "cp437": {"PYTHONIOENCODING": "cp437"},
}


def run(arguments: tuple[str, ...], home: Path, **settings: str) -> subprocess.CompletedProcess[bytes]:
    left_out = ("LABUTILS_CACHE", "XDG_CACHE_HOME", "PYTHONIOENCODING", "PYTHONUTF8", "LC_ALL", "LANG")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "PYTHONPATH": str(ROOT), **settings}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, check=False
    )


@pytest.mark.parametrize("console", CONSOLES)
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_ends_in_a_traceback(command: str, console: str, tmp_path: Path) -> None:
    home = tmp_path / "Zoë Müller 熵"
    home.mkdir()
    done = run(COMMANDS[command], home, **CONSOLES[console])
    told = done.stdout + done.stderr
    assert b"Traceback" not in told, told.decode(errors="replace")
    assert told


def test_signs_become_words_and_not_question_marks(tmp_path: Path) -> None:
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    assert run(COMMANDS["right"], tmp_path, **ascii_only).stdout.startswith(
        b"+ probability.two_flags: right."
    )
    assert run(COMMANDS["start"], tmp_path, **ascii_only).stdout.rstrip().endswith(b"~ 0.5")
    assert run(COMMANDS["right"], tmp_path, PYTHONIOENCODING="utf-8").stdout.startswith("✓".encode())


def test_what_somebody_asked_for_is_left_alone(tmp_path: Path) -> None:
    told = run(COMMANDS["right"], tmp_path, PYTHONIOENCODING="ascii:namereplace").stdout
    assert told.startswith(rb"\N{CHECK MARK}")
