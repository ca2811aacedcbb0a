"""Caffe's tool extract_features: the blobs, the keys, the spelling, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from numpy.typing import NDArray

from caffelungo.cli import main
from caffelungo.definition.schema import message_class
from caffelungo.errors import UserError
from caffelungo.features.extract_features import Arguments, extract_features
from tests.features.made import COUNT, centre, forward, pictures

Records = dict[bytes, Any]


def arguments(place: Path, **more: Any) -> Arguments:
    given = {
        "weights": str(place / "net.caffemodel"), "net": str(place / "net.prototxt"), "blobs": ["fc", "conv", "label"],
        "databases": [str(place / f"{name}_lmdb") for name in ("fc", "conv", "label")], "batches": 2, "db_type": "lmdb",
        **more,
    }  # fmt: skip
    return Arguments(**given)


def records(path: Path) -> Records:
    with lmdb.open(str(path), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return {key: message_class("Datum").FromString(value) for key, value in transaction.cursor()}


def values(found: Records) -> NDArray[np.float32]:
    return np.stack(
        [np.reshape(one.float_data, (one.channels, one.height, one.width)) for one in found.values()]
    ).astype(np.float32)


def test_records_are_those_of_the_data_gone_round(folder: Path) -> None:
    heard: list[tuple[int, int]] = []
    # Batches of 4 of 10 pictures: the third begins a second pass.
    counts = extract_features(arguments(folder, batches=3), lambda done, total: heard.append((done, total)))
    assert set(counts.values()) == {12}
    assert heard == [(1, 3), (2, 3), (3, 3)]
    images = centre(pictures(folder))
    expected = forward(images[[*range(COUNT), 0, 1]])
    found = records(folder / "fc_lmdb")
    assert list(found) == [b"%010d" % number for number in range(12)]
    np.testing.assert_allclose(values(found)[:, :, 0, 0], expected["fc"], rtol=1e-4, atol=1e-5)
    assert not any(one.HasField("label") or one.data for one in found.values())
    np.testing.assert_allclose(values(records(folder / "conv_lmdb")), expected["conv"], rtol=1e-4, atol=1e-5)
    labels = values(records(folder / "label_lmdb"))
    assert labels.shape == (12, 1, 1, 1)
    assert labels.ravel().tolist() == [n % 3 for n in [*range(COUNT), 0, 1]]


def test_as_caffe_spells_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = f"extract_features {folder}/net.caffemodel {folder}/net.prototxt fc,conv {folder}/a,{folder}/b 1 lmdb CPU"
    assert main.call(line.split()) == 0
    assert len(records(folder / "a")) == len(records(folder / "b")) == 4
    assert f"wrote {folder}/a: 4 records" in capsys.readouterr().out


def test_everything_wrong_is_told_at_once(folder: Path) -> None:
    (folder / "fc_lmdb").mkdir()
    (folder / "fc_lmdb" / "data.mdb").touch()
    with pytest.raises(UserError) as error:
        extract_features(arguments(folder, db_type="leveldb", batches=0, mode="TPU", device_id="x", blobs=["fc"]))
    told = [problem.what for problem in error.value.problems]
    assert told == [
        "LevelDB databases are not written", "the number of batches must be at least 1", "the mode is CPU or GPU",
        "DEVICE_ID is the index of a GPU", "each blob needs a database", "the database exists",
    ]  # fmt: skip
    assert error.value.problems[0].remedy == "use lmdb, and `backend: LMDB` in the net that reads it"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"blobs": ["fcc", "conv", "label"]}, "did you mean `fc`"),
        ({"blobs": ["fc", "conv", "loss"]}, "does not have one row per picture"),
        ({"db_type": "sqlite"}, "unknown type of database"),
        ({"databases": ["/tmp/x", "/tmp/x", "/tmp/y"]}, "share one database"),
    ],
)
def test_what_is_refused_leaves_nothing(more: dict[str, Any], told: str, folder: Path) -> None:
    with pytest.raises(UserError, match=told):
        extract_features(arguments(folder, **more))
    assert not list(folder.glob("*_lmdb"))
