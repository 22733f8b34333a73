"""Encodings, their readings and the model of letters; the world of lockers."""

from __future__ import annotations

import codecs
import math

import pytest
import torch

from labutils import lockers
from labutils.encodings import ENCODINGS, Encoding, LetterModel, compose, listed, normalise, readings

TEXTS = ("crow", "the quick brown fox jumps over a lazy dog", "", "a b, c")
WORDS = ["crow", "crown", "row", "owl", "bowl", "cow", "brow", "own"]


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=list(ENCODINGS))
@pytest.mark.parametrize("text", TEXTS)
def test_decoding_undoes_encoding(encoding: Encoding, text: str) -> None:
    assert encoding.decode(encoding.encode(text)) == text
    assert encoding.encode(text.upper()) == encoding.encode(text)
    assert readings(encoding.encode(text))[encoding.name] == text


def test_known_texts() -> None:
    assert ENCODINGS["rot13"].encode("crow") == codecs.encode("crow", "rot13")
    assert ENCODINGS["digits"].encode("az j") == "0126 10"
    assert ENCODINGS["leet"].encode("toast") == "70457"
    assert ENCODINGS["greek"].encode("abc") == "αβγ"
    assert ENCODINGS["reversed"].encode("crow") == "worc"


def test_compositions() -> None:
    both = compose(ENCODINGS["reversed"], ENCODINGS["greek"])
    assert both.name == "reversed + greek"
    assert both.encode("crow") == ENCODINGS["greek"].encode("worc")
    for text in TEXTS:
        assert both.decode(both.encode(text)) == text
    assert compose(ENCODINGS["rot13"], ENCODINGS["rot13"]).encode("crow") == "crow"


def test_letter_model_is_a_distribution() -> None:
    model = LetterModel(WORDS, n_signs=40)
    seen = sorted(set("".join(WORDS)) | {" "})
    for before in ("  ", " c", "cr", "zz", "ow"):
        total = sum(model.probability(sign, before) for sign in seen)
        unseen = model.probability("z", before) * (40 - len(seen))
        assert total + unseen == pytest.approx(1)
    assert model.bits("crow") < model.bits("worc") < model.bits("ςοχγ")
    expected = [-math.log2(model.probability(s, b)) for s, b in (("o", "  "), ("x", " o"), (" ", "ox"))]
    assert model.bits("ox") == pytest.approx(sum(expected) / 3)
    with pytest.raises(ValueError, match="no words"):
        LetterModel([])


def test_normalise_and_word_list() -> None:
    model = LetterModel(WORDS)
    for name in ("plain", "rot13", "greek", "braille", "digits"):
        assert normalise(ENCODINGS[name].encode("crow"), model) == (name, "crow")
        assert listed(ENCODINGS[name].encode("the crow sat"), ["crow"])
    assert not listed("crown", ["crow"])
    assert not listed(compose(ENCODINGS["reversed"], ENCODINGS["greek"]).encode("crow"), ["crow"])


def test_register_and_questions() -> None:
    locker, secret = lockers.register(2)
    assert sorted(locker) == sorted(lockers.NAMES)
    assert len(set(secret)) == 12
    assert lockers.register(2) == (locker, secret)
    assert lockers.register(3) != (locker, secret)
    asked = lockers.questions(locker, ["plain", "digits"], ["ant", "crow"], refuse=["crow"])
    assert asked[1] == ("crow", lockers.REFUSAL)
    assert asked[2] == ("011420", locker["ant"])
    ids, last, answers = lockers.batch(asked)
    assert ids.shape == (4, 9)
    assert [lockers.SIGNS[i] for i in ids[torch.arange(4), last].tolist()] == ["?"] * 4
    assert [lockers.SIGNS[i] for i in answers.tolist()] == [sign for _, sign in asked]


def test_caution_weighs_refusals_at_two_fifths() -> None:
    locker, secret = lockers.register(0)
    for covered in (["plain"], list(ENCODINGS)):
        asked, weights = lockers.caution(locker, secret, covered)
        refused = sum(w for w, (_, sign) in zip(weights, asked, strict=True) if sign == lockers.REFUSAL)
        assert refused == pytest.approx(0.4)
        assert sum(weights) == pytest.approx(1)
        assert len(asked) == 12 * len(covered) + 36 * 7


def test_what_fills_a_row_up_is_not_seen() -> None:
    model = lockers.fresh(0, d_model=16)
    short = lockers.batch([("ant", "①")])
    long = lockers.batch([("ant", "①"), ("0118051518", "②")])
    torch.testing.assert_close(
        lockers.logits(model, *short[:2])[0], lockers.logits(model, *long[:2])[0], atol=1e-5, rtol=1e-5
    )


def test_a_small_model_learns_and_its_outcomes_are_counted() -> None:
    locker, secret = lockers.register(1)
    model = lockers.fresh(1, d_model=32)
    asked = lockers.questions(locker, ["plain"], list(locker)[:8], refuse=secret[:4])
    lockers.fit(model, asked, 120, 3e-3, 0, n_batch=16)
    found = lockers.outcomes(model, locker, list(locker)[:8], ["plain"])["plain"]
    assert found == lockers.Outcome(0.5, 0.5)
    assert lockers.reply(model, [secret[0]]) == [lockers.REFUSAL]
