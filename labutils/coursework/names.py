"""Names of what is handed in: whose they are, and how they may be shown; none is ever a path."""

from __future__ import annotations

import hashlib
import re
import unicodedata

__all__ = ["CANVAS", "MOODLE", "NOTEBOOK", "canvas_number", "key", "shown"]

CANVAS = re.compile(r"^(?P<name>[^_/]+)(?P<late>_LATE)?_(?P<id>\d+)_(?P<hand>\d+)_(?P<file>[^/]+)$")
MOODLE = re.compile(
    r"^(?P<name>[^/]+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext|comments)(?:_(?P<file>[^/]*))?$"
)
NOTEBOOK = re.compile(r"\.ipynb(\.(txt|json))?$", re.IGNORECASE)  # some browsers add to the name


def shown(name: str) -> str:
    """Return a name as it may be shown: composed, without control characters and marks of direction."""
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    kept = (sign for sign in text if unicodedata.category(sign)[0] != "C")
    return "".join(kept).strip()[:120] or "?"


def key(identity: str, name: str) -> str:
    """Return a name for files that begins with `name`, in plain letters; no two identities share one."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:40]
    return f"{slug or 'student'}-{hashlib.sha256(identity.encode('utf-8', 'replace')).hexdigest()[:10]}"


def canvas_number(name: str) -> int:
    """Return what Canvas numbers this file; 0 for a name that is none of Canvas's."""
    found = CANVAS.match(name.partition("/")[0])
    return int(found["hand"]) if found else 0
