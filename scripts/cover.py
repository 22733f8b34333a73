"""Draw the figure of the README and the landing page: `make cover` writes book/images/cover.png."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import numpy as np
from matplotlib import pyplot as plt

from labutils import data, figures
from labutils.ngram import NGramModel
from labutils.text import Vocabulary, k_fold

TARGET = Path(__file__).parent.parent / "book" / "images" / "cover.png"
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


def main() -> None:
    """Measure, print and draw."""
    bits = measure()
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
