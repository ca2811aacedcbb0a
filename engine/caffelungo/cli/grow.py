"""`lungo grow`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo import option_text
from caffelungo.cli import completion, pass_flags
from caffelungo.cli import grow_task as g
from caffelungo.cli import options as o
from caffelungo.cli import rewrite_output as r
from caffelungo.cli.verb_result import VerbResult


@r.with_shared
def grow(
    output: Annotated[str, typer.Option("-o", "--output", help="The prototxt to write, or a folder.")],
    net: Annotated[
        str | None,
        typer.Argument(
            autocompletion=completion.nets,
            help="The net to grow: a prototxt, or a name of `lungo nets`. A recipe may name it instead.",
        ),
    ] = None,
    widen: Annotated[
        list[str] | None, typer.Option(metavar="LAYER:UNITS", help="Add units beside a layer; repeatable.")
    ] = None,
    deepen: Annotated[
        list[str] | None, typer.Option(metavar="LAYER:UNITS", help="Add a layer on top of one; repeatable.")
    ] = None,
    joint: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER:UNITS", help="Add units beside a layer, and a layer on top that reads both."),
    ] = None,
    recursive: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER:UNITS", help="Add units beside a layer and the one below; or beside several, bottom up."
        ),
    ] = None,
    enlarge: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER:UNITS", help="Enlarge a layer by copies of its units, so that it computes the same."
        ),
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe file, or a recipe that ships: wider ...")] = None,
    normalize: Annotated[bool, typer.Option(help="Normalize old and new units to one scale.")] = True,
    scale: Annotated[
        str,
        typer.Option(
            help="Initial value of the learned scale: a number, or 'measured' on the net's data (needs --weights)."
        ),
    ] = "20",
    filler: Annotated[str | None, typer.Option(help="Weight filler of the new units.")] = None,
    start: Annotated[
        str, typer.Option(help="Initial weights of new units: filler, copy (plus noise) or net2net.")
    ] = "filler",
    noise: Annotated[
        float, typer.Option(help="Noise of copied units, as a share of the old weights' standard deviation.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Random seed for the choice of copied units and their noise.")] = 0,
    keep_head: Annotated[
        bool,
        typer.Option("--keep-head", help="Keep the classifier, so that the grown net starts with the same outputs."),
    ] = False,
    new_scale: Annotated[
        float | None, typer.Option(help="Initial value of the learned scale of new units (default: as --scale).")
    ] = None,
    kernel: Annotated[
        int | None, typer.Option(help="Kernel size of new convolutions that have no layer to take it from.")
    ] = None,
    unit_suffix: Annotated[str, typer.Option(help="Suffix for the names of new layers.")] = "new",
    unit_rates: Annotated[
        str,
        typer.Option(
            metavar="LR[:DECAY],LR[:DECAY]",
            help="lr_mult and decay_mult of new layers: for their weights, then for their biases.",
        ),
    ] = "10:1,20:0",
    task: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Add a classifier for the classes of this picture folder; everything old stays frozen."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="With --task: name of the task (default: the folder's).")] = None,
    read: Annotated[
        list[str] | None, typer.Option(help="With --task: further layer for the new classifier to read; repeatable.")
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(help="Classifier to grow, if the net has several (with --task: the one to model the new one on)."),
    ] = None,
    val: Annotated[
        float | None, typer.Option(help="With --task: share of the pictures held out for testing (default: 0.2).")
    ] = None,
    size: Annotated[int | None, typer.Option(help="With --task: input size in pixels.")] = None,
    resize: Annotated[
        int | None, typer.Option(help="With --task: size in pixels to resize pictures to before the crop.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="With --task: batch size.")] = None,
    passes: Annotated[
        int | None, typer.Option(help="With --task: number of passes over the training pictures.")
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN|COLUMN",
            help="With --task: regular expression on file names, or column of a table: pictures of one group always "
            "stay on the same side of the split.",
        ),
    ] = None,
    per_class: Annotated[
        int | None, typer.Option(help="With --task: maximum number of training pictures per class.")
    ] = None,
    path_column: Annotated[
        str | None, typer.Option(help="With --task: column of paths of a table (default: guessed by its name).")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="With --task: column of labels of a table (default: guessed by its name).")
    ] = None,
    corrections: Annotated[
        str | None, typer.Option(metavar="FILE", help="With --task: corrections of its labels, as of `lungo finetune`.")
    ] = None,
    balance: Annotated[
        str | None,
        typer.Option(
            help="With --task: correction for classes of different sizes; see `lungo finetune` (default: auto)."
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="With --task: cpu (default) or cuda; determines the default batch size.")
    ] = None,
    *,
    shared: r.Shared,
) -> VerbResult:
    """Grow a net by new units beside the old ones (Growing a Brain, CVPR 2017), or by a classifier for a new task.

    Examples: [bold]lungo grow train_val.prototxt --widen fc7:2048 -o grown.prototxt[/];
    [bold]lungo grow mine/train_val.prototxt --weights mine/solver_iter_300.caffemodel --task birds/ -o mine2/[/]
    """
    from caffelungo.passes.new_units import UnitOptions
    from caffelungo.projects.task_project import TaskProjectOptions
    from caffelungo.rewriting.grow_steps import GrowOptions, grow

    def units(words: list[str] | None, flag: str) -> list[tuple[str, UnitOptions]]:
        made = []
        for layer, count in (o.layer_units(word, flag) for word in words or []):
            start_scale = r.scale(scale, net, layer, flag, shared) if normalize else 1.0
            unit = UnitOptions(
                count, normalize, start_scale, new_scale, unit_suffix, kernel, filler,
                option_text.unit_rates(unit_rates, "--unit-rates"), start, noise, seed, keep_head,
            )  # fmt: skip
            made.append((layer, unit))
        return made

    if task is not None:
        asked = {
            "--deepen": deepen, "--joint": joint, "--recursive": recursive, "--enlarge": enlarge, "--recipe": recipe,
            "--keep-head": keep_head, "--tune": shared.tune, "--solver": shared.solver, "--shape": shared.shape,
            "--cost": shared.cost, "--draw": shared.draw, "--diff": shared.diff,
        }  # fmt: skip
        g.check(net, asked)
        wanted = TaskProjectOptions(
            net=str(net), data=task, out=output, weights=shared.weights, name=name, head=head,
            widen=units(widen, "--widen"), reads=read or (), val=0.2 if val is None else val, size=size, resize=resize,
            batch_size=batch_size, passes=passes, seed=seed, device=device or "cpu", variables=o.variables(shared.set_),
            overwrite=shared.overwrite, stages=o.listed(shared.stage), level=shared.level, groups=groups,
            per_class=per_class, path_column=path_column, label_column=label_column, corrections=corrections,
            balance=balance or "auto",
        )  # fmt: skip
        return g.run(wanted, shared)
    g.refuse_without_task({
        "--name": name, "--read": read, "--val": val, "--size": size, "--resize": resize, "--batch-size": batch_size,
        "--passes": passes, "--groups": groups, "--per-class": per_class, "--path-column": path_column,
        "--label-column": label_column, "--corrections": corrections, "--balance": balance, "--device": device,
    })  # fmt: skip
    copied = [o.layer_units(word, "--enlarge") for word in enlarge or []]
    done = grow(
        GrowOptions(
            shared.files(net, output, recipe=recipe, tune=r.tune(shared.tune), head=head), units(widen, "--widen"),
            units(deepen, "--deepen"), units(joint, "--joint"), units(recursive, "--recursive"),
            [(layer, UnitOptions(number, seed=seed)) for layer, number in copied],
            more=pass_flags.given("grow", units),
        )
    )  # fmt: skip
    r.show(done.rewritten, shared)
    if not shared.quiet:
        typer.echo(f"parameters: {done.parameters[0]:,} before, {done.parameters[1]:,} now")
    return r.next_step(
        done.rewritten, net, shared, parameters=dict(zip(("before", "after"), done.parameters, strict=True))
    )
