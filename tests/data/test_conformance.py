"""The values that the original Caffe's data layers gave, batch after batch, and the databases its tools wrote."""

from __future__ import annotations

from pathlib import Path

import lmdb
import numpy as np
import pytest
from google.protobuf import text_format

from caffelungo.data.compute_image_mean import compute_image_mean
from caffelungo.data.convert_imageset import ConvertImagesetOptions, convert_imageset
from caffelungo.data.sources import open_source
from caffelungo.definition.schema import TEST, NetParameter
from tests.data.make import layer
from tests.support import ASSETS, needs_shared, shared

CAFFE = ASSETS / "caffe_data"
CASES = [path.stem[3:] for path in sorted(CAFFE.glob("dl_*.prototxt"))]


def compare(path: Path, reference: Path, case: str) -> None:
    values = np.load(reference)
    net = text_format.Parse(path.read_text(), NetParameter())
    source = open_source(net.layer[0], TEST, beside=path, caffe=True)
    batches = {int(key.split("/")[1][3:]) for key in values if key.startswith(f"{case}/")}
    assert batches
    for k in sorted(batches):
        tops = source.finish(source.batch(k))
        assert len(tops) == len(source.names)
        for name, top in zip(source.names, tops, strict=True):
            np.testing.assert_array_equal(top.numpy(), values[f"{case}/fwd{k}/{name}"])


@pytest.mark.parametrize("case", CASES)
def test_every_batch_is_the_originals(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CAFFE)
    compare(CAFFE / f"dl_{case}.prototxt", CAFFE / "data_layers.npz", case)


@pytest.mark.parametrize("case", ["image_resize", "lmdb_crop_meanfile"])
def test_relative_paths_are_found_beside_the_net(case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    compare(CAFFE / f"dl_{case}.prototxt", CAFFE / "data_layers.npz", case)


def test_there_are_cases() -> None:
    assert len(CASES) == 9


@needs_shared
def test_hdf5_batches_are_the_originals(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = shared("reference", "caffe", "tools")
    monkeypatch.chdir(tools.parent / "train" / "sgd_plain")
    compare(tools / "dl_hdf5_two_files.prototxt", tools / "data_layers.npz", "hdf5_two_files")


@needs_shared
@pytest.mark.parametrize("part", ["train", "test"])
def test_once_through_a_database_is_all_of_it(part: str) -> None:
    folder = shared("reference", "caffe", "train", "data")
    arrays = np.load(folder / "lmdb_arrays.npz")
    options = f'data_param {{ source: "{folder}/{part}_lmdb" batch_size: 8 }}'
    source = open_source(layer(f'name: "d" type: "Data" top: "data" top: "label" {options}'), TEST, once=True)
    batches = [source.batch(k).arrays for k in range(source.batches or 0)]
    found = [np.concatenate(column) for column in zip(*batches, strict=True)]
    np.testing.assert_array_equal(found[0], arrays[f"{part}_x"])
    np.testing.assert_array_equal(found[1], arrays[f"{part}_y"])


def records(path: Path) -> list[tuple[bytes, bytes]]:
    with lmdb.open(str(path), readonly=True, lock=False) as env, env.begin() as txn:
        return list(txn.cursor())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("db_resize", ConvertImagesetOptions(resize_height=12, resize_width=14, check_size=True)),
        ("db_gray", ConvertImagesetOptions(gray=True, resize_height=10, resize_width=10)),
        ("db_enc", ConvertImagesetOptions(encoded=True, encode_type="png")),
    ],
)
def test_convert_imageset_writes_the_originals_bytes(
    tmp_path: Path, name: str, options: ConvertImagesetOptions
) -> None:
    done = convert_imageset(f"{CAFFE}/images/", CAFFE / "list.txt", tmp_path / name, options)
    assert (done.written, done.skipped) == (6, [])
    assert records(tmp_path / name) == records(CAFFE / name)


def test_compute_image_mean_writes_the_originals_bytes(tmp_path: Path) -> None:
    mean = compute_image_mean(str(CAFFE / "db_resize"), tmp_path / "mean.binaryproto")
    assert (tmp_path / "mean.binaryproto").read_bytes() == (CAFFE / "mean.binaryproto").read_bytes()
    assert mean.channels == pytest.approx((127.224, 133.632, 120.708), abs=1e-3)
    assert mean.count == 6
    assert compute_image_mean(str(CAFFE / "db_gray")).channels == pytest.approx((128.725,), abs=1e-3)
