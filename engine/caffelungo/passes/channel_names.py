"""What the channels of pictures are called.

1 -> grey          3 -> blue, green, red (red, green, blue by channel_order)          others -> by their number
"""

from __future__ import annotations

from typing import Any

from caffelungo.definition.schema import Preprocessing
from caffelungo.wording import counted


def named(count: int | None, rgb: bool = False) -> str:
    """The names of ``count`` channels in their order. ``count`` None: not known, and taken for 3."""
    if count == 1:
        return "grey"
    if count in (3, None):
        return "red, green, blue" if rgb else "blue, green, red"
    return f"{counted(count, 'channel')} in the order of the data"


def described(layer: Any, count: int | None) -> str:
    """The ``count`` channels (None: not known) that a data layer, a LayerParameter, gives, as part of a sentence."""
    if count is None and (layer.transform_param.force_gray or not layer.image_data_param.is_color):
        count = 1
    rgb = layer.transform_param.lungo.channel_order == Preprocessing.RGB
    names = named(count, rgb)
    return {1: f"in {names}", 3: f"channels {names}", None: f"channels {names}"}.get(count, names)
