r"""The part of a net that some of its values need, as a net of its own. No torch.

data -> a -> b -> c -> loss       blobs b        =>     data -> a -> b
         \-> d
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from caffelungo.definition.schema import PHASE_NAMES
from caffelungo.errors import Problem, UserError, did_you_mean
from caffelungo.features.prefix import own_name
from caffelungo.layers.base import shape_text
from caffelungo.layers.plan import Plan, PlannedLayer, Value
from caffelungo.solve.nets import NetText, Opened, input_without_data


@dataclass(frozen=True)
class Upstream:
    """``opened`` makes the last ``values`` of ``blobs`` and nothing else; its outputs are ``names``, in their order."""

    opened: Opened
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


def known_blobs(plan: Plan, blobs: Sequence[str], text: NetText) -> list[int]:
    """The last value of each of ``blobs``: a blob is what its in-place neurons leave of it.

    UserError with every blob that there is none of, that is named twice, or that holds no row for each picture.
    """
    phase, where, problems = PHASE_NAMES[plan.phase], text.where(), []
    shapes, batch = plan.blobs, _batch(plan)
    for position, blob in enumerate(blobs):
        if blob in blobs[:position]:
            problems.append(Problem(f"blob `{blob}` is named twice", where, ", ".join(blobs), "name it once"))
        elif blob not in shapes:
            near = did_you_mean(blob, shapes)
            known = ", ".join(shapes)
            problems.append(
                Problem(f"the net has no blob `{blob}` in phase {phase}", where, f"one of {known}",
                        f"did you mean `{near}`?" if near else "name one of them")
            )  # fmt: skip
        elif (shape := shapes[blob]) is not None and (not shape or shape[0] != batch):
            problems.append(
                Problem(f"blob `{blob}` has no row for each picture", where,
                        f"shape {shape_text(shape)} for a batch of {batch}",
                        "name a blob whose first axis is the batch")
            )  # fmt: skip
    if not blobs:
        problems.append(Problem("no blob is named", where, "an empty list", "name at least one blob of the net"))
    if problems:
        raise UserError(problems)
    return [plan.value_of(blob) for blob in blobs]


def _batch(plan: Plan) -> int | None:
    for planned in plan.sources:
        if planned.top_shapes and planned.top_shapes[0]:
            return planned.top_shapes[0][0]
    return None


def upstream(opened: Opened, blobs: Sequence[str]) -> Upstream:
    """What of ``opened`` the last values of ``blobs`` need. UserError as ``known_blobs``, and for data from nowhere.

    Layers that look at other pictures of the batch (a BatchNorm that gathers statistics) are left as they are.
    """
    return _pruned(opened, blobs, known_blobs(opened.plan, blobs, opened.text))


def _pruned(opened: Opened, blobs: Sequence[str], values: Sequence[int]) -> Upstream:
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
            remedy="name blobs that are made from pictures",
        )  # fmt: skip
    return Upstream(Opened(opened.text, part, sources), tuple(blobs), tuple(values), names)
