"""Checks of the exercises of notebooks/foundations/language_models.ipynb.

The examples are drawn at random, by fixed seeds, so that no two quantities of an exercise coincide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from labutils.checks.answers import Floats, Wrong, array, compare, number, say
from labutils.checks.core import exercise

Mistakes = list[tuple[Any, str]]
UNDERFLOW = (
    "a product of so many probabilities is below the smallest float, so it is 0: add logarithms in its place."
)


def _text(seed: int, letters: str, n: int, end: str) -> str:
    """Random letters, some of them frequent, ending with `end`."""
    share = np.arange(len(letters), 0, -1) / np.arange(len(letters) + 1).sum()
    return "".join(np.random.default_rng(seed).choice(list(letters), size=n - 1, p=share)) + end


def _percents(rng: np.random.Generator, n: int) -> Floats:
    """A random distribution of `n` tokens that two decimals write down, none of them zero."""
    distribution: Floats = (rng.multinomial(100 - n, rng.dirichlet(np.ones(n))) + 1) / 100
    return distribution


def _never_seen(given: str, answer: Callable[..., Any], *rest: Any) -> Floats:
    """What the answer makes of five counts of zero; `Wrong` if it divides by their sum."""
    try:
        with np.errstate(all="ignore"):
            found = array(answer(np.zeros(5), *rest), (5,))
    except ZeroDivisionError:
        found = np.full(5, np.nan)
    if np.isnan(found).any():
        raise Wrong(f"{given} you divide by a total of 0, and 0/0 is no number.")
    return found


def _ratio(a: float, b: float) -> float:
    return a / b if b else float("nan")


@exercise("language_models.bigram")
def bigram(answer: Callable[[str, str, str], Any]) -> None:
    """Try P(b | a) in a text whose last letter has no follower, "abracadabra", a run, and random texts."""
    cases = [
        ("acadababbccda", "a", "b"),
        ("abracadabra", "a", "b"),
        ("abracadabra", "b", "a"),
        ("aaab", "a", "a"),
    ]
    cases += [
        (_text(seed, "snow", 40, h), h, w) for seed, h, w in ((0, "s", "n"), (1, "n", "n"), (2, "o", "s"))
    ]
    cases += [
        ("Ann has an Ant.", "A", "n"),
        ("Ann has an Ant.", "n", " "),
    ]  # capitals and spaces are characters
    for text, h, w in cases:
        pairs = Counter(pairwise(text))
        starts = sum(count for (first, _), count in pairs.items() if first == h)
        ends = sum(count for (_, second), count in pairs.items() if second == w)
        kinds = len({second for first, second in pairs if first == h})
        both, n_vocab = pairs[h, w], len(set(text))
        mistakes: Mistakes = [
            (both / text.count(h), f'you divide by all "{h}"; the last one has no follower: count pairs.'),
            (
                both / (len(text) - 1),
                f"that is P({h}, {w}), the share of all pairs: divide by those from {h}.",
            ),
            (
                both / len(text),
                f"you divide by the length of the text, not by the pairs that start with {h}.",
            ),
            (
                _ratio(both, ends),
                f"that is P({h} before | {w} came): you divide by the pairs that end in {w}.",
            ),
            (both, f"that is the count: divide it by the number of pairs that start with {h}."),
            (
                (both + 1) / (starts + n_vocab),
                "that looks like add-one smoothing: plain counts are asked for.",
            ),
            ((both + 1) / (starts + kinds), "that looks like add-one smoothing: plain counts are asked for."),
            (text.count(h + w) / starts, "pairs overlap, and str.count does not see the second of two."),
            (_ratio(pairs[w, h], starts), f"that counts {w} before {h}, not after it."),
            (
                1 / kinds,
                f"the different letters after {h} are not equally likely: count how often each came.",
            ),
            (text.count(w) / len(text), f"that is how frequent {w} is anywhere: count it after {h} only."),
            (both / max(1, len(text) - 2), f"you divide by a length, not by the pairs that start with {h}."),
        ]
        given = f'for P("{w}" | "{h}") in "{text}"'
        compare(number(answer(text, h, w)), both / starts, given, mistakes)


@exercise("language_models.perplexity")
def perplexity(answer: Callable[[Floats], Any]) -> None:
    """Try four probabilities whose product is 1/512, seven drawn at random, and 5,000 of them."""
    rng = np.random.default_rng(0)
    drawn = rng.uniform(0.02, 0.9, size=7).round(2)
    for probs in (np.array([1 / 2, 1 / 2, 1 / 16, 1 / 8]), drawn, np.array([1e-6, 0.25, 0.5])):
        bits, nats = float(-np.log2(probs).mean()), float(-np.log(probs).mean())
        given = "for probabilities " + ", ".join(f"{p:g}" for p in probs)
        mistakes: Mistakes = [
            (2.0**nats, "you raise 2 to nats: either log2 and 2**, or log and exp."),
            (np.exp(bits), "you raise e to bits: either log2 and 2**, or log and exp."),
            (10.0**bits, "you raise 10 to bits: the base of the power is that of the logarithm, 2."),
            (bits, f"that is the cross-entropy, {bits:.3g} bits: raise 2 to it."),
            (nats, "that is the cross-entropy in nats: raise e to it."),
            (2.0**-bits, "that is the geometric mean of the probabilities: perplexity is one over it."),
            (1 / probs.prod(), "you add the bits of all tokens: take their mean."),
            (bits * len(probs), "that is the sum of the bits: take their mean and raise 2 to it."),
            (1 / probs.mean(), "you average the probabilities: average their logarithms."),
            ((1 / probs).mean(), "you average 1/p: average the logarithms instead."),
            (1 / np.median(probs), "that is 1 over the median: the mean is asked for, of the logarithms."),
            (
                1 / np.sqrt(probs.min() * probs.max()),
                "only the smallest and the largest are used: all count.",
            ),
            (1 / probs.max(), "that is 1 over the largest probability: all of them count."),
            (1 / probs.min(), "that is 1 over the smallest probability: all of them count."),
            (1 / probs[-1], "that is 1 over the last probability: all of them count."),
            (-bits, "the sign is wrong, and 2 has to be raised to it: bits are −log2 p."),
        ]
        compare(number(answer(probs)), 2.0**bits, given, mistakes)
    many = rng.uniform(0.05, 0.8, size=5000)
    expected, given = float(2 ** -np.log2(many).mean()), "for 5,000 probabilities"
    try:
        with np.errstate(all="ignore"):
            found = np.asarray(answer(many), dtype=np.float64)
    except (ZeroDivisionError, OverflowError):
        raise Wrong(f"{given} your code divides by zero or overflows: {UNDERFLOW}") from None
    outside = not np.isfinite(found).all() or (found < 1 / many.max()).all()  # no mean lies there
    if outside:
        raise Wrong(f"{given} you return {found}: {UNDERFLOW}")
    compare(number(found), expected, given)


@exercise("language_models.add_k")
def add_k(answer: Callable[[Floats, float], Any]) -> None:
    """Try two contexts with different k, and one that was never seen."""
    for values, k in (([5, 2, 0, 1, 0, 0, 3], 0.3), ([0, 4, 9, 0, 1], 0.7), ([2, 0, 6, 1], 2.0)):
        counts = np.array(values, dtype=np.float64)
        n, total, seen = len(counts), counts.sum(), np.count_nonzero(counts)
        right = (counts + k) / (total + k * n)
        mistakes: Mistakes = [
            (
                (counts + k) / total,
                f"it sums to more than 1: the {n} pseudo-counts belong into the denominator too.",
            ),
            (
                (counts + k) / (total + k),
                "k is added once in the denominator, but n_vocab times in the numerators.",
            ),
            (
                (counts + k) / (total + k * seen),
                f"the denominator has k for the {seen} seen tokens; all {n} get it.",
            ),
            (
                (counts + k) / (total + k * (n - seen)),
                "the denominator has k for the unseen tokens only; all get it.",
            ),
            (
                (counts + k) / (total * (1 + k)),
                "the denominator has k times the total: it is k times n_vocab.",
            ),
            ((counts + k) / (total + n), "the denominator is that of k = 1: k times n_vocab is added there."),
            ((counts + 1) / (total + n), "you add 1 instead of k."),
            ((counts + 0.5) / (total + 0.5 * n), "you add 0.5 whatever k is."),
            (counts / total, "those are the plain ratios: k is added to each count first."),
            ((counts + k) / n, "you divide by n_vocab: divide by the sum of what is above."),
            (counts + k, "those are the counts with k: divide them by their sum."),
            (counts / (total + k * n), "k is missing in the numerators: what sums to less than 1?"),
            (
                np.where(counts > 0, right, 0),
                "tokens that were never seen still have probability 0: they get k too.",
            ),
            (
                np.where(counts > 0, counts, k) / np.where(counts > 0, counts, k).sum(),
                "seen tokens get k as well.",
            ),
            (np.where(counts > 0, counts, k) / (total + k * n), "seen tokens get k as well."),
        ]
        given = f"for counts {', '.join(map(str, values))} and k = {k}"
        compare(array(answer(counts, k), counts.shape), right, given, mistakes)
    given = "for a context that was never seen (all counts 0) and k = 0.3"
    found = _never_seen(given, answer, 0.3)
    compare(found, np.full(5, 0.2), given, [(np.zeros(5), "the five are alike, and sum to 1.")])


@exercise("language_models.interpolate")
def interpolate(answer: Callable[[Floats, Floats, float], Any]) -> None:
    """Try contexts in which seen, unseen, total, n_vocab and the discounts differ, and one never seen."""
    rng = np.random.default_rng(0)
    for values, discount in (
        ([7, 2, 0, 1, 0, 3, 0, 5], 0.3),
        ([0, 1, 4, 0, 0, 9], 0.8),
        ([2, 0, 0, 0, 1], 0.6),
    ):
        counts = np.array(values, dtype=np.float64)
        n, total, seen = len(counts), counts.sum(), np.count_nonzero(counts)
        lower = _percents(rng, n)
        kept = np.maximum(counts - discount, 0) / total
        passed = discount * seen / total
        off = kept.copy()
        off[counts == 0] = passed * lower[counts == 0]
        normal = kept.copy()
        normal[counts == 0] = passed * lower[counts == 0] / lower[counts == 0].sum()
        backs = "that is backing off: in interpolation seen tokens get their share of the lower order too."
        mistakes: Mistakes = [
            (
                kept,
                f"what the discount took off is not handed to the lower order: it sums to {kept.sum():.3g}.",
            ),
            (
                kept + discount * lower,
                "you hand on D: what was taken is D times the number of seen tokens, over the total.",
            ),
            (
                kept + discount / total * lower,
                f"you hand on D/total: it was taken once from each of {seen} seen tokens.",
            ),
            (
                kept + (1 - discount) * lower,
                "you hand on 1 − D: it is D times the number of seen tokens, over the total.",
            ),
            (
                kept + discount * n / total * lower,
                "you hand on D for each token of the vocabulary: only seen ones gave.",
            ),
            (
                kept + discount * (n - seen) / total * lower,
                "you hand on D for each *unseen* token: the seen ones gave.",
            ),
            (kept + discount * 2 / total * lower, f"you hand on D for two tokens: {seen} were seen here."),
            (kept + seen / total * lower, "D is missing in what is handed on."),
            (
                kept + 0.5 * seen / total * lower,
                "what is handed on has a discount of ½ in it: it is `discount`.",
            ),
            (
                kept + seen / (2 * total) * lower,
                "what is handed on has a discount of ½ in it: it is `discount`.",
            ),
            (kept + discount * seen * lower, "what is handed on is not divided by the total."),
            (
                kept + discount * seen / n * lower,
                "what is handed on is divided by n_vocab: divide it by the total.",
            ),
            (kept + passed / n, "what was taken is spread evenly: spread it as the lower order says."),
            (kept + lower, "the lower order is added whole: it gets the share that was taken off."),
            (counts / total + passed * lower, "the counts keep all of theirs: take the discount off first."),
            (
                (1 - passed) * counts / total + passed * lower,
                "the counts are scaled: take D off each instead.",
            ),
            (off, backs),
            (normal, backs),
            (
                np.maximum(counts - 0.5, 0) / total + 0.5 * seen / total * lower,
                "you take ½ off: it is `discount`.",
            ),
        ]
        found = array(answer(counts, lower, discount), counts.shape)
        if found.min() < 0:
            raise Wrong("a probability is negative: take the discount only from counts above zero.")
        negative = (counts - discount) / total  # hidden where enough is handed on
        mistakes.append(
            (negative + passed * lower, "the discount comes off unseen tokens too: only counts above 0.")
        )
        given = f"for counts {', '.join(map(str, values))}, D = {discount} and lower {say(lower)}"
        compare(found, kept + passed * lower, given, mistakes)
    lower = _percents(rng, 5)
    given = "for a context that was never seen (all counts 0), where the lower order has the last word,"
    compare(_never_seen(given, answer, lower, 0.3), lower, given)


@exercise("language_models.continuation")
def continuation(answer: Callable[[str, str], Any]) -> None:
    """Try `a` in "abracadabra", then random texts of six letters."""
    cases = [("abracadabra", "a"), *((_text(seed, "stream", 30, "m"), w) for seed, w in ((3, "s"), (4, "r")))]
    for text, w in cases:
        pairs = list(pairwise(text))
        different, letters = set(pairs), set(text)
        before, after = (sum(pair[i] == w for pair in different) for i in (1, 0))
        ends = sum(second == w for _, second in pairs)
        mistakes: Mistakes = [
            (text.count(w) / len(text), "that is how frequent it is: count different pairs."),
            (ends / len(pairs), "the pairs are not made different: each one counts once."),
            (after / len(different), f"that counts what comes *after* {w}: it stands second."),
            (before, "that is the count: divide it by the number of different pairs."),
            (before / len(letters), "you divide by the different letters: divide by the different pairs."),
            (before / len(pairs), "you divide by all pairs: the different ones only."),
            (ends / len(different), "above, each different pair counts once."),
            (before / len(text), "you divide by the length of the text: divide by the different pairs."),
            (before / ends, f"you divide by how often {w} came: divide by the number of different pairs."),
            (1 / len(letters), "all letters alike: count the different pairs that each ends."),
            (before / len(letters) ** 2, "you divide by all pairs that could be: divide by those that came."),
            (
                sum(w in pair for pair in different) / len(different),
                f"pairs that begin with {w} are counted too.",
            ),
        ]
        given = f'for "{w}" in "{text}"'
        compare(number(answer(text, w)), before / len(different), given, mistakes)
