"""Pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers import pools
from caffelungo.layers.base import Arity, Layer, Shape, State, shape_text
from caffelungo.layers.registry import register
from caffelungo.layers.shapes import per_sample
from caffelungo.wording import counted

if TYPE_CHECKING:
    from torch import Tensor, nn


@register
class Pooling(Layer):
    """Maximum or mean over windows: top = ceil((size + 2 pad - kernel) / stride) + 1 on each axis.

    Bottom: N x C x H x W. Round_mode FLOOR rounds down. When any pad is given, a last window that would start in the
    padding is left out. MAX takes the first of equal maxima; its second top, if there is one, holds their indices
    h * W + w (no gradient). AVE divides by the part of the window inside the padded input: padding counts.
    A window that reaches beyond the padded plane by less than the stride sees what is there.
    Where stride exceeds kernel a last window may hold no input: MAX gives -FLT_MAX there and AVE 0 (Caffe: 0 / 0).
    `global_pooling` takes the whole plane.
    Caffe: PoolingLayer.
    """

    type = "Pooling"
    tops = Arity(1, 2)
    options_field = "pooling_param"
    overwritable = True
    passes_on = True
    channels_apart = True
    weights_depend_on = ("mean", "whole", "kernel", "stride", "pad", "ceil")
    bvlc = True

    def setup(self) -> None:
        options = self.options
        self.mean = options.pool == options.AVE
        self.ceil = options.round_mode == options.CEIL
        self.whole = bool(options.global_pooling)
        self.indices = len(self.param.top) > 1
        if options.pool == options.STOCHASTIC:
            raise self.fail(
                "STOCHASTIC pooling is not offered", received="pool: STOCHASTIC", remedy="use MAX or AVE", path="pool"
            )
        if self.indices and self.mean:
            raise self.fail(
                "only MAX pooling has a second top (the indices of the maxima)",
                received=f"pool: AVE, {counted(len(self.param.top), 'top')}",
                remedy="remove the second `top:` line, or use MAX",
                path="pool",
            )
        self.pad = self._pair("pad", 0)
        self.stride = self._pair("stride", 1)
        if self.whole:
            self._check_whole()
            self.kernel = (0, 0)
            return
        self.kernel = self._pair("kernel_size", 0)
        if min(self.kernel) < 1:
            raise self.fail(
                "the kernel size is missing",
                remedy="add `kernel_size:`, or `global_pooling: true` for the whole plane",
            )
        if any(pad >= kernel for pad, kernel in zip(self.pad, self.kernel, strict=True)):
            raise self.fail(
                "the pad must be smaller than the kernel",
                received=f"pad {shape_text(self.pad)}, kernel {shape_text(self.kernel)}",
                remedy="use a smaller pad",
                path=self._written("pad")[0],
            )

    def _written(self, name: str) -> list[str]:
        short = name.removesuffix("_size")
        return [field for field in (name, f"{short}_h", f"{short}_w") if self.options.HasField(field)]

    def _pair(self, name: str, default: int) -> tuple[int, int]:
        short, written = name.removesuffix("_size"), self._written(name)
        if name in written and len(written) > 1:
            raise self.fail(
                f"both `{name}` and `{written[1]}` are given",
                received=", ".join(f"{field}: {getattr(self.options, field)}" for field in written),
                remedy=f"keep `{name}`, or `{short}_h` and `{short}_w`",
                path=written[1],
            )
        if name in written or not written:
            value = int(getattr(self.options, name)) if written else default
            return value, value
        if len(written) == 1 and name != "pad":
            raise self.fail(
                f"`{short}_h` and `{short}_w` must be given together",
                received=f"{written[0]}: {getattr(self.options, written[0])}",
                remedy="add the other one",
                path=written[0],
            )
        return int(getattr(self.options, f"{short}_h")), int(getattr(self.options, f"{short}_w"))

    def _check_whole(self) -> None:
        written = self._written("kernel_size")
        if written:
            raise self.fail(
                "global_pooling covers the whole plane, so no kernel size may be given",
                received=f"global_pooling: true, {written[0]}: {getattr(self.options, written[0])}",
                remedy=f"remove `{written[0]}` or `global_pooling`",
                path=written[0],
            )
        if self.pad != (0, 0) or self.stride != (1, 1):
            raise self.fail(
                "global_pooling needs pad 0 and stride 1",
                received=f"pad {shape_text(self.pad)}, stride {shape_text(self.stride)}",
                remedy="remove `pad` and `stride`",
                path="global_pooling",
            )

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        shape = bottoms[0]
        if len(shape) != 4:
            raise self.fail(
                "the bottom must have 4 axes (batch, channels, height, width)",
                received=f"bottom {shape_text(shape)}",
                remedy="use Reshape before, or Reduction for another kind of sum",
            )
        plane: Shape = (1, 1)
        if not self.whole:
            window = (self.kernel, self.stride, self.pad, self.ceil)
            plane = tuple(
                None if size is None else pools.pooled(size, axis, *window) for axis, size in enumerate(shape[2:])
            )
        if 0 in plane:
            raise self.fail(
                "impossible shape: the kernel is larger than the padded input",
                received=f"bottom {shape_text(shape)}, kernel {shape_text(self.kernel)}, pad {shape_text(self.pad)}",
                remedy=f"use a larger bottom ({self._least()}), a smaller kernel, or `global_pooling: true`",
                path=(self._written("kernel_size") or [""])[0],
            )
        return [(shape[0], shape[1], *plane)] * (2 if self.indices else 1)

    def _least(self) -> str:
        """The smallest plane that holds a window."""
        reach = [step - 1 if self.ceil else 0 for step in self.stride]
        sides = zip(self.kernel, reach, self.pad, strict=True)
        return f"at least {shape_text(tuple(max(kernel - more - 2 * pad, 1) for kernel, more, pad in sides))}"

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return True

    def never_negative(self, bottoms: bool) -> bool:
        return bottoms

    def operations(self, bottoms: Sequence[Shape], tops: Sequence[Shape | None], blobs: Sequence[Shape]) -> int | None:
        if self.whole:
            return per_sample(bottoms[0])
        sizes = [size or 1 for size in bottoms[0][2:]]
        seen = zip(self.kernel, sizes, self.pad, strict=True)
        return (per_sample(tops[0]) or 0) * math.prod(min(kernel, size + 2 * pad) for kernel, size, pad in seen)

    def caption(self, blobs: Sequence[Shape]) -> str:
        name = "AVE" if self.mean else "MAX"
        return f"{name}, whole" if self.whole else f"{name} {self.options.kernel_size or ''}".rstrip()

    def free_size_problem(self) -> str:
        axes = list(zip(self.kernel, self.stride, self.pad, strict=True))
        if self.indices:
            return "a second top holds indices into planes of one size"
        if self.whole or not self.ceil or all(s + p <= k for k, s, p in axes):
            return ""
        if any(self.pad) and not self.mean:
            return ""  # the operator's own ceil_mode leaves out windows that start in the padding, as Caffe does
        return ", ".join(f"kernel {k}, stride {s}, pad {p}" for k, s, p in axes)

    def onnx(
        self, bottoms: Sequence[Shape], tops: Sequence[Shape], blobs: Sequence[Tensor], free: bool = False
    ) -> nn.Module | None:
        from caffelungo.layers import onnx_forms

        if free:
            return onnx_forms.free_pool(self, tops[0])
        if self.indices:
            return None
        bottom, top = onnx_forms.sizes(bottoms[0]), onnx_forms.sizes(tops[0])
        kernel = bottom[1:] if self.whole else self.kernel
        return onnx_forms.pool(bottom, top, kernel, self.stride, self.pad, self.mean)

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        x = bottoms[0]
        if self.whole and self.mean:
            return [x.mean((2, 3), keepdim=True)]
        kernel = (x.shape[2], x.shape[3]) if self.whole else self.kernel
        return pools.pool(x, kernel, self.stride, self.pad, mean=self.mean, ceil=self.ceil, indices=self.indices)
