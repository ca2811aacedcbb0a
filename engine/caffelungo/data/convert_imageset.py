"""Caffe's convert_imageset: a list of pictures into an LMDB database of Datums."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import image_list, random_numbers
from caffelungo.data.decode import decode
from caffelungo.data.image_list import ImageList
from caffelungo.data.lmdb_writer import check_target, new_database
from caffelungo.data.parallel import Progress, in_order
from caffelungo.data.preprocess import write_beside
from caffelungo.data.resize_pixels import resize
from caffelungo.definition.schema import Datum, Preprocessing
from caffelungo.errors import Location, Problem, UserError, did_you_mean
from caffelungo.wording import counted

ENCODINGS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "bmp": "BMP", "webp": "WEBP", "tif": "TIFF", "tiff": "TIFF"}
"""Encodings by the suffix that -encode_type names."""
_SETTINGS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95}, "WEBP": {"quality": 95}}


@dataclass(frozen=True)
class ConvertImagesetOptions:
    """The tool's flags, as Caffe names them, and two of ours: ``overwrite`` and ``skip_missing``."""

    gray: bool = False
    shuffle: bool = False
    backend: str = "lmdb"
    resize_width: int = 0
    resize_height: int = 0
    check_size: bool = False
    encoded: bool = False
    encode_type: str = ""
    overwrite: bool = False
    skip_missing: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Converted:
    """What was done: records written, and the pictures left out with the reason."""

    path: Path
    written: int
    skipped: list[Problem]


def convert_imageset(
    root: str,
    list_file: str | Path,
    database: str | Path,
    options: ConvertImagesetOptions | None = None,
    progress: Progress | None = None,
) -> Converted:
    """Write the pictures of ``list_file`` (names appended to ``root``) to the LMDB database ``database``.

    Key ``%08d_<name>`` with the number in the list; value a Datum, BGR, channels x height x width. The database
    appears whole or not at all, and carries its preprocessing record. Raises UserError for a wrong flag, every missing
    or unreadable picture (unless ``skip_missing``), pictures of different sizes (``check_size``), a taken name.
    """
    flags = options or ConvertImagesetOptions()
    _check(flags)
    target = Path(database)
    check_target(target, flags.overwrite)
    pictures = image_list.read_list(list_file, root)
    if not flags.skip_missing:
        missing = image_list.check(pictures)
        if missing:
            raise UserError(missing)
    count = len(pictures)
    order = random_numbers.permutation(flags.seed, 0, count).tolist() if flags.shuffle else range(count)
    skipped: list[Problem] = []
    with new_database(target, overwrite=flags.overwrite) as writer:
        size: tuple[int, ...] | None = None
        results = in_order(lambda index: _datum(pictures, index, flags), order, progress)
        for number, (index, result) in enumerate(results):
            if isinstance(result, Problem):
                skipped.append(result)
                continue
            datum, shape = result
            size = size or shape
            if flags.check_size and shape != size:
                raise _other_size(pictures, index, shape, size)
            key = f"{number:08d}_{pictures.names[index]}".encode(errors="surrogateescape")
            writer.put(key[:511], datum.SerializeToString(deterministic=True))
        if skipped and not flags.skip_missing:
            raise UserError(_limited(skipped, len(pictures)))
        if not writer.count:
            place = Location(str(pictures.file))
            received, remedy = f"{len(skipped)} of {len(pictures)} cannot be read", "fix these first"
            raise UserError([Problem("no picture of the list can be read", place, received, remedy), *skipped[:5]])
        write_beside(writer.folder, _record(flags))
    return Converted(target, writer.count, skipped)


def _check(flags: ConvertImagesetOptions) -> None:
    problems = []
    if flags.backend != "lmdb":
        leveldb = flags.backend == "leveldb"
        problems.append(
            Problem(
                "LevelDB databases are not written" if leveldb else "unknown backend",
                received=f"-backend={flags.backend}",
                remedy="use -backend=lmdb, and `backend: LMDB` in the net",
            )
        )
    if bool(flags.resize_width) != bool(flags.resize_height) or min(flags.resize_width, flags.resize_height) < 0:
        problems.append(
            Problem(
                "resize_width and resize_height go together",
                received=f"-resize_width={flags.resize_width} -resize_height={flags.resize_height}",
                remedy="set both, in pixels, or neither",
            )
        )
    if flags.encode_type and flags.encode_type.lower().lstrip(".") not in ENCODINGS:
        near = did_you_mean(flags.encode_type, ENCODINGS)
        problems.append(
            Problem(
                "unknown encode_type",
                received=f"-encode_type={flags.encode_type}",
                remedy=f"did you mean {near}?" if near else f"use one of {', '.join(ENCODINGS)}",
            )
        )
    if problems:
        raise UserError(problems)


def _datum(pictures: ImageList, index: int, flags: ConvertImagesetOptions) -> tuple[Any, tuple[int, ...]] | Problem:
    """The picture's Datum and its shape (C, H, W), or why there is none."""
    path = Path(pictures.path(index))
    try:
        image = decode(path, color=not flags.gray)
    except UserError as error:
        first = error.problems[0]
        return Problem(first.what, pictures.where(index), f"{path}: {first.received}", first.remedy)
    if flags.resize_height:
        image = resize(image, flags.resize_height, flags.resize_width)
    height, width, channels = image.shape
    datum = Datum(label=int(pictures.labels[index]))
    encoding = _encoding(path, flags)
    if encoding is None:
        datum.channels, datum.height, datum.width, datum.encoded = channels, height, width, False
        datum.data = np.ascontiguousarray(image.transpose(2, 0, 1)).tobytes()
    else:
        datum.encoded = True
        as_it_is = not flags.gray and not flags.resize_height and ENCODINGS.get(path.suffix[1:].lower()) == encoding
        datum.data = path.read_bytes() if as_it_is else _encoded(image, encoding)
    return datum, (channels, height, width)


def _encoding(path: Path, flags: ConvertImagesetOptions) -> str | None:
    """How the picture is encoded in the database: as -encode_type says, else as its own suffix does."""
    if not flags.encoded and not flags.encode_type:
        return None
    name = flags.encode_type.lower().lstrip(".") or path.suffix[1:].lower()
    return ENCODINGS.get(name, "PNG")


def _encoded(image: NDArray[np.uint8], encoding: str) -> bytes:
    from PIL import Image

    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else np.ascontiguousarray(image[:, :, ::-1]))
    stream = io.BytesIO()
    picture.save(stream, encoding, **_SETTINGS.get(encoding, {}))
    return stream.getvalue()


def _record(flags: ConvertImagesetOptions) -> Any:
    record = Preprocessing(channel_order=Preprocessing.GRAY if flags.gray else Preprocessing.BGR)
    if flags.resize_height:
        record.resize_height, record.resize_width = flags.resize_height, flags.resize_width
    return record


def _other_size(pictures: ImageList, index: int, shape: tuple[int, ...], first: tuple[int, ...]) -> UserError:
    return UserError(
        "a picture differs in size from the first one",
        where=pictures.where(index),
        received=f"{'x'.join(map(str, shape))} instead of {'x'.join(map(str, first))}",
        remedy="resize all pictures with -resize_height and -resize_width",
    )


def _limited(skipped: list[Problem], total: int) -> list[Problem]:
    shown = skipped[: image_list.LIMIT]
    if len(skipped) > len(shown):
        shown.append(
            Problem(
                f"{counted(len(skipped) - len(shown), 'more picture')} cannot be read",
                received=f"{len(skipped)} of {total}",
                remedy="fix these, or skip them all with --skip-missing",
            )
        )
    return shown
