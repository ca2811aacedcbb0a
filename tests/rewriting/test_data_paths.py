"""A net that is written into another folder reads the files that the old one reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffelungo.definition import editor
from caffelungo.definition.reader import read_net
from caffelungo.rewriting.data_paths import kept
from tests.lungo import lungo

NET = """layer {{ name: "data" type: "{type}" top: "data" top: "label" {field} {{ source: "{source}" }} {more} }}
layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param {{ num_output: 2 }} }}
"""
CASES = [
    ("ImageData", "image_data_param", "train.txt", ""),
    ("ImageData", "image_data_param", '/nowhere/train.txt" root_folder: "pictures/', ""),
    ("Data", "data_param", "lists/../lmdb", ""),
    ("HDF5Data", "hdf5_data_param", "train.txt", ""),
    ("Data", "data_param", "/nowhere/lmdb", 'transform_param { mean_file: "mean.binaryproto" }'),
]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The old net's folder, with data; and the new one's."""
    old, new, elsewhere = tmp_path / "old", tmp_path / "new", tmp_path / "elsewhere"
    for folder in (old, new, elsewhere, old / "lmdb", old / "lists", old / "pictures"):
        folder.mkdir()
    for name in ("train.txt", "mean.binaryproto"):
        (old / name).write_text("x")
    monkeypatch.chdir(elsewhere)
    return old, new


def write(folder: Path, case: tuple[str, str, str, str]) -> Path:
    kind, field, source, more = case
    (folder / "net.prototxt").write_text(NET.format(type=kind, field=field, source=source, more=more))
    return folder / "net.prototxt"


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("other", [False, True])
def test_what_lies_beside_the_old_net(case: tuple[str, str, str, str], other: bool, folders: tuple[Path, Path]) -> None:
    old, new = folders
    if other:  # files of these names that are others
        for name in ("train.txt", "mean.binaryproto"):
            (new / name).write_text("another")
    net = read_net(write(old, case))
    edits, names = kept(net, new / "net.prototxt")
    assert len(edits) == len(names) == 1
    done = editor.apply(net, edits)
    whole = str((old / names[0]).resolve()) + ("/" if names[0].endswith("/") else "")
    assert f'"{whole}"' in done.text
    assert done.text.replace(whole, names[0]) == net.text
    # A second move finds nothing to do.
    assert kept(done, new / "net.prototxt") == ([], [])


@pytest.mark.parametrize("case", CASES)
def test_names_that_mean_the_same_there_stay(
    case: tuple[str, str, str, str], folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = folders
    net = read_net(write(old, case))
    assert kept(net, old / "grown.prototxt") == ([], [])
    monkeypatch.chdir(old)
    net = read_net(write(new, case))  # found from the working directory, as in Caffe
    assert kept(net, new.parent / "elsewhere" / "net.prototxt") == ([], [])


def test_names_of_nothing_stay(folders: tuple[Path, Path]) -> None:
    old, new = folders
    net = read_net(write(old, ("ImageData", "image_data_param", "lost.txt", "")))
    assert kept(net, new / "net.prototxt") == ([], [])


def test_grow_says_so(folders: tuple[Path, Path]) -> None:
    old, new = folders
    text = NET.format(type="ImageData", field="image_data_param", source="train.txt", more="")
    text = text.replace('source: "train.txt"', 'source: "train.txt" new_height: 4 new_width: 4')
    text += 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" }\n'
    (old / "net.prototxt").write_text(text)
    ran = lungo("rewrite", str(old / "net.prototxt"), "--rate", "fc=2", "-o", str(new / "x.prototxt"))
    assert ran.status == 0, ran.err
    assert "train.txt is given by full path in" in ran.out + ran.err
    assert f'source: "{old.resolve()}/train.txt"' in (new / "x.prototxt").read_text()
