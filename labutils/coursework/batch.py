"""Grade many submissions: in parallel, each result written whole, resumed where it was stopped."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from labutils.coursework.draws import fingerprint
from labutils.coursework.grading import grade, nothing
from labutils.coursework.intake import Submission, as_json
from labutils.coursework.lab import Lab, load
from labutils.coursework.sandbox import Sandbox, SandboxError

__all__ = ["BatchError", "grade_all", "results"]


class BatchError(RuntimeError):
    """A run that cannot begin."""


@dataclass(frozen=True)
class _Task:
    key: str
    student: str
    content: bytes
    own: str | None
    master: str
    secret: bytes
    sandbox: Sandbox


@lru_cache(maxsize=4)
def _lab(master: str) -> Lab:
    return load(Path(master))


def _one(task: _Task) -> dict[str, Any]:
    """Grade one submission; whatever goes wrong is a status."""
    lab = _lab(task.master)
    try:
        return grade(lab, task.content, task.student, task.secret, task.sandbox, task.own)
    except SandboxError as error:
        return _failed(lab, task.student, str(error))
    except Exception as error:  # a fault of the grader or of the checks: said, and done again next time
        return _failed(lab, task.student, f"{type(error).__name__}: {error}"[:500])


def _failed(lab: Lab, student: str, why: str) -> dict[str, Any]:
    result = nothing(
        lab, "grader failed", "This is not the student's fault, and is done again at the next run."
    )
    base = {"lab": lab.name, "digest": lab.digest, "sha256": "", "student": student, "of": lab.points}
    return base | result | {"notes": [why], "sandbox": ""}


def grade_all(
    lab: Lab,
    submissions: list[Submission],
    work: Path,
    secret: bytes,
    sandbox: Sandbox,
    *,
    jobs: int = 1,
    scheduler: str = "",
    roster: dict[str, str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, dict[str, Any]]:
    """Grade what has no valid result in `work` yet; return all results by key.

    A result is valid for the same file, lab, secret and personal id. `scheduler` is the address of a Dask
    scheduler, whose workers need bubblewrap, the lab at the same path, and labutils. BatchError if another
    run works in the folder.
    """
    folder = work / "results"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(work / "lock", timeout=0):
            _write(work / "submissions.json", as_json(submissions))
            _grade_all(lab, submissions, folder, secret, sandbox, jobs, scheduler, roster or {}, tell)
            return results(work)
    except Timeout as error:
        raise BatchError(f"another run is grading in {work}") from error


def _grade_all(
    lab: Lab,
    submissions: list[Submission],
    folder: Path,
    secret: bytes,
    sandbox: Sandbox,
    jobs: int,
    scheduler: str,
    roster: dict[str, str],
    tell: Callable[[str], None],
) -> None:
    mark, master = fingerprint(secret), str(lab.path.resolve())
    tasks, stamps = [], {}
    for one in submissions:
        own = next(
            (roster[name] for name in (*one.ids.values(), one.student, one.name) if name in roster), None
        )
        stamps[one.key] = {"secret": mark, "own": own, "key": one.key, "name": one.name}
        path = folder / f"{one.key}.json"
        if one.content is None:
            base = {
                "lab": lab.name,
                "digest": lab.digest,
                "sha256": "",
                "student": one.student,
                "of": lab.points,
            }
            result = base | nothing(lab, "not a notebook", f"{one.problem}.") | {"sandbox": sandbox.note}
            _write(path, result | stamps[one.key])
        elif not _valid(path, lab, one, stamps[one.key]):
            tasks.append(_Task(one.key, one.student, one.content, own, master, secret, sandbox))
    without = [one for one in submissions if one.content is None]
    done = len(submissions) - len(tasks) - len(without)
    lacking = f"{len(without)} without a notebook, " if without else ""
    tell(f"{len(submissions)} submissions, {done} done already, {lacking}{len(tasks)} to grade")
    for one in without:
        tell(f"{one.name}: {one.problem}")
    if roster and (unlisted := [one.name for one in submissions if stamps[one.key]["own"] is None]):
        tell(f"not in the roster, so their notebooks' own ids count: {', '.join(unlisted)}")
    for number, (key, result) in enumerate(_results(tasks, jobs, scheduler), 1):
        _write(folder / f"{key}.json", result | stamps[key])
        got = f"{result['status']}, {result['points']:g} of {result['of']:g}"
        tell(f"{number}/{len(tasks)} {stamps[key]['name']}: {got}")


def _valid(path: Path, lab: Lab, one: Submission, stamp: dict[str, Any]) -> bool:
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    same = result.get("sha256") == hashlib.sha256(one.content or b"").hexdigest()
    same = same and result.get("digest") == lab.digest and result.get("status") != "grader failed"
    return same and all(result.get(key) == value for key, value in stamp.items())


def _results(tasks: list[_Task], jobs: int, scheduler: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if scheduler:
        yield from _through_dask(tasks, scheduler)
    elif jobs <= 1:
        for task in tasks:
            yield task.key, _one(task)
    else:
        yield from _in_processes(tasks, jobs)


def _in_processes(tasks: list[_Task], jobs: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Grade in `jobs` processes; a task at which they all break is done again alone, and fails alone."""
    context = multiprocessing.get_context("spawn")
    broken: list[_Task] = []
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting: dict[Future[dict[str, Any]], _Task] = {pool.submit(_one, task): task for task in tasks}
        try:
            for future in as_completed(waiting):
                task = waiting.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    broken.append(task)
                else:
                    yield task.key, result
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for task in broken:
        with ProcessPoolExecutor(1, mp_context=context) as alone:
            try:
                result = alone.submit(_one, task).result()
            except BrokenProcessPool:
                result = _failed(_lab(task.master), task.student, "the grader's own process ended")
        yield task.key, result


def _through_dask(tasks: list[_Task], address: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        from importlib import import_module

        distributed = import_module("distributed")
    except ImportError as error:
        raise BatchError("a scheduler needs Dask: pip install distributed") from error
    with distributed.Client(address) as client:
        futures = {client.submit(_one, task, key=f"labutils-{task.key}", pure=False): task for task in tasks}
        for future in distributed.as_completed(futures):
            task = futures[future]
            try:
                result = future.result()
            except Exception as error:  # a lost worker
                result = _failed(_lab(task.master), task.student, f"{type(error).__name__}: {error}"[:500])
            yield task.key, result


def _write(path: Path, content: Any) -> None:
    """Write JSON so that a reader finds the old file or the new one, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def results(work: Path) -> dict[str, dict[str, Any]]:
    """Return the results of the submissions that were taken in last, by key, with what looks alike noted.

    BatchError if one of them has no result.
    """
    try:
        listed = json.loads((work / "submissions.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BatchError(
            f"{work} holds no graded submissions: run `labutils coursework grade` first"
        ) from error
    found = {}
    for one in listed:
        try:
            result = json.loads((work / "results" / f"{one['key']}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BatchError(
                f"{one['name']} is not graded yet: run `labutils coursework grade` again"
            ) from error
        found[one["key"]] = result | {
            "ids": one["ids"],
            "file": one["file"],
            "notes": result["notes"] + one["notes"],
        }
    _alike(found)
    return found


def _alike(found: dict[str, dict[str, Any]]) -> None:
    """Note files that are the same to the byte, and personal ids that several notebooks state."""
    for what, words in (
        ("sha256", "the same file, to the byte, as"),
        ("personal_id", "states the same id as"),
    ):
        counts = Counter(result[what] for result in found.values() if result[what])
        for key, result in found.items():
            if result[what] and counts[result[what]] > 1:
                others = [
                    one["name"] for other, one in found.items() if other != key and one[what] == result[what]
                ]
                result["notes"].append(f"{words} {', '.join(others[:5])}")
