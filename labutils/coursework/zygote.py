"""Runs inside the sandbox: a process that has loaded what labs need, and forks for each submission.

It is the first process of its namespace: no signal of a child's ends or stops it. It runs no student's code
itself: a child does, with the two ends of pipes that came for its job, no more. Its memory is closed to
processes of its own user, there is no folder in its sandbox that can be written, and after a job everything
but itself is ended. One job at a time.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import signal
import socket
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from labutils.coursework import runner
from labutils.coursework.sandbox import CACHE

_PR_SET_DUMPABLE = 4
_IPC = ("shm", "sem", "msg")
_LATE = {"torch": "torch._dynamo", "labutils.figures": "matplotlib.pyplot"}


def _closed() -> None:
    """Let no other process of this user read or change this one."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError("prctl does not close this process")


def _load(names: list[str]) -> None:
    """Load modules, and what they would load at first use; they may think that their cache can be written."""
    real = os.access
    os.access = lambda path, *how, **more: path == CACHE or real(path, *how, **more)
    for name in [*names, *(late for first, late in _LATE.items() if first in names)]:
        with contextlib.suppress(Exception):  # a submission that needs it will say so itself
            importlib.import_module(name)
    os.access = real


def _clean() -> bytes:
    """End every process but this one; return whether anything else can have outlived them."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    left = [kind for kind in _IPC if len(Path(f"/proc/sysvipc/{kind}").read_text().splitlines()) > 1]
    return b"dirty" if left else b"clean"


def _child(control: socket.socket, reading: int, writing: int) -> None:
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        control.close()
        os.setsid()
        os.dup2(reading, 0)
        os.dup2(writing, 1)
        os.closerange(3, 256)
        runner.main()
    finally:
        os._exit(0)


def main() -> None:
    """Load the modules that are named, then serve jobs that come over the socket on standard input."""
    control = socket.socket(fileno=os.dup(0))
    _load(sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    _closed()
    control.send(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 16, 2)
        if message == b"job" and len(descriptors) == 2:
            if os.fork() == 0:
                _child(control, *descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
        elif message == b"clean":
            control.send(_clean())
        else:
            return


if __name__ == "__main__":
    main()
