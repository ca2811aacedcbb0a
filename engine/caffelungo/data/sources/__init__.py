"""One file a kind of source; ``open_source`` opens the one that a data layer asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caffelungo.data import transform_options
from caffelungo.data.image_list import ImageList
from caffelungo.data.source import DataSource, Opening
from caffelungo.definition.schema import TRAIN, LayerParameter
from caffelungo.errors import Location, UserError


def open_source(
    layer: Any,
    phase: int = TRAIN,
    *,
    beside: str | Path | None = None,
    seed: int = 0,
    shuffle: bool | None = None,
    once: bool = False,
    caffe: bool = False,
    where: Location | None = None,
    places: Mapping[str, Location | None] | None = None,
    pictures: ImageList | None = None,
    first: int = 0,
) -> DataSource:
    """The source that ``layer`` (a PlannedLayer, a Layer or a LayerParameter) names.

    ``beside`` is the file the layer is in: relative paths are tried from the working directory, then from there.
    ``shuffle``: None means as the layer says, but ImageData shuffles in TRAIN unless ``caffe``. ``once`` goes through
    the data a single time in the order of the file, with nothing random and a short last batch. ``where`` is the
    layer's place for messages, ``places`` those of its fields (see ``source.places``). ``pictures`` and ``first``: see
    ``Opening``. Raises UserError with everything wrong with the layer's options, and what is wrong with its data.
    """
    if not isinstance(layer, LayerParameter):
        layer = getattr(layer, "layer", layer).param
    folder = None if beside is None else str(beside)
    opening = Opening(phase, folder, seed, shuffle, once, caffe, where, places or {}, pictures, first)
    kind = source_class(str(layer.type), where)
    wrong = transform_options.problems(layer, phase == TRAIN and not once, opening.at)
    if not wrong:
        return kind(layer, opening)
    try:
        kind(transform_options.mended(layer)[0], opening)
    except UserError as error:
        wrong += error.problems
    raise UserError(wrong)


def source_class(type_name: str, where: Location | None = None) -> type[DataSource]:
    """What opens data layers of the type ``type_name``; UserError where nothing does."""
    from caffelungo.data.sources.database import DatabaseSource
    from caffelungo.data.sources.dummy import DummySource
    from caffelungo.data.sources.hdf5_data import Hdf5Source
    from caffelungo.data.sources.images import ImageSource
    from caffelungo.data.sources.memory_data import MemorySource

    known: dict[str, type[DataSource]] = {
        "Data": DatabaseSource,
        "DummyData": DummySource,
        "HDF5Data": Hdf5Source,
        "ImageData": ImageSource,
        "MemoryData": MemorySource,
    }
    if type_name not in known:
        raise UserError(
            "this layer type is not a data source",
            where=where,
            received=f'type: "{type_name}"',
            remedy=f"use one of {', '.join(known)}",
        )
    return known[type_name]
