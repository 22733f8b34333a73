"""Alternative text for the pictures that notebook cells have drawn; a picture without it stops the build.

myst-nb takes from an output's metadata only width and height, so the words are taken from the output's plain
text instead, which `labutils.show(fig, alt=...)` writes: {"image/png": ..., "text/plain": alt}.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)
MIN_LENGTH = 25  # characters; shorter is a label, not a description


def is_description(text: str) -> bool:
    """Whether `text` says what is seen, rather than being a file name or matplotlib's default."""
    return len(text) >= MIN_LENGTH and " " in text and not text.startswith("<")


class AlternativeText(SphinxTransform):
    """Give every picture of an output the words beside it, and complain about pictures without words."""

    default_priority = 400  # at reading, while all forms of an output are still there

    def apply(self, **kwargs: Any) -> None:
        for bundle in self.document.findall(nodes.container):
            if bundle.get("nb_element") == "mime_bundle":
                forms = {
                    form["mime_type"]: form for form in bundle.findall(nodes.container) if "mime_type" in form
                }
                words = forms["text/plain"].astext().strip() if "text/plain" in forms else ""
                for image in bundle.findall(nodes.image):
                    if is_description(words):
                        image.attributes.setdefault("alt", words)
        for image in self.document.findall(nodes.image):
            if not is_description(image.get("alt", "")):
                logger.warning("picture without alternative text (%r)", image.get("alt", ""), location=image)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(AlternativeText)
    # A change of this file is a reason to read all pages anew.
    own = zlib.crc32(Path(__file__).read_bytes())
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
