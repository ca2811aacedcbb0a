"""`lungo compute_image_mean`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from caffelungo.api import values
from caffelungo.api.values import Name
from caffelungo.api.verb_report import VerbReport


@dataclass(frozen=True, repr=False)
class MeanReport(VerbReport):
    """``channels``: the mean of each channel, of 0 to 255; ``image``: the mean picture, channels x height x width.

    ``path``: the file written (None: none).
    """

    channels: list[float]
    image: Any = field(repr=False)
    path: str | None = None


def compute_image_mean(database: Name, output: Name | None = None, *, backend: str = "lmdb") -> MeanReport:
    """Compute the mean picture of an LMDB database of pictures of one size; ``output`` is a .binaryproto to write.

    UserError for a database that cannot be read, or holds pictures of several sizes.

    >>> made = cl.convert_imageset("photos/", "list.txt", "mean_lmdb", resize_width=16, resize_height=16)
    >>> mean = cl.compute_image_mean("mean_lmdb", "mean.binaryproto")
    >>> len(mean.channels), mean.image.shape
    (3, (3, 16, 16))
    """
    from caffelungo.data.compute_image_mean import compute_image_mean as run

    mean = run(values.path(database) or "", values.path(output), backend=backend)
    return MeanReport([float(value) for value in mean.channels], mean.image, values.path(output))
