"""Pictures with several labels each, prepared for training: of lists with rows of labels, or of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from caffelungo.data import label_rows, picture_groups
from caffelungo.data.folder import FEW, PhotoFolder
from caffelungo.data.image_list import ImageList
from caffelungo.data.target_rows import UNKNOWN, Rows, row_text
from caffelungo.errors import Location, UserError
from caffelungo.wording import counted, listed


def of_rows(found: PhotoFolder) -> PhotoFolder:
    """``found``, whose pictures have rows of labels, so that its splits deal out the rarest label of each picture.

    Pictures of which no label is known are left out. UserError where no picture has a label, or one is nowhere known.
    """
    pictures = found.pictures
    assert pictures.targets is not None
    if not (pictures.targets[found.usable] == 1).any():
        raise UserError(
            "no picture has a label",
            where=Location(str(pictures.file)),
            received=f"{counted(len(found.usable), 'picture')}, {counted(pictures.label_size, 'label')}",
            remedy="write 1 where a picture has a label",
        )
    names = pictures.target_names or tuple(str(number) for number in range(pictures.label_size))
    made = replace(pictures, labels=label_rows.rarest(pictures.targets), target_names=names)
    rows = pictures.targets
    unknown = [index for index in found.usable if (rows[index] == UNKNOWN).all()]
    made_of = replace(found, pictures=made, removed=found.removed.union(unknown))
    said = [f"{counted(len(unknown), 'picture')} of which no label is known left out: "
            f"{listed([pictures.names[index] for index in unknown], 3)}"] if unknown else []  # fmt: skip
    _refuse_unknown(pictures, names, made_of.usable)
    return replace(made_of, notices=[*found.notices, *said, *_oddities(names, rows[made_of.usable])])


def _refuse_unknown(pictures: ImageList, names: Sequence[str], usable: Sequence[int]) -> None:
    """UserError with the names of labels of which nothing is known for the ``usable`` pictures."""
    assert pictures.targets is not None
    unknown = (pictures.targets[list(usable)] == UNKNOWN).all(0)
    if nothing := [names[place] for place in np.flatnonzero(unknown).tolist()]:
        raise UserError(
            "nothing is known of a label, so there is nothing to learn",
            where=Location(str(pictures.file)),
            received=f"unknown for every picture: {listed(nothing)}",
            remedy="leave the label out, or write 1 or 0 where it is known",
        )


def _oddities(names: Sequence[str], rows: Rows) -> list[str]:
    """What is worth a look in ``rows`` of the labels ``names``: those that few, no or all pictures have, or that are
    known of few, and names that differ in capitals only."""
    known, having = (rows != UNKNOWN).sum(0), label_rows.counts(rows)
    notices = []
    for what, one in (("no picture has", having == 0), ("every picture has", having == known)):
        if one.any():
            constant = [names[place] for place in np.flatnonzero(one).tolist()]
            it = "it" if len(constant) == 1 else "them"
            notices.append(f"{counted(len(constant), 'label')} that {what}, so that nothing tells {it} apart: "
                           f"{listed(constant)}")  # fmt: skip
    few = [f"{name} ({count})" for name, count in zip(names, having.tolist(), strict=True) if 0 < count < FEW]
    if few:
        notices.append(f"{counted(len(few), 'label')} with fewer than {FEW} pictures: {listed(few)}")
    little = [f"{name} ({count})" for name, count in zip(names, known.tolist(), strict=True) if count < FEW]
    if little and len(rows) >= FEW:
        notices.append(f"{counted(len(little), 'label')} known of fewer than {FEW} pictures: {listed(little)}")
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.casefold(), []).append(name)
    same = [" and ".join(one) for one in alike.values() if len(one) > 1]
    if same:
        notices.append(f"labels that differ in capitals only are told apart: {listed(same)}")
    return notices


def refuse_numbers(pictures: ImageList) -> None:
    """UserError where rows of ``pictures`` hold other numbers than 1, 0 and -1: these are no labels."""
    assert pictures.targets is not None
    wrong = np.flatnonzero(~np.isin(pictures.targets, (0, 1, UNKNOWN)).all(1))
    if len(wrong):
        row = pictures.targets[wrong[0]]
        others = f", and other numbers in {counted(len(wrong), 'line')}" if len(wrong) > 1 else ""
        raise UserError(
            "several labels are written as 1, 0 and -1 (unknown)",
            where=pictures.where(int(wrong[0])),
            received=row_text([next(one for one in row if one not in (0, 1, UNKNOWN))]) + others,
            remedy="correct the lines, or leave out --predict labels",
        )


def of_classes(found: PhotoFolder) -> PhotoFolder:
    """``found``, whose pictures have one class each, with a row of labels per picture: those of all equal pictures."""
    pictures, kept = label_rows.of_classes(found.pictures, found.groups)
    places = {index: place for place, index in enumerate(kept)}
    several = int(((pictures.targets == 1).sum(1) > 1).sum()) if pictures.targets is not None else 0
    notices = [text for text in found.notices if not text.endswith(_EQUAL) and _SEVERAL not in text]
    if several:
        notices.append(f"{counted(several, 'picture')} found in several classes: all of these are its labels")
    made = replace(
        found, pictures=pictures, notices=notices, groups=[], related=None, near=None,
        unreadable={places[index]: why for index, why in found.unreadable.items() if index in places},
        copies=_placed(found.copies, places),
        given=None if found.given is None else [found.given[index] for index in kept],
        keys=None if found.keys is None else [found.keys[index] for index in kept],
    )  # fmt: skip
    made.related = picture_groups.merged(len(kept), made.copies, made.keys or ())
    return of_rows(made)


_EQUAL = "copies stay on one side of the split"
_SEVERAL = "in several classes:"


def _placed(groups: Sequence[Sequence[int]], places: dict[int, int]) -> list[list[int]]:
    found = [[places[index] for index in group if index in places] for group in groups]
    return [group for group in found if len(group) > 1]


def counts(found: PhotoFolder, chosen: Sequence[int]) -> dict[str, int]:
    """How many of the pictures ``chosen`` have each label, by its name."""
    pictures = found.pictures
    assert pictures.targets is not None
    often = label_rows.counts(pictures.targets[list(chosen)])
    return dict(zip(pictures.target_names, often.tolist(), strict=True))


def in_several(found: PhotoFolder) -> int:
    """How many sets of equal pictures of ``found`` are in several of its classes."""
    return sum(len({int(found.pictures.labels[index]) for index in group}) > 1 for group in found.groups)
