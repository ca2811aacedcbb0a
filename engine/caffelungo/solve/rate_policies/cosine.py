"""The rate falls along half a cosine (Loshchilov and Hutter 2017, without restarts)."""

from __future__ import annotations

import math
from typing import Any

from caffelungo.solve.rate_policy import REACHES_ITS_END, RateState, f32, register


@register("cosine", needs=(REACHES_ITS_END,))
def cosine(_: RateState, s: Any, i: int) -> Any:
    """Half a cosine from ``base_lr`` to ``lungo { cosine_floor }`` of it, which is reached at ``max_iter``."""
    floor = s.lungo.cosine_floor
    share = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1, i / s.max_iter)))
    return f32(s.base_lr * share)
