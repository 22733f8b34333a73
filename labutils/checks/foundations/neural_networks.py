"""Checks for the exercises of notebooks/foundations/neural_networks.ipynb."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np

from labutils.autograd import Value
from labutils.checks.answers import Floats, Wrong, array, compare, number, same, slip
from labutils.checks.core import exercise


@exercise("neural_networks.blames")
def blames(answer: Any) -> str | None:
    """Of w, b and v in p = v · ReLU(w x + b), with x = 3, w = 4, b = −7, v = 2, y = 16: −36, −12, −30."""
    found = array(answer, (3,), "the list of blames")
    if same(found, [-36, -12, -30], 0, 1e-9):
        return None
    order = "the order is w, b, v"
    mistakes = [
        *((list(each), order) for each in permutations((-36, -12, -30))),
        ([36, 12, 30], "the signs: the blame of p is p − y = −6, not y − p"),
        ([-18, -6, -30], "on the way back to h the blame is multiplied by v = 2"),
        ([-72, -24, -30], "on the way back to h the blame is multiplied by v = 2, not by w"),
        ([6, 2, 5], "that is the slope of p: multiply by p − y = −6"),
        ([60, 20, 50], "the blame of p is p − y = −6, not p itself"),
        ([96, 32, 80], "the blame of p is p − y = −6, not y"),
        ([108, 36, 90], "the loss itself is handed back: the blame of p is its derivative, p − y = −6"),
        ([-12, -12, -30], "w stands in w · x, so its blame is that of z times x = 3"),
        ([-36, 0, -30], "b stands in the sum with slope 1: it gets the blame of z"),
        ([-36, -36, -30], "b is added, not multiplied by x: its blame is that of z"),
        ([-36, 84, -30], "b is added, not multiplied by itself: its blame is that of z"),
        ([-36, -12, -6], "v stands in v · h: its blame is that of p times h = 5"),
        ([-36, -12, -18], "v meets h = 5, not x: its blame is that of p times h"),
        ([-36, -12, -60], "v meets h = 5; that is the blame of p times p"),
        ([-36, -12, -12], "that is the blame of h; that of v is the blame of p times h = 5"),
        ([-72, -24, -60], "twice too much: L has ½ in front, so the blame of p is p − y"),
        ([0, 0, -30], "the ReLU is on, since z = 5 is positive: its slope is 1"),
        ([0, 0, 0], "the ReLU is on, since z = 5 is positive: its slope is 1"),
        ([-60, -12, -30], "w stands in w · x: the blame of z times x = 3, not times z = 5"),
        ([-180, -60, -30], "the slope of the ReLU is 1 where it is on, not h = 5"),
        ([-48, -12, -30], "w stands in w · x: the blame of z times the other factor, x = 3, not times w"),
    ]
    return f"{slip(found, mistakes) or 'forward, z = 5, h = 5, p = 10; then back, one slope at a time'}."


def _parts(x: Floats, W1: Floats, b1: Floats, W2: Floats, b2: Floats) -> tuple[Floats, Floats, Floats]:
    sums = x @ W1 + b1
    z = np.maximum(sums, 0) @ W2 + b2
    p = np.exp(z - z.max(1, keepdims=True))
    return sums, z, p / p.sum(1, keepdims=True)


def _grads(x: Floats, h: Floats, d1: Floats, d2: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    return x.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)


def _gradient_mistakes(
    x: Floats, y: Any, W1: Floats, b1: Floats, W2: Floats, b2: Floats
) -> Iterator[tuple[tuple[Floats, Floats, Floats, Floats], str]]:
    sums, z, p = _parts(x, W1, b1, W2, b2)
    h, on, n = np.maximum(sums, 0), sums > 0, len(x)
    hot = np.eye(W2.shape[1])[y]

    def made(d2: Floats, mask: Any = on, before: Floats = h) -> tuple[Floats, Floats, Floats, Floats]:
        return _grads(x, before, (d2 @ W2.T) * mask, d2)

    good = (p - hot) / n
    yield made(good * n), "the loss is the mean over the batch: divide by its size, once"
    yield made(good / n), "divided by the size of the batch twice"
    yield made(-good), "the signs: softmax minus one-hot, not the other way round"
    yield made(p / n), "subtract 1 from the probability of the right class"
    yield made(good, np.ones_like(h)), "where the ReLU was off its slope is 0: no blame goes through"
    yield made(good, ~on), "the ReLU lets blame through where its sum was positive, not where it was negative"
    yield made(good, h), "multiply by the ReLU's slope, 0 or 1, not by h"
    yield made(good, on, sums), "the gradient of W2 takes h, behind the ReLU, not the sums before it"
    yield made((z - hot) / n), "take the softmax of z first"
    yield (
        made(good * p * (1 - p)),
        "for softmax and cross-entropy no slope of the output is left: it is p − y",
    )
    down = np.exp(z) / np.exp(z).sum(0)
    yield made((down - hot) / n), "the softmax runs over the classes of one example, not over the batch"
    s = 1 / (1 + np.exp(-z))
    yield made((s - hot) / n), "that is a sigmoid for each output: here it is a softmax over all"
    yield made(good / W2.shape[1]), "divided by the number of classes as well: the mean is over examples only"
    named = np.zeros(W2.shape[1])
    named[y] = 1
    yield (
        made((p - named) / n),
        "1 goes off one place in each row, `[np.arange(len(y)), y]`; `[:, y]` takes it off whole columns",
    )
    yield made(good / math.log(2)), "that is the loss in bits: cross-entropy has the natural logarithm"
    yield made(good, (good @ W2.T) > 0), "the ReLU's slope asks for the sign of its sum, not of the blame"
    yield made(good, x @ W1 > 0), "the ReLU's slope asks for the sign of its whole sum, bias included"
    yield made(good / 2), "half of it: the loss has no ½ in front"
    a, c, d, e = made(good)
    yield (W1 - a, b1 - c, W2 - d, b2 - e), "those are the weights after a step: the gradients are asked"
    yield (a, c / n, d, e / n), "the gradients of biases are sums over the batch: the mean is in δ already"


def _four(value: Any, shapes: list[tuple[int, ...]]) -> list[Floats]:
    if not isinstance(value, (tuple, list)) or len(value) != 4:
        what = f"{len(value)} parts" if isinstance(value, (tuple, list)) else f"a {type(value).__name__}"
        raise Wrong(f"you return {what}: expected the gradients of W1, b1, W2 and b2, a tuple of four.")
    names = ("W1", "b1", "W2", "b2")
    for name, part, shape in zip(names, value, shapes, strict=True):
        size = tuple(getattr(part, "shape", ()))
        if len(shape) == 2 and size == shape[::-1]:
            raise Wrong(f"the gradient of {name} has shape {size}, that of {name} transposed: it is {shape}.")
        if len(shape) == 1 and size == (SIZES[0], *shape):
            raise Wrong(f"the gradient of {name} has a row for each example: add them up, {shape}.")
    return [array(p, s, f"the gradient of {n}") for n, p, s in zip(names, value, shapes, strict=True)]


SIZES = (7, 4, 6, 3)  # batch, in, hidden, out: no two alike


@exercise("neural_networks.gradients")
def gradients(answer: Any) -> str | None:
    """All four gradients, on random networks in which no two sizes are alike."""
    n, n_in, n_hidden, n_out = SIZES
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(n, n_in)), rng.integers(0, n_out, n)
        W1, b1 = rng.normal(size=(n_in, n_hidden)), rng.normal(size=n_hidden)
        W2, b2 = rng.normal(size=(n_hidden, n_out)), rng.normal(size=n_out)
        given = x, y, W1, b1, W2, b2
        sums, _, p = _parts(x, W1, b1, W2, b2)
        d2 = (p - np.eye(n_out)[y]) / n
        right = _grads(x, np.maximum(sums, 0), (d2 @ W2.T) * (sums > 0), d2)
        found = _four(answer(*_as_asked(answer, given)), [W1.shape, b1.shape, W2.shape, b2.shape])
        off = [not same(f, r, 1e-4, 1e-6) for f, r in zip(found, right, strict=True)]
        if not any(off):
            continue
        for wrong, why in _gradient_mistakes(*given):
            if all(same(f, w, 1e-4, 1e-6) for f, w in zip(found, wrong, strict=True)):
                return f"{why}."
        names = [name for name, bad in zip(("W1", "b1", "W2", "b2"), off, strict=True) if bad]
        return _first_off(names, found, right)
    return None


def _first_off(names: list[str], found: list[Floats], right: tuple[Floats, ...]) -> str:
    """Which gradients are right, and the number of the first wrong one that is furthest off."""
    of = ("W1", "b1", "W2", "b2")
    f, r = found[of.index(names[0])], right[of.index(names[0])]
    apart = np.where(np.isfinite(f), abs(f - r), np.inf)
    at = tuple(int(i) for i in np.unravel_index(np.argmax(apart), r.shape))
    place = f"{names[0]}[{', '.join(map(str, at))}]"
    fine = [name for name in of if name not in names]
    rest = f"; right: {', '.join(fine)}" if fine else ""
    return f"for the gradient of {place} you return {f[at]:.6g}, expected {r[at]:.6g}{rest}."


def _as_asked(answer: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the function works on: arrays, or tensors for one whose names or module say torch."""
    wrapped = getattr(answer, "__wrapped__", answer)
    code = getattr(wrapped, "__code__", None)
    names = {*getattr(code, "co_names", ()), *getattr(code, "co_freevars", ())}
    if names & {"torch", "F"}:
        import torch

        return tuple(torch.from_numpy(np.asarray(part)) for part in given)
    return given


_U = np.linspace(-10, 10, 200_001)
_WEIGHT = np.exp(-(_U**2) / 2) / np.exp(-(_U**2) / 2).sum()


@exercise("neural_networks.start")
def start(answer: Any) -> str | None:
    """c = 1 / E[φ'(u)²] of several activations, by integration on a fine grid."""
    slopes: dict[str, Any] = {
        "tanh": lambda u: 1 - np.tanh(u) ** 2,
        "ReLU": lambda u: (np.asarray(u) > 0).astype(float),
        "a leaky ReLU": lambda u: np.where(np.asarray(u) > 0, 1.0, 0.3),
        "the sigmoid": lambda u: np.exp(-abs(u)) / (1 + np.exp(-abs(u))) ** 2,
    }
    for name, slope in slopes.items():
        values = slope(_U)
        square, mean = float(_WEIGHT @ values**2), float(_WEIGHT @ values)
        found = number(answer(slope), "c")
        right = 1 / square
        if same(found, right, 0.01, 0):
            continue
        flat = slope(np.linspace(-8, 8, 200_001))
        narrow, unit = (slope(np.linspace(low, 1, 200_001)) for low in (-1, 0))
        bell = np.exp(-(_U**2)) / np.exp(-(_U**2)).sum()  # the exponent without its ½
        mistakes = [
            (square, "that is E[φ'²]: c is one over it"),
            (1 / mean, "that is 1 / E[φ']: square the slope before the mean"),
            (1 / mean**2, "that is 1 / E[φ']²: take the mean of the squares, not the square of the mean"),
            (math.sqrt(right), "that is the root of c: variances multiply by c, sizes by its root"),
            (right**2, "that is c²"),
            (1 / float((values**2).mean()), "all u count alike here: weigh them by the normal density"),
            (1 / float((flat**2).mean()), "all u count alike here: weigh them by the normal density"),
            *(
                (1 / float((part**2).mean()), "that is u uniform, up to 1: it is standard normal")
                for part in ((narrow, unit) if name == "tanh" else (narrow,))
            ),
            (1 / float((unit**2).mean()), "only positive u count here: half of the normal is below 0"),
            (1 / float(bell @ values**2), "that weighs by e^{−u²}: the normal density has u²/2"),
            (right / math.sqrt(2 * math.pi), "divide by the sum of the weights, or by √(2π)"),
            (1 / max(square - mean**2, 1e-12), "one over the *variance* of φ': the mean of φ'² is asked"),
            (-right, "a minus too many: c is positive"),
            (
                1 / float(slope(np.zeros(1))[0] ** 2 or math.inf),
                "that is the slope at 0 alone: average over u",
            ),
            (right / 3, "a third of it, as torch starts: exactly c is asked"),
        ]
        near = "near, but not within one per cent: integrate on a grid in place of drawing"
        if found == 2:
            near = "2 is the ReLU's c: work it out from `slope`"
        if 0 < found < right / 500:
            mistakes.append((found, "a sum where the mean is meant? Divide by how many, or by their weights"))
        why = slip(found, mistakes, 4e-3) or (near if same(found, right, 0.1, 0) else None)
        ask = f"for {name} you return {found:.4g}, expected {right:.4g}"
        return f"{ask}: {why}." if why else f"{ask}."
    return None


@exercise("neural_networks.softplus")
def softplus(answer: Any) -> str | None:
    """Value and slope of log(1 + eᵃ), also far out, and inside a longer formula."""
    first = answer(Value(-1.3))
    if not all(hasattr(first, name) for name in ("data", "parts", "slopes", "backward", "order")):
        return f"you return a {type(first).__name__}: expected a Value, with its parts and slopes."
    kind: Any = type(first)  # the page's class, where the reader ran its cells, or labutils'
    for a in (-1.3, 0.7, 2.5, 0.0, 5.0, -5.0):
        given = kind(a)
        found = answer(given)
        if not all(isinstance(each, (tuple, list)) for each in (found.parts, found.slopes)):
            return "parts and slopes are tuples, also of one: Value(y, (a,), (slope,))."
        value, slope = math.log1p(math.exp(a)), 1 / (1 + math.exp(-a))
        if given.data != a:
            return "it changes the number that it is given: return a new Value."
        compare(found.data, value, f"softplus of {a}", _softplus_mistakes(a), _FLOAT32)
        if not any(part is given for part in found.parts):
            if any(not hasattr(part, "parts") for part in found.parts):
                return "its part is a plain number: hand over `a`, the Value, not `a.data`."
            if any(part is given for part in found.order()):
                return "made of several operations: one operation, with its own slope, is asked."
            return "the argument is not among the parts of what you return: no blame would reach it."
        if len(found.parts) != 1 or len(found.slopes) != 1:
            return f"{len(found.parts)} parts and {len(found.slopes)} slopes: one of each is expected."
        found.backward()
        slopes = [
            (value, "that is softplus itself; its slope is the sigmoid"),
            (math.exp(a), "that is the slope of the exponential alone: divide by 1 + eᵃ"),
            (1 / (1 + math.exp(a)), "that is 1/(1 + eᵃ): the slope of eᵃ on top is missing"),
            (slope * (1 - slope), "that is the slope of the sigmoid; the sigmoid itself is asked"),
            (float(a > 0), "that is the slope of a ReLU: softplus bends gradually"),
            (math.tanh(a), "the slope is the sigmoid, ½ (1 + tanh(a/2)), not tanh"),
            ((1 + math.tanh(a)) / 2, "½ (1 + tanh a) is the sigmoid of 2a: halve the argument"),
            (slope / math.log(2), "that is the slope to base 2: take the natural logarithm"),
            (-slope, "the slope's sign: softplus rises"),
            (1.0, "a slope of 1 everywhere: it is the sigmoid"),
        ]
        compare(given.grad, slope, f"slope of softplus at {a}:", slopes, _FLOAT32)
    for a, value, slope in ((800.0, 800.0, 1.0), (-800.0, 0.0, 0.0), (40.0, 40.0, 1.0)):
        given, over = kind(a), f"at {a:.0f} it overflows: e to the power −|a| never does."
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                found = answer(given)
        except OverflowError:
            return over
        if not math.isfinite(found.data):
            return over
        found.backward()
        compare(found.data, value, f"softplus of {a:.0f}", (), _FLOAT32)
        compare(given.grad, slope, f"slope of softplus at {a:.0f}:", (), _FLOAT32)
    x = kind(0.4)
    (answer(x * 3) * x).backward()
    s = 1 / (1 + math.exp(-1.2))
    compare(
        x.grad,
        math.log1p(math.exp(1.2)) + 0.4 * 3 * s,
        "in x · softplus(3x) at 0.4, the blame of x:",
        (),
        _FLOAT32,
    )
    return None


_FLOAT32 = 1e-5


def _softplus_mistakes(a: float) -> list[tuple[float, str]]:
    return [
        (max(a, 0.0), "that is the ReLU"),
        (math.exp(a), "the logarithm of 1 + eᵃ is asked"),
        (math.log2(1 + math.exp(a)), "that is the logarithm to base 2: take the natural one"),
        (1 + math.exp(a), "the logarithm is missing"),
        (1 / (1 + math.exp(-a)), "that is the sigmoid, the slope of softplus"),
        (math.log1p(math.exp(-abs(a))), "max(a, 0) is missing: that is right for negative a only"),
        (math.log1p(math.exp(-a)), "the sign of a: that is softplus of −a"),
    ]
