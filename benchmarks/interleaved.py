"""Times of several functions, taken in turn: what else the machine does then disturbs all of them alike."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch


def interleaved(functions: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Call every function once a round, after one round that is not counted; return the seconds of each.

    On one thread (LABUTILS_THREADS=1) these are seconds of processor time, which other programs disturb
    little; on more threads, of the clock, and the numbers mean little unless the machine is idle.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(rounds + 1):
        for name, function in functions.items():
            start = clock()
            function()
            if turn:
                seconds[name].append(clock() - start)
    return seconds


def ratio(seconds: dict[str, list[float]], name: str, to: str) -> tuple[float, float]:
    """How many times as long as `to` this took: median of the rounds' ratios, and fastest by fastest."""
    each = [a / b for a, b in zip(seconds[name], seconds[to], strict=True)]
    return statistics.median(each), min(seconds[name]) / min(seconds[to])


def table(seconds: dict[str, list[float]], to: str) -> None:
    """Print a line for each function: median and least time, and both ratios to the function `to`."""
    print(f"{'':42}{'ms: median':>12}{'least':>8}   times {to}: median{'of least':>10}")
    for name, times in seconds.items():
        median, least = ratio(seconds, name, to)
        print(
            f"{name:42}{1e3 * statistics.median(times):12.1f}{1e3 * min(times):8.1f}"
            f"{median:{17 + len(to)}.2f}{least:10.2f}"
        )


def conditions() -> None:
    """Print what the numbers depend on."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 (a file of the system)
            model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except OSError:
        pass  # not Linux
    load = f", {os.getloadavg()[0]:.1f} programs waiting on average" if hasattr(os, "getloadavg") else ""
    print(
        f"{model}, {os.cpu_count()} cores{load}; "
        f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), "
        f"{torch.backends.cpu.get_cpu_capability()}"
    )
