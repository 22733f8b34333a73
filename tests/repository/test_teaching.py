"""The instructors' guide: its commands run as they stand there, and print what stands below them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from coursework_kit import sandbox
from labutils.coursework.commands import coursework
from labutils.coursework.grading import STATUSES
from places import MASTERS, NOTEBOOKS, ROOT

GUIDE = (ROOT / "book/teaching.md").read_text(encoding="utf-8")
END = "@end@"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def session() -> list[tuple[str, list[str]]]:
    """The guide's commands, each with the lines that it should print."""
    asked: list[tuple[str, list[str]]] = []
    for line in "".join(blocks("console")).splitlines():
        if line.startswith("$ "):
            asked.append((line[2:], []))
        else:
            asked[-1][1].append(line)
    return asked


def as_pattern(line: str) -> str:
    return ".*".join(map(re.escape, line.split("…")))


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
def test_what_the_guide_types_prints_what_it_shows(tmp_path: Path) -> None:
    sandbox()
    (tmp_path / "book").symlink_to(ROOT)
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin/labutils"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m labutils "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    [setup] = blocks("bash")
    source = "source book/.venv/bin/activate\n"  # here the environment is the one that tests run in
    assert source in setup
    lines = [setup.replace(source, "")]
    lines += [f"{{ {typed}\n}} 2>&1; echo {END}" for typed, _ in session()]
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    printed = done.stdout.split(f"{END}\n")[:-1]
    for (typed, shown), got in zip(session(), printed, strict=True):
        found = got.splitlines()
        assert len(found) == len(shown), f"{typed}\n{got}"
        for expected, line in zip(shown, found, strict=True):
            assert re.fullmatch(as_pattern(expected), line), f"{typed}\n{got}"
    assert done.stderr == ""


def test_commands_and_options_that_are_named_exist() -> None:
    groups = {"export": coursework.commands["export"]}
    assert isinstance(groups["export"], click.Group)
    commands = coursework.commands | groups["export"].commands
    options = {option for one in commands.values() for part in one.params for option in part.opts}
    named = re.findall(r"labutils coursework ((?:export )?\w+)", GUIDE)
    assert {name.split()[-1] for name in named} <= set(commands)
    assert set(coursework.commands) <= {name.split()[0] for name in named}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", GUIDE)) - options == {"--help", "--all"}


def test_every_status_is_explained() -> None:
    table = GUIDE.split("## No zero without a reason")[1].split("\n\n")[1]
    explained = [word for row in table.splitlines()[2:] for word in row.split("|")[1].strip().split(", ")]
    assert sorted(explained) == sorted(STATUSES)


def test_the_long_course_has_every_chapter_and_the_short_one_some() -> None:
    long, short = GUIDE.split("## A course of 13 weeks")[1].split("## A course of 6 weeks")
    written = {f"../{path.relative_to(ROOT).as_posix()}" for path in NOTEBOOKS}
    for text, weeks in ((long, 13), (short, 6)):
        linked = re.findall(r"\]\((\.\./notebooks/[^)]+)\)", text)
        assert len(linked) == len(set(linked))
        assert set(linked) <= written
        assert [int(week) for week in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)] == list(
            range(1, weeks + 1)
        )
    assert set(re.findall(r"\]\((\.\./notebooks/[^)]+)\)", long)) == written


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_every_lab_is_in_the_table(path: Path) -> None:
    assert f"| `{path.stem}` |" in GUIDE
