"""Try the book with the newest libraries, in an environment of its own. `make newest` runs this.

Loosens the direct pins of requirements.txt (`==1.2` becomes `>=1.2`), except those whose comment begins
with "stays:", drops the pins of what they bring, installs the result and runs the stages of `make test`,
one by one. What changed and what broke is then in _build/newest/report.md. The pins themselves are left as
they are. Needs Python 3.11 or newer with pip and venv, and no package.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from issue import fenced, publish_summary, table, tail
from lock import FILE, LINE, ROOT, normal

FOLDER = ROOT / "_build" / "newest"
STAGES = ("lint", "types", "tests", "notebooks", "elsewhere")
PIN = re.compile(r"^([\w.-]+)==([^\s;#]+)\s*(;[^#]*)?(?:#\s*(.*))?$")


@dataclass(frozen=True)
class Pin:
    """A line of requirements.txt; `stays` is why its version is not to be changed, or empty."""

    name: str
    version: str
    marker: str
    stays: str


@dataclass(frozen=True)
class Result:
    """How one stage went, with the end of what it printed."""

    name: str
    passed: bool
    seconds: float
    end: str


def read_pins(text: str) -> list[Pin]:
    """Return the pins of a text in the form of requirements.txt."""
    pins = []
    for line in text.splitlines():
        if found := PIN.match(line):
            why = re.match(r"stays:\s*(.+)", found[4] or "")
            pins.append(Pin(found[1], found[2], (found[3] or "").strip(), why[1] if why else ""))
    return pins


def loosen(pins: Iterable[Pin], keep: Iterable[str] = ()) -> str:
    """Return requirements for the newest of every package, but for those that stay and those in `keep`."""
    kept = {normal(name) for name in keep}
    lines = []
    for pin in pins:
        operator = "==" if pin.stays or normal(pin.name) in kept else ">="
        lines.append(f"{pin.name}{operator}{pin.version} {pin.marker}".rstrip())
    return "\n".join(lines) + "\n"


def changes(pinned: Iterable[Pin], installed: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return (package, pinned, installed) for each package whose version differs; "–" stands for none."""
    old = {normal(pin.name): pin.version for pin in pinned}
    new = {normal(name): version.partition("+")[0] for name, version in installed.items()}
    ours = {"pip", "labutils"}
    # What is pinned and not installed may be meant for other systems: said, since it may also be gone.
    return [
        (name, old.get(name, "–"), new.get(name, "–"))
        for name in sorted((old.keys() | new.keys()) - ours)
        if old.get(name) != new.get(name)
    ]


def run(name: str, *commands: list[str]) -> Result:
    """Run commands one after the other, showing and keeping what they print; stop at the first that fails."""
    began, lines, code = time.perf_counter(), [], 0
    print(f"\n=== {name}", flush=True)
    for command in commands:
        with subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                lines.append(line)
        code = code or process.returncode
        if code:
            break
    return Result(name, code == 0, time.perf_counter() - began, tail("".join(lines)))


def installed_by(python: str) -> dict[str, str]:
    """Return what `python`'s environment holds: package and version."""
    command = [python, "-m", "pip", "--disable-pip-version-check", "list", "--format=json"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {item["name"]: item["version"] for item in json.loads(listed)}


def report(
    results: list[Result], direct: list[Pin], brought: list[Pin], installed: dict[str, str], keep: list[str]
) -> str:
    """Return the report in Markdown: what broke, what changed, how each broken stage ended, what stays."""
    broken = [result.name for result in results if not result.passed]
    verdict = f"The newest libraries break: {', '.join(broken)}." if broken else "The newest libraries pass."
    system = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    rows = [(r.name, "passed" if r.passed else "FAILED", f"{r.seconds:.0f}") for r in results]
    parts = [f"**{verdict}** {system}.", table(("stage", "result", "seconds"), rows)]
    if installed:
        named = {normal(pin.name) for pin in direct}
        changed = changes([*direct, *brought], installed)
        ours, others = ([c for c in changed if (c[0] in named) == mine] for mine in (True, False))
        head = ("package", "pinned", "newest")
        parts.append(f"### What changed: {len(ours)} of the book's own packages")
        if ours:
            parts.append(table(head, ours))
        if others:
            parts.append(
                f"<details><summary>and {len(others)} of those that they bring</summary>\n\n"
                f"{table(head, others)}\n\n</details>"
            )
    parts += [f"### How *{r.name}* ended\n\n{fenced(r.end)}" for r in results if not r.passed]
    stay = [(pin.name, pin.version, pin.stays) for pin in direct if pin.stays]
    stay += [(name, "", "kept by hand in this run") for name in keep]
    if stay:
        parts.append("### What stays\n\n" + table(("package", "version", "why"), stay))
    parts.append("The same on your machine: `make newest`. To take it over: requirements.txt, `make lock`.")
    return "\n\n".join(parts) + "\n"


def attempt(python: str, wanted: Path, stages: list[str]) -> list[Result]:
    """Install `wanted` and the book, then run the stages; without an installation there are none to run."""
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    quiet = ["--progress-bar=off", "--no-input"]
    install = run(
        "install",
        [*pip, "install", *quiet, "--requirement", str(wanted)],
        [*pip, "install", *quiet, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)],
        [*pip, "check"],
    )
    if not install.passed:
        return [install]
    return [
        install,
        *(run(stage, [python, "scripts/test.py", stage, "--all", "--no-record"]) for stage in stages),
    ]


def main() -> int:
    """Install, test, report; the exit code is 1 if something broke."""
    parser = argparse.ArgumentParser(description="Try the book with the newest libraries.")
    parser.add_argument("stages", nargs="*", help=f"of {', '.join(STAGES)}; all of them if none is given")
    parser.add_argument("--keep", action="append", default=[], metavar="PACKAGE", help="leave at its pin")
    options = parser.parse_args()
    if unknown := [stage for stage in options.stages if stage not in STAGES]:
        parser.error(f"no stage {', '.join(unknown)}; there are {', '.join(STAGES)}")
    first, _, second = FILE.read_text(encoding="utf-8").partition(LINE)
    direct, brought = read_pins(first), read_pins(second)
    names = {normal(pin.name) for pin in direct}
    if unknown := [name for name in options.keep if normal(name) not in names]:
        parser.error(f"requirements.txt does not pin {', '.join(unknown)} itself")
    environment = FOLDER / "env"
    shutil.rmtree(FOLDER, ignore_errors=True)  # what an earlier run installed is not the newest any more
    FOLDER.mkdir(parents=True)
    wanted = FOLDER / "requirements.txt"
    wanted.write_text(loosen(direct, options.keep), encoding="utf-8")
    venv.create(environment, with_pip=True)
    python = str(environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))
    results = attempt(python, wanted, options.stages or list(STAGES))
    installed = installed_by(python) if results[0].passed else {}
    text = report(results, direct, brought, installed, options.keep)
    (FOLDER / "report.md").write_text(text, encoding="utf-8")
    publish_summary(text)
    print(f"\n{text}\nThis report is in {FOLDER / 'report.md'}")
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
