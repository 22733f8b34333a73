"""Run every check of the book, stage by stage, and close with a table of them. `make test` runs this.

python scripts/test.py [STAGE ...]      without names: all stages
  --all          the second run of all chapters and pages, not only of what has changed and a sample
  --part NAME    only the chapters of one part (notebooks/NAME) in the stages that run notebooks

Each notebook runs as stored, always. What takes as long again (the run elsewhere, a chapter's own tests, each
page in a browser) is done for what has changed since it last passed, by the keys in tests/verified.json, and
for a sample of the rest that changes with the commit. What passes is written down there: commit that file
with the change.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import book
import costs
import keys

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "_build" / "tests"
CORES = os.cpu_count() or 1
PYTEST = ("-m", "pytest", "--color=yes" if sys.stdout.isatty() else "--color=no", "-q", "-n", str(CORES))
COLAB = "tests/repository/test_colab.py"  # makes an environment of its own
NBVAL = ("--nbval", "--nbval-sanitize-with", "tests/support/nbval.cfg", "--dist", "loadscope")
# Pages whose form is the site's, not a chapter's: looked at each time.
SHELL = ("index", "search", "genindex", "404")


@dataclass(frozen=True)
class Plan:
    """What of the book is checked in this run: chapters by their names, pages by their addresses."""

    chapters: list[str]  # as in "probability"
    elsewhere: list[str]
    pages: list[str]
    keys: dict[str, str] = field(repr=False)  # of chapters, as they are now
    page_keys: dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class Stage:
    """One step of the checks: what it shows, and the commands that it runs under a plan."""

    name: str
    shows: str
    arguments: Callable[[Plan], tuple[tuple[str, ...], ...]]


def notebook(chapter: str) -> str:
    """Return the path of a chapter's notebook, from the repository's folder."""
    [path] = (ROOT / "notebooks").rglob(f"{chapter}.ipynb")
    return path.relative_to(ROOT).as_posix()


STAGES = (
    Stage(
        "lint",
        "style (ruff)",
        lambda _: (("-m", "ruff", "check", "."), ("-m", "ruff", "format", "--check", ".")),
    ),
    Stage("types", "types (mypy)", lambda _: (("-m", "mypy"),)),
    Stage(
        "tests",
        "labutils, notebooks' form, site, browser",
        lambda _: ((*PYTEST, "--dist", "loadgroup", "tests", "--ignore", COLAB),),
    ),
    Stage(
        "notebooks",
        "notebooks print what is stored",
        lambda plan: ((*PYTEST, *NBVAL, *map(notebook, plan.chapters)),),
    ),
    Stage(
        "elsewhere",
        "each notebook alone, with Colab's libraries, on an old processor",
        lambda _: ((*PYTEST, "--dist", "load", COLAB),),
    ),
)


def plan(*, everything: bool = False, part: str | None = None) -> Plan:
    """Decide what is checked. SystemExit for a part that does not exist."""
    pages = [page for page in book.pages_of_toc(ROOT) if page != "index"]
    paths = {Path(page).name: page for page in pages if page.startswith("notebooks/")}
    parts = sorted({page.split("/")[1] for page in paths.values()})
    if part and part not in parts:
        raise SystemExit(f"No part {part}; there are {', '.join(parts)}.")
    chapters = [name for name, page in paths.items() if part in (None, page.split("/")[1])]
    now = {name: keys.key(ROOT / f"{paths[name]}.ipynb") for name in chapters}
    files = {page: next(ROOT.glob(f"{page}.*")) for page in pages}
    looks = {page: keys.page_key(file) for page, file in files.items()}
    verified, turn = keys.Verified(), _turn()
    elsewhere = verified.due("notebooks", now) + verified.sample("notebooks", now, turn)
    looked_at = verified.due("pages", looks) + verified.sample("pages", looks, turn)
    return Plan(
        chapters,
        chapters if everything else sorted(elsewhere),
        [*SHELL, *(pages if everything else sorted(looked_at))],
        now,
        looks,
    )


def _turn() -> str:
    """What chooses the sample: the commit. Each tries others, and the same commit the same ones."""
    git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    return done.stdout.strip() or time.strftime("%Y-%m-%d")


def run(stage: Stage, planned: Plan) -> int:
    """Run one stage with its output going straight through; return the first exit code that is not zero."""
    chosen = {"BOOK_CHAPTERS": " ".join(planned.elsewhere), "BOOK_PAGES": " ".join(planned.pages)}
    codes = []
    for arguments in stage.arguments(planned):
        if "pytest" in arguments:
            arguments = (*arguments, f"--junitxml={REPORTS / stage.name}.xml")
        command = [sys.executable, *arguments]
        codes.append(subprocess.run(command, cwd=ROOT, env=os.environ | chosen, check=False).returncode)
    return next((code for code in codes if code), 0)


def record(planned: Plan, reports: dict[str, list[costs.Case]]) -> None:
    """Write down which chapters and pages passed their second run."""
    verified = keys.Verified()
    alone = "test_notebook_alone_prints_what_is_stored[{}]"
    chapters = {}
    for name in planned.elsewhere:
        ran = [case for case in reports.get("elsewhere", []) if case.name.endswith(alone.format(name))]
        own = [case for case in reports.get("tests", []) if f".test_{name}::" in case.name]
        if ran and own and all(case.passed for case in [*ran, *own]):
            chapters[name] = planned.keys[name]
    looked_at = [case for case in reports.get("tests", []) if "/site/" in case.name.replace(".", "/")]
    pages = {}
    for page in planned.pages:
        cases = [case for case in looked_at if f"[{page}]" in case.name]
        if page in planned.page_keys and len(cases) > 1 and all(case.passed for case in cases):
            pages[page] = planned.page_keys[page]
    if chapters or pages:
        all_chapters = [Path(page).name for page in planned.page_keys if page.startswith("notebooks/")]
        verified.record("notebooks", chapters, all_chapters)
        verified.record("pages", pages, planned.page_keys)


def main(arguments: list[str]) -> int:
    """Run the stages that are named, all of them without names; the exit code is 1 if one failed."""
    known = [stage.name for stage in STAGES]
    parser = argparse.ArgumentParser(prog="scripts/test.py", description="Check the book.")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(known))
    parser.add_argument("--all", action="store_true", help="also what has passed before")
    parser.add_argument("--part", help="only the chapters of one part")
    parser.add_argument("--no-record", action="store_true", help="leave tests/verified.json as it is")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.stages if name not in known]:
        print(f"No stage {', '.join(unknown)}; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    planned = plan(everything=options.all, part=options.part)
    print(
        f"As stored: {len(planned.chapters)} chapters. Elsewhere: {', '.join(planned.elsewhere) or 'none'}."
    )
    rows, reports = [], {}
    for stage in STAGES:
        if not options.stages or stage.name in options.stages:
            print(f"\n=== {stage.name}: {stage.shows}", flush=True)
            began = time.perf_counter()
            (REPORTS / f"{stage.name}.xml").unlink(missing_ok=True)
            code = run(stage, planned)
            rows.append((stage, code, time.perf_counter() - began))
            reports[stage.name] = costs.read(REPORTS / f"{stage.name}.xml")
    if not options.no_record:
        record(planned, reports)
    summary(rows, reports, planned)
    return 1 if any(code for _, code, _ in rows) else 0


def summary(
    rows: list[tuple[Stage, int, float]], reports: dict[str, list[costs.Case]], planned: Plan
) -> None:
    """Print what each chapter cost, what the whole book would, and how each stage ended."""
    walls = {stage.name: seconds for stage, _, seconds in rows}
    timed = [name for name in ("tests", "notebooks", "elsewhere") if reports.get(name)]
    if timed:
        table = {name: costs.by_chapter(reports[name], planned.chapters) for name in timed}
        print(f"\n{'seconds of':<22}" + "".join(f"{name:>11}" for name in timed))
        for chapter in [*planned.chapters, None]:
            spent = "".join(f"{table[name].get(chapter, 0):>11.0f}" for name in timed)
            print(f"{chapter or 'no chapter':<22}{spent}")
        minutes = costs.predict(walls, reports, planned.chapters) / 60
        if len(walls) == len(STAGES):
            print(
                f"Predicted for {costs.PLANNED} chapters and labs, {costs.CHANGED} of them changed, on a "
                f"machine as busy as this one was: {minutes:.0f} min."
            )
    print(f"\n{'stage':<10} {'result':<8} {'seconds':>8}  what it shows")
    for stage, code, seconds in rows:
        print(f"{stage.name:<10} {'FAILED' if code else 'passed':<8} {seconds:>8.1f}  {stage.shows}")
    failed = sum(1 for _, code, _ in rows if code)
    print(f"{len(rows) - failed} of {len(rows)} stages passed in {sum(walls.values()):.0f} s.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
