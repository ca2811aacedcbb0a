"""Hold the first layers fixed.

before:  conv1 -> bn1 -> conv2 -> conv3 -> ...                    every layer learns
after:   conv1, conv2, conv3: param { lr_mult: 0 decay_mult: 0 }  a blob with lr_mult 0 gets no gradient
         bn1: batch_norm_param { use_global_stats: true }         its statistics stay what they were, too
         everything that conv3 does not depend on learns as before
"""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.definition.edits import Edit, SetField
from caffelungo.layers.plan import PlannedLayer
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.rates import FROZEN, set_rates
from caffelungo.passes.view import View


@dataclass(frozen=True)
class FreezeOptions:
    """``to``: the last layer that is held fixed. The name of a block (``fire3``) means its last layer."""

    to: str


def freeze(view: View, options: FreezeOptions) -> Rewrite:
    """Freeze ``options.to`` and everything it depends on; Refusal when nothing would be left to learn."""
    name = _last(view, options.to)
    held: dict[int, PlannedLayer] = {}
    for graph in view.graphs.values():
        for one in graph.plan.layers:
            if one.name == name:
                held.update((above.index, above) for above in graph.upstream([one]))
    _refuse_all(view, held, name)
    edits: list[Edit] = []
    notes: list[Note] = []
    for index in sorted(held):
        one = held[index]
        layer = view.net.layer[index]
        learned = [use for use in one.params if use.spec.learned]
        if one.layer.type == "BatchNorm":
            if not layer.batch_norm_param.use_global_stats:
                edits.append(SetField(("layer", index, "batch_norm_param", "use_global_stats"), True))
                notes.append(Note(f"`{one.name}` uses its stored statistics", view.where(index), f"before `{name}`"))
        elif learned:
            changes = set_rates(index, layer, [FROZEN] * len(one.params))
            edits += changes
            if changes:
                notes.append(Note(f"`{one.name}` is frozen: lr_mult 0", view.where(index), f"`{name}` depends on it"))
            edits += _sharers(view, held, one, notes)
    return Rewrite(tuple(edits), (), tuple(notes))


def _last(view: View, name: str) -> str:
    """The layer that ``name`` means: itself, or the last layer of the block whose layers begin with it."""
    if view.named(name):
        return name
    block = [one.name for one in view.plan.layers if one.name.startswith((f"{name}/", f"{name}_", f"{name}."))]
    return block[-1] if block else view.find(name, "--freeze-to").name


def _refuse_all(view: View, held: dict[int, PlannedLayer], name: str) -> None:
    def learns(one: PlannedLayer) -> bool:
        return any(use.spec.learned and use.lr_mult for use in one.params)

    rest = [one for one in view.plan.layers if one.index not in held and learns(one)]
    if not rest and not view.deploy_only:
        raise Refusal(
            f"freezing up to `{name}` would leave nothing to learn",
            view.where(min(index for index in held if held[index].name == name)),
            received=f"--freeze-to {name}",
            remedy=f"name a layer before the classifier {', '.join(one.name for one in view.classifiers)}",
        )


def _sharers(view: View, held: dict[int, PlannedLayer], one: PlannedLayer, notes: list[Note]) -> list[Edit]:
    """A shared blob is one tensor: where another layer states a rate for it, that is set to 0 as well."""
    edits: list[Edit] = []
    names = {block.name for block in one.layer.param.param if block.name}
    for index, layer in enumerate(view.net.layer):
        if index in held:
            continue
        for k, block in enumerate(layer.param):
            if block.name in names and (block.lr_mult or block.decay_mult):
                edits += [
                    SetField(("layer", index, "param", k, "lr_mult"), 0.0),
                    SetField(("layer", index, "param", k, "decay_mult"), 0.0),
                ]
                notes.append(
                    Note(f"`{layer.name}` is frozen with it", view.where(index, "param", k), f"shares `{block.name}`")
                )
    return edits
