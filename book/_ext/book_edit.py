"""*Edit this page* and *report a problem*: at every section, at the page's end, and in the menu above it.

*Edit* opens the page's file where the repository is kept; a notebook, which no host edits as text, opens for
reading, with the host's own button to change it. *Report* opens a new issue that already says page, section
and version: on GitHub the form .github/ISSUE_TEMPLATE/problem.yml, whose fields the address fills by id.
The repository's address and branch come from _config.yml alone.
"""

from __future__ import annotations

import html
import re
import subprocess
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from sphinx.application import Sphinx

FORM = "problem.yml"
# A heading with an anchor of its own; not one that opens a fold, where a link would be a button in a button.
HEADING = re.compile(
    r"(?P<heading><h(?P<level>[23])>(?P<text>(?:(?!</h[1-6]>).)*?)"
    r'<a class="headerlink" href="#(?P<anchor>[^"]+)"[^>]*>[^<]*</a></h(?P=level)>)(?!\s*</summary>)',
    re.DOTALL,
)
TAGS = re.compile(r"<mjx-assistive-mml.*?</mjx-assistive-mml>|<[^>]+>", re.DOTALL)


@dataclass(frozen=True)
class Host:
    """Where the repository is kept, and the addresses that it has for a file and for a new issue."""

    url: str
    branch: str

    @property
    def is_gitlab(self) -> bool:
        return self.url.startswith("https://gitlab.")

    def edit(self, path: str) -> str:
        """Return where a file is edited, or a notebook looked at."""
        how = "blob" if path.endswith(".ipynb") else "edit"
        between = "/-/" if self.is_gitlab else "/"
        return f"{self.url}{between}{how}/{quote(self.branch, safe='')}/{quote(path)}"

    def report(self, page: str, title: str, section: str, version: str) -> str:
        """Return where an issue is opened, filled in as far as the page knows."""
        name = f"{title.partition(':')[0]}: {section}" if section else title
        if self.is_gitlab:
            said = f"Page: {page}\nSection: {section}\nVersion: {version}\n\nWhat is wrong?\n"
            return f"{self.url}/-/issues/new?" + urlencode(
                {"issue[title]": name, "issue[description]": said}, quote_via=quote
            )
        fields = {"template": FORM, "title": name, "page": page, "section": section, "version": version}
        filled = {key: value for key, value in fields.items() if value}
        return f"{self.url}/issues/new?" + urlencode(filled, quote_via=quote)


@cache
def version(root: str, branch: str) -> str:
    """Return the branch or tag and, where git knows it, the commit that the site is built from."""
    command = ["git", "-C", root, "rev-parse", "--short=10", "HEAD"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return branch
    return f"{branch} at {said.stdout.strip()}" if said.returncode == 0 else branch


def plain(markup: str) -> str:
    """Return a heading as text: what stands between its tags, a formula once."""
    return " ".join(html.unescape(TAGS.sub("", markup)).split())


def links(edit: str, report: str, of: str = "") -> str:
    """Return both links; `of` names the section for screen readers, which hear each link alone."""
    suffix = html.escape(f": {of}") if of else ""
    edit_words, report_words = ("Edit", "Report") if of else ("Edit this page", "Report a problem")
    label_edit = f' aria-label="Edit the page{suffix}"' if of else ""
    label_report = f' aria-label="Report a problem{suffix}"' if of else ""
    return (
        f'<a href="{html.escape(edit)}"{label_edit}>{edit_words}</a> '
        f'<a href="{html.escape(report)}"{label_report}>{report_words}</a>'
    )


def add_links(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Put the links behind the headings and at the end of a page that has a file."""
    options = app.config.html_theme_options
    if doctree is None or not options.get("repository_url"):
        return
    host = Host(str(options["repository_url"]).rstrip("/"), str(options["repository_branch"]))
    path = Path(app.env.doc2path(page)).relative_to(app.srcdir).as_posix()
    edit, title, built = host.edit(path), app.env.titles[page].astext(), version(app.srcdir, host.branch)

    def at_heading(found: re.Match[str]) -> str:
        section = plain(found["text"])
        report = host.report(f"{path}#{found['anchor']}", title, section, built)
        return f'{found["heading"]}<div class="section-tools">{links(edit, report, section)}</div>'

    whole = host.report(path, title, "", built)
    body = HEADING.sub(at_heading, context["body"])
    context["body"] = f'{body}<p class="page-tools" data-pagefind-ignore="all">{links(edit, whole)}</p>\n'
    for group in context.get("header_buttons", []):
        if group.get("label") == "source-buttons":
            extend_menu(group["buttons"], edit, whole)


def extend_menu(buttons: list[dict[str, str]], edit: str, report: str) -> None:
    """Let the theme's button for issues open the form, and put one for the file before it."""
    for place, button in enumerate(buttons):
        if button.get("label") == "source-issues-button":
            button |= {"url": report, "text": "Report a problem", "tooltip": "Report a problem"}
            own = {"text": "Edit this page", "tooltip": "Edit this page", "icon": "fas fa-pencil-alt"}
            buttons.insert(place, {"type": "link", "url": edit, "label": "source-edit-button", **own})
            return


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", lambda _: version.cache_clear())
    app.connect("html-page-context", add_links, priority=700)  # after the theme has made its menu
    own = zlib.crc32(Path(__file__).read_bytes())
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
