"""Compare what came out of the sandbox with what is right, where students' code never was."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from labutils.coursework.cases import Wrong, equal, sent
from labutils.coursework.draws import personal, secret_rng
from labutils.coursework.lab import Lab, Question
from labutils.coursework.wire import WireError, decode

__all__ = ["Asked", "Mark", "asked", "mark"]

# What each status of a question says, where the checks have no sentence of their own.
SENTENCES = {
    "right": "Right.",
    "partly right": "Right in some cases, not in all.",
    "wrong": "Not right.",
    "unanswered": "No answer yet: the cell is as it was handed out, or what it defines returns nothing.",
    "missing": "Not found: neither the cell nor the name that it defines is in the notebook.",
    "error": "The code raised an error.",
    "timeout": "It did not end in the time there is.",
    "crashed": "It ended the whole process.",
    "out of memory": "It asked for more memory than there is.",
    "unreadable": "The answer is of a type that cannot be read.",
    "by hand": "Read by a person.",
}


# Why what stands in the cell is no answer yet, where the cell is not as it was handed out.
_UNRAISED = "No answer yet: it raises NotImplementedError."
_NONE = {
    "nothing": "It returned nothing: a function that prints its answer has to return it, too.",
    "no value": "No answer yet: the name has no value.",
}


@dataclass
class Mark:
    """What a question got: `sentence` is for the student, `note` for the instructor alone."""

    id: str
    kind: str
    points: float
    of: float
    status: str
    sentence: str = ""
    note: str = ""
    text: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Asked:
    """A question as it is put: its cases, the generator of the student's own data, why there are none."""

    question: Question
    cases: list[Any]
    personal: Callable[[], Any]
    lacking: str = ""

    def sent(self, cell: int, name: str) -> dict[str, Any]:
        """Return what the sandbox is told: inputs, no expected value."""
        cases = [sent(case) for case in self.cases]
        return {
            "id": self.question.id,
            "kind": self.question.kind,
            "cell": cell,
            "name": name,
            "cases": cases,
        }


def asked(
    lab: Lab, question: Question, secret: bytes, student: str, content_hash: str, own: str | None
) -> Asked:
    """Draw what a question asks: other inputs for every student and every version handed in."""

    def own_data() -> Any:
        if own is None:
            raise Wrong("The notebook states no student id, and your data are drawn from it.")
        return personal(lab.name, own)

    rng = secret_rng(secret, lab.name, question.id, student, content_hash)
    try:
        return Asked(question, lab.cases(question, rng, own_data), own_data)
    except Wrong as wrong:
        return Asked(question, [], own_data, str(wrong))


def blank(question: Question, status: str, note: str = "", sentence: str = "") -> Mark:
    """Return a mark without points."""
    return Mark(question.id, question.kind, 0.0, question.points, status, sentence or SENTENCES[status], note)


def mark(lab: Lab, put: Asked, answer: dict[str, Any]) -> Mark:
    """Compare the answer to a question, a message that nobody vouches for, with what is right."""
    question, status, results = put.question, answer.get("status"), answer.get("results")
    if status in ("unanswered", "timeout", "crashed", "unreadable", "out of memory"):
        return blank(
            question,
            str(status),
            sentence=_NONE.get(str(answer.get("returned")), _UNRAISED) if status == "unanswered" else "",
        )
    if status == "undefined":
        return blank(
            question, "error", sentence="The name it should define was not there after its cell had run."
        )
    if put.lacking:
        return blank(question, "wrong", sentence=put.lacking)
    wanted: list[Any] = put.cases or [None]
    if status != "answered" or not isinstance(results, list) or len(results) != len(wanted):
        return blank(question, "unreadable", "a malformed answer came out of the sandbox")
    right, sentences, statuses, notes = 0, [], [], []
    for case, result in zip(wanted, results, strict=True):
        found, sentence, note = _one(lab, put, case, result)
        right += found == "right"
        statuses.append(found)
        sentences.append(sentence)
        notes.append(note)
    if right == len(wanted):
        return Mark(question.id, question.kind, question.points, question.points, "right", SENTENCES["right"])
    first = next(n for n, found in enumerate(statuses) if found != "right")
    sentence = next((text for text in sentences if text), SENTENCES[statuses[first]])
    share = right / len(wanted) if lab.partial(question) else 0.0
    status = "partly right" if share else statuses[first]
    note = f"{right} of {len(wanted)} cases right" + (f"; {notes[first]}" if notes[first] else "")
    return Mark(
        question.id, question.kind, round(question.points * share, 2), question.points, status, sentence, note
    )


def _one(lab: Lab, put: Asked, case: Any, result: Any) -> tuple[str, str, str]:
    """The status of one case, a sentence for the student or "", and a note for the instructor."""
    fault = result.get("fault") if isinstance(result, dict) else None
    if isinstance(fault, dict):
        return told(fault)
    if not isinstance(result, dict) or "value" not in result:
        return "unreadable", "", "a malformed answer came out of the sandbox"
    try:
        found = decode(result["value"])
    except WireError as error:
        return "unreadable", "", f"it answered {error}"
    compare = lab.compare(put.question)
    try:
        expected = lab.reference(
            put.question, case, put.personal
        )  # a fault of the checks: the grader's, not wrong
    except Wrong as wrong:
        return "wrong", str(wrong), ""
    try:
        verdict = compare(found, expected) if compare else equal(found, expected)
    except Wrong as wrong:
        verdict = str(wrong)
    except Exception as error:  # an answer of an unforeseen shape
        return "wrong", "", f"the comparison raised {type(error).__name__}: {str(error)[:200]}"
    if verdict is None or (isinstance(verdict, bool | np.bool_) and verdict):
        return "right", "", ""
    if isinstance(verdict, str):
        allowed = verdict in lab.sentences
        return (
            "wrong",
            verdict if allowed else "",
            "" if allowed else f"not shown to the student: {verdict[:300]}",
        )
    return "wrong", "", ""


def told(fault: dict[str, Any]) -> tuple[str, str, str]:
    """Return status, sentence and note of a fault that the runner told; no word of theirs comes through."""
    kind = fault.get("type")
    if kind in ("timeout", "out of memory"):
        return kind, "", ""
    if kind == "unreadable":
        return "unreadable", "", f"it answered {str(fault.get('what'))[:200]}"
    where = ""
    if type(fault.get("cell")) is int and type(fault.get("line")) is int:
        where = f" in line {fault['line']} of cell {fault['cell'] + 1}"
    builtin = getattr(builtins, str(kind), None)
    known = isinstance(builtin, type) and issubclass(builtin, BaseException)
    return "error", f"The code raised {kind if known else 'an exception'}{where}.", ""
