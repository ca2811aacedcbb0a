"""The bytes of a definition file -> text, or a refusal that says what the file is instead."""

from __future__ import annotations

from caffelungo.definition.tree import LineTable
from caffelungo.errors import Location, UserError
from caffelungo.filetypes import HEAD, mistaken

_MAGIC = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "weights (.caffemodel.h5) go to --weights, a .solverstate.h5 to --snapshot"),
    (b"\x89PNG", "a PNG picture", "name the .prototxt file"),
    (b"\xff\xd8\xff", "a JPEG picture", "name the .prototxt file"),
)
_ONNX_MARKS = (b"onnx", b"pytorch", b"tf2onnx", b"caffelungo", b"Conv", b"Gemm", b"Relu")
_TEXT_CONTROLS = b"\t\n\r\v\f"


def is_binary(data: bytes) -> bool:
    """Whether ``data`` holds control characters that no text file has."""
    head = data[:HEAD].translate(None, _TEXT_CONTROLS)
    return b"\0" in data or any(byte < 0x20 for byte in head)


def refuse_binary(data: bytes, file: str) -> None:
    """Raise UserError if ``data`` is no text, naming what it is and what to do with it."""
    if (other := mistaken(data[:HEAD])) is not None:
        raise UserError("this is not a definition", where=Location(file), received=other.kind, remedy=other.remedy)
    for magic, kind, remedy in _MAGIC:
        if data.startswith(magic):
            raise UserError("this is not a definition", where=Location(file), received=kind, remedy=remedy)
    if not is_binary(data):
        return
    if b"\0" not in data and (place := _control(data, file)) is not None:
        raise UserError(
            "a character that is not allowed in a definition", where=place, received="a control character",
            remedy="delete it, or write it as an escape inside quotes",
        )  # fmt: skip
    head = data[:HEAD]
    if data[:1] == b"\x08" and any(mark in head for mark in _ONNX_MARKS):
        received, remedy = (
            "an ONNX file",
            "name the .prototxt file it was exported from; `lungo classify` runs ONNX files",
        )
    elif data[8:9] == b"{" and b"dtype" in head:
        received, remedy = "a safetensors file", "weights go to --weights; name the .prototxt file here"
    else:
        received = "a binary file (perhaps .caffemodel weights)"
        remedy = "name the .prototxt file here; weights go to --weights, a .solverstate to --snapshot"
    raise UserError("this is not a definition", where=Location(file), received=received, remedy=remedy)


def _control(data: bytes, file: str) -> Location | None:
    """Where the first control character of ``data`` is, if the rest of it is UTF-8 text with few of them."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    found = [at for at, one in enumerate(text[:HEAD]) if one < " " and one not in _TEXT_CONTROLS.decode()]
    return LineTable(file, text).locate(found[0]) if 0 < len(found) * 16 < len(text) else None


def decode(data: bytes) -> str:
    """``data`` as text. Bytes that are not UTF-8 become lone surrogates, so that ``encode`` gives them back."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes that ``decode`` read."""
    return text.encode("utf-8", "surrogateescape")
