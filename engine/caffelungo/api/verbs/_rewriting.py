"""What `grow` and `rewrite` share: their options as the room takes them, and what they return."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caffelungo.api import values
from caffelungo.api.values import Name, Names, Settings, Shapes, Words
from caffelungo.api.verb_report import DataTable, Text, VerbReport

if TYPE_CHECKING:
    from caffelungo.api.net import Net


@dataclass(frozen=True, repr=False)
class RewriteReport(VerbReport):
    """What was written and done. ``weights`` are those to open the new net with: new ones, or the old (None: none).

    ``diff`` is the change of the text, ``costs`` parameters, operations and bytes of each layer before and after, for
    one sample.

    ``net``: the net's file.
    ``files``: the files that were written.
    ``notes``: what was changed or decided, and why.
    ``notices``: what was done differently from what could be expected.
    ``rewritten``: the result of the room, for `draw` and `costs`.
    """

    net: str
    weights: str | None
    files: list[str]
    notes: list[str]
    notices: list[str]
    diff: Text = field(repr=False)
    rewritten: Any = field(repr=False)

    @property
    def costs(self) -> DataTable:
        """A row per layer: parameters, operations and bytes of activations, before and after."""
        from caffelungo.plan.cost import compare

        rows = []
        for row in compare(*self.rewritten.costs()):
            made: dict[str, Any] = {"layer": row.name, "type": row.type}
            for name in ("parameters", "operations", "bytes"):
                made[f"{name} before"] = getattr(row.before, name, None)
                made[f"{name} after"] = getattr(row.after, name, None)
            rows.append(made)
        return DataTable(rows)

    def draw(self) -> Any:
        """The new net as a matplotlib figure, new and changed layers in colour."""
        from caffelungo.report import drawing

        before, after = self.rewritten.plans()
        return drawing.figure(before, after, self.net)

    def open(self) -> Net:
        """The new net with its weights: ``cl.open(report.net, report.weights)``."""
        from caffelungo.api.open import open

        return open(self.net, self.weights)


def options(
    net: Name | None, output: Name, *, weights: Names | None, solver: Name | None, shape: Shapes | None,
    set: Settings | None, level: int, stage: Words | None, overwrite: bool, **more: Any,
) -> Any:  # fmt: skip
    """The ``RewriteOptions``, with ``more`` of their fields."""
    from caffelungo.rewriting.rewrite import RewriteOptions

    return RewriteOptions(
        values.path(net), values.path(output) or "", weights=values.joined(weights), solver=values.path(solver),
        variables=values.variables(set), stages=values.listed(stage), level=level, overwrite=overwrite,
        shapes=values.shapes(shape), **more,
    )  # fmt: skip


def report(done: Any, draw: Name | None) -> RewriteReport:
    """What a ``Rewritten`` says; its picture is written to ``draw``."""
    made = RewriteReport(
        str(done.written[0]),
        next((str(path) for path in done.written if path.suffix == ".caffemodel"), done.weights),
        [str(path) for path in done.written], [str(note) for note in done.notes], list(done.notices), Text(done.diff),
        done,
    )  # fmt: skip
    if draw is not None:
        made.draw().write(values.path(draw))
    return made
