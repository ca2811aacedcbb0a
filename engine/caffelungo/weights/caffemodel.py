"""`.caffemodel`: a binary NetParameter with blobs in its layers. V0, V1 and V2 in, V2 out.

Caffe: ReadNetParamsFromBinaryFileOrDie, Net::CopyTrainedLayersFrom, Net::ToProto.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from caffelungo.definition import option_blocks, schema
from caffelungo.definition.filter import included, net_state
from caffelungo.definition.schema import TRAIN, LayerParameter, NetParameter
from caffelungo.definition.upgrade import upgrade_net
from caffelungo.errors import Location, UserError
from caffelungo.files import written_whole
from caffelungo.plan import memory_limits
from caffelungo.weights import sniff, wire
from caffelungo.weights.weights import Weights
from caffelungo.wording import counted

MAX_BYTES = 2**31 - 1
"""Protobuf reads no longer message, and Caffe no larger file."""


def content(path: str | Path) -> bytes:
    """The bytes of a file, read: a mapped file that shrinks meanwhile, or lies on a disk that fails, ends the process.

    UserError when they do not fit into memory.
    """
    size, free = Path(path).stat().st_size, memory_limits.available()
    if free is not None and size > free:
        raise UserError(
            "the file does not fit into memory",
            where=Location(str(path)),
            received=f"{size / 1e9:.3g} GB, and {free / 1e9:.3g} GB are free",
            remedy="use the file that the training wrote, or a machine with more memory",
        )
    return Path(path).read_bytes()


def damaged(path: str | Path, size: int, error: Exception) -> UserError:
    """The error for a file that ends early or is no message."""
    offset = getattr(error, "offset", None)
    if getattr(error, "foreign", False):
        return UserError(
            "the file was written by a fork of Caffe",
            where=Location(str(path)),
            received=str(error),
            remedy="write it with the fork in BVLC's form (NVCaffe: store_blobs_in_old_format: true)",
        )
    at = f"at byte {offset} of {size}: " if offset is not None else f"in {counted(size, 'byte')}: "
    return UserError(
        "the file is damaged or truncated",
        where=Location(str(path)),
        received=at + str(error),
        remedy="copy or download it again and compare its size with the source's",
    )


def parse(path: str | Path, wanted: str, message: Any, inner: Any) -> tuple[Any, list[Any]]:
    """The binary ``message`` class of kind ``wanted`` in ``path``, and its blobs (see ``wire.take_blobs``)."""
    buffer = memoryview(content(path))
    found = sniff.message_kind(buffer)
    if found not in (wanted, None):
        raise sniff.wrong_kind(path, str(found), wanted)
    try:
        skeleton, arrays = wire.take_blobs(buffer, inner)
        option_blocks.load()
        return schema.from_bytes(message, skeleton), arrays
    except (wire.WireError, DecodeError) as error:
        raise damaged(path, len(buffer), error) from None


def read(path: str | Path) -> Weights:
    """The weights in a binary `.caffemodel` of any age; UserError when it is damaged or another kind of file."""
    net, arrays = parse(path, sniff.WEIGHTS, NetParameter, wire.NET)
    upgrade_net(net, lambda *field: Location(str(path)))
    weights = Weights(name=net.name, path=str(path))
    for layer in net.layer:
        if layer.blobs:
            name = layer.name
            weights.layers[name] = [arrays[blob.num] for blob in layer.blobs]
            weights.types[name] = layer.type
    if not weights.layers:
        raise UserError(
            "the file contains no weights",
            where=Location(str(path)),
            received=f"{counted(len(net.layer), 'layer')} without blobs",
            remedy="use a .caffemodel that a training wrote, not a definition in binary form",
        )
    if net.HasField("lungo"):
        weights.extras = schema.from_bytes("lungo.NetExtras", net.lungo.SerializeToString())
    return weights


def read_net(path: str | Path) -> Any:
    """The definition inside a binary `.caffemodel`: its NetParameter, not upgraded, without blobs."""
    net, _ = parse(path, sniff.WEIGHTS, NetParameter, wire.NET)
    for layers in (net.layer, net.layers):
        for layer in layers:
            layer.ClearField("blobs")
    return net


def write(path: str | Path, weights: Weights, net: Any = None) -> None:
    """Write ``weights`` as a `.caffemodel` that Caffe and OpenCV read.

    ``net`` (NetParameter) is the definition trained; its TRAIN layers are written, with their Split layers, as Caffe
    does. Without it, layers are written with name, type and blobs alone. UserError above 2 GB.
    """
    pieces: list[bytes | memoryview] = []
    name = net.name if net is not None and net.name else weights.name
    if name:
        pieces += wire.encode_bytes(1, name.encode())
    for layer in _layers(weights, net):
        blobs = [wire.encode_bytes(7, *wire.encode_blob(blob)) for blob in weights.layers.get(layer.name, ())]
        pieces += wire.encode_bytes(100, layer.SerializeToString(), *(piece for blob in blobs for piece in blob))
    if weights.extras is not None:
        pieces += wire.encode_bytes(20160, weights.extras.SerializeToString())
    save(path, pieces)


def save(path: str | Path, pieces: list[bytes | memoryview]) -> None:
    """Write the pieces of one message to ``path`` whole; UserError when Caffe could not read so large a file."""
    size = sum(len(piece) for piece in pieces)
    if size > MAX_BYTES:
        raise UserError(
            "a binary Caffe file cannot be larger than 2 GB",
            where=Location(str(path)),
            received=f"{size / 2**30:.2f} GB",
            remedy="write .h5 (snapshot_format: HDF5) or .safetensors instead",
        )
    with written_whole(path) as temporary, temporary.open("wb") as file:
        for piece in pieces:
            file.write(piece)


def _layers(weights: Weights, net: Any) -> Iterator[Any]:
    """The layers to write: the net's TRAIN layers with splits, then those that the net does not have."""
    left = dict.fromkeys(weights.layers)
    if net is not None:
        from caffelungo.plan.splits import insert_splits

        trained = NetParameter()
        trained.CopyFrom(net)
        state = net_state(net, TRAIN)
        del trained.layer[:]
        trained.layer.extend(layer for layer in net.layer if included(layer, state))
        for layer in insert_splits(trained).layer:
            copy = LayerParameter()
            copy.CopyFrom(layer)
            copy.ClearField("blobs")
            if not copy.HasField("phase"):
                copy.phase = state.phase
            left.pop(layer.name, None)
            yield copy
    for name in left:
        yield LayerParameter(name=name, type=weights.types.get(name, ""))
