"""Loads what `--weights` names: files and `torchvision:NAME`, comma-separated, as one set of weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from caffelungo.errors import Location, UserError
from caffelungo.files import find
from caffelungo.weights import formats
from caffelungo.weights.merge import merge
from caffelungo.weights.weights import Weights

TORCHVISION = "torchvision:"


def load(given: str | Iterable[str], beside: str | Path | None = None, where: Location | None = None) -> Weights:
    """The weights that ``given`` names, later ones over earlier ones (solver field `weights`, flag `--weights`).

    ``given`` is a comma list or several; a file whose own name has a comma may be given alone. Relative paths are
    tried from the working directory, then from the folder of ``beside``. UserError when one is missing or unreadable.
    """
    names = [name for part in ([given] if isinstance(given, str) else given) for name in split(part)]
    if not names:
        raise UserError(
            "no weights are named", where=where, remedy="give a .caffemodel, .caffemodel.h5 or .safetensors"
        )
    return merge([_one(name, beside, where) for name in names])


def split(given: str) -> list[str]:
    """The names in a comma list."""
    if Path(given).exists():
        return [given]
    return [name.strip() for name in given.split(",") if name.strip()]


def anywhere(given: str | None) -> tuple[str, ...]:
    """The names in the comma list ``given`` as they hold from every folder: files by their whole paths."""
    names = [] if given is None else split(given)
    return tuple(str(Path(name).resolve()) if Path(name).exists() else name for name in names)


def _one(name: str, beside: str | Path | None, where: Location | None) -> Weights:
    if name.startswith(TORCHVISION):
        from caffelungo.weights import torchvision

        return torchvision.load(name)
    return formats.read(find(name, beside, what="weights file", where=where))
