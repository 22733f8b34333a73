"""The sandbox around students' code: bubblewrap or Docker, whichever works here; refused where neither does.

It is probed, not assumed (see `probing`). Nothing is mounted below a folder that students' code can write,
and nothing of theirs exists yet while it is set up.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from labutils.coursework.lab import Limits

__all__ = ["BOOK", "CACHE", "SCRATCH", "Sandbox", "SandboxError", "numbers"]

SCRATCH, BOOK, CACHE = "/scratch", "/book", "/cache"
_SHARED, _TEMPORARY = "/dev/shm", "/tmp"  # noqa: S108
_PACKAGE = Path(__file__).resolve().parents[1]
_RUNNER, _ZYGOTE = "coursework/runner.py", "coursework/zygote.py"
_FLAGS = ("-B", "-s", "-P", "-X", "utf8")
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "USER": "student",
    "MPLBACKEND": "Agg",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ATEN_CPU_CAPABILITY": "avx2",
    "HF_HUB_OFFLINE": "1",
}
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib64", "/lib32")
_SETTINGS = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/fonts")


class SandboxError(RuntimeError):
    """There is no sandbox here, or it does not do what it must."""


@dataclass(frozen=True)
class Sandbox:
    """A way to run students' code. `note` is what the report says of it."""

    kind: str
    version: str
    note: str
    image: str = ""
    data: str = ""
    preload: tuple[str, ...] = ()

    def command(self, limits: Limits, name: str = "", program: Iterable[str] = ()) -> list[str]:
        """Return the command that starts the runner (or `program`, for Python) in a fresh sandbox."""
        if self.kind == "bubblewrap":
            return self._bubblewrap(limits, program or [f"{BOOK}/labutils/{_RUNNER}"])
        if self.kind == "docker":
            return self._docker(limits, name, program)
        own = program or [str(_PACKAGE / _RUNNER)]
        return [*_prlimit(limits, processes=False), sys.executable, *_FLAGS, *own]

    def preloading(self, limits: Limits) -> list[str]:
        """Return the command that starts the process which loads `preload`: nothing in it can be written."""
        if self.kind != "bubblewrap":
            raise SandboxError("modules are loaded beforehand in bubblewrap alone")
        return self._bubblewrap(limits, [f"{BOOK}/labutils/{_ZYGOTE}", *self.preload], writable=False)

    def environment(self, scratch: str) -> dict[str, str] | None:
        """Return the environment of the command itself: bubblewrap's own can be read in /proc from within."""
        if self.kind == "docker":
            return None
        if self.kind == "bubblewrap":
            return {"PATH": os.environ.get("PATH", os.defpath)}
        found = {
            **_ENVIRONMENT,
            "HOME": scratch,
            "TMPDIR": scratch,
            "PATH": os.environ.get("PATH", os.defpath),
        }
        return found | ({"LABUTILS_CACHE": self.data} if self.data else {})

    def _bubblewrap(self, limits: Limits, program: Iterable[str], *, writable: bool = True) -> list[str]:
        root = os.getuid() == 0
        words = [
            "bwrap",
            "--unshare-ipc",
            "--unshare-pid",
            "--unshare-net",
            "--unshare-uts",
            "--unshare-cgroup-try",
        ]
        if not root:
            words += ["--unshare-user", "--uid", "65534", "--gid", "65534"]
            words += ["--disable-userns"] if numbers(self.version) >= (0, 8, 0) else []
        words += [
            "--die-with-parent",
            "--new-session",
            "--cap-drop",
            "ALL",
            "--clearenv",
            "--hostname",
            "lab",
        ]
        # Alone in its namespace, a process that others come from has no neighbour which they could take over.
        words += [] if writable else ["--as-pid-1"]
        if root:  # needed to become another user, inside; given up with that
            words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
        for key, value in _ENVIRONMENT.items():
            words += ["--setenv", key, value]
        words += ["--setenv", "HOME", SCRATCH, "--setenv", "TMPDIR", SCRATCH, *self._mounts()]
        words += ["--proc", "/proc", "--dev", "/dev"]
        if writable:
            size = ["--perms", "1777", "--size", str(256 * 1024 * 1024)]
            words += [*size, "--tmpfs", SCRATCH, *size, "--tmpfs", _SHARED]
        else:  # what wants a folder for its cache gets one, in which nothing can be written
            words += ["--perms", "0755", "--dir", CACHE]
            words += ["--setenv", "MPLCONFIGDIR", CACHE, "--setenv", "TORCHINDUCTOR_CACHE_DIR", CACHE]
        if not any(word.startswith(f"{_TEMPORARY}/") for word in words):  # else Python is there, read-only
            words += ["--symlink", SCRATCH, _TEMPORARY]
        words += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", SCRATCH if writable else "/", "--"]
        if root:
            uid = str(1_000_000_000 + threading.get_native_id())  # of no account, and no other worker's
            words += ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs"]
            words += ["--bounding-set=-all", "--inh-caps=-all", "--"]
        words += _prlimit(limits)
        return [*words, _python(), *_FLAGS, *program]

    def _mounts(self) -> list[str]:
        """The system, Python, its packages and labutils, all read-only, below folders made for them."""
        bound = ["/usr", *(path for path in _SETTINGS if Path(path).exists())]
        for path in (sys.base_prefix, sys.prefix):
            real = os.path.realpath(path)
            if not any(real == other or real.startswith(other + "/") for other in bound):
                bound.append(real)
        if any(path.startswith((f"{SCRATCH}/", "/dev/", "/proc/")) for path in bound):
            raise SandboxError(f"Python lies below {SCRATCH}, which students' code may write: move it")
        words: list[str] = []
        made: set[str] = set()
        pairs = [(path, path) for path in bound] + [(str(_PACKAGE), f"{BOOK}/labutils")]
        if self.data:
            pairs.append((self.data, f"{BOOK}/data"))
            words += ["--setenv", "LABUTILS_CACHE", f"{BOOK}/data"]
        for source, target in pairs:
            for parent in reversed(Path(target).parents[:-1]):
                if str(parent) not in made:
                    words += ["--perms", "0755", "--dir", str(parent)]
                    made.add(str(parent))
            words += ["--ro-bind", source, target]
        for path in _SYSTEM:
            if Path(path).is_symlink():
                words += ["--symlink", str(Path(path).readlink()), path]
            elif Path(path).is_dir():
                words += ["--ro-bind", path, path]
        return words

    def _docker(self, limits: Limits, name: str, program: Iterable[str]) -> list[str]:
        memory = f"{limits.memory_mb}m"
        words = [
            "docker",
            "run",
            "--rm",
            "--interactive",
            "--name",
            name or f"labutils-{secrets.token_hex(8)}",
        ]
        words += ["--network", "none", "--read-only", "--cap-drop", "ALL", "--user", "65534:65534"]
        words += ["--security-opt", "no-new-privileges", "--pids-limit", str(limits.processes)]
        words += ["--memory", memory, "--memory-swap", memory, "--cpus", "1", "--ulimit", "core=0"]
        words += [
            "--ulimit",
            "nofile=256:256",
            "--tmpfs",
            f"{SCRATCH}:rw,mode=1777,size=256m",
            "--workdir",
            SCRATCH,
        ]
        for key, value in {**_ENVIRONMENT, "HOME": SCRATCH, "TMPDIR": SCRATCH}.items():
            words += ["--env", f"{key}={value}"] if key != "PATH" else []
        words += [self.image, "python", *_FLAGS]
        return [*words, *(program or ["-m", "labutils.coursework.runner"])]


def _python() -> str:
    """The interpreter at the place that is mounted: a virtual environment may be reached through a link."""
    return os.path.realpath(sys.prefix) + "/bin/" + ("python3" if sys.prefix == sys.base_prefix else "python")


def _prlimit(limits: Limits, *, processes: bool = True) -> list[str]:
    if not shutil.which("prlimit"):
        return []
    words = [
        "prlimit",
        f"--as={limits.memory_mb * 1_000_000}",
        f"--cpu={int(limits.seconds) + 5}",
        "--core=0",
    ]
    words += ["--nofile=256", "--fsize=268435456", "--msgqueue=0"]
    return [*words, *([f"--nproc={limits.processes}"] if processes else []), "--"]


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
