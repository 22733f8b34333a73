"""The format of a master: markers, magics, questions, the release and its proof, draws, the wire."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursework_kit import MASTER, light, sandbox
from labutils.checks import core
from labutils.coursework import check, code, exercise, personal, student
from labutils.coursework.cases import equal
from labutils.coursework.draws import read_secret, secret_rng
from labutils.coursework.lab import LabError, load
from labutils.coursework.release import ReleaseError, leaks, prove, release
from labutils.coursework.wire import WireError, decode, dumps, encode, loads

SOLVED = "def f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION\n"


def test_a_solution_becomes_a_stub() -> None:
    stub = "def f(x):\n    raise NotImplementedError  # your code here"
    assert code.without_solution(SOLVED) == stub
    top = "### BEGIN SOLUTION\na, b = 1, 2\nc = a\n### END SOLUTION"
    assert code.without_solution(top) == "\n".join(f"{name} = ...  # your code here" for name in "abc")
    assert code.solution_lines(SOLVED) == ["return x"]


@pytest.mark.parametrize(
    "source",
    ["### BEGIN SOLUTION", "### END SOLUTION", "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION"],
)
def test_markers_that_do_not_pair(source: str) -> None:
    with pytest.raises(code.Marker):
        code.without_solution(source)
    with pytest.raises(code.Marker):
        code.solution_lines(source)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("%matplotlib inline\nx = 1", ["x"]),
        ("!ls\nfiles = !ls\ny = 2", ["y"]),
        ("if True:\n    %pip install x\nz = 3", ["z"]),
        ("%%bash\nx = 1", []),
        ("%%time\nx = 1", ["x"]),
        ("sum?\nx = 1", ["x"]),
        ("!pip install \\\n  something\nx = 1", ["x"]),
        ('x = """\n%d\n"""', ["x"]),
        ("def f(:", []),
        ("(" * 5000, []),
        ("x\x00", []),
    ],
)
def test_magics_are_dropped_and_names_found(source: str, names: list[str]) -> None:
    assert code.defined(source) == names


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], None], checks: str = "") -> Path:
    light(tmp_path)
    path = tmp_path / "tiny.ipynb"
    data = json.loads(path.read_bytes())
    change({cell["id"]: cell for cell in data["cells"]} | {"metadata": data["metadata"]})
    path.write_text(json.dumps(data), encoding="utf-8")
    with (tmp_path / "tiny_checks.py").open("a", encoding="utf-8") as file:
        file.write(checks)
    return path


def tags(cell: str, *new: str) -> Callable[[dict[str, Any]], None]:
    return lambda data: data[cell]["metadata"].update(tags=list(new))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (tags("q2", "question=q1", "kind=function", "points=1"), "two of one name"),
        (tags("q2", "question=q2", "kind=riddle", "points=1"), "of kind=riddle"),
        (tags("q2", "question=q2", "kind=text", "points=1"), "text stands in markdown"),
        (tags("q2", "question=q2", "kind=function", "points=many"), "could not convert"),
        (tags("q2", "question=q2", "kind=function", "points=-1"), "points=-1"),
        (tags("q2", "question=q7", "kind=function", "points=1"), "lacks inputs_q7 and reference_q7"),
        (
            tags("q2", "question=q2", "kind=function", "points=1", "defines=other"),
            "defines no function other",
        ),
        (lambda data: data["metadata"].pop("labutils"), "names no lab"),
        (lambda data: data["q2"].update(source="### BEGIN SOLUTION"), "without '### END SOLUTION'"),
    ],
)
def test_a_malformed_master_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(LabError, match=message):
        load(changed(tmp_path, change))


def test_checks_that_lack_or_break_are_refused(tmp_path: Path) -> None:
    path = changed(tmp_path, lambda data: None, "\n1 / 0\n")
    with pytest.raises(LabError, match="ZeroDivisionError"):
        load(path)
    (tmp_path / "tiny_checks.py").unlink()
    with pytest.raises(LabError, match=r"tiny_checks\.py is missing"):
        load(path)


def test_the_release_of_the_tiny_lab_is_clean_and_a_transform() -> None:
    lab = load(MASTER)
    once = release(lab)
    assert once == release(lab)
    assert leaks(lab, once) == []
    cells = json.loads(once)["cells"]
    assert [cell["id"] for cell in cells] == [cell.id for cell in lab.notebook.cells]


LEAKS = {
    "a line of a solution": lambda data: data["check-q2"].update(source="positive = weights[weights > 0]"),
    "a line of the hidden checks": lambda data: data["check-q2"].update(
        source="drawn = [rng.dirichlet(np.ones(size)) for size in (2, 5, 9)]"
    ),
}


@pytest.mark.parametrize("what", LEAKS)
def test_what_leaks_is_found(tmp_path: Path, what: str) -> None:
    lab = load(changed(tmp_path, LEAKS[what]))
    with pytest.raises(ReleaseError, match=f"gives away {what}"):
        prove(lab, release(lab), sandbox())


def private(data: dict[str, Any]) -> None:
    data["check-q2"].update(source="my_private_remark = 'not for students'")
    data["check-q2"]["metadata"]["tags"] = ["private"]


def test_cells_of_the_authors_own_do_not_go_out(tmp_path: Path) -> None:
    lab = load(changed(tmp_path, private))
    assert b"remark" not in release(lab)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: data["q2"].update(source="".join(data["q2"]["source"]).replace("log2", "log")),
            "does not get full marks: q2: wrong",
        ),
        (
            lambda data: data["public"].update(
                source="".join(data["public"]["source"]).replace("- 2)", "- 3)")
            ),
            "fails its own public checks: q2",
        ),
        (
            lambda data: data["q2"].update(
                source="def entropy(p):\n    return 0.5  # the master forgot a marker"
            ),
            "full marks",
        ),
    ],
)
def test_a_release_that_proves_nothing_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    lab = load(changed(tmp_path, change))
    with pytest.raises(ReleaseError, match=message):
        prove(lab, release(lab), sandbox())


def test_draws() -> None:
    assert (
        personal("lab", " S1 ").random() == personal("lab", "s1").random() != personal("lab", "s2").random()
    )
    assert personal("lab", "s1").random() != personal("other", "s1").random()
    with pytest.raises(ValueError, match="student is empty"):
        personal("lab", " ")
    assert secret_rng(b"a" * 16, "q1").random() != secret_rng(b"b" * 16, "q1").random()


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert read_secret(path) == read_secret(path)
    assert path.stat().st_mode & 0o777 == 0o600


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_values_come_back_as_they_went(value: Any) -> None:
    back = decode(loads(dumps(encode(value))))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (1, 0, 2)])
def test_arrays_come_back_as_they_went(dtype: str, shape: tuple[int, ...]) -> None:
    value = np.random.default_rng(0).normal(size=shape).astype(dtype)
    back = decode(loads(dumps(encode(value))))
    assert back.dtype == value.dtype
    assert back.shape == shape
    assert np.array_equal(back, value)


def test_tensors_of_every_kind_are_read() -> None:
    import torch

    x = torch.arange(6.0, requires_grad=True).reshape(2, 3)
    for value in (x, x.bfloat16(), x.T, x.to_sparse(), x.half()):
        assert np.allclose(decode(encode(value)), value.detach().to_dense().float().numpy())
    assert decode(encode(x), tensors=True).equal(x.detach())


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{", b"[" * 10**6, b"1" * 10_000, b'{"$": "object"}', b'{"$": "tuple", "of": 3}', b'{"a": 1}',
        b'{"$": "array", "dtype": "object", "shape": [1], "of": "AAAA"}',
        b'{"$": "array", "dtype": "float64", "shape": [1000000, 1000000], "of": ""}',
        b'{"$": "array", "dtype": "float64", "shape": [-1], "of": ""}',
        b'{"$": "array", "dtype": "float64", "shape": [1], "of": "\\u00e9"}',
        b'{"$": "dict", "of": [[[1], 2]]}', b'{"$": "complex", "of": [1]}', b"[" * 30 + b"]" * 30,
    ],
)  # fmt: skip
def test_what_is_malformed_is_refused(line: bytes) -> None:
    try:
        found = decode(loads(line))
    except WireError:
        return
    assert isinstance(found, complex)  # complex(1) is one


@pytest.mark.parametrize("value", [object(), math, b"x", lambda: 1, np.array([object()]), 10**2000])
def test_what_cannot_be_sent_is_refused(value: Any) -> None:
    with pytest.raises(WireError):
        encode(value)


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        (1, 1.0, True), (np.float32(0.1), 0.1, True), ([1, 2], np.array([1.0, 2.0]), True),
        ((1, 2), [1, 2], True),
        (True, 2.0, False), ("1", 1, False),
        (None, 0.0, False), (float("nan"), 0.0, False), (1.0, None, False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False), ("a", "a", True), ("a", "b", False),
        ([("a", 1), ("b", 2)], [("a", 1), ("b", 2)], True), ([1, 2, 3], [1, 2], False), (1, True, False),
        (float("nan"), float("nan"), True), (float("inf"), float("inf"), True), (1 + 2j, 1 + 2j, True),
        ({1, 2}, {1, 2}, True), (frozenset({1, 2}), {1, 2}, True), (10**400, 1.0, False),
        ([[1], [2, 3]], [[1], [2, 3]], True), ([], [], True),
    ],
)  # fmt: skip
def test_equality(found: Any, expected: Any, same: bool) -> None:
    assert equal(found, expected) is same


def test_self_check_in_a_notebook(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(core, "_CHECKS", dict(core._CHECKS))
    monkeypatch.setattr(student, "_CHECKS", {})
    notebook = sys.modules["__main__"]
    with pytest.raises(ValueError, match="has the cell with the checks been run"):
        check("q9")
    for _ in range(2):  # a cell that is run again registers it again
        exercise("q8", defines="double")(lambda f: None if f(2) == 4 else "twice two is four.")
        exercise("q9", defines="answer_nine")(lambda answer: None if answer == 9 else "nine is meant.")
    check("q9")
    monkeypatch.setattr(notebook, "answer_nine", 8, raising=False)
    check("q9")
    check()
    monkeypatch.setattr(notebook, "answer_nine", 9, raising=False)
    monkeypatch.setattr(notebook, "double", lambda number: number + number, raising=False)
    check()
    assert capsys.readouterr().out.splitlines() == [
        "○ q9: no answer yet.",
        "✗ q9: nine is meant.",
        "○ q8: no answer yet.",
        "✗ q9: nine is meant.",
        "Still unanswered: q8.",
        "✓ q8: right.",
        "✓ q9: right.",
        "All that is checked is answered.",
    ]
    with pytest.raises(ValueError, match="only of q8, q9"):
        check("q7")


def test_a_module_as_it_was_released_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Gate:
        def __init__(self, width: int) -> None:
            raise NotImplementedError

    monkeypatch.setattr(core, "_CHECKS", dict(core._CHECKS))
    monkeypatch.setattr(student, "_CHECKS", {})
    exercise("q3", defines="Gate")(lambda gate: None if gate(3) else "no gate.")
    monkeypatch.setattr(sys.modules["__main__"], "Gate", Gate, raising=False)
    check()
    assert "Still unanswered: q3." in capsys.readouterr().out


def test_what_a_notebook_imports_is_light() -> None:
    program = "import sys, labutils.coursework; print(*sorted({n.partition('.')[0] for n in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "click", "matplotlib", "nbformat", "IPython", "ipywidgets"} & set(run.stdout.split())
