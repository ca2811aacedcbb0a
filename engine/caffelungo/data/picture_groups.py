"""Which pictures belong together (one person, one module): by a pattern over file names, or by a column of a table."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from caffelungo import shell
from caffelungo.data.table_columns import column_word
from caffelungo.errors import Problem, UserError, did_you_mean
from caffelungo.wording import counted, listed

GROUPS = ("group", "groupid", "person", "personid", "subject", "subjectid", "patient", "patientid", "user", "userid",
          "session", "sessionid", "lesionid", "moduleid", "video", "videoid", "scene")  # fmt: skip
"""Names of columns, as ``column_word`` has them, that say which pictures belong together."""
_FRAME = re.compile(r"(.*\d.*?)[_\-. ]+(?:(?:frame|img|image|crop|view|shot)?[_\-]?)(\d+)", re.IGNORECASE)
_DATE = re.compile(r"(?:.*\D)?(?:19|20)\d\d[-_]?[01]\d[-_]?[0-3]\d(?:\D.*)?")
_LEAST = 3
"""Pictures per stem, on average, from which names look grouped."""


def keys(
    names: Sequence[str], wanted: str, columns: Mapping[str, Sequence[str]] | None = None
) -> tuple[list[str | None], list[str]]:
    """The group of each picture (None: it is alone), and what is worth saying.

    ``wanted`` is a column of ``columns``, else a regular expression that is searched in each of ``names``: its groups
    in parentheses are the key, or all that it matches. UserError for a pattern that is none or matches nothing.
    """
    if columns and wanted in columns:
        found: list[str | None] = [value.strip() or None for value in columns[wanted]]
        source = f"column `{wanted}`"
    else:
        if columns and re.fullmatch(r"[\w ]+", wanted):
            near = did_you_mean(wanted, columns)
            raise UserError(
                "the table has no such column", received=f"--groups {wanted}",
                remedy=f"did you mean --groups {shell.word(near)}?" if near else f"use one of: {', '.join(columns)}",
            )  # fmt: skip
        try:
            pattern = re.compile(wanted)
        except re.error as error:
            raise UserError(
                "the pattern of groups is no regular expression", received=f"--groups {wanted}: {error}",
                remedy=r"write one, such as --groups '(\w+)_\d+', whose parentheses are the group",
            ) from None  # fmt: skip
        found = [_key(pattern, name) for name in names]
        source = "the pattern"
    known = {key for key in found if key is not None}
    problems = []
    if not known:
        problems.append(Problem("no picture has a group", None, f"--groups {wanted}; names such as {listed(names, 3)}",
                                "write a pattern that is found in these names"))  # fmt: skip
    elif len(known) == 1 and None not in found:
        problems.append(Problem("all pictures are in one group, which cannot be divided", None,
                                f"--groups {wanted}: {next(iter(known))}",
                                "write a pattern that tells persons or objects apart"))  # fmt: skip
    if problems:
        raise UserError(problems)
    notices = []
    alone = [name for name, key in zip(names, found, strict=True) if key is None]
    if alone:
        are = counted(len(alone), "picture has", "pictures have")
        notices.append(f"{are} no group by {source}, and each is its own: {listed(alone, 3)}")
    if len(known) == len(found):
        notices.append(f"{source} puts every picture into its own group, so it changes nothing")
    else:
        notices.append(f"{counted(len(known), 'group')} by {source}: none is on two sides of a split")
    return found, notices


def grouping(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Notices of columns whose names say which pictures belong together."""
    sizes = [(name, len(set(column)), len(column)) for name, column in columns.items() if column_word(name) in GROUPS]
    return [
        f"the table has a column `{name}` with {distinct} values: --groups {shell.word(name)} keeps pictures of one "
        "value on one side of every split"
        for name, distinct, count in sizes if 1 < distinct < count
    ]  # fmt: skip


def _key(pattern: re.Pattern[str], name: str) -> str | None:
    match = pattern.search(name)
    if match is None:
        return None
    if pattern.groups:
        return "\0".join(part or "" for part in match.groups())
    return match.group()


def merged(count: int, sets: Iterable[Sequence[int]], keyed: Sequence[str | None]) -> list[list[int]]:
    """Sets of two or more of ``count`` pictures that belong together: by ``sets``, by ``keyed``, or through others."""
    parents = list(range(count))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    by: dict[str, list[int]] = defaultdict(list)
    for index, key in enumerate(keyed):
        if key is not None:
            by[key].append(index)
    for one in (*sets, *by.values()):
        for other in one[1:]:
            first, second = sorted((root(one[0]), root(other)))
            parents[second] = first
    found: dict[int, list[int]] = defaultdict(list)
    for index in range(count):
        found[root(index)].append(index)
    return [group for group in found.values() if len(group) > 1]


def looks_grouped(names: Sequence[str], labels: Sequence[int]) -> str | None:
    """A notice where names look like several pictures of each of many things, as in ``hand3_012.jpg``; else None.

    Only where nearly all names have a stem with a number of its own before their number, a stem has three pictures on
    average, every class has several, and no stem is a date, which says little of what is in a picture.
    """
    stems: list[tuple[int, str]] = []
    for name, label in zip(names, labels, strict=True):
        match = _FRAME.fullmatch(PurePosixPath(name.replace("\\", "/")).stem)
        if match is not None and not _DATE.fullmatch(match.group(1)):
            stems.append((int(label), match.group(1)))
    counts = Counter(stems)
    if len(stems) < 0.9 * len(names) or len(stems) < _LEAST * len(counts) or len(counts) < 6:
        return None
    per_class = Counter(label for label, _ in counts)
    if min(per_class.values()) < 2 or len(per_class) < len(set(map(int, labels))):
        return None
    stem = counts.most_common(1)[0][0][1]
    return (
        f"file names look like several pictures of each thing ({counts.most_common(1)[0][1]} are called {stem}...): if "
        r"they are, keep them on one side of the split: --groups '([^/]*\d.*?)[_. -]+\d+\.\w+$'"
    )
