"""Checks for the exercises of notebooks/transformers/generation.ipynb."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from labutils.checks.answers import Floats, Wrong, array, number, same, slip
from labutils.checks.core import exercise

DOUBT = 1e-3


def _draw(n: int, seed: int, sharpness: float = 1.0) -> Floats:
    """Probabilities (n,) in no order, all different."""
    p: Floats = np.random.default_rng(seed).dirichlet(np.full(n, sharpness)) + 1e-3
    return _share(p)


def _share(p: Floats) -> Floats:
    shares: Floats = p / p.sum()
    return shares


@exercise("generation.distance")
def distance(answer: Any) -> str | None:
    """A nucleus of 0.8 keeps 0.42, 0.27 and 0.17, and so cuts 0.14."""
    mistakes = [
        (0.86, "0.86 is the mass that is kept: what is the distance?"),
        (0.28, "0.28 is the whole sum of differences: the total variation is half of it"),
        (0.07, "0.07 halves twice: the mass that is cut is the distance already"),
        (0.09, "0.09 is one of the two tokens that are cut: add the other"),
        (0.2, "0.2 is 1 − p: whole tokens are kept, so that the kept mass is p or more"),
        (0.31, "0.31 keeps two tokens: their 0.69 is less than 0.8, so a third one stays"),
        (0.05, "0.05 keeps four tokens: three have 0.86 already"),
        (0.58, "0.58 is the distance of greedy decoding, which keeps one token"),
        (0.0, "0 would be the distance if all tokens stayed"),
        (0.06, "0.06 is what the kept mass has above p"),
        (0.163, "0.163 divides by the kept mass: the distance is the mass that is cut, 1 − 0.86"),
        (0.8, "0.8 is p: the distance is the mass that is cut"),
        (14.0, "14 is a percentage: as a share it is less than 1"),
    ]
    found = number(answer, "your distance")
    if same(found, 0.14, DOUBT, 0):
        return None
    why = slip(found, mistakes, 5e-3)
    return f"{why or 'that is not it: find which tokens stay, and add up the others'}."


def _nucleus(p: Floats, mass: float) -> Floats:
    order = np.argsort(-p, kind="stable")
    ranked = p[order]
    keep = np.zeros(len(p), dtype=bool)
    keep[order[ranked.cumsum() - ranked < mass]] = True
    return _share(np.where(keep, p, 0.0))


def _nucleus_mistakes(p: Floats, mass: float) -> Iterator[tuple[Floats, str]]:
    order = np.argsort(-p, kind="stable")
    ranked, sums = p[order], p[order].cumsum()

    def kept(ranks: Any) -> Floats:
        out = np.zeros(len(p))
        out[order[ranks]] = p[order[ranks]]
        return out

    right = kept(sums - ranked < mass)
    yield right, "the kept probabilities are right: divide them by their sum"
    yield p, "nothing is cut"
    yield (
        np.where(right > 0, p, 0) / p[right > 0].max(),
        "divided by the largest probability: divide by the sum",
    )
    for ranks, why in (
        (sums <= mass, "the token that passes p is missing: it stays, or the kept mass is below p"),
        (sums < mass, "the token that passes p is missing: it stays, or the kept mass is below p"),
        (
            np.append([0.0, 0.0], sums[:-2]) < mass,
            "one token too many stays: with the one before it p is reached",
        ),
        (ranked >= mass, "tokens above the probability p stay: p is a mass that several have together"),
        (ranked >= 1 - mass, "a threshold of 1 − p on each probability: p is a mass that several have"),
        (
            sums - ranked >= mass,
            "the tail stays and the nucleus is cut: the comparison is the wrong way round",
        ),
        (
            np.arange(len(p)) < round(mass * len(p)),
            "a share p of the tokens stays: it is a share of the mass",
        ),
        (np.arange(len(p)) < 1, "only the likeliest token stays"),
    ):
        if ranks.any():
            yield _share(kept(ranks)), why
    inverse = np.zeros(len(p))
    inverse[sums - ranked < mass] = ranked[sums - ranked < mass]
    yield _share(inverse), "the tokens come back sorted: put each probability where its token was"
    by_rank = np.where(sums - ranked < mass, p, 0)
    if by_rank.any():
        yield _share(by_rank), "the mask is in sorted order and p is not: use order to bring it back"
    unsorted = p.cumsum() - p < mass
    yield _share(np.where(unsorted, p, 0)), "summed in the order given: sort first, the likeliest in front"
    climbing = p[order[::-1]]
    tail = np.zeros(len(p))
    tail[order[::-1]] = np.where(climbing.cumsum() - climbing < mass, climbing, 0)
    yield _share(tail), "sorted with the least likely in front: the nucleus begins with the likeliest"


@exercise("generation.nucleus")
def nucleus(answer: Any) -> str | None:
    """Twelve unsorted probabilities at several masses; then ties, a mass of one and a sure token."""
    for seed, mass in ((158, 0.85), (6, 0.8), (2, 0.65)):
        p = _draw(12, seed)
        found = array(answer(p, mass), p.shape, "what you return")
        if not np.isfinite(found).all():
            return "some values are not finite: cut probabilities are 0, and −∞ is for logits."
        right = _nucleus(p, mass)
        if not same(found, right, 1e-6):
            why = slip(found, _nucleus_mistakes(p, mass), 1e-5)
            n, expected = int((found > 0).sum()), int((right > 0).sum())
            told = f"at p = {mass} {n} of 12 tokens have some probability, {expected} should; values differ"
            return f"{why or told}."
    for p, mass, what in (
        (_draw(6, 4), 1.0, "at p = 1 nothing is cut"),
        (np.array([0.02, 0.95, 0.03]), 0.5, "one token has more than p alone: it stays"),
        (np.array([0.05, 0.2, 0.75]), 0.01, "at least one token stays, however small p is"),
    ):
        found = array(answer(p, mass), p.shape, "what you return")
        if not same(found, _nucleus(p, mass), 1e-6):
            return f"right for twelve tokens, wrong at p = {mass} for {p.round(2).tolist()}: {what}."
    return None


@exercise("generation.leftover")
def leftover(answer: Any) -> str | None:
    """Chance of keeping a guess, and what is drawn from if it falls."""
    for n, seed in ((7, 5), (4, 6)):
        p, q = _draw(n, seed), _draw(n, seed + 10)
        found = answer(p, q)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            raise Wrong(
                "return two things: the chance that a guess is kept, and the distribution after a fall."
            )
        chance = number(found[0], "the chance")
        rest = array(found[1], p.shape, "the distribution after a fall")
        kept = float(np.minimum(p, q).sum())
        if not same(chance, kept, 1e-6, 1e-9):
            ratio = np.minimum(1, p / q)
            why = slip(
                chance,
                [
                    (1 - kept, "that is the chance that a guess falls, the total variation"),
                    (
                        ratio.mean(),
                        "the mean of min(1, p/q) over tokens: weigh each by q, from which it comes",
                    ),
                    (ratio.sum(), "the sum of min(1, p/q): weigh each by q, from which the guess comes"),
                    ((p * ratio).sum(), "weighed by p: the guess is drawn from q"),
                    ((p * q).sum(), "that is the chance that two independent draws agree"),
                    (np.maximum(p, q).sum(), "the sum of the larger ones: it is the smaller one each time"),
                    (1 - 2 * (1 - kept), "1 minus the whole sum of |p − q|: half of it"),
                    (
                        float(p[q.argmax()]),
                        "that looks at the draft's likeliest token alone: it guesses others, too",
                    ),
                    ((q * np.minimum(1, q / p)).sum(), "the ratio is p/q, target over draft"),
                ],
                1e-5,
            )
            raise Wrong(f"{why or f'the chance is {chance:.4f}, expected {kept:.4f}: sum over guesses'}.")
        right = _share(np.maximum(p - q, 0))
        if not same(rest, right, 1e-6):
            why = slip(
                rest,
                [
                    (np.maximum(p - q, 0), "max(0, p − q) is right: divide by its sum"),
                    (p, "drawing from p again counts twice what the draft has brought already"),
                    (q, "drawing from q again leaves what q has too little of without its share"),
                    (p - q, "p − q is negative where the draft has too much: those places are 0"),
                    (
                        _share(np.abs(p - q)),
                        "|p − q| gives tokens that the draft has too much of: max(0, p − q)",
                    ),
                    (_share(np.maximum(q - p, 0)), "max(0, q − p) is the wrong way round"),
                    (_share(np.minimum(p, q)), "min(p, q) is what was kept: the rest is max(0, p − q)"),
                    (np.maximum(p - q, 0) / p.max(), "divide by the sum, not by the largest"),
                    (_share(np.where(p > q, p, 0)), "p where it is larger: only what q lacks, p − q"),
                    (_share(p / q), "p/q decides about keeping: after a fall max(0, p − q) is drawn from"),
                ],
                1e-5,
            )
            raise Wrong(f"{why or 'the distribution after a fall is not max(0, p − q) over its sum'}.")
    return None


def _typical(p: Floats, mass: float) -> Floats:
    surprise = -np.log(p)
    order = np.argsort(np.abs(surprise - (p * surprise).sum()), kind="stable")
    ranked = p[order]
    out = np.zeros(len(p))
    keep = order[ranked.cumsum() - ranked < mass]
    out[keep] = p[keep]
    return _share(out)


@exercise("generation.typical")
def typical(answer: Any) -> str | None:
    """Sorted by the distance of −log p from the entropy: the likeliest token may be cut."""
    for seed, mass in ((7, 0.5), (8, 0.7), (9, 0.3)):
        p = _draw(14, seed, 0.7)
        found = array(answer(p, mass), p.shape, "what you return")
        right = _typical(p, mass)
        if same(found, right, 1e-6):
            continue
        surprise = -np.log(p)
        h = float((p * surprise).sum())

        def by(score: Floats, p: Floats = p, mass: float = mass, over: int = 0) -> Floats:
            order = np.argsort(score, kind="stable")
            ranked = p[order]
            keep = order[ranked.cumsum() - (0 if over else ranked) < mass]
            out = np.zeros(len(p))
            out[keep] = p[keep]
            return _share(out) if len(keep) else out

        near = np.abs(surprise - h)
        mistakes = [
            (right * p[right > 0].sum(), "the kept probabilities are right: divide them by their sum"),
            (_nucleus(p, mass), "that is the nucleus: sort by the distance of −log p from the entropy"),
            (by(-near), "the farthest from the entropy come first: sort in ascending order"),
            (by(surprise - h), "the sign of the distance is left in: take its absolute value"),
            (by(h - surprise), "the sign of the distance is left in: take its absolute value"),
            (by(near, over=1), "the token that passes the mass is missing: it stays"),
            (by(np.abs(p - h)), "p itself is compared with the entropy: it is −log p"),
            (by(np.abs(surprise - h / np.log(2))), "entropy in bits, surprise in nats: one base for both"),
            (by(np.abs(surprise / np.log(2) - h)), "surprise in bits, entropy in nats: one base for both"),
            (by(np.abs(surprise - surprise.mean())), "the plain mean of −log p: the entropy weighs it by p"),
            (by(np.abs(p - p.mean())), "compared with the mean probability: it is −log p and the entropy"),
            (by(np.abs(surprise + h)), "the entropy has the wrong sign"),
            (p, "nothing is cut"),
        ]
        why = slip(found, mistakes, 1e-5)
        return f"{why or f'at a mass of {mass} other tokens stay than those nearest to the entropy'}."
    sure = np.array([0.02, 0.96, 0.02])
    if not same(array(answer(sure, 0.2), (3,), "what you return"), _typical(sure, 0.2), 1e-6):
        return "right for fourteen tokens, wrong for (0.02, 0.96, 0.02) at 0.2: at least one token stays."
    return None
