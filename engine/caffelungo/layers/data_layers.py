"""Checks that data layers share: batch size, crop, mean.

Caffe: BaseDataLayer, DataTransformer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from caffelungo.layers.base import LayerError, Option, Source


class PictureSource(Source):
    """A source of pictures and labels, transformed as `transform_param` says."""

    more_options = ("transform_param",)

    def setup(self) -> None:
        self.batch_size = int(self.options.batch_size)
        self.crop = int(self.param.transform_param.crop_size)
        LayerError.raise_all(list(self.mistakes()))

    def mistakes(self) -> Iterator[LayerError]:
        """Everything that its text alone says wrong."""
        transform = self.param.transform_param
        if self.batch_size < 1:
            yield self.fail(
                "`batch_size` is missing", remedy="add `batch_size:` with the number of samples of one batch"
            )
        if transform.mean_file and transform.mean_value:
            yield LayerError(
                "both `mean_file` and `mean_value` are given",
                f"mean_file: {transform.mean_file}, {len(transform.mean_value)} mean_value",
                "keep one of them",
                ("transform_param", "mean_file"),
            )
        if transform.force_color and transform.force_gray:
            yield LayerError(
                "both `force_color` and `force_gray` are set",
                None,
                "keep one of them",
                ("transform_param", "force_gray"),
            )


class StoredPictures(PictureSource):
    """Those in files that `source` names, which can be drawn in any order."""

    own_options: ClassVar[tuple[Option, ...]] = (
        Option("class_balanced", False, "Draw every class equally often in training, however many samples it has."),
    )

    def mistakes(self) -> Iterator[LayerError]:
        yield from super().mistakes()
        if self.own.class_balanced and not self.training:
            yield self.fail(
                "classes are drawn equally often in training only: a test counts every sample once",
                received="class_balanced: true in phase TEST",
                remedy="write it in a data layer with `include { phase: TRAIN }`",
                path="class_balanced",
            )
        if not self.options.source:
            yield self.fail("`source` is missing", remedy='add `source: "..."` with the path of the data')

    def size_after_crop(self, size: int) -> int | None:
        """A picture's size in the blob when the file says ``size`` (0: only the data tell)."""
        return self.crop or size or None
