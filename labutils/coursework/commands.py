"""`labutils coursework`: release, check, grade, report and export."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from labutils.coursework import export as exports
from labutils.coursework import pages, report
from labutils.coursework.batch import BatchError, grade_all, results
from labutils.coursework.draws import read_secret
from labutils.coursework.intake import IntakeError, collect
from labutils.coursework.lab import Lab, LabError, load
from labutils.coursework.notebook import NotebookError
from labutils.coursework.probing import probe
from labutils.coursework.release import ReleaseError, prove, write
from labutils.coursework.release import release as released
from labutils.coursework.sandbox import Sandbox, SandboxError
from labutils.coursework.selfcheck import look, run

__all__ = ["coursework"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_FAULTS = (
    LabError,
    NotebookError,
    SandboxError,
    ReleaseError,
    IntakeError,
    BatchError,
    report.ReportError,
    ValueError,
)


@click.group()
def coursework() -> None:
    """Labs: release, self-check, grade, report, export.

    Exit status: 0 where all is well, 1 where something is wrong and said, 2 for a wrong command line.
    """


def _lab(path: Path) -> Lab:
    try:
        return load(path)
    except _FAULTS as error:
        raise click.ClickException(str(error)) from error


def _probed(kind: str | None, image: str, data: Path | None, unsafe: bool) -> Sandbox:
    where = str(data.resolve()) if data else None
    return probe(unsafe=unsafe, kind=kind or "", image=image, data=where)


def _sandboxed(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that runs code."""
    options = [
        click.option(
            "--sandbox",
            "kind",
            type=click.Choice(["bubblewrap", "docker"]),
            help="Which; by default, what works.",
        ),
        click.option("--image", default="", help="The Docker image, with labutils in it."),
        click.option(
            "--data",
            type=_FOLDER,
            help="Data sets that students' code may read; by default, your cache of `labutils data`.",
        ),
        click.option(
            "--unsafe",
            is_flag=True,
            help="Without a sandbox: students' code runs as you. Said in the report.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@coursework.command(epilog="Example: labutils coursework release notebooks/labs/attention.ipynb --to handout")
@click.argument("master", type=_FILE)
@click.option("--to", "folder", type=_FOLDER, required=True, help="Where the release goes.")
@_sandboxed
def release(
    master: Path, folder: Path, kind: str | None, image: str, data: Path | None, unsafe: bool
) -> None:
    """Make what students get from a master, after proving that it gives nothing away."""
    lab = _lab(master)
    try:
        sandbox = _probed(kind, image, data, unsafe)
        content = released(lab)
        click.echo(
            f"{lab.title}: {len(lab.questions)} questions, {lab.points:g} points. Proving the release …"
        )
        for line in prove(lab, content, sandbox):
            click.echo(f"proved: {line}")
        for path in write(content, lab, folder):
            click.echo(f"written: {path}")
    except _FAULTS as error:
        raise click.ClickException(f"not released: {error}") from error


@coursework.command(epilog="Example: labutils coursework check attention.ipynb --run")
@click.argument("notebook", type=_FILE)
@click.option("--run", "running", is_flag=True, help="Run the notebook from the top, and its public checks.")
def check(notebook: Path, running: bool) -> None:
    """Before you hand in: which questions of NOTEBOOK are answered, and what its public checks say."""
    try:
        lines, still_open = look(notebook)
        if running:
            more, failing = run(notebook)
            lines, still_open = lines + more, still_open + failing
    except _FAULTS as error:
        raise click.ClickException(f"{notebook.name} cannot be handed in: {error}") from error
    for line in lines:
        click.echo(line)
    if still_open:
        raise click.ClickException(f"{still_open} still to do")
    click.echo("nothing is open: hand in this file")


def _roster(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"student", "id"} <= set(rows[0]):
        raise click.BadParameter(f"{path} needs the columns student and id")
    return {row["student"]: row["id"] for row in rows}


@coursework.command(
    epilog="Example: labutils coursework grade attention.ipynb submissions.zip --to graded --secret key.txt"
)
@click.argument("master", type=_FILE)
@click.argument("submissions", type=click.Path(exists=True, path_type=Path))
@click.option("--to", "work", type=_FOLDER, required=True, help="Where results go; run again to resume.")
@click.option(
    "--secret",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Inputs are drawn from this file; made if there is none.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    show_default=True,
    help="Submissions at a time.",
)
@click.option("--scheduler", default="", help="Address of a Dask scheduler, in place of --jobs.")
@click.option(
    "--preload",
    multiple=True,
    metavar="MODULE",
    help="Load it once, not once a submission; code cannot write files then.",
)
@click.option("--roster", type=_FILE, help="CSV with student and id: whose data are whose.")
@_sandboxed
def grade(
    master: Path,
    submissions: Path,
    work: Path,
    secret: Path,
    jobs: int,
    scheduler: str,
    roster: Path | None,
    preload: tuple[str, ...],
    kind: str | None,
    image: str,
    data: Path | None,
    unsafe: bool,
) -> None:
    """Grade SUBMISSIONS: a folder, a zip from Canvas or Moodle, or a CSV file of repositories."""
    lab = _lab(master)
    try:
        sandbox = _probed(kind, image, data, unsafe)
        sandbox = replace(sandbox, preload=preload)
        click.echo(f"sandbox: {sandbox.note}")
        found = grade_all(
            lab,
            collect(submissions, lab.path.name),
            work,
            read_secret(secret),
            sandbox,
            jobs=jobs,
            scheduler=scheduler,
            roster=_roster(roster),
            tell=click.echo,
        )
    except _FAULTS as error:
        raise click.ClickException(str(error)) from error
    click.echo("; ".join(report.tally(found)))
    if failed := sum(result["status"] == "grader failed" for result in found.values()):
        raise click.ClickException(
            f"{failed} could not be graded, through no fault of theirs: run this again"
        )


@coursework.command(
    "report",
    epilog="Example: labutils coursework report attention.ipynb graded --secret key.txt",
)
@click.argument("master", type=_FILE)
@click.argument("work", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--secret", type=_FILE, required=True, help="Shuffles the texts that are graded by hand.")
@click.option("--by-hand", "hand", type=_FILE, help="What the page by_hand.html saved.")
@click.option("--canvas", type=_FILE, help="Canvas's exported gradebook, to be filled in.")
@click.option("--moodle", type=_FILE, help="Moodle's grading worksheet, to be filled in.")
def report_(
    master: Path, work: Path, secret: Path, hand: Path | None, canvas: Path | None, moodle: Path | None
) -> None:
    """Write grades, files for Canvas and Moodle, feedback pages, and the page for grading by hand."""
    lab = _lab(master)
    try:
        found = results(work)
        if hand:
            found = report.with_hand(found, report.read_rows(hand))
        files = {"grades.csv": report.BOM + report.grades(found)}
        files["by_hand.html"] = pages.by_hand(lab, found, read_secret(secret))
        for name, table, own in (("canvas", canvas, lab.title), ("moodle", moodle, "")):
            if table or any(name in result["ids"] for result in found.values()):
                rows = report.read_rows(table) if table else None
                text, without = (
                    report.canvas(found, own, rows) if name == "canvas" else report.moodle(found, rows)
                )
                files[f"{name}.csv"] = text
                if without:
                    click.echo(f"{name}: no submission from {', '.join(without)}")
    except _FAULTS as error:
        raise click.ClickException(str(error)) from error
    for name, text in files.items():
        (work / name).write_text(text, encoding="utf-8")
        click.echo(f"written: {work / name}")
    folder = work / "feedback"
    folder.mkdir(exist_ok=True)
    for key, result in found.items():
        (folder / f"{key}.html").write_text(pages.feedback(lab.title, result), encoding="utf-8")
    click.echo(f"written: {len(found)} pages in {folder}")
    if any("moodle" in result["ids"] for result in found.values()):
        (work / "moodle_feedback.zip").write_bytes(pages.for_moodle(lab.title, found))
        click.echo(f"written: {work / 'moodle_feedback.zip'}")
    click.echo("; ".join(report.tally(found)))
    if waiting := report.open_by_hand(found):
        click.echo(f"texts that wait for a reader: {waiting}. Open {work / 'by_hand.html'}")


@coursework.group()
def export() -> None:
    """For other graders: Gradescope's results, nbgrader's metadata."""


@export.command(epilog="Example: labutils coursework export gradescope graded --to gradescope")
@click.argument("work", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--to", "folder", type=_FOLDER, required=True, help="One folder a student goes here.")
def gradescope(work: Path, folder: Path) -> None:
    """Write a results.json a student."""
    try:
        found = results(work)
    except _FAULTS as error:
        raise click.ClickException(str(error)) from error
    for key, result in found.items():
        (folder / key).mkdir(parents=True, exist_ok=True)
        text = json.dumps(exports.gradescope(result), indent=1, ensure_ascii=False)
        (folder / key / "results.json").write_text(text + "\n", encoding="utf-8")
    click.echo(f"written: {len(found)} results.json in {folder}")


@export.command(
    epilog="Example: labutils coursework export nbgrader notebooks/labs/attention.ipynb --to source.ipynb"
)
@click.argument("master", type=_FILE)
@click.option(
    "--to", "file", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The notebook."
)
def nbgrader(master: Path, file: Path) -> None:
    """Write the master as nbgrader's source version."""
    file.write_bytes(exports.nbgrader(_lab(master)))
    click.echo(f"written: {file}")


if __name__ == "__main__":
    sys.exit(coursework(prog_name="labutils coursework"))
