"""Take submissions in: a folder, a zip from Canvas or Moodle, or git repositories.

Nothing is unpacked: notebooks are read, within bounds, out of the archive or folder, and kept under names of
our own; no name that a student chose is ever a path here, and no link is followed.
"""

from __future__ import annotations

import csv
import io
import os
import stat
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from labutils.coursework.names import CANVAS, MOODLE, NOTEBOOK, canvas_number, key, shown
from labutils.coursework.notebook import MOST_BYTES, NotebookError, parse, read_bytes

__all__ = ["IntakeError", "Submission", "collect", "describe"]

_MOST_FILES = 20_000
_MOST_INNER = 50  # notebooks in a zip that is handed in
_MOST_TOTAL = 4_000_000_000
_HANDED_OUT = ("# your code here", "*Your answer to ")  # in a cell of a release that nobody has answered


class IntakeError(ValueError):
    """Submissions that cannot be taken in at all."""


@dataclass
class Submission:
    """What one student handed in: `content` is None where there is no notebook, and `problem` says why."""

    key: str
    student: str
    name: str
    content: bytes | None = None
    problem: str = ""
    file: str = ""
    ids: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Hand:
    """The files of one student, before one is chosen."""

    name: str
    ids: dict[str, str] = field(default_factory=dict)
    notebooks: dict[str, bytes] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    room: int = MOST_BYTES  # what all zips of theirs together may still unpack to


def collect(source: Path, file_name: str) -> list[Submission]:
    """Return the submissions in `source`, sorted: a folder, a zip, or a CSV file of repositories.

    `file_name` is that of the release: it decides between several notebooks of a student. IntakeError where
    `source` is none of these or holds nothing.
    """
    if source.is_dir():
        hands = _folder(source)
    elif source.suffix.lower() == ".csv":
        hands = _repositories(source)
    elif zipfile.is_zipfile(source):
        hands = _archive(source)
    else:
        raise IntakeError(f"{source} is no folder, no zip and no .csv file of repositories")
    if not hands:
        raise IntakeError(f"{source} holds no submission")
    return sorted(
        (_chosen(identity, hand, file_name) for identity, hand in hands.items()), key=lambda one: one.key
    )


def describe(name: str) -> tuple[str, _Hand]:
    """Return who a file or folder of this name is from: an identity, and an empty hand with name and ids."""
    if name.count("_assignsubmission_") > 1:  # somebody chose it so: nobody else's work is touched
        return f"as it stands {name}", _Hand(
            shown(name), notes=["named like two students of Moodle: look at it"]
        )
    if found := MOODLE.match(name):
        return f"moodle {found['id']}", _Hand(shown(found["name"]), {"moodle": found["id"]})
    if found := CANVAS.match(name):
        hand = _Hand(shown(found["name"]), {"canvas": found["id"]})
        if found["late"]:
            hand.notes.append("handed in late, says Canvas")
        return f"canvas {found['id']}", hand
    stem = NOTEBOOK.sub("", name).removesuffix(".zip")
    return stem, _Hand(shown(stem))


def _into(hands: dict[str, _Hand], top: str) -> _Hand:
    identity, hand = describe(top)
    known = hands.setdefault(identity, hand)
    known.notes += [note for note in hand.notes if note not in known.notes]
    return known


def _take(hand: _Hand, name: str, content: bytes | None, problem: str = "") -> None:
    if content is None:
        hand.notes.append(f"{shown(name)}: {problem}")
        hand.others.append(name)
    elif NOTEBOOK.search(name):
        hand.notebooks[name] = content
    elif name.lower().endswith(".zip"):
        _inner(hand, name, content)
    else:
        hand.others.append(name)


def _wanted(name: str) -> bool:
    return bool(NOTEBOOK.search(name)) or name.lower().endswith(".zip")


def _inner(hand: _Hand, name: str, content: bytes) -> None:
    """Take the notebooks of a zip that a student handed in; a zip within it is not opened."""
    hand.others.append(name)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if NOTEBOOK.search(member.filename)]
            for member in members[:_MOST_INNER]:
                parts = PurePosixPath(member.filename.replace("\\", "/")).parts
                if any(part.startswith((".", "/")) or part == "__MACOSX" for part in parts):
                    continue
                found, problem = _member(archive, member, hand.room)
                hand.room -= len(found or b"")
                _take(hand, f"{name}/{'/'.join(parts)}", found, problem)
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        hand.notes.append(f"{shown(name)}: it cannot be unpacked ({type(error).__name__})")


def _folder(source: Path) -> dict[str, _Hand]:
    hands: dict[str, _Hand] = {}
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        hand = _into(hands, entry.name)
        if entry.is_symlink():
            _take(hand, entry.name, None, "it is a link, and links are not followed")
        elif entry.is_dir(follow_symlinks=False):
            _walk(hand, Path(entry.path))
        else:
            _file(hand, Path(entry.path), entry.name)
    return hands


def _walk(hand: _Hand, top: Path) -> None:
    seen = 0
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            seen += 1
            if seen > _MOST_FILES:
                hand.notes.append(f"more than {_MOST_FILES:,} files: the rest was not looked at")
                return
            _file(hand, Path(folder, name), str(Path(folder, name).relative_to(top)))


def _file(hand: _Hand, path: Path, name: str) -> None:
    if not _wanted(name):
        hand.others.append(name)
        return
    try:
        _take(hand, name, read_bytes(path))
    except NotebookError as error:
        _take(hand, name, None, str(error))


def _archive(source: Path) -> dict[str, _Hand]:
    hands: dict[str, _Hand] = {}
    total = 0
    with zipfile.ZipFile(source) as archive:
        members = archive.infolist()
        if len(members) > _MOST_FILES:
            raise IntakeError(f"{source} has {len(members):,} files, more than {_MOST_FILES:,}")
        for member in members:
            parts = [part for part in PurePosixPath(member.filename.replace("\\", "/")).parts if part != "/"]
            if not parts or member.is_dir() or "__MACOSX" in parts or ".ipynb_checkpoints" in parts:
                continue
            hand, name = _into(hands, parts[0]), "/".join(parts[1:]) or parts[0]
            if ".." in parts or member.filename.startswith(("/", "\\")):
                _take(hand, name, None, "its path leads out of the archive")
            elif not _wanted(name):
                hand.others.append(name)
            else:
                content, problem = _member(archive, member)
                total += len(content or b"")
                if total > _MOST_TOTAL:
                    raise IntakeError(f"{source} unpacks to more than {_MOST_TOTAL:,} bytes")
                _take(hand, name, content, problem)
    return hands


def _member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int = MOST_BYTES
) -> tuple[bytes | None, str]:
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        return None, "it is a link or a special file"
    try:
        with archive.open(member) as file:
            content = file.read(most + 1)
    except (OSError, RuntimeError, zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        return None, f"it cannot be unpacked ({type(error).__name__})"
    if len(content) > most:
        return None, f"it has more than {most:,} bytes"
    return content, ""


def _repositories(source: Path) -> dict[str, _Hand]:
    with source.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"student", "repository"} <= set(rows[0]):
        raise IntakeError(f"{source} needs the columns student and repository")
    hands: dict[str, _Hand] = {}
    for row in rows:
        hand = hands.setdefault(row["student"], _Hand(shown(row["student"])))
        with tempfile.TemporaryDirectory(prefix="labutils-") as folder:
            problem = _clone(row["repository"], Path(folder, "copy"))
            if problem:
                hand.notes.append(problem)
            else:
                _walk(hand, Path(folder, "copy"))
    return hands


def _clone(address: str, to: Path) -> str:
    """Clone the newest state only: no hooks, no links, no submodules. Return what went wrong."""
    closed = "-c core.symlinks=false -c core.hooksPath=/dev/null -c protocol.ext.allow=never"
    words = ["git", *closed.split(), "-c", "core.fsmonitor=false", "clone", "--quiet", "--depth", "1"]
    words += ["--no-recurse-submodules", "--template=", "--", address, str(to)]
    environment = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "GIT_LFS_SKIP_SMUDGE": "1"}
    try:
        run = subprocess.run(
            words, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the repository could not be cloned ({type(error).__name__})"
    return f"the repository could not be cloned: {run.stderr.strip()[-200:]}" if run.returncode else ""


def _chosen(identity: str, hand: _Hand, file_name: str) -> Submission:
    """Choose the notebook with most of the lab's tags, then most answers, then the newest or best named.

    Canvas numbers what is uploaded, and a larger number is newer; elsewhere the release's name decides.
    """
    submission = Submission(
        key(identity, hand.name if hand.ids else identity),
        shown(identity),
        hand.name,
        ids=hand.ids,
        notes=hand.notes,
    )
    if not hand.notebooks:
        had = ", ".join(shown(name) for name in hand.others[:5])
        why = "; ".join(hand.notes)
        submission.problem = why or (
            f"no .ipynb among what was handed in: {had}" if had else "nothing was handed in"
        )
        return submission
    best = max(
        sorted(hand.notebooks),
        key=lambda name: (
            *_answered(hand.notebooks[name]),
            canvas_number(name),
            Path(name).name == file_name,
        ),
    )
    submission.content, submission.file = hand.notebooks[best], shown(best)
    if len(hand.notebooks) > 1:
        count = f"{len(hand.notebooks)} notebooks were handed in"
        submission.notes.append(f"{count}: {shown(best)} was graded, the newest of those with most answers")
    return submission


def _answered(content: bytes) -> tuple[int, int]:
    """How many questions of the lab a notebook has, and how many it answers; -1 if it is none."""
    try:
        asked = [cell for cell in parse(content).cells if cell.value("question")]
    except NotebookError:
        return -1, 0
    done = [cell for cell in asked if not any(mark in cell.source for mark in _HANDED_OUT)]
    return len({cell.value("question") for cell in asked}), len({cell.value("question") for cell in done})


def as_json(submissions: Iterable[Submission]) -> list[dict[str, Any]]:
    """Return what is known of submissions without what is in them."""
    keys = ("key", "student", "name", "problem", "file", "ids", "notes")
    return [{key: getattr(one, key) for key in keys} for one in submissions]
