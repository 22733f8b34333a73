"""Every notebook runs alone in Colab: its set-up cell installs `labutils`, the rest prints what is stored.

`STAGES=elsewhere make test` runs these alone; the variable BOOK_CHAPTERS names the chapters, else it is all
of them. COLAB_PYTHON=/path/to/python3.12 takes another Python, one that has torch, transformers, NLTK and
scikit-learn.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from nbclient.exceptions import CellExecutionError

import repository
from colab import Colab, NoIndexError, Session, clean, differences, one_cell, run, site_packages
from lend import normal
from places import NOTEBOOKS, ROOT

pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None, reason="NO GIT HERE: COLAB'S SET-UP CELL IS NOT TRIED"),
    pytest.mark.skipif(
        not (ROOT / ".git").exists(), reason="NOT A GIT CHECKOUT: COLAB'S SET-UP CELL IS NOT TRIED"
    ),
]
WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGET_MANAGER = "from google.colab.output import _widgets\nprint(_widgets._installed_url)"


@pytest.fixture(scope="session")
def colab(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Colab]:
    """What all notebooks share, made once for all workers; the last of them deletes it, 0.3 GB."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared if worker_id == "master" else shared.parent
    made = Colab(shared / "colab")
    users = shared / "colab-users"
    with FileLock(shared / "colab.lock"):
        before = users.read_text(encoding="utf-8").split() if users.exists() else []
        if not before:
            try:
                made.make()
            except NoIndexError as error:
                (made.folder / "no-index").write_text(str(error)[-1000:], encoding="utf-8")
        users.write_text(" ".join([*before, worker_id]), encoding="utf-8")
    if (made.folder / "no-index").exists():
        pytest.skip("NO PACKAGE INDEX HERE: THE NOTEBOOKS ARE NOT TRIED AS IN COLAB")
    yield made
    with FileLock(shared / "colab.lock"):
        left = [user for user in users.read_text(encoding="utf-8").split() if user != worker_id]
        users.write_text(" ".join(left), encoding="utf-8")
        if not left:
            shutil.rmtree(made.folder)


@pytest.fixture
def session(colab: Colab, tmp_path: Path) -> Iterator[Session]:
    yield colab.session(tmp_path / "session")
    shutil.rmtree(tmp_path / "session")


CHOSEN = os.environ.get("BOOK_CHAPTERS")


@pytest.mark.parametrize(
    "path",
    [path for path in NOTEBOOKS if CHOSEN is None or path.stem in CHOSEN.split()],
    ids=lambda path: path.stem,
)
def test_notebook_alone_prints_what_is_stored(path: Path, session: Session) -> None:
    stored = nbformat.read(path, as_version=4)
    before = session.installed()
    assert {"numpy": "2.0.2", "ipywidgets": "7.7.1"}.items() <= before.items()
    assert "labutils" not in before

    alone = nbformat.read(path, as_version=4)
    alone.cells.append(nbformat.v4.new_code_cell(WIDGET_MANAGER, id="widget-manager"))
    session.execute(alone)

    manager = alone.cells.pop().outputs[0].text.strip()
    assert differences(stored, alone) == []
    explorers = [cell for cell in alone.cells if "show_explorer(" in cell.source]
    assert (manager != "None") == bool(explorers)  # anywidget has switched it on, and only where it is needed
    for cell in explorers:
        [shown] = [output.data for output in cell.outputs if output.output_type == "display_data"]
        assert shown[WIDGET]["model_id"]
        assert len(shown["text/plain"]) > 40  # what it shows, where no widget can be drawn
    after = session.installed()
    assert before.items() <= after.items()  # nothing that was there has changed
    commit = run("git", "-C", session.colab.remote, "rev-parse", repository.read(ROOT).branch).strip()
    assert f"labutils @ git+{repository.read(ROOT).url}@{commit}" in run(
        session.python, "-m", "pip", "freeze"
    )


def test_setup_cell_can_run_again_after_a_restart(session: Session) -> None:
    for _ in range(2):
        notebook = one_cell(repository.read(ROOT).setup)
        session.execute(notebook)
        printed = notebook.cells[0].outputs[-1].text
        assert re.search(r"Python 3\.\d+\.\d+ · labutils \d", printed)
        assert "could not" not in printed


def test_setup_cell_says_what_to_do_without_network(session: Session, tmp_path: Path) -> None:
    notebook = one_cell(repository.read(ROOT).setup)
    with pytest.raises(CellExecutionError, match="No module named 'labutils'"):
        session.execute(notebook, remote=tmp_path / "nowhere.git")
    printed = "".join(output.get("text", "") for output in notebook.cells[0].outputs).replace("\r", "")
    assert "nowhere.git' does not appear to be a git repository" in printed
    assert f"\n{repository.FAILURE}\n" in printed


def test_setup_cell_does_nothing_elsewhere(tmp_path: Path) -> None:
    """Not even a process is started: the cell is run with `os.system`, which the magic uses, taken away."""
    code = (
        "import os, subprocess\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "def forbidden(*a, **k): raise SystemExit('it started a process')\n"
        "shell = InteractiveShell.instance()\n"
        "os.system = subprocess.Popen = shell.system = shell.system_raw = forbidden\n"
        f"print(shell.run_cell({repository.read(ROOT).setup!r}).success)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.endswith("True\n"), done.stderr


def imported(path: Path) -> set[str]:
    """The packages that a notebook's cells import."""
    source = "\n".join(
        cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"
    )
    return set(re.findall(r"^\s*(?:from|import) (\w+)", source, re.MULTILINE))


def test_binder_installs_what_the_notebooks_import(colab: Colab, tmp_path: Path) -> None:
    """The commands that repo2docker runs, in its order, in an environment that sees no other packages."""
    listed = (ROOT / ".binder/requirements.txt").read_text(encoding="utf-8").splitlines()
    names = [line for line in listed if line and not line.startswith(("#", "-"))]
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extra = project["optional-dependencies"]["notebooks"]
    names += [re.split(r"[^\w-]", line)[0] for line in [*project["dependencies"], *extra]]
    lent, environment, work = tmp_path / "lent", tmp_path / "environment", tmp_path / "book"
    run(
        sys.executable, ROOT / "tests/support/lend.py", lent, *names, "pip", "-labutils", env=clean()
    )  # the pins
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    (site_packages(environment) / "lent.pth").write_text(f"{lent}\n", encoding="utf-8")
    run("git", "clone", "-q", "--branch", repository.read(ROOT).branch, colab.remote, work)

    python = environment / "bin/python"
    run(
        python,
        "-m",
        "pip",
        "install",
        "--no-cache-dir",
        "-r",
        ".binder/requirements.txt",
        cwd=work,
        env=clean(),
    )
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    variables = clean() | {"PATH": path, "LABUTILS_CACHE": str(colab.folder / "cache")}
    assert "ready in" in run("./.binder/postBuild", cwd=work, env=variables)

    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pinned = {
        normal(name): version for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", pins, re.MULTILINE)
    }
    frozen = run(python, "-m", "pip", "list", "--format", "freeze", env=clean())
    found = dict(line.split("==") for line in frozen.splitlines())
    assert {name: version.split("+")[0] for name, version in found.items() if normal(name) in pinned} == {
        name: pinned[normal(name)] for name in found if normal(name) in pinned
    }
    packages = sorted(set().union(*map(imported, NOTEBOOKS)) - {"google"})
    run(python, "-c", f"import {', '.join(packages)}", env=clean())
