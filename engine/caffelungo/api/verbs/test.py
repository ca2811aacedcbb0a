"""`lungo test`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffelungo.api import on_disk, values
from caffelungo.api.values import Name, Names, Settings, Side, Words
from caffelungo.api.verb_report import DataTable, VerbReport

if TYPE_CHECKING:
    from caffelungo.api.net_module import NetModule
    from caffelungo.report.classification_score import Classified


@dataclass(frozen=True, repr=False)
class TestReport(VerbReport):
    """A test. ``outputs`` are the means of the net's scalar outputs; the rest is None or empty without a classifier.

    ``accuracy`` is a share, ``interval`` its 95 % interval; ``balanced_accuracy`` is the mean recall of the classes,
    ``macro_f1`` the mean of their F1. ``per_class`` has a row per class; ``confusion[i, j]``
    counts the samples of class i that were taken for class j. Of several classifiers these are the last one's, and
    ``heads`` has a row each.

    ``samples``: how many samples were tested.
    ``confusion``: counts as an array: classes of the samples x classes they were taken for.
    ``files``: the files that were written.
    ``labels``: of a net that tells several labels per picture a row per label, with its average precision, and
    precision, recall and F1 at its threshold.
    ``numbers``: of a net that predicts numbers a row per number, with its errors in its unit, R2 and Spearman's
    correlation.
    """

    samples: int
    outputs: dict[str, float]
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    per_class: DataTable = field(default_factory=DataTable)
    confusion: Any = field(default=None, repr=False)
    heads: DataTable = field(default_factory=DataTable)
    files: list[str] = field(default_factory=list)
    labels: DataTable = field(default_factory=DataTable)
    numbers: DataTable = field(default_factory=DataTable)

    __test__ = False


def test(
    model: Name | NetModule,
    weights: Names | None = None,
    *,
    iterations: int | None = None,
    data: Name | None = None,
    path_column: str | None = None,
    label_column: Words | None = None,
    corrections: Name | None = None,
    head: str | None = None,
    crops: str = "1",
    output: Name | None = None,
    size: Side | None = None,
    set: Settings | None = None,
    device: str = "auto",
    gpu: str | None = None,
    precision: str = "fp32",
    threads: int | None = None,
    workers: int | None = None,
    level: int = 0,
    stage: Words | None = None,
    caffe: bool = False,
    quiet: bool = False,
) -> TestReport:
    """Test a net on its whole test set, once.

    ``model`` is a prototxt with test data, or an opened net, which brings its ``weights``. ``data`` is another list or
    folder of classes to test on; ``iterations`` tests on so many batches, as Caffe does, instead of the whole set.
    ``output`` is a folder for the confusion matrix and the table of classes. The options are those of ``lungo test``.

    UserError with everything that is wrong with the net, the weights or the data; RunError when memory is short.

    >>> found = cl.test("mine/train_val.prototxt", "mine/start.caffemodel", quiet=True)
    >>> found.samples, found.accuracy is not None, found.per_class.names[:2]
    (3, True, ['class', 'samples'])
    """
    values.judge("test", locals())
    from caffelungo.report.glog import CaffeLog
    from caffelungo.report.progress_bar import working
    from caffelungo.report.terminal import Terminal
    from caffelungo.solve import evaluate
    from caffelungo.solve.open_test_net import open_test_net
    from caffelungo.solve.options import TestOptions

    with on_disk.net_and_weights(model, weights) as (path, blobs):
        wanted = TestOptions(
            model=path, weights=values.names(blobs), iterations=iterations, data=values.path(data), head=head,
            output=values.path(output), size=values.side(size), variables=values.variables(set), device=device,
            gpu=gpu, precision=precision, threads=threads, workers=workers, level=level, stages=values.listed(stage),
            caffe=caffe, quiet=quiet, path_column=path_column, label_column=values.columns(label_column),
            corrections=values.path(corrections), crops=crops,
        )  # fmt: skip
        console = None if quiet else Terminal(stderr=True, soft_wrap=True)
        net = open_test_net(wanted, CaffeLog(), console)
        if output is not None and iterations is None:
            Path(output).mkdir(parents=True, exist_ok=True)
        with working("testing ..."):
            found = evaluate.evaluate(net)
        files = evaluate.write(found, Path(output), net.opened) if output is not None and iterations is None else []
    last = found.classified
    return TestReport(
        found.result.samples, found.result.values(),
        None if last is None else last.accuracy,
        None if last is None else last.interval,
        None if last is None else last.balanced_accuracy,
        None if last is None else last.macro_f1,
        DataTable() if last is None else per_class(last),
        None if last is None else last.confusion,
        DataTable({"head": one.title, "layer": one.layer, "samples": one.classified.samples,
                   "accuracy": one.classified.accuracy, "low": one.classified.interval[0],
                   "high": one.classified.interval[1]} for one in found.heads),
        [str(path) for path in files],
        DataTable() if found.labels is None else DataTable(one.row() for one in found.labels.labels),
        DataTable() if found.numbers is None else DataTable(found.numbers.plain()),
    )  # fmt: skip


def per_class(found: Classified) -> DataTable:
    """A row per class: samples, how many were right, and recall and precision as shares (NaN without samples)."""
    names = ("class", "samples", "right", "recall", "precision")
    return DataTable(dict(zip(names, row, strict=True)) for row in found.per_class())


test.__test__ = False  # type: ignore[attr-defined]
