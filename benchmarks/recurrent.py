"""Where the time of an LSTM goes: four ways to write it, beside torch's fused one.

    python benchmarks/recurrent.py [--rounds 30] [--hidden 256] [--time 64] [--batch 32]

Forward and backward together, in turn with each other. Nothing here can fail for being slow.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import labutils

labutils.start()

import torch  # noqa: E402  (after start, which fixes threads and instruction set)
from interleaved import conditions, interleaved, table  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from labutils.models.recurrent import GRU, LSTM, RNN, LSTMCell  # noqa: E402


class EightProducts(nn.Module):
    """An LSTM as the formulas are printed: two matrices for each of four gates, at every step."""

    def __init__(self, like: nn.LSTM) -> None:
        super().__init__()
        parts = zip(*(p.detach().chunk(4) for p in like.parameters()), strict=True)
        self.gates = nn.ParameterList(nn.Parameter(p.clone()) for gate in parts for p in gate)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Take x (batch, time, n_in) to all h (batch, time, n_hidden)."""
        p = list(self.gates)  # W_ii, W_hi, b_ii, b_hi, W_if, …
        h = c = x.new_zeros(len(x), p[1].shape[1])
        outputs = []
        for x_t in x.unbind(1):
            sums = [x_t @ p[j].T + p[j + 2] + h @ p[j + 1].T + p[j + 3] for j in (0, 4, 8, 12)]
            c = sums[1].sigmoid() * c + sums[0].sigmoid() * sums[2].tanh()
            h = sums[3].sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs, dim=1), None


class CellInALoop(nn.Module):
    """An LSTM cell in a loop: all gates in one product for x and one for h, at every step."""

    def __init__(self, like: nn.LSTM) -> None:
        super().__init__()
        self.cell = LSTMCell(like.input_size, like.hidden_size)
        self.cell.load_state_dict({name.removesuffix("_l0"): p for name, p in like.state_dict().items()})

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Take x (batch, time, n_in) to all h (batch, time, n_hidden)."""
        h = c = x.new_zeros(len(x), self.cell.n_hidden)
        outputs = []
        for x_t in x.unbind(1):
            h, c = self.cell(x_t, (h, c))
            outputs.append(h)
        return torch.stack(outputs, dim=1), None


def carried(ours: nn.Module, theirs: nn.Module) -> nn.Module:
    """Ours, with the weights of theirs."""
    ours.load_state_dict(theirs.state_dict())
    return ours


def step(model: nn.Module, x: Tensor) -> Tensor:
    """Forward and backward; the output, for comparison."""
    model.zero_grad()
    output: Tensor = model(x)[0]
    output.square().mean().backward()
    return output.detach()


def run(models: dict[str, nn.Module], x: Tensor, rounds: int, to: str) -> None:
    """Check that all models compute the same, then time them in turn."""
    steps: dict[str, Callable[[], Tensor]] = {name: partial(step, model, x) for name, model in models.items()}
    expected = steps[to]()
    for name, function in steps.items():
        torch.testing.assert_close(
            function(), expected, rtol=1e-4, atol=1e-5, msg=f"{name} differs from {to}"
        )
    table(interleaved(steps, rounds), to)


def main() -> None:
    """Print the ladder of LSTMs, then RNN and GRU beside torch's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30, help="how often each is timed (default 30)")
    parser.add_argument("--hidden", type=int, default=256, help="n_in and n_hidden (default 256)")
    parser.add_argument("--time", type=int, default=64, help="steps (default 64)")
    parser.add_argument("--batch", type=int, default=32, help="sequences (default 32)")
    options = parser.parse_args()
    n = options.hidden
    x = torch.randn(options.batch, options.time, n, requires_grad=True)
    print(f"hidden {n}, {options.time} steps, batch {options.batch}; forward and backward")
    conditions()
    lstm, gru, rnn = (kind(n, n, batch_first=True) for kind in (nn.LSTM, nn.GRU, nn.RNN))
    run(
        {
            "eight products a step": EightProducts(lstm),
            "gates stacked: two products a step": CellInALoop(lstm),
            "product with x before the loop": carried(LSTM(n, n), lstm),
            "and the backward pass by hand": carried(LSTM(n, n, by_hand=True), lstm),
            "nn.LSTM": lstm,
        },
        x,
        options.rounds,
        "nn.LSTM",
    )
    run({"labutils GRU": carried(GRU(n, n), gru), "nn.GRU": gru}, x, options.rounds, "nn.GRU")
    run({"labutils RNN": carried(RNN(n, n), rnn), "nn.RNN": rnn}, x, options.rounds, "nn.RNN")


if __name__ == "__main__":
    main()
