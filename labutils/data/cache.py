"""The folder of data sets that were fetched and read once: locked while one is made, verified at each use."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import platformdirs
from filelock import FileLock, Timeout

from labutils.data import parse
from labutils.data.catalogue import ENTRIES, Entry, find
from labutils.data.download import DataError, download, megabytes

__all__ = ["cache_folder", "cached_path", "clear", "fetch", "state"]

LOCK_SECONDS = 900.0  # longer than the largest download takes on a slow line
_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Where data sets are kept: the environment variable LABUTILS_CACHE, else the system's cache folder."""
    chosen = os.environ.get("LABUTILS_CACHE")
    # absolute: pip, which fetches, works in another folder
    return (
        Path(chosen).expanduser().absolute()
        if chosen
        else platformdirs.user_cache_path("labutils", appauthor=False)
    )


def cached_path(entry: Entry) -> Path:
    """Where the cache has, or would have, the data set."""
    return cache_folder() / entry.file_name


def state(entry: Entry) -> Literal["cached", "absent", "damaged"]:
    """Whether the cache holds exactly what the catalogue promises. Reads the whole file: milliseconds."""
    try:
        content = cached_path(entry).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    except OSError:
        return "damaged"
    return "cached" if hashlib.sha256(content).hexdigest() == entry.parsed_sha256 else "damaged"


def fetch(name: str, announce: Callable[[str], None] | None = None) -> Path:
    """The file of a data set in the cache; downloads, verifies and reads it out on first use.

    `announce` gets one line before a download. Without it, the line goes to stderr on a terminal, and in a
    notebook only to `logging`, so that a page looks the same on the first run and on the second.

    Raises ValueError for an unknown name, and DataError, with what to do next, where the data cannot be had.
    Whatever fails, the cache keeps what it had and no half-made file.
    """
    entry = find(name)
    path = cached_path(entry)
    if state(entry) == "cached":
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / f"{name}.lock", timeout=LOCK_SECONDS):
            if state(entry) != "cached":  # else another process made it while this one waited
                _make(entry, path, announce or _announce)
    except Timeout as error:
        raise DataError(
            f"another process has been fetching {name} for {LOCK_SECONDS / 60:.0f} minutes. Wait for it or "
            f"end it, then run `labutils data fetch {name}`."
        ) from error
    except OSError as error:
        raise _explain(entry, error, path.parent) from error
    except DataError as error:
        others = [other.name for other in ENTRIES.values() if other is not entry and state(other) == "cached"]
        raise DataError(f"{error} In the cache already: {', '.join(others) or 'nothing'}.") from error
    return path


def clear(name: str) -> bool:
    """Delete every version of a data set, and what was converted from it; True if there was one.

    Raises DataError, naming the file and what to do, where one cannot be deleted.
    """
    find(name)
    files = list(cache_folder().glob(f"{name}-*"))
    for file in files:
        try:
            if file.is_dir():  # a model, converted
                shutil.rmtree(file)
            else:
                file.unlink(missing_ok=True)  # another process may have been quicker
        except OSError as error:
            raise DataError(
                f"{name}: {file} cannot be deleted ({error.strerror or error}). Close what has it open, or "
                "make it and its folder writable, and try again."
            ) from error
    return bool(files)


def _make(entry: Entry, path: Path, announce: Callable[[str], None]) -> None:
    if path.exists():
        _log.warning("%s was damaged or changed since it was made: it is fetched again", path)
    source = f"{entry.distribution} {entry.version}"
    announce(f"{entry.name}: downloading {source}, {megabytes(entry.size)}, once, into {path.parent}")
    for left_over in path.parent.glob(f".{entry.name}-*"):  # of a process that was killed: we hold its lock
        shutil.rmtree(left_over, ignore_errors=True)
    # Beside the cache, so that the last step is a rename on one disk: the file is there whole or not at all.
    with TemporaryDirectory(prefix=f".{entry.name}-", dir=path.parent, ignore_cleanup_errors=True) as folder:
        content = _read(entry, download(entry, Path(folder)))
        finished = Path(folder) / path.name
        finished.write_bytes(content)
        finished.replace(path)


def _read(entry: Entry, archive: bytes) -> bytes:
    source = f"{entry.distribution} {entry.version}"
    again = f"then run `labutils data fetch {entry.name}`."
    report = f"If you changed the catalogue, put its entry right, {again} If not, please report it."
    try:
        content = entry.parser(parse.member_of(archive, entry.member))
    except ImportError as error:
        raise DataError(
            f"{entry.name} is read with a library that is missing ({error}): "
            f"`pip install {entry.parsed_with}`, {again}"
        ) from error
    except KeyError as error:
        raise DataError(
            f"{entry.name}: {source} has no such file inside: {error.args[0]}. {report}"
        ) from error
    except Exception as error:  # whatever a parser meets in a file that it does not expect
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{entry.name}: {source} arrived but cannot be read ({reason}). {report}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry.parsed_sha256:
        remedy = f"`pip install {entry.parsed_with}`, {again} " if entry.parsed_with else ""
        raise DataError(
            f"{entry.name} came out of {source} different from what the book measured: expected sha256 "
            f"{entry.parsed_sha256}, got {digest}. {remedy}{report}"
        )
    return content


def _announce(line: str) -> None:
    _log.info(line)
    if sys.stdout.isatty():
        print(line, file=sys.stderr)


def _explain(entry: Entry, error: OSError, folder: Path) -> DataError:
    again = f"then run `labutils data fetch {entry.name}`."
    move = "set the environment variable LABUTILS_CACHE to a folder"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(
            f"{entry.name}: no space left for the cache in {folder} ({error.strerror}). About "
            f"{megabytes(3 * entry.size)} are needed while it is made. Free some, or {move} on another disk, "
            f"{again}"
        )
    return DataError(
        f"{entry.name}: the cache in {folder} cannot be written ({error.strerror or error}). "
        f"Make that folder writable, or {move} that is, {again}"
    )
