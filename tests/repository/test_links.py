"""The check of external links: what is broken, what is not, and that it says so when there is no network."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import links
from places import ROOT

STATUS = {"refused": 403, "login": 401, "gone": 404, "removed": 410, "busy": 429, "failing": 500, "down": 503}


class Answers(BaseHTTPRequestHandler):
    """Answers by the path: /ok, /anchor, /moved, /elsewhere, /slow, or a status of STATUS."""

    over = threading.Event()

    def do_GET(self) -> None:
        path = self.path.strip("/")
        if path == "slow":
            self.over.wait(30)
        self.send_response({"moved": 301, "elsewhere": 302}.get(path, STATUS.get(path, 200)))
        if path in ("moved", "elsewhere"):
            self.send_header("Location", "/ok")
        if path == "busy":
            self.send_header("Retry-After", "3600")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(b"<p id=here>")

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    Answers.over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def closed() -> str:
    """An address of this machine where nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def test_only_what_is_not_there_counts_as_broken(
    host: str, closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {
        "ok": "works",
        "ok#here": "works",
        "ok#nowhere": "broken",
        "moved": "moved",
        "elsewhere": "works",  # for now, by its own word
        "gone": "broken",
        "removed": "broken",
        "refused": "refused",
        "login": "refused",
        "busy": "refused",  # asks to come back in an hour: no reason to wait for it
        "failing": "no answer",
        "down": "no answer",
        "slow": "no answer",
    }
    wanted = {f"{host}/{path}": verdict for path, verdict in expected.items()} | {closed: "broken"}
    monkeypatch.setitem(links.SETTINGS, "linkcheck_timeout", 2)
    monkeypatch.setitem(links.SETTINGS, "linkcheck_retries", 1)
    places = {address: [f"page {address[-4:]}"] for address in wanted}
    assert {answer.address: answer.verdict for answer in links.ask(wanted)} == wanted

    code, text = links.check({address: places[address] for address in (f"{host}/ok", f"{host}/gone")})
    assert code == 1
    assert "1 broken link** of 2" in text
    assert "page gone" in text
    code, text = links.check({f"{host}/{path}": ["page"] for path in ("ok", "moved", "refused")})
    assert code == 0
    assert "0 broken links** of 3; 1 works, 1 moved, 1 refused, 0 no answer." in text


def test_without_a_network_nothing_is_said_about_the_links(closed: str) -> None:
    code, text = links.check({closed: ["page"], f"{closed}other": ["page"]})
    assert code == 2
    assert "No network" in text
    assert closed not in text


def test_links_come_from_pages_bibliography_and_texts(tmp_path: Path) -> None:
    site = tmp_path / "_build/html"
    (site / "_static").mkdir(parents=True)
    (site / "page.html").write_text(
        '<link href="https://load.org/x.css"><a href="https://a.org/x?y=1&amp;z=2">x</a>'
        '<a href="other.html">y</a><a href="#z">z</a><a href="https://a.org/x?y=1&amp;z=2">again</a>'
        '<a href="https://mybinder.org/v2/gh/a/b">launch</a><a href="https://example.org/">e</a>'
    )
    (site / "_static/third.html").write_text('<a href="https://static.org/">')
    (tmp_path / "book").mkdir()
    (tmp_path / "book/refs.bib").write_text(
        "@book{a,\n  doi = {10.1/x_(y)},\n  url     = {https://b.org/},\n  title = {T},\n}\n"
    )
    (tmp_path / "README.md").write_text("See [this](https://c.org/a), and https://d.org/b.\n")
    (tmp_path / "labutils").mkdir()
    (tmp_path / "labutils/m.py").write_text('"""By <https://e.org/c>; at http://localhost:1/."""\n')
    assert links.collect(tmp_path, site) == {
        "https://a.org/x?y=1&z=2": ["page.html"],
        "https://doi.org/10.1/x_(y)": ["book/refs.bib"],
        "https://b.org/": ["book/refs.bib"],
        "https://c.org/a": ["README.md"],
        "https://d.org/b": ["README.md"],
        "https://e.org/c": ["labutils/m.py"],
    }


def test_every_address_of_the_bibliography_is_found() -> None:
    bib = (ROOT / "book/references.bib").read_text(encoding="utf-8")
    found = links.links_of_bibliography(bib)
    fields = [line for line in bib.splitlines() if line.strip().split("=")[0].strip() in ("doi", "url")]
    assert len(found) == len(fields) > 50
    assert [address for address in found if not address.startswith("http") or " " in address] == []


def test_a_hostile_answer_does_not_break_the_report() -> None:
    answers = [links.Answer("https://a.org/|x", "broken", "404 <b>\n@all | `code` ![](x)")]
    row = next(line for line in links.report(answers, {}).splitlines() if "404" in line)
    assert row.replace("\\|", "").count("|") == 4
    assert r"\<b\>" in row
    assert r"\@all" in row
