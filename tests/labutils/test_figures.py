"""labutils.figures: what a notebook stores, that every picture has words, and colours that stay apart."""

import base64
from itertools import combinations, pairwise

import matplotlib as mpl
import nbclient
import nbformat
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

from labutils.figures import PALETTE, VERDICTS, claims, show, style

mpl.use("Agg")  # no window
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


def test_figure_is_a_png_with_its_words_and_is_closed(displayed, figure):
    show(figure, alt=f"  {WORDS}\n   and on.  ")
    [(data, options)] = displayed
    assert data["image/png"].startswith(b"\x89PNG\r\n")
    assert data["text/plain"] == f"{WORDS} and on."  # one line
    assert options == {"metadata": {"image/png": {"alt": f"{WORDS} and on."}}, "raw": True}
    assert not plt.fignum_exists(figure.number)  # else Jupyter would show it a second time


def test_the_same_figure_gives_the_same_bytes(displayed):
    for _ in range(2):
        show(plt.figure(figsize=(1, 1)), alt=WORDS)
    assert displayed[0][0]["image/png"] == displayed[1][0]["image/png"]
    assert b"Software" not in displayed[0][0]["image/png"]  # a new matplotlib alone changes no file


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
    assert base64.b64decode(picture.data["image/png"], validate=False).startswith(b"\x89PNG")
    assert picture.metadata["image/png"]["alt"] == picture.data["text/plain"] == WORDS
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


def test_style_uses_the_palette_and_line_styles_that_tell_neighbours_apart():
    with mpl.rc_context():
        style()
        cycle = list(mpl.rcParams["axes.prop_cycle"])
        assert tuple(entry["color"] for entry in cycle) == PALETTE
        assert all(a["linestyle"] != b["linestyle"] for a, b in pairwise(cycle))
        assert not mpl.rcParams["axes.spines.top"]
