"""Producers and consumers of the values of a plan: the questions that passes ask of one phase of a net.

Values (see ``plan.plan``) tell apart what an in-place layer read from what it wrote under the same blob name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from caffelungo.layers.base import Shape
from caffelungo.layers.kinds import HEADS, NEURONS, PASSING
from caffelungo.plan.plan import Plan, PlannedLayer


class Graph:
    """Producers and consumers of one plan's values."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.producer: dict[int, PlannedLayer] = {}
        self.readers: dict[int, list[PlannedLayer]] = {}
        for planned in plan.layers:
            self.producer.update(dict.fromkeys(planned.top_values, planned))
            for value in dict.fromkeys(planned.bottom_values):
                self.readers.setdefault(value, []).append(planned)

    def consumers(self, value: int) -> list[PlannedLayer]:
        """The layers that read ``value``."""
        return self.readers.get(value, [])

    def chain(self, planned: PlannedLayer) -> list[PlannedLayer]:
        """The neurons that follow ``planned`` one after the other, in place or not, up to where its output is used."""
        result: list[PlannedLayer] = []
        value = planned.top_values[0]
        while len(readers := self.consumers(value)) == 1:
            reader = readers[0]
            if reader.layer.type not in NEURONS or len(reader.bottoms) != 1:
                break
            result.append(reader)
            value = reader.top_values[0]
        return result

    def upstream(self, planned: Iterable[PlannedLayer]) -> list[PlannedLayer]:
        """``planned`` and everything they depend on, in the order of the file."""
        found: dict[int, PlannedLayer] = {}
        queue = list(planned)
        while queue:
            one = queue.pop()
            if one.index not in found:
                found[one.index] = one
                queue.extend(self.producer[value] for value in one.bottom_values if value in self.producer)
        return [found[index] for index in sorted(found)]

    def downstream(self, planned: Iterable[PlannedLayer]) -> list[PlannedLayer]:
        """``planned`` and everything that depends on them, in the order of the file."""
        found: dict[int, PlannedLayer] = {}
        queue = list(planned)
        while queue:
            one = queue.pop()
            if one.index not in found:
                found[one.index] = one
                queue.extend(reader for value in one.top_values for reader in self.consumers(value))
        return [found[index] for index in sorted(found)]

    def dominator(self, values: Sequence[int]) -> int | None:
        """The nearest value that every path to ``values`` goes through; None when there is none but the inputs."""
        common: list[int] | None = None
        for value in values:
            line = self._line(value)
            common = line if common is None else [one for one in common if one in line]
        return common[0] if common else None

    def _line(self, value: int) -> list[int]:
        """``value`` and the values that every path to it goes through, nearest first."""
        for one in sorted(self._values_above(value)):
            maker = self.producer.get(one)
            above = [self._lines[bottom] for bottom in maker.bottom_values] if maker else []
            others = [frozenset(line) for line in above[1:]]
            shared = [v for v in above[0] if all(v in line for line in others)] if above else []
            self._lines[one] = [one, *shared]
        return self._lines[value]

    @cached_property
    def _lines(self) -> dict[int, list[int]]:
        return {}

    def _values_above(self, value: int) -> set[int]:
        found: set[int] = set()
        queue = [value]
        while queue:
            one = queue.pop()
            if one in found or one in self._lines:
                continue
            found.add(one)
            if one in self.producer:
                queue.extend(self.producer[one].bottom_values)
        return found

    def head_of(self, value: int) -> PlannedLayer | None:
        """The classifier whose scores, or what only passes them on, are ``value``; None for anything else."""
        while (one := self.producer.get(value)) is not None and one.layer.type in PASSING and one.bottom_values:
            value = one.bottom_values[0]
        return one if one is not None and one.layer.type in HEADS else None

    def whole(self, value: int) -> int:
        """What ``value`` is a part of the batch of, where a Slice parts pairs; else ``value`` itself."""
        maker = self.producer.get(value)
        parted = maker is not None and maker.layer.type == "Slice" and not maker.layer.behind_batch(
            int(maker.layer.param.slice_param.axis), maker.bottom_shapes
        )  # fmt: skip
        return maker.bottom_values[0] if maker is not None and parted else value

    def shape(self, value: int) -> Shape | None:
        """The shape of ``value``, None where it is not known."""
        return self.plan.values[value].shape
