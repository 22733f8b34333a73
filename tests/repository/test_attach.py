"""The job that attaches the PDF to a release, run as the workflow runs it, with a stand-in for `gh`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import workflows
from places import ROOT

GH = """#!{python}
import os, pathlib, sys
assert os.environ["GH_TOKEN"] == "a token" and os.environ["GH_REPO"] == "a/b"
verb, what, tag, file, *rest = sys.argv[1:]
assert (verb, what, rest) == ("release", "upload", ["--clobber"]), sys.argv
if tag == "v0":
    sys.exit("release not found")
pathlib.Path("attached").write_text(tag + " " + pathlib.Path(file).read_text())
"""


def run(folder: Path, tag: str) -> subprocess.CompletedProcess[str]:
    """Run the last step of the job as GitHub would."""
    step = workflows.read("release.yml")["jobs"]["attach"]["steps"][-1]
    (folder / "bin").mkdir()
    (folder / "bin/gh").write_text(GH.format(python=sys.executable), encoding="utf-8")
    (folder / "bin/gh").chmod(0o755)
    (folder / "bin/python3").symlink_to(sys.executable)
    shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    given = {"github.event.release.tag_name": tag, "github.repository": "a/b", "github.token": "a token"}
    environment = {key: given[value.strip("${} ")] for key, value in step["env"].items()}
    environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.defpath}{os.pathsep}/usr/bin:/bin"
    return subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_pdf_is_attached_to_its_release(tmp_path: Path) -> None:
    (tmp_path / "pdf").mkdir()
    (tmp_path / "pdf/book.pdf").write_text("the book")
    done = run(tmp_path, "v1.0")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "attached").read_text() == "v1.0 the book"
    assert "v1.0" in done.stdout


@pytest.mark.parametrize(
    ("tag", "has_file", "said"),
    [("v0", True, "release not found"), ("v1", False, "is not there"), ("--help", True, "usage")],
)
def test_what_goes_wrong_is_said(tmp_path: Path, tag: str, has_file: bool, said: str) -> None:
    (tmp_path / "pdf").mkdir()
    if has_file:
        (tmp_path / "pdf/book.pdf").write_text("the book")
    done = run(tmp_path, tag)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "attached").exists()
