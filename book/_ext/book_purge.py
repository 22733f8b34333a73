"""Style sheets without the rules that no page can use: most of Bootstrap, of the theme and of sphinx-design.

A rule goes if it asks for a class or an id whose name stands in no page and in no script of the site, not
even as a word of the text; so a class that a script sets by its name keeps its rules. Rules for tags and
attributes alone stay, and so do names that scripts put together (KEPT).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import tinycss2
from tinycss2.ast import AtRule, HashToken, IdentToken, LiteralToken, Node, QualifiedRule

NAME = re.compile(r"[\w-]+")
KEPT = re.compile(r"bs-")  # Bootstrap's names for the sides of a tooltip
GROUPS = {"media", "supports", "layer", "container"}


def names_in(files: Iterable[Path]) -> set[str]:
    """Return all that could be the name of a class in pages and scripts."""
    return {name for file in files for name in NAME.findall(file.read_text(encoding="utf-8"))}


def needed(selector: list[Node]) -> Iterator[str]:
    """Yield the names of classes and ids that a selector asks for, but for those in brackets."""
    for before, token in zip([None, *selector], selector, strict=False):
        is_class = isinstance(before, LiteralToken) and before.value == "." and isinstance(token, IdentToken)
        if is_class or isinstance(token, HashToken):
            yield token.value


def selectors(prelude: list[Node]) -> Iterator[list[Node]]:
    """Yield the selectors of a rule, which commas separate."""
    one: list[Node] = []
    for token in prelude:
        if isinstance(token, LiteralToken) and token.value == ",":
            yield one
            one = []
        else:
            one.append(token)
    yield one


def purged(rules: str, names: set[str]) -> str:
    """Return the rules of a style sheet that a page may need."""
    return "\n".join(kept(tinycss2.parse_stylesheet(rules, skip_comments=True, skip_whitespace=True), names))


def kept(rules: list[Node], names: set[str]) -> Iterator[str]:
    """Yield what stays of rules, one by one."""
    for rule in rules:
        if isinstance(rule, QualifiedRule):
            stay = [
                one
                for one in selectors(rule.prelude)
                if all(name in names or KEPT.match(name) for name in needed(one))
            ]
            if stay:
                yield f"{','.join(map(tinycss2.serialize, stay))}{{{tinycss2.serialize(rule.content)}}}"
        elif isinstance(rule, AtRule) and rule.lower_at_keyword in GROUPS and rule.content is not None:
            inside = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            if stays := "\n".join(kept(inside, names)):
                yield f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{stays}}}"
        else:
            yield rule.serialize()
