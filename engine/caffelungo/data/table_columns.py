"""Which columns of a table hold the paths of pictures and their labels: as they are named, or guessed by name.

`--label-column age,height` names several; CSV quotes (`'"a,b",c'`) hold a comma that belongs to a name.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from caffelungo import shell
from caffelungo.data import target_rows
from caffelungo.data.decode import SUFFIXES
from caffelungo.errors import Location, Problem, UserError, did_you_mean
from caffelungo.wording import counted, listed

PATHS = ("path", "file", "filename", "filepath", "image", "imagepath", "imagefile", "imagename", "imageid", "img",
         "picture", "photo", "imgpath")  # fmt: skip
LABELS = ("label", "class", "category", "target", "species", "classname", "labelname", "y", "diagnosis", "dx",
          "labels", "classes", "categories", "targets", "tags")  # fmt: skip
"""Names of columns, in lower case and without signs between the words, that mean the same to everybody."""


@dataclass(frozen=True)
class PictureColumns:
    """The columns of paths and labels as the user names them; None: guessed by name.

    ``label`` may name several, with commas between them. ``numbers``: they hold values to predict, no labels; None:
    they do where some have fractions. ``labels``: several labels per picture are wanted. ``names``: cells are names of
    classes even where they are numbers with fractions. ``known``: labels or numbers that the net tells, by name.
    """

    path: str | None = None
    label: str | None = None
    numbers: bool | None = False
    labels: bool = False
    names: bool = False
    known: tuple[str, ...] = ()

    @property
    def several(self) -> bool:
        """Whether several columns may be named."""
        return self.labels or self.numbers is not False


def chosen(file: Path, names: list[str], columns: PictureColumns) -> tuple[str, tuple[str, ...], list[str]]:
    """The column of paths, those of labels, and what is to be said of the guess. UserError where it is not clear."""
    problems: list[Problem] = []
    path, guessed_path = _paths(file, names, columns, problems)
    if columns.label is not None:
        labels, guessed_label = _asked(file, names, columns.label, problems), ""
    else:
        labels, guessed_label = _labels(file, names, path, columns, problems)
    if not problems and path in labels:
        problems.append(Problem("paths and labels are in the same column", Location(str(file), 1), f"column {path}",
                                "name two columns: --path-column NAME --label-column NAME"))  # fmt: skip
    if not problems and len(labels) > target_rows.MOST_TARGETS:
        problems.append(Problem("too many columns of labels", Location(str(file), 1), counted(len(labels), "column"),
                                f"use at most {target_rows.MOST_TARGETS}"))  # fmt: skip
    if problems:
        raise UserError(problems)
    return path, labels, _said(path if guessed_path else "", labels, guessed_label)


def _paths(file: Path, names: list[str], columns: PictureColumns, problems: list[Problem]) -> tuple[str, bool]:
    """The column of paths, and whether it was guessed."""
    if columns.path is not None:
        if columns.path not in names:
            problems.append(_absent(file, names, [columns.path], "paths", "--path-column"))
        return columns.path, False
    near = [name for name in names if column_word(name) in PATHS]
    if len(near) != 1:
        problems.append(_unclear(file, names, "paths", "name it: --path-column NAME"))
    return (near[0] if near else ""), True


def _asked(file: Path, names: list[str], given: str, problems: list[Problem]) -> tuple[str, ...]:
    """The columns that ``given`` names."""
    asked = [given]
    if given not in names and any(sign in given for sign in ',"'):
        parts = next(csv.reader([given], skipinitialspace=True), [])
        asked = [name for part in parts if (name := part.strip())] or asked
    if any(name not in names for name in asked):
        problems.append(_absent(file, names, asked, "labels", "--label-column"))
    elif twice := next((name for name in asked if asked.count(name) > 1), ""):
        problems.append(Problem("a column of labels is named twice", None, f"--label-column {shell.word(given)}",
                                f"name `{twice}` once"))  # fmt: skip
    return tuple(asked)


def _labels(
    file: Path, names: list[str], path: str, columns: PictureColumns, problems: list[Problem]
) -> tuple[tuple[str, ...], str]:
    """The columns of labels by their names, and why these."""
    by_name = {name_and_unit(name)[0]: name for name in names if name != path}
    of_net = tuple(by_name[name] for name in columns.known if name in by_name)
    if of_net and (len(of_net) == len(columns.known) or not columns.labels):
        return of_net, "as in the net"
    near = [name for name in names if column_word(name) in LABELS and name != path]
    if len(near) == 1:
        return (near[0],), "name"
    if of_net:
        return of_net, "as in the net"
    others = [name for name in names if name != path]
    if not near and path in names and len(others) == 1 and not _pictures(names):
        return (others[0],), "the only other one"
    several = " or, of several, --label-column a,b,c" if columns.several else ""
    of = f" (the net tells {listed(columns.known, 6)})" if columns.known else ""
    problems.append(_unclear(file, names, "labels", f"name it: --label-column NAME{several}{of}"))
    return (near[0] if near else "",), "name"


def _said(path: str, labels: Sequence[str], why: str) -> list[str]:
    """What was guessed; ``path`` is empty where it was named."""
    by_name = [f"paths are taken from column `{path}`"] if path else []
    if why == "name":
        by_name.append(f"labels {'' if by_name else 'are taken '}from {'' if by_name else 'column '}`{labels[0]}`")
    said = [f"{', '.join(by_name)}, by {'their names' if len(by_name) > 1 else 'its name'}"] if by_name else []
    if why == "the only other one":
        said.append(f"labels are taken from column `{labels[0]}`, the only other one")
    elif why == "as in the net":
        of = counted(len(labels), "column").split()[1]
        said.append(f"labels are taken from {of} {listed([f'`{name}`' for name in labels], 6)}, {why}")
    return said


def _absent(file: Path, names: list[str], asked: Sequence[str], what: str, flag: str) -> Problem:
    """The problem of columns among ``asked`` that the table does not have; the remedy keeps the others."""
    wrong = [name for name in asked if name not in names]
    near = {name: found for name in wrong if (found := _near(name, names))}
    remedy = f"use one of: {', '.join(names)}"
    if len(near) == len(wrong):
        remedy = f"did you mean {flag} {shell.word(joined([near.get(name, name) for name in asked]))}?"
    return Problem(f"the table has no such column of {what}", Location(str(file), 1), f"{flag} {', '.join(wrong)}",
                   remedy)  # fmt: skip


def _near(name: str, names: Sequence[str]) -> str | None:
    """The column that ``name`` may mean: one that differs in its unit alone, or by a slip."""
    same = [one for one in names if name_and_unit(one)[0].lower() == name_and_unit(name)[0].lower()]
    return same[0] if same else did_you_mean(name, names)


def _unclear(file: Path, names: list[str], what: str, remedy: str) -> Problem:
    received = f"columns {', '.join(names)}"
    if _pictures(names):
        received = f"a first line that names no columns: {', '.join(names)}"
    return Problem(f"it is not clear which column holds the {what}", Location(str(file), 1), received, remedy)


def _pictures(names: Sequence[str]) -> bool:
    return any(Path(name).suffix.lower() in SUFFIXES for name in names)


def joined(names: Sequence[str]) -> str:
    """The names of columns as one text, which `--label-column` reads as these names."""
    return ",".join('"' + name.replace('"', '""') + '"' if set(name) & set(',"\r\n') else name for name in names)


def name_and_unit(column: str) -> tuple[str, str]:
    """``age`` and ``years`` of `age [years]` or `age (years)`; the whole name and nothing where there is no unit."""
    match = re.fullmatch(r"\s*(\S.*?)\s*(?:\[([^\[\]]+)\]|\(([^()]+)\))\s*", column)
    return (match[1], (match[2] or match[3]).strip()) if match else (column.strip(), "")


def number_text(name: str, unit: str) -> str:
    """The name of the column of a number, as ``name_and_unit`` reads it."""
    return f"{name} [{unit}]" if unit else name


def numbered(count: int) -> list[str]:
    """What ``count`` numbers are called that have no names."""
    return ["number"] if count == 1 else [f"number{place + 1}" for place in range(count)]


def column_word(name: str) -> str:
    """The name of a column in lower case, without signs between its words."""
    return re.sub(r"[\W_]+", "", name).lower()
