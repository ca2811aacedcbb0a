"""`lungo inspect`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffelungo.api import on_disk, values
from caffelungo.api.values import Name, Names, Settings, Side, Words
from caffelungo.api.verb_report import DataTable, VerbReport

if TYPE_CHECKING:
    from caffelungo.api.net_module import NetModule


@dataclass(frozen=True, repr=False)
class InspectReport(VerbReport):
    """What was written: the ``page`` to open in a browser, and all ``files`` of the folder.

    With ``labels`` also what was found: the doubtful ``labels`` as a table, the likeliest wrong first, copies under
    ``two_labels``, the file of ``corrections`` to edit, how many labels are in doubt (``suspects``), how often
    classifiers agree with the labels (``accuracy``), and ``notices``. Else these are None.
    """

    page: str
    files: list[str]
    labels: DataTable | None = None
    two_labels: DataTable | None = None
    corrections: str | None = None
    suspects: int | None = None
    accuracy: float | None = None
    notices: list[str] | None = None


def inspect(
    model: Name | NetModule,
    weights: Names | None = None,
    *,
    output: Name,
    labels: bool = False,
    before: Names | None = None,
    before_model: Name | None = None,
    snapshots: Name | None = None,
    data: Name | None = None,
    layers: Words | None = None,
    top: int | None = None,
    groups: str | None = None,
    path_column: str | None = None,
    label_column: Words | None = None,
    corrections: Name | None = None,
    units: Words | None = None,
    per_class: int | None = None,
    seed: int = 0,
    size: Side | None = None,
    head: str | None = None,
    set: Settings | None = None,
    device: str = "auto",
    gpu: str | None = None,
    precision: str = "fp32",
    threads: int | None = None,
    workers: int | None = None,
    level: int = 0,
    stage: Words | None = None,
    quiet: bool = False,
) -> InspectReport:
    """Report what fine-tuning did, or which labels are probably wrong (``labels``), on one HTML page.

    ``model`` is a prototxt with test data, or an opened net, which brings its ``weights``; ``output`` the folder to
    write. ``before`` are the weights that training began with. ``units`` are ``"fc7:3,17"``, one text per layer. With
    ``labels`` the net may also be a name of ``cl.nets()``, and ``data`` are the pictures whose labels are inspected.
    The options are those of ``lungo inspect``.

    UserError with everything that is wrong with the net, the weights or the data.

    >>> made = cl.inspect("mine/train_val.prototxt", "mine/start.caffemodel", output="report", quiet=True)
    >>> made.page
    'report/index.html'
    """
    values.judge("inspect", locals())
    from caffelungo.study.wrong_labels.options import refuse_others

    refuse_others(
        labels,
        {"--layers": layers, "--top": top, "--groups": groups, "--path-column": path_column,
         "--label-column": values.columns(label_column), "--corrections": corrections},
        {"--before": before, "--before-model": before_model, "--snapshots": snapshots, "--units": units,
         "--workers": workers},
    )  # fmt: skip
    if labels:
        wanted = {
            "data": values.path(data), "out": values.path(output) or "", "top": top, "groups": groups,
            "layers": tuple(values.words(layers or "all")), "per_class": per_class, "path_column": path_column,
            "label_column": values.columns(label_column), "corrections": values.path(corrections), "seed": seed,
            "size": values.side(size), "head": head, "variables": values.variables(set), "level": level,
            "stages": values.listed(stage), "device": device, "gpu": gpu, "precision": precision, "threads": threads,
        }  # fmt: skip
        return _labels(model, weights, wanted, quiet)
    from caffelungo.report.progress_bar import stages
    from caffelungo.report.terminal import Terminal
    from caffelungo.study.inspect.options import InspectOptions, needed
    from caffelungo.study.inspect.run_inspect import inspect as run

    folder = values.path(output) or ""
    with on_disk.net_and_weights(model, weights) as (path, blobs), stages(quiet) as progress:
        page = run(
            InspectOptions(
                model=path, weights=values.names(needed(blobs)), before=values.joined(before),
                before_model=values.path(before_model), snapshots=values.path(snapshots), data=values.path(data),
                out=folder, units=values.repeated(units), per_class=per_class, seed=seed, size=values.side(size),
                variables=values.variables(set), device=device, gpu=gpu, precision=precision, threads=threads,
                workers=workers, level=level, stages=values.listed(stage), head=head, quiet=quiet,
            ),
            Terminal(stderr=True, soft_wrap=True),
            progress,
        )  # fmt: skip
    return InspectReport(str(page), sorted(str(path) for path in Path(folder).iterdir()))


def _labels(model: Name | NetModule, weights: Names | None, wanted: dict[str, Any], quiet: bool) -> InspectReport:
    from caffelungo.report.progress_bar import stages
    from caffelungo.study.wrong_labels import writing
    from caffelungo.study.wrong_labels.options import WrongLabelOptions

    with on_disk.net_and_weights(model, weights) as (path, blobs), stages(quiet) as say:
        made = writing.inspect_labels(WrongLabelOptions(model=path, weights=blobs, **wanted), say)
    plain = writing.summary(made.found, WrongLabelOptions(model=path, **wanted))
    return InspectReport(
        str(made.page), sorted(map(str, made.files)), DataTable(plain["doubtful"]), DataTable(plain["two_labels"]),
        str(made.corrections), plain["suspects"], plain["accuracy"], plain["notices"],
    )  # fmt: skip
