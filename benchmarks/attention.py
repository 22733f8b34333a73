"""Time and memory of attention against length: all weights held at once, beside torch's fused function.

    python benchmarks/attention.py [--rounds 7] [--longest 2048]

Self-attention of one sequence, causal, 8 heads of 64 features, forward and backward. Times are taken in turn.
Memory is the most that a process of its own ever held (VmHWM on Linux, ru_maxrss on macOS), less the same
after 64 steps, which load whatever torch loads late. Nothing here can fail for being slow.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import labutils

labutils.start()

import torch  # noqa: E402  (after start, which fixes threads and instruction set)
import torch.nn.functional as F  # noqa: E402
from interleaved import conditions, interleaved, ratio  # noqa: E402
from torch import Tensor  # noqa: E402

from labutils.models.attention import attention, causal_mask  # noqa: E402

N_HEAD, D_HEAD = 8, 64


def naive(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """labutils' attention: scores, softmax and weights are arrays of (time, time) for each head."""
    return attention(q, k, v, causal_mask(q.shape[-2]))[0]


def fused(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """torch's: a tile of the weights at a time."""
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


KINDS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"naive": naive, "fused": fused}


def step(kind: str, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Forward and backward; the three gradients."""
    return torch.autograd.grad(KINDS[kind](*inputs).square().sum(), inputs)


def draw(n: int) -> tuple[Tensor, ...]:
    """Random q, k and v, (1, n_head, n, d_head)."""
    return tuple(torch.randn(1, N_HEAD, n, D_HEAD, requires_grad=True) for _ in range(3))


def mebibytes_here(kind: str, n: int) -> float:
    """The growth of this process's largest memory from the step at 64 to the one at `n`, in MiB."""
    step(kind, draw(64))
    before = most()
    step(kind, draw(n))
    return most() - before


def most() -> float:
    """The most memory that this process has held so far, in MiB."""
    try:  # ru_maxrss would do, if a process did not inherit it from the one that started it
        status = Path("/proc/self/status").read_text("ascii")
        return int(status.split("VmHWM:")[1].split()[0]) / 2**10
    except OSError:  # not Linux
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def mebibytes(kind: str, n: int) -> float:
    """The same, measured in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", kind, "--longest", str(n)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(output.split()[-1])


def lengths(longest: int) -> Iterator[int]:
    """64, 128, 256, … up to `longest`."""
    n = 64
    while n <= longest:
        yield n
        n *= 2


def main() -> None:
    """Print the table, and with which power of the length each column grows at its end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7, help="how often each is timed (default 7)")
    parser.add_argument("--longest", type=int, default=2048, help="the longest sequence (default 2048)")
    parser.add_argument("--memory-of", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        print(mebibytes_here(options.memory_of, options.longest))
        return
    conditions()
    print(f"{'':6}  ms, median of {options.rounds}           ratio          MiB at most")
    print("steps    naive    fused   median   of least     naive   fused   ratio")
    columns: dict[str, list[float]] = {"naive, ms": [], "fused, ms": [], "naive, MiB": [], "fused, MiB": []}
    for n in lengths(options.longest):
        inputs = draw(n)
        torch.testing.assert_close(step("naive", inputs), step("fused", inputs), rtol=1e-3, atol=1e-4)
        seconds = interleaved({kind: partial(step, kind, inputs) for kind in KINDS}, options.rounds)
        times = [1e3 * statistics.median(seconds[kind]) for kind in KINDS]
        memory = [mebibytes(kind, n) for kind in KINDS]
        median, least = ratio(seconds, "naive", "fused")
        times_less = f"{memory[0] / memory[1]:8.1f}" if n > 64 and memory[1] else ""
        print(
            f"{n:5}{times[0]:9.1f}{times[1]:9.1f}{median:9.2f}{least:11.2f}{memory[0]:10.0f}{memory[1]:8.0f}{times_less}"
        )
        for column, value in zip(columns.values(), (*times, *memory), strict=True):
            column.append(value)
    powers = [f"{name} {math.log2(c[-1] / c[-2]):.2f}" for name, c in columns.items() if len(c) > 1 and c[-2]]
    print("from the last length but one to the last, grows with the power: " + "; ".join(powers))


if __name__ == "__main__":
    main()
