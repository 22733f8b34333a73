"""Hidden checks of the tiny lab that the tests hand out and grade."""

from __future__ import annotations

from typing import Any

import numpy as np

from labutils.coursework.cases import Build, equal

LIMITS = {"seconds": 60, "cell_seconds": 3, "question_seconds": 2, "memory_mb": 3000}


def reference_q1(personal: np.random.Generator) -> float:
    counts = personal.integers(10, 60, size=6)
    return float(counts[5] / counts.sum())


def inputs_q2(rng: np.random.Generator) -> list[Any]:
    drawn = [rng.dirichlet(np.ones(size)) for size in (2, 5, 9)]
    sparse = drawn[1] * (np.arange(5) != 2)
    return [(drawn[0].tolist(),), (drawn[2],), (sparse / sparse.sum(),), ([0.0, 1.0, 0.0],)]


def reference_q2(p: Any) -> float:
    weights = np.asarray(p)
    return float(-sum(weight * np.log2(weight) for weight in weights if weight > 0))


def compare_q2(found: Any, expected: float) -> str | None:
    if equal(found, expected):
        return None
    if equal(found, expected * np.log(2)):
        return "This is the entropy in nats: take the logarithm to the base 2."
    if equal(found, -expected):
        return f"The sign is wrong: {found} where {expected} is right."
    return "This is not the entropy of these probabilities."


def _weights(rng: np.random.Generator, width: int) -> dict[str, Any]:
    sizes = {"weight": (width, width), "bias": (width,)}
    return {
        f"{layer}.{name}": rng.normal(size=size).astype(np.float32)
        for layer in ("value", "gate")
        for name, size in sizes.items()
    }


def inputs_q3(rng: np.random.Generator) -> list[Build]:
    import torch

    def given(*shape: int) -> torch.Tensor:
        return torch.tensor(rng.normal(size=shape), dtype=torch.float32)

    return [
        Build({"width": 3}, _weights(rng, 3), (given(2, 3),)),
        Build({"width": 4}, _weights(rng, 4), (given(2, 5, 4),)),
    ]


def reference_q3(case: Build) -> Any:
    x = case.args[0].numpy()
    assert case.state is not None
    value = x @ case.state["value.weight"].T + case.state["value.bias"]
    gate = x @ case.state["gate.weight"].T + case.state["gate.bias"]
    return value / (1 + np.exp(-gate))
