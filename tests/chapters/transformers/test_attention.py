"""Every check accepts the right answer and says what is wrong with plausible wrong ones."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from labutils.checks import evaluate


def attend(q: Any, k: Any, v: Any, mask: Any = None, scale: float | None = None) -> Any:
    scores = q @ k.mT * (q.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-1) @ v


def heads(q: Any, k: Any, v: Any, n_head: int) -> Any:
    q, k, v = (x.unflatten(-1, (n_head, -1)).transpose(0, 1) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1)


def each(q: Any, k: Any, v: Any, n_head: int, dim: int = -1, scale: float | None = None) -> list[Any]:
    parts = zip(*(x.chunk(n_head, dim=dim) for x in (q, k, v)), strict=True)
    return [attend(*part, scale=scale) for part in parts]


def viewed(q: Any, k: Any, v: Any, n_head: int) -> Any:
    q, k, v = (x.reshape(n_head, len(q), -1) for x in (q, k, v))
    return attend(q, k, v)


def streaming(q: Any, blocks: Any, *, correct: bool = True, shift: bool = True, divide: bool = True) -> Any:
    largest, total, output = torch.tensor(-math.inf if shift else 0.0), torch.tensor(0.0), torch.tensor(0.0)
    for K, V in blocks:
        scores = K @ q / math.sqrt(len(q))
        new = torch.maximum(largest, scores.max()) if shift else largest
        weights, factor = torch.exp(scores - new), torch.exp(largest - new) if correct else 1.0
        total, output, largest = total * factor + weights.sum(), output * factor + weights @ V, new
    return output / total if divide else output


def forgets_the_maximum(q: Any, blocks: Any) -> Any:
    largest, total, output = torch.tensor(-math.inf), 0.0, 0.0
    for K, V in blocks:
        scores = K @ q / math.sqrt(len(q))
        new = scores.max()
        if new < largest:
            total, output = torch.tensor(0.0), 0.0
        weights, factor = torch.exp(scores - new), torch.exp(torch.minimum(largest - new, torch.tensor(0.0)))
        total, output, largest = total * factor + weights.sum(), output * factor + weights @ V, new
    return output / total


def outputs(q: Any, blocks: Any) -> Any:
    return torch.stack([attend(q[None], K, V)[0] for K, V in blocks])


def all_at_once(q: Any, blocks: Any, scale: float | None = None) -> Any:
    K, V = (torch.cat(part) for part in zip(*blocks, strict=True))
    return attend(q[None], K, V, scale=scale)[0]


def masked(weigh: Any) -> Any:
    """An answer that is right without a mask and does `weigh` with one."""
    return lambda q, k, v, mask=None: attend(q, k, v) if mask is None else weigh(q @ k.mT / 8, mask) @ v


RIGHT: dict[str, Any] = {"divisor": 48, "attention": attend, "heads": heads, "streaming": streaming}

WRONG: list[tuple[str, Any, str]] = [
    ("divisor", 8, "right for entries of variance 1"),
    ("divisor", 6, "64 of them are added"),
    ("divisor", 36, "the variance of one product"),
    ("divisor", 2304, "standard deviation is asked"),
    ("divisor", 384, "variances of independent terms"),
    ("divisor", 40, "multiply"),
    ("divisor", 19.596, "variances 9 and 4 multiply"),
    ("divisor", 50, "that is not it"),
    ("divisor", "48 or so", "that is not it"),
    (
        "attention",
        lambda q, k, v, m=None: (q @ k.mT).softmax(-1) / 8 @ v,
        "sum to 0.125 at d = 64: divided after",
    ),
    ("attention", lambda q, k, v, m=None: (q @ k.mT / 8).softmax(-2) @ v, "the columns of weights"),
    ("attention", lambda q, k, v, m=None: (q @ k.mT / 8).exp() @ v, "rows of weights sum to"),
    ("attention", lambda q, k, v, m=None: attend(q, k, v, m, 1.0), "without any division"),
    ("attention", lambda q, k, v, m=None: attend(q, k, v, m, 1 / 64), "divided by d"),
    ("attention", lambda q, k, v, m=None: attend(q, k, v, m, 6**-0.5), "number of keys"),
    ("attention", lambda q, k, v, m=None: attend(q, k, v, m, 8.0), "multiplied by"),
    ("attention", lambda q, k, v, m=None: attend(q, k, v + 0.1, m), "rows of weights sum to"),
    ("attention", lambda q, k, v, m=None: attend(q.abs(), k, v, m), "differs from F.scaled"),
    ("attention", lambda q, k, v, m=None: (attend(q, k, v, m), 0), "a tuple of 2"),
    ("attention", lambda q, k, v, m=None: attend(q, k, v).tolist(), "must be a tensor"),
    ("attention", lambda q, k, v, m=None: attend(q, k, v).mT, "has shape (2, 3, 4)"),
    ("attention", lambda q, k, v, m=None: attend(q, k, v), "changes nothing"),
    ("attention", lambda q, k, v, m=None: attend(q, k, v, None if m is None else ~m), "True means"),
    ("attention", masked(lambda s, m: s.softmax(-1) * m), "masked after the softmax?"),
    ("attention", masked(lambda s, m: s.masked_fill(~m, 0.0).softmax(-1)), "e⁰ = 1"),
    (
        "attention",
        masked(lambda s, m: (s * 1.1).masked_fill(~m, -math.inf).softmax(-1)),
        "with a mask the output",
    ),
    ("attention", masked(lambda s, m: (s * m).softmax(-1)[:1]), "with a mask"),
    ("heads", lambda q, k, v, h: torch.cat(each(q, k, v, h, scale=8**-0.5), -1), "√4 = 2"),
    ("heads", lambda q, k, v, h: torch.cat(each(q, k, v, h, scale=1.0), -1), "not divided by the root"),
    ("heads", lambda q, k, v, h: torch.cat(each(q, k, v, h, dim=0), 0), "split the columns"),
    ("heads", lambda q, k, v, h: torch.cat(each(q, k, v, h), 0), "one under the other"),
    ("heads", lambda q, k, v, h: torch.stack(each(q, k, v, h)).mean(0), "do not add or average"),
    ("heads", lambda q, k, v, h: torch.stack(each(q, k, v, h)).reshape(6, 8), "transpose back"),
    ("heads", lambda q, k, v, h: attend(q, k, v), "that is one head"),
    ("heads", lambda q, k, v, h: torch.cat(list(viewed(q, k, v, h)), -1), "cuts rows apart"),
    ("heads", lambda q, k, v, h: viewed(q, k, v, h).reshape(6, 8), "cuts rows apart"),
    (
        "heads",
        lambda q, k, v, h: torch.cat([attend(*(x[:, i::h] for x in (q, k, v))) for i in range(h)], -1),
        "every second",
    ),
    ("heads", lambda q, k, v, h: torch.stack(each(q, k, v, h)), "has shape (2, 6, 4)"),
    ("heads", lambda q, k, v, h: heads(q, k, v, 2), "with one head"),
    ("heads", lambda q, k, v, h: heads(q, k, v, h) + 1, "put side by side"),
    ("streaming", lambda q, b: streaming(q, b, correct=False), "multiply both sums"),
    ("streaming", lambda q, b: streaming(q, b, shift=False, correct=False), "it overflows"),
    ("streaming", lambda q, b: streaming(q, b, divide=False), "divide it by the sum"),
    ("streaming", lambda q, b: outputs(q, b).mean(0), "mean of the blocks' outputs"),
    ("streaming", lambda q, b: outputs(q, b)[-1], "the last block's output"),
    ("streaming", lambda q, b: all_at_once(q, b, 1.0), "not divided by √d"),
    ("streaming", lambda q, b: all_at_once(q, b).sum(), "has shape ()"),
    ("streaming", lambda q, b: all_at_once(q, b) + 1, "differs from attention"),
    ("streaming", forgets_the_maximum, "order of the blocks"),
]


@pytest.mark.parametrize("name", RIGHT)
def test_right_answer_passes(name: str) -> None:
    assert evaluate(f"attention.{name}", RIGHT[name]).status == "right"


@pytest.mark.parametrize(("name", "answer", "message"), WRONG, ids=[f"{n}-{m}" for n, _, m in WRONG])
def test_wrong_answer_is_diagnosed(name: str, answer: Any, message: str) -> None:
    result = evaluate(f"attention.{name}", answer)
    assert result.status == "wrong"
    assert message in result.message, result.message


def test_every_check_has_a_right_answer_and_two_wrong_ones() -> None:
    from labutils.checks import names

    own = {name.split(".")[1] for name in names() if name.startswith("attention.")}
    assert own == set(RIGHT)
    assert all(sum(name == wrong for wrong, _, _ in WRONG) >= 2 for name in own)


def test_a_clever_answer_passes_too() -> None:
    """What the library does, and a streaming answer that reads everything first: right is right."""
    assert evaluate("attention.attention", F.scaled_dot_product_attention).status == "right"
    assert evaluate("attention.streaming", all_at_once).status == "right"
