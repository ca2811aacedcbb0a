"""Layers that are exported as an ONNX operator that they choose, rather than as what PyTorch makes of them.

Which operators those are, a layer's class says (``Layer.onnx``).
"""

from __future__ import annotations

from torch import nn

from caffelungo.layers.onnx_forms import Operator, sizes
from caffelungo.layers.traits import OnnxOperator
from caffelungo.plan.plan import PlannedLayer


def replacement(planned: PlannedLayer, leaf: nn.Module, free: bool = False) -> nn.Module | None:
    """What replaces ``leaf`` (the ``LayerModule`` of ``planned``) in the exported graph; None: itself.

    ``free``: in a form that holds for blobs of any height and width.
    """
    bottoms, tops = ([shape or () for shape in shapes] for shapes in (planned.bottom_shapes, planned.top_shapes))
    blobs = [getattr(leaf, f"blob{position}") for position in range(len(planned.params))]
    made = planned.layer.onnx(bottoms, tops, blobs, free)
    return Operator(made.kind, made.attributes, sizes(tops[0])) if isinstance(made, OnnxOperator) else made
