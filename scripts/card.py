"""Draw the site's icons, and the card that a link to the book shows elsewhere. `make cover` runs this, too.

Its numbers are those of the landing page: scripts/cover.py writes them, and tests hold them to measurements.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import FancyBboxPatch, Rectangle

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "index.md"
STATIC = ROOT / "book" / "static"
BLUE, DEEP, PALE, QUIET = "#0072b2", "#0d2535", "#6cc1f2", "#9fb4c2"
# One row of the landing page's table of bars, as cover.py writes it.
ROW = re.compile(r'<th scope="row">([^<]*)</th>.*?<td>(\d\.\d\d)</td>')
# The bars of book/static/favicon.svg: left edge, top and width on a square of 32; they stand on 26.
BARS = ((6, 7, 4), (12, 14, 4), (18, 18, 4), (24, 21, 3))


def quoted(page: str) -> dict[str, float]:
    """Return the bits per character that the landing page shows, by method, in its order."""
    return {name: float(bits) for name, bits in ROW.findall(page)}


def canvas(width: int, height: int, ground: str) -> tuple[Figure, mpl.axes.Axes]:
    """Return an empty picture whose units are pixels, with the origin on the upper left."""
    fig = plt.figure(figsize=(width / 100, height / 100), dpi=100, facecolor=ground)
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.axis("off")
    return fig, ax


def card(bits: dict[str, float]) -> Figure:
    """Draw the card: title, what the book is, and the first measurement as bars."""
    mpl.rcdefaults()
    fig, ax = canvas(1200, 630, DEEP)
    ax.add_patch(Rectangle((0, 0), 16, 630, color=BLUE))
    ax.text(80, 128, "Large Language Models,", color="white", size=43, weight="bold", va="baseline")
    ax.text(80, 202, "Measured", color=PALE, size=43, weight="bold", va="baseline")
    ax.text(80, 262, "A textbook that runs: every claim is a number", color="white", size=20, va="baseline")
    ax.text(80, 298, "that a cell prints and an assertion guards.", color="white", size=20, va="baseline")
    ax.text(80, 372, "Bits per character of unseen Wikipedia pages", color=QUIET, size=16, va="baseline")
    scale = 560 / max(bits.values())
    for number, (name, value) in enumerate(bits.items()):
        y = 392 + 41 * number
        is_ours = name.startswith("counted")
        ax.add_patch(Rectangle((440, y), value * scale, 28, color=PALE if is_ours else "#5b7486"))
        ax.text(424, y + 21, name, color="white", size=16, ha="right", va="baseline")
        ax.text(452 + value * scale, y + 21, f"{value:.2f}", color="white", size=16, va="baseline",
                weight="bold" if is_ours else "normal")  # fmt: skip
    return fig


def icon(size: int, *, rounded: bool) -> Figure:
    """Draw the icon of favicon.svg; without rounded corners where the device cuts them itself."""
    mpl.rcdefaults()
    fig, ax = canvas(size, size, "none" if rounded else BLUE)
    unit = size / 32
    if rounded:
        corners = f"round,pad=0,rounding_size={6 * unit}"
        ax.add_patch(FancyBboxPatch((0, 0), size, size, boxstyle=corners, facecolor=BLUE, edgecolor="none"))
    for left, top, width in BARS:
        place, height = (left * unit, top * unit), (26 - top) * unit
        ax.add_patch(Rectangle(place, width * unit, height, facecolor="white", edgecolor="none"))
    return fig


def pictures() -> dict[str, Figure]:
    """Return every picture that this script makes, by file name."""
    bits = quoted(PAGE.read_text(encoding="utf-8"))
    if not bits:
        raise ValueError(f"{PAGE} has no table of bars: `make cover` writes it")
    return {
        "card.png": card(bits),
        "icon-32.png": icon(32, rounded=True),
        "icon-180.png": icon(180, rounded=False),
    }


def main() -> None:
    """Draw all of them into book/static."""
    for name, fig in pictures().items():
        fig.savefig(STATIC / name, dpi=100, metadata={"Software": None})
        plt.close(fig)
        print(f"book/static/{name}: {(STATIC / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
