"""Fields of a solver from the command line: ``base_lr=0.001``, ``lungo.keep_last=3``, ``stepvalue=100,200``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from caffelungo.definition.definition import Definition
from caffelungo.definition.fields import FieldInfo, MessageInfo, message_info
from caffelungo.definition.printer import quoted
from caffelungo.definition.schema import SolverParameter
from caffelungo.definition.tree import PathPart
from caffelungo.errors import Location, Problem, UserError, did_you_mean

FLAG = "--set-solver"
_ROOT = SolverParameter.DESCRIPTOR.full_name


@dataclass(frozen=True, eq=False)
class _WithSettings(Definition):
    """A solver with fields from the command line, which is where their mistakes are."""

    given: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    def where(self, *path: PathPart) -> Location | None:
        names = tuple(part for part in path if isinstance(part, str))
        if names in self.given:
            return Location(f"{FLAG} {self.given[names]}")
        return super().where(*path)


def with_settings(solver: Definition, settings: Sequence[str]) -> Definition:
    """``solver`` with ``settings`` (NAME=VALUE, with points where the field lies in a block).

    UserError with all mistakes.
    """
    if not settings:
        return solver
    problems: list[Problem] = []
    known: dict[tuple[str, ...], str] = {}
    message = type(solver.message)()
    message.CopyFrom(solver.message)
    for given in settings:
        name, sign, text = given.partition("=")
        path = tuple(name.strip().split("."))
        if not sign or not name.strip():
            problems.append(Problem(f"{FLAG} takes NAME=VALUE", None, f"{FLAG} {given}", f"write {FLAG} base_lr=0.001"))
            continue
        try:
            found = value(path, text.strip())
        except UserError as error:
            one = error.problems[0]
            problems.append(Problem(one.what, None, f"{FLAG} {given}", one.remedy))
            continue
        known[path] = given
        _set(message, path, found)
    if problems:
        raise UserError(problems)
    parts = {one.name: getattr(solver, one.name) for one in fields(Definition)}
    return _WithSettings(**{**parts, "message": message}, given=known)


def _set(message: Any, path: tuple[str, ...], found: Any) -> None:
    for part in path[:-1]:
        message = getattr(message, part)
    if isinstance(found, list):
        message.ClearField(path[-1])
        getattr(message, path[-1]).extend(found)
    else:
        setattr(message, path[-1], found)


def value(path: Sequence[str], text: str) -> Any:
    """``text`` as the field at ``path`` of a solver takes it: what a solver file that says so would hold.

    A list where the field is repeated, its parts comma-separated. UserError for a name that there is not, and for a
    value that the field does not take.
    """
    from caffelungo.definition.reader import parse_solver

    info = _field(path)
    words = [f"[{text}]"] if info.repeated and info.kind != "string" and not text.startswith("[") else [text]
    if not text.startswith('"'):
        words.append(quoted(text) if not info.repeated else ", ".join(quoted(word.strip()) for word in text.split(",")))
        if info.repeated:
            words[-1] = f"[{words[-1]}]"
    error: UserError | None = None
    for word in words:
        line = f"{path[-1]}: {word}"
        for block in reversed(path[:-1]):
            line = f"{block} {{ {line} }}"
        try:
            message = parse_solver(line).message
        except UserError as caught:
            error = error or caught
            continue
        if [one.name for one, _ in message.ListFields()] != [path[0]]:
            raise UserError("this is not a single value", received=text, remedy=f"write one value for {path[-1]}")
        for part in path:
            message = getattr(message, part)
        return list(message) if info.repeated else message
    assert error is not None
    raise error


def _field(path: Sequence[str]) -> FieldInfo:
    """The field at ``path``; UserError with the nearest name where there is none."""
    info = message_info(_ROOT)
    for index, part in enumerate(path):
        found = info.fields.get(part)
        last = index == len(path) - 1
        if found is None:
            raise UserError("the solver has no such field", received=".".join(path), remedy=_near(part, path[:index]))
        if last and found.kind != "message":
            return found
        if last:
            raise UserError("this is a block of fields", received=part,
                            remedy=f"name one of them: {part}.{next(iter(found.message.fields))}")  # fmt: skip
        if found.kind != "message" or found.repeated:
            raise UserError("this field is not a block", received=".".join(path), remedy=f"name {part} alone")
        info = found.message
    raise AssertionError("the name ends with a point")


def _near(part: str, blocks: Sequence[str]) -> str:
    """What may have been meant: a name at this place, else one of the same spelling in a block."""
    info = message_info(_ROOT)
    for block in blocks:
        info = info.fields[block].message
    before = "".join(f"{block}." for block in blocks)
    inside = {f"{before}{name}": name for name, one in info.fields.items() if one.kind != "message"}
    inside |= {f"{before}{path}": name for path, name in _inner(info).items()}
    exact = next((path for path, name in inside.items() if name == part), None)
    near = exact or did_you_mean(before + part, inside)
    return f"did you mean {near}?" if near else "name a field of the solver, such as base_lr or lungo.keep_last"


def _inner(info: MessageInfo) -> dict[str, str]:
    own = info.fields.get("lungo")
    if own is None or own.kind != "message":
        return {}
    return {f"lungo.{name}": name for name, one in own.message.fields.items() if one.kind != "message"}
