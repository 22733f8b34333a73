"""A chapter begins and ends shortly: an opening that leaves room for its figure, a summary that is read."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

import anatomy
from places import NOTEBOOKS

WORDS_OF_AN_OPENING = 90
SENTENCES = range(3, 7)
NUMBERS = 9  # one a sentence, and here and there one that it is compared with


def opening_faults(markdown: str) -> list[str]:
    """Paragraphs between title and box that push the key figure off the first screen."""
    before_the_box = re.split(r"^> \*\*You", markdown, maxsplit=1, flags=re.MULTILINE)[0]
    lengths = [len(anatomy.plain(part).split()) for part in before_the_box.split("\n\n")[1:]]
    return [f"a paragraph of {n} words" for n in lengths if n > WORDS_OF_AN_OPENING]


def summary_faults(markdown: str) -> list[str]:
    found = re.search(r"^## Summary\n\n(.+?)(?=\n## |\Z)", markdown, re.MULTILINE | re.DOTALL)
    if not found:
        return ["no summary"]
    text = found[1].strip()
    sentences = re.findall(r"[.?!][*)”\"]*(?:\s|$)", text)
    numbers = re.findall(r"(?<![\w.])\d[\d,.]*", anatomy.plain(text))
    faults = ["a summary of several paragraphs"] if "\n\n" in text else []
    if len(sentences) not in SENTENCES:
        faults.append(f"{len(sentences)} sentences")
    return [*faults, f"{len(numbers)} numbers"] if len(numbers) > NUMBERS else faults


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_chapter_begins_and_ends_shortly(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert opening_faults(cells[0].source) == []
    markdown = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert summary_faults(markdown) == []


@pytest.mark.parametrize(
    ("markdown", "fault"),
    [
        (f"# Title\n\n{'word ' * 91}\n\n> **You will be able to** read.", "91 words"),
        (f"# Title\n\nShort.\n\n> A quotation.\n\n{'word ' * 95}\n\n> **You will", "95 words"),
    ],
)
def test_a_long_opening_is_found(markdown: str, fault: str) -> None:
    assert fault in opening_faults(markdown)[0]
    assert opening_faults(f"# Title\n\n{'word ' * 90}\n\n> **You will be able to** {'read ' * 99}") == []


@pytest.mark.parametrize(
    ("summary", "fault"),
    [
        ("One sentence. Two, of 0.5 bits.", "2 sentences"),
        ("One. " * 7, "7 sentences"),
        ("One is 1. Two is 2.0. Three: 3, 4, 5, 6, 7, 8, 9 and 10.", "10 numbers"),
        ("One. Two.\n\nThree. Four.", "paragraphs"),
    ],
)
def test_a_long_summary_is_found(summary: str, fault: str) -> None:
    assert fault in " ".join(summary_faults(f"## Summary\n\n{summary}\n\n## Exercises\n"))
    assert summary_faults("## Summary\n\nOne. Two is 2.0 (or 3.) A third?\n\n## Exercises\n") == []
    assert summary_faults("## Exercises\n") == ["no summary"]
