"""DistillationLoss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Loss, Shape, State, shape_text
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class DistillationLoss(Loss):
    """How far a student's softened probabilities are from a teacher's: T^2 * sum of p log(p / q) / positions.

    p = softmax(teacher / T), q = softmax(student / T), T = `lungo { temperature: 2 }`. It is 0 where both agree; its
    gradient is T (q - p) / positions, which does not fade as T grows. Positions are samples times places of a plane.
    Bottoms: the student's scores, the teacher's scores, of one shape, classes on `axis` (`softmax_param`); the teacher
    receives no gradient. Top: a scalar.
    Source: Hinton et al. 2015, section 2; Li and Hoiem 2016 (learning without forgetting), equations 2 to 4, who write
    the cross-entropy without T^2: the same gradient at loss weight 1 / T^2.
    """

    type = "DistillationLoss"
    more_options = ("lungo.temperature", "softmax_param")

    def setup(self) -> None:
        self.along = int(self.param.softmax_param.axis)
        self.temperature = float(self.param.lungo.temperature)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        super().shapes(bottoms)
        student, teacher = bottoms
        self.axis(self.along, len(student), path="")
        alike = len(student) == len(teacher) and all(
            a == b or None in (a, b) for a, b in zip(student, teacher, strict=True)
        )
        if not alike:
            raise self.fail(
                "student and teacher must have scores of the same shape",
                received=f"student {shape_text(student)}, teacher {shape_text(teacher)}",
                remedy="compare classifiers of the same classes",
            )
        return [()]

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch.nn.functional as F

        student = F.log_softmax(full(bottoms[0]) / self.temperature, self.along)
        teacher = F.log_softmax(full(bottoms[1]).detach() / self.temperature, self.along)
        positions = student.numel() // student.shape[self.along]
        total = F.kl_div(student, teacher, reduction="sum", log_target=True)
        return [total * (self.temperature**2 / positions)]
