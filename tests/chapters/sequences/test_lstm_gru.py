"""Every check accepts the right answer and says what is wrong with plausible wrong ones."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import pytest
import torch

from labutils.checks import evaluate


def bias_for(n: float) -> float:
    f = 0.5 ** (1 / n)
    return log(f / (1 - f))


def gru(keep: bool = True, before: bool = True, reset: bool = True, squash: Any = torch.tanh) -> Any:
    def step(x: Any, h: Any, w_x: Any, w_h: Any, b: Any) -> Any:
        x_r, x_z, x_n = (x @ w_x.T + b).chunk(3, dim=1)
        u_r, u_z, u_n = w_h.chunk(3)
        r, z = (x_r + h @ u_r.T).sigmoid(), (x_z + h @ u_z.T).sigmoid()
        r = r if reset else 1.0
        n = squash(x_n + ((r * h) @ u_n.T if before else r * (h @ u_n.T)))
        return z * h + (1 - z) * n if keep else (1 - z) * h + z * n

    return step


def coupled(mix: Any, show: Any = None) -> Any:
    def step(x: Any, h: Any, c: Any, w_x: Any, w_h: Any, b: Any) -> Any:
        f, g, o = (x @ w_x.T + h @ w_h.T + b).chunk(3, dim=1)
        new = mix(f, g, c)
        return (show or (lambda o, old, new: o.sigmoid() * new.tanh()))(o, c, new), new

    return step


def right_mix(f: Any, g: Any, c: Any) -> Any:
    return f.sigmoid() * c + (1 - f.sigmoid()) * g.tanh()


def carried(forget: Any) -> Any:
    later = np.cumprod(forget[::-1], axis=0)[::-1]
    return np.concatenate([later[1:], np.ones((1, forget.shape[1]))])


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("bias_for", bias_for),
        ("gru_step", gru()),
        ("coupled_step", coupled(right_mix)),
        ("carried", carried),
        ("carried", lambda f: torch.as_tensor(carried(f))),
    ],
)
def test_right(name: str, answer: Any) -> None:
    result = evaluate(f"lstm_gru.{name}", answer)
    assert result.status == "right", str(result)


@pytest.mark.parametrize("name", ["bias_for", "gru_step", "coupled_step", "carried"])
def test_stub(name: str) -> None:
    assert evaluate(f"lstm_gru.{name}", lambda *given: None).status == "unanswered"


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        ("bias_for", lambda n: 0.5 ** (1 / n), "is the gate, not its bias"),
        ("bias_for", lambda n: -bias_for(n), "wrong sign"),
        ("bias_for", lambda n: log(0.5) / n, "is ln f"),
        ("bias_for", lambda n: log(n / log(2)), "estimate for long half-lives"),
        ("bias_for", lambda n: bias_for(n * log(2)), "leaves 1/e"),
        ("bias_for", lambda n: 7.0, "expected 2.6"),
        ("bias_for", lambda n: "x", "gave a str"),
        ("gru_step", gru(before=False), "after the product"),
        ("gru_step", gru(keep=False), "share of the new value"),
        ("gru_step", gru(keep=False, before=False), "both those of other papers"),
        ("gru_step", gru(reset=False), "not used"),
        ("gru_step", gru(squash=torch.relu), "ReLU"),
        ("gru_step", lambda x, h, w_x, w_h, b: h[:1], "shape (1, 4)"),
        ("gru_step", lambda x, h, w_x, w_h, b: 0 * h, "expected"),
        ("gru_step", lambda x, h, w_x, w_h, b: object(), "must be a tensor"),
        (
            "coupled_step",
            coupled(lambda f, g, c: f.sigmoid() * g.tanh() + (1 - f.sigmoid()) * c),
            "wrong way",
        ),
        ("coupled_step", coupled(lambda f, g, c: f.sigmoid() * c + g.tanh()), "written whole"),
        ("coupled_step", coupled(lambda f, g, c: f.sigmoid() * (c + g.tanh())), "weighed by f"),
        (
            "coupled_step",
            coupled(lambda f, g, c: f.sigmoid() * c + (1 - f.sigmoid()) * g.sigmoid()),
            "as in 001",
        ),
        ("coupled_step", coupled(lambda f, g, c: f * c + (1 - f) * g.tanh()), "lacks its sigmoid"),
        ("coupled_step", coupled(right_mix, lambda o, old, new: o.sigmoid() * new), "lacks its tanh"),
        ("coupled_step", coupled(right_mix, lambda o, old, new: o.sigmoid() * old.tanh()), "old cell"),
        ("coupled_step", coupled(right_mix, lambda o, old, new: 0 * o), "c is right; h[0, 0]"),
        ("coupled_step", coupled(lambda f, g, c: 0 * c), "c[0, 0] is"),
        ("coupled_step", lambda *given: coupled(right_mix)(*given)[::-1], "changed places"),
        ("coupled_step", lambda *given: 1.0, "return two tensors"),
        ("carried", lambda f: np.cumprod(f[::-1], axis=0)[::-1], "gate of step t itself"),
        ("carried", lambda f: np.cumprod(f, axis=0), "from the front"),
        ("carried", lambda f: carried(f)[::-1].copy(), "turned round"),
        ("carried", lambda f: np.zeros_like(f), "so it is 1"),
        ("carried", lambda f: np.ones_like(f), "expected [0.1"),
        ("carried", lambda f: f[0], "shape (2,)"),
    ],
)
def test_wrong(name: str, answer: Any, words: str) -> None:
    result = evaluate(f"lstm_gru.{name}", answer)
    assert result.status == "wrong"
    assert words in result.message, result.message
