"""The explorer of the chapter rnn computes what the same network gives in Python."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from test_explorers import Engine
from test_rnn_page import defined

N, BEFORE, BACK = 64, 60, 50
KINDS = {"identity": lambda a: a, "tanh": torch.tanh, "ReLU": torch.relu}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.racer.close()


def numbers() -> tuple[Any, Any, Any]:
    """The start, the noise and the matrix of spectral radius 1, by the explorer's generator."""
    state = 20241

    def uniform() -> float:
        nonlocal state
        state = (1664525 * state + 1013904223) % 2**32
        return (state + 0.5) / 2**32

    def normals(rows: int) -> Any:
        pairs = ((uniform(), uniform()) for _ in range(rows * N))
        return np.array([math.sqrt(-2 * math.log(a)) * math.cos(2 * math.pi * b) for a, b in pairs]).reshape(
            rows, N
        )

    start, noise, raw = normals(1)[0], normals(BEFORE + BACK), normals(N)
    return start, noise, raw / abs(np.linalg.eigvals(raw)).max()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("radius", "signal"), [(0.5, 0.0), (0.9, 0.5), (1.0, 1.0), (1.5, 0.0), (2.5, 2.0)])
def test_gains_equal_autograd(engine: Engine, kind: str, radius: float, signal: float) -> None:
    found = engine.compute("gradient_decay", {"radius": radius, "kind": kind, "signal": signal})["gains"]
    start, noise, unit = (torch.tensor(array) for array in numbers())
    h = start
    for a in noise[:BEFORE]:
        h = KINDS[kind](radius * h @ unit + signal * a)

    def later(h: torch.Tensor, k: int) -> torch.Tensor:
        for a in noise[BEFORE : BEFORE + k]:
            h = KINDS[kind](radius * h @ unit + signal * a)
        return h

    assert len(found) == BACK
    for k in (1, 2, 7, 20):
        jacobian = torch.autograd.functional.jacobian(lambda state, k=k: later(state, k), h)
        assert found[k - 1] == pytest.approx(
            torch.linalg.matrix_norm(jacobian).item() / math.sqrt(N), rel=1e-3
        )


@pytest.mark.parametrize(
    ("radius", "signal"), [(0.3, 0.0), (0.5, 1.0), (0.9, 0.5), (1.1, 0.3), (1.5, 1.0), (2.5, 2.0)]
)
def test_theory_equals_the_pages(engine: Engine, radius: float, signal: float) -> None:
    theory = defined("theory")["theory"]
    found = engine.compute("gradient_decay", {"radius": radius, "kind": "tanh", "signal": signal})
    assert found["rate"] == pytest.approx(theory(radius, signal), rel=1e-4)


def test_theory_without_tanh(engine: Engine) -> None:
    for kind, rate in (("identity", 1.2), ("ReLU", 1.2 / math.sqrt(2))):
        assert engine.compute("gradient_decay", {"radius": 1.2, "kind": kind, "signal": 0.5})["rate"] == rate


def test_linear_network_follows_its_spectral_radius(engine: Engine) -> None:
    gains = engine.compute("gradient_decay", {"radius": 0.8, "kind": "identity", "signal": 1.0})["gains"]
    assert np.mean([b / a for a, b in pairwise(gains[20:])]) == pytest.approx(0.8, abs=0.02)


def test_line_and_dots_stay_inside_and_keep_their_slope(engine: Engine) -> None:
    for radius in (0.3, 1.0, 3.0):
        drawing = engine.markup("gradient_decay", radius=radius, kind="identity").find("svg")
        assert drawing is not None
        line = drawing.find("line", class_="orange dashed")
        x1, x2, y1, y2 = (float(str(line[name])) for name in ("x1", "x2", "y1", "y2"))  # type: ignore[index]
        per_step, per_power = (640 - 10 - 46) / 50, (250 - 26) / 18
        assert (y1 - y2) / per_power == pytest.approx(math.log10(radius) * (x2 - x1) / per_step, abs=0.01)
        assert all(26 <= float(str(dot["cy"])) <= 250 for dot in drawing.find_all("circle")[:-1])


def test_nothing_in_the_figure_overflows(engine: Engine) -> None:
    for values in (
        {"radius": 3, "kind": "identity", "signal": 2},
        {"radius": 0.3, "kind": "ReLU", "signal": 0},
    ):
        figure = str(engine.markup("gradient_decay", **values))
        assert not re.search(r"NaN|Infinity|undefined", figure)


def test_sentence_names_all_controls(engine: Engine) -> None:
    """Without a non-linearity the input changes nothing that is drawn: the sentence still follows it."""
    small, large = (str(engine.markup("gradient_decay", kind="identity", signal=s)) for s in (0.5, 1.5))
    assert "identity, input of size 0.5: theory says 0.90 a step" in small
    assert "identity, input of size 1.5: theory says 0.90 a step" in large
