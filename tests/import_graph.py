"""Who imports whom in a package, read from its source: also inside functions and under TYPE_CHECKING."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping, Sequence, Set
from functools import cache
from pathlib import Path

MODULE = re.compile(r"[a-z_]\w*(\.\w+)+(:\w+)?")

Graph = Mapping[str, Set[str]]
"""By module: the modules of the same package that it imports. A package is known by its own name (its ``__init__``)."""

TOPS = {"": "api", "wiring": "api", "__main__": "cli"}
"""What is beside the rooms and leans on them: what the package offers, what it hands to rooms, how it is run."""


def module_files(package: Path) -> dict[str, Path]:
    """Each module of the package in the folder ``package``, by its dotted name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def read_graph(package: Path) -> Graph:
    """The imports of every module in the folder ``package``; a module named in a text ("a.b:function") counts, too."""
    files = module_files(package)
    graph = {}
    for module, path in files.items():
        package_of = module if path.name == "__init__.py" else module.rpartition(".")[0]
        names, texts = _names(path.read_text("utf-8"), package_of)
        found = {_longest(name, files.keys()) for name in names} | (texts & files.keys())
        graph[module] = {name for name in found if name is not None} - {module}
    return graph


@cache
def _names(text: str, package: str) -> tuple[frozenset[str], frozenset[str]]:
    """What a module in ``package`` imports, as dotted names; and what its strings say that might name a module."""
    names: set[str] = set()
    texts: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            names |= {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and MODULE.fullmatch(node.value):
            texts.add(node.value.partition(":")[0])
    return frozenset(names), frozenset(texts)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """The module that an import names, where it may count dots from ``package``."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    kept = parts[: len(parts) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _longest(name: str, known: Collection[str]) -> str | None:
    """The module that ``name`` is, or is a name of."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


def circles(graph: Graph) -> list[list[str]]:
    """The groups of modules that import each other, each sorted (Tarjan 1972: components of more than one)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(one: str) -> None:
        number[one] = low[one] = len(number)
        stack.append(one)
        for other in sorted(graph.get(one, ())):
            if other not in number:
                visit(other)
                low[one] = min(low[one], low[other])
            elif other in stack:
                low[one] = min(low[one], number[other])
        if low[one] == number[one]:
            start = stack.index(one)
            if len(stack) - start > 1:
                found.append(sorted(stack[start:]))
            del stack[start:]

    for module in sorted(graph):
        if module not in number:
            visit(module)
    return sorted(found)


def room_of(module: str, rooms: Sequence[str]) -> int | None:
    """The place of the module's room in ``rooms``; -1 for the helpers beside the rooms, None for no room of these.

    ``TOPS`` are beside the rooms, and yet no helpers.
    """
    _, *rest = module.split(".")
    first = TOPS.get(".".join(rest), rest[0] if rest else "")
    if first in rooms:
        return rooms.index(first)
    return -1 if len(rest) == 1 else None


def arrows_back(graph: Graph, rooms: Sequence[str]) -> list[str]:
    """Each import of what comes later in ``rooms``, as "a imports b"."""
    wrong = []
    for module, others in sorted(graph.items()):
        for other in sorted(others):
            here, there = room_of(module, rooms), room_of(other, rooms)
            if here is not None and there is not None and there > here:
                wrong.append(f"{module} imports {other}")
    return wrong
