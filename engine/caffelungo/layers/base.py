"""The description of a layer type, from which shapes, messages, docs and the graph are made.

A ``Layer`` is no ``nn.Module``: it holds its LayerParameter and its phase, and owns no tensor. To add a type, write a
subclass in ``layers/types/`` with ``type``, ``bottoms``, ``tops``, ``shapes``, ``blobs`` and ``compute``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from caffelungo.definition.schema import TEST, TRAIN, FillerParameter

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Shape = tuple[int | None, ...]
"""Sizes of a blob's axes; None for a size that is not known before data is opened."""


@dataclass(frozen=True)
class Arity:
    """How many bottoms or tops a layer takes: ``Arity(2)``, ``Arity(1, 2)``, ``Arity(1, None)`` (any number from 1)."""

    least: int
    most: int | None = -1

    def __post_init__(self) -> None:
        if self.most == -1:
            object.__setattr__(self, "most", self.least)

    def admits(self, count: int) -> bool:
        return count >= self.least and (self.most is None or count <= self.most)

    def __str__(self) -> str:
        if self.most is None:
            return f"at least {self.least}"
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"


@dataclass(frozen=True)
class BlobSpec:
    """One parameter blob of a layer: what it holds, its shape, how it starts, and whether a solver may learn it."""

    name: str
    shape: Shape
    filler: Any
    learned: bool = True


@dataclass(frozen=True)
class ClassNumbers:
    """A bottom that holds whole numbers from 0 to ``count`` - 1, or ``ignored`` where that is given."""

    bottom: int
    count: int | None
    ignored: int | None = None


@dataclass(frozen=True)
class State:
    """What ``compute`` may know of the run: whether its top may overwrite its bottom."""

    inplace: bool = False


class LayerError(Exception):
    """A layer's parameters or bottom shapes make no sense; the plan adds the place and collects it.

    ``path`` names the field within the LayerParameter, as ``("convolution_param", "kernel_size")``.
    """

    def __init__(
        self, what: str, received: str | None = None, remedy: str | None = None, path: tuple[str | int, ...] = ()
    ) -> None:
        super().__init__(what)
        self.what, self.received, self.remedy, self.path = what, received, remedy, path


class Layer:
    """Base of all layer types. ``param`` is the LayerParameter, ``phase`` TRAIN (0) or TEST (1)."""

    type: ClassVar[str] = ""
    bottoms: ClassVar[Arity] = Arity(1)
    tops: ClassVar[Arity] = Arity(1)
    options_field: ClassVar[str | None] = None
    """The sub-message of LayerParameter that holds this type's options, as ``"convolution_param"``."""
    more_options: ClassVar[tuple[str, ...]] = ()
    """Further sub-messages that this type reads."""
    same_count: ClassVar[bool] = False
    """Whether there must be as many tops as bottoms (Convolution)."""
    automatic_tops: ClassVar[bool] = False
    """Whether missing tops are made up (loss layers, which may be written without a top)."""
    loss: ClassVar[bool] = False
    """Whether top 0 has loss weight 1 unless the file says otherwise."""
    source: ClassVar[bool] = False
    """Whether the tops come from outside the graph (data layers)."""
    differentiable: ClassVar[bool] = True
    """Whether a gradient passes through (Accuracy, ArgMax: no)."""
    labels: ClassVar[tuple[int, ...]] = ()
    """Indices of bottoms that hold class labels or other values that receive no gradient."""
    overwritable: bool = False
    """Whether the top is new memory that this layer's backward pass does not read, so that a later in-place layer may
    really write into it."""

    def __init__(self, param: Any, phase: int = TRAIN) -> None:
        self.param = param
        self.phase = phase
        self.setup()

    @property
    def name(self) -> str:
        return str(self.param.name)

    @property
    def options(self) -> Any:
        """The options message of this layer, with the schema's defaults where the file is silent."""
        return getattr(self.param, self.options_field) if self.options_field else None

    @property
    def training(self) -> bool:
        return self.phase != TEST

    def setup(self) -> None:
        """Check options that need no shapes; raise LayerError. Called once, at construction."""

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape | None]:
        """Shapes of the tops for these bottom shapes, None where not even the rank is known; raises LayerError.

        Options are read in ``setup`` into plain attributes: ``compute`` must not touch ``param``, which a compiler
        cannot trace.
        """
        raise NotImplementedError

    def blobs(self, bottoms: Sequence[Shape]) -> Sequence[BlobSpec]:
        """The parameter blobs for these bottom shapes, in Caffe's order."""
        return ()

    def class_numbers(self, bottoms: Sequence[Shape | None]) -> ClassNumbers | None:
        """The bottom whose values are taken for class numbers or indices, and how many there are; None without one."""
        return None

    def rearranged(
        self, values: np.ndarray[Any, Any], tops: Sequence[Shape | None]
    ) -> list[np.ndarray[Any, Any]] | None:
        """The tops (of shapes ``tops``) for bottom ``values`` of any number of samples, where this layer only hands
        them on in other places; None where it computes, or mixes samples."""
        return None

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        """The tops. Pure, but for statistics that a layer keeps in ``blobs`` (BatchNorm, TRAIN)."""
        raise NotImplementedError

    def fail(self, what: str, *, received: object = None, remedy: str | None = None, path: str = "") -> LayerError:
        """A LayerError about ``path`` (dotted, within this type's options): ``raise self.fail(...)``."""
        prefix = (self.options_field,) if self.options_field and path else ()
        parts = tuple(int(part) if part.isdigit() else part for part in path.split(".")) if path else ()
        return LayerError(what, None if received is None else str(received), remedy, (*prefix, *parts))

    def axis(self, axis: int, rank: int, path: str = "axis") -> int:
        """``axis`` as an index from 0, negative ones counted from the end; raises LayerError when out of range."""
        if not -rank <= axis < rank:
            raise self.fail(
                f"axis {axis} is out of range for a bottom with {rank} axes",
                received=axis,
                remedy=f"use an axis from {-rank} to {rank - 1}",
                path=path,
            )
        return axis % rank


class Source(Layer):
    """A layer whose tops the loader fills. ``shapes`` says what the file alone tells; data may tell more."""

    bottoms = Arity(0)
    tops = Arity(1, None)
    source = True
    differentiable = False


class Neuron(Layer):
    """An element-wise layer with one bottom and one top of the same shape."""

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        return [bottoms[0]]


class Loss(Layer):
    """A layer whose top is a scalar loss; bottom 1 receives no gradient unless a subclass says so."""

    bottoms = Arity(2)
    loss = True
    automatic_tops = True
    labels: ClassVar[tuple[int, ...]] = (1,)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        if bottoms[0] and bottoms[1] and None not in (bottoms[0][0], bottoms[1][0]) and bottoms[0][0] != bottoms[1][0]:
            raise self.fail(
                "the two bottoms have different batch sizes",
                received=f"{shape_text(bottoms[0])} and {shape_text(bottoms[1])}",
                remedy="feed both from sources with one batch_size",
            )
        return [()]


def constant(value: float) -> Any:
    """A filler message for a constant."""
    return FillerParameter(type="constant", value=value)


def count(shape: Sequence[int | None]) -> int | None:
    """The number of elements of ``shape`` (1 for a scalar), None when an axis is unknown."""
    return None if None in shape else math.prod(shape)  # type: ignore[arg-type]


def shape_text(shape: Shape | None) -> str:
    """A shape for people: ``64x3x227x227``, ``?`` for unknown sizes."""
    if shape is None:
        return "?"
    return "x".join("?" if size is None else str(size) for size in shape) or "scalar"


def named(blobs: Sequence[str], shapes: Sequence[Shape]) -> str:
    """Blobs and their shapes for people, as in messages."""
    return ", ".join(f"`{blob}` {shape_text(shape)}" for blob, shape in zip(blobs, shapes, strict=True))


def reshaped(values: np.ndarray[Any, Any], top: Shape | None) -> list[np.ndarray[Any, Any]] | None:
    """``values`` of any number of samples in the shape ``top`` of one batch; None where samples would be mixed."""
    if not top or None in top[1:] or math.prod(values.shape[1:]) != count(top[1:]):
        return None
    return [values.reshape((len(values), *top[1:]))]
