"""Checks for the exercises of notebooks/sequences/lstm_gru.ipynb."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labutils.checks.answers import Wrong, array, close, compare, number, same, say, slip
from labutils.checks.core import exercise


def _function(answer: Any, what: str) -> Callable[..., Any]:
    """Return the answer if it can be called; a value in its place is told so."""
    if not callable(answer):
        raise Wrong(f"hand over the function {what}, not {say(answer)}.")
    return answer  # type: ignore[no-any-return]


def _weights(n_in: int, n: int) -> tuple[Tensor, ...]:
    """x, h, c and the weights of three stacked gates, all different; c is between -1 and 1."""
    rng = torch.Generator().manual_seed(0)
    shapes = ((2, n_in), (2, n), (2, n), (3 * n, n_in), (3 * n, n), (3 * n,))
    x, h, c, w_x, w_h, b = (torch.randn(shape, generator=rng, dtype=torch.float64) for shape in shapes)
    return x, h, c.tanh(), w_x, w_h, b


@exercise("lstm_gru.bias_for")
def bias_for(answer: Any) -> str | None:
    """Half-lives from one step to a thousand; what is rounded to three places is right."""
    answer = _function(answer, "bias_for")
    for n in (10, 1, 3, 1000):
        found = number(answer(n), f"bias_for({n})")
        f, e = 0.5 ** (1 / n), math.exp(-1 / n)
        right = math.log(f / (1 - f))
        if close(found, right, 6e-4):
            continue
        why = slip(
            found,
            [
                (f, "that is the gate, not its bias: put it through the inverse of the sigmoid"),
                (-right, "the sign is turned: σ(b) = f gives b = ln(f / (1 - f))"),
                (math.log(f), "that is ln f: the inverse of the sigmoid is ln(f / (1 - f))"),
                (f / (1 - f), "that is f / (1 - f): its logarithm is missing"),
                (right / math.log(2), "that is the logarithm to base 2: the sigmoid has e"),
                (right / math.log(10), "that is the logarithm to base 10: the sigmoid has e"),
                (
                    math.log(n / math.log(2)),
                    "that is the estimate for long half-lives, not exact for short ones",
                ),
                (math.log(n), "that is the logarithm of the number of steps: find the gate first"),
                (math.log(e / (1 - e)), "that leaves 1/e of the value, not half"),
                (math.atanh(f), "that is the inverse of tanh: a gate is a logistic sigmoid"),
            ],
            1e-3,
        )
        told = f"bias_for({n}) gave {say(found, right)}, expected {say(right, found)}"
        return f"{told}: {why}." if why else f"{told}, where the gate is {f:.4g}."
    return None


@exercise("lstm_gru.gru_step")
def gru_step(answer: Any) -> str | None:
    """One step of a GRU with random weights, against the orders that are easily confused."""
    answer = _function(answer, "gru_step")
    x, h, _, w_x, w_h, b = _weights(3, 4)
    found = array(answer(x, h, w_x, w_h, b), (2, 4), "the next h")
    x_r, x_z, x_g = (x @ w_x.T + b).chunk(3, dim=1)
    u_r, u_z, u_g = w_h.chunk(3)
    r, z = (x_r + h @ u_r.T).sigmoid(), (x_z + h @ u_z.T).sigmoid()
    g, after = (x_g + (r * h) @ u_g.T).tanh(), (x_g + r * (h @ u_g.T)).tanh()
    bare = x @ w_x.T
    b_r, b_z, _ = b.chunk(3)
    r_bare, z_bare = (x_r - b_r + h @ u_r.T).sigmoid(), (x_z - b_z + h @ u_z.T).sigmoid()
    g_bare = (bare.chunk(3, dim=1)[2] + (r_bare * h) @ u_g.T).tanh()
    mistakes = [
        (
            z * h + (1 - z) * after,
            "the reset gate acts after the product U_g h, as in torch; Cho's acts on h",
        ),
        ((1 - z) * h + z * g, "z is the share of the new value here; Cho et al. keep with z"),
        (
            (1 - z) * h + z * after,
            "z and the place of r are both those of other papers: keep with z, reset h",
        ),
        (z * h + (1 - z) * (x_g + h @ u_g.T).tanh(), "the reset gate is not used: the candidate needs r ⊙ h"),
        (g, "this is the candidate alone: mix it with h, by z"),
        (z * h + g, "the candidate is written whole: weigh it by 1 - z"),
        (z * h + z * g, "both are weighed by z: the candidate gets 1 - z"),
        (r * h + (1 - r) * (x_g + (z * h) @ u_g.T).tanh(), "r and z have changed places: rows are r, z, g"),
        (
            z * h + (1 - z) * (x_g + (r * h) @ u_g.T).relu(),
            "the candidate goes through ReLU, as 001 prints it: it must be tanh",
        ),
        (z * h + (1 - z) * (x_g + (r * h) @ u_g.T).sigmoid(), "the candidate went through a sigmoid: tanh"),
        (z * h + (1 - z) * (x_g + (r * h) @ u_g.T), "the candidate lacks its tanh"),
        (z_bare * h + (1 - z_bare) * g_bare, "the bias b is missing"),
        (
            z * h + (1 - z) * (r * (x_g + h @ u_g.T)).tanh(),
            "r shrinks the input as well: it acts on h alone, before the product with U_g",
        ),
        (
            z * h + (1 - z) * r * (x_g + h @ u_g.T).tanh(),
            "r acts on the candidate: it acts on h in it",
        ),
        (_untransposed(x, h, w_x, w_h, b), "the blocks of w_h are not transposed: h @ u.T"),
        (z * r * h + (1 - z) * g, "r acts on the h that is kept as well: it is for the candidate alone"),
    ]
    compare(found, z * h + (1 - z) * g, "for random weights", mistakes)
    return None


def _untransposed(x: Tensor, h: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> Tensor:
    u_r, u_z, u_g = w_h.chunk(3)
    x_r, x_z, x_g = (x @ w_x.T + b).chunk(3, dim=1)
    r, z = (x_r + h @ u_r).sigmoid(), (x_z + h @ u_z).sigmoid()
    return z * h + (1 - z) * (x_g + (r * h) @ u_g).tanh()


@exercise("lstm_gru.coupled_step")
def coupled_step(answer: Any) -> str | None:
    """One step with random weights, the cell first: h is judged when c is right."""
    answer = _function(answer, "coupled_step")
    x, h, c, w_x, w_h, b = _weights(3, 4)
    state = answer(x, h, c, w_x, w_h, b)
    if not isinstance(state, tuple | list) or len(state) != 2:
        return f"it returned {say(state)}: return two tensors, (h, c)."
    found_h, found_c = array(state[0], (2, 4), "the next h"), array(state[1], (2, 4), "the next c")
    sums = x @ w_x.T + h @ w_h.T + b
    sum_f, sum_g, sum_o = sums.chunk(3, dim=1)
    f, g, o = sum_f.sigmoid(), sum_g.tanh(), sum_o.sigmoid()
    right = f * c + (1 - f) * g
    if same(found_c, o * right.tanh()) and same(found_h, right):
        return "h and c have changed places: return (h, c)."
    bare_f, bare_g, _ = (sums - b).chunk(3, dim=1)
    bare_f = bare_f.sigmoid()
    mistakes = [
        ((1 - f) * c + f * g, "f shares out the wrong way round: it is what stays of c"),
        (f * c + g, "the candidate is written whole: weigh it by 1 - f"),
        (f * c + f * g, "the candidate is weighed by f: what is forgotten, 1 - f, makes room"),
        (
            f * c + (1 - f) * sum_g.sigmoid(),
            "the candidate went through a sigmoid, as in 001: it must be tanh",
        ),
        (f * c + (1 - f) * sum_g, "the candidate lacks its tanh"),
        (sum_f * c + (1 - sum_f) * g, "the forget gate lacks its sigmoid"),
        (f * c + o * g, "the third gate writes here: that is o, for the output; what is written is 1 - f"),
        (f * h + (1 - f) * g, "the old h is kept in place of the old c"),
        (o * c + (1 - o) * g, "f and o have changed places: rows are stacked f, g, o"),
        (g.new_tensor(0) + c, "the cell stays as it was"),
        (bare_f * c + (1 - bare_f) * bare_g.tanh(), "the bias b is missing"),
    ]
    compare(found_c, right, "for random weights, for the new c,", mistakes)
    shown = [
        (o * right, "h lacks its tanh: o ⊙ tanh(c)"),
        (o * c.tanh(), "h shows the old cell: use the new one"),
        (sum_o * right.tanh(), "the output gate lacks its sigmoid"),
        (right.tanh(), "the output gate is not used"),
        (o * right.relu(), "h goes through ReLU, as 001 prints it: tanh"),
        (f * right.tanh(), "the forget gate shows the cell: take o"),
    ]
    compare(found_h, o * right.tanh(), "c is right; for h", shown)
    return None


@exercise("lstm_gru.carried")
def carried(answer: Any) -> str | None:
    """Four steps of two cells, small enough to check by hand; one gate is shut."""
    answer = _function(answer, "carried")
    forget = np.array([[0.9, 0.1], [0.5, 0.8], [0.3, 0.0], [0.7, 0.6]])
    with np.errstate(all="ignore"):
        found = array(answer(forget), (4, 2), "the array of factors")
    one = np.ones((1, 2))
    back = np.cumprod(forget[::-1], axis=0)[::-1]  # f[t] · … · f[-1]
    right = np.concatenate([back[1:], one])
    if np.isnan(found).any():
        return "some factors are nan: a gate of exactly 0 makes a quotient 0/0. Multiply from the back."
    given = f"for gates {forget.tolist()}"
    mistakes = [
        (back, "the gate of step t itself is in: a change after step t meets only the later gates"),
        (np.cumprod(forget, axis=0), "the product runs from the front: multiply the gates that come after"),
        (
            np.concatenate([one, np.cumprod(forget, axis=0)[:-1]]),
            "these are the gates before step t, not after",
        ),
        (right[::-1], "the order in time is turned round: flip the result back"),
        (np.concatenate([forget[1:], one]), "this is the next gate alone: all later ones multiply"),
        (np.cumsum(forget[::-1], axis=0)[::-1] - forget, "these are sums: each gate multiplies what passes"),
        (np.concatenate([back[1:], 0 * one]), "the last row is 0: nothing follows the last step, so it is 1"),
        (np.log(np.maximum(right, 1e-300)), "these are logarithms of the factors"),
        (np.concatenate([back[2:], one, one]), "the gate of step t + 1 is left out"),
        (
            np.where(np.cumprod(forget, axis=0) > 0, right, 0),
            "a quotient of products loses what follows a gate of 0: multiply from the back",
        ),
        (1 - right, "this is what is lost: what arrives is asked for"),
    ]
    compare(found, right, given, mistakes)
    return None
