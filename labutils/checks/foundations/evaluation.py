"""Checks for the exercises of notebooks/foundations/evaluation.ipynb."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from labutils.checks.answers import Floats, array, compare, number, same, slip
from labutils.checks.core import exercise
from labutils.evaluation import needed_size
from labutils.evaluation import weighted_kappa as library_kappa


@exercise("evaluation.texts")
def texts(answer: Any) -> str | None:
    """A gain of 0.02 with 12 % of disagreement: about 2,350 texts."""
    found = number(answer, "the number of texts")
    right = needed_size(0.02, 0.12)
    if same(found, right, 0.02, 0):
        return None
    mistakes = [
        (right**0.5, "square it: that is the root of the number"),
        (1.96**2 * 0.12 / 0.02**2, "with 1.96 alone the power is one half: add 0.84 for four times in five"),
        (0.84**2 * 0.12 / 0.02**2, "with 0.84 alone nothing is tested: add the 1.96 of the test"),
        ((1.645 + 0.84) ** 2 * 0.12 / 0.02**2, "a test on one side: for both sides take 1.96"),
        (2.8**2 * 0.12 / 0.02, "divide by the square of the gain"),
        (2.8 * 0.12 / 0.02**2, "7.8 is the square of 1.96 + 0.84"),
        (2.8**2 / 0.02**2, "the share on which they differ, 0.12, is missing"),
        ((1.96 + 1.28) ** 2 * 0.12 / 0.02**2, "1.28 is for nine times in ten: four in five is 0.84"),
        (2.8**2 * 0.12 * 0.88 / 0.02**2, "0.12 alone: it is the variance already, without a factor 0.88"),
        (0.12 * right, "0.12 times the number: d once, and all texts, not those that differ"),
        (2.8**2 * 0.5 / 0.02**2, "tests of their own, at an accuracy of ½: they share their texts"),
        (2 * right, "twice as many as needed: both models read the same texts"),
        (2.8**2 * 0.12 / 2**2, "a gain of two points is 0.02"),
        (2.8**2 * 12 / 0.02**2, "12 % is 0.12"),
        (2.8**2 * 0.02 / 0.12**2, "gain and disagreement are exchanged"),
    ]  # fmt: skip
    return f"{slip(found, mistakes, 1e-2) or 'that is not it: 7.8 · d / δ² with d = 0.12 and δ = 0.02'}."


def _holm(p: Floats) -> Floats:
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def _stepped(p: Floats, factors: Any) -> Iterator[tuple[Floats, bool]]:
    """Sorted p times `factors`, with and without carrying along and cutting off; whether it was carried."""
    steps = np.sort(p) * factors
    for carry in (True, False):
        for values in ((carried := np.maximum.accumulate(steps) if carry else steps), np.minimum(1, carried)):
            yield values, carry


def _holm_mistakes(p: Floats) -> Iterator[tuple[Any, str]]:
    k, order = len(p), np.argsort(p, kind="stable")
    factors = np.arange(k, 0, -1)
    back = np.argsort(order, kind="stable")
    steps = p[order] * factors
    yield (_holm(p) < 0.05), "True or False at 5 % is a verdict: return the adjusted p-values"
    yield np.minimum(1, k * p), "that is Bonferroni: only the smallest is multiplied by k"
    yield k * p, "that is Bonferroni, and above 1"
    yield np.minimum(1, steps)[back], "a value is smaller than one before it: carry the largest so far along"
    yield np.maximum.accumulate(steps)[back], "a p-value above 1: cut off at 1"
    yield steps[back], "carry the largest so far along, and cut off at 1"
    for values, carried in _stepped(p, factors):
        also = "" if carried else ", and carry the largest so far along"
        yield values, f"sorted: bring them back to the order of p{also}"
        yield values[order], f"indexed by the order once more: put them back with back[order] = …{also}"
    for wrong, why in (
        (factors[::-1], "the factors run the wrong way: the smallest is multiplied by k, the largest by 1"),
        (factors - 1, "the factors are k − 1 … 0: they are k … 1"),
        (factors + 1, "the factors are k + 1 … 2: they are k … 1"),
        (1 / factors, "divided: multiply the p-values by k … 1"),
    ):
        for values, _ in _stepped(p, wrong):
            yield values, f"{why} (and bring them back to the order of p)"
            yield values[back], why
    yield np.minimum(1, np.maximum.accumulate(p * factors)), "sort before you multiply"
    yield np.minimum(1, p * factors), "sort before you multiply"
    neighbour = np.maximum(steps, np.append(0, steps[:-1]))
    yield np.minimum(1, neighbour)[back], "compared with the one before alone: with the largest of all before"
    yield np.ones(k), "1 everywhere: sorted from the largest down? The smallest comes first, times k"
    reached = np.minimum(1, np.minimum.accumulate((p[order] * k / np.arange(1, k + 1))[::-1])[::-1])[back]
    yield reached, "that is Benjamini and Hochberg's, which bounds another error"
    hochberg = np.minimum(1, np.minimum.accumulate(steps[::-1])[::-1])[back]
    yield (
        hochberg,
        "that carries the smallest back from the end, which is Hochberg's: carry the largest along",
    )
    yield np.maximum.accumulate(1 - (1 - p[order]) ** factors)[back], "that is Šidák's form: multiply"
    yield 1 - (1 - p) ** k, "that is Šidák's, and for all alike"
    yield p, "that is p as it came"
    yield np.sort(p), "that is p sorted, and not multiplied"


@exercise("evaluation.holm")
def holm(answer: Any) -> str | None:
    """Adjusted values in the old order, on draws where carrying along and cutting off both matter."""
    cases = [np.array([0.15, 0.019, 0.02, 0.6, 0.004, 0.35]), np.array([0.012, 0.4, 0.011, 0.03, 0.9])]
    rng = np.random.default_rng(1)
    cases += [rng.beta(0.4, 2, 7), rng.beta(0.4, 2, 4)]
    for p in cases:
        found = array(answer(p.copy()), p.shape, "what you return")
        compare(found, _holm(p), f"for p = {np.round(p, 3).tolist()}", _holm_mistakes(p), 1e-6)
    return None


def _kappa_mistakes(a: Any, b: Any, n: int) -> Iterator[tuple[float, str]]:
    distance = abs(np.subtract.outer(np.arange(n), np.arange(n)))
    observed, chance = ((a - b) ** 2).mean(), ((a[:, None] - b[None]) ** 2).mean()
    yield (
        library_kappa(a, b, 1 - np.eye(n)),
        "that is κ without weights: 3 against 4 costs as much as 1 against 5",
    )
    yield library_kappa(a, b, distance), "distances are to be squared"
    yield 1 - observed, "divide by what chance gives, the mean over all pairs"
    yield observed / chance, "that is C / C₀: subtract it from 1"
    yield observed, "that is C alone: divide by C₀, subtract from 1"
    yield chance, "that is C₀ alone: κ is 1 − C / C₀"
    yield 1 - chance / observed, "upside down: C over C₀"
    yield (
        float(np.corrcoef(a, b)[0, 1]),
        "that is the correlation, which forgives a rater who is always higher",
    )
    yield float((a == b).mean()), "that is the share on which they agree"
    yield 1 - observed * len(a) / chance, "a sum over the texts and a mean over the pairs: means in both"
    for rater, name in ((a, "a"), (b, "b")):
        within = ((rater[:, None] - rater[None]) ** 2).mean()
        yield 1 - observed / within, f"all pairs of {name} with itself: pair a with b"
        yield (
            1 - observed / rater.var(),
            f"divided by the variance of {name}: C₀ pairs all of a with all of b",
        )
    yield 1 - observed / (len(a) * chance), "n texts and n² pairs: take means of both (of tables, shares)"
    yield (
        1 - observed / (len(a) ** 2 * chance),
        "a mean over the texts and a sum over the pairs: means in both",
    )
    yield 0.0, "C₀ came out as C: square all differences a[:, None] - b[None], then take the mean"
    yield 1 - (observed / chance) ** 0.5, "a root of squares: 1 − C / C₀ takes none"
    yield observed / chance - 1, "the sign: κ is 1 − C / C₀"
    yield 1 - observed / (n - 1) ** 2, "divided by the largest possible C: by C₀, what chance gives"
    upper = ((a[:, None] - b[None]) ** 2)[np.triu_indices(len(a), 1)].mean()
    yield 1 - observed / upper, "i below j alone: a of i with b of j is another pair than a of j with b of i"
    n_text = len(a)
    others = (n_text * chance - observed) / (n_text - 1)
    yield 1 - observed / others, "pairs of two different texts alone: take all pairs, i = j among them"
    uniform = float((distance**2).mean())
    yield 1 - observed / uniform, "chance from equal shares of the classes: take the raters' own"
    wrong = (observed - chance) / (1 - chance)
    yield wrong, "the form for agreements, (o − c)/(1 − c), with costs in it: use 1 − C / C₀"
    yield 1 - observed / (a.var() + b.var()), "the raters' means differ: that adds to C₀"


@exercise("evaluation.weighted_kappa")
def weighted_kappa(answer: Any) -> str | None:
    """Quadratic weights, on raters of unlike means and shares."""
    for n, n_class, seed in ((40, 5, 1), (25, 4, 2), (60, 7, 3)):
        rng = np.random.default_rng(seed)
        a = rng.binomial(n_class - 1, rng.beta(2, 1.5, n))
        b = (a + rng.integers(-1, 3, n)).clip(0, n_class - 1)
        distance = np.subtract.outer(np.arange(n_class), np.arange(n_class)) ** 2
        found = number(answer(a.copy(), b.copy(), n_class), "κ")
        given = f"for {n} texts and {n_class} classes"
        compare(found, library_kappa(a, b, distance), given, _kappa_mistakes(a, b, n_class), 1e-6)
    return None


_LOGS = {
    "E": "training falls and validation rises: nothing that is learnt carries over",
    "F": "ln 2 in every place: nothing moves",
    "D": "validation follows training all the way",
    "A": "the gap that unseen texts make, and no more",
    "B": "50 ln 2 = 34.7 is a coin's loss, fifty times",
    "C": "losses leap up and down, above a coin's",
}


@exercise("evaluation.culprits")
def culprits(answer: Any) -> str | None:
    """Six letters; the first log that is taken for another is told what to look at."""
    if isinstance(answer, np.ndarray):
        answer = answer.tolist()
    if isinstance(answer, (list, tuple)) and all(isinstance(part, str) for part in answer):
        answer = "".join(answer)
    if not isinstance(answer, str):
        return f"expected six letters such as 'ABCDEF', got a {type(answer).__name__}."
    letters = "".join(c for c in answer.upper() if c.isalpha())
    right = "".join(_LOGS)
    if letters == right:
        return None
    if sorted(letters) != sorted(right):
        return f"{len(letters)} letters, {answer!r}: each of A to F once, for logs 1 to 6."
    if letters == _inverse(right):
        return "the other way round: the first letter is log 1's, not the log of A."
    place = next(i for i in range(6) if letters[i] != right[i])
    return f"log {place + 1} is not {letters[place]}: look again, {_LOGS[right[place]]}."


def _inverse(right: str) -> str:
    """What stands where letters and logs are exchanged: for A to F the log's number, as a letter."""
    return "".join("ABCDEF"[right.index(letter)] for letter in "ABCDEF")
