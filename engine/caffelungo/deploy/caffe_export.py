"""`lungo export --format caffe`: a deploy.prototxt and a .caffemodel of BVLC's own layers, for what reads only Caffe.

    definition + weights -> deployed net -> passes.caffe.bvlc -> both files, read back -> proof -> their names

A proof that does not hold leaves no file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from caffelungo import drafts, files
from caffelungo.data import preprocess
from caffelungo.definition.definition import Definition
from caffelungo.definition.filter import net_state
from caffelungo.definition.printer import print_net
from caffelungo.definition.reader import parse_net, read_net
from caffelungo.definition.schema import TEST, NetParameter, message_class
from caffelungo.deploy import preprocessing_record
from caffelungo.deploy.classifier_labels import classifier_labels
from caffelungo.deploy.deploy_net import DeployNet
from caffelungo.deploy.exportable_net import open_exportable
from caffelungo.deploy.options import ExportOptions
from caffelungo.deploy.parity import BATCHES, Difference, difference
from caffelungo.errors import Location, RunError, UserError
from caffelungo.layers import registry
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.passes import base
from caffelungo.passes.caffe import BvlcOptions, bvlc
from caffelungo.passes.moves import moved
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan
from caffelungo.weights import caffemodel, match_layers
from caffelungo.weights.task_heads import heads_of
from caffelungo.weights.weights import Weights
from caffelungo.wording import counted

Arrays = Mapping[str, NDArray[np.float32]]
BLOB_BATCH = 2
"""The batch at which every layer is compared."""


@dataclass
class Proof:
    """How far each output of the written files is from the net's own (``worst``) and from OpenCV's, where it is.

    ``layers`` were compared, of which ``worst_layer`` is the one farthest apart.
    """

    worst: dict[str, Difference] = field(default_factory=dict)
    layers: int = 0
    worst_layer: Difference | None = None
    opencv: dict[str, Difference] | None = None

    def lines(self) -> list[str]:
        """For people."""
        result = [f"{name}: as the net within {d.relative:.1g} of its largest value" for name, d in self.worst.items()]
        if self.worst_layer is not None:
            apart = self.worst_layer
            result.append(f"all {counted(self.layers, 'layer')}: within {apart.relative:.1g} (`{apart.blob}`)")
        if self.opencv is not None:
            result += [f"{name}: as OpenCV's reader within {d.relative:.1g}" for name, d in self.opencv.items()]
        return result


@dataclass
class Written:
    """The two files, and how they were proven."""

    prototxt: Path
    caffemodel: Path
    outputs: list[str]
    proof: Proof
    notes: list[str] = field(default_factory=list)


def export_caffe(
    definition: Definition | str | Path,
    weights: Weights | str | Path,
    out: str | Path,
    options: ExportOptions | None = None,
    *,
    progress: Callable[[str], None] | None = None,
) -> Written:
    """Write the net of ``definition`` to ``out`` (.prototxt) and a .caffemodel of the same name.

    Of ``options``, record, labels, shapes, outputs and tolerance count. Raises UserError for mistakes in what was given
    and for layers that Caffe has no form for (all of them), RunError when the proof does not hold; then both files are
    as they were.
    """
    options = options or ExportOptions()
    tell = progress or (lambda stage: None)
    target = _target(out)
    tell("reading the net and its weights")
    opened = open_exportable(definition, weights, options)
    net, record, arrays, notes = opened.net, opened.record, opened.arrays, opened.notes
    tell("rewriting to Caffe's own layers")
    result = base.run(
        parse_net(print_net(_plain(net.message)), str(opened.definition.path)), [base.step(bvlc, BvlcOptions())]
    )
    blobs = moved({one.name: [arrays[use.key] for use in one.params] for one in net.plan.layers if one.params},
                  result.moves)  # fmt: skip
    extras = message_class("lungo.NetExtras")()
    if record is not None and preprocessing_record.takes_pictures(net.inputs):
        extras.preprocessing.CopyFrom(preprocessing_record.completed(record, *next(iter(net.inputs.items()))))
        notes.append(f"feed it {preprocess.describe(extras.preprocessing)}")
    extras.label.extend(classifier_labels(opened, options) or [])
    named = heads_of(
        opened.definition.message.lungo, opened.weights.extras, layers=[one.name for one in net.plan.layers]
    )
    for head in named.values():
        extras.head.add().CopyFrom(head)
    notes += [note.what for note in result.notes]
    with drafts.folder(target) as folder:
        text, model = folder / target.name, folder / f"{target.stem}.caffemodel"
        files.write_text(text, result.definition.text)
        message = result.definition.message
        caffemodel.write(model, Weights(blobs, extras=extras, name=message.name), message)
        tell("comparing both nets")
        proof = _prove(net, arrays, text, model, options.tolerance)
        for name, apart in (proof.opencv or {}).items():
            if apart.relative > options.tolerance:
                notes.append(f"OpenCV's own reader differs in `{name}` ({apart.relative:.2g}); Caffe's does not")
        places = target, target.with_suffix(".caffemodel")
        for source, place in zip((model, text), reversed(places), strict=True):
            os.replace(source, place)
    return Written(*places, net.outputs, proof, notes)


def _target(out: str | Path) -> Path:
    target = Path(out)
    if target.suffix != ".prototxt" or not target.parent.is_dir():
        raise UserError(
            "the output must end in .prototxt and be in an existing folder",
            where=Location(str(target)), received=str(target.absolute()),
            remedy="write -o deploy.prototxt; the weights get the same name, with .caffemodel",
        )  # fmt: skip
    wrong = [files.obstacle(place) for place in (target, target.with_suffix(".caffemodel"))]
    if any(wrong):
        raise UserError([problem for problem in wrong if problem is not None])
    return target


def _plain(message: Any) -> Any:
    """``message`` without what Caffe does not know and what only training needs; shared params keep their names."""
    result = NetParameter()
    result.CopyFrom(message)
    result.ClearField("lungo")
    for layer in result.layer:
        for name in ("propagate_down", "phase", "transform_param"):
            layer.ClearField(name)
        kind = registry.find(layer.type)
        if kind is None or kind.bvlc:  # another type's own options are read before it gives way to types of Caffe's
            layer.ClearField("lungo")
        if not any(one.name for one in layer.param):
            layer.ClearField("param")
        for name in ("convolution_param", "inner_product_param"):
            if layer.HasField(name):
                getattr(layer, name).ClearField("weight_filler")
                getattr(layer, name).ClearField("bias_filler")
    return result


def _prove(net: DeployNet, arrays: Any, text: Path, model: Path, tolerance: float) -> Proof:
    """The written files, read back, against the net: each layer alone, then its outputs; RunError."""
    theirs = read_net(text).message
    plan = build_plan(theirs, net_state(theirs, TEST))
    table = match_layers.match(plan, caffemodel.read(model))
    if table.problems:
        raise RunError(f"the written weights do not fit the written net:\n{UserError(table.problems)}")
    ours, written = _loaded(net.plan, arrays), _loaded(plan, table.arrays)
    rng = np.random.default_rng(0)
    proof = Proof()
    for batch in BATCHES:
        feeds = _random(net.inputs, batch, rng)
        expected, got = _run(ours, feeds, net.outputs), _run(written, feeds, net.outputs)
        if batch == BLOB_BATCH:
            _every_layer(ours, written, proof, tolerance)
        _compare(expected, got, proof.worst, tolerance)
    proof.opencv = _opencv(net, ours, text, model, rng)
    return proof


def _random(inputs: Mapping[str, tuple[int, ...]], batch: int, rng: np.random.Generator) -> Arrays:
    return {blob: (50 * rng.standard_normal((batch, *shape[1:]))).astype(np.float32) for blob, shape in inputs.items()}


def _loaded(plan: Plan, arrays: Any) -> StepNet:
    store = Store(plan, seed=0)
    store.load(arrays)
    return StepNet(plan, store)


def _run(net: StepNet, feeds: Arrays, outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
    with torch.no_grad():
        net.forward(*(torch.from_numpy(feeds[top]) for one in net.plan.sources for top in one.tops))
    return {name: net.blob(name).numpy().copy() for name in outputs}


def _every_layer(ours: StepNet, written: StepNet, proof: Proof, tolerance: float) -> None:
    """What each layer made last, in both nets; layers keep their names, and the last of several bears the old one's."""
    theirs = {planned.name: planned for planned in written.plan.layers}
    for planned in ours.plan.layers:
        if planned.layer.source:
            continue
        for mine, other in zip(planned.top_values, theirs[planned.name].top_values, strict=True):
            apart = difference(planned.name, ours.data[mine].numpy(), written.data[other].numpy(), "random inputs")
            if not apart.relative <= tolerance:
                raise _failure(apart, f"from layer `{planned.name}` on", tolerance)
            if proof.worst_layer is None or apart.relative > proof.worst_layer.relative:
                proof.worst_layer = apart
        proof.layers += 1


def _compare(
    expected: Arrays, got: Mapping[str, NDArray[Any]], worst: dict[str, Difference], tolerance: float = np.inf
) -> None:
    for name, value in expected.items():
        apart = difference(name, value, got[name], "random inputs")
        if name not in worst or apart.relative >= worst[name].relative:
            worst[name] = apart
        if not apart.relative <= tolerance:
            raise _failure(apart, f"in `{name}`", tolerance)


def _failure(apart: Difference, where: str, tolerance: float) -> RunError:
    return RunError(
        f"the written files differ from the net {where}: {apart.largest:.3g}, that is {apart.relative:.3g} "
        f"of its largest value, where {tolerance:g} is allowed\n  to do: report the net; no file was written"
    )


def _opencv(
    net: DeployNet, ours: StepNet, text: Path, model: Path, rng: np.random.Generator
) -> dict[str, Difference] | None:
    """What OpenCV's reader of Caffe files makes of them, where an OpenCV that has one (before 5) is installed."""
    try:
        import cv2
    except ImportError:
        return None
    if not hasattr(getattr(cv2, "dnn", None), "readNetFromCaffe"):
        return None
    worst: dict[str, Difference] = {}
    try:
        theirs = cv2.dnn.readNetFromCaffe(str(text), str(model))
        for batch in (1, 2):
            feeds = _random(net.inputs, batch, rng)
            for name, value in feeds.items():
                theirs.setInput(value, name)
            got = dict(zip(net.outputs, theirs.forward(net.outputs), strict=True))
            expected = _run(ours, feeds, net.outputs)
            shaped = {name: got[name].reshape(value.shape) if got[name].size == value.size else got[name]
                      for name, value in expected.items()}  # fmt: skip
            _compare(expected, shaped, worst)
    except cv2.error:
        return None  # a layer of Caffe's that OpenCV does not have
    return worst
