"""`.caffemodel.h5`: Caffe's layout, and nothing believed of a file that is not checked first."""

from __future__ import annotations

import subprocess
import sys

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.errors import UserError
from caffelungo.weights import Weights, formats, hdf5_file
from tests.support import needs_shared, shared
from tests.weights.samples import blobs, extras, same, small


@needs_shared
def test_the_originals_snapshot_is_read_as_its_parameters():
    folder = shared("reference/caffe/train/adam_plain")
    weights = formats.read(folder / "snap_iter_60.caffemodel.h5")
    params = np.load(folder / "params.npz")
    assert list(weights.layers) == ["conv1", "conv2", "ip1", "ip2"]
    for name, arrays in weights.layers.items():
        for index, array in enumerate(arrays):
            assert np.array_equal(array, params[f"iter60/{name}/{index}"])


@given(
    st.dictionaries(
        st.sampled_from(["a", "a/b", "inception_3a/1x1", "c d", "ü", "7"]),
        st.lists(blobs, min_size=1, max_size=3),
        min_size=1,
    )
)
def test_what_is_written_is_read_back(tmp_path_factory, layers):
    path = tmp_path_factory.getbasetemp() / "round.caffemodel.h5"
    weights = Weights(layers, dict.fromkeys(layers, "X"), extras(), "net")
    formats.write(path, weights)
    again = formats.read(path)
    assert same(Weights(dict(sorted(layers.items()))), Weights(dict(sorted(again.layers.items()))))
    assert again.types == weights.types
    assert again.extras == weights.extras
    assert again.name == "net"


def test_the_layout_is_caffes(tmp_path):
    path = tmp_path / "x.caffemodel.h5"
    formats.write(path, small(), shared=frozenset({("inc/3x3", 0)}))
    with h5py.File(path) as file:
        assert list(file["data/inc/3x3"]) == ["1"]
        assert file["data/fc/0"].dtype == np.float32
        assert file["data/fc/0"].shape == (2, 3)
    first, second = formats.read(path).layers["inc/3x3"]
    assert first.size == 0
    assert second.shape == (3,)


def test_long_extras_are_kept_too(tmp_path):
    path = tmp_path / "x.h5"
    weights = small()
    weights.extras = extras(labels=20_000)
    formats.write(path, weights)
    assert formats.read(path).extras == weights.extras


def test_a_layer_named_as_a_blob_is_refused(tmp_path):
    one = [np.ones(1, np.float32)]
    with pytest.raises(UserError, match="named as another layer's blob"):
        formats.write(tmp_path / "x.h5", Weights({"a": one, "a/0": one}))
    assert list(tmp_path.iterdir()) == []


def made(tmp_path, build):
    path = tmp_path / "made.caffemodel.h5"
    with h5py.File(path, "w") as file:
        build(file)
    return path


def no_data(file):
    file["other"] = np.ones(3)


def empty_data(file):
    file.create_group("data")


def data_is_a_dataset(file):
    file["data"] = np.ones(3)


def integers(file):
    file["data/a/0"] = np.ones(3, np.int32)


def strings(file):
    file["data/a/0"] = "text"


def external_link(file):
    file["data/a/0"] = h5py.ExternalLink("/etc/passwd", "/x")


def external_group(file):
    file["data"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft_link(file):
    file["data/b/0"] = np.ones(3, np.float32)
    file["data/a/0"] = h5py.SoftLink("/data/b/0")


def external_storage(file):
    file.create_dataset("data/a/0", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("data/a/0", layout)


def unstored(file):
    file.create_dataset("data/a/0", (2**20, 2**20), "f4")


def bomb(file):
    file.create_dataset("data/a/0", (2**26,), "f4", chunks=(2**22,), compression="gzip", fillvalue=0)


def cycle(file):
    inner = file.create_group("data/a")
    inner["loop"] = file["data"]


def far_index(file):
    file["data/a/999999999"] = np.ones(1, np.float32)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (no_data, "no group /data"),
        (empty_data, "contains no weights"),
        (data_is_a_dataset, "no group /data"),
        (integers, "contains no floats"),
        (strings, "not a dataset of numbers"),
        (external_link, "points outside itself"),
        (external_group, "points outside itself"),
        (soft_link, "points outside itself"),
        (external_storage, "stores its data in another file"),
        (virtual, "stores its data in another file"),
        (unstored, "claims more than the file contains"),
        (bomb, "claims more than the file contains"),
        (cycle, "nest too deep"),
        (far_index, "has a blob of index 999999999"),
    ],
)
def test_what_is_not_to_be_believed_is_refused(tmp_path, build, message):
    path = made(tmp_path, build)
    with pytest.raises(UserError, match=message) as error:
        formats.read(path)
    assert str(error.value).startswith(str(path))


def test_compressed_weights_are_read(tmp_path):
    values = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)

    def build(file):
        file.create_dataset("data/a/0", data=values, compression="gzip")
        file.create_dataset("data/b/0", data=np.zeros(500_000, np.float16), compression="gzip")

    layers = formats.read(made(tmp_path, build)).layers
    assert np.array_equal(layers["a"][0], values)
    assert layers["b"][0].dtype == np.float32


def test_cut_files_are_told(tmp_path):
    path = tmp_path / "x.caffemodel.h5"
    formats.write(path, small())
    content = path.read_bytes()
    told = 0
    for end in range(0, len(content), len(content) // 100):
        path.write_bytes(content[:end])
        with pytest.raises(UserError):
            formats.read(path)
        told += 1
    assert told >= 100


def test_a_string_of_variable_length_is_not_followed(tmp_path):
    path = tmp_path / "x.caffemodel.h5"
    formats.write(path, small())
    with h5py.File(path, "a") as file:
        file.attrs[hdf5_file.NAME] = "variable"
    with pytest.raises(UserError, match="not a list of bytes"):
        formats.read(path)


def test_reading_weights_leaves_h5py_out_until_it_is_needed():
    code = (
        "import sys; from caffelungo.weights import formats; sys.exit('h5py' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
