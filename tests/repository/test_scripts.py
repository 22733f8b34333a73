"""What the Makefile calls: execution keeps what is right, and the installation says what is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import execute
import keys
from places import ROOT

needs_sh = pytest.mark.skipif(sys.platform == "win32", reason="the script is for shells")


def notebook(folder: Path, *sources: str) -> Path:
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(sources)]
    path = folder / "page.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_execution_stores_outputs_and_the_hash_of_the_code(tmp_path: Path) -> None:
    (tmp_path / "beside.txt").write_text("beside")
    path = notebook(tmp_path, "print(open('beside.txt').read())", "1 + 1")
    assert execute.needs_run(path)
    assert execute.execute(path).error is None
    done = nbformat.read(path, as_version=4)
    assert [cell.execution_count for cell in done.cells] == [1, 2]
    assert [cell.id for cell in done.cells] == ["cell-0", "cell-1"]
    assert done.cells[0].outputs[0].text == "beside\n"
    assert done.metadata.labutils.code_sha256 == execute.code_hash(done)
    assert "version" not in done.metadata.language_info
    assert all("execution" not in cell.metadata for cell in done.cells)
    assert not execute.needs_run(path)


def test_the_kernel_draws_in_pixels_and_this_process_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(execute.PICTURES, raising=False)
    path = notebook(tmp_path, f"import os; print(os.path.isdir(os.environ[{execute.PICTURES!r}]))")
    assert execute.execute(path).error is None
    assert nbformat.read(path, as_version=4).cells[0].outputs[0].text == "True\n"
    assert execute.PICTURES not in os.environ


def test_changed_code_is_due_and_changed_text_is_not(tmp_path: Path) -> None:
    path = notebook(tmp_path, "1 + 1")
    page = nbformat.read(path, as_version=4)
    execute.tidy(page, keys.code_key(path))
    page.cells.append(nbformat.v4.new_markdown_cell("Two.", id="text"))
    nbformat.write(page, path)
    assert not execute.needs_run(path)
    page.cells[0].source = "1 + 2"
    nbformat.write(page, path)
    assert execute.needs_run(path)


def test_changed_code_that_the_page_reaches_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = notebook(tmp_path, "import labutils")
    assert execute.execute(path).error is None
    assert not execute.needs_run(path)
    monkeypatch.setattr(keys, "code_key", lambda path: "another module of labutils")
    assert execute.needs_run(path)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("1 / 0", "cell-1: ZeroDivisionError"),
        ("print('/home/ada/book.txt')", "cell-1: its output names a path"),
    ],
)
def test_a_notebook_that_fails_is_left_as_it_was(tmp_path: Path, source: str, complaint: str) -> None:
    path = notebook(tmp_path, "print(1)", source)
    before = path.read_bytes()
    run = execute.execute(path)
    assert complaint in str(run.error)
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["page.ipynb"]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SystemExit, match=r"No notebook nothing; there are .*probability"):
        execute.select(["nothing"])


def install(tmp_path: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Run the installation with a Python made of this shell script, and no other to be found."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("awk", "dirname", "grep", "sh", "tail", "tee"):
        (tools / name).symlink_to(str(shutil.which(name)))
    if python:
        (tools / "python3").write_text(f"#!/bin/sh\n{python}\n")
        (tools / "python3").chmod(0o755)
    return subprocess.run(
        ["sh", str(ROOT / "scripts/install.sh"), str(tmp_path / "env")],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )


@needs_sh
def test_installation_without_python_says_which_is_needed(tmp_path: Path) -> None:
    run = install(tmp_path, "")
    assert run.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in run.stderr


@needs_sh
def test_installation_with_an_old_python_says_which_was_found(tmp_path: Path) -> None:
    old = 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac'
    run = install(tmp_path, old)
    assert run.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13; found: Python 3.9.2" in run.stderr
    assert "PYTHON=" in run.stderr


@needs_sh
def test_installation_without_venv_names_the_package(tmp_path: Path) -> None:
    run = install(tmp_path, 'case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac')
    assert run.returncode == 1
    assert "python3-venv" in run.stderr


@needs_sh
def test_installation_that_stops_says_what_to_do(tmp_path: Path) -> None:
    # A Python whose `-m venv` works and whose pip does not.
    cases = [
        """*"-m venv"*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" """,
        """*"-m pip"*) echo no network >&2; exit 1""",
        """*"(3,14) <="*) exit 1""",
        """*) exit 0""",
    ]
    fake = f'case "$*" in {";; ".join(cases)};; esac'
    run = install(tmp_path, f'PATH="{os.defpath}:/usr/bin:/bin"\n{fake}')
    assert run.returncode == 1
    assert "Run the same command again" in run.stderr
