"""What losses and scores of predicted numbers share: sizes of both bottoms, and differences in standard deviations.

    layer { type: "HuberLoss" ... lungo { huber_loss { deviation: 11.8  deviation: 24.5 } } }

Outputs of different units (years, metres) count alike once each difference is divided by the deviation of its output.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from caffelungo.bounds import POSITIVE
from caffelungo.definition.layer_options import Option
from caffelungo.layers.base import Layer, Loss, Shape, count, shape_text
from caffelungo.layers.class_balance import on_device
from caffelungo.layers.precision import full
from caffelungo.wording import counted

if TYPE_CHECKING:
    from torch import Tensor

DEVIATION = Option(
    "deviation", 1.0, "By what the differences of each output are divided: the standard deviation of its targets. One "
    "number for each output, or none.", POSITIVE, repeated=True,
)  # fmt: skip


class NumberLoss(Loss):
    """A loss of the differences between numbers and their targets, which both may receive gradients.

    ``deviations`` are what the differences of each output (axis 1 and all that follow) are divided by; none: 1.
    """

    number_loss = True
    class_lists: ClassVar[tuple[str, ...]] = ("deviation",)
    labels = ()

    def setup(self) -> None:
        self.deviations: tuple[float, ...] = tuple(self.own.deviation)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        super().shapes(bottoms)
        outputs = same_size(self, bottoms)
        if self.deviations and outputs is not None and len(self.deviations) != outputs:
            raise self.fail(
                "there must be one `deviation` for each output",
                received=f"{counted(len(self.deviations), 'number')} for {counted(outputs, 'output')}",
                remedy="write `deviation` once for each output, in their order, or remove it",
                path="deviation",
            )
        return [()]

    def differences(self, bottoms: Sequence[Tensor]) -> Tensor:
        """Bottom 0 less bottom 1, divided by the deviations: N x outputs."""
        left, right = full(bottoms[0]), full(bottoms[1])
        difference = (left - right.reshape(left.shape)).flatten(1) if left.dim() > 1 else left - right.reshape(-1)
        if not self.deviations:
            return difference
        return difference / on_device(self.deviations, difference)


def same_size(layer: Layer, bottoms: Sequence[Shape]) -> int | None:
    """How many numbers both bottoms hold per sample, None if unknown; LayerError where they differ."""
    left, right = (count(shape[1:]) for shape in bottoms)
    if left is not None and right is not None and left != right:
        raise layer.fail(
            "the two bottoms have different sizes",
            received=f"{shape_text(bottoms[0])} and {shape_text(bottoms[1])}",
            remedy="give both bottoms the same number of values per sample",
        )
    return left if left is not None else right
