r"""The part of a net that some of its values need, as a separate net. No torch.

data -> a -> b -> c -> loss       blobs b        =>     data -> a -> b
         \-> d
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from caffelungo.errors import UserError
from caffelungo.features.blobs import known_blobs
from caffelungo.features.prefix import own_name
from caffelungo.plan.plan import Plan, PlannedLayer, Value
from caffelungo.solve.nets import OpenedNet, input_without_data


@dataclass(frozen=True)
class Upstream:
    """``opened`` makes the last ``values`` of ``blobs`` and nothing else; its outputs are ``names``, in their order."""

    opened: OpenedNet
    blobs: tuple[str, ...]
    values: tuple[int, ...]
    names: tuple[str, ...]

    def of(self, blobs: Sequence[str]) -> Upstream:
        """The same for some of the blobs."""
        value = dict(zip(self.blobs, self.values, strict=True))
        return _pruned(self.opened, blobs, [value[blob] for blob in blobs])

    @property
    def layers(self) -> list[PlannedLayer]:
        """What runs, data layers left out."""
        return [planned for planned in self.opened.plan.layers if not planned.layer.source]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of one sample of each blob."""
        found = [self.opened.plan.values[value].shape or () for value in self.values]
        return [tuple(int(size or 0) for size in shape[1:]) for shape in found]


def upstream(opened: OpenedNet, blobs: Sequence[str]) -> Upstream:
    """What of ``opened`` the last values of ``blobs`` need. UserError as ``known_blobs``, and for data from nowhere.

    Layers that look at other pictures of the batch (a BatchNorm that gathers statistics) are left as they are.
    """
    return _pruned(opened, blobs, known_blobs(opened.plan, blobs, opened.text.where()))


def _pruned(opened: OpenedNet, blobs: Sequence[str], values: Sequence[int]) -> Upstream:
    plan = opened.plan
    needed: set[int] = set(values)
    layers: list[PlannedLayer] = []
    for planned in reversed(plan.layers):
        if not needed.isdisjoint(planned.top_values):
            needed.update(planned.bottom_values)
            layers.append(replace(planned, loss_weights=(0.0,) * len(planned.loss_weights)))
    layers.reverse()
    # In-place layers make several values of one blob, and each may be an output.
    known = [Value(own_name(number), value.shape, value.producer) for number, value in enumerate(plan.values)]
    names = tuple(own_name(value) for value in values)
    part = Plan(plan.name, plan.state, layers, known, names)
    kept = {planned.name for planned in part.sources}
    sources = [source for source in opened.sources if source.name in kept]
    if len(sources) < len(kept) or not sources:
        raise input_without_data(opened.text, part) or UserError(
            "the blobs do not depend on any data", where=opened.text.where(), received=", ".join(blobs),
            remedy="name blobs that are computed from pictures",
        )  # fmt: skip
    return Upstream(OpenedNet(opened.text, part, sources), tuple(blobs), tuple(values), names)
