"""ImageData."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from caffelungo.bounds import Bounds
from caffelungo.layers.base import Arity, LayerError, Option, Shape
from caffelungo.layers.data_layers import StoredPictures
from caffelungo.layers.registry import register


@register
class ImageData(StoredPictures):
    """Picture files and labels, from a list of lines `path label` or a folder with one sub-folder a class.

    Tops: batch x (3, or 1 when is_color is false) x H x W, resized to new_height x new_width if given, cropped to
    crop_size if given; batch. `lungo { image_data { class_balanced: true } }` draws every class equally often. With
    `label_size: K` each line of the list ends with K numbers, and top 1 is batch x K: several labels of each picture
    (1, 0; -1 unknown), or values to predict. With `pairs: true` each line of the list is `path path 0|1`, and top 0 is
    2 batch x ...: the first pictures of all pairs, then the second ones, as a Slice with `axis: 0` parts what a net
    makes of them.
    Caffe: ImageDataLayer; label_size: as in jolibrain's.
    """

    type = "ImageData"
    tops = Arity(2)
    options_field = "image_data_param"
    bvlc = True
    own_options = (
        *StoredPictures.own_options,
        Option("label_size", 0, "Numbers at the end of each line, in place of one label.", Bounds(0, 10_000)),
        Option("pairs", False, "Each line names two pictures and says whether they belong together (1) or not (0)."),
    )

    def mistakes(self) -> Iterator[LayerError]:
        yield from super().mistakes()
        if self.own.class_balanced and self.options.HasField("shuffle") and not self.options.shuffle:
            yield self.fail(
                "class_balanced draws pictures at random, and `shuffle: false` asks for the order of the list",
                received="class_balanced: true, shuffle: false",
                remedy="remove `shuffle`, or `class_balanced`",
                path="class_balanced",
            )
        yield from self.row_mistakes()
        yield from self.pair_mistakes()
        height, width = int(self.options.new_height), int(self.options.new_width)
        if bool(height) != bool(width):
            yield self.fail(
                "`new_height` and `new_width` must be given together",
                received=f"new_height: {height}, new_width: {width}",
                remedy="give both, or neither",
                path="new_height" if height else "new_width",
            )
        elif self.crop and height and self.crop > min(height, width):
            yield self.fail(
                f"crop_size {self.crop} is larger than the resized picture",
                received=f"new_height: {height}, new_width: {width}",
                remedy=f"use a crop_size of at most {min(height, width)}",
                path="new_height" if height <= width else "new_width",
            )

    def row_mistakes(self) -> Iterator[LayerError]:
        """What makes no sense where pictures have rows of numbers."""
        size = int(self.own.label_size)
        if size and self.own.class_balanced:
            yield self.fail(
                "class_balanced needs pictures with one label",
                received=f"class_balanced: true, label_size: {size}",
                remedy="remove `class_balanced`",
                path="class_balanced",
            )
        if size and self.param.transform_param.lungo.label_offset:
            yield LayerError(
                "label_offset is for pictures with one label",
                f"label_offset: {self.param.transform_param.lungo.label_offset}, label_size: {size}",
                "remove `label_offset`",
                ("transform_param", "lungo", "label_offset"),
            )

    def pair_mistakes(self) -> Iterator[LayerError]:
        """What makes no sense where lines are pairs of pictures."""
        for name in ("class_balanced", "label_size"):
            if self.own.pairs and getattr(self.own, name):
                yield self.fail(
                    f"{name} is not for pairs of pictures",
                    received=f"pairs: true, {name}: {getattr(self.own, name)}",
                    remedy=f"remove `{name}` or `pairs`",
                    path=name,
                )

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        options = self.options
        plane = (self.size_after_crop(options.new_height), self.size_after_crop(options.new_width))
        targets = (int(self.own.label_size),) if self.own.label_size else ()
        pictures = 2 * self.batch_size if self.own.pairs else self.batch_size
        return [(pictures, 3 if options.is_color else 1, *plane), (self.batch_size, *targets)]
