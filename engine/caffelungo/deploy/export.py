"""A net and its weights become one ONNX file that says what it is and was proven to give the net's answers.

    definition + weights -> deployed net -> folded net -> ONNX -> proof -> the file under its name
                                  |______________ compared with ______|

A proof that does not hold leaves no file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from caffelungo import files, resources
from caffelungo.data import preprocess
from caffelungo.data import shapes as data_shapes
from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST, Preprocessing
from caffelungo.deploy import onnx_names, preprocessing_record
from caffelungo.deploy.fold_batch_norm import Arrays, Folded, fold_batch_norm
from caffelungo.deploy.input_spread import usual_spread
from caffelungo.deploy.network import DeployNet
from caffelungo.deploy.opening import Opened, heads, labels_of, open_net
from caffelungo.deploy.parity import BATCHES, TOLERANCE, Feeds, Parity, Reference, prove
from caffelungo.deploy.photos import Inside, prove_photos, random_sizes
from caffelungo.deploy.picture_operators import IMAGE, INTERPOLATION, Front, check_layout, problems_of_resize
from caffelungo.deploy.sizes import open_sizes, other_sizes, problems_of_free_sizes
from caffelungo.deploy.trace import trace
from caffelungo.deploy.untraceable import untraceable
from caffelungo.errors import Problem, RunError, UserError
from caffelungo.inference import metadata, picture_input
from caffelungo.inference.inputs import gather
from caffelungo.inference.runtime import LIMIT, parse_device
from caffelungo.net.store import Store
from caffelungo.plan.plan import build_plan
from caffelungo.version import __version__
from caffelungo.weights.weights import Weights

OPSETS = range(18, 24)
"""Opsets that the exporter writes and current runtimes read."""

REAL_PICTURES = 8
"""How many of the pictures that came with the project prove a net when none are given."""


@dataclass(frozen=True)
class ExportOptions:
    """How a net leaves.

    ``preprocess``: True puts channel order, mean and scale into the graph, whose input then is ``image`` (uint8, batch
    x height x width x channels, RGB or grey); False leaves the net's own float input blob; None is True where the net
    takes pictures. ``layout`` (``nhwc`` or ``nchw``) is that of pictures; with ``resize_inside`` the graph also does
    the record's resize and crop, and takes pictures of any size, one size a batch. ``record`` (a
    ``lungo.Preprocessing``) and ``labels`` (names, or a file with one a line) stand above those that the weights carry.
    ``size`` is the height and width that the net's picture is to have, whatever the file and the weights' record say;
    ``shapes`` gives input blobs' shapes without the batch where the file leaves them open, or over what it says.
    ``pictures`` are files or folders for the proof. ``more`` is added to the file's metadata. ``outputs`` are the blobs
    that come out (none: the net's own); ``batch`` fixes the number of pictures (None: free). ``free_size`` leaves
    height and width open, for fully convolutional nets.
    """

    opset: int = 20
    preprocess: bool | None = None
    layout: str = "nhwc"
    resize_inside: bool = False
    record: Any | None = None
    labels: Sequence[str] | str | Path | None = None
    size: tuple[int, int] | None = None
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    pictures: Sequence[str | Path] = ()
    batches: Sequence[int] = BATCHES
    tolerance: float = TOLERANCE
    device: str = "cpu"
    fold: bool = True
    outputs: Sequence[str] = ()
    batch: int | None = None
    free_size: bool = False
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Exported:
    """What was written. ``operators`` counts the graph's nodes by type; ``notes`` are for the user to read once."""

    path: Path
    inputs: list[str]
    outputs: list[str]
    parity: Parity
    metadata: metadata.Metadata
    operators: dict[str, int]
    size: int
    notes: list[str]


def export(
    definition: Any,
    weights: Weights | str | Path,
    out: str | Path,
    options: ExportOptions | None = None,
    *,
    progress: Callable[[str], None] | None = None,
) -> Exported:
    """Write the net of ``definition`` (a Definition or a file, train_val or deploy) with ``weights`` to ``out``.

    ``weights`` is a file of any format, several files separated by commas, or a ``Weights``. ``progress`` is told each
    stage. Raises UserError for mistakes in what was given, RunError when the proof does not hold; then ``out`` is as
    it was before.
    """
    options = options or ExportOptions()
    tell = progress or (lambda stage: None)
    target = checked_target(out, options)
    tell("reading the net and its weights")
    opened = open_net(definition, weights, options)
    net, record, arrays, notes = opened.net, opened.record, opened.arrays, opened.notes
    asked = options.preprocess
    feasible = preprocessing_record.takes_pictures(net.inputs)
    if asked and not feasible:
        raise UserError(
            "preprocessing cannot be put into this net, which does not take one picture of 1 or 3 channels",
            received=", ".join(f"{blob} {'x'.join(map(str, shape))}" for blob, shape in net.inputs.items()),
            remedy="export it with preprocess off; its inputs are then the net's own blobs",
        )
    enters = feasible if asked is None else asked
    if feasible:
        blob, shape = next(iter(net.inputs.items()))
        record = preprocessing_record.completed(record, blob, shape)
        if record.assumed:
            notes.append(f"preprocessing was assumed in part: {preprocess.describe(record)}")
            if asked is None and blob in data_shapes.rows(opened.definition):
                notes.append(
                    f"training reads `{blob}` from files of numbers; where they are no pictures of 0 to 255, write "
                    "--no-preprocess, and the exported net takes those numbers"
                )
    known = onnx_names.BlobNames(net.plan)
    front = Front(record, options.layout.upper(), options.resize_inside, known.free(IMAGE)) if enters else None
    obstacles = problems_of_resize(record) if front is not None and front.resize else []
    if options.free_size:
        obstacles += problems_of_free_sizes(net, record if enters else None)
    if front is None:
        obstacles += _misplaced(options)
    if obstacles:
        raise UserError(obstacles)
    described = _describe(opened, record if feasible else None, front, options)
    tell("tracing the graph")
    folded = (
        fold_batch_norm(net.message, net.plan, arrays, keep=net.outputs)
        if options.fold
        else Folded(net.message, arrays)
    )
    plan = build_plan(folded.message, net_state(folded.message, TEST))
    store = Store(plan, seed=0)
    store.load(folded.arrays)
    try:
        traced = trace(plan, store, net.outputs, opset=options.opset, front=front, known=known,
                       stands_for=folded.stands_for, batch=options.batch, free_size=options.free_size)  # fmt: skip
    except Exception as error:  # the exporter's exceptions have no common base
        raise UserError(untraceable(plan, options.opset, options.batch, error)) from error
    notes += _renamed(known, traced.model)
    if options.free_size:
        open_sizes(traced.model, front.layout if front else "NCHW", net)
    proto = _proto(traced.model, net.message.name, described)
    tell("proving that PyTorch and ONNX Runtime agree")
    data = proto.SerializeToString()
    inside = Inside(data, front, next(iter(net.inputs)), options.device) if front is not None and front.resize else None
    reference = _reference(net, arrays, known, front, inside)
    known_range = False
    if feasible and record is not None:
        known_range = front is not None or not {"mean_value", "scale"} & set(record.assumed)
    spread = 0.0 if known_range else usual_spread(reference, arrays, net.inputs)
    random = _random(net, record if known_range else None, front, spread=spread)
    paths = _photos(options, notes) if feasible else []
    proof = prove(
        data, reference,
        random=random,
        real=None if inside or not paths else _real(net, record, front, options, paths, spread),
        batches=(options.batch,) * 2 if options.batch else options.batches, tolerance=options.tolerance,
        device=options.device, classifiers=described.classifiers,
        sized=_sized(net, record if known_range else None, front, options),
    )  # fmt: skip
    if front is not None and inside is not None and paths:
        photos = prove_photos(data, reference, front, inside, paths, options.batch or 1, proof, described.classifiers)
        described.more["resize"] = json.dumps(photos.facts())
        notes.append(photos.line())
    described.more["parity"] = json.dumps(proof.facts())
    _set_properties(proto, described.properties())
    tell("writing the file")
    data = proto.SerializeToString()
    files.write_bytes(target, data)
    operators = dict(Counter(node.op_type for node in proto.graph.node).most_common())
    return Exported(
        target, [given.name for given in proto.graph.input], [made.name for made in proto.graph.output], proof,
        described, operators, len(data), notes,
    )  # fmt: skip


def checked_target(out: str | Path, options: ExportOptions) -> Path:
    """``out`` as a path that can be written to; UserError with all that is wrong with it and ``options``."""
    target, problems = Path(out), []
    if target.suffix != ".onnx":
        problems.append(
            Problem("the exported file must end in .onnx", received=str(target), remedy=f"write {target.name}.onnx")
        )
    if (wrong := files.obstacle(target)) is not None:
        problems.append(wrong)
    if options.opset not in OPSETS:
        problems.append(
            Problem("this opset is not written", received=f"opset {options.opset}",
                    remedy=f"use one from {OPSETS.start} to {OPSETS.stop - 1}; 20 is read by all current runtimes")
        )  # fmt: skip
    if options.free_size and options.resize_inside:
        problems.append(
            Problem("pictures are either resized in the graph, or enter the net at their own size",
                    received="--resize-inside and --dynamic-size", remedy="leave one of them out")
        )  # fmt: skip
    if problems:
        raise UserError(problems)
    check_layout(options.layout)
    parse_device(options.device)
    return target


def _describe(opened: Opened, record: Any | None, front: Front | None, options: ExportOptions) -> metadata.Metadata:
    net = opened.net
    blob, shape = next(iter(net.inputs.items()))
    colors = {1: "GRAY", 3: "RGB"}.get(shape[1] if len(shape) > 1 else 0, "")
    if front is not None:
        given = metadata.ImageInput(front.image, front.layout, "uint8", colors, INTERPOLATION if front.resize else "")
    else:
        given = metadata.ImageInput(blob, "NCHW", "float32", "" if record is None else _order(record))
    labels = labels_of(opened, options)
    several = heads(opened)
    for head in several:
        if head.labels is None:
            opened.notes.append(f"no labels are known for `{head.name}`; its classes go by their numbers")
    if labels is None and net.classes is not None:
        opened.notes.append(
            "no labels are known; classes go by their numbers (labels: a text file with one name a line)"
        )
    more = {"opset": str(options.opset), "prototxt_sha256": _text_hash(opened.definition), **options.more}
    if opened.definition.path:
        more["prototxt"] = Path(opened.definition.path).name
    paths = [Path(path) for path in opened.weights.path.split(", ") if path and Path(path).is_file()]
    if paths:
        more["weights"] = ",".join(path.name for path in paths)
        more["weights_sha256"] = ",".join(metadata.sha256(path) for path in paths)
    classifier = net.classes[0] if net.classes else None
    known = record if record is not None else Preprocessing()
    return metadata.Metadata(given, known, labels, classifier, more, tuple(several))


def _order(record: Any) -> str:
    return str(Preprocessing.ChannelOrder.Name(record.channel_order))


def _renamed(known: onnx_names.BlobNames, model: ir.Model) -> list[str]:
    """For each name that the graph has because a blob bears the usual one, a note."""
    inputs = [value.name for value in model.graph.inputs]
    made = {value.name for node in model.graph for value in node.outputs}
    there = {*inputs, *made, *model.graph.initializers}
    return [
        f"the net has a blob `{usual}`, so the {'input for pictures' if name in inputs else 'tensor'} that would bear "
        f"this name is called `{name}`"
        for usual, name in known.renamed.items() if name in there
    ]  # fmt: skip


def _text_hash(definition: Any) -> str:
    if definition.path and Path(definition.path).is_file():
        return metadata.sha256(definition.path)
    return metadata.sha256_of(definition.text)


def _proto(model: ir.Model, name: str, described: metadata.Metadata) -> Any:
    model.producer_name, model.producer_version = "caffelungo", __version__
    model.graph.name = name or "net"
    proto = ir.to_proto(model)
    _set_properties(proto, described.properties())
    if proto.ByteSize() > LIMIT:
        raise UserError(
            "the net is too large for one ONNX file, which holds 2 GB", received=f"{proto.ByteSize() / 1e9:.2f} GB",
            remedy="export a smaller net",
        )  # fmt: skip
    try:
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:
        raise RunError(f"the exported graph is not valid ONNX: {error}\n  to do: report the net") from error
    return proto


def _set_properties(proto: Any, properties: Mapping[str, str]) -> None:
    del proto.metadata_props[:]
    for key, value in properties.items():
        proto.metadata_props.add(key=key, value=value)


def _reference(
    net: DeployNet, arrays: Arrays, known: onnx_names.BlobNames, front: Front | None, inside: Inside | None
) -> Reference:
    store = Store(net.plan, seed=0)
    store.load(arrays)
    blob = next(iter(net.inputs))

    def prepare(feeds: Feeds) -> Feeds:
        if front is None or front.image not in feeds:
            return feeds
        images = feeds[front.image]
        if inside is not None:
            return {blob: inside(images)}
        return {
            blob: picture_input.apply(front.record, images if front.layout == "NHWC" else images.transpose(0, 2, 3, 1))
        }

    return Reference(net.plan, store, known.of(net.plan), prepare)


def _misplaced(options: ExportOptions) -> list[Problem]:
    """What only a file that takes pictures can do."""
    received = " ".join(
        [*(["--resize-inside"] if options.resize_inside else []),
         *([f"--layout {options.layout}"] if options.layout.lower() != "nhwc" else [])]
    )  # fmt: skip
    remedy = "leave them out, or the preprocessing in"
    return [Problem("the file takes the net's own blobs, not pictures", None, received, remedy)] if received else []


def _random(
    net: DeployNet, record: Any | None, front: Front | None, size: tuple[int, int] | None = None, spread: float = 1.0
) -> Callable[[int, np.random.Generator], Feeds]:
    """Random inputs: noise pictures where the net's preprocessing is known, else normal ones of ``spread``.

    Pictures are of ``size`` (None: the net's, or any of a few where the graph resizes).
    """

    def make(batch: int, rng: np.random.Generator) -> Feeds:
        if record is not None:
            blob, (_, colors, height, width) = next(iter(net.inputs.items()))  # type: ignore[misc]
            if front is not None and front.resize:
                sizes = random_sizes(height, width)
                height, width = size or sizes[int(rng.integers(len(sizes)))]
            noise = rng.integers(0, 256, (batch, height, width, colors), dtype=np.uint8)
            if front is not None:
                return {front.image: picture_input.laid(noise, front.layout)}
            return {blob: picture_input.apply(record, noise)}
        return {
            blob: (spread * rng.standard_normal((batch, *shape[1:]))).astype(np.float32)
            for blob, shape in net.inputs.items()
        }

    return make


def _sized(net: DeployNet, record: Any | None, front: Front | None, options: ExportOptions) -> list[Feeds]:
    """Random inputs of other sizes, where the file takes such."""
    rng, batch = np.random.default_rng(1), options.batch or 2
    if front is not None and front.resize:
        _, _, height, width = next(iter(net.inputs.values()))
        return [_random(net, record, front, size)(batch, rng) for size in random_sizes(height, width)]
    if not options.free_size:
        return []
    blob, shape = next(iter(net.inputs.items()))
    result: list[Feeds] = []
    for size in other_sizes(net):
        resized = DeployNet(net.message, net.plan, {blob: (*shape[:2], *size)})
        plain = None
        if record is not None:  # numbers without the geometry, which is for one size
            plain = Preprocessing(channel_order=record.channel_order, scale=record.scale, mean_value=record.mean_value)
        result.append(_random(resized, plain, front)(batch, rng))
    return result


def _photos(options: ExportOptions, notes: list[str]) -> list[Path]:
    """The real pictures of the proof."""
    paths = gather(options.pictures).paths if options.pictures else _examples()
    if not paths:
        notes.append("no real pictures were at hand: the proof ran on random ones")
    return paths


def _real(
    net: DeployNet, record: Any, front: Front | None, options: ExportOptions, paths: list[Path], spread: float
) -> Feeds:
    """Real pictures; where it is not known which numbers the net takes, of mean 0 and of ``spread`` (else 0)."""
    blob, (_, _, height, width) = next(iter(net.inputs.items()))  # type: ignore[misc]
    if options.batch:  # whole batches only
        paths = [paths[i % len(paths)] for i in range(-(-len(paths) // options.batch) * options.batch)]
    images = np.stack([picture_input.fitted(record, path, height, width) for path in paths])
    if front:
        return {front.image: picture_input.laid(images, front.layout)}
    values = picture_input.apply(record, images)
    if spread:
        values = (values - values.mean()) * np.float32(spread / max(float(values.std()), 1.0))
    return {blob: values}


def _examples() -> list[Path]:
    try:
        return picture_input.picture_files([resources.folder("examples")], REAL_PICTURES)
    except FileNotFoundError:
        return []
