"""The description of a layer type, from which shapes, messages, docs and the graph are made.

A ``Layer`` is no ``nn.Module``: it holds its LayerParameter and its phase, and owns no tensor. To add a type, write a
subclass in ``layers/types/`` with ``type``, ``bottoms``, ``tops``, ``shapes``, ``blobs`` and ``compute``, and say what
it is where the defaults of ``traits`` do not fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from caffelungo.definition import layer_options
from caffelungo.definition.layer_options import Option as Option
from caffelungo.definition.schema import TEST, TRAIN, FillerParameter
from caffelungo.layers.shapes import Shape as Shape
from caffelungo.layers.shapes import count as count
from caffelungo.layers.shapes import named as named
from caffelungo.layers.shapes import shape_text as shape_text
from caffelungo.layers.traits import CaffeForm as CaffeForm
from caffelungo.layers.traits import OnnxOperator as OnnxOperator
from caffelungo.layers.traits import Traits
from caffelungo.wording import counted

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


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

    ``path`` names the field within the LayerParameter, as ``("convolution_param", "kernel_size")``. ``more`` are
    further mistakes of the same layer (see ``raise_all``).
    """

    def __init__(
        self, what: str, received: str | None = None, remedy: str | None = None, path: tuple[str | int, ...] = ()
    ) -> None:
        super().__init__(what)
        self.what, self.received, self.remedy, self.path = what, received, remedy, path
        self.more: tuple[LayerError, ...] = ()

    @classmethod
    def raise_all(cls, mistakes: Sequence[LayerError]) -> None:
        """Raise the first of ``mistakes`` with the others as its ``more``; nothing where there are none."""
        if mistakes:
            mistakes[0].more = tuple(mistakes[1:])
            raise mistakes[0]


class Layer(Traits):
    """Base of all layer types. ``param`` is the LayerParameter, ``phase`` TRAIN (0) or TEST (1)."""

    type: ClassVar[str] = ""
    bottoms: ClassVar[Arity] = Arity(1)
    tops: ClassVar[Arity] = Arity(1)
    options_field: ClassVar[str | None] = None
    """The sub-message of LayerParameter that holds this type's options, as ``"convolution_param"``."""
    more_options: ClassVar[tuple[str, ...]] = ()
    """Further sub-messages that this type reads, or single fields of them, as ``"lungo.temperature"``."""
    own_options: ClassVar[tuple[Option, ...]] = ()
    """Options that the schema does not have. They are written ``lungo { my_type { ... } }`` in a layer of type MyType,
    read as ``self.own``, and (without ``options_field``) as ``self.options``."""
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
        self._refuse_others_options()
        self.setup()

    @property
    def name(self) -> str:
        return str(self.param.name)

    @property
    def options(self) -> Any:
        """The options message of this layer, with the schema's defaults where the file is silent."""
        if self.options_field:
            return getattr(self.param, self.options_field)
        return self.own if self.own_options else None

    @property
    def own(self) -> Any:
        """The message of ``own_options``, with their defaults where the file is silent."""
        return layer_options.value(self.param.lungo, layer_options.key(self.type))

    @property
    def training(self) -> bool:
        return self.phase != TEST

    def _refuse_others_options(self) -> None:
        if not self.param.HasField("lungo"):
            return
        mine = layer_options.key(self.type) if self.own_options else None
        for field, _ in self.param.lungo.ListFields():
            if field.is_extension and field.name != mine:
                raise LayerError(
                    f"`{field.name}` is a block of another type's options",
                    f"type: {self.type}, lungo {{ {field.name} {{ ... }} }}",
                    f"write lungo {{ {mine} {{ ... }} }}" if mine else "delete the block, or correct the layer's type",
                    ("lungo", field.name),
                )

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

    def caffe_form(self, bottoms: Sequence[Shape | None], names: Callable[[str], str]) -> CaffeForm:
        """Layers of BVLC's types that compute what this layer does; LayerError when there are none.

        Asked only of a type that is not ``bvlc`` itself. ``names("part")`` gives a free name for a layer and its top.
        """
        raise LayerError(
            f"is of type {self.type}, which Caffe does not have",
            f"type: {self.type}",
            "replace it with layers that `lungo layers` says are Caffe's, or export to ONNX",
            ("type",),
        )

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        """The tops. Pure, but for statistics that a layer keeps in ``blobs`` (BatchNorm, TRAIN)."""
        raise NotImplementedError

    def fail(self, what: str, *, received: object = None, remedy: str | None = None, path: str = "") -> LayerError:
        """A LayerError about ``path`` (dotted, within this type's options): ``raise self.fail(...)``."""
        parts = tuple(int(part) if part.isdigit() else part for part in path.split(".")) if path else ()
        prefix: tuple[str, ...] = (self.options_field,) if self.options_field else ()
        if parts and parts[0] in {one.name for one in self.own_options}:
            prefix = ("lungo", layer_options.key(self.type))
        return LayerError(
            what, None if received is None else str(received), remedy, (*(prefix if parts else ()), *parts)
        )

    def axis(self, axis: int, rank: int, path: str = "axis") -> int:
        """``axis`` as an index from 0, negative ones counted from the end; raises LayerError when out of range."""
        if not -rank <= axis < rank:
            raise self.fail(
                f"axis {axis} is out of range for a bottom with {counted(rank, 'axis')}",
                received=axis,
                remedy=f"use an axis from {-rank} to {rank - 1}",
                path=path,
            )
        return axis % rank

    def behind_batch(self, axis: int, bottoms: Sequence[Shape | None]) -> bool:
        """Whether ``axis`` of bottom 0, negative ones counted from the end, is not that of the batch."""
        return axis % max(1, len(bottoms[0] or ())) != 0


class Source(Layer):
    """A layer whose tops the loader fills. ``shapes`` says what the file alone tells; data may tell more."""

    bottoms = Arity(0)
    tops = Arity(1, None)
    source = True
    differentiable = False


class Neuron(Layer):
    """An element-wise layer with one bottom and one top of the same shape; a non-linearity unless it says otherwise."""

    neuron = True
    nonlinear = True
    unit_end = True
    channels_apart = True
    operations_each = 1
    drawn_inside = True

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return True

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


def reshaped(values: np.ndarray[Any, Any], top: Shape | None) -> list[np.ndarray[Any, Any]] | None:
    """``values`` of any number of samples in the shape ``top`` of one batch; None where samples would be mixed."""
    if not top or None in top[1:] or math.prod(values.shape[1:]) != count(top[1:]):
        return None
    return [values.reshape((len(values), *top[1:]))]
