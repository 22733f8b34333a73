"""Train a pocket model so that a kill at any moment costs a minute, and changes nothing in the weights.

What a step does follows from the recipe, the text and the step's number alone, so that a state saved between
two steps is all there is to resume from. State files are replaced whole, never written into.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labutils.pocket.recipe import CLS, SEP, Recipe, build, mask_tokens, optimisers, rate

__all__ = ["batch", "run"]

_log = logging.getLogger(__name__)


def batch(ids: NDArray[np.int64], step: int, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """What the model sees and shall say at a step, both (batch_size, n_context), from the step's number alone.

    Each pass over the text is cut into windows at another offset and taken in another order.
    """
    n_window = recipe.n_context - 2 * (recipe.kind == "bert")  # a BERT's stand between [CLS] and [SEP]
    n_windows = (len(ids) - n_window) // n_window
    if n_windows < recipe.batch_size:
        need = (recipe.batch_size + 1) * n_window
        raise ValueError(f"a text of {len(ids)} tokens is too short for a batch: it takes {need}")
    turn, place = divmod(step, n_windows // recipe.batch_size)
    random = np.random.default_rng((recipe.seed, turn))
    starts = random.integers(n_window) + n_window * random.permutation(n_windows)
    starts = starts[place * recipe.batch_size : (place + 1) * recipe.batch_size]
    x = torch.from_numpy(ids[starts[:, None] + np.arange(n_window)])
    if recipe.kind == "bert":
        x = torch.nn.functional.pad(torch.nn.functional.pad(x, (1, 0), value=CLS), (0, 1), value=SEP)
        return mask_tokens(x, recipe, torch.Generator().manual_seed(recipe.seed * 1_000_003 + step))
    y = torch.cat([x[:, 1:], torch.full((len(x), 1), -100)], dim=1)
    return x, y


def run(
    recipe: Recipe,
    ids: NDArray[np.int64],
    folder: Path,
    report: Callable[[int, float, float], None] | None = None,
    save_seconds: float = 60.0,
) -> tuple[Any, dict[str, float]]:
    """Train to the recipe's end, or go on from where `folder` has it; the model and what the run took.

    `report(step, nats, seconds)` is called every 20 steps with the mean loss since the last call. The state is
    saved every `save_seconds`, and at the end. ValueError where `folder` holds the state of another recipe,
    text, number of threads or version of torch, which would lead to other weights.
    """
    model = build(recipe).train()
    optims = optimisers(model, recipe)
    about = {
        **asdict(recipe),
        "tokens": int(ids.sum()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__.split("+")[0],
    }
    file = folder / "state.pt"
    step, seconds, losses = 0, 0.0, []
    if file.exists():
        state = torch.load(file, weights_only=True)
        found = json.loads(state["about"])
        if found != about:
            other = ", ".join(f"{k} was {found.get(k)}" for k in about if found.get(k) != about[k])
            raise ValueError(f"{file} is the state of another run ({other}): delete it, or train in another folder")
        step, seconds, losses = state["step"], state["seconds"], state["losses"]
        model.load_state_dict(state["model"])
        for optimiser, kept in zip(optims, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        _log.info("goes on at step %d", step)
    rates = [[group["lr"] for group in optimiser.param_groups] for optimiser in optims] if step == 0 else [
        [recipe.muon_rate], [recipe.adam_rate]
    ]

    def save() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        torch.save(
            {
                "about": json.dumps(about),
                "step": step,
                "seconds": seconds,
                "losses": losses,
                "model": model.state_dict(),
                "optimisers": [optimiser.state_dict() for optimiser in optims],
            },
            part,
        )
        part.replace(file)

    began = saved = time.perf_counter()
    before = seconds
    while step < recipe.n_steps:
        x, y = batch(ids, step, recipe)
        torch.manual_seed(recipe.seed * 1_000_003 + step)  # dropout follows from the step, too
        for optimiser, own in zip(optims, rates, strict=True):
            for group, base in zip(optimiser.param_groups, own, strict=True):
                group["lr"] = base * rate(step, recipe)
            optimiser.zero_grad()
        logits = model(input_ids=x).logits
        shifted = (logits[:, :-1], y[:, :-1]) if recipe.kind == "gpt" else (logits, y)
        loss = torch.nn.functional.cross_entropy(shifted[0].flatten(0, 1), shifted[1].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optims:
            optimiser.step()
        losses.append(loss.item())
        step += 1
        now = time.perf_counter()
        seconds = before + now - began
        if report is not None and (step % 20 == 0 or step == recipe.n_steps):
            report(step, float(np.mean(losses[-20:])), seconds)
        if now - saved >= save_seconds or step == recipe.n_steps:
            save()
            saved = now
    return model, {"seconds": seconds, "nats": float(np.mean(losses[-100:]))}
