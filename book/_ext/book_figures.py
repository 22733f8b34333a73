"""Figures of chapters: inline SVG in the page's own colours, with a number, a caption and an address.

A code cell draws with `labutils.show` or `show_explorer`; the Markdown cell behind it is its caption, one
paragraph that begins with `**Figure 2.**`. Here both become one `<figure>` whose address is the cell's id,
the chapter's number comes in front (6.2), and the plain words "Figure 2" in the text become links to it.
`![message](attachment:key-figure.png)` under the title shows the figure of the cell tagged `key-figure`.
A figure without caption or number, or a number without figure, stops the build.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

import book_drawings
from book_drawings import Drawing, drawing, framed

logger = logging.getLogger(__name__)
KEY = "attachment:key-figure.png"
CAPTION = re.compile(r"Figure (\d+)\.")
REFERENCE = re.compile(r"\bFigure\s(\d+)(?!\d|\.\d)")
EXPLORER = '<figure class="labutils-explorer"'
NOT_PROSE = (
    nodes.literal,
    nodes.literal_block,
    nodes.math,
    nodes.math_block,
    nodes.raw,
    nodes.reference,
    nodes.title,
)


class Caption(nodes.General, nodes.TextElement):  # type: ignore[misc]
    """A figure's caption; `number` is its number in the chapter, `anchor` the figure's address."""


def raw(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


def stored_svg(cell: dict[str, Any]) -> str | None:
    """Return the SVG that a cell of a notebook has drawn, if it has."""
    for output in cell.get("outputs", []):
        if (found := output.get("data", {}).get("image/svg+xml")) is not None:
            return "".join(found)
    return None


def is_cell(node: nodes.Node) -> bool:
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


class Figures(SphinxTransform):
    """Turn each drawn output and the caption behind it into one figure."""

    default_priority = 450  # after explorers have been drawn

    def apply(self, **kwargs: Any) -> None:
        path = Path(self.env.doc2path(self.env.docname))
        if path.suffix != ".ipynb":
            return
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        keys = [cell for cell in cells if "key-figure" in cell["metadata"].get("tags", [])]
        image = next((i for i in self.document.findall(nodes.image) if i["uri"] == KEY), None)
        key = keys[0]["id"] if keys and image is not None else None
        wanted, sections = 1, {}  # the figures made, with their numbers
        for container in list(self.document.findall(is_cell)):
            cell = cells[container["cell_index"]]
            place = self.drawn(container, cell)
            caption = self.caption(container)
            if place is None:
                if caption is not None:
                    logger.warning("a caption without a figure", location=caption)
                continue
            if caption is None:
                logger.warning("figure %s has no caption behind it", cell["id"], location=container)
                continue
            strong = caption[0].astext()
            number = int(CAPTION.fullmatch(strong)[1])  # type: ignore[index]
            if number != wanted:
                logger.warning(
                    "%s stands where Figure %d does: make figures", strong, wanted, location=caption
                )
            wanted += 1
            try:
                self.join(place, cell, caption, number, first=cell["id"] != key)
                sections[cell["id"]] = (number, container)
            except ValueError as error:
                logger.warning("%s", error, location=container)
        if image is not None:
            self.key_figure(image, keys, sections)

    def drawn(self, container: nodes.container, cell: dict[str, Any]) -> nodes.Node | None:
        """Return the node that holds what a cell has drawn."""
        for found in container.findall(nodes.raw):
            if found.astext().lstrip().startswith(EXPLORER):
                return found
        if stored_svg(cell) is not None:
            for bundle in container.findall(nodes.container):
                if bundle.get("nb_element") == "mime_bundle" and any(
                    form.get("mime_type") == "image/svg+xml" for form in bundle.children
                ):
                    return bundle
        return None

    def caption(self, container: nodes.container) -> nodes.paragraph | None:
        """Return the paragraph right behind a cell if it begins as a caption does."""
        following = container.next_node(descend=False, siblings=True)
        if not isinstance(following, nodes.paragraph):
            return None
        for empty in [part for part in following if not part.astext() and isinstance(part, nodes.Text)]:
            following.remove(empty)  # MyST puts one before bold words
        first = following[0] if len(following) else None
        return following if isinstance(first, nodes.strong) and CAPTION.fullmatch(first.astext()) else None

    def join(
        self, place: nodes.Node, cell: dict[str, Any], caption: nodes.paragraph, number: int, first: bool
    ) -> None:
        """Put figure and caption where the drawing stands."""
        anchor = cell["id"]
        if anchor in self.document.ids:
            raise ValueError(f"{anchor} names a figure and something else on this page")
        said = Caption("", "", *caption.children, number=number, anchor=anchor)
        said.source, said.line = caption.source, caption.line
        if isinstance(place, nodes.raw):
            text = place.astext().strip().replace(EXPLORER, f'{EXPLORER[:-1]} book-figure" id="{anchor}"', 1)
            beginning = text.removesuffix("</figure>")
            bundle: nodes.Node = place
            while bundle.parent.get("nb_element") not in ("cell_code_output", "cell_code"):
                bundle = bundle.parent
            place = bundle
        else:
            svg = stored_svg(cell) or ""
            words = next((f.astext() for f in place.children if f.get("mime_type") == "text/plain"), "")
            beginning = framed(drawing(svg, anchor), words.strip(), anchor=anchor, first=first)
        caption.parent.remove(caption)
        place.parent.replace(place, [raw(beginning), said, raw("</figure>")])

    def key_figure(
        self, image: nodes.image, keys: list[dict[str, Any]], made: dict[str, tuple[int, nodes.container]]
    ) -> None:
        """Show the chapter's key figure under its opening paragraph."""
        if len(keys) != 1 or keys[0]["id"] not in made or (svg := stored_svg(keys[0])) is None:
            logger.warning(
                "a key figure needs one cell tagged key-figure that shows a figure", location=image
            )
            return
        number, container = made[keys[0]["id"]]
        section = container.parent
        while section is not None and not isinstance(section, nodes.section):
            section = section.parent
        title = section[0].astext() if section is not None else ""
        message = image.get("alt", "")
        picture: Drawing = drawing(svg, keys[0]["id"])
        said = Caption("", f"{message.rstrip('.')}. ", number=0, anchor="")
        said += nodes.inline("", f"Figure {number}, made in “{title}”")
        parent = image.parent
        parent.parent.replace(
            parent, [raw(framed(picture, message, kind=" key-figure")), said, raw("</figure>")]
        )


class References(SphinxPostTransform):
    """Put the chapter's number before a figure's, and link the words that name a figure to it."""

    default_priority = 700
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        captions = {
            caption["number"]: caption for caption in self.document.findall(Caption) if caption["number"]
        }
        if not captions and not self.env.doc2path(self.env.docname).endswith(".ipynb"):
            return
        chapter = self.env.toc_secnumbers.get(self.env.docname, {}).get("", ())
        self.prefix = "".join(f"{part}." for part in chapter)
        for number, caption in captions.items():
            link = nodes.reference(
                "", f"Figure {self.prefix}{number}.", refuri=f"#{caption['anchor']}", internal=True
            )
            link["classes"].append("figure-number")
            caption.replace(caption[0], link)
        for text in list(self.document.findall(nodes.Text)):
            if REFERENCE.search(text) and not any(isinstance(node, NOT_PROSE) for node in above(text)):
                text.parent.replace(text, self.linked(text, captions))

    def linked(self, text: nodes.Text, captions: dict[int, Caption]) -> list[nodes.Node]:
        parts: list[nodes.Node] = []
        end = 0
        for found in REFERENCE.finditer(text):
            caption = captions.get(int(found[1]))
            if caption is None:
                logger.warning("there is no %s on this page", found[0], location=text.parent)
                continue
            parts.append(nodes.Text(text[end : found.start()]))
            name = f"Figure\N{NO-BREAK SPACE}{self.prefix}{found[1]}"
            parts.append(nodes.reference("", name, refuri=f"#{caption['anchor']}", internal=True))
            end = found.end()
        parts.append(nodes.Text(text[end:]))
        return [part for part in parts if part.astext()]


def above(node: nodes.Node) -> Iterator[nodes.Node]:
    while (node := node.parent) is not None:
        yield node


def visit_caption(self: Any, node: Caption) -> None:
    self.body.append("<figcaption>")


def depart_caption(self: Any, node: Caption) -> None:
    self.body.append("</figcaption>")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(Caption, html=(visit_caption, depart_caption))
    app.add_transform(Figures)
    app.add_post_transform(References)
    app.add_css_file("figures.css")
    app.add_js_file("figures.js", loading_method="defer")
    # A change of this file or of the colours is a reason to read all pages anew.
    parts = (Path(__file__), Path(book_drawings.__file__))
    own = zlib.crc32(b"".join(part.read_bytes() for part in parts))
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
