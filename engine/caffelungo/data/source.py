"""The interface of a source of batches: tops with shapes, a size, and batch number k as a function of k alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import augmentation_options
from caffelungo.data.image_list import ImageList
from caffelungo.data.mixing import Mixing
from caffelungo.data.sample_order import SampleOrder
from caffelungo.definition import option_blocks
from caffelungo.definition.schema import TRAIN, LayerParameter
from caffelungo.errors import Location, Problem

if TYPE_CHECKING:
    from torch import Tensor, device

Array = NDArray[Any]


@dataclass
class SampleBatch:
    """The tops' values as the source holds them: uint8 pictures, float32 the rest.

    ``crops`` (samples x 3: row, column, mirrored) says where each picture was cut out, where the mean subtracted
    from it depends on that. ``mixing`` says how pictures are yet to be mixed in pairs; labels are already. Arrays are
    NumPy's, or torch's after ``tensors``.
    """

    arrays: tuple[Any, ...]
    crops: Any = None
    mixing: Mixing | None = None

    def tensors(self) -> SampleBatch:
        """The same values as torch tensors, which processes hand over in shared memory."""
        crops = None if self.crops is None else _tensor(self.crops)
        return SampleBatch(tuple(_tensor(array) for array in self.arrays), crops, self.mixing)

    def pin_memory(self) -> SampleBatch:
        """The same values in page-locked memory (torch's DataLoader calls this)."""
        crops = None if self.crops is None else self.crops.pin_memory()
        return SampleBatch(tuple(array.pin_memory() for array in self.arrays), crops, self.mixing)


@dataclass(frozen=True)
class Opening:
    """How a source is opened, besides its LayerParameter (see ``sources.open_source``).

    ``pictures`` is its list where that was read before, ``first`` the picture that represents all until they are read.
    """

    phase: int = TRAIN
    beside: str | None = None
    seed: int = 0
    shuffle: bool | None = None
    once: bool = False
    caffe: bool = False
    where: Location | None = None
    places: Mapping[str, Location | None] = field(default_factory=dict)
    pictures: ImageList | None = None
    first: int = 0

    def at(self, name: str) -> Location | None:
        """Where the layer's field ``name`` is, for messages; the layer's place when that is not known."""
        return self.places.get(name) or self.where


def places(planned: Any, where: Callable[..., Location | None], param: Any = None) -> dict[str, Location | None]:
    """Where the data layer ``planned`` names its data, its mean and its sizes, as ``where(*path)`` knows it.

    ``param``: the layer as it is written, where ``planned`` has another one.
    """
    layer, options = ("layer", planned.index), planned.layer.options_field
    found = {name: where(*layer, "transform_param", name) for name in ("mean_file", "mean_value", "crop_size", "lungo")}
    found |= {name: where(*layer, "transform_param", "lungo", name) for name in ("resize_height", "resize_width")}
    if options:
        found |= {name: where(*layer, options, name) for name in ("source", "new_height", "new_width")}
    return found | augmentation_options.places(planned.layer.param if param is None else param, where, *layer)


class DataSource:
    """Base of all sources. Nothing here depends on which process or in what order batches are asked for.

    ``names`` and ``shapes`` are those of the tops, batch size included. ``size`` is the number of samples, None when
    there is no end. ``heavy``: a batch takes long enough to be worth a worker process; ``ahead``: to be worth a thread
    that prepares it in advance. ``record`` is the preprocessing of top 0, None when it is no picture.
    ``one_shape``: the files hold samples of one shape only, whatever the layer says.
    """

    heavy = False
    ahead = False
    one_shape = False
    mixes = ""
    """What mixes the pictures of a batch and their labels (names of augmentations); empty where nothing does."""
    record: Any = None
    size: int | None = None
    order: SampleOrder | None = None
    channels_last = False
    """Whether ``finish`` gives pictures in torch's channels_last memory format; the net's owner sets it."""

    def __init__(self, param: Any, opening: Opening) -> None:
        self.param, self.opening = param, opening
        self.name = str(param.name)
        self.names = tuple(param.top)
        self.shapes: list[tuple[int, ...]] = []
        self.notices: list[str] = []

    def __reduce__(self) -> tuple[Any, ...]:
        """A process that does not inherit memory opens the source again."""
        return _opened, (type(self), self.param.SerializeToString(), self.opening)

    @property
    def batches(self) -> int | None:
        """Batches that hold every sample at least once; with ``once`` exactly once. None when there is no end."""
        return None if self.order is None else self.order.batches

    def batch(self, k: int) -> SampleBatch:
        """Batch number ``k`` since the start of training: a function of the seed and ``k`` only."""
        raise NotImplementedError

    def labels(self) -> NDArray[np.int64] | None:
        """The label of every sample in the order of the file; None when the source holds no class labels."""
        return None

    def blocks(self, top: int) -> Iterator[tuple[int, Array]]:
        """What top number ``top`` holds of every sample, by blocks: the first one's number, and samples x shape.

        For looking at labels; nothing where the values are not there to be looked at.
        """
        labels = self.labels() if top == 1 else None
        if labels is not None:
            yield 0, labels

    def survey(self) -> list[Problem]:
        """What is wrong with samples beyond the first, as far as it is seen without decoding them; may add notices."""
        return []

    def place(self, index: int) -> Location:
        """Where sample ``index`` is found, for a message."""
        return Location(f"sample {index} of layer `{self.name}`")

    def finish(self, batch: SampleBatch, device: str | device = "cpu") -> list[Tensor]:
        """The tops as float32 tensors on ``device``."""
        return [to_device(array, device).float() for array in batch.arrays]

    def notice(self, text: str) -> None:
        """Keep something the user should be told once."""
        self.notices.append(f"layer `{self.name}`: {text}")


def _opened(cls: type[DataSource], param: bytes, opening: Opening) -> DataSource:
    option_blocks.load()  # blocks of options are fields of the message
    return cls(LayerParameter.FromString(param), opening)


def _tensor(array: Array) -> Tensor:
    """The array as a tensor; one that must not be written is copied."""
    import torch

    return torch.from_numpy(array if array.flags.writeable else array.copy())


def to_device(array: Any, device: str | device) -> Tensor:
    """``array`` (NumPy or torch) on ``device``; to a GPU through page-locked memory, without waiting."""
    import torch

    tensor = array if isinstance(array, torch.Tensor) else _tensor(array)
    target = torch.device(device)
    if target.type == "cuda" and not tensor.is_cuda:
        tensor = (tensor if tensor.is_pinned() else tensor.pin_memory()).to(target, non_blocking=True)
    return tensor.to(target)


def stacked(labels: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
    """Labels as the float32 array that the graph reads."""
    return np.asarray(labels, np.float32)
