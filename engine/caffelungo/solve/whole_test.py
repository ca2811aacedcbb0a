"""Outputs of a test that are no means over its batches: of layers like RegressionScore, for all samples at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from caffelungo.layers import pair_measures
from caffelungo.layers.label_measures import best_thresholds
from caffelungo.layers.types.multi_label_score import MultiLabelScore
from caffelungo.layers.types.pair_score import PairScore
from caffelungo.layers.types.regression_score import RegressionScore
from caffelungo.net.graph import GraphNet, LayerModule
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.report.label_scores import LabelScores, label_scores
from caffelungo.report.number_scores import NumberScores, number_scores


@dataclass
class WholeLayer:
    """A layer of the net that is tested, and what its ``test_sums`` have been so far: their sum, or each of them."""

    planned: PlannedLayer
    seen: list[Tensor] = field(default_factory=list)

    @property
    def sums(self) -> Tensor:
        """What its ``from_sums`` takes; there must have been a batch."""
        return torch.cat(self.seen)

    @torch.no_grad()
    def see(self, module: torch.nn.Module, bottoms: tuple[Tensor, ...]) -> None:
        """Take in the bottoms of one batch."""
        found = self.planned.layer.test_sums(bottoms)
        if self.planned.layer.keeps_rows or not self.seen:
            self.seen.append(found)
        else:
            self.seen[0] = self.seen[0] + found


class WholeTest:
    """Adds up over the batches that ``net`` runs, on the device, without waiting for it."""

    def __init__(self, net: GraphNet) -> None:
        self.layers = [WholeLayer(planned) for planned in layers_of(net.plan)]
        for module in net.module.modules():
            for one in self.layers:
                if isinstance(module, LayerModule) and module.layer is one.planned.layer:
                    module.register_forward_pre_hook(one.see)

    def restart(self) -> None:
        """Forget what was added up, before another test."""
        for one in self.layers:
            one.seen.clear()

    def values(self) -> dict[str, list[float]]:
        """The numbers of each top, by blob, over what has been run since the start."""
        return {
            blob: top.reshape(-1).tolist()
            for one in self.layers
            if one.seen
            for blob, top in zip(one.planned.tops, one.planned.layer.from_sums(one.sums), strict=True)
        }

    def labels(self) -> LabelScores | None:
        """How well each of several labels was told over what has been run; None where the net tells none."""
        one = self._labelled()
        if one is None:
            return None
        layer = one.planned.layer
        assert isinstance(layer, MultiLabelScore)
        scores, targets = one.sums.unbind(1)
        return label_scores(scores, targets, layer.thresholds)

    def numbers(self) -> NumberScores | None:
        """How near predicted numbers were over what has been run; None where the net predicts none."""
        for one in reversed(self.layers):
            layer = one.planned.layer
            if isinstance(layer, RegressionScore) and one.seen:
                predicted, targets = one.sums.cpu().unbind(1)
                measures = [each.tolist() for each in layer.measures_of(one.sums)]
                return number_scores(predicted.numpy(), targets.numpy(), measures)
        return None

    def give_labels_from(self, thresholds: Sequence[float]) -> None:
        """Judge labels by ``thresholds``, those of the weights, where the net's file has none of its own."""
        for one in self.layers:
            layer = one.planned.layer
            if isinstance(layer, MultiLabelScore):
                layer.learn_thresholds(thresholds, one.planned.bottom_shapes)
            elif isinstance(layer, PairScore) and len(thresholds) == 1:
                layer.learn_threshold(thresholds[0])

    def thresholds(self) -> tuple[float, ...]:
        """The thresholds at which the F1 of several labels is best on what has been run, or the distance up to which
        most pairs are told right; none without such."""
        for compared in self.layers:
            if isinstance(compared.planned.layer, PairScore) and compared.seen:
                return (pair_measures.best_threshold(*compared.sums.unbind(1)),)
        one = self._labelled()
        if one is None:
            return ()
        scores, targets = one.sums.unbind(1)
        return tuple(best_thresholds(scores.sigmoid(), targets).tolist())

    def _labelled(self) -> WholeLayer | None:
        return next((one for one in self.layers if isinstance(one.planned.layer, MultiLabelScore) and one.seen), None)


def layers_of(plan: Plan) -> list[PlannedLayer]:
    """The layers whose tops are for a whole test."""
    return [planned for planned in plan.layers if planned.layer.whole_test]


def measures_of(plan: Plan, names: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Measures of single outputs, where there are several: by name the blob and the place in it.

    ``names`` are those of the outputs; where they are not as many, outputs are numbered.
    """
    found: dict[str, tuple[str, int]] = {}
    for planned in layers_of(plan):
        for blob, shape in zip(planned.tops, planned.top_shapes, strict=True):
            size = int(shape[0] or 1) if shape else 1
            known = names if len(names) == size else [str(number) for number in range(size)]
            found.update({f"{blob}_{name}": (blob, place) for place, name in enumerate(known) if size > 1})
    return found
