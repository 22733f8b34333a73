"""Checks for the exercises of notebooks/sequences/lstm_gru.ipynb."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labutils.checks.answers import close
from labutils.checks.core import exercise


def _tensor(value: object, shape: tuple[int, ...], what: str) -> tuple[Tensor, None] | tuple[None, str]:
    """Return (tensor, None) if `value` has the shape that is wanted, else (None, a message)."""
    try:
        given = value.detach() if isinstance(value, Tensor) else np.array(value, dtype=np.float64)
        tensor = torch.as_tensor(given, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        return None, f"it returned {type(value).__name__}, but {what} must be a tensor."
    if tuple(tensor.shape) != shape:
        return None, f"{what} has shape {tuple(tensor.shape)}; expected {shape}."
    return tensor, None


def _same(found: Tensor, expected: Tensor) -> bool:
    return bool(torch.allclose(found, expected, rtol=1e-6, atol=1e-9))


def _weights(n_in: int, n: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """x, h, c and the weights of three stacked gates, all different."""
    rng = torch.Generator().manual_seed(0)
    shapes = ((2, n_in), (2, n), (2, n), (3 * n, n_in), (3 * n, n), (3 * n,))
    x, h, c, w_x, w_h, b = (torch.randn(shape, generator=rng, dtype=torch.float64) for shape in shapes)
    return x, h, c, w_x, w_h, b


@exercise("lstm_gru.bias_for")
def bias_for(answer: Any) -> str | None:
    """Half-lives of 10, 1 and 1,000 steps."""
    for n in (10, 1, 1000):
        found = answer(n)
        f = 0.5 ** (1 / n)
        right = math.log(f / (1 - f))
        if close(found, right, 1e-5):
            continue
        slips = {
            f: "is the gate, not its bias: put it through the inverse of the sigmoid",
            -right: "has the wrong sign: σ(b) = f gives b = ln(f / (1 - f))",
            math.log(f): "is ln f: the inverse of the sigmoid is ln(f / (1 - f))",
            math.log(n / math.log(2)): "is the estimate for long half-lives: at "
            f"{n} step{'s' * (n > 1)} it is not exact enough",
            math.log(
                math.exp(-1 / n) / (1 - math.exp(-1 / n))
            ): "leaves 1/e of the value after n steps, not half",
        }
        for slip, meaning in slips.items():
            if close(found, slip, 1e-5):
                return f"bias_for({n}) gave {float(found):.3g}, which {meaning}."
        return f"bias_for({n}) gave {_say(found)}; expected {right:.4g}, where the gate is {f:.4g}."
    return None


def _say(found: object) -> str:
    try:
        return f"{float(found):.4g}"  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        return f"a {type(found).__name__}"


@exercise("lstm_gru.gru_step")
def gru_step(answer: Any) -> str | None:
    """One step of a GRU with random weights, against the orders that are easily confused."""
    x, h, _, w_x, w_h, b = _weights(3, 4)
    found, problem = _tensor(answer(*(t.clone() for t in (x, h, w_x, w_h, b))), (2, 4), "the next h")
    if found is None:
        return problem
    x_r, x_z, x_n = (x @ w_x.T + b).chunk(3, dim=1)
    u_r, u_z, u_n = w_h.chunk(3)
    r, z = (x_r + h @ u_r.T).sigmoid(), (x_z + h @ u_z.T).sigmoid()
    n = (x_n + (r * h) @ u_n.T).tanh()
    if _same(found, z * h + (1 - z) * n):
        return None
    after = (x_n + r * (h @ u_n.T)).tanh()
    slips = [
        (
            z * h + (1 - z) * after,
            "the reset gate acts after the product U_n h, as in torch: Cho's acts on h",
        ),
        ((1 - z) * h + z * n, "z is the share of the new value here: Cho et al. keep with z"),
        (
            (1 - z) * h + z * after,
            "z and the place of r are both those of other papers: keep with z, reset h",
        ),
        (z * h + (1 - z) * (x_n + h @ u_n.T).tanh(), "the reset gate is not used: the candidate needs r ⊙ h"),
        (n, "this is the candidate alone: mix it with h, by z"),
        (
            r * h + (1 - r) * (x_n + (z * h) @ u_n.T).tanh(),
            "r and z have changed places: rows are stacked r, z, n",
        ),
        (
            z * h + (1 - z) * (x_n + (r * h) @ u_n.T).relu(),
            "the candidate goes through ReLU, as 001 prints it: it must be tanh",
        ),
    ]
    for slip, meaning in slips:
        if _same(found, slip):
            return f"{meaning}."
    return f"h[0, 0] is {found[0, 0]:.4f}; expected {(z * h + (1 - z) * n)[0, 0]:.4f}."


@exercise("lstm_gru.coupled_step")
def coupled_step(answer: Any) -> str | None:
    """One step with random weights, then what an LSTM with free gates would have given."""
    x, h, c, w_x, w_h, b = _weights(3, 4)
    state = answer(*(t.clone() for t in (x, h, c, w_x, w_h, b)))
    if not isinstance(state, tuple | list) or len(state) != 2:
        return f"it returned {type(state).__name__}: return two tensors, (h, c)."
    found_h, problem_h = _tensor(state[0], (2, 4), "the next h")
    found_c, problem_c = _tensor(state[1], (2, 4), "the next c")
    if found_h is None or found_c is None:
        return problem_h or problem_c
    sum_f, sum_g, sum_o = (x @ w_x.T + h @ w_h.T + b).chunk(3, dim=1)
    f, g, o = sum_f.sigmoid(), sum_g.tanh(), sum_o.sigmoid()
    right = f * c + (1 - f) * g
    if _same(found_c, right) and _same(found_h, o * right.tanh()):
        return None
    if _same(found_c, o * right.tanh()) and _same(found_h, right):
        return "h and c have changed places: return (h, c)."
    slips = [
        ((1 - f) * c + f * g, "f shares out the wrong way round: it is what stays of c"),
        (f * c + g, "the candidate is written whole: weigh it by 1 - f"),
        (f * c + f * g, "the candidate is weighed by f: what is forgotten, 1 - f, makes room"),
        (
            f * c + (1 - f) * sum_g.sigmoid(),
            "the candidate went through a sigmoid, as in 001: it must be tanh",
        ),
        (sum_f * c + (1 - sum_f) * g, "the forget gate lacks its sigmoid"),
    ]
    for slip, meaning in slips:
        if _same(found_c, slip):
            return f"{meaning}."
    if _same(found_c, right):
        if _same(found_h, o * right):
            return "c is right; h lacks its tanh: o ⊙ tanh(c)."
        if _same(found_h, o * c.tanh()):
            return "c is right; h shows the old cell: use the new one."
        expected = (o * right.tanh())[0, 0]
        return f"c is right; h[0, 0] is {found_h[0, 0]:.4f}, expected o ⊙ tanh(c) = {expected:.4f}."
    return f"c[0, 0] is {found_c[0, 0]:.4f}; expected {right[0, 0]:.4f}."


@exercise("lstm_gru.carried")
def carried(answer: Any) -> str | None:
    """Three steps of two cells, small enough to check by hand."""
    forget = [[0.9, 0.1], [0.5, 0.8], [0.2, 1.0]]
    value = answer(torch.tensor(forget, dtype=torch.float64).numpy())
    found, problem = _tensor(value, (3, 2), "the array of factors")
    if found is None:
        return problem
    f = torch.tensor(forget, dtype=torch.float64)
    right = torch.stack([f[1] * f[2], f[2], torch.ones(2, dtype=torch.float64)])
    if _same(found, right):
        return None
    slips = [
        (
            torch.stack([f[0] * f[1] * f[2], f[1] * f[2], f[2]]),
            "the gate of step t itself is in: a change after step t meets only the later gates",
        ),
        (f.cumprod(0), "the product runs from the front: multiply the gates that come after, from the back"),
        (right.flip(0), "the order in time is turned round: flip the result back"),
        (torch.stack([f[1] + f[2], f[2], 0 * f[2]]), "these are sums: each gate multiplies what passes it"),
    ]
    for slip, meaning in slips:
        if _same(found, slip):
            return f"{meaning}."
    if not _same(found[-1], right[-1]):
        return f"the last row is {found[-1].tolist()}: nothing follows the last step, so it is 1."
    return f"row 0 is {found[0].tolist()}; expected {right[0].tolist()}."
