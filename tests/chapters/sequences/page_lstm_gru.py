"""What notebooks/sequences/lstm_gru.ipynb defines on its page equals labutils and torch."""

from __future__ import annotations

from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from torch import nn

from labutils.models.recurrent import GRUCell, LSTMCell
from places import ROOT

DEFINING = ("parameters", "half-life", "lstm-cell", "gru-cell", "rungs", "rung-three")


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """Names that the defining cells make; the asserts in them run as well."""
    notebook = nbformat.read(ROOT / "notebooks/sequences/lstm_gru.ipynb", as_version=4)
    cells = {cell.id: cell.source for cell in notebook.cells}
    names: dict[str, Any] = {"torch": torch, "nn": nn, "np": np, "log": np.log}
    for cell_id in DEFINING:
        exec(cells[cell_id], names)
    # Of this cell the function alone: what follows it prints.
    exec(cells["backward-step"].partition("\n\n")[0], names)
    return names


def weights(cell: nn.Module) -> list[torch.Tensor]:
    return [p.detach() for p in cell.parameters()]


@pytest.mark.parametrize("seed", range(3))
def test_lstm_cell(page: dict[str, Any], seed: int) -> None:
    torch.manual_seed(seed)
    cell = LSTMCell(3, 5).double()
    w_x, w_h, b_x, b_h = weights(cell)
    x, h, c = (torch.randn(4, n, dtype=torch.float64) for n in (3, 5, 5))
    torch.testing.assert_close(page["lstm_cell"](x, h, c, w_x, w_h, b_x + b_h), cell(x, (h, c)))


@pytest.mark.parametrize("reset", ["after", "before"])
def test_gru_cell(page: dict[str, Any], reset: Any) -> None:
    torch.manual_seed(0)
    cell = GRUCell(3, 5, reset).double()
    x, h = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    torch.testing.assert_close(page["gru_cell"](x, h, *weights(cell), reset=reset), cell(x, h))


@pytest.mark.parametrize("rung", ["eight_products", "two_products", "one_product"])
def test_rungs(page: dict[str, Any], rung: str) -> None:
    torch.manual_seed(0)
    layer = nn.LSTM(3, 5, batch_first=True).double()
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    torch.testing.assert_close(page[rung](x, *weights(layer)), layer(x)[0])


def test_backward_step(page: dict[str, Any]) -> None:
    torch.manual_seed(0)

    def forward(sums: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        i, f, g, o = sums.chunk(4, dim=1)
        new = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return torch.cat([o.sigmoid() * new.tanh(), new], dim=1)

    sums, c = (torch.randn(2, n, dtype=torch.float64, requires_grad=True) for n in (12, 3))
    out = forward(sums, c)
    d_out = torch.randn_like(out)
    i, f, g, o = (part.detach() for part in sums.chunk(4, dim=1))
    found = page["lstm_backward"](
        *d_out.chunk(2, dim=1),
        i.sigmoid(),
        f.sigmoid(),
        g.tanh(),
        o.sigmoid(),
        c.detach(),
        out[:, 3:].detach(),
    )
    torch.testing.assert_close(found, torch.autograd.grad(out, [sums, c], d_out))


@pytest.mark.parametrize(("kind", "layer"), [("rnn", nn.RNN), ("gru", nn.GRU), ("lstm", nn.LSTM)])
def test_parameters(page: dict[str, Any], kind: str, layer: Any) -> None:
    n = page["widest"](kind, 4, 2000)
    assert page["parameters"](kind, 4, n) <= 2000 < page["parameters"](kind, 4, n + 1)
    assert sum(p.numel() for p in layer(4, n).parameters()) == page["parameters"](kind, 4, n)


def test_half_life(page: dict[str, Any]) -> None:
    for f in (0.1, 0.5, 0.99):
        assert f ** page["half_life"](f) == pytest.approx(0.5)
