"""Files of features: the same in every format, read by Caffe's data layers, and what is refused."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from google.protobuf import text_format
from safetensors import safe_open

from caffelungo.data.sources import open_source
from caffelungo.definition.schema import TEST, LayerParameter, message_class
from caffelungo.errors import RunError, UserError
from caffelungo.features.formats.lmdb import datum
from tests.features.made import COUNT, NET, run


def test_every_format_holds_the_same(folder: Path) -> None:
    (folder / "labels.txt").write_text("red\ngreen\nblue\n")
    for suffix in ("npz", "h5", "safetensors", "lmdb"):
        run(folder, f"out.{suffix}", pool="none")
    with np.load(folder / "out.npz") as found:
        expected = dict(found)
    assert expected["classes"].tolist() == ["red", "green", "blue"]
    with h5py.File(folder / "out.h5") as file:
        for blob in ("conv", "fc"):
            np.testing.assert_array_equal(file[blob][()], expected[blob])
        assert file["label"][()].tolist() == expected["label"].tolist()
        assert [name.decode() for name in file["files"][()]] == expected["files"].tolist()
        assert [name.decode() for name in file["classes"][()]] == ["red", "green", "blue"]
        assert file["extras"][()].decode() == str(expected["extras"])
    with safe_open(str(folder / "out.safetensors"), "numpy") as tensors:
        for blob in ("conv", "fc"):
            np.testing.assert_array_equal(tensors.get_tensor(blob), expected[blob])
        np.testing.assert_array_equal(tensors.get_tensor("label"), expected["label"])
        assert bytes(tensors.get_tensor("files")).decode().splitlines() == expected["files"].tolist()
        metadata = tensors.metadata()
    assert json.loads(metadata["classes"]) == ["red", "green", "blue"]
    extras = message_class("lungo.NetExtras").FromString(base64.b64decode(metadata["lungo"]))
    assert text_format.MessageToString(extras) == str(expected["extras"])
    for blob in ("conv", "fc"):
        place = folder / "out.lmdb" / blob
        assert (place / "files.txt").read_text().splitlines() == expected["files"].tolist()
        assert (place / "labels.txt").read_text() == "red\ngreen\nblue\n"
        assert (place / "extras.prototxt").read_text() == str(expected["extras"])


def served(kind: str, field: str, source: Path, tops: list[str]) -> list[torch.Tensor]:
    """All rows as the data layer ``kind`` gives them."""
    param = LayerParameter(name="data", type=kind, top=tops)
    getattr(param, field).source = str(source)
    getattr(param, field).batch_size = COUNT
    if kind == "Data":
        param.data_param.backend = param.data_param.LMDB
    opened = open_source(param, TEST, once=True)
    return opened.finish(opened.batch(0))


def test_a_data_layer_trains_from_them(folder: Path) -> None:
    run(folder, blobs=["fc"])
    run(folder, "out.h5", blobs=["fc"])
    run(folder, "out.lmdb", blobs=["fc"])
    (folder / "files.txt").write_text("out.h5\n")
    with np.load(folder / "out.npz") as found:
        expected, labels = found["fc"], found["label"]
    values, numbers = served("HDF5Data", "hdf5_data_param", folder / "files.txt", ["fc", "label"])
    np.testing.assert_array_equal(values.numpy(), expected)
    assert numbers.tolist() == labels.tolist()
    values, numbers = served("Data", "data_param", folder / "out.lmdb", ["fc", "label"])
    np.testing.assert_array_equal(values.numpy()[:, :, 0, 0], expected)
    assert numbers.tolist() == labels.tolist()


def test_a_datum_is_what_protobuf_writes() -> None:
    values = np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32)
    message = message_class("Datum")(channels=2, height=3, width=4, label=300)
    message.float_data.extend(values.ravel().tolist())
    assert datum(values, 300) == message.SerializeToString()
    one = message_class("Datum").FromString(datum(values[0, 0]))
    assert (one.channels, one.height, one.width, one.HasField("label")) == (4, 1, 1, False)


def test_everything_wrong_is_told_at_once(folder: Path) -> None:
    with pytest.raises(UserError) as error:
        run(folder, "out.npy", crops=5, pool="median", batch_size=0)
    told = [problem.what for problem in error.value.problems]
    assert told == ["--batch-size must be at least 1", "the suffix of the output is not a known format",
                    "--crops takes 1 or 10", "unknown pooling"]  # fmt: skip
    assert "did you mean out.npz?" in str(error.value)
    with pytest.raises(UserError, match="does not exist"):
        run(folder, "no/out.npz")
    with pytest.raises(UserError, match="did you mean `fc`"):
        run(folder, blobs=["fcc"])
    with pytest.raises(UserError, match="data layer's own blob"):
        run(folder, blobs=["data"])
    with pytest.raises(UserError, match="no weights are named"):
        run(folder, weights=None)
    assert not list(folder.glob("out*"))


def test_weights_that_lack_a_layer(folder: Path) -> None:
    (folder / "net.prototxt").write_text(NET.replace('name: "fc"', 'name: "fc_new"'))
    with pytest.raises(UserError, match="are missing in the weights"):
        run(folder)
    assert run(folder, blobs=["conv"]).count == COUNT  # which the blob needs not


def test_an_output_that_exists(folder: Path) -> None:
    for name in ("out.npz", "out.lmdb"):
        run(folder, name)
        with pytest.raises(UserError, match="the output exists"):
            run(folder, name, pool="max")
        run(folder, name, pool="max", overwrite=True)
        run(folder, name, blobs=["fc"], overwrite=True)
    (folder / "mine.lmdb").mkdir()
    (folder / "mine.lmdb" / "precious").touch()
    with pytest.raises(UserError, match="not a database"):
        run(folder, "mine.lmdb", overwrite=True)
    assert (folder / "mine.lmdb" / "precious").exists()


def test_blobs_whose_names_no_file_can_hold(folder: Path) -> None:
    (folder / "net.prototxt").write_text(NET.replace('"pool"', '"conv/pool"'))
    with pytest.raises(UserError, match="cannot be a folder in that of another"):
        run(folder, "out.h5", blobs=["conv", "conv/pool"])
    assert not (folder / "out.h5").exists()
    (folder / "net.prototxt").write_text(NET.replace('"fc"', '"files"'))
    with pytest.raises(UserError, match="is reserved in this file format"):
        run(folder, weights="none", blobs=["files"])


def test_a_disk_that_is_too_small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(total=10, used=5, free=5))
    with pytest.raises(RunError, match="are free"):
        run(folder)
    assert not (folder / "out.npz").exists()
