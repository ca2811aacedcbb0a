"""Binary weights files: every real one is read as protobuf reads it, ours are read by protobuf, damage is told."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from google.protobuf import text_format
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.definition.schema import NetParameter
from caffelungo.definition.upgrade import upgrade_net
from caffelungo.errors import UserError
from caffelungo.weights import Weights, caffemodel, formats
from tests.support import SHARED, needs_shared, shared
from tests.weights.samples import blobs, small, survives, words

MODELS = sorted(SHARED.rglob("*.caffemodel")) if SHARED else []

NET = """name: "n"
layer { name: "data" type: "DummyData" top: "data" dummy_data_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
layer { name: "inc/3x3" type: "Convolution" bottom: "data" top: "a" convolution_param { num_output: 3 kernel_size: 1 }
        param { lr_mult: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "a" top: "b" inner_product_param { num_output: 2 } }
layer { name: "twice" type: "Eltwise" bottom: "a" bottom: "a" top: "c" }
layer { name: "seen" type: "Softmax" bottom: "b" top: "d" include { phase: TEST } }"""


def numbers(blob):
    """A blob's values in float32, as protobuf tells its fields; NVCaffe's are unknown ones, typed by number 10."""
    raw = {field.field_number: field.data for field in UnknownFieldSet(blob)}
    if 12 not in raw:
        return np.array(blob.data, np.float32)
    size, code = {0: (8, "d"), 1: (4, "f"), 2: (2, "e")}[raw.get(10, 0)]
    return np.array(struct.unpack(f"<{len(raw[12]) // size}{code}", raw[12]), np.float32)


@needs_shared
@pytest.mark.parametrize("path", MODELS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_real_files_are_read_as_protobuf_reads_them(path):
    weights = formats.read(path)
    net = NetParameter.FromString(path.read_bytes())
    upgrade_net(net)
    assert [layer.name for layer in net.layer if layer.blobs] == list(weights.layers)
    for layer in net.layer:
        for blob, array in zip(layer.blobs, weights.layers.get(layer.name, ()), strict=True):
            old = (blob.num, blob.channels, blob.height, blob.width)
            assert array.shape == (old if blob.HasField("num") else tuple(blob.shape.dim))
            assert np.array_equal(array.reshape(-1), numbers(blob), equal_nan=True)
        if layer.blobs:
            assert weights.types[layer.name] == layer.type


@given(st.dictionaries(words, st.lists(blobs, min_size=1, max_size=3), min_size=1, max_size=4))
def test_what_is_written_is_read_back_and_is_protobuf(tmp_path_factory, layers):
    path = tmp_path_factory.getbasetemp() / "round.caffemodel"
    caffemodel.write(path, Weights(layers, dict.fromkeys(layers, "X"), name="n"))
    again = caffemodel.read(path)
    message = NetParameter.FromString(path.read_bytes())
    assert list(again.layers) == list(layers)
    assert message.name == "n"
    for layer, (name, arrays) in zip(message.layer, layers.items(), strict=True):
        assert layer.name == name
        for blob, array, other in zip(layer.blobs, arrays, again.layers[name], strict=True):
            assert tuple(blob.shape.dim) == array.shape == other.shape
            assert np.array(blob.data, np.float32).tobytes() == array.tobytes() == other.tobytes()


def test_the_definition_trained_is_inside_with_its_splits(tmp_path):
    path = tmp_path / "x.caffemodel"
    net = text_format.Parse(NET, NetParameter())
    before = net.SerializeToString()
    caffemodel.write(path, small(), net)
    assert net.SerializeToString() == before
    message = NetParameter.FromString(path.read_bytes())
    assert [layer.name for layer in message.layer] == ["data", "inc/3x3", "a_inc/3x3_0_split", "fc", "twice"]
    assert all(layer.phase == 0 and layer.HasField("phase") for layer in message.layer)
    assert message.layer[1].param[0].lr_mult == 2
    assert len(message.layer[1].blobs) == 2
    assert message.name == "n"
    assert list(message.lungo.label) == ["class 0", "class 1"]
    inside = caffemodel.read_net(path)
    assert [len(layer.blobs) for layer in inside.layer] == [0] * 5


def test_layers_that_the_definition_lacks_are_written_too(tmp_path):
    path = tmp_path / "x.caffemodel"
    weights = small()
    weights.layers["old"] = [np.ones(2, np.float32)]
    caffemodel.write(path, weights, text_format.Parse(NET, NetParameter()))
    assert list(caffemodel.read(path).layers) == ["inc/3x3", "fc", "old"]


def test_old_layer_forms_are_read(tmp_path):
    path = tmp_path / "old.caffemodel"
    net = text_format.Parse(
        """layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "data" top: "p" }
           layers { layer { name: "c" type: "conv" blobs { num: 2 channels: 1 height: 1 width: 1 data: 5 data: 6 } }
                    bottom: "p" top: "c" }
           layers { name: "ip" type: INNER_PRODUCT blobs { shape { dim: 1 } double_data: 7 } }""",
        NetParameter(),
    )
    path.write_bytes(net.SerializeToString())
    weights = formats.read(path)
    assert weights.types == {"c": "Convolution", "ip": "InnerProduct"}
    assert weights.layers["c"][0].tolist() == [[[[5]]], [[[6]]]]
    assert weights.layers["ip"][0].tolist() == [7]


def test_arrays_are_the_readers_own(tmp_path):
    path = tmp_path / "x.caffemodel"
    caffemodel.write(path, small())
    array = caffemodel.read(path).layers["fc"][0]
    assert array.flags.writeable
    assert array.flags.aligned
    assert array.flags.owndata or array.base is not None
    path.unlink()
    array += 1


def test_damaged_files_are_told(tmp_path):
    path = tmp_path / "x.caffemodel"
    caffemodel.write(path, small(), text_format.Parse(NET, NetParameter()))
    assert survives(path, formats.read) > 120


@needs_shared
def test_a_truncated_download_is_told_with_its_place(tmp_path):
    path = tmp_path / "cut.caffemodel"
    content = shared("models/squeezenet_v1.1/squeezenet_v1.1.caffemodel").read_bytes()
    path.write_bytes(content[:3_000_000])
    with pytest.raises(UserError) as error:
        formats.read(path)
    message = str(error.value)
    assert message.startswith(f"{path}: the file is damaged or truncated")
    assert "of 3000000" in message
    assert "download it again" in message


def test_a_tiny_file_that_claims_much_takes_no_memory(tmp_path):
    path = tmp_path / "bomb.caffemodel"
    blob = b"\x3a\x09\x0a\x07" + b"\x80" * 6 + b"\x01"
    layer = b"\x0a\x01x\x12\x01y\x3a" + bytes([len(blob)]) + blob
    path.write_bytes(b"\x0a\x01n\xa2\x06" + bytes([len(layer)]) + layer)
    with pytest.raises(UserError, match=r"4398046511104 values\) has 0 values"):
        formats.read(path)


def test_too_large_a_file_is_refused_before_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(caffemodel, "MAX_BYTES", 50)
    with pytest.raises(UserError, match="2 GB") as error:
        caffemodel.write(tmp_path / "x.caffemodel", small())
    assert "safetensors" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_definition_without_weights_is_told(tmp_path):
    path = tmp_path / "x.caffemodel"
    path.write_bytes(text_format.Parse(NET, NetParameter()).SerializeToString())
    with pytest.raises(UserError, match="contains no weights") as error:
        formats.read(path)
    assert "5 layers without blobs" in str(error.value)


def test_names_that_are_not_utf8_are_given_in_escapes(tmp_path):
    path = tmp_path / "x.caffemodel"
    caffemodel.write(path, Weights({"abcdef": [np.ones(1, np.float32)]}, name="netname"))
    path.write_bytes(path.read_bytes().replace(b"bcd", b"\xb5\xc4d").replace(b"etn", b"\xfftn"))
    weights = caffemodel.read(path)
    assert list(weights.layers) == [r"a\xb5\xc4def"]
    assert weights.name == r"n\xfftname"
    assert caffemodel.read_net(path).layer[0].name == r"a\xb5\xc4def"
    caffemodel.write(path, weights)
    assert list(caffemodel.read(path).layers) == [r"a\xb5\xc4def"]


def of_nvcaffe(path, kind, raw, more=b""):
    """A net of one layer `x` whose blob of 2 values is as NVCaffe writes it."""
    blob = b"\x3a\x03\x0a\x01\x02" + more + b"\x50" + bytes([kind]) + b"\x62" + bytes([len(raw)]) + raw
    layer = b"\x0a\x01x\x3a" + bytes([len(blob)]) + blob
    path.write_bytes(b"\x0a\x01n\xa2\x06" + bytes([len(layer)]) + layer)
    return path


@pytest.mark.parametrize(("kind", "code"), [(0, "2d"), (1, "2f"), (2, "2e")])
def test_the_numbers_of_nvcaffe_are_read_in_each_precision(tmp_path, kind, code):
    path = of_nvcaffe(tmp_path / "x.caffemodel", kind, struct.pack("<" + code, 1.5, -0.25))
    [array] = formats.read(path).layers["x"]
    assert array.dtype == np.float32
    assert array.tolist() == [1.5, -0.25]


def test_caffes_own_numbers_win_over_nvcaffes(tmp_path):
    data = b"\x2a\x08" + struct.pack("<2f", 3, 4)
    path = of_nvcaffe(tmp_path / "x.caffemodel", 1, struct.pack("<2f", 1, 2), data)
    assert formats.read(path).layers["x"][0].tolist() == [3, 4]


def test_numbers_of_nvcaffe_that_are_no_weights_are_refused(tmp_path):
    with pytest.raises(UserError, match="written by a fork of Caffe") as error:
        formats.read(of_nvcaffe(tmp_path / "x.caffemodel", 3, b"\0" * 8))
    assert "store_blobs_in_old_format" in str(error.value)
    with pytest.raises(UserError, match="damaged or truncated"):
        formats.read(of_nvcaffe(tmp_path / "x.caffemodel", 2, b"\0" * 3))
    with pytest.raises(UserError, match="damaged or truncated"):
        formats.read(of_nvcaffe(tmp_path / "x.caffemodel", 2, b"\0" * 6))


def test_a_file_that_cannot_be_upgraded_is_named(tmp_path):
    path = tmp_path / "x.caffemodel"
    net = text_format.Parse('name: "n" layer { name: "a" } layers { name: "b" }', NetParameter())
    path.write_bytes(net.SerializeToString())
    with pytest.raises(UserError) as error:
        formats.read(path)
    assert str(error.value).startswith(str(path))
