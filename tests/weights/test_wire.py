"""The wire format of blobs: what protobuf writes is read, what is written protobuf reads."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.definition.schema import BlobProto, NetParameter, SolverState
from caffelungo.weights import wire
from tests.weights.samples import blobs


def decoded(content: bytes) -> np.ndarray:
    return wire.one_blob(memoryview(content))


@given(blobs)
def test_a_written_blob_is_a_blobproto(array):
    content = b"".join(bytes(piece) for piece in wire.encode_blob(array))
    message = BlobProto.FromString(content)
    assert tuple(message.shape.dim) == array.shape
    assert np.array(message.data, np.float32).tobytes() == array.tobytes()
    assert decoded(content).tobytes() == array.tobytes()
    assert decoded(content).shape == array.shape


@given(blobs, st.booleans(), st.booleans())
def test_a_blobproto_is_read(array, double, legacy):
    message = BlobProto()
    (message.double_data if double else message.data).extend(array.reshape(-1).tolist())
    (message.double_diff if double else message.diff).extend(array.reshape(-1).tolist())
    if legacy and array.ndim <= 4:
        sizes = (1,) * (4 - array.ndim) + array.shape
        message.num, message.channels, message.height, message.width = sizes
    else:
        sizes = array.shape
        message.shape.dim.extend(sizes)
    result = decoded(message.SerializeToString())
    assert result.shape == sizes
    assert np.array_equal(result.reshape(-1), array.reshape(-1), equal_nan=True)


def test_old_size_fields_win_over_the_shape():
    message = BlobProto(num=1, channels=1, height=2, width=3, data=range(6))
    message.shape.dim.extend([6])
    assert decoded(message.SerializeToString()).shape == (1, 1, 2, 3)


@given(st.lists(st.lists(st.floats(width=32), max_size=200), max_size=4), st.booleans())
def test_unpacked_and_chunked_floats_are_read(chunks, double):
    """Files of other writers: a tag before each number, runs of them interrupted by other fields, packed parts."""
    code, unpacked, packed = ("<d", b"\x41", b"\x42") if double else ("<f", b"\x2d", b"\x2a")
    values = [value for chunk in chunks for value in chunk]
    content = b"\x3a" + wire.encode_varint(len(shape := b"\x08" + wire.encode_varint(len(values)))) + shape
    for index, chunk in enumerate(chunks):
        numbers = [struct.pack(code, value) for value in chunk]
        if index % 2:
            content += packed + wire.encode_varint(sum(map(len, numbers))) + b"".join(numbers)
        else:
            content += b"".join(unpacked + number for number in numbers) + b"\x35\0\0\0\0"
    if not values:
        return
    expected = np.array(values, "<f8" if double else "<f4")
    with np.errstate(over="ignore"):
        assert np.array_equal(decoded(content), expected.astype(np.float32), equal_nan=True)


def test_blobs_keep_their_places_in_the_message():
    net = NetParameter(name="n")
    for name in "ab":
        layer = net.layer.add(name=name, type="X", loss_weight=[0.5])
        for index in range(2):
            layer.blobs.add(data=[index]).shape.dim.extend([1])
    skeleton, arrays = wire.take_blobs(memoryview(net.SerializeToString()), wire.NET)
    stripped = NetParameter.FromString(skeleton)
    assert [[blob.num for blob in layer.blobs] for layer in stripped.layer] == [[0, 1], [2, 3]]
    assert [float(array[0]) for array in arrays] == [0, 1, 0, 1]
    assert stripped.layer[1].loss_weight[0] == 0.5
    assert stripped.name == "n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BlobProto(data=[1, 2]).SerializeToString(), "a blob of shape scalar (1 value) has 2 values"),
        (BlobProto(num=2, channels=-1, data=[1]).SerializeToString(), "2 x -1"),
        (b"\x3a\x08\x0a\x06" + b"\x80" * 5 + b"\x20", "a blob of shape 1099511627776 (1099511627776 values) has 0"),
        (b"\x2a\x80\x80\x80\x80\x80\x20", "a field of 1099511627776 bytes begins where 0 bytes are left"),
        (b"\x2a\x03abc", "3 bytes are no whole number of float32 values"),
        (b"\x3a\x42\x0a\x40" + b"\x01" * 64, "more than 32 axes"),
        (b"\x2d\0\0", "a field of 4 bytes begins where 2 bytes are left"),
        (b"\xff" * 12, "a number has more than ten bytes"),
        (b"\x00\x00", "a field has number 0"),
        (b"\x0b", "wire type 3"),
        (b"\x08", "the file ends inside a number"),
    ],
)
def test_what_cannot_be_is_refused_before_memory_is_taken(content, message):
    with pytest.raises(wire.WireError) as error:
        decoded(content)
    assert message in str(error.value)
    assert 0 <= error.value.offset <= len(content)


def test_interrupted_runs_of_numbers_take_linear_time():
    """A number, another field, a number ...: each run is looked at only as far as it goes."""
    pair = b"\x2d\0\0\x80\x3f\x35\0\0\0\0"
    count = 20_000
    content = b"\x3a" + wire.encode_varint(4) + b"\x08" + wire.encode_varint(count) + pair * count
    assert decoded(content).shape == (count,)


def test_a_file_of_empty_fields_is_given_up(monkeypatch):
    monkeypatch.setattr(wire, "MAX_FIELDS", 100)
    with pytest.raises(wire.WireError, match="more than 100 fields"):
        wire.take_blobs(memoryview(b"\xa2\x06\x00" * 200), wire.NET)
    monkeypatch.setattr(wire, "MAX_FIELDS", 10_000)
    monkeypatch.setattr(wire, "MAX_BLOBS", 10)
    blob = b"\x3a\x07\x2d\0\0\0\0\x3a\0"
    layer = (blob * 20)[: 20 * len(blob)]
    with pytest.raises(wire.WireError, match="more than 10 blobs"):
        wire.take_blobs(memoryview(b"\xa2\x06" + wire.encode_varint(len(layer)) + layer), wire.NET)


def test_history_of_a_solver_state():
    state = SolverState(iter=3)
    state.history.add(data=[1, 2]).shape.dim.extend([2])
    skeleton, arrays = wire.take_blobs(memoryview(state.SerializeToString()), wire.STATE)
    assert SolverState.FromString(skeleton).iter == 3
    assert arrays[0].tolist() == [1, 2]
