"""Figures in one style, each with a text that says what is seen; tables of checked claims."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PALETTE", "VERDICTS", "claims", "show", "style"]

# Okabe & Ito (2008), "Color Universal Design": distinct for colour-blind readers, and ordered
# here so that neighbours also differ in lightness when printed in grey.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#000000", "#CC79A7")
VERDICTS = ("holds", "holds with a condition", "misleading", "wrong")
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
            "svg.hashsalt": "labutils",
        }
    )


def checked_alt(alt: str) -> str:
    alt = " ".join(alt.split()) if isinstance(alt, str) else ""
    if len(alt) < _SHORTEST_ALT:
        raise ValueError(f"alt is {alt!r}: say in a sentence what is seen, for those who cannot see it")
    return alt


def show(fig: Figure, alt: str) -> None:
    """Display a matplotlib figure as PNG with `alt` as its text, and close it.

    The text travels with the picture: into the site, into Jupyter, and into the stored output,
    where the tests compare it. Raises ValueError if `alt` is missing or says too little.
    """
    from IPython.display import display
    from matplotlib import pyplot as plt

    alt = checked_alt(alt)
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", metadata={"Software": None})
    plt.close(fig)
    display(
        {"image/png": buffer.getvalue(), "text/plain": alt},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )


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
