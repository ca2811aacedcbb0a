"""`lungo classify`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caffelungo.api import values
from caffelungo.api.values import Name
from caffelungo.api.verb_report import DataTable, VerbReport

if TYPE_CHECKING:
    from caffelungo.errors import Problem
    from caffelungo.inference.predictions import Prediction


@dataclass(frozen=True, repr=False)
class ClassifyReport(VerbReport):
    """A row per picture and class, the most probable first; probabilities are shares. Of a net that predicts numbers a
    row per picture, with a column for each; of one that tells several labels a row per picture with its labels, and the
    probability of each.

    ``predictions`` are the same by picture. ``problems``: pictures that could not be read, where others could.

    ``classes``: a table with the columns picture, class and probability.
    ``path``: the file written (None: none).
    """

    classes: DataTable
    predictions: list[Prediction] = field(repr=False)
    problems: list[Problem] = field(default_factory=list)
    path: str | None = None


def classify(
    model: Name,
    pictures: Name | Sequence[Name],
    *,
    top: int = 5,
    device: str = "auto",
    head: str | None = None,
    output: Name | None = None,
) -> ClassifyReport:
    """Classify pictures with a file that ``cl.export`` or ``cl.convert`` wrote; labels and preprocessing are in it.

    ``pictures`` are files or folders; ``top`` classes are given for each. ``output`` is a .csv, .json or .png to write.
    The options are those of ``lungo classify``.

    UserError for a file that is no classifier, and when no picture can be read; RunError for a missing device.

    >>> found = cl.classify("model.onnx", ["photos/red/0.png", "photos/blue"], top=2)
    >>> len(found.predictions), found.classes.names
    (6, ['picture', 'class', 'probability'])
    """
    values.judge("classify", locals())
    from caffelungo.inference import classify_files
    from caffelungo.inference.predictions import rows_of

    failed: list[Problem] = []
    found = classify_files.classify_files(
        classify_files.ClassifyOptions(
            values.path(model) or "", values.paths(pictures), top, device, values.path(output), head=head
        ),
        failed,
    )
    rows = DataTable(row for one in found for row in rows_of(one))
    return ClassifyReport(rows, found, failed, values.path(output))
