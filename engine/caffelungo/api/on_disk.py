"""A ``Net`` where a verb takes a file: it is written to a temporary folder for as long as the verb runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from caffelungo import drafts
from caffelungo.api import values
from caffelungo.api.python_words import moved
from caffelungo.api.values import Name, Names
from caffelungo.errors import LungoError, UserError

if TYPE_CHECKING:
    from caffelungo.api.net_module import NetModule


@contextmanager
def net_and_weights(net: Name | NetModule, weights: Names | None) -> Iterator[tuple[str, str | None]]:
    """``net`` and ``weights`` as the rooms take them: a path or a name, and a comma list (None: none were named).

    A ``Net`` brings its own weights; UserError when others are named.
    """
    if isinstance(net, str | PathLike):
        yield values.path(net) or "", values.joined(weights)
        return
    if weights not in (None, ""):
        raise UserError(
            "an opened net brings its own weights",
            received=f"weights={weights!r}",
            remedy="leave them out, or net.load(weights) first",
        )
    from caffelungo.api import net_files

    with drafts.scratch() as folder:
        name = Path(net.definition.path).name.split(".")[0] or "net"
        definition, blobs = net_files.save(
            net, Path(folder, f"{name}.prototxt"), Path(folder, f"{name}.caffemodel"), overwrite=False
        )
        try:
            yield definition, blobs
        except LungoError as error:
            shown = str(net.definition.path)
            moved(error, [(definition, shown), (blobs, "the opened net's weights"),
                          (str(folder), str(net.definition.path.absolute().parent))])  # fmt: skip
            raise
