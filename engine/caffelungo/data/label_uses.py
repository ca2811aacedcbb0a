"""Checks the labels of the data against every layer that reads them, before the first iteration.

    data layer --top--> [Split, Slice, Reshape, Flatten: values move]* --> a loss, an Accuracy, an Embed

A layer says itself which bottom holds class numbers and how many there are (``Layer.class_numbers``), and whether it
only moves values (``Layer.rearranged``). Labels that the net computes are left to the run (``solve.labels_outside``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import labels, target_rows
from caffelungo.data.labels import LabelReport, Tally
from caffelungo.data.source import DataSource
from caffelungo.definition.schema import TEST
from caffelungo.errors import Problem
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.wording import counted

Moves = tuple[tuple[PlannedLayer, int], ...]
"""Layers on the way, from the data on, each with the number of its top that is followed."""


@dataclass(frozen=True)
class Use:
    """Layer ``reader`` takes top number ``top`` of the layer ``data`` for class numbers, 0 to ``classes`` - 1."""

    data: PlannedLayer
    top: int
    reader: PlannedLayer
    classes: int
    ignored: int | None
    moves: Moves

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
        if (found := _origin(makers, reader.bottom_values[known.bottom])) is not None:
            data, top, moves = found
            yield Use(data, top, reader, known.count, known.ignored, moves)


def _origin(makers: Mapping[int, PlannedLayer], value: int) -> tuple[PlannedLayer, int, Moves] | None:
    """The data layer that ``value`` comes from, which of its tops it is, and the layers between; None without one."""
    moves: list[tuple[PlannedLayer, int]] = []
    while (maker := makers.get(value)) is not None and not maker.layer.source and len(maker.bottom_values) == 1:
        moves.append((maker, maker.top_values.index(value)))
        value = maker.bottom_values[0]
    if maker is None or not maker.layer.source:
        return None
    return maker, maker.top_values.index(value), tuple(reversed(moves))


def blocks(
    plan: Plan, sources: Mapping[str, DataSource], reader: PlannedLayer, bottom: int
) -> Iterator[NDArray[Any]] | None:
    """What ``reader`` sees in ``bottom`` of every sample, by blocks; None where that is not there to see."""
    makers = {value: planned for planned in plan.layers for value in planned.top_values}
    found = _origin(makers, reader.bottom_values[bottom])
    if found is None or found[0].name not in sources:
        return None
    data, top, moves = found
    moved = (_moved(moves, block) for _, block in sources[data.name].blocks(top))
    return (block for block in moved if block is not None)


def _moved(moves: Moves, values: NDArray[Any]) -> NDArray[Any] | None:
    """``values`` of the data layer's top as the reader sees them; None where a layer on the way computes."""
    here: NDArray[Any] | None = values
    for planned, top in moves:
        tops = None if here is None else planned.layer.rearranged(here, planned.top_shapes)
        here = None if tops is None else tops[top]
    return here


def _tally(use: Use, source: DataSource, classes: int) -> Tally | None:
    """Count what the readers of ``use.values`` see; None where it is not there to be looked at."""
    tally = Tally(classes)
    for first, block in source.blocks(use.top):
        moved = _moved(use.moves, block)
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


def no_shares(plan: Plan, sources: Mapping[str, DataSource]) -> list[Problem]:
    """A problem for each loss of several labels with rows of a list that are no shares: below 0 or above 1, and not
    ignored. What other data hold is left to their author, as in Caffe."""
    makers = {value: one for one in plan.layers for value in one.top_values}
    problems = []
    for planned in plan.layers:
        read = planned.bottom_values[1:2] if planned.layer.label_loss else ()
        origin = _origin(makers, read[0]) if read else None
        found = blocks(plan, sources, planned, 1) if origin is not None else None
        if origin is not None and found is not None and target_rows.label_size(origin[0].layer.param):
            problems += _no_shares(planned, found, sources[origin[0].name])
    return problems


def _no_shares(planned: PlannedLayer, found: Iterator[NDArray[Any]], source: DataSource) -> list[Problem]:
    options, first, wrong = planned.layer.options, 0, 0
    places: list[str] = []
    for block in found:
        values = block.reshape(len(block), -1)
        bad = ~((values >= 0) & (values <= 1))
        if options.HasField("ignore_label"):
            bad &= np.trunc(values) != options.ignore_label
        wrong += int(bad.sum())
        for row, column in zip(*np.nonzero(bad), strict=True):
            if len(places) < labels.PLACES:
                places.append(f"{values[row, column]:g} at {source.place(first + int(row))}")
        first += len(block)
    if not wrong:
        return []
    return [
        Problem(
            f"targets of layer `{planned.name}` are not from 0 to 1", source.opening.at("source"),
            f"{counted(wrong, 'number')}: {', '.join(places)}{' ...' if wrong > len(places) else ''}",
            "write 1 where a sample has a label, 0 where not; -1, with `ignore_label: -1`, where nobody knows",
        )
    ]  # fmt: skip


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
