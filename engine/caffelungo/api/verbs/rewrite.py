"""`lungo rewrite`."""

from __future__ import annotations

from typing import Any

from caffelungo.api import steps, values
from caffelungo.api.steps import Rates
from caffelungo.api.values import Name, Names, Settings, Shapes, Side, Words
from caffelungo.api.verbs._rewriting import RewriteReport, options, report


def rewrite(
    net: Name,
    *,
    output: Name,
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
    weights: Names | None = None,
    tune: str | None = None,
    solver: Name | None = None,
    shape: Shapes | None = None,
    set: Settings | None = None,
    level: int = 0,
    stage: Words | None = None,
    draw: Name | None = None,
    overwrite: bool = False,
    **more: Any,
) -> RewriteReport:
    """Change a net without growing it, and write the new files: what learns, what the classifier reads, deployment.

    ``net`` is a prototxt or a name of ``cl.nets()``, ``output`` the prototxt to write, or a folder. Everything asked
    for is done in the order of the options. ``weights`` are moved along where old blobs change. The options are those
    of ``lungo rewrite``; those of further passes are taken, too, as ``more``.

    UserError when nothing is asked for, a pass refuses, or a file would be lost.

    >>> done = cl.rewrite("squeezenet1.1", output="tuned.prototxt", freeze_to="fire4", rate={"conv10": 10})
    >>> len(done.notes), done.open().conv1.weight.requires_grad
    (11, False)
    """
    values.judge("rewrite", locals())
    from caffelungo.rewriting.rewrite import rewrite as run

    wanted = steps.changes(
        classes=classes, suffix=suffix, join=join, normalize=normalize, constant=constant, read=read, scale=scale,
        keep_head=keep_head, remember=remember, remember_weight=remember_weight, temperature=temperature, side=side,
        side_from=side_from, adapters=adapters, kind=kind, rank=rank, freeze_to=freeze_to, freeze=freeze,
        unfreeze=unfreeze, unfreeze_from=unfreeze_from, rate=rate, rate_decay=rate_decay, deploy=deploy, cast=cast,
        size=size, fold=fold, tune=tune, more=more,
    )  # fmt: skip
    files = options(
        net, output, weights=weights, solver=solver, shape=shape, set=set, level=level, stage=stage,
        overwrite=overwrite, steps=wanted, head=head,
    )  # fmt: skip
    return report(run(files), draw)
