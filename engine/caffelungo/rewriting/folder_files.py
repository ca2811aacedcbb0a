"""What folders that a verb writes for a training have in common: how files are named, found beside a net, and written.

staged(out)   a temporary folder, whose files go to ``out`` together when the body ends well
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from caffelungo import drafts, files, locks
from caffelungo.definition.reader import read_net
from caffelungo.errors import Location, UserError
from caffelungo.passes.view import View

STARTED = "start.caffemodel"
"""The weights under their new names, where a rewrite changes them."""


def refuse_overwriting(out: Path, names: Sequence[str], overwrite: bool) -> None:
    """UserError when ``out`` is a file, or holds one of ``names`` already and may not be overwritten."""
    if out.exists() and not out.is_dir():
        raise UserError("the output must be a folder", where=Location(str(out)), received="a file", remedy="-o mine/")
    there = [name for name in names if (out / name).exists()]
    if there and not overwrite:
        raise UserError(
            "the folder contains files of an earlier run, which would be lost",
            where=Location(str(out)),
            received=", ".join(there),
            remedy="choose another folder with -o, or add --overwrite",
        )


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A folder beside ``out``; its files are moved into ``out`` when all are there, so that nothing is half-written."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with locks.alone(out, "this folder"), drafts.folder(out) as staging:
        yield staging
        out.mkdir(exist_ok=True)
        for path in sorted(staging.iterdir()):
            path.replace(out / path.name)
        files.sync_folder(out)


def word_of(data: str) -> str:
    """The name of a folder of photos, or of a data set, as a part of a layer's name."""
    if data.startswith("torchvision:"):
        data = data.removeprefix("torchvision:").partition("?")[0]
    return re.sub(r"\W+", "_", Path(data).resolve().name).strip("_").lower() or "new"


def reference(out: Path, name: str) -> str:
    """How a file in ``out`` names another one there.

    The bare name moves with the folder; but names are tried from the working directory first, so where another file
    of that name lies there, the whole path is written: it holds there and in the folder itself.
    """
    elsewhere = Path(name)
    if elsewhere.exists() and elsewhere.resolve() != (out / name).resolve():
        return str((out / name).resolve())
    return name


def size_elsewhere(view: View, path: Path) -> tuple[int | None, int | None]:
    """Side and channels of the input from the deploy file beside ``path``, where ``path`` itself does not tell them."""
    shapes = [
        shape for one in view.plan.sources for shape in one.top_shapes[:1] if shape is not None and len(shape) == 4
    ]
    if not shapes or None not in shapes[0][1:]:
        return None, None
    stems = {path.name.replace(part, "deploy") for part in ("train_val", "train_test", "trainval")}
    stems.update(path.name.replace(part, "") for part in ("_train_test", "_train_val"))
    for name in sorted(stems - {path.name}):
        beside = path.with_name(name)
        if beside.is_file():
            try:
                inputs = [one.top_shapes[0] for one in View(read_net(beside)).plan.sources]
            except UserError:
                continue
            if inputs and inputs[0] is not None and len(inputs[0]) == 4 and inputs[0][2] == inputs[0][3]:
                return (inputs[0][2] if shapes[0][2] is None else None), inputs[0][1]
    return None, None
