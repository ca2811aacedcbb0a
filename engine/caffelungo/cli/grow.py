"""`lungo grow`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli import rewrite_output as r
from caffelungo.cli import tasks as g


@r.with_shared
def grow(
    output: Annotated[str, typer.Option("-o", "--output", help="The prototxt to write, or a folder.")],
    net: Annotated[
        str | None, typer.Argument(help="The net to grow: a prototxt, or a name of `lungo nets`; a recipe may name it.")
    ] = None,
    widen: Annotated[
        list[str] | None, typer.Option(metavar="LAYER:UNITS", help="New units beside a layer; may be repeated.")
    ] = None,
    deepen: Annotated[
        list[str] | None, typer.Option(metavar="LAYER:UNITS", help="A new layer on top of one; may be repeated.")
    ] = None,
    joint: Annotated[
        list[str] | None, typer.Option(metavar="LAYER:UNITS", help="New units beside a layer and a layer on top.")
    ] = None,
    recursive: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER:UNITS", help="New units beside a layer and the one below; or several, bottom up."),
    ] = None,
    enlarge: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER:UNITS", help="Copies of a layer's own units; it computes the same."),
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="The whole rewrite in a file, or a card: wider ...")] = None,
    normalize: Annotated[bool, typer.Option(help="Bring old and new units to one scale.")] = True,
    scale: Annotated[
        str, typer.Option(help="Where the learned scale starts: a number, or 'measured' on the net's data (--weights).")
    ] = "20",
    filler: Annotated[str | None, typer.Option(help="Weight filler of the new units.")] = None,
    start: Annotated[str, typer.Option(help="How new units start: filler, copy (and noise) or net2net.")] = "filler",
    noise: Annotated[float, typer.Option(help="Of copied units: noise as a share of the old weights' spread.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Of copied units: which are drawn, and their noise.")] = 0,
    keep_head: Annotated[
        bool, typer.Option("--keep-head", help="Keep the classifier and its answers at the first step.")
    ] = False,
    task: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Pictures of a further task: a classifier of its own, all that is old held."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="With --task: what it is called (default: as the folder).")] = None,
    read: Annotated[
        list[str] | None, typer.Option(help="With --task: a layer that its classifier reads besides; repeatable.")
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(help="Of several classifiers: the one that is meant (with --task: that the new one is like)."),
    ] = None,
    val: Annotated[
        float | None, typer.Option(help="With --task: share of the pictures kept to test on (default: 0.2).")
    ] = None,
    size: Annotated[int | None, typer.Option(help="With --task: input size in pixels.")] = None,
    resize: Annotated[
        int | None, typer.Option(help="With --task: pixels that pictures are scaled to before the crop.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="With --task: pictures a batch.")] = None,
    passes: Annotated[int | None, typer.Option(help="With --task: how often training sees each picture.")] = None,
    device: Annotated[
        str | None, typer.Option(help="With --task: cpu (the default) or cuda; the batch size is chosen for it.")
    ] = None,
    *,
    shared: r.Shared,
) -> None:
    """Grow a net by new units that learn beside the old ones (Growing a Brain, CVPR 2017), or by a further task.

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
            unit = UnitOptions(count, normalize, start_scale, filler=filler, start=start, noise=noise, seed=seed,
                               keep_head=keep_head)  # fmt: skip
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
            overwrite=shared.overwrite, stages=o.listed(shared.stage), level=shared.level,
        )  # fmt: skip
        g.run(wanted, shared)
        return
    g.refuse_without_task({"--name": name, "--read": read, "--val": val, "--size": size, "--resize": resize,
                           "--batch-size": batch_size, "--passes": passes, "--device": device})  # fmt: skip
    copied = [o.layer_units(word, "--enlarge") for word in enlarge or []]
    done = grow(
        GrowOptions(
            shared.files(net, output, recipe=recipe, tune=r.tune(shared.tune), head=head), units(widen, "--widen"),
            units(deepen, "--deepen"), units(joint, "--joint"), units(recursive, "--recursive"),
            [(layer, UnitOptions(number, seed=seed)) for layer, number in copied],
        )
    )  # fmt: skip
    r.show(done.rewritten, shared)
    if not shared.quiet:
        typer.echo(f"parameters: {done.parameters[0]:,} before, {done.parameters[1]:,} now")
    r.next_step(done.rewritten, net, shared)
