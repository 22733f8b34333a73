"""Answers of exercises that say what comes out, and a remark, where no cell of the page measures it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import nbformat
import numpy as np
import pytest

from labutils import data
from labutils.models.ngram import NGramModel
from labutils.text import Ids, Vocabulary, k_fold, words
from places import ROOT

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


def run(chapter: str, *cell_ids: str, names: dict[str, Any]) -> None:
    """Run cells of a chapter among `names`."""
    notebook = nbformat.read(ROOT / f"notebooks/foundations/{chapter}.ipynb", as_version=4)
    sources = {cell.id: cell.source for cell in notebook.cells}
    for cell_id in cell_ids:
        exec(sources[cell_id], names)


def test_pairs_of_words_decide_better_and_know_less() -> None:
    """probability, exercise 9: accuracy up a little, the calibration error up by more than half."""
    page: dict[str, Any] = {}
    run("probability", "imports", "calibration", names=page)
    accuracy, error = {}, {}
    for name, units in {
        "words": words,
        "pairs": lambda text: words(text) + [" ".join(pair) for pair in pairwise(words(text))],
    }.items():
        page["words"] = units  # `films` makes index and counts of what this returns
        run("probability", "films", "naive-bayes", "accuracy", names=page)
        log_odds = page["posterior"][:, 1] - page["posterior"][:, 0]
        _, rows = page["confidence"](log_odds, page["y"], page["fold"])
        _, accuracy[name], error[name] = rows.mean(axis=0)
    assert 0.002 < accuracy["pairs"] - accuracy["words"] < 0.02
    assert error["pairs"] > 1.5 * error["words"]


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
