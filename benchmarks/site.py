"""What a page of the site costs a reader, beside the same pages built with Jupyter Book's own settings.

    python benchmarks/site.py [--runs 5] [--pages 0]

Both sites are built from this folder, served from this machine with compression, as GitHub Pages serves them,
and opened in headless Chromium with an empty cache. The default site asks another host for MathJax,
which cannot be timed fairly from anywhere, so it is answered from this machine, from the files that our own
site is built from: the default site pays no look-up of a name and no distance. Requests to still other hosts
are cut and counted. A page is measured as it opens, and again after scrolling to its end.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml
from playwright.sync_api import Browser, Route, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "book/_ext"), str(ROOT / "tests")]

import book  # noqa: E402  (scripts/book.py)
from book_mathjax import files as mathjax_files  # noqa: E402
from browser import CHROMIUM, FLAGS  # noqa: E402

COMPRESSED = {".html", ".css", ".js", ".svg", ".json", ".xml", ".txt"}
COLUMNS = ("requests", "opening, kB", "in all, kB", "first paint, ms", "formulas set, ms", "script, ms")
# Remembers when the last formula of a page stood as mathematics instead of TeX.
READY = """(function look() {
  const formulas = [...document.querySelectorAll(".math")];
  const unset = formulas.some((formula) => !formula.querySelector("mjx-container"));
  if (document.readyState === "loading" || unset) requestAnimationFrame(look);
  else window.formulasSet = performance.now();
})();"""


class Packed(SimpleHTTPRequestHandler):
    """A file server that compresses text, as GitHub Pages does, and writes no log."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Send a file, compressed if it is text."""
        """Send a file."""
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            self.send_error(404)
            return
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        if path.suffix in COMPRESSED:
            body = packed(path)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@functools.cache
def packed(path: Path) -> bytes:
    """Return a file as it is sent."""
    return gzip.compress(path.read_bytes(), 6)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Packed, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def build_default(folder: Path) -> Path:
    """Build the same pages with Jupyter Book's own settings; explorers are stills there."""
    for name in ("book", "notebooks"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("_ext", "templates", "__pycache__")
        )
    shutil.copy(ROOT / "_toc.yml", folder)
    ours = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    settings = {name: ours[name] for name in ("title", "author", "parse", "repository")}
    settings |= {"only_build_toc_files": True, "execute": {"execute_notebooks": "off"}}
    settings["launch_buttons"] = ours["launch_buttons"]
    settings["bibtex_bibfiles"] = ["book/references.bib"]
    (folder / "_config.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        str(folder),
        "-q",
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if not (folder / "_build/html/book/index.html").is_file():
        raise SystemExit(f"{done.stdout}\nThe default site was not built.")
    return folder / "_build/html"


class Elsewhere:
    """Answers for other hosts from this machine where it has the file, and counts the rest."""

    def __init__(self) -> None:
        self.cut = self.added = 0

    def answer(self, route: Route) -> None:
        """Answer one request, or cut it."""
        url = route.request.url
        if url.startswith("http://127.0.0.1:"):
            route.continue_()
            return
        body = None
        if "mathjax@3" in url:
            file = mathjax_files() / url.split("/es5/")[1].split("?")[0]
            body = file.read_bytes() if file.is_file() else None
        if body is None:
            self.cut += 1
            route.abort()
            return
        packs = not url.endswith((".woff", ".woff2"))
        headers = {
            "content-type": "text/javascript" if packs else "font/woff",
            "access-control-allow-origin": "*",
        }
        # Comes to the page as it is; what it would weigh on the wire is added by hand.
        self.added += len(gzip.compress(body, 6)) if packs else len(body)
        route.fulfill(body=body, headers=headers)


def load(browser: Browser, url: str, elsewhere: Elsewhere) -> tuple[float, ...]:
    """Open a page with an empty cache and return what COLUMNS says, before and after scrolling."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    elsewhere.added = 0
    page.add_init_script(READY)
    page.route(lambda address: not address.startswith("http://127.0.0.1:"), elsewhere.answer)
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Performance.enable")
    received: dict[str, float] = {}
    local: set[str] = set()
    devtools.on(
        "Network.requestWillBeSent",
        lambda e: local.add(e["requestId"]) if e["request"]["url"].startswith("http://127.0.0.1:") else None,
    )
    devtools.on(
        "Network.loadingFinished", lambda e: received.update({e["requestId"]: e["encodedDataLength"]})
    )

    def total() -> float:
        return (sum(size for request, size in received.items() if request in local) + elsewhere.added) / 1000

    page.goto(url, wait_until="load")
    page.wait_for_timeout(1500)  # what starts by itself after loading
    requests, opening = len(received), total()
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN")
    metrics = {m["name"]: m["value"] for m in devtools.send("Performance.getMetrics")["metrics"]}
    formulas = max(paint, page.evaluate("window.formulasSet ?? NaN"))
    for _ in range(60):  # to the end, a screen at a time, so that what waits for the reader is loaded
        page.mouse.wheel(0, 900)
        page.wait_for_timeout(30)
        if page.evaluate("innerHeight + scrollY >= document.documentElement.scrollHeight - 5"):
            break
    page.wait_for_timeout(1500)
    result = (requests, opening, total(), paint, formulas, metrics["ScriptDuration"] * 1000)
    context.close()
    return result


def measure(
    browser: Browser, addresses: tuple[str, str], runs: int, elsewhere: Elsewhere
) -> tuple[list[float], list[float]]:
    """Return the medians of several loads of each of two pages, taken in turns."""
    loads = [[load(browser, address, elsewhere) for address in addresses] for _ in range(runs)]
    ours, default = (
        [list(column) for column in zip(*side, strict=True)] for side in zip(*loads, strict=True)
    )
    return [statistics.median(column) for column in ours], [statistics.median(column) for column in default]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="Weight and speed of the site's pages, beside the default's."
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--pages", type=int, default=0, help="only so many; 0 for all")
    options = parser.parse_args()
    pages = book.pages_of_toc(ROOT)[: options.pages or None]
    ours, elsewhere = book.build(ROOT), Elsewhere()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        default = build_default(Path(folder))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        rows: dict[str, tuple[list[float], list[float]]] = {}
        with served(ours) as here, served(default) as there:
            for page in pages:
                own = page if (ours / f"{page}.html").is_file() else page.split("/")[-1]
                addresses = (f"{here}/{own}.html", f"{there}/{page}.html")
                rows[page] = measure(browser, addresses, options.runs, elsewhere)
        browser.close()
    head = " | ".join(f"{column}: ours | default" for column in COLUMNS)
    print(f"| page | {head} |\n|---|" + "--:|" * 2 * len(COLUMNS))
    medians = tuple(
        [statistics.median(column) for column in zip(*side, strict=True)]
        for side in zip(*rows.values(), strict=True)
    )
    for page, (mine, theirs) in [*rows.items(), ("**median page**", medians)]:
        print(
            f"| {page} | "
            + " | ".join(f"{a:.0f} | {b:.0f}" for a, b in zip(mine, theirs, strict=True))
            + " |"
        )
    print(f"\n{options.runs} loads of each in turns, {browser_version()}.")
    print(f"Requests of the default site to hosts that nobody answered for: {elsewhere.cut}.")


def browser_version() -> str:
    """Return what the browser calls itself."""
    done = subprocess.run(
        [str(CHROMIUM), "--version"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return done.stdout.strip()


if __name__ == "__main__":
    main()
