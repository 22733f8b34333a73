"""scripts/figures.py: captions and the words that refer to them are numbered in the order of the page."""

from __future__ import annotations

import copy
from typing import Any

import nbformat
import pytest

import execute
import figures
from sound import SVG, code, sound_notebook, text


def sources(notebook: Any) -> dict[str, str]:
    return {cell.id: cell.source for cell in notebook.cells}


def insert(notebook: Any, behind: str, *cells: Any) -> None:
    place = next(number for number, cell in enumerate(notebook.cells) if cell.id == behind) + 1
    notebook.cells[place:place] = cells


@pytest.fixture
def sound() -> Any:
    return sound_notebook()


def test_what_is_in_order_stays_as_it_is(sound: Any) -> None:
    before = copy.deepcopy(sound)
    assert figures.renumber(sound) == []
    assert sound == before


def test_an_inserted_figure_moves_the_later_ones_and_what_refers_to_them(sound: Any) -> None:
    new = (
        code("new", "show(fig, alt)"),
        text("new-caption", "**Figure ?.** As Figure 1 says, and Figure 2.5 not."),
    )
    insert(sound, "figure-caption", *new)
    for _ in range(2):  # the second time changes nothing
        assert figures.renumber(sound) == []
        found = sources(sound)
        assert found["new-caption"] == "**Figure 2.** As Figure 1 says, and Figure 2.5 not."
        assert found["chart-caption"].startswith("**Figure 3.** ")
        assert "See Figure 1, and then Figure 3." in found["two"]


def test_two_figures_change_places(sound: Any) -> None:
    at = {cell.id: number for number, cell in enumerate(sound.cells)}
    for first, second in (("figure", "chart"), ("figure-caption", "chart-caption")):
        sound.cells[at[first]], sound.cells[at[second]] = sound.cells[at[second]], sound.cells[at[first]]
    assert figures.renumber(sound) == []
    assert "See Figure 2, and then Figure 1." in sources(sound)["two"]


def test_a_figure_without_caption_and_two_of_one_number_are_told(sound: Any) -> None:
    insert(sound, "figure-caption", code("new", "show_explorer(name)"))
    assert "new has no caption" in figures.renumber(sound)[0]
    insert(sound, "new", text("new-caption", "**Figure 1.** Again."))
    assert "two captions were Figure 1" in figures.renumber(sound)[0]


@pytest.mark.parametrize(
    ("source", "is_one"),
    [
        ("show(fig, alt)", True),
        ("x = 1\nshow_explorer('a')", True),
        ("plt.show()", False),
        ("def slideshow(x): ...", False),
        ("show = 1", False),
    ],
)
def test_a_figure_is_a_cell_that_shows(source: str, is_one: bool) -> None:
    assert figures.is_figure(code("a", source)) == is_one


def test_the_key_figure_at_the_top_is_that_of_its_cell(sound: Any) -> None:
    drawing = next(cell for cell in sound.cells if cell.id == "figure").outputs[0].data
    assert execute.shows_its_key_figure(sound)
    drawing["image/svg+xml"] = changed = SVG.replace("L90 10", "L90 20")
    assert not execute.shows_its_key_figure(sound)
    with pytest.raises(ValueError, match=r"^the key figure was not drawn"):
        execute.put_key_figure(sound, {execute.name_of(SVG): b"of old"})
    execute.put_key_figure(sound, {execute.name_of(changed): b"new"})
    assert sound.cells[0].attachments == {"key-figure.png": {"image/png": "bmV3"}}
    assert execute.shows_its_key_figure(sound)
    nbformat.validate(sound)
    sound.cells[0].source = "# No figure"
    execute.put_key_figure(sound, {})
    assert "attachments" not in sound.cells[0]


def test_a_key_figure_that_no_cell_draws_is_told(sound: Any) -> None:
    next(cell for cell in sound.cells if cell.id == "figure").metadata.tags.remove("key-figure")
    assert not execute.shows_its_key_figure(sound)
    with pytest.raises(ValueError, match=r"^0 figures of cells tagged key-figure"):
        execute.put_key_figure(sound, {})
