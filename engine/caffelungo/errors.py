"""The one family of exceptions a user meets, each with a place and a remedy.

A message has four parts: where (``file:line:col``, the line, a caret), what is wrong, what was received, what to do.
``UserError`` carries all the problems a check found, not the first one.
"""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from caffelungo.visible import on_one_line, shortened, visible
from caffelungo.wording import counted

WINDOW = 100
"""Longest stretch of a source line that a message quotes, in characters."""
LONGEST = 2000
"""Longest part of a message, in characters: a name in a file may have millions."""
PLACES = 12
"""So many places of one mistake are named."""
MOST_ALIKE = 20
"""Problems of one kind that are printed; the rest is counted."""
_VARIABLE = re.compile(
    r"(?<![\w`])(?:`.+?`|'[^'\n]*'|\"[^\"\n]*\")(?=[\s,.:;)?!/]|$)(?: \(\w+\))?"  # names; a layer's type after it
    r"|\S*/\S*|\\\S+"  # paths and escapes
    r"|-?\d[\w.,]*(?: [a-z]+)?",  # numbers, and what they count: one axis, two axes
    re.DOTALL,
)
_SEVERAL = re.compile(r"s?\s\.\.\.(?:(?:,| and|, and) \.\.\.)*")
_STATE = re.compile(r"in phase [A-Z]+( with .*)?$", re.DOTALL)


@dataclass(frozen=True)
class Location:
    """A place in a user's file. ``line`` and ``column`` count from 1; None where the file has no lines."""

    file: str
    line: int | None = None
    column: int | None = None
    text: str | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (on_one_line(self.file), self.line, self.column) if part is not None)

    def excerpt(self) -> str:
        """The source line with a caret under the column, if that is known; a window of it when the line is long."""
        if self.text is None:
            return ""
        column = self.column or 1
        line = self.text.rstrip("\r\n")
        start = max(0, column - 1 - WINDOW // 2) if len(line) > WINDOW else 0
        window = line[start : start + WINDOW].replace("\t", " ")
        head = "..." if start else ""
        tail = "..." if start + WINDOW < len(line) else ""
        quoted = f"    {head}{on_one_line(window)}{tail}"
        if self.column is None:
            return quoted
        before = on_one_line(window[: column - 1 - start].ljust(column - 1 - start))
        return f"{quoted}\n    {' ' * (len(head) + len(before))}^"


@dataclass(frozen=True)
class Alike:
    """What several problems of one remedy are called together, as "layers of type BN", and how this one is called."""

    what: str
    name: str


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: ``what``, where, what was received, and the remedy.

    ``table`` shows the whole that it is a part of; problems that share one are printed below it. ``alike`` is for
    those that differ by a name alone and are printed as one.
    """

    what: str
    where: Location | None = None
    received: str | None = None
    remedy: str | None = None
    table: str | None = field(default=None, compare=False, kw_only=True)
    alike: Alike | None = field(default=None, compare=False, kw_only=True)

    def __str__(self) -> str:
        what = _told(self.what)
        lines = [f"{self.where}: {what}" if self.where else what]
        if self.where and (excerpt := self.where.excerpt()):
            lines.append(excerpt)
        if self.received is not None:
            lines.append(f"  received: {_told(self.received)}")
        if self.remedy is not None:
            lines.append(f"  to do: {_told(self.remedy)}")
        return "\n".join(lines)


def grouped(problems: Iterable[Problem]) -> list[Problem]:
    """``problems``, with one in the place of those of a file that differ by their places alone, or are ``alike``."""
    groups: dict[object, list[Problem]] = {}
    for number, one in enumerate(problems):
        key: object = number  # without a line there is no place to tell them apart by
        if one.alike is not None:
            key = (one.alike.what, one.remedy, one.where.file if one.where else None)
        elif one.where is not None and one.where.line is not None:
            key = (one.what, one.received, one.remedy, one.where.file)
        groups.setdefault(key, []).append(one)
    return [_as_one(group) if len(group) > 1 else group[0] for group in groups.values()]


def limited(problems: Sequence[Problem]) -> list[Problem]:
    """The first of ``problems`` of each kind, and how many more there are: what one slip makes thousands of."""
    kinds: dict[str, list[Problem]] = {}
    for one in problems:
        kinds.setdefault(kind_of(one), []).append(one)
    shown = {id(one) for group in kinds.values() for one in group[:MOST_ALIKE]}
    more = [
        Problem(f"{len(group) - MOST_ALIKE:,} more of the kind: {kind_of(group[0])}", None, None, "fix these first")
        for group in kinds.values()
        if len(group) > MOST_ALIKE
    ]
    return [one for one in problems if id(one) in shown] + more


def kind_of(problem: Problem) -> str:
    """What is wrong, without the names, numbers and states of a net that tell two of a kind apart."""
    return _SEVERAL.sub(" ...", _STATE.sub("in phase ...", _VARIABLE.sub("...", problem.what)))


def key_of(problem: Problem) -> tuple[str, Location | None, str | None]:
    """What a problem shares with the same one found again in another state of a net."""
    return kind_of(problem), problem.where, problem.received


def _as_one(group: list[Problem]) -> Problem:
    first = group[0]
    lines = [one.where.line if one.where is not None else None for one in group]
    if first.alike is not None:
        named = {
            one.alike.name + (f" (line {line})" if line is not None else ""): None
            for one, line in zip(group, lines, strict=True)
            if one.alike is not None
        }
        return replace(first, what=f"{len(group)} {first.alike.what}", received=_listed(list(named)))
    places = list(dict.fromkeys(map(str, lines)))
    if len(places) < 2:
        received = first.received
    else:
        received = f"{f'{first.received}, ' if first.received is not None else ''}on lines {_listed(places)}"
    return replace(first, what=f"{first.what} ({counted(len(group), 'time')})", received=received)


def _listed(words: list[str]) -> str:
    more = len(words) - PLACES
    return ", ".join(words[:PLACES]) + (f" and {more} more" if more > 0 else "")


def _told(text: str) -> str:
    """A part of a message: its further lines indented, so that a name in it cannot begin another message."""
    return visible(shortened(text, LONGEST)).replace("\n", "\n    ")


class LungoError(Exception):
    """Base of everything the command line reports without a traceback."""

    exit_status = 1

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback, which would bury the message under lines of this package."""
        return [f"{type(self).__name__}: {self}"]


class RunError(LungoError):
    """Something failed while running: the disk filled, a value became non-finite, a proof did not hold."""


class UserError(LungoError):
    """The user's input is wrong; ``problems`` lists everything found."""

    exit_status = 2

    def __init__(self, problems: Problem | str | Iterable[Problem], **parts: object) -> None:
        if isinstance(problems, str):
            problems = Problem(problems, **parts)  # type: ignore[arg-type]
        self.problems: list[Problem] = [problems] if isinstance(problems, Problem) else list(problems)
        tables = dict.fromkeys(problem.table for problem in self.problems if problem.table)
        super().__init__("\n".join([*map(visible, tables), *map(str, limited(grouped(self.problems)))]))


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The nearest of ``known`` to ``word`` (letter case ignored), or None when nothing is near."""
    if len(word) > WINDOW:
        return None
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None


_NOT_FAILURES = {
    errno.ENOENT: "create its folder, or correct the path",
    errno.ENOTDIR: "choose a path that is not below a file",
    errno.EEXIST: "choose another path, or move that file",
    errno.EISDIR: "name a file: this is a folder",
    errno.EACCES: "choose a path that you may read and write, or change its permissions",
    errno.EPERM: "choose a path that you may read and write, or change its permissions",
    errno.EROFS: "choose a writable path",
    errno.ENAMETOOLONG: "choose a shorter name",
}

_FULL = {
    errno.ENOSPC: "free space on that disk, or choose a path on another one",
    errno.EDQUOT: "free some of your quota, or choose a path on another disk",
    errno.EFBIG: "choose a disk that supports files of this size, or raise the limit (ulimit -f)",
}


def of_system(error: OSError) -> LungoError:
    """What the system refused, in our words: UserError where another path helps, RunError for a full or broken disk."""
    what = error.strerror or str(error)
    name = error.filename2 if error.filename2 is not None else error.filename  # the second is what a rename goes to
    place = None if name is None else str(name)
    if error.errno not in _NOT_FAILURES:
        text = f"{place}: {what}" if place else what
        remedy = _FULL.get(error.errno or 0)
        return RunError(f"{text}\n  to do: {remedy}" if remedy else text)
    received = None if place is None else str(Path(place).absolute())
    return UserError(
        what, where=Location(place) if place else None, received=received, remedy=_NOT_FAILURES[error.errno]
    )
