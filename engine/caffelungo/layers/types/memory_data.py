"""MemoryData."""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.layers.base import Arity, Shape
from caffelungo.layers.data_layers import PictureSource
from caffelungo.layers.registry import register


@register
class MemoryData(PictureSource):
    """Arrays that the caller hands over, in batches.

    Tops: batch x channels x height x width; batch.
    Caffe: MemoryDataLayer.
    """

    type = "MemoryData"
    tops = Arity(2)
    options_field = "memory_data_param"
    bvlc = True

    def setup(self) -> None:
        super().setup()
        for name in ("channels", "height", "width"):
            if getattr(self.options, name) < 1:
                raise self.fail(f"`{name}` is missing", remedy=f"add `{name}:` with the size of that axis")

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        options = self.options
        return [(self.batch_size, int(options.channels), int(options.height), int(options.width)), (self.batch_size,)]
