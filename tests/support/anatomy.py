"""The rules that every chapter keeps. A rule takes a chapter and returns its faults as sentences."""

from __future__ import annotations

import ast
import html
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

import bibliography  # book/_ext/bibliography.py
import execute  # scripts/execute.py
import repository  # scripts/repository.py
from labutils import explorers

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = ("Claims checked", "Where it breaks", "Summary", "Exercises", "Further reading")
KINDS = {"predict", "derive", "implement", "vary", "extend"}
HEADING = re.compile(r"^### Exercise (\d+) · (\w+) · (\d+) min$", re.MULTILINE)
DETAILS = re.compile(r"<details><summary>(Hint|Solution)</summary>\n\n(.+?)\n\n</details>", re.DOTALL)
FILLER = re.compile(
    r"important to note|worth noting|crucial role|in recent years|\bdelv(?:e|es|ing)\b|plays? an? \w+ role|"
    r"ever-evolving|tapestry|cutting-edge|state-of-the-art|game-chang|\bleverag(?:e|es|ing)\b|in conclusion|"
    r"needless to say|as we all know|let's dive|deep dive|not only\b.{1,80}\bbut also|"
    r"\bTODO\b|\bFIXME\b|\bTBD\b",
    re.IGNORECASE,
)
HOSTS = re.compile(
    "|".join((r"pypi\." + "org", "python" + "hosted", r"registry\.npm" + "js", "conda" + r"\.anaconda"))
)
# What Colab has already or labutils brings: a set-up cell installs nothing else.
COLAB = {"IPython", "google", "labutils", "matplotlib", "nltk", "numpy", "scipy", "sklearn"}
COLAB |= {"constriction", "crepes", "mapie", "optuna", "pyppmd", "sacrebleu", "tokenizers", "torch"}
COLAB |= {"torchjd", "transformers"}


def plain(markdown: str) -> str:
    """The words of a text in Markdown, without code, formulas and links' addresses."""
    text = re.sub(r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$", " ", markdown, flags=re.DOTALL)
    return re.sub(r"!\[|\]\([^)]*\)|<[^>]*>", " ", text)


@dataclass
class Chapter:
    """A notebook with the views of it that rules need."""

    notebook: Any
    name: str
    registered: list[str] = field(default_factory=list)  # names of all checks

    @property
    def code(self) -> list[Any]:
        return [cell for cell in self.notebook.cells if cell.cell_type == "code"]

    @property
    def markdown(self) -> str:
        return "\n\n".join(cell.source for cell in self.notebook.cells if cell.cell_type == "markdown")

    @property
    def prose(self) -> str:
        """The Markdown without code, formulas and links' addresses."""
        return plain(self.markdown)

    def main_road(self) -> Iterator[Any]:
        """The cells before the exercises that are not under the heading Going deeper."""
        heading = ""
        for cell in self.notebook.cells:
            if cell.cell_type == "markdown":
                headings = re.findall(r"^## (.+)$", cell.source, re.MULTILINE)
                if "Exercises" in headings:
                    return
                heading = headings[-1] if headings else heading
            if heading != "Going deeper":
                yield cell

    def outputs(self, kind: str) -> Iterator[tuple[Any, Any]]:
        """All outputs that have data of a type, each with its cell."""
        for cell in self.code:
            for output in cell.outputs:
                if kind in output.get("data", {}):
                    yield cell, output

    def tree(self, cell: Any) -> ast.Module:
        return ast.parse(re.sub(r"^(\s*)%.*$", r"\1pass", cell.source, flags=re.MULTILINE))

    def exercises(self) -> list[Exercise]:
        """The cells between the headings Exercises and Further reading, cut at each exercise's heading."""
        found: list[Exercise] = []
        inside = False
        for cell in self.notebook.cells:
            if cell.cell_type == "markdown":
                parts = re.split(r"^(?=#{2,3} )", cell.source, flags=re.MULTILINE)
                for part in parts:
                    if part.startswith("## "):
                        inside = part.startswith("## Exercises")
                    if inside and part.startswith("### "):
                        found.append(Exercise(part.split("\n")[0]))
                    if inside and found:
                        found[-1].markdown += part
            elif inside and found:
                found[-1].calls += check_calls(self.tree(cell))
        return found


@dataclass
class Exercise:
    heading: str
    markdown: str = ""
    calls: list[tuple[str, str]] = field(
        default_factory=list
    )  # (name of the check, expression of the answer)

    def part(self, name: str) -> str:
        return "\n".join(text for kind, text in DETAILS.findall(self.markdown) if kind == name)


def check_calls(tree: ast.AST) -> list[tuple[str, str]]:
    """Return name and answer of every call of `check` in a piece of code."""
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "check"
    ]
    return [(ast.literal_eval(call.args[0]), ast.unparse(call.args[1])) for call in calls]


Rule = Callable[[Chapter], list[str]]
RULES: dict[str, Rule] = {}


def rule(function: Rule) -> Rule:
    RULES[function.__name__] = function
    return function


@rule
def is_valid(chapter: Chapter) -> list[str]:
    try:
        nbformat.validate(chapter.notebook)
    except Exception as error:
        return [str(error)]
    kernel = chapter.notebook.metadata.get("kernelspec", {}).get("name")
    return [] if kernel == "python3" else [f"its kernel is {kernel}, not python3"]


@rule
def has_readable_unique_ids(chapter: Chapter) -> list[str]:
    ids = [cell.id for cell in chapter.notebook.cells]
    faults = [f"id {cell_id} appears twice" for cell_id in set(ids) if ids.count(cell_id) > 1]
    machine_made = re.compile(r"[0-9a-f]{8}(-[0-9a-f-]+)?|.{41,}")
    return faults + [f"id {cell_id} is no short name" for cell_id in ids if machine_made.fullmatch(cell_id)]


@rule
def is_executed_in_order(chapter: Chapter) -> list[str]:
    counts = [cell.execution_count for cell in chapter.code]
    return (
        [] if counts == list(range(1, len(counts) + 1)) else [f"execution counts are {counts}: make execute"]
    )


@rule
def has_outputs_of_this_code(chapter: Chapter) -> list[str]:
    stored = chapter.notebook.metadata.get("labutils", {}).get("code_sha256")
    return [] if stored == execute.code_hash(chapter.notebook) else ["outputs of older code: make execute"]


@rule
def prints_no_errors_or_warnings(chapter: Chapter) -> list[str]:
    return [
        f"cell {cell.id}: {output.get('ename') or output.get('text', '')[:200]}"
        for cell in chapter.code
        for output in cell.outputs
        if output.output_type == "error" or output.get("name") == "stderr"
    ]


@rule
def begins_with_the_setup_cell(chapter: Chapter) -> list[str]:
    first = chapter.code[0]
    wanted = repository.read(ROOT).setup
    faults = [] if first.id == "setup" else ["the first code cell's id is not setup"]
    return (
        faults if first.source == wanted else [*faults, "the set-up cell is not the book's: make repository"]
    )


@rule
def opens_with_a_number_and_a_box(chapter: Chapter) -> list[str]:
    start = chapter.notebook.cells[: chapter.notebook.cells.index(chapter.code[0])]
    text = "\n\n".join(cell.source for cell in start)
    opening, _, box = text.rpartition("\n\n> ")  # other quotations may come before the box
    faults = []
    if not re.match(r"# \S.*\n\n\S", opening):
        faults.append("does not begin with a title and a paragraph")
    if not re.search(
        r"\d|\b(one|two|three|four|five|six|seven|eight|nine|ten|half)\b", opening.partition("\n\n")[2]
    ):
        faults.append("its opening has no number")
    for wanted, pattern in {
        "what the reader will be able to do": r"able to",
        "a link to what to know first": r"\]\([\w./]+\.(ipynb|md)",
        "its measured run time": r"run in about \d+ (s|seconds|minutes?)\b",
    }.items():
        if not re.search(pattern, box):
            faults.append(f"its box lacks {wanted}")
    return faults


@rule
def has_the_sections_in_order(chapter: Chapter) -> list[str]:
    headings = re.findall(r"^## (.+)$", chapter.markdown, re.MULTILINE)
    found = tuple(heading for heading in headings if heading in SECTIONS)
    faults = [] if found == SECTIONS else [f"its closing sections are {found}, not {SECTIONS}"]
    return faults if len(headings) >= len(SECTIONS) + 2 else [*faults, "fewer than two sections before those"]


@rule
def has_exercises_of_several_kinds(chapter: Chapter) -> list[str]:
    exercises = chapter.exercises()
    faults, kinds = [], set()
    for number, exercise in enumerate(exercises, start=1):
        found = HEADING.fullmatch(exercise.heading)
        if not found or found[1] != str(number) or found[2] not in KINDS:
            faults.append(f"heading {exercise.heading!r}: expected '### Exercise {number} · kind · n min'")
        else:
            kinds.add(found[2])
        faults += [
            f"exercise {number} has no {part.lower()}"
            for part in ("Hint", "Solution")
            if not exercise.part(part)
        ]
    if len(exercises) < 5 or len(kinds) < 4:
        faults.append(f"{len(exercises)} exercises of {len(kinds)} kinds: at least 5 of 4")
    return faults


@rule
def uses_its_checks_and_no_others(chapter: Chapter) -> list[str]:
    used = {name for exercise in chapter.exercises() for name, _ in exercise.calls}
    own = {name for name in chapter.registered if name.startswith(f"{chapter.name}.")}
    faults = [f"there is no check {name}" for name in sorted(used - set(chapter.registered))]
    faults += [f"the check {name} is not used" for name in sorted(own - used)]
    return faults if len(used) >= 2 else [*faults, f"only {len(used)} of its exercises have a check"]


@rule
def has_solutions_that_pass_their_checks(chapter: Chapter) -> list[str]:
    from labutils.checks import evaluate

    faults = []
    for exercise in chapter.exercises():
        blocks = re.findall(r"```python\n(.*?)```", exercise.part("Solution"), re.DOTALL)
        for name, answer in exercise.calls:
            if len(blocks) != 1:
                faults.append(f"the solution for {name} has {len(blocks)} blocks of Python, not one")
                continue
            names: dict[str, Any] = {"__name__": "solution"}
            exec(blocks[0], names)
            result = evaluate(name, eval(answer, names))
            if result.status != "right":
                faults.append(f"the solution for {name}: {result}")
    return faults


@rule
def has_short_cells(chapter: Chapter) -> list[str]:
    lengths = {cell.id: len(cell.source.strip().splitlines()) for cell in chapter.code}
    return [
        f"cell {cell_id} has {length} lines, 20 at most" for cell_id, length in lengths.items() if length > 20
    ]


@rule
def has_lines_that_a_laptop_shows(chapter: Chapter) -> list[str]:
    shown = [cell for cell in chapter.code if "hide-input" not in cell.metadata.get("tags", [])]
    return [
        f"cell {cell.id} has a line of {len(line)} characters, 110 at most"
        for cell in shown
        for line in cell.source.splitlines()
        if len(line) > 110
    ]


@rule
def guards_its_claims(chapter: Chapter) -> list[str]:
    asserts = sum(
        isinstance(node, ast.Assert) for cell in chapter.code for node in ast.walk(chapter.tree(cell))
    )
    return [] if asserts >= 8 else [f"{asserts} asserts, at least 8"]


@rule
def bounds_what_it_prints_as_measured(chapter: Chapter) -> list[str]:
    """The comparison of outputs lets a number behind ≈ move: in the same cell an assert has to hold it."""
    faults = []
    for cell in chapter.code:
        printed = "".join(output.get("text", "") for output in cell.outputs)
        if "≈" in printed and not any(isinstance(node, ast.Assert) for node in ast.walk(chapter.tree(cell))):
            faults.append(f"cell {cell.id} prints ≈ and has no assert that bounds what was measured")
    return faults


MAIN_ROAD = {
    "words": 4_200,
    "lines of shown code": 370,
}  # an hour; chapter.md of the design: about 4,000 and 350


def length(chapter: Chapter) -> dict[str, int]:
    """What is before the exercises, without what is folded: drop-downs, drawing code, Going deeper.

    A citation counts as a word; a caption belongs to its figure, whose code does not count either.
    """
    found = dict.fromkeys(MAIN_ROAD, 0)
    for cell in chapter.main_road():
        if cell.cell_type == "markdown" and not cell.id.endswith("-caption"):
            text = re.sub(r"<details>.*?</details>", " ", cell.source, flags=re.DOTALL)
            text = bibliography.LINK.sub("citation", text)
            found["words"] += len(plain(text).split())
        elif cell.cell_type == "code" and "hide-input" not in cell.metadata.get("tags", []):
            found["lines of shown code"] += sum(bool(line.strip()) for line in cell.source.splitlines())
    return found


def reading_minutes(chapter: Chapter) -> int:
    """How long the main road takes at 200 words a minute and 6 seconds a line of code, to five minutes."""
    found = length(chapter)
    return 5 * max(1, round((found["words"] / 200 + found["lines of shown code"] / 10) / 5))


@rule
def has_a_main_road_of_an_hour(chapter: Chapter) -> list[str]:
    return [
        f"{count:,} {what} before the exercises, {MAIN_ROAD[what]:,} at most: fold or cut"
        for what, count in length(chapter).items()
        if count > MAIN_ROAD[what]
    ]


@rule
def shows_an_interactive_figure(chapter: Chapter) -> list[str]:
    stored = [output.data["image/svg+xml"] for _, output in chapter.outputs("image/svg+xml")]
    return [] if any(explorers.spec_in(drawing) for drawing in stored) else ["it has no explorer"]


@rule
def stores_no_live_widget(chapter: Chapter) -> list[str]:
    """Its kernel has ended and its name is random: what is stored has to stand without it."""
    kind = "application/vnd.jupyter.widget-view+json"
    faults = [f"cell {cell.id} stores a live widget" for cell, _ in chapter.outputs(kind)]
    return faults + (["the notebook stores widgets"] if "widgets" in chapter.notebook.metadata else [])


@rule
def folds_what_only_draws(chapter: Chapter) -> list[str]:
    """On the site the figure is read and its code unfolds. A cell with a `def` holds an idea: it stays."""
    faults = []
    for cell in chapter.code:
        nodes = list(ast.walk(chapter.tree(cell)))
        calls = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
        idea = any(isinstance(node, ast.FunctionDef) for node in nodes)
        draws = calls & {"show", "show_explorer", "claims"} and not idea
        if (draws or cell.id in ("setup", "imports")) and "hide-input" not in cell.metadata.get("tags", []):
            faults.append(f"cell {cell.id} only draws (or sets up): tag it hide-input")
    return faults


@rule
def says_what_its_pictures_show(chapter: Chapter) -> list[str]:
    faults = []
    faults += [
        f"cell {cell.id}: a picture of pixels, not of labutils.show"
        for cell, _ in chapter.outputs("image/png")
    ]
    for cell, output in chapter.outputs("image/svg+xml"):
        label = re.search(r'<svg\b[^>]*?\saria-label="([^"]*)"', output.data["image/svg+xml"])
        words = html.unescape(label[1]) if label else ""
        if len(words) < 40 or " " not in words or words != output.data.get("text/plain"):
            faults.append(f"cell {cell.id}: a picture whose alternative text is {words!r}")
    for cell, output in chapter.outputs("text/markdown"):
        if len(output.data.get("text/plain", "")) < 40:
            faults.append(f"cell {cell.id}: Markdown without a text of at least 40 characters")
    return faults


@rule
def stores_little(chapter: Chapter) -> list[str]:
    faults = []
    for cell, output in chapter.outputs("text/markdown"):
        if (size := len(output.data["text/markdown"])) > 70_000:
            faults.append(f"cell {cell.id}: {size:,} characters of Markdown, 70,000 at most")
    size = sum(len(nbformat.writes(nbformat.v4.new_notebook(cells=[cell]))) for cell in chapter.code)
    return (
        faults
        if size < 1_000_000
        else [*faults, f"{size:,} characters of code cells and outputs, below 1,000,000"]
    )


@rule
def names_no_machine(chapter: Chapter) -> list[str]:
    faults = []
    for cell in chapter.notebook.cells:
        text = cell.source + (execute.output_text(cell) if cell.cell_type == "code" else "")
        faults += [
            f"cell {cell.id}: {found[0]}"
            for found in (execute.ABSOLUTE.search(text), HOSTS.search(text))
            if found
        ]
    return faults


@rule
def ignores_outputs_only_with_a_reason(chapter: Chapter) -> list[str]:
    return [
        f"cell {cell.id}: output not compared, and no reason in its metadata"
        for cell in chapter.code
        if {"nbval-ignore-output", "nbval-skip", "raises-exception"} & set(cell.metadata.get("tags", []))
        and not cell.metadata.get("reason")
    ]


@rule
def speaks_plainly(chapter: Chapter) -> list[str]:
    faults = [f"filler: {found[0]!r}" for found in FILLER.finditer(chapter.prose)]
    return faults + [
        f"exclamation mark: {found[0]!r}" for found in re.finditer(r"[^\s|]{0,20}!(?=\s|$)", chapter.prose)
    ]


@rule
def has_a_table_of_claims(chapter: Chapter) -> list[str]:
    tables = [output.data["text/markdown"] for _, output in chapter.outputs("text/markdown")]
    rows = [
        row for table in tables for row in table.splitlines()[2:] if table.startswith("| Where | Claim |")
    ]
    return [] if len(rows) >= 3 else [f"{len(rows)} checked claims, at least 3"]


@rule
def imports_only_what_colab_has(chapter: Chapter) -> list[str]:
    faults = []
    for cell in chapter.code:
        for node in ast.walk(chapter.tree(cell)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                faults += [
                    f"cell {cell.id}: {n}"
                    for n in names
                    if n.split(".")[0] not in COLAB | sys.stdlib_module_names
                ]
                if any(a.name == "*" for a in node.names):
                    faults.append(f"cell {cell.id}: import *")
    return faults
