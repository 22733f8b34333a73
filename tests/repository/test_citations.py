"""Citations: links that say what the bibliography says, written by `make repository`."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

import bibliography
import execute
import keys
import repository
from bibliography import Work
from places import ROOT

SITE = "https://pages.example.org/"
KNOWN = {
    "a1": Work("Ada and Bob", "1951"),
    "c2": Work("Cleo et al.", "2013a"),
    "d3": Work("O'Neil", "1999"),
}
A, C, D = (f"{SITE}book/references.html#{key}" for key in KNOWN)


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("{cite:t}`a1` say", f"[Ada and Bob (1951)]({A}) say"),
        ("{cite:t}`c2`'s rule", f"[Cleo et al.'s (2013a)]({C}) rule"),
        ("it is so {cite:p}`a1`.", f"it is so ([Ada and Bob, 1951]({A}))."),
        ("{cite:p}`a1, c2`", f"([Ada and Bob, 1951]({A}); [Cleo et al., 2013a]({C}))"),
        ("{cite:t}`a1,c2`", f"[Ada and Bob (1951)]({A}), [Cleo et al. (2013a)]({C})"),
        (
            "(误差; {cite:t}`d3`) and {cite:t}`a1`",
            f"(误差; [O'Neil, 1999]({D})) and [Ada and Bob (1951)]({A})",
        ),
        ("(a study {cite:p}`d3`)", f"(a study [[O'Neil, 1999]({D})])"),
        ("{cite:t}`nobody`", "{cite:t}`nobody`"),
        (f"[Ada (1950)]({A})", f"[Ada and Bob (1951)]({A})"),
        (f"[Ada's (1950)]({A})", f"[Ada and Bob's (1951)]({A})"),
        (f"[O'Neil (1999)]({D})", f"[O'Neil (1999)]({D})"),
        (f"[Ada, 1950]({A})", f"[Ada and Bob, 1951]({A})"),
        ("[Ada, 1950](https://old.org/x/book/references.html#a1)", f"[Ada and Bob, 1951]({A})"),
        (f"[Ada and\nBob (1951)]({A})", f"[Ada and\nBob (1951)]({A})"),
        (f"[nobody]({SITE}book/references.html#x)", f"[nobody]({SITE}book/references.html#x)"),
        (f"[see]({SITE}book/use.html#a1)", f"[see]({SITE}book/use.html#a1)"),
    ],
)
def test_citations_are_written(source: str, written: str) -> None:
    assert bibliography.write(source, KNOWN, SITE) == written
    assert bibliography.write(written, KNOWN, SITE) == written
    unknown = "nobody" in source
    assert bool(list(bibliography.faults(written, KNOWN, SITE))) == (unknown and "](" in source)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"[Ada (1950)]({A})", "not 'Ada and Bob (1951)'"),
        (f"[somebody]({A})", "not 'Ada and Bob, 1951'"),
        (f"[X (1)]({SITE}book/references.html#x)", "no reference x"),
        ("[Ada and Bob (1951)](https://old.org/book/references.html#a1)", "the site is"),
    ],
)
def test_a_fault_says_what_to_write(text: str, fault: str) -> None:
    [found] = bibliography.faults(text, KNOWN, SITE)
    assert fault in found


def test_names_and_years_are_those_of_the_bibliography(tmp_path: Path) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "book/page.md").write_text(
        f"{{cite:t}}`three, four` [X, 2005]({SITE}book/references.html#eight)"
    )
    (tmp_path / bibliography.FILE).write_text(
        "@book{one, author={{\\'E}tienne, Zo{\\\"e}}, title={B}, year={2001}}\n"
        "@book{two, author={van den Berg, A and Lovelace, Ada}, title={B}, year={2001}}\n"
        "@book{three, author={{OpenAI} and B, C and D, E}, title={Z {one}}, year={2002}}\n"
        "@book{four, author={{OpenAI} and F, G and H, I}, title={{A} two}, year={2002}}\n"
        "@misc{five, title={Nobody's}, year={2003}}\n"
        "@misc{six, editor={Ed, It}, title={X}, year={2003}}\n"
        "@misc{seven, author={Ed, It and others}, title={X}, year={2004}}\n"
        "@misc{eight, author={X, Y}, title={X}, year={2005}}\n"
        "@misc{nine, author={X, Y}, title={Not cited yet}, year={2005}}\n",
        encoding="utf-8",
    )
    works = bibliography.works(bibliography.load(tmp_path))
    assert {key: work.textual for key, work in works.items()} == {
        "one": "Étienne (2001)",
        "two": "van den Berg and Lovelace (2001)",
        "three": "OpenAI et al. (2002b)",
        "four": "OpenAI et al. (2002a)",
        "five": "Nobody's (2003)",
        "six": "Ed (2003)",
        "seven": "Ed et al. (2004)",
        "eight": "X (2005)",
        "nine": "X (2005)",
    }


def test_citations_that_a_cell_shows_change_in_code_and_output_and_it_need_not_run(tmp_path: Path) -> None:
    """A table of claims: its code is text, and what it shows follows from that text."""
    (tmp_path / "book").mkdir()
    for name in ("_config.yml", "book/references.bib"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    path = tmp_path / "notebooks/part/page.ipynb"
    path.parent.mkdir(parents=True)
    row = "see {cite:t}`shannon1951prediction`"
    shown = nbformat.v4.new_output("display_data", data={"text/markdown": row, "text/plain": [row]})
    cell = nbformat.v4.new_code_cell(f'claims("{row}")', outputs=[shown], metadata={"tags": ["hide-input"]})
    page = nbformat.v4.new_notebook(cells=[cell])
    nbformat.write(page, path)
    page.metadata["labutils"] = {
        "code_sha256": execute.code_hash(page),
        "reached_sha256": keys.code_key(path),
    }
    nbformat.write(page, path)
    assert not execute.needs_run(path)
    assert repository.carry(tmp_path) == [path]
    assert not execute.needs_run(path)
    [cell] = nbformat.read(path, as_version=4).cells
    site = repository.read(ROOT).site
    link = f"see [Shannon (1951)]({site}book/references.html#shannon1951prediction)"
    assert cell.source == f'claims("{link}")'
    assert cell.outputs[0].data == {"text/markdown": link, "text/plain": link}
    assert cell.metadata == {"tags": ["hide-input"], "jupyter": {"source_hidden": True}, "cellView": "form"}
    assert repository.carry(tmp_path) == []
