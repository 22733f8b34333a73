"""Figures in one style, each with a text that says what is seen; tables of checked claims."""

from __future__ import annotations

import hashlib
import html
import io
import itertools
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "DEEP",
    "GROUND",
    "INK",
    "PALETTE",
    "QUIET",
    "VERDICTS",
    "claims",
    "columns",
    "show",
    "style",
]

# What is drawn and written, what is said quietly, and what is behind. On the site these colours and the two
# palettes follow light and dark mode; any other stays as it is drawn. Black and white themselves are for
# signs on a heat map, and "grey" is seen in both modes.
INK, QUIET, GROUND = "#1c1c1c", "#5c5c5c", "#fefefe"
# Okabe & Ito (2008), "Color Universal Design": distinct for colour-blind readers, and ordered
# here so that neighbours also differ in lightness when printed in grey.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#56B4E9", "#D55E00", INK, "#CC79A7")
# The same, as dark as words on white have to be; and one more.
DEEP = ("#0072B2", "#9A6700", "#007A59", "#2878A5", "#B04A00", INK, "#B3446C", "#6B3FA0")
VERDICTS = ("holds", "holds with a condition", "misleading", "wrong")
PICTURES = "LABUTILS_PICTURES"  # scripts/execute.py names a folder in which figures are drawn in pixels, too
_FORMULA = re.compile(r"\$[^$\n]+\$")
_SHORTEST_ALT = 25  # characters: less cannot say what is seen


def style() -> None:
    """Set matplotlib's defaults for the whole notebook: size, palette, line styles, quiet axes."""
    import matplotlib as mpl
    from cycler import cycler

    lines = cycler(linestyle=["-", "--", "-.", ":", "-", "--", "-."])
    mpl.rcParams.update(
        {
            "figure.figsize": (7.0, 3.6),
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "figure.constrained_layout.use": True,
            "axes.prop_cycle": cycler(color=PALETTE) + lines,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.3,
            "axes.axisbelow": True,
            "axes.titlelocation": "left",
            "axes.titlesize": "medium",
            "font.size": 10,
            "legend.frameon": False,
            "lines.markersize": 5,
            **dict.fromkeys(
                ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
            ),
            "figure.facecolor": GROUND,
            "axes.facecolor": "none",
            "font.sans-serif": ["DejaVu Sans"],  # matplotlib's own: the same layout on every machine
            "image.interpolation": "none",  # a heat map is stored as it is, a pixel a value, and stays sharp
            "image.composite_image": False,
        }
    )


def checked_alt(alt: str) -> str:
    alt = " ".join(alt.split()) if isinstance(alt, str) else ""
    if len(alt) < _SHORTEST_ALT:
        raise ValueError(f"alt is {alt!r}: say in a sentence what is seen, for those who cannot see it")
    return alt


def show(fig: Figure, alt: str) -> None:
    """Display a matplotlib figure as SVG with `alt` as its text, and close it.

    The text travels with the picture: into the site, into Jupyter, and into the stored output,
    where the tests compare it. On the site the colours of this module follow light and dark mode; any
    other, and heat maps, stay as they are drawn. Panels side by side stack on a phone, see `columns`.
    Raises ValueError if `alt` is missing or says too little.
    """
    import matplotlib as mpl
    from IPython.display import display
    from matplotlib import pyplot as plt

    from labutils.svg import compact

    alt = checked_alt(alt)
    for ax in fig.axes:
        if len(ax.get_shared_y_axes().get_siblings(ax)) > 1:
            ax.tick_params(labelleft=True)  # below each other, each needs its own
    cuts, names = columns(fig), [(ax, ax.get_gid()) for ax in fig.axes]
    for number, (ax, (left, right)) in enumerate(zip(fig.axes, _spans(fig), strict=True)):
        column = sum(cut < (left + right) / 2 for cut in cuts[1:-1])
        ax.set_gid(f"panel-{column}-{number}")
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "labutils"}):
        fig.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    for ax, name in names:
        ax.set_gid(name)
    panels = " ".join(f"{cut:.0f}" for cut in cuts)
    head = f'<svg role="img" aria-label="{html.escape(alt)}" data-panels="{panels}"'
    picture = compact(buffer.getvalue()).replace("<svg", head, 1)
    if folder := os.environ.get(PICTURES):
        name = hashlib.sha256(picture.encode()).hexdigest()
        fig.savefig(Path(folder) / f"{name}.png", dpi=110, metadata={"Software": None})
    plt.close(fig)
    display({"image/svg+xml": picture, "text/plain": alt}, raw=True)


def _spans(fig: Figure) -> list[tuple[float, float]]:
    """Return from where to where each of a figure's axes reaches with all that belongs to it, in points."""
    fig.canvas.draw()  # only then is the layout done
    renderer = fig.canvas.get_renderer()  # type: ignore[attr-defined]
    found = []
    for ax in fig.axes:
        box = ax.get_tightbbox(renderer)
        found.append(
            (0.0, fig.get_figwidth() * 72) if box is None else (box.x0 * 72 / fig.dpi, box.x1 * 72 / fig.dpi)
        )
    return found


def columns(fig: Figure) -> list[float]:
    """Return where a figure can be cut into columns that may stand below each other, in points from the left.

    The first is 0 and the last the width. Nothing that is drawn crosses a cut; a figure with a title, a text
    or a legend over all of its panels has none; a colour bar stays with its panel.
    """
    width = fig.get_figwidth() * 72
    if fig.texts or fig.legends or fig._suptitle or fig._supxlabel or fig._supylabel:  # type: ignore[attr-defined]
        return [0.0, width]
    spans = dict(zip(fig.axes, _spans(fig), strict=True))
    for ax in fig.axes:
        bar = getattr(ax, "_colorbar", None)
        parent = bar.mappable.axes if bar is not None else None
        if parent in spans:
            (a, b), (c, d) = spans[ax], spans[parent]
            spans[ax] = spans[parent] = (min(a, c), max(b, d))
    merged: list[tuple[float, float]] = []
    for left, right in sorted(spans.values()):
        if merged and left < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], right))
        else:
            merged.append((left, right))
    return [0.0, *((a[1] + b[0]) / 2 for a, b in itertools.pairwise(merged)), width]


def claims(rows: Iterable[tuple[str, str, str, str]]) -> None:
    """Display the chapter's table of checked claims.

    Each row is (where the claim stands, the claim in other words, what was measured, verdict);
    the verdict is one of `VERDICTS`. Raises ValueError for an unknown verdict, an empty field, or a
    vertical bar within a formula, which would end a cell of the table in JupyterLab.
    """
    from IPython.display import display

    lines = ["| Where | Claim | Measured here | Verdict |", "|---|---|---|---|"]
    for row in rows:
        if len(row) != 4 or not all(isinstance(cell, str) and cell.strip() for cell in row):
            raise ValueError(
                f"a row of claims needs four texts: where, claim, measured, verdict; not {row!r}"
            )
        if row[3] not in VERDICTS:
            raise ValueError(f"verdict is {row[3]!r}: expected one of {', '.join(VERDICTS)}")
        for formula in _FORMULA.findall("\n".join(row)):
            if "|" in formula:
                raise ValueError(
                    f"{formula} has a vertical bar, which ends a cell: write \\mid for 'given', \\Vert "
                    "in a divergence, \\lvert and \\rvert around a size"
                )
        cells = [cell.replace("|", "\\|").replace("\n", " ") for cell in row]
        cells[3] = f"**{cells[3]}**"
        lines.append("| " + " | ".join(cells) + " |")
    if len(lines) == 2:
        raise ValueError("rows is empty: there is no claim to show")
    text = "\n".join(lines)
    display({"text/markdown": text, "text/plain": text}, raw=True)
