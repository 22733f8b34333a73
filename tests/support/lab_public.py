"""What a lab's public checks say of answers, without a sandbox: these answers are the tests' own."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping
from typing import Any

from labutils.checks import core
from labutils.checks.answers import Wrong
from labutils.coursework.lab import Lab
from labutils.coursework.release import as_student


def told(
    lab: Lab, question: str, answers: Mapping[str, str], cells: Collection[str], student: str = "s0"
) -> dict[str, str | None]:
    """What the public check of a question says of each answer, None where it lets it pass.

    `cells` are the ids of those cells that the check needs, run first; an answer that raises is told so.
    """
    space = types.ModuleType("notebook")
    checks: dict[str, Any] = {}
    for cell in lab.notebook.cells:
        if cell.kind == "code" and (cell.id in cells or f"public={question}" in cell.tags):
            exec(as_student(cell.source, student), space.__dict__)
            space.__dict__["exercise"] = lambda name, defines: lambda check: checks.setdefault(name, check)
    found: dict[str, str | None] = {}
    for label, source in answers.items():
        own = dict(space.__dict__)
        try:
            exec(source, own)
            found[label] = checks[question](core._watched(own[lab.question(question).defines]))
        except Wrong as wrong:
            found[label] = str(wrong)
        except Exception as error:
            found[label] = f"raises {type(error).__name__}"
    return found
