"""labutils.text: vocabularies, splits, batches, byte-pair encoding, against slow versions and round trips."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labutils.text import Vocabulary, as_ids, batches, k_fold, train_bpe, words

quick = settings(deadline=None, max_examples=60, derandomize=True)
HARD = "naïve café\r\n\t語言模型，三国演义。👩‍🚀👍🏽 \u0000\ufffd\U0010ffff İß\u00a0e\u0301"
some_text = st.text(min_size=1, max_size=60)


# ---- Vocabularies ----


def test_most_frequent_first_and_ties_in_code_point_order():
    assert Vocabulary.from_text("banana!b").tokens == ("a", "b", "n", "!")
    assert Vocabulary.from_text("the cat, the dog", "word").tokens == ("the", ",", "cat", "dog")


@quick
@given(some_text)
@example(HARD)
def test_any_text_comes_back_from_its_characters(text):
    vocabulary = Vocabulary.from_text(text)
    ids = vocabulary.encode(text)
    assert ids.dtype == np.int64
    assert ids.tolist() == [vocabulary.tokens.index(character) for character in text]
    assert vocabulary.decode(ids) == text
    assert len(vocabulary) == len(set(text))


@quick
@given(some_text.filter(str.strip))
@example(HARD)
def test_words_come_back_joined_by_single_spaces(text):
    assert "".join(words(text)) == "".join(text.split())  # nothing but white space is lost
    vocabulary = Vocabulary.from_text(text, "word")
    assert vocabulary.decode(vocabulary.encode(text)) == " ".join(words(text))


def test_words_are_runs_of_letters_and_single_marks():
    assert words("It's 3.14?! 曹操…\n") == ["It", "'", "s", "3", ".", "14", "?", "!", "曹操", "…"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),  # vowels and a virama are marks of their consonants
        ("cafe\u0301 olé", ["cafe\u0301", "olé"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),  # one word, with a joiner in it
        ("snake_case __init__", ["snake", "_", "case", "_", "_", "init", "_", "_"]),
        ("x² 三国3", ["x²", "三国3"]),
        ("\u0301a", ["\u0301", "a"]),  # a mark without a letter is a sign
        ("a\x1cb\u3000c", ["a", "b", "c"]),  # what str.split takes for white space
    ],
)
def test_marks_belong_to_their_letters_and_underscores_to_nobody(text, expected):
    assert words(text) == expected


@quick
@given(some_text, some_text, st.sampled_from(["char", "word"]), st.integers(2, 6), st.integers(1, 3))
@example("\ufffd\ufffdab", "b\ufffda", "char", 3, 1)  # the unknown mark itself occurs in the text
def test_open_vocabulary_keeps_the_frequent_and_maps_the_rest(text, new, level, max_size, min_count):
    split = list if level == "char" else words
    counts = Counter(split(text))
    if not counts:
        return
    vocabulary = Vocabulary.from_text(text, level, max_size=max_size, min_count=min_count)
    *kept, unknown = vocabulary.tokens
    assert len(vocabulary) <= max_size
    assert vocabulary.unknown_id == len(kept)
    assert all(counts[token] >= min_count for token in kept)
    dropped = [counts[token] for token in counts if token not in (*kept, unknown)]
    if len(vocabulary) == max_size:  # what was dropped is no more frequent than what was kept
        assert all(count <= min(counts[token] for token in kept) for count in dropped)
    else:
        assert all(count < min_count for count in dropped)
    expected = [kept.index(token) if token in kept else len(kept) for token in split(new)]
    assert vocabulary.encode(new).tolist() == expected


@pytest.mark.parametrize("level", ["char", "word"])
def test_closed_vocabulary_names_what_it_lacks(level):
    vocabulary = Vocabulary.from_text("a b", level)
    with pytest.raises(ValueError, match="text has 'z' at position"):
        vocabulary.encode("a b z")
    assert vocabulary.encode("").size == 0
    assert vocabulary.decode([]) == ""


def test_half_of_a_surrogate_pair_is_a_character_too():
    vocabulary = Vocabulary.from_text("a\ud83d")
    assert vocabulary.decode(vocabulary.encode("\ud83da")) == "\ud83da"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Vocabulary.from_text(""), "^text is empty"),
        (lambda: Vocabulary.from_text(" \n", "word"), "^text is empty or all white space"),
        (lambda: Vocabulary.from_text("ab", "byte"), "^level is 'byte'"),
        (lambda: Vocabulary.from_text("ab", "byte", max_size=5), "^level is 'byte'"),
        (lambda: Vocabulary.from_text("ab", max_size=1), "^max_size is 1"),
        (lambda: Vocabulary(()), "^tokens is empty"),
        (lambda: Vocabulary(("a", "a")), "^tokens contains the same token twice"),
        (lambda: Vocabulary(("a", "bc")), "^tokens contains a string that is not one character"),
        (lambda: Vocabulary(("a",), "byte"), "^level is 'byte'"),
        (lambda: Vocabulary(("a",), unknown_id=1), "^unknown_id is 1"),
        (lambda: Vocabulary(("a", "b")).decode([0, 2]), "^ids has ids from 0 to 2"),
        (lambda: Vocabulary(("a", "b")).decode([-1]), "^ids has ids from -1"),
    ],
)
def test_bad_vocabularies_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---- Token numbers ----


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.0, 1.0], "^context has dtype float64"),
        ([float("nan")], "^context has dtype float64"),
        ([True, False], "^context has dtype bool"),
        (["a"], "^context has dtype <U1"),
        ([[0], [1]], r"^context has shape \(2, 1\)"),
        (3, r"^context has shape \(\)"),
        ([[0], [1, 2]], "^context is not an array"),
        ([0, 10], "^context has ids from 0 to 10"),
        ([-1], "^context has ids from -1 to -1"),
        (np.array([2**64 - 1], dtype=np.uint64), "^context has ids from"),
    ],
)
def test_what_is_no_token_number_is_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        as_ids("context", values, 10)


def test_token_numbers_become_int64():
    for values in (np.array([1, 9], dtype=np.uint8), (1, 9), range(1, 10, 8)):
        ids = as_ids("ids", values, 10)
        assert ids.dtype == np.int64
        assert ids.tolist() == [1, 9]
    assert as_ids("ids", [], 10).dtype == np.int64


# ---- Splits and batches ----


@quick
@given(st.text(min_size=2, max_size=60), st.data())
def test_folds_are_equal_pieces_that_rejoin_to_the_text(text, data):
    n_folds = data.draw(st.integers(2, len(text)))
    pairs = [k_fold(text, fold, n_folds) for fold in range(n_folds)]
    assert "".join(test for _, test in pairs) == text
    assert max(len(test) for _, test in pairs) - min(len(test) for _, test in pairs) <= 1
    before = 0
    for train, test in pairs:
        assert train[:before] + test + train[before:] == text
        before += len(test)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("abc", 0, 1), "^n_folds is 1"),
        (("abc", 0, 4), "^n_folds is 4: .*length of text"),
        (("", 0), r"length of text \(0\)"),
        (("abc", 3, 3), "^fold is 3"),
        (("abc", -1, 3), "^fold is -1"),
    ],
)
def test_bad_folds_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        k_fold(*arguments)


@quick
@given(st.integers(1, 5), st.integers(1, 7), st.integers(0, 40), st.integers(0, 2**32))
def test_batches_are_shifted_windows_without_overlap(batch_size, n_steps, extra, seed):
    ids = 3 * np.arange(batch_size * n_steps + 1 + extra) + 7  # each id tells its place
    epoch = list(batches(ids, batch_size, n_steps, np.random.default_rng(seed)))
    n_windows = (len(ids) - 1) // n_steps
    assert len(epoch) == n_windows // batch_size  # the last incomplete batch is left out
    for x, y in epoch:
        assert x.shape == y.shape == (batch_size, n_steps)
        assert np.array_equal(y, x + 3)  # each target is the next token
    starts = np.concatenate([x[:, 0] for x, _ in epoch])
    assert len(set(starts.tolist())) == len(starts)  # no window twice …
    assert ((starts - 7) % (3 * n_steps) == 0).all()  # … and none overlaps another
    again = list(batches(ids, batch_size, n_steps, np.random.default_rng(seed)))
    assert all(np.array_equal(a, b) for a, b in zip(epoch, again, strict=True))


def test_another_generator_gives_another_order():
    ids = np.arange(1001)
    first, second = (next(batches(ids, 100, 10, np.random.default_rng(seed)))[0] for seed in (0, 1))
    assert not np.array_equal(first, second)
    assert np.array_equal(np.sort(first.ravel()), np.sort(second.ravel()))  # all the text, once


@pytest.mark.parametrize(
    ("ids", "batch_size", "n_steps", "message"),
    [
        (np.arange(8), 2, 4, "^ids has 8 tokens: one batch needs 9"),
        ([], 1, 1, "^ids has 0 tokens"),
        ([0.5] * 9, 2, 4, "^ids has dtype float64"),
        ([[1, 2, 3]], 1, 1, r"^ids has shape \(1, 3\)"),
        ([-1, 2], 1, 1, "^ids has ids from -1"),
        (np.arange(9), 0, 4, "^batch_size is 0"),
        (np.arange(9), 2, 0, "n_steps is 0"),
    ],
)
def test_bad_batches_are_refused(ids, batch_size, n_steps, message):
    with pytest.raises(ValueError, match=message):
        next(batches(ids, batch_size, n_steps, np.random.default_rng(0)))


# ---- Byte-pair encoding ----


def test_the_most_frequent_pair_is_merged_first():
    # "ab" occurs four times, "abab" twice: two merges after the 256 bytes.
    vocabulary = train_bpe(["abab abab"], 258).get_vocab()
    assert [token for token, place in vocabulary.items() if place >= 256] in (["ab", "abab"], ["abab", "ab"])
    assert vocabulary["ab"] < vocabulary["abab"]


TOKENIZER = train_bpe(["the cat sat on the mat. " * 20, "三国演义 曹操曰 " * 20], 288)


@quick
@given(st.text(max_size=60))
@example(HARD)
def test_any_text_comes_back_from_byte_pairs(text):
    ids = TOKENIZER.encode(text).ids
    assert TOKENIZER.decode(ids) == text
    assert all(0 <= i < 288 for i in ids)


def test_training_again_gives_the_same_tokens():
    text = "she sells sea shells by the sea shore " * 10
    assert train_bpe(text, 274).get_vocab() == train_bpe(iter([text]), 274).get_vocab()
    assert len(train_bpe(text, 274).encode(text).ids) < len(text.encode()) / 2


@pytest.mark.parametrize(
    ("texts", "size", "message"),
    [
        ([], 300, "^texts is empty"),
        ([""], 300, "^texts is empty"),
        (["ab"], 255, "^vocab_size is 255"),
        (
            ["ab ab"],
            1000,
            r"^vocab_size is 1000: after 258 tokens these texts have no pair left .* ask for 258",
        ),
        (["ab", "c\ud800d"], 257, r"^texts has '\\ud800' at position 1, half of a surrogate pair"),
    ],
)
def test_bad_training_texts_are_refused(texts, size, message):
    with pytest.raises(ValueError, match=message):
        train_bpe(texts, size)
