"""What Convolution and Deconvolution share: their options, their checks and their blobs.

Caffe: BaseConvolutionLayer.
"""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.layers import windows
from caffelungo.layers.base import Arity, BlobSpec, Layer, Shape, shape_text
from caffelungo.layers.windows import Ints
from caffelungo.wording import counted

WINDOW = (("kernel_size", "kernel", None), ("stride", "stride", 1), ("pad", "pad", 0), ("dilation", "", 1))
"""Fields of a window, what their `_h` and `_w` forms begin with, and their defaults."""


class Convolving(Layer):
    """Base of Convolution and Deconvolution. Several bottoms of one shape share the weights, each has its top."""

    bottoms = Arity(1, None)
    tops = Arity(1, None)
    options_field = "convolution_param"
    same_count = True
    overwritable = True

    def setup(self) -> None:
        options = self.options
        self.num_output = int(options.num_output)
        self.group = int(options.group)
        self.channel_axis = int(options.axis)
        self.bias = bool(options.bias_term)
        if self.num_output < 1:
            raise self.fail(
                "`num_output` is missing",
                remedy="add `num_output:` with the number of filters",
            )
        if self.num_output % self.group:
            raise self.fail(
                f"num_output {self.num_output} is not divisible by group {self.group}",
                received=f"num_output: {self.num_output}, group: {self.group}",
                remedy=f"make num_output a multiple of {self.group}, or change group",
                path="group",
            )
        self.read_window()

    def read_window(self) -> None:
        """Kernel, stride, pad and dilation as the file gives them: one value, or one an axis."""
        values = [windows.given(self, name, short, default) for name, short, default in WINDOW]
        for (name, short, _default), value in zip(WINDOW, values, strict=True):
            if name != "pad":
                windows.positive(self, value, name, short)
        self.kernel, self.stride, self.pad, self.dilation = values

    def each_alone(self, bottoms: Sequence[Shape | None]) -> bool:
        return self.channel_axis == 1

    def layout(self, bottoms: Sequence[Shape]) -> tuple[int, int, tuple[Ints, Ints, Ints, Ints]]:
        """The channel axis, the number of spatial axes, and kernel, stride, pad and dilation on each of them."""
        shape = bottoms[0]
        axis = self.axis(self.channel_axis, len(shape))
        axes = len(shape) - axis - 1
        if not 1 <= axes <= 3:
            raise self.fail(
                f"a bottom must have 1 to 3 spatial axes after its channels (axis {axis})",
                received=f"bottom {shape_text(shape)}",
                remedy="use InnerProduct for a bottom without spatial axes" if axes < 1 else "reshape the bottom",
            )
        for other in bottoms[1:]:
            if len(other) != len(shape) or any(a != b for a, b in zip(shape, other, strict=True) if a and b):
                raise self.fail(
                    "all bottoms must have the same shape",
                    received=" and ".join(map(shape_text, bottoms)),
                    remedy="use one layer for each shape, sharing weights by `param { name: }`",
                )
        channels = shape[axis]
        if channels is not None and channels % self.group:
            raise self.fail(
                f"the bottom has {counted(channels, 'channel')}, which group {self.group} does not divide",
                received=f"bottom {shape_text(shape)}, group: {self.group}",
                remedy=f"use a group that divides {channels}",
                path="group",
            )
        values = (self.kernel, self.stride, self.pad, self.dilation)
        kernel, stride, pad, dilation = (
            windows.spread(self, value, axes, name, short)
            for value, (name, short, _default) in zip(values, WINDOW, strict=True)
        )
        return axis, axes, (kernel, stride, pad, dilation)

    def weight_shape(self, channels: int | None, kernel: Ints) -> Shape:
        """Shape of blob 0 for a bottom with ``channels`` channels."""
        raise NotImplementedError

    def size(self, size: int | None, kernel: int, stride: int, pad: int, dilation: int) -> int | None:
        """Size of the top along one axis."""
        raise NotImplementedError

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        axis, _axes, window = self.layout(bottoms)
        tops = []
        for shape in bottoms:
            sizes = tuple(self.size(*parts) for parts in zip(shape[axis + 1 :], *window, strict=True))
            if any(size is not None and size < 1 for size in sizes):
                raise self.fail(
                    "impossible shape: the kernel is larger than the padded input",
                    received=f"bottom {shape_text(shape)}, kernel {shape_text(window[0])}, stride "
                    f"{shape_text(window[1])}, pad {shape_text(window[2])}, dilation {shape_text(window[3])}"
                    f" -> top {shape_text((*shape[:axis], self.num_output, *sizes))}",
                    remedy="use a larger input, a smaller kernel or dilation, or more padding",
                    path=windows.place(self, "kernel_size", "kernel"),
                )
            tops.append((*shape[:axis], self.num_output, *sizes))
        return tops

    def blobs(self, bottoms: Sequence[Shape]) -> Sequence[BlobSpec]:
        axis, _axes, window = self.layout(bottoms)
        weight = BlobSpec("weight", self.weight_shape(bottoms[0][axis], window[0]), self.options.weight_filler)
        bias = BlobSpec("bias", (self.num_output,), self.options.bias_filler)
        return (weight, bias) if self.bias else (weight,)
