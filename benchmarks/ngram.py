"""How much processor time NGramModel takes to fit and to predict, beside dictionaries and beside nltk.lm.

    python benchmarks/ngram.py [--runs 5] [--length 0]

Prints three tables, each number the median of several runs. Nothing here can fail for being slow.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from labutils import data
from labutils.models.ngram import NGramModel, Smoothing
from labutils.text import Ids, Vocabulary, k_fold

DISCOUNT = 0.75
N_VOCAB = 127  # characters; the rare rest is one token


class PlainKneserNey:
    """Interpolated Kneser–Ney with one discount, as one would first write it: dictionaries and loops."""

    def __init__(self, order: int, n_vocab: int) -> None:
        self.order, self.n_vocab = order, n_vocab

    def fit(self, ids: list[int]) -> PlainKneserNey:
        """Count the n-grams of `ids`, and at lower orders the tokens that come before each."""
        grams = Counter(tuple(ids[i : i + self.order]) for i in range(len(ids) - self.order + 1))
        self.counts: dict[int, Counter[tuple[int, ...]]] = {self.order: grams}
        for order in range(self.order - 1, 0, -1):
            self.counts[order] = Counter(gram[1:] for gram in self.counts[order + 1])
        self.totals: defaultdict[tuple[int, ...], int] = defaultdict(int)
        self.followers: defaultdict[tuple[int, ...], int] = defaultdict(int)
        for counts in self.counts.values():
            for gram, count in counts.items():
                self.totals[gram[:-1]] += count
                self.followers[gram[:-1]] += 1
        return self

    def cross_entropy(self, ids: list[int]) -> float:
        """Return bits per token."""
        bits = 0.0
        for t in range(len(ids)):
            p = 1 / self.n_vocab
            for order in range(1, min(self.order, t + 1) + 1):
                context = tuple(ids[t - order + 1 : t])
                if context not in self.totals:
                    break
                count = self.counts[order].get((*context, ids[t]), 0)
                p = max(count - DISCOUNT, 0) + DISCOUNT * self.followers[context] * p
                p /= self.totals[context]
            bits -= math.log2(p)
        return bits / len(ids)


def median_seconds(runs: int, function: Callable[[], Any]) -> tuple[float, Any]:
    """Call `function` `runs` times; return the median of its processor seconds, and what it returned last.

    Processor time and not the clock's: what else the machine is doing then disturbs little.
    """
    seconds, result = [], None
    for _ in range(runs):
        start = time.process_time()
        result = function()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds), result


def text() -> str:
    """The Wikipedia sample; where it cannot be had, another text, and a line that says so."""
    for name in ("wikipedia_en", "bible_en"):
        try:
            found = data.load_text(name)
        except data.DataError as error:
            print(f"{name} cannot be had: {error}")
        else:
            print(f"text: {name}, {len(found):,} characters")
            return found
    print("text: 3,000,000 characters drawn at random; compare its numbers with no others")
    letters = np.array(list("etaoinshrdlu cmfwypvbgkjqxz.,\n"))
    return "".join(letters[np.random.default_rng(0).zipf(1.3, 3_000_000) % len(letters)])


def every_order(runs: int, train: Ids, test: Ids) -> None:
    """Print fit, evaluation and bits per character of orders 1 to 7."""
    print(f"\nNGramModel, modified Kneser-Ney: {len(train):,} characters to fit, {len(test):,} to predict")
    print("order   fit, s   predict, s   ns/character   n-grams stored   bits/character")
    for order in range(1, 8):
        fit, model = median_seconds(runs, partial(NGramModel(order, N_VOCAB).fit, train))
        predict, bits = median_seconds(runs, partial(model.cross_entropy, test))
        print(
            f"{order:5}{fit:9.2f}{predict:13.3f}{predict / len(test) * 1e9:15.0f}"
            f"{sum(model.n_grams):17,}{bits:17.3f}"
        )


def beside_dictionaries(runs: int, train: Ids, test: Ids) -> None:
    """Print the times of both implementations of one method, with their ratios."""
    print(
        f"\nOne discount of {DISCOUNT}, beside dictionaries: {len(train):,} to fit, {len(test):,} to predict"
    )
    print("order   fit, s: ours  plain  ratio   predict, s: ours  plain  ratio   bits: ours   plain")
    plain_train, plain_test = train.tolist(), test.tolist()
    for order in (2, 4, 6):
        ours = NGramModel(order, N_VOCAB, discount=DISCOUNT)
        plain = PlainKneserNey(order, N_VOCAB)
        fit, _ = median_seconds(runs, partial(ours.fit, train))
        plain_fit, _ = median_seconds(runs, partial(plain.fit, plain_train))
        predict, bits = median_seconds(runs, partial(ours.cross_entropy, test))
        plain_predict, plain_bits = median_seconds(runs, partial(plain.cross_entropy, plain_test))
        print(
            f"{order:5}{fit:15.3f}{plain_fit:7.2f}{plain_fit / fit:7.1f}"
            f"{predict:19.4f}{plain_predict:7.2f}{plain_predict / predict:7.1f}{bits:13.4f}{plain_bits:8.4f}"
        )


def beside_nltk(runs: int, train: Ids, test: Ids) -> None:
    """Print the times of nltk.lm, which needs seconds where the others need milliseconds."""
    from nltk.lm import KneserNeyInterpolated, WittenBellInterpolated  # type: ignore[import-untyped]
    from nltk.util import everygrams  # type: ignore[import-untyped]

    order = 3
    print(f"\nOrder {order}, beside nltk.lm: {len(train):,} characters to fit, {len(test):,} to predict")
    print("smoothing     fit, ms: ours    nltk  ratio   predict, us/character: ours      nltk   ratio")
    tokens = [str(i) for i in train]
    windows = [[str(i) for i in test[t - order + 1 : t + 1]] for t in range(order - 1, len(test))]

    def fit_theirs(smoothing: Smoothing) -> Any:
        kneser_ney = smoothing == "kneser-ney"
        model = KneserNeyInterpolated(order, DISCOUNT) if kneser_ney else WittenBellInterpolated(order)
        model.fit([everygrams(tokens, max_len=order)], vocabulary_text=tokens)
        return model

    def predict_theirs(model: Any) -> list[float]:
        return [model.score(window[-1], window[:-1]) for window in windows]

    smoothings: tuple[Smoothing, ...] = ("witten-bell", "kneser-ney")
    for smoothing in smoothings:
        ours = NGramModel(order, N_VOCAB, smoothing, discount=DISCOUNT, unigram_floor=False)
        fit, _ = median_seconds(runs, partial(ours.fit, train))
        their_fit, theirs = median_seconds(runs, partial(fit_theirs, smoothing))
        predict, _ = median_seconds(runs, partial(ours.log2_probs, test))
        their_predict, _ = median_seconds(runs, partial(predict_theirs, theirs))
        each, their_each = (1e6 * seconds / len(windows) for seconds in (predict, their_predict))
        print(
            f"{smoothing:12}{1e3 * fit:16.1f}{1e3 * their_fit:8.0f}{their_fit / fit:7.0f}"
            f"{each:31.1f}{their_each:10.0f}{their_each / each:8.0f}"
        )


def main() -> None:
    """Run all three comparisons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="how many times each thing is timed (default 5)")
    parser.add_argument("--length", type=int, default=0, help="use only so many characters of the text")
    options = parser.parse_args()
    whole = text()
    train_text, test_text = k_fold(whole[: options.length or None], 9)
    vocabulary = Vocabulary.from_text(train_text, max_size=N_VOCAB)
    train, test = vocabulary.encode(train_text), vocabulary.encode(test_text)
    every_order(options.runs, train, test)
    beside_dictionaries(min(options.runs, 3), train[:300_000], test[:30_000])
    beside_nltk(min(options.runs, 3), train[:10_000], test[:200])


if __name__ == "__main__":
    main()
