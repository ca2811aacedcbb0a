"""The bytes of a definition file -> text, or a refusal that says what the file is instead."""

from __future__ import annotations

import codecs

from caffelungo.errors import Location, UserError

_MAGIC = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "weights (.caffemodel.h5) go to --weights, a .solverstate.h5 to --snapshot"),
    (b"PK\x03\x04", "a zip archive (perhaps PyTorch weights)", "give the .prototxt file"),
    (b"\x80\x02", "a Python pickle", "give the .prototxt file; pickles are never opened"),
    (b"\x80\x03", "a Python pickle", "give the .prototxt file; pickles are never opened"),
    (b"\x80\x04", "a Python pickle", "give the .prototxt file; pickles are never opened"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"\x89PNG", "a PNG picture", "give the .prototxt file"),
    (b"\xff\xd8\xff", "a JPEG picture", "give the .prototxt file"),
    (codecs.BOM_UTF32_LE, "text in UTF-32", "save it as UTF-8"),
    (codecs.BOM_UTF16_LE, "text in UTF-16", "save it as UTF-8"),
    (codecs.BOM_UTF16_BE, "text in UTF-16", "save it as UTF-8"),
)
_ONNX_MARKS = (b"onnx", b"pytorch", b"tf2onnx", b"caffelungo", b"Conv", b"Gemm", b"Relu")
HEAD = 4096
_TEXT_CONTROLS = b"\t\n\r\v\f"


def is_binary(data: bytes) -> bool:
    """Whether ``data`` holds control characters that no text file has."""
    head = data[:HEAD].translate(None, _TEXT_CONTROLS)
    return b"\0" in data or any(byte < 0x20 for byte in head)


def refuse_binary(data: bytes, file: str) -> None:
    """Raise UserError if ``data`` is no text, naming what it is and what to do with it."""
    for magic, kind, remedy in _MAGIC:
        if data.startswith(magic):
            raise UserError("this is no definition", where=Location(file), received=kind, remedy=remedy)
    if not is_binary(data):
        return
    head = data[:HEAD]
    if data[:1] == b"\x08" and any(mark in head for mark in _ONNX_MARKS):
        received, remedy = (
            "an ONNX file",
            "give the .prototxt file it was exported from; `lungo classify` runs ONNX files",
        )
    elif data[8:9] == b"{" and b"dtype" in head:
        received, remedy = "a safetensors file", "weights go to --weights; give the .prototxt file here"
    else:
        received = "a binary file (perhaps .caffemodel weights)"
        remedy = "give the .prototxt file here; weights go to --weights, a .solverstate to --snapshot"
    raise UserError("this is no definition", where=Location(file), received=received, remedy=remedy)


def decode(data: bytes) -> str:
    """``data`` as text. Bytes that are not UTF-8 become lone surrogates, so that ``encode`` gives them back."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes that ``decode`` read."""
    return text.encode("utf-8", "surrogateescape")
