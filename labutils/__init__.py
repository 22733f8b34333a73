"""The small package behind *Large Language Models, Measured*.

Importing it loads nothing heavy: `start` has to fix threads and instruction sets
before NumPy and torch come in, so everything else is imported where it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labutils.checks import check
    from labutils.explorers import show_explorer
    from labutils.figures import claims, show
    from labutils.runtime import start

__all__ = ["__version__", "check", "claims", "show", "show_explorer", "start"]
__version__ = "0.1.0"

_HOME = {
    "start": "labutils.runtime",
    "check": "labutils.checks",
    "claims": "labutils.figures",
    "show": "labutils.figures",
    "show_explorer": "labutils.explorers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'labutils' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
