"""The folder of doubtful labels: the page, the corrections to edit, and the numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffelungo import locks
from caffelungo.data import corrections
from caffelungo.data.corrections import KEEP, Correction
from caffelungo.errors import Location, UserError
from caffelungo.files import write_text
from caffelungo.study.wrong_labels import find as finding
from caffelungo.study.wrong_labels import page
from caffelungo.study.wrong_labels.find import Progress, WrongLabels
from caffelungo.study.wrong_labels.options import WrongLabelOptions
from caffelungo.wording import counted

PAGE, CORRECTIONS, NUMBERS = "index.html", "corrections.csv", "labels.json"


@dataclass(frozen=True)
class WrittenLabels:
    """What was found, the ``page`` and the ``corrections`` in the folder, and all its ``files``."""

    found: WrongLabels
    page: Path
    corrections: Path
    files: list[Path]


@locks.exclusive(lambda options: options.out)
def inspect_labels(options: WrongLabelOptions, say: Progress = lambda what, done, count: None) -> WrittenLabels:
    """Find doubtful labels and write everything into ``options.out``, the page last.

    UserError as ``find``, and where the folder holds corrections that somebody has edited.
    """
    folder = Path(options.out)
    table = folder / CORRECTIONS
    if table.exists() and (count := corrections.decided(table)):
        raise UserError(
            "the folder holds corrections that were edited, which would be lost", where=Location(str(table)),
            received=f"{counted(count, 'decision')} other than {KEEP}",
            remedy="name another folder, or move the file away",
        )  # fmt: skip
    found = finding.find(options, say)
    folder.mkdir(parents=True, exist_ok=True)
    corrections.write(table, rows(found))
    numbers = folder / NUMBERS
    write_text(numbers, json.dumps(summary(found, options), indent=2, ensure_ascii=False) + "\n")
    say("drawing the page", 0, 1)
    made = page.build(found, options, table, [table, numbers]).write(folder / PAGE)
    say("drawing the page", 1, 1)
    return WrittenLabels(found, made, table, [table, numbers, made])


def rows(found: WrongLabels) -> list[Correction]:
    """What can be decided: of the doubtful labels and of copies under two labels, in the order of the page."""
    suggested = {one.place: one.likely for one in found.doubtful}
    for pair in found.two_labels:
        suggested.setdefault(pair.first, int(found.labels[pair.second]))
        suggested.setdefault(pair.second, int(found.labels[pair.first]))
    return [
        Correction(
            found.names[place], found.classes[found.labels[place]], found.classes[other],
            float(found.errors.confidence[place]),
        )
        for place, other in suggested.items()
    ]  # fmt: skip


def summary(found: WrongLabels, options: WrongLabelOptions) -> dict[str, Any]:
    """The numbers of labels.json and of --json."""
    return {
        "model": options.model,
        "data": options.data,
        "layers": found.layers,
        "samples": len(found.names),
        "classes": list(found.classes),
        "accuracy": found.judged.accuracy,
        "interval": [found.judged.low, found.judged.high],
        "suspects": found.suspects,
        "doubtful": [
            {
                "path": found.names[one.place], "label": found.classes[one.label],
                "suggested": found.classes[one.likely], "score": one.confidence, "probability": one.probability,
                "suspect": one.suspect,
            }
            for one in found.doubtful
        ],
        "two_labels": [
            {
                "paths": [found.names[one.first], found.names[one.second]],
                "labels": [found.classes[found.labels[place]] for place in (one.first, one.second)],
                "equal": one.exact,
            }
            for one in found.two_labels
        ],
        "notices": [*found.trust, *found.notices],
    }  # fmt: skip
