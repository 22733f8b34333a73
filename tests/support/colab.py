"""An environment like Colab's, made on this machine, with a stand-in for the package `google.colab`.

It computes as an old processor does: what a page prints must survive other libraries and other instructions,
and one run shows both.

Layers, so that each notebook gets a fresh environment in a second:
* packages that are large and much the same everywhere (torch, transformers, peft, SciPy) are lent, by links,
  from the environment that runs the tests, or from the one whose Python the variable COLAB_PYTHON names;
* packages that Colab holds back are installed in Colab's versions, once: the base;
* each notebook gets a virtual environment of its own that sees both. Its pip cannot touch what lies below.
The address of the book's repository leads to a git repository made from the working tree.
"""

from __future__ import annotations

import configparser
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

import repository  # scripts/repository.py

ROOT = Path(__file__).resolve().parents[2]
LENDER = os.environ.get("COLAB_PYTHON", sys.executable)  # Colab itself has Python 3.12
# Colab's versions, autumn 2025: older than the book's where it matters. (notebook comes with ipywidgets 7.)
INSTALLED = (
    "ipykernel==6.17.1",
    "ipython==7.34.0",
    "ipywidgets==7.7.1",
    "matplotlib==3.10.0",
    "notebook==6.5.7",
    "numpy==2.0.2",
    "pip==24.1.2",
    "setuptools==77.0.3",  # what torch asks for, which pip looks at when torchjd names torch
)
# These with all that they need; the last two lines are for the packages above.
LENT = ("accelerate", "nltk", "pandas", "peft", "scikit-learn", "scipy", "tokenizers", "torch")
LENT += ("transformers",)
LENT += ("contourpy", "fonttools", "kiwisolver", "packaging", "pillow", "pyparsing", "python-dateutil")
LENT += ("argon2-cffi", "jsonschema", "nbconvert", "prometheus-client", "send2trash", "terminado", "tornado")
OWN = [pin.split("==")[0] for pin in INSTALLED]
NOT_LENT = (*OWN, "anywidget", "jupyter-client", "labutils")
# Run by the Python of a session: what its NumPy would use of this processor beyond the least. NumPy warns
# when told to leave out anything that the processor lacks.
DISPATCHED = """
from numpy._core import _multiarray_umath as core
print(" ".join(name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name)))
"""
OLD_PROCESSOR = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Nehalem",
}
NO_INDEX = re.compile(
    "connection broken|connection refused|max retries|timed out|name resolution|getaddrinfo"
)
STAND_IN = {
    "google/colab/__init__.py": "",
    # What anywidget uses of it.
    "google/colab/output/__init__.py": "from google.colab.output import _widgets\n\n"
    "def enable_custom_widget_manager():\n    _widgets._installed_url = 'https://example.org/manager.js'\n",
    "google/colab/output/_widgets.py": "_installed_url = None\n",
    # The module that starts Colab's kernels: `google.colab` is there before the first cell runs.
    "colab_kernel_launcher.py": "import google.colab.output\nfrom ipykernel import kernelapp\n"
    "kernelapp.launch_new_instance()\n",
}
SECONDS_PER_CELL = 300


class NoIndexError(Exception):
    """The package index cannot be reached."""


def run(*command: str | Path, **options: Any) -> str:
    """Run a command and return what it prints; RuntimeError with all of that where it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def clean() -> dict[str, str]:
    """This process's environment without what would let the running environment show through."""
    unwanted = (
        "PYTHON",
        "JUPYTER",
        "LABUTILS",
        "VIRTUAL_ENV",
        "IPYTHON",
        "PYTEST",
        "GIT_",
        "MPL",
        "PIP_TARGET",
    )
    return {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}


def site_packages(environment: Path) -> Path:
    return next((environment / "lib").glob("python*/site-packages"))


@dataclass(frozen=True)
class Colab:
    """The layers that all notebooks share, in one folder."""

    folder: Path

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def remote(self) -> Path:
        return self.folder / "remote.git"

    def make(self) -> None:
        """Make the shared layers; NoIndexError where no package index can be reached."""
        lent = self.folder / "lent"
        names = (*LENT, *(f"-{name}" for name in NOT_LENT))
        run(LENDER, ROOT / "tests/support/lend.py", lent, *names, env=clean())
        run(LENDER, "-m", "venv", self.base, env=clean())
        packages = site_packages(self.base)
        (packages / "lent.pth").write_text(f"{lent}\n", encoding="utf-8")
        install = ("-m", "pip", "install", "-q", "--no-compile", "--retries", "2", *INSTALLED)
        try:
            run(self.base / "bin/python", *install, env=clean())
        except RuntimeError as error:
            raise NoIndexError(str(error)) if NO_INDEX.search(str(error)) else error from None
        for name, text in STAND_IN.items():
            (packages / name).parent.mkdir(parents=True, exist_ok=True)
            (packages / name).write_text(text, encoding="utf-8")
        self.make_remote()

    def make_remote(self) -> None:
        """Put the working tree on the branch that _config.yml names. Another branch is the default."""
        work = self.folder / "work"
        listed = run("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
        for name in listed:
            if (ROOT / name).is_file():
                (work / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, work / name)
        git = ("git", "-C", work, "-c", "user.name=test", "-c", "user.email=test@example.org")
        git += ("-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null", "-c", "core.excludesFile=")
        run("git", "init", "-q", "-b", "elsewhere", work)
        run(*git, "commit", "-q", "--allow-empty", "-m", "Nothing to install here")
        run(*git, "checkout", "-q", "-b", repository.read(ROOT).branch)
        run(*git, "add", "--all", "--force")
        run(*git, "commit", "-q", "-m", "The working tree")
        run(*git, "checkout", "-q", "elsewhere")
        run("git", "clone", "-q", "--bare", work, self.remote)
        run("git", "-C", self.remote, "config", "uploadpack.allowFilter", "true")  # as GitHub does

    def session(self, folder: Path) -> Session:
        """Make a fresh environment in `folder`, as a new Colab runtime would be."""
        session = Session(self, folder)
        run(self.base / "bin/python", "-m", "venv", "--without-pip", session.environment, env=clean())
        layers = f"{site_packages(self.base)}\n{self.folder / 'lent'}\n"
        (site_packages(session.environment) / "layers.pth").write_text(layers, encoding="utf-8")
        spec = {
            "argv": [str(session.python), "-m", "colab_kernel_launcher", "-f", "{connection_file}"],
            "display_name": "Python 3",
            "language": "python",
        }
        kernels = folder / "kernels/python3"
        kernels.mkdir(parents=True)
        (kernels / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
        return session


@dataclass(frozen=True)
class Session:
    """A Colab runtime of our own: an environment, an empty folder, and a way to run notebooks there."""

    colab: Colab
    folder: Path

    @property
    def environment(self) -> Path:
        return self.folder / "environment"

    @property
    def python(self) -> Path:
        return self.environment / "bin/python"

    @cached_property
    def old_processor(self) -> dict[str, str]:
        """Settings under which the libraries here compute as on an old processor."""
        if platform.machine().lower() not in ("x86_64", "amd64"):
            return {}
        return OLD_PROCESSOR | {"NPY_DISABLE_CPU_FEATURES": run(self.python, "-c", DISPATCHED, env=clean())}

    def variables(self, remote: Path) -> dict[str, str]:
        return (
            clean()
            | self.old_processor
            | {
                "PATH": f"{self.environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "PYTHONNOUSERSITE": "1",
                "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else the debugger warns about frozen modules
                "IPYTHONDIR": str(self.folder / "ipython"),
                "LABUTILS_CACHE": str(self.colab.folder / "cache"),  # empty at first: data come on demand
                "LABUTILS_THREADS": "1",  # as many sessions run side by side as there are cores
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"url.{remote.as_uri()}.insteadOf",
                "GIT_CONFIG_VALUE_0": repository.read(ROOT).url,
            }
        )

    def installed(self) -> dict[str, str]:
        """Return the version of every package that a kernel here would see."""
        listed = run(self.python, "-m", "pip", "list", "--format", "freeze", env=clean())
        return dict(line.split("==") for line in listed.splitlines() if "==" in line)

    def execute(self, notebook: Any, remote: Path | None = None) -> None:
        """Run a notebook in a folder that is empty; CellExecutionError where a cell fails."""
        place = self.folder / "content"
        place.mkdir(exist_ok=True)
        specs = KernelSpecManager(kernel_dirs=[str(self.folder / "kernels")], ensure_native_kernel=False)
        kernel = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)
        client = NotebookClient(
            notebook,
            km=kernel,
            timeout=SECONDS_PER_CELL,
            coalesce_streams=True,
            resources={"metadata": {"path": str(place)}},
        )
        client.execute(env=self.variables(remote or self.colab.remote), cleanup_kc=True)


def sanitized(text: str) -> str:
    """Take out what may differ between two equal runs, by the same rules as the comparison with nbval."""
    rules = configparser.RawConfigParser()
    rules.read(ROOT / "tests/support/nbval.cfg", encoding="utf-8")
    for section in rules.sections():
        text = re.sub(rules[section]["regex"], rules[section]["replace"], text)
    return text


def texts(cell: Any) -> dict[str, str]:
    """Return what a cell prints and shows in words."""
    found: dict[str, str] = {}
    for output in cell.outputs:
        if output.output_type == "stream":
            found[output.name] = found.get(output.name, "") + output.text
        for kind in ("text/plain", "text/markdown"):
            found[kind] = found.get(kind, "") + output.get("data", {}).get(kind, "")
    return {kind: sanitized(text).rstrip() for kind, text in found.items() if text}


def differences(stored: Any, ran: Any) -> list[str]:
    """Return for each cell whose words differ what was stored and what came out."""
    return [
        f"cell {old.id}: stored {texts(old)}, printed {texts(new)}"
        for old, new in zip(stored.cells, ran.cells, strict=True)
        if old.cell_type == "code"
        and "nbval-ignore-output" not in old.metadata.get("tags", [])
        and texts(old) != texts(new)
    ]


def one_cell(source: str) -> Any:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, id="cell")])
