"""What a chapter's outputs depend on, as keys: a chapter whose key has not changed need not be run again.

`code_key` is a hash of the code cells and of all that they reach: modules of labutils, the checks and
explorers that they name, the data sets and trained models, the pins of what notebooks run with. `key` adds
the outputs that are stored. tests/verified.json has the keys of the chapters that printed the same elsewhere,
and of the pages that passed in a browser; scripts/test.py writes it, and tests a rotating sample of what is
in it again.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parent.parent
PINS = "# --- the notebooks"
SINGLE = "# --- single chapters"  # pins that concern only the notebooks that import them
# How the second run differs from the first: other libraries, and how they are put in place.
ELSEWHERE = ("tests/support/colab.py", "tests/support/lend.py")
SHELF = "labutils/models/pretrained.py"  # names every model: which of them a chapter loads, it says itself
LOADERS = "labutils/data/__init__.py"  # a function or two for each kind of data: of them those that are named
PARSERS = "labutils/data/parse.py"  # what they make is pinned by the sum in an entry: of it the constants
POCKET = "pocket-"  # pocket-gpt lies in labutils/pocket/gpt


def digest(parts: Iterable[str]) -> str:
    """Return the SHA-256 of several texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def code(notebook: Any) -> str:
    """Return the sources of a notebook's code cells as one text that Python can read: magics are left out.

    Of the set-up cell what it calls is kept, not the address that it would install from.
    """
    cells = [
        "import labutils\nlabutils.start()" if cell.get("id") == "setup" else cell.source
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    return "\n".join(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE) for source in cells)


def outputs(notebook: Any) -> str:
    """Return the stored outputs as text; pictures are left out, since no run compares them."""
    stored = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = {k: v for k, v in output.get("data", {}).items() if not k.startswith("image/")}
            stored.append(json.dumps([output.output_type, output.get("text"), data], sort_keys=True))
    return "\n".join(stored)


class Package:
    """labutils as its files show it; nothing of it is imported."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "labutils"
        self.lazy = self._constant("__init__.py", "_HOME")  # names that `labutils` finds in its modules
        self.entries = self._entries()

    def reached(self, source: str) -> set[Path]:
        """Return the files of the package that a piece of code reaches, through others as well."""
        seen: set[Path] = set()
        open_ = list(self._direct(source))
        while open_:
            file = open_.pop()
            if file not in seen:
                seen.add(file)
                if file.suffix == ".py":
                    open_ += self._direct(file.read_text(encoding="utf-8"))
        return seen

    def data_sets(self, sources: Iterable[str]) -> set[str]:
        """Return the names in the catalogue that stand as strings in pieces of code."""
        return self._strings(sources) & set(self.entries) - {""}

    def weights(self, sources: Iterable[str]) -> set[Path]:
        """Return the files of the pocket models whose names stand as strings in pieces of code."""
        kinds = [name.removeprefix(POCKET) for name in self._strings(sources) if name.startswith(POCKET)]
        return {file for kind in kinds if kind.isalnum() for file in self.folder.glob(f"pocket/{kind}/*")}

    def _strings(self, sources: Iterable[str]) -> set[str]:
        nodes = (node for source in sources for node in ast.walk(ast.parse(source)))
        return {
            node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }

    def _direct(self, source: str) -> Iterator[Path]:
        for node in _walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield from self._files(alias.name)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield from self._files(node.module)
                for alias in node.names:
                    yield from self._files(f"{node.module}.{alias.name}")
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "labutils":
                yield from self._files(f"labutils.{node.attr}")
            elif isinstance(node, ast.Call):
                yield from self._named(node)

    def _named(self, call: ast.Call) -> Iterator[Path]:
        """Files that a call finds by a name: check("chapter.exercise", …), show_explorer("name", …)."""
        first = call.args[0] if call.args else None
        if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
            return
        what = ast.unparse(call.func).rpartition(".")[2]
        if what == "check":
            yield from self.folder.glob(f"checks/*/{first.value.partition('.')[0]}.py")
        elif what == "show_explorer":  # its drawing, which is stored, is made by the kit as well
            yield from self.folder.glob(f"explorers/{first.value}.js")
            yield from self.folder.glob("explorers/kit.js")

    def _files(self, module: str) -> Iterator[Path]:
        """The file of a module, and those of the packages around it; nothing for what is not labutils."""
        names = module.split(".")
        if names[0] != "labutils":
            return
        if len(names) == 2 and names[1] in self.lazy:
            yield from self._files(self.lazy[names[1]])
        path = self.folder
        for name in names[1:]:
            if (path / "__init__.py").exists():
                yield path / "__init__.py"
            path /= name
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.exists():
                yield file

    def _constant(self, file: str, name: str) -> dict[str, str]:
        for node in ast.parse((self.folder / file).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                return dict(ast.literal_eval(node.value))
        return {}

    def _entries(self) -> dict[str, str]:
        """The catalogue's entries: name → the code that makes it; "" → the catalogue's code without them."""
        source = (self.folder / "data/catalogue.py").read_text(encoding="utf-8")
        entries, rest = {}, source
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Entry":
                made = str(ast.get_source_segment(source, node))
                name = next(word.value for word in node.keywords if word.arg == "name")
                entries[str(ast.literal_eval(name))] = made
                rest = rest.replace(made, "")
        return entries | {"": re.sub(r"[\s,]*\n[\s,]*", "\n", rest)}


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker sees."""
    open_ = [tree]
    while open_:
        node = open_.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            open_ += node.orelse
            continue
        yield node
        open_ += ast.iter_child_nodes(node)


def identifiers(source: str) -> set[str]:
    """Return the names that a piece of code uses, imports or reads from something else."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names}
    return found


def definitions(source: str, names: set[str], kinds: tuple[type, ...]) -> str:
    """Return of a module what defines one of `names`, or what these name in turn, without docstrings."""
    rest: list[tuple[str, ast.stmt]] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            rest.append((node.name, node))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            rest.append((ast.unparse(target), node))
    rest = [(name, node) for name, node in rest if isinstance(node, kinds) and not name.startswith("__")]
    kept: list[str] = []
    while found := [node for name, node in rest if name in names]:
        rest = [(name, node) for name, node in rest if name not in names]
        for node in found:
            for inner in ast.walk(node):
                if isinstance(inner, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(inner) is not None:
                    inner.body = inner.body[1:] or [ast.Pass()]
            kept.append(ast.unparse(node))
            names = names | identifiers(kept[-1])
    return "\n".join(sorted(kept))


def pins(root: Path, imported: set[str]) -> str:
    """Return the pins of what notebooks run with, and those for single chapters that are among `imported`."""
    text = (root / "requirements.txt").read_text(encoding="utf-8")
    shared, single = (
        re.findall(r"^[\w.-]+==[^\s;#]+", text.partition(part)[2].partition("\n# ---")[0], re.MULTILINE)
        for part in (PINS, SINGLE)
    )
    return "\n".join(shared + [pin for pin in single if pin.partition("==")[0] in imported])


def imports(sources: Iterable[str]) -> set[str]:
    """Return the packages that pieces of code import, anywhere in them."""
    found = set()
    for node in (node for source in sources for node in ast.walk(ast.parse(source))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def code_key(path: Path, root: Path = ROOT) -> str:
    """Return the hash of a notebook's code and of all that it reaches, which its outputs depend on."""
    package, notebook = Package(root), nbformat.read(path, as_version=4)
    source = code(notebook)
    files = sorted(package.reached(source))
    catalogue = package.folder / "data/catalogue.py"  # of it only the entries that are named: others may come
    texts = {file: file.read_text(encoding="utf-8") for file in files if file != catalogue}
    loaders, parsers = root / LOADERS, root / PARSERS
    names = identifiers(source)
    for file, text in texts.items():
        names |= identifiers(text) if file.suffix == ".py" and file not in (loaders, parsers) else set()
    for file, kinds in ((loaders, (ast.stmt,)), (parsers, (ast.Assign, ast.AnnAssign))):
        if file in texts:
            texts[file] = definitions(texts[file], names, kinds)
            names |= identifiers(texts[file])
    code_ = [source, *(texts[file] for file in texts if file.suffix == ".py" and file != root / SHELF)]
    named = package.data_sets(code_)
    parts = [source, pins(root, imports(code_))]
    for weights in sorted(package.weights(code_)):
        parts += [weights.relative_to(root).as_posix(), hashlib.sha256(weights.read_bytes()).hexdigest()]
    for file, text in texts.items():
        parts += [file.relative_to(root).as_posix(), text]
    if catalogue in files:
        parts += [package.entries[name] for name in ["", *sorted(named)]]
    return digest(parts)


def key(path: Path, root: Path = ROOT) -> str:
    """Return the hash of all that is tested: `code_key`, outputs, other libraries, the chapter's tests."""
    tests = f"tests/chapters/{path.parent.name}/test_{path.stem}.py"
    files = [root / file for file in (*ELSEWHERE, tests)]
    others = [file.read_text(encoding="utf-8") for file in files if file.exists()]
    return digest([code_key(path, root), outputs(nbformat.read(path, as_version=4)), *others])


def page_key(path: Path) -> str:
    """Return the hash of a page's source, which the browser shows; of a notebook that is its cells."""
    if path.suffix == ".ipynb":
        return digest([json.dumps(json.loads(path.read_bytes())["cells"], sort_keys=True)])
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Verified:
    """tests/verified.json: of each kind ("notebooks", "pages") the name and the key of what passed."""

    def __init__(self, file: Path = ROOT / "tests/verified.json") -> None:
        self.file = file
        self.keys: dict[str, dict[str, str]] = {"notebooks": {}, "pages": {}}
        if file.exists():
            self.keys |= json.loads(file.read_text(encoding="utf-8"))

    def due(self, kind: str, current: dict[str, str]) -> list[str]:
        """Return the names whose current key is not the one that passed."""
        return [name for name, key in current.items() if self.keys[kind].get(name) != key]

    def sample(self, kind: str, current: dict[str, str], turn: str, share: int = 8) -> list[str]:
        """Return one in `share` of the names that are not due, at least one; another `turn` gives others."""
        due = set(self.due(kind, current))
        rest = sorted((digest([turn, name]), name) for name in current if name not in due)
        return sorted(name for _, name in rest[: -(-len(rest) // share)])

    def record(self, kind: str, passed: dict[str, str], known: Iterable[str]) -> None:
        """Write down what passed; forget what is no longer known."""
        keys, known = self.keys[kind] | passed, set(known)
        self.keys[kind] = {name: keys[name] for name in sorted(keys) if name in known}
        self.file.write_text(json.dumps(self.keys, indent=1) + "\n", encoding="utf-8")
