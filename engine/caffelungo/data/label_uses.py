"""Checks the labels of the data against every layer that reads them, before the first iteration.

    data layer --top--> [Split, Slice, Reshape, Flatten: values move]* --> a loss, an Accuracy, an Embed

A layer says itself which bottom holds class numbers and how many there are (``Layer.class_numbers``), and whether it
only moves values (``Layer.rearranged``). Labels that the net computes are left to the run (``solve.label_errors``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from caffelungo.data import labels
from caffelungo.data.labels import LabelReport, Tally
from caffelungo.data.source import DataSource
from caffelungo.definition.schema import TEST
from caffelungo.errors import Problem
from caffelungo.plan.plan import Plan, PlannedLayer


@dataclass(frozen=True)
class Use:
    """Layer ``reader`` takes top number ``top`` of the layer ``data`` for class numbers, 0 to ``classes`` - 1.

    ``moves`` are the layers on the way, from the data on, each with the number of its top that is followed.
    """

    data: PlannedLayer
    top: int
    reader: PlannedLayer
    classes: int
    ignored: int | None
    moves: tuple[tuple[PlannedLayer, int], ...]

    @property
    def values(self) -> tuple[str, int, tuple[tuple[int, int], ...]]:
        """What tells apart the values that are read: two uses of the same ones share their reading."""
        return self.data.name, self.top, tuple((planned.index, top) for planned, top in self.moves)


@dataclass(frozen=True)
class Looked:
    """What was found of one use."""

    use: Use
    report: LabelReport
    problems: list[Problem]
    notices: list[str]


def uses(plan: Plan) -> Iterator[Use]:
    """Every layer of ``plan`` that reads class numbers as a data layer gives them."""
    makers = {value: planned for planned in plan.layers for value in planned.top_values}
    for reader in plan.layers:
        known = reader.layer.class_numbers(reader.bottom_shapes)
        if known is None or known.count is None or known.bottom >= len(reader.bottom_values):
            continue
        moves: list[tuple[PlannedLayer, int]] = []
        value = reader.bottom_values[known.bottom]
        while (maker := makers.get(value)) is not None and not maker.layer.source and len(maker.bottom_values) == 1:
            moves.append((maker, maker.top_values.index(value)))
            value = maker.bottom_values[0]
        if maker is not None and maker.layer.source:
            top = maker.top_values.index(value)
            yield Use(maker, top, reader, known.count, known.ignored, tuple(reversed(moves)))


def _moved(use: Use, values: NDArray[Any]) -> NDArray[Any] | None:
    """``values`` of the data layer's top as the reader sees them; None where a layer on the way computes."""
    here: NDArray[Any] | None = values
    for planned, top in use.moves:
        tops = None if here is None else planned.layer.rearranged(here, planned.top_shapes)
        here = None if tops is None else tops[top]
    return here


def _tally(use: Use, source: DataSource, classes: int) -> Tally | None:
    """Count what the readers of ``use.values`` see; None where it is not there to be looked at."""
    tally = Tally(classes)
    for first, block in source.blocks(use.top):
        moved = _moved(use, block)
        if moved is None:
            return None
        tally.add(first, moved)
    return tally if tally.samples else None


def look(plan: Plan, sources: Mapping[str, DataSource]) -> list[Looked]:
    """Look at the labels of ``sources`` (by the name of their layer) as the layers of ``plan`` read them."""
    found: list[Looked] = []
    every = [use for use in uses(plan) if use.data.name in sources]
    tallies: dict[Any, Tally | None] = {}
    for use in every:
        source = sources[use.data.name]
        if use.values not in tallies:
            least = min(other.classes for other in every if other.values == use.values)
            tallies[use.values] = _tally(use, source, least)
        tally = tallies[use.values]
        if tally is not None:
            found.append(_judged(use, source, tally, plan.phase == TEST))
    return found


def _judged(use: Use, source: DataSource, tally: Tally, test: bool) -> Looked:
    report = tally.report(use.ignored)
    transform = use.data.layer.param.transform_param
    where = source.opening.at("source")
    problems = tally.no_numbers(use.data.name, where, source.place) + labels.check(
        report, use.classes, layer=use.data.name, offset=int(transform.lungo.label_offset) if use.top == 1 else 0,
        can_offset=use.data.layer.type != "HDF5Data" and use.top == 1, where=where, place=source.place,
        reader=f"`{use.reader.name}` ({use.reader.layer.type})",
    )  # fmt: skip
    shuffled = test or (source.order is not None and source.order.shuffle)
    notices = labels.notices(report, use.classes, layer=use.data.name, shuffled=shuffled) if report.single else []
    if fraction := tally.fraction(source.place):
        notices.insert(0, f"layer `{use.data.name}`: {fraction}")
    return Looked(use, report, problems, notices)
