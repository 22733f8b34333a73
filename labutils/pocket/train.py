"""Train a pocket model so that a kill at any moment costs a minute, and changes nothing in the weights.

What a step does follows from the recipe, the text and the step's number alone, so that a state saved between
two steps is all there is to resume from. The state's file is replaced whole, never written into.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from torch import Tensor

from labutils.pocket.recipe import CLS, SEP, Recipe, build, mask_tokens, optimisers, rate

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["batch", "run"]

_log = logging.getLogger(__name__)


def batch(ids: NDArray[np.int64], step: int, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """What the model sees and shall say at a step, both (batch_size, n_context), from the step alone.

    −100 where nothing is asked. Each pass over the text, ids (n_tokens,), is cut into windows at another
    offset and taken in another order. ValueError for a text that is too short for one batch.
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
) -> tuple[PreTrainedModel, dict[str, float]]:
    """Train to the recipe's end, or go on from where `folder` has it; the model and what the run took.

    `report(step, nats, seconds)` is called every 20 steps with the mean loss of the last 20. The state is
    saved every `save_seconds`, and at the end; a process that is stopped in between leaves the last one.
    ValueError where `folder` holds a damaged state, or that of another recipe, text, number of threads or
    version of torch, which would lead to other weights. OSError, with what to do, where the state cannot be
    written; BlockingIOError where another process trains in `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "train.lock", timeout=0):
            return _run(recipe, ids, folder / "state.pt", report, save_seconds)
    except Timeout as error:
        raise BlockingIOError(
            f"another process trains in {folder}: wait for it, or choose another folder"
        ) from error


def _run(
    recipe: Recipe,
    ids: NDArray[np.int64],
    file: Path,
    report: Callable[[int, float, float], None] | None,
    save_seconds: float,
) -> tuple[PreTrainedModel, dict[str, float]]:
    model = build(recipe).train()
    optims = optimisers(model, recipe)
    about = {
        **asdict(recipe),
        "tokens": int(ids.sum()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__.split("+")[0],
    }
    step, seconds, losses = 0, 0.0, []
    if file.exists():
        state = _read(file, about)
        step, seconds, losses = state["step"], state["seconds"], state["losses"]
        model.load_state_dict(state["model"])
        for optimiser, kept in zip(optims, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        _log.info("goes on at step %d", step)
    began = saved = time.perf_counter()
    before = seconds
    while step < recipe.n_steps:
        losses.append(_descend(model, optims, batch(ids, step, recipe), step, recipe))
        step += 1
        now = time.perf_counter()
        seconds = before + now - began
        if report is not None and (step % 20 == 0 or step == recipe.n_steps):
            report(step, float(np.mean(losses[-20:])), seconds)
        if now - saved >= save_seconds or step == recipe.n_steps:
            state = {
                "about": json.dumps(about),
                "step": step,
                "seconds": seconds,
                "losses": losses,
                "model": model.state_dict(),
                "optimisers": [optimiser.state_dict() for optimiser in optims],
            }
            _write(state, file)
            saved = now
    return model, {"seconds": seconds, "nats": float(np.mean(losses[-100:]))}


def _descend(
    model: PreTrainedModel,
    optims: Sequence[torch.optim.Optimizer],
    pair: tuple[Tensor, Tensor],
    step: int,
    recipe: Recipe,
) -> float:
    """One step down the gradient of a batch; its mean loss in nats. All chance follows from `step`."""
    x, y = pair
    torch.manual_seed(recipe.seed * 1_000_003 + step)  # dropout's
    for optimiser, base in zip(optims, (recipe.muon_rate, recipe.adam_rate), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = base * rate(step, recipe)
        optimiser.zero_grad()
    logits = model(input_ids=x).logits
    if recipe.kind == "gpt":  # each place is asked for the next token; after the last there is none
        logits, y = logits[:, :-1], y[:, :-1]
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimiser in optims:
        optimiser.step()
    return loss.item()


def _read(file: Path, about: dict[str, Any]) -> dict[str, Any]:
    """The state in a file; ValueError, with what to do, where it is damaged or not of the run `about`."""
    remedy = "delete it to begin anew, or train in another folder"
    try:
        state: dict[str, Any] = torch.load(file, weights_only=True)
        found = json.loads(state["about"])
    except Exception as error:  # whatever a damaged file leads to
        raise ValueError(f"{file} is not a whole state ({type(error).__name__}): {remedy}") from error
    if found != about:
        changed = [k for k in sorted({*about, *found}) if found.get(k) != about.get(k)]
        other = ", ".join(f"{k} was {found.get(k)}, is {about.get(k)}" for k in changed)
        raise ValueError(f"{file} is the state of another run ({other}): {remedy}")
    return state


def _write(state: dict[str, Any], file: Path) -> None:
    """Replace the file by one with this state; where that fails, the old one stays: OSError says how on."""
    part = file.with_suffix(".part")
    try:
        with part.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())  # a machine that loses power finds the old state or the new one
        part.replace(file)
    except (OSError, RuntimeError) as error:  # torch has its own for a write that failed
        part.unlink(missing_ok=True)
        raise OSError(
            f"{file} cannot be written ({error}): free some space (about 30 MB) or make the folder writable, "
            "then the same command goes on from the state that was saved before"
        ) from error
