"""Folds BatchNorm, Scale and Bias in the net of an export, whose names stay; the pass ``passes.fold`` renames.

    conv -> BatchNorm -> Scale -> ReLU      =>   conv (scaled kernels, new bias) -> ReLU
    Eltwise -> BatchNorm -> Scale           =>   Eltwise -> Scale

BatchNorm has stored statistics. What may be folded, and the arithmetic, are those of ``passes.fold``. Names stay, since
ONNX shows them. No torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from caffelungo.passes.fold import Foldable, foldable, folded_weights, gain_and_shift, is_transposed
from caffelungo.plan.plan import ParamKey, Plan

Arrays = dict[ParamKey, np.ndarray]


@dataclass
class Folded:
    """``message`` and ``arrays`` of the folded net; ``stands_for``: which layer's top each changed layer now makes."""

    message: Any
    arrays: Arrays
    stands_for: dict[str, str] = field(default_factory=dict)


def fold_batch_norm(message: Any, plan: Plan, arrays: Arrays, keep: Iterable[str] = ()) -> Folded:
    """Fold what ``passes.fold.foldable`` finds in ``message``, but not across a blob of ``keep``.

    ``plan`` is the plan of ``message`` in phase TEST, with unique layer names; ``arrays`` its blobs.
    """
    result = Folded(type(message)(), dict(arrays))
    gone: set[str] = set()
    changed: dict[str, Any] = {}
    for one in foldable(plan, keep):
        kept = one.kept
        gone.update(layer.name for layer in one.gone)
        changed[kept.name] = _fold(one, result.arrays)
        changed[kept.name].top[0] = one.last.tops[0]
        if kept.name != one.last.name:
            result.stands_for[kept.name] = one.last.name
    result.message.CopyFrom(message)
    del result.message.layer[:]
    for layer in message.layer:
        if layer.name not in gone:
            result.message.layer.append(changed.get(layer.name, layer))
    result.arrays = {key: array for key, array in result.arrays.items() if key[0] not in gone}
    return result


def _fold(one: Foldable, arrays: Arrays) -> Any:
    """The layer that replaces ``one``; its blobs are put into ``arrays``."""
    blobs = [[arrays[layer.key, k] for k in range(len(layer.params))] for layer in one.run]
    gain, shift = gain_and_shift(one, blobs)
    kept = one.kept
    changed = type(kept.layer.param)()
    changed.CopyFrom(kept.layer.param)
    changed.ClearField("phase")
    if one.before is not None:
        weights = [arrays[kept.key, k] for k in range(len(kept.params))]
        new = folded_weights(weights, gain, shift, is_transposed(one))
        getattr(changed, str(kept.layer.options_field)).bias_term = True
    else:
        for k in range(3):
            arrays.pop((kept.key, k), None)
        new = [gain.astype(np.float32), shift.astype(np.float32)]
        changed.type = "Scale"
        changed.ClearField("batch_norm_param")
        changed.ClearField("param")
        changed.scale_param.bias_term = True
    arrays.update({(kept.key, k): array for k, array in enumerate(new)})
    return changed
