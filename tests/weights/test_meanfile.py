"""Mean pictures: Caffe's file byte for byte, pycaffe's .npy, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from caffelungo.definition.schema import BlobProto
from caffelungo.errors import UserError
from caffelungo.weights import formats, meanfile
from tests.support import needs_shared, shared
from tests.weights.samples import finite, small, survives

pictures = hnp.arrays(np.float32, hnp.array_shapes(min_dims=3, max_dims=3, max_side=5), elements=finite)


@needs_shared
def test_the_originals_mean_is_read_and_written_byte_for_byte(tmp_path):
    path = shared("reference/caffe/tools/mean.binaryproto")
    mean = meanfile.read(path)
    assert np.array_equal(
        mean, np.load(shared("reference/caffe/tools/mean.npy")).astype(np.float32).reshape(mean.shape)
    )
    meanfile.write(tmp_path / "m.binaryproto", mean)
    assert (tmp_path / "m.binaryproto").read_bytes() == path.read_bytes()


@given(pictures, st.sampled_from(["m.binaryproto", "m.npy"]))
def test_what_is_written_is_read_back(tmp_path_factory, mean, name):
    path = tmp_path_factory.getbasetemp() / name
    meanfile.write(path, mean)
    assert np.array_equal(meanfile.read(path), mean)


def test_a_mean_with_a_shape_is_read(tmp_path):
    blob = BlobProto(data=range(12))
    blob.shape.dim.extend([3, 2, 2])
    (tmp_path / "m.binaryproto").write_bytes(blob.SerializeToString())
    assert meanfile.read(tmp_path / "m.binaryproto").shape == (3, 2, 2)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(3), "has channels, height and width"),
        (np.ones((2, 3, 4, 4)), "has channels, height and width"),
        (np.full((3, 2, 2), np.nan), "non-finite values"),
        (np.array([{"a": 1}], dtype=object), "damaged"),
        (np.array("text"), "damaged"),
    ],
)
def test_other_arrays_are_refused(tmp_path, array, message):
    np.save(tmp_path / "m.npy", array)
    with pytest.raises(UserError, match=message):
        meanfile.read(tmp_path / "m.npy")


def test_an_npy_header_that_claims_more_than_the_file_is_refused(tmp_path):
    path = tmp_path / "m.npy"
    np.save(path, np.ones((3, 4, 4), np.float32))
    path.write_bytes(path.read_bytes().replace(b"(3, 4, 4)", b"(3, 99999999, 99999999)").replace(b" " * 14, b"", 1))
    with pytest.raises(UserError, match="damaged"):
        meanfile.read(path)


def test_weights_are_no_mean(tmp_path):
    for name in ("x.caffemodel", "x.safetensors", "x.caffemodel.h5"):
        formats.write(tmp_path / name, small())
        with pytest.raises(UserError, match="this is a weights file, not a mean picture"):
            meanfile.read(tmp_path / name)
    meanfile.write(tmp_path / "m.binaryproto", np.ones((3, 2, 2)))
    meanfile.write(tmp_path / "m.npy", np.ones((3, 2, 2)))
    for name in ("m.binaryproto", "m.npy"):
        with pytest.raises(UserError, match="this is a mean picture, not a weights file"):
            formats.read(tmp_path / name)


@pytest.mark.parametrize("name", ["m.binaryproto", "m.npy"])
def test_damaged_files_are_told(tmp_path, name):
    meanfile.write(tmp_path / name, np.ones((3, 4, 4)))
    assert survives(tmp_path / name, meanfile.read) > 80
