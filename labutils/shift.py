"""Distribution shift: making one, correcting one, measuring what it does to groups, noticing it.

Built on the page notebooks/limits/generalization.ipynb. Classes are 0 … k − 1, arrays are NumPy's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "adapt",
    "auroc",
    "balanced_subsample",
    "bbse",
    "draw_tilted",
    "draw_with_prior",
    "effective_size",
    "em_prior",
    "group_accuracy",
    "group_dro",
    "importance_weights",
    "logistic",
    "plant",
    "ratio_from_logits",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


# --- making a shift


def draw_with_prior(y: ArrayLike, prior: Sequence[float], n: int, rng: np.random.Generator) -> Ints:
    """Label shift: draw n places (n,) of y (m,) without putting back, so that class c has the share prior[c].

    Within a class all places are equally likely, so p(x|y) stays. Raises ValueError where the prior is none,
    or a class has too few places.
    """
    labels, shares = np.asarray(y), np.asarray(prior, dtype=float)
    if (shares < 0).any() or abs(shares.sum() - 1) > 1e-9:
        raise ValueError(f"prior is {list(prior)}: expected shares that sum to 1")
    counts = np.floor(shares * n + 0.5).astype(int)
    counts[-1] = n - counts[:-1].sum()
    drawn = []
    for c, count in enumerate(counts):
        places = np.flatnonzero(labels == c)
        if count > len(places):
            raise ValueError(f"class {c} has {len(places)} places, {count} are wanted: draw fewer than {n}")
        drawn.append(rng.choice(places, count, replace=False))
    return rng.permutation(np.concatenate(drawn)).astype(np.int64)


def draw_tilted(score: ArrayLike, strength: float, n: int, rng: np.random.Generator) -> Ints:
    """Covariate shift: draw n places (n,) without putting back, each with a weight of e^(strength · score).

    The score (m,) is standardised first and has to be a function of the input alone, so that p(y|x) stays.
    Raises ValueError where n is more than there are, or no score differs.
    """
    s = np.asarray(score, dtype=float)
    if n > len(s):
        raise ValueError(f"{n} of {len(s)} places cannot be drawn without putting back")
    if s.std() == 0:
        raise ValueError("all scores are equal: there is nothing to tilt")
    # Gumbel top-k: the n largest of log weight + Gumbel noise are such a draw
    keys = strength * (s - s.mean()) / s.std() + rng.gumbel(size=len(s))
    return np.argsort(-keys)[:n].astype(np.int64)


def plant(
    texts: Sequence[str], y: ArrayLike, word: str, share: float, rng: np.random.Generator
) -> tuple[list[str], Ints]:
    """Put a word in front of texts: of class 1 with probability `share`, of class 0 with 1 − share.

    Returns the texts and who has the word (n,), 0 or 1. At share = ½ the word says nothing about the class.
    Raises ValueError for a share that is no probability.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}: expected a probability")
    chance = np.where(np.asarray(y) == 1, share, 1 - share)
    has = (rng.random(len(chance)) < chance).astype(np.int64)
    return [f"{word} {text}" if h else text for text, h in zip(texts, has, strict=True)], has


# --- correcting one


def ratio_from_logits(logits: ArrayLike, n_source: int, n_target: int) -> Floats:
    """p_target(x) / p_source(x) (n,) from the logits of a classifier of target against source.

    Bayes: the odds that it gives are the ratio times n_target / n_source.
    """
    odds: Floats = np.exp(np.asarray(logits, dtype=float)) * (n_source / n_target)
    return odds


def logistic(
    x: ArrayLike, y: ArrayLike, C: float = 1.0, weights: ArrayLike | None = None
) -> tuple[Floats, float]:
    """A logistic regression of y (n,) in 0, 1 on x (n, d): weights (d,) and bias.

    Minimises C · Σ weight · loss + ‖w‖² / 2, as scikit-learn does.
    """
    from scipy.optimize import minimize

    a, t = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    each = C * (np.ones(len(t)) if weights is None else np.asarray(weights, dtype=float))

    def cost(at: Floats) -> tuple[float, Floats]:
        w, z = at[:-1], a @ at[:-1] + at[-1]
        slope = each * (1 / (1 + np.exp(-z.clip(-500, 500))) - t)
        loss = float(each @ (np.logaddexp(0, z) - t * z) + w @ w / 2)
        return loss, np.append(a.T @ slope + w, slope.sum())

    found = minimize(cost, np.zeros(a.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    best: Floats = found.x
    return best[:-1], float(best[-1])


def importance_weights(source: ArrayLike, target: ArrayLike, C: float = 1.0) -> Floats:
    """Weights (n,) with mean 1 that make the inputs source (n, d) look like target (m, d).

    A logistic regression tells the two apart; C is its inverse penalty. Every weight comes from a fit
    that has not seen its place (two folds), since a fit knows its own places too well.
    """
    a, b = np.asarray(source, dtype=float), np.asarray(target, dtype=float)
    weights = np.zeros(len(a))
    fold_a, fold_b = np.arange(len(a)) % 2, np.arange(len(b)) % 2
    for fold in (0, 1):
        x = np.concatenate([a[fold_a != fold], b[fold_b != fold]])
        n_a, n_b = int((fold_a != fold).sum()), int((fold_b != fold).sum())
        w, bias = logistic(x, np.repeat([0, 1], [n_a, n_b]), C)
        weights[fold_a == fold] = ratio_from_logits(a[fold_a == fold] @ w + bias, n_a, n_b)
    scaled: Floats = weights / weights.mean()
    return scaled


def effective_size(weights: ArrayLike) -> float:
    """(Σw)² / Σw²: how many equally weighted examples an average with these weights is worth (Kish)."""
    w = np.asarray(weights, dtype=float)
    return float(w.sum() ** 2 / (w**2).sum())


def bbse(y: ArrayLike, predicted: ArrayLike, predicted_target: ArrayLike, n_classes: int = 2) -> Floats:
    """Ratios p_target(y) / p_source(y) (n_classes,) from predictions alone (Lipton, Wang & Smola, 2018).

    y and predicted (n,) are the labels and a classifier's predictions on held-out source data,
    predicted_target (m,) its predictions on the target. Solves C w = μ with C[i, j] = p(predicts i, is j);
    what comes out negative is set to 0. Raises ValueError where C cannot be inverted.
    """
    truth, guess = np.asarray(y, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    joint = np.zeros((n_classes, n_classes))
    np.add.at(joint, (guess, truth), 1 / len(truth))
    shares = np.bincount(np.asarray(predicted_target, dtype=np.int64), minlength=n_classes)
    if np.linalg.cond(joint) > 1e6:
        raise ValueError("the confusion matrix cannot be inverted: a class is missing or never told apart")
    ratios: Floats = np.linalg.solve(joint, shares / shares.sum()).clip(min=0)
    return ratios


def adapt(probs: ArrayLike, prior: ArrayLike, new: ArrayLike) -> Floats:
    """Posteriors (n, k) under the class shares `new` (k,) from posteriors (n, k) under `prior` (k,)."""
    moved = np.asarray(probs, dtype=float) * (np.asarray(new, dtype=float) / np.asarray(prior, dtype=float))
    shares: Floats = moved / moved.sum(1, keepdims=True)
    return shares


def em_prior(probs: ArrayLike, prior: ArrayLike, n_steps: int = 200) -> Floats:
    """The target's class shares (k,) from posteriors (n, k) on its inputs (Saerens et al., 2002).

    E: adapt the posteriors to the present guess. M: the guess becomes their mean. The likelihood never falls.
    """
    old = np.asarray(prior, dtype=float)
    new: Floats = old
    for _ in range(n_steps):
        new = adapt(probs, old, new).mean(0)
    return new


# --- groups


def group_accuracy(right: ArrayLike, group: ArrayLike) -> Floats:
    """The share right in each group (n_groups,); `right` (n,) is true or false, groups are 0, 1, …

    The worst of them is the worst-group accuracy. A group without members has nan.
    """
    hits, g = np.asarray(right, dtype=float), np.asarray(group, dtype=np.int64)
    with np.errstate(invalid="ignore"):
        shares: Floats = np.bincount(g, hits) / np.bincount(g)
    return shares


def balanced_subsample(group: ArrayLike, rng: np.random.Generator) -> Ints:
    """Places of as many members of every group as the smallest one has, in random order."""
    g = np.asarray(group)
    names, counts = np.unique(g, return_counts=True)
    drawn = [rng.choice(np.flatnonzero(g == name), counts.min(), replace=False) for name in names]
    return rng.permutation(np.concatenate(drawn)).astype(np.int64)


def group_dro(
    x: ArrayLike, y: ArrayLike, group: ArrayLike, C: float = 1.0, n_rounds: int = 15, step: float = 1.0
) -> tuple[Floats, float]:
    """A logistic regression for the worst group (Sagawa et al., 2020): weights (d,) and bias.

    x (n, d), y (n,) in 0, 1, groups 0, 1, … Minimises over the weights, and maximises over the groups'
    shares q, C · n · Σ q_g · mean loss of g + ‖w‖² / 2. Each round fits the model to the shares, then a share
    grows by e^(step · its loss / the largest loss / number of the round). Theirs takes one step of gradient
    descent in place of each fit.
    """
    a, t, g = np.asarray(x, dtype=float), np.asarray(y, dtype=float), np.asarray(group, dtype=np.int64)
    counts = np.bincount(g)
    share = np.where(counts > 0, 1 / np.count_nonzero(counts), 0.0)
    for n in range(n_rounds):
        w, bias = logistic(a, t, C, len(t) * (share / counts.clip(min=1))[g])
        z = a @ w + bias
        loss = np.bincount(g, np.logaddexp(0, z) - t * z, len(counts)) / counts.clip(min=1)
        share = share * np.exp(step * loss / loss.max() / (n + 1))
        share /= share.sum()
    return w, bias


# --- noticing one


def auroc(inside: ArrayLike, outside: ArrayLike) -> float:
    """The chance that a score from outside is larger than one from inside, a tie counting half.

    The area under the curve of a detector that calls everything above a threshold off distribution.
    """
    from scipy.stats import rankdata

    a, b = np.asarray(inside, dtype=float), np.asarray(outside, dtype=float)
    ranks = rankdata(np.concatenate([a, b]))[len(a) :]
    return float((ranks.sum() - len(b) * (len(b) + 1) / 2) / (len(a) * len(b)))
