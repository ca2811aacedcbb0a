"""Detects files of other kinds that are often passed by mistake, by their first bytes, with a remedy for each."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

HEAD = 4096
"""Bytes of a file by which its kind is known."""

_UNPACK = "unpack it and name the file inside"
_PICKLE = (
    "it is not opened, because a pickle may run code; save its tensors as .safetensors, or name torchvision's weights "
    "as torchvision:NAME"
)
_ARCHIVES = (
    (b"\x1f\x8b", "a gzip archive", f"{_UNPACK}: gunzip (tar -xf for a .tar.gz)"),
    (b"BZh", "a bzip2 archive", f"{_UNPACK}: bunzip2"),
    (b"\xfd7zXZ\x00", "an xz archive", f"{_UNPACK}: unxz"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", f"{_UNPACK}: unzstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
)
_BOMS = (
    (codecs.BOM_UTF32_LE, "UTF-32", "utf-32"), (codecs.BOM_UTF32_BE, "UTF-32", "utf-32"),
    (codecs.BOM_UTF16_LE, "UTF-16", "utf-16"), (codecs.BOM_UTF16_BE, "UTF-16", "utf-16"),
)  # fmt: skip
_WIDE = (("UTF-32", "utf-32-le", 4), ("UTF-32", "utf-32-be", 4), ("UTF-16", "utf-16-le", 2), ("UTF-16", "utf-16-be", 2))
_LFS = b"version https://git-lfs.github.com/spec/"
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body")
_SHORTEST = 8


@dataclass(frozen=True)
class Mistaken:
    """A kind of file, in words, and what to do with one."""

    kind: str
    remedy: str


def mistaken(head: bytes) -> Mistaken | None:
    """What the file that begins with ``head`` is, when it is none that any verb reads; None when it may be one."""
    if head.startswith(_LFS):
        return Mistaken(
            "a Git LFS pointer instead of the file, which was not fetched", "fetch the file itself: git lfs pull"
        )
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()[:64].lower()
    if text.startswith(_PAGES):
        return Mistaken(
            "an HTML page", "download the file itself; what was saved is a page about it, or an error message"
        )
    if text.startswith(b"<?xml"):
        return Mistaken("an XML document", "download the file itself; what was saved may be an error message")
    for magic, kind, remedy in _ARCHIVES:
        if head.startswith(magic):
            return Mistaken(kind, remedy)
    if head[257:262] == b"ustar":
        return Mistaken("a tar archive", f"{_UNPACK}: tar -xf")
    if head.startswith(b"PK\x03\x04"):
        return _zip(head)
    if len(head) > 1 and head[0] == 0x80 and head[1] in range(2, 6):
        return Mistaken("a Python pickle, as old PyTorch files are", _PICKLE)
    if (encoding := encoding_of(head)) is not None:
        return Mistaken(f"text in {encoding[0]}", "save it as UTF-8")
    return None


def _zip(head: bytes) -> Mistaken:
    if b"data.pkl" in head or b".data/serialization_id" in head or b"/version" in head[:128]:
        return Mistaken("a PyTorch file (a zip archive with a pickle)", _PICKLE)
    if b".npy" in head[:256]:
        return Mistaken("NumPy arrays (.npz)", "save the arrays that you need as .npy or .safetensors")
    return Mistaken("a zip archive (perhaps PyTorch weights)", f"{_UNPACK}: unzip. Of PyTorch weights: {_PICKLE}")


def encoding_of(head: bytes) -> tuple[str, str] | None:
    """(UTF-16 or UTF-32, Python's name of it) where ``head`` is such text, with or without a mark; else None."""
    marked = [(name, codec, 4 if name == "UTF-32" else 2) for mark, name, codec in _BOMS if head.startswith(mark)]
    for name, codec, width in marked or _WIDE:
        size = len(head) // width * width
        zeros = head[:size].count(0)
        if not marked and (size < _SHORTEST * width or zeros < size * (width - 1) / width * 0.9):
            continue
        text = head[:size].decode(codec, "replace")[:-1] if size == HEAD else head[:size].decode(codec, "replace")
        if all(character.isprintable() or character in "\t\r\n\f" for character in text) and "\ufffd" not in text:
            return name, codec
    return None
