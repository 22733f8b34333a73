"""Run the notebooks whose code has changed since their outputs were stored. `make execute` runs this.

Their code is that of their cells and of what these reach: modules of labutils, data, pins (scripts/keys.py).
Several run at once, as many as there are cores. A notebook is written only if all of its cells succeed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import keys
from labutils.figures import PICTURES

ROOT = Path(__file__).resolve().parent.parent
SECONDS_PER_CELL = 300
# The same for everyone: which patch release of Python ran is in the set-up cell's output.
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "name": "python", "pygments_lexer": "ipython3"},
}
SVG, KEY_FIGURE = "image/svg+xml", "key-figure.png"
KEY_HASH = "key_figure_sha256"
LABS = "labs"  # whose masters store no outputs: the proof of a release runs them
LIVE_WIDGET = "application/vnd.jupyter.widget-view+json"
ABSOLUTE = re.compile(
    re.escape(str(ROOT)) + r"|(?:/home|/root|/Users|/tmp|/var/folders)/[\w.]|[A-Z]:\\Users\\"
)


@dataclass(frozen=True)
class Run:
    """How one notebook went: `error` is None if all of its cells succeeded."""

    path: Path
    seconds: float
    error: str | None


def code_hash(notebook: Any) -> str:
    """Return the SHA-256 of the sources of the code cells."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()


def needs_run(path: Path) -> bool:
    """Whether the stored outputs belong to other code than the notebook's."""
    notebook = nbformat.read(path, as_version=4)
    stored = notebook.metadata.get("labutils", {})
    of_cells, of_all = stored.get("code_sha256"), stored.get("reached_sha256")
    changed = of_cells != code_hash(notebook) or of_all != keys.code_key(path)
    return bool(changed or not shows_its_key_figure(notebook))


def output_text(cell: Any) -> str:
    """Return all text that a code cell's outputs hold."""
    parts = []
    for output in cell.outputs:
        parts.append(str(output.get("text", "")))
        parts += [str(data) for kind, data in output.get("data", {}).items() if not kind.startswith("image/")]
    return "\n".join(parts)


def fold(notebook: Any) -> None:
    """Fold what the site folds, cells tagged hide-input, in JupyterLab and in Colab (`cellView`), too."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            shown = {
                key: value
                for key, value in cell.metadata.get("jupyter", {}).items()
                if key != "source_hidden"
            }
            cell.metadata.pop("cellView", None)
            cell.metadata.pop("jupyter", None)
            if "hide-input" in cell.metadata.get("tags", []):
                cell.metadata.update(jupyter={**shown, "source_hidden": True}, cellView="form")
            elif shown:
                cell.metadata["jupyter"] = shown


def tidy(notebook: Any, reached: str) -> None:
    """Take out what differs between two equal runs, and note which code the outputs belong to."""
    fold(notebook)
    for cell in notebook.cells:
        for key in ("execution", "collapsed", "ExecuteTime"):
            cell.metadata.pop(key, None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(LIVE_WIDGET, None)  # of a kernel that has ended, under a random name
    extra = {key: value for key, value in notebook.metadata.items() if key not in ("widgets", *KERNEL)}
    mark = {"code_sha256": code_hash(notebook), "reached_sha256": reached}
    notebook.metadata = nbformat.from_dict({**extra, **KERNEL, "labutils": mark})


def key_drawing(notebook: Any) -> str | None:
    """Return the SVG of the cell tagged `key-figure`, or None where the first cell shows no key figure.

    Raises ValueError where it does and there is not one cell that draws it.
    """
    if f"(attachment:{KEY_FIGURE})" not in notebook.cells[0].source:
        return None
    drawn = [
        output["data"][SVG]
        for cell in notebook.cells
        if "key-figure" in cell.metadata.get("tags", [])
        for output in cell.outputs
        if SVG in output.get("data", {})
    ]
    if len(drawn) != 1:
        raise ValueError(f"{len(drawn)} figures of cells tagged key-figure; the first cell shows one")
    return str(drawn[0])


def name_of(svg: str) -> str:
    """Return the name under which `labutils.show` draws a figure in pixels, too."""
    return hashlib.sha256(svg.encode()).hexdigest()


def shows_its_key_figure(notebook: Any) -> bool:
    """Whether the picture under the title is that of the cell tagged `key-figure`."""
    first = notebook.cells[0]
    try:
        svg = key_drawing(notebook)
    except ValueError:
        return False
    there = KEY_FIGURE in first.get("attachments", {}) and first.metadata.get(KEY_HASH)
    return svg is None or there == name_of(svg)


def put_key_figure(notebook: Any, pictures: Mapping[str, bytes]) -> None:
    """Carry the drawing of the cell tagged `key-figure` into the attachment of the first cell that shows it.

    The attachment is what JupyterLab and Colab show under the title; they show no SVG there, so that it comes
    from `pictures`, PNGs by the names of their SVGs. Raises ValueError where there is none.
    """
    first = notebook.cells[0]
    first.pop("attachments", None)
    first.metadata.pop(KEY_HASH, None)
    if (svg := key_drawing(notebook)) is not None:
        if (name := name_of(svg)) not in pictures:
            raise ValueError("the key figure was not drawn by labutils.show")
        first["attachments"] = {KEY_FIGURE: {"image/png": base64.b64encode(pictures[name]).decode()}}
        first.metadata[KEY_HASH] = name


def execute(path: Path) -> Run:
    """Run one notebook in its own folder and store its outputs, unless something is wrong with them."""
    began = time.perf_counter()
    notebook, reached = nbformat.read(path, as_version=4), keys.code_key(path)  # of before the run
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # of the kernel, which talks of encryption otherwise
        resources={"metadata": {"path": str(path.parent)}},
    )
    error = None
    pictures: dict[str, bytes] = {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            client.execute(env={**os.environ, PICTURES: folder})
            pictures = {picture.stem: picture.read_bytes() for picture in Path(folder).glob("*.png")}
    except CellExecutionError as problem:
        failed = [c for c in notebook.cells if any(o.output_type == "error" for o in c.get("outputs", []))]
        cell = failed[0] if failed else None
        error = f"cell {cell.id if cell else '?'}: {problem.ename}: {problem.evalue}\n{problem.traceback}"
    except Exception as problem:  # a kernel that died, a time-out: said, and the next notebook runs
        error = f"{type(problem).__name__}: {problem}"
    for cell in notebook.cells:
        if error is None and cell.cell_type == "code" and (found := ABSOLUTE.search(output_text(cell))):
            error = f"cell {cell.id}: its output names a path of this machine: {found.group()}…"
    if error is None:
        try:
            put_key_figure(notebook, pictures)
        except ValueError as problem:
            error = str(problem)
    if error is None:
        tidy(notebook, reached)
        nbformat.validate(notebook)
        unfinished = path.with_suffix(".unfinished")
        nbformat.write(notebook, unfinished)
        unfinished.replace(path)  # at once: a broken run leaves no half notebook
    return Run(path, time.perf_counter() - began, error)


def select(names: list[str]) -> list[Path]:
    """Return the notebooks that `names` choose (file, or stem); all of them without names."""
    paths = sorted(
        path
        for path in (ROOT / "notebooks").rglob("*.ipynb")
        if not {".ipynb_checkpoints", LABS} & {*path.parts}
    )
    if not names:
        return paths
    chosen = {name: [p for p in paths if p.stem == name or p == Path(name).resolve()] for name in names}
    if unknown := [name for name, found in chosen.items() if not found]:
        known = ", ".join(path.stem for path in paths)
        raise SystemExit(f"No notebook {', '.join(unknown)}; there are {known}.")
    return [path for path in paths if any(path in found for found in chosen.values())]


def main() -> int:
    """Run what has to be run; the exit code is 1 if a notebook failed."""
    parser = argparse.ArgumentParser(
        description="Run notebooks whose code has changed and store their outputs."
    )
    parser.add_argument("notebooks", nargs="*", help="names, such as probability; all if none is given")
    parser.add_argument("--all", action="store_true", help="also those whose code has not changed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at once (default: cores)")
    options = parser.parse_args()
    chosen = select(options.notebooks)
    due = [path for path in chosen if options.all or needs_run(path)]
    print(
        f"{len(due)} of {len(chosen)} notebooks to run" + ("." if due else ": nothing has changed."),
        flush=True,
    )
    failed = []
    with ProcessPoolExecutor(max_workers=max(1, min(options.jobs, len(due)))) as pool:
        for number, future in enumerate(as_completed([pool.submit(execute, path) for path in due]), start=1):
            run = future.result()
            name = run.path.relative_to(ROOT)
            print(
                f"[{number}/{len(due)}] {name}  {run.seconds:.1f} s" + ("  FAILED" if run.error else ""),
                flush=True,
            )
            if run.error:
                failed.append(run)
    for run in failed:
        print(f"\n{run.path.relative_to(ROOT)} was left as it was.\n{run.error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
