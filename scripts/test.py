"""Run every check of the book, stage by stage, and close with a table of them. `make test` runs this.

python scripts/test.py [STAGE ...]      without names: all stages
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORES = os.cpu_count() or 1
PYTEST = ("-m", "pytest", "--color=yes" if sys.stdout.isatty() else "--color=no", "-q")
PARALLEL = (*PYTEST, "-n", str(CORES), "--dist")
PAIRS = (*PYTEST, "-n", str(max(1, CORES // 2)), "--dist")  # what runs on two threads needs two cores
COLAB = "tests/repository/test_colab.py"  # makes an environment of its own
APART = ("--ignore", COLAB)
NBVAL = ("loadscope", "--nbval", "notebooks", "--nbval-sanitize-with", "tests/support/nbval.cfg")
ONE_THREAD = {"LABUTILS_THREADS": "1"}


def plain_processor() -> dict[str, str]:
    """Return settings that make the libraries compute as on an old processor, and on one thread."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return ONE_THREAD
    numpy_core = import_module("numpy._core._multiarray_umath")  # no public way to ask
    # Only what this processor has: NumPy warns when told to leave out anything else.
    dispatched = [name for name in numpy_core.__cpu_dispatch__ if numpy_core.__cpu_features__.get(name)]
    return ONE_THREAD | {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "COMPATIBLE",
        "NPY_DISABLE_CPU_FEATURES": " ".join(dispatched),
        "OPENBLAS_CORETYPE": "Nehalem",
    }


@dataclass(frozen=True)
class Stage:
    """One step of the checks: what it shows, what it runs, with which additions to the environment."""

    name: str
    shows: str
    arguments: tuple[tuple[str, ...], ...]
    environment: Callable[[], dict[str, str]] = field(default=dict)


STAGES = (
    Stage("lint", "style (ruff)", (("-m", "ruff", "check", "."), ("-m", "ruff", "format", "--check", "."))),
    Stage("types", "types (mypy)", (("-m", "mypy"),)),
    Stage("tests", "labutils, notebooks' form, site, browser", ((*PARALLEL, "loadgroup", "tests", *APART),)),
    Stage("notebooks", "notebooks print what is stored", ((*PAIRS, *NBVAL),)),
    Stage("colab", "each notebook alone, in an environment like Colab's", ((*PARALLEL, "load", COLAB),)),
    Stage("portable", "the same on one thread of an old processor", ((*PARALLEL, *NBVAL),), plain_processor),
)


def run(stage: Stage) -> int:
    """Run one stage with its output going straight through; return the first exit code that is not zero."""
    environment = {**os.environ, **stage.environment()}
    codes = []
    for arguments in stage.arguments:
        codes.append(
            subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=False).returncode
        )
    return next((code for code in codes if code), 0)


def main(names: list[str]) -> int:
    """Run the stages of these names, all of them without names; the exit code is 1 if one failed."""
    known = [stage.name for stage in STAGES]
    if unknown := [name for name in names if name not in known]:
        print(f"No stage {', '.join(unknown)}; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    rows = []
    for stage in STAGES:
        if not names or stage.name in names:
            print(f"\n=== {stage.name}: {stage.shows}", flush=True)
            began = time.perf_counter()
            code = run(stage)
            rows.append((stage, code, time.perf_counter() - began))
    print(f"\n{'stage':<10} {'result':<8} {'seconds':>8}  what it shows")
    for stage, code, seconds in rows:
        print(f"{stage.name:<10} {'FAILED' if code else 'passed':<8} {seconds:>8.1f}  {stage.shows}")
    failed = sum(1 for _, code, _ in rows if code)
    print(f"{len(rows) - failed} of {len(rows)} stages passed in {sum(row[2] for row in rows):.0f} s.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
