"""`lungo probe`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult
from caffelungo.wording import counted


def probe(
    net: o.Net,
    data: Annotated[
        str | None,
        typer.Option(
            help="Pictures: a folder of class folders, a list, a table or a data set (with --layers head: default the "
            "net's own)."
        ),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(
            help="Pictures of the same classes to test the chosen classifier on, in any form that --data takes."
        ),
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Pre-trained weights (default: the net's own).")] = None,
    layers: Annotated[
        str,
        typer.Option(
            help="Layers to read, comma-separated: blobs, a+b (concatenated), all (every stage, concatenated), head "
            "(the input of the net's classifier), or auto (each stage, and all)."
        ),
    ] = "auto",
    classifier: Annotated[str, typer.Option(help="logistic (multinomial logistic regression) or svm.")] = "logistic",
    scaling: Annotated[str, typer.Option(help="unit (one scale for all features) or standardise.")] = "unit",
    mirror: Annotated[bool, typer.Option("--mirror", help="Also learn from mirrored copies of the pictures.")] = False,
    penalty: Annotated[
        float | None, typer.Option(help="L2 penalty on the sum of losses (default: chosen by cross-validation).")
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(
            help="With --layers head: the weights before training. Unless training has gained more than chance "
            "explains, the net gets these weights, or the mean of both."
        ),
    ] = None,
    no_refit: Annotated[
        bool,
        typer.Option(
            "--no-refit", help="With --before: only choose between the two weights, without fitting a classifier."
        ),
    ] = False,
    folds: Annotated[int, typer.Option(help="Number of cross-validation folds.")] = 5,
    size: Annotated[int | None, typer.Option(help="Input size in pixels (default: the net's).")] = None,
    batch_size: Annotated[int, typer.Option(help="Batch size of the forward pass.")] = 32,
    suffix: Annotated[str | None, typer.Option(help="Suffix for the new classifier's name.")] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="Folder to write the net with the chosen classifier to.")
    ] = None,
    cache: Annotated[str | None, typer.Option(help="Folder to cache features in (default: inside --output).")] = None,
    groups: o.Groups = None,
    per_class: o.PerClass = None,
    path_column: o.PathColumn = None,
    label_column: o.LabelColumn = None,
    corrections: o.Corrections = None,
    balance: Annotated[
        str | None,
        typer.Option(
            help="Correction for classes of different sizes: inverse or effective (class weights), logits (logit "
            "adjustment) or none (default: with --layers head, that of the net's loss; otherwise none)."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed for the folds.")] = 0,
    device: o.Device = "auto",
    precision: o.Precision = "fp32",
    threads: o.Threads = None,
    head: Annotated[str | None, typer.Option(help="Classifier to replace, if the net has several.")] = None,
    set_: o.Set = None,
    level: o.Level = 0,
    stage: o.Stage = None,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
) -> VerbResult:
    """Train linear classifiers on the frozen layers of a net, and write the best one as a net.

    Example: [bold]lungo probe squeezenet1.1 --data photos/ --size 112 -o probed/[/]
    """
    from caffelungo.probes.options import ProbeOptions
    from caffelungo.probes.run_probe import probe as run
    from caffelungo.probes.table import table
    from caffelungo.report.terminal import Terminal

    wanted = ProbeOptions(
        net=net, data=data, test=test, weights=weights, layers=tuple(o.words(layers)), classifier=classifier,
        scaling=scaling, mirrored=mirror, penalty=penalty, before=before, refit=not no_refit, folds=folds, size=size,
        batch_size=batch_size, suffix=suffix, output=output, cache=cache, seed=seed, device=device, precision=precision,
        threads=threads, variables=o.variables(set_), head=head, stages=o.listed(stage), level=level,
        overwrite=overwrite, groups=groups, per_class=per_class, path_column=path_column, label_column=label_column,
        corrections=corrections,
        balance=balance,
    )  # fmt: skip
    with o.stages(quiet) as say:
        found = run(wanted, say)
    result = VerbResult({**found.plain(), "files": found.files, "commands": o.commands(found.commands)})
    if quiet:
        return result
    typer.echo(f"{counted(len(found.classes), 'class')}, {counted(found.pictures, 'training picture')}")
    if found.best is not None:
        Terminal().print(table(found.rows, found.best))
    if found.again is not None and found.again.kept:
        typer.echo(
            "the classifier stays as it was trained: on the pictures set aside its log loss is "
            f"{found.again.loss:.3f}, that of the best fitted again {found.again.row.loss:.3f}; "
            f"{found.seconds:.0f} s in all"
        )
    elif found.kept:
        typer.echo(f"the classifier stays as it was; {found.seconds:.0f} s in all")
    else:
        typer.echo(f"chosen: {found.chosen.name}, fitted to all pictures; {found.seconds:.0f} s in all")
    if found.tested is not None:
        one = found.tested
        typer.echo(
            f"on {counted(one.samples, 'picture')} that it has not seen: {one.accuracy:.1%} "
            f"({one.low:.1%} to {one.high:.1%}), balanced {one.balanced:.1%}"
        )
    for notice in found.notices:
        typer.echo(f"notice: {notice}")
    if found.files:
        typer.echo(f"wrote {output}: {', '.join(path.name for path in found.files)}")
        typer.echo("next:")
        for command, what in found.commands:
            typer.echo(f"  # {what}\n  {command}")
    return result
