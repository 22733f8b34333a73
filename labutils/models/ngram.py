"""N-gram language models with interpolated smoothing, counted in NumPy.

An n-gram is packed into one integer, its tokens being the digits in base `n_vocab`, oldest
first. Sorting those integers counts them and puts the n-grams that share a context side by
side; dividing one by `n_vocab` gives its context, and the remainder its last token.
Page: notebooks/foundations/language_models.ipynb.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labutils.text import Ids, as_ids

__all__ = ["NGramModel", "modified_discounts"]

Floats = NDArray[np.float64]
Smoothing = Literal["kneser-ney", "witten-bell", "add-k"]


@dataclass(frozen=True)
class _Level:
    """What is known about the n-grams of one order.

    P(w | h) = share(hw) + backoff(h) · P_lower(w | h without its oldest token)
    """

    grams: Ids  # (n_grams,) packed n-grams, sorted
    share: Floats  # (n_grams,) what each keeps of its context's probability
    contexts: Ids  # (n_contexts,) packed contexts, sorted
    first: Ids  # (n_contexts + 1,) where each context's n-grams start in `grams`
    backoff: Floats  # (n_contexts,) what each context passes to the order below


def modified_discounts(counts: Floats) -> Floats:
    """Return the discounts for counts of 1, 2 and 3 or more, shape (3,).

    Chen & Goodman (1999), equation 17: D_c = c − (c + 1) Y n_{c+1} / n_c with
    Y = n_1 / (n_1 + 2 n_2) and n_c the number of n-grams seen c times. Where the text is too
    short for that (some n_c is zero) all three are Y, the single discount of Ney, Essen &
    Kneser (1994), or one half. None is below 0.1: each context has to pass something on.
    """
    n = [int((counts == c).sum()) for c in (1, 2, 3, 4)]
    y = n[0] / (n[0] + 2 * n[1]) if n[0] else 0.5
    if min(n) == 0:
        return np.full(3, min(max(y, 0.1), 0.9))  # never 0 or 1: something must be left on both sides
    c = np.arange(1, 4)
    discounts: Floats = np.clip(c - (c + 1) * y * np.array(n[1:]) / np.array(n[:3]), 0.1, c)
    return discounts


class NGramModel:
    """Predict a token from the `order` − 1 tokens before it.

    `smoothing` is one of

    * ``"kneser-ney"``: interpolated Kneser–Ney (Kneser & Ney, 1995), *modified* with three
      discounts estimated from the counts (Chen & Goodman, 1999) unless `discount` fixes one;
    * ``"witten-bell"``: interpolated Witten–Bell (Witten & Bell, 1991, method C);
    * ``"add-k"``: (count + k) / (context count + k · n_vocab), no interpolation.

    With `unigram_floor` the shortest order is interpolated with the uniform distribution, so
    that every token has a probability above zero; without it, unseen tokens have none.
    A context that was never seen leaves the prediction to the order below.
    """

    def __init__(
        self,
        order: int,
        n_vocab: int,
        smoothing: Smoothing = "kneser-ney",
        *,
        discount: float | None = None,
        k: float = 1.0,
        unigram_floor: bool = True,
    ) -> None:
        order, n_vocab = index(order), index(n_vocab)  # Python's integers: those of NumPy would overflow
        if order < 1 or n_vocab < 1:
            raise ValueError(f"order is {order} and n_vocab is {n_vocab}: both must be at least 1")
        if n_vocab**order > 2**63:  # the largest key is one less
            most = int(63 / np.log2(n_vocab))
            raise ValueError(f"order is {order}: with n_vocab {n_vocab} at most {most} tokens fit in one key")
        if smoothing not in ("kneser-ney", "witten-bell", "add-k"):
            raise ValueError(f"smoothing is {smoothing!r}: expected 'kneser-ney', 'witten-bell' or 'add-k'")
        if discount is not None and not 0 < discount < 1:
            raise ValueError(f"discount is {discount}: expected a number between 0 and 1")
        if not 0 <= k < np.inf:
            raise ValueError(f"k is {k}: a pseudo-count is a number, not negative")
        self.order = order
        self.n_vocab = n_vocab
        self.smoothing: Smoothing = smoothing
        self.discount = discount
        self.k = k
        self.unigram_floor = unigram_floor
        self._levels: list[_Level] = []

    def fit(self, ids: ArrayLike) -> NGramModel:
        """Count the n-grams of `ids`, shape (n,), n ≥ order, and return the model itself."""
        values = as_ids("ids", ids, self.n_vocab)
        if len(values) < self.order:
            raise ValueError(f"ids has {len(values)} tokens: an order of {self.order} needs at least as many")
        levels = []
        grams, counts = np.unique(self._pack(values, self.order), return_counts=True)
        for order in range(self.order, 0, -1):
            levels.append(self._level(order, grams, counts.astype(np.float64)))
            if order > 1 and self.smoothing == "kneser-ney":
                # Continuation counts: in how many *different* longer n-grams does this one end?
                shorter = grams % self.n_vocab ** (order - 1)
                grams, counts = np.unique(shorter, return_counts=True)
            elif order > 1:
                grams, counts = np.unique(self._pack(values, order - 1), return_counts=True)
        self._levels = levels[::-1]
        return self

    def _pack(self, ids: Ids, order: int) -> Ids:
        """Pack every window of `order` tokens into one integer, shape (n − order + 1,)."""
        keys = np.zeros(len(ids) - order + 1, dtype=np.int64)
        for i in range(order):
            keys = keys * self.n_vocab + ids[i : i + len(keys)]
        return keys

    def _level(self, order: int, grams: Ids, counts: Floats) -> _Level:
        contexts, first = np.unique(grams // self.n_vocab, return_index=True)
        totals = np.add.reduceat(counts, first)
        n_followers = np.diff(np.append(first, len(grams)))
        if order == 1 and not self.unigram_floor and self.smoothing != "add-k":
            kept, passed = counts, np.zeros(len(contexts))
        elif self.smoothing == "kneser-ney":
            by_count = modified_discounts(counts) if self.discount is None else np.full(3, self.discount)
            taken = by_count[np.minimum(counts, 3).astype(int) - 1]
            kept, passed = counts - taken, np.add.reduceat(taken, first)
        elif self.smoothing == "witten-bell":
            kept, passed = counts, n_followers.astype(np.float64)
            totals = totals + passed
        else:
            kept, passed = counts, np.full(len(contexts), self.k * self.n_vocab)
            totals = totals + passed
        return _Level(
            grams=grams,
            share=kept / np.repeat(totals, n_followers),
            contexts=contexts,
            first=np.append(first, len(grams)).astype(np.int64),
            backoff=passed / totals,
        )

    @property
    def n_grams(self) -> list[int]:
        """How many different n-grams of order 1, 2, … are stored."""
        return [len(level.grams) for level in self._fitted()]

    def _fitted(self) -> list[_Level]:
        if not self._levels:
            raise ValueError("the model has no counts yet: call fit(ids) first")
        return self._levels

    def _orders(self) -> list[int]:
        """The orders to interpolate, lowest first: add-k uses the highest alone."""
        return [self.order] if self.smoothing == "add-k" else list(range(1, self.order + 1))

    def log2_probs(self, ids: ArrayLike, context: ArrayLike = ()) -> Floats:
        """Return log₂ P(token | tokens before it) for every token of `ids`, shape (n,).

        `context` (m,) stands before the first token. Where fewer than order − 1 tokens stand
        before a token, the highest order that fits predicts it (under add-k: the uniform
        distribution does).
        """
        levels = self._fitted()
        before = as_ids("context", context, self.n_vocab)
        before = before[max(0, len(before) - self.order + 1) :]
        values = np.concatenate([before, as_ids("ids", ids, self.n_vocab)])
        p = np.full(len(values), 1.0 / self.n_vocab)
        for order in self._orders():
            if len(values) < order:
                break
            level, keys = levels[order - 1], self._pack(values, order)
            here = p[order - 1 :]  # a view: the tokens with enough context for this order
            at, known = _find(level.contexts, keys // self.n_vocab)
            here[known] *= level.backoff[at[known]]
            at, known = _find(level.grams, keys)
            here[known] += level.share[at[known]]
        with np.errstate(divide="ignore"):
            logs: Floats = np.log2(p[len(before) :])
        return logs

    def probs(self, context: ArrayLike = ()) -> Floats:
        """Return P(next token | `context`), shape (n_vocab,); the last order − 1 tokens count."""
        levels = self._fitted()
        tokens = np.asarray(context)
        if tokens.ndim == 1:  # look at no more than the end: the context may be a whole book
            tokens = tokens[max(0, len(tokens) - self.order + 1) :]
        tokens = as_ids("context", tokens, self.n_vocab)
        p = np.full(self.n_vocab, 1.0 / self.n_vocab)
        key, unit = 0, 1
        for order in range(1, len(tokens) + 2):
            if order > 1:  # one more token of context, in front of the others
                key += int(tokens[-(order - 1)]) * unit
                unit *= self.n_vocab
            if order not in self._orders():
                continue
            level = levels[order - 1]
            at = int(level.contexts.searchsorted(key))
            if at == len(level.contexts) or level.contexts[at] != key:
                break  # a longer context cannot have been seen either
            p *= level.backoff[at]
            followers = slice(level.first[at], level.first[at + 1])
            p[level.grams[followers] % self.n_vocab] += level.share[followers]
        return p

    def cross_entropy(self, ids: ArrayLike) -> float:
        """Return the mean of −log₂ P over `ids`: bits per token."""
        values = self.log2_probs(ids)
        if values.size == 0:
            raise ValueError("ids is empty: there is nothing to predict")
        return float(-values.mean())

    def sample(
        self, n: int, rng: np.random.Generator, context: ArrayLike = (), *, temperature: float = 1.0
    ) -> Ids:
        """Draw `n` tokens one after another, each from P(token | tokens before)^(1/temperature).

        At an infinite temperature all tokens that are possible are equally likely.
        """
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}: expected a number above 0")
        if n < 0:
            raise ValueError(f"n is {n}: expected a number of tokens to draw")
        drawn = list(as_ids("context", context, self.n_vocab))
        start = len(drawn)
        for _ in range(n):
            p = self.probs(np.array(drawn[max(0, len(drawn) - self.order + 1) :], dtype=np.int64))
            if temperature != 1.0:
                p = np.where(p > 0, (p / p.max()) ** (1.0 / temperature), 0.0)  # 0 ** 0 would be 1
            cumulative = p.cumsum()
            drawn.append(int(cumulative.searchsorted(rng.random() * cumulative[-1], side="right")))
        return np.array(drawn[start:], dtype=np.int64)


def _find(sorted_keys: Ids, keys: Ids) -> tuple[Ids, NDArray[np.bool_]]:
    """Return where each key stands in `sorted_keys`, and whether it is really there."""
    order = keys.argsort()  # searching in order keeps the table in the processor's cache: twice as fast
    at = np.empty(len(keys), dtype=np.int64)
    at[order] = sorted_keys.searchsorted(keys[order])
    at = np.minimum(at, len(sorted_keys) - 1)
    return at, sorted_keys[at] == keys
