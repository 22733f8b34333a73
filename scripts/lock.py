"""Rewrite the second part of requirements.txt: every package that the direct pins bring, at its version.

Installs the direct pins into a fresh environment (minutes, and the whole download), as `make lock`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "requirements.txt"
LINE = "# --- brought by the packages above: written by `make lock`, not by hand\n"
# Builds of torch for GPUs bring these; which ones depends on the machine.
NOT_PINNED = re.compile(r"nvidia-|cuda-|triton|pip$|labutils$")
MARKERS = {"pexpect": 'sys_platform != "win32"', "ptyprocess": 'sys_platform != "win32"'}


def normal(name: str) -> str:
    """Return a package's name as the index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def brought(frozen: str, direct: str) -> list[str]:
    """Return the pins of `frozen`, as pip freeze prints them, whose packages `direct` does not name."""
    named = {normal(name) for name in re.findall(r"^([\w.-]+)==", direct, re.MULTILINE)}
    pins = []
    for line in frozen.splitlines():
        name, _, version = line.partition("==")
        if version and normal(name) not in named and not NOT_PINNED.match(normal(name)):
            marker = MARKERS.get(normal(name))
            pins.append(f"{normal(name)}=={version}" + (f" ; {marker}" if marker else ""))
    return sorted(pins)


def freeze(direct: str) -> str:
    """Install `direct` into a fresh environment and return what pip freeze says of it."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "direct.txt")
        wanted.write_text(direct, encoding="utf-8")
        venv.create(Path(folder, "env"), with_pip=True)
        python = Path(folder, "env", "Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "-r", str(wanted)], check=True)
        subprocess.run([*pip, "check"], check=True)
        return subprocess.run([*pip, "freeze", "--all"], check=True, capture_output=True, text=True).stdout


def main() -> int:
    """Rewrite requirements.txt and say how many packages it pins."""
    direct = FILE.read_text(encoding="utf-8").split(LINE)[0].rstrip() + "\n\n"
    pins = brought(freeze(direct), direct)
    FILE.write_text(direct + LINE + "\n".join(pins) + "\n", encoding="utf-8")
    print(f"requirements.txt: {len(re.findall('==', direct))} direct pins bring {len(pins)} more packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
