"""Carry the repository's address from _config.yml to every other place. `make repository` runs this."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parent.parent
SETUP = """\
import sys
if "google.colab" in sys.modules:
    %pip install -q "labutils @ git+{address}"
import labutils
labutils.start()"""
# In each file, what stands before the address.
PLACES = {
    "pyproject.toml": r'(Repository = ")[^"]*',
    "CITATION.cff": r"((?:repository-code|  url): )\S*",
    "book/use.md": r"(git clone )https?://\S*",
    "book/index.md": r"(url += \{)[^}]*",
}


def address(root: Path) -> str:
    """Return the repository's address as _config.yml has it."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return str(config["repository"]["url"]).rstrip("/")


def carry(root: Path) -> list[Path]:
    """Write the address everywhere and return the files that have changed."""
    url = address(root)
    changed = []
    for name, pattern in PLACES.items():
        path = root / name
        if path.exists():
            old = path.read_text(encoding="utf-8")
            new = re.sub(pattern, lambda found: found[1] + url, old)
            if new != old:
                path.write_text(new, encoding="utf-8")
                changed.append(path)
    for path in sorted((root / "notebooks").rglob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.get("id") == "setup" and cell.source != SETUP.format(address=url):
                cell.source = SETUP.format(address=url)
                nbformat.write(notebook, path)
                changed.append(path)
    return changed


def main() -> int:
    """Carry the address and say where it had to be changed."""
    changed = carry(ROOT)
    print(
        f"{address(ROOT)}: "
        + (", ".join(str(path.relative_to(ROOT)) for path in changed) or "nothing to change")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
