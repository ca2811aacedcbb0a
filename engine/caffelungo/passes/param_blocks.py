"""Learning rates and decays written out in the file: the edits that set them, and the blocks new layers carry.

before:  a layer with no, some or all of its ``param`` blocks
after:   param { lr_mult: 10 decay_mult: 1 }   # weights of a new layer
         param { lr_mult: 20 decay_mult: 0 }   # its bias, which Caffe's nets never decay
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffelungo.definition.edits import Edit, SetField
from caffelungo.definition.schema import FillerParameter, ParamSpec

Rate = tuple[float, float]
"""lr_mult and decay_mult of one blob."""

NEW: tuple[Rate, Rate] = ((10.0, 1.0), (20.0, 0.0))
"""Weights and bias of a layer that starts from its filler: ten times the pace of pre-trained layers (Caffe's flickr
example; Growing a Brain, section 5)."""
OLD: tuple[Rate, Rate] = ((1.0, 1.0), (2.0, 0.0))
"""Weights and bias of a pre-trained layer, as Caffe's own nets have them."""
FROZEN: Rate = (0.0, 0.0)


def set_rates(index: int, layer: Any, rates: Sequence[Rate]) -> list[Edit]:
    """Edits that give blob k of ``layer`` (at ``index`` of the file) the rate ``rates[k]``, making missing blocks."""
    edits: list[Edit] = []
    for k, (rate, decay) in enumerate(rates):
        path = ("layer", index, "param", k)
        if k >= len(layer.param):
            edits.append(SetField(path, ParamSpec(lr_mult=rate, decay_mult=decay)))
            continue
        block = layer.param[k]
        if not block.HasField("lr_mult") or block.lr_mult != rate:
            edits.append(SetField((*path, "lr_mult"), rate))
        if not block.HasField("decay_mult") or block.decay_mult != decay:
            edits.append(SetField((*path, "decay_mult"), decay))
    return edits


def weighted_blobs(layer: Any) -> int:
    """How many blobs an InnerProduct or Convolution has: weights, and a bias unless ``bias_term: false``."""
    options = layer.inner_product_param if layer.type == "InnerProduct" else layer.convolution_param
    return 2 if options.bias_term else 1


def give_rates(layer: Any, rates: Sequence[Rate]) -> None:
    """Write ``rates`` into a LayerParameter that is yet to be inserted."""
    del layer.param[:]
    for rate, decay in rates:
        layer.param.add(lr_mult=rate, decay_mult=decay)


def options_field(layer: Any) -> str:
    """The name of the sub-message that holds the options of an InnerProduct or a Convolution."""
    return "inner_product_param" if layer.type == "InnerProduct" else "convolution_param"


def weak(filler: Any) -> bool:
    """Whether a weight filler leaves all units alike: a constant, which is also what an absent filler means."""
    return bool(filler.type == "constant")


def head_filler() -> Any:
    """How the weights of a fresh classifier start: small, so that the first loss is ln(classes)."""
    return FillerParameter(type="gaussian", std=0.01)
