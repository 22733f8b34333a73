"""One step of a recurrent network: RNN, LSTM and GRU cells, with torch's names and initial values.

The weights of several gates are one matrix. Pages: notebooks/sequences/rnn.ipynb,
notebooks/sequences/lstm_gru.ipynb.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]

NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "identity": lambda x: x,
}
Nonlinearity = Literal["tanh", "relu", "identity"]
Reset = Literal["after", "before"]


class Recurrent(nn.Module):
    """What cells and their loops share: four parameters for `n_gates` gates, named as torch names them."""

    def __init__(self, n_in: int, n_hidden: int, n_gates: int, suffix: str = "") -> None:
        super().__init__()
        if n_in < 1 or n_hidden < 1:
            raise ValueError(f"n_in is {n_in} and n_hidden is {n_hidden}: both must be at least 1")
        self.n_in, self.n_hidden, self.suffix = n_in, n_hidden, suffix
        rows, bound = n_gates * n_hidden, 1 / math.sqrt(n_hidden)
        shapes = {
            "weight_ih": (rows, n_in),
            "weight_hh": (rows, n_hidden),
            "bias_ih": (rows,),
            "bias_hh": (rows,),
        }
        for name, shape in shapes.items():
            self.register_parameter(name + suffix, nn.Parameter(torch.empty(shape).uniform_(-bound, bound)))

    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """weight_ih (n_gates · n_hidden, n_in), weight_hh (…, n_hidden), bias_ih (…,), bias_hh (…,)."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return cast(
            tuple[Tensor, Tensor, Tensor, Tensor], tuple(getattr(self, n + self.suffix) for n in names)
        )

    def extra_repr(self) -> str:
        """The sizes, where the module is printed."""
        return f"{self.n_in}, {self.n_hidden}"

    def check_x(self, x: Tensor, axes: str) -> None:
        """Raise ValueError unless `x` has shape (axes, n_in)."""
        if x.dim() != axes.count(",") + 2 or x.shape[-1] != self.n_in:
            raise ValueError(f"x has shape {tuple(x.shape)}: expected ({axes}, n_in = {self.n_in})")

    def check_state(self, name: str, state: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The state itself; ValueError unless it has that shape."""
        if state.shape != shape:
            raise ValueError(
                f"{name} has shape {tuple(state.shape)}: expected {shape}, zeros if there is none"
            )
        return state


def add_forget_bias(bias_ih: Tensor, forget_bias: float) -> None:
    """Add to the bias of the forget gates, in place; the rows of `bias_ih` are those of i, f, g, o."""
    with torch.no_grad():
        bias_ih.chunk(4)[1].add_(forget_bias)


# --- one step -----------------------------------------------------------------------------------------------


class RNNCell(Recurrent):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh). Elman (1990); equal to torch.nn.RNNCell.

    `nonlinearity` is "tanh", "relu" or "identity".
    """

    def __init__(self, n_in: int, n_hidden: int, nonlinearity: Nonlinearity = "tanh") -> None:
        super().__init__(n_in, n_hidden, n_gates=1)
        self.nonlinearity = known_nonlinearity(nonlinearity)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Take `x` (batch, n_in) and `h` (batch, n_hidden) to the next h. ValueError for other shapes."""
        self.check_x(x, "batch")
        self.check_state("h", h, (len(x), self.n_hidden))
        w_x, w_h, b_x, b_h = self.weights()
        return NONLINEARITIES[self.nonlinearity](F.linear(x, w_x, b_x) + F.linear(h, w_h, b_h))


class LSTMCell(Recurrent):
    """Gates i, f, o and candidate g: c' = f ⊙ c + i ⊙ g, h' = o ⊙ tanh(c'). Equal to torch.nn.LSTMCell.

    Hochreiter & Schmidhuber (1997), with the forget gate of Gers, Schmidhuber & Cummins (2000). The rows of
    the weights are those of i, f, g, o, in this order. `forget_bias` is added to the initial bias of f
    (Jozefowicz, Zaremba & Sutskever, 2015, recommend 1).
    """

    def __init__(self, n_in: int, n_hidden: int, forget_bias: float = 0.0) -> None:
        super().__init__(n_in, n_hidden, n_gates=4)
        add_forget_bias(self.weights()[2], forget_bias)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Take `x` (batch, n_in) and `state` = (h, c), (batch, n_hidden) each, to the next (h, c)."""
        self.check_x(x, "batch")
        h, c = (
            self.check_state(name, s, (len(x), self.n_hidden)) for name, s in zip("hc", state, strict=True)
        )
        w_x, w_h, b_x, b_h = self.weights()
        gates = F.linear(x, w_x, b_x) + F.linear(h, w_h, b_h)  # (batch, 4 n_hidden): all gates in one product
        return lstm_step(gates, c)


def lstm_step(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """From the four gates' sums, (batch, 4 n_hidden), and c to the next (h, c)."""
    i, f, g, o = gates.chunk(4, dim=1)  # (batch, n_hidden) each
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


class GRUCell(Recurrent):
    """h' = (1 − z) ⊙ n + z ⊙ h with a reset gate r, an update gate z and a candidate n.

    `reset` says where r acts on the state in n = tanh(W_in x + b_in + …):
    "after" the product, r ⊙ (W_hn h + b_hn), as torch.nn.GRUCell does (the form that cuDNN made common), or
    "before" it, W_hn (r ⊙ h) + b_hn, as in Cho et al. (2014). The rows of the weights are those of r, z, n.
    """

    def __init__(self, n_in: int, n_hidden: int, reset: Reset = "after") -> None:
        super().__init__(n_in, n_hidden, n_gates=3)
        self.reset = known_reset(reset)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Take `x` (batch, n_in) and `h` (batch, n_hidden) to the next h. ValueError for other shapes."""
        self.check_x(x, "batch")
        self.check_state("h", h, (len(x), self.n_hidden))
        w_x, w_h, b_x, b_h = self.weights()
        return gru_step(F.linear(x, w_x, b_x), h, w_h, b_h, self.reset)


def gru_step(from_x: Tensor, h: Tensor, w_h: Tensor, b_h: Tensor, reset: Reset) -> Tensor:
    """From what x contributes to r, z, n, (batch, 3 n_hidden), and h to the next h."""
    n_hidden = h.shape[1]
    x_rz, x_n = from_x.split([2 * n_hidden, n_hidden], dim=1)
    if reset == "after":
        h_rz, h_n = F.linear(h, w_h, b_h).split([2 * n_hidden, n_hidden], dim=1)
        r, z = (x_rz + h_rz).sigmoid().chunk(2, dim=1)
        n = torch.tanh(x_n + r * h_n)
    else:
        w_rz, w_n = w_h.split([2 * n_hidden, n_hidden])
        b_rz, b_n = b_h.split([2 * n_hidden, n_hidden])
        r, z = (x_rz + F.linear(h, w_rz, b_rz)).sigmoid().chunk(2, dim=1)
        n = torch.tanh(x_n + F.linear(r * h, w_n, b_n))
    new: Tensor = n + z * (h - n)  # (1 − z) n + z h, with one product less
    return new


def known_nonlinearity(name: Nonlinearity) -> Nonlinearity:
    """The name itself; ValueError for one that is not there."""
    if name not in NONLINEARITIES:
        raise ValueError(f"nonlinearity is {name!r}: expected one of {', '.join(NONLINEARITIES)}")
    return name


def known_reset(reset: Reset) -> Reset:
    """The convention itself; ValueError for another one."""
    if reset not in ("after", "before"):
        raise ValueError(f"reset is {reset!r}: expected 'after' (torch) or 'before' (Cho et al. 2014)")
    return reset
