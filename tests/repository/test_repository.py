"""The repository as a whole: one address, one list of pins, commands that exist, layers without circles."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

import anatomy
import execute
import keys
import lock
import repository
from places import MASTERS, NOTEBOOKS, ROOT

TEXT = {".py", ".md", ".yml", ".toml", ".txt", ".cff", ".cfg", ".sh", ".css", ".js", ".ipynb", ".bib", ""}
MODULES = sorted((ROOT / "labutils").rglob("*.py"))


def tracked() -> list[Path]:
    """The files of the repository, those included that are about to be committed."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what belongs to the repository is not known")
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


PROSE = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "book").glob("*.md"))]
SOURCES = ("_config.yml", "book/references.bib", *sorted({*repository.PLACES, *PROSE}))


def copy_to(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def test_the_address_is_the_same_everywhere(tmp_path: Path) -> None:
    """Nothing to change: all files have the addresses, the branch, the words of citations and the folds."""
    copy_to(tmp_path, *SOURCES, *(path.relative_to(ROOT).as_posix() for path in [*NOTEBOOKS, *MASTERS]))
    assert [path.name for path in repository.carry(tmp_path)] == []


def test_a_new_address_and_branch_are_carried_everywhere(tmp_path: Path) -> None:
    copy_to(tmp_path, *SOURCES)
    (tmp_path / "notebooks").mkdir()
    cited = f"[Shannon (1951)]({repository.read(ROOT).site}book/references.html#shannon1951prediction)"
    cells = [
        nbformat.v4.new_code_cell(repository.read(ROOT).setup, id="setup"),
        nbformat.v4.new_code_cell("1 + 1", id="one"),
        nbformat.v4.new_markdown_cell(f"As {cited} says", id="two"),
    ]
    page = nbformat.v4.new_notebook(cells=cells)
    page.metadata["labutils"] = {"code_sha256": execute.code_hash(page)}
    nbformat.write(page, tmp_path / "notebooks/page.ipynb")
    page.metadata["labutils"]["reached_sha256"] = keys.code_key(tmp_path / "notebooks/page.ipynb")
    nbformat.write(page, tmp_path / "notebooks/page.ipynb")
    old = page.cells[0].source
    page.cells[1].source = "1 + 2"  # a notebook whose outputs are of older code has to stay one
    nbformat.write(page, tmp_path / "notebooks/stale.ipynb")

    config = (tmp_path / "_config.yml").read_text(encoding="utf-8")
    config = config.replace(repository.read(ROOT).url, "https://example.org/some/new.git")
    config = config.replace("branch: main", "branch: v1.0")
    (tmp_path / "_config.yml").write_text(config, encoding="utf-8")
    with pytest.raises(ValueError, match="baseurl: https"):  # nobody knows where that one is published
        repository.carry(tmp_path)
    config = config.replace("\nhtml:\n", "\nhtml:\n  baseurl: https://pages.example.org/new\n")
    (tmp_path / "_config.yml").write_text(config, encoding="utf-8")
    changed = {path.relative_to(tmp_path).as_posix() for path in repository.carry(tmp_path)}
    cite = {name for name in PROSE if "/references.html#" in (ROOT / name).read_text(encoding="utf-8")}
    notebooks = {"notebooks/page.ipynb", "notebooks/stale.ipynb"}
    assert changed == {*repository.PLACES, *cite, *notebooks}
    for name in changed:
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "https://example.org/some/new.git" in text or name not in {*repository.PLACES, *notebooks}
        assert "https://pages.example.org/new/book/references.html#" in text or name not in cite | notebooks
        assert repository.read(ROOT).url not in text
        assert repository.read(ROOT).site not in text
    setup = nbformat.read(tmp_path / "notebooks/page.ipynb", as_version=4).cells[0].source
    assert 'git+https://example.org/some/new.git@v1.0"' in setup != old
    assert not execute.needs_run(tmp_path / "notebooks/page.ipynb")
    assert execute.needs_run(tmp_path / "notebooks/stale.ipynb")
    use = (tmp_path / "book/use.md").read_text(encoding="utf-8")
    assert "git+https://example.org/some/new.git@v1.0" in use
    assert "repo=https://example.org/some/new.git&branch=v1.0&urlpath=lab/tree/new/" in use
    assert repository.carry(tmp_path) == []


def test_citation_file_is_complete() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "repository-code", "license"} <= set(citation)


def test_commands_of_the_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in (ROOT / "README.md", *(ROOT / "book").glob("*.md")):
        used = set(re.findall(r"(?:`|^)make ([a-z]+)\b", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert used <= targets, page.name
        for script in re.findall(r"\b(?:scripts|tests)/[\w/]+\.\w+", page.read_text(encoding="utf-8")):
            assert (ROOT / script).is_file(), script


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
def test_help_lists_every_target() -> None:
    listed = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    for target in ("book", "test", "lab", "execute", "data", "lint", "lock", "clean"):
        assert f"make {target} " in listed


def test_every_package_is_pinned_once() -> None:
    lines = [
        line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    ]
    pins = [line for line in lines if line]
    assert [pin for pin in pins if not re.match(r"[\w.-]+==[\w.]+( ; .+)?$", pin)] == []
    names = [lock.normal(pin.split("==")[0]) for pin in pins]
    assert [name for name in names if names.count(name) > 1 or lock.NOT_PINNED.match(name)] == []
    assert {
        "jupyterlab",
        "jupyter-book",
        "torch",
        "transformers",
        "matplotlib",
        "nbval",
        "ipywidgets",
    } <= set(names)


def test_lock_leaves_out_direct_pins_and_gpu_packages() -> None:
    frozen = "Foo_Bar==1.0\nptyprocess==0.7\nnvidia-nccl-cu13==2\npip==23\ntorch==2.13.0+cpu\n-e git+x\n"
    assert lock.brought(frozen, "torch==2.13.0  # comment\n") == [
        "foo-bar==1.0",
        'ptyprocess==0.7 ; sys_platform != "win32"',
    ]


def test_no_file_names_the_host_of_a_registry_or_a_path_of_a_machine() -> None:
    found = []
    for path in tracked():
        if path.suffix in TEXT and path.name != "package-lock.json":
            text = path.read_text(encoding="utf-8")
            found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in anatomy.HOSTS.finditer(text)]
    assert found == []


def test_no_file_is_large() -> None:
    # the pocket models' weights: tests/labutils/pocket/test_models.py bounds those
    files = [path for path in tracked() if path.suffix != ".safetensors"]
    assert [path.name for path in files if path.stat().st_size > 2_000_000] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_of_labutils_are_short(path: Path) -> None:
    most = 350 if path.parent.parent.name == "checks" else 300  # of a chapter's checks half are sentences
    assert len(path.read_text(encoding="utf-8").splitlines()) <= most


def imports_of(path: Path, *, at_import: bool) -> set[str]:
    """The labutils modules that a module imports; with `at_import`, only when it is itself imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.If)
        and (not isinstance(node, ast.If) or ast.unparse(node.test) == "TYPE_CHECKING")
        for child in ast.walk(node)
    }
    names = {module_name(module) for module in MODULES}
    found = set()
    for node in ast.walk(tree):
        if at_import and node in lazy:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= whole if whole <= names else {node.module}
    return (found & names) - {module_name(path)}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_labutils_has_no_circular_imports() -> None:
    graph = {module_name(path): imports_of(path, at_import=True) for path in MODULES}
    done: set[str] = set()
    while ready := {name for name, needs in graph.items() if name not in done and needs <= done}:
        done |= ready
    assert set(graph) - done == set()


LAYERS = (  # a module uses those of earlier lines only
    {"autograd", "information", "svg"},
    {"calibration", "evaluation", "figures"},
    {"explorers", "records", "runtime", "text"},
    {"adversarial", "coding", "data", "encodings", "games"},
    {"models"},
    {
        "adversarial",
        "generation",
        "lockers",
        "multitask",
        "objectives",
        "preferences",
        "refusals",
        "shift",
        "training",
    },
    {"checks", "pocket"},
    {"coursework"},
    {"cli"},
)


def test_layers_of_labutils_are_kept() -> None:
    level = {name: number for number, names in enumerate(LAYERS) for name in names}
    for path in MODULES:
        own = path.relative_to(ROOT / "labutils").with_suffix("").parts[0]
        if own not in ("__init__", "__main__"):
            used = {name.split(".")[1] for name in imports_of(path, at_import=False) if "." in name} - {own}
            assert [name for name in used if level[name] >= level[own]] == [], path.name


def test_import_of_labutils_loads_nothing_heavy() -> None:
    code = "import json, sys, labutils; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert {"numpy", "torch", "matplotlib", "IPython"}.isdisjoint(json.loads(run.stdout))
