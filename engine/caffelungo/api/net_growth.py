"""``Net.grow`` and ``Net.rewrite``: the options of the verbs, on a net in memory."""

from __future__ import annotations

from typing import Any

from caffelungo.api import net_rewrite, steps
from caffelungo.api.net_rewrite import AnyNet
from caffelungo.api.steps import Growth, Rates
from caffelungo.api.values import Name, Settings, Side, Units, Words, judge
from caffelungo.errors import UserError
from caffelungo.passes.tune import Tuning, tune_step


def grow(
    self: AnyNet,
    *,
    widen: Units | None = None,
    deepen: Units | None = None,
    joint: Units | None = None,
    recursive: Units | None = None,
    enlarge: Units | None = None,
    recipe: Name | None = None,
    normalize: bool = True,
    scale: float | str = "20",
    filler: str | None = None,
    start: str = "filler",
    noise: float = 0.1,
    seed: int = 0,
    keep_head: bool = False,
    new_scale: float | None = None,
    kernel: int | None = None,
    unit_suffix: str = "new",
    unit_rates: str = "10:1,20:0",
    head: str | None = None,
    tune: str | None = None,
    set: Settings | None = None,
    **more: Any,
) -> AnyNet:
    """A new net: this one with new units or layers, old weights moved along; this net stays as it is.

    The options are those of ``cl.grow``: ``widen={"fc7": 512}`` puts 512 new units beside layer ``fc7``, ``deepen`` a
    layer on top of it, ``joint`` both, ``recursive`` units beside several layers from the bottom up, ``enlarge`` copies
    of a layer's own units, and ``recipe`` names a file or a card; ``set`` are the recipe's variables. ``tune`` says
    what learns: ``new``, ``top``, ``top_two`` or ``all``. UserError when nothing is asked for or a pass refuses.

    >>> net = cl.open("squeezenet1.1")
    >>> grown = net.grow(widen={"fire9/concat": 16}, tune="new")
    >>> new = [row["layer"] for row in grown.table if row["layer"] not in [old["layer"] for old in net.table]]
    >>> new[:2]
    ['fire9/concat_norm', 'fire9/concat_new']
    >>> grown.layer("conv1").weight.requires_grad
    False
    """
    given = {"noise": noise, "seed": seed, "new_scale": new_scale, "kernel": kernel}
    judge("grow", given)
    growth = Growth(
        widen, deepen, joint, recursive, enlarge, normalize, scale, filler, start, noise, seed, keep_head, new_scale,
        kernel, unit_suffix, unit_rates, more,
    )  # fmt: skip
    wanted, meant = steps.of_recipe(recipe, set) if recipe is not None else ([], None)
    wanted += growth.steps()
    if not wanted:
        raise UserError("nothing to add", received="net.grow()", remedy='say what: net.grow(widen={"fc7": 512})')
    if tune is not None:
        wanted = [one for one in wanted if not isinstance(one, Tuning)] + [tune_step(steps.depth(tune) or "")]
    return net_rewrite.rewritten(self, wanted, head or meant)


def rewrite(
    self: AnyNet,
    *,
    classes: int | None = None,
    head: str | None = None,
    suffix: str = "new",
    join: Words | None = None,
    normalize: str | None = None,
    constant: bool = False,
    read: Words | None = None,
    scale: float = 20.0,
    keep_head: bool = False,
    remember: bool = False,
    remember_weight: float = 1.0,
    temperature: float = 2.0,
    side: str | None = None,
    side_from: str | None = None,
    adapters: Words | None = None,
    kind: str = "parallel",
    rank: int | None = None,
    freeze_to: str | None = None,
    freeze: Words | None = None,
    unfreeze: Words | None = None,
    unfreeze_from: str | None = None,
    rate: Rates | None = None,
    rate_decay: float | None = None,
    deploy: bool = False,
    cast: Words | None = None,
    size: Side | None = None,
    fold: bool = False,
    tune: str | None = None,
    **more: Any,
) -> AnyNet:
    """A new net: this one changed without growing it, weights moved along; this net stays as it is.

    The options are those of ``cl.rewrite``, done in their order: a fresh classifier (``classes``), what it reads
    (``join``, ``read``, ``normalize``), layers beside (``side``, ``adapters``), what learns and how fast (``tune``,
    ``freeze_to``, ``rate`` ...), and how it is deployed (``deploy``, ``cast``, ``size``, ``fold``). UserError when
    nothing is asked for or a pass refuses.

    >>> net = cl.open("squeezenet1.1").rewrite(classes=3, freeze_to="fire4", size=64)
    >>> net.inputs, net.blobs["data"]
    (('data', 'label'), (32, 3, 64, 64))
    >>> net.fresh
    ('conv10_new',)
    """
    judge("rewrite", {
        "classes": classes, "scale": scale, "remember_weight": remember_weight, "temperature": temperature,
        "rank": rank, "rate_decay": rate_decay,
    })  # fmt: skip
    wanted = steps.changes(
        classes=classes, suffix=suffix, join=join, normalize=normalize, constant=constant, read=read, scale=scale,
        keep_head=keep_head, remember=remember, remember_weight=remember_weight, temperature=temperature, side=side,
        side_from=side_from, adapters=adapters, kind=kind, rank=rank, freeze_to=freeze_to, freeze=freeze,
        unfreeze=unfreeze, unfreeze_from=unfreeze_from, rate=rate, rate_decay=rate_decay, deploy=deploy, cast=cast,
        size=size, fold=fold, tune=tune, more=more,
    )  # fmt: skip
    if not wanted:
        raise UserError("nothing to do", received="net.rewrite()", remedy='say what: net.rewrite(freeze_to="conv3")')
    return net_rewrite.rewritten(self, wanted, head)
