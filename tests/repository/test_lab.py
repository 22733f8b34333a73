"""`make lab`: JupyterLab knows the notebooks before it opens, or it would hide their drawings."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

import lab
from places import MASTERS, NOTEBOOKS


def test_notebooks_are_trusted_before_jupyterlab_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], **how: object) -> SimpleNamespace:
        ran.append(command)
        return SimpleNamespace(returncode=len(ran))

    monkeypatch.setattr(subprocess, "run", run)
    assert lab.main(["--no-browser"]) == 2, "JupyterLab's own answer"
    trust, opened = ran
    assert trust[:4] == [sys.executable, "-m", "jupyter", "trust"]
    assert trust[4:] == sorted(str(path) for path in [*NOTEBOOKS, *MASTERS])
    assert opened[1:4] == ["-m", "jupyter", "lab"]
    assert opened[-1] == "--no-browser"
