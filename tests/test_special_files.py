"""What is no regular file, where a file is read: refused at once, whichever reader meets it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from caffelungo.check import check
from caffelungo.data import image_list
from caffelungo.data.decode import decode
from caffelungo.data.lmdb_reader import LmdbReader
from caffelungo.data.sources.hdf5_data import read_file_list
from caffelungo.definition.reader import read_net, read_recipe, read_solver
from caffelungo.errors import UserError
from caffelungo.files import find, read, read_text, refuse_special
from caffelungo.inference import inputs, metadata, runtime
from caffelungo.weights import formats, meanfile, solverstate

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="made as on Unix"),
    pytest.mark.timeout(30),
]
READERS: dict[str, Callable[[Path], object]] = {
    "net.prototxt": read_net, "solver.prototxt": read_solver, "recipe.prototxt": read_recipe,
    "net.prototxt.j2": read_net, "variables": lambda path: read_net(path, {"x": 1}),
    "x.caffemodel": formats.read, "x.h5": formats.read, "x.safetensors": formats.read,
    "x.solverstate": solverstate.read, "mean.binaryproto": meanfile.read, "mean.npy": meanfile.read,
    "x.onnx": runtime.read_file, "x.jpg": decode, "list.txt": image_list.read_list, "pictures.txt": inputs.read_list,
    "labels.txt": metadata.read_labels, "hdf5.txt": lambda path: read_file_list(find(path)), "data.mdb": LmdbReader,
    "any": find, "bytes": read, "text": read_text,
}  # fmt: skip


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(("made", "received"), [(pipe, "a pipe (FIFO)"), (listening, "a socket"), (device, "a device")])
def test_every_reader_refuses_it(
    made: Callable[[Path], None], received: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    made(Path(name))
    with pytest.raises(UserError) as caught:
        READERS[name](Path(name))
    problem = caught.value.problems[0]
    assert (problem.what, problem.received) == ("this is not a regular file", received)
    assert problem.where is not None
    assert problem.where.file == name
    assert problem.remedy
    assert check([name]).problems[0].what == "this is not a regular file"


@pytest.mark.parametrize("name", [name for name in READERS if name not in ("any", "bytes", "text", "data.mdb")])
def test_a_file_of_a_terabyte_without_content_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UserError) as caught:
        READERS[name](path)
    assert caught.value.problems[0].remedy


def test_a_solver_that_names_a_device_is_told_its_line(tmp_path: Path) -> None:
    solver = tmp_path / "solver.prototxt"
    solver.write_text('base_lr: 0.01\nnet: "/dev/zero"\nlr_policy: "fixed"\nmax_iter: 10\n')
    (problem,) = check([solver]).problems
    assert str(problem.where) == f"{solver}:2:6"
    assert (problem.what, problem.received) == ("this is not a regular file", "a device")


def test_folders_and_sizes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r")
    assert refuse_special(tmp_path / "a") == 12
    assert read(tmp_path / "a", most=12)[3:] == b"one\r\ntwo\r"
    assert read_text(tmp_path / "a") == "one\ntwo\n"
    assert find(tmp_path) == tmp_path
    with pytest.raises(UserError, match="the file is too large"):
        read(tmp_path / "a", most=11)
    with pytest.raises(UserError, match="this is a folder, not a file"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none")
