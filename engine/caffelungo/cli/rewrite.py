"""`lungo rewrite`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli import rewrite_output as r

Layers = list[str] | None


@r.with_shared
def rewrite(
    net: Annotated[str, typer.Argument(help="The net: a prototxt, or a name of `lungo nets`.")],
    output: Annotated[str, typer.Option("-o", "--output", help="The prototxt to write, or a folder.")],
    classes: Annotated[int | None, typer.Option(help="A fresh classifier, with this number of classes.")] = None,
    head: Annotated[
        str | None, typer.Option(help="Of several classifiers: the one that --classes, --read and the like mean.")
    ] = None,
    suffix: Annotated[str, typer.Option(help="Stands behind the classifier's name in its new one.")] = "new",
    join: Annotated[
        str | None,
        typer.Option(metavar="BLOBS", help="A classifier on pooled features of fire5/concat,fire9/concat, or of all."),
    ] = None,
    normalize: Annotated[str | None, typer.Option(metavar="LAYER", help="Unit length, times a scale.")] = None,
    constant: Annotated[bool, typer.Option("--constant", help="The scale of --normalize is not learned.")] = False,
    read: Annotated[Layers, typer.Option(metavar="LAYER", help="The classifier reads this layer, too.")] = None,
    scale: Annotated[float, typer.Option(help="Where the scale of --normalize and --read starts.")] = 20.0,
    keep_head: Annotated[bool, typer.Option("--keep-head", help="Keep the classifier's name and weights.")] = False,
    remember: Annotated[
        bool, typer.Option("--remember", help="The old classifier stays, taught by a frozen copy of the net.")
    ] = False,
    remember_weight: Annotated[float, typer.Option(help="Of the loss of --remember.")] = 1.0,
    temperature: Annotated[float, typer.Option(help="Of --remember: above 1, small probabilities count more.")] = 2.0,
    side: Annotated[str | None, typer.Option(metavar="LAYER", help="Side-tuning up to this layer.")] = None,
    side_from: Annotated[str | None, typer.Option(metavar="LAYER", help="The side net begins behind it.")] = None,
    adapters: Annotated[Layers, typer.Option(metavar="LAYERS", help="Small layers that learn beside these.")] = None,
    kind: Annotated[str, typer.Option(help="Of adapters: parallel or residual.")] = "parallel",
    rank: Annotated[int | None, typer.Option(help="Of adapters: units of the first of two layers.")] = None,
    freeze_to: Annotated[str | None, typer.Option(metavar="LAYER", help="Freeze it and all before it.")] = None,
    freeze: Annotated[Layers, typer.Option(metavar="LAYERS", help="Freeze fc6, conv1..conv3, or 'conv*'.")] = None,
    unfreeze: Annotated[Layers, typer.Option(metavar="LAYERS", help="Let these learn again.")] = None,
    unfreeze_from: Annotated[str | None, typer.Option(metavar="LAYER", help="Let it and all behind it learn.")] = None,
    rate: Annotated[Layers, typer.Option(metavar="LAYERS=LR_MULT", help="A rate of their own: 'conv*=0.1'.")] = None,
    rate_decay: Annotated[float | None, typer.Option(help="Each layer slower than the next by this factor.")] = None,
    deploy: Annotated[bool, typer.Option("--deploy", help="The net that answers: no data, no losses.")] = False,
    cast: Annotated[
        Layers, typer.Option(metavar="LAYERS", help="InnerProduct to Convolution, for larger pictures; all, or names.")
    ] = None,
    size: o.Size = None,
    fold: Annotated[bool, typer.Option("--fold", help="BatchNorm and Scale into the layers before them.")] = False,
    *,
    shared: r.Shared,
) -> None:
    """Change a net without growing it: what learns and how fast, what the classifier reads, how it is deployed.

    Everything asked for is done in the order of the options.

    Example: [bold]lungo rewrite train_val.prototxt --freeze-to conv3 --rate-decay 0.4 -o tuned.prototxt[/]
    """
    from caffelungo.rewriting.rewrite import rewrite
    from caffelungo.rewriting.rewrite_steps import Changes

    changes = Changes(
        classes=classes, suffix=suffix, join=tuple(o.words(join)), normalize=normalize, learned=not constant,
        read=tuple(read or ()), scale=scale, keep_head=keep_head, remember=remember, remember_weight=remember_weight,
        temperature=temperature, side=side, side_from=side_from, adapters=tuple(adapters or ()), kind=kind, rank=rank,
        tune=r.tune(shared.tune), freeze_to=freeze_to, freeze=tuple(freeze or ()), unfreeze=tuple(unfreeze or ()),
        unfreeze_from=unfreeze_from, rates=tuple(r.number(word, "--rate") for word in rate or ()),
        rate_decay=rate_decay, deploy=deploy, cast=tuple(cast or ()), size=o.size(size), fold=fold,
    )  # fmt: skip
    done = rewrite(shared.files(net, output, steps=changes.steps(), head=head))
    r.show(done, shared)
    r.next_step(done, net, shared)
