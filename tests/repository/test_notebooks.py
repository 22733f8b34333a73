"""Every chapter keeps the rules of anatomy.py, and every rule catches the fault that it is there for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

import anatomy
import figure_rules  # noqa: F401  (its rules join those of anatomy)
import form_rules
import question_rules
from labutils import checks
from labutils.checks import core
from places import MASTERS, NOTEBOOKS, ROOT
from sound import CITED, MESSAGE, QUESTION_1, QUESTION_2, SOLUTION, SVG, sound_notebook


def chapter(notebook: Any, name: str) -> anatomy.Chapter:
    return anatomy.Chapter(notebook, name, checks.names())


@pytest.mark.parametrize("rule", anatomy.RULES)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_chapter_keeps_rule(path: Path, rule: str) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert anatomy.RULES[rule](chapter(notebook, path.stem)) == []


def test_every_notebook_is_in_the_table_of_contents_or_a_lab() -> None:
    written = {
        path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts
    }
    assert written == {*NOTEBOOKS, *MASTERS}


def terms_introduced(markdown: str) -> set[str]:
    """The Chinese of every *term* (中文); one with a citation behind it too."""
    return {
        re.sub(r"\s", "", chinese)
        for chinese in re.findall(
            r"\*\*?(?:[^*\n]|\n(?!\n))+\*\*?(?: one)?\s\(([^()\n,;]*[\u4e00-\u9fff]+)", markdown
        )
    } - {"三国演义"}  # a book, not a term


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_glossary_has_every_chinese_term_of_the_chapter(path: Path) -> None:
    glossary = (ROOT / "book/glossary.md").read_text(encoding="utf-8")
    known = {term for run in re.findall(r"\w*[\u4e00-\u9fff]\w*", glossary) for term in run.split("与")}
    introduced = terms_introduced(chapter(nbformat.read(path, as_version=4), path.stem).markdown)
    assert introduced
    assert {t for t in introduced if not {t, t.removesuffix("模型"), t.removesuffix("估计")} & known} == set()


def test_terms_are_found_in_all_forms() -> None:
    text = "a *prior* (先验), the **n-gram\nmodel** (n 元模型), *ECE* (误差; [A, 1](https://b)), "
    assert terms_introduced(text + "a *conjugate* one (共轭) and the novel (小说)") == {
        "先验",
        "n元模型",
        "误差",
        "共轭",
    }


def test_right_answers_are_spread_over_the_book() -> None:
    """To choose the same place always is right in at most half of the questions; no place is left out."""
    asked = [
        question
        for path in NOTEBOOKS
        for question in question_rules.questions(chapter(nbformat.read(path, as_version=4), path.stem))
    ]
    places = Counter(question.right[0] for question in asked)
    assert max(places.values()) <= len(asked) / 2
    assert set(places) == set(range(max(len(question.choices) for question in asked)))


def test_the_example_for_authors_keeps_the_form() -> None:
    example = (ROOT / "book/authors.md").read_text("utf-8").split("```markdown\n")[1].split("\n```")[0]
    alone = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(example, id="question-example")])
    assert question_rules.answers_every_choice(chapter(alone, "example")) == []


# --- the rules themselves, on a notebook that keeps all of them and on copies with one fault each


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tiny notebook that keeps all rules, with its two checks."""

    def wants(number: int) -> Callable[[Any], str | None]:
        return lambda answer: None if answer() == number else "another number"

    monkeypatch.setattr(core, "_CHECKS", {"tiny.a": wants(1), "tiny.b": wants(2)})
    monkeypatch.setattr(core, "_modules", lambda: [])
    return sound_notebook()


def cell(notebook: Any, cell_id: str) -> Any:
    return next(cell for cell in notebook.cells if cell.id == cell_id)


def replace(cell_id: str, old: str, new: str) -> Callable[[Any], None]:
    def change(notebook: Any) -> None:
        target = cell(notebook, cell_id)
        assert old in target.source
        target.source = target.source.replace(old, new)

    return change


def move(notebook: Any, cell_id: str, behind: str) -> None:
    moved = cell(notebook, cell_id)
    notebook.cells.remove(moved)
    notebook.cells.insert(notebook.cells.index(cell(notebook, behind)) + 1, moved)


def set_field(cell_id: str, name: str, value: Any) -> Callable[[Any], None]:
    return lambda notebook: cell(notebook, cell_id).__setitem__(name, value)


def print_(cell_id: str, name: str, words: str) -> Callable[[Any], None]:
    stream = nbformat.v4.new_output("stream", name=name, text=words)
    return lambda notebook: cell(notebook, cell_id).outputs.append(stream)


def in_output(cell_id: str, kind: str, value: str) -> Callable[[Any], None]:
    return lambda notebook: cell(notebook, cell_id).outputs[0].data.__setitem__(kind, value)


FAULTS = [
    ("is_valid", lambda notebook: notebook.metadata.kernelspec.update(name="julia")),
    ("is_valid", set_field("asserts", "outputs", "none")),
    ("has_readable_unique_ids", set_field("two", "id", "one")),
    ("has_readable_unique_ids", set_field("two", "id", "0a1b2c3d")),
    ("is_executed_in_order", set_field("figure", "execution_count", None)),
    ("is_executed_in_order", set_field("figure", "execution_count", 99)),
    ("has_outputs_of_this_code", replace("figure", "fig", "other_fig")),
    ("prints_no_errors_or_warnings", print_("figure", "stderr", "DeprecationWarning: …")),
    ("begins_with_the_setup_cell", replace("setup", "git+", "git+ssh")),
    ("begins_with_the_setup_cell", set_field("setup", "id", "start")),
    ("opens_with_a_number_and_a_box", replace("title", "2.06", "few")),
    ("opens_with_a_number_and_a_box", replace("title", "2 s", "RUNTIME")),
    ("opens_with_a_number_and_a_box", replace("title", "\n\n> ", "\n\n")),
    ("has_the_sections_in_order", replace("end", "## Summary", "## The end")),
    ("has_the_sections_in_order", replace("two", "## Two", "Two")),
    ("has_exercises_of_several_kinds", replace("exercise-3", "implement", "ponder")),
    ("has_exercises_of_several_kinds", replace("exercise-3", "3 min", "")),
    ("has_exercises_of_several_kinds", replace("exercise-5", "<summary>Hint", "<summary>Clue")),
    ("has_exercises_of_several_kinds", replace("exercise-5", "### ", "#### ")),
    ("uses_its_checks_and_no_others", replace("answer-2", "tiny.b", "tiny.c")),
    ("uses_its_checks_and_no_others", replace("answer-2", "check(", "print(")),
    ("has_solutions_that_pass_their_checks", replace("solution-2", "return 2", "return 3")),
    ("has_solutions_that_pass_their_checks", replace("solution-2", "```python", "```")),
    ("has_short_cells", replace("asserts", "assert True", "assert True\n\n\n")),
    ("has_lines_that_a_laptop_shows", replace("asserts", "assert True", f"assert True  # {'x' * 110}")),
    ("guards_its_claims", replace("asserts", "assert True\nassert True", "pass")),
    ("shows_an_interactive_figure", in_output("chart", "image/svg+xml", "<svg></svg>")),
    ("bounds_what_it_prints_as_measured", print_("chart", "stdout", "≈ 0.97")),
    ("has_a_main_road_of_an_hour", replace("two", "See.", "word " * 4_300)),
    ("has_a_main_road_of_an_hour", replace("asserts", "assert True", "pass\n" * 50)),
    ("stores_no_live_widget", in_output("chart", "application/vnd.jupyter.widget-view+json", {})),
    ("stores_no_live_widget", lambda notebook: notebook.metadata.update(widgets={})),
    ("folds_what_only_draws", lambda notebook: cell(notebook, "figure").metadata.pop("tags")),
    ("says_what_its_pictures_show", in_output("figure", "image/png", "aGk=")),
    ("says_what_its_pictures_show", in_output("figure", "image/svg+xml", "<svg></svg>")),
    ("says_what_its_pictures_show", in_output("figure", "text/plain", "<Figure size 640x480 with 1 Axes>")),
    ("says_what_its_pictures_show", in_output("chart", "text/plain", "chart")),
    ("captions_its_figures", replace("figure-caption", "Figure 1", "Figure 2")),
    ("captions_its_figures", replace("figure-caption", "**Figure 1.** ", "")),
    ("captions_its_figures", replace("figure-caption", MESSAGE, "The last step.")),
    ("captions_its_figures", replace("figure-caption", MESSAGE, f"{MESSAGE}\n\n{MESSAGE}")),
    ("captions_its_figures", set_field("figure-caption", "id", "words")),
    ("captions_its_figures", lambda notebook: notebook.cells.remove(cell(notebook, "chart-caption"))),
    ("captions_its_figures", lambda notebook: notebook.cells.remove(cell(notebook, "chart"))),
    ("captions_its_figures", lambda notebook: move(notebook, "figure-caption", "claims")),
    ("names_every_figure", replace("two", "Figure 1", "The figure")),
    ("names_every_figure", replace("two", "then Figure 2", "Figure 2 and Figure 3")),
    ("names_every_figure", replace("two", "Figure 2", "Figure 2; see figures 1 and 2")),
    (
        "opens_with_its_key_figure",
        lambda notebook: cell(notebook, "figure").metadata.tags.remove("key-figure"),
    ),
    (
        "opens_with_its_key_figure",
        lambda notebook: cell(notebook, "chart").metadata.tags.append("key-figure"),
    ),
    ("opens_with_its_key_figure", replace("title", MESSAGE, "Steps")),
    ("opens_with_its_key_figure", replace("title", "(attachment:", "(")),
    ("opens_with_its_key_figure", lambda notebook: cell(notebook, "title").attachments.clear()),
    ("opens_with_its_key_figure", in_output("figure", "image/svg+xml", SVG.replace("L90 10", "L90 12"))),
    (
        "draws_for_light_and_dark",
        in_output("figure", "image/svg+xml", SVG.replace('fill="#1c1c1c">1', 'fill="#333333">1')),
    ),
    (
        "draws_for_light_and_dark",
        in_output("figure", "image/svg+xml", SVG.replace(' fill="#1c1c1c">1', ">1")),
    ),
    ("stores_little", print_("figure", "stdout", "x" * 1_000_000)),
    ("stores_little", in_output("table", "text/markdown", "x" * 70_001)),
    ("names_no_machine", print_("figure", "stdout", "/home/ada/book/x.txt")),
    ("names_no_machine", replace("one", "says", "says at https://py" + "pi.org")),
    ("ignores_outputs_only_with_a_reason", lambda notebook: cell(notebook, "setup").metadata.pop("reason")),
    ("cites_in_links_that_read_well", replace("one", "shannon1951prediction", "nobody2000nothing")),
    ("cites_in_links_that_read_well", replace("one", "Shannon (1951)", "Shannon (1948)")),
    ("cites_in_links_that_read_well", replace("one", "https://", "https://old.")),
    ("cites_in_links_that_read_well", replace("one", CITED, "Shannon (1951)")),
    ("cites_in_links_that_read_well", in_output("table", "text/markdown", CITED.replace("51)", "50)"))),
    ("shows_no_markup_of_sphinx", replace("one", CITED, "{cite:t}`shannon1951prediction`")),
    ("shows_no_markup_of_sphinx", replace("two", "See.", "```{note}\nSee.\n```")),
    ("shows_no_markup_of_sphinx", replace("two", "See.", "> :::{note}\n> See.\n> :::")),
    ("shows_no_markup_of_sphinx", replace("two", "## Two", "(two)=\n## Two")),
    ("shows_no_markup_of_sphinx", in_output("table", "text/markdown", "| {cite:p}`a` |")),
    (
        "folds_in_notebooks_what_the_site_folds",
        lambda notebook: cell(notebook, "figure").metadata.pop("jupyter"),
    ),
    (
        "folds_in_notebooks_what_the_site_folds",
        lambda notebook: cell(notebook, "setup").metadata.pop("cellView"),
    ),
    (
        "folds_in_notebooks_what_the_site_folds",
        lambda notebook: cell(notebook, "asserts").metadata.update(cellView="form"),
    ),
    ("says_how_long_it_takes_to_read", replace("title", "about 5 minutes of reading", "an hour")),
    ("says_how_long_it_takes_to_read", replace("title", "about 5 minutes", "about 15 minutes")),
    ("keeps_solutions_behind_the_students_cell", lambda notebook: move(notebook, "solution-2", "exercise-2")),
    ("keeps_solutions_behind_the_students_cell", replace("exercise-1", "Do it.", SOLUTION.format(n=1))),
    ("asks_where_it_bites", lambda notebook: notebook.cells.remove(cell(notebook, "question-1"))),
    ("asks_where_it_bites", lambda notebook: move(notebook, "question-2", "question-1")),
    ("asks_where_it_bites", lambda notebook: move(notebook, "question-2", "end")),
    ("answers_every_choice", replace("question-1", "**Question.**", "**Questions.**")),
    ("answers_every_choice", replace("question-1", "right?", "right.")),
    ("answers_every_choice", replace("question-1", "✓ Yes", "✗ No")),
    ("answers_every_choice", replace("question-1", "✗ No", "✓ Yes")),
    ("answers_every_choice", replace("question-2", "**✓ Yes.**", "Yes.")),
    ("answers_every_choice", replace("question-2", "even from an answer that is short", "always")),
    ("answers_every_choice", replace("question-2", "</summary>\n\n", "</summary>\n")),
    (
        "answers_every_choice",
        replace("question-2", "</details>\n\n<details>", "</details>\n\nOr:\n\n<details>"),
    ),
    ("answers_every_choice", replace("question-2", "Who knows", "Who knows $x$")),
    ("answers_every_choice", set_field("question-2", "id", "quiz")),
    ("hides_its_right_answers", replace("question-2", QUESTION_2, QUESTION_1)),
    ("hides_its_right_answers", replace("question-1", "<summary>Yes<", "<summary>Yes, at great length<")),
    ("speaks_plainly", replace("one", "As ", "It is important to note that ")),
    ("speaks_plainly", replace("two", "See.", "See!")),
    ("has_a_table_of_claims", in_output("table", "text/markdown", "| 001 |")),
    ("imports_only_what_colab_has", replace("asserts", "import numpy as np", "import pandoras_box")),
    ("imports_only_what_colab_has", replace("asserts", "import numpy as np", "from numpy import *")),
]


@pytest.mark.parametrize("rule", anatomy.RULES)
def test_sound_notebook_keeps_rule(sound: Any, rule: str) -> None:
    assert anatomy.RULES[rule](anatomy.Chapter(sound, "tiny", ["tiny.a", "tiny.b"])) == []


@pytest.mark.parametrize(("rule", "spoil"), FAULTS, ids=[f"{rule}-{n}" for n, (rule, _) in enumerate(FAULTS)])
def test_rule_catches_fault(sound: Any, rule: str, spoil: Callable[[Any], None]) -> None:
    spoil(sound)
    assert anatomy.RULES[rule](anatomy.Chapter(sound, "tiny", ["tiny.a", "tiny.b"])) != []


def test_the_time_to_read_follows_from_words_and_lines(sound: Any) -> None:
    """200 words a minute, six seconds a line of code that is shown, to five minutes."""
    replace("two", "See.", "word " * 2_000)(sound)
    replace("asserts", "assert True\n", "assert True\n" * 25)(sound)
    tiny = anatomy.Chapter(sound, "tiny")
    assert anatomy.length(tiny)["lines of shown code"] == 201
    assert anatomy.reading_minutes(tiny) == 30
    [fault] = anatomy.RULES["says_how_long_it_takes_to_read"](tiny)
    assert "about 30 minutes of reading" in fault
    replace("title", "about 5 minutes", "about 25 minutes")(sound)
    assert anatomy.RULES["says_how_long_it_takes_to_read"](tiny) == []


def test_code_may_look_like_markup_of_sphinx() -> None:
    for text in (
        'the cell `f"{p}` and `{q}` and $x_{t}$',
        "```python\n:::{note}\n{role}`x`\n```",
        "A set {x} of `words`, ``a `{b}` c``",
    ):
        assert form_rules.raw_markup(text) == [], text
    assert form_rules.raw_markup("`x` {cite:t}`a` `y`") == ["{cite:t}`a`"]


def test_what_is_folded_is_not_on_the_main_road(sound: Any) -> None:
    long, rule = "word " * 4_300, anatomy.RULES["has_a_main_road_of_an_hour"]

    def faults() -> list[str]:
        return rule(anatomy.Chapter(sound, "tiny"))

    replace("two", "See.", f"<details><summary>More</summary>\n\n{long}\n\n</details>")(sound)
    replace("exercise-5", "Do it.", long)(sound)
    assert faults() == []
    cell(sound, "question-2").source = f"## Going deeper\n\n{long}"
    assert faults() == []
    cell(sound, "question-2").source = f"## Going further\n\n{long}"
    assert faults()


def test_every_rule_has_a_fault_that_it_catches() -> None:
    assert {rule for rule, _ in FAULTS} == set(anatomy.RULES)
