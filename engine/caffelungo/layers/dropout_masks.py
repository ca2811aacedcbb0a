"""Random masks on the CPU, several times faster than torch's own dropout. Imports torch: import it from ``compute``.

torch draws one number of its serial generator for each value. One 64-bit draw gives four values here, each kept with a
probability that is rounded to 1/65536.
"""

from __future__ import annotations

import torch
from torch import Tensor

LANES = 1 << 16


def fits(x: Tensor) -> bool:
    """Whether ``x`` can be masked by ``drop``: on the CPU, dense in memory, and run as it is written."""
    dense = x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last))
    return dense and x.device.type == "cpu" and not torch.compiler.is_compiling()


def drop(x: Tensor, ratio: float) -> Tensor:
    """``x`` with each value 0 with probability ``ratio``, else divided by 1 - ratio; draws from torch's generator."""
    count, keep = x.numel(), 1 - ratio
    words = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    lanes = words.view(torch.int16)[:count]
    limit = min(round(keep * LANES), LANES - 1) - LANES // 2
    mask = (lanes < limit).to(x.dtype).mul_(1 / keep)
    return x * mask.as_strided(x.shape, x.stride())
