"""The sandbox that templates are rendered in: what it lets a template do here, within bounds, and what it does not.

Ordinary templates (loops, macros, arithmetic, includes) are rendered here: each loop and macro counts against a limit
of time, each text and list against one of size. Whatever else Jinja2 offers is left to a separate process
(``Unusual`` says so), which the system keeps within bounds.
"""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, Undefined, nodes, pass_context
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from caffelungo import files

MAX_TEXT = 2**20
"""Longest text, in characters, that a template may read, make or give; the largest net of ours gives a third of it."""
MAX_ITEMS = 100_000
MAX_BITS = 4096
MAX_MADE = 64 * MAX_TEXT
"""Characters and items that one rendering may make altogether."""
MAX_SECONDS = 3.0

_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.NSRef, nodes.Assign,
    nodes.AssignBlock, nodes.If, nodes.CondExpr, nodes.For, nodes.Macro, nodes.Call, nodes.Keyword, nodes.Pair,
    nodes.Compare, nodes.Operand, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow,
    nodes.Neg, nodes.Pos, nodes.And, nodes.Or, nodes.Not, nodes.Concat, nodes.Getattr, nodes.Getitem, nodes.Slice,
    nodes.List, nodes.Tuple, nodes.Dict, nodes.Filter, nodes.Test, nodes.Include, nodes.Import, nodes.FromImport,
    nodes.Scope, nodes.ExprStmt,
)  # fmt: skip
_FILTERS = frozenset({
    "default", "d", "int", "float", "string", "upper", "lower", "max", "min", "length", "count", "abs", "round",
    "first", "last", "trim",
})  # fmt: skip
_TESTS = frozenset({
    "defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "true", "false", "odd",
    "even", "sequence",
})  # fmt: skip
_METHODS = frozenset({
    "split", "rsplit", "strip", "lstrip", "rstrip", "startswith", "endswith", "lower", "upper", "items", "keys",
    "values", "get",
})  # fmt: skip


class TooMuchError(TemplateError):
    """The template asks for more than a definition can need."""


class Unusual(Exception):  # noqa: N818 - no error: it says where to go on
    """The template uses what is not bounded here."""


class Folder(FileSystemLoader):
    """Files of the template's folder, links resolved, and no others."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder.resolve()

    def get_source(self, environment: Any, template: str) -> tuple[str, str, Callable[[], bool]]:
        """As Jinja2 asks for it; TemplateError for a file that is outside of the folder, not a file, or too large."""
        path = Path(self.searchpath[0]) / template
        if path.exists():
            if not path.resolve().is_relative_to(self.folder):
                raise TemplateError(f"{template} is {path.resolve()}, which is outside of the template's folder")
            files.refuse_special(path)
            if path.stat().st_size > MAX_TEXT:
                raise TooMuchError(f"{template} has {path.stat().st_size} bytes")
        return super().get_source(environment, template)


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment of one rendering. ``bounded``: in a separate process, which the system bounds."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})
    intercepted_unops = frozenset({"+", "-"})

    def __init__(self, folder: Path, extensions: Iterable[Any] = (), bounded: bool = False) -> None:
        super().__init__(
            undefined=StrictUndefined, loader=Folder(folder), extensions=list(extensions), trim_blocks=True,
            lstrip_blocks=True, keep_trailing_newline=True, autoescape=False, optimized=False,
            finalize=_finalized,  # as it takes the context, no value is computed before the template runs
        )  # fmt: skip
        self.bounded, self.made, self.begun = bounded, 0, time.thread_time()
        self.sources: list[str] = []

    # What a template is before it runs

    def compile(self, source: Any, name: Any = None, filename: Any = None, *rest: Any, **options: Any) -> Any:
        """Code of a template in which each loop, macro and text counts; Unusual where something could not."""
        if self.bounded:
            return super().compile(source, name, filename, *rest, **options)
        tree = self.parse(source, name, filename) if isinstance(source, str) else source
        for node in list(tree.find_all(nodes.Node)):
            if not isinstance(node, _NODES) or not _usual(node):
                raise Unusual(type(node).__name__)
        _count(tree, self)
        return super().compile(tree, name, filename, *rest, **options)

    # What counts while it runs

    def tick(self) -> str:
        """Another turn of a loop, or another macro."""
        if time.thread_time() - self.begun > MAX_SECONDS:
            raise TooMuchError(f"it is not done after {MAX_SECONDS:g} s")
        return ""

    def charge(self, size: int, most: int = MAX_TEXT) -> None:
        """``size`` more characters or items are about to be made at once."""
        self.made += size
        if size > most or self.made > MAX_MADE:
            raise TooMuchError(f"{max(size, 0):,} characters at once, {self.made:,} altogether")

    def concat(self, parts: Iterable[str]) -> str:  # type: ignore[override]
        """The text of a macro or a block."""
        parts = list(parts)
        self.charge(sum(map(len, parts)))
        return "".join(parts)

    def joined(self, *parts: Any) -> str:
        """``a ~ b``."""
        return self.concat(map(self.text, parts))

    def collected(self, value: Any) -> Any:
        """A list, tuple or dictionary of the template, unless there is too much in it."""
        self.charge(self._items(value, MAX_ITEMS, 0), MAX_ITEMS)
        return value

    def _items(self, value: Any, left: int, depth: int) -> int:
        if not isinstance(value, list | tuple | dict):
            return 1
        if depth > 20:
            raise TooMuchError("lists are nested too deep")
        count = 1
        for inner in (*value, *value.values()) if isinstance(value, dict) else value:
            count += self._items(inner, left - count, depth + 1)
            if count > left:
                raise TooMuchError(f"a list of more than {MAX_ITEMS:,} items")
        return count

    def text(self, value: Any) -> str:
        """``value`` as it is printed."""
        if isinstance(value, str):
            return value
        if value is None or isinstance(value, bool | int | float | Undefined):
            return str(value)
        if self.bounded:
            return str(value)
        if isinstance(value, list | tuple | dict):
            self.charge(self._printed(value))
            return str(value)
        raise Unusual(type(value).__name__)

    def _printed(self, value: Any) -> int:
        if isinstance(value, list | tuple | dict):
            inner = (*value, *value.values()) if isinstance(value, dict) else value
            return 2 + sum(map(self._printed, inner))
        if not isinstance(value, str | int | float | None):
            raise Unusual(type(value).__name__)
        return len(value) if isinstance(value, str) else 1

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """As Jinja2 computes it, where the result is of a size that a definition can need."""
        if not self.bounded:
            self._weigh(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def _weigh(self, operator: str, left: Any, right: Any) -> None:
        if isinstance(left, int) and isinstance(right, int):
            bits = {"*": left.bit_length() + right.bit_length(), "**": left.bit_length() * max(right, 0)}
            self.charge(bits.get(operator, 0), MAX_BITS)
        elif isinstance(left, float) or isinstance(right, float) or isinstance(left, Undefined):
            pass
        elif operator == "+" and isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple):
            self.charge(_size(left, self) + _size(right, self))
        elif operator == "*" and isinstance(left, str | list | tuple) and isinstance(right, int):
            self.charge(_size(left, self) * max(right, 0), MAX_TEXT if isinstance(left, str) else MAX_ITEMS)
        elif operator == "*" and isinstance(right, str | list | tuple) and isinstance(left, int):
            self._weigh(operator, right, left)
        elif operator == "%":
            raise Unusual(operator)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """As Jinja2 calls it, where what is called is known to stay within bounds."""
        self, function = __self, __obj
        if self.bounded:
            return super().call(__context, function, *args, **kwargs)
        own = getattr(function, "__self__", None)
        method = isinstance(function, types.BuiltinMethodType) and function.__name__ in _METHODS
        known = own is self or method or isinstance(own, LoopContext) or isinstance(function, Macro)
        if not known and function not in (dict, Namespace, self.globals["range"]) and not _undefined(function):
            raise Unusual(str(function))
        result = super().call(__context, function, *args, **kwargs)
        if method and isinstance(result, list):
            self.charge(len(result))
        return self.collected(result) if function is dict else result


def _undefined(function: Any) -> bool:
    return isinstance(function, Undefined)


@pass_context
def _finalized(context: Context, value: Any) -> Any:
    environment: Any = context.environment
    return environment.text(value)


def _size(value: Any, sandbox: Sandbox) -> int:
    return len(value) if isinstance(value, str) else sandbox._items(value, MAX_ITEMS, 0)


def _usual(node: nodes.Node) -> bool:
    if isinstance(node, nodes.For):
        return node.test is None and not node.recursive
    if isinstance(node, nodes.Filter):
        return node.name in _FILTERS
    if isinstance(node, nodes.Test):
        return node.name in _TESTS
    if isinstance(node, nodes.Include | nodes.Import | nodes.FromImport):
        return isinstance(node.template, nodes.Const)
    return True


def _count(tree: nodes.Template, sandbox: Sandbox) -> None:
    """Put the calls that count into ``tree``."""
    for node in list(tree.find_all((nodes.For, nodes.Macro))):
        node.body.insert(0, nodes.ExprStmt(_own("tick", [], node.lineno)))  # type: ignore[attr-defined]
    tree.body.insert(0, nodes.ExprStmt(_own("tick", [], 1)))
    _replace(tree)
    tree.set_environment(sandbox)


def _replace(node: nodes.Node) -> None:
    """Have the texts and lists that ``node`` makes pass through ``joined`` and ``collected``."""
    for name in node.fields:
        value = getattr(node, name)
        if isinstance(value, nodes.Node):
            setattr(node, name, _replaced(value))
        elif isinstance(value, list):
            value[:] = [_replaced(one) if isinstance(one, nodes.Node) else one for one in value]


def _replaced(node: nodes.Node) -> nodes.Node:
    _replace(node)
    if isinstance(node, nodes.Concat):
        return _own("joined", node.nodes, node.lineno)
    if isinstance(node, nodes.List | nodes.Dict) or (isinstance(node, nodes.Tuple) and node.ctx == "load"):
        return _own("collected", [node], node.lineno)
    return node


def _own(name: str, values: list[Any], line: int) -> nodes.Call:
    function = nodes.EnvironmentAttribute(name, lineno=line)
    return nodes.Call(function, values, [], None, None, lineno=line)
