"""The fonts of text and code, so that the site looks the same on every machine: 60 kB in three files.

They come from installed packages and are cut down to the characters that the site uses; `site.css` names
them. What they lack, Chinese above all, is set in the system's fonts.
"""

from __future__ import annotations

import logging
import re
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer
from sphinx.application import Sphinx

FOLDER = "fonts"
# Always there, since scripts and readers write on a page, too: Latin of Western Europe, Greek.
ALWAYS = {*range(0x20, 0x7F), *range(0xA0, 0x100), *range(0x391, 0x3CA)}
BEYOND = re.compile(r"[^\x00-\xff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")  # nor Chinese
REGULAR_TO_BOLD = (400, 700)


@dataclass(frozen=True)
class Font:
    """A font of the site: its file, the package's that it is cut from, what varies and what is fixed."""

    file: str
    family: str
    whole: str
    axes: dict[str, float | tuple[float, float]]
    features: tuple[str, ...]

    @property
    def package(self) -> str:
        """The family's name as its package writes it."""
        return self.family.lower().replace(" ", "_")

    def installed(self, name: str) -> Path:
        """Return the path of a file of the package."""
        return Path(str(files(f"fontpkg_{self.package}").joinpath(name)))


TEXT = ("kern", "mark", "tnum")
# No ligatures in code, where != is two characters and should look so.
FONTS = (
    Font("text.woff2", "Inter", "Inter[opsz,wght].ttf", {"opsz": 14, "wght": REGULAR_TO_BOLD}, TEXT),
    Font("text-italic.woff2", "Inter", "Inter-Italic[opsz,wght].ttf", {"opsz": 14, "wght": 400}, TEXT),
    Font("code.woff2", "JetBrains Mono", "JetBrainsMono[wght].ttf", {"wght": REGULAR_TO_BOLD}, ("mark",)),
)


def write_font(font: Font, target: Path, characters: set[int]) -> None:
    """Write the part of a font that has `characters` and the weights in use, as WOFF2."""
    options = subset.Options(layout_features=list(font.features), name_IDs=[0, 1, 2, 13, 14], hinting=False)
    cutter = subset.Subsetter(options)  # name_IDs: copyright and licence stay
    cutter.populate(unicodes=characters)
    whole = TTFont(font.installed(f"files/{font.whole}"), recalcTimestamp=False)
    cutter.subset(whole)
    cut = instancer.instantiateVariableFont(whole, font.axes)
    cut.flavor = "woff2"
    cut.save(target)


def characters_of(site: Path) -> set[int]:
    """Return the characters that pages and scripts of the site may show."""
    written = [*site.rglob("*.html"), *(site / "_static").glob("*.js")]
    text = (path.read_text(encoding="utf-8") for path in written)
    return ALWAYS | {ord(character) for page in text for character in set(BEYOND.findall(page))}


def write_fonts(app: Sphinx, exception: Exception | None) -> None:
    """Write the fonts and their licences beside the style sheets."""
    if exception is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / FOLDER
    folder.mkdir(exist_ok=True)
    characters = characters_of(Path(app.outdir))
    for font in FONTS:
        write_font(font, folder / font.file, characters)
        shutil.copyfile(font.installed("LICENSE"), folder / f"{font.package}-licence.txt")


def setup(app: Sphinx) -> dict[str, Any]:
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # one line a table else
    app.connect("build-finished", write_fonts, priority=930)  # after all pages are written
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
