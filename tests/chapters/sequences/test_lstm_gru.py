"""The chapter lstm_gru: page = package, its explorer, what its answers state, and answers to its checks."""

from __future__ import annotations

import json
from math import exp, log
from typing import Any

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from py_mini_racer import MiniRacer
from torch import nn

from engine import Engine
from labutils.models.recurrent import GRUCell, LSTMCell
from places import run_cells, sources

DEFINING = ("parameters", "lstm-cell", "gru-cell", "adding-task", "drawers-task", "rungs", "rung-three")


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """Names that the defining cells make; the asserts in them run as well."""
    names = run_cells("lstm_gru", DEFINING, torch=torch, nn=nn, np=np, log=np.log)
    # Of these cells the function alone: what follows it prints.
    for cell in ("half-life", "backward-step"):
        exec(sources("lstm_gru")[cell].partition("\n\n")[0], names)
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


# --- the explorer ---

STEPS = 60
CELLS = ["LSTM", "as 001 prints it"]
Run = Any


@pytest.fixture(scope="module")
def racer(engine: Engine) -> MiniRacer:
    return engine.racer


def computed(racer: MiniRacer, tape: str, forget: float, gate: float, cell: str = CELLS[0]) -> Run:
    values = json.dumps({"tape": tape, "forget": forget, "input": gate, "cell": cell})
    return json.loads(str(racer.eval(f"JSON.stringify(labutils.explorers.gates.compute({values}, null))")))


def said(racer: MiniRacer, **values: Any) -> str:
    spec = {
        "name": "gates",
        "alt": "Two curves that are seen in this drawing",
        "data": None,
        "values": values,
    }
    page = BeautifulSoup(str(racer.eval(f"labutils.markup({json.dumps(spec)})")), "html.parser")
    return page.find(class_="labutils-say").get_text()  # type: ignore[union-attr]


def one_unit(forget: float, gate: float) -> LSTMCell:
    """Inputs: what is written, whether something is, whether it is an erasure."""
    cell = LSTMCell(3, 1).double()
    rows = {"i": [0.0, 8.0, 0.0], "f": [0.0, 0.0, -12.0], "g": [3.0, 0.0, 0.0], "o": [0.0, 0.0, 0.0]}
    cell.load_state_dict(
        {
            "weight_ih": torch.tensor(list(rows.values()), dtype=torch.float64),
            "weight_hh": torch.zeros(4, 1, dtype=torch.float64),
            "bias_ih": torch.tensor([gate, forget, 0.0, 2.0], dtype=torch.float64),
            "bias_hh": torch.zeros(4, dtype=torch.float64),
        }
    )
    return cell


def read(tape: str) -> torch.Tensor:
    """(time, 1, 3)."""
    value = [{"+": 1.0, "-": -1.0, "−": -1.0}.get(sign, 0.0) for sign in tape[:STEPS].ljust(STEPS, ".")]
    erase = [float(sign == "0") for sign in tape[:STEPS].ljust(STEPS, ".")]
    return torch.tensor([[[v, abs(v), e]] for v, e in zip(value, erase, strict=True)], dtype=torch.float64)


@settings(max_examples=60, deadline=None)
@given(tape=st.text("+-−0. x", max_size=70), forget=st.floats(-2, 6), gate=st.floats(-8, 2))
def test_equals_the_cell(racer: MiniRacer, tape: str, forget: float, gate: float) -> None:
    found = computed(racer, tape, forget, gate)
    cell = one_unit(forget, gate)
    h = c = torch.zeros(1, 1, dtype=torch.float64)
    for t, x in enumerate(read(tape)):
        h, c = cell(x, (h, c))
        assert found["cs"][t] == pytest.approx(c.item(), abs=1e-9)
        assert found["hs"][t] == pytest.approx(h.item(), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(tape=st.text("+-0.", max_size=70), forget=st.floats(-2, 6), gate=st.floats(-8, 2))
def test_as_printed_never_falls_below_zero(racer: MiniRacer, tape: str, forget: float, gate: float) -> None:
    found = computed(racer, tape, forget, gate, CELLS[1])
    cell, c = one_unit(forget, gate), 0.0
    for t, x in enumerate(read(tape)):
        i, f, g, o = (x[0] @ cell.weights()[0].T + cell.weights()[2]).detach().sigmoid().tolist()
        c = f * c + i * g
        assert found["cs"][t] == pytest.approx(c)
        assert found["hs"][t] == pytest.approx(o * c)
    assert min(found["cs"]) > 0


@pytest.mark.parametrize("forget", [-2, 0, 3, 6])
def test_half_life_halves(racer: MiniRacer, forget: float) -> None:
    found = computed(racer, "+", forget, -8)
    assert found["gate"] ** found["halfLife"] == pytest.approx(0.5)
    np.testing.assert_allclose(found["cs"][20] / found["cs"][10], found["gate"] ** 10, rtol=1e-6)


def test_says_what_it_shows(racer: MiniRacer) -> None:
    assert "A forget gate of 0.500 keeps half of a value for 1.0 steps" in said(racer, forget=0)
    assert "for 14 steps. After 60 steps c is 0.06" in said(racer)  # as its alternative text says
    assert "for 103 steps" in said(racer, forget=5)
    assert "After 60 steps c is 0.00 and h is 0.00; c was between 0.00 and 0.98." in said(racer, forget=0)
    assert "−" not in said(racer, tape="", forget=6)


def test_drawers_hold_what_was_put_last(page: dict[str, Any]) -> None:
    x, y = page["drawers"](50, torch.Generator().manual_seed(0), n_steps=20, k=3)
    for number, want in zip(x, y, strict=True):
        lies = [0.0] * 3
        for value, *put in number.tolist():
            assert sum(put) <= 1
            lies = [value if here else old for here, old in zip(put, lies, strict=True)]
        np.testing.assert_allclose(lies, want, rtol=1e-6)


def test_adding_adds_the_marked(page: dict[str, Any]) -> None:
    x, y = page["adding"](50, torch.Generator().manual_seed(0), n_steps=9)
    for number, want in zip(x.tolist(), y[:, 0].tolist(), strict=True):
        marked = [value for value, mark in number if mark]
        assert len(marked) == 2
        assert sum(marked) == pytest.approx(want)


def test_two_kinks_make_a_switch() -> None:
    """What the page says of ReLU: with m 0 or 1 the sum is c or v."""
    for c, v, m in ((0.3, 0.8, 0.0), (0.3, 0.8, 1.0), (0.9, 0.1, 1.0), (0.0, 0.4, 0.0)):
        assert max(0.0, c - m) + max(0.0, v + m - 1) == pytest.approx(v if m else c)


def test_a_coupled_cell_stays_in_its_interval() -> None:
    """What the answer of exercise 3 states."""
    rng = torch.Generator().manual_seed(0)
    h, c, step = torch.zeros(1, 4), torch.ones(1, 4), coupled(right_mix)
    for _ in range(100):
        given_ = [5 * torch.randn(shape, generator=rng) for shape in ((1, 3), (12, 3), (12, 4), (12,))]
        h, c = step(given_[0], h, c, *given_[1:])
        assert c.abs().max() <= 1


# --- answers to the checks: test_checks.py runs them --------------------------------------------------------


def bias_for(k: float) -> float:
    f = 0.5 ** (1 / k)
    return log(f / (1 - f))


def gru(keep: bool = True, before: bool = True, reset: bool = True, squash: Any = torch.tanh) -> Any:
    def step(x: Any, h: Any, w_x: Any, w_h: Any, b: Any) -> Any:
        x_r, x_z, x_g = (x @ w_x.T + b).chunk(3, dim=1)
        u_r, u_z, u_g = w_h.chunk(3)
        r, z = (x_r + h @ u_r.T).sigmoid(), (x_z + h @ u_z.T).sigmoid()
        r = r if reset else torch.ones_like(r)
        g = squash(x_g + ((r * h) @ u_g.T if before else r * (h @ u_g.T)))
        return z * h + (1 - z) * g if keep else (1 - z) * h + z * g

    return step


def gru_with(candidate: Any) -> Any:
    def step(x: Any, h: Any, w_x: Any, w_h: Any, b: Any) -> Any:
        x_r, x_z, x_g = (x @ w_x.T + b).chunk(3, dim=1)
        u_r, u_z, u_g = w_h.chunk(3)
        r, z = (x_r + h @ u_r.T).sigmoid(), (x_z + h @ u_z.T).sigmoid()
        return z * h + (1 - z) * candidate(r, x_g, h, u_g)

    return step


def gru_in_numpy(x: Any, h: Any, w_x: Any, w_h: Any, b: Any) -> Any:
    x, h, w_x, w_h, b = (np.asarray(part, dtype=np.float32) for part in (x, h, w_x, w_h, b))
    n = h.shape[1]
    sums = x @ w_x.T + b
    r, z = (1 / (1 + np.exp(-(sums[:, k : k + n] + h @ w_h[k : k + n].T))) for k in (0, n))
    return (z * h + (1 - z) * np.tanh(sums[:, 2 * n :] + (r * h) @ w_h[2 * n :].T)).tolist()


def gru_in_place(x: Any, h: Any, w_x: Any, w_h: Any, b: Any) -> Any:
    x_r, x_z, x_g = (x @ w_x.T).add_(b).chunk(3, dim=1)
    u_r, u_z, u_g = w_h.chunk(3)
    z = (x_z + h @ u_z.T).sigmoid_()
    new = torch.tanh(x_g + (h * (x_r + h @ u_r.T).sigmoid_()) @ u_g.T)
    return h.mul_(z).add_((1 - z) * new)


def coupled(mix: Any, show: Any = None) -> Any:
    def step(x: Any, h: Any, c: Any, w_x: Any, w_h: Any, b: Any) -> Any:
        f, g, o = (x @ w_x.T + h @ w_h.T + b).chunk(3, dim=1)
        new = mix(f, g, c)
        return (show or (lambda o, old, new: o.sigmoid() * new.tanh()))(o, c, new), new

    return step


def right_mix(f: Any, g: Any, c: Any) -> Any:
    return f.sigmoid() * c + (1 - f.sigmoid()) * g.tanh()


def coupled_in_place(x: Any, h: Any, c: Any, w_x: Any, w_h: Any, b: Any) -> Any:
    f, g, o = (x @ w_x.T + h @ w_h.T).add_(b).chunk(3, dim=1)
    c.mul_(f.sigmoid()).add_((1 - f.sigmoid()) * g.tanh())
    return [(o.sigmoid() * c.tanh()).float(), c.numpy().tolist()]


def carried(forget: Any) -> Any:
    later = np.cumprod(forget[::-1], axis=0)[::-1]
    return np.concatenate([later[1:], np.ones((1, forget.shape[1]))])


def carried_in_place(forget: Any) -> Any:
    for t in range(len(forget) - 1):
        forget[t] = forget[t + 1 :].prod(axis=0)
    forget[-1] = 1
    return forget


def by_quotient(forget: Any) -> Any:
    return forget.prod(axis=0) / np.cumprod(forget, axis=0)


RIGHT: dict[str, list[Any]] = {
    "bias_for": [
        bias_for,
        lambda k: round(bias_for(k), 4),
        lambda k: np.array([bias_for(k)]),
        lambda k: torch.logit(torch.tensor(0.5 ** (1 / k), dtype=torch.float64)),
        lambda k: -log(2 ** (1 / k) - 1),
    ],
    "gru_step": [gru(), gru_in_numpy, gru_in_place],
    "coupled_step": [coupled(right_mix), coupled_in_place],
    "carried": [
        carried,
        lambda f: torch.as_tensor(carried(f)),
        carried_in_place,
        lambda f: carried(f).tolist(),
    ],
}

WRONG: list[tuple[str, Any, str]] = [
    ("bias_for", lambda k: 0.5 ** (1 / k), "is the gate, not its bias"),
    ("bias_for", lambda k: -bias_for(k), "sign is turned"),
    ("bias_for", lambda k: log(0.5) / k, "is ln f"),
    ("bias_for", lambda k: log(k / log(2)), "estimate for long half-lives"),
    ("bias_for", lambda k: bias_for(k * log(2)), "leaves 1/e"),
    ("bias_for", lambda k: exp(bias_for(k)), "logarithm is missing"),
    ("bias_for", lambda k: bias_for(k) / log(2), "base 2"),
    ("bias_for", lambda k: bias_for(k) / log(10), "base 10"),
    ("bias_for", log, "number of steps"),
    ("bias_for", lambda k: np.arctanh(0.5 ** (1 / k)), "inverse of tanh"),
    ("bias_for", lambda k: round(bias_for(k), 1), "gave 2.6, expected 2.634"),
    ("bias_for", lambda k: 7.0, "expected 2.634"),
    ("bias_for", lambda k: "x", "is a str"),
    ("bias_for", 4.97, "hand over the function bias_for, not 4.97"),
    ("gru_step", gru(before=False), "after the product"),
    ("gru_step", gru(keep=False), "share of the new value"),
    ("gru_step", gru(keep=False, before=False), "both those of other papers"),
    ("gru_step", gru(reset=False), "not used"),
    ("gru_step", gru(squash=torch.relu), "ReLU"),
    ("gru_step", gru(squash=torch.sigmoid), "a sigmoid: tanh"),
    ("gru_step", gru(squash=lambda a: a), "lacks its tanh"),
    ("gru_step", lambda x, h, w_x, w_h, b: gru()(x, h, w_x, w_h, 0 * b), "bias b is missing"),
    (
        "gru_step",
        lambda x, h, w_x, w_h, b: gru()(x, h, *(torch.cat([p[4:8], p[:4], p[8:]]) for p in (w_x, w_h, b))),
        "changed places",
    ),
    ("gru_step", gru_with(lambda r, x_g, h, u: (r * (x_g + h @ u.T)).tanh()), "shrinks the input as well"),
    ("gru_step", gru_with(lambda r, x_g, h, u: r * (x_g + h @ u.T).tanh()), "acts on the candidate"),
    (
        "gru_step",
        lambda x, h, w_x, w_h, b: gru()(x, h, w_x, torch.cat([u.T for u in w_h.chunk(3)]), b),
        "not transposed",
    ),
    ("gru_step", lambda x, h, w_x, w_h, b: h[:1], "shape (1, 4)"),
    ("gru_step", lambda x, h, w_x, w_h, b: 0 * h, "expected"),
    ("gru_step", lambda x, h, w_x, w_h, b: object(), "expected numbers"),
    ("coupled_step", coupled(lambda f, g, c: f.sigmoid() * g.tanh() + (1 - f.sigmoid()) * c), "wrong way"),
    ("coupled_step", coupled(lambda f, g, c: f.sigmoid() * c + g.tanh()), "written whole"),
    ("coupled_step", coupled(lambda f, g, c: f.sigmoid() * (c + g.tanh())), "weighed by f"),
    ("coupled_step", coupled(lambda f, g, c: f.sigmoid() * c + (1 - f.sigmoid()) * g.sigmoid()), "as in 001"),
    (
        "coupled_step",
        coupled(lambda f, g, c: f.sigmoid() * c + (1 - f.sigmoid()) * g),
        "candidate lacks its tanh",
    ),
    ("coupled_step", coupled(lambda f, g, c: f * c + (1 - f) * g.tanh()), "lacks its sigmoid"),
    ("coupled_step", coupled(right_mix, lambda o, old, new: o.sigmoid() * new), "h lacks its tanh"),
    ("coupled_step", coupled(right_mix, lambda o, old, new: o.sigmoid() * old.tanh()), "old cell"),
    ("coupled_step", coupled(right_mix, lambda o, old, new: o * new.tanh()), "output gate lacks its sigmoid"),
    ("coupled_step", coupled(right_mix, lambda o, old, new: new.tanh()), "not used"),
    ("coupled_step", coupled(right_mix, lambda o, old, new: o.sigmoid() * new.relu()), "ReLU"),
    ("coupled_step", coupled(right_mix, lambda o, old, new: 0 * o), "c is right; for h"),
    ("coupled_step", coupled(lambda f, g, c: 0 * c), "expected"),
    ("coupled_step", lambda x, h, c, w_x, w_h, b: coupled(right_mix)(x, h, c, w_x, w_h, 0 * b), "bias b"),
    ("coupled_step", lambda *given: coupled(right_mix)(*given)[::-1], "changed places"),
    ("coupled_step", lambda *given: 1.0, "return two tensors"),
    ("carried", lambda f: np.cumprod(f[::-1], axis=0)[::-1], "gate of step t itself"),
    ("carried", lambda f: np.cumprod(f, axis=0), "from the front"),
    ("carried", lambda f: np.concatenate([f[:1] * 0 + 1, np.cumprod(f, axis=0)[:-1]]), "before step t"),
    ("carried", lambda f: carried(f)[::-1].copy(), "turned round"),
    ("carried", lambda f: np.concatenate([f[1:], f[:1] * 0 + 1]), "next gate alone"),
    ("carried", lambda f: np.cumsum(f[::-1], axis=0)[::-1] - f, "these are sums"),
    ("carried", lambda f: np.concatenate([carried(f)[:-1], 0 * f[:1]]), "so it is 1"),
    ("carried", lambda f: 1 - carried(f), "what is lost"),
    ("carried", by_quotient, "0/0"),
    ("carried", lambda f: np.nan_to_num(by_quotient(f)), "loses what follows a gate of 0"),
    ("carried", lambda f: f.prod(axis=0) / np.maximum(np.cumprod(f, axis=0), 1e-9), "loses what follows"),
    ("carried", np.ones_like, "expected"),
    ("carried", lambda f: f[0], "shape (2,)"),
]
