"""Keep one open issue about what is broken: open it, comment on it, close it when all is well again.

python scripts/issue.py TITLE REPORT      the scheduled workflows run this; RESULT says how the check went

The report was written by a job that ran other people's code, so it is data: it goes to `gh` as a file, never
through a shell, and only after it was cut to what an issue can hold. Needs `gh` and Python, nothing else.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

LONGEST = 60_000  # characters; GitHub takes 65,536 in the body of an issue
UNPRINTABLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\S\n\t ]|[\x00-\x08\x0e-\x1f\x7f]")


def fenced(text: str) -> str:
    """Return `text` as a block of code that nothing in it can end."""
    text = UNPRINTABLE.sub("", text).strip("\n")
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def tail(text: str, lines: int = 60, characters: int = 8_000) -> str:
    """Return the last lines of `text`, in whole lines if the last of them is not endless."""
    end = "\n".join(text.rstrip().splitlines()[-lines:])
    if len(end) <= characters:
        return end
    end = end[-characters:]
    return end.partition("\n")[2] or end


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table whose cells hold what they are given and nothing that ends a cell."""

    def line(cells: tuple[str, ...]) -> str:
        safe = (re.sub(r"([\\`*_{}\[\]<>|@#~])", r"\\\1", UNPRINTABLE.sub("", cell)) for cell in cells)
        return "| " + " | ".join(" ".join(cell.split()) for cell in safe) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])


def publish_summary(report: str) -> None:
    """Show `report` on the page of the workflow's run, where there is one."""
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(report + "\n")


def gh(*arguments: str) -> str:
    """Run GitHub's command and return what it prints; raises SystemExit with its complaint if it fails."""
    try:
        done = subprocess.run(["gh", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SystemExit("gh, GitHub's command, is not installed here: no issue was touched.") from None
    if done.returncode:
        raise SystemExit(f"gh {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
    return done.stdout


def open_issue(title: str) -> int | None:
    """Return the number of the open issue of that title that the workflows wrote: the oldest of several."""
    listed = gh(
        "issue",
        "list",
        "--state=open",
        "--app=github-actions",  # an issue of the same title that a reader wrote is the reader's
        "--limit=1000",
        "--json=number,title",
    )
    numbers = [int(issue["number"]) for issue in json.loads(listed) if issue["title"] == title]
    return min(numbers, default=None)


def run_address() -> str:
    """Return where the log of this run is, if it runs on GitHub."""
    parts = [os.environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    return "{}/{}/actions/runs/{}".format(*parts) if all(parts) else "(not on GitHub)"


def deliver(title: str, report: Path, passed: bool) -> str:
    """Do what is due with the issue called `title`, and return in words what that was."""
    number = open_issue(title)
    if passed:
        if number is None:
            return "All is well and no issue is open."
        gh("issue", "close", str(number), f"--comment=All is well again: {run_address()}")
        return f"All is well again: closed issue {number}."
    missing = "The run ended before it wrote a report: its log says why."
    body = report.read_text(encoding="utf-8", errors="replace") if report.is_file() else missing
    if len(body) > LONGEST:
        body = body[:LONGEST] + "\n\n(cut here: the rest is in the log)"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "body.md")
        file.write_text(f"Log of the run: {run_address()}\n\n{body}\n", encoding="utf-8")
        if number is None:
            return f"Opened {gh('issue', 'create', f'--title={title}', f'--body-file={file}').strip()}"
        gh("issue", "comment", str(number), f"--body-file={file}")
        return f"Commented on issue {number}, which is open."


def main(arguments: list[str]) -> int:
    """Say what was done; RESULT in the environment is `success` or anything else."""
    if len(arguments) != 2 or "RESULT" not in os.environ:
        print("usage: RESULT=success|failure python scripts/issue.py TITLE REPORT", file=sys.stderr)
        return 2
    print(deliver(arguments[0], Path(arguments[1]), os.environ["RESULT"] == "success"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
