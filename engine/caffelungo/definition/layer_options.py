"""Options that a layer type declares itself: fields that the schema does not have, typed and documented like its own.

class HardSigmoid(Neuron):                            layer { name: "h" type: "HardSigmoid" bottom: "x" top: "h"
    own_options = (Option("alpha", 0.2, "Slope."),)       lungo { hard_sigmoid { alpha: 0.3 } } }

``option_blocks`` has the mechanism, which augmentations share.
"""

from __future__ import annotations

from caffelungo.definition.option_blocks import FILLER as FILLER
from caffelungo.definition.option_blocks import LAYERS, Option
from caffelungo.definition.option_blocks import OptionBlock as OptionBlock
from caffelungo.definition.option_blocks import key as key

__all__ = ["EXTRAS", "FILLER", "PACKAGE", "Option", "OptionBlock", "declare", "declared", "key", "load", "value"]

EXTRAS = LAYERS.holder
"""The message that declared options hang in."""
PACKAGE = LAYERS.package

load = LAYERS.load
declare = LAYERS.declare
declared = LAYERS.declared
value = LAYERS.value
