"""`lungo diff`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from caffelungo.api import values
from caffelungo.api.values import Name, Settings
from caffelungo.api.verb_report import DataTable, VerbReport
from caffelungo.errors import UserError


@dataclass(frozen=True, repr=False)
class DiffReport(VerbReport):
    """A row per layer and file in ``layers``; ``differences`` are those of the room, with every unit.

    ``notices``: what was done differently from what could be expected.
    """

    layers: DataTable
    notices: list[str]
    differences: list[Any] = field(repr=False)

    def draw(self) -> Any:
        """The change of each layer as a matplotlib figure; of several files, over time."""
        from caffelungo.report import weight_change_figure

        return weight_change_figure.figure(self.differences)


def diff(
    weights: Sequence[Name],
    *,
    model: Name | None = None,
    csv: Name | None = None,
    units: Name | None = None,
    draw: Name | None = None,
    set: Settings | None = None,
) -> DiffReport:
    """Compare weights before and after training: how far each layer and each unit moved, and what is new.

    ``weights`` are two files or more, each compared with the first. ``relative`` is the norm of the change over the
    norm before. ``model`` names the net where the files do not tell the types of
    their layers; ``csv`` and ``units`` are files to write the tables to, ``draw`` one for the figure.

    UserError for fewer than two files, and for weights of another net.

    >>> found = cl.diff(["mine/start.caffemodel", "mine/start.caffemodel"])
    >>> {row["relative"] for row in found.layers}
    {0.0}
    """
    from caffelungo.report import weight_change_figure, weight_change_files
    from caffelungo.weights import compare_weights

    files = values.paths(weights)
    if len(files) < 2:
        raise UserError(
            "diff takes two or more files of weights",
            received=", ".join(files),
            remedy="lungo diff before.caffemodel after.caffemodel",
        )
    found = compare_weights.compare_files(files, values.path(model), values.variables(set))
    if csv is not None:
        weight_change_files.write_layers(found, values.path(csv) or "")
    if units is not None:
        weight_change_files.write_units(found, values.path(units) or "")
    if draw is not None:
        weight_change_figure.picture(found, values.path(draw) or "")
    rows = (
        {"layer": layer.name, "type": layer.type, "status": layer.status, "relative": layer.relative,
         "after": one.after}
        for one in found for layer in one.layers
    )  # fmt: skip
    return DiffReport(DataTable(rows), [notice for one in found for notice in one.notices], found)
