"""In which precision a layer computes: sums and losses in float32 at least, element-wise work in its bottom's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def full(x: Tensor) -> Tensor:
    """``x`` in float32 when it came in half precision, for sums that would lose digits."""
    return x.float() if x.dtype.itemsize < 4 else x


def like(blob: Tensor, x: Tensor) -> Tensor:
    """``blob`` in the precision of ``x``, so that a float32 parameter does not widen activations under autocast."""
    return blob.to(x.dtype)
