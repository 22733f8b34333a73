"""Python source in notebooks: IPython's own syntax, names that a cell defines, solutions between markers."""

from __future__ import annotations

import ast
import re
import textwrap

__all__ = [
    "BEGIN",
    "END",
    "Marker",
    "defined",
    "last_defined",
    "literal",
    "plain",
    "solution_lines",
    "tree",
    "without_solution",
]

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
_MAGIC = re.compile(r"^(\s*)(?:[%!?]|[\w.]+\s*=\s*[%!]|[\w.\[\]'\"]+\?{1,2}\s*$)")


class Marker(ValueError):  # noqa: N818  (named for what is wrong)
    """Markers of a solution that do not pair."""


def plain(source: str) -> str:
    """Return a cell's source as plain Python: magics and shell lines become `pass`, other languages nothing.

    Only lines that Python cannot read are touched: a string with a line that begins with % stays.
    """
    if re.match(r"\s*%%(?!time\b|timeit\b|capture\b)", source):
        return ""
    source = re.sub(r"^\s*%%\w+.*\n?", "", source)
    if tree(source) is not None:
        return source
    lines, inside = [], False
    for line in source.splitlines():
        found = _MAGIC.match(line)
        if inside or found:
            indent = found[1] if found else ""
            inside = line.rstrip().endswith("\\")
            lines.append(f"{indent}pass" if found else "")
        else:
            lines.append(line)
    return "\n".join(lines)


def tree(source: str) -> ast.Module | None:
    """Return the syntax tree, or None where it is no Python (or nested too deep to be read)."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def defined(source: str) -> list[str]:
    """Return the names that a cell binds at its top level, in order; none if it is no Python."""
    parsed = tree(plain(source))
    names: list[str] = []
    for node in parsed.body if parsed else []:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [name.id for part in targets for name in ast.walk(part) if isinstance(name, ast.Name)]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names += [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    return names


def last_defined(source: str, kind: str) -> str | None:
    """Return the last name that a cell defines and that may be an answer of this kind; None without one."""
    parsed = tree(plain(source))
    wanted = {"function": (ast.FunctionDef,), "module": (ast.ClassDef,)}.get(
        kind, (ast.Assign, ast.AnnAssign)
    )
    body = [node for node in (parsed.body if parsed else []) if isinstance(node, wanted)]
    if not body:
        return None
    names = defined(ast.unparse(body[-1]))
    return names[-1] if names else None


def literal(source: str, name: str) -> str | None:
    """Return the text that a cell assigns to `name`, if it stands there as a literal."""
    parsed = tree(plain(source))
    found = None
    for node in parsed.body if parsed else []:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            if name in names and isinstance(node.value.value, str | int):
                found = str(node.value.value)
    return found


def _blocks(source: str) -> list[tuple[str | None, list[str]]]:
    """The lines of a cell in blocks, each with the indent of its markers if it is a solution, else None."""
    blocks: list[tuple[str | None, list[str]]] = [(None, [])]
    for line in source.splitlines():
        mark = line.strip()
        if mark not in (BEGIN, END):
            blocks[-1][1].append(line)
            continue
        if (blocks[-1][0] is not None) == (mark == BEGIN):
            raise Marker(f"{mark!r} stands where it does not pair with another")
        blocks.append((line[: len(line) - len(line.lstrip())] if mark == BEGIN else None, []))
    if blocks[-1][0] is not None:
        raise Marker(f"{BEGIN!r} without {END!r}")
    return blocks


def solution_lines(source: str) -> list[str]:
    """Return the lines between markers, stripped, without empty ones. Marker if markers do not pair."""
    lines = [line.strip() for indent, block in _blocks(source) if indent is not None for line in block]
    return [line for line in lines if line]


def without_solution(source: str, stub: str | None = None) -> str:
    """Return a cell's source with each solution replaced by `stub` (by default, an error or `...`).

    In a function the stub is `raise NotImplementedError`; at the top level every name that the solution
    assigns is set to `...`. Raises Marker where markers do not pair.
    """
    kept: list[str] = []
    for indent, block in _blocks(source):
        if indent is None:
            kept += block
        else:
            kept += [indent + line for line in (stub or _stub(block, indent)).splitlines()]
    return "\n".join(kept)


def _stub(block: list[str], indent: str) -> str:
    if indent:
        return "raise NotImplementedError  # your code here"
    names = dict.fromkeys(defined(textwrap.dedent("\n".join(block))))
    return "\n".join(f"{name} = ...  # your code here" for name in names) or "...  # your code here"
