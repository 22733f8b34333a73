"""How long a training step of labutils' GPT takes, beside transformers' GPT-2 class of equal configuration.

    python benchmarks/gpt.py [--rounds 30] [--dropout 0.0]

Characters of the World English Bible; 4 layers, 128 wide, 4 heads, 64 tokens of context, batches of 12. A
step is forward, loss, backward and AdamW. All start from the same weights, and those of equal configuration
must give the same losses. The last row differs: its dropout is what transformers' configuration comes with.
Nothing here can fail for being slow.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import cycle
from typing import Any

import labutils

labutils.start()

import numpy as np  # noqa: E402  (after start, which fixes threads and instruction set)
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from interleaved import conditions, interleaved, table  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from labutils import data  # noqa: E402
from labutils.models.exchange.carry import gpt_to_transformers  # noqa: E402
from labutils.models.transformer import GPT, ModelConfig  # noqa: E402
from labutils.text import Vocabulary, batches  # noqa: E402

Batch = tuple[Tensor, Tensor]


THEIRS = "GPT2LMHeadModel"
OURS: dict[str, dict[str, Any]] = {
    "labutils GPT": {},
    "labutils GPT, attention not fused": {"fused": False},
    "labutils GPT, exact GELU": {"activation": "gelu"},
}


def their_logits(model: nn.Module, x: Tensor) -> Tensor:
    """What transformers' model computes, without the cache that only generation needs."""
    logits: Tensor = model(x, use_cache=False).logits
    return logits


def trainer(
    model: nn.Module, logits_of: Callable[[Tensor], Tensor], source: Iterator[Batch]
) -> Callable[[], float]:
    """A function that takes one training step and returns its loss."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.train()

    def step() -> float:
        x, y = next(source)
        loss = F.cross_entropy(logits_of(x).flatten(0, 1), y.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def products(model: nn.Module, n_rows: int) -> Callable[[], None]:
    """Nothing but the matrix products that the linear layers need in a step: one forward, two backward.

    Both implementations do these and the products inside attention; what Python adds is the rest.
    """
    matrices = {name: value for name, value in model.named_parameters() if value.dim() == 2}
    weights = [torch.randn_like(value) for name, value in matrices.items() if "position" not in name]
    sizes = {size for weight in weights for size in weight.shape}
    values = {size: torch.randn(n_rows, size) for size in sizes}

    def multiply() -> None:
        for weight in weights:
            n_out, n_in = weight.shape
            values[n_in] @ weight.T
            values[n_out] @ weight
            values[n_out].T @ values[n_in]

    return multiply


def main() -> None:
    """Check that both learn the same, then time them in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30, help="how often each is timed (default 30)")
    parser.add_argument("--dropout", type=float, default=0.0, help="in both models (default 0)")
    options = parser.parse_args()
    text = data.load_text("bible_en")
    vocabulary = Vocabulary.from_text(text)
    ids = vocabulary.encode(text[:500_000])
    pairs = [(torch.tensor(x), torch.tensor(y)) for x, y in batches(ids, 12, 64, np.random.default_rng(0))]
    config = ModelConfig(
        n_vocab=len(vocabulary), n_context=64, n_layer=4, n_head=4, d_model=128, dropout=options.dropout
    )
    torch.manual_seed(0)
    ours = GPT(config)
    steps = {}
    for name, changes in OURS.items():
        model = GPT(replace(config, **changes))
        model.load_state_dict(ours.state_dict())
        steps[name] = trainer(model, model, cycle(pairs))
    for name, dropout in (
        (f"{THEIRS}, the same", options.dropout),
        (f"{THEIRS}, dropout 0.1 as it comes", 0.1),
    ):
        same = GPT(replace(config, dropout=dropout))
        same.load_state_dict(ours.state_dict())
        theirs = gpt_to_transformers(same)
        steps[name] = trainer(theirs, partial(their_logits, theirs), cycle(pairs))
    timed: dict[str, Callable[[], Any]] = {
        **steps,
        "only the products of linear layers": products(ours, 12 * 64),
    }
    n = sum(p.numel() for p in ours.parameters())
    print(f"{n:,} parameters, {len(vocabulary)} characters, dropout {options.dropout}; one training step")
    conditions()
    if not options.dropout:  # with dropout each draws its own
        compared = [step for name, step in steps.items() if "exact" not in name and "comes" not in name]
        for _ in range(3):
            losses = [step() for step in compared]
            if max(losses) - min(losses) > 1e-3:
                raise AssertionError(f"the models do not learn the same: {losses}")
    table(interleaved(timed, options.rounds), "labutils GPT")


if __name__ == "__main__":
    main()
