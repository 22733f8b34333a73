"""Carry what is written in one place to every other: the addresses, the citations' words, what is folded.

`make repository` runs this. It takes the repository's address and branch and the site's address from
_config.yml, and what citations say from book/references.bib (see book/_ext/bibliography.py). To publish a
release, set `repository.branch` in _config.yml to its tag first: the set-up cells of that release's notebooks
then install that release's labutils, whatever comes after it.
"""

from __future__ import annotations

import copy
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import yaml

import execute
import keys

sys.path.append(str(Path(__file__).resolve().parents[1] / "book/_ext"))
import addresses
import bibliography

ROOT = Path(__file__).resolve().parent.parent
# Outside Colab the cell installs nothing. In Colab, pip leaves alone what is there (see pyproject.toml), and
# a second run, after a restart for instance, changes nothing. Where the installation fails, the shell's `||`
# says so before the import does: Colab's advice at that is to install the package of that name, not ours.
SETUP = """\
import sys
if "google.colab" in sys.modules:
    %pip install -q "labutils[notebooks] @ git+{url}@{branch}" || echo "{failure}"
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
    """Where the book's repository and site are, and which branch or tag the book refers to."""

    url: str
    branch: str
    site: str

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
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    url, branch = str(config["repository"]["url"]).rstrip("/"), str(config["repository"]["branch"])
    return Repository(url, branch, addresses.site_address(url, config.get("html", {}).get("baseurl", "")))


def works(root: Path) -> dict[str, bibliography.Work]:
    """Return what the book can cite, by key."""
    return bibliography.works(bibliography.load(root))


def carry(root: Path) -> list[Path]:
    """Write all of it everywhere and return the files that have changed."""
    repository, known = read(root), works(root)
    changed = []
    for path in sorted({root / name for name in PLACES} | set((root / "book").glob("*.md"))):
        if path.exists():
            old = new = path.read_text(encoding="utf-8")
            for pattern, template in PLACES.get(path.relative_to(root).as_posix(), ()):
                new = re.sub(pattern, r"\g<1>" + repository.fill(template).replace("\\", r"\\"), new)
            if path.suffix == ".md":
                new = bibliography.write(new, known, repository.site)
            if new != old:
                path.write_text(new, encoding="utf-8")
                changed.append(path)
    notebooks = [path for path in (root / "notebooks").rglob("*.ipynb") if path.parent.name[0] != "."]
    return changed + [path for path in sorted(notebooks) if carry_into_notebook(path, repository, known)]


def carry_into_notebook(path: Path, repository: Repository, known: dict[str, bibliography.Work]) -> bool:
    """Write set-up cell, citations and folds. The outputs are still those of the code, where they were:
    only Colab runs the line that changes, and a citation that a cell shows changes in its output, too.
    """
    notebook = nbformat.read(path, as_version=4)
    before = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.get("id") == "setup":
            cell.source = repository.setup
        apart = bibliography.APART_IN_CODE if cell.cell_type == "code" else bibliography.APART
        cell.source = bibliography.write(cell.source, known, repository.site, apart)
        for output in cell.get("outputs", ()):
            for part in ("data", "text"):
                if part in output:
                    output[part] = bibliography.write_all(output[part], known, repository.site)
    execute.fold(notebook)
    if notebook == before:
        return False
    was_true = not execute.needs_run(path)
    nbformat.write(notebook, path)
    if was_true and execute.code_hash(notebook) != execute.code_hash(before):
        mark_as_run(path, notebook)
    return True


def mark_as_run(path: Path, notebook: Any) -> None:
    """Note that the outputs belong to the code as it is now."""
    notebook.metadata["labutils"]["code_sha256"] = execute.code_hash(notebook)
    notebook.metadata["labutils"]["reached_sha256"] = keys.code_key(path)
    nbformat.write(notebook, path)


def main() -> int:
    """Carry all of it and say which files had to be changed."""
    changed = carry(ROOT)
    repository = read(ROOT)
    print(
        f"{repository.url}, {repository.branch}: "
        + (", ".join(str(path.relative_to(ROOT)) for path in changed) or "nothing to change")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
