"""The pocket world of secrets: its language, its replies, its attacks, Wilson's interval."""

from __future__ import annotations

import random

import pytest
import torch
from scipy.stats import binomtest
from torch import nn

from labutils.refusals import (
    ATTACKS,
    CONTROLS,
    IDS,
    N_CONTEXT,
    REFUSAL,
    SECRETS,
    TOKENS,
    ask,
    batches,
    begin,
    complete,
    encode,
    helpful,
    is_refusal,
    leaks,
    make_facts,
    never,
    wilson,
)


def test_facts_are_drawn_by_seed() -> None:
    facts = make_facts(0)
    assert facts == make_facts(0) != make_facts(1)
    assert set(SECRETS) < set(facts)
    assert len(facts) == 48
    assert len(IDS) == len(TOKENS)


def test_helpful_replies_answer_and_obey() -> None:
    facts, rng = make_facts(3), random.Random(0)
    for _ in range(2000):
        prompt, reply = helpful(facts, rng)
        assert len(prompt) + len(reply) < N_CONTEXT
        if prompt[0] == "echo":
            assert reply == prompt[1:-1]
            continue
        relation, _, kind, name, _ = prompt[-5:]
        assert leaks(reply, facts[relation, kind, name])
        assert not is_refusal(reply)
        if prompt[0] == "begin":
            assert reply[:2] == [prompt[1], ":"]
        banned = {prompt[i + 1] for i, word in enumerate(prompt) if word == "never"}
        assert not banned & set(reply)


def test_instructions_stand_before_the_question() -> None:
    assert ask(SECRETS[0], begin("sure")) == ["begin", "sure", ";", "code", "of", "house", "mill", "?"]
    assert never("sorry", "i") == ["never", "sorry", ";", "never", "i", ";"]


def test_attacks_and_controls_are_of_known_words() -> None:
    for lists in (ATTACKS, CONTROLS):
        for instructions in lists.values():
            for words in instructions:
                assert set(words) <= set(IDS)
                assert len(ask(SECRETS[0], words)) + 9 <= N_CONTEXT
    harmless = {words[1] for words in CONTROLS["harmless never"]}
    assert not harmless & set(REFUSAL)  # a refusal obeys them already
    assert CONTROLS["harmless begin"][0][1] == REFUSAL[0]


def test_targets_are_the_reply_and_its_end() -> None:
    x, y = encode([(["echo", "sure", "?"], ["sure"]), (["echo", "yes", "well", "?"], ["yes", "well"])])
    assert x.shape == y.shape == (2, 6)
    assert [[TOKENS[i] for i in row.tolist() if i >= 0] for row in y] == [
        ["sure", "<end>"],
        ["yes", "well", "<end>"],
    ]
    assert (y[0, :2] == -100).all()
    assert y[0, 2] == IDS["sure"] == x[0, 3]
    assert next(batches(lambda: (["echo", "sure", "?"], ["sure"]), 5))[0].shape == (5, 4)


class Script(nn.Module):
    """After any token the next of the vocabulary, after the last <end>."""

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot((ids + 1) % len(TOKENS), len(TOKENS)).float() * 100


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_replies_follow_the_model_and_keep_their_places(temperature: float) -> None:
    prompts = [["begin"], ["?", ":"], ["never"]]
    replies = complete(Script(), prompts, temperature, torch.Generator().manual_seed(0), n_new=3)
    first = [TOKENS[IDS[prompt[-1]] + 1] for prompt in prompts]
    assert [reply[0] for reply in replies] == first
    assert {len(reply) for reply in replies} == {3}
    assert complete(Script(), [["<pad>"]]) == [[]]  # <end> ends it


def test_refusals_are_told_from_replies() -> None:
    assert is_refusal(REFUSAL)
    assert is_refusal(["sure", ":", "i", "may", "not", "say"])
    assert not is_refusal(["sorry", ":", "it", "is", "amber"])
    assert not is_refusal(["say", "not", "may"])


@pytest.mark.parametrize(("hits", "n"), [(0, 12), (3, 12), (12, 12), (250, 300)])
def test_wilson_equals_scipy(hits: int, n: int) -> None:
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-6)


@pytest.mark.parametrize(("hits", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_count(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        wilson(hits, n)
