"""A ``Net`` rewritten in memory: the passes edit its text, and its weights move along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from caffelungo.api import net_files
from caffelungo.api.net_module import NetModule, Origin
from caffelungo.api.values import Name
from caffelungo.api.verb_report import Text
from caffelungo.definition import editor
from caffelungo.errors import UserError
from caffelungo.passes.base import run
from caffelungo.passes.moves import moved
from caffelungo.plan.read_net import read_net

AnyNet = TypeVar("AnyNet", bound="NetModule")


def rewritten(net: AnyNet, steps: Sequence[Any], head: str | None) -> AnyNet:
    """See ``Net.rewritten``."""
    result = run(net.definition, steps, net.sources, head)
    known = net_files.weights(net)
    layers = moved({name: list(arrays) for name, arrays in known.layers.items()}, result.moves)
    weights = replace(known, layers=layers)
    origin = Origin(net.definition, tuple(result.notes))
    made = type(net)(result.definition, weights, sources=net.sources, seed=net.seed, origin=origin)
    learned = {planned.name for plan in made.plans.values() for planned in plan.layers if planned.params}
    made.fresh = tuple(dict.fromkeys([*(name for name in net.fresh if name in learned), *made.fresh]))
    made.weights_from = net.weights_from
    device = next((parameter.device for parameter in net.parameters()), None)
    return made.to(device).train(net.training)


def diff(net: NetModule, other: NetModule | Name | None) -> Text:
    """See ``Net.diff``."""
    if isinstance(other, NetModule):
        before = other.definition
    elif isinstance(other, str | PathLike):
        before = read_net(Path(other))
    elif net.origin is not None:
        before = net.origin.before
    else:
        raise UserError("the net was not rewritten, so there is nothing to compare with", remedy="name another net")
    return Text(editor.diff(before, net.definition))
