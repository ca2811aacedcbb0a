"""Caffe's DataTransformer for a batch: cut, mirrored in the source's process; mean and scale on the device.

Order of steps as in Caffe: resize, [augmentations], crop (TRAIN: anywhere, TEST: centre), mirror (coin, both phases),
mean, scale. A mean picture as large as the uncropped picture is cut where the picture was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import preprocess, random_numbers, transform_options
from caffelungo.data.augment_pictures import Augmentations
from caffelungo.data.resize_pixels import resize
from caffelungo.data.source import DataSource, Opening, SampleBatch, to_device
from caffelungo.data.target_rows import label_size
from caffelungo.definition.schema import TRAIN, Preprocessing, TransformationParameter
from caffelungo.errors import Location, Problem, UserError
from caffelungo.layers.mixed_labels import COLUMNS
from caffelungo.wording import counted

if TYPE_CHECKING:
    from torch import Tensor, device

Array = NDArray[Any]


class PictureDataSource(DataSource):
    """A source whose top 0 is a picture and whose top 1, if there is one, its class label."""

    def __init__(self, param: Any, opening: Opening) -> None:
        super().__init__(param, opening)
        transform = param.transform_param
        self.transform = transform
        self.extras = transform.lungo
        self.crop = int(transform.crop_size)
        self.train = opening.phase == TRAIN and not opening.once
        used = transform if self.train else TransformationParameter()
        self.augmentations = Augmentations(used, opening.at)
        self.set_resize(int(self.extras.resize_height), int(self.extras.resize_width))
        self._mean: Array | None = None
        self._mean_moves = False
        self._device_means: dict[str, Any] = {}

    def set_resize(self, height: int, width: int) -> None:
        """State the size of pictures before the crop; 0 and 0 leave them as they are."""
        self.resize = (height, width)
        if (problem := transform_options.size_problem(self.name, height, width, self.opening.where)) is not None:
            raise UserError(problem)

    @property
    def reverses(self) -> bool:
        """Whether the net wants RGB; pictures are BGR until then."""
        return bool(self.record.channel_order == Preprocessing.RGB)

    def settle(self, channels: int, height: int, width: int, *, source: str, stated: Any = None) -> None:
        """Fix shapes, mean and record once the size of a sample is known (after the resize, before the crop).

        ``stated`` is what a converter said of the pictures; what nobody said is assumed and marked.
        """
        if self.resize[0]:
            height, width = self.resize
        elif self.augmentations.resizes and self.crop:
            height = width = self.crop
        if self.crop and min(height, width) < self.crop:
            raise UserError(
                f"layer `{self.name}`: pictures are smaller than the crop",
                where=self.opening.at("crop_size"),
                received=f"{height}x{width} pixels in {source}, crop_size {self.crop}",
                remedy=f"use a crop_size of at most {min(height, width)}, or resize the pictures to at least "
                f"{self.crop}x{self.crop}",
            )
        out = (self.crop, self.crop) if self.crop else (height, width)
        mean = self._mean_picture(channels, *out)
        self.record, notices = preprocess.record_of(self.param, grey=channels == 1, mean=mean, stated=stated)
        self._mean = preprocess.mean(self.record)
        if mean is not None and mean.shape[1:] != (height, width):
            for text in notices:
                self.notice(text)
        elif mean is not None and self.crop and self.train:
            self._mean, self._mean_moves = mean[::-1] if self.reverses else mean, True
        if self.augmentations.resizes and self.crop and not self.record.resize_height:
            # A net trained on random parts is tested, by custom, on the centre of a picture an eighth larger.
            self.record.resize_shorter = round(self.crop * 8 / 7)
            self.record.assumed.append("resize_shorter")
        batch = self.order.batch_size if self.order else 1
        self._mix(batch)
        label: tuple[int, ...] = (batch, COLUMNS) if self.mixes else (batch,)
        self.shapes = [(batch, channels, *out), label][: max(1, len(self.names))]

    def _mix(self, batch: int) -> None:
        """Whether pictures are mixed in pairs; UserError where they have no label that could be mixed, too."""
        self.mixes = self.augmentations.mixes
        if self.mixes and (len(self.names) < 2 or label_size(self.param)):
            raise UserError(
                f"layer `{self.name}` mixes pictures that have no class label to be mixed",
                where=self.opening.at("lungo"),
                received=self.mixes,
                remedy="remove the augmentation, or give each picture one label",
            )
        if self.mixes and batch == 1:
            self.notice(f"{self.mixes} has no effect: with batch_size 1 there is no other picture to mix with")

    def sample(self, index: int) -> Array:
        """Sample ``index`` of top 0, decoded and resized: C x H x W."""
        raise NotImplementedError

    def blocks(self, top: int) -> Iterator[tuple[int, Array]]:
        """Pictures are maps of labels where they are used so, as long as their values stay what they are."""
        if top:
            yield from super().blocks(top)
        elif self._mean is None and self.transform.scale == 1 and not self.augmentations:
            for index in range(self.size or 0):
                yield index, self.sample(index)[None]

    def _mean_picture(self, channels: int, height: int, width: int) -> Array | None:
        """The picture in mean_file, None without one; UserError when it is no mean of pictures of this size."""
        transform = self.transform
        if problems := transform_options.mean_problems(self.name, transform, channels, self.opening.at):
            raise UserError(problems)
        if not transform.mean_file:
            return None
        mean = preprocess.read_mean(transform.mean_file, self.opening.beside, self.opening.at("mean_file"))
        larger = mean.shape[1] >= height and mean.shape[2] >= width
        if mean.shape[0] == channels and (mean.shape[1:] == (height, width) or (larger and self.crop)):
            return mean
        means = mean.mean(axis=(1, 2), dtype=np.float64)
        remedy = (
            "make the mean of these pictures with `lungo compute_image_mean`, or write one mean per channel, which "
        )
        remedy += f"works at any size: {' '.join(f'mean_value: {value:.4g}' for value in means)}"
        if mean.shape[0] == channels and not self.crop:
            remedy += f"; or resize the pictures to {mean.shape[1]}x{mean.shape[2]} (new_height, resize_height)"
        raise UserError(
            f"layer `{self.name}`: the mean picture does not fit",
            where=self.opening.at("mean_file"),
            received=f"mean {'x'.join(map(str, mean.shape))} for pictures of {channels}x{height}x{width}"
            + ("" if self.crop else ", which are not cropped"),
            remedy=remedy if mean.shape[0] == channels else remedy.partition(", or")[0],
        )

    def placed(
        self, samples: list[Array], epoch: Array, index: Array, labels: Array | None, place: Callable[[int], Location]
    ) -> SampleBatch:
        """The batch of decoded ``samples`` (C x H x W, views allowed), which are number ``index`` of pass ``epoch``.

        The batch keeps the samples' layout in memory. ``place`` says for a message where a sample is.
        """
        if self.augmentations.kinds:
            samples = [self._augmented(s, int(e), int(i), place) for s, e, i in zip(samples, epoch, index, strict=True)]
        first = samples[0]
        height, width = (self.crop, self.crop) if self.crop else first.shape[1:]
        self._check(samples, height, width, index, place)
        out = _empty_like(first, len(samples), height, width)
        heights = np.array([sample.shape[1] for sample in samples])
        widths = np.array([sample.shape[2] for sample in samples])
        rows, columns, mirrored = self._cuts(heights - height, widths - width, epoch, index)
        channel_step = -1 if self.reverses else 1
        for n, sample in enumerate(samples):
            cut = sample[::channel_step, rows[n] : rows[n] + height, columns[n] : columns[n] + width]
            if mirrored[n]:
                for channel in range(len(cut)):  # NumPy turns interleaved pixels round five times faster so
                    out[n, channel] = cut[channel, :, ::-1]
            else:
                out[n] = cut
        crops = None
        if self._mean is not None and self._mean.shape[1] > 1 and (self._mean_moves or mirrored.any()):
            if self._mean_moves:  # a picture of another size than the mean takes the mean's centre
                apart = (heights != self._mean.shape[1]) | (widths != self._mean.shape[2])
                rows = np.where(apart, (self._mean.shape[1] - height) // 2, rows)
                columns = np.where(apart, (self._mean.shape[2] - width) // 2, columns)
            crops = np.stack([rows, columns, mirrored], axis=1)
        first_of_all = int(epoch[0]), int(index[0])
        mixing = self.augmentations.mixing(len(samples), (height, width), self.opening.seed, *first_of_all)
        if labels is not None and mixing is not None:
            labels = mixing.labels(labels)
        return SampleBatch((out,) if labels is None else (out, labels), crops, mixing)

    def _augmented(self, sample: Array, epoch: int, index: int, place: Callable[[int], Location]) -> Array:
        size = (self.crop, self.crop) if self.crop else (self.resize if self.resize[0] else None)
        image = sample.transpose(1, 2, 0)
        if image.dtype != np.uint8:
            raise UserError(
                f"layer `{self.name}` cannot augment float samples",
                where=self.opening.where,
                received=f"samples of {image.dtype}",
                remedy="store pictures as bytes, or remove the augmentation",
            )
        augmented = self.augmentations.apply(image, size, self.opening.seed, epoch, index, str(place(index)))
        return augmented.transpose(2, 0, 1)

    def _cuts(self, spare_rows: Array, spare_columns: Array, epoch: Array, index: Array) -> tuple[Array, Array, Array]:
        """Row and column where each picture is cut, and whether it is mirrored."""
        seed = self.opening.seed
        if self.crop and self.train and (spare_rows.any() or spare_columns.any()):
            rows = random_numbers.below(
                spare_rows + 1, random_numbers.bits(seed, random_numbers.CROP_ROW, epoch, index)
            )
            columns = random_numbers.below(
                spare_columns + 1, random_numbers.bits(seed, random_numbers.CROP_COLUMN, epoch, index)
            )
        else:
            rows, columns = spare_rows // 2, spare_columns // 2
        return rows, columns, self.mirrored(epoch, index)

    @property
    def mirrors(self) -> bool:
        """Whether half of the pictures, by the toss of a coin, are mirrored."""
        return bool(self.transform.mirror) and not self.opening.once

    def mirrored(self, epoch: Array, index: Array) -> Array:
        """1 for each of the samples number ``index`` of pass ``epoch`` that is mirrored, else 0."""
        if not self.mirrors:
            return np.zeros(len(index), np.int64)
        return random_numbers.below(2, random_numbers.bits(self.opening.seed, random_numbers.MIRROR, epoch, index))

    @property
    def repeats(self) -> bool:
        """Whether a sample is the same picture on every pass, but for being mirrored."""
        whole = not self.crop or self.resize == (self.crop, self.crop)
        return not self.augmentations and (whole or not self.train)

    def _check(
        self, samples: list[Array], height: int, width: int, index: Array, place: Callable[[int], Location]
    ) -> None:
        for sample, number in zip(samples, index, strict=True):
            if received := self._unfit(sample.shape, height, width):
                raise UserError(self._misfit(received, place(int(number))))

    def misfit(self, shape: tuple[int, ...], where: Location) -> Problem | None:
        """Why a sample of ``shape`` (C x H x W, resized) cannot go into a batch; None where it can."""
        if self.augmentations.resizes and self.crop:
            return None
        received = self._unfit(shape, *self.shapes[0][2:])
        return self._misfit(received, where) if received else None

    def _unfit(self, shape: tuple[int, ...], height: int, width: int) -> str | None:
        channels = self.shapes[0][1]
        fits = shape[1] >= height and shape[2] >= width if self.crop else shape[1:] == (height, width)
        if fits and shape[0] == channels:
            return None
        wanted = f"{channels} of {'at least ' if self.crop else ''}{height}x{width} are wanted"
        return f"{counted(shape[0], 'channel')} of {shape[1]}x{shape[2]} where {wanted}"

    def _misfit(self, received: str, where: Location) -> Problem:
        return Problem(
            f"layer `{self.name}`: a picture does not fit into the batch", where, received,
            "resize all pictures to one size: new_height and new_width (ImageData), or "
            "`transform_param { lungo { resize_height: ... resize_width: ... } }` (Data)",
        )  # fmt: skip

    def resized(self, image: Array) -> Array:
        """``image`` (uint8, H x W x C) at the size the layer states, if it states one."""
        if not self.resize[0]:
            return image
        if image.dtype != np.uint8:
            raise UserError(
                f"layer `{self.name}` cannot resize float samples",
                where=self.opening.where,
                received=f"samples of {image.dtype}",
                remedy="store pictures as bytes, or remove the resize",
            )
        return resize(image, *self.resize)

    def finish(self, batch: SampleBatch, device: str | device = "cpu") -> list[Tensor]:
        """(pixel - mean) * scale as float32 on ``device``; labels as float32."""
        import torch

        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        picture = to_device(batch.arrays[0], device)
        values = torch.empty(picture.shape, dtype=torch.float32, device=picture.device, memory_format=layout)
        values.copy_(picture)
        if self._mean is not None:
            mean = self._on_device(device)
            values.sub_(mean if batch.crops is None else self._cut_mean(mean, batch.crops, values))
        if self.transform.scale != 1:
            values.mul_(self.transform.scale)
        if batch.mixing is not None:
            values = batch.mixing.pictures(values)
        return [values, *(to_device(array, device).float() for array in batch.arrays[1:])]

    def _on_device(self, device: str | device) -> Tensor:
        if str(device) not in self._device_means:
            self._device_means[str(device)] = to_device(np.ascontiguousarray(self._mean), device)
        mean: Tensor = self._device_means[str(device)]
        return mean

    def _cut_mean(self, mean: Tensor, crops: Any, values: Tensor) -> Tensor:
        """The mean's part under each picture, N x C x H x W, mirrored like the picture."""
        import torch

        height, width = values.shape[2:]
        row, column, mirrored = to_device(crops, values.device).unbind(1)
        if not self._mean_moves:
            row, column = torch.zeros_like(row), torch.zeros_like(column)
        rows = row[:, None] + torch.arange(height, device=values.device)
        across = torch.arange(width, device=values.device)[None]
        columns = column[:, None] + torch.where(mirrored[:, None] > 0, width - 1 - across, across)
        return mean[:, rows[:, :, None], columns[:, None, :]].transpose(0, 1)


def _empty_like(sample: Array, count: int, height: int, width: int) -> Array:
    """Room for ``count`` pictures of C x height x width, interleaved in memory if ``sample`` is."""
    channels = sample.shape[0]
    if abs(sample.strides[0]) < abs(sample.strides[2]) or channels == 1:
        return np.empty((count, height, width, channels), sample.dtype).transpose(0, 3, 1, 2)
    return np.empty((count, channels, height, width), sample.dtype)
