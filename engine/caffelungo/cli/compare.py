"""`lungo compare`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import completion
from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult


def compare(
    data: Annotated[
        str, typer.Option(help="Pictures: a folder of class folders, a list, a table or a data set; see docs/data.md.")
    ],
    model: Annotated[
        str, typer.Option(autocompletion=completion.nets, help="A net: a prototxt, or a name of `lungo nets`.")
    ],
    output: Annotated[
        str, typer.Option("-o", "--output", help="Folder of the study. Finished trainings in it are reused.")
    ],
    weights: Annotated[
        str | None, typer.Option(help="Pre-trained weights, or 'none' (default: the net's own).")
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="Test pictures: a folder with the same classes (default: a share of --data).")
    ] = None,
    via: Annotated[
        str | None,
        typer.Option(
            help="Pictures of another task to learn first: measures its benefit, and how much of it is forgotten."
        ),
    ] = None,
    arms: Annotated[
        str,
        typer.Option(
            help="Arms, comma-separated: finetune, deeper, wider ..., or a group: paper, controls, normalization, wide."
        ),
    ] = "paper,controls",
    tune: Annotated[str, typer.Option(help="What learns, comma-separated: new, top, top_two, all.")] = "new,all",
    units: Annotated[str, typer.Option(help="Numbers of new units, comma-separated.")] = "256",
    seeds: Annotated[
        int, typer.Option(help="Number of seeds; each draws its own split and trains every arm at every rate.")
    ] = 5,
    rates: Annotated[
        str,
        typer.Option(
            help="Learning rates, comma-separated; 'measured': three around a rate estimated from the features."
        ),
    ] = "measured",
    extend: Annotated[int, typer.Option(help="How often to extend the range when the best rate is at its end.")] = 2,
    start: Annotated[
        str, typer.Option(help="Initial weights of fresh classifiers: probe (a converged linear classifier) or filler.")
    ] = "probe",
    iterations: Annotated[
        str, typer.Option(help="Iterations per training; or per choice of --tune: new:600,all:150.")
    ] = "150",
    batch_size: Annotated[int, typer.Option(help="Batch size.")] = 16,
    size: Annotated[int | None, typer.Option(help="Input size in pixels (default: the net's).")] = None,
    groups: o.Groups = None,
    per_class: o.PerClass = None,
    path_column: o.PathColumn = None,
    label_column: o.LabelColumn = None,
    corrections: o.Corrections = None,
    workers: Annotated[int, typer.Option(help="Number of parallel trainings (default: one per core; 2 on a GPU).")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads per training.")] = 1,
    device: o.Device = "auto",
    retry: Annotated[bool, typer.Option("--retry", help="Run failed trainings again.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be trained and the estimated time, then stop.")
    ] = False,
    head: Annotated[str | None, typer.Option(help="Classifier to compare, if the net has several.")] = None,
    set_: o.Set = None,
    level: o.Level = 0,
    stage: o.Stage = None,
    quiet: o.Quiet = False,
) -> VerbResult:
    """Compare fine-tuning, growth, their controls and linear classifiers on your pictures.

    Example: [bold]lungo compare --data photos/ --model squeezenet1.1 --size 112 -o study/[/]
    """
    from caffelungo import locks
    from caffelungo.study.cells import CellRunner
    from caffelungo.study.compare import Study
    from caffelungo.study.estimate import estimate, workers_for
    from caffelungo.study.options import CompareOptions
    from caffelungo.study.study_console import StudyBar, print_plan, print_tables

    every, at = o.by_name(iterations, "--iterations", 150)
    wanted = CompareOptions(
        data=data, output=output, model=model, weights=weights, test=test, via=via, arms=tuple(o.words(arms)),
        tune=tuple(o.words(tune)), units=tuple(o.numbers(units, "--units", int)), seeds=seeds,
        rates=() if rates == "measured" else tuple(o.numbers(rates, "--rates")), extend=extend,
        start=start, iterations=every, iterations_at=at, batch_size=batch_size, size=size, per_class=per_class,
        groups=groups, path_column=path_column, label_column=label_column,
        corrections=corrections,
        variables=o.variables(set_), head=head, stages=o.listed(stage), level=level,
    )  # fmt: skip
    count = workers_for(device, workers)
    with o.progress("reading pictures") as progress:
        study = Study(wanted, progress)
    plan, number = study.plan(), len(wanted.rates or wanted.factors)
    if not quiet or dry_run:
        print_plan(study.task.pictures, plan, number, seeds, study.between.pictures if study.between else None)
    if dry_run:
        with o.working("timing steps"):
            time = estimate(plan, study.folder, rates=number, batch=batch_size, workers=count, threads=threads,
                            device=device)  # fmt: skip
        typer.echo(time.words if time else "nothing can be trained")
        return VerbResult({"folder": study.folder, "candidates": len(plan), "estimate": time})
    from caffelungo.study import reporting

    with locks.alone(study.folder, "this study"):
        with StudyBar(quiet) as bar:
            found = study.run(CellRunner(study.folder, count, threads, retry, bar.see, device), bar.say)
        written = reporting.write(found, study.folder, o.command_line())
    if not quiet:
        print_tables(reporting.brief(found), reporting.words(found))
        typer.echo(f"wrote {', '.join(path.name for path in written[1:])} into {study.folder}; open {written[0]}")
    summary = reporting.summary(found, o.command_line())
    return VerbResult({"folder": study.folder, "candidates": len(plan), "files": written, **summary})
