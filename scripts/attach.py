"""Attach a file to a release on GitHub, in place of one of that name that is there already.

python scripts/attach.py FILE      the workflow of releases runs this; TAG says which release

Needs `gh` and Python, nothing else: the job that may write runs no packages that others wrote.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import issue

NAME = re.compile(r"[\w.][\w./+-]*")  # of a tag: nothing that `gh` could take for an option


def main(arguments: list[str]) -> int:
    """Say what was attached, and to which release."""
    tag = os.environ.get("TAG", "")
    if len(arguments) != 1 or not NAME.fullmatch(tag):
        print("usage: TAG=v1.0 python scripts/attach.py FILE", file=sys.stderr)
        return 2
    file = Path(arguments[0])
    if not file.is_file():
        print(f"{file} is not there: nothing was attached.", file=sys.stderr)
        return 1
    issue.gh("release", "upload", tag, str(file), "--clobber")
    print(f"Attached {file.name} to the release {tag}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
