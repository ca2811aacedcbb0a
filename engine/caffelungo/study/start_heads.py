"""A cell of a study: fits the fresh classifier of a net, so that every arm starts converged.

Cell("caffelungo.study.start_heads:start", {
    "net": id of a train_val prototxt, "weights": id or "", "fit": id of a list of pictures, "pictures": digest,
    "seed": 0, "batch": 16,
})

The net runs once over the pictures to learn from, in phase TEST and as it is before the first iteration, new units
included; a converged linear classifier on what its classifier reads then becomes the classifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from caffelungo.definition.reader import Definition, read_net
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.features import prefix
from caffelungo.features.frozen_features import shorten
from caffelungo.layers.kinds import HANDING_ON
from caffelungo.net.graph import GraphNet, LayerModule
from caffelungo.net.store import Store
from caffelungo.passes.view import ClassifierLayer, View
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.probes.penalty_path import KORNBLITH
from caffelungo.solve import nets
from caffelungo.solve.engine import Engine, make_engine
from caffelungo.solve.feed import Feed
from caffelungo.solve.load_weights import Loaded
from caffelungo.solve.nets import OpenedNet
from caffelungo.solve.options import EngineOptions
from caffelungo.study.cell_net import filled, open_on
from caffelungo.study.cells import JSON, Cell, CellPlace
from caffelungo.study.linear_classifier import Linear, converged, copies
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights

VERSION = 1
HEADS = "heads.caffemodel"
"""What is left in the cell's folder: the classifiers that start so."""
PENALTIES = KORNBLITH[::2]
"""Every second of the penalties: training goes on from here."""
AVE = 1
PASSED = HANDING_ON | {"ReLU", "Pooling", "Softmax", "Silence"}
"""Types between a classifier and its loss through which a linear classifier stays one (see ``_why_not``)."""
MARGIN = 0.1
"""By what share of the range of scores they are kept above a ReLU's zero."""


@dataclass(frozen=True)
class FreshHead:
    """A classifier that starts afresh. ``averaged``: its answers are means over places, so its features are, too."""

    classifier: ClassifierLayer
    planned: PlannedLayer
    averaged: bool

    @property
    def name(self) -> str:
        return self.planned.name

    @property
    def rectified(self) -> bool:
        """Whether its answers pass a ReLU."""
        return any(one.layer.type == "ReLU" for one in self.classifier.between)


def start(cell: Cell, place: CellPlace) -> dict[str, JSON]:
    """Write ``HEADS``; for each fresh classifier (``heads``) penalty, loss and accuracy held out, or why it stays.

    ``why_not`` says by name why a classifier starts from its filler all the same.
    """
    fields: Any = cell.fields
    engine = make_engine(EngineOptions(device=place.device))
    definition = read_net(place.inputs.path(fields["net"]))
    text = nets.from_definition(definition)
    pictures, batch, seed = place.inputs.path(fields["fit"]), int(fields["batch"]), int(fields["seed"])
    training = open_on(text, TRAIN, pictures, batch=batch, seed=seed)
    opened = open_on(text, TEST, pictures, batch=batch, seed=seed)
    names = [place.inputs.path(fields["weights"])] if fields["weights"] else []
    loaded = Loaded(names, (), training.plan, text.where)
    store = filled(training, [opened], loaded, seed, engine)
    heads, refused = fresh_heads(definition, opened.plan, loaded)
    source = opened.sources[0]
    labels = source.labels()
    assert labels is not None
    count = len(labels)
    groups = copies([source.pictures.path(i) for i in range(count)]) if hasattr(source, "pictures") else None
    changing = prefix.moving(training.plan, store.key)
    shorter = shorten(opened, store, changing, engine, place.study, place.say).opened
    found: dict[str, list[np.ndarray]] = {}
    fitted = {}
    place.say(0, 1, "fitting the classifier")
    for head, features in zip(heads, _features(shorter, store, engine, heads), strict=True):
        classes = int(head.planned.layer.options.num_output)
        fit = converged(
            features, torch.from_numpy(labels), classes, groups=groups, seed=seed, penalties=PENALTIES
        )  # fmt: skip
        bias = fit.bias
        if head.rectified:
            bias = bias + _lift(shorter, store, engine, head, fit)
        found[head.name] = _blobs(head, fit.weight, bias, store)
        fitted[head.name] = {"penalty": fit.penalty, "loss": fit.loss, "accuracy": fit.accuracy}
    if found:
        types = {planned.name: planned.layer.type for planned in opened.plan.layers}
        formats.write(place.folder / HEADS, Weights(found, types), nets.filtered(training))
    return {"heads": fitted, "why_not": refused}


def fresh_heads(definition: Definition, plan: Plan, loaded: Loaded) -> tuple[list[FreshHead], dict[str, str]]:
    """The classifiers of ``plan`` on the label that no weights were loaded into; and why not, by name."""
    found: list[FreshHead] = []
    refused: dict[str, str] = {}
    known = {planned.name: planned for planned in plan.layers}
    for one in View(definition).classifiers:
        if one.label is None or one.name not in known or not loaded.fresh(one.name):
            continue
        planned = known[one.name]
        if why := _why_not(one, planned):
            refused[one.name] = why
        else:
            found.append(FreshHead(one, planned, planned.layer.type == "Convolution" and _plane(planned) != (1, 1)))
    return found, refused


def _plane(planned: PlannedLayer) -> tuple[int, int] | None:
    shape = planned.top_shapes[0] or ()
    return (int(shape[2] or 0), int(shape[3] or 0)) if len(shape) == 4 else None


def _why_not(one: ClassifierLayer, planned: PlannedLayer) -> str | None:
    """Why the answers of the layer are not linear in what can be averaged of what it reads; None when they are."""
    options, between = planned.layer.options, [each.layer for each in one.between]
    if strange := [layer.type for layer in between if layer.type not in PASSED]:
        return f"its outputs pass {', '.join(strange)}"
    if not options.bias_term:
        return "it has no bias"
    if planned.layer.type == "InnerProduct":
        return "its axis is not the first" if int(options.axis) != 1 else None
    if int(options.group) != 1:
        return "it is in groups"
    pools = [layer for layer in between if layer.type == "Pooling"]
    if _plane(planned) == (1, 1):
        # One place, whose window is all that the layer reads.
        shape = planned.bottom_shapes[0] or ()
        whole = not any(options.pad) and planned.params[0].shape[2:] == tuple(shape[2:])
        return None if whole else "its window is not its whole input"
    if len(pools) != 1 or pools[0].options.pool != AVE or tuple(planned.params[0].shape[2:]) != (1, 1):
        return "its outputs are not averaged over places"
    last = next(each for each in one.between if each.layer is pools[0])
    if _plane(last) not in ((1, 1), None) or any(options.pad):
        return "its outputs are not averaged over all places"
    return None


@torch.no_grad()
def _each(opened: OpenedNet, store: Store, engine: Engine, heads: list[FreshHead], see: Any) -> None:
    """Run ``opened`` over its pictures; ``see(head's name, what it reads)`` is called with each batch."""
    net = GraphNet(opened.plan, store)
    for module in net.module.modules():
        for head in heads:
            if isinstance(module, LayerModule) and module.layer.name == head.name:
                module.register_forward_pre_hook(lambda _, bottoms, name=head.name: see(name, bottoms[0].float()))
    count = max(source.batches or 1 for source in opened.sources)
    for tensors in Feed(opened, engine).batches(0, count):
        with engine.arithmetic():
            net(*tensors)


def _features(opened: OpenedNet, store: Store, engine: Engine, heads: list[FreshHead]) -> list[Tensor]:
    """For each head N x D, averaged over places where its answers are."""
    found: dict[str, list[Tensor]] = {head.name: [] for head in heads}
    averaged = {head.name: head.averaged for head in heads}
    _each(
        opened, store, engine, heads,
        lambda name, read: found[name].append(read.mean((2, 3)) if averaged[name] else read.flatten(1)),
    )  # fmt: skip
    return [torch.cat(found[head.name]) for head in heads]


def _lift(opened: OpenedNet, store: Store, engine: Engine, head: FreshHead, fit: Linear) -> float:
    """What makes all scores positive, so that a ReLU behind them takes nothing: softmax does not see it.

    It is the same for all classes.
    """
    lowest, highest = [0.0], [0.0]

    def see(name: str, read: Tensor) -> None:
        rows = read.movedim(1, -1).flatten(0, -2) if head.averaged else read.flatten(1)
        scores = fit.answers(rows)
        lowest.append(float(scores.min()))
        highest.append(float(scores.max()))

    _each(opened, store, engine, [head], see)
    return (1 + MARGIN) * -min(lowest) + MARGIN * max(highest)


def _blobs(head: FreshHead, weight: Tensor, bias: Tensor, store: Store) -> list[np.ndarray]:
    """Weight and bias as the layer's blobs."""
    there = store.blobs(head.planned.key)
    if head.planned.layer.type == "InnerProduct" and head.planned.layer.options.transpose:
        weight = weight.T
    return [
        np.ascontiguousarray(each.float().reshape(blob.shape).cpu().numpy())
        for each, blob in zip((weight, bias), there, strict=True)
    ]
