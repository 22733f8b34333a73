"""The data catalogue: each parser on a small file made here, then every real entry, fetched anew."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import importlib.metadata
import io
import json
import re
import tarfile
import unicodedata
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from labutils import data
from labutils.data import cache, catalogue, parse

TEXTS = [name for name, entry in catalogue.ENTRIES.items() if entry.suffix == ".txt"]


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return buffer.getvalue()


# --- parsers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_member_of_reads_wheels_and_source_distributions(pack) -> None:  # type: ignore[no-untyped-def]
    archive = pack({"a/one": b"1", "a/two": b"2"})
    assert parse.member_of(archive, "a/two") == b"2"
    with pytest.raises(KeyError, match="three"):
        parse.member_of(archive, "a/three")


def test_member_of_refuses_a_folder() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        item = tarfile.TarInfo("a")
        item.type = tarfile.DIRTYPE
        archive.addfile(item)
    with pytest.raises(KeyError, match="folder"):
        parse.member_of(buffer.getvalue(), "a")


def test_member_of_packs_a_folder_of_a_wheel() -> None:
    files = {"m/b.json": b"{}", "m/a": b"1" * 1000, "m/sub/c": b"3", "other/d": b"4"}
    packed = parse.member_of(zipped(files), "m/")
    assert packed == parse.member_of(zipped(dict(reversed(files.items()))), "m/")  # the order does not matter
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.namelist() == ["a", "b.json", "sub/c"]
        assert archive.read("sub/c") == b"3"
        assert {item.compress_type for item in archive.infolist()} == {zipfile.ZIP_STORED}
    digest = hashlib.sha256(packed).hexdigest()  # on every system and in every year
    assert digest == "b025de5601702382dc9c2fe98b4e470b3e268010ff9b913f0fde705f7d0e9453"
    with pytest.raises(KeyError, match="nothing/"):
        parse.member_of(zipped(files), "nothing/")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("cafe\u0301", "café"),
        ("15\u00a0km\u2009wide\t!", "15 km wide !"),
        ("a \n b", "a\nb"),
        ("one\n\n\n\n two", "one\n\ntwo"),
        ("soft\u00adly\u200b \ufefflow\u200e\x07\x85er\ufffd", "softly low er"),
        ("\r\nend\r\n", "end"),
        ("孔明　曰", "孔明 曰"),
    ],
)
def test_tidy(before: str, after: str) -> None:
    assert parse.tidy(before) == after
    assert parse.tidy(after) == after


def dump(*pages: str) -> bytes:
    body = "".join(pages)
    return bz2.compress(
        f'<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/">{body}</mediawiki>'.encode()
    )


def page(markup: str, redirect: str = "") -> str:
    escaped = markup.replace("&", "&amp;").replace("<", "&lt;")
    return f"<page><title>T</title>{redirect}<revision><text>{escaped}</text></revision></page>"


@pytest.mark.parametrize(
    ("markup", "prose"),
    [
        ("'''Albedo''' is ''white''.", "Albedo is white."),
        ("the ''Iliad'''s end", "the Iliad's end"),
        ("[[state|the states]] and [[sea]]s", "the states and seas"),
        ("[http://example.org a site], [http://example.org]", "a site,"),
        ("{{Infobox|name={{nested|x}}}}Text", "Text"),
        ("at {{convert|1300|mi|km}}.", "at 1300 mi."),
        ("{{convert|5|to|10|km|mi|abbr=on}} wide", "5 to 10 km wide"),
        ("{{As of|2010|lc=y}}, more", "As of 2010, more"),
        ("Greek {{lang|grc|ἀρχή}}, rule", "Greek ἀρχή, rule"),
        ("{{chem|H|2|O}} and CO<sub>2</sub>", "H2O and CO2"),
        ("''Eagle''{{'s}} footpad, 24{{nbsp}}August", "Eagle's footpad, 24 August"),
        ("one<ref>Book, {{cite|a}}</ref> two<ref name=a/> three<!-- no -->", "one two three"),
        ("when <math>x^2</math> is", "when is"),
        ("Albedo ({{IPAc-en|x}}) is", "Albedo is"),
        ("Achilles ({{a}}; {{b}}, ''Akhilleus'') was", "Achilles (Akhilleus) was"),
        ("[[File:A.jpg|thumb|a [[picture]]]]See [[Category:Q]][[Image:b.png]]that", "See that"),
        ("{| class=wikitable\n! a\n|-\n| b\n|}\nafter", "after"),
        ("before\n{| class=x\n! a\n|-\n| b never closed", "before"),
        ("before [[File:x.svg|thumb|never closed", "before never closed"),
        ("* one\n* two<br>three", "one\ntwo\nthree"),
        ("5 &lt; 6 &ndash; yes&nbsp;&amp; no", "5 < 6 – yes & no"),
        ("lead\n\n== History ==\npast\n=== See also ===\n* x\n==== y ====\nz\n== Now ==\nnow",
         "lead\n\nHistory\n\npast\n\nNow\n\nnow"),
        ("kept\n== References ==\ngone\n== External links ==\ngone too", "kept"),
    ],
)  # fmt: skip
def test_wikipedia_leaves_prose(markup: str, prose: str) -> None:
    assert parse.wikipedia(dump(page(markup))).decode() == prose


def test_wikipedia_joins_articles_and_skips_redirects() -> None:
    member = dump(page("One."), page("#REDIRECT [[One]]", '<redirect title="One" />'), page("Two."))
    assert parse.wikipedia(member) == b"One.\n\nTwo."


def test_three_kingdoms_is_a_line_a_paragraph() -> None:
    chapters = ["第一回 题　目\n\n  \n\t话说www.xyyuedu.com ，天下\n\n\t大势。", "第二回\n\n\t反来?吓"]
    assert parse.three_kingdoms(json.dumps(chapters).encode()).decode() == (
        "第一回 题 目\n话说，天下\n大势。\n\n第二回\n反来□吓"
    )


def test_bible_reads_the_source_and_never_runs_it(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = "In the   beginning. God`s Spirit. BOOK I  Psalm 1Blessed is the man."
    starts, ends = {1001001: 0, 1001002: 19, 19001001: 34}, {1001001: 19, 1001002: 34, 19001001: len(text)}
    code = f"open({str(mark)!r}, 'w').write('ran')"
    module = (
        f'import nothing.here\nbible = Bible(V.W, """{text}""", {starts}, {ends}, {{{code}: "x"}}, False)\n'
    )
    assert parse.bible(module.encode()).decode() == "In the beginning.\nGod's Spirit.\n\nBlessed is the man."
    with pytest.raises(ValueError, match="malformed"):
        parse.bible(f"bible = Bible(V.W, {code}, {starts}, {ends})".encode())
    assert not mark.exists()


def test_opinions_become_one_table() -> None:
    table = "1\t-0.6\tso &amp;amp; {}  so\r\n2\t3\tgood\r\n"
    files = {
        f"hutto_ICWSM_2014/{stem}_GroundTruth.txt": table.format(domain).encode()
        for domain, stem in parse.OPINION_FILES.items()
    }
    rows = parse.opinions(tarred(files)).decode().split("\n")
    assert rows[:3] == ["film\t-0.6\tso & film so", "film\t3.0\tgood", "tweet\t-0.6\tso & tweet so"]
    assert len(rows) == 8
    del files["hutto_ICWSM_2014/tweets_GroundTruth.txt"]
    with pytest.raises(KeyError, match="tweets_GroundTruth"):
        parse.opinions(tarred(files))


def test_ratings_follow_the_order_of_the_texts() -> None:
    texts = "1\t-0.5\tso so\r\n2\t3\tgood\r\n"
    table = "\ufeff2\t3\t0\t[3, 3]\r\n1\t-0.5\t0.5\t[0, -1]\r\n"  # in another order, with a byte-order mark
    files = {}
    for stem in parse.OPINION_FILES.values():
        files[f"hutto_ICWSM_2014/{stem}_GroundTruth.txt"] = texts.encode()
        files[f"hutto_ICWSM_2014/{stem}_anonDataRatings.txt"] = table.encode()
    rows = parse.opinion_ratings(tarred(files)).decode().split("\n")
    assert rows[:3] == ["film\t0 -1", "film\t3 3", "tweet\t0 -1"]
    assert len(rows) == 8
    del files["hutto_ICWSM_2014/tweets_anonDataRatings.txt"]
    with pytest.raises(KeyError, match="tweets_anonDataRatings"):
        parse.opinion_ratings(tarred(files))


def test_news_groups_become_one_table() -> None:
    table = "Category\tText\nd\tstring\nclass\t\n\nsci.space\tthe  {} moon \nrec.autos\ta car\n"
    files = {f"20newsgroups-{part}.tab": table.format(part).encode() for part in parse.NEWS_PARTS}
    rows = parse.news_groups(zipped({**files, "other.tab": b"x"})).decode().split("\n")
    assert rows == [
        "train\tsci.space\tthe train moon", "train\trec.autos\ta car",
        "test\tsci.space\tthe test moon", "test\trec.autos\ta car",
    ]  # fmt: skip
    del files["20newsgroups-test.tab"]
    with pytest.raises(KeyError, match="20newsgroups-test"):
        parse.news_groups(zipped(files))


def test_digits_are_785_bytes_each() -> None:
    lines = [",".join(map(str, [*range(200), *[0] * 584, label])) for label in (7, 3)]
    packed = gzip.compress(("\n".join(lines) + "\n").encode())
    rows = np.frombuffer(parse.digits(packed), dtype=np.uint8).reshape(2, 785)
    assert rows[:, -1].tolist() == [7, 3]
    assert (rows[:, :200] == np.arange(200)).all()
    for broken in (lines[0] + ",1", lines[0].replace("199", "256"), lines[0].replace("199", "x")):
        with pytest.raises(ValueError, match=r"784|256|byte|invalid"):
            parse.digits(gzip.compress(broken.encode()))


# --- the catalogue ------------------------------------------------------------------------------------------


def test_every_entry_is_pinned_and_described() -> None:
    for name, entry in catalogue.ENTRIES.items():
        assert entry.name == name
        assert re.fullmatch("[0-9a-f]{64}", entry.sha256), name
        assert re.fullmatch("[0-9a-f]{64}", entry.parsed_sha256), name
        assert entry.size > 0, name
        assert entry.licence, name
        assert entry.description, name
        assert bool(entry.platform) == bool(entry.python), name
        assert not (entry.sdist and entry.platform), name


def test_nothing_in_the_catalogue_is_installed() -> None:
    """The packages are only containers: a machine that runs the book does not have them."""
    for entry in catalogue.ENTRIES.values():
        with pytest.raises(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version(entry.distribution)


def test_the_code_names_no_host() -> None:
    sources = Path(parse.__file__).parent.glob("*.py")
    assert not [source.name for source in sources if re.search(r"https?://", source.read_text("utf-8"))]


def test_unknown_names_are_met_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'wikipedia'.*did you mean wikipedia_en"):
        data.load_text("wikipedia")
    with pytest.raises(ValueError, match="there are wikipedia_en"):
        data.fetch("qqqq")
    with pytest.raises(ValueError, match=r"opinions_en is not one text.*load_opinions"):
        data.load_text("opinions_en")
    with pytest.raises(ValueError, match=r"'books'.*film, tweet, product, news"):
        data.load_opinions("books")
    with pytest.raises(ValueError, match=r"no opinions on 'books'.*film"):
        data.load_ratings("books")
    with pytest.raises(ValueError, match=r"part is 'all': expected 'train' or 'test'"):
        data.load_news("all")
    with pytest.raises(
        ValueError, match=r"minilm is not one text: labutils\.models\.pretrained\.load reads it"
    ):
        data.load_text("minilm")


# --- the real entries ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """A new cache with every data set, so that a changed parser cannot hide behind an old file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABUTILS_CACHE", str(tmp_path_factory.mktemp("cache")))
        for name in catalogue.ENTRIES:
            data.fetch(name)
        yield


@pytest.mark.usefixtures("fresh")
class TestRealEntries:
    def test_the_cache_holds_what_the_catalogue_promises_and_nothing_else(self) -> None:
        for entry in catalogue.ENTRIES.values():
            content = cache.cached_path(entry).read_bytes()
            assert hashlib.sha256(content).hexdigest() == entry.parsed_sha256
        kept = {file.name for file in cache.cache_folder().iterdir() if file.suffix != ".lock"}
        assert kept == {entry.file_name for entry in catalogue.ENTRIES.values()}

    def test_a_second_load_downloads_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*arguments: object) -> bytes:
            raise AssertionError("downloads again")

        monkeypatch.setattr(cache, "download", fail)
        for name in TEXTS:
            data.load_text(name)
        data.load_opinions("film")
        data.load_news("test")
        data.load_digits()

    @pytest.mark.parametrize("name", TEXTS)
    def test_texts_are_normal_and_clean(self, name: str) -> None:
        text = data.load_text(name)
        assert unicodedata.is_normalized("NFC", text)
        assert text == text.strip()
        odd = {c for c in set(text) if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cn", "Zl", "Zp")} - {
            "\n"
        }
        assert not odd
        assert "\ufffd" not in text
        assert {c for c in text if c.isspace()} == {" ", "\n"}
        assert not re.search(r"  |\n\n\n| \n|\n ", text)
        assert not re.search(r"\{\{|\}\}|\[\[|\]\]|<ref|</|&[a-z]+;|http|''|==|\bthumb\|", text)

    def test_wikipedia(self) -> None:
        text = data.load_text("wikipedia_en")
        assert len(text) == 2_818_188
        assert len(set(text)) == 517
        assert text.startswith(
            "Anarchism is a political philosophy that advocates self-governed societies based on"
        )
        common = sum(count for _, count in Counter(text).most_common(127))
        assert 0.998 < common / len(text) < 1
        assert "\n\nHistory\n\n" in text
        assert not re.search(r"^(References|External links|See also)$", text, re.MULTILINE)

    def test_three_kingdoms(self) -> None:
        text = data.load_text("three_kingdoms_zh")
        assert len(text) == 596_312
        assert text.startswith("第一回 宴桃园豪杰三结义 斩黄巾英雄首立功\n滚滚长江东逝水")
        chapters = text.split("\n\n")
        assert len(chapters) == 120
        assert all(re.match("第[一二三四五六七八九十百]+回 ", chapter) for chapter in chapters)
        assert not re.search("[A-Za-z?]", text)

    def test_bible(self) -> None:
        text = data.load_text("bible_en")
        assert len(text) == 4_032_251
        chapters = text.split("\n\n")
        assert len(chapters) == 1_189
        assert sum(chapter.count("\n") + 1 for chapter in chapters) == 31_102
        assert text.startswith("In the beginning God created the heavens and the earth.\n")
        assert text.endswith("The grace of the Lord Jesus be with all the saints. Amen.")
        assert not re.search("[`0-9]", text)

    @pytest.mark.parametrize(
        ("domain", "count", "first"),
        [
            ("film", 10_605, "The Rock is destined to be the 21st Century's new ''Conan''"),
            ("tweet", 4_200, "Somehow I was blessed with some really amazing friends"),
            ("product", 3_708, "troubleshooting ad-2500 and ad-2600 no picture scrolling b/w."),
            ("news", 5_190, "On Dec. 19, around noon, New York City's Union Square"),
        ],
    )
    def test_opinions(self, domain: str, count: int, first: str) -> None:
        opinions = data.load_opinions(domain)
        assert len(opinions) == len(opinions.texts) == count
        assert opinions.ratings.shape == (count,)
        assert opinions.ratings.dtype == np.float64
        assert -4 <= opinions.ratings.min() < -2 < 2 < opinions.ratings.max() <= 4
        assert opinions.texts[0].startswith(first)
        assert all(opinions.texts)
        assert not any(re.search(r"&(amp|lt|gt|quot);|[\t\r\n]", text) for text in opinions.texts)

    @pytest.mark.parametrize("domain", ["film", "product", "news"])
    def test_ratings_are_those_behind_the_means(self, domain: str) -> None:
        ratings, opinions = data.load_ratings(domain), data.load_opinions(domain)
        assert len(ratings) == len(opinions)
        np.testing.assert_allclose([one.mean() for one in ratings], opinions.ratings, atol=1e-6)
        assert all(15 <= len(one) <= 29 and abs(one).max() <= 4 for one in ratings)

    def test_weymouth(self) -> None:
        text = data.load_text("bible_weymouth_en")
        assert len(text) == 1_032_322
        chapters = text.split("\n\n")
        assert len(chapters) == 260
        assert sum(chapter.count("\n") + 1 for chapter in chapters) == 7_958
        assert text.startswith("The Genealogy of Jesus Christ, the son of David, the son of Abraham.\n")

    @pytest.mark.parametrize(("part", "count", "hockey"), [("train", 11_293, 600), ("test", 7_528, 399)])
    def test_news(self, part: str, count: int, hockey: int) -> None:
        news = data.load_news(part)
        assert len(news) == len(news.texts) == len(news.groups) == count
        assert len(set(news.groups)) == 20
        assert news.groups.count("rec.sport.hockey") == hockey
        assert all(re.fullmatch("[a-z]+( [a-z]+)*", text) for text in news.texts)

    def test_minilm(self) -> None:
        with zipfile.ZipFile(data.fetch("minilm")) as files:
            weights = hashlib.sha256(files.read("model.safetensors")).hexdigest()
            assert weights == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
            assert json.loads(files.read("config.json"))["hidden_size"] == 384
            assert len(json.loads(files.read("tokenizer.json"))["model"]["vocab"]) == 30_522

    def test_digits(self) -> None:
        found = data.load_digits()
        assert found.pictures.shape == (len(found), 28, 28) == (5000, 28, 28)
        assert found.labels[:12].tolist() == [*range(10), 0, 1]
        assert np.bincount(found.labels).tolist() == [500] * 10
        assert (found.pictures.min(), found.pictures.max()) == (0, 255)
        assert found.pictures[:, 0].max() == 0  # MNIST's margin
        ink = [found.pictures[found.labels == k].mean() for k in (0, 1)]
        assert ink[0] > 2 * ink[1]
