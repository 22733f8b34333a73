"""Answers of exercises that say what comes out, and a remark, where no cell of the page measures it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from labutils import data
from labutils.models.ngram import NGramModel
from labutils.text import Ids, Vocabulary, k_fold

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("data")]


@pytest.fixture(scope="module")
def wikipedia() -> tuple[Vocabulary, Ids, Ids]:
    train, test = k_fold(data.load_text("wikipedia_en"), 9)
    vocabulary = Vocabulary.from_text(train, max_size=127)
    return vocabulary, vocabulary.encode(train), vocabulary.encode(test)


def test_add_k_treats_what_it_never_saw_alike(wikipedia: tuple[Vocabulary, Ids, Ids]) -> None:
    """language_models, on smoothing: after "aikid" the add-one 6-gram bets as much on % as on o."""
    vocabulary, train, _ = wikipedia
    context, (o, percent) = vocabulary.encode("aikid"), vocabulary.encode("o%")
    add_one = NGramModel(6, len(vocabulary), "add-k").fit(train).probs(context)
    kneser_ney = NGramModel(6, len(vocabulary)).fit(train).probs(context)
    assert add_one[o] == add_one[percent]
    assert kneser_ney[o] > 100 * kneser_ney[percent]


def test_the_bible_does_not_help_with_wikipedia(wikipedia: tuple[Vocabulary, Ids, Ids]) -> None:
    """information_theory, exercise 8: alone over three bits, together a tenth of a bit worse."""
    vocabulary, train, test = wikipedia
    bible = vocabulary.encode(data.load_text("bible_en"))
    sources = {"own": train, "bible": bible, "both": np.concatenate([bible, train])}
    bits = {
        name: NGramModel(6, len(vocabulary)).fit(ids).cross_entropy(test) for name, ids in sources.items()
    }
    assert bits["bible"] > 3.1
    assert 0.05 < bits["both"] - bits["own"] < 0.15


def test_recounting_on_the_way_brings_a_few_hundredths(wikipedia: tuple[Vocabulary, Ids, Ids]) -> None:
    """information_theory, exercise 9: ten recounts help by hundredths of a bit, forty by more."""
    vocabulary, train, test = wikipedia
    ids, bits = np.concatenate([train, test]), {}
    for n_counts in (1, 10, 40):
        cuts = np.linspace(len(train), len(ids), n_counts + 1).astype(int)
        paid = 0.0
        for known, upto in pairwise(cuts):
            model = NGramModel(6, len(vocabulary)).fit(ids[:known])
            paid -= model.log2_probs(ids[known:upto], ids[known - 5 : known]).sum()
        bits[n_counts] = paid / len(test)
    assert 0.02 < bits[1] - bits[10] < 0.08
    assert bits[40] < bits[10] - 0.02


def by_block(text: Ids, models: list[NGramModel], memory: int = 20_000, block: int = 2_000) -> list[Any]:
    """P(what came) in each block, (n_models, block): under the models, and under what was just read."""
    fixed, blocks = [2 ** model.log2_probs(text) for model in models], []
    for start in range(memory, len(text) - block + 1, block):
        here = slice(start, start + block)
        recent = NGramModel(6, models[0].n_vocab).fit(text[start - memory : start])
        cached = 2 ** recent.log2_probs(text[here], context=text[start - 5 : start])
        blocks.append(np.array([*(p[here] for p in fixed), cached]))
    return blocks


def mix(blocks: list[Any]) -> tuple[float, Any]:
    """Exercise 9 of language_models: bits a character; weights before each block, (n_blocks, n_models)."""
    weights, bits, path = np.full(len(blocks[0]), 1 / len(blocks[0])), [], []
    for p in blocks:
        path.append(weights)
        bits.append(-np.log2(weights @ p).mean())
        posterior = weights[:, None] * p / (weights @ p)
        weights = 0.5 * weights + 0.5 * posterior.mean(axis=1)
    return float(np.mean(bits)), np.array(path)


def test_a_learnt_weight_comes_near_the_best_fixed_one(wikipedia: tuple[Vocabulary, Ids, Ids]) -> None:
    """language_models, exercise 9: near a quarter, within a hundredth of a bit of the best, never better."""
    vocabulary, train, test = wikipedia
    blocks = by_block(test, [NGramModel(6, len(vocabulary)).fit(train)])
    fixed = {
        weight: np.mean([-np.log2((1 - weight) * p[0] + weight * p[1]).mean() for p in blocks])
        for weight in np.arange(0.05, 0.5, 0.05)
    }
    best = min(fixed, key=lambda weight: fixed[weight])
    learnt, path = mix(blocks)
    assert best == pytest.approx(0.25, abs=0.06)
    assert path[5:, 1].mean() == pytest.approx(best, abs=0.05)
    assert 0 < learnt - fixed[best] < 0.01


def test_the_weight_of_the_bible_follows_the_text(wikipedia: tuple[Vocabulary, Ids, Ids]) -> None:
    """language_models, exercise 9: below a tenth on Wikipedia, the largest after a dozen of Scripture."""
    vocabulary, train, test = wikipedia
    scripture, verses = (
        vocabulary.encode(part) for part in k_fold(data.load_text("bible_en")[-2_800_000:], 9)
    )
    models = [NGramModel(6, len(vocabulary)).fit(counted) for counted in (train, scripture)]
    _, path = mix(by_block(np.concatenate([test[:60_000], verses[:40_000]]), models))  # twenty blocks of each
    assert path[19, 1] < 0.1
    assert [path[i].argmax() for i in (24, 36)] == [0, 1]
