"""One menu on every chapter: open it in Colab, on Binder, on the reader's JupyterHub, or download it.

The theme knows Colab, Binder and one fixed hub. Readers have different hubs: launch.js asks for the address
once and keeps it in the browser; without JavaScript the entry leads to the page that explains how. The
repository's address and branch come from _config.yml (`repository`), as do the services' (`launch_buttons`).
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError

TEMPLATES = Path(__file__).parent / "templates"
TEMPLATE = "book-launch.html"
GUIDE = "book/use"
HUB_SECTION = "run-it-on-a-jupyterhub"


def git_pull(url: str, branch: str, notebook: str) -> str:
    """Return what nbgitpuller needs to know, as a query: it clones into a folder of the repository's name."""
    folder = url.rpartition("/")[2].removesuffix(".git")
    return urlencode({"repo": url, "branch": branch, "urlpath": f"lab/tree/{folder}/{notebook}"})


def links(url: str, branch: str, notebook: str, colab: str, binder: str) -> dict[str, str]:
    """Return the addresses under which services open a repository's notebook; Colab takes GitHub's only."""
    host, _, repository = url.removeprefix("https://").partition("/")
    repository = repository.removesuffix(".git")
    branch = quote(branch, safe="")
    if host == "github.com":
        found = {"colab": f"{colab}/github/{repository}/blob/{branch}/{quote(notebook)}"}
        build = f"gh/{repository}"
    else:
        found = {}
        build = f"gl/{quote(repository, safe='')}" if host == "gitlab.com" else f"git/{quote(url, safe='')}"
    found["binder"] = f"{binder}/v2/{build}/{branch}?urlpath={quote('lab/tree/' + notebook, safe='')}"
    return found


def take_over(app: Sphinx, config: Config) -> None:
    """Take the launch buttons from the theme, and put this menu before the theme's buttons."""
    options = config.html_theme_options
    buttons = options.pop("launch_buttons", {})
    missing = [name for name in ("repository_url", "repository_branch") if not options.get(name)]
    missing += [name for name in ("colab_url", "binderhub_url") if not buttons.get(name)]
    if missing:
        raise ConfigError(
            f"book_launch: _config.yml lacks {', '.join(missing)} (under `repository` and `launch_buttons`)"
        )
    config.book_launch = {
        "url": options["repository_url"].rstrip("/"),
        "branch": options["repository_branch"],
        "colab": buttons["colab_url"].rstrip("/"),
        "binder": buttons["binderhub_url"].rstrip("/"),
    }
    config.templates_path.append(str(TEMPLATES))
    options["article_header_end"] = [
        TEMPLATE,
        *options.get("article_header_end", ["article-header-buttons.html"]),
    ]


def add_menu(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Give the template of a notebook's page what its menu shows."""
    if doctree is None or Path(app.env.doc2path(page)).suffix != ".ipynb":
        return
    service = app.config.book_launch
    notebook = f"{page}.ipynb"
    context["book_launch"] = {
        **links(service["url"], service["branch"], notebook, service["colab"], service["binder"]),
        "git_pull": git_pull(service["url"], service["branch"], notebook),
        "guide": f"{context['pathto'](GUIDE)}#{HUB_SECTION}",
        "download": context["pathto"](f"_sources/{context['sourcename']}", 1),
        "file": Path(notebook).name,
    }
    app.add_css_file("launch.css")
    app.add_js_file("launch.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("book_launch", None, "html")
    app.connect("config-inited", take_over, priority=900)  # after Jupyter Book's own
    app.connect("html-page-context", add_menu)
    own = zlib.crc32(Path(__file__).read_bytes())
    return {"version": "1", "env_version": own, "parallel_read_safe": True, "parallel_write_safe": True}
