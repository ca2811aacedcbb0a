"""Accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers import losses
from caffelungo.layers.base import Arity, ClassNumbers, Layer, Shape, State, shape_text
from caffelungo.layers.precision import full
from caffelungo.layers.registry import register
from caffelungo.wording import counted

if TYPE_CHECKING:
    from torch import Tensor


@register
class Accuracy(Layer):
    """Share of labels that are among the `top_k` highest scores; labels equal to ignore_label are passed over.

    A prediction is right when fewer than top_k other classes score as high or higher: ties count against it.
    Bottoms: scores with classes on `axis`, labels. Tops: a scalar; optionally the accuracy of each class (classes),
    0 for a class without labels.
    Caffe: AccuracyLayer.
    """

    type = "Accuracy"
    bottoms = Arity(2)
    tops = Arity(1, 2)
    options_field = "accuracy_param"
    differentiable = False
    labels = (0, 1)
    measures = True
    chooses = True
    bvlc = True

    def setup(self) -> None:
        self.along = int(self.options.axis)
        self.top_k = int(self.options.top_k)
        self.ignore = losses.ignored(self.options)
        self.per_class = len(self.param.top) > 1

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        axis = self.axis(self.along, len(bottoms[0]))
        losses.check_labels(self, bottoms, axis)
        classes = bottoms[0][axis]
        if classes is not None and self.top_k > classes:
            raise self.fail(
                f"top_k {self.top_k} is more than the {counted(classes, 'class')}",
                received=f"scores {shape_text(bottoms[0])}",
                remedy=f"use at most {classes}",
                path="top_k",
            )
        return [(), (classes,)] if self.per_class else [()]

    def class_numbers(self, bottoms: Sequence[Shape | None]) -> ClassNumbers:
        return losses.class_numbers(bottoms, self.along, self.options)

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch

        scores, labels = losses.side_by_side(full(bottoms[0].detach()), bottoms[1], self.along)
        labels, outside = losses.within(labels, scores.shape[1], self.ignore)
        valid = labels != self.ignore
        truth = torch.where(valid, labels, 0).unsqueeze(1)
        others = (scores >= scores.gather(1, truth)).sum(1) - 1
        right = valid & (others < self.top_k)
        tops = [right.sum() / valid.sum().clamp(min=1)]
        if self.per_class:
            classes = torch.arange(scores.shape[1], device=labels.device)
            member = (labels.unsqueeze(1) == classes.unsqueeze(1)) & valid.unsqueeze(1)
            tops.append((member & right.unsqueeze(1)).sum((0, 2)) / member.sum((0, 2)).clamp(min=1))
        return [losses.poisoned(top, outside) for top in tops]
