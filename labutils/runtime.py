"""One call at the top of every notebook: the same numbers on every machine, and quiet libraries."""

from __future__ import annotations

import codecs
import logging
import os
import platform
import random
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version

from labutils import __version__

__all__ = ["degrade", "start"]

MINIMUM_PYTHON = (3, 11)
# What stands for a sign that a console cannot show: a pipe on Windows knows cp1252 or cp437 only.
# fmt: off
_PLAIN = {
    "✓": "+", "✗": "x", "○": "o", "≈": "~", "·": "|", "×": "x", "−": "-", "–": "-", "…": "...", "→": "->",
    "≤": "<=", "≥": ">=", "√": "sqrt ", "∞": "inf", "₂": "2", "“": '"', "”": '"', "’": "'",
}
# fmt: on

# A training run differs in the fourth digit between AVX-512 and AVX2, so everyone computes
# with AVX2. `setdefault` below lets a reader (or a test) ask for another instruction set.
_X86 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"}
_QUIET = {
    "TOKENIZERS_PARALLELISM": "false",  # else the library warns when a process forks
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # what CUDA needs for deterministic matrix products
}
# Threads wait for each other at every barrier, by default in a loop that keeps a core busy. Where another
# program wants that core, a step of a small model has taken a hundred times as long (benchmarks/busy.py). One
# thread has nobody to wait for, and the book's models are so small that a second one gains next to nothing.
# Who asks for more has something larger, for which sleeping at a barrier costs little.
_PATIENT = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def start(seed: int = 0) -> None:
    """Fix threads, instruction set and seeds, quieten libraries, set the figure style.

    Call it before torch and NumPy are imported: both read the environment only once. The line of
    versions says so where torch came first.
    LABUTILS_THREADS sets the number of threads (1 unless given). Prints one line of versions.
    Raises RuntimeError on a Python that is too old, ValueError for a bad LABUTILS_THREADS.
    """
    if sys.version_info < MINIMUM_PYTHON:
        need = ".".join(map(str, MINIMUM_PYTHON))
        raise RuntimeError(
            f"Python {platform.python_version()} is too old for labutils: install Python {need} or newer "
            "and make the environment again"
        )
    threads = _threads()
    degrade()
    too_late = "torch" in sys.modules and "ATEN_CPU_CAPABILITY" not in os.environ
    for name in _THREADS:
        os.environ[name] = str(threads)
    if platform.machine().lower() in ("x86_64", "amd64"):
        for name, value in _X86.items():
            os.environ.setdefault(name, value)
    for name, value in (_QUIET | (_PATIENT if threads > 1 else {})).items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # font fall-backs
    _seed(seed, threads)

    from labutils import figures

    figures.style()
    remark = " · torch was imported first: restart and call start() before it for the book's digits"
    print(_versions(threads) + (remark if too_late else ""))


def degrade() -> None:
    """Let what a console cannot show degrade to signs that it can, in place of a UnicodeEncodeError."""
    codecs.register_error("labutils", _degraded)
    for stream in (sys.stdout, sys.stderr):
        # surrogateescape is what Python itself sets under LC_ALL=C; it refuses the same signs
        if getattr(stream, "errors", None) in ("strict", "surrogateescape") and hasattr(
            stream, "reconfigure"
        ):
            stream.reconfigure(errors="labutils")


def _degraded(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


def _threads() -> int:
    given = os.environ.get("LABUTILS_THREADS", "1")
    if not given.isdecimal() or int(given) < 1:
        raise ValueError(f"LABUTILS_THREADS is {given!r}: expected a whole number of threads, 1 or more")
    return int(given)


def _seed(seed: int, threads: int) -> None:
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)
    try:
        import torch
    except ImportError:  # the package works without torch; chapters that need it import it themselves
        return
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)


def _versions(threads: int) -> str:
    found = [f"Python {platform.python_version()}", f"labutils {__version__}"]
    for package in ("numpy", "torch", "matplotlib"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    return " · ".join([*found, f"{threads} thread{'s' if threads > 1 else ''}"])
