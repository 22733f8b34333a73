"""The gradient of an LSTM over time, written by hand: what autograd would do, with less to remember.

autograd keeps every intermediate result and adds each step's part to the gradient of the weights. Here the
way forward keeps gates and states; on the way back only the recurrence itself is a loop, and the gradient of
the weights is one product over all steps, after the loop. Page: notebooks/sequences/lstm_gru.ipynb.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["lstm_by_hand"]


def lstm_by_hand(
    from_x: Tensor, h: Tensor, c: Tensor, weight_hh: Tensor, bias_hh: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Run an LSTM over time; return all h (time, batch, n_hidden), the last h and the last c.

    from_x: W_ih x + b_ih of every step, (time, batch, 4 n_hidden), gates in the order i, f, g, o.
    h, c: the state to start from, (batch, n_hidden) each.
    The gradient itself has no gradient: a second backward raises RuntimeError.
    """
    output, last_c = _LSTM.apply(from_x, h, c, weight_hh, bias_hh)  # type: ignore[no-untyped-call]
    return output, output[-1], last_c


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, from_x: Tensor, h: Tensor, c: Tensor, w: Tensor, b: Tensor
    ) -> tuple[Tensor, Tensor]:
        time, batch, _ = from_x.shape
        n = h.shape[1]
        gates = from_x + b  # (time, batch, 4 n), overwritten step by step
        hs, cs, tanh_cs = (h.new_empty(time + 1, batch, n) for _ in range(3))  # [t + 1]: after step t
        hs[0], cs[0] = h, c
        for t in range(time):
            gates[t].addmm_(hs[t], w.T)
            gates[t, :, : 2 * n].sigmoid_()
            gates[t, :, 2 * n : 3 * n].tanh_()
            gates[t, :, 3 * n :].sigmoid_()
            i, f, g, o = gates[t].chunk(4, dim=1)
            torch.addcmul(f * cs[t], i, g, out=cs[t + 1])
            torch.tanh(cs[t + 1], out=tanh_cs[t + 1])
            torch.mul(o, tanh_cs[t + 1], out=hs[t + 1])
        ctx.save_for_backward(gates, hs, cs, tanh_cs, w)
        return hs[1:], cs[time].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_output: Tensor, d_last_c: Tensor) -> tuple[Tensor, ...]:
        gates, hs, cs, tanh_cs, w = ctx.saved_tensors
        time, batch, n = d_output.shape
        # Slopes of the squashing functions at all steps together: s (1 − s) for sigmoid, 1 − g² for tanh.
        d_gates = gates * (1 - gates)
        g = gates[:, :, 2 * n : 3 * n]
        d_gates[:, :, 2 * n : 3 * n] = 1 - g * g
        through_tanh = gates[:, :, 3 * n :] * (1 - tanh_cs[1:] ** 2)  # ∂h / ∂c
        d_h, d_c = torch.zeros_like(hs[0]), d_last_c
        for t in reversed(range(time)):
            d_h = d_h + d_output[t]
            d_c = torch.addcmul(d_c, d_h, through_tanh[t])
            i, f, g, _ = gates[t].chunk(4, dim=1)
            d_gates[t] *= torch.cat([d_c * g, d_c * cs[t], d_c * i, d_h * tanh_cs[t + 1]], dim=1)
            d_h, d_c = d_gates[t] @ w, d_c * f
        flat = d_gates.view(time * batch, 4 * n)
        d_w = flat.T @ hs[:-1].reshape(time * batch, n)
        return d_gates, d_h, d_c, d_w, flat.sum(0)
