"""Input."""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.layers.base import Shape, Source
from caffelungo.layers.registry import register
from caffelungo.wording import counted


@register
class Input(Source):
    """Blobs that the caller fills. `shape` is given once for all tops, or once a top; without it they are unknown.

    Caffe: InputLayer.
    """

    type = "Input"
    options_field = "input_param"
    bvlc = True

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape | None]:
        given, tops = self.options.shape, len(self.param.top)
        if len(given) not in (0, 1, tops):
            raise self.fail(
                "give one `shape` for all tops, or one for each",
                received=f"{counted(len(given), 'shape')} for {counted(tops, 'top')}",
                remedy=f"write 1 or {tops} `shape {{ dim: ... }}` blocks",
                path="shape",
            )
        if not given:
            return [None] * tops
        shapes: list[Shape] = [tuple(shape.dim) for shape in given]
        return shapes * tops if len(shapes) == 1 else shapes
