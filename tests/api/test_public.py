"""The public names are a promise: none comes, goes or changes its signature unnoticed.

After a change that is meant, write the list anew: python -m tests.api.test_public
"""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import caffelungo as cl

LIST = Path(__file__).with_name("public.txt")


def signature(given: Any) -> str:
    """The signature as the source spells it, an argument a line where there are many."""
    found = inspect.signature(given)
    line = str(found).replace("'", "")
    if len(line) <= 100:
        return line
    parts: list[str] = []
    starred = any(one.kind is one.VAR_POSITIONAL for one in found.parameters.values())
    for one in found.parameters.values():
        if one.kind is one.KEYWORD_ONLY and "*" not in parts and not starred:
            parts.append("*")
        parts.append(str(one).replace("'", ""))
    end = f" -> {found.return_annotation}" if found.return_annotation is not found.empty else ""
    return "(\n" + "".join(f"        {part},\n" for part in parts) + f"    ){end}"


def members(given: type[Any]) -> Iterator[str]:
    """What a class has from us, not from a library, a line each."""
    ours = [base for base in reversed(given.__mro__) if base.__module__.startswith("caffelungo.")]
    for name, member in {name: one for base in ours for name, one in vars(base).items()}.items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            yield f"    {name}: {inspect.signature(member.fget).return_annotation}"  # type: ignore[arg-type]
        elif inspect.isfunction(member):
            yield f"    {name}{signature(member)}"


def listed() -> str:
    """Every public name with its signature."""
    lines = []
    for name in sorted(cl.__all__):
        found = getattr(cl, name)
        if inspect.isclass(found):
            lines += [f"class {name}({', '.join(base.__name__ for base in found.__bases__)})", *members(found)]
        elif callable(found):
            lines.append(f"{name}{signature(found)}")
        else:
            lines.append(name)
    return "\n".join(lines) + "\n"


def test_the_list_of_names_is_up_to_date() -> None:
    change = list(difflib.unified_diff(LIST.read_text().splitlines(), listed().splitlines(), "promised", "is", n=1))
    assert not change, "\n".join([*change, "if this is meant: python -m tests.api.test_public"])


def test_type_checkers_see_the_same_names() -> None:
    """Each name is imported for type checkers from where ``__getattr__`` takes it."""
    tree = ast.parse(Path(cl.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    homes = {name: f"caffelungo.{home}" for name, home in cl._HOMES.items()}
    homes |= {name: f"caffelungo.api.verbs.{name}" for name in cl._VERBS}
    assert seen == homes
    assert set(cl.__all__) == {*homes, "__version__"}
    assert set(dir(cl)) == set(cl.__all__)


def test_every_public_thing_says_what_it_is_with_an_example() -> None:
    for name in cl.__all__:
        found = getattr(cl, name)
        if inspect.isfunction(found):
            assert ">>> " in (found.__doc__ or ""), name
            assert "Error" in found.__doc__ or name in ("layers", "doctor"), f"{name} does not say what it raises"
    for name, member in vars(cl.Net).items():
        if not name.startswith("_") and inspect.isfunction(member):
            assert ">>> " in (member.__doc__ or ""), f"Net.{name}"


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'caffelungo' has no attribute 'trian'"):
        cl.trian  # noqa: B018


if __name__ == "__main__":
    LIST.write_text(listed())
