"""The attention chapter: page = package, its explorer, results that it states, answers for its checks."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from engine import Engine
from labutils.information import entropy
from labutils.models import attention as library
from labutils.models.attention import attention, causal_mask, padding_mask
from places import run_cells, sources


def define(*cells: str) -> dict[str, Any]:
    """The names that cells of the page define, with its imports but none of its data."""
    return run_cells("attention", cells, math=math, torch=torch, F=F, nn=nn)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- the page equals the package ---------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [None, 1.0, 0.3])
@pytest.mark.parametrize("masked", [False, True])
def test_attention(scale: float | None, masked: bool) -> None:
    q, k, v = draw(2, 5, 8), draw(2, 7, 8, seed=1), draw(2, 7, 3, seed=2)
    mask = library.causal_mask(5, 7) if masked else None
    found = define("attention")["attention"](q, k, v, mask, scale)
    torch.testing.assert_close(found, library.attention(q, k, v, mask, scale))
    torch.testing.assert_close(found[0], F.scaled_dot_product_attention(q, k, v, mask, scale=scale))


def test_masks() -> None:
    page = define("masks")
    assert torch.equal(page["causal_mask"](4, 6), library.causal_mask(4, 6))
    assert torch.equal(page["causal_mask"](5), library.causal_mask(5))
    lengths = torch.tensor([3, 1, 6])
    assert torch.equal(page["padding_mask"](lengths, 6), library.padding_mask(lengths, 6))


def test_scores() -> None:
    page = define("score-modules", "additive")
    q, k = draw(2, 3, 4), draw(2, 5, 6, seed=1)
    for ours, theirs in (
        (page["General"](4, 6), library.GeneralScore(4, 6)),
        (page["Additive"](4, 6, 7), library.AdditiveScore(4, 6, 7)),
    ):
        ours.load_state_dict(theirs.state_dict())
        torch.testing.assert_close(ours(q, k), theirs(q, k))
    torch.testing.assert_close(page["dot"](q, q).softmax(-1) @ q, library.attention(q, q, q)[0])


def test_positions() -> None:
    page = define("positions")
    torch.testing.assert_close(page["sinusoidal_positions"](50, 12), library.sinusoidal_positions(50, 12))
    x = draw(2, 3, 50, 12)
    torch.testing.assert_close(page["rotate"](x), library.apply_rotary(x, *library.rotary(50, 12)))


@pytest.mark.parametrize("n_head", [1, 2, 8])
def test_multi_head(n_head: int) -> None:
    page = define("attention", "multi-head")
    layer, x, mask = library.MultiHeadAttention(16, n_head), draw(2, 6, 16), library.causal_mask(6)
    weights = layer.in_proj_weight, layer.in_proj_bias, layer.out_proj.weight, layer.out_proj.bias
    found = page["multi_head"](x, *weights, n_head, mask)
    with library.watch(layer) as watched:
        torch.testing.assert_close(found[0], layer(x, mask=mask))
    torch.testing.assert_close(found[1], watched[0])


def test_derived_divisor_of_the_bilinear_score() -> None:
    """Exercise 2: with entries of W at variance σ², the standard deviation of hᵀWh' is σ d."""
    d, n = 64, 4000
    h, other, W = draw(n, 1, d), draw(n, d, 1, seed=1), draw(n, d, d, seed=2)
    for sigma in (1.0, d**-0.5):
        assert (h @ (sigma * W) @ other).std().item() == pytest.approx(sigma * d, rel=0.05)


@pytest.mark.parametrize(
    ("n_pairs", "n_hidden", "before", "after"),
    [(2, 32, 0.7, 0.75), (4, 32, 0.4, 0.41), (2, 64, 0.9, 0.95), (4, 64, 0.55, 0.6)],
)
def test_an_lstm_learns_few_pairs_given_time(
    n_pairs: int, n_hidden: int, before: float, after: float
) -> None:
    """Exercise 6: 1,000 steps take the LSTM away from guessing, the more so the wider it is."""
    page = define("attention", "task", "lookup-model", "train", "loop-count", "remember")
    for seed in range(3):
        _, right = page["train"](
            lambda: page["Remember"](64, n_hidden), seed, n_pairs, 1000, 1e-2, n_batch=64, every=250
        )
        assert right[0] < before
        assert right[-1] > after


@pytest.mark.parametrize(
    ("rate", "divided", "undivided"),
    [(2.5e-4, (0.97, 1.0), (0.6, 0.97)), (1e-3, (0.97, 1.0), (0.05, 0.5)), (8e-3, (0.0, 0.35), (0.0, 0.35))],
)
def test_the_division_moves_the_range_of_rates(
    rate: float, divided: tuple[float, float], undivided: tuple[float, float]
) -> None:
    """Exercise 7: what rates the layer of the opening learns at, with the division and without."""
    page = define("attention", "task", "lookup-model", "train")
    for scale, (low, high) in ((None, divided), (1.0, undivided)):
        runs = [
            page["train"](lambda s=scale: page["LookUp"](256, s), seed, 8, 120, rate, every=120)[1][-1]
            for seed in range(3)
        ]
        assert low <= sum(runs) / 3 <= high


# --- results that the page states and its cells do not print ------------------------------------------------


@pytest.mark.parametrize(("distance", "hold", "right"), [(8, 3.0, True), (32, 3.0, False)])
def test_opened_forget_gates_carry_a_pair_some_way(distance: int, hold: float, right: bool) -> None:
    """Looking back: behind 8 pairs the LSTM answers, behind 32 it guesses, in 250 steps."""
    page = define("attention", "task", "lookup-model", "train", "loop-count", "remember")
    run_only = sources("attention")["recall-run"].split("\ncounts")[0]
    exec(run_only, page)
    for seed in range(3, 5):
        steps, rate, far = 250, 1e-2, page["far"]
        _, found = page["train"](
            lambda: page["Remember"](64, 32, hold), seed, distance, steps, rate, 64, steps, sample=far
        )
        assert (found[-1] > 0.9) == right


def test_slow_matrices_learn_at_every_width() -> None:
    """Another seed than the page's, at the width where a constant rate fails."""
    page = define("attention", "task", "lookup-model", "train")
    for slow, low, high in ((1.0, 0.0, 0.3), (64 / 512, 0.95, 1.0)):
        _, right = page["train"](lambda: page["LookUp"](512), 7, 8, 60, 2e-3, every=60, slow=slow)
        assert low <= right[-1] <= high


# --- the explorer ------------------------------------------------------------------------------------------

VECTORS: dict[str, Any] = {"tokens": list("abcdefgh")} | {
    name: np.random.default_rng(seed).normal(size=(8, 256)).round(2).tolist()
    for seed, name in enumerate("qk")
}
MASKS = {
    "none": None,
    "causal: no later token": causal_mask(8),
    "padding: not the last token": padding_mask(torch.tensor([7]), 8)[0],
}
DIVISIONS = {"by nothing": 0.0, "by √d": 0.5, "by d": 1.0}
AFTER = "by √d, after the softmax (001)"


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


# --- answers for the checks --------------------------------------------------------------------------------


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


def attention_in_place(q: Any, k: Any, v: Any, mask: Any = None) -> Any:
    q /= q.shape[-1] ** 0.5
    scores = q @ k.transpose(-1, -2)
    if mask is not None:
        scores[..., ~mask] = -math.inf
    scores -= scores.amax(-1, keepdim=True)
    scores.exp_()
    scores /= scores.sum(-1, keepdim=True)
    return scores @ v


def attention_in_float64(q: Any, k: Any, v: Any, mask: Any = None) -> Any:
    return attend(q.double(), k.double(), v.double(), mask)


def attention_in_numpy(q: Any, k: Any, v: Any, mask: Any = None) -> Any:
    q, k, v = (np.asarray(x, dtype=np.float64) for x in (q, k, v))
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


def streaming_in_place(q: Any, blocks: Any) -> Any:
    q /= math.sqrt(len(q))
    largest, total, output = -math.inf, 0.0, 0.0
    for K, V in blocks:
        scores = K @ q
        new = max(largest, scores.max().item())
        scores -= new
        scores.exp_()
        total = total * math.exp(largest - new) + scores.sum()
        output = output * math.exp(largest - new) + scores @ V
        largest = new
    output /= total
    return output


def streaming_in_numpy(q: Any, blocks: Any) -> Any:
    """By the logarithm of the sum of weights, a key at a time."""
    log_total, mean = -np.inf, 0.0
    for K, V in blocks:
        for key, value in zip(K.double().numpy(), V.double().numpy(), strict=True):
            score = key @ q.double().numpy() / len(q) ** 0.5
            both = np.logaddexp(log_total, score)
            mean, log_total = mean + (value - mean) * np.exp(score - both), both
    return mean.tolist()


def growing(q: Any, blocks: Any) -> Any:
    K = V = None
    for more_k, more_v in blocks:
        K = more_k if K is None else torch.cat([K, more_k])
        V = more_v if V is None else torch.cat([V, more_v])
    return attend(q[None], K, V)[0]


def kept_in_a_list(q: Any, blocks: Any) -> Any:
    return streaming(q, list(blocks))


def read_twice(q: Any, blocks: Any) -> Any:
    largest = max((K @ q).max() / math.sqrt(len(q)) for K, _ in blocks)
    total = output = 0.0
    for K, V in blocks:
        weights = (K @ q / math.sqrt(len(q)) - largest).exp()
        total, output = total + weights.sum(), output + weights @ V
    return output / total


def maximum_from(start: float, running: bool = True) -> Any:
    """A streaming answer whose maximum starts somewhere, or is each block's own."""

    def answer(q: Any, blocks: Any) -> Any:
        largest, total, output = torch.tensor(start), 0.0, 0.0
        for K, V in blocks:
            scores = K @ q / math.sqrt(len(q))
            new = torch.maximum(largest, scores.max()) if running else scores.max()
            weights, factor = torch.exp(scores - new), torch.exp(largest - new)
            total, output, largest = total * factor + weights.sum(), output * factor + weights @ V, new
        return output / total

    return answer


def own_maximum(q: Any, blocks: Any) -> Any:
    total = output = 0.0
    for K, V in blocks:
        scores = K @ q / math.sqrt(len(q))
        weights = torch.exp(scores - scores.max())
        total, output = total + weights.sum(), output + weights @ V
    return output / total


def corrected(total: bool = True, output: bool = True, turned: bool = False) -> Any:
    """A streaming answer that corrects one of its two sums, or both the wrong way."""

    def answer(q: Any, blocks: Any) -> Any:
        largest, weight, mean = torch.tensor(-math.inf), torch.tensor(0.0), torch.tensor(0.0)
        for K, V in blocks:
            scores = K @ q / math.sqrt(len(q))
            new = torch.maximum(largest, scores.max())
            weights, factor = torch.exp(scores - new), torch.exp(new - largest if turned else largest - new)
            weight = weight * (factor if total else 1) + weights.sum()
            mean, largest = mean * (factor if output else 1) + weights @ V, new
        return mean / weight

    return answer


def hidden_by(number: float) -> Any:
    def answer(q: Any, k: Any, v: Any, mask: Any = None) -> Any:
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        return (scores if mask is None else scores.masked_fill(~mask, number)).softmax(-1) @ v

    return answer


RIGHT: dict[str, list[Any]] = {
    "divisor": [48, 3 * 2 * 64**0.5, np.array([48.0]), torch.tensor(48.0), [48]],
    "attention": [
        attend,
        F.scaled_dot_product_attention,
        attention_in_place,
        attention_in_float64,
        attention_in_numpy,
        hidden_by(-1e9),
        lambda q, k, v, mask=None: attend(q, k, v, mask).tolist(),
    ],
    "heads": [
        heads,
        lambda q, k, v, h: torch.cat(each(q, k, v, h), -1).double(),
        lambda q, k, v, h: np.concatenate([x.numpy() for x in each(q, k, v, h)], axis=-1),
    ],
    "streaming": [streaming, streaming_in_place, streaming_in_numpy],
}

WRONG: list[tuple[str, Any, str]] = [
    ("divisor", 8, "right for entries of variance 1"),
    ("divisor", 6, "64 of them are added"),
    ("divisor", 36, "the variance of one product"),
    ("divisor", 2304, "standard deviation is asked"),
    ("divisor", 384, "variances of independent terms"),
    ("divisor", 40, "multiply"),
    ("divisor", 19.596, "variances 9 and 4 multiply"),
    ("divisor", 50, "that is not it"),
    ("divisor", "48 or so", "expected one number"),
    ("divisor", 1 / 48, "inverse"),
    ("divisor", 24, "the keys have a spread"),
    ("divisor", 16, "the queries have a spread"),
    ("divisor", math.sqrt(832), "adds the variances"),
    ("divisor", math.nan, "not a number"),
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
    *[("attention", hidden_by(x), "is not −∞") for x in (-20.0, -50.0, -100.0, -1e4)],
    ("attention", masked(lambda s, m: (s + m).softmax(-1)), "added as 0 and 1"),
    ("attention", lambda q, k, v, m=None: attend(q, k, v).mT, "has shape (2, 3, 4)"),
    (
        "attention",
        lambda q, k, v, m=None: (q @ k.transpose(1, 2) / 8).softmax(2) @ v,
        "Dimension out of range",
    ),
    (
        "attention",
        lambda q, k, v, m=None: attend(q, k, v, m) if q.dim() < 4 else attend(q, k, v, m) + 1,
        "with 2 axes before (n, d) the output differs",
    ),
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
    (
        "heads",
        lambda q, k, v, h: torch.cat(each(q, k, v, h, scale=12**-0.5), -1),
        "divided by the root of d = 12",
    ),
    ("heads", lambda q, k, v, h: torch.cat(each(q, k, v, h, scale=1.0), -1), "not divided by the root"),
    ("heads", lambda q, k, v, h: torch.cat(each(q, k, v, h, dim=0), 0), "split the columns"),
    ("heads", lambda q, k, v, h: torch.cat(each(q, k, v, h), 0), "one under the other"),
    ("heads", lambda q, k, v, h: torch.stack(each(q, k, v, h)).mean(0), "do not add or average"),
    ("heads", lambda q, k, v, h: torch.stack(each(q, k, v, h)).reshape(6, 12), "transpose back"),
    ("heads", lambda q, k, v, h: attend(q, k, v), "that is one head"),
    ("heads", lambda q, k, v, h: torch.cat(list(viewed(q, k, v, h)), -1), "cuts rows apart"),
    ("heads", lambda q, k, v, h: viewed(q, k, v, h).reshape(6, 12), "cuts rows apart"),
    (
        "heads",
        lambda q, k, v, h: torch.cat([attend(*(x[:, i::h] for x in (q, k, v))) for i in range(h)], -1),
        "not every 3th",
    ),
    ("heads", lambda q, k, v, h: torch.stack(each(q, k, v, h)), "has shape (3, 6, 4)"),
    ("heads", lambda q, k, v, h: heads(q, k, v, 3), "a number of heads"),
    ("heads", lambda q, k, v, h: heads(q, k, v, h) + 1, "the output differs from three"),
    ("heads", lambda q, k, v, h: torch.cat(each(q, k, v, h)[::-1], -1), "reverse order"),
    ("heads", lambda q, k, v, h: torch.cat(each(q, k, v, h, scale=1 / 4), -1), "a head's width"),
    ("heads", lambda q, k, v, h: torch.cat(each(q, k, v, h, scale=3**-0.5), -1), "number of heads"),
    ("heads", lambda q, k, v, h: heads(q, k, v, h) / h, "leave their values"),
    ("streaming", lambda q, b: streaming(q, b, correct=False), "multiply both sums"),
    ("streaming", lambda q, b: streaming(q, b, shift=False, correct=False), "far below 0"),
    ("streaming", lambda q, b: streaming(q, b, divide=False), "divide it by the sum"),
    ("streaming", lambda q, b: outputs(q, b).mean(0), "mean of the blocks' outputs"),
    ("streaming", lambda q, b: outputs(q, b)[-1], "the last block's output"),
    ("streaming", lambda q, b: all_at_once(q, b, 1.0), "not divided by √d"),
    ("streaming", lambda q, b: all_at_once(q, b).sum(), "has shape ()"),
    ("streaming", lambda q, b: all_at_once(q, b) + 1, "differs from attention"),
    ("streaming", forgets_the_maximum, "must not lower the old one"),
    ("streaming", all_at_once, "holds all blocks at once"),
    ("streaming", growing, "holds all blocks at once"),
    ("streaming", kept_in_a_list, "holds all blocks at once"),
    ("streaming", read_twice, "reads the blocks twice"),
    ("streaming", maximum_from(0.0), "start the maximum at −∞"),
    ("streaming", maximum_from(-math.inf, running=False), "which maximum is subtracted?"),
    ("streaming", own_maximum, "multiply both sums"),
    ("streaming", corrected(total=False), "the sum of weights is not corrected"),
    ("streaming", corrected(output=False), "the weighted sum is not corrected"),
    ("streaming", corrected(turned=True), "never above 1"),
    ("streaming", lambda q, b: outputs(q, b).sum(0), "sum of the blocks' outputs"),
    ("streaming", lambda q, b: outputs(q, b)[0], "first block's output"),
    ("streaming", lambda q, b: all_at_once(q, b, 1 / 16), "the root of d"),
]
