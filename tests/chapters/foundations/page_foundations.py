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
