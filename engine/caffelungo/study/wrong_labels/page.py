"""The page of doubtful labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from caffelungo import shell
from caffelungo.data.decode import decode
from caffelungo.report.html_page import Page, Picture, TableCell, thumbnail
from caffelungo.study.wrong_labels.find import DoubtfulLabel, TwoLabels, WrongLabels
from caffelungo.study.wrong_labels.options import WrongLabelOptions
from caffelungo.version import __version__
from caffelungo.wording import counted

LARGE, SMALL = 128, 76
"""Width of a picture, and of those beside it."""
PAIRS = 100
"""Copies under two labels that are shown."""


def build(found: WrongLabels, options: WrongLabelOptions, corrections: Path, files: Sequence[Path]) -> Page:
    """The whole page; ``files`` are beside it."""
    count = len(found.names)
    page = Page(
        f"Labels of {Path(str(options.data)).name}",
        lead=f"{found.suspects} of {counted(count, 'label')} in {counted(len(found.classes), 'class')} are in "
        f"doubt; the {len(found.doubtful)} likeliest to be wrong are shown",
        foot=f"lungo inspect --labels, caffelungo {__version__}",
    )
    section = page.section("In short")
    for text in found.trust:
        section.text(text)
    for text in found.notices:
        section.notice(text)
    section.facts({"net": options.model, "layers": found.layers, "pictures": str(options.data)})
    section = page.section(
        "What to do",
        f"Look at the pictures below. In `{corrections.name}`, in the column `decision`, write `suggested`, the name "
        "of a class, or `remove` where a label is wrong, and leave `keep` where it is right. Then give the file back; "
        "no picture is moved or changed.",
    )
    section.code(
        f"lungo finetune {shell.word(options.model)} --data {shell.word(str(options.data))} --corrections "
        f"{shell.word(corrections)} -o mine/"
    )
    if found.two_labels:
        _pairs(page, found)
    _doubtful(page, found)
    page.section("Files").files(files)
    return page


def _pairs(page: Page, found: WrongLabels) -> None:
    section = page.section(
        "Copies under two labels",
        f"{counted(len(found.two_labels), 'pair')} of pictures that are equal or nearly so, with different labels: one "
        "of the two is wrong, or they only look alike.",
    )
    section.table(
        ["pictures", "labels", "copy"],
        [
            [_pair(found, one), " and ".join(found.classes[found.labels[place]] for place in (one.first, one.second)),
             "equal" if one.exact else "nearly equal"]
            for one in found.two_labels[:PAIRS]
        ],
        "" if len(found.two_labels) <= PAIRS else f"The first {PAIRS}.",
    )  # fmt: skip


def _pair(found: WrongLabels, pair: TwoLabels) -> TableCell:
    return TableCell([_picture(found, place, found.names[place], SMALL) for place in (pair.first, pair.second)])


def _doubtful(page: Page, found: WrongLabels) -> None:
    section = page.section(
        "Doubtful labels",
        "The likeliest wrong ones first: those to whose label the classifiers give the lowest probability. Beside each "
        "the most similar pictures whose labels are not in doubt.",
    )
    section.table(
        ["", "picture", "label", "probability", "suggested", "probability", "in doubt", "most similar"],
        [_row(found, number, one) for number, one in enumerate(found.doubtful, 1)],
        "In doubt: whether confident learning counts the label among the wrong ones.",
    )


def _row(found: WrongLabels, number: int, one: DoubtfulLabel) -> list[object]:
    near = [_picture(found, place, found.classes[found.labels[place]], SMALL) for place in one.nearest]
    return [
        number,
        TableCell(_picture(found, one.place, found.names[one.place], LARGE)),
        TableCell(found.classes[one.label], tone="bad" if one.suspect else ""),
        f"{one.confidence:.1%}",
        TableCell(found.classes[one.likely], tone="strong"),
        f"{one.probability:.1%}",
        "yes" if one.suspect else "",
        TableCell(near) if near else "",
    ]


def _picture(found: WrongLabels, place: int, caption: str, side: int) -> Picture:
    pixels = decode(found.paths[place])
    return thumbnail(np.ascontiguousarray(pixels[:, :, ::-1]), caption, side=side, alt=found.names[place])
