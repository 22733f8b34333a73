"""labutils.figures: what a notebook stores, that every picture has words, and colours that stay apart."""

import base64
import hashlib
import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import matplotlib as mpl
import nbclient
import nbformat
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from nbval.plugin import get_sanitize_patterns

from book_drawings import VARIABLES
from labutils.figures import DEEP, GROUND, INK, PALETTE, PICTURES, VERDICTS, claims, columns, show, style
from labutils.svg import SVG
from places import ROOT

mpl.use("Agg")  # no window
NBVAL = ROOT / "tests/support/nbval.cfg"
WORDS = 'Bits per character fall from 4.2 to 2.0: "x" < y & more'


@pytest.fixture
def displayed(monkeypatch):
    """Everything that is displayed, as (data, keyword arguments)."""
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda data, **kwargs: calls.append((data, kwargs)))
    return calls


@pytest.fixture
def figure():
    fig, ax = plt.subplots(figsize=(2, 1))
    ax.plot([1, 2, 4])
    yield fig
    plt.close(fig)


# ---- Figures ----


def test_figure_is_an_svg_with_its_words_and_is_closed(displayed, figure):
    show(figure, alt=f"  {WORDS}\n   and on.  ")
    [(data, options)] = displayed
    root = ElementTree.fromstring(data["image/svg+xml"])
    assert set(data) == {"image/svg+xml", "text/plain"}
    assert data["text/plain"] == f"{WORDS} and on."  # one line
    assert (root.get("role"), root.get("aria-label")) == ("img", f"{WORDS} and on.")
    assert options == {"raw": True}
    assert not plt.fignum_exists(figure.number)  # else Jupyter would show it a second time


def test_the_same_figure_gives_the_same_text_with_nothing_of_its_maker(displayed):
    for _ in range(2):
        fig, ax = plt.subplots(figsize=(2, 1))
        ax.plot([1, 2, 4], "o")
        show(fig, alt=WORDS)
    first, second = (data["image/svg+xml"] for data, _ in displayed)
    assert first == second
    assert not re.search(r"matplotlib|metadata|style=|<!|<\?|\d\.\d{3}|\d{4}-\d\d-\d\d", first)


def test_a_picture_in_pixels_is_drawn_where_the_command_asks_for_it(displayed, figure, tmp_path, monkeypatch):
    monkeypatch.setenv(PICTURES, str(tmp_path))
    show(figure, alt=WORDS)
    name = hashlib.sha256(displayed[0][0]["image/svg+xml"].encode()).hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.png"]


@pytest.fixture
def styled():
    with mpl.rc_context():
        style()
        yield


def drawn(displayed, fig):
    show(fig, alt=WORDS)
    return ElementTree.fromstring(displayed[-1][0]["image/svg+xml"])


def words_of(root):
    return ["".join(element.itertext()) for element in root.iter(f"{{{SVG}}}text")]


def test_words_stay_words_and_formulas_flow(displayed, styled):
    fig, ax = plt.subplots()
    ax.plot([1, 100])
    ax.set(yscale="log", title="two lines\nof text", xlabel="$x^2$")
    root = drawn(displayed, fig)
    assert {"two lines", "of text", "x2", "102"} <= {*words_of(root)}
    exponent = next(e for e in root.iter(f"{{{SVG}}}text") if "".join(e.itertext()) == "102")
    assert [part.get("x") for part in exponent] == [None, None]  # whatever the font, one follows the other
    assert float(exponent[1].get("dy")) < -3
    assert exponent[1].get("font-size") == "7"


def test_colours_are_those_that_the_site_replaces(displayed, styled):
    fig, ax = plt.subplots()
    for colour in PALETTE:
        ax.plot([1, 2], color=colour)
    root = drawn(displayed, fig)
    used = {element.get(paint, "none") for element in root.iter() for paint in ("fill", "stroke")}
    assert used <= {*VARIABLES, "none", "#b0b0b0"}  # the grid is faint in both modes
    assert root[0].get("fill") == GROUND  # white in a notebook
    assert {colour.lower() for colour in PALETTE} | {INK} <= used


def test_a_heat_map_is_stored_a_pixel_a_value(displayed, styled):
    fig, ax = plt.subplots()
    ax.imshow([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]])
    [image] = drawn(displayed, fig).iter(f"{{{SVG}}}image")
    assert (image.get("width"), image.get("height")) == ("3", "2")
    assert image.get("image-rendering") == "pixelated"
    assert len(image.get("href")) < 300
    picture = base64.b64decode(image.get("href").removeprefix("data:image/png;base64,"))
    assert picture.startswith(b"\x89PNG")


def test_what_has_thousands_of_points_stays_small(displayed, styled):
    fig, axes = plt.subplots(1, 2)
    for ax in axes:
        ax.plot([(-1) ** n * n for n in range(20_000)])
    drawn(displayed, fig)
    assert len(displayed[0][0]["image/svg+xml"]) < 100_000


# ---- Panels that can stack ----


def test_panels_side_by_side_can_be_cut_and_stacked_ones_not(displayed, styled):
    side, _ = plt.subplots(1, 3, figsize=(6, 2))
    cuts = columns(side)
    assert (len(cuts), cuts[0], cuts[-1]) == (4, 0, 432)
    root = drawn(displayed, side)
    assert [float(cut) for cut in root.get("data-panels").split()] == pytest.approx(cuts, abs=3)
    assert [g.get("id") for g in root.iter(f"{{{SVG}}}g") if "id" in g.attrib] == [
        f"panel-{n}-{n}" for n in range(3)
    ]
    assert columns(plt.subplots(3, 1, figsize=(6, 2))[0]) == [0, 432]


def test_panels_that_share_an_axis_have_numbers_of_their_own(displayed, styled):
    fig, _ = plt.subplots(1, 2, sharey=True)
    for panel in drawn(displayed, fig).iter(f"{{{SVG}}}g"):
        assert "id" not in panel.attrib or words_of(panel).count("0.4") == 2  # on both axes


def test_a_colour_bar_stays_with_its_map(styled):
    fig, (left, right) = plt.subplots(1, 2, figsize=(6, 2))
    fig.colorbar(left.imshow([[0, 1]]), ax=left)
    right.plot([1, 2])
    assert len(columns(fig)) == 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda fig, ax: fig.suptitle("over both"),
        lambda fig, ax: fig.text(0.5, 0.5, "between"),
        lambda fig, ax: fig.legend(["a"]),
    ],
)
def test_what_belongs_to_all_panels_keeps_them_together(styled, spoil):
    fig, axes = plt.subplots(1, 2, figsize=(6, 2))
    axes[0].plot([1, 2])
    spoil(fig, axes[0])
    assert columns(fig) == [0, 432]


# ---- How stored figures are compared ----


def sanitised(text):
    for pattern, replacement in get_sanitize_patterns(NBVAL.read_text("utf-8")):
        text = re.sub(pattern, replacement, text)
    return text


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda ax: None, True),
        (lambda ax: ax.lines[0].set_ydata([1, 2.001, 4]), True),  # on another processor
        (lambda ax: ax.texts[0].set_position((0.501, 1)), True),
        (lambda ax: ax.texts[0].set_text("gain ≈ 2.02"), True),
        (lambda ax: ax.texts[0].set_text("loss ≈ 2.01"), False),
        (lambda ax: ax.set_title("another title"), False),
        (lambda ax: ax.set_xticks([0, 1, 2], ["0", "1", "3"]), False),
        (lambda ax: ax.lines[0].remove(), False),
        (lambda ax: ax.plot([4, 1, 1]), False),
        (lambda ax: ax.lines[0].set_color("C1"), False),
        (lambda ax: ax.lines[0].set_linestyle("--"), False),
        (lambda ax: ax.images[0].set_data([[0, 0.999], [1, 0.001]]), True),
        (lambda ax: ax.images[0].remove(), False),
    ],
)
def test_a_figure_is_compared_by_what_it_draws(displayed, styled, change, same):
    for changed in (False, True):
        fig, ax = plt.subplots()
        ax.imshow([[0, 1], [1, 0]], extent=(0, 2, 1, 4), aspect="auto")
        ax.plot([1, 2, 4])
        ax.text(0.5, 1, "gain ≈ 2.01")
        ax.set(title="title", xticks=[0, 1, 2], xticklabels=["0", "1", "2"], ylim=(1, 4))
        if changed:
            change(ax)
        show(fig, alt=WORDS)
    first, second = (sanitised(data["image/svg+xml"]) for data, _ in displayed)
    assert (first == second) == same


@pytest.mark.parametrize("words", ["", "   \n ", "a figure", "x" * 24, "x" + " " * 40 + "y", None, 3])
def test_a_picture_without_words_is_refused(displayed, figure, words):
    with pytest.raises(ValueError, match=r"^alt is "):
        show(figure, alt=words)
    assert displayed == []


# ---- Claims ----

ROW = ("001 §2.1", "P(A|B) = P(B|A)", "0.9 against 0.1\nin a table", "wrong")


def test_claims_are_one_table_with_pipes_escaped(displayed):
    claims(iter([ROW, ("002 §1", "a", "b", "holds with a condition")]))
    [(data, options)] = displayed
    assert data["text/markdown"] == data["text/plain"]
    assert options == {"raw": True}
    lines = data["text/markdown"].splitlines()
    assert lines[2] == r"| 001 §2.1 | P(A\|B) = P(B\|A) | 0.9 against 0.1 in a table | **wrong** |"
    assert [line.replace(r"\|", "").count("|") for line in lines] == [5] * 4  # four cells in every line


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "^rows is empty"),
        (
            [(*ROW[:3], "true")],
            "^verdict is 'true': expected one of holds, holds with a condition, misleading, wrong",
        ),
        ([(*ROW[:3], "Wrong")], "^verdict is 'Wrong'"),
        ([ROW[:3]], "^a row of claims needs four texts"),
        ([(*ROW, "more")], "^a row of claims needs four texts"),
        ([("001", " ", "measured", "holds")], "^a row of claims needs four texts"),
        ([("001", "claim", 0.5, "holds")], "^a row of claims needs four texts"),
        ([("001", r"is $P(A|B)$ odd", "m", "holds")], r"^\$P\(A\|B\)\$ has a vertical bar.*\\mid"),
        ([("001", "a $x$ and", r"$D(p\|q)$", "holds")], r"has a vertical bar.*\\Vert"),
    ],
)
def test_bad_claims_are_refused(displayed, rows, message):
    with pytest.raises(ValueError, match=message):
        claims(rows)
    assert displayed == []


def test_a_bar_between_two_formulas_or_prices_is_text(displayed):
    claims([("001", r"$a \mid b$ | $c$", "P(A|B)\n5 $", "holds")])
    assert r"| $a \mid b$ \| $c$ | P(A\|B) 5 $ |" in displayed[0][0]["text/markdown"]


def test_every_verdict_is_accepted(displayed):
    claims([(*ROW[:3], verdict) for verdict in VERDICTS])
    assert len(displayed) == 1


# ---- In a real kernel: what ends up in the file ----


def test_a_notebook_stores_both():
    source = f"""
from matplotlib import pyplot as plt
from labutils import claims, show
show(plt.figure(figsize=(1, 1)), alt={WORDS!r})
claims([{ROW!r}])
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    nbformat.validate(notebook)
    picture, table = notebook.cells[0].outputs  # and no second copy of the open figure
    assert ElementTree.fromstring(picture.data["image/svg+xml"]).get("aria-label") == WORDS
    assert picture.data["text/plain"] == WORDS
    assert table.data["text/markdown"].startswith("| Where |")


# ---- Style ----


def lightness(colour):
    """CIE L* from 0 (black) to 100 (white): what is left of a colour when it is printed in grey."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def test_neighbouring_colours_differ_in_grey_and_none_fades_into_the_page():
    greys = [lightness(colour) for colour in PALETTE]
    assert lightness("white") == pytest.approx(100, abs=0.1)
    assert min(abs(a - b) for a, b in zip(greys, [*greys[1:], greys[0]], strict=True)) > 10
    assert max(greys) < 75
    for a, b in combinations(PALETTE, 2):
        assert max(abs(x - y) for x, y in zip(to_rgb(a), to_rgb(b), strict=True)) > 0.2


def test_words_in_deep_colours_are_legible_on_white():
    assert all(lightness(colour) < 50 for colour in DEEP)  # 4.5 to 1
    assert len(DEEP) >= len(PALETTE)


def test_style_uses_the_palette_and_line_styles_that_tell_neighbours_apart():
    with mpl.rc_context():
        style()
        cycle = list(mpl.rcParams["axes.prop_cycle"])
        assert tuple(entry["color"] for entry in cycle) == PALETTE
        assert all(a["linestyle"] != b["linestyle"] for a, b in pairwise(cycle))
        assert not mpl.rcParams["axes.spines.top"]
