"""`lungo convert`."""

from __future__ import annotations

from functools import partial

from caffelungo.api import values
from caffelungo.api.values import Name, Names, Numbers, Settings, Shapes, Side, Words
from caffelungo.api.verbs._exporting import ExportReport, written


def convert(
    model: Name,
    weights: Names,
    output: Name,
    *,
    mean: Numbers | None = None,
    mean_file: Name | None = None,
    scale: float | None = None,
    channel_order: str | None = None,
    resize: Side | None = None,
    labels: Name | None = None,
    preprocess: bool | None = None,
    outputs: Words | None = None,
    size: Side | None = None,
    shape: Shapes | None = None,
    batch: int | None = None,
    level: int = 0,
    stage: Words | None = None,
    opset: int = 20,
    pictures: Names | None = None,
    dynamic_size: bool = False,
    layout: str = "nhwc",
    resize_inside: bool = False,
    device: str = "cpu",
    precision: str = "fp32",
    calibrate: Names | None = None,
    test: Names | None = None,
    set: Settings | None = None,
) -> ExportReport:
    """Convert any Caffe net and its weights, of any age, to one ONNX file, and prove that it gives the same answers.

    ``mean`` (of 0 to 255, one value or one per channel), ``scale``, ``channel_order`` (``bgr``, ``rgb`` or ``gray``)
    and ``resize`` (height and width in pixels, or the shorter side) say how pictures become the net's input, where the
    files do not. The options are those of ``lungo convert``.

    UserError with everything that is wrong with the net or the weights; RunError when the answers differ.

    >>> made = cl.convert("deploy.prototxt", "lenet.caffemodel", "lenet.onnx", scale=1 / 256, channel_order="gray")
    >>> made.outputs
    ['prob']
    """
    values.judge("convert", locals())
    from caffelungo.deploy.convert import convert as run
    from caffelungo.deploy.options import ConvertOptions

    wanted = ConvertOptions(
        mean=values.numbers(mean, "--mean"), mean_file=values.path(mean_file), scale=scale,
        channel_order=channel_order, resize=values.height_width(resize, "--resize"), preprocess=preprocess,
        labels=values.path(labels), outputs=values.words(outputs), stages=values.listed(stage), level=level,
        size=values.side(size), shapes=values.shapes(shape), batch=batch, opset=opset,
        pictures=values.paths(pictures) if pictures is not None else (), free_size=dynamic_size, layout=layout,
        resize_inside=resize_inside, device=device, variables=values.variables(set),
    )  # fmt: skip
    make = partial(run, values.path(model) or "", values.joined(weights) or "", options=wanted)
    return written(
        make, values.path(output) or "", "converting", precision, values.names(calibrate), values.names(test), device
    )
