"""Find a sandbox that works here, by running a program in it that tries what it must not be able to do."""

from __future__ import annotations

import os
import shutil
import subprocess

from labutils.coursework.lab import Limits
from labutils.coursework.sandbox import BOOK, SCRATCH, Sandbox, SandboxError, numbers
from labutils.data.cache import cache_folder

__all__ = ["probe"]

SOUND = (0, 12, 0)  # bubblewrap before it: CVE-2026-87766


def probe(*, unsafe: bool = False, kind: str = "", image: str = "", data: str | None = None) -> Sandbox:
    """Return a sandbox that works here. SandboxError says why there is none, unless `unsafe` is meant.

    `kind` asks for "bubblewrap" or "docker"; `image` is the Docker image, with labutils in it; `data` a
    folder of data sets that students' code may read: by default your own cache of `labutils data`, if it
    is there; "" for none. They are public, and a lab that loads one needs it: there is no network inside.
    """
    if data is None:
        data = str(cache_folder().resolve()) if cache_folder().is_dir() else ""
    if unsafe:
        note = "NO SANDBOX: students' code ran as you, with your files and your network (--unsafe)"
        return Sandbox("none", "", note, data=data)
    reasons = []
    for name in [kind] if kind else ["bubblewrap", "docker"]:
        try:
            return _bubblewrap(data) if name == "bubblewrap" else _docker(image)
        except SandboxError as error:
            reasons.append(f"{name}: {error}")
    raise SandboxError(
        "no sandbox works here, and students' code is not run without one. " + "; ".join(reasons) + ". "
        "On Debian and Ubuntu: apt install bubblewrap. --unsafe runs it as you, unprotected"
    )


def _version(*command: str) -> str:
    if not shutil.which(command[0]):
        raise SandboxError("it is not installed")
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired as error:
        raise SandboxError("it does not answer") from error
    if run.returncode:
        raise SandboxError(f"it does not work: {(run.stderr or run.stdout).strip()[-200:]}")
    return run.stdout.strip().rpartition(" ")[2]


def _bubblewrap(data: str) -> Sandbox:
    version = _version("bwrap", "--version")
    who = "started by root, students' code as a user of no account" if os.getuid() == 0 else "started by you"
    note = f"bubblewrap {version}, {who}"
    if numbers(version) < SOUND:
        note += (
            "; before 0.12.0 it has CVE-2026-87766 (paths made during set-up follow links): "
            "here nothing is mounted below what students can write"
        )
    return _tried(Sandbox("bubblewrap", version, note + "; it shares this computer's kernel", data=data))


def _docker(image: str) -> Sandbox:
    version = _version("docker", "version", "--format", "{{.Server.Version}}")
    image = image or os.environ.get("LABUTILS_COURSEWORK_IMAGE", "")
    if not image:
        raise SandboxError("name an image that has labutils in it, with --image")
    return _tried(Sandbox("docker", version, f"Docker {version}, image {image}", image))


_TRIAL = """
import os, socket, sys
import labutils.coursework.runner
faults = []
for path in ("/", "/usr", "/etc", "/book/labutils"):
    try:
        open(path + "/labutils-probe", "w"); faults.append("writes " + path)
    except OSError: pass
try:
    socket.create_connection(("192.0.2.1", 9), 0.5); faults.append("network")
except OSError: pass
if os.getuid() == 0 or os.geteuid() == 0: faults.append("root")
open("scratch-probe", "w").close()
print("; ".join(faults) or "sound")
"""


def _tried(sandbox: Sandbox) -> Sandbox:
    """Run a program in the sandbox that tries what it must not be able to do."""
    program = f"import sys; sys.path.insert(0, {BOOK!r})\n{_TRIAL}"
    command = sandbox.command(Limits(), program=["-c", program])
    try:
        environment = sandbox.environment(SCRATCH)
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise SandboxError("a trial program did not end in it") from error
    if run.stdout.strip() != "sound":
        raise SandboxError(
            f"a trial program in it said: {(run.stdout + run.stderr).strip()[-300:] or 'nothing'}"
        )
    return sandbox
