"""Runs inside the sandbox: a notebook's cells without a kernel, and its answers as lines of JSON.

Started as a file of its own by the grader, which sends one job as JSON on standard input. It holds inputs and
no expected value, so nothing that students' code can find or forge here is worth more than an honest answer.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import random
import select
import signal
import sys
import time
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from labutils.coursework.code import plain
from labutils.coursework.wire import MAX_BYTES, WireError, decode, dumps, encode, loads

PATIENCE = 4  # what busy processors may cost: seconds on the clock for one of processor time
Emit = Callable[[dict[str, Any]], None]


class _Late(BaseException):
    """Raised by the alarm in a cell that takes too long."""


def _alarm(*_: Any) -> None:
    raise _Late


def _limited(seconds: float) -> None:
    """Raise _Late after so many seconds of processor time, or PATIENCE times that by the clock."""
    if seconds:
        signal.signal(signal.SIGALRM, _alarm)
        signal.signal(signal.SIGPROF, _alarm)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * seconds)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def fault(error: BaseException) -> dict[str, Any]:
    """Say what was raised and on which line of which cell, without the message, which may hold anything."""
    with contextlib.suppress(BaseException):
        return _fault(error)
    return {"type": "an exception that cannot be read"}


def _fault(error: BaseException) -> dict[str, Any]:
    if isinstance(error, _Late):
        return {"type": "timeout"}
    if isinstance(error, WireError):
        return {"type": "unreadable", "what": str(error)[:200]}
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error)[:300]:
        return {"type": "out of memory"}
    kind = next(
        (base.__name__ for base in type(error).__mro__ if getattr(builtins, base.__name__, None) is base), ""
    )
    own = type(error).__name__ if type(error) is getattr(builtins, type(error).__name__, None) else ""
    found: dict[str, Any] = {"type": own or f"{kind} of its own kind"}
    with contextlib.suppress(Exception):
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename.startswith("<cell ")
        ]
        if isinstance(error, SyntaxError) and str(error.filename).startswith("<cell "):
            found |= {"cell": int(str(error.filename)[6:-1]), "line": error.lineno}
        elif frames:
            found |= {"cell": int(frames[-1].filename[6:-1]), "line": frames[-1].lineno}
    return found


def run_cells(job: dict[str, Any], space: types.ModuleType, emit: Emit) -> dict[str, Any]:
    """Run the cells one after another; return what each question's name was bound to after its cell.

    A cell that raises is noted, and the next one runs.
    """
    captured: dict[str, Any] = {}
    for number, cell in enumerate(job["cells"]):
        if number in job["leave_out"]:
            continue
        emit({"cell": number})
        try:
            _limited(job["cell_seconds"])
            program = compile(plain(cell["source"]), f"<cell {number}>", "exec", dont_inherit=True)
            exec(program, space.__dict__)  # noqa: S102
        except BaseException as error:  # a student's cell may raise anything, SystemExit too
            _limited(0)
            emit({"cell": number, "fault": fault(error)})
        finally:
            _limited(0)
        for question in job["questions"]:
            if question["cell"] == number and question["name"] in space.__dict__:
                captured[question["id"]] = _taken(question, space.__dict__[question["name"]])
    emit({"cells": "done"})
    return captured


def _taken(question: dict[str, Any], value: Any) -> Any:
    """A value as it is now, encoded: later cells may change it. A function or class as it is."""
    if question["kind"] != "value" or value is ... or value is None:
        return value
    try:
        return {"value": encode(value)}
    except Exception as error:  # an object of the student's own, in any state
        return {"fault": fault(error)}


def answer(question: dict[str, Any], thing: Any) -> dict[str, Any]:
    """Return the answer to a question: for each case a value or a fault."""
    if thing is ... or thing is None:
        return {"status": "unanswered", "returned": "no value"}
    if question["kind"] == "value":
        return {"status": "answered", "results": [thing]}
    results = []
    for case in question["cases"]:
        try:
            _seed()
            call = _called if question["kind"] == "function" else _built
            results.append({"value": encode(call(thing, case))})
        except NotImplementedError:
            return {"status": "unanswered"}
        except BaseException as error:  # a student's function may raise anything
            results.append({"fault": fault(error)})
    if results and all(result.get("value", 0) is None for result in results):
        return {"status": "unanswered", "returned": "nothing"}
    return {"status": "answered", "results": results}


def _called(function: Any, case: dict[str, Any]) -> Any:
    args, kwargs = decode(case["args"], tensors=True), decode(case["kwargs"], tensors=True)
    return function(*args, **kwargs)


def _built(kind: Any, case: dict[str, Any]) -> Any:
    module = kind(**decode(case["init"], tensors=True))
    if case["state"] is not None:
        import torch

        state = {name: torch.as_tensor(part) for name, part in decode(case["state"], tensors=True).items()}
        module.load_state_dict(state, strict=case["strict"])
    if hasattr(module, "eval"):
        module.eval()
    trainable = sorted(
        (name, tuple(part.shape)) for name, part in module.named_parameters() if part.requires_grad
    )
    if case["wants"] == "trainable":
        return trainable
    args = decode(case["args"], tensors=True)
    output = module(*args) if case["method"] == "forward" else getattr(module, case["method"])(*args)
    return (output, trainable) if case["wants"] == "both" else output


def _seed() -> None:
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def apart(question: dict[str, Any], thing: Any, seconds: float) -> dict[str, Any]:
    """Answer a question in a process of its own, so that what it breaks is broken for it alone."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            os.setpgid(0, 0)
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_PROF, seconds)
            line = dumps(answer(question, thing))
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(line if len(line) <= 2 * MAX_BYTES else dumps({"status": "unreadable"}))
        finally:
            os._exit(0)
    os.close(writing)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)
    content, late = _received(reading, PATIENCE * seconds)
    os.close(reading)
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF):
        return {"status": "timeout"}
    try:
        found = loads(content)
        return found if isinstance(found, dict) else {"status": "crashed"}
    except WireError:
        return {"status": "crashed", "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}


def _received(reading: int, seconds: float) -> tuple[bytes, bool]:
    """What comes through a pipe until it is closed, at most so much and so long."""
    content, deadline = b"", time.monotonic() + seconds
    while len(content) <= 2 * MAX_BYTES + 1000:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return content, True
        part = os.read(reading, 1 << 16)
        if not part or content.endswith(b"\n"):
            break
        content += part
    return content, False


def run(job: dict[str, Any], emit: Emit) -> None:
    """Run a whole job."""
    space = types.ModuleType("__main__")
    sys.modules["__main__"] = space
    space.__dict__.update({"display": lambda *_, **__: None, "get_ipython": lambda: None})
    captured = run_cells(job, space, emit)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    for question in job["questions"]:
        if question["id"] in captured:
            emit({"asked": question["id"]})
            emit(
                {
                    "question": question["id"],
                    **apart(question, captured[question["id"]], job["question_seconds"]),
                }
            )
        else:
            emit({"question": question["id"], "status": "undefined"})
    emit({"done": True})


def main() -> None:
    """Read the job, keep the way out for this process, give students' code nowhere to write, and run."""
    job = loads(sys.stdin.buffer.read())
    out = os.dup(1)
    os.set_inheritable(out, False)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)

    def emit(message: dict[str, Any]) -> None:
        os.write(out, b"\n") if message.get("question") else None
        line = dumps(message)
        while line:
            line = line[os.write(out, line) :]

    emit({"hello": sys.version.split()[0]})
    with contextlib.suppress(BaseException):
        run(job, emit)
    os._exit(0)


if __name__ == "__main__":
    main()
