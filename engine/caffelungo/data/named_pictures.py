"""What a person names as pictures with labels: a folder of classes, a list, a table, a packed file, torchvision's set.

    photos/   list.txt   photos.csv   train-images-idx3-ubyte.gz   cifar/   x.npz   x.h5   db_lmdb/   torchvision:MNIST

Kinds are detected by content. A folder of classes and a list stay what they are; a table becomes a list, and packed
pictures become files with lists (``unpack_pictures``), so that every verb, and a data layer of a net, reads the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from caffelungo import shell
from caffelungo.data import picture_table, target_rows, unpack_pictures
from caffelungo.data.image_list import LABELS, ImageList, of_targets, read_list, write_list, write_names
from caffelungo.data.packed import arrays, caffe_database, cifar, idx, torchvision_sets
from caffelungo.data.packed.packed import Packed
from caffelungo.data.parallel import Progress
from caffelungo.data.picture_table import PictureColumns, is_table, read_table
from caffelungo.data.table_columns import joined, name_and_unit, number_text, numbered
from caffelungo.errors import Location, Problem, UserError, did_you_mean
from caffelungo.files import find
from caffelungo.weights.sniff import HDF5_SIGNATURE
from caffelungo.wording import counted, listed

TRAIN, VAL, TEST = "train", "val", "test"
_ZIP = b"PK\x03\x04"
_HEAD = 4096


@dataclass(frozen=True)
class NamedPictures:
    """``folder`` is a folder of classes; None where ``lists`` hold the pictures by part (train, val, test).

    ``source`` is what an ImageData layer reads: all pictures. ``sources`` are lists of the parts. ``columns`` are those
    of a table, a value per picture of its one part. ``made``: the pictures are no files of the user's own.
    ``label_size``: numbers per picture in the lists (``target_rows``); 0: each picture has one label.
    """

    source: Path
    folder: Path | None = None
    lists: Mapping[str, ImageList] = field(default_factory=dict)
    sources: Mapping[str, Path] = field(default_factory=dict)
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    made: bool = False

    @property
    def label_size(self) -> int:
        return next((one.label_size for one in self.lists.values()), 0)

    @property
    def judging(self) -> Path:
        """The list to test on: the part for that where there is one, else all."""
        return self.sources.get(TEST) or self.sources.get(VAL) or self.source


def resolve(
    data: str | Path, columns: PictureColumns | None = None, progress: Progress | None = None,
    what: str = "folder or list of pictures", *, rows: bool = False,
) -> NamedPictures:  # fmt: skip
    """What ``data`` names, its pictures as files. UserError for what is nothing of the kind, or is damaged, and,
    unless ``rows`` of numbers are taken, for pictures that do not have one label each."""
    named = _resolved(data, columns, progress, what)
    if named.label_size and not rows:
        raise _several(named, data)
    return named


def _several(named: NamedPictures, data: str | Path) -> UserError:
    """The refusal of rows of labels or numbers where each picture is to have one label."""
    pictures = next(iter(named.lists.values()))
    labels = pictures.targets is not None and target_rows.are_labels(pictures.targets)
    what = "label" if labels else "number"
    learn = "`lungo finetune --predict labels`" if labels else "`lungo finetune --predict numbers`"
    names = f" ({listed(pictures.target_names, 3)})" if pictures.target_names else ""
    return UserError(
        f"each picture has {'several labels' if labels and named.label_size > 1 else f'a row of {what}s'}, where one "
        "label is wanted",
        where=Location(str(data)), received=f"{counted(named.label_size, what)} per picture{names}",
        remedy=f"name pictures with one label each; {learn} learns the {what}s",
    )  # fmt: skip


def with_labels(named: NamedPictures, names: Sequence[str]) -> NamedPictures:
    """``named``, whose pictures have rows of labels, with these in the order of ``names``; as they are without names.

    Labels of ``names`` that the pictures' file does not have are unknown. UserError where it has others.
    """
    ((part, pictures),) = named.lists.items()
    if not pictures.target_names or tuple(names) == pictures.target_names or pictures.targets is None:
        return named
    places = {name: place for place, name in enumerate(names)}
    strange = [name for name in pictures.target_names if name not in places]
    if strange:
        near = did_you_mean(strange[0], names)
        raise UserError(
            "the pictures have labels that the net does not tell", where=Location(str(pictures.file)),
            received=listed(strange, 6),
            remedy=f"did you mean {near}?" if near else f"the net tells {listed(names, 6)}: leave out the others",
        )  # fmt: skip
    rows = np.full((len(pictures), len(names)), target_rows.UNKNOWN, np.float32)
    rows[:, [places[name] for name in pictures.target_names]] = pictures.targets
    made = replace(pictures, targets=rows, target_names=tuple(names))
    absent = [name for name in names if name not in pictures.target_names]
    said = [f"nothing is known of {counted(len(absent), 'label')}: {listed(absent)}"] if absent else []
    return replace(named, lists={part: made}, source=_kept(pictures.file, made), notices=(*named.notices, *said))


def with_numbers(named: NamedPictures, numbers: Sequence[tuple[str, str]]) -> NamedPictures:
    """``named``, whose pictures have rows of numbers, with these in the order of ``numbers``: names and units.

    A list or a net without names is taken as it is, with a notice. UserError where names or units are others.
    """
    ((part, pictures),) = named.lists.items()
    wanted = [number_text(name, unit) for name, unit in numbers]
    nameless = "net" if [name for name, _ in numbers] == numbered(len(numbers)) else "list"
    if not pictures.target_names or pictures.targets is None or nameless == "net":
        said = f"the {nameless} has no names of numbers: they are taken in the order of the net: {listed(wanted, 6)}"
        return replace(named, notices=(*named.notices, said)) if len(numbers) == named.label_size else named
    found = {name_and_unit(column)[0]: (place, column) for place, column in enumerate(pictures.target_names)}
    where = Location(str(pictures.file), 1)
    received, predicted = f"columns {', '.join(pictures.target_names)}", f"the net predicts {', '.join(wanted)}"
    if set(found) != {name for name, _ in numbers} or len(found) < len(pictures.target_names):
        strange = next((name for name in found if name not in dict(numbers)), None)
        near = did_you_mean(strange, [name for name, _ in numbers]) if strange is not None else None
        named_so = f"--label-column {shell.word(joined(wanted))}"
        remedy = f"`{strange}` may be `{near}`: correct its name" if near else f"name these columns: {named_so}"
        raise UserError("the pictures have other numbers than the net predicts", where=where,
                        received=f"{received}; {predicted}", remedy=remedy)  # fmt: skip
    columns = [found[name] for name, _ in numbers]
    units = [(column, text) for (_, column), text, (_, unit) in zip(columns, wanted, numbers, strict=True)
             if name_and_unit(column)[1] != unit]  # fmt: skip
    if units:
        raise UserError([
            Problem("a number has another unit than the net predicts", where,
                    f"column `{column}`; the net predicts `{text}`",
                    f"convert the numbers if needed, and name the column `{text}`")
            for column, text in units
        ])  # fmt: skip
    order = [place for place, _ in columns]
    if order == sorted(order):
        return named
    made = replace(pictures, targets=pictures.targets[:, order],
                   target_names=tuple(column for _, column in columns))  # fmt: skip
    return replace(named, lists={part: made}, source=_kept(pictures.file, made))


def _resolved(data: str | Path, columns: PictureColumns | None, progress: Progress | None, what: str) -> NamedPictures:
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
    return _list(path, chosen.numbers)


def _list(path: Path, as_numbers: bool | None) -> NamedPictures:
    """The pictures of a list: with one label each, rows of numbers, or names of several labels.

    ``as_numbers``: a single number is no label, but a value to predict; None: it is where some have fractions.
    """
    kind: int | str = "label"
    if path.is_file() and path.stat().st_size <= picture_table.MOST:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline=None) as stream:
            head = [line for line in itertools.islice(map(str.strip, stream), target_rows.SEEN) if line]
        kind = target_rows.kind_of_list(head)
        if as_numbers or (as_numbers is None and kind == "label"):
            count = target_rows.per_line(head)
            ends = [line.split()[-1] for line in head]
            if as_numbers and not count:
                raise UserError("the lines of the list do not end with numbers", where=Location(str(path), 1),
                                received=head[0] if head else "no line",
                                remedy="write `path number` on each line, as many numbers on all")  # fmt: skip
            kind = count if as_numbers or (count and target_rows.have_fractions(ends)) else kind
    if isinstance(kind, int):
        return NamedPictures(path.absolute(), lists={TRAIN: read_list(path, label_size=kind)})
    if kind == "names":
        pictures = _named_labels(path)
        return NamedPictures(_kept(path, pictures), lists={TRAIN: pictures})
    return NamedPictures(path.absolute(), lists={TRAIN: read_list(path)})


def _named_labels(path: Path) -> ImageList:
    """The pictures of a list whose lines end with names of labels."""
    names, labels, lines, problems = [], [], [], []
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline=None) as stream:
        for number, line in enumerate(map(str.strip, stream), 1):
            found = target_rows.after_picture(line) if line else None
            if line and found is None:
                problems.append(Problem("the line has no picture", Location(str(path), number, 1, line), None,
                                        "begin it with the path of a picture, as a.jpg"))  # fmt: skip
            elif found is not None:
                names.append(str(_place(path, found[0])))
                labels.append(target_rows.names_in(found[1]))
                lines.append(number)
    if problems:
        raise UserError(problems)
    targets = target_rows.of_names(labels)
    return of_targets(path, names, targets.rows, targets.names, lines=np.array(lines, np.int64))


def _place(listed: Path, name: str) -> Path:
    beside = listed.absolute().parent / name
    return beside if beside.exists() or not Path(name).exists() else Path(name).absolute()


def _no_columns(columns: PictureColumns, data: str) -> None:
    if columns.numbers:
        raise UserError("only a table or a list has numbers to predict", received=f"{data} with --predict numbers",
                        remedy="name a table (CSV or TSV), or a list of lines `path number`")  # fmt: skip
    if columns.path is not None or columns.label is not None:
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
    source = _kept(path, table.pictures)
    return NamedPictures(source, None, {TRAIN: table.pictures}, {}, table.columns, table.notices)


def _kept(path: Path, pictures: ImageList) -> Path:
    """A list of ``pictures``, which the file ``path`` names, in the cache."""
    entries = [(name, pictures.target(index)) for index, name in enumerate(pictures.names)]
    names = pictures.target_names or pictures.classes

    def write(made: Path) -> None:
        write_names(made / LABELS, names)
        write_list(made / unpack_pictures.ALL, entries)

    return unpack_pictures.made_once(unpack_pictures.address(path.name, entries, names), write) / unpack_pictures.ALL
