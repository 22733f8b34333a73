"""Make a folder through which another environment of the same Python sees some of this one's packages.

python tests/support/lend.py FOLDER NAME...     prints what was lent, as pip freeze would

Links only: nothing is copied, and pip does not remove what lies outside its own environment. Uses the
standard library and pip's own copy of `packaging`, so that any environment can run it.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def with_requirements(names: list[str], left_out: set[str]) -> dict[str, Distribution]:
    """Return the distributions of these names and all that they need, less `left_out` and what is absent."""
    found: dict[str, Distribution] = {}
    waiting = [normal(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found or name in left_out:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        for line in found[name].requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(normal(requirement.name))
    return found


def lend(folder: Path, names: list[str], left_out: set[str]) -> dict[str, Distribution]:
    """Link the packages of these names, and all that they need, into `folder`."""
    folder.mkdir(parents=True)
    lent = with_requirements(names, left_out)
    for one in lent.values():
        for top in {file.parts[0] for file in one.files or []} - {"..", "__pycache__"}:
            link = folder / top
            if not link.exists():
                link.symlink_to(Path(str(one.locate_file(top))).resolve())
    return lent


if __name__ == "__main__":
    wanted = [name for name in sys.argv[2:] if not name.startswith("-")]
    unwanted = {normal(name[1:]) for name in sys.argv[2:] if name.startswith("-")}
    for name, one in sorted(lend(Path(sys.argv[1]), wanted, unwanted).items()):
        print(f"{name}=={one.version}")
