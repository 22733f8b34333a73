"""The text of the pocket models: how it is cut, and a tokenizer that gives every text back."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from labutils.models import pretrained
from labutils.pocket.publish import wrap
from labutils.pocket.text import N_VOCAB, SPECIAL, encode, split, train_tokenizer

quick = settings(deadline=None, max_examples=200, derandomize=True)
COMMITTED = {
    name: Tokenizer.from_file(str(folder / "tokenizer.json")) for name, folder in pretrained.POCKET.items()
}


# ---- split ----


@quick
@given(st.lists(st.text(st.characters(exclude_characters="\n"), max_size=30), min_size=30, max_size=60))
def test_both_parts_are_the_text_and_the_cut_is_at_a_lines_end(lines):
    text = "".join(line + "\n" for line in lines)
    first, last = split(text)
    assert first + last == text
    assert first == "" or first.endswith("\n")
    assert len(first) <= len(text) * 9 // 10 + 1
    assert text.find("\n", len(first)) + 1 > len(text) * 9 // 10  # the next line's end would be too late


def test_the_bible_unless_a_text_is_given():
    first, last = split()
    assert len(first) / len(first + last) == pytest.approx(0.9, abs=1e-4)
    assert first.endswith("\n")
    assert "In the beginning God" in first[:40]


# ---- tokens ----


@pytest.mark.parametrize("name", COMMITTED)
@quick
@given(st.text())
def test_every_text_comes_back(name, text):
    tokenizer = COMMITTED[name]
    ids = encode(tokenizer, text)
    assert ids.dtype == np.int64
    assert ids.ndim == 1
    if not any(special in text for special in SPECIAL):
        assert tokenizer.decode(list(ids)) == text
        assert all(i >= len(SPECIAL) for i in ids)


def test_the_tokens_are_what_the_trainer_makes():
    """Of the first lines alone: the whole text takes a while. Special tokens come first."""
    text = split()[0][:100_000]
    tokenizer = train_tokenizer(text, 400)
    vocabulary = tokenizer.get_vocab()
    assert len(vocabulary) == 400
    assert [vocabulary[special] for special in SPECIAL] == list(range(5))
    assert len(tokenizer.encode("Ġ the 中").ids) > 5
    assert tokenizer.to_str() == train_tokenizer(text, 400).to_str()  # the same each time
    assert len(encode(tokenizer, text)) < 0.6 * len(text)


def test_both_models_have_the_same_tokens():
    gpt, bert = (json.loads(tokenizer.to_str())["model"] for tokenizer in COMMITTED.values())
    assert gpt == bert
    assert len(gpt["vocab"]) == N_VOCAB


def test_a_berts_tokenizer_frames_and_a_gpts_pads_on_the_left():
    plain = COMMITTED["pocket-gpt"]
    gpt, bert = wrap(plain, "gpt"), wrap(plain, "bert")
    words = encode(plain, " the light").tolist()
    assert bert(" the light").input_ids == [2, *words, 3]
    assert bert(" the", " light").input_ids == [2, *encode(plain, " the"), 3, *encode(plain, " light"), 3]
    assert bert.model_max_length == 128
    assert (bert.cls_token_id, bert.sep_token_id, bert.mask_token_id, bert.pad_token_id) == (2, 3, 4, 0)
    batch = gpt([" the light", " the"], padding=True)
    assert batch.input_ids[0] == words
    assert batch.input_ids[1] == [0] * (len(words) - 1) + words[:1]
    assert (gpt.bos_token_id, gpt.eos_token_id, gpt.pad_token_id) == (1, 1, 0)
    assert encode(plain, " the light").tolist() == words  # what was wrapped has not changed
