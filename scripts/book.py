"""Build the site into _build/html from the stored outputs; warnings are errors. `make book` runs this."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


def pages_of_toc(root: Path) -> list[str]:
    """Return the pages of the site in the order of _toc.yml, without suffix; book/index is its `index`."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))

    def walk(entry: dict[str, object]) -> list[str]:
        found = [str(entry[key]) for key in ("root", "file") if key in entry]
        for key in ("parts", "chapters", "sections"):
            below = entry.get(key) or []
            if isinstance(below, list):
                found += [page for item in below for page in walk(item)]
        return found

    pages = walk(toc)
    return ["index" if page == pages[0] and page.endswith("/index") else page for page in pages]


def build(root: Path) -> Path:
    """Build the site of the book in `root` and return its folder; raises RuntimeError if that fails."""
    site = root / "_build" / "html"
    shutil.rmtree(site, ignore_errors=True)  # no page of an earlier table of contents stays behind
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command = [*jupyter_book, "build", str(root), "--warningiserror", "--keep-going", "--quiet"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{done.stdout}\nThe site was not built: see the warnings above.")
    wanted = pages_of_toc(root)
    missing = [page for page in wanted if not (site / f"{page}.html").is_file()]
    if missing or not wanted:
        raise RuntimeError(f"The site lacks pages of _toc.yml: {', '.join(missing) or 'it lists none'}.")
    return site


def main() -> int:
    """Build the site, say how long it took and where to open it."""
    began = time.perf_counter()
    try:
        site = build(ROOT)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{len(pages_of_toc(ROOT))} pages in {time.perf_counter() - began:.0f} s. Open {site / 'index.html'}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
