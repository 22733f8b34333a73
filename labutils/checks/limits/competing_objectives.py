"""Checks for the exercises of notebooks/limits/competing_objectives.ipynb."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from labutils.checks.answers import Floats, array, number, same, slip
from labutils.checks.core import exercise

DOUBT = 1e-3


@exercise("competing_objectives.share")
def share(answer: Any) -> str | None:
    """0.72 told behind the attack, 0.54 behind its control, 0.04 untouched."""
    mistakes = [
        (0.18, "0.18 is a minus c, a difference: divide by what the attack gains, a minus u"),
        (0.68, "0.68 is all that the attack gains: which part of it does the control not gain?"),
        (0.5, "0.50 is what the control gains: that part is unfamiliarity"),
        (0.5 / 0.68, "that is the part of unfamiliarity: asked is what is left for competition"),
        (0.18 / 0.72, "divided by the attack's rate: part of it is told untouched, so subtract 0.04 below"),
        (0.54 / 0.72, "that is the control's rate by the attack's: subtract the untouched rate from both"),
        (0.18 / 0.54, "divided by the control's rate: divide by what the attack gains"),
        (0.18 / 0.5, "divided by what the control gains: divide by what the attack gains"),
        (0.14 / 0.68, "the untouched rate is taken from a − c, too: there it cancels"),
        (0.14, "the untouched rate does not come into a − c: divide 0.18 by the gain"),
        (-0.18 / 0.68, "the sign is wrong: the attack tells more than its control"),
    ]
    found = number(answer, "your share")
    if same(found, 0.18 / 0.68, 0, 5e-3):  # two decimals are enough
        return None
    if same(found, 18 / 0.68, 0, 0.5):
        return "that is a percentage: give a share."
    why = slip(found, mistakes, 5e-3)
    return f"{why or 'that is not it: divide a minus c by a minus u'}."


def _best(anchor: Floats, reward: Floats, beta: float) -> Floats:
    weight = anchor * np.exp(np.minimum(reward - reward[anchor > 0].max(), 0) / beta)
    return np.asarray(weight / weight.sum())


def _policy_mistakes(anchor: Floats, reward: Floats, beta: float) -> Iterator[tuple[Floats, str]]:
    def scaled(weight: Floats) -> Floats:
        return np.asarray(weight / weight.sum())

    scores = reward - reward.max()
    yield scaled(np.exp(scores / beta)), "the anchor is left out: multiply by it"
    yield scaled(anchor * np.exp(scores * beta)), "divide the reward by beta: a small beta lets it pull more"
    yield scaled(anchor * np.exp(scores)), "beta is left out: divide the reward by it"
    yield scaled(anchor * np.exp(-scores / max(beta, 1))), "the sign is wrong: reward raises a reply"
    lowest = reward - reward.min()
    yield scaled(anchor * np.exp(-lowest / beta)), "the sign is wrong: reward raises a reply"
    yield anchor * np.exp(reward / beta), "it does not sum to 1: divide by the sum"
    yield anchor * np.exp(scores / beta), "it does not sum to 1: divide by the sum"
    yield anchor, "that is the anchor: the reward moves nothing"
    yield scaled(anchor + np.exp(scores / beta)), "the anchor and the exponential are added: multiply them"
    yield (
        np.eye(len(reward))[reward.argmax()],
        "all on the best reply: that is the limit for beta to 0",
    )
    top = np.minimum(reward - reward[anchor > 0].max(), 0)
    yield (
        scaled((anchor * np.exp(top)) ** (1 / beta)),
        "beta divides the anchor's logarithm, too: it divides the reward alone",
    )
    shifted = anchor + scores / beta
    yield (
        scaled(np.exp(shifted - shifted.max())),
        "the anchor is added to the reward: add its logarithm, or multiply after the exponential",
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        yield np.log(_best(anchor, reward, beta)), "these are logarithms: return the probabilities"


POLICIES = (
    ([0.5, 0.3, 0.2], [0.2, 1.0, -0.4], 0.5),
    ([0.1, 0.2, 0.3, 0.4], [1.0, 0.5, -1.0, 0.3], 2.0),
    ([0.25, 0.0, 0.75], [0.4, 0.8, 0.1], 1.0),
    ([0.2, 0.5, 0.3], [5000.0, 5000.6, 4999.0], 1.0),
    ([0.6, 0.4, 0.0], [-3000.0, -3001.0, 0.5], 1.0),
)


@exercise("competing_objectives.best_policy")
def best_policy(answer: Any) -> str | None:
    """Five anchors and rewards: β below and above 1, a zero in the anchor, rewards in the thousands."""
    for given, rewards, beta in POLICIES:
        anchor, reward = np.array(given), np.array(rewards)
        case = f"(anchor {given}, reward {rewards}, beta {beta:g})"
        with np.errstate(all="ignore"):
            found = array(answer(anchor.copy(), reward.copy(), beta), (len(anchor),), "your policy")
        right = _best(anchor, reward, beta)
        large = abs(reward).max() > 1000
        close = 2e-3 if large else 1e-6  # 32 bits hold 5000.6 to 0.0002
        if same(found, right, close, 1e-9):
            continue
        if not np.isfinite(found).all() and anchor.min() > 0:
            return f"it overflows: subtract the largest reward before the exponential, it cancels {case}."
        if not np.isfinite(found).all():
            return (
                "it is not a number: where the anchor is zero its logarithm, or the largest reward that the "
                f"anchor never gives, spoils the rest {case}."
            )
        if large and (same(found, anchor, 1e-3, 1e-3) or found.sum() < 0.5):
            return (
                "the exponential over- or underflows, and a cut hides it: subtract the largest reward that "
                f"the anchor gives {case}."
            )
        if (found[anchor == 0] > 1e-9).any():
            return (
                "a reply that the anchor never gives gets weight: at 0 it stays, for every reward; a small "
                f"number in the logarithm lets it in {case}."
            )
        with np.errstate(all="ignore"):
            why = slip(found, _policy_mistakes(anchor, reward, beta), 1e-6)
        at = int(np.abs(found - right).argmax())
        told = f"reply {at} gets {found[at]:.4f}, and {right[at]:.4f} is best"
        if abs(found.sum() - 1) > 1e-3:
            told = f"it sums to {found.sum():.4g}, not to 1; {told}"
        return f"{why or told} {case}."
    return None


def _chosen(policy: Floats, score: Floats, n: int) -> Floats:
    order = np.argsort(score)
    below = np.append(0.0, np.cumsum(policy[order]))
    best = np.empty(len(policy))
    best[order] = np.diff(below**n)
    return best


def _best_of_mistakes(policy: Floats, score: Floats, n: int) -> Iterator[tuple[Floats, str]]:
    order = np.argsort(score)
    sorted_best = np.diff(np.append(0.0, np.cumsum(policy[order])) ** n)
    yield sorted_best, "these are in the order of the scores: put them back into the order given"
    yield sorted_best[order], "put back the wrong way: best[order] = …, not …[order]"
    yield (
        np.diff(np.append(0.0, np.cumsum(policy)) ** n),
        "the replies are taken in the order given: sort by score",
    )
    yield _chosen(policy, -score, n), "that is the worst of n: the largest score wins"
    yield policy**n / (policy**n).sum(), "that is each reply drawn n times: sum over what is no better first"
    yield policy**n, "that is each reply drawn n times: sum over what is no better first"
    yield 1 - (1 - policy) ** n, "that is being drawn at all: it has to be the best of the draws, too"
    yield _chosen(np.full(len(policy), 1 / len(policy)), score, n), "the replies are not equally likely"
    cumulated = np.empty(len(policy))
    cumulated[order] = np.cumsum(policy[order]) ** n
    yield cumulated, "that is the chance that none is better: subtract the same for the next lower reply"
    worse = np.empty(len(policy))
    worse[order] = np.append(0.0, np.cumsum(policy[order])[:-1])
    yield worse**n, "that is the chance that all draws are worse: subtract it from that of none better"
    yield n * policy * worse ** (n - 1), "that is the reply drawn once: it may come several times"
    yield np.eye(len(policy))[score.argmax()], "all on the best reply: the draws have to find it first"
    yield policy, "that is one draw: n does not come in"
    density = np.empty(len(policy))
    density[order] = n * policy[order] * np.cumsum(policy[order]) ** (n - 1)
    for each in (density, density / density.sum()):
        yield each, "n F^(n − 1) holds for many small replies: here take the difference of F^n"
    yield _chosen(policy, score, n + 1), "that is the best of n + 1"
    yield _chosen(policy, score, n - 1), "that is the best of n − 1"


DRAWS = (
    ([0.2, 0.5, 0.3], [1.0, -2.0, 0.5], 3),
    ([0.1, 0.4, 0.15, 0.35], [0.3, 2.0, -1.0, 0.7], 2),
    ([0.05, 0.25, 0.3, 0.1, 0.3], [5.0, 1.0, 4.0, 2.0, 3.0], 8),
    ([0.6, 0.4], [0.0, -1.0], 1),
)


@exercise("competing_objectives.best_of")
def best_of(answer: Any) -> str | None:
    """Four policies in an order that is not that of their scores; n of 1 as well."""
    for given, scores, n in DRAWS:
        policy, score = np.array(given), np.array(scores)
        case = f"(policy {given}, score {scores}, n = {n})"
        found = array(answer(policy.copy(), score.copy(), n), (len(policy),), "what you return")
        right = _chosen(policy, score, n)
        if same(found, right, 1e-6, 1e-9):
            continue
        why = slip(found, _best_of_mistakes(policy, score, n), 1e-6)
        at = int(np.abs(found - right).argmax())
        told = f"reply {at} gets {found[at]:.4f}, and is the best with probability {right[at]:.4f}"
        if abs(found.sum() - 1) > 1e-3:
            told = f"the sum is {found.sum():.4g}, not 1; {told}"
        elif np.abs(found - right).max() < 5e-3:
            told = f"near, but not exact, as a simulation is: use the law; {told}"
        return f"{why or told} {case}."
    return None
