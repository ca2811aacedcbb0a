"""SPP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers import pools
from caffelungo.layers.base import Layer, Shape, State, shape_text
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor, nn


@register
class SPP(Layer):
    """Spatial pyramid pooling: the plane pooled in 1, 4, 16 ... windows, one level after the other, in one vector.

    Level l has 2^l windows a side, ceil(size / 2^l) large, the padding laid around evenly.
    Bottom: N x C x H x W. Top: N x C (4^pyramid_height - 1) / 3; N x C x 1 x 1 for a pyramid_height of 1.
    Caffe: SPPLayer; He et al. 2014.
    """

    type = "SPP"
    options_field = "spp_param"
    fixed_sizes = True
    bvlc = True

    def setup(self) -> None:
        options = self.options
        self.levels, self.mean = int(options.pyramid_height), options.pool == options.AVE
        if self.levels < 1:
            raise self.fail("`pyramid_height` is missing", remedy="add `pyramid_height:`")
        if options.pool == options.STOCHASTIC:
            received = "pool: STOCHASTIC"
            raise self.fail(
                "STOCHASTIC pooling is not offered", received=received, remedy="use MAX or AVE", path="pool"
            )

    def window(self, level: int, height: int, width: int) -> tuple[pools.Pair, pools.Pair]:
        """Kernel (which is the stride too) and pad of ``level`` on a plane of ``height`` x ``width``."""
        bins = 2**level
        kernel = (-(-height // bins), -(-width // bins))
        return kernel, ((kernel[0] * bins - height + 1) // 2, (kernel[1] * bins - width + 1) // 2)

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        shape = bottoms[0]
        if len(shape) != 4:
            raise self.fail(
                "the bottom must have 4 axes (batch, channels, height, width)",
                received=f"bottom {shape_text(shape)}",
                remedy="use Reshape before",
            )
        if self.levels == 1:
            return [(*shape[:2], 1, 1)]
        total: int | None = None if shape[2] is None or shape[3] is None else 0
        for level in range(self.levels):
            if shape[2] is None or shape[3] is None or total is None:
                break
            kernel, pad = self.window(level, shape[2], shape[3])
            if any(rows >= size for rows, size in zip(pad, kernel, strict=True)):
                raise self.fail(
                    f"the plane is too small for level {level} of the pyramid ({2**level} windows per side)",
                    received=f"bottom {shape_text(shape)}",
                    remedy=f"use a pyramid_height of {level}, or a larger input",
                    path="pyramid_height",
                )
            total += pools.pooled(shape[2], 0, kernel, kernel, pad) * pools.pooled(shape[3], 1, kernel, kernel, pad)
        return [(shape[0], None if shape[1] is None or total is None else shape[1] * total)]

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return True

    def onnx(
        self, bottoms: Sequence[Shape], tops: Sequence[Shape], blobs: Sequence[Tensor], free: bool = False
    ) -> nn.Module:
        from caffelungo.layers import onnx_forms

        bottom = onnx_forms.sizes(bottoms[0])
        found = []
        for level in range(self.levels):
            kernel, pad = self.window(level, *bottom[1:])
            out = [pools.pooled(size, axis, kernel, kernel, pad) for axis, size in enumerate(bottom[1:])]
            found.append(onnx_forms.pool(bottom, (bottom[0], *out), kernel, kernel, pad, self.mean))
        return found[0] if self.levels == 1 else onnx_forms.Pyramid(found)

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch

        x, parts = bottoms[0], []
        for level in range(self.levels):
            kernel, pad = self.window(level, x.shape[2], x.shape[3])
            parts.append(pools.pool(x, kernel, kernel, pad, mean=self.mean)[0])
        return [parts[0] if self.levels == 1 else torch.cat([part.flatten(1) for part in parts], 1)]
