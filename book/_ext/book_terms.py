"""Glossary terms in the chapters: a term's first use leads to the glossary and says what it means.

The notebooks' text stays plain. The build looks for the terms of book/glossary.md, their plurals, capitals
and abbreviations, and puts the meanings at the end of the page, where the links' `aria-describedby` and
terms.js, which shows them beside the term, find them. Without JavaScript a term is a link.

A term of one word may be an everyday word ("block", "mask"): it is a term from the first chapter that its
entry names on. Terms of several words and abbreviations are terms everywhere.
"""

from __future__ import annotations

import html
import re
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform

from book_access import CHINESE, NOT_PROSE

GLOSSARY = "book/glossary"
SKIPPED = {"Further reading"}  # titles of works, no uses of a term
NOT_LINKED = (*NOT_PROSE, nodes.title, nodes.table, nodes.reference, addnodes.pending_xref, nodes.footnote)
ABBREVIATED = re.compile(r"Abbreviated (\w+)\.")
BRACKETED = re.compile(r"(.+?) \((\w+)\)")
LINK = re.compile(
    r'<a class="(?P<classes>[^"]*\bglossary-term\b[^"]*)" href="(?P<href>[^"#]*#(?P<id>[^"]+))"'
)


@dataclass(frozen=True)
class Term:
    """An entry of the glossary: its anchor, its English words, and the first page that shows it."""

    anchor: str
    words: tuple[str, ...]
    shown_on: str


def plurals(words: str) -> list[str]:
    """Return the regular plural of the last word: entropies, softmaxes, gates, and gates of a cell."""
    head, of, rest = words.partition(" of ")
    if re.search(r"[^aeiou]y$", head):
        many = f"{head[:-1]}ies"
    else:
        head = re.sub(r"([^f])fe$", r"\1ve", head)
        many = f"{head}es" if re.search(r"(?:s|x|ch|sh)$", head) else f"{head}s"
    return [words, f"{many}{of}{rest}"]


def forms(words: str, definition: str) -> list[str]:
    """Return how a term is written in prose: with its plural, and what its entry gives as abbreviation."""
    bracketed = BRACKETED.fullmatch(words)
    names = list(bracketed.groups()) if bracketed else [words]
    names += ABBREVIATED.findall(definition)
    every = [form for name in names for form in plurals(name)]
    return every + [form[0].upper() + form[1:] for form in every if form[0].islower()]


def entries(glossary: nodes.document) -> list[nodes.definition_list_item]:
    return [item for item in glossary.findall(nodes.definition_list_item) if item.next_node(nodes.term)]


def names(item: nodes.definition_list_item) -> tuple[list[nodes.term], list[nodes.term]]:
    """Return the English and the Chinese terms of an entry."""
    terms = [child for child in item if isinstance(child, nodes.term)]
    chinese = [term for term in terms if CHINESE.search(term.astext())]
    return [term for term in terms if term not in chinese], chinese


def read_terms(env: BuildEnvironment) -> list[Term]:
    """Return the entries of the glossary; none where the book has no glossary."""
    if GLOSSARY not in env.all_docs:
        return []
    found = []
    for item in entries(env.get_doctree(GLOSSARY)):
        definition = item.next_node(nodes.definition)
        english, _ = names(item)
        if definition is None or not english:
            continue
        pages = [str(link["reftarget"]) for link in definition.findall(addnodes.pending_xref)]
        shown = next((page for page in pages if page.startswith("notebooks/")), "")
        text = definition.astext().replace("’", "'")
        words = [form for term in english for form in forms(term.astext().replace("’", "'"), text)]
        found.append(Term(english[0]["ids"][0], tuple(words), shown.removesuffix(".ipynb")))
    return found


def order(env: BuildEnvironment) -> list[str]:
    """Return the pages in the order of the book."""
    relations = env.collect_relations()
    pages: list[str] = []
    page: str | None = env.config.root_doc
    while page and page not in pages:
        pages.append(page)
        page = relations[page][2] if page in relations else None
    return pages


def pattern(words: list[str]) -> re.Pattern[str]:
    """Return what finds the words, the longest first; an apostrophe may be curly, a space a new line."""
    alternatives = "|".join(
        re.escape(word).replace("'", "['’]").replace(r"\ ", r"\s+")
        for word in sorted(words, key=len, reverse=True)
    )
    return re.compile(rf"(?<![\w-])(?:{alternatives})(?![\w-])")


@cache
def lexicon(env: BuildEnvironment) -> tuple[dict[str, Term], re.Pattern[str] | None, dict[str, int]]:
    """Return the terms by their forms, what finds the forms, and the pages' places; read once a build."""
    terms = {word: term for term in read_terms(env) for word in term.words}
    places = {page: place for place, page in enumerate(order(env))}
    return terms, pattern(list(terms)) if terms else None, places


class Terms(SphinxPostTransform):
    """Make links of the terms that a chapter uses for the first time."""

    default_priority = 780  # when citations and links have their text, before Chinese is marked
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        page = self.env.docname
        if Path(self.env.doc2path(page)).suffix != ".ipynb":
            return
        terms, finds, places = lexicon(self.env)
        if finds is None:
            return
        target = self.app.builder.get_relative_uri(page, GLOSSARY)
        here = places.get(page, 0)
        seen: set[Term] = set()
        for text in list(self.document.findall(nodes.Text)):
            if not is_prose(text):
                continue
            parts: list[nodes.Node] = []
            end = 0
            for found in finds.finditer(str(text)):
                term = terms[" ".join(found[0].replace("’", "'").split())]
                everyday = found[0].isalpha() and found[0][1:].islower()
                if term in seen or (everyday and here < places.get(term.shown_on, 0)):
                    continue
                seen.add(term)
                parts.append(nodes.Text(str(text)[end : found.start()]))
                uri = f"{target}#{term.anchor}"
                parts.append(
                    nodes.reference("", found[0], refuri=uri, internal=True, classes=["glossary-term"])
                )
                end = found.end()
            if parts:
                parts.append(nodes.Text(str(text)[end:]))
                text.parent.replace(text, [part for part in parts if part.astext()])


def is_prose(text: nodes.Node) -> bool:
    """Whether a term may be linked here: in a paragraph that is no table, code or output of code."""
    node, in_paragraph = text, False
    while (node := node.parent) is not None:
        in_paragraph = in_paragraph or isinstance(node, nodes.paragraph)
        if isinstance(node, NOT_LINKED) or "cell_output" in node.get("classes", ()):
            return False
        if isinstance(node, nodes.section) and node[0].astext() in SKIPPED:
            return False
    return in_paragraph


def meaning(definition: nodes.definition) -> nodes.paragraph:
    """Return what an entry says, without its links: up to the arrow that leads to the chapters."""
    said = nodes.paragraph()
    for part in definition[0].children if len(definition) else ():
        copy = part.deepcopy()
        if isinstance(part, nodes.Text) and "→" in part:
            said += nodes.Text(str(part).partition("→")[0].rstrip())
            break
        if isinstance(copy, nodes.reference):
            copy = nodes.inline("", copy.astext())
        for link in list(copy.findall(nodes.reference)):
            link.replace_self(nodes.inline("", link.astext()))
        said += copy
    for part in said.findall(nodes.Element):
        part["ids"] = []  # those are the glossary's own
    return said


@cache
def meanings(builder: StandaloneHTMLBuilder) -> dict[str, str]:
    """Return what stands beside a term, as HTML, by the anchor of its entry."""
    found = {}
    for item in entries(builder.env.get_and_resolve_doctree(GLOSSARY, builder)):
        english, chinese = names(item)
        definition = item.next_node(nodes.definition)
        if definition is None or not english:
            continue
        title = html.escape(english[0].astext())
        for term in chinese:
            title += f' <span lang="zh">{html.escape(term.astext())}</span>'
        said = builder.render_partial(meaning(definition))["fragment"]
        found[english[0]["ids"][0]] = f'<p class="glossary-name">{title}</p>\n{said}'
    return found


def add_meanings(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Put the meanings of a page's terms behind its text."""
    anchors = [found["id"] for found in LINK.finditer(context.get("body", ""))]
    if not anchors:
        return
    assert isinstance(app.builder, StandaloneHTMLBuilder)
    known = meanings(app.builder)
    boxes = "\n".join(
        f'<div class="glossary-meaning" id="meaning-{anchor}" role="tooltip" hidden>\n{known[anchor]}</div>'
        for anchor in anchors
    )
    body = LINK.sub(
        lambda at: f'<a class="{at["classes"]}" href="{at["href"]}" aria-describedby="meaning-{at["id"]}"',
        context["body"],
    )
    opened = '<div class="glossary-meanings" data-nosnippet data-pagefind-ignore="all">'
    context["body"] = f"{body}\n{opened}\n{boxes}\n</div>\n"
    app.add_css_file("terms.css")
    app.add_js_file("terms.js", loading_method="defer")


def forget(app: Sphinx) -> None:
    lexicon.cache_clear()
    meanings.cache_clear()


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_post_transform(Terms)
    app.connect("builder-inited", forget)
    app.connect("html-page-context", add_meanings, priority=400)  # before the page's formulas are counted
    own = zlib.crc32(Path(__file__).read_bytes())
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
