"""Recurrent layers: the loop over time around each cell, and a language model around the layers.

Parameters have torch's names, shapes and initial values (uniform within ±1/√n_hidden, drawn in torch's
order), so that `load_state_dict` carries weights both ways and a seed gives both the same weights.
Pages: notebooks/sequences/rnn.ipynb, notebooks/sequences/lstm_gru.ipynb.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labutils.models.cells import (
    NONLINEARITIES,
    GRUCell,
    LSTMCell,
    Nonlinearity,
    Recurrent,
    Reset,
    RNNCell,
    add_forget_bias,
    gru_step,
    known_nonlinearity,
    known_reset,
    lstm_step,
)
from labutils.models.ids import check_ids
from labutils.models.lstm_backward import lstm_by_hand

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell", "RecurrentLM", "detach"]

# What comes from x does not wait for the state: one large product for all steps stands before the loop.
# `unbind` and `stack` take the steps apart and together: indexing x[:, t] would make autograd fill a whole
# array of zeros for each step.


class _Sequence(Recurrent):
    def __init__(self, n_in: int, n_hidden: int, n_gates: int) -> None:
        super().__init__(n_in, n_hidden, n_gates, suffix="_l0")

    def _project(self, x: Tensor) -> Tensor:
        """What the steps get from x, (time, batch, n_gates · n_hidden)."""
        self.check_x(x, "batch, time")
        if x.shape[1] == 0:
            raise ValueError("x has no time steps: expected at least one")
        w_x, _, b_x, _ = self.weights()
        return F.linear(x.transpose(0, 1), w_x, b_x)

    def _start(self, name: str, x: Tensor, state: Tensor | None) -> Tensor:
        shape = (1, len(x), self.n_hidden)
        return x.new_zeros(shape[1:]) if state is None else self.check_state(name, state, shape)[0]


class RNN(_Sequence):
    """One layer of `RNNCell` over time; equal to torch.nn.RNN(n_in, n_hidden, batch_first=True)."""

    def __init__(self, n_in: int, n_hidden: int, nonlinearity: Nonlinearity = "tanh") -> None:
        super().__init__(n_in, n_hidden, n_gates=1)
        self.nonlinearity = known_nonlinearity(nonlinearity)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Take `x` (batch, time, n_in) to the states (batch, time, n_hidden) and the last one.

        `state`, given and returned, has torch's shape (1, batch, n_hidden); None means zeros.
        """
        _, w_h, _, b_h = self.weights()
        h, outputs = self._start("state", x, state), []
        for from_x in self._project(x).unbind(0):
            h = NONLINEARITIES[self.nonlinearity](from_x + F.linear(h, w_h, b_h))
            outputs.append(h)
        return torch.stack(outputs, dim=1), h[None]


class LSTM(_Sequence):
    """One layer of `LSTMCell` over time; equal to torch.nn.LSTM(n_in, n_hidden, batch_first=True).

    With `by_hand`, labutils.models.lstm_backward computes the gradient instead of autograd: the same numbers
    in less time.
    """

    def __init__(self, n_in: int, n_hidden: int, forget_bias: float = 0.0, *, by_hand: bool = False) -> None:
        super().__init__(n_in, n_hidden, n_gates=4)
        self.by_hand = by_hand
        add_forget_bias(self.weights()[2], forget_bias)

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Take `x` (batch, time, n_in) to all h (batch, time, n_hidden) and the last (h, c).

        `state`, given and returned, is (h, c) in torch's shape (1, batch, n_hidden); None means zeros.
        """
        given = (None, None) if state is None else state
        h, c = (self._start(name, x, s) for name, s in zip("hc", given, strict=True))
        all_from_x = self._project(x)
        _, w_h, _, b_h = self.weights()
        if self.by_hand:
            output, h, c = lstm_by_hand(all_from_x, h, c, w_h, b_h)
            return output.transpose(0, 1), (h[None], c[None])
        outputs = []
        for from_x in all_from_x.unbind(0):
            h, c = lstm_step(from_x + F.linear(h, w_h, b_h), c)
            outputs.append(h)
        return torch.stack(outputs, dim=1), (h[None], c[None])


class GRU(_Sequence):
    """One layer of `GRUCell` over time; with `reset` "after" equal to torch.nn.GRU(…, batch_first=True)."""

    def __init__(self, n_in: int, n_hidden: int, reset: Reset = "after") -> None:
        super().__init__(n_in, n_hidden, n_gates=3)
        self.reset = known_reset(reset)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Take `x` (batch, time, n_in) to the states (batch, time, n_hidden) and the last one.

        `state`, given and returned, has torch's shape (1, batch, n_hidden); None means zeros.
        """
        _, w_h, _, b_h = self.weights()
        h, outputs = self._start("state", x, state), []
        for from_x in self._project(x).unbind(0):
            h = gru_step(from_x, h, w_h, b_h, self.reset)
            outputs.append(h)
        return torch.stack(outputs, dim=1), h[None]


# --- a language model ---------------------------------------------------------------------------------------

KINDS: dict[str, tuple[Any, Any]] = {  # ours and torch's
    "rnn": (RNN, nn.RNN),
    "lstm": (LSTM, nn.LSTM),
    "gru": (GRU, nn.GRU),
}


class RecurrentLM(nn.Module):
    """Embedding, recurrent layers, and a linear layer to the logits of the next token.

    `kind` is "rnn", "lstm" or "gru". With `library` the layers are torch's, which are faster; without, they
    are those of this module. Both give the same numbers, and `load_state_dict` fits both. `forget_bias` is
    for "lstm" alone: it is added to the initial bias of the forget gates.
    """

    def __init__(
        self,
        kind: Literal["rnn", "lstm", "gru"],
        n_vocab: int,
        d_model: int,
        n_hidden: int,
        n_layer: int = 1,
        *,
        library: bool = True,
        forget_bias: float = 0.0,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}: expected one of {', '.join(KINDS)}")
        if n_layer < 1:
            raise ValueError(f"n_layer is {n_layer}: expected at least 1")
        if forget_bias and kind != "lstm":
            raise ValueError(
                f"forget_bias is {forget_bias}, but kind is {kind!r}: only an LSTM has forget gates"
            )
        self.kind, self.library = kind, library
        self.embedding = nn.Embedding(n_vocab, d_model)
        ours, theirs = KINDS[kind]
        make = (lambda *sizes: theirs(*sizes, batch_first=True)) if library else ours
        self.layers = nn.ModuleList(make(d_model if i == 0 else n_hidden, n_hidden) for i in range(n_layer))
        self.head = nn.Linear(n_hidden, n_vocab)
        for layer in self.layers:
            if kind == "lstm":
                add_forget_bias(cast(Tensor, layer.bias_ih_l0), forget_bias)

    def forward(self, ids: Tensor, state: list[Any] | None = None) -> tuple[Tensor, list[Any]]:
        """Take `ids` (batch, time) to the logits (batch, time, n_vocab) and the state after the last token.

        The state is a list with the state of each layer; None stands for zeros. To train on one long text in
        pieces (truncated back-propagation through time), pass `detach(state)` on.
        """
        x = self.embedding(check_ids(ids, self.embedding.num_embeddings))  # (batch, time, d_model)
        states = []
        for i, layer in enumerate(self.layers):
            x, last = layer(x, None if state is None else state[i])
            states.append(last)
        return self.head(x), states


def detach(state: Any) -> Any:
    """A state, cut from the graph that computed it: gradients stop there. Any nesting of lists and tuples."""
    if isinstance(state, Tensor):
        return state.detach()
    return type(state)(detach(part) for part in state)
