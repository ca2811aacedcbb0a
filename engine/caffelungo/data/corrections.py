"""Corrections of labels: a table that `lungo inspect --labels` writes, a person edits, and every verb with data takes.

    path,label,suggested,score,decision
    cat/12.jpg,cat,dog,0.0312,suggested       keep, suggested, remove, or the name of a class

No file is moved or changed: pictures get other labels, or are left out, where a data set is read.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffelungo import tabular
from caffelungo.data import unpack_pictures
from caffelungo.data.image_list import LABELS, LIMIT, ImageList, write_list, write_names
from caffelungo.data.picture_table import table_rows
from caffelungo.data.table_columns import column_word
from caffelungo.errors import Location, Problem, UserError, did_you_mean
from caffelungo.files import find, refuse_special
from caffelungo.wording import counted, listed

COLUMNS = ("path", "label", "suggested", "score", "decision")
KEEP, SUGGESTED, REMOVE = "keep", "suggested", "remove"
CLASS = "class:"
"""Before the name of a class that is called like a decision."""
MOST = 1 << 28
"""Bytes of a file of corrections."""
SHOWN = 3


@dataclass(frozen=True)
class Correction:
    """One row: a picture, the class it has, the one that is suggested, the probability of its label, what to do.

    ``line`` is where it is in its file (0: in none); the probability is NaN where nothing is known of it.
    """

    path: str
    label: str
    suggested: str
    score: float = 0.0
    decision: str = KEEP
    line: int = 0

    @property
    def wanted(self) -> str | None:
        """The class that the decision says; None: that of the picture, or none."""
        word = self.decision.strip()
        if word.casefold() in ("", KEEP, REMOVE):
            return None
        return self.suggested if word.casefold() == SUGGESTED else word.removeprefix(CLASS).strip()

    @property
    def removes(self) -> bool:
        return self.decision.strip().casefold() == REMOVE


@dataclass(frozen=True)
class Applied:
    """What corrections made of N pictures: N ``labels``, those to be left out, and what is to be said of it.

    ``summary`` says what was done, ``notices`` what was not.
    """

    labels: NDArray[np.int64]
    removed: frozenset[int]
    summary: str
    notices: tuple[str, ...] = ()


def write(path: str | Path, rows: Iterable[Correction]) -> None:
    """Write ``rows`` as a table that ``read`` and spreadsheets read."""
    with tabular.written(path) as table:
        table.row(COLUMNS)
        table.rows((one.path, one.label, one.suggested, _score(one.score), one.decision) for one in rows)


def _score(score: float) -> str:
    return "" if math.isnan(score) else f"{score:.4f}"


def read(path: str | Path) -> tuple[Path, list[Correction]]:
    """The file and its rows. UserError with every row that is wrong, whatever the pictures are."""
    file = find(path, what="file of corrections")
    refuse_special(file, most=MOST)
    rows, names, lines = table_rows(file)
    words = [column_word(name) for name in names]
    lacking = [name for name in COLUMNS if name not in words and name != "score"]
    if lacking:
        raise UserError("corrections lack a column", where=Location(str(file), 1),
                        received=f"no column {', '.join(lacking)} among {', '.join(names)}",
                        remedy=f"name the columns {', '.join(COLUMNS)}")  # fmt: skip
    places = [words.index(name) if name in words else None for name in COLUMNS]
    problems: list[Problem] = []
    found: list[Correction] = []
    for cells, line in zip(rows, lines, strict=True):
        if len(cells) != len(names):
            received = f"{counted(len(cells), 'cell')} under {counted(len(names), 'column')}"
            problems.append(_wrong(file, line, cells, "the line has another number of cells", received,
                                   "quote cells that hold commas"))  # fmt: skip
            continue
        name, label, suggested, _, decision = (
            "" if place is None else tabular.plain(cells[place].strip()) for place in places
        )
        one = Correction(name, label, suggested, 0.0, decision, line)
        if not name:
            problems.append(_wrong(file, line, cells, "the correction names no picture", "an empty path", "name it"))
        elif one.wanted == "":
            problems.append(_wrong(file, line, cells, "the decision names no class", f"decision {decision!r}",
                                   f"write {KEEP}, {REMOVE} or the name of a class"))  # fmt: skip
        else:
            found.append(one)
    problems += _contradictions(file, found)
    if problems:
        raise UserError(_limited(problems, file))
    return file, found


def apply(path: str | Path, pictures: ImageList, classes: Sequence[str] = ()) -> Applied:
    """The corrections in the file ``path`` applied to ``pictures``, whose labels are places in ``classes`` (none: those
    of the list, else the numbers themselves).

    UserError with every row that is wrong, or that names a class which is none of these. Rows of pictures that are not
    there, or that have another label by now, change nothing; ``notices`` name them.
    """
    if pictures.targets is not None:
        raise UserError("corrections are for pictures with one label each", where=Location(str(path)),
                        received=f"{counted(pictures.label_size, 'number')} per picture",
                        remedy="correct these in their table or list")  # fmt: skip
    file, rows = read(path)
    known = list(classes or pictures.classes or map(str, range(int(pictures.labels.max(initial=0)) + 1)))
    work = _Work(file, pictures, known)
    for row in rows:
        work.take(row)
    if work.problems:
        raise UserError(_limited(work.problems, file))
    notices = []
    if work.gone:
        are = counted(len(work.gone), "picture is", "pictures are")
        notices.append(f"{are} in {file.name} but not among these: {listed(work.gone, SHOWN)}")
    if work.stale:
        have = counted(len(work.stale), "picture has", "pictures have")
        notices.append(
            f"{have} another label than {file.name} says, so nothing is changed there: {listed(work.stale, SHOWN)}"
        )
    summary = _summary(file, work.changed, len(work.removed))
    return Applied(work.labels, frozenset(work.removed), summary, tuple(notices))


class _Work:
    """Corrections as they are taken, row by row."""

    def __init__(self, file: Path, pictures: ImageList, classes: Sequence[str]) -> None:
        self.file, self.classes = file, classes
        self.before, self.labels = pictures.labels, pictures.labels.copy()
        self.numbers = {name: number for number, name in enumerate(classes)}
        self.finder = _Finder(pictures)
        self.changed, self.removed = 0, set[int]()
        self.gone: list[str] = []
        self.stale: list[str] = []
        self.problems: list[Problem] = []

    def take(self, row: Correction) -> None:
        if row.wanted is not None and row.wanted not in self.numbers:
            self.problems.append(_no_class(self.file, row, self.classes))
            return
        place = self.finder.place(row.path)
        if isinstance(place, list):
            self.problems.append(
                Problem("several pictures have this path", Location(str(self.file), row.line), row.path,
                        f"write more of it, as in {listed(place, 2)}")
            )  # fmt: skip
        elif place is None:
            self.gone.append(row.path)
        elif row.removes or row.wanted is not None:
            self._decide(row, place)

    def _decide(self, row: Correction, place: int) -> None:
        number = int(self.before[place])
        now = self.classes[number] if 0 <= number < len(self.classes) else None
        if now != row.label:
            if now != row.wanted:  # else somebody has corrected it where it is
                self.stale.append(row.path)
        elif row.removes:
            self.removed.add(place)
        elif row.wanted is not None and row.wanted != now:
            self.labels[place] = self.numbers[row.wanted]
            self.changed += 1


def _summary(file: Path, changed: int, removed: int) -> str:
    if not changed and not removed:
        return f"{file.name} changes nothing: its decisions are `{KEEP}`, or of other pictures"
    return f"corrections of {file.name}: {counted(changed, 'label')} changed, {counted(removed, 'picture')} left out"


def as_list(
    path: str | Path, pictures: ImageList, classes: Sequence[str] = ()
) -> tuple[Path, ImageList, tuple[str, ...]]:
    """``pictures`` as the corrections in the file ``path`` leave them: a list in the cache that a data layer reads, the
    pictures in its order, and what is to be said. UserError as ``apply``, and where no picture is left.
    """
    applied = apply(path, pictures, classes)
    kept = [index for index in range(len(pictures)) if index not in applied.removed]
    if not kept:
        raise UserError(
            "the corrections leave no picture", where=Location(str(path)), received=counted(len(pictures), "picture"),
            remedy=f"remove fewer, or write {KEEP}",
        )  # fmt: skip
    entries = [(os.path.abspath(pictures.path(index)), int(applied.labels[index])) for index in kept]
    names = tuple(classes or pictures.classes)

    def fill(folder: Path) -> None:
        if names:
            write_names(folder / LABELS, names)
        write_list(folder / unpack_pictures.ALL, entries)

    address = unpack_pictures.address(f"{Path(pictures.file).name}-corrected", entries, names)
    source = unpack_pictures.made_once(address, fill) / unpack_pictures.ALL
    left = replace(
        pictures, names=[pictures.names[index] for index in kept], labels=applied.labels[kept],
        lines=pictures.lines[kept], classes=names,
    )  # fmt: skip
    return source, left, (applied.summary, *applied.notices)


def decided(path: str | Path) -> int:
    """How many rows of the file ``path`` change something: work of a person, which is not to be lost."""
    try:
        return sum(row.removes or row.wanted is not None for row in read(path)[1])
    except UserError:
        return 1


class _Finder:
    """Finds pictures by a path below their common folder, by the end of their path, or by their absolute path."""

    def __init__(self, pictures: ImageList) -> None:
        self.paths = [os.path.abspath(pictures.path(index)) for index in range(len(pictures))]
        self.by_path = {path: index for index, path in enumerate(self.paths)}
        self.by_name: dict[str, list[int]] = defaultdict(list)
        for index, path in enumerate(self.paths):
            self.by_name[Path(path).name].append(index)
        folders = [str(Path(path).parent) for path in self.by_path]
        self.root = os.path.commonpath(folders) if folders else ""

    def place(self, name: str) -> int | list[str] | None:
        """The index of the picture; None where there is none; the paths of those it may be, where it is not clear."""
        plain = name.replace("\\", "/") if os.sep == "/" else name
        if (found := self.by_path.get(os.path.abspath(Path(self.root, plain)))) is not None:
            return found
        end = "/" + os.path.normpath(plain).lstrip("/")
        ending = [index for index in self.by_name[Path(plain).name] if self.paths[index].endswith(end)]
        if Path(plain).is_absolute() or not ending:
            return None
        return ending[0] if len(ending) == 1 else [self.paths[index] for index in ending]


def _contradictions(file: Path, rows: Sequence[Correction]) -> list[Problem]:
    first: dict[str, Correction] = {}
    problems = []
    for row in rows:
        other = first.setdefault(row.path, row)
        if (other.wanted, other.removes) != (row.wanted, row.removes):
            problems.append(Problem("two lines decide differently about one picture", Location(str(file), row.line),
                                    f"{row.path}: {row.decision!r}, and {other.decision!r} in line {other.line}",
                                    "keep one of the two"))  # fmt: skip
    return problems


def _no_class(file: Path, row: Correction, classes: Sequence[str]) -> Problem:
    near = did_you_mean(str(row.wanted), [*classes, KEEP, SUGGESTED, REMOVE])
    remedy = f"did you mean {near}?" if near else f"write {KEEP}, {SUGGESTED}, {REMOVE} or one of: {listed(classes, 8)}"
    return Problem("the decision is no class of these pictures", Location(str(file), row.line),
                   f"{row.path}: {row.wanted}", remedy)  # fmt: skip


def _wrong(file: Path, line: int, cells: Sequence[str], what: str, received: str, remedy: str) -> Problem:
    return Problem(what, Location(str(file), line, 1, ",".join(cells)), received, remedy)


def _limited(problems: list[Problem], file: Path) -> list[Problem]:
    if len(problems) <= LIMIT:
        return problems
    more = Problem(f"{len(problems) - LIMIT} more lines of the corrections are wrong", Location(str(file)),
                   counted(len(problems), "line"), "correct these first")  # fmt: skip
    return [*problems[:LIMIT], more]
