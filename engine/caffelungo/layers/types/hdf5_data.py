"""HDF5Data."""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.layers.base import LayerError, Shape, Source
from caffelungo.layers.registry import register


@register
class HDF5Data(Source):
    """Rows of HDF5 datasets that bear the tops' names; `source` lists the files, one a line.

    Tops: batch x the dataset's other axes. No transform_param.
    Caffe: HDF5DataLayer.
    """

    type = "HDF5Data"
    options_field = "hdf5_data_param"
    bvlc = True

    def setup(self) -> None:
        self.batch_size = int(self.options.batch_size)
        if not self.options.source:
            raise self.fail("`source` is missing", remedy='add `source: "..."`: a text file that lists HDF5 files')
        if self.batch_size < 1:
            raise self.fail("`batch_size` is missing", remedy="add `batch_size:` with the number of rows of one batch")
        if self.param.HasField("transform_param"):
            raise LayerError(
                "HDF5Data does not transform its data",
                "transform_param",
                "remove the block, and store the values as the net should read them",
                ("transform_param",),
            )

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape | None]:
        return [None] * len(self.param.top)
