"""A project's folder, written whole: lists of pictures, its texts, and the weights that its training starts from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caffelungo import files
from caffelungo.data import folder as photos
from caffelungo.data import split_pictures
from caffelungo.data.target_pictures import write_targets
from caffelungo.rewriting.folder_files import STARTED, staged
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights

FILES = (
    "train.txt", "val.txt", "labels.txt", "train_val.prototxt", "deploy.prototxt", "solver.prototxt", "README.md",
    "run.sh",
)  # fmt: skip
"""What every project has; beside these there may be ``STARTED``."""


def write_folder(
    out: Path,
    found: photos.PhotoFolder,
    parts: split_pictures.FolderSplit,
    texts: Mapping[str, str],
    started: Weights | None,
    net: Any,
) -> None:
    """Write ``texts`` by file name, the lists of ``parts`` and the weights ``started`` of ``net`` (a NetParameter).

    All of it appears at once in ``out``, or nothing does.
    """
    with staged(out) as folder:
        if found.pictures.targets is None:
            split_pictures.write(found, parts, folder)
        else:
            write_targets(found, parts, folder)
        for name, text in texts.items():
            files.write_text(folder / name, text)
        (folder / "run.sh").chmod(0o755)
        if started is not None:
            formats.write(folder / STARTED, started, net)
