"""Open the notebooks in JupyterLab. `make lab` runs this; what stands behind it goes to JupyterLab.

JupyterLab hides the stored drawings of notebooks that it does not know, so they are made known to it first.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def main(arguments: list[str]) -> int:
    """Trust the book's notebooks and start JupyterLab in their folder; return what it returns."""
    jupyter = [sys.executable, "-m", "jupyter"]
    files = [str(path) for path in sorted(NOTEBOOKS.glob("*/*.ipynb"))]
    subprocess.run([*jupyter, "trust", *files], stdout=subprocess.DEVNULL, check=False)
    return subprocess.run([*jupyter, "lab", str(NOTEBOOKS), *arguments], check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # how JupyterLab is ended
        sys.exit(0)
