"""What a file is, by what it contains."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffelungo.check import kinds
from tests.passes.nets import ALEX, FIRE
from tests.support import needs_shared, shared


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.prototxt", ALEX, kinds.NET),
        ("solver_of_mine.txt", FIRE, kinds.NET),
        ("a.txt", 'net: "x.prototxt"\nbase_lr: 0.1\n', kinds.SOLVER),
        ("a.prototxt", "layr {\n}\n", kinds.NET),
        ("a.prototxt", "bas_lr: 1\nlr_polici: 'x'\n", kinds.SOLVER),
        ("solver.prototxt", "", kinds.SOLVER),
        ("net.prototxt", "", kinds.NET),
        ("a.prototxt.j2", '{% set n = 3 %}\nlayer { name: "{{ n }}" }\n{# base_lr: 1 lr_policy: 2 #}', kinds.NET),
        ("a.prototxt", 'train_net_param { layer { name: "x" } } base_lr: 1', kinds.SOLVER),
        ("train.txt", "a/b.jpg 0\n", kinds.LIST),
        ("train", "/x y/b 1.JPEG 12\n", kinds.LIST),
        ("train.txt", "C:\\pictures\\a.png 3\n", kinds.LIST),
        ("train.txt", "picture-without-ending 3\n", kinds.LIST),
        ("train.txt", '"a b.webp" 3\n', kinds.LIST),
        ("train.txt", "", kinds.LIST),
        ("train.txt", "a.jpg\n", kinds.LIST),
        ("train.txt", "data/train.h5\n", kinds.HDF5_LIST),
        ("labels.txt", "cat\ndog 2\n", kinds.NAMES),
        ("README.md", "# mine\n\n    lungo train --solver mine/solver.prototxt\n", kinds.OTHER),
    ],
)
def test_kinds_of_text(tmp_path: Path, name: str, text: str, kind: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert kinds.kind_of(path) == kind


def test_binary_and_folders(tmp_path: Path) -> None:
    for name, kind in (("a.caffemodel", kinds.WEIGHTS), ("a.solverstate", kinds.STATE), ("m.binaryproto", kinds.MEAN)):
        (tmp_path / name).write_bytes(b"\x00\x01\x02")
        assert kinds.kind_of(tmp_path / name) == kind
    (tmp_path / "a.JPG").write_bytes(b"")
    assert kinds.kind_of(tmp_path / "a.JPG") == kinds.PICTURE
    assert kinds.kind_of(tmp_path) == kinds.FOLDER
    (tmp_path / "data.mdb").write_bytes(b"")
    assert kinds.kind_of(tmp_path) == kinds.DATABASE


@needs_shared
def test_real_files_are_told_apart() -> None:
    for path in shared("corpus").rglob("*.prototxt"):
        name = path.name.rsplit("__", 1)[-1]  # before it, the folders that it came from: examples__solvers__adadelta
        expected = kinds.SOLVER if "solver" in name else kinds.NET
        assert kinds.kind_of(path) == expected, path
