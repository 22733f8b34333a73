"""The explorers' JavaScript in V8, without a browser."""

from __future__ import annotations

import json
from typing import Any

from bs4 import BeautifulSoup
from py_mini_racer import MiniRacer

from labutils import explorers

ALT = "Bars of something that is seen, long enough to be a description"


class Engine:
    """Computes and draws with every explorer of the book."""

    def __init__(self) -> None:
        self.racer = MiniRacer()
        for name in explorers.names():
            self.racer.eval(explorers.source(name))

    def run(self, script: str) -> Any:
        return json.loads(str(self.racer.eval(f"JSON.stringify({script})")))

    def compute(self, name: str, values: dict[str, Any], data: Any = None) -> Any:
        return self.run(f"labutils.explorers.{name}.compute({json.dumps(values)}, {json.dumps(data)})")

    def markup(self, name: str, data: Any = None, alt: str = ALT, **values: Any) -> BeautifulSoup:
        spec = {"name": name, "alt": alt, "data": data, "values": values}
        return BeautifulSoup(str(self.racer.eval(f"labutils.markup({json.dumps(spec)})")), "html.parser")
