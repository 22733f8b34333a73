"""Measure the book's first comparison and put it on the cover. `make cover` runs this.

Writes book/images/cover.png for the README, the table of bars on the landing page and, with scripts/card.py,
the card for links.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import numpy as np
from matplotlib import pyplot as plt

import card  # scripts/card.py
from labutils import data, figures
from labutils.models.ngram import NGramModel
from labutils.text import Vocabulary, k_fold

TARGET = Path(__file__).parent.parent / "book" / "images" / "cover.png"
# What the landing page shows of it, in this order.
ON_PAGE = ("counted 6-grams", "xz, shown the first nine tenths", "xz", "gzip", "guessing")
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda text: gzip.compress(text, 9),
    "bzip2": lambda text: bz2.compress(text, 9),
    "xz": lambda text: lzma.compress(text, preset=9 | lzma.PRESET_EXTREME),
}


def measure() -> dict[str, float]:
    """Return bits per character on the last tenth of the Wikipedia sample, by method."""
    text = data.load_text("wikipedia_en")
    vocabulary = Vocabulary.from_text(text, max_size=127)
    train, test = (vocabulary.encode(part) for part in k_fold(text, 9))
    before, after = vocabulary.decode(train).encode(), vocabulary.decode(test).encode()
    bits = {"guessing": float(np.log2(len(vocabulary)))}
    for name, compress in COMPRESSORS.items():
        bits[name] = 8 * len(compress(after)) / len(test)
    primed = len(COMPRESSORS["xz"](before + after)) - len(COMPRESSORS["xz"](before))
    bits["xz, shown the first\nnine tenths"] = 8 * primed / len(test)
    for order in (2, 4, 6):
        model = NGramModel(order, len(vocabulary)).fit(train)
        bits[f"counted {order}-grams"] = model.cross_entropy(test)
    return dict(sorted(bits.items(), key=lambda item: item[1]))


def bars(bits: dict[str, float]) -> str:
    """Return the landing page's table: some of the methods, each with a bar; its style is in front.css."""
    rows = []
    for name in ON_PAGE:
        value = next(bits[long] for long in bits if " ".join(long.split()) == name)
        drawn = f'<rect width="{100 * value / max(bits.values()):.1f}" height="10"/>'
        rows.append(
            f'<tr><th scope="row">{name}</th><td><svg viewBox="0 0 100 10" preserveAspectRatio="none"'
            f' aria-hidden="true">{drawn}</svg></td><td>{value:.2f}</td></tr>'
        )
    return "\n".join(rows)


def main() -> None:
    """Measure, print, draw, and write the landing page's bars."""
    bits = measure()
    page = card.PAGE.read_text(encoding="utf-8")
    shown = re.compile(r"(<tbody>\n).*?(\n</tbody>)", re.DOTALL)
    page = shown.sub(lambda tag: tag[1] + bars(bits) + tag[2], page)
    card.PAGE.write_text(page, encoding="utf-8")
    card.main()
    for name, value in bits.items():
        print(f"{value:5.2f} bits per character: {' '.join(name.split())}")
    figures.style()
    fig, ax = plt.subplots(figsize=(7.4, 3.4))
    names = list(bits)
    colours = [figures.PALETTE[0] if "counted" in name else "#9a9a9a" for name in names]
    ax.barh(names, list(bits.values()), color=colours, height=0.7)
    for i, value in enumerate(bits.values()):
        ax.text(value + 0.06, i, f"{value:.2f}", va="center")
    ax.grid(axis="y", visible=False)
    ax.invert_yaxis()
    ax.set_xlabel("bits per character of Wikipedia pages that the model never saw (less is better)")
    TARGET.parent.mkdir(exist_ok=True)
    fig.savefig(TARGET, dpi=160, metadata={"Software": None})


if __name__ == "__main__":
    main()
