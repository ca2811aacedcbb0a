"""BatchNorm with stored statistics, and the Scale behind it, become part of the layer before them.

    conv -> BatchNorm -> Scale -> ReLU      =>   conv (scaled kernels, new bias) -> ReLU
    Eltwise -> BatchNorm -> Scale           =>   Eltwise -> Scale

Sums are taken in double precision and rounded once. No torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from caffelungo.layers.plan import ParamKey, Plan, PlannedLayer

Arrays = dict[ParamKey, np.ndarray]
FOLDABLE = frozenset({"Convolution", "InnerProduct"})


@dataclass
class Folded:
    """``message`` and ``arrays`` of the folded net; ``stands_for``: which layer's top each changed layer now makes."""

    message: Any
    arrays: Arrays
    stands_for: dict[str, str] = field(default_factory=dict)


def fold_batch_norm(message: Any, plan: Plan, arrays: Arrays, keep: Iterable[str] = ()) -> Folded:
    """Fold every BatchNorm of ``message`` whose statistics are fixed, but not across a blob of ``keep``.

    ``plan`` is the plan of ``message`` in phase TEST, with unique layer names; ``arrays`` its blobs.
    """
    work = _Fold(plan, dict(arrays), set(keep) | set(plan.outputs))
    for planned in plan.layers:
        layer: Any = planned.layer
        if layer.type == "BatchNorm" and layer.stored:
            work.fold(planned)
    result = type(message)()
    result.CopyFrom(message)
    del result.layer[:]
    for layer in message.layer:
        if layer.name not in work.gone:
            result.layer.append(work.changed.get(layer.name, layer))
    kept = {key: array for key, array in work.arrays.items() if key[0] not in work.gone}
    return Folded(result, kept, work.stands_for)


class _Fold:
    def __init__(self, plan: Plan, arrays: Arrays, keep: set[str]) -> None:
        self.plan, self.arrays, self.keep = plan, arrays, keep
        self.gone: set[str] = set()
        self.changed: dict[str, Any] = {}
        self.stands_for: dict[str, str] = {}
        counts: dict[ParamKey, int] = {}
        for planned in plan.layers:
            for use in planned.params:
                counts[use.key] = counts.get(use.key, 0) + 1
        self.shared = {key for key, count in counts.items() if count > 1}

    def own(self, planned: PlannedLayer) -> bool:
        """Whether nobody shares this layer's blobs."""
        return all(use.owner and use.key not in self.shared for use in planned.params)

    def private(self, value: int) -> bool:
        """Whether ``value`` has one reader and nobody wants to see it."""
        blob = self.plan.values[value].blob
        seen = blob in self.keep and self.plan.value_of(blob) == value
        return len(self.plan.consumers(value)) == 1 and not seen

    def fold(self, norm: PlannedLayer) -> None:
        if not self.own(norm):
            return
        gain, shift = statistics(norm, self.arrays)
        last = norm
        scale = self.scale_after(norm)
        if scale is not None:
            gamma = self.arrays[scale.key, 0].astype(np.float64)
            beta = self.arrays[scale.key, 1].astype(np.float64) if len(scale.params) > 1 else 0.0
            gain, shift, last = gain * gamma, shift * gamma + beta, scale
            self.gone.add(scale.name)
        before = self.producer(norm)
        if before is not None:
            self.into(before, gain, shift)
            self.gone.add(norm.name)
            changed, name = self.changed[before.name], before.name
        else:
            changed = self.scale_layer(norm, gain, shift)
            name = norm.name
        changed.top[0] = last.tops[0]
        if name != last.name:
            self.stands_for[name] = last.name

    def scale_after(self, norm: PlannedLayer) -> PlannedLayer | None:
        if not self.private(norm.top_values[0]):
            return None
        scale = self.plan.consumers(norm.top_values[0])[0]
        options = scale.layer.options
        if scale.layer.type != "Scale" or len(scale.bottoms) != 1 or not self.own(scale):
            return None
        return scale if options.axis == 1 and options.num_axes == 1 else None

    def producer(self, norm: PlannedLayer) -> PlannedLayer | None:
        value = norm.bottom_values[0]
        makers = [planned for planned in self.plan.layers if value in planned.top_values]
        if len(makers) != 1 or not self.private(value) or not self.own(makers[0]):
            return None
        before = makers[0]
        foldable = before.layer.type in FOLDABLE and len(before.tops) == 1 and before.layer.options.axis == 1
        return before if foldable and before.name not in self.changed else None

    def into(self, before: PlannedLayer, gain: np.ndarray, shift: np.ndarray) -> None:
        weight = self.arrays[before.key, 0]
        bias = self.arrays[before.key, 1].astype(np.float64) if len(before.params) > 1 else 0.0
        transposed = before.layer.type == "InnerProduct" and before.layer.options.transpose
        column = gain if transposed else gain.reshape(-1, *(1,) * (weight.ndim - 1))
        self.arrays[before.key, 0] = (weight.astype(np.float64) * column).astype(np.float32)
        self.arrays[before.key, 1] = (bias * gain + shift).astype(np.float32)
        changed = _copy(before.layer.param)
        getattr(changed, str(before.layer.options_field)).bias_term = True
        self.changed[before.name] = changed

    def scale_layer(self, norm: PlannedLayer, gain: np.ndarray, shift: np.ndarray) -> Any:
        changed = _copy(norm.layer.param)
        changed.type = "Scale"
        changed.ClearField("batch_norm_param")
        changed.ClearField("param")
        changed.scale_param.bias_term = True
        for index in range(3):
            self.arrays.pop((norm.key, index), None)
        self.arrays[norm.key, 0] = gain.astype(np.float32)
        self.arrays[norm.key, 1] = shift.astype(np.float32)
        self.changed[norm.name] = changed
        return changed


def statistics(norm: PlannedLayer, arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """(gain, shift), one a channel in double precision, that BatchNorm with stored statistics multiplies and adds."""
    mean, variance, factor = (arrays[norm.key, index].astype(np.float64) for index in range(3))
    scale = 1.0 / factor.reshape(()) if factor.reshape(()) != 0 else 0.0
    gain = 1.0 / np.sqrt(variance * scale + norm.layer.options.eps)
    return gain, -mean * scale * gain


def _copy(param: Any) -> Any:
    copy = type(param)()
    copy.CopyFrom(param)
    copy.ClearField("phase")
    return copy
