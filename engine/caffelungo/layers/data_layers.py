"""Checks that data layers share: batch size, crop, mean.

Caffe: BaseDataLayer, DataTransformer.
"""

from __future__ import annotations

from caffelungo.layers.base import LayerError, Source


class PictureSource(Source):
    """A source of pictures and labels, transformed as `transform_param` says."""

    more_options = ("transform_param",)

    def setup(self) -> None:
        transform = self.param.transform_param
        self.batch_size = int(self.options.batch_size)
        self.crop = int(transform.crop_size)
        if self.batch_size < 1:
            raise self.fail(
                "`batch_size` is missing", remedy="add `batch_size:` with the number of samples of one batch"
            )
        if transform.mean_file and transform.mean_value:
            raise LayerError(
                "both `mean_file` and `mean_value` are given",
                f"mean_file: {transform.mean_file}, {len(transform.mean_value)} mean_value",
                "keep one of them",
                ("transform_param", "mean_file"),
            )
        if transform.force_color and transform.force_gray:
            raise LayerError(
                "both `force_color` and `force_gray` are set",
                None,
                "keep one of them",
                ("transform_param", "force_gray"),
            )

    def need_source(self) -> None:
        """LayerError unless `source` is given."""
        if not self.options.source:
            raise self.fail("`source` is missing", remedy='add `source: "..."` with the path of the data')

    def size_after_crop(self, size: int) -> int | None:
        """A picture's size in the blob when the file says ``size`` (0: only the data tell)."""
        return self.crop or size or None
