"""Files that are given by mistake: named for what they are, by every reader that meets them."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from caffelungo.check import check
from caffelungo.definition.reader import read_net, read_solver
from caffelungo.errors import UserError
from caffelungo.filetypes import encoding_of, mistaken
from caffelungo.inference.runtime import open_session
from caffelungo.weights import formats, meanfile

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def _zip(name: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, b"x" * 100)
    return made.getvalue()


def _tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("net.prototxt"))
    return made.getvalue()


def _npz() -> bytes:
    made = io.BytesIO()
    np.savez(made, a=np.zeros(3))
    return made.getvalue()


FILES = {
    "lfs": (LFS, "a Git LFS pointer", "git lfs pull"),
    "html": (b"\n<!DOCTYPE html><html><body>404</body></html>", "an HTML page", "download the file itself"),
    "xml": (b"\xef\xbb\xbf<?xml version='1.0'?><Error>AccessDenied</Error>", "an XML document", "download"),
    "gzip": (gzip.compress(b"name: 'x'"), "a gzip archive", "unpack it"),
    "bzip2": (b"BZh91AY&SY" + bytes(20), "a bzip2 archive", "unpack it"),
    "zip": (_zip("net.prototxt"), "a zip archive", "unpack it"),
    "tar": (_tar(), "a tar archive", "tar -xf"),
    "torch": (_zip("archive/data.pkl"), "a PyTorch file", "as .safetensors"),
    "npz": (_npz(), "NumPy arrays (.npz)", ".npy"),
    "pickle": (pickle.dumps({"weight": 1}), "a Python pickle", "as .safetensors"),
}  # fmt: skip
READERS: dict[str, Callable[[Path], object]] = {
    "net.prototxt": read_net, "solver.prototxt": read_solver,
    "x.caffemodel": formats.read, "x.safetensors": formats.read,
    "mean.binaryproto": meanfile.read, "x.onnx": open_session,
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_every_reader_says_what_it_was_given(kind: str, tmp_path: Path) -> None:
    data, received, remedy = FILES[kind]
    for name, read in READERS.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(UserError) as caught:
            read(path)
        (problem,) = caught.value.problems
        assert problem.where is not None
        assert problem.where.file == str(path)
        assert received in str(problem.received)
        assert remedy in str(problem.remedy)
        if not name.endswith(".onnx"):
            assert received in str(check([path]).problems[0].received)


@pytest.mark.parametrize(
    "data",
    [b"", b"name: 'x'", b"\x08\x01", bytes(4096), b"\xff\xfe\x00\x01" * 20, np.ones(64, "<f4").tobytes(), b"BZ: 1"],
)
def test_others_may_be_what_they_are_given_as(data: bytes) -> None:
    assert mistaken(data) is None
    assert encoding_of(data) is None
