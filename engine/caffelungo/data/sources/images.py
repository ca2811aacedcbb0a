"""ImageData: pictures of a list, or of a folder with one sub-folder per class (Caffe: ImageDataLayer)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import target_rows
from caffelungo.data.class_balanced_order import class_balanced
from caffelungo.data.data_transformer import PictureDataSource
from caffelungo.data.decode import decode
from caffelungo.data.image_list import ImageList, read_list
from caffelungo.data.picture_pairs import read_pairs, reads_pairs
from caffelungo.data.sample_order import SampleOrder
from caffelungo.data.source import Opening, SampleBatch, stacked
from caffelungo.definition.schema import TRAIN
from caffelungo.errors import Location, Problem, UserError

IN_MEMORY = 256 << 20
"""Decoded pictures are kept up to this many bytes, in each process."""


class ImageSource(PictureDataSource):
    """Top 0 is the picture, top 1 its label, or its row of label_size numbers.

    Shuffled in TRAIN unless the layer says otherwise or ``caffe`` is on.
    """

    def __init__(self, param: Any, opening: Opening) -> None:
        super().__init__(param, opening)
        options = param.image_data_param
        self.pairs = reads_pairs(param)
        self.pictures = opening.pictures or self._read(param)
        for text in self.pictures.notices:
            self.notice(text)
        self.color = bool(options.is_color)
        if options.new_height or options.new_width:
            self.set_resize(int(options.new_height), int(options.new_width))
        self.size = len(self.pictures) // (1 + self.pairs)
        self.order = class_balanced(self, lambda: self.pictures.labels, options) or SampleOrder(
            self.size, options.batch_size or 1, seed=opening.seed, shuffle=self._shuffles(options),
            skip=options.rand_skip, once=opening.once,
        )  # fmt: skip
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._room = IN_MEMORY
        first = self.picture(opening.first)
        self.settle(*first.shape, source=f"picture {self.pictures.path(opening.first)}")
        if self.pictures.label_size and len(self.shapes) > 1:
            self.shapes[1] = (self.shapes[0][0], self.pictures.label_size)
        if self.pairs:
            self.shapes[0] = (2 * self.shapes[0][0], *self.shapes[0][1:])
        self.ahead = True
        self.heavy = first.nbytes * self.size > IN_MEMORY

    def _read(self, param: Any) -> ImageList:
        options, opening = param.image_data_param, self.opening
        if self.pairs:
            return read_pairs(
                options.source, options.root_folder, beside=opening.beside, where=opening.at("source")
            )  # fmt: skip
        return read_list(
            options.source, options.root_folder, beside=opening.beside, where=opening.at("source"),
            label_size=target_rows.label_size(param),
        )  # fmt: skip

    def _shuffles(self, options: Any) -> bool:
        opening = self.opening
        if opening.once:
            return False
        if opening.shuffle is not None:
            return opening.shuffle
        if options.HasField("shuffle") or opening.phase != TRAIN or opening.caffe:
            return bool(options.shuffle)
        self.notice("pictures are reshuffled each epoch; write `shuffle: false` to keep the order of the list")
        return True

    def keep(self, pictures: NDArray[np.uint8]) -> None:
        """Take the decoded and resized pictures (N x H x W x C, in the list's order) from ``pictures``."""
        self._kept = {index: image.transpose(2, 0, 1) for index, image in enumerate(pictures)}
        self._room, self.heavy = 0, False

    def once(self) -> ImageSource:
        """The same pictures in the list's order, gone through a single time: uncut by chance and unmirrored."""
        source = ImageSource(self.param, replace(self.opening, once=True))
        source._kept = self._kept
        return source

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Picture ``index`` decoded and resized, as a C x H x W view of H x W x C."""
        known = self._kept.get(index)
        if known is not None:
            return known
        path = self.pictures.path(index)
        try:
            image = self.resized(decode(path, color=self.color)).transpose(2, 0, 1)
        except UserError as error:
            first = error.problems[0]
            raise UserError(
                Problem(first.what, self.pictures.where(index), f"{path}: {first.received}", first.remedy)
            ) from error
        if image.nbytes <= self._room:
            self._room -= image.nbytes
            self._kept[index] = image
        return image

    def sample(self, index: int) -> NDArray[np.uint8]:
        return self.picture(index)

    def batch(self, k: int) -> SampleBatch:
        assert self.order is not None
        epoch, index = self.order.samples(k)
        if self.pairs:  # the first pictures of all pairs, then the second
            epoch, index = np.concatenate([epoch, epoch]), np.concatenate([2 * index, 2 * index + 1])
        samples = [self.picture(int(i)) for i in index]
        return self.placed(samples, epoch, index, self.targets(index), self.pictures.where)

    def targets(self, index: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """What top 1 holds of the pictures ``index``: labels, or rows of numbers; None where there is no such top."""
        if len(self.names) < 2:
            return None
        if self.pictures.targets is not None:
            return self.pictures.targets[index]
        if self.pairs:
            index = index[: len(index) // 2]
        return stacked(self.pictures.labels[index] + int(self.extras.label_offset))

    def labels(self) -> NDArray[np.int64] | None:
        return None if self.pictures.targets is not None else self.pictures.labels + int(self.extras.label_offset)

    def blocks(self, top: int) -> Iterator[tuple[int, NDArray[Any]]]:
        if top == 1 and self.pictures.targets is not None:
            yield 0, self.pictures.targets
        else:
            yield from super().blocks(top)

    def place(self, index: int) -> Location:
        return self.pictures.where(index)
