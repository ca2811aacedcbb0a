"""`lungo test`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult

if TYPE_CHECKING:
    from caffelungo.solve.evaluate import Tested


def test(
    model: Annotated[str, typer.Option(help="The net, with its test data.")],
    weights: Annotated[str, typer.Option(help="Its weights.")],
    iterations: Annotated[
        int | None, typer.Option(help="Number of batches, as in Caffe (default: the whole test set once).")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Pictures to test on instead of the net's own: a list, a folder of classes, a table or a data set."
        ),
    ] = None,
    path_column: o.PathColumn = None,
    label_column: o.LabelColumn = None,
    corrections: o.Corrections = None,
    head: Annotated[
        str | None, typer.Option(help="Classifier to test, if the net has several: its layer or its task.")
    ] = None,
    crops: Annotated[
        str,
        typer.Option(help="Views whose class probabilities are averaged: 1, 10 (corners, centre, mirrored) or flip."),
    ] = "1",
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="Folder for the confusion matrix and the per-class table.")
    ] = None,
    size: o.Size = None,
    set_: o.Set = None,
    device: o.Device = "auto",
    gpu: o.Gpu = None,
    precision: o.Precision = "fp32",
    threads: o.Threads = None,
    workers: o.Workers = None,
    level: o.Level = 0,
    stage: o.Stage = None,
    caffe: o.Caffe = False,
    quiet: o.Quiet = False,
) -> VerbResult:
    """Test a net on its whole test set: accuracy with confidence interval, per class, confusion matrix.

    Example: [bold]lungo test --model mine/train_val.prototxt --weights mine/solver_iter_300.caffemodel[/]
    """
    from caffelungo.solve import evaluate
    from caffelungo.solve.options import TestOptions

    found = evaluate.run_test(
        TestOptions(
            model=model, weights=o.words(weights), iterations=iterations, data=data, head=head, output=output,
            crops=crops,
            size=o.size(size), variables=o.variables(set_), device=device, gpu=gpu, precision=precision,
            threads=threads, workers=workers, level=level, stages=o.listed(stage), caffe=caffe, quiet=quiet,
            path_column=path_column, label_column=label_column, corrections=corrections,
        )
    )  # fmt: skip
    return VerbResult(
        {
            "samples": found.samples, "outputs": found.outputs, "heads": [_classifier(one) for one in found.heads],
            "labels": found.labels.plain() if found.labels is not None else None,
            "numbers": found.numbers.plain() if found.numbers is not None else None, "files": found.files,
        }
    )  # fmt: skip


def _classifier(one: Tested) -> dict[str, Any]:
    """A classifier that was tested, for `--json`."""
    counts = one.classified
    names = ("name", "samples", "right", "recall", "precision")
    return {
        "layer": one.layer, "title": one.title, "accuracy": counts.accuracy, "interval": counts.interval,
        "balanced_accuracy": counts.balanced_accuracy, "macro_f1": counts.macro_f1,
        "top5": counts.top, "right": counts.right, "samples": counts.samples,
        "classes": [dict(zip(names, row, strict=True)) for row in counts.per_class()],
    }  # fmt: skip
