"""Pairs of pictures that belong together or do not: lists of lines `path path 0|1`, as entries of an ImageList.

a.jpg b.jpg 1     ->  pictures 0 and 1 (label 1)          pictures 2 i and 2 i + 1 are pair i
a.jpg c.jpg 0         pictures 2 and 3 (label 0)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from caffelungo.data import target_rows
from caffelungo.data.image_list import WRONG_LINES, ImageList, list_bases
from caffelungo.definition import layer_options
from caffelungo.errors import Alike, Location, Problem, UserError
from caffelungo.files import find, write_bytes
from caffelungo.wording import counted

Pair = tuple[str, str, int]
"""Two paths, and 1 where they belong together, else 0."""


def reads_pairs(param: Any) -> bool:
    """Whether the data layer ``param`` reads pairs of pictures."""
    if param.type != "ImageData":
        return False
    layer_options.load()
    return bool(layer_options.value(param.lungo, layer_options.key(param.type)).pairs)


def parsed(line: str) -> Pair | None:
    """The pair of a line; None where it is none. Paths end with a suffix of pictures, and may hold spaces."""
    found = target_rows.after_picture(line)
    if found is None or found[1] not in (["0"], ["1"]):
        return None
    both, (word,) = found
    ends = target_rows.picture_ends(both)
    if len(ends) != 2:
        return None
    first, second = both[: ends[0]].strip(), both[ends[0] :].strip()
    return first, second, int(word)


def looks_like_pairs(lines: Sequence[str]) -> bool:
    """Whether ``lines``, the first of a list, are pairs."""
    return bool(lines) and all(parsed(line) is not None for line in lines)


def read_pairs(
    path: str | Path, root: str = "", *, beside: str | Path | None = None, where: Location | None = None
) -> ImageList:
    """The list ``path`` of pairs; relative names as in ``image_list.read_list``. UserError with every wrong line."""
    file = find(path, beside, what="list of pairs", where=where)
    if file.is_dir():
        raise UserError("pairs of pictures need a list", where=where or Location(str(file)), received="a folder",
                        remedy="name a text file with one `path path 0|1` per line")  # fmt: skip
    pairs: list[Pair] = []
    lines: list[int] = []
    problems: list[Problem] = []
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline=None) as stream:
        for number, raw in enumerate(stream, 1):
            if not (line := raw.strip()):
                continue
            pair = parsed(line)
            if pair is not None:
                pairs.append(pair)
                lines.append(number)
            elif len(problems) < WRONG_LINES:
                place = Location(str(file), number, 1, raw.encode(errors="replace").decode())
                problems.append(
                    Problem("the line is no pair", place, line.encode(errors="replace").decode(),
                            "write two paths of pictures, and 1 where they belong together, else 0: `a.jpg b.jpg 1`",
                            alike=Alike("lines are no pairs", ""))
                )  # fmt: skip
    if not problems and not pairs:
        problems.append(Problem("the list of pairs is empty", Location(str(file)), "no line",
                                "write one `path path 0|1` per line"))  # fmt: skip
    if problems:
        raise UserError(problems)
    names = [name for first, second, _ in pairs for name in (first, second)]
    labels = np.repeat(np.array([label for _, _, label in pairs], np.int64), 2)
    return ImageList(file, names, labels, np.repeat(np.array(lines, np.int64), 2), list_bases(root, file, beside))


def write_pairs(path: str | Path, pairs: Iterable[Pair]) -> None:
    """Write a list that ``read_pairs`` reads."""
    text = "".join(f"{first} {second} {label}\n" for first, second, label in pairs)
    write_bytes(path, text.encode(errors="surrogateescape"))


def pairs_of(pictures: ImageList) -> list[Pair]:
    """The pairs of a list that ``read_pairs`` gave, by names as it has them."""
    names = pictures.names
    labels = pictures.labels[::2].tolist()
    return list(zip(names[::2], names[1::2], labels, strict=True))


def drawn(labels: Sequence[int], count: int, seed: int) -> list[tuple[int, int, int]]:
    """``count`` pairs of places in ``labels``: half of one class, half of two, each at most once, drawn by ``seed``.

    The first pairs of more are those of fewer. UserError where the classes have not as many pairs.
    """
    numbers = np.asarray(labels)
    places = {int(label): np.flatnonzero(numbers == label) for label in np.unique(numbers)}
    several = [label for label, found in places.items() if len(found) > 1]
    same = sum(len(found) * (len(found) - 1) // 2 for found in places.values())
    apart = len(numbers) * (len(numbers) - 1) // 2 - same
    if count // 2 > apart or count - count // 2 > same:
        raise UserError(
            "the pictures do not have so many different pairs",
            received=f"{counted(count, 'pair')}; of one class there are {same}, of two {apart}",
            remedy=f"ask for at most {2 * min(same, apart)}",
        )
    rng = np.random.default_rng(seed)
    seen: set[tuple[int, int]] = set()
    found: list[tuple[int, int, int]] = []
    while len(found) < count:
        label = 1 - len(found) % 2
        if label:
            pair = rng.choice(places[several[int(rng.integers(len(several)))]], 2, replace=False)
        else:
            pair = rng.choice(len(numbers), 2, replace=False)
            if numbers[pair[0]] == numbers[pair[1]]:
                continue
        one, two = sorted(int(place) for place in pair)
        if (one, two) not in seen:
            seen.add((one, two))
            found.append((one, two, label))
    return found
