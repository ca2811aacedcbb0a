"""`lungo export`."""

from __future__ import annotations

from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from caffelungo.api import values
from caffelungo.api.values import Name, Names, Settings, Shapes, Side, Words
from caffelungo.api.verbs._exporting import ExportReport, written
from caffelungo.errors import UserError

if TYPE_CHECKING:
    from caffelungo.api.net_module import NetModule
    from caffelungo.definition.definition import Definition
    from caffelungo.deploy.options import ExportOptions
    from caffelungo.weights.weights import Weights


def export(
    model: Name | NetModule,
    weights: Names | None = None,
    *,
    output: Name,
    format: str = "onnx",
    labels: Name | None = None,
    opset: int = 20,
    preprocess: bool | None = None,
    pictures: Names | None = None,
    outputs: Words | None = None,
    batch: int | None = None,
    size: Side | None = None,
    shape: Shapes | None = None,
    dynamic_size: bool = False,
    layout: str = "nhwc",
    resize_inside: bool = False,
    device: str = "cpu",
    precision: str = "fp32",
    calibrate: Names | None = None,
    test: Names | None = None,
    set: Settings | None = None,
    level: int = 0,
    stage: Words | None = None,
) -> ExportReport:
    """Write a net as one ONNX file, or for Caffe again, and prove that it gives the same answers.

    ``model`` is a prototxt (train_val or deploy) or an opened net, which brings its ``weights``; ``output`` ends in
    .onnx, or in .prototxt with ``format="caffe"``. The file holds labels and preprocessing: it takes pictures as uint8,
    batch x height x width x 3 in RGB (``layout="nchw"``: channels first). ``size`` is the input in pixels,
    ``precision`` fp32, fp16 or int8, which needs ``calibrate``. The options are those of ``lungo export``.

    UserError with everything that is wrong with the net or the weights; RunError when the answers differ.

    >>> net = cl.open("squeezenet1.1")
    >>> made = cl.export(net, output="squeezenet64.onnx", size=64)
    >>> made.inputs, made.outputs
    (['image'], ['prob'])
    """
    values.judge("export", locals())
    from caffelungo.deploy.export import export as run
    from caffelungo.deploy.options import ExportOptions

    if format not in ("onnx", "caffe"):
        raise UserError("unknown format", received=f"--format {format}", remedy="write --format onnx or caffe")
    if format == "caffe" and precision != "fp32":
        raise UserError("Caffe's files are fp32", received=f"--precision {precision}", remedy="leave it out")
    if format == "caffe" and (resize_inside or layout != "nhwc"):
        raise UserError("Caffe's files take no pictures", received="--resize-inside or --layout", remedy="leave it out")
    definition, blobs = _read(model, weights, set, level, stage)
    wanted = ExportOptions(
        opset=opset, preprocess=preprocess, labels=labels if labels is None else values.path(labels),
        size=values.side(size), shapes=values.shapes(shape), outputs=values.words(outputs), batch=batch,
        pictures=values.paths(pictures) if pictures is not None else (), free_size=dynamic_size, layout=layout,
        resize_inside=resize_inside, device=device,
    )  # fmt: skip
    target = values.path(output) or ""
    if format == "caffe":
        return _for_caffe(definition, blobs, target, wanted)
    return written(
        partial(run, definition, blobs, options=wanted), target, "exporting", precision, values.names(calibrate),
        values.names(test), device,
    )  # fmt: skip


def _read(
    model: Name | NetModule, weights: Names | None, set: Settings | None, level: int, stage: Words | None
) -> tuple[Definition, Weights | str]:
    from caffelungo.plan.read_net import read_net

    if not isinstance(model, str | PathLike):
        if weights is not None:
            raise UserError("an opened net brings its own weights", remedy="leave them out, or net.load(weights) first")
        from caffelungo.api import net_files

        return model.definition, net_files.weights(model)
    if weights is None:
        raise UserError("need the weights of the net", remedy="name them, as net.caffemodel, or give an opened net")
    path = values.path(model) or ""
    definition = read_net(path, values.variables(set) or None).within(values.listed(stage), level)
    return definition, values.joined(weights) or ""


def _for_caffe(definition: Definition, weights: Weights | str, output: str, wanted: ExportOptions) -> ExportReport:
    from caffelungo.deploy.caffe_export import export_caffe
    from caffelungo.report.progress_bar import working

    with working("exporting") as status:
        done = export_caffe(definition, weights, output, wanted, progress=status.update)
    types: dict[str, int] = {}
    from caffelungo.definition.reader import read_net

    message = read_net(done.prototxt).message
    for layer in message.layer:
        types[layer.type] = types.get(layer.type, 0) + 1
    inputs = [top for layer in message.layer if layer.type == "Input" for top in layer.top]
    read = {bottom for layer in message.layer for bottom in layer.bottom}
    ends = [top for layer in message.layer for top in layer.top if top not in read]
    size = Path(done.prototxt).stat().st_size + Path(done.caffemodel).stat().st_size
    return ExportReport(
        str(done.prototxt), size, inputs, list(dict.fromkeys(ends)), done.proof.lines(), types, notes=list(done.notes)
    )
