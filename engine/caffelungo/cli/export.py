"""`lungo export`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.export_options import (
    Calibrate,
    Layout,
    Precision,
    Preprocess,
    ResizeInside,
    TestList,
    tell_caffe,
    write,
)
from caffelungo.cli.verb_result import VerbResult
from caffelungo.errors import UserError


def export(
    model: Annotated[str, typer.Option(help="The net: train_val or deploy.")],
    weights: Annotated[str, typer.Option(help="Its weights.")],
    output: Annotated[str, typer.Option("-o", "--output", help="The file to write: .onnx, or .prototxt for Caffe.")],
    format_: Annotated[
        str,
        typer.Option("--format", help="onnx, or caffe (a deploy.prototxt and a .caffemodel with BVLC's layers only)."),
    ] = "onnx",
    labels: Annotated[str | None, typer.Option(help="A file with one class name per line.")] = None,
    opset: Annotated[int, typer.Option(help="ONNX opset.")] = 20,
    preprocess: Preprocess = None,
    pictures: Annotated[list[str] | None, typer.Option(help="Pictures or folders to verify the export with.")] = None,
    outputs: Annotated[
        str | None, typer.Option(metavar="BLOBS", help="Output blobs; layers after them are dropped.")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Fixed batch size (default: any).")] = None,
    size: o.Size = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(metavar="BLOB:CxHxW", help="Shape of an input that the net does not specify; repeatable."),
    ] = None,
    dynamic_size: Annotated[
        bool, typer.Option("--dynamic-size", help="Leave the input's height and width open (fully convolutional nets).")
    ] = False,
    layout: Layout = "nhwc",
    resize_inside: ResizeInside = False,
    device: Annotated[str, typer.Option(help="Where ONNX Runtime verifies the file: cpu or cuda.")] = "cpu",
    precision: Precision = "fp32",
    calibrate: Calibrate = None,
    test_list: TestList = None,
    set_: o.Set = None,
    level: o.Level = 0,
    stage: o.Stage = None,
) -> VerbResult:
    """Export a trained net to one ONNX file, or back to Caffe, and verify that it computes the same outputs.

    Example: [bold]lungo export --model train_val.prototxt --weights x.caffemodel -o model.onnx[/]
    """
    from caffelungo.deploy.deploy_net import parse_shapes
    from caffelungo.deploy.export import export
    from caffelungo.deploy.options import ExportOptions
    from caffelungo.plan.read_net import read_net

    if format_ not in ("onnx", "caffe"):
        raise UserError("unknown format", received=f"--format {format_}", remedy="write --format onnx or caffe")
    if format_ == "caffe" and precision != "fp32":
        raise UserError("--format caffe writes fp32 only", received=f"--precision {precision}", remedy="leave it out")
    if format_ == "caffe" and (resize_inside or layout != "nhwc"):
        raise UserError(
            "--format caffe has no picture input", received="--resize-inside or --layout", remedy="leave it out"
        )
    definition = read_net(model, o.variables(set_) or None).within(o.listed(stage), level)
    wanted = ExportOptions(
        opset=opset, preprocess=preprocess, labels=labels, size=o.size(size), shapes=parse_shapes(shape or ()),
        outputs=o.words(outputs), batch=batch,
        pictures=pictures or (), free_size=dynamic_size, layout=layout, resize_inside=resize_inside, device=device,
    )  # fmt: skip
    if format_ == "caffe":
        from caffelungo.deploy.caffe_export import export_caffe

        with o.working("exporting") as status:
            return tell_caffe(export_caffe(definition, weights, output, wanted, progress=status.update))
    make = partial(export, definition, weights, options=wanted)
    return write(make, output, "exporting", precision, calibrate, test_list, device)
