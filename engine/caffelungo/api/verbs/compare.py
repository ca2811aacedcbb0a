"""`lungo compare`."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffelungo import option_text
from caffelungo.api import on_disk, values
from caffelungo.api.values import Name, Names, Numbers, Settings, Words
from caffelungo.api.verb_report import DataTable, VerbReport

if TYPE_CHECKING:
    from caffelungo.api.net_module import NetModule


@dataclass(frozen=True, repr=False)
class CompareReport(VerbReport):
    """A study. ``advice`` says what to use; ``results`` has a row per arm, ``rates`` one per arm and rate.

    ``planned`` is what is trained, with the reason where an arm cannot be built. A dry run has only that, and ``time``:
    how long it takes.

    ``folder``: the study's folder, which a later call continues.
    ``page``: the page to open in a browser.
    ``files``: the files that were written.
    """

    folder: str
    planned: DataTable
    time: str = ""
    advice: list[str] = field(default_factory=list)
    results: DataTable = field(default_factory=DataTable)
    rates: DataTable = field(default_factory=DataTable)
    page: str = ""
    files: list[str] = field(default_factory=list)


def compare(
    data: Name,
    model: Name | NetModule,
    output: Name,
    *,
    weights: Names | None = None,
    test: Name | None = None,
    via: Name | None = None,
    arms: Words = "paper,controls",
    tune: Words = "new,all",
    units: Numbers = "256",
    seeds: int = 5,
    rates: Numbers = "measured",
    extend: int = 2,
    start: str = "probe",
    iterations: int | str | Mapping[str, int] = "150",
    batch_size: int = 16,
    size: int | None = None,
    groups: str | None = None,
    per_class: int | None = None,
    path_column: str | None = None,
    label_column: Words | None = None,
    corrections: Name | None = None,
    workers: int = 0,
    threads: int = 1,
    device: str = "auto",
    retry: bool = False,
    dry_run: bool = False,
    head: str | None = None,
    set: Settings | None = None,
    level: int = 0,
    stage: Words | None = None,
    quiet: bool = False,
) -> CompareReport:
    """Compare fine-tuning, growth, their controls and linear classifiers on your pictures.

    ``data`` is a folder with one sub-folder of pictures per class, ``model`` a prototxt, a name of ``cl.nets()`` or an
    opened net, ``output`` the study's folder: what is done there is kept, and the same call goes on. Each arm is
    trained for ``seeds`` splits at several ``rates``, for ``iterations`` each (``{"new": 600, "all": 150}`` by depth).
    The options are those of ``lungo compare``.

    UserError with everything that is wrong with the net, the pictures or the options.

    >>> study = cl.compare("photos", "squeezenet1.1", "study", arms="finetune", tune="new", size=64, seeds=2,
    ...                    dry_run=True, quiet=True, batch_size=4)
    >>> study.planned.columns["arm"]
    ['finetune']
    """
    values.judge("compare", locals())
    from caffelungo.report.progress_bar import progress, working
    from caffelungo.study.compare import Study
    from caffelungo.study.estimate import estimate, workers_for
    from caffelungo.study.options import CompareOptions

    if isinstance(iterations, Mapping):
        iterations = ",".join(f"{name}:{count}" for name, count in iterations.items())
    every, at = option_text.by_name(str(iterations), "--iterations", 150)
    with on_disk.net_and_weights(model, weights) as (path, blobs):
        wanted = CompareOptions(
            data=values.path(data) or "", output=values.path(output) or "", model=path, weights=blobs,
            test=values.path(test), via=values.path(via), arms=tuple(values.words(arms)),
            tune=tuple(values.words(tune)), units=tuple(values.numbers(units, "--units", int)), seeds=seeds,
            rates=() if rates == "measured" else tuple(values.numbers(rates, "--rates")), extend=extend, start=start,
            iterations=every, iterations_at=at, batch_size=batch_size, size=size, per_class=per_class, groups=groups,
            path_column=path_column, label_column=values.columns(label_column), corrections=values.path(corrections),
            variables=values.variables(set), head=head, stages=values.listed(stage), level=level,
        )  # fmt: skip
        count = workers_for(device, workers)
        with progress("reading pictures") as seen:
            study = Study(wanted, None if quiet else seen)
        plan, number = study.plan(), len(wanted.rates or wanted.factors)
        planned = DataTable(
            {"arm": one.configuration.arm.name, "tune": one.configuration.tune.lower(),
             "units": one.configuration.units or None, "refused": one.refusal}
            for one in plan
        )  # fmt: skip
        if dry_run:
            with working("measuring steps"):
                time = estimate(plan, study.folder, rates=number, batch=batch_size, workers=count, threads=threads,
                                device=device)  # fmt: skip
            return CompareReport(str(study.folder), planned, time.words if time else "nothing can be trained")
        return _run(study, planned, count, threads, retry, device, quiet)


def _run(
    study: Any, planned: DataTable, workers: int, threads: int, retry: bool, device: str, quiet: bool
) -> CompareReport:
    from caffelungo import locks
    from caffelungo.study import reporting
    from caffelungo.study.cells import CellRunner
    from caffelungo.study.study_console import StudyBar

    with locks.alone(study.folder, "this study"):
        with StudyBar(quiet) as bar:
            found = study.run(CellRunner(study.folder, workers, threads, retry, bar.see, device), bar.say)
        written = reporting.write(found, study.folder, ["caffelungo.compare"])
    return CompareReport(
        str(study.folder), planned, advice=list(reporting.words(found)),
        results=_csv(written[0].with_name("results.csv")), rates=_csv(written[0].with_name("rates.csv")),
        page=str(written[0]), files=[str(path) for path in written],
    )  # fmt: skip


def _csv(path: Path) -> DataTable:
    """The rows of a CSV file, numbers as numbers."""
    with path.open(newline="", encoding="utf-8") as file:
        return DataTable({name: _number(cell) for name, cell in row.items()} for row in csv.DictReader(file))


def _number(cell: str) -> Any:
    try:
        return float(cell)
    except ValueError:
        return cell or None
