"""`lungo inspect`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from caffelungo.api import on_disk, values
from caffelungo.api.values import Name, Names, Settings, Side, Words
from caffelungo.api.verb_report import VerbReport

if TYPE_CHECKING:
    from caffelungo.api.net_module import NetModule


@dataclass(frozen=True, repr=False)
class InspectReport(VerbReport):
    """What was written: the ``page`` to open in a browser, and all ``files`` of the folder."""

    page: str
    files: list[str]


def inspect(
    model: Name | NetModule,
    weights: Names | None = None,
    *,
    output: Name,
    before: Names | None = None,
    before_model: Name | None = None,
    snapshots: Name | None = None,
    data: Name | None = None,
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
    """Report what fine-tuning did, on one HTML page: old and new units, layers, preferred pictures, errors.

    ``model`` is a prototxt with test data, or an opened net, which brings its ``weights``; ``output`` the folder to
    write. ``before`` are the weights that training began with. ``units`` are ``"fc7:3,17"``, one text per layer. The
    options are those of ``lungo inspect``.

    UserError with everything that is wrong with the net, the weights or the data.

    >>> made = cl.inspect("mine/train_val.prototxt", "mine/start.caffemodel", output="report", quiet=True)
    >>> made.page
    'report/index.html'
    """
    values.judge("inspect", locals())
    from caffelungo.report.progress_bar import stages
    from caffelungo.report.terminal import Terminal
    from caffelungo.study.inspect.options import InspectOptions
    from caffelungo.study.inspect.run_inspect import inspect as run

    folder = values.path(output) or ""
    with on_disk.net_and_weights(model, weights) as (path, blobs), stages(quiet) as progress:
        page = run(
            InspectOptions(
                model=path, weights=values.names(blobs), before=values.joined(before),
                before_model=values.path(before_model), snapshots=values.path(snapshots), data=values.path(data),
                out=folder, units=values.repeated(units), per_class=per_class, seed=seed, size=values.side(size),
                variables=values.variables(set), device=device, gpu=gpu, precision=precision, threads=threads,
                workers=workers, level=level, stages=values.listed(stage), head=head, quiet=quiet,
            ),
            Terminal(stderr=True, soft_wrap=True),
            progress,
        )  # fmt: skip
    return InspectReport(str(page), sorted(str(path) for path in Path(folder).iterdir()))
