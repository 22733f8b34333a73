"""Put the book's first comparison, as a chapter prints it, on the cover. `make cover` runs this.

The figures are those of the table in notebooks/foundations/information_theory.ipynb, means over ten tenths of
Wikipedia: nothing is measured here, so that no second measurement can differ. Writes book/images/cover.png
for the README, the table of bars on the landing page and, with scripts/card.py, the card for links.
"""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import nbformat
from matplotlib import pyplot as plt

import card  # scripts/card.py
from labutils import figures

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "book" / "images" / "cover.png"
CHAPTER = ROOT / "notebooks" / "foundations" / "information_theory.ipynb"
# What each cell of the chapter's table is called here: by program and column.
NAMES = {
    ("PPMd", "learning"): "PPMd, shown nine tenths",
    ("6-gram", "fixed"): "counted 6-grams",
    ("PPMd", "alone"): "PPMd",
    ("xz", "learning"): "xz, shown nine tenths",
    ("bzip2", "alone"): "bzip2",
    ("xz", "alone"): "xz",
    ("gzip", "alone"): "gzip",
    ("guessing", "alone"): "guessing",
}
# What the landing page shows of it, in this order: the first row is the one that its style marks as ours.
ON_PAGE = (
    "counted 6-grams",
    "PPMd, shown nine tenths",
    "xz, shown nine tenths",
    "gzip",
    "guessing",
)


def table(printed: str) -> dict[tuple[str, str], float]:
    """Return the means of the chapter's table by program and column; a cell is "2.11 (2.05–2.23)"."""
    head, *rows = printed.splitlines()[1:]
    starts = {name: head.index(name) for name in ("alone", "after nine, fixed", "after nine, learning")}
    ends = [*list(starts.values())[1:], None]
    found = {}
    for row in rows:
        for column, end in zip(starts, ends, strict=True):
            if value := re.match(r"\d+\.\d\d", row[starts[column] : end].strip()):
                found[row.split()[0], column.split()[-1]] = float(value[0])
    return found


def measured() -> dict[str, float]:
    """Return bits per character by method, least first, from the outputs that the chapter stores."""
    cells = nbformat.read(CHAPTER, as_version=4).cells
    [cell] = [cell for cell in cells if cell.id == "table"]
    values = table("".join(output.get("text", "") for output in cell.outputs))
    bits = {name: values[place] for place, name in NAMES.items()}
    return dict(sorted(bits.items(), key=lambda item: item[1]))


def bars(bits: dict[str, float]) -> str:
    """Return the landing page's table: some of the methods, each with a bar; its style is in front.css."""
    rows = []
    for name in sorted(ON_PAGE, key=bits.__getitem__):  # best first
        ours = ' class="ours"' if name.startswith("counted") else ""
        drawn = f'<rect width="{100 * bits[name] / max(bits.values()):.1f}" height="10"/>'
        rows.append(
            f'<tr{ours}><th scope="row">{name}</th><td><svg viewBox="0 0 100 10" preserveAspectRatio="none"'
            f' aria-hidden="true">{drawn}</svg></td><td>{bits[name]:.2f}</td></tr>'
        )
    return "\n".join(rows)


def main() -> None:
    """Read, print, draw, and write the landing page's bars."""
    bits = measured()
    page = card.PAGE.read_text(encoding="utf-8")
    shown = re.compile(r"(<tbody>\n).*?(\n</tbody>)", re.DOTALL)
    page = shown.sub(lambda tag: tag[1] + bars(bits) + tag[2], page)
    card.PAGE.write_text(page, encoding="utf-8")
    card.main()
    for name, value in bits.items():
        print(f"{value:5.2f} bits per character: {name}")
    figures.style()
    fig, ax = plt.subplots(figsize=(7.4, 3.4))
    names = [name.replace(", shown", ",\nshown") for name in bits]
    colours = [figures.PALETTE[0] if "counted" in name else "#9a9a9a" for name in names]
    ax.barh(names, list(bits.values()), color=colours, height=0.7)
    for i, value in enumerate(bits.values()):
        ax.text(value + 0.06, i, f"{value:.2f}", va="center")
    ax.grid(axis="y", visible=False)
    ax.invert_yaxis()
    ax.set_xlabel("bits per character of unseen Wikipedia, mean of ten tenths; less is better")
    TARGET.parent.mkdir(exist_ok=True)
    fig.savefig(TARGET, dpi=160, metadata={"Software": None})


if __name__ == "__main__":
    main()
