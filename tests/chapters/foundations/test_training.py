"""The training chapter: its rules against torch's, its explorer against its rules, answers for its checks."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine import Engine
from places import run_cells


def page(*cells: str, **more: Any) -> dict[str, Any]:
    return run_cells("training", cells, torch=torch, math=math, np=np, nn=nn, **more)


RULES = page("rules", "adam", "muon")
TORCH: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.02),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.02),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.02),
    "adam": lambda p: torch.optim.Adam(p, lr=0.02),
}


# --- the page equals the library ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("seed", range(3))
def test_rules(name: str, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    p = nn.Parameter(torch.randn(3, 4, generator=draw))
    theta, state, tool = p.detach().clone(), {}, TORCH[name]([p])
    for _ in range(50):
        g = torch.randn(3, 4, generator=draw) * torch.logspace(-3, 1, 12).view(3, 4)
        p.grad = g
        tool.step()
        theta = theta - 0.02 * RULES[name](g, state)
    torch.testing.assert_close(theta, p.detach(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", [(6, 6), (5, 20), (20, 5), (2, 7, 3)])
def test_orthogonalise(shape: tuple[int, ...]) -> None:
    m = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    found = RULES["orthogonalise"](m)
    u, _, vh = torch.linalg.svd(m, full_matrices=False)
    assert found.shape == m.shape
    inner = u.mT @ found @ vh.mT  # near a diagonal of ones: the same directions, other lengths
    along = inner.diagonal(dim1=-2, dim2=-1)
    assert ((along > 0.3) & (along < 1.4)).all()
    torch.testing.assert_close(inner, torch.diag_embed(along), atol=1e-4, rtol=0)


def test_printed_adam_drifts() -> None:
    names = page("rules", "adam", "adam-001", partial=__import__("functools").partial)
    end, state = names["walk"](names["partial"](names["adam_001"], rate=0.01), lambda x: 0.0)
    assert end == pytest.approx(-40.03, abs=0.01)
    assert float(state["m"]) == 0


@pytest.mark.parametrize("rate", [0.05, 0.4])
def test_floor(rate: float) -> None:
    assert page("floor")["descend_noisily"](lambda share: rate) == pytest.approx(
        rate / (2 * (2 - rate)), rel=0.1
    )


def test_schedules() -> None:
    names = page(
        "schedules", run_gpt=lambda *a, schedule: [torch.tensor([[3.0 + schedule(0.5)]])] * 2, adam=None
    )
    assert names["cosine"](0) == 1
    assert names["cosine"](1) == pytest.approx(0)
    assert names["warm"](0.05) == pytest.approx(0.5)
    assert names["warm"](0.1) == pytest.approx(1)


# --- the explorer ------------------------------------------------------------------------------------------

SLOPES = {
    "bowl": (lambda x, y: (2 * x, 3 * y), (-2.2, 1.2), lambda x, y: x * x + 1.5 * y * y),
    "ravine": (lambda x, y: (x, 40 * y), (-2.2, 0.9), lambda x, y: (x * x + 40 * y * y) / 2),
    "saddle": (lambda x, y: (2 * x, -y + y**3 / 2), (-2.2, 0.02), lambda x, y: x * x - y * y / 2 + y**4 / 8),
}


@pytest.mark.parametrize("surface", SLOPES)
@pytest.mark.parametrize("rate", [0.005, 0.03])
def test_explorer_walks_as_the_page(engine: Engine, surface: str, rate: float) -> None:
    slope, start, loss = SLOPES[surface]
    found = engine.compute("descent", {"surface": surface, "rate": rate, "steps": 40})
    for path, name in zip(found["paths"], ("sgd", "momentum", "rmsprop", "adam"), strict=True):
        theta, state = torch.tensor(start, dtype=torch.float64), {}
        for _ in range(40):
            theta = theta - rate * RULES[name](torch.stack([*map(torch.as_tensor, slope(*theta))]), state)
        assert len(path["path"]) == 41
        np.testing.assert_allclose(path["path"][-1], theta.numpy(), atol=1e-6)
        assert path["loss"] == pytest.approx(float(loss(*theta)), abs=1e-6)


def test_explorer_turns_the_ravine(engine: Engine) -> None:
    straight, turned = (
        engine.compute("descent", {"surface": surface, "rate": 0.02, "steps": 60})["paths"]
        for surface in ("ravine", "turned ravine")
    )
    for a, b in zip(straight[:2], turned[:2], strict=True):  # plain descent knows no coordinates
        assert a["loss"] == pytest.approx(b["loss"])
    assert abs(straight[3]["loss"] - turned[3]["loss"]) > 1e-3  # Adam does


@pytest.mark.parametrize("rate", [0.02, 0.1])  # the two that the page speaks of
def test_explorer_keeps_what_the_page_says(engine: Engine, rate: float) -> None:
    straight, turned = (
        engine.compute("descent", {"surface": surface, "rate": rate, "steps": 60})["paths"]
        for surface in ("ravine", "turned ravine")
    )
    for a, b in zip(straight[:2], turned[:2], strict=True):
        assert a["left"] == b["left"] == (rate == 0.1)
    for a, b in zip(straight[2:], turned[2:], strict=True):
        assert not a["left"]
        assert a["loss"] < b["loss"]
    if rate == 0.02:
        assert max(straight, key=lambda path: path["loss"])["name"] == "Adam"


@pytest.mark.parametrize("surface", [*SLOPES, "turned ravine"])
def test_explorer_draws_equal_losses(engine: Engine, surface: str) -> None:
    drawing = engine.markup("descent", surface=surface, rate=0.02, steps=5).find("svg")
    assert drawing is not None
    path = drawing.find("path")
    assert path is not None
    across = [[float(x) for x in at.split()] for at in re.findall(r"[\d.]+ [\d.]+", str(path["d"]))]
    side = (float(str(drawing["width"])) - 360) / 2  # as the explorer places its square
    u, v = (np.array(across) - [side, 4]).T
    x, y = u / 60 - 3, 2.1 - v * 4.2 / 250
    if surface == "turned ravine":
        x, y = (x + y) / 2**0.5, (y - x) / 2**0.5
    loss = SLOPES[surface.removeprefix("turned ")][2](x, y) + (surface == "saddle") / 2
    levels = np.array([0.5, 1.5, 4.5, 13.5, 40.5])
    gap = np.log(loss[:, None] / levels)
    nearest = np.abs(gap).argmin(1)
    assert len(set(nearest)) >= 3
    assert np.abs(gap).min(1).max() < 0.25  # levels are a factor of 3 apart, and a cell is straight


def test_explorer_says_who_has_left(engine: Engine) -> None:
    paths = engine.compute("descent", {"surface": "ravine", "rate": 0.2, "steps": 100})["paths"]
    assert [path["left"] for path in paths] == [True, True, False, False]
    assert all(np.isfinite(path["path"]).all() for path in paths)


# --- answers for the checks --------------------------------------------------------------------------------


def with_numpy(theta: Any, g: Any, rate: float, longest: float) -> Any:
    norm = np.sqrt(sum((part**2).sum() for part in g))
    factor = min(1.0, longest / norm) if norm > 0 else 1.0
    return [t - rate * factor * part for t, part in zip(theta, g, strict=True)]


def with_torch(theta: Any, g: Any, rate: float, longest: float) -> Any:
    tensors = [torch.tensor(part) for part in g]
    norm = torch.cat([part.flatten() for part in tensors]).norm()
    if norm > longest:
        tensors = [part * (longest / norm) for part in tensors]
    return tuple(torch.tensor(t) - rate * part for t, part in zip(theta, tensors, strict=True))


def in_place(theta: Any, g: Any, rate: float, longest: float) -> Any:
    norm = np.linalg.norm(np.concatenate([part.ravel() for part in g]))
    for t, part in zip(theta, g, strict=True):
        if norm > longest:
            part *= longest / norm
        t -= rate * part
    return theta


def in_float32(theta: Any, g: Any, rate: float, longest: float) -> Any:
    return [part.astype(np.float32) for part in with_numpy(theta, g, rate, longest)]


def with_torch_clip(theta: Any, g: Any, rate: float, longest: float) -> Any:
    parameters = [nn.Parameter(torch.tensor(part)) for part in theta]
    for parameter, part in zip(parameters, g, strict=True):
        parameter.grad = torch.tensor(part)
    nn.utils.clip_grad_norm_(parameters, longest)
    torch.optim.SGD(parameters, lr=rate).step()
    return parameters


def with_lists(theta: Any, g: Any, rate: float, longest: float) -> Any:
    norm = math.sqrt(sum(float(x) ** 2 for part in g for x in part.ravel()))
    short = [(part if norm <= longest else part * longest / norm).astype(np.float32) for part in g]
    return [(t - rate * part).tolist() for t, part in zip(theta, short, strict=True)]


def with_theta_clipped(theta: Any, g: Any, rate: float, longest: float) -> Any:
    new = [t - rate * part for t, part in zip(theta, g, strict=True)]
    norm = math.sqrt(sum(float((part**2).sum()) for part in new))
    return [part * min(1, longest / norm) for part in new]


def shortened(parts: Any, longest: float) -> Any:
    norm = math.sqrt(sum(float((part**2).sum()) for part in parts))
    return [part * min(1.0, longest / max(norm, 1e-12)) for part in parts]


def clipping(change: Callable[..., Any]) -> Callable[..., Any]:
    """A step in which `change` says what becomes of each part of the gradient."""

    def answer(theta: Any, g: Any, rate: float, longest: float) -> Any:
        norm = math.sqrt(sum(float((part**2).sum()) for part in g))
        return [t - rate * change(part, norm, longest, rate, g) for t, part in zip(theta, g, strict=True)]

    return answer


def with_math(step: int, n_warm: int, n_steps: int) -> float:
    if step < n_warm:
        return (step + 1) / n_warm
    return 0.5 + 0.5 * math.cos(math.pi * (step - n_warm + 1) / (n_steps - n_warm))


def with_interp(step: int, n_warm: int, n_steps: int) -> Any:
    rise = np.interp(step, [-1, n_warm - 1], [0, 1])
    share = np.interp(step, [n_warm - 1, n_steps - 1], [0, 1])
    return rise * np.cos(np.pi / 2 * share) ** 2


def with_tensor(step: int, n_warm: int, n_steps: int) -> Any:
    rise = torch.arange(1, n_warm + 1) / n_warm
    fall = (1 + torch.cos(torch.linspace(0, math.pi, n_steps - n_warm + 1)[1:])) / 2
    return torch.cat([rise, fall])[step]


def falling(change: Callable[[float], float]) -> Callable[..., Any]:
    return lambda step, w, n: (step + 1) / w if step < w else change((step - w + 1) / (n - w))


def falling_over(length: Callable[[int, int], int]) -> Callable[..., Any]:
    def answer(step: int, w: int, n: int) -> float:
        return (step + 1) / w if step < w else 0.5 + 0.5 * math.cos(math.pi * (step - w + 1) / length(w, n))

    return answer


def rising(change: Callable[..., float]) -> Callable[..., Any]:
    return lambda step, w, n: change(step, w, n) if step < w else with_math(step, w, n)


RIGHT = {
    "first_step": [0.01, np.float32(0.01), torch.tensor([0.01])],
    "clipped_step": [with_numpy, with_torch, in_place, in_float32, with_torch_clip, with_lists],
    "factor": [with_math, with_interp, with_tensor],
}
WRONG = [
    ("first_step", -0.01, "against the gradient"),
    ("first_step", 0.00002, "step of SGD"),
    ("first_step", 0.01 * 0.1 / 0.001**0.5, "not corrected"),
    ("first_step", 0.001, "m is not corrected"),
    ("first_step", 0.01 / 0.001**0.5, "v is not corrected"),
    ("first_step", -0.001, "the sign is that of g"),
    ("first_step", -0.01 * 0.1 / 0.001**0.5, "m and v are not corrected"),
    ("first_step", -0.002, "does not matter"),
    ("first_step", "0.01", "expected one number"),
    ("first_step", 1.0, "times the rate"),
    ("first_step", 0.002, "does not matter"),
    ("first_step", 0.5, "that is not it"),
    ("clipped_step", clipping(lambda b, *_: b), "nothing is shortened"),
    ("clipped_step", clipping(lambda b, norm, most, *_: np.clip(b, -most, most)), "each number is cut off"),
    (
        "clipped_step",
        clipping(lambda b, norm, most, *_: b * min(1, most / max(np.linalg.norm(b), 1e-9))),
        "its own norm",
    ),
    ("clipped_step", clipping(lambda b, norm, most, *_: b * most / max(norm, 1e-9)), "made longer"),
    ("clipped_step", clipping(lambda b, norm, *_: b / max(norm, 1e-9)), "to `longest`"),
    (
        "clipped_step",
        clipping(lambda b, norm, most, *_: b * min(1, most / max(norm**2, 1e-9))),
        "root of the sum",
    ),
    ("clipped_step", clipping(lambda b, norm, most, rate, g: b * (norm <= most)), "dropped"),
    (
        "clipped_step",
        clipping(lambda b, norm, most, rate, g: b * min(1, most / max(rate * norm, 1e-9))),
        "before the clip",
    ),
    (
        "clipped_step",
        lambda theta, g, rate, most: [
            t - part for t, part in zip(theta, shortened([rate * x for x in g], most), strict=True)
        ],
        "before the clip",
    ),
    (
        "clipped_step",
        clipping(lambda b, norm, most, *_: b * min(1, most * 10**0.5 / max(norm, 1e-9))),
        "mean",
    ),
    (
        "clipped_step",
        clipping(
            lambda b, norm, most, rate, g: b * min(1, most / max(sum((x**2).mean() for x in g) ** 0.5, 1e-9))
        ),
        "mean of the squares",
    ),
    (
        "clipped_step",
        clipping(lambda b, norm, most, rate, g: b * min(1, most / max(np.linalg.norm(g[0]), 1e-9))),
        "that of the first array",
    ),
    ("clipped_step", clipping(lambda b, norm, most, *_: b * max(1, norm / most)), "not its inverse"),
    ("clipped_step", clipping(lambda b, norm, most, *_: b - most if norm > most else b), "was subtracted"),
    ("clipped_step", with_theta_clipped, "theta was shortened"),
    (
        "clipped_step",
        clipping(
            lambda b, norm, most, rate, g: b * min(1, most / max(sum(np.linalg.norm(x) for x in g), 1e-9))
        ),
        "norms of the arrays were added",
    ),
    (
        "clipped_step",
        lambda theta, g, rate, most: [2 * t - s for t, s in zip(theta, with_numpy(theta, g, rate, most))],  # noqa: B905
        "along the gradient",
    ),
    ("clipped_step", lambda theta, g, rate, most: with_numpy(theta, g, 1, most), "rate is missing"),
    (
        "clipped_step",
        lambda theta, g, rate, most: with_numpy([0 * t for t in theta], [-part for part in g], rate, most),
        "the step alone",
    ),
    ("clipped_step", lambda theta, g, rate, most: with_numpy(theta, g, rate, most)[:1], "expected 2"),
    ("clipped_step", lambda theta, g, rate, most: 3.0, "expected a list of 2"),
    (
        "clipped_step",
        lambda theta, g, rate, most: [part.T for part in with_numpy(theta, g, rate, most)],
        "shape",
    ),
    ("factor", rising(lambda step, w, n: step / w), "wasted"),
    ("factor", rising(lambda step, w, n: (step + 1) / (w + 1)), "one step late"),
    ("factor", rising(lambda step, w, n: 1.0), "no warm-up"),
    ("factor", falling(lambda share: 1 - share), "straight line"),
    ("factor", falling(lambda share: math.cos(math.pi * share)), "falls to −1"),
    ("factor", falling(lambda share: math.cos(math.pi * share / 2)), "quarter"),
    ("factor", falling(lambda share: 0.5 + 0.5 * math.cos(2 * math.pi * share)), "whole cosine"),
    ("factor", falling(lambda share: 0.5 - 0.5 * math.cos(math.pi * share)), "upside down"),
    ("factor", falling(lambda share: 0.5 + 0.5 * math.cos(share)), "π is missing"),
    ("factor", falling(lambda share: 1.0), "does not fall"),
    ("factor", falling(lambda share: 1 + math.cos(math.pi * share)), "begins at 2"),
    ("factor", falling(lambda share: 0.5 + 0.5 * math.cos(180 * share)), "degrees"),
    ("factor", falling(lambda share: 0.5 + 0.5 * math.sin(math.pi * share)), "sine"),
    ("factor", falling(lambda share: math.exp(-share)), "exponential"),
    ("factor", falling(lambda share: 0.0), "at once"),
    *(
        ("factor", falling_over(length), "the fall is spread over")
        for length in (lambda w, n: n, lambda w, n: n - 1, lambda w, n: n - w + 1, lambda w, n: n - w - 1)
    ),
    ("factor", lambda step, w, n: 100 * with_math(step, w, n), "expected 0.1726"),
    ("factor", lambda step, w, n: [with_math(i, w, n) for i in range(n)], "expected one number"),
    (
        "factor",
        lambda step, w, n: (
            (step + 1) / w if step < w else 0.5 + 0.5 * math.cos(math.pi * (step - w) / (n - w))
        ),
        "one step late",
    ),
    (
        "factor",
        lambda step, w, n: (
            (step + 1) / w if step < w else 0.5 + 0.5 * math.cos(math.pi * (step - w) / (n - w - 1))
        ),
        "two steps",
    ),
    ("factor", lambda step, w, n: min(1, (step + 1) / w), "does not fall"),
    ("factor", lambda step, w, n: "half", "expected one number"),
]
