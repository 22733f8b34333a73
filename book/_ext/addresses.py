"""Where the site and its list of references are: everything absolute starts from one address."""

from __future__ import annotations

import re

REFERENCES = "book/references"  # the page of the works that the book cites


def pages_address(repository: str) -> str | None:
    """Return where GitHub Pages serves the site of a repository, or None for a repository elsewhere."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?", repository)
    if found is None:
        return None
    owner, name = found[1].lower(), found[2]
    host = f"{owner}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def site_address(repository: str, baseurl: str = "") -> str:
    """Return the site's address, with a slash at its end; `baseurl` is what _config.yml sets, if anything."""
    address = baseurl or pages_address(repository)
    if not address:
        raise ValueError(
            f"the site's address does not follow from the repository {repository!r}: "
            "write it into _config.yml, under `html:`, as `baseurl: https://…/`"
        )
    return address.rstrip("/") + "/"
