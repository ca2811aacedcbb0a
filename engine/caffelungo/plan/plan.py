"""A net in one state: its layers in order, with known blobs, shapes and parameters.

The plan is what everything to the right builds on (the graph, the passes' view, `lungo check`, the ONNX names).
``build_plan`` makes it. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from caffelungo.layers.base import BlobSpec, Layer, Shape

ParamKey = tuple[str, int]
"""Owner layer's key and blob index: the identity of one parameter tensor."""


@dataclass(frozen=True)
class ParamUse:
    """One parameter blob as a layer uses it. ``key`` names the owner, which is another layer when it is shared."""

    key: ParamKey
    spec: BlobSpec
    shape: Shape
    owner: bool
    lr_mult: float = 1.0
    decay_mult: float = 1.0


@dataclass
class PlannedLayer:
    """One layer of the net in its state. ``index`` counts in ``net.layer``; ``key`` is its name made unique."""

    layer: Layer
    index: int
    key: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    bottom_values: tuple[int, ...]
    top_values: tuple[int, ...]
    bottom_shapes: tuple[Shape | None, ...]
    top_shapes: tuple[Shape | None, ...]
    params: tuple[ParamUse, ...]
    loss_weights: tuple[float, ...]
    propagate_down: tuple[bool, ...]

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def in_place(self) -> tuple[bool, ...]:
        """For each top, whether it overwrites the bottom of the same index."""
        return tuple(i < len(self.bottoms) and top == self.bottoms[i] for i, top in enumerate(self.tops))


@dataclass(frozen=True)
class Value:
    """One version of a blob: in-place layers make a new value under the same blob name."""

    blob: str
    shape: Shape | None
    producer: str


@dataclass
class Plan:
    """A net in one state: its layers in order, and for each value its blob and shape."""

    name: str
    state: Any
    layers: list[PlannedLayer] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    outputs: tuple[str, ...] = ()
    force_backward: bool = False
    whole: bool = True
    """Whether all its layers could be planned."""

    @property
    def phase(self) -> int:
        return int(self.state.phase)

    @property
    def sources(self) -> list[PlannedLayer]:
        """Layers whose tops come from outside, in the order of the file."""
        return [planned for planned in self.layers if planned.layer.source]

    @property
    def blobs(self) -> dict[str, Shape | None]:
        """Every blob by name with its shape (the last writer's)."""
        return {value.blob: value.shape for value in self.values}

    @property
    def params(self) -> dict[ParamKey, ParamUse]:
        """Owned parameter blobs in the order of their first appearance: the order of the solver's history."""
        return {use.key: use for planned in self.layers for use in planned.params if use.owner}

    def value_of(self, blob: str) -> int:
        """The index of the last value of ``blob``."""
        return max(index for index, value in enumerate(self.values) if value.blob == blob)

    def consumers(self, value: int) -> list[PlannedLayer]:
        """The layers that read ``value``."""
        return [planned for planned in self.layers if value in planned.bottom_values]

    def layer(self, name: str) -> PlannedLayer:
        """The layer called ``name``; KeyError when there is none."""
        for planned in self.layers:
            if planned.name == name:
                return planned
        raise KeyError(name)
