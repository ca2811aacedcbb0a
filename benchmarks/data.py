"""What both sides of a training benchmark read: one LMDB of random pictures a case, made on first use."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import lmdb
import numpy as np
from numpy.typing import NDArray

from caffelungo.definition.schema import Datum


@dataclass(frozen=True)
class Case:
    """One net at one batch size, and the pictures it reads."""

    name: str
    batch: int
    channels: int
    stored: int
    crop: int
    classes: int
    rate: float
    mirror: bool = True
    mean: tuple[float, ...] = (104.0, 117.0, 123.0)
    scale: float = 1.0
    channels_last: bool = True
    pictures: int = 512

    @property
    def database(self) -> Path:
        return Path(tempfile.gettempdir()) / "caffelungo-benchmarks" / f"{self.name}_lmdb"


CASES = {
    "caffenet": Case("caffenet", 16, 3, 256, 227, 1000, 0.001),
    "squeezenet": Case("squeezenet", 32, 3, 256, 227, 1000, 0.001),
    "lenet": Case("lenet", 64, 1, 28, 28, 10, 0.01, False, (0.0,), 1 / 256, pictures=6400),
}


def make(case: Case) -> Path:
    """The case's LMDB of raw datums; written once."""
    path = case.database
    if not (path / "data.mdb").exists():
        path.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        with lmdb.open(str(path), map_size=2**30) as database, database.begin(write=True) as transaction:
            for number in range(case.pictures):
                pixels = rng.integers(0, 256, (case.channels, case.stored, case.stored), np.uint8)
                datum = Datum(
                    channels=case.channels, height=case.stored, width=case.stored,
                    data=pixels.tobytes(), label=int(rng.integers(case.classes)),
                )  # fmt: skip
                transaction.put(b"%08d" % number, datum.SerializeToString())
    return path


def datum_pixels(value: memoryview | bytes, channels: int, side: int) -> tuple[NDArray[np.uint8], int]:
    """Pixels (channels x side x side) and label of a serialized raw datum."""
    datum = Datum.FromString(bytes(value))
    return np.frombuffer(datum.data, np.uint8).reshape(channels, side, side), datum.label
