"""A batch that memory does not hold, divided: batch_size falls, iter_size rises, the effective batch stays. No torch.

Caffe sums the gradients of iter_size batches before each update and divides by their number.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from caffelungo.definition.filter import included
from caffelungo.plan.plan import Plan
from caffelungo.solve.net_text import NetText


def _batches(message: Any, state: Any) -> Iterator[Any]:
    """The parameters with a batch_size of the layers of ``state`` that make data."""
    for layer in message.layer:
        if layer.bottom or not included(layer, state):
            continue
        for field, value in layer.ListFields():
            if field.message_type is not None and hasattr(value, "batch_size") and value.batch_size:
                yield value


def divisors(text: NetText, state: Any) -> list[int]:
    """By what all batch sizes of ``text`` in ``state`` can be divided, from 2 on."""
    common = math.gcd(*(int(one.batch_size) for one in _batches(text.message, state)))
    return [parts for parts in range(2, common + 1) if common % parts == 0]


def divided(text: NetText, state: Any, parts: int) -> NetText:
    """``text`` with batches of ``state`` that are ``parts`` times smaller."""
    if parts == 1:
        return text
    message = type(text.message)()
    message.CopyFrom(text.message)
    for one in _batches(message, state):
        one.batch_size //= parts
    return replace(text, message=message)


def parts_for(divisors: Sequence[int], batch: int, fits: int) -> int | None:
    """The least of ``divisors`` that makes batches of at most ``fits`` samples, else the largest; None without any."""
    enough = [parts for parts in divisors if batch // parts <= fits]
    return enough[0] if enough else divisors[-1] if divisors else None


def free() -> None:
    """Give back the memory of what is not used any more."""
    gc.collect()
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def sees_batches(plan: Plan) -> bool:
    """Whether a layer of ``plan`` computes statistics of the batch it is given."""
    return any(
        planned.layer.type == "BatchNorm" and not planned.layer.param.batch_norm_param.use_global_stats
        for planned in plan.layers
    )
