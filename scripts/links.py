"""Ask every external link of the book whether it still leads somewhere. `make links` runs this.

Takes the links of the built pages, the bibliography, README, CITATION.cff and the Python files, gives them
to Sphinx's linkcheck builder and writes _build/links/report.md. The exit code is 1 if a link is broken: the
page or the host is not there. A page that moved, refuses programs or does not answer in time is reported
and counts as no failure. Without a network the exit code is 2, and nothing is said about the links.
"""

from __future__ import annotations

import io
import json
import re
import socket
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar
from unittest import mock
from urllib.parse import urlsplit

import requests
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders import linkcheck

import book
from issue import publish_summary, table

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "_build" / "links"
TEXTS = ("README.md", "CITATION.cff", "labutils/**/*.py", "scripts/*.py", "book/_ext/*.py", ".github/*.md")
URL = re.compile(r"https?://[^\s\"'`<>()\[\]{}|\\^]+[^\s\"'`<>()\[\]{}|\\^.,;:!?*]")
# Links that are not asked, with the reason.
NOT_ASKED = {
    r"https?://(localhost|127\.0\.0\.1)\b": "this machine",
    r"https?://([\w-]+\.)*(example(\.\w+)?|invalid|test)([:/]|$)": "reserved for examples",
    r"https://colab\.research\.google\.com/": "answers for every address, also a wrong one",
    r"https://mybinder\.org/v2/": "starts a machine",
    r"https?://[^/]+/(hub/)?user-redirect/": "starts a machine",
    r"https://github\.com/[^/]+/[^/]+/(issues/new|edit/)": "asks for a login",
}
SETTINGS: dict[str, object] = {
    "linkcheck_timeout": 20,
    "linkcheck_retries": 2,
    "linkcheck_workers": 8,
    "linkcheck_anchors_ignore_for_url": [r"https://github\.com/"],  # scripts make the anchors there
    "linkcheck_allow_unauthorized": False,  # told apart in judge()
    "linkcheck_report_timeouts_as_broken": False,
    "linkcheck_allowed_redirects": {r"https?://(dx\.)?doi\.org/": r"."},  # that is what a DOI is for
    "html_theme": "basic",
}
PATIENCE = 120.0  # seconds for a host that says "too many requests", from its first such answer
REFUSALS = {401, 402, 403, 405, 406, 407, 418, 429, 451, 999}  # to a program; a browser may well be let in
VERDICTS = ("works", "moved", "refused", "no answer", "broken")


@dataclass(frozen=True)
class Answer:
    """What became of one link: one of VERDICTS, and why or where to."""

    address: str
    verdict: str
    detail: str


class Anchors(HTMLParser):
    """Collects the addresses of a page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where an <a> leads."""
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def links_of_page(html: str) -> list[str]:
    """Return the external links of a built page."""
    parser = Anchors()
    parser.feed(html)
    return [address for address in parser.found if address.startswith(("http://", "https://"))]


def links_of_bibliography(bib: str) -> list[str]:
    """Return the addresses of BibTeX entries, cited or not."""
    fields = re.findall(r"^\s*(doi|url)\s*=\s*[{\"](.+?)[}\"],?\s*$", bib, re.MULTILINE | re.IGNORECASE)
    return [f"https://doi.org/{value}" if name.lower() == "doi" else value for name, value in fields]


def collect(root: Path, site: Path) -> dict[str, list[str]]:
    """Return every external link of the book in `root`, built in `site`, with the places that have it."""
    places: defaultdict[str, list[str]] = defaultdict(list)

    def add(links: Iterable[str], place: str) -> None:
        for address in dict.fromkeys(links):
            places[address].append(place)

    for page in sorted(site.rglob("*.html")):
        if "_static" not in page.relative_to(site).parts:
            add(links_of_page(page.read_text(encoding="utf-8")), page.relative_to(site).as_posix())
    for path in sorted((root / "book").glob("*.bib")):
        add(links_of_bibliography(path.read_text(encoding="utf-8")), path.relative_to(root).as_posix())
    for pattern in TEXTS:
        for path in sorted(root.glob(pattern)):
            add(URL.findall(path.read_text(encoding="utf-8")), path.relative_to(root).as_posix())
    return {
        address: found
        for address, found in places.items()
        if not any(re.match(pattern, address) for pattern in NOT_ASKED)
    }


def network(addresses: Iterable[str]) -> bool:
    """Whether any of the hosts that most links lead to gives any answer at all."""
    hosts = Counter("{0.scheme}://{0.netloc}/".format(urlsplit(address)) for address in addresses)
    for host, _ in hosts.most_common(5):
        try:
            requests.head(host, timeout=10, allow_redirects=False)
        except requests.RequestException:
            continue
        return True
    return False


class Worker(linkcheck.HyperlinkAvailabilityCheckWorker):
    """Sphinx's worker, but one that gives up on a host that says "too many requests" for too long.

    Sphinx waits as long as such a host asks it to, and as often.
    """

    patience = PATIENCE
    first: ClassVar[dict[str, float]] = {}

    def limit_rate(self, response_url: str, retry_after: str | None) -> float | None:
        """Return when to ask again, or None for not at all."""
        host = urlsplit(response_url).netloc
        end = self.first.setdefault(host, time.time()) + self.patience
        due = super().limit_rate(response_url, retry_after)
        if due is not None and due <= end:
            return due
        self.rate_limits.pop(host, None)  # the links that wait for this host need not wait longer
        return None


def judge(status: str, code: int, info: str) -> str:
    """Return the verdict for what Sphinx's builder says of a link."""
    said = re.match(r"(\d{3}) (Client|Server) Error", info)
    number = int(said[1]) if said else 0
    if status == "timeout" or number >= 500 or (status == "ignored" and "unavailable" in info):
        return "no answer"
    if number in REFUSALS or info == "unauthorized":
        return "refused"
    if status == "redirected":
        return "moved" if code in (301, 308) else "works"
    return "broken" if status == "broken" else "works"


def ask(addresses: Iterable[str], **settings: object) -> list[Answer]:
    """Ask every address by Sphinx's linkcheck builder, on a page that has nothing but these links."""
    wanted = list(addresses)

    def add(_: Sphinx, page: nodes.document) -> None:
        page += [nodes.paragraph("", "", nodes.reference(a, a, refuri=a)) for a in wanted]

    Worker.first.clear()
    ours = mock.patch.object(linkcheck, "HyperlinkAvailabilityCheckWorker", Worker)
    before = socket.getdefaulttimeout()  # the builder sets another one for the whole process
    with tempfile.TemporaryDirectory() as folder, ours, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what Sphinx 8 does otherwise
        source, built = Path(folder, "source"), Path(folder, "built")
        source.mkdir()
        (source / "index.rst").write_text("Links\n=====\n", encoding="utf-8")
        overrides = {**SETTINGS, **settings}
        app = Sphinx(source, None, built, built, "linkcheck", overrides, status=None, warning=io.StringIO())
        app.connect("doctree-read", add)
        app.build()
        socket.setdefaulttimeout(before)
        lines = (built / "output.json").read_text(encoding="utf-8").splitlines()
    answers = []
    for line in lines:
        said = json.loads(line)
        verdict = judge(said["status"], said["code"], said["info"])
        answers.append(Answer(said["uri"], verdict, said["info"]))
    return sorted(answers, key=lambda answer: (VERDICTS.index(answer.verdict), answer.address))


def report(answers: list[Answer], places: dict[str, list[str]]) -> str:
    """Return the report in Markdown: the broken links first, then what may need a look, then only numbers."""
    counts = Counter(answer.verdict for answer in answers)
    broken = counts["broken"]
    parts = [
        f"**{broken} broken {'link' if broken == 1 else 'links'}**"
        f" of {len(answers)}; " + ", ".join(f"{counts[v]} {v}" for v in VERDICTS[:-1]) + "."
    ]
    heads = {"broken": "why", "moved": "where it is now", "no answer": "why", "refused": "why"}
    for verdict, head in heads.items():
        rows = [
            (answer.address, answer.detail[:200], ", ".join(places.get(answer.address, [])[:5]))
            for answer in answers
            if answer.verdict == verdict
        ]
        if rows:
            shown = table(("link", head, "where it stands"), rows)
            folded = f"<details><summary>{len(rows)} {verdict}</summary>\n\n{shown}\n\n</details>"
            parts.append(f"### Broken\n\n{shown}" if verdict == "broken" else folded)
    return "\n\n".join(parts) + "\n"


def check(places: dict[str, list[str]]) -> tuple[int, str]:
    """Ask all links of `places`; return the exit code and the report."""
    if places and not network(places):
        return 2, "No network here: none of the hosts answers, so nothing can be said about the links.\n"
    answers = ask(places)
    return int(any(answer.verdict == "broken" for answer in answers)), report(answers, places)


def main() -> int:
    """Build the site, ask its links, write and print the report."""
    try:
        places = collect(ROOT, book.build(ROOT))
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(places)} links to ask: this takes a minute or two.", flush=True)
    code, text = check(places)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "report.md").write_text(text, encoding="utf-8")
    publish_summary(text)
    print(text, file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
