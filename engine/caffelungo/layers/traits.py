"""What a layer type is, said on its class and asked everywhere else: growth, costs, drawings, ONNX, the way to Caffe.

The defaults of ``Traits`` are those of a type of which nothing special is known: rewrites keep away from it. Those of
an element-wise non-linearity are on ``base.Neuron``. ``kinds`` are the questions that are asked by a type's name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from caffelungo.layers.shapes import Shape, per_sample

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn


@dataclass(frozen=True)
class OnnxOperator:
    """One ONNX operator that computes top 0: its name and its constant attributes."""

    kind: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class CaffeForm:
    """Layers of Caffe's own types that together compute what one layer does.

    ``layers`` are LayerParameters in order; the last has the name and the top of the layer that they replace.
    ``blobs`` makes their blobs, by layer name, of the old layer's; ``moved`` says so in a sentence.
    """

    layers: Sequence[Any]
    blobs: Callable[[list[np.ndarray[Any, Any]]], dict[str, list[np.ndarray[Any, Any]]]] | None = None
    moved: str = ""


class Traits:
    """The questions, each with its default."""

    # How values pass through it

    neuron: ClassVar[bool] = False
    """Whether it may follow a layer in a chain: for one bottom a top of the same shape."""
    nonlinear: ClassVar[bool] = False
    """Whether it makes units out of weighted sums (ReLU)."""
    affine: ClassVar[bool] = False
    """Whether it only scales and shifts each channel, and so belongs to the layer before it (BatchNorm, Scale)."""
    unit_end: ClassVar[bool] = False
    """Whether what it makes still is the unit that the layer before it computes (all of the above, Clip)."""
    per_channel: ClassVar[bool] = False
    """Whether it has parameters per channel, so that it does not fit another number of channels."""
    passes_on: ClassVar[bool] = False
    """Whether scores, or features for a classifier, are still that behind it, with one bottom (Pooling, Flatten).
    A neuron without parameters per channel does so without saying."""
    hands_on: ClassVar[bool] = False
    """Whether in the mean it gives the values it reads, perhaps in another shape (Dropout, Flatten, Split)."""
    channels_apart: bool = False
    """Whether each channel of the top depends on that channel of the bottom alone; an object may say otherwise."""
    joins: ClassVar[bool] = False
    """Whether it puts together what several branches make (Concat, Eltwise)."""
    any_rank: ClassVar[bool] = False
    """Whether it does to N x C what it does to N x C x 1 x 1, with any number of bottoms. Neurons do."""
    zero_stays: ClassVar[bool] = False
    """Whether it gives 0 for 0, whatever its options are."""
    shut_at_zero: ClassVar[bool] = False
    """Whether its slope at 0 differs from that just above, so that units which start at 0 may never learn (ReLU)."""

    # What it is in a net

    classifies: ClassVar[bool] = False
    """Whether its tops are `num_output` weighted sums: units that can be grown, or the scores of a classifier."""
    depth: ClassVar[bool] = False
    """Whether it counts as a layer of depth: it has a weight matrix."""
    class_lists: ClassVar[tuple[str, ...]] = ()
    """Its own options that hold a number for each class, and make no sense for other classes."""
    class_loss: ClassVar[bool] = False
    """Whether it is a loss whose bottom 1 is a class label."""
    number_loss: ClassVar[bool] = False
    """Whether it is a loss of differences between numbers and their targets, in bottom 1."""
    label_loss: ClassVar[bool] = False
    """Whether it is a loss whose bottom 1 says of each of several labels whether a sample has it."""
    takes_mixed_labels: ClassVar[bool] = False
    """Whether bottom 1 may hold the labels of mixed pictures (``layers/mixed_labels.py``)."""
    answer: ClassVar[str | None] = None
    """For a loss: the type that gives the net's answer out of its bottom 0 (SoftmaxWithLoss: Softmax)."""
    measures: ClassVar[bool] = False
    """Whether it makes nothing that a net which answers could have a use for (Accuracy, Silence)."""
    lower_is_better: ClassVar[tuple[int, ...]] = ()
    """Tops, besides losses, of which a test is the better the lower they are (an error, unlike an accuracy)."""
    whole_test: ClassVar[bool] = False
    """Whether a test takes its tops for all samples at once: from the sum over batches of ``test_sums``."""
    keeps_rows: ClassVar[bool] = False
    """Whether it takes them from those of all batches, one behind the other, and not from their sum."""
    chooses: ClassVar[bool] = False
    """Whether it counts or chooses: its values may agree where what it reads does not (Accuracy, ArgMax)."""

    # Its weights

    blob_names: ClassVar[tuple[str, ...]] = ("weight", "bias")
    """Names of its blobs, for who has a weights file and no shapes."""
    weights_depend_on: ClassVar[tuple[str, ...]] = ()
    """Attributes of its object, besides shapes, that weights are trained for: another kernel, the same weights, is
    another function."""

    # How new units of it start

    new_unit_rate: ClassVar[tuple[float, float]] = (10.0, 0.0)
    """lr_mult and decay_mult of what it learns, in a copy of it for new units: new like their weights, and like biases
    not decayed."""

    @classmethod
    def for_new_units(cls, layer: Any) -> None:
        """Change ``layer``, a copy of a LayerParameter of this type, so that it serves new units."""

    # What it costs, and how it is drawn

    operations_each: ClassVar[int] = 0
    """Floating-point operations for each number of bottom 0."""
    views: ClassVar[bool] = False
    """Whether its tops are its bottoms' memory."""
    drawn_inside: ClassVar[bool] = False
    """Whether, with one bottom, it is drawn inside the box of the layer before it."""

    def operations(self, bottoms: Sequence[Shape], tops: Sequence[Shape | None], blobs: Sequence[Shape]) -> int | None:
        """Operations for one sample going forward, a product and a sum being two; None where sizes are not known.

        The sizes of one sample of bottom 0 and of top 0 are known.
        """
        return self.operations_each * (per_sample(bottoms[0]) or 0)

    def caption(self, blobs: Sequence[Shape]) -> str:
        """What a drawing writes behind the type: ``3x3`` of a convolution."""
        return ""

    # What its values depend on

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        """Whether the tops hold for each sample a function of that sample alone, drawn from no chance."""
        return False

    def never_negative(self, bottoms: bool) -> bool:
        """Whether no value of the tops is negative; ``bottoms``: no value of the bottoms is."""
        return False

    # What a test makes of it

    def test_sums(self, bottoms: Sequence[Tensor]) -> Tensor:
        """What is added up over the batches of a test; asked only where ``whole_test``."""
        raise NotImplementedError

    def from_sums(self, sums: Tensor) -> Sequence[Tensor]:
        """The tops for all samples that ``sums`` were added up over."""
        raise NotImplementedError

    # How it leaves

    fixed_sizes: ClassVar[bool] = False
    """Whether its ONNX operators name sizes, so that it must read blobs whose height and width stay."""
    bvlc: ClassVar[bool] = False
    """Whether it is a type of BVLC's Caffe."""

    def free_size_problem(self) -> str:
        """Why it has no ONNX operators that hold at every height and width; empty when it has some."""
        return ""

    def onnx(
        self, bottoms: Sequence[Shape], tops: Sequence[Shape], blobs: Sequence[Tensor], free: bool = False
    ) -> OnnxOperator | nn.Module | None:
        """What it leaves as; None: as what ``compute`` is spelled in PyTorch, which then is the shortest form.

        Only the batch is not known in ``bottoms`` and ``tops``. ``blobs`` are its parameters. ``free``: in a form that
        holds at every height and width. A module gets the bottoms and returns top 0 (see ``onnx_forms``).
        """
        return None
