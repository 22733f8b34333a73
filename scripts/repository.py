"""Carry the repository's address and branch from _config.yml to every other place.

`make repository` runs this. To publish a release, set `repository.branch` in _config.yml to its tag first:
the set-up cells of that release's notebooks then install that release's labutils, whatever comes after it.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml

import execute

ROOT = Path(__file__).resolve().parent.parent
# Outside Colab the cell installs nothing. In Colab, pip leaves alone what is there (see pyproject.toml), and
# a second run, after a restart for instance, changes nothing. Where the installation fails, the shell's `||`
# says so before the import does: Colab's advice at that is to install the package of that name, not ours.
SETUP = """\
import sys
if "google.colab" in sys.modules:
    %pip install -q "labutils @ git+{url}@{branch}" || echo "{failure}"
import labutils
labutils.start()"""
FAILURE = "labutils is not installed, see above: run this cell again"
# In each file: what stands before an address, the address itself, and what is to stand there.
PLACES = {
    "pyproject.toml": [(r'(Repository = ")[^"]*', "{url}")],
    "CITATION.cff": [(r"((?:repository-code|  url): )\S*", "{url}")],
    "book/use.md": [
        (r"(git clone )https?://\S*", "{url}"),
        (r"(git\+)https?://[^\s\"'@]+@[^\s\"']+", "{url}@{branch}"),
        (r"(git-pull\?repo=)\S+?/tree/[^/\s]+", "{url}&branch={branch}&urlpath=lab/tree/{folder}"),
    ],
    "book/index.md": [(r"(url += \{)[^}]*", "{url}")],
}


@dataclass(frozen=True)
class Repository:
    """Where the book's repository is, and which of its branches or tags the book refers to."""

    url: str
    branch: str

    @property
    def folder(self) -> str:
        """The folder that `git clone` makes."""
        return self.url.rpartition("/")[2].removesuffix(".git")

    @property
    def setup(self) -> str:
        """The first code cell of every notebook."""
        return SETUP.format(url=self.url, branch=self.branch, failure=FAILURE)

    def fill(self, template: str) -> str:
        """Put address, branch and folder into a template."""
        return template.format(url=self.url, branch=self.branch, folder=self.folder)


def read(root: Path) -> Repository:
    """Return the repository that _config.yml names."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]
    return Repository(str(config["url"]).rstrip("/"), str(config["branch"]))


def carry(root: Path) -> list[Path]:
    """Write address and branch everywhere and return the files that have changed."""
    repository = read(root)
    changed = []
    for name, places in PLACES.items():
        path = root / name
        if path.exists():
            old = new = path.read_text(encoding="utf-8")
            for pattern, template in places:
                new = re.sub(pattern, r"\g<1>" + repository.fill(template).replace("\\", r"\\"), new)
            if new != old:
                path.write_text(new, encoding="utf-8")
                changed.append(path)
    notebooks = sorted((root / "notebooks").rglob("*.ipynb"))
    return changed + [path for path in notebooks if carry_into_notebook(path, repository)]


def carry_into_notebook(path: Path, repository: Repository) -> bool:
    """Write the set-up cell. Its outputs are still those of the code: only Colab runs the changed line."""
    notebook = nbformat.read(path, as_version=4)
    up_to_date = not execute.needs_run(path)
    cells = [cell for cell in notebook.cells if cell.get("id") == "setup" and cell.source != repository.setup]
    for cell in cells:
        cell.source = repository.setup
    if cells and up_to_date:
        notebook.metadata["labutils"]["code_sha256"] = execute.code_hash(notebook)
    if cells:
        nbformat.write(notebook, path)
    return bool(cells)


def main() -> int:
    """Carry address and branch and say where they had to be changed."""
    changed = carry(ROOT)
    repository = read(ROOT)
    print(
        f"{repository.url}, {repository.branch}: "
        + (", ".join(str(path.relative_to(ROOT)) for path in changed) or "nothing to change")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
