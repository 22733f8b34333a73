"""What tests of coursework share: the tiny lab, its release, notebooks that students hand in, a sandbox."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from labutils.coursework.grading import grade
from labutils.coursework.lab import Lab, load
from labutils.coursework.probing import probe
from labutils.coursework.release import release
from labutils.coursework.sandbox import Sandbox, SandboxError

MASTER = Path(__file__).parent / "tiny_lab/tiny.ipynb"
SECRET = b"a secret of the tests, and of nobody else"

RIGHT = {
    "q1": 'counts = personal("tiny", STUDENT).integers(10, 60, size=6)\nshare = counts[5] / counts.sum()',
    "q2": (
        "import math\n\ndef entropy(p):\n    p = [float(x) for x in p]\n"
        "    return sum(-x * math.log2(x) for x in p if x > 0)"
    ),
    "q4": "Because nothing is known beforehand.",
}
GATE = """import torch
from torch import nn

class Gate(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.value = nn.Linear(width, width)
        self.gate = nn.Linear(width, width)

    def forward(self, x):
        return self.value(x) / (1 + torch.exp(-self.gate(x)))
"""


def light(folder: Path) -> Lab:
    """The tiny lab without its question about a module: torch is not loaded, and a submission takes 0.3 s."""
    data = json.loads(MASTER.read_bytes())
    data["cells"] = [cell for cell in data["cells"] if cell["id"] not in ("q3", "ask-q3")]
    (folder / "tiny.ipynb").write_text(json.dumps(data), encoding="utf-8")
    checks = MASTER.with_name("tiny_checks.py").read_text(encoding="utf-8")
    (folder / "tiny_checks.py").write_text(checks, encoding="utf-8")
    return load(folder / "tiny.ipynb")


def handed_in(lab: Lab, answers: dict[str, str], student: str = "s1") -> dict[str, Any]:
    """The release with `answers` in place of cells, by their id."""
    data: dict[str, Any] = json.loads(release(lab))
    known = {cell["id"] for cell in data["cells"]}
    assert set(answers) <= known
    for cell in data["cells"]:
        source = answers.get(cell["id"], "".join(cell["source"]))
        cell["source"] = source.replace('STUDENT = ""', f'STUDENT = "{student}"')
    return data


def packed(notebook: dict[str, Any]) -> bytes:
    return json.dumps(notebook).encode()


@cache
def sandbox() -> Sandbox:
    try:
        return probe()
    except SandboxError as error:
        pytest.skip(f"no sandbox here: {error}")


def graded(
    lab: Lab, content: bytes | dict[str, Any], student: str = "anna", preload: tuple[str, ...] = ()
) -> dict[str, Any]:
    content = content if isinstance(content, bytes) else packed(content)
    return grade(lab, content, student, SECRET, replace(sandbox(), preload=preload))


def points(result: dict[str, Any]) -> dict[str, float]:
    return {mark["id"]: mark["points"] for mark in result["questions"]}


def statuses(result: dict[str, Any]) -> dict[str, str]:
    return {mark["id"]: mark["status"] for mark in result["questions"]}
