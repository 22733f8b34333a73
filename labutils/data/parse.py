"""From a file inside a distribution to the bytes that the cache keeps.

Every parser takes the bytes of the member and returns bytes, of texts in UTF-8. It is a pure function of its
input: the catalogue names the sha256 of what it must return, so that a number in the book can be got again
anywhere. Nothing here imports or runs code from a distribution.
"""

from __future__ import annotations

import ast
import bz2
import gzip
import html
import io
import json
import re
import tarfile
import unicodedata
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mwparserfromhell.nodes import Node
    from mwparserfromhell.wikicode import Wikicode


def member_of(archive: bytes, name: str) -> bytes:
    """The file `name` inside a zip (so a wheel) or a tar, packed or not; KeyError where it is missing.

    A name that ends with "/" is a folder of a wheel: its files come as one zip, see `_folder_of`.
    """
    if zipfile.is_zipfile(io.BytesIO(archive)):
        with zipfile.ZipFile(io.BytesIO(archive)) as wheel:
            return _folder_of(wheel, name) if name.endswith("/") else wheel.read(name)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file = tar.extractfile(name)
        if file is None:
            raise KeyError(f"{name} is a folder")
        return file.read()


def _folder_of(wheel: zipfile.ZipFile, folder: str) -> bytes:
    """The files of a folder in an uncompressed zip, in order of name: the same bytes on every system."""
    names = sorted(name for name in wheel.namelist() if name.startswith(folder) and name != folder)
    if not names:
        raise KeyError(folder)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name in names:
            item = zipfile.ZipInfo(name.removeprefix(folder))  # dated 1980
            item.create_system = 3  # else Windows would write another number
            target.writestr(item, wheel.read(name))
    return buffer.getvalue()


# Controls, soft hyphens, marks of zero width or direction, and the character that stands for "unreadable":
# none of them is seen, and labutils.text needs U+FFFD for the characters outside a vocabulary.
_UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffd]")


def tidy(text: str) -> str:
    """Normal form C, one kind of space, no space at the ends of lines, one empty line at most in a row."""
    text = unicodedata.normalize("NFC", text)
    text = re.sub(r"[^\S\n]+", " ", text)
    text = _UNSEEN.sub("", text)
    text = re.sub(r" *\n *", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def raw(member: bytes) -> bytes:
    """The member as it is (checkpoints, vocabularies, images)."""
    return member


# --- Wikipedia ----------------------------------------------------------------------------------------------

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_REFERENCE = re.compile(r"<ref\b[^<>]*?/>|<ref\b[^<>]*>.*?</ref\s*>", re.DOTALL | re.IGNORECASE)
_DROPPED_TAGS = {"gallery", "imagemap", "math", "references", "score", "source", "table", "timeline"}
_DROPPED_LINKS = {"category", "file", "image"}
_DROPPED_SECTIONS = {
    "bibliography", "external links", "footnotes", "further reading", "list of works", "notes",
    "notes and references", "reference literature", "references", "references and further reading",
    "resources", "see also", "selected bibliography", "selected works", "sources", "works cited",
}  # fmt: skip
# Templates that stand for words of a sentence; all others (boxes, pronunciations, notices) are left out.
_FIRST_ARGUMENT = {"angbr", "nihongo", "nowrap", "quote", "sc", "small", "smaller", "val"}
_LAST_ARGUMENT = {"lang", "transl"}
_SIGNS = {"'s": "'s", "nbsp": " ", "ndash": "–", "mdash": "—", "snd": " – ", "spaced ndash": " – "}
# What is left where an author forgot to close a table, a link or a tag.
_LEFTOVERS = re.compile(
    r"^(?:\{\||\||!).*$|\[\[(?:[^\[\]|\n]*\|)*|\]\]|</?[a-z][^<>\n]*>|__[A-Z]+__",
    re.MULTILINE | re.IGNORECASE,
)


def wikipedia(member: bytes) -> bytes:
    """A bz2 MediaWiki export to prose: articles in their order, empty lines between paragraphs and articles.

    Templates, tables, references, formulas, pictures, categories and the closing lists of sources go; section
    headings stay as lines of their own. Redirects are not articles.
    """
    root = ElementTree.fromstring(bz2.decompress(member))  # noqa: S314 (its sha256 is in the catalogue)
    articles = []
    for page in root.iterfind("{*}page"):
        if page.find("{*}redirect") is None:
            articles.append(_article(page.findtext("{*}revision/{*}text") or ""))
    return "\n\n".join(articles).encode()


def _article(markup: str) -> str:
    import mwparserfromhell  # takes a tenth of a second, and only to make the cache
    from mwparserfromhell.nodes import Heading

    # References go before parsing: they hold half of all the markup, and most of what is not well formed.
    markup = _REFERENCE.sub("", _COMMENT.sub("", markup))
    pieces: list[str] = []
    dropped_level = 0  # of the heading whose section is being left out; 0 where none is
    for node in mwparserfromhell.parse(markup, skip_style_tags=True).nodes:
        if isinstance(node, Heading) and (not dropped_level or node.level <= dropped_level):
            title = _render(node.title).strip().lower()
            dropped_level = node.level if title in _DROPPED_SECTIONS else 0
        if not dropped_level:
            pieces.append(_render_node(node))
    return _mend("".join(pieces))


def _render(code: Wikicode | None) -> str:
    return "" if code is None else "".join(_render_node(node) for node in code.nodes)


def _render_node(node: Node) -> str:
    from mwparserfromhell import nodes

    if isinstance(node, nodes.Text):
        return str(node.value)
    if isinstance(node, nodes.HTMLEntity):
        return str(node.normalize())
    if isinstance(node, nodes.Heading):
        return f"\n\n{_render(node.title)}\n\n"
    if isinstance(node, nodes.Wikilink):
        space, colon, _ = str(node.title).partition(":")
        if colon and space.strip().lower() in _DROPPED_LINKS:
            return ""
        return _render(node.title if node.text is None else node.text)
    if isinstance(node, nodes.ExternalLink):
        return _render(node.title)
    if isinstance(node, nodes.Tag):
        name = str(node.tag).strip().lower()
        return "\n" if name in ("br", "hr") else "" if name in _DROPPED_TAGS else _render(node.contents)
    if isinstance(node, nodes.Template):
        arguments = [_render(p.value).strip() for p in node.params if not p.showkey]
        return _render_template(str(node.name).strip().lower(), arguments)
    return ""  # comments and template arguments


def _render_template(name: str, arguments: list[str]) -> str:
    if name in _SIGNS:
        return _SIGNS[name]
    if not arguments:
        return ""
    if name in _FIRST_ARGUMENT:
        return arguments[0]
    if name in _LAST_ARGUMENT:
        return arguments[-1]
    if name == "chem":
        return "".join(arguments)
    if name == "as of":
        return " ".join(["As of", *arguments])
    if name == "convert":  # {{convert|5|km|mi}} or {{convert|5|to|10|km|mi}}: the units that the author chose
        return " ".join(arguments[: 2 if len(arguments) < 4 or not arguments[1].isalpha() else 4])
    return ""


def _mend(text: str) -> str:
    """Close the gaps that the removed parts left in the sentences."""
    text = tidy(_LEFTOVERS.sub("", text))
    text = re.sub(r"'''(?=s\b)", "'", text)  # ''Iliad'''s: italics end, then an apostrophe
    text = re.sub(r"'{2,}", "", text)
    text = re.sub(r"\((?:\s*[,;:])+ *", "(", text)
    text = re.sub(r"[,;: ]+\)", ")", text)
    text = re.sub(r" *\( *\)", "", text)
    text = re.sub(r" +([,.;:])(?=\s)", r"\1", text)
    return tidy(text)


# --- other sources ------------------------------------------------------------------------------------------


def three_kingdoms(member: bytes) -> bytes:
    """A JSON list of chapters: one line a paragraph, an empty line between chapters.

    Taken out: the address of the website that the text once passed through. A character that this website
    could not write is "?" there and "□" here, where no question mark of the novel is ASCII.
    """
    chapters = []
    for chapter in json.loads(member):
        chapter = re.sub(r" *www\.[a-z.]+ *", "", chapter).replace("?", "□")
        lines = (tidy(line) for line in chapter.splitlines())
        chapters.append("\n".join(line for line in lines if line))
    return "\n\n".join(chapters).encode()


def bible(member: bytes) -> bytes:
    """The source of a Python module to text: one line a verse, an empty line between chapters.

    The module calls `Bible(version, text, starts, ends, …)`, where starts and ends map a verse, as the number
    BBCCCVVV for book, chapter and verse, to its place in the text. The source is read as data and never run.
    """
    call = next(node for node in ast.walk(ast.parse(member)) if isinstance(node, ast.Call))
    text, starts, ends = (ast.literal_eval(argument) for argument in call.args[1:4])
    chapters: dict[int, list[str]] = {}
    for verse, start in starts.items():
        line = text[start : ends[verse]].replace("`", "'")
        line = re.sub(r"(BOOK [IV]+)?\s*Psalm \d+", " ", line)  # the one book with headings
        chapters.setdefault(verse // 1000, []).append(tidy(line.replace("\n", " ")))
    return "\n\n".join("\n".join(verses) for verses in chapters.values()).encode()


OPINION_FILES = {
    "film": "movieReviewSnippets",
    "tweet": "tweets",
    "product": "amazonReviewSnippets",
    "news": "nytEditorialSnippets",
}


def opinions(member: bytes) -> bytes:
    """A tar.gz with one table a domain to one table: domain, mean human rating, text, separated by tabs."""
    rows: list[str] = []
    for domain, stem in OPINION_FILES.items():
        table = member_of(member, f"hutto_ICWSM_2014/{stem}_GroundTruth.txt")
        rows.extend(_opinion_rows(domain, table.decode().splitlines()))
    return "\n".join(rows).encode()


def opinion_ratings(member: bytes) -> bytes:
    """The same tar.gz to what every single person said: domain, a tab, the ratings with spaces between.

    Line by line these are the people behind the means of `opinions`, found by the text's ID.
    """
    rows: list[str] = []
    for domain, stem in OPINION_FILES.items():
        texts, tables = (
            [line.split("\t") for line in member_of(member, name).decode("utf-8-sig").splitlines()]
            for name in (f"hutto_ICWSM_2014/{stem}_{of}.txt" for of in ("GroundTruth", "anonDataRatings"))
        )
        ratings = {row[0]: json.loads(row[3]) for row in tables}
        rows.extend(f"{domain}\t{' '.join(str(int(one)) for one in ratings[row[0]])}" for row in texts)
    return "\n".join(rows).encode()


def _opinion_rows(domain: str, lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        _, rating, text = line.split("\t")
        text = html.unescape(html.unescape(text))  # some were escaped twice: &amp;amp;
        yield f"{domain}\t{float(rating)!r}\t{tidy(text)}"


def news_groups(member: bytes) -> bytes:
    """A zip of a folder with two tables to one table: part, news group, article, separated by tabs.

    The part is "train" or "test", as posted before or after a date. A table begins with lines on its columns.
    """
    rows: list[str] = []
    for part in NEWS_PARTS:
        for line in member_of(member, f"20newsgroups-{part}.tab").decode().split("\n"):
            group, tab, text = line.partition("\t")
            if tab and "." in group:  # as in sci.space: the lines on the columns have no such name
                rows.append(f"{part}\t{group}\t{tidy(text)}")
    return "\n".join(rows).encode()


NEWS_PARTS = ("train", "test")


def digits(member: bytes) -> bytes:
    """A gzip table, a picture a line with its class at the end, to bytes: 785 a picture, class last.

    ValueError where a line has another length or a number is not from 0 to 255.
    """
    rows = [bytes(map(int, line.split(b","))) for line in gzip.decompress(member).split()]
    if any(len(row) != 785 for row in rows):
        raise ValueError("expected 784 numbers and a class on every line")
    return b"".join(rows)
