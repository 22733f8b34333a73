"""Answers of exercises that say what comes out, and a remark, where no cell of the page measures it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from labutils import data
from labutils.ngram import NGramModel
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
