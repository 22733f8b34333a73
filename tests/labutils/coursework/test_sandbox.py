"""Which sandbox is used, what is said of it, and that it is refused where it does not hold."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from coursework_kit import sandbox
from labutils.coursework import probing
from labutils.coursework.lab import Limits
from labutils.coursework.probing import probe
from labutils.coursework.sandbox import Sandbox, SandboxError
from places import ROOT


@pytest.mark.parametrize(
    ("version", "flawed"), [("0.8.0", True), ("0.11.9", True), ("0.12.0", False), ("1.0", False)]
)
def test_the_version_is_said_and_its_flaw(
    monkeypatch: pytest.MonkeyPatch, version: str, flawed: bool
) -> None:
    monkeypatch.setattr(probing, "_version", lambda *_: version)
    monkeypatch.setattr(probing, "_tried", lambda sandbox: sandbox)
    note = probe(kind="bubblewrap").note
    assert version in note
    assert ("CVE-2026-87766" in note) is flawed
    assert "shares this computer's kernel" in note


@pytest.mark.parametrize("said", ["writes /usr", "network", "root", ""])
def test_a_sandbox_that_does_not_hold_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    def run(*args: Any, **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(args, 0, said, "")

    monkeypatch.setattr(probing, "_version", lambda *_: "0.12.0")
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(SandboxError, match=said or "nothing"):
        probe(kind="bubblewrap")


def test_without_one_it_is_said_loudly() -> None:
    assert probe(unsafe=True).note.startswith("NO SANDBOX")


def test_docker_is_as_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    words = Sandbox("docker", "29", "", image="labs").command(Limits(memory_mb=3000), "a-name")
    line = " ".join(words)
    for part in (
        "--network none",
        "--read-only",
        "--cap-drop ALL",
        "--user 65534:65534",
        "--security-opt no-new-privileges",
        "--pids-limit 64",
        "--memory 3000m --memory-swap 3000m",
    ):
        assert part in line
    assert "--volume" not in line
    monkeypatch.setattr(probing, "_version", lambda *_: "29")
    monkeypatch.delenv("LABUTILS_COURSEWORK_IMAGE", raising=False)
    with pytest.raises(SandboxError, match="name an image"):
        probe(kind="docker")


def within(where: Sandbox, program: str) -> str:
    command = where.command(Limits(), program=["-c", program])
    run = subprocess.run(command, capture_output=True, text=True, env=where.environment("/"), check=False)
    return run.stdout.strip() or run.stderr


def test_data_can_be_read_and_not_written(tmp_path: Path) -> None:
    sandbox()
    tmp_path.chmod(0o755)
    (tmp_path / "text.txt").write_text("A text.", encoding="utf-8")
    where = probe(kind="bubblewrap", data=str(tmp_path))
    program = "import os; folder = os.environ['LABUTILS_CACHE']; print(open(folder + '/text.txt').read())"
    assert within(where, program) == "A text."
    assert "Read-only file system" in within(
        where, program.replace(".read()", ".read(), open(folder + '/x', 'w')")
    )


def test_nothing_is_mounted_below_what_can_be_written() -> None:
    program = (
        "import os\n"
        "mounts = [line.split()[4:6] for line in open('/proc/self/mountinfo')]\n"
        "free = [place for place, how in mounts if os.access(place, 2) and 'ro' not in how.split(',')]\n"
        "free = [place for place in free if os.path.isdir(place) and not place.startswith('/dev/pts')]\n"
        "print([(a, b) for a in free for b, _ in mounts if b.startswith(a + '/')], sorted(free))"
    )
    assert within(sandbox(), program) == "[] ['/dev/shm', '/scratch']"


def test_no_folder_of_the_preloaded_one_can_be_written() -> None:
    where = Sandbox("bubblewrap", sandbox().version, "", preload=("json",))
    program = """
import os
made = []
for top, folders, _ in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(top, name) != "/proc"]
    if os.access(top, os.W_OK):  # of a file system of terminals this is said, too
        try:
            open(top + "/made", "w")
            made.append(top)
        except OSError:
            pass
print(made)
"""
    command = where.preloading(Limits())
    command = [*command[: command.index("/book/labutils/coursework/zygote.py")], "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, env=where.environment("/"), check=False)
    assert run.stdout.strip() == "[]", run.stderr


PROGRAM = """
import sys, tempfile
from pathlib import Path
from coursework_kit import RIGHT, graded, handed_in, light, sandbox

print(sandbox().note.split(";")[0])
lab = light(Path(tempfile.mkdtemp()))
for q2 in (RIGHT["q2"], "import os\\nos._exit(0)", "def entropy(p): return open({path!r}).read()"):
    for preload in ((), ("numpy",)):
        result = graded(lab, handed_in(lab, RIGHT | {{"q2": q2}}), preload=preload)
        print(result["status"], result["points"])
"""


@pytest.mark.skipif(os.getuid() != 0, reason="the other tests are run by an ordinary user already")
def test_an_ordinary_user_can_grade() -> None:
    sandbox()
    words = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", sys.executable, "-B", "-c"]
    folders = os.pathsep.join(map(str, (ROOT, ROOT / "tests/support", ROOT / "scripts", ROOT / "book/_ext")))
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": folders}

    def said(program: str) -> str:
        run = subprocess.run([*words, program], env=environment, capture_output=True, text=True, check=False)
        return run.stdout or run.stderr

    if said("import sys; print(sys.prefix, sys.base_prefix)").split() != [sys.prefix, sys.base_prefix]:
        pytest.skip("NO OTHER USER CAN RUN THIS PYTHON: GRADING AS AN ORDINARY USER IS NOT TRIED")
    folder = Path(tempfile.mkdtemp(prefix="labutils-", dir="/var/tmp"))
    folder.chmod(0o755)
    (folder / "readable.txt").write_text("readable", encoding="utf-8")
    found = said(PROGRAM.format(path=str(folder / "readable.txt")))
    shutil.rmtree(folder)
    assert found.splitlines() == [
        f"bubblewrap {sandbox().version}, started by you",
        *["graded 10.0"] * 2,
        *["partial 4.0"] * 4,
    ]
