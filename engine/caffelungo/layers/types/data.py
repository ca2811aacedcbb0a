"""Data."""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.layers.base import Arity, Shape
from caffelungo.layers.data_layers import StoredPictures
from caffelungo.layers.registry import register


@register
class Data(StoredPictures):
    """Pictures (and labels, when there is a second top) from a database, in its order, or
    (`lungo { data { class_balanced: true } }`) at random with every class equally often.

    Tops: batch x C x H x W, cropped to crop_size if that is given; batch.
    Caffe: DataLayer.
    """

    type = "Data"
    tops = Arity(1, 2)
    options_field = "data_param"
    bvlc = True

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        resized = self.param.transform_param.lungo
        plane = (self.size_after_crop(resized.resize_height), self.size_after_crop(resized.resize_width))
        data: Shape = (self.batch_size, None, *plane)
        return [data, (self.batch_size,)][: len(self.param.top)]
