"""Honest submissions, in every state that students hand in: the right score, or a status that says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coursework_kit import GATE, MASTER, RIGHT, graded, handed_in, light, packed, points, statuses
from labutils.coursework.lab import Lab, load

Notebook = dict[str, Any]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    lab = light(tmp_path_factory.mktemp("lab"))
    return replace(lab, limits=replace(lab.limits, cell_seconds=1.5, question_seconds=1.0))


def cell(notebook: Notebook, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in notebook["cells"] if one["id"] == name)
    return found


def test_a_perfect_one_gets_full_marks_with_a_module_among_its_answers() -> None:
    lab = load(MASTER)
    result = graded(lab, handed_in(lab, RIGHT | {"q3": GATE}))
    assert result["status"] == "graded"
    assert points(result) == {"q1": 4, "q2": 6, "q3": 6, "q4": 0}
    assert statuses(result)["q4"] == "by hand"
    assert result["points"] == 16


@pytest.mark.parametrize(
    "wrong",
    [
        GATE.replace("/ (1 + torch.exp(-self.gate(x)))", "* self.gate(x)"),
        GATE.replace(
            "self.gate = nn.Linear(width, width)", "self.gate = nn.Linear(width, width, bias=False)"
        ),
        GATE.replace("self.value(x) /", "x /"),
    ],
)
def test_a_wrong_module_gets_nothing(wrong: str) -> None:
    lab = load(MASTER)
    result = graded(lab, handed_in(lab, {"q3": wrong}))
    assert points(result)["q3"] == 0
    assert statuses(result)["q3"] in ("wrong", "error")


ARRAYS = "def entropy(p):\n    p = np.asarray(p, float)\n    p = p[p > 0]\n    return (p * -np.log2(p)).sum()"
IN_PLACE = (
    "def entropy(p):\n    p = np.array(p, dtype=float) if isinstance(p, list) else p\n    p += 1e-300\n"
    "    p *= -np.log2(p)\n    return np.float32(p.sum())"
)
ONE_ELEMENT = ARRAYS.replace("return (p * -np.log2(p)).sum()", "return [float((p * -np.log2(p)).sum())]")
NATS = ARRAYS.replace("log2", "log")
FORGOT_ZERO = "def entropy(p):\n    p = np.asarray(p)\n    return -(p * np.log2(p)).sum()"
MEMORISED = "def entropy(p):\n    return 0.0 if max(p) == 1 else 2.0"


@pytest.mark.parametrize("source", [ARRAYS, IN_PLACE, ONE_ELEMENT])
def test_answers_written_otherwise_are_right(lab: Lab, source: str) -> None:
    assert points(graded(lab, handed_in(lab, {"q2": source})))["q2"] == 6


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (NATS, "This is the entropy in nats: take the logarithm to the base 2."),
        (FORGOT_ZERO, "This is not the entropy of these probabilities."),
        (MEMORISED, "This is not the entropy of these probabilities."),
        ("def entropy(p):\n    return undefined_name", "The code raised NameError in line 2 of cell 7."),
        ("def entropy(p):\n    return 'text'", "This is not the entropy of these probabilities."),
        ("def entropy(p):\n    return object()", "The answer is of a type that cannot be read."),
        ("entropy = 7", "The code raised TypeError."),
        (
            "def entropy(p):\n    print(p)",
            "It returned nothing: a function that prints its answer has to return it, too.",
        ),
        (
            "def entropie(p):\n    return 1",
            "Its cell does not define entropy; what it defines last was taken for the answer. "
            "This is not the entropy of these probabilities.",
        ),
        (
            "def entropy(p):\n    # later\n    raise NotImplementedError",
            "No answer yet: it raises NotImplementedError.",
        ),
    ],
)
def test_wrong_answers_get_nothing_and_a_sentence(lab: Lab, source: str, sentence: str) -> None:
    result = graded(lab, handed_in(lab, {"q2": source}))
    assert points(result)["q2"] == 0
    assert {mark["id"]: mark["sentence"] for mark in result["questions"]}["q2"] == sentence


def test_a_notebook_of_another_language_is_told_so(lab: Lab) -> None:
    notebook = handed_in(lab, {"q2": "entropy <- function(p) {\n  -sum(p * log2(p))\n}"})
    other_kernel(notebook)
    result = graded(lab, packed(notebook))
    assert (result["status"], result["points"]) == ("partial", 0)
    assert result["reason"].startswith("Its kernel is one for R, and answers are read as Python. q2: ")


def test_a_sentence_with_a_right_value_in_it_is_for_the_instructor_alone(lab: Lab) -> None:
    result = graded(lab, handed_in(lab, {"q2": ARRAYS.replace("-np", "np")}))
    mark = next(mark for mark in result["questions"] if mark["id"] == "q2")
    assert mark["sentence"] == "Not right."
    assert "The sign is wrong" in mark["note"]


def test_an_empty_one_gets_nothing_and_says_so(lab: Lab) -> None:
    result = graded(lab, handed_in(lab, {}))
    assert (result["points"], result["status"], result["attempts"]) == (0, "graded", 0)
    assert result["reason"] == "No question is answered."
    assert set(statuses(result).values()) == {"unanswered"}


def test_half_of_one_gets_half(lab: Lab) -> None:
    result = graded(lab, handed_in(lab, {"q2": RIGHT["q2"]}))
    assert (result["status"], points(result)) == ("graded", {"q1": 0, "q2": 6, "q4": 0})


def test_data_of_another_student_are_wrong(lab: Lab) -> None:
    answers = {
        "q1": 'counts = personal("tiny", "s2").integers(10, 60, size=6)\nshare = counts[5] / counts.sum()'
    }
    assert points(graded(lab, handed_in(lab, answers)))["q1"] == 0


def changed(change: Callable[[Notebook], None], **answers: str) -> Callable[[Lab], bytes]:
    def make(lab: Lab) -> bytes:
        notebook = handed_in(lab, RIGHT | answers)
        change(notebook)
        return packed(notebook)

    return make


def lose_metadata(notebook: Notebook) -> None:
    notebook["metadata"] = {}
    for number, one in enumerate(notebook["cells"]):
        one["metadata"] = {}
        one["id"] = f"lost-{number}"


def by_colab(notebook: Notebook) -> None:
    notebook["metadata"] = {"colab": {"provenance": []}, "kernelspec": {"name": "python3"}}
    for one in notebook["cells"]:
        one["metadata"] = {"id": one.pop("id"), "colab": {"base_uri": "https://localhost:8080/"}}


def drop(*names: str) -> Callable[[Notebook], None]:
    def change(notebook: Notebook) -> None:
        notebook["cells"] = [one for one in notebook["cells"] if one["id"] not in names]

    return change


def elsewhere(notebook: Notebook) -> None:
    """The cell as it was handed out, and the answer in a new cell below."""
    answer = {"cell_type": "code", "id": "new", "metadata": {}, "outputs": [], "source": RIGHT["q2"]}
    notebook["cells"].append(answer)
    cell(notebook, "q2")["source"] = load(MASTER).question("q2").stub


def renamed(notebook: Notebook) -> None:
    cell(notebook, "q2")["source"] = RIGHT["q2"].replace("entropy", "my_entropy")


def other_kernel(notebook: Notebook) -> None:
    notebook["metadata"]["kernelspec"] = {
        "name": "my-own-environment",
        "display_name": "Mine",
        "language": "R",
    }


def magics(notebook: Notebook) -> None:
    source = "%matplotlib inline\n!pip install numpy\n" + RIGHT["q2"] + "\nentropy?"
    cell(notebook, "q2")["source"] = source
    cell(notebook, "check-q2")["source"] = "%%bash\necho hello"


def huge_output(notebook: Notebook) -> None:
    text = "print('x' * 80_000_000)\n" + RIGHT["q2"]
    cell(notebook, "q2")["source"] = text
    cell(notebook, "check-q2")["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": "y" * 5_000_000}
    ]


def plots(notebook: Notebook) -> None:
    cell(notebook, "check-q2")["source"] = "display(1)\nget_ipython()\nimport os; os.environ['MPLBACKEND']"


@pytest.mark.parametrize(
    "make",
    [
        changed(lose_metadata),
        changed(by_colab),
        changed(drop("check-q2", "public", "title")),
        changed(elsewhere),
        changed(renamed),
        changed(other_kernel),
        changed(magics),
        changed(huge_output),
        changed(plots),
        lambda lab: b"\xef\xbb\xbf" + packed(handed_in(lab, RIGHT)),
    ],
    ids=["bare", "colab", "deleted", "elsewhere", "renamed", "kernel", "magics", "huge", "display", "bom"],
)
def test_what_happens_to_notebooks_costs_no_points(lab: Lab, make: Callable[[Lab], bytes]) -> None:
    result = graded(lab, make(lab))
    assert (points(result), result["status"]) == ({"q1": 4, "q2": 6, "q4": 0}, "graded"), result
    assert statuses(result)["q4"] == "by hand"


ENDLESS = "while True:\n    pass"
STUBBORN = (
    "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"
)
EARLY = {"cell_type": "code", "id": "early", "metadata": {}, "outputs": []}


@pytest.mark.parametrize(
    ("q2", "status", "of_question"),
    [
        ("def entropy(p:\n    return 0", "partial", "error"),
        (ENDLESS, "partial", "timeout"),
        (STUBBORN, "partial", "timeout"),
        (f"def entropy(p):\n    {ENDLESS.replace('    ', '        ')}", "partial", "timeout"),
        ("def entropy(p):\n    import os\n    os._exit(0)", "partial", "crashed"),
        ("import os\nos._exit(0)", "partial", "crashed"),
        ("import sys\nsys.exit()", "partial", "error"),
        ("x = bytearray(30_000_000_000)", "partial", "out of memory"),
        ("def entropy(p):\n    return bytearray(30_000_000_000)", "partial", "out of memory"),
        ("import ctypes\nctypes.string_at(0)", "partial", "crashed"),
    ],
)
def test_a_broken_cell_loses_its_own_question_only(lab: Lab, q2: str, status: str, of_question: str) -> None:
    result = graded(lab, handed_in(lab, RIGHT | {"q2": q2}))
    assert (result["status"], statuses(result)["q2"]) == (status, of_question), result
    assert points(result) == {"q1": 4, "q2": 0, "q4": 0}
    assert "q2" in result["reason"]


def test_a_broken_cell_of_no_question_is_left_out(lab: Lab) -> None:
    notebook = handed_in(lab, RIGHT)
    notebook["cells"].insert(2, EARLY | {"source": "import os\nos._exit(3)"})
    result = graded(lab, notebook)
    assert (result["points"], result["attempts"]) == (10, 2)


def test_a_deleted_question_is_said(lab: Lab) -> None:
    result = graded(lab, changed(drop("q2"))(lab))
    assert (result["status"], result["reason"]) == ("question missing", "Not in the notebook: q2.")
    assert points(result) == {"q1": 4, "q2": 0, "q4": 0}


def other_lab(lab: Lab) -> bytes:
    notebook = handed_in(lab, RIGHT)
    notebook["metadata"]["labutils"]["lab"]["name"] = "another"
    return packed(notebook)


@pytest.mark.parametrize(
    ("make", "status", "reason"),
    [
        (other_lab, "wrong lab", "another"),
        (lambda lab: packed({"cells": [], "metadata": {}}), "wrong lab", "None of the questions"),
        (lambda lab: b"", "not a notebook", "empty"),
        (lambda lab: b"print(1)", "not a notebook", "not JSON"),
        (lambda lab: b"\x89PNG\xff", "not a notebook", "no text"),
        (lambda lab: b"[1, 2]", "not a notebook", "no list of cells"),
        (lambda lab: json.dumps({"worksheets": []}).encode(), "not a notebook", "no list of cells"),
        (lambda lab: b"[" * 200_000, "not a notebook", "not JSON"),
        (lambda lab: b'{"cells": [3]}', "not a notebook", "cells"),
        (lambda lab: b'{"cells": [{"cell_type": "code", "source": 1e999}]}', "not a notebook", "no text"),
    ],
)
def test_what_cannot_be_graded_says_why(lab: Lab, make: Any, status: str, reason: str) -> None:
    result = graded(lab, make(lab))
    assert (result["status"], result["points"]) == (status, 0)
    assert reason in result["reason"]
    assert len(result["questions"]) == 3


@pytest.mark.parametrize("name", ["q1", "q2"])
def test_a_notebook_without_a_student_id_says_so(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(lab.checks, "inputs_q2", lambda rng, personal: [(personal.dirichlet([1, 1]),)])
    notebook = handed_in(lab, {"q1": "share = 0.2", "q2": RIGHT["q2"]}, student="")
    mark = next(mark for mark in graded(lab, notebook)["questions"] if mark["id"] == name)
    assert mark["status"] == "wrong"
    assert mark["sentence"] == "The notebook states no student id, and your data are drawn from it."
    assert points(graded(lab, handed_in(lab, RIGHT)))["q2"] == 6


def test_a_text_alone_is_an_answer(lab: Lab) -> None:
    assert graded(lab, handed_in(lab, {"q4": RIGHT["q4"]}))["reason"] == "Every question was looked at."


def test_a_reference_that_breaks_is_not_the_students_fault(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.checks, "reference_q2", lambda p: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # a batch says: grader failed
        graded(lab, handed_in(lab, RIGHT))


def test_inputs_are_other_for_every_student_and_version(lab: Lab, tmp_path: Path) -> None:
    from labutils.coursework.judge import asked

    drawn = {
        str(asked(lab, lab.question("q2"), secret, student, version, "s1").cases)
        for secret in (b"1" * 16, b"2" * 16)
        for student in ("anna", "ben")
        for version in ("a", "b")
    }
    assert len(drawn) == 8
