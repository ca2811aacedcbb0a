"""Every command or flag that the program prints with a name in it quotes the name, so that the line can be pasted."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import REPOSITORY

ENGINE = REPOSITORY / "engine" / "caffelungo"
AFTER = re.compile(r"(?:^|[\s`(])(?:--[a-z][a-z-]*|-o|lungo [a-z_]+|mkdir -p|pip install) $")
"""What stands before a word of a command."""
QUOTED = {"shell.word", "shlex.quote", "shell.command", "shlex.join", "str.join"}
"""Calls whose result is safe. Parts of a list are quoted together."""
NUMBERS = {
    "works", "side", "own", "values", "work.size[0]", "max(options.size)", "host", "port", "picture_size.text(size)",
    "picture_size.text(options.size)", "options.folds", "options.batch_size", "options.size", "options.crops",
    "','.join(['110'] * min(shape[1], 4))",
    "options.penalty", "options.batches", "options.scale", "CURAND.get(major, 'nvidia-curand')",
}  # fmt: skip
"""Expressions that are numbers, sizes or constants of ours."""
RECEIVED = {"received", "was_received"}
"""Parts of a message that repeat what was typed."""


def unquoted(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, expression) of each value in an f-string that follows a flag or a verb and is not quoted."""
    repeated = {id(part) for node in ast.walk(tree) for part in _received(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr) or id(node) in repeated:
            continue
        before = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                before = str(part.value)
                continue
            assert isinstance(part, ast.FormattedValue)
            shown = ast.unparse(part.value)
            safe = isinstance(part.value, ast.Call) and ast.unparse(part.value.func) in QUOTED
            safe = safe or (isinstance(part.value, ast.BinOp) and isinstance(part.value.op, ast.FloorDiv | ast.Mult))
            if AFTER.search(before) and not safe and part.format_spec is None and shown not in NUMBERS:
                yield node.lineno, shown
            before = ""


def _received(node: ast.AST) -> Iterator[ast.AST]:
    """What of ``node`` says what was received: such a keyword, the third part of a Problem, an assignment."""
    parts: list[ast.expr] = []
    if isinstance(node, ast.Call):
        parts += [one.value for one in node.keywords if one.arg in RECEIVED]
        if ast.unparse(node.func).endswith("Problem") and len(node.args) > 2:
            parts.append(node.args[2])
        if ast.unparse(node.func).endswith("memory_limits.check"):
            parts += node.args[1:]
    if isinstance(node, ast.Assign) and any(ast.unparse(one) in RECEIVED for one in node.targets):
        parts.append(node.value)
    for part in parts:
        yield from ast.walk(part)


FILES = sorted(ENGINE.rglob("*.py"))


def test_names_in_printed_commands_are_quoted() -> None:
    found = [
        f"{path.relative_to(ENGINE)}:{line}: {shown}"
        for path in FILES
        for line, shown in unquoted(ast.parse(path.read_text()))
    ]
    assert found == [], "quote them by `shell.word`; what is a number or a size belongs into NUMBERS"


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("x = f'name it: --weights {path}'", 1),
        ("x = f'lungo export {path} -o {out}'", 2),
        ("x = f'--weights {shell.word(path)}'", 0),
        ("x = Problem('a', None, f'--weights {path}', f'--weights {path}')", 1),
        ("f(received=f'--weights {path}')", 0),
        ("x = f'write --size {works}'", 0),
        ("x = f'{path} --weights'", 0),
    ],
)
def test_what_is_found(source: str, count: int) -> None:
    assert len(list(unquoted(ast.parse(source)))) == count


def test_words_are_joined_by_a_shell_s_rules_only() -> None:
    """No command is put together by blanks: ``" ".join(words)`` of a list that begins with lungo."""
    for path in FILES:
        text = Path(path).read_text()
        assert not re.search(r"\" \"\.join\(\[?\s*\"lungo\"", text), path
