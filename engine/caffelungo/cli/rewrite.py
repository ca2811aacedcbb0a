"""`lungo rewrite`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import completion, pass_flags
from caffelungo.cli import options as o
from caffelungo.cli import rewrite_output as r
from caffelungo.cli.verb_result import VerbResult

Layers = list[str] | None


@r.with_shared
def rewrite(
    net: Annotated[
        str,
        typer.Argument(autocompletion=completion.nets, help="The net: a prototxt, or a name of `lungo nets`."),
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="The prototxt to write, or a folder.")],
    classes: Annotated[
        int | None, typer.Option(help="Replace the classifier by a fresh one with this number of classes.")
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="Classifier that --classes, --read and others change, if the net has several.")
    ] = None,
    suffix: Annotated[str, typer.Option(help="Suffix for the new classifier's name.")] = "new",
    join: Annotated[
        str | None,
        typer.Option(
            metavar="BLOBS",
            help="Put the classifier on pooled features of these blobs (fire5/concat,fire9/concat), or of all stages.",
        ),
    ] = None,
    normalize: Annotated[
        str | None, typer.Option(metavar="LAYER", help="Normalize this layer's output to unit length, times a scale.")
    ] = None,
    constant: Annotated[bool, typer.Option("--constant", help="Keep the scale of --normalize constant.")] = False,
    read: Annotated[Layers, typer.Option(metavar="LAYER", help="Let the classifier also read this layer.")] = None,
    scale: Annotated[float, typer.Option(help="Initial scale of --normalize and --read.")] = 20.0,
    keep_head: Annotated[bool, typer.Option("--keep-head", help="Keep the classifier's name and weights.")] = False,
    remember: Annotated[
        bool,
        typer.Option("--remember", help="Keep the old classifier, and train it to match a frozen copy of the net."),
    ] = False,
    remember_weight: Annotated[float, typer.Option(help="Loss weight of --remember.")] = 1.0,
    temperature: Annotated[
        float, typer.Option(help="Temperature of --remember; above 1, small probabilities count more.")
    ] = 2.0,
    side: Annotated[
        str | None, typer.Option(metavar="LAYER", help="Add a side network up to this layer (side-tuning).")
    ] = None,
    side_from: Annotated[
        str | None, typer.Option(metavar="LAYER", help="Start the side network after this layer.")
    ] = None,
    adapters: Annotated[Layers, typer.Option(metavar="LAYERS", help="Add adapters to these layers.")] = None,
    kind: Annotated[str, typer.Option(help="Kind of adapters: parallel or residual.")] = "parallel",
    rank: Annotated[int | None, typer.Option(help="Rank of adapters: units of the first of their two layers.")] = None,
    freeze_to: Annotated[str | None, typer.Option(metavar="LAYER", help="Freeze this layer and all before it.")] = None,
    freeze: Annotated[
        Layers, typer.Option(metavar="LAYERS", help="Freeze these layers: fc6, conv1..conv3, or 'conv*'.")
    ] = None,
    unfreeze: Annotated[Layers, typer.Option(metavar="LAYERS", help="Unfreeze these layers.")] = None,
    unfreeze_from: Annotated[
        str | None, typer.Option(metavar="LAYER", help="Unfreeze this layer and all after it.")
    ] = None,
    rate: Annotated[
        Layers, typer.Option(metavar="LAYERS=LR_MULT", help="Learning rate multiplier of these layers: 'conv*=0.1'.")
    ] = None,
    rate_decay: Annotated[
        float | None, typer.Option(help="Factor by which each layer learns slower than the next.")
    ] = None,
    deploy: Annotated[
        bool, typer.Option("--deploy", help="Turn it into a deploy net: no data layers, no losses.")
    ] = False,
    cast: Annotated[
        Layers,
        typer.Option(
            metavar="LAYERS", help="Cast InnerProduct layers to Convolution, for larger pictures: names, or all."
        ),
    ] = None,
    size: o.Size = None,
    fold: Annotated[bool, typer.Option("--fold", help="Fold BatchNorm and Scale into the layers before them.")] = False,
    *,
    shared: r.Shared,
) -> VerbResult:
    """Change a net without growing it: learning rates, frozen layers, the classifier's input, deployment.

    Changes are applied in the order in which the options are listed here.

    Example: [bold]lungo rewrite train_val.prototxt --freeze-to conv3 --rate-decay 0.4 -o tuned.prototxt[/]
    """
    from caffelungo.rewriting.rewrite import rewrite
    from caffelungo.rewriting.rewrite_steps import Changes

    changes = Changes(
        classes=classes, suffix=suffix, join=tuple(o.words(join)), normalize=normalize, learned=not constant,
        read=tuple(read or ()), scale=scale, keep_head=keep_head, remember=remember, remember_weight=remember_weight,
        temperature=temperature, side=side, side_from=side_from, adapters=tuple(adapters or ()), kind=kind, rank=rank,
        tune=r.tune(shared.tune), freeze_to=freeze_to, freeze=tuple(freeze or ()), unfreeze=tuple(unfreeze or ()),
        unfreeze_from=unfreeze_from, rates=tuple(o.layer_rate(word, "--rate") for word in rate or ()),
        rate_decay=rate_decay, deploy=deploy, cast=tuple(cast or ()), size=o.size(size), fold=fold,
        more=pass_flags.given("rewrite"),
    )  # fmt: skip
    done = rewrite(shared.files(net, output, steps=changes.steps(), head=head))
    r.show(done, shared)
    return r.next_step(done, net, shared)
