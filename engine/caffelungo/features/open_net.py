"""Opens a net with its weights and pictures, reduced to the part that will run.

Whatever data layers the net has, its pictures come from an ImageData layer: the one that `lungo finetune` writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from caffelungo.data import preprocess
from caffelungo.data.picture_views import TenCrops
from caffelungo.data.sources.images import ImageSource
from caffelungo.definition import catalogue, editor
from caffelungo.definition.definition import Definition
from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST, Preprocessing, message_class
from caffelungo.errors import Location, UserError
from caffelungo.features.blobs import find_blobs
from caffelungo.features.picture_list import Listing
from caffelungo.features.upstream import Upstream, upstream
from caffelungo.net.store import Store
from caffelungo.passes import resize
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.picture_data import picture_layers
from caffelungo.passes.stage_ends import stage_ends
from caffelungo.passes.view import ClassifierLayer, Graph, View
from caffelungo.plan import states
from caffelungo.plan.read_net import read_net
from caffelungo.solve import nets
from caffelungo.solve.engine import Engine
from caffelungo.solve.load_weights import Loaded
from caffelungo.weights import copy_table
from caffelungo.weights.load import load

MEAN = "mean.npy"
"""The mean picture of the weights, where a data layer is to read it."""


@dataclass(frozen=True)
class NamedNet:
    """A net as the user names it: ``definition`` (of the catalogue or of a file) and the names of its weights."""

    definition: Definition
    weights: tuple[str, ...]


@dataclass(frozen=True)
class Ready:
    """``part`` over the weights of ``store``; ``extras`` is the lungo.NetExtras that features of it carry."""

    part: Upstream
    store: Store
    extras: Any
    notices: tuple[str, ...]


def find_net(
    net: str, weights: str | None, variables: dict[str, Any], stages: Sequence[str] = (), level: int = 0
) -> NamedNet:
    """NET as a file or a name of the catalogue, whose shipped weights are taken unless others are named.

    ``weights`` "none": the layers' fillers. UserError where no weights are known.
    """
    path, known = catalogue.resolve(net, variables)
    notes: list[str] = []
    definition = read_net(path, known or None).within(stages, level)
    definition = replace(states.settled(definition, TEST, notes=notes), notes=[*definition.notes, *notes])
    if weights is not None:
        return NamedNet(definition, () if weights == "none" else (weights,))
    shipped = catalogue.weights_with(net, variables)
    if shipped is None:
        raise UserError(
            "no weights are named, and none ship with this net",
            where=Location(str(path)),
            received=net,
            remedy="name them: --weights net.caffemodel, or torchvision:NAME for a torchvision net",
        )
    return NamedNet(definition, (shipped,))


def make_ready(
    net: NamedNet, found: Listing, blobs: Sequence[str], engine: Engine, folder: Path, *,
    size: int | None = None, batch_size: int = 32, crops: int = 1,
) -> Ready:  # fmt: skip
    """The part of ``net`` that makes ``blobs`` (none: the ends of its stages), on the pictures ``found``.

    ``size`` is the input in pixels. A mean picture of the weights is kept in ``folder`` for the data layer. UserError
    for blobs that there are none of, weights that lack a layer, and a net that pictures cannot be given to.
    """
    carried = load(net.weights).extras if net.weights else None
    record = carried.preprocessing if carried is not None and carried.HasField("preprocessing") else None
    view = View(net.definition)
    names = find_blobs(view, blobs) if blobs else stage_ends(view)
    definition, notices = _at(net.definition, view, names, size)
    definition, more = _with_pictures(View(definition), names, found, record, size, batch_size)
    if record is not None and record.mean_image:
        _keep_mean(definition, record, folder, notices)
    text = nets.from_definition(definition)
    opened = nets.open_net_with_data(text, net_state(text.message, TEST), once=True, shuffle=False)
    if crops != 1:
        opened.sources = [TenCrops.of(each) if isinstance(each, ImageSource) else each for each in opened.sources]
    part = upstream(opened, names)
    store, carried = weighted(part, net.weights, engine)
    extras = nets.extras(opened, carried) or message_class("lungo.NetExtras")()
    if classes := list(found.pictures.classes):
        extras.label[:] = classes
    elif not found.labelled:
        del extras.label[:]
    reported = [notice for source in opened.sources for notice in source.notices]
    if not net.weights:
        reported.append("no weights: every layer is initialised by its filler")
    every = (*net.definition.notes, *found.notices, *notices, *more, *reported)
    return Ready(part, store, extras, tuple(dict.fromkeys(every)))


def weighted(part: Upstream, names: Sequence[str], engine: Engine) -> tuple[Store, Any]:
    """A store with the weights ``names`` for what ``part`` runs (none: fillers), and the extras that they carry.

    UserError where they do not fit, or lack a layer.
    """
    plan, where = part.opened.plan, part.opened.text.where
    loaded = Loaded(names, (), plan, where)
    if loaded.table is not None and (lacking := loaded.table.layers(copy_table.NEW)):
        raise UserError(
            "layers that these blobs need are missing in the weights",
            where=Location(", ".join(names)),
            received=", ".join(lacking),
            remedy="name the weights of this net, or blobs before these layers",
        )
    store = Store(seed=0, device=engine.device)
    store.adopt(plan, skip_filling=loaded.whole_layers(plan))
    loaded.load(store)
    return store, loaded.weights.extras if loaded.weights is not None else None


def _at(definition: Definition, view: View, blobs: Sequence[str], size: int | None) -> tuple[Definition, list[str]]:
    """``definition`` at another input size; what does not run for ``blobs`` need not fit."""
    if size is None:
        return definition, []
    needed = frozenset(planned.name for planned in _needed(view.graphs.get(TEST) or view.graph, blobs))
    made = resize.at(definition, resize.ResizeOptions((size, size), phases=(TEST,), only=needed))
    return made.definition, [note.what for rewrite in made.rewrites for note in rewrite.notes]


def _needed(graph: Graph, blobs: Sequence[str]) -> list[Any]:
    makers = [graph.producer[graph.plan.value_of(blob)] for blob in blobs]
    return graph.upstream(makers)


def _with_pictures(
    view: View, blobs: Sequence[str], found: Listing, record: Any, size: int | None, batch_size: int
) -> tuple[Definition, list[str]]:
    """The net of ``view`` with ImageData layers over the pictures ``found``, and what was assumed of them."""
    graph = view.graphs.get(TEST) or view.graph
    ends = [graph.producer[graph.plan.value_of(blob)] for blob in blobs]
    heads = [ClassifierLayer(planned, None, (), ()) for planned in ends if not planned.layer.source]
    if not heads:
        raise UserError(
            "a data layer's own blob is not a feature",
            where=Location(str(view.definition.path)),
            received=", ".join(blobs),
            remedy="name a blob that a layer computes",
        )
    label = next((one.label for one in view.classifiers if one.label is not None), None) or view.free("label")
    source = str(found.source)
    options = FinetuneOptions(
        classes=2, train_source=source, val_source=source, batch_size=batch_size, test_batch_size=batch_size,
        size=size, preprocessing=record,
    )  # fmt: skip
    rewrite = picture_layers(view, heads, label, options)
    notices = [f"{note.what} ({note.why})" for note in rewrite.notes if "assumed:" in note.why]
    return editor.apply(view.definition, rewrite.edits), notices


def _keep_mean(definition: Definition, record: Any, folder: Path, notices: list[str]) -> None:
    """Let the data layers subtract the mean picture of ``record``, unless they state a mean."""
    mean = preprocess.mean(record)
    for layer in definition.message.layer:
        transform = layer.transform_param
        if layer.type != "ImageData" or mean is None or transform.mean_value or transform.mean_file:
            continue
        blue_first = mean[::-1] if record.channel_order == Preprocessing.RGB else mean
        np.save(folder / MEAN, np.ascontiguousarray(blue_first))
        transform.mean_file = str((folder / MEAN).absolute())
        notices.append("the mean picture of the weights is used")
