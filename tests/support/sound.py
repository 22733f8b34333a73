"""A tiny chapter, "tiny", that keeps every rule of anatomy.py; its two checks want the numbers 1 and 2."""

from __future__ import annotations

import json
from typing import Any

import nbformat

import execute
import repository
from places import ROOT

ALT = "A line that rises from one to four, and faster at its end than at its beginning."
EXERCISE = """### Exercise {n} · {kind} · 3 min

Do it."""
SOLUTION = """<details><summary>Hint</summary>

Think.

</details>

<details><summary>Solution</summary>

```python
def answer():
    return {n}
```

</details>"""

QUESTION = """**Question.** Is {n} right?

<details><summary>{first}</summary>

**{marks[0]}.** For it is so that one learns something, even from an answer that is short.

</details>

<details><summary>Of course not</summary>

**{marks[1]}.** For it is so that one learns something, even from an answer that is short.

</details>

<details><summary>Who knows?</summary>

**✗ No.** For it is so that one learns something, even from an answer that is short.

</details>"""

MESSAGE = "The last step is as large as all that went before it."
# In the form of labutils.show, with nothing but an axis.
SVG = (
    f'<svg role="img" aria-label="{ALT}" data-panels="0 100" xmlns="http://www.w3.org/2000/svg" '
    'width="100pt" height="50pt" viewBox="0 0 100 50" font-size="10">'
    '<path d="M0 50L100 50L100 0L0 0z" fill="#fefefe" />'
    '<g id="panel-0-0"><path d="M10 40L90 40" fill="none" stroke="#1c1c1c" />'
    '<path d="M10 40L90 10" fill="none" stroke="#0072b2" />'
    '<text x="10" y="49" fill="#1c1c1c">1</text><text x="90" y="49" fill="#1c1c1c">2</text></g></svg>'
)
BOX = """> **You will be able to** test. **Know first** [how to use the book](../../book/use.md).
> **Time** about 5 minutes of reading without the exercises; the cells run in about 2 s on one core."""

CITED = f"[Shannon (1951)]({repository.read(ROOT).site}book/references.html#shannon1951prediction)"
QUESTION_1 = QUESTION.format(n=1, first="Yes", marks=("✓ Yes", "✗ No"))
QUESTION_2 = QUESTION.format(n=2, first="Yes, it is", marks=("✗ No", "✓ Yes"))


def code(cell_id: str, source: str, *outputs: Any, **metadata: Any) -> Any:
    return nbformat.v4.new_code_cell(source, id=cell_id, outputs=list(outputs), metadata=metadata)


def text(cell_id: str, source: str) -> Any:
    return nbformat.v4.new_markdown_cell(source, id=cell_id)


def data(forms: dict[str, Any], **metadata: Any) -> Any:
    return nbformat.v4.new_output("display_data", data=forms, metadata=metadata)


def sound_notebook() -> Any:
    """The chapter, with outputs as if it had been run; and it can be, where there is an explorer "tiny"."""
    table = (
        "| Where | Claim | Measured here | Verdict |\n|---|---|---|---|\n"
        + "| 001 | short | 2 | wrong |\n" * 3
    )
    spec = json.dumps({"name": "tiny", "alt": ALT, "data": None, "values": {}})
    chart = f'<svg role="img" aria-label="{ALT}"><metadata data-explorer="tiny">{spec}</metadata></svg>'
    draw = "from matplotlib import pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 4])\n"
    cells = [
        text(
            "title",
            f"# Tiny\n\nA question, and 2.06 bits.\n\n![{MESSAGE}](attachment:key-figure.png)\n\n{BOX}",
        ),
        code(
            "setup",
            repository.read(ROOT).setup,
            tags=["nbval-ignore-output", "hide-input"],
        ),
        text("one", f"## One\n\nAs {CITED} says, $5! > 5$ and `a!`. A *prior* (先验)."),
        code(
            "asserts",
            "import numpy as np\n" + "assert True\n" * 8,
            nbformat.v4.new_output("stream", text="1\n"),
        ),
        text("question-1", QUESTION_1),
        text("two", "## Two\n\nSee Figure 1, and then Figure 2.\n\nSee."),
        code(
            "figure",
            f"from labutils import show\n{draw}show(fig, {ALT!r})",
            data({"image/svg+xml": SVG, "text/plain": ALT}),
            tags=["hide-input", "key-figure"],
        ),
        text("figure-caption", f"**Figure 1.** {MESSAGE}"),
        text("question-2", QUESTION_2),
        code(
            "chart",
            f"from labutils import show_explorer\nshow_explorer('tiny', {ALT!r})",
            data({"image/svg+xml": chart, "text/plain": ALT}),
            tags=["hide-input"],
        ),
        text("chart-caption", "**Figure 2.** It moves, and the sum of its parts stays one."),
        text("claims", "## Claims checked"),
        code(
            "table",
            "from labutils import claims\nclaims([('001', 'short', '2', 'wrong')] * 3)",
            data({"text/markdown": table, "text/plain": table}),
            tags=["hide-input"],
        ),
        text("end", "## Where it breaks\n\n## Summary\n\n## Exercises"),
    ]
    for n, kind in enumerate(("predict", "derive", "implement", "vary", "extend"), start=1):
        asked_and_solved = [EXERCISE.format(n=n, kind=kind), SOLUTION.format(n=n)]
        if n > 2:
            cells.append(text(f"exercise-{n}", "\n\n".join(asked_and_solved)))
        else:
            asked = f"check('tiny.{'ab'[n - 1]}', answer)"
            stub = f"from labutils import check\n\ndef answer():\n    ...\n\n{asked}"
            cells.append(text(f"exercise-{n}", asked_and_solved[0]))
            cells.append(code(f"answer-{n}", stub))
            cells.append(text(f"solution-{n}", asked_and_solved[1]))
    notebook = nbformat.v4.new_notebook(cells=[*cells, text("further", "## Further reading")])
    notebook.cells[1].metadata["reason"] = "names this machine's versions"
    for number, cell in enumerate([c for c in notebook.cells if c.cell_type == "code"], start=1):
        cell.execution_count = number
    execute.tidy(notebook, "")
    execute.put_key_figure(notebook, {execute.name_of(SVG): b"a picture"})
    return notebook
