"""Layers that read labels which a data layer mixes in pairs (augmentations Mixup and CutMix), and cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from caffelungo.data.source import DataSource
from caffelungo.errors import Location, Problem
from caffelungo.layers.base import Shape
from caffelungo.layers.mixed_labels import COLUMNS
from caffelungo.layers.shapes import count
from caffelungo.plan.plan import Plan


def problems(plan: Plan, sources: Iterable[DataSource], where: Callable[..., Location | None]) -> Iterator[Problem]:
    """Layers of ``plan`` that read labels which ``sources`` mix, and cannot."""
    for source in sources:
        if len(source.shapes) < 2 or not source.mixes:
            continue
        data = plan.layer(source.name)
        for reader in plan.consumers(data.top_values[1]):
            known, scores = reader.layer.class_numbers(reader.bottom_shapes), count(reader.bottom_shapes[0] or ())
            classes = known.count if known is not None else None
            single = not (classes and scores and reader.bottom_shapes[0]) or scores == classes * source.shapes[1][0]
            if reader.layer.takes_mixed_labels and single:
                continue
            yield Problem(
                f"layer `{reader.name}` ({reader.layer.type}) reads labels of pictures that are mixed in pairs",
                where("layer", reader.index),
                f"`{data.tops[1]}` of layer `{data.name}` with {source.mixes}",
                "leave the layer to testing: include { phase: TEST }" if reader.layer.measures
                else "use a SoftmaxWithLoss with one label per picture, or remove the augmentation",
            )  # fmt: skip


def unmixed(shapes: Sequence[Shape]) -> list[Shape]:
    """The shapes of a source's tops as they would be without mixing."""
    return [shapes[0], *(shape[:1] if shape[1:] == (COLUMNS,) else shape for shape in shapes[1:])]
