"""Run one job in a sandbox: its lines read within bounds, time and memory watched, ended for sure."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from labutils.coursework.lab import Limits
from labutils.coursework.runner import PATIENCE
from labutils.coursework.sandbox import Sandbox
from labutils.coursework.wire import WireError, dumps, loads

__all__ = ["Outcome", "Streams", "Watch", "children", "end", "execute"]

MOST_OUTPUT = 32_000_000
MOST_LINE = 6_000_000
MOST_LINES = 20_000
_BEYOND = 3.0  # seconds that a cell or question may take beyond its own alarm


@dataclass
class Outcome:
    """What came of a job: `ended` is "done", "exit", "timeout", "out of memory" or "output"."""

    ended: str = "exit"
    lines: list[dict[str, Any]] = field(default_factory=list)
    noise: int = 0
    started: bool = False
    last: tuple[str, Any] | None = None
    words: str = ""
    seconds: float = 0.0


def execute(sandbox: Sandbox, job: dict[str, Any], limits: Limits, seconds: float) -> Outcome:
    """Run `job` in a fresh sandbox for at most `seconds`. Never raises for what the job does."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="labutils-") as scratch:
        reading, writing = os.pipe()
        name = f"labutils-{os.getpid()}-{time.monotonic_ns()}"
        command = sandbox.command(limits, name)
        if sandbox.kind == "bubblewrap":
            command[1:1] = ["--info-fd", str(writing)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[writing],
            start_new_session=True,
            cwd=scratch,
            env=sandbox.environment(scratch),
        )
        os.close(writing)
        assert process.stdin
        assert process.stdout
        streams = Streams(process.pid, process.stdin, process.stdout, process.stderr)
        watch = Watch(streams, limits, began + seconds)
        try:
            watch.follow(dumps(job))
        finally:
            end(process, reading, sandbox, name)
            os.close(reading)
    watch.outcome.seconds = time.monotonic() - began
    return watch.outcome


@dataclass(frozen=True)
class Streams:
    """What a job is fed through and heard from, and the process at the top of those that run it."""

    pid: int
    feed: IO[bytes]
    lines: IO[bytes]
    words: IO[bytes] | None = None


class Watch:
    """Follows a process: feeds it the job, reads its lines, and says when it has to end."""

    def __init__(self, streams: Streams, limits: Limits, deadline: float) -> None:
        self.streams, self.limits, self.deadline = streams, limits, deadline
        self.outcome = Outcome()
        self.step = deadline
        self.buffer = bytearray()
        self.received = 0

    def follow(self, job: bytes) -> None:
        """Feed the job in and read what comes, until it is done, has ended, or has to end."""
        feed, lines, words, left = self.streams.feed, self.streams.lines, self.streams.words, memoryview(job)
        selector = selectors.DefaultSelector()
        for stream in (feed, lines, words):
            if stream:
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_WRITE if stream is feed else selectors.EVENT_READ)
        looked = 0.0
        while self.outcome.ended == "exit":
            for key, _ in selector.select(0.1):
                if key.fileobj is feed:
                    left = self._feed(feed, left)
                    if not left:
                        selector.unregister(feed)
                        with contextlib.suppress(OSError):
                            feed.close()
                elif key.fileobj is lines:
                    if not self._read(lines):
                        selector.close()
                        return
                elif words and not (part := os.read(words.fileno(), 1 << 16)):
                    selector.unregister(words)
                elif len(self.outcome.words) < 2000:
                    self.outcome.words += part.decode("utf-8", "replace")[:2000]
            now = time.monotonic()
            if now > min(self.deadline, self.step):
                self.outcome.ended = "timeout"
            elif now - looked > 0.1:
                looked = now
                if _resident(self.streams.pid) > self.limits.memory_mb * 1_000_000:
                    self.outcome.ended = "out of memory"
        selector.close()

    def _feed(self, stream: IO[bytes], left: memoryview) -> memoryview:
        try:
            return left[os.write(stream.fileno(), left[: 1 << 16]) :]
        except BlockingIOError:
            return left
        except OSError:
            return left[:0]

    def _read(self, stream: IO[bytes]) -> bool:
        part = os.read(stream.fileno(), 1 << 16)
        self.received += len(part)
        self.buffer += part
        if self.received > MOST_OUTPUT or len(self.outcome.lines) + self.outcome.noise > MOST_LINES:
            self.outcome.ended = "output"
            return True
        if b"\n" in part:
            *lines, rest = bytes(self.buffer).split(b"\n")
            self.buffer = bytearray(rest)
            for line in lines:
                if line.strip():
                    self._line(line)
        if len(self.buffer) > MOST_LINE:
            self.outcome.ended = "output"
        return bool(part)

    def _line(self, line: bytes) -> None:
        try:
            message = loads(line)
        except WireError:
            message = None
        if not isinstance(message, dict):
            self.outcome.noise += 1
            return
        self.outcome.lines.append(message)
        now = time.monotonic()
        if "hello" in message:
            self.outcome.started = True
        elif type(message.get("cell")) is int and "fault" not in message:
            self.outcome.last = ("cell", message["cell"])
            self.step = now + PATIENCE * self.limits.cell_seconds + _BEYOND
        elif isinstance(message.get("asked"), str):
            self.outcome.last = ("question", message["asked"])
            self.step = now + PATIENCE * self.limits.question_seconds + _BEYOND
        elif message.get("done") is True:
            self.outcome.ended = "done"


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that still run; none where there is no /proc."""
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def _resident(pid: int) -> int:
    """The bytes that a process and all below it hold in memory, what they share with files not counted."""
    total, waiting, seen = 0, [pid], 0
    page = os.sysconf("SC_PAGE_SIZE")
    while waiting and seen < 500:
        one = waiting.pop()
        seen += 1
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{one}/statm").read_text().split()
            total += (int(fields[1]) - int(fields[2])) * page
        waiting += children(one)
    return total


def end(process: subprocess.Popen[bytes], reading: int, sandbox: Sandbox, name: str) -> None:
    """End everything that runs in the sandbox: its namespace, its group, the container."""
    os.set_blocking(reading, False)
    below = children(process.pid)
    with contextlib.suppress(OSError, ValueError, TypeError):
        inner = json.loads(os.read(reading, 10_000)).get("child-pid")
        if inner in below:
            os.kill(inner, signal.SIGKILL)
    if sandbox.kind == "docker":
        subprocess.run(["docker", "kill", name], capture_output=True, check=False, timeout=30)
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
    process.wait()
