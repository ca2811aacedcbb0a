"""A ``Net`` as ``pickle`` and ``torch.save`` keep it: its text and its tensors, from which it is built again.

Parameters keep their type, device and ``requires_grad``, modules their phase. Hooks, gradients and parametrizations are
not kept. Messages of the restored net name places in its own text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from caffelungo.api.net_module import NetModule, Origin
from caffelungo.definition import schema
from caffelungo.definition.definition import Definition
from caffelungo.definition.reader import parse_net

if TYPE_CHECKING:
    from caffelungo.layers.base import Shape


@dataclass(frozen=True)
class KeptDefinition:
    """What makes a ``Definition`` again."""

    text: str
    path: str
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, given: Definition) -> KeptDefinition:
        """``given`` without its messages and trees."""
        kept = ("notes", "origin", "variables", "stages", "level", "solver_stages")
        return cls(given.text, str(given.path), {name: getattr(given, name) for name in kept})

    def read(self) -> Definition:
        """The definition."""
        return replace(parse_net(self.text, self.path), path=Path(self.path), **self.fields)


@dataclass(frozen=True)
class KeptNet:
    """What makes a net again. ``extras`` are the name and the bytes of a message, ``training`` is by module."""

    kind: type[NetModule]
    definition: KeptDefinition
    before: KeptDefinition | None
    notes: tuple[str, ...]
    sources: Mapping[str, Any] | None
    seed: int
    extras: tuple[str, bytes] | None
    weights_from: str
    fresh: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    training: Mapping[str, bool]


def kept(net: NetModule) -> KeptNet:
    """``net`` for ``restored``."""
    origin, extras = net.origin, net.extras
    return KeptNet(
        type(net), KeptDefinition.of(net.definition), KeptDefinition.of(origin.before) if origin else None,
        tuple(map(str, origin.notes)) if origin else (),
        None if net.sources is None else {name: tuple(shapes) for name, shapes in net.sources.items()},
        net.seed, None if extras is None else (extras.DESCRIPTOR.full_name, extras.SerializeToString()),
        net.weights_from, net.fresh, dict(net.named_parameters(remove_duplicate=False)),
        {name: module.training for name, module in net.named_modules()},
    )  # fmt: skip


def restored(given: KeptNet) -> NetModule:
    """The net that ``given`` was made of."""
    sources: Mapping[str, tuple[Shape, ...]] | None = given.sources
    origin = Origin(given.before.read(), given.notes) if given.before else None
    net = given.kind(given.definition.read(), sources=sources, seed=given.seed, origin=origin, filled=False)
    for name, blob in net.named_parameters():
        blob.data = given.tensors[name].data
        blob.requires_grad_(given.tensors[name].requires_grad)
    for name, module in net.named_modules():
        module.training = given.training.get(name, net.training)
    if given.extras is not None:
        name, data = given.extras
        net.extras = schema.from_bytes(name.removeprefix("caffe."), data)
    net.weights_from, net.fresh = given.weights_from, given.fresh
    return net
