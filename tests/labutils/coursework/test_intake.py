"""Submissions as they come: folders, zips of Canvas and Moodle, repositories; and hostile ones."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest

from labutils.coursework.intake import IntakeError, Submission, collect

TAGGED = json.dumps(
    {
        "cells": [{"cell_type": "code", "source": "x = 1", "metadata": {"tags": ["question=q1"]}}],
        "metadata": {},
    }
).encode()
BARE = b'{"cells": [], "metadata": {}}'


def by_name(source: Path) -> dict[str, Submission]:
    found = collect(source, "tiny.ipynb")
    assert len({one.key for one in found}) == len(found)
    assert all(one.key.replace("-", "").isalnum() and one.key.isascii() for one in found)
    return {one.name: one for one in found}


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def test_a_folder_of_files_and_of_folders(tmp_path: Path) -> None:
    (tmp_path / "anna.ipynb").write_bytes(TAGGED)
    (tmp_path / "ben/deep").mkdir(parents=True)
    (tmp_path / "ben/deep/renamed.ipynb").write_bytes(TAGGED)
    (tmp_path / "ben/scratch.ipynb").write_bytes(BARE)
    (tmp_path / "cleo").mkdir()
    (tmp_path / "cleo/lab.py").write_text("print(1)")
    (tmp_path / "dora").mkdir()
    found = by_name(tmp_path)
    assert found["anna"].content == found["ben"].content == TAGGED
    assert found["ben"].notes == [
        "2 notebooks were handed in: deep/renamed.ipynb was graded, the newest of those with most answers"
    ]
    assert found["cleo"].problem == "no .ipynb among what was handed in: lab.py"
    assert found["dora"].problem == "nothing was handed in"


def test_a_zip_of_canvas(tmp_path: Path) -> None:
    files = {
        "smithanna_LATE_4711_99001_tiny-1.ipynb": TAGGED,
        "jonesben_4712_99002_tiny.ipynb": TAGGED,
        "jonesben_4712_99003_notes.pdf": b"%PDF",
    }
    found = by_name(archive(tmp_path / "submissions.zip", files))
    assert {name: one.ids for name, one in found.items()} == {
        "smithanna": {"canvas": "4711"},
        "jonesben": {"canvas": "4712"},
    }
    assert found["smithanna"].notes == ["handed in late, says Canvas"]


def test_a_zip_of_moodle(tmp_path: Path) -> None:
    files = {
        "Anna Smith_123_assignsubmission_file_/tiny.ipynb": TAGGED,
        "李雷_124_assignsubmission_file_/我的.ipynb": TAGGED,
        "Ben Jones_125_assignsubmission_file_tiny.ipynb": TAGGED,
        "Cleo_126_assignsubmission_file_/work.zip": b"PK",
    }
    found = by_name(archive(tmp_path / "moodle.zip", files))
    assert {name: one.ids["moodle"] for name, one in found.items()} == {
        "Anna Smith": "123",
        "李雷": "124",
        "Ben Jones": "125",
        "Cleo": "126",
    }
    assert found["Cleo"].problem == "work.zip: it cannot be unpacked (BadZipFile)"


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as inner:
        for name, content in files.items():
            inner.writestr(name, content)
    return buffer.getvalue()


def test_a_zip_in_a_zip_and_names_that_a_browser_makes(tmp_path: Path) -> None:
    inner = {
        "work/tiny.ipynb": TAGGED,
        "work/.ipynb_checkpoints/tiny-checkpoint.ipynb": BARE,
        "__MACOSX/work/._tiny.ipynb": b"junk",
        "../../evil.ipynb": TAGGED,
        "deeper.zip": packed({"tiny.ipynb": TAGGED}),
    }
    files = {
        "anna_1_11_work.zip": packed(inner),
        "ben_2_12_tiny.ipynb.txt": TAGGED,
        "cleo_3_13_tiny.ipynb.json": TAGGED,
        "dora_4_14_torn.zip": packed(inner)[:40],
        "emil_5_15_bomb.zip": packed({"tiny.ipynb": b" " * 30_000_000}),
        "fay_6_16_twice.zip": packed({"a.zip": packed({"tiny.ipynb": TAGGED})}),
    }
    found = by_name(archive(tmp_path / "canvas.zip", files))
    assert [name for name, one in found.items() if one.content == TAGGED] == ["anna", "ben", "cleo"]
    assert (found["anna"].file, found["anna"].notes) == ("anna_1_11_work.zip/work/tiny.ipynb", [])
    assert "cannot be unpacked (BadZipFile)" in found["dora"].problem
    assert "more than 20,000,000 bytes" in found["emil"].problem
    assert found["fay"].problem.startswith("no .ipynb")
    swelling = packed({"tiny.ipynb": b" " * 9_000_000})  # each would do, all together fill the memory
    many = {f"gus_7_{number}_{number}.zip": swelling for number in range(17, 37)}
    gus = by_name(archive(tmp_path / "many.zip", many | {"gus_7_40_tiny.ipynb": TAGGED}))["gus"]
    assert gus.content == TAGGED
    assert sum("more than 2,000,000 bytes" in note for note in gus.notes) == 18
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "anna.zip").write_bytes(packed(inner))
    assert by_name(folder)["anna"].content == TAGGED


def test_of_two_by_one_student_the_fuller_counts_and_then_the_newer(tmp_path: Path) -> None:
    empty = TAGGED.replace(b"x = 1", b"x = ...  # your code here")
    newer = TAGGED.replace(b"x = 1", b"x = 2")
    files = {
        "anna_1_20_tiny.ipynb": empty,
        "anna_1_12_tiny-1.ipynb": TAGGED,
        "ben_2_13_tiny.ipynb": TAGGED,
        "ben_2_101_tiny-1.ipynb": newer,
    }
    found = by_name(archive(tmp_path / "canvas.zip", files))
    assert (found["anna"].content, found["ben"].content) == (TAGGED, newer)
    assert "ben_2_101_tiny-1.ipynb was graded" in found["ben"].notes[0]


def test_what_is_written_into_moodle_itself_is_no_student(tmp_path: Path) -> None:
    files = {
        "Anna Smith_123_assignsubmission_file_/tiny.ipynb": TAGGED,
        "Anna Smith_123_assignsubmission_onlinetext_/onlinetext.html": b"<p>see my file</p>",
        "Ben Jones_125_assignsubmission_onlinetext_/onlinetext.html": b"<p>I forgot it</p>",
    }
    found = by_name(archive(tmp_path / "moodle.zip", files))
    assert {name: one.ids for name, one in found.items()} == {
        "Anna Smith": {"moodle": "123"},
        "Ben Jones": {"moodle": "125"},
    }
    assert found["Ben Jones"].problem == "no .ipynb among what was handed in: onlinetext.html"
    assert found["Anna Smith"].key.startswith("anna-smith-")


def test_nobody_hands_in_for_another_by_a_name(tmp_path: Path) -> None:
    files = {
        "Victim_124_assignsubmission_file_/tiny.ipynb": BARE,
        "X_124_assignsubmission_file__125_assignsubmission_file_/tiny.ipynb": TAGGED,
        "Y_126_assignsubmission_file_x_124_assignsubmission_file_y.ipynb": TAGGED,
    }
    found = collect(archive(tmp_path / "moodle.zip", files), "tiny.ipynb")
    assert [one.content for one in found if one.ids.get("moodle") == "124"] == [BARE]
    assert len(found) == 3
    canvas = {"victim_4711_1_tiny.ipynb": BARE, "evil_4712_2_victim_4711_1_tiny.ipynb": TAGGED}
    found = collect(archive(tmp_path / "canvas.zip", canvas), "tiny.ipynb")
    assert {one.ids["canvas"]: one.content for one in found} == {"4711": BARE, "4712": TAGGED}


def test_links_pipes_and_slips_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.ipynb"
    secret.write_bytes(TAGGED)
    folder = tmp_path / "in"
    for name in ("link", "linked", "pipe", "self"):
        (folder / name).mkdir(parents=True)
    (folder / "link/tiny.ipynb").symlink_to(secret)
    (folder / "linked/folder").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe/tiny.ipynb")
    (folder / "self/again").symlink_to(folder / "self")
    (folder / "top.ipynb").symlink_to(secret)
    found = by_name(folder)
    assert [one.name for one in found.values() if one.content] == []
    assert "links are not followed" in found["link"].problem
    assert "links are not followed" in found["top"].problem
    assert "no regular file" in found["pipe"].problem


def test_zip_slips_links_and_bombs_in_archives(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "in.zip",
        {
            "../../evil.ipynb": TAGGED,
            "/abs/evil.ipynb": TAGGED,
            "a/../../evil.ipynb": TAGGED,
            "..\\..\\evil.ipynb": TAGGED,
            "bomb/tiny.ipynb": b" " * 30_000_000,
            "good/tiny.ipynb": TAGGED,
        },
    )
    with zipfile.ZipFile(path, "a") as packed:
        link = zipfile.ZipInfo("link/tiny.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "/etc/passwd")
    before = sorted(tmp_path.rglob("*"))
    found = by_name(path)
    assert [name for name, one in found.items() if one.content] == ["good"]
    assert "more than" in found["bomb"].problem
    assert "link" in found["link"].problem
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "name",
    [
        "\u202egnp.ipynb",
        "a\u0000b.ipynb",
        "x" * 250 + ".ipynb",
        "é.ipynb",
        "e\u0301.ipynb",
        "CON.ipynb",
        "-rf.ipynb",
        "\n=cmd.ipynb",
    ],
)
def test_tricks_in_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w") as packed:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        packed.writestr(info, TAGGED)
        packed.writestr("plain.ipynb", TAGGED)
    found = collect(path, "tiny.ipynb")
    assert len(found) == 2
    for one in found:
        assert one.key.replace("-", "").isalnum()
        assert len(one.key) < 60
        assert not any(sign in one.name for sign in "\u202e\u0000\n")


def test_repositories(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    (origin / "results").mkdir(parents=True)
    (origin / "tiny.ipynb").write_bytes(TAGGED)
    (origin / "results/anna.json").write_text('{"points": 20, "status": "graded"}')
    (origin / "link.ipynb").symlink_to("/etc/passwd")
    hook = tmp_path / "ran"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(origin)]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    table = tmp_path / "students.csv"
    table.write_text(
        f"student,repository\nanna,{origin}\nben,{tmp_path / 'none'}\ncleo,ext::sh -c 'touch {hook}'\n"
        f"dora,--upload-pack=touch {hook}\n"
    )
    found = by_name(table)
    assert found["anna"].content == TAGGED
    for name in ("ben", "cleo", "dora"):
        assert found[name].content is None
        assert "could not be cloned" in found[name].problem
    assert not hook.exists()


def test_what_is_nothing_at_all(tmp_path: Path) -> None:
    with pytest.raises(IntakeError, match="no submission"):
        collect(tmp_path, "tiny.ipynb")
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(IntakeError, match="no folder, no zip"):
        collect(tmp_path / "x.txt", "tiny.ipynb")
    (tmp_path / "x.csv").write_text("who\nanna\n")
    with pytest.raises(IntakeError, match="columns student and repository"):
        collect(tmp_path / "x.csv", "tiny.ipynb")
