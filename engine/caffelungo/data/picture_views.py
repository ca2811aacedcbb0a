"""Several views of each picture in place of one: ten crops as in Caffe, or the picture and its mirror image.

Ten crops are the four corners and the centre, and these mirrored (Caffe: caffe.io.oversample).
"""

from __future__ import annotations

import numpy as np

from caffelungo.data.source import SampleBatch
from caffelungo.data.sources.images import ImageSource
from caffelungo.errors import UserError

CROPS = 10


class TenCrops(ImageSource):
    """Serves ``CROPS`` pictures of crop_size in a row for each sample; labels stay one per sample.

    A batch of N samples has 10 N pictures. UserError for a layer without crop_size.
    """

    views = CROPS

    @classmethod
    def of(cls, source: ImageSource) -> TenCrops:
        """The samples of ``source``, opened again."""
        if not source.crop:
            raise UserError(
                f"layer `{source.name}` uses the whole picture, so there is nothing to crop",
                where=source.opening.where,
                received="--crops 10 without crop_size",
                remedy="remove --crops, or set a crop_size smaller than the picture",
            )
        if source.resize == (source.crop, source.crop):
            raise UserError(
                f"layer `{source.name}` resizes pictures to the crop size, so all crops are the same",
                where=source.opening.where,
                received=f"--crops 10 of {source.crop} x {source.crop} pixels out of as many",
                remedy="remove --crops, or set a larger new_height and new_width",
            )
        return cls(source.param, source.opening)

    def batch(self, k: int) -> SampleBatch:
        assert self.order is not None
        epoch, index = self.order.samples(k)
        crop = self.crop
        crops = []
        for number in index:
            sample = self.picture(int(number))
            spare = sample.shape[1] - crop, sample.shape[2] - crop
            if min(spare) < 0:  # let the check of a single crop say what is wrong
                self.placed([sample], epoch[:1], np.array([number]), None, self.pictures.where)
            places = [(row, column) for row in (0, spare[0]) for column in (0, spare[1])]
            places.append((spare[0] // 2, spare[1] // 2))
            parts = [sample[:, row : row + crop, column : column + crop] for row, column in places]
            crops += [*parts, *(part[:, :, ::-1] for part in parts)]
        again = np.repeat(epoch, CROPS), np.repeat(index, CROPS)
        return self.placed(crops, *again, self.targets(index), self.pictures.where)


class Mirrored(ImageSource):
    """Serves each sample, and behind it its mirror image; labels stay one per sample."""

    views = 2

    @classmethod
    def of(cls, source: ImageSource) -> Mirrored:
        """The samples of ``source``, opened again."""
        return cls(source.param, source.opening)

    def batch(self, k: int) -> SampleBatch:
        assert self.order is not None
        epoch, index = self.order.samples(k)
        samples = [self.picture(int(number)) for number in index]
        both = [part for sample in samples for part in (sample, sample[:, :, ::-1])]
        again = np.repeat(epoch, 2), np.repeat(index, 2)
        return self.placed(both, *again, self.targets(index), self.pictures.where)
