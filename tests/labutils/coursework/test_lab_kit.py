"""The helper with which a lab's tests show that its hidden checks tell right answers from wrong ones."""

from __future__ import annotations

import pytest

from coursework_kit import GATE, MASTER, RIGHT
from lab_kit import discriminates, marks, solution
from labutils.coursework.lab import load

LAB = load(MASTER)
GOOD = {
    "q1": {"shorter": RIGHT["q1"], "in two steps": f"{RIGHT['q1']}\nshare = np.float32(share)"},
    "q2": {
        "with lists": RIGHT["q2"],
        "a float32": solution(LAB, "q2", ("return float(", "return np.float32(")),
    },
    "q3": {
        "by hand": GATE,
        "a product": solution(LAB, "q3", (" * torch.sigmoid", ".mul(torch.sigmoid"), ("(x))", "(x)))")),
    },
}
BAD = {
    "q1": {
        "of fives": RIGHT["q1"].replace("[5]", "[4]"),
        "in percent": f"{RIGHT['q1']}\nshare *= 100",
        "a count": "counts = personal('tiny', STUDENT).integers(10, 60, size=6)\nshare = counts[5]",
    },
    "q2": {
        "nats": solution(LAB, "q2", ("log2", "log")),
        "zeros": solution(LAB, "q2", ("[weights > 0]", "")),
        "no Python": "def entropy(p:",
    },
    "q3": {
        "no sigmoid": GATE.replace("/ (1 + torch.exp(-self.gate(x)))", "* self.gate(x)"),
        "no bias": GATE.replace("nn.Linear(width, width)", "nn.Linear(width, width, bias=False)"),
        "one layer": GATE.replace("self.gate(x)", "self.value(x)"),
    },
}


def test_right_and_wrong_answers_are_told_apart() -> None:
    discriminates(LAB, GOOD, BAD)


def test_an_answer_that_defines_nothing_is_not_the_solutions() -> None:
    got = marks(LAB, {"q2": {"renamed": "def other(p):\n    return 0"}})
    assert {name: one.status for name, one in got["q2"].items()} == {
        "the solution": "right",
        "renamed": "error",
    }


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ({**GOOD, "q2": BAD["q2"]}, {**BAD, "q2": {**BAD["q2"], "x": "entropy = 1"}}, "a label twice"),
        (GOOD, {**BAD, "q2": {"a": "entropy = 1", "b": "entropy = 2"}}, "fewer than 3 wrong answers to q2"),
        (GOOD, {**BAD, "q9": {}}, "no such question"),
        (GOOD, {**BAD, "q2": {"right": RIGHT["q2"], **BAD["q2"]}}, "q2, right: right"),
    ],
)
def test_what_does_not_hold_is_said(
    right: dict[str, dict[str, str]], wrong: dict[str, dict[str, str]], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        discriminates(LAB, right, wrong)
