"""Submissions a minute: `labutils coursework` beside otter-grader and nbgrader, on the same files.

The two others are installed in environments of their own (`--environments` keeps them between runs); torch,
where the lab needs it, is lent to them from this one. Then 300 submissions, a tenth of them broken and a
twentieth hostile, are graded, killed half-way and resumed: is each there, with the points it deserves?
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TOOLS = {"otter-grader": "7.0.0", "nbgrader": "0.9.6"}
WORKERS = 2
POINTS = 5
TRAINING = """
import torch
from torch import nn

net = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 64))
x, optimizer = torch.randn(256, 64), torch.optim.Adam(net.parameters())
for _ in range({steps}):
    optimizer.zero_grad()
    ((net(x) - x) ** 2).mean().backward()
    optimizer.step()
"""
STEPS = 800  # about three seconds
RIGHT = {
    "q1": "def entropy(p):\n    return float(-sum(x * math.log2(x) for x in p if x > 0))",
    "q2": "def perplexity(p):\n    return 2 ** float(-sum(x * math.log2(x) for x in p if x > 0))",
    "q3": "bits = 3.0",
    "q4": "def divergence(p, q):\n    return sum(a * math.log2(a / b) for a, b in zip(p, q) if a > 0)",
}
KINDS = {"q1": "function", "q2": "function", "q3": "value", "q4": "function"}
TESTS = {
    "q1": "assert abs(entropy([0.25] * 4) - 2) < 1e-6 and abs(entropy([1.0, 0.0])) < 1e-6",
    "q2": "assert abs(perplexity([0.25] * 4) - 4) < 1e-6 and abs(perplexity([1.0, 0.0]) - 1) < 1e-6",
    "q3": "assert abs(bits - 3) < 1e-6",
    "q4": "assert abs(divergence([0.5, 0.5], [0.25, 0.75]) - 0.2075187) < 1e-6",
}
CHECKS = """
import numpy as np

LIMITS = {"seconds": 120, "cell_seconds": %d, "question_seconds": 2, "memory_mb": 4000}


def inputs_q1(rng):
    return [(rng.dirichlet(np.ones(n)).tolist(),) for n in (2, 5, 9)] + [([1.0, 0.0],)]


def reference_q1(p):
    return float(-sum(x * np.log2(x) for x in p if x > 0))


inputs_q2 = inputs_q1


def reference_q2(p):
    return 2 ** reference_q1(p)


def reference_q3():
    return 3.0


def inputs_q4(rng):
    return [tuple(rng.dirichlet(np.ones(n), size=2).tolist()) for n in (2, 5, 9)]


def reference_q4(p, q):
    return float(sum(a * np.log2(a / b) for a, b in zip(p, q) if a > 0))
"""
NAMES = {"q1": "entropy", "q2": "perplexity", "q3": "bits", "q4": "divergence"}
ATTACK = "import os, signal\ndef perplexity(p):\n    "
# What is handed in: the answers; then the points and the status that they deserve, None where several do.
HONEST: dict[str, tuple[Any, float, str | None]] = {
    "perfect": (RIGHT, 20, "graded"),
    "half": ({"q1": RIGHT["q1"], "q3": RIGHT["q3"]}, 10, "graded"),
    "nats": (RIGHT | {"q2": RIGHT["q2"].replace("log2", "log")}, 15, "graded"),
}
BROKEN: dict[str, tuple[Any, float, str | None]] = {
    "no Python": (RIGHT | {"q2": "def perplexity(p:"}, 15, "partial"),
    "an endless loop": (RIGHT | {"q2": "while True:\n    pass"}, 15, "partial"),
    "leaves": (RIGHT | {"q2": "import os\nos._exit(0)"}, 15, "partial"),
    "a deleted question": (RIGHT | {"q2": None}, 15, "question missing"),
    "no notebook": (b"print(1)", 0, "not a notebook"),
    "raises": (RIGHT | {"q2": "def perplexity(p):\n    return p.entropy"}, 15, "partial"),
}
HOSTILE: dict[str, tuple[Any, float, str | None]] = {
    "kills its parents": (RIGHT | {"q2": f"{ATTACK}os.kill(os.getppid(), signal.SIGKILL)"}, 15, None),
    "30 GB": (RIGHT | {"q2": "x = bytearray(30_000_000_000)"}, 15, None),
    "a file outside": (RIGHT | {"q2": f"{ATTACK}open('/var/tmp/x', 'w')"}, 15, None),
    "all signals": (RIGHT | {"q2": f"{ATTACK}os.kill(-1, signal.SIGKILL)"}, 15, None),
    "equal to everything": (
        RIGHT | {"q2": "class Any(float):\n    __eq__ = lambda a, b: True\nperplexity = lambda p: Any(7)"},
        15,
        None,
    ),
}


def cell(kind: str, name: str, source: str, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return a cell of a notebook."""
    found: dict[str, Any] = {"cell_type": kind, "id": name, "metadata": metadata, "source": source}
    return found | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def notebook(sources: dict[str, str | None], *, heavy: bool) -> dict[str, Any]:
    """Return the lab with these sources of its questions, and with what all three graders look for."""
    cells = [
        cell("markdown", "title", "# A lab", {}),
        cell(
            "code",
            "setup",
            f"import math\nimport numpy as np\n{TRAINING.format(steps=STEPS) if heavy else ''}",
            {},
        ),
    ]
    for name, source in sources.items():
        if source is not None:
            tags = [f"question={name}", f"kind={KINDS[name]}", f"points={POINTS}", f"defines={NAMES[name]}"]
            own = {"grade": False, "solution": True, "locked": False, "grade_id": name}
            cells.append(
                cell(
                    "code",
                    name,
                    source,
                    {"tags": tags, "nbgrader": own | {"schema_version": 3, "task": False}},
                )
            )
        own = {"grade": True, "solution": False, "locked": True, "grade_id": f"{name}-test", "points": POINTS}
        cells.append(
            cell(
                "code", f"{name}-test", TESTS[name], {"nbgrader": own | {"schema_version": 3, "task": False}}
            )
        )
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "labutils": {"lab": {"name": "lab", "title": "A lab"}}}
    return {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}


def master(*, heavy: bool) -> dict[str, Any]:
    """Return the master: solutions between markers that labutils and nbgrader both know."""
    between = {}
    for name, source in RIGHT.items():
        lines = source.splitlines()
        indent = "    " if len(lines) > 1 else ""
        body = [f"{indent}### BEGIN SOLUTION", lines[-1], f"{indent}### END SOLUTION"]
        between[name] = "\n".join([*lines[:-1], *body])
    return notebook(between, heavy=heavy)


def handed_in(answers: Any, *, heavy: bool) -> bytes:
    """Return a submission as a file; what is not answered stays as it was handed out."""
    if isinstance(answers, bytes):
        return answers
    stubs = {
        name: f"{source.splitlines()[0]}\n    raise NotImplementedError  # your code here"
        if KINDS[name] == "function"
        else f"{NAMES[name]} = ...  # your code here"
        for name, source in RIGHT.items()
    }
    return json.dumps(notebook(stubs | answers, heavy=heavy)).encode()


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command on one thread a process."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **threads, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def environment(folder: Path, tool: str) -> Path:
    """Make an environment with a tool, and return where its commands are."""
    commands = folder / tool / "bin"
    if not (commands / "python").exists():
        venv.create(folder / tool, with_pip=True)
        numpy = run([sys.executable, "-c", "import numpy; print(numpy.__version__)"], folder).stdout.strip()
        wanted = [f"{tool}=={TOOLS[tool]}", f"numpy=={numpy}", "ipykernel"]
        subprocess.run([commands / "python", "-m", "pip", "install", "-q", *wanted], check=True)
    own = run(
        [str(commands / "python"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder
    )
    # After its own packages: what it lacks, torch, comes from the book's environment.
    (Path(own.stdout.strip()) / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return commands


def labutils_command(folder: Path, *more: str) -> list[str]:
    """Return the command that grades what lies in a folder."""
    words = [sys.executable, "-m", "labutils", "coursework", "grade", "lab.ipynb", "in", "--to", "work"]
    return [*words, "--secret", "secret.txt", "--jobs", str(WORKERS), *more]


def with_labutils(
    folder: Path, files: dict[str, bytes], *, heavy: bool, more: tuple[str, ...] = ()
) -> dict[str, float]:
    """Grade `files`; return the points by student."""
    prepare(folder, files, heavy=heavy)
    done = run(labutils_command(folder, *more), folder, PYTHONPATH=str(ROOT))
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return {name: result["points"] for name, result in found(folder).items()}


def prepare(folder: Path, files: dict[str, bytes], *, heavy: bool) -> None:
    """Write the lab and the submissions."""
    (folder / "in").mkdir(parents=True)
    (folder / "lab.ipynb").write_text(json.dumps(master(heavy=heavy)), encoding="utf-8")
    (folder / "lab_checks.py").write_text(f'"""Checks."""\n{CHECKS % (60 if heavy else 2)}', encoding="utf-8")
    for name, content in files.items():
        (folder / f"in/{name}.ipynb").write_bytes(content)


def found(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the results by student."""
    results = [json.loads(path.read_bytes()) for path in (folder / "work/results").glob("[!.]*.json")]
    return {result["student"]: result for result in results}


def with_otter(folder: Path, files: dict[str, bytes], commands: Path) -> dict[str, float]:
    """Grade `files` with `otter run`, so many at a time; return the points by student."""
    (folder / "tests").mkdir(parents=True)
    for name, test in TESTS.items():
        case = {"code": f">>> {test}\n", "hidden": True, "locked": False}
        suite = {"cases": [case], "scored": True, "setup": "", "teardown": "", "type": "doctest"}
        about = {"name": name, "points": POINTS, "suites": [suite]}
        (folder / f"tests/{name}.py").write_text(f"OK_FORMAT = True\ntest = {about!r}\n", encoding="utf-8")
    made = run([str(commands / "otter"), "generate", "-t", "tests", "-o", "autograder.zip"], folder)
    if made.returncode:
        raise SystemExit(made.stdout + made.stderr)

    def one(name: str) -> float:
        own = folder / name
        own.mkdir()
        (own / "lab.ipynb").write_bytes(files[name])
        path = f"{commands}{os.pathsep}{os.environ['PATH']}"
        run(
            [str(commands / "otter"), "run", "-a", "../autograder.zip", "--no-logo", "lab.ipynb"],
            own,
            PATH=path,
        )
        results = own / "results.json"
        tests = json.loads(results.read_bytes())["tests"] if results.exists() else []
        return float(sum(test.get("score", 0) for test in tests))

    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(files, pool.map(one, files), strict=True))


def with_nbgrader(folder: Path, files: dict[str, bytes], commands: Path, *, heavy: bool) -> dict[str, float]:
    """Grade `files` with `nbgrader autograde` in as many courses as there are workers."""
    names = list(files)
    courses = [(folder / f"course-{n}", names[n::WORKERS]) for n in range(WORKERS) if names[n::WORKERS]]
    for course, students in courses:
        (course / "source/lab").mkdir(parents=True)
        (course / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'c'\n")
        (course / "source/lab/lab.ipynb").write_text(json.dumps(master(heavy=heavy)), encoding="utf-8")
        for name in students:
            (course / f"submitted/{name}/lab").mkdir(parents=True)
            (course / f"submitted/{name}/lab/lab.ipynb").write_bytes(files[name])

    def one(course: Path) -> dict[str, float]:
        path = f"{commands}{os.pathsep}{os.environ['PATH']}"
        for words in (
            ["generate_assignment", "lab", "--create"],
            ["autograde", "lab", "--create"],
            ["export"],
        ):
            done = run([str(commands / "nbgrader"), *words], course, PATH=path)
        if not (course / "grades.csv").exists():
            raise SystemExit(done.stdout + done.stderr)
        with (course / "grades.csv").open(encoding="utf-8") as file:
            return {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}

    with ThreadPoolExecutor(WORKERS) as pool:
        points = list(pool.map(one, [course for course, _ in courses]))
    return {name: score for part in points for name, score in part.items()}


def speed(tools: dict[str, Path], *, heavy: bool, rounds: int, few: int, many: int) -> None:
    """Take the times in turn, round after round, and print submissions a minute."""
    kinds = list(HONEST.values())
    preload = ("--preload", "torch" if heavy else "numpy")
    ways: dict[str, tuple[int, Callable[[Path, dict[str, bytes]], dict[str, float]]]] = {
        "labutils": (few * 4, lambda at, files: with_labutils(at, files, heavy=heavy)),
        "labutils --preload": (
            few * 4 if heavy else many,
            lambda at, files: with_labutils(at, files, heavy=heavy, more=preload),
        ),
        "otter-grader": (few, lambda at, files: with_otter(at, files, tools["otter-grader"])),
        "nbgrader": (few, lambda at, files: with_nbgrader(at, files, tools["nbgrader"], heavy=heavy)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (count, way) in ways.items():
            chosen = {f"s{n}": kinds[n % len(kinds)] for n in range(count)}
            files = {student: handed_in(one[0], heavy=heavy) for student, one in chosen.items()}
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                points = way(Path(folder), files)
                seconds[name].append((time.perf_counter() - began) / count)
            wrong = [
                f"{s}: {points.get(s)} for {one[1]}" for s, one in chosen.items() if points.get(s) != one[1]
            ]
            if wrong:
                print(f"{name}, points that are not right: {'; '.join(wrong[:5])}")
    slowest = {name: statistics.median(taken) for name, taken in seconds.items()}
    print(f"\n{'heavy' if heavy else 'light'} lab, {WORKERS} at a time, median of {rounds} rounds")
    print(
        f"{'':<20}{'submissions':>12}{'s each':>9}{'a minute':>10}{'beside otter':>14}{'beside nbgrader':>17}"
    )
    for name, (count, _) in ways.items():
        one = slowest[name]
        beside = "".join(
            f"{slowest[other] / one:>{width}.1f}" for other, width in (("otter-grader", 14), ("nbgrader", 17))
        )
        print(f"{name:<20}{count:>12}{one:>9.3f}{60 / one:>10.0f}{beside}", flush=True)


def to_the_end(count: int, *, preload: bool) -> None:
    """Grade many, kill the run half-way, resume it, and look whether each got what it deserves."""
    draw = random.Random(0)
    broken, hostile = count // 10, count // 20
    kinds = [draw.choice(list(HONEST)) for _ in range(count - broken - hostile)]
    kinds += [list(BROKEN)[n % len(BROKEN)] for n in range(broken)]
    kinds += [list(HOSTILE)[n % len(HOSTILE)] for n in range(hostile)]
    draw.shuffle(kinds)
    every = HONEST | BROKEN | HOSTILE
    files = {f"s{n:03}": handed_in(every[kind][0], heavy=False) for n, kind in enumerate(kinds)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, files, heavy=False)
        command = labutils_command(folder, *(("--preload", "numpy") if preload else ()))
        began, done = time.perf_counter(), folder / "work/results"
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None and len(list(done.glob("[!.]*.json"))) < count // 2:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kept = len(found(folder))
        again = run(command, folder, PYTHONPATH=str(ROOT))
        seconds = time.perf_counter() - began
        results = found(folder)
        title = f"{count} submissions{', pre-loaded' if preload else ''}"
        print(f"\n{title}: {broken} broken, {hostile} hostile; {seconds:.0f} s")
        print(f"killed with {kept} results; then: {again.stdout.splitlines()[1]}")
        faults = []
        for (student, _), kind in zip(files.items(), kinds, strict=True):
            result, (_, points, status) = results.get(student), every[kind]
            if result is None:
                faults.append(f"{student}, {kind}: lost")
            elif (
                not result["reason"] or (status and status != result["status"]) or result["points"] != points
            ):
                faults.append(
                    f"{student}, {kind}: {result['status']}, {result['points']} points. {result['reason']}"
                )
        print(f"{len(results)} results; not as deserved: {len(faults)}", *faults[:10], sep="\n")
        print(
            "; ".join(
                f"{status}: {n}" for status, n in Counter(r["status"] for r in results.values()).most_common()
            )
        )


def main() -> None:
    """Make the environments, take the times, and grade many to the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--environments", type=Path, help="keep the two environments here")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--few", type=int, default=6, help="submissions a round for the slow ones")
    parser.add_argument("--many", type=int, default=100, help="submissions a round for the fast one")
    parser.add_argument("--count", type=int, default=300, help="submissions that are graded to the end")
    options = parser.parse_args()
    place = options.environments or Path(tempfile.mkdtemp(prefix="labutils-benchmark-"))
    try:
        tools = {tool: environment(place, tool) for tool in TOOLS}
        for heavy in (False, True):
            speed(tools, heavy=heavy, rounds=options.rounds, few=options.few, many=options.many)
        for preload in (False, True):
            to_the_end(options.count, preload=preload)
    finally:
        if not options.environments:
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
