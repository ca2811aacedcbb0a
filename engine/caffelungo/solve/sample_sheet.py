"""What the net gets to see, as pictures a person can judge: the sheet that a training leaves in its folder.

Channels are put back into the colours of a screen, mean and scale are undone in the pictures and given in words.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import phase_differences, preprocess
from caffelungo.data.data_transformer import PictureDataSource
from caffelungo.data.source import SampleBatch
from caffelungo.errors import LungoError
from caffelungo.passes import channel_names
from caffelungo.report import sheet
from caffelungo.solve.nets import OpenedNet, class_names, names_of_classes
from caffelungo.solve.training import Training

NAME = "samples.png"
SHOWN = 6


def leave_sheet(training: Training, folder: Path) -> None:
    """Leave the sheet of a training in ``folder``; a picture that cannot be read is reported when training reads it."""
    with contextlib.suppress(LungoError, OSError):
        names = names_of_classes(training.opened, training.loaded.extras)
        write(folder / NAME, training.opened, [test.opened for test in training.tests], names)


def write(path: Path, train: OpenedNet, tests: Sequence[OpenedNet], names: Sequence[str] = ()) -> bool:
    """Write the sheet of the first pictures of ``train``, and of the first of ``tests``, to ``path``.

    ``names`` are those of the classes. False, and nothing is written, where the net does not train on pictures.
    """
    source = _pictures(train)
    if source is None:
        return False
    head, rows = [f"layer {source.name}: {preprocess.describe(source.record)}"], []
    first = int(source.order.samples(0)[1][0]) if source.order else 0
    values = source.finish(_batch(source, [0], [first]))[0].numpy()
    low, high, mean = values.min(), values.max(), values.mean(axis=(0, 2, 3))
    head.append(f"the first picture as numbers: {low:.4g} to {high:.4g}, mean {', '.join(f'{one:.4g}' for one in mean)}"
                f" ({channel_names.named(source.shapes[0][1], source.reverses)})")  # fmt: skip
    rows.append(sheet.SheetRow("TRAIN, as the net gets it (mean and scale undone)", _first(source, names)))
    if not source.repeats or source.mirrors:
        drawn = [(_shown(source, _batch(source, [epoch], [first]))[0], f"epoch {epoch}") for epoch in range(SHOWN)]
        rows.append(sheet.SheetRow(f"one picture as {SHOWN} epochs draw it: {_random(source)}", drawn))
    if source.shapes[0][1] == 3:
        planes = _batch(source, [0], [first]).arrays[0][0]
        called = channel_names.named(3, source.reverses).split(", ")
        rows.append(
            sheet.SheetRow(
                f"its channels in the net's order: {'RGB' if source.reverses else 'BGR'}",
                [(_bytes(plane), f"channel {number}: {name}") for number, (plane, name) in
                 enumerate(zip(planes, called, strict=True))],
            )
        )  # fmt: skip
    tested = next((one for one in map(_pictures, tests) if one is not None), None)
    if tested is not None:
        head.append(f"layer {tested.name}: {preprocess.describe(tested.record)}")
        rows.append(sheet.SheetRow("TEST", _first(tested, names)))
    sheet.draw(rows, path, head)
    return True


def _pictures(opened: OpenedNet) -> PictureDataSource | None:
    found = phase_differences.pictures(opened.plan, opened.sources)
    return next((one for one in found if isinstance(one, PictureDataSource) and len(one.shapes[0]) == 4), None)


def _batch(source: PictureDataSource, epochs: Sequence[int], index: Sequence[int]) -> SampleBatch:
    """The samples ``index`` as passes ``epochs`` draw them."""
    samples = [source.sample(int(one)) for one in index]
    return source.placed(samples, np.array(epochs), np.array(index), None, source.place)


def _first(source: PictureDataSource, names: Sequence[str]) -> list[tuple[NDArray[np.uint8], str]]:
    """The first pictures that come in training, or some of the test's, with their classes."""
    if source.order is None:
        return []
    epochs, index = (part[:SHOWN] for part in source.order.samples(0))
    if not source.train and source.size:  # test data often comes class by class
        index = np.unique(np.linspace(0, source.size - 1, SHOWN).astype(np.int64))
        epochs = np.zeros_like(index)
    labels = source.labels()
    known = names or class_names(source)
    captions = [_class(None if labels is None else int(labels[one]), known) for one in index]
    found = []
    for epoch, one, caption in zip(epochs.tolist(), index.tolist(), captions, strict=True):
        found.append((_shown(source, _batch(source, [epoch], [one]))[0], caption))
    return found


def _class(label: int | None, names: Sequence[str]) -> str:
    if label is None:
        return ""
    return f"{label}: {names[label]}" if 0 <= label < len(names) else f"label {label}"


def _shown(source: PictureDataSource, batch: SampleBatch) -> list[NDArray[np.uint8]]:
    """The batch's pictures in the colours of a screen: H x W x 3 in RGB, or H x W of the first channel."""
    pictures: list[NDArray[np.uint8]] = []
    for planes in batch.arrays[0]:
        colours = planes if source.reverses else planes[::-1]
        pictures.append(_bytes(colours.transpose(1, 2, 0) if len(planes) == 3 else planes[0]))
    return pictures


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Bytes as they are; floats stretched from black to white."""
    if values.dtype == np.uint8:
        return values
    low, high = float(values.min()), float(values.max())
    return np.asarray((values - low) * (255 / ((high - low) or 1)), np.uint8)


def _random(source: PictureDataSource) -> str:
    """What is drawn anew for each picture."""
    parts = list(source.augmentations.names)
    if source.crop and source.train and source.resize != (source.crop, source.crop):
        parts.append(f"crop {source.crop}x{source.crop}")
    return ", ".join([*parts, *(["mirror"] if source.mirrors else [])])
