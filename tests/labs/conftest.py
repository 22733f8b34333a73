"""What labs load must be in the cache before they run: a sandbox has no network."""

from __future__ import annotations

import pytest

from labutils.data.cache import fetch

LOADED = ("bible_en", "opinions_en", "wikipedia_en")


@pytest.fixture(scope="session", autouse=True)
def _data_of_the_labs() -> None:
    for name in LOADED:
        fetch(name)
