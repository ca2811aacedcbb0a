"""The files and folders that data layers name, when a net is written into another folder. No torch.

    a/net.prototxt  source: "train.txt"  (a/train.txt)   ->   b/grown.prototxt  source: "/home/me/a/train.txt"

A relative path is tried from the working directory, then from the net's file: what was found the second way would not
be found from another folder, or another file of that name would be.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from caffelungo.definition.edits import Edit, SetField
from caffelungo.definition.reader import Definition

FIELDS = (
    ("image_data_param", "source"), ("image_data_param", "root_folder"), ("data_param", "source"),
    ("hdf5_data_param", "source"), ("transform_param", "mean_file"),
)  # fmt: skip


def kept(net: Definition, target: Path) -> tuple[list[Edit], list[str]]:
    """(edits, names) with which ``net``, once written to ``target``, reads what it reads now: each of the ``names``
    that is meant from the folder of ``net`` becomes a full path."""
    edits: list[Edit] = []
    names: dict[str, None] = {}
    old, new = Path(net.path).parent, target.parent
    for path, name in _named(net):
        there, here = old / name, new / name
        by_folder = Path(name).exists() and not Path(name).samefile(there) if there.exists() else True
        if by_folder or (here.exists() and here.samefile(there)):
            continue
        # Caffe puts a root folder and a picture's name together as they are.
        edits.append(SetField(path, str(there.resolve()) + ("/" if name.endswith("/") else "")))
        names[name] = None
    return edits, list(names)


def _named(net: Definition) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Path and value of each field of ``net`` that names data by a relative path."""
    for index, layer in enumerate(net.message.layer):
        for message, field in FIELDS:
            name = str(getattr(getattr(layer, message), field))
            if name and not Path(name).is_absolute():
                yield ("layer", index, message, field), name
