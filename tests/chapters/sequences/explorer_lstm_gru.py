"""The explorer of the gates: its JavaScript equals an LSTMCell with one unit, and says what is true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from py_mini_racer import MiniRacer

from labutils import explorers
from labutils.models.recurrent import LSTMCell

STEPS = 60
CELLS = ["LSTM", "as 001 prints it"]
Run = Any


@pytest.fixture(scope="module")
def racer() -> Iterator[MiniRacer]:
    racer = MiniRacer()
    for name in explorers.names():
        racer.eval(explorers.source(name))
    yield racer
    racer.close()


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
    assert "A forget gate of 0.500 keeps half of a value for 1.0 steps" in said(racer)
    assert "for 103 steps" in said(racer, forget=5)
    assert "After 60 steps c is 0.00 and h is 0.00; c was between 0.00 and 0.98." in said(racer)
    assert "−" not in said(racer, tape="", forget=6)
