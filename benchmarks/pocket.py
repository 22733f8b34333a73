"""How long a step of the pocket trainer's Muon takes, beside torch's, and how long models take to load.

    python benchmarks/pocket.py [--rounds 10]

The step is the optimiser's alone, for the matrices of the pocket GPT, with the same gradients for both. What
torch's own costs is its bfloat16, which a processor without instructions for it computes slowly. A model is
loaded by a process of its own, its libraries imported before the clock starts; the time is the processor's.
The models that are downloaded must be in the cache. Nothing here can fail for being slow.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import labutils

labutils.start()

import torch  # noqa: E402  (after start, which fixes threads and instruction set)
from interleaved import conditions, interleaved, table  # noqa: E402

from labutils.models.pretrained import SHELF, load  # noqa: E402
from labutils.pocket.muon import Muon  # noqa: E402

LOAD = """
import time
import labutils
labutils.start()
import torch, transformers
from transformers import BertForMaskedLM, BertModel, LlamaForCausalLM
from labutils.models.pretrained import load
began = time.process_time()
load({name!r})
print(time.process_time() - began)
"""


def step_of(kind: Callable[..., torch.optim.Optimizer]) -> Callable[[], Any]:
    """A function that takes one step with the matrices of the pocket GPT's blocks."""
    model, _ = load("pocket-gpt")
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    generator = torch.Generator().manual_seed(0)
    for p in matrices:
        p.grad = torch.randn(p.shape, generator=generator)
    return kind(matrices, lr=0.02, momentum=0.95, weight_decay=0.1).step


def seconds_to_load(name: str) -> float:
    """Processor time of the first `load` in a process."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD.format(name=name)], capture_output=True, text=True, check=True
    )
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    """Time both optimisers in turn, then each model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="how often each is timed (default 10)")
    options = parser.parse_args()
    conditions()
    table(
        interleaved(
            {"labutils Muon": step_of(Muon), "torch Muon": step_of(torch.optim.Muon)}, options.rounds
        ),
        "labutils Muon",
    )
    for name in SHELF:
        times = sorted(seconds_to_load(name) for _ in range(3))
        print(f"load({name!r}): {times[1]:.2f} s, least {times[0]:.2f}")


if __name__ == "__main__":
    main()
