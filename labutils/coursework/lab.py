"""A lab: the master notebook, its questions, and the hidden checks beside it.

A master is a notebook whose metadata name the lab, ``"labutils": {"lab": {"name": "tiny", "title": "…"}}``.

- The cell that a question is answered in has the tags `question=q1`, `kind=` (value, function, module, text),
  `points=` and, where it is not the last name that the cell binds, `defines=`. A text's cell is markdown.
- What stands between lines `### BEGIN SOLUTION` and `### END SOLUTION` does not go out; a stub stands there.
- A code cell tagged `public=q1` holds the public check, `@exercise("q1", defines="share")` above a function;
  `check("q1")` runs it, `check()` all (see `student`). A cell tagged `private` does not go out.
- `STUDENT = ""` in a cell asks for the student's id: `personal(lab, STUDENT)` draws that student's own data.

The hidden checks are in `<stem>_checks.py` (see `cases`), with `LIMITS` where the usual ones do not do.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from labutils.coursework import code
from labutils.coursework.cases import Build, Call, as_case
from labutils.coursework.notebook import Cell, Notebook, parse, read_bytes

__all__ = ["KINDS", "Lab", "LabError", "Limits", "Question", "load"]

KINDS = ("value", "function", "module", "text")


class LabError(ValueError):
    """A master or a checks file that is not as it must be."""


@dataclass(frozen=True)
class Question:
    """A question: `defines` is the name its answer binds (empty for text), `stub` what the release holds."""

    id: str
    kind: str
    points: float
    defines: str
    cell: str
    solution: str
    stub: str


@dataclass(frozen=True)
class Limits:
    """What one submission may use in the sandbox.

    `seconds` are on the clock and for the whole; those of a cell and a question are of processor time.
    """

    seconds: float = 120.0
    cell_seconds: float = 30.0
    question_seconds: float = 10.0
    memory_mb: int = 4000
    processes: int = 64


@dataclass(frozen=True)
class Lab:
    """A lab, with its checks loaded."""

    name: str
    title: str
    path: Path
    notebook: Notebook
    questions: tuple[Question, ...]
    checks: ModuleType
    sentences: frozenset[str]
    limits: Limits
    digest: str

    @property
    def points(self) -> float:
        """The most that can be had."""
        return sum(question.points for question in self.questions)

    @property
    def checks_path(self) -> Path:
        """Where the hidden checks are."""
        return _beside(self.path)

    def question(self, name: str) -> Question:
        """Return a question. KeyError without it."""
        return {question.id: question for question in self.questions}[name]

    def cases(self, question: Question, rng: np.random.Generator, personal: Any) -> list[Call | Build]:
        """Return the cases of a question; none for a value or a text."""
        if question.kind not in ("function", "module"):
            return []
        return [as_case(case) for case in _call(self._of("inputs", question), personal, rng)]

    def reference(self, question: Question, case: Call | Build | None, personal: Any) -> Any:
        """Return what is right for a case (None for a value)."""
        function = self._of("reference", question)
        if case is None:
            return _call(function, personal)
        if isinstance(case, Call):
            return _call(function, personal, *case.args, **case.kwargs)
        return _call(function, personal, case)

    def compare(self, question: Question) -> Callable[[Any, Any], Any] | None:
        """Return the comparison of a question, None where equality does."""
        return getattr(self.checks, f"compare_{question.id}", None)

    def partial(self, question: Question) -> bool:
        """Return whether the share of right cases counts."""
        return bool(getattr(self.checks, f"partial_{question.id}", False))

    def _of(self, what: str, question: Question) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(self.checks, f"{what}_{question.id}")
        return function


def _call(function: Callable[..., Any], personal: Any, *args: Any, **kwargs: Any) -> Any:
    if "personal" in inspect.signature(function).parameters:
        kwargs = {**kwargs, "personal": personal()}
    return function(*args, **kwargs)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}_checks.py")


def load(path: Path) -> Lab:
    """Load the master at `path` and the checks beside it. LabError says what is wrong with them."""
    content, checks = read_bytes(path), _beside(path)
    if not checks.is_file():
        raise LabError(f"{path.name} has no hidden checks beside it: {checks.name} is missing")
    notebook = parse(content)
    about = notebook.own.get("lab")
    if not isinstance(about, dict) or not isinstance(about.get("name"), str):
        raise LabError(f'{path.name} names no lab: its metadata need "labutils": {{"lab": {{"name": ...}}}}')
    questions = tuple(_question(cell) for cell in notebook.cells if cell.value("question"))
    ids = [question.id for question in questions]
    if not ids or len(set(ids)) < len(ids):
        raise LabError(f"{path.name} has no question, or two of one name: {', '.join(ids) or 'none'}")
    names = [question.defines for question in questions if question.defines]
    if len(set(names)) < len(names):
        raise LabError(f"{path.name} has two questions that define one name: {', '.join(names)}")
    source = checks.read_text(encoding="utf-8")
    digest = hashlib.sha256(content + b"\0" + source.encode()).hexdigest()
    module = _module(checks, about["name"], digest)
    _complete(module, questions, checks.name)
    limits = Limits(**getattr(module, "LIMITS", {}))
    title = str(about.get("title") or about["name"])
    return Lab(about["name"], title, path, notebook, questions, module, _sentences(source), limits, digest)


def _question(cell: Cell) -> Question:
    name, kind, points = cell.value("question") or "", cell.value("kind") or "", cell.value("points") or ""
    if not name.isidentifier():
        raise LabError(f"question={name}: a question's name is an identifier, as q1")
    if kind not in KINDS or (kind == "text") != (cell.kind == "markdown"):
        raise LabError(f"{name} is of kind={kind or '?'} in a {cell.kind} cell: text stands in markdown")
    try:
        worth = float(points)
        stub = code.without_solution(cell.source, _text_stub(name) if kind == "text" else None)
    except ValueError as error:
        raise LabError(f"{name}: {error}") from error
    if not 0 <= worth < float("inf"):
        raise LabError(f"{name} has points={points}")
    defines = "" if kind == "text" else cell.value("defines") or code.last_defined(cell.source, kind) or ""
    if kind != "text" and defines not in code.defined(cell.source):
        raise LabError(f"{name}: its cell defines no {kind} {defines}")
    return Question(name, kind, worth, defines, cell.id, cell.source, stub)


def _text_stub(name: str) -> str:
    return f"*Your answer to {name}: write it in place of this line.*"


def _module(path: Path, lab: str, digest: str) -> ModuleType:
    name = f"_labutils_checks_{lab.replace('-', '_')}_{digest[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LabError(f"{path.name} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise LabError(f"{path.name} cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def _complete(module: ModuleType, questions: tuple[Question, ...], name: str) -> None:
    for question in questions:
        needed = {"text": (), "value": ("reference",)}.get(question.kind, ("inputs", "reference"))
        lacking = [f"{what}_{question.id}" for what in needed if not hasattr(module, f"{what}_{question.id}")]
        if lacking:
            raise LabError(f"{name} lacks {' and '.join(lacking)}")


def _sentences(source: str) -> frozenset[str]:
    """The texts that stand literally in the checks: these alone may be shown to students."""
    nodes = list(ast.walk(ast.parse(source)))
    in_f_strings = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    return frozenset(
        node.value
        for node in nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and " " in node.value
        and id(node) not in in_f_strings
    )
