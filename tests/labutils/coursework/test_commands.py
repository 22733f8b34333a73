"""`labutils coursework` from release to grades, as an instructor and a student use it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

from coursework_kit import RIGHT, SECRET, handed_in, light, packed, sandbox
from labutils.cli import main
from labutils.coursework import batch
from labutils.coursework.intake import collect
from labutils.coursework.lab import Lab
from places import ROOT


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return light(tmp_path_factory.mktemp("lab"))


def said(*arguments: object, status: int = 0) -> str:
    sandbox()
    result = CliRunner().invoke(main, ["coursework", *map(str, arguments)])
    assert result.exit_code == status, result.output + repr(result.exception)
    return result.output


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six submissions, two of them broken and one hostile."""
    folder = tmp_path_factory.mktemp("in")
    evil = '<script>alert("1")</script>\n\n</pre><img src=x onerror=alert(1)> =HYPERLINK("x")'
    files = {
        "Anna Smith_11_assignsubmission_file_/tiny.ipynb": packed(handed_in(lab, RIGHT, "s1")),
        "Ben Jones_12_assignsubmission_file_/tiny.ipynb": packed(handed_in(lab, {"q2": RIGHT["q2"]}, "s2")),
        "=CMD()_13_assignsubmission_file_/tiny.ipynb": packed(handed_in(lab, RIGHT | {"q4": evil}, "s3")),
        "Dora <b>_14_assignsubmission_file_/tiny.ipynb": b"not a notebook",
        "Eve_15_assignsubmission_file_/tiny.ipynb": packed(
            handed_in(lab, {"q2": "import os\nos._exit(1)"}, "s1")
        ),
        "Finn_16_assignsubmission_file_/essay.docx": b"PK",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def work(lab: Lab, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("work")
    key = work / "key.txt"
    output = said("grade", lab.path, folder, "--to", work, "--secret", key, "--jobs", 2)
    assert "sandbox: " in output
    assert "6 submissions, 0 done already, 1 without a notebook, 5 to grade" in output
    assert key.stat().st_mode & 0o077 == 0
    return work


def test_release_is_proved_and_written(lab: Lab, tmp_path: Path) -> None:
    output = said("release", lab.path, "--to", tmp_path)
    assert "proved: the solution gets 10 of 10 points, for two students" in output
    rules = " ".join((tmp_path / "AGENTS.md").read_text(encoding="utf-8").split())
    for rule in (
        "be a tutor",
        "Ask what they have tried",
        "Do not write the answer",
        "raise NotImplementedError",
    ):
        assert rule in rules
    text = (tmp_path / "tiny.ipynb").read_text(encoding="utf-8")
    assert "BEGIN SOLUTION" not in text
    assert "raise NotImplementedError" in text


def test_check_says_what_is_open_and_runs_public_checks(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "tiny.ipynb"
    path.write_bytes(packed(handed_in(lab, {}, "")))
    output = said("check", path, status=1)
    assert "q1 (4 points): no answer yet" in output
    assert "STUDENT is empty" in output
    assert "4 still to do" in output
    path.write_bytes(packed(handed_in(lab, RIGHT)))
    assert "nothing is open" in said("check", path, "--run")
    path.write_bytes(packed(handed_in(lab, RIGHT | {"q2": RIGHT["q2"].replace("log2", "log")})))
    assert "is your logarithm to the base 2?" in said("check", path, "--run", status=1)
    path.write_text("no", encoding="utf-8")
    assert "cannot be handed in: it is not JSON" in said("check", path, status=1)


def test_no_submission_is_silent(lab: Lab, work: Path) -> None:
    said("report", lab.path, work, "--secret", work / "key.txt")
    table = {row["name"]: row for row in rows(work / "grades.csv")}
    assert len(table) == 6
    assert all(row["status"] and row["reason"] and row["sandbox"] for row in table.values())
    assert {name: (row["status"], row["points"]) for name, row in table.items()} == {
        "Anna Smith": ("graded", "10"),
        "Ben Jones": ("graded", "6"),
        "'=CMD()": ("graded", "10"),
        "Dora <b>": ("not a notebook", "0"),
        "Eve": ("crashed", "0"),
        "Finn": ("not a notebook", "0"),
    }
    assert "states the same id as Eve" in table["Anna Smith"]["notes"]


def test_feedback_is_escaped_and_shows_nothing_hidden(lab: Lab, work: Path) -> None:
    said("report", lab.path, work, "--secret", work / "key.txt")
    pages = [path.read_text(encoding="utf-8") for path in (work / "feedback").iterdir()]
    assert len(pages) == 6
    for page in [*pages, (work / "by_hand.html").read_text(encoding="utf-8")]:
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "Content-Security-Policy" in page
    anna = next(page for page in pages if "Anna Smith" in page)
    assert "Ben" not in anna
    assert "reference" not in anna
    assert all(page.count("<b>") == 0 for page in pages)


def test_moodle_canvas_and_what_is_graded_by_hand(lab: Lab, work: Path, tmp_path: Path) -> None:
    key = {row["name"]: row["key"] for row in rows_of(lab, work)}["Anna Smith"]
    hand = tmp_path / "by_hand.csv"
    hand.write_text(f"key,question,points,comment\n{key},q4,3.5,Good.\n", encoding="utf-8")
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(
        "Identifier,Full name,Email address,Grade,Maximum Grade,Feedback comments\n"
        "Participant 11,Anna Smith,a@example.org,,14,\nParticipant 99,Zed,z@example.org,,14,\n",
        encoding="utf-8",
    )
    output = said(
        "report", lab.path, work, "--secret", work / "key.txt", "--by-hand", hand, "--moodle", sheet
    )
    assert "moodle: no submission from Zed" in output
    assert rows(work / "moodle.csv")[0]["Grade"] == "13.5"
    with zipfile.ZipFile(work / "moodle_feedback.zip") as pages:
        assert len(pages.namelist()) == 6
        anna = pages.read("Anna Smith_11_assignsubmission_file_feedback.html").decode()
    assert "13.5 of" in anna
    page = (work / f"feedback/{key}.html").read_text(encoding="utf-8")
    assert "3.5 / 4" in page
    assert "Good." in page
    hand.write_text(f"key,question,points,comment\n{key},q4,5,Too good.\n", encoding="utf-8")
    assert "5 of 4 points" in said(
        "report", lab.path, work, "--secret", work / "key.txt", "--by-hand", hand, status=1
    )


def rows_of(lab: Lab, work: Path, key: Path | None = None) -> list[dict[str, str]]:
    said("report", lab.path, work, "--secret", key or work / "key.txt")
    return rows(work / "grades.csv")


def test_a_gradebook_of_canvas_is_filled_in() -> None:
    from labutils.coursework.report import canvas

    result = {"name": "anna", "student": "canvas 7", "points": 9.5, "ids": {"canvas": "7"}}
    gradebook = [
        {"Student": "Points Possible", "ID": "", "Section": "", "A tiny lab (321)": "20"},
        {"Student": "Smith, Anna", "ID": "7", "Section": "A", "A tiny lab (321)": ""},
        {"Student": "Jones, Ben", "ID": "8", "Section": "A", "A tiny lab (321)": ""},
    ]
    text, without = canvas({"k": result}, "A tiny lab", gradebook)
    assert text.splitlines() == [
        "Student,ID,SIS User ID,SIS Login ID,Section,A tiny lab (321)",
        '"Smith, Anna",7,,,A,9.5',
        '"Jones, Ben",8,,,A,',
    ]
    assert without == ["Jones, Ben"]


def test_exports(lab: Lab, work: Path, tmp_path: Path) -> None:
    said("export", "gradescope", work, "--to", tmp_path / "scope")
    files = sorted((tmp_path / "scope").glob("*/results.json"))
    assert len(files) == 6
    for file in files:
        result = json.loads(file.read_text(encoding="utf-8"))
        assert result["score"] == sum(test["score"] for test in result["tests"])
        assert all(test["output"] for test in result["tests"])
    said("export", "nbgrader", lab.path, "--to", tmp_path / "source.ipynb")
    cells = json.loads((tmp_path / "source.ipynb").read_text(encoding="utf-8"))["cells"]
    marked = [cell["metadata"]["nbgrader"] for cell in cells if "nbgrader" in cell["metadata"]]
    assert sum(one.get("points", 0) for one in marked) == 14
    assert len({one["grade_id"] for one in marked}) == len(marked) == 5


def test_a_second_run_has_nothing_to_do_and_other_inputs_do(
    lab: Lab, folder: Path, work: Path, tmp_path: Path
) -> None:
    again = said("grade", lab.path, folder, "--to", work, "--secret", work / "key.txt", "--jobs", 1)
    assert "6 submissions, 5 done already, 1 without a notebook, 0 to grade" in again
    (tmp_path / "short").write_text("abc")
    said("grade", lab.path, folder, "--to", tmp_path, "--secret", tmp_path / "short", status=1)


def test_a_roster_decides_whose_data_are_whose(lab: Lab, folder: Path, tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("student,id\n11,s7\nBen Jones,s2\n", encoding="utf-8")
    paths = ["--to", tmp_path / "work", "--secret", tmp_path / "key", "--roster", roster]
    output = said("grade", lab.path, folder, *paths)
    assert "not in the roster, so their notebooks' own ids count: " in output
    [unlisted] = [line for line in output.splitlines() if line.startswith("not in the roster")]
    assert "Eve" in unlisted
    assert "Anna" not in unlisted
    assert "Ben" not in unlisted
    table = {row["name"]: row for row in rows_of(lab, tmp_path / "work", tmp_path / "key")}
    assert "the roster says 's7': graded by the roster" in table["Anna Smith"]["notes"]
    assert (table["Anna Smith"]["q1"], table["Ben Jones"]["notes"]) == ("0", "")


def test_a_run_that_is_killed_resumes(lab: Lab, tmp_path: Path) -> None:
    sandbox()
    (tmp_path / "in").mkdir()
    for number in range(8):
        answers = {"q2": f"import time\ntime.sleep(0.5)\n{RIGHT['q2']}"}
        (tmp_path / f"in/s{number}.ipynb").write_bytes(packed(handed_in(lab, answers, f"s{number}")))
    command = [sys.executable, "-m", "labutils", "coursework", "grade", str(lab.path), str(tmp_path / "in")]
    command += ["--to", str(tmp_path / "work"), "--secret", str(tmp_path / "key"), "--jobs", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    done = tmp_path / "work/results"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not done.is_dir() or len(list(done.glob("*.json"))) < 3):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path.name: path.read_bytes() for path in done.glob("[!.]*.json")}
    assert 3 <= len(kept) < 8
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"8 submissions, {len(kept)} done already" in run.stdout
    assert run.stdout.rstrip().endswith("graded: 8")
    assert all((done / name).read_bytes() == content for name, content in kept.items())


def test_a_worker_that_dies_takes_nobody_with_it(
    lab: Lab, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*args: Any) -> dict[str, Any]:
        if args[2] == "moodle 12":
            raise MemoryError("the grader's own")
        return real(*args)

    real = batch.grade
    monkeypatch.setattr(batch, "grade", failing)
    found = batch.grade_all(lab, collect(folder, "tiny.ipynb"), tmp_path, SECRET, sandbox())
    by_name = {result["name"]: result for result in found.values()}
    assert by_name["Ben Jones"]["status"] == "grader failed"
    assert by_name["Anna Smith"]["status"] == "graded"
    monkeypatch.undo()
    told: list[str] = []
    found = batch.grade_all(lab, collect(folder, "tiny.ipynb"), tmp_path, SECRET, sandbox(), tell=told.append)
    assert {result["name"]: result["status"] for result in found.values()}["Ben Jones"] == "graded"
    assert told[0] == "6 submissions, 4 done already, 1 without a notebook, 1 to grade"


def test_a_scheduler_of_dask_gets_the_same_function(
    lab: Lab, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Done:
        def __init__(self, value: Any) -> None:
            self.result = lambda: value

    class Client:
        def __init__(self, address: str) -> None:
            assert address == "tcp://somewhere:8786"

        def __enter__(self) -> Client:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def submit(self, function: Any, task: Any, **_: Any) -> Done:
            return Done(function(task))

    fake = ModuleType("distributed")
    fake.Client, fake.as_completed = Client, iter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "distributed", fake)
    submissions = collect(folder, "tiny.ipynb")
    found = batch.grade_all(lab, submissions, tmp_path, SECRET, sandbox(), scheduler="tcp://somewhere:8786")
    assert sorted(result["points"] for result in found.values()) == [0, 0, 0, 6, 10, 10]
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(batch.BatchError, match="pip install distributed"):
        batch.grade_all(lab, submissions, tmp_path / "other", SECRET, sandbox(), scheduler="tcp://x:1")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("preload", [(), ("numpy",)], ids=["fresh", "preloaded"])
def test_a_cluster_of_dask_if_it_is_installed(
    lab: Lab, folder: Path, tmp_path: Path, preload: tuple[str, ...]
) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed, and the book needs none")
    where, submissions = replace(sandbox(), preload=preload), collect(folder, "tiny.ipynb")
    settings = {"n_workers": 2, "threads_per_worker": 2, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster:
        address = cluster.scheduler_address
        found = batch.grade_all(lab, submissions, tmp_path, SECRET, where, scheduler=address)
    assert sorted(result["points"] for result in found.values()) == [0, 0, 0, 6, 10, 10]
    assert all(result["status"] != "grader failed" for result in found.values())


def test_refuses_without_a_sandbox(
    lab: Lab, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    command = ["grade", str(lab.path), str(folder), "--to", str(tmp_path), "--secret", str(tmp_path / "key")]
    result = CliRunner().invoke(main, ["coursework", *command])
    assert result.exit_code == 1
    assert "no sandbox works here" in result.output
    assert "bubblewrap: it is not installed; docker: it is not installed" in result.output


@pytest.mark.parametrize(
    "name", ["release", "check", "grade", "report", "export gradescope", "export nbgrader"]
)
def test_help_shows_an_example(name: str) -> None:
    output = CliRunner().invoke(main, ["coursework", *name.split(), "--help"]).output
    assert f"Example: labutils coursework {name} " in " ".join(output.split())
