"""Detects the kind of a file by its content, with a message if another kind is needed."""

from __future__ import annotations

import struct
from pathlib import Path

from caffelungo import files, filetypes
from caffelungo.errors import Location, UserError
from caffelungo.filetypes import HEAD
from caffelungo.weights import wire
from caffelungo.wording import counted

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
NUMPY_SIGNATURE = b"\x93NUMPY"

WEIGHTS, STATE, MEAN, ONNX = "weights", "state", "mean", "onnx"
HDF5, SAFETENSORS, NUMPY, PROTOBUF = "hdf5", "safetensors", "numpy", "protobuf"

MEANINGS = {
    WEIGHTS: "a weights file",
    STATE: "a solver state",
    MEAN: "a mean picture",
    ONNX: "an ONNX file",
}
ENDINGS = {WEIGHTS: ".caffemodel", STATE: ".solverstate", MEAN: ".binaryproto"}
PICTURES = {b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"BM": "BMP"}


def container(path: str | Path) -> str:
    """``hdf5``, ``safetensors``, ``numpy`` or ``protobuf``; UserError for an empty file, text, or a PyTorch file."""
    path = Path(path)
    where = Location(str(path))
    try:
        size = files.refuse_special(path)
        with path.open("rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError:
        raise UserError("file not found", where=where, received=str(path.absolute()), remedy=nearby(path)) from None
    except OSError as error:
        remedy = "name a readable file"
        raise UserError("the file cannot be read", where=where, received=str(error.strerror), remedy=remedy) from None
    if not head:
        raise UserError("the file is empty", where=where, received="0 bytes", remedy="copy or download it again")
    if head.startswith(HDF5_SIGNATURE):
        return HDF5
    if head.startswith(NUMPY_SIGNATURE):
        return NUMPY
    if len(head) > 8 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] <= size:
        # Its first byte, part of a length, may be any: asked before the one-byte mark of a pickle.
        return SAFETENSORS
    if (other := filetypes.mistaken(head)) is not None:
        raise UserError(
            "this is not a file of weights, state or mean", where=where, received=other.kind, remedy=other.remedy
        )
    for signature, kind in PICTURES.items():
        if head.startswith(signature):
            raise UserError("this is a picture", where=where, received=f"a {kind} file of {counted(size, 'byte')}",
                            remedy="name the file of the net's weights (.caffemodel), state or mean")  # fmt: skip
    if is_text(head):
        raise UserError(
            "this is a text file, not a binary one",
            where=where,
            received=head.decode("utf-8", "replace").lstrip().splitlines()[0][:60],
            remedy="a definition (.prototxt) goes to --model, --solver or the command itself; "
            "a binary file is needed here",
        )
    return PROTOBUF


def nearby(path: Path) -> str:
    """Where to look for a file that is not there."""
    parent = path.absolute().parent
    if not parent.is_dir():
        return f"correct the path; folder {parent} does not exist"
    same = sorted(other.name for other in parent.glob(f"*{path.suffix}") if path.suffix)[:5]
    return f"correct the path; {parent} holds {', '.join(same) or f'no *{path.suffix} file'}"


def is_text(head: bytes) -> bool:
    """Whether ``head`` has no byte that text has not."""
    return bool(head.strip()) and not any((byte < 32 and byte not in b"\t\n\r\f") or byte == 127 for byte in head)


def message_kind(buffer: memoryview) -> str | None:
    """``weights``, ``state``, ``mean`` or ``onnx`` by the fields at the top of a message, None when unsure.

    A NetParameter has a string in field 1 and layers in 2 or 100; a SolverState a number in field 1 and blobs in 3; a
    BlobProto floats in 5; an ONNX ModelProto a number in field 1 and the graph in 7.
    """
    kinds: set[tuple[int, int]] = set()
    try:
        for field in wire.fields(buffer, 0, len(buffer)):
            kinds.add((field.number, field.kind))
            if field.number in (2, 100) and (1, wire.BYTES) in kinds:
                break
    except wire.WireError:
        pass
    if (100, wire.BYTES) in kinds or (1, wire.BYTES) in kinds:
        return WEIGHTS
    if {(1, wire.VARINT), (7, wire.BYTES)} <= kinds:
        return ONNX
    if (1, wire.VARINT) in kinds and kinds & {(2, wire.BYTES), (3, wire.BYTES)}:
        return STATE
    if (2, wire.BYTES) in kinds:
        return WEIGHTS
    if kinds & {(5, wire.BYTES), (5, wire.FIXED32), (8, wire.BYTES)}:
        return MEAN
    return None


def wrong_kind(path: str | Path, found: str, wanted: str) -> UserError:
    """The error for a ``found`` file where a ``wanted`` one should be, naming a fitting neighbour if there is one."""
    remedies = {
        (WEIGHTS, STATE): "to resume, use its .solverstate; to start from these weights, pass it to --weights",
        (STATE, WEIGHTS): "for weights, use its .caffemodel; to resume from it, pass it to --snapshot",
        (MEAN, WEIGHTS): "give it to mean_file in transform_param",
        (MEAN, STATE): "give it to mean_file in transform_param",
        (ONNX, WEIGHTS): "give the weights it was made of (.caffemodel); `lungo classify` and `lungo infer` run it",
    }
    other = neighbour(Path(path), wanted)
    remedy = remedies.get((found, wanted), f"give {MEANINGS[wanted]} ({ENDINGS[wanted]})")
    if other:
        remedy += f" (found next to it: {other})"
    what = f"this is {MEANINGS[found]}, not {MEANINGS[wanted]}"
    return UserError(what, where=Location(str(path)), received=str(Path(path).absolute()), remedy=remedy)


def neighbour(path: Path, wanted: str) -> Path | None:
    """The file of the same snapshot of kind ``wanted`` beside ``path``."""
    stem = path.name
    for ending in (".h5", ".caffemodel", ".solverstate", ".safetensors", ".binaryproto"):
        stem = stem.removesuffix(ending)
    for ending in (ENDINGS[wanted], f"{ENDINGS[wanted]}.h5"):
        other = path.with_name(stem + ending)
        if other != path and other.exists():
            return other
    return None
