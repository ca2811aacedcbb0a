"""`lungo convert_imageset`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caffelungo.api import values
from caffelungo.api.values import Name
from caffelungo.api.verb_report import VerbReport

if TYPE_CHECKING:
    from caffelungo.errors import Problem


@dataclass(frozen=True, repr=False)
class ImagesetReport(VerbReport):
    """The database, how many pictures are in it, and which were left out and why.

    ``path``: the database.
    ``written``: how many pictures are in it.
    ``skipped``: a problem for each picture that was left out.
    """

    path: str
    written: int
    skipped: list[Problem] = field(default_factory=list)


def convert_imageset(
    root: Name,
    list_file: Name,
    database: Name,
    *,
    gray: bool = False,
    shuffle: bool = False,
    seed: int = 0,
    backend: str = "lmdb",
    resize_width: int = 0,
    resize_height: int = 0,
    check_size: bool = False,
    encoded: bool = False,
    encode_type: str = "",
    skip_missing: bool = False,
    overwrite: bool = False,
) -> ImagesetReport:
    """Write a list of pictures into an LMDB database, as Caffe's tool does.

    ``list_file`` has lines of ``path label``, each path below ``root``. Pictures are resized to ``resize_height`` x
    ``resize_width`` pixels where both are given. The options are those of ``lungo convert_imageset``.

    UserError for a list or pictures that cannot be read, and for a database that exists.

    >>> made = cl.convert_imageset("photos/", "list.txt", "train_lmdb", resize_width=16, resize_height=16)
    >>> made.written
    15
    """
    values.judge("convert_imageset", locals())
    from caffelungo.data.convert_imageset import ConvertImagesetOptions
    from caffelungo.data.convert_imageset import convert_imageset as run

    folder = values.path(root) or ""
    done = run(
        folder, values.path(list_file) or "", values.path(database) or "",
        ConvertImagesetOptions(
            gray=gray, shuffle=shuffle, seed=seed, backend=backend, resize_width=resize_width,
            resize_height=resize_height, check_size=check_size, encoded=encoded, encode_type=encode_type,
            skip_missing=skip_missing, overwrite=overwrite,
        ),
    )  # fmt: skip
    return ImagesetReport(str(done.path), done.written, list(done.skipped))
