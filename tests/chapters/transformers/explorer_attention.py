"""The explorer of the attention chapter computes what labutils.models.attention computes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from test_explorers import DATA, Engine

from labutils.information import entropy
from labutils.models.attention import attention, causal_mask, padding_mask

VECTORS: Any = DATA["attention_scores"]
MASKS = {
    "none": None,
    "causal: no later token": causal_mask(8),
    "padding: not the last token": padding_mask(torch.tensor([7]), 8)[0],
}
DIVISIONS = {"by nothing": 0.0, "by √d": 0.5, "by d": 1.0}
AFTER = "by √d, after the softmax (001)"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.racer.close()


def values(**changed: Any) -> dict[str, Any]:
    return {"width": 64, "division": "by √d", "mask": "none", "temperature": 1} | changed


def weights(width: int, power: float, mask: str, temperature: float) -> torch.Tensor:
    q, k = (torch.tensor(VECTORS[name], dtype=torch.float64)[:, :width] for name in "qk")
    return attention(q, k, k, MASKS[mask], width**-power / temperature)[1]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("division", DIVISIONS)
@pytest.mark.parametrize(("width", "temperature"), [(4, 1), (16, 0.1), (64, 3), (256, 16)])
def test_explorer_equals_attention(
    engine: Engine, width: int, temperature: float, division: str, mask: str
) -> None:
    found = engine.compute(
        "attention_scores",
        values(width=width, division=division, mask=mask, temperature=temperature),
        VECTORS,
    )
    expected = weights(width, DIVISIONS[division], mask, temperature)
    np.testing.assert_allclose(found["weights"], expected, atol=1e-12)
    assert found["total"] == pytest.approx(1)
    assert found["largest"] == pytest.approx(expected.amax(1).mean().item())
    assert found["entropy"] == pytest.approx(np.mean([entropy(row) for row in expected.numpy()]), abs=1e-9)


def test_dividing_after_the_softmax_shrinks_the_rows_and_softens_nothing(engine: Engine) -> None:
    found = engine.compute("attention_scores", values(division=AFTER), VECTORS)
    np.testing.assert_allclose(found["weights"], weights(64, 0.0, "none", 1) / 8, atol=1e-12)
    assert found["total"] == pytest.approx(0.125)
    assert found["largest"] > 0.7


def test_temperature_16_undoes_a_missing_division_at_256(engine: Engine) -> None:
    hot = engine.compute(
        "attention_scores", values(width=256, division="by nothing", temperature=16), VECTORS
    )
    assert hot == engine.compute("attention_scores", values(width=256), VECTORS)


def test_hidden_pairs_are_crossed_out(engine: Engine) -> None:
    figure = engine.markup("attention_scores", VECTORS, mask="causal: no later token")
    assert len(figure.select("svg line")) == 28
    assert len(figure.select("svg rect.blue")) == 64 - 28 + 1  # and the key
    assert not re.search(r"NaN|undefined", str(figure))
