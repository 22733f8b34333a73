"""Print the book: its chapters and reference pages as one PDF, _build/pdf/book.pdf. `make pdf` runs this.

A Chromium of this machine prints the pages of the built site, one by one, with the site's own rules for
paper. They are joined with a title page, a table of contents, page numbers and bookmarks. What folded cells
hold (the code of figures) stays folded, *Going deeper* is printed, and solutions stand at a chapter's end.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from pypdf import PdfReader, PdfWriter

import book
import paper_links
from paper_links import Place

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "_build" / "pdf" / "book.pdf"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
NO_CHINESE = (
    "This machine has no Chinese font: the PDF has gaps where the book gives Chinese terms. Install one, for "
    "instance `sudo apt install fonts-noto-cjk`, or take it as it is: make pdf ARGS=--without-chinese"
)
PAPER_TOP = 842.0  # points, of A4
LEFT_OUT = {"index", "book/use", "book/authors", "book/changelog"}  # about the site, not what it says
SOLUTIONS = """() => {
  const exercises = document.querySelector("section#exercises");
  const solutions = [...(exercises?.querySelectorAll("details") ?? [])].filter((fold) =>
    fold.querySelector(":scope > summary")?.textContent.trim().startsWith("Solution"));
  if (!solutions.length) return;
  const end = document.createElement("section");
  end.id = "solutions";
  end.append(Object.assign(document.createElement("h2"), { textContent: "Solutions" }));
  for (const fold of solutions) {
    const heading = fold.closest("section").querySelector("h3").cloneNode(true);
    heading.querySelectorAll(".headerlink").forEach((link) => link.remove());
    const name = document.createElement("h3");
    name.textContent = heading.textContent.split(" · ")[0];
    fold.querySelector(":scope > summary").remove();
    end.append(name, ...fold.childNodes);
    fold.remove();
  }
  exercises.parentElement.append(end);
}"""
NUMBERS = """
@page {{
  @bottom-center {{ content: counter(page); font: 9pt sans-serif; }}
  @top-left {{ content: {title}; font: 8pt sans-serif; color: #555; }}
}}
html {{ counter-reset: page {before}; }}
"""
FRONT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>
@font-face {{ font-family: Inter; font-weight: 400 700; src: url("{font}"); }}
@page {{ size: A4; margin: 16mm 18mm; }}
body {{ font: 11pt/1.5 Inter, sans-serif; }}
h1 {{ font-size: 30pt; line-height: 1.15; margin: 60mm 0 6mm; }}
h2 {{ font-size: 18pt; break-before: page; }}
p, td {{ font-size: 11pt; }}
table {{ border-collapse: collapse; width: 100%; }}
td {{ padding: 1.2mm 0; vertical-align: top; }}
td + td {{ text-align: right; }}
.part td {{ font-weight: 600; padding-top: 5mm; }}
a {{ color: inherit; text-decoration: none; }}
</style><body><h1>{title}</h1>
<p>{version}</p><p><a href="{address}">{address}</a></p>
<p>Text and figures under CC BY 4.0, code under the MIT licence.</p>
<h2>Contents</h2><table>{rows}</table>"""


@dataclass
class Sheets:
    """A printed page of the site, and the number of its first sheet."""

    page: str
    title: str
    part: str
    pdf: PdfReader | None = None
    first: int = 0

    @property
    def read(self) -> PdfReader:
        """The printed page, once it is printed."""
        assert self.pdf is not None
        return self.pdf


class NoBrowserError(RuntimeError):
    """No Chromium was found."""


def browser() -> str:
    """Return the Chromium of this machine; raises NoBrowserError where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise NoBrowserError(
            "make pdf prints with Chromium or Chrome, and this machine has neither "
            f"(looked for {', '.join(BROWSERS)}). Install one, for instance `sudo apt install chromium`."
        )
    return found


def printed_pages(root: Path) -> list[tuple[str, str]]:
    """Return the pages that are printed, each with the part of the book that it is in."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return [
        (str(chapter["file"]), str(part.get("caption", "")))
        for part in toc["parts"]
        for chapter in part["chapters"]
        if chapter["file"] not in LEFT_OUT
    ]


def print_page(context: BrowserContext, site: Path, page: str, before: int, folder: Path) -> tuple[str, Path]:
    """Print one page of the site, whose first sheet follows `before` others; return title and file."""
    view = context.new_page()
    view.goto((site / f"{page}.html").as_uri(), wait_until="load")
    heading = view.locator("article h1").first
    title = str(heading.evaluate("(h1) => h1.firstChild && h1.innerText")).strip().removesuffix("#").strip()
    view.evaluate(SOLUTIONS)
    view.add_style_tag(content=NUMBERS.format(title=json.dumps(title, ensure_ascii=False), before=before))
    view.evaluate("document.fonts.ready.then(() => null)")
    path = folder / f"{page.replace('/', '-')}.pdf"
    view.pdf(
        path=path, format="A4", prefer_css_page_size=True, outline=True, tagged=True, print_background=True
    )
    view.close()
    return title, path


def print_front(
    context: BrowserContext, site: Path, about: tuple[str, str, str], sheets: list[Sheets], folder: Path
) -> Path:
    """Print the title page and the table of contents; `about` is title, version and address of the book."""
    rows, part = "", ""
    for one in sheets:
        if one.part != part:
            part = one.part
            rows += f'<tr class="part"><td colspan="2">{html.escape(part)}</td></tr>'
        link = (site / f"{one.page}.html").as_uri()  # paper_links makes a place in the PDF of it
        rows += f'<tr><td><a href="{link}">{html.escape(one.title)}</a></td><td>{one.first}</td></tr>'
    title, version, address = map(html.escape, about)
    font = (site / "_static/fonts/text.woff2").as_uri()
    text = FRONT.format(title=title, version=version, address=address, rows=rows, font=font)
    source, printed = folder / "front.html", folder / "front.pdf"
    source.write_text(text, encoding="utf-8")
    view = context.new_page()
    view.goto(source.as_uri(), wait_until="load")
    view.evaluate("document.fonts.ready.then(() => null)")
    view.pdf(path=printed, format="A4", prefer_css_page_size=True, tagged=True)
    view.close()
    return printed


def describe(root: Path) -> tuple[str, str]:
    """Return the book's title, and the branch or the release's tag that is printed."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return str(config["title"]), str(config["repository"]["branch"])


def address_of(site: Path) -> str:
    """Return the address under which the site is published, as its sitemap says."""
    first = (site / "sitemap.xml").read_text(encoding="utf-8").split("<loc>")[1:]
    return min((entry.split("</loc>")[0] for entry in first), key=len)


def print_all(
    context: BrowserContext,
    site: Path,
    about: tuple[str, str, str],
    pages: list[tuple[str, str]],
    folder: Path,
) -> tuple[PdfReader, list[Sheets]]:
    """Print the front and the pages, numbered through."""
    # How long the table of contents is does not depend on the numbers in it.
    draft = print_front(context, site, about, [Sheets(page, page, part) for page, part in pages], folder)
    before = len(PdfReader(draft).pages)
    sheets = []
    for page, part in pages:
        title, path = print_page(context, site, page, before, folder)
        sheets.append(Sheets(page, title, part, PdfReader(path), before + 1))
        before += len(sheets[-1].read.pages)
    return PdfReader(print_front(context, site, about, sheets, folder)), sheets


def join(front: PdfReader, sheets: list[Sheets], site: Path, address: str) -> PdfWriter:
    """Return one PDF with bookmarks, whose links lead within it where they can."""
    writer = PdfWriter()
    writer.append(front, import_outline=False)
    known = {}
    for one in sheets:
        anchors = {"": Place(0, PAPER_TOP), **paper_links.explicit(one.read)}
        known[one.page] = {name: Place(at.sheet + one.first - 1, at.top) for name, at in anchors.items()}
        writer.append(one.read, outline_item=one.title, import_outline=True)
    paper_links.lead(writer, site, address, known)
    writer.page_mode = "/UseOutlines"
    writer.compress_identical_objects()
    return writer


def make(
    chromium: Browser, root: Path, site: Path, out: Path, pages: list[tuple[str, str]] | None = None
) -> int:
    """Print `site`, built from `root`, into the file `out`; return the number of sheets."""
    title, branch = describe(root)
    about = (title, f"Version: {branch}", address_of(site))
    wanted = printed_pages(root) if pages is None else pages
    # The numbers are a style that the site's own policy would refuse.
    context = chromium.new_context(bypass_csp=True, reduced_motion="reduce")
    context.route("http*://**", lambda route: route.abort())  # the pages need nothing from elsewhere
    with tempfile.TemporaryDirectory() as folder:
        writer = join(*print_all(context, site, about, wanted, Path(folder)), site, about[2])
        context.close()
        writer.add_metadata({"/Title": title, "/Subject": f"{branch}, {about[2]}"})
        out.parent.mkdir(parents=True, exist_ok=True)
        writer.write(out)
    return len(writer.pages)


def has_chinese(out: Path) -> bool:
    """Whether Chinese was printed: where no font has a character, Chromium prints a gap."""
    return any(CHINESE.search(page.extract_text()) for page in PdfReader(out).pages)


def main(arguments: list[str]) -> int:
    """Build the site, print it, and say where the file is."""
    try:
        path, site = browser(), book.build(ROOT)
        with sync_playwright() as playwright:
            count = make(playwright.chromium.launch(executable_path=path, args=FLAGS), ROOT, site, OUT)
        if "--without-chinese" not in arguments and not has_chinese(OUT):
            raise RuntimeError(NO_CHINESE)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{count} pages, {OUT.stat().st_size / 1e6:.1f} MB: {OUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
