"""A cell of a study: converged linear classifiers on what the frozen net knows, the bar of a comparison.

Cell("caffelungo.study.probe_cell:probe", {
    "net": id of a train_val prototxt, "weights": id or "", "fit": id of a list of pictures, "validation": id,
    "test": id, "pictures": digest, "seed": 0, "batch": 16, "blobs": ["fire2/concat", "fire3/concat"],
})

One classifier for each blob, and one for all of them side by side. A blob is read as `lungo probe` reads it: its mean
and its maximum over the plane, each at unit length. Each is fitted on the pictures to learn from and on their mirror
images, its penalty chosen by cross-validation among them; the others have no say in it.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caffelungo.definition.reader import read_net
from caffelungo.definition.schema import TEST
from caffelungo.errors import UserError
from caffelungo.features.frozen_features import FOLDER
from caffelungo.features.pooled import POOLS, Pooled, pooled
from caffelungo.probes.scaling import unit_length
from caffelungo.solve import nets
from caffelungo.solve.engine import make_engine
from caffelungo.solve.load_weights import Loaded
from caffelungo.solve.options import EngineOptions
from caffelungo.study.cell_net import filled, open_on
from caffelungo.study.cells import JSON, Cell, CellPlace
from caffelungo.study.comparison_task import PARTS
from caffelungo.study.linear_classifier import Linear, converged, copies

VERSION = 1


def probe(cell: Cell, place: CellPlace) -> dict[str, JSON]:
    """``probes``: for each blob, and for all where there are several, what its classifier says.

    Each has ``blobs``, ``features`` (how many), ``penalty``, ``loss`` and ``accuracy`` held out in the
    cross-validation, ``validation_loss`` and ``validation_accuracy``, ``predictions`` of the test pictures,
    ``parameters`` and ``seconds`` of the fit. ``labels`` are those of the test pictures.
    """
    fields: Any = cell.fields
    engine = make_engine(EngineOptions(device=place.device))
    text = nets.from_definition(read_net(place.inputs.path(fields["net"])))
    names = [place.inputs.path(fields["weights"])] if fields["weights"] else []
    read: dict[str, Pooled] = {}
    for part in PARTS:
        opened = open_on(text, TEST, place.inputs.path(fields[part]), batch=int(fields["batch"]))
        loaded = Loaded(names, (), opened.plan, text.where)
        store = filled(opened, (), loaded, int(fields["seed"]), engine)
        read[part] = pooled(
            opened, store, fields["blobs"], engine, mirrored=part == "fit",
            cache=place.study / FOLDER, say=place.say,
        )  # fmt: skip
    if any((each.labels < 0).any() for each in read.values()):
        raise UserError("pictures without labels cannot be classified", where=text.where(),
                        remedy="give every picture in the list a label from 0 on")  # fmt: skip
    classes = 1 + max(int(each.labels.max()) for each in read.values())
    groups = copies(read["fit"].files)
    sets = [(blob,) for blob in fields["blobs"]]
    if len(sets) > 1:
        sets.append(tuple(fields["blobs"]))
    probes = []
    for number, blobs in enumerate(sets):
        place.say(number, len(sets), f"fitting a linear classifier on {blobs[0] if len(blobs) == 1 else 'all layers'}")
        start = time.process_time()
        rows = torch.cat([_rows(read["fit"], blobs, version) for version in (0, 1)]).to(engine.device)
        labels = torch.from_numpy(read["fit"].labels)
        fit = converged(rows, labels, classes, groups=groups, versions=2, seed=int(fields["seed"]))
        probes.append(_judged(fit, blobs, read) | {"seconds": time.process_time() - start})
    return {"probes": probes, "labels": read["test"].labels.tolist()}


def _rows(read: Pooled, blobs: tuple[str, ...], version: int = 0) -> Tensor:
    """N x D: means and maxima of ``blobs`` side by side, each at unit length. A blob without a plane has no maxima."""
    keys = [(blob, pool, version) for blob in blobs for pool in POOLS if (blob, pool, version) in read.rows]
    parts: list[NDArray[np.float32]] = [read.rows[key] for key in keys]
    return unit_length(torch.from_numpy(np.concatenate(parts, axis=1)), [part.shape[1] for part in parts])


def _judged(fit: Linear, blobs: tuple[str, ...], read: dict[str, Pooled]) -> dict[str, JSON]:
    answers = {part: fit.answers(_rows(read[part], blobs).to(fit.weight)).cpu() for part in ("validation", "test")}
    labels = torch.from_numpy(read["validation"].labels)
    return {
        "blobs": list(blobs),
        "features": fit.weight.shape[1],
        "parameters": fit.weight.numel() + fit.bias.numel(),
        "penalty": fit.penalty,
        "loss": fit.loss,
        "accuracy": fit.accuracy,
        "validation_loss": float(torch.nn.functional.cross_entropy(answers["validation"], labels)),
        "validation_accuracy": float((answers["validation"].argmax(1) == labels).float().mean()),
        "predictions": answers["test"].argmax(1).tolist(),
    }
