"""Small pictures, lists, databases and layers for the tests of the data room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import lmdb
import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray
from PIL import Image

from caffelungo.definition.schema import Datum, LayerParameter

Pixels = NDArray[np.uint8]


def layer(text: str) -> Any:
    """A LayerParameter from its text."""
    return text_format.Parse(text, LayerParameter())


def picture(seed: int, height: int = 20, width: int = 24) -> Pixels:
    """A smooth random BGR picture."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(image))


def photo(seed: int) -> Pixels:
    """A cloud whose spectrum falls as that of photos does: 120 x 160 x 3."""
    falling = np.hypot(np.fft.fftfreq(120)[:, None], np.fft.fftfreq(160)[None]) + 1 / 160
    noise = np.fft.fft2(np.random.default_rng(seed).normal(size=(120, 160, 3)), axes=(0, 1))
    cloud = np.fft.ifft2(noise / falling[:, :, None], axes=(0, 1)).real
    return np.clip(128 + 45 * cloud / cloud.std(), 0, 255).astype(np.uint8)


def save(path: Path, image: Pixels, **options: Any) -> Path:
    """Write a BGR picture by its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(image[:, :, ::-1])).save(path, **options)
    return path


def pictures(folder: Path, count: int, classes: int = 3, **size: int) -> Path:
    """``count`` PNGs in ``folder`` and their list ``list.txt``, labels 0, 1, 2, 0, ..."""
    for number in range(count):
        save(folder / f"im{number}.png", picture(number, **size))
    text = "".join(f"im{number}.png {number % classes}\n" for number in range(count))
    (folder / "list.txt").write_text(text)
    return folder / "list.txt"


def classes(folder: Path, counts: dict[str, int]) -> Path:
    """A folder of photos: ``counts`` pictures a class, all different."""
    seed = 0
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            save(folder / name / f"{number}.png", picture(seed))
            seed += 1
    return folder


def database(path: Path, samples: list[NDArray[Any]], labels: list[int], **fields: Any) -> Path:
    """An LMDB of raw Datums (C x H x W samples)."""
    env = lmdb.open(str(path), map_size=1 << 26)
    with env.begin(write=True) as txn:
        for number, (sample, label) in enumerate(zip(samples, labels, strict=True)):
            channels, height, width = sample.shape
            datum = Datum(channels=channels, height=height, width=width, label=label, **fields)
            if sample.dtype == np.uint8:
                datum.data = sample.tobytes()
            else:
                datum.float_data.extend(sample.ravel().tolist())
            txn.put(f"{number:08d}".encode(), datum.SerializeToString())
    env.close()
    return path


def random_database(path: Path, count: int = 7, shape: tuple[int, int, int] = (3, 8, 9)) -> tuple[Path, Pixels]:
    """A database of random samples with labels 0, 1, 2, ... and the samples."""
    samples = np.random.default_rng(5).integers(0, 256, (count, *shape), dtype=np.uint8)
    return database(path, list(samples), list(range(count))), samples


def hdf5(folder: Path, rows: list[int]) -> Path:
    """Files of ``rows`` rows: data = the row's number (x 2 x 3), label = number % 4; and their list."""
    start, names = 0, []
    for number, count in enumerate(rows):
        ids = np.arange(start, start + count)
        with h5py.File(folder / f"part{number}.h5", "w") as file:
            file["data"] = np.broadcast_to(ids[:, None, None], (count, 2, 3)).astype(np.float32)
            file["label"] = (ids % 4).astype(np.float32)
        names.append(f"part{number}.h5\n")
        start += count
    (folder / "list.txt").write_text("".join(names))
    return folder / "list.txt"
