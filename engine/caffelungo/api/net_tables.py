"""A ``Net`` for people: its layers as a table, as text, as HTML and as a figure."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffelungo.api.running import sizes
from caffelungo.api.verb_report import DataTable
from caffelungo.passes.view import View
from caffelungo.plan.plan import PlannedLayer
from caffelungo.wording import counted

if TYPE_CHECKING:
    from caffelungo.api.net_module import NetModule


def layers(net: NetModule) -> DataTable:
    """See ``Net.table``."""
    return DataTable([_row(net, planned) for planned in net.plan.layers])


def _row(net: NetModule, planned: PlannedLayer) -> dict[str, Any]:
    shape = planned.top_shapes[0] if planned.top_shapes else None
    blobs = [] if planned.layer.source else net.child_of(planned).blobs
    return {
        "layer": planned.name,
        "type": planned.layer.type,
        "bottoms": list(planned.bottoms),
        "tops": list(planned.tops),
        "shape": "" if shape is None else sizes(shape),
        "parameters": sum(blob.numel() for blob in blobs) if blobs else None,
        "learns": _learns(planned, blobs),
    }


def _learns(planned: PlannedLayer, blobs: list[Any]) -> str:
    """The multiples of the learning rate, ``no``, or nothing for a layer without parameters."""
    if not blobs:
        return ""
    rates = [use.lr_mult for use, blob in zip(planned.params, blobs, strict=True) if blob.requires_grad]
    return ", ".join(f"x{rate:g}" for rate in dict.fromkeys(rates)) or "no"


def headline(net: NetModule) -> str:
    """What the net is, in one line."""
    whole = sum(parameter.numel() for parameter in net.parameters())
    learning = sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
    computing = sum(not planned.layer.source for planned in net.plan.layers)
    share = "all learn" if learning == whole else f"{learning:,} learn"
    return (
        f"{net.plan.name or 'net'} ({Path(net.definition.path).name}), phase {'TRAIN' if net.training else 'TEST'}: "
        f"{counted(computing, 'layer')}, {whole:,} parameters, {share}"
    )


def origin(net: NetModule) -> str:
    """Where the weights come from."""
    if not net.weights_from:
        return "weights: from their fillers"
    fresh = f"; from their fillers: {', '.join(net.fresh)}" if net.fresh else ""
    names = ", ".join(Path(name).name for name in net.weights_from.split(", "))
    return f"weights: {names}{fresh}"


def text(net: NetModule) -> str:
    """``repr`` of a net."""
    return "\n".join([headline(net), origin(net), repr(layers(net))])


def page(net: NetModule) -> str:
    """The same as HTML."""
    return f"<b>{html.escape(headline(net))}</b><br>{html.escape(origin(net))}{layers(net)._repr_html_()}"


def draw(net: NetModule) -> Any:
    """See ``Net.draw``."""
    from caffelungo.report import drawing

    old = net.plan
    if net.origin is not None:
        graphs = View(net.origin.before, [], sources=net.sources).graphs
        old = (graphs.get(net.plan.phase) or next(iter(graphs.values()))).plan
    return drawing.figure(old, net.plan, net.plan.name)
