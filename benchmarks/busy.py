"""How much slower training is while other programs keep cores busy, by threads and by how they wait.

python benchmarks/busy.py [--seconds 3] [--rounds 3] [--chapter NAME]

Threads that wait for each other in a loop take the core that the one they wait for needs. Every setting runs
in a process of its own, since OpenMP reads the environment once; for each number of busy neighbours all
settings take their turns in one go. With --chapter the cells of a chapter are run as well, with the setting
of `labutils.start()` and, as it was before, on two threads.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = {
    "1 thread": {"LABUTILS_THREADS": "1"},
    "2 threads, passive": {"LABUTILS_THREADS": "2"},
    "2 threads, GOMP_SPINCOUNT 10000": {
        "LABUTILS_THREADS": "2",
        "GOMP_SPINCOUNT": "10000",
        "OMP_WAIT_POLICY": "active",
    },
    "2 threads, as torch comes": {"LABUTILS_THREADS": "2", "OMP_WAIT_POLICY": "active"},
}
STEPS = """
import sys, time
import labutils
labutils.start()
import torch
from torch import nn
torch.manual_seed(0)
if sys.argv[1] == "LSTM":
    model, x = nn.LSTM(64, 64, batch_first=True), torch.randn(32, 40, 64)
    loss = lambda: model(x)[0].square().mean()
else:
    model = nn.Sequential(*[nn.TransformerEncoderLayer(64, 4, 256, 0.0, batch_first=True) for _ in range(2)])
    x = torch.randn(16, 64, 64)
    loss = lambda: model(x).square().mean()
optimiser = torch.optim.Adam(model.parameters())
began, times = time.perf_counter(), []
while time.perf_counter() - began < float(sys.argv[2]) or len(times) < 3:
    start = time.perf_counter()
    optimiser.zero_grad(); loss().backward(); optimiser.step()
    times.append(time.perf_counter() - start)
print(1000 * sum(times) / len(times))
"""


@contextmanager
def neighbours(n: int) -> Iterator[None]:
    """`n` other programs that never pause."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def step(kind: str, seconds: float, setting: dict[str, str]) -> float:
    """Return the mean milliseconds of a training step."""
    command = [sys.executable, "-c", STEPS, kind, str(seconds)]
    done = subprocess.run(command, env=os.environ | setting, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def chapter(name: str, setting: dict[str, str]) -> float:
    """Return the seconds that the cells of a chapter take, without a kernel."""
    [path] = (ROOT / "notebooks").rglob(f"{name}.ipynb")
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    program = (
        "from IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell.instance()\n"
    )
    program += f"for cell in {cells!r}:\n    shell.run_cell(cell).raise_error()\n"
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-"],
        input=program,
        cwd=path.parent,
        env=os.environ | setting | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=True,
    )
    return time.perf_counter() - began


def main() -> None:
    """Print a row a setting: what a step takes alone, and how many times that beside one and two others."""
    parser = argparse.ArgumentParser(description="Training beside other programs.")
    parser.add_argument("--seconds", type=float, default=3.0, help="of training for each number")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chapter", help="also the cells of this chapter, such as lstm_gru")
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    busy = (0, max(1, cores // 2), cores)
    print(f"{cores} cores; busy: {busy}. Milliseconds a step, times what it takes alone.")
    for kind in ("LSTM", "transformer"):
        taken: dict[tuple[str, int], list[float]] = {}
        for _ in range(options.rounds):
            for n in busy:
                with neighbours(n):
                    for name, setting in SETTINGS.items():
                        taken.setdefault((name, n), []).append(step(kind, options.seconds, setting))
        for name in SETTINGS:
            alone, *others = (statistics.median(taken[name, n]) for n in busy)
            print(
                f"{kind:<12} {name:<32} {alone:7.1f} ms"
                + "".join(f"{time / alone:8.1f} ×" for time in others)
            )
    if options.chapter:
        for name in ("1 thread", "2 threads, as torch comes"):
            seconds = []
            for n in busy:
                with neighbours(n):
                    seconds.append(chapter(options.chapter, SETTINGS[name]))
            factors = "".join(f"{time / seconds[0]:8.1f} ×" for time in seconds[1:])
            print(f"{options.chapter:<12} {name:<32} {seconds[0]:7.0f} s {factors}")


if __name__ == "__main__":
    main()
