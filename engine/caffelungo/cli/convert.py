"""`lungo convert`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.export_options import Calibrate, Layout, Precision, Preprocess, ResizeInside, TestList, write
from caffelungo.cli.verb_result import VerbResult


def convert(
    model: Annotated[str, typer.Argument(help="The net: a deploy or train_val prototxt of any version of Caffe.")],
    weights: Annotated[str, typer.Argument(help="Its weights: .caffemodel, .caffemodel.h5 or .safetensors.")],
    output: Annotated[str, typer.Option("-o", "--output", help="The ONNX file to write.")],
    mean: Annotated[
        str | None, typer.Option(help="Mean to subtract, 0..255: one value, or one per channel: 104,117,123.")
    ] = None,
    mean_file: Annotated[str | None, typer.Option(help="Mean image to subtract: .binaryproto or .npy.")] = None,
    scale: Annotated[float | None, typer.Option(help="Factor applied after the mean.")] = None,
    channel_order: Annotated[
        str | None, typer.Option(help="Channel order the net expects: bgr (Caffe's), rgb or gray.")
    ] = None,
    resize: Annotated[
        str | None,
        typer.Option(
            metavar="HxW", help="Size to resize pictures to before the centre crop; one number: the shorter side."
        ),
    ] = None,
    labels: Annotated[str | None, typer.Option(help="A file with one class name per line.")] = None,
    preprocess: Preprocess = None,
    outputs: Annotated[
        str | None, typer.Option(metavar="BLOBS", help="Output blobs; layers after them are dropped.")
    ] = None,
    size: o.Size = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(metavar="BLOB:CxHxW", help="Shape of an input that the net does not specify; repeatable."),
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Fixed batch size (default: any).")] = None,
    level: o.Level = 0,
    stage: o.Stage = None,
    opset: Annotated[int, typer.Option(help="ONNX opset.")] = 20,
    pictures: Annotated[list[str] | None, typer.Option(help="Pictures or folders to verify the export with.")] = None,
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
) -> VerbResult:
    """Convert a Caffe net and its weights to one ONNX file, and verify that it computes the same outputs.

    Example: [bold]lungo convert deploy.prototxt x.caffemodel -o x.onnx --mean 104,117,123[/]
    """
    from caffelungo.deploy.convert import convert
    from caffelungo.deploy.deploy_net import parse_shapes
    from caffelungo.deploy.options import ConvertOptions

    wanted = ConvertOptions(
        mean=o.numbers(mean, "--mean"), mean_file=mean_file, scale=scale, channel_order=channel_order,
        resize=o.height_width(resize, "--resize"), preprocess=preprocess, labels=labels, outputs=o.words(outputs),
        stages=o.listed(stage), level=level, size=o.size(size), shapes=parse_shapes(shape or ()), batch=batch,
        opset=opset, pictures=pictures or (),
        free_size=dynamic_size, layout=layout, resize_inside=resize_inside, device=device, variables=o.variables(set_),
    )  # fmt: skip
    make = partial(convert, model, weights, options=wanted)
    return write(make, output, "converting", precision, calibrate, test_list, device)
