"""The section "Going deeper", folded: `<details>` whose summary is the section's heading.

An author writes a plain `## Going deeper` with whatever sections and cells below it. Its heading stays a
heading, in the page's table of contents and for screen readers; `access.js` opens the section for a link that
leads into it, and paper shows it open.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

FOLDED = "Going deeper"


def raw(html: str) -> nodes.raw:
    return nodes.raw("", html, format="html")


class Folds(SphinxPostTransform):
    """Put what belongs to the section into `<details>`, its heading into the summary."""

    default_priority = 900
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for section in list(self.document.findall(nodes.section)):
            title = next((child for child in section if isinstance(child, nodes.title)), None)
            if title is not None and title.astext() == FOLDED:
                section["classes"].append("folded-section")
                section.insert(section.index(title), raw("<details><summary>"))
                section.insert(section.index(title) + 1, raw("</summary>"))
                section.append(raw("</details>"))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_post_transform(Folds)
    # A change of this file is a reason to read all pages anew.
    own = zlib.crc32(Path(__file__).read_bytes())
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
