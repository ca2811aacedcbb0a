"""`lungo finetune`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import finetune_summary
from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult


def finetune(
    net: o.Net,
    data: Annotated[
        str, typer.Option(help="Pictures: a folder of class folders, a list, a table or a data set; see docs/data.md.")
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="The folder to write.")],
    weights: Annotated[
        str | None, typer.Option(help="Pre-trained weights; 'none' to train from scratch (default: the net's own).")
    ] = None,
    caffe_classic: Annotated[
        bool,
        typer.Option(
            "--caffe-classic",
            help="Fine-tune as Caffe's examples do: a fresh classifier with 10x learning rate, SGD, step policy.",
        ),
    ] = False,
    scratch: Annotated[bool, typer.Option("--scratch", help="Train from scratch, without weights.")] = False,
    layers: Annotated[
        str, typer.Option(help="Layers the initial linear classifier may read; see `lungo probe --layers`.")
    ] = "auto",
    val: Annotated[float, typer.Option(help="Share of the pictures held out for testing.")] = 0.2,
    head: Annotated[
        str | None, typer.Option(help="Classifier to replace (default: every classifier on the label).")
    ] = None,
    freeze_to: Annotated[str | None, typer.Option(help="Freeze this layer and all before it.")] = None,
    remember: Annotated[
        bool,
        typer.Option("--remember", help="Keep the old classifier, and train it to match a frozen copy of the old net."),
    ] = False,
    suffix: Annotated[str | None, typer.Option(help="Suffix for the new classifier's name.")] = None,
    size: Annotated[int | None, typer.Option(help="Input size in pixels.")] = None,
    resize: Annotated[int | None, typer.Option(help="Size in pixels to resize pictures to before the crop.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Batch size.")] = None,
    passes: Annotated[int | None, typer.Option(help="Number of passes over the training pictures.")] = None,
    groups: o.Groups = None,
    per_class: o.PerClass = None,
    path_column: o.PathColumn = None,
    label_column: o.LabelColumn = None,
    corrections: o.Corrections = None,
    balance: Annotated[
        str,
        typer.Option(
            help="Correction for classes of different sizes: inverse or effective (class weights), sampling (each "
            "class equally often), logits (logit adjustment), none, or auto (chosen by their sizes)."
        ),
    ] = "auto",
    augment: Annotated[
        str,
        typer.Option(
            help="Augmentations beside random crops, as rand_augment,color_jitter { hue: 0.1 }; none: not even crops. "
            "See docs/augmenting.md."
        ),
    ] = "",
    predict: Annotated[
        str,
        typer.Option(
            help="What labels are: classes, labels (several per picture), numbers (values to predict), pairs (two "
            "pictures per line), or auto (as they look)."
        ),
    ] = "auto",
    loss: Annotated[
        str,
        typer.Option(
            help="Loss of numbers: huber (the default) or euclidean; of several labels: cross-entropy (the default) or "
            "asymmetric."
        ),
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Random seed for the split and training.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda; determines the default batch size.")] = "cpu",
    set_: o.Set = None,
    level: o.Level = 0,
    stage: o.Stage = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print what was changed in the net, where and why.")
    ] = False,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
) -> VerbResult:
    """Set up fine-tuning on folders of photos: split, lists, fitted start weights, net, solver, run.sh.

    Example: [bold]lungo finetune squeezenet1.1 --data photos/ -o mine/[/]
    """
    from caffelungo.errors import UserError
    from caffelungo.projects.finetune_project import NONE, ProjectOptions, finetune_project

    if scratch and weights not in (None, NONE):
        raise UserError(
            "--scratch and --weights contradict each other", received=f"--scratch --weights {weights}",
            remedy="remove one of the two",
        )  # fmt: skip
    wanted = ProjectOptions(
        net=net, data=data, out=output, weights=NONE if scratch else weights, classic=caffe_classic,
        layers=tuple(o.words(layers)), val=val, head=head, freeze_to=freeze_to, suffix=suffix,
        size=size, resize=resize, batch_size=batch_size, passes=passes, remember=remember, seed=seed,
        device=device, variables=o.variables(set_), stages=o.listed(stage), level=level,
        overwrite=overwrite, groups=groups, per_class=per_class, path_column=path_column, label_column=label_column,
        corrections=corrections,
        balance=balance, augment=augment, predict=predict, loss=loss,
    )  # fmt: skip
    with o.stages(quiet) as say:
        done = finetune_project(wanted, say)
    tried = done.probe or done.regressions or done.label_regressions
    result = VerbResult(
        {
            "folder": output, "files": done.files, "classes": done.classes, "counts": done.counts,
            "train": done.train, "val": done.val, "heads": done.heads, "weights": done.weights,
            "iterations": done.iterations, "batch_size": done.batch_size,
            "layers": [one.plain() for one in tried.rows] if tried else None,
            "chosen": tried.chosen.candidate.name if tried else None, "balance": done.balance.word,
            "numbers": [{"name": one.name, "unit": one.unit} for one in done.numbers],
            "notes": [str(note) for note in done.notes], "notices": done.notices,
            "commands": o.commands(done.commands),
        }
    )  # fmt: skip
    if quiet:
        return result
    finetune_summary.show(done, output, explain)
    return result
