"""Pictures from files: one without alternative text, or one that cannot be read, stops the build.

Also their size, so that a page does not jump while they load, and word to load them only near the reader.
Figures of chapters are no files: book_figures.py draws them into the page.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)
IMAGE = re.compile(r'<img\b(?P<rest>[^>]*\ssrc="[^"]*_images/(?P<name>[^"]+)"[^>]*>)')
MIN_LENGTH = 25  # characters; shorter is a label, not a description


def is_description(text: str) -> bool:
    """Whether `text` says what is seen, rather than being a file name or matplotlib's default."""
    return len(text) >= MIN_LENGTH and " " in text and not text.startswith("<")


class AlternativeText(SphinxTransform):
    """Complain about pictures without words, and about files that are no pictures."""

    default_priority = 500  # after figures have been drawn into the page

    def apply(self, **kwargs: Any) -> None:
        for image in self.document.findall(nodes.image):
            path = Path(self.env.doc2path(self.env.docname)).parent / image["uri"]
            if not is_description(image.get("alt", "")):
                logger.warning("picture without alternative text (%r)", image.get("alt", ""), location=image)
            elif path.is_file():
                try:
                    size_of(path)
                except OSError as error:
                    logger.warning("a picture that cannot be read: %s", error, location=image)


def size_of(path: Path) -> tuple[int, int] | None:
    """Return width and height of a picture in pixels, or None where they are not to be had."""
    if path.suffix == ".svg":
        head = path.read_text(encoding="utf-8")[:1000]
        sides = [re.search(rf'<svg\b[^>]*\s{side}="([0-9.]+)(?:px)?"', head) for side in ("width", "height")]
        width, height = (round(float(side[1])) if side else 0 for side in sides)
        return (width, height) if width and height else None
    with Image.open(path) as picture:
        return picture.size


def load_late(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Give the pictures of a page their sizes; all but the first are loaded when the reader comes near."""
    names = {name: source for source, (_, name) in app.env.images.items()}
    seen: set[str] = set()

    def tag(found: re.Match[str]) -> str:
        source = names.get(unquote(found["name"]))
        size = source and size_of(Path(app.srcdir) / source)
        more = "" if not seen or "loading=" in found[0] else ' loading="lazy" decoding="async"'
        seen.add(found[0])
        if size and not re.search(r"\s(?:width|height|style)=", found[0]):
            more += f' width="{size[0]}" height="{size[1]}"'
        return f"<img{more}{found['rest']}"

    if "body" in context:
        context["body"] = IMAGE.sub(tag, context["body"])


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(AlternativeText)
    app.connect("html-page-context", load_late)
    # A change of this file is a reason to read all pages anew.
    own = zlib.crc32(Path(__file__).read_bytes())
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
