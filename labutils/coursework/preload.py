"""As `process.execute`, but faster: jobs go to a process in a sandbox that has loaded its modules already.

Only for what runs without a fault. What does not, and what could have left something behind, ends this
sandbox, and the grader runs it again in a fresh one, whose word counts.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import threading
import time
from typing import Any

from labutils.coursework.lab import Limits
from labutils.coursework.process import Outcome, Streams, Watch, children, end
from labutils.coursework.sandbox import Sandbox, SandboxError
from labutils.coursework.wire import dumps

__all__ = ["Preloaded", "preloaded"]

_START, _CLEAN = 120.0, 5.0  # seconds


class Preloaded:
    """A sandbox with a process in it that forks for every job."""

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self.sandbox, self.limits = sandbox, limits
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.info = -1

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        if self.process and self.control and self.process.poll() is None:
            return self.process, self.control
        self.stop()
        ours, theirs = socket.socketpair()
        self.info, writing = os.pipe()
        command = self.sandbox.preloading(self.limits)
        command[1:1] = ["--info-fd", str(writing)]
        self.process = subprocess.Popen(
            command,
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[writing],
            start_new_session=True,
            env=self.sandbox.environment(""),
        )
        os.close(writing)
        theirs.close()
        self.control = ours
        if self._heard(_START) != b"ready":
            self.stop()
            raise SandboxError("the pre-loaded process did not start in its sandbox")
        return self.process, self.control

    def _heard(self, seconds: float) -> bytes:
        if self.control is None:
            return b""
        self.control.settimeout(seconds)
        try:
            return self.control.recv(16)
        except OSError:
            return b""

    def execute(self, job: dict[str, Any], seconds: float) -> Outcome:
        """Run `job` for at most `seconds`. SandboxError where the process does not start."""
        process, control = self._start()
        began = time.monotonic()
        (job_out, job_in), (lines_out, lines_in) = os.pipe(), os.pipe()
        with os.fdopen(job_in, "wb", 0) as feed, os.fdopen(lines_out, "rb", 0) as lines:
            try:
                socket.send_fds(control, [b"job"], [job_out, lines_in])
            except OSError:
                self.stop()
                return Outcome()
            finally:
                os.close(job_out)
                os.close(lines_in)
            watch = Watch(Streams(process.pid, feed, lines), self.limits, began + seconds)
            watch.follow(dumps(job))
        if watch.outcome.ended != "done" or not self._cleaned(process, control):
            self.stop()
        watch.outcome.seconds = time.monotonic() - began
        return watch.outcome

    def _cleaned(self, process: subprocess.Popen[bytes], control: socket.socket) -> bool:
        """Have everything of the job ended, and see from outside that it has."""
        with contextlib.suppress(OSError):
            control.send(b"clean")
            if self._heard(_CLEAN) == b"clean":
                first = children(process.pid)
                return len(first) == 1 and not children(first[0])
        return False

    def stop(self) -> None:
        """End the sandbox and all in it."""
        if self.process:
            end(self.process, self.info, self.sandbox, "")
            os.close(self.info)
        if self.control:
            self.control.close()
        self.process = self.control = None


_KEPT: dict[tuple[int, Sandbox, Limits], Preloaded] = {}


@atexit.register
def _stop_all() -> None:
    for kept in _KEPT.values():
        kept.stop()


def preloaded(sandbox: Sandbox, limits: Limits) -> Preloaded:
    """Return this thread's own for such a sandbox."""
    return _KEPT.setdefault((threading.get_ident(), sandbox, limits), Preloaded(sandbox, limits))
