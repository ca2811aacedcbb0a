"""`lungo convert`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.export_options import Calibrate, Layout, Precision, Preprocess, ResizeInside, TestList, write


def convert(
    model: Annotated[str, typer.Argument(help="The net: deploy or train_val, of any age.")],
    weights: Annotated[str, typer.Argument(help="Its weights: .caffemodel, .caffemodel.h5 or .safetensors.")],
    output: Annotated[str, typer.Option("-o", "--output", help="The ONNX file to write.")],
    mean: Annotated[str | None, typer.Option(help="Of 0..255: one value, or one a channel: 104,117,123.")] = None,
    mean_file: Annotated[str | None, typer.Option(help="A mean picture: .binaryproto or .npy.")] = None,
    scale: Annotated[float | None, typer.Option(help="Multiplied in after the mean.")] = None,
    channel_order: Annotated[str | None, typer.Option(help="What the net takes: bgr (Caffe's), rgb or gray.")] = None,
    resize: Annotated[
        str | None, typer.Option(metavar="HxW", help="Pictures' size before the centre crop; one number: shorter side.")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="A file with one class name a line.")] = None,
    preprocess: Preprocess = None,
    outputs: Annotated[str | None, typer.Option(metavar="BLOBS", help="Blobs to come out; stop there.")] = None,
    size: o.Size = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(metavar="BLOB:CxHxW", help="An input's size where the file does not tell it; may be repeated."),
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Fix the number of pictures (default: any).")] = None,
    level: o.Level = 0,
    stage: o.Stage = None,
    opset: Annotated[int, typer.Option(help="ONNX opset.")] = 20,
    pictures: Annotated[list[str] | None, typer.Option(help="Pictures or folders for the proof.")] = None,
    dynamic_size: Annotated[
        bool, typer.Option("--dynamic-size", help="Leave height and width open (fully convolutional nets).")
    ] = False,
    layout: Layout = "nhwc",
    resize_inside: ResizeInside = False,
    device: Annotated[str, typer.Option(help="Where ONNX Runtime proves it: cpu or cuda.")] = "cpu",
    precision: Precision = "fp32",
    calibrate: Calibrate = None,
    test_list: TestList = None,
    set_: o.Set = None,
) -> None:
    """Turn any Caffe net and its weights into one ONNX file, with proof that it gives the same answers.

    Example: [bold]lungo convert deploy.prototxt x.caffemodel -o x.onnx --mean 104,117,123[/]
    """
    from caffelungo.deploy.convert import ConvertOptions, convert
    from caffelungo.deploy.network import parse_shapes

    wanted = ConvertOptions(
        mean=o.numbers(mean, "--mean"), mean_file=mean_file, scale=scale, channel_order=channel_order,
        resize=o.height_width(resize, "--resize"), preprocess=preprocess, labels=labels, outputs=o.words(outputs),
        stages=o.listed(stage), level=level, size=o.size(size), shapes=parse_shapes(shape or ()), batch=batch,
        opset=opset, pictures=pictures or (),
        free_size=dynamic_size, layout=layout, resize_inside=resize_inside, device=device, variables=o.variables(set_),
    )  # fmt: skip
    write(partial(convert, model, weights, options=wanted), output, "converting", precision, calibrate, test_list,
          device)  # fmt: skip
