"""The search index: every section, definition and reference of the book, the words in it, and what it says.

Sphinx's own index knows which page has a word, not which section, and its results page fetches whole pages,
which browsers refuse from disk. This one is two kinds of plain scripts, which also load from disk:
`_static/search/index.js` with the titles and the words, fetched when a search field is first used, and one
file a page with its text, fetched when one of its sections is an answer. `search.js` reads both; what it
must do as this file does (take a text apart into words) is said at WORD.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.search.en import english_stopwords

import bibliography

FOLDER = "search"  # in _static
HAN = "\u3400-\u9fff"
# A run of Chinese characters, or of other letters, digits and `_` (names in code); search.js has the same.
WORD = re.compile(rf"[{HAN}]+|[^\W{HAN}]+")
LONGEST_LINE = 100  # characters of code: what is longer is data
SIGNS = {
    "mid": "|",
    "log": "log",
    "cdot": "·",
    "ge": "≥",
    "le": "≤",
    "times": "×",
    "in": "∈",
    "alpha": "α",
    "theta": "θ",
}


@dataclass
class Section:
    """What can be found: a section without those below it, a definition or a reference."""

    anchor: str  # "" for a page's opening
    title: str
    lines: list[str] = field(default_factory=list)  # paragraphs and lines of code


def folded(text: str) -> str:
    """Return a text in small letters without accents: Řehůřek is found by "rehurek"."""
    whole = unicodedata.normalize("NFC", text)
    return "".join(unicodedata.normalize("NFD", character)[0] for character in whole).lower()


def words(text: str) -> Iterator[str]:
    """Yield the words of a text as the index has them: of Chinese, characters and pairs of them."""
    for word in WORD.findall(folded(text)):
        if re.match(f"[{HAN}]", word):
            yield from word
            yield from (one + other for one, other in pairwise(word))
        elif word not in english_stopwords:
            yield word


def words_of(section: Section) -> Counter[str]:
    """Return how often a section has each of its words; short numbers count in titles alone."""
    said = (word for word in words("\n".join(section.lines)) if not re.fullmatch(r"\d{1,2}", word))
    return Counter(chain(words(section.title), said))


def plain(tex: str) -> str:
    """Return a short formula as text, and an ellipsis for others: `P(A \\mid B)` is P(A | B)."""
    for command, sign in SIGNS.items():
        tex = re.sub(rf"\\{command}(?![A-Za-z])", sign, tex)
    return "…" if re.search(r"[\\{}&]", tex) else tex


def said_by(block: nodes.Node) -> str:
    """Return the text of a block in one line; of its formulas what reads without TeX."""
    texts = [block] if isinstance(block, nodes.Text) else list(block.findall(nodes.Text))
    said = (
        plain(text.astext()) if isinstance(text.parent, nodes.math | nodes.math_block) else text.astext()
        for text in texts
    )
    return " ".join("".join(said).split())


def code_of(block: nodes.literal_block) -> list[str]:
    """Return the lines of code that a page shows; what cells print is told in the prose."""
    cell = next((up for up in ancestors(block) if "cell" in up.get("classes", ())), None)
    if cell is not None and ("tag_hide-input" in cell["classes"] or "output" in block["classes"]):
        return []
    lines = (line.strip() for line in block.astext().splitlines())
    return [line for line in lines if line and len(line) <= LONGEST_LINE]


def ancestors(node: nodes.Node) -> Iterator[nodes.Element]:
    """Yield the elements around a node, the nearest first."""
    while node.parent is not None:
        yield node.parent
        node = node.parent


class Reader:
    """Reads a page's tree into its sections."""

    def __init__(self, references: dict[str, str]) -> None:
        self.references = references
        self.found: list[Section] = []

    def read(self, node: nodes.Node, into: Section | None) -> None:
        """Take in a node and what is below it."""
        if isinstance(node, nodes.section):
            into = self.open(node)
        elif isinstance(node, nodes.definition_list_item) and self.define(node):
            return
        elif isinstance(node, nodes.list_item) and "references" in node.parent["classes"]:
            anchor = node["ids"][0]
            self.found.append(Section(anchor, self.references.get(anchor, anchor), [said_by(node[0])]))
            return
        elif into is None or isinstance(node, nodes.title | nodes.math_block | nodes.raw | nodes.comment):
            if not isinstance(node, nodes.document):
                return
        elif isinstance(node, nodes.literal_block):
            into.lines += code_of(node)
            return
        elif isinstance(node, nodes.row):
            into.lines.append(" · ".join(filter(None, map(said_by, node.children))))
            return
        elif isinstance(node, nodes.TextElement):
            into.lines.append(said_by(node))
            return
        for child in node.children:
            self.read(child, into)

    def open(self, node: nodes.section) -> Section:
        """Begin a section."""
        heading = node.next_node(nodes.title)
        is_page = isinstance(node.parent, nodes.document) and not self.found
        section = Section("" if is_page else node["ids"][0], said_by(heading) if heading is not None else "")
        self.found.append(section)
        return section

    def define(self, item: nodes.definition_list_item) -> bool:
        """Take in a definition that has an address; the title has its names, English and Chinese."""
        terms = [child for child in item.children if isinstance(child, nodes.term)]
        if not terms or not terms[0]["ids"]:
            return False
        said = [said_by(part) for part in item.findall(nodes.paragraph)]
        self.found.append(Section(terms[0]["ids"][0], " · ".join(map(said_by, terms)), said))
        return True


def sections_of(doctree: nodes.document, references: dict[str, str]) -> list[Section]:
    """Return the sections of a page, the page's opening first."""
    reader = Reader(references)
    reader.read(doctree, None)
    for section in reader.found:
        section.lines = [line for line in section.lines if line]
    return reader.found


def references_of(app: Sphinx) -> dict[str, str]:
    """Return what the references are called, by their anchors: "Kullback and Leibler (1951)"."""
    known = bibliography.works(bibliography.load(Path(app.srcdir)))
    return {key: work.textual for key, work in known.items()}


def index_of(pages: dict[str, list[Section]]) -> dict[str, Any]:
    """Return what search.js searches.

    `pages` holds [address, title]; `sections` [number of the page, anchor, title]; `words` for each word a
    list of numbers, one a section: 4 × the distance from the section before + 1, 2 or 3 for rarely or often.
    """
    places: dict[str, list[int]] = {}
    last: dict[str, int] = {}
    for number, section in enumerate(chain.from_iterable(pages.values())):
        for word, times in words_of(section).items():
            gap = number - last.get(word, -1)
            places.setdefault(word, []).append(4 * gap + (1 if times < 2 else 2 if times < 5 else 3))
            last[word] = number
    return {
        "pages": [[page, sections[0].title] for page, sections in pages.items()],
        "sections": [
            [number, section.anchor, section.title]
            for number, sections in enumerate(pages.values())
            for section in sections
        ],
        "stop": sorted(english_stopwords),
        "words": dict(sorted(places.items())),
    }


found: dict[str, list[Section]] = {}


def collect(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Remember what a page says, under the address that the site has for it."""
    if doctree is not None:
        address = app.builder.get_target_uri(page)  # an index.html elsewhere than its source has another name
        has_works = any("references" in part["classes"] for part in doctree.findall(nodes.bullet_list))
        if sections := sections_of(doctree, references_of(app) if has_works else {}):
            found[address] = sections


def start(app: Sphinx) -> None:
    found.clear()
    if app.builder.format == "html":
        app.builder.search = False  # type: ignore[attr-defined]  # Sphinx's own index and its page
    app.add_js_file("search.js", loading_method="defer")
    app.add_css_file("search.css")


def results_page(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield the page to which the search field leads."""
    yield "search", {}, "search.html"


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write the index and the pages' texts."""
    if exception is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    (static / "searchtools.js").unlink(missing_ok=True)  # of Sphinx's own search
    (static / FOLDER).mkdir(parents=True, exist_ok=True)
    pages = dict(sorted(found.items()))
    write_script(static / FOLDER / "index.js", "bookIndex", index_of(pages))
    for number, sections in enumerate(pages.values()):
        texts = ["\n".join(section.lines) for section in sections]
        write_script(static / FOLDER / f"{number}.js", f"bookTexts[{number}]", texts)


def write_script(path: Path, name: str, value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    path.write_text(f"window.{name} = {text};\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", start)
    app.connect("html-page-context", collect)
    app.connect("html-collect-pages", results_page)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
