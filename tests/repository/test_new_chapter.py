"""A chapter is four files and a line of _toc.yml: a throw-away one, in a copy of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from places import ROOT
from sound import sound_notebook

CHECKS = '''"""Checks of the exercises of notebooks/foundations/tiny.ipynb."""

from typing import Any

from labutils.checks.answers import compare
from labutils.checks.core import exercise


@exercise("tiny.a")
def a(answer: Any) -> str | None:
    """Want one."""
    compare(answer(), 1, "for nothing", [(-1, "the sign is wrong.")])
    return None


@exercise("tiny.b")
def b(answer: Any) -> str | None:
    """Want two."""
    compare(answer(), 2, "for nothing", [(4, "that is its square.")])
    return None
'''
EXPLORER = """// Twice a number.
labutils.define("tiny", {
  controls: [{ name: "x", label: "A number", min: 0, max: 10, value: 3 }],
  compute: ({ x }) => ({ y: 2 * x }),
  draw(pen, { y }) {
    pen.rect(0, 0, 10 + y, 20, "blue");
    pen.height = 30;
  },
  say: ({ y }) => `Twice the number is ${y}.`,
});
"""
TESTS = '''"""The tiny chapter: its page, its explorer, right and wrong answers to its exercises."""

from labutils import explorers
from places import run_cells

RIGHT = {"a": [lambda: 1, lambda: [1.0]], "b": [lambda: 2, lambda: 2.0]}
WRONG = [
    ("a", lambda: -1, "the sign is wrong"),
    ("a", lambda: 7, "expected 1"),
    ("b", lambda: 4, "its square"),
    ("b", lambda: "two", "a str"),
]


def test_page() -> None:
    assert run_cells("tiny", ["asserts"])["np"]


def test_explorer() -> None:
    assert "2 * x" in explorers.source("tiny")
'''


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as it stands here, and the five things that make a chapter."""
    root = tmp_path_factory.mktemp("book")
    listed = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    nbformat.write(sound_notebook(), root / "notebooks/foundations/tiny.ipynb")
    (root / "labutils/checks/foundations/tiny.py").write_text(CHECKS, encoding="utf-8")
    (root / "labutils/explorers/tiny.js").write_text(EXPLORER, encoding="utf-8")
    (root / "tests/chapters/foundations/test_tiny.py").write_text(TESTS, encoding="utf-8")
    toc = (root / "_toc.yml").read_text(encoding="utf-8")
    before = "      - file: notebooks/foundations/probability\n"
    assert before in toc
    (root / "_toc.yml").write_text(
        toc.replace(before, f"{before}      - file: notebooks/foundations/tiny\n"), encoding="utf-8"
    )
    return root


def run(copy: Path, *arguments: str) -> str:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "BOOK_"))
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=environment | {"PYTHONPATH": str(copy)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="NOT A GIT CHECKOUT")
def test_four_files_and_a_line_make_a_chapter(copy: Path) -> None:
    """It is executed, keeps the rules, has its answers tried, stands on the site, is due elsewhere."""
    assert "1 of 1 notebooks to run" in run(copy, "scripts/execute.py", "tiny")
    assert "nothing has changed" in run(copy, "scripts/execute.py", "tiny")
    tests = ("tests/repository/test_notebooks.py", "tests/chapters", "-p", "no:cacheprovider")
    ran = run(copy, "-m", "pytest", "-q", "-rN", *tests, "-k", "tiny and not fault and not sound")
    assert int(ran.split(" passed")[0].split()[-1]) > 30
    assert "skipped" not in ran
    run(copy, "scripts/book.py")
    page = (copy / "_build/html/notebooks/foundations/tiny.html").read_text(encoding="utf-8")
    assert "Twice the number is 6." in page  # its explorer, drawn when the site was built
    plan = "import sys; sys.path.insert(0, 'scripts'); import test; print(test.plan())"
    assert "tiny" in run(copy, "-c", plan).split("elsewhere=")[1].split("]")[0]
