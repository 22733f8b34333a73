"""Checks for the exercises of notebooks/foundations/probability.ipynb."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from labutils.checks.answers import Floats, Wrong, array, close, compare, number, same, say, slip
from labutils.checks.core import exercise


@exercise("probability.two_flags")
def two_flags(answer: Any) -> str | None:
    """The posterior after two independent detectors agree: odds of 2 to 98, times 19, times 19."""
    prior, sensitivity, false_alarm = 0.02, 0.95, 0.05
    twice = _posterior(prior, sensitivity**2, false_alarm**2)
    once = _posterior(prior, sensitivity, false_alarm)
    found = number(answer, "the answer")
    if close(found, twice, 0.001):
        return None
    exact = "multiply the odds 2 : 98 by 95 : 5 for each flag, then turn odds into a probability."
    if close(found, 100 * twice, 0.0015) or (1 < found < 100 and close(found / 100, twice, 0.006)):
        return f"{say(found)} is a percentage: a probability lies between 0 and 1."
    mistakes = [
        (once, 0.006, "is the answer after one flag: the second one is evidence too."),
        (twice / (1 - twice), 0.01, "is the odds: a probability is odds / (1 + odds)."),
        (1 - twice, 0.003, "is the probability that a human wrote it."),
        (1 / (1 + (false_alarm / sensitivity) ** 2), 1e-4, "forgets the base rate: before any flag the odds "
         "are 2 to 98, not 1 to 1."),
        (sensitivity**2, 0.002, "is P(two flags | machine): turn it around."),
        (1 - false_alarm**2, 1e-4, "is P(at most one flag | human): turn it around."),
        (1 - (1 - sensitivity) ** 2, 1e-4, "is P(at least one flag | machine): turn it around."),
        (sensitivity, 0.001, "is the detector's own rate: it forgets how rare machine-written essays are."),
        (2 * once, 0.01, "adds two posteriors: it is the odds that multiply, once for each flag."),
        (1 - (1 - once) ** 2, 0.01, "combines two answers of 28 % as if the essay had two authors: multiply "
         "odds, and count the base rate once."),
        (once**2, 0.003, "multiplies two posteriors, and so uses the base rate twice: multiply odds."),
        (prior * sensitivity**2, 0.001, "is P(machine and two flags): divide by P(two flags)."),
        (_posterior(prior, sensitivity**2, 1 - sensitivity**2), 0.003, "takes 1 − 0.95² for two false "
         "alarms: a human essay gets two flags with probability 0.05²."),
    ]  # fmt: skip
    for value, tolerance, why in mistakes:
        if abs(found - value) <= tolerance:
            return f"{say(found)} {why}"
    if abs(found - twice) < 0.03:
        return f"{say(found)} is near, but not it (two digits of the answer are wanted): {exact}"
    return f"{say(found)} is not it: {exact}"


def _posterior(prior: float, sensitivity: float, false_alarm: float) -> float:
    return prior * sensitivity / (prior * sensitivity + (1 - prior) * false_alarm)


@exercise("probability.posterior")
def posterior(answer: Any) -> str | None:
    """Three detectors drawn at random, so that no two of the usual slips give the same number."""
    for _ in range(3):
        p, s, f, mistakes = _detector()
        found = number(answer(p, s, f))
        compare(found, _posterior(p, s, f), f"for a prior of {p}, caught {s}, falsely flagged {f}", mistakes)
    return None


def _detector() -> tuple[float, float, float, list[tuple[float, str]]]:
    """A prior, a sensitivity, a false-alarm rate, and what mistakes make of them, all different."""
    rng = np.random.default_rng()
    while True:
        p, s, f = (round(float(rng.uniform(*ends)), 2) for ends in ((0.05, 0.35), (0.6, 0.95), (0.1, 0.45)))
        right, flagged = _posterior(p, s, f), p * s + (1 - p) * f
        mistakes = [
            (s, "that is P(flag | machine) handed back: the question is P(machine | flag)"),
            (p, "that is the prior, as if the flag had changed nothing; are human essays flagged at the "
             "rate of false alarms?"),
            (s / (s + f), "leaves out the base rate: weigh both kinds of flag by how common the authors are"),
            (p * s, "that is P(machine and flag): divide by P(flag), the sum over both kinds of author"),
            (flagged, "that is P(flag): it belongs below the line"),
            (p * s / (p * s + f), "weighs the machine's flags by the prior, not the human ones by 1 - prior"),
            (p * s / (s + f), "weighs by the prior above the line and not below"),
            (_posterior(p, s, 1 - f), "takes the third argument for the share of humans let pass; it is the "
             "share of humans flagged"),
            (_posterior(p, f, s), "the two rates are exchanged: the second argument is P(flag | machine)"),
            (_posterior(1 - p, s, f), "the prior is the machine's share, 1 - prior the humans'"),
            (_posterior(p, 1 - s, 1 - f), "that is what an essay that was *not* flagged leaves"),
            (p * s / ((1 - p) * f), "those are the odds: a probability is odds / (1 + odds)"),
            (1 - right, "that is P(human | flag)"),
            (100 * right, "that is a percentage: a probability lies between 0 and 1"),
        ]  # fmt: skip
        values = [right, *(value for value, _ in mistakes)]
        if _differ(values):
            return p, s, f, mistakes


def _differ(values: list[float]) -> bool:
    return all(abs(a - b) > 2e-3 for a, b in combinations(values, 2))


@exercise("probability.log_sum_exp")
def log_sum_exp(answer: Any) -> str | None:
    """Random numbers, the same near ±1,000, then impossible ones (minus infinity)."""
    with np.errstate(all="ignore"):
        a, mistakes = _logarithms()
        total, given = float(np.exp(a).sum()), f"for {say(a)}"
        compare(_one(answer(a), given), np.log(total), given, mistakes)
        for shift, why in ((1000.0, "exp overflows"), (-1000.0, "all of exp(a) underflow to 0")):
            found = answer(a + shift)
            if not close(found, np.log(total) + shift):
                told = f"you return {say(found)}, expected {say(np.log(total) + shift)}"
                return f"for {say(a + shift)} {told}: {why}; subtract the maximum first."
        wide = np.array([0.0, 1000.0, -1000.0])  # neither the first nor the smallest is safe to subtract
        found = answer(wide)
        if not close(found, 1000.0):
            told = f"for {say(wide)} you return {say(found)}, expected 1000"
            return f"{told}: subtract the largest number, not another one."
        half = np.append(a, -np.inf)
        found = answer(half)
        if not close(found, np.log(total)):
            return (
                f"for {say(half)} you return {say(found)}, expected {say(np.log(total))}: what is impossible "
                "adds nothing, and one impossible alternative leaves the others as they are."
            )
        none = np.full(3, -np.inf)
        found = answer(none)
    if close(found, -np.inf):
        return None
    reasons = {
        "nan": "-inf - (-inf) is not a number",
        "0": "a logarithm of 0 says certain, and this is impossible; has a NaN been replaced by 0?",
    }
    told = say(found)
    reason = reasons.get(told, "log 0 is minus infinity, not a large finite number")
    return f"for {say(none)} you return {told}, expected -inf: {reason}."


def _one(found: Any, given: str) -> Any:
    """The one number that a reader's function returned; a NaN passes, for a check to explain."""
    if say(found) == "nan":
        raise Wrong(f"{given} you return nan: is there an infinity minus itself?")
    return number(found)


def _logarithms() -> tuple[Floats, list[tuple[float, str]]]:
    """Four numbers, and what mistakes make of them, all different."""
    rng = np.random.default_rng()
    while True:
        a: Floats = rng.uniform(-1, 3, 4).round(2)
        total = float(np.exp(a).sum())
        mistakes = [
            (total, "the sum is right, now take its logarithm"),
            (np.log2(total), "that is the logarithm to base 2: use the natural one"),
            (np.log10(total), "that is the logarithm to base 10: use the natural one"),
            (np.log1p(total), "that is log(1 + sum): one too many"),
            (np.log(total) - a.max(), "you subtracted the maximum and did not add it back"),
            (np.log(total) + a.max(), "the maximum is added, but was not subtracted first"),
            (a.max(), "that is the largest entry alone: the others count too"),
            (a.sum(), "that is the sum of the logarithms, the logarithm of the product"),
            (np.log(total / len(a)), "that is the logarithm of the *mean*"),
            (a.mean(), "that is the mean of the logarithms"),
            (np.log(np.exp(a - a.mean()).sum()), "the mean was subtracted and not added back"),
        ]
        if _differ([float(np.log(total)), *(float(value) for value, _ in mistakes)]):
            return a, [(float(value), why) for value, why in mistakes]


@exercise("probability.dirichlet_mean")
def dirichlet_mean(answer: Any) -> str | None:
    """A random table of counts with an empty row, and a prior that does not treat the tokens alike."""
    rng = np.random.default_rng()
    counts = np.array(
        [rng.permutation([7.0, 3.0, 1.0, 0.0]), np.zeros(4), rng.permutation([4.0, 2.0, 0.0, 0.0])]
    )
    alpha = rng.permutation([0.2, 0.5, 0.9, 1.3])
    with np.errstate(all="ignore"):
        p = array(answer(counts, alpha), (3, 4), "the table of probabilities")
    total, a = counts.sum(axis=1, keepdims=True), alpha.sum()
    right = (counts + alpha) / (total + a)
    if same(p, right):
        return None
    with np.errstate(all="ignore"):
        smoothed = counts + alpha
        mistakes: list[tuple[Any, str]] = [
            (counts / total, "those are the plain frequencies: the prior has no effect yet"),
            (smoothed, "those are counts still: divide each row by its sum"),
            (smoothed / total, "the pseudo-counts are missing below the line, so the row does not sum to 1"),
            (smoothed / (total + 1), "below the line stands alpha.sum(), not 1"),
            (smoothed / (total + 4), "below the line stands alpha.sum(), not the number of tokens"),
            (smoothed / (total + 4 * a), "alpha.sum() is over all tokens already: not once more for each"),
            (smoothed / (total + alpha), "below the line stands the *sum* of alpha, one for the whole row"),
            (counts / (total + a), "the pseudo-counts are missing above the line"),
            ((counts + a) / (total + 4 * a), "each token has its own alpha, not the sum of all"),
            ((counts + alpha.mean()) / (total + a), "that uses the mean of alpha: each token has its own"),
            ((counts + 1) / (total + 4), "that is add-one: alpha is not used"),
            ((counts + alpha / a) / (total + 1), "alpha was normalised first: its sum is its weight"),
            (smoothed / smoothed.sum(), "the whole table sums to 1: each *row* must"),
            (smoothed / smoothed.sum(axis=0), "divided by column sums: contexts are rows"),
            ((smoothed - 1) / (total + a - 4), "that is the highest point of the posterior, not its mean"),
            (np.log(right), "those are logarithms of the right answer"),
            ((counts + alpha[::-1]) / (total + a), "alpha came in reversed order"),
        ]  # fmt: skip
    seen = [0, 2]
    given = f"for counts {say(counts[0])} and alpha {say(alpha)}"
    why = slip(p[seen], [(np.asarray(value)[seen], text) for value, text in mistakes])
    if why or not same(p[0], right[0]):
        tail = f": {why}" if why else ""
        raise Wrong(f"{given} you return {say(p[0], right[0])}, expected {say(right[0], p[0])}{tail}.")
    if not same(p[1], right[1]):
        told = f"a row without counts gave {say(p[1], right[1])}, expected {say(right[1], p[1])}"
        return f"{told}: there only the prior speaks, alpha / alpha.sum()."
    return f"row 2 is {say(p[2], right[2])}, expected {say(right[2], p[2])}: is every row treated alike?"


@exercise("probability.sample")
def sample(answer: Any) -> str | None:
    """Chosen numbers u instead of random ones, so that the right ids are known."""
    rng = np.random.default_rng()
    p = np.append(0.0, rng.permutation([0.1, 0.15, 0.0, 0.28, 0.47]))  # two impossible tokens, one the first
    for temperature in (1.0, 0.5, 2.0, round(float(rng.uniform(1.2, 1.8)), 2)):
        ways, values = _draws(p, temperature)
        u = _between(np.concatenate(values), 40)
        ids = _ids(answer(p, u, temperature), len(u), f"at temperature {temperature:g}")
        right = _look_up(values[0], u)
        if np.array_equal(ids, right):
            continue
        given = f"for p = {say(p)}, temperature {temperature:g}"
        for (why, _), steps in zip(ways[1:], values[1:], strict=True):
            if np.array_equal(ids, _look_up(steps, u)):
                return f"{given}: {why}."
        if np.array_equal(ids, right + 1):
            return f"{given}: every id is one too high: ids start at 0."
        if np.array_equal(ids, right - 1):
            return f"{given}: every id is one too low: u falls into the token *before* whose sum it lies."
        if len(set(ids.tolist())) == 1:
            return f"every u gave {ids[0]:g}: that is no draw; compare u with the cumulative sums."
        if np.array_equal(ids, np.sort(right)):
            return f"{given}: the ids are right but sorted; the i-th id belongs to the i-th u."
        if ids.max() >= len(p) or ids.min() < 0:
            return (
                f"{given}: an id of {ids.max() if ids.max() >= len(p) else ids.min():g} turned up; normalise."
            )
        i = int(np.argmax(ids != right))
        sums = f"the cumulative sums are {say(values[0])}"
        return f"{given}: u = {u[i]:.3f} gave {ids[i]:g}, expected {right[i]}; {sums}."
    if _ids(answer(p, np.array([0.0, 0.0]), 1.0), 2, "for u = 0")[0] in np.flatnonzero(p == 0):
        return (
            "u = 0 drew a token of probability 0: an id's own interval begins at its left end: side='right'."
        )
    top = np.nextafter(1.0, 0.0)
    p = np.append(np.full(10, 0.1), 0.0)
    last = _ids(answer(p, np.array([0.5, top]), 1.0), 2, "for the largest u")[1]
    if not 0 <= last < 10:
        return (
            f"for ten tokens of 0.1 and one of 0, u = {float(top)!r} gave {last:g}: rounded sums end "
            "below 1; divide them by the last one."
        )
    return None


def _ids(found: Any, n: int, when: str) -> Floats:
    return array(found, (n,), f"{when} the array of ids")


def _look_up(steps: Floats, u: Floats) -> Any:
    return np.searchsorted(steps, u, side="right")


def _draws(p: Floats, temperature: float) -> tuple[list[tuple[str, Floats]], list[Floats]]:
    """The right cumulative sums, then those of mistakes, each with its sentence."""
    soft, hot, cold = np.exp(p / temperature), p ** (1 / temperature), p**temperature
    ways = [
        ("right", hot),
        ("temperature changes nothing; raise p to the power 1 / temperature and normalise", p),
        ("temperature works backwards: the power is 1 / temperature, so that a low one sharpens", cold),
        ("that is a softmax of p: it is log p, or a power of p, that temperature acts on", soft),
        ("tokens are taken from the last to the first", hot[::-1]),
    ]
    sums = [np.cumsum(q / q.sum()) for _, q in ways]
    ways.append(("after p ** (1 / temperature) the sum is not 1; normalise again", hot))
    sums.append(np.cumsum(hot))
    return ways, sums


def _between(steps: Floats, n: int) -> Floats:
    """`n` numbers from 0 to 1, none within 0.001 of a step, so that no rounding decides."""
    u = np.random.default_rng().random(50 * n)
    far: Floats = u[np.abs(u[:, None] - steps).min(axis=1) > 1e-3]
    return far[:n]


@exercise("probability.bernoulli_bayes")
def bernoulli_bayes(answer: Any) -> str | None:
    """Three classes, four words, five random documents; then a thousand words, where products underflow."""
    rng = np.random.default_rng()
    prior = rng.permutation([0.2, 0.3, 0.5])
    theta = rng.permutation(np.arange(1, 13) / 14).reshape(3, 4)
    present = np.array([[1.0, 0, 0, 0], [0, 1, 1, 0], [1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1]])
    with np.errstate(all="ignore"):
        found = array(answer(prior, theta, present), (5, 3), "the log posterior")
        seen, absent = present @ np.log(theta).T, (1 - present) @ np.log(1 - theta).T
        joint = seen + absent + np.log(prior)
        right = _normalised(joint)
        mistakes = [
            (np.exp(right), "these are probabilities: return their logarithms"),
            (right / np.log(2), "these are logarithms to base 2: use natural ones"),
            (joint, "these are log P(class, words): subtract log-sum-exp over the classes, row by row"),
            (_normalised(seen + np.log(prior)), "absent words are missing: here a word that is not there "
             "counts too, as log(1 - theta)"),
            (_normalised(absent + np.log(prior)), "present words are missing: they count log(theta)"),
            (_normalised(seen + absent), "the prior is missing: add log(prior) before you normalise"),
            (_normalised(seen + absent + prior), "the prior was added as it is: add its logarithm"),
            (seen + absent + np.log(prior) - np.log(np.exp(seen + absent).sum(axis=1, keepdims=True)),
             "the prior came in after the normalisation: before it"),
            (_normalised(seen + (1 - present) @ np.log(theta).T + np.log(prior)),
             "an absent word contributes log(1 - theta), not log(theta)"),
            (_normalised(seen - (1 - present) @ np.log(theta).T + np.log(prior)),
             "an absent word contributes log(1 - theta); -log(theta) is something else"),
            (_normalised((1 - present) @ np.log(theta).T + present @ np.log(1 - theta).T + np.log(prior)),
             "present and absent words are exchanged"),
            (joint - np.log(np.exp(joint).sum(axis=0)), "normalised over the documents: the classes of one "
             "document must sum to 1 (axis=1)"),
            (joint - np.log(np.exp(joint).sum()), "normalised over the whole table: each row must sum to 1"),
            (joint - joint.max(axis=1, keepdims=True), "the largest was subtracted, not log-sum-exp: the "
             "probabilities of a row do not sum to 1"),
            (joint / joint.sum(axis=1, keepdims=True), "log-probabilities were divided by their sum: "
             "subtract log-sum-exp instead"),
        ]  # fmt: skip
        given = f"for document {say(present[1])}, prior {say(prior)} and theta {say(theta)}"
        if not same(found, right):
            why = slip(found, mistakes)
            i = 1 if not same(found[1], right[1]) else int(np.argmax(np.abs(found - right).max(axis=1)))
            given = given.replace(say(present[1]), say(present[i]))
            told = f"{given} you return {say(found[i], right[i])}, expected {say(right[i], found[i])}"
            return f"{told}: {why}." if why else f"{told}."
        wide = np.array([np.full(1000, 0.4), np.full(1000, 0.3)])
        ones, halves = np.ones((1, 1000)), np.array([0.5, 0.5])
        long = array(answer(halves, wide, ones), (1, 2), "the log posterior of a long document")
        expected = [[0.0, 1000 * np.log(0.3 / 0.4)]]
        if not same(long, expected):
            return (
                f"with 1,000 words you return {say(long)}, expected {say(expected)}: products of so many "
                "probabilities underflow; stay in logarithms until the very end, log-sum-exp included."
            )
    return None


def _normalised(joint: Floats) -> Floats:
    top = joint.max(axis=1, keepdims=True)
    normal: Floats = joint - top - np.log(np.exp(joint - top).sum(axis=1, keepdims=True))
    return normal
