"""What a citation says and where it leads: a link in plain Markdown, which reads well in every viewer.

    [Vaswani et al. (2017)](https://…/book/references.html#vaswani2017attention)     in a sentence
    [Vaswani et al.'s (2017)](https://…/book/references.html#vaswani2017attention)   of something of theirs
    ([Vaswani et al., 2017](https://…/book/references.html#vaswani2017attention))    in brackets

Authors write {cite:t}`key` and {cite:p}`key, key` and let `make repository` make links of them. It also
writes names and years anew where the bibliography has changed, and the site's address.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pybtex.database import BibliographyData, Entry
from pybtex.database.input.bibtex import Parser

from addresses import REFERENCES

FILE = "book/references.bib"
SOURCES = (("book", "*.md"), ("notebooks", "*.ipynb"))
# The last part of a citation's address, as a pattern; a key that is wrong is found, too.
LINK = re.compile(
    rf"\[(?P<words>[^\[\]]*)\]\((?P<site>https?://[^\s()]*/){re.escape(REFERENCES)}\.html#(?P<key>[^\s()]*)\)"
)
# What a bracket does not reach over: the end of a paragraph or of a table's cell; in code, of a string.
APART, APART_IN_CODE = re.compile(r"\n\n|\|"), re.compile(r"\n\n|\||\"")
ROLE = re.compile(r"\{cite:(?P<form>[tp])\}`(?P<keys>[^`]+)`(?P<own>['’]s?\b)?")


@dataclass(frozen=True)
class Work:
    """A work as citations name it; a letter behind the year tells two of the same authors and year apart."""

    authors: str
    year: str

    @property
    def textual(self) -> str:
        return f"{self.authors} ({self.year})"

    @property
    def possessive(self) -> str:
        return f"{self.authors}'s ({self.year})"

    @property
    def bracketed(self) -> str:
        return f"{self.authors}, {self.year}"

    def like(self, words: str) -> str:
        """Return the words in the form that `words` have, whatever names and year they give."""
        if re.search(r"['’]s?\s*\([^()]*\)$", words):
            return self.possessive
        return self.textual if words.endswith(")") else self.bracketed


def plain_letters(text: str) -> str:
    """Return a text without accents, for the order of the alphabet: Ř stands with R."""
    return "".join(
        letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter)
    )


def load(root: Path) -> BibliographyData:
    """Read the bibliography of the book in `root`; of cited works, years that need a letter get it: 2013a."""
    data = Parser(encoding="utf-8").parse_file(str(root / FILE))
    alike: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    for key in cited(root) & set(data.entries):
        entry = data.entries[key]
        alike[authors(entry), str(entry.fields["year"])].append(entry)
    for entries in alike.values():
        if len(entries) > 1:
            for letter, entry in zip("abcdefgh", sorted(entries, key=title), strict=False):
                entry.fields["year"] += letter
    return data


def cited(root: Path) -> set[str]:
    """Return the keys that the book's sources cite."""
    texts = [
        path.read_text(encoding="utf-8") for folder, kind in SOURCES for path in (root / folder).rglob(kind)
    ]
    links = {found["key"] for text in texts for found in LINK.finditer(text)}
    roles = {
        key.strip() for text in texts for found in ROLE.finditer(text) for key in found["keys"].split(",")
    }
    return links | roles


def title(entry: Entry) -> str:
    return plain_letters(re.sub(r"[{}]", "", entry.fields["title"])).lower()


def authors(entry: Entry) -> str:
    """Return the authors' last names, as a citation says them: one, two, or the first "et al."."""
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [" ".join(map(str, [*one.rich_prelast_names, *one.rich_last_names])) for one in people]
    if not names:
        return str(entry.fields.get("organization") or entry.fields["title"])
    return names[0] + " et al." if len(names) > 2 or names[-1] == "others" else " and ".join(names)


def works(data: BibliographyData) -> dict[str, Work]:
    """Return the works of a bibliography by key."""
    return {key: Work(authors(entry), str(entry.fields["year"])) for key, entry in data.entries.items()}


def one_line(words: str) -> str:
    """Return words without the line breaks that a text in Markdown may have between them."""
    return " ".join(words.split())


def faults(text: str, known: Mapping[str, Work], site: str) -> Iterator[str]:
    """What is wrong with the citations of a text."""
    for found in LINK.finditer(text):
        work, words = known.get(found["key"]), one_line(found["words"])
        if work is None:
            yield f"no reference {found['key']}"
        elif words not in (work.textual, work.possessive, work.bracketed):
            yield f"{found['key']} is cited as {words!r}, not {work.like(words)!r}: make repository"
        if found["site"] != site:
            yield f"{found['key']} is cited at {found['site']}, the site is {site}: make repository"


def write(text: str, known: Mapping[str, Work], site: str, apart: re.Pattern[str] = APART) -> str:
    """Return a text whose citations are links with the words of the bibliography."""

    def link(key: str, words: str) -> str:
        return f"[{words}]({site}{REFERENCES}.html#{key})"

    def of_link(found: re.Match[str]) -> str:
        work, words = known.get(found["key"]), one_line(found["words"])
        right = words if work is None else work.like(words)
        return link(found["key"], found["words"] if words == right else right)

    def of_role(found: re.Match[str]) -> str:
        keys = [key.strip() for key in found["keys"].split(",")]
        if any(key not in known for key in keys):
            return found[0]
        before = apart.split(found.string[: found.start()])[-1]
        in_brackets = before.count("(") > before.count(")")
        if found["form"] == "p":
            said = "; ".join(link(key, known[key].bracketed) for key in keys)
            return (f"[{said}]" if in_brackets else f"({said})") + (found["own"] or "")
        form = "possessive" if found["own"] else "bracketed" if in_brackets else "textual"
        return ", ".join(link(key, getattr(known[key], form)) for key in keys)

    return LINK.sub(of_link, ROLE.sub(of_role, text))


def write_all(value: Any, known: Mapping[str, Work], site: str) -> Any:
    """Do the same to every text in a value as JSON has them: a notebook's output, for instance."""
    if isinstance(value, str):
        return write(value, known, site)
    if isinstance(value, list):
        return [write_all(one, known, site) for one in value]
    if isinstance(value, dict):
        return type(value)({key: write_all(one, known, site) for key, one in value.items()})
    return value
