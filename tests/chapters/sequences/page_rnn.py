"""What the chapter rnn defines on its page equals what labutils has of it."""

from __future__ import annotations

from typing import Any

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labutils.models.recurrent import RNN, RNNCell
from places import ROOT


def defined(*cell_ids: str) -> dict[str, Any]:
    """The names that cells of the chapter define, with nothing but the imports before them."""
    notebook = nbformat.read(ROOT / "notebooks/sequences/rnn.ipynb", as_version=4)
    cells = {cell.id: cell.source for cell in notebook.cells}
    names: dict[str, Any] = {"np": np, "torch": torch, "F": F, "nn": torch.nn}
    for cell_id in cell_ids:
        exec(cells[cell_id], names)
    return names


def weights(module: Any) -> tuple[torch.Tensor, ...]:
    w_x, w_h, b_x, b_h = (part.detach() for part in module.weights())
    return w_x.T, w_h.T, b_x + b_h


@pytest.mark.parametrize(
    ("n_in", "n_hidden", "n_batch", "n_time"), [(1, 1, 1, 1), (3, 5, 4, 7), (6, 2, 3, 40)]
)
def test_step_and_loop_equal_the_package(n_in: int, n_hidden: int, n_batch: int, n_time: int) -> None:
    page = defined("step")
    cell, layer = RNNCell(n_in, n_hidden), RNN(n_in, n_hidden)
    x, h = torch.randn(n_batch, n_time, n_in), torch.randn(n_batch, n_hidden)
    torch.testing.assert_close(page["step"](x[:, 0], h, *weights(cell)), cell(x[:, 0], h))
    torch.testing.assert_close(page["unroll"](x, h, *weights(layer)), layer(x, h[None])[0])


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 100])
def test_bptt_equals_autograd_that_is_cut(cut: int) -> None:
    """Truncation by hand is `detach` at the first step of each piece."""
    page = defined("step", "equal", "bptt-loop")
    torch.manual_seed(1)
    w_x, w_h, b = torch.randn(3, 4), (0.5 * torch.randn(4, 4)).requires_grad_(), torch.randn(4)
    x, wanted = torch.randn(8, 2, 3), torch.randn(8, 2, 4)
    h, states, loss = torch.zeros(2, 4), [torch.zeros(2, 4)], torch.zeros(())
    for t in range(8):
        h = page["step"](x[t], h.detach() if t % cut == 0 else h, w_x, w_h, b)
        states.append(h)
        loss = loss + ((h - wanted[t]) ** 2).sum()
    loss.backward()
    with torch.no_grad():
        along = torch.stack(states)
        passes = (torch.arange(8)[:, None, None] % cut != 0) * 1.0
        blame = page["bptt"](w_h, along, 2 * (along[1:] - wanted), passes)
        by_hand = sum(before.T @ delta for before, delta in zip(along[:-1], blame, strict=True))
    assert w_h.grad is not None
    torch.testing.assert_close(w_h.grad, by_hand)


def test_theory_without_input_is_the_spectral_radius_below_one() -> None:
    theory = defined("theory")["theory"]
    for radius in (0.2, 0.5, 0.9):
        assert theory(radius, 0.0) == pytest.approx(radius, abs=1e-6)
    assert 1 < theory(1.5, 0.0) < 1.1
    rates = [theory(1.2, signal) for signal in (0.0, 0.3, 1.0, 3.0)]
    assert rates == sorted(rates, reverse=True)


def test_gains_equal_autograd() -> None:
    page = defined("theory")
    found = page["gains"](1.2, 0.7, seed=3, n=12, n_back=5, n_before=4)
    rng = np.random.default_rng(3)
    w = rng.normal(size=(12, 12))
    w *= 1.2 / abs(np.linalg.eigvals(w)).max()
    h, noise = torch.tensor(rng.normal(size=12)), torch.tensor(rng.normal(size=(9, 12)))
    for a in noise[:4]:
        h = torch.tanh(h @ torch.tensor(w) + 0.7 * a)

    def later(state: torch.Tensor) -> torch.Tensor:
        for a in noise[4:]:
            state = torch.tanh(state @ torch.tensor(w) + 0.7 * a)
        return state

    jacobian = torch.autograd.functional.jacobian(later, h)
    assert found[-1] == pytest.approx(torch.linalg.matrix_norm(jacobian).item() / np.sqrt(12))


def test_tosses_ask_for_what_was_tossed() -> None:
    tosses = defined("copy-gradients")["tosses"]
    x, y, weight = tosses(torch.tensor([0, 1, 3]), 6, 5, torch.Generator().manual_seed(0))
    for net, lag in enumerate((0, 1, 3)):
        assert torch.equal(y[lag:, net], x[: 6 - lag, net])
        assert (weight[:lag, net] == 0).all()
        assert weight[:, net].sum() == pytest.approx(1.0)
