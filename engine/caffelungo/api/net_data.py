"""What goes into a ``Net``: pictures as it takes them, and batches of its own data layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from caffelungo import bounds, option_ranges
from caffelungo.api import values
from caffelungo.data import preprocess as record_of_pictures
from caffelungo.data.loader import Loader
from caffelungo.data.source import DataSource, places
from caffelungo.data.sources import open_source
from caffelungo.deploy import preprocessing_record
from caffelungo.errors import Location, Problem, UserError
from caffelungo.inference import picture_input
from caffelungo.layers.base import shape_text

if TYPE_CHECKING:
    from caffelungo.api.net_module import NetModule


Picture = str | PathLike[str] | np.ndarray[Any, Any] | Image.Image
"""A path, an array (uint8, height x width x 3 in RGB, or height x width), or a picture of PIL."""


def preprocess(net: NetModule, pictures: Picture | Sequence[Picture]) -> Tensor:
    """See ``Net.preprocess``."""
    batch = isinstance(pictures, np.ndarray) and pictures.ndim == 4
    alone = isinstance(pictures, str | PathLike | np.ndarray | Image.Image) and not batch
    several: list[Any] = [pictures] if alone else list(pictures)  # type: ignore[arg-type, list-item]
    known = record(net)
    rows = []
    for one in several:
        if isinstance(one, Image.Image):
            one = np.asarray(one.convert("L" if one.mode in ("1", "L", "I;16") else "RGB"))
        if isinstance(one, np.ndarray):
            rows.append(picture_input.apply(known, picture_input.from_array(known, one)[None])[0])
        else:
            (path,) = values.paths(one)
            rows.append(record_of_pictures.apply(known, record_of_pictures.read(known, path)))
    device = next((parameter.device for parameter in net.parameters()), None)
    return torch.as_tensor(np.stack(rows), device=device)


def record(net: NetModule) -> Any:
    """How pictures become the net's input: as the weights say, else the data layer, else nothing is taken away."""
    blob = net.inputs[0] if net.inputs else ""
    shape = net.blobs.get(blob)
    if shape is None or len(shape) != 4 or shape[1] not in (1, 3) or None in shape[1:]:
        raise UserError(
            "the net does not take pictures of a known size",
            where=Location(str(net.definition.path)),
            received=f"`{blob}` {'of unknown shape' if shape is None else shape_text(shape)}",
            remedy='give the size: cl.open(net, shape="data:3x227x227")',
        )
    if net.extras is not None and net.extras.HasField("preprocessing"):
        known = net.extras.preprocessing
    else:
        known, _ = preprocessing_record.record_of(net.definition)
    height, width = int(shape[2] or 0), int(shape[3] or 0)
    if known is not None and record_of_pictures.output_size(known, height, width) != (height, width):
        known, _ = record_of_pictures.at_size(known, height, width)
    return preprocessing_record.completed(known, blob, [1, int(shape[1] or 0), height, width])


def batches(net: NetModule, count: int | None, seed: int, workers: int) -> Iterator[dict[str, Tensor]]:
    """See ``Net.batches``. What is wrong with the call or the data is said at once, not with the first batch."""
    wrong = option_ranges.problems("train", {"seed": seed, "workers": workers})
    if count is not None and not bounds.WHOLE.admits(count):
        must = f"`count=` must be {bounds.WHOLE.must(count)}"
        wrong.append(Problem(must, None, f"count={count}", bounds.WHOLE.remedy("count", count)))
    if wrong:
        raise UserError(wrong)
    plan, definition = net.plan, net.definition
    fed = [planned for planned in plan.sources if planned.layer.type != "Input"]
    if not fed:
        raise UserError(
            "the net has no data layers in this phase",
            where=Location(str(definition.path)),
            received=f"inputs {', '.join(net.inputs) or 'none'}",
            remedy="give tensors to the net, or open a net for training",
        )
    sources = [
        open_source(
            planned, plan.phase, beside=definition.path, seed=seed, once=not net.training,
            where=definition.where("layer", planned.index), places=places(planned, definition.where),
        )
        for planned in fed
    ]  # fmt: skip
    return _loaded(net, sources, count, workers)


def _loaded(net: NetModule, sources: list[DataSource], count: int | None, workers: int) -> Iterator[dict[str, Tensor]]:
    stop = count if count is not None else max(source.batches or 1 for source in sources)
    device = next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
    names = [name for source in sources for name in source.names]
    with closing(iter(Loader(sources, 0, stop, workers, device))) as found:  # type: ignore[type-var]
        for tensors in found:
            yield dict(zip(names, tensors, strict=True))
