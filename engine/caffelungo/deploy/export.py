"""A net and its weights become one ONNX file that says what it is and was proven to give the net's answers.

    definition + weights -> deployed net -> folded net -> ONNX -> proof -> the file under its name
                                  |______________ compared with ______|

A proof that does not hold leaves no file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from caffelungo import files
from caffelungo.data import preprocess
from caffelungo.data import shapes_from_data as data_shapes
from caffelungo.definition.definition import Definition
from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST
from caffelungo.deploy import onnx_names, preprocessing_record
from caffelungo.deploy.deploy_net import DeployNet
from caffelungo.deploy.export_metadata import export_metadata
from caffelungo.deploy.exportable_net import ExportableNet, open_exportable
from caffelungo.deploy.fold_batch_norm import Arrays, Folded, fold_batch_norm
from caffelungo.deploy.free_sizes import open_sizes, problems_of_free_sizes
from caffelungo.deploy.input_spread import usual_spread
from caffelungo.deploy.options import OPSETS, ExportOptions
from caffelungo.deploy.parity import Feeds, Parity, Reference, prove
from caffelungo.deploy.picture_operators import IMAGE, Front, check_layout, problems_of_resize
from caffelungo.deploy.proof_inputs import other_sized_inputs, proof_pictures, random_inputs, real_inputs
from caffelungo.deploy.resize_proof import Inside, prove_photos
from caffelungo.deploy.trace import trace
from caffelungo.deploy.untraceable import untraceable
from caffelungo.errors import Problem, RunError, UserError
from caffelungo.inference import metadata, picture_input
from caffelungo.inference.runtime import LIMIT, parse_device
from caffelungo.net.store import Store
from caffelungo.plan.build_plan import build_plan
from caffelungo.version import __version__
from caffelungo.weights.weights import Weights


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
    definition: Definition | str | Path,
    weights: Weights | str | Path,
    out: str | Path,
    options: ExportOptions | None = None,
    *,
    progress: Callable[[str], None] | None = None,
) -> Exported:
    """Write the net of ``definition`` (a Definition or a file, train_val or deploy) with ``weights`` to ``out``.

    ``weights`` is a file of any format, several files comma-separated, or a ``Weights``. ``progress`` is called with
    each stage. Raises UserError for mistakes in what was given, RunError when the proof does not hold; then ``out`` is
    as it was before.
    """
    options = options or ExportOptions()
    tell = progress or (lambda stage: None)
    target = checked_target(out, options)
    tell("reading the net and its weights")
    opened = open_exportable(definition, weights, options)
    net, notes = opened.net, opened.notes
    record = _record(opened, options)
    known = onnx_names.BlobNames(net.plan)
    enters = record if options.preprocess is None or options.preprocess else None
    front = (
        Front(enters, options.layout.upper(), options.resize_inside, known.free(IMAGE)) if enters is not None else None
    )
    if obstacles := _obstacles(net, front, options):
        raise UserError(obstacles)
    described = export_metadata(opened, record, front, options)
    tell("tracing the graph")
    model = _traced(opened, front, known, options)
    notes += _renamed(known, model)
    if options.free_size:
        open_sizes(model, front.layout if front else "NCHW", net)
    proto = _proto(model, net.message.name, described)
    tell("comparing PyTorch and ONNX Runtime")
    proof = _proved(proto.SerializeToString(), opened, record, front, known, options, described)
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


def _record(opened: ExportableNet, options: ExportOptions) -> Any | None:
    """The completed preprocessing record of a net that takes pictures; None for one that does not.

    Notes say what of it was assumed. UserError where preprocessing was asked for, and cannot be had.
    """
    net = opened.net
    if not preprocessing_record.takes_pictures(net.inputs):
        if not options.preprocess:
            return None
        raise UserError(
            "preprocessing needs a net with one input of 1 or 3 channels",
            received=", ".join(f"{blob} {'x'.join(map(str, shape))}" for blob, shape in net.inputs.items()),
            remedy="export it without preprocessing; its inputs are then the net's own blobs",
        )
    blob, shape = next(iter(net.inputs.items()))
    record = preprocessing_record.completed(opened.record, blob, shape)
    if record.assumed:
        opened.notes.append(f"preprocessing was partly assumed: {preprocess.describe(record)}")
        if options.preprocess is None and blob in data_shapes.rows(opened.definition):
            opened.notes.append(
                f"training reads `{blob}` from files of numbers; where they are no pictures of 0 to 255, write "
                "--no-preprocess, and the exported net takes those numbers"
            )
    return record


def _obstacles(net: DeployNet, front: Front | None, options: ExportOptions) -> list[Problem]:
    """What keeps a net from leaving as ``options`` ask."""
    obstacles = problems_of_resize(front.record) if front is not None and front.resize else []
    if options.free_size:
        obstacles += problems_of_free_sizes(net, front.record if front is not None else None)
    return obstacles if front is not None else obstacles + _misplaced(options)


def _traced(
    opened: ExportableNet, front: Front | None, known: onnx_names.BlobNames, options: ExportOptions
) -> ir.Model:
    """The graph of the net, its BatchNorms folded where ``options`` say so; UserError for what the exporter cannot."""
    net, arrays = opened.net, opened.arrays
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
    return traced.model


def _proved(
    data: bytes, opened: ExportableNet, record: Any | None, front: Front | None, known: onnx_names.BlobNames,
    options: ExportOptions, described: metadata.Metadata,
) -> Parity:  # fmt: skip
    """The proof that the file of ``data`` answers as the net does; RunError where it does not.

    Where the file resizes pictures, the proof on photographs goes into ``described`` as well.
    """
    net, arrays = opened.net, opened.arrays
    inside = Inside(data, front, next(iter(net.inputs)), options.device) if front is not None and front.resize else None
    reference = _reference(net, arrays, known, front, inside)
    stated = record is not None and (front is not None or not {"mean_value", "scale"} & set(record.assumed))
    ranged = record if stated else None  # which numbers the net takes is known
    spread = 0.0 if stated else usual_spread(reference, arrays, net.inputs)
    paths = proof_pictures(options, opened.notes) if record is not None else []
    proof = prove(
        data, reference,
        random=random_inputs(net, ranged, front, spread=spread),
        real=None if inside or not paths else real_inputs(net, record, front, options, paths, spread),
        batches=(options.batch,) * 2 if options.batch else options.batches, tolerance=options.tolerance,
        device=options.device, classifiers=described.classifiers,
        sized=other_sized_inputs(net, ranged, front, options),
    )  # fmt: skip
    if front is not None and inside is not None and paths:
        photos = prove_photos(data, reference, front, inside, paths, options.batch or 1, proof, described.classifiers)
        described.more["resize"] = json.dumps(photos.facts())
        opened.notes.append(photos.line())
    return proof


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
            Problem("this opset is not supported", received=f"opset {options.opset}",
                    remedy=f"use one from {OPSETS.start} to {OPSETS.stop - 1}; 20 is read by all current runtimes")
        )  # fmt: skip
    if options.free_size and options.resize_inside:
        problems.append(
            Problem("--resize-inside and --dynamic-size contradict each other",
                    received="--resize-inside and --dynamic-size", remedy="remove one of them")
        )  # fmt: skip
    if problems:
        raise UserError(problems)
    check_layout(options.layout)
    parse_device(options.device)
    return target


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


def _proto(model: ir.Model, name: str, described: metadata.Metadata) -> Any:
    model.producer_name, model.producer_version = "caffelungo", __version__
    model.graph.name = name or "net"
    proto = ir.to_proto(model)
    _set_properties(proto, described.properties())
    if proto.ByteSize() > LIMIT:
        raise UserError(
            "the net is too large for one ONNX file, whose limit is 2 GB", received=f"{proto.ByteSize() / 1e9:.2f} GB",
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
