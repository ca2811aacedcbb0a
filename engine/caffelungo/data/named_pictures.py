"""What a person names as pictures with labels: a folder of classes, a list, a table, a packed file, torchvision's set.

    photos/   list.txt   photos.csv   train-images-idx3-ubyte.gz   cifar/   x.npz   x.h5   db_lmdb/   torchvision:MNIST

Kinds are detected by content. A folder of classes and a list stay what they are; a table becomes a list, and packed
pictures become files with lists (``unpack_pictures``), so that every verb, and a data layer of a net, reads the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from caffelungo.data import unpack_pictures
from caffelungo.data.image_list import LABELS, ImageList, read_list, write_list, write_names
from caffelungo.data.packed import arrays, caffe_database, cifar, idx, torchvision_sets
from caffelungo.data.packed.packed import Packed
from caffelungo.data.parallel import Progress
from caffelungo.data.picture_table import PictureColumns, is_table, read_table
from caffelungo.errors import Location, UserError
from caffelungo.files import find
from caffelungo.weights.sniff import HDF5_SIGNATURE
from caffelungo.wording import counted

TRAIN, VAL, TEST = "train", "val", "test"
_ZIP = b"PK\x03\x04"
_HEAD = 4096


@dataclass(frozen=True)
class NamedPictures:
    """``folder`` is a folder of classes; None where ``lists`` hold the pictures by part (train, val, test).

    ``source`` is what an ImageData layer reads: all pictures. ``sources`` are lists of the parts. ``columns`` are those
    of a table, a value per picture of its one part. ``made``: the pictures are no files of the user's own.
    """

    source: Path
    folder: Path | None = None
    lists: Mapping[str, ImageList] = field(default_factory=dict)
    sources: Mapping[str, Path] = field(default_factory=dict)
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    made: bool = False

    @property
    def judging(self) -> Path:
        """The list to test on: the part for that where there is one, else all."""
        return self.sources.get(TEST) or self.sources.get(VAL) or self.source


def resolve(
    data: str | Path, columns: PictureColumns | None = None, progress: Progress | None = None,
    what: str = "folder or list of pictures",
) -> NamedPictures:  # fmt: skip
    """What ``data`` names, its pictures as files. UserError for what is nothing of the kind, or is damaged."""
    chosen = columns or PictureColumns()
    text = str(data)
    if text.startswith(torchvision_sets.PREFIX):
        _no_columns(chosen, text)
        packed = torchvision_sets.read(text, unpack_pictures.cache_folder() / "torchvision")
        return _unpacked(packed, text.removeprefix(torchvision_sets.PREFIX).partition("?")[0], progress)
    path = find(data, what=what)
    packed_found = _packed(path)
    if packed_found is not None:
        _no_columns(chosen, text)
        return _unpacked(packed_found, path.absolute().name, progress)
    if path.is_dir():
        _no_columns(chosen, text)
        return NamedPictures(path.absolute(), folder=path)
    if is_table(path, chosen):
        return _table(path, chosen)
    return NamedPictures(path.absolute(), lists={TRAIN: read_list(path)})


def _no_columns(columns: PictureColumns, data: str) -> None:
    if columns != PictureColumns():
        flag = "--path-column" if columns.path is not None else "--label-column"
        raise UserError("only a table (CSV or TSV) has columns", received=f"{flag} with {data}",
                        remedy=f"remove {flag}, or name a table")  # fmt: skip


def _packed(path: Path) -> Packed | None:
    """The pictures that the file or the folder ``path`` holds; None where it is a folder of classes or text."""
    if path.is_dir():
        if (path / "data.mdb").is_file():
            return caffe_database.read(path)
        if images := idx.in_folder(path):
            return idx.read(images)
        if binary := cifar.in_folder(path):
            return cifar.read(binary)
        cifar.refuse_python(path)
        return None
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    if head.startswith(HDF5_SIGNATURE):
        return arrays.read_hdf5(path)
    if head.startswith(_ZIP):
        return arrays.read_npz(path)
    if head[16:20] == caffe_database.MAGIC:
        return caffe_database.read(path)
    if (count := idx.axes(path)) is not None:
        if count >= 3:
            return idx.read([path])
        raise UserError("the file holds labels only", where=Location(str(path)), received=f"IDX with {count} axis",
                        remedy="name the file of pictures: train-images-idx3-ubyte")  # fmt: skip
    cifar.refuse_python(path)
    if b"\0" in head and cifar.record_size(path) is not None:
        return cifar.read([path])
    if path.name.endswith(".bin") and path in cifar.in_folder(path.parent):
        return cifar.read([path])  # which says what is wrong with it
    return None


def _unpacked(packed: Packed, name: str, progress: Progress | None) -> NamedPictures:
    folder = unpack_pictures.unpacked(packed, name, progress)
    parts = [part for part in (TRAIN, VAL, TEST) if (folder / f"{part}.txt").is_file()]
    sources = {part: folder / f"{part}.txt" for part in parts}
    lists = {part: read_list(path) for part, path in sources.items()}
    classes = unpack_pictures.class_names(packed)
    for one in lists.values():
        one.classes = classes
    count = sum(len(one) for one in lists.values())
    said = f"{counted(count, 'picture')} of {packed.kind} are unpacked in {folder}, where trainings read them"
    return NamedPictures(folder / unpack_pictures.ALL, None, lists, sources, {}, (said, *packed.notices), made=True)


def _table(path: Path, columns: PictureColumns) -> NamedPictures:
    """The pictures of a table, with a list of them in the cache, which a data layer can read."""
    table = read_table(path, columns)
    pictures = table.pictures
    entries = list(zip(pictures.names, pictures.labels.tolist(), strict=True))

    def write(made: Path) -> None:
        write_names(made / LABELS, pictures.classes)
        write_list(made / unpack_pictures.ALL, entries)

    folder = unpack_pictures.made_once(unpack_pictures.address(path.name, entries, pictures.classes), write)
    return NamedPictures(folder / unpack_pictures.ALL, None, {TRAIN: pictures}, {}, table.columns, table.notices)
