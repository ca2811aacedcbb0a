"""Hold layers fixed.

before:  conv1 -> bn1 -> conv2 -> conv3 -> ...                    every layer learns
after:   conv1, conv2, conv3: param { lr_mult: 0 decay_mult: 0 }  a blob with lr_mult 0 gets no gradient
         bn1: batch_norm_param { use_global_stats: true }         its statistics stay what they were, too
         everything that conv3 does not depend on learns as before
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from caffelungo import shell
from caffelungo.definition.edits import Edit, SetField
from caffelungo.passes import select
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.option_fields import option
from caffelungo.passes.param_blocks import FROZEN, set_rates
from caffelungo.passes.registry import REWRITE, register
from caffelungo.passes.view import View
from caffelungo.plan.plan import PlannedLayer


@dataclass(frozen=True)
class FreezeOptions:
    """``to``: the last layer that is held fixed, with all it depends on; a block's name (``fire3``) means its last one.

    ``layers`` are held fixed by themselves: names, ranges and patterns as ``select`` reads them.
    """

    to: str | None = option("The last layer that is frozen, with all it depends on.", default=None, flag="--freeze-to",
                            asks=True, metavar="LAYER")  # fmt: skip
    layers: tuple[str, ...] = option("Names, ranges and patterns of layers to freeze.", default=(), recipe="layer",
                                     flag="--freeze", asks=True, metavar="LAYERS")  # fmt: skip


@register("freeze", verb=REWRITE, order=190, in_recipe=False, help="Layers that no longer learn.")
def freeze(view: View, options: FreezeOptions) -> Rewrite:
    """Freeze what ``options`` name; Refusal when nothing would be left to learn."""
    held: dict[int, PlannedLayer] = {}
    why: dict[int, str] = {}
    if options.to is not None:
        name = _last(view, options.to)
        for graph in view.graphs.values():
            for one in graph.plan.layers:
                if one.name == name:
                    held.update((above.index, above) for above in graph.upstream([one]))
        why = dict.fromkeys(held, f"`{name}` depends on it")
    chosen = {one.index: one for one in select.select(view, options.layers, "--freeze")}
    why.update(dict.fromkeys(chosen, "named"))
    held.update(chosen)
    if not held:
        raise Refusal("no layer to freeze is named", remedy="name one: --freeze-to fc7, or --freeze 'conv*'")
    _refuse_unknown(view, held.values())
    _refuse_all(view, held, options)
    return hold(view, held, why)


def hold(view: View, held: dict[int, PlannedLayer], why: dict[int, str]) -> Rewrite:
    """The edits that freeze the layers ``held`` (by position in the file), each for its reason."""
    edits: list[Edit] = []
    notes: list[Note] = []
    for index in sorted(held):
        one = held[index]
        layer = view.net.layer[index]
        learned = [use for use in one.params if use.spec.learned]
        if one.layer.type == "BatchNorm":
            if not layer.batch_norm_param.use_global_stats:
                edits.append(SetField(("layer", index, "batch_norm_param", "use_global_stats"), True))
                notes.append(Note(f"`{one.name}` uses its stored statistics", view.where(index), why[index]))
        elif learned:
            changes = set_rates(index, layer, [FROZEN] * len(one.params))
            edits += changes
            if changes:
                notes.append(Note(f"`{one.name}` is frozen: lr_mult 0", view.where(index), why[index]))
            edits += _sharers(view, held, one, notes)
    return Rewrite(tuple(edits), (), tuple(notes))


def _last(view: View, name: str) -> str:
    """The layer that ``name`` means: itself, or the last layer of the block whose layers begin with it."""
    if view.named(name):
        return name
    block = select.block(view.plan.layers, name)
    return block[-1].name if block else view.find(name, "--freeze-to").name


def _refuse_unknown(view: View, held: Iterable[PlannedLayer]) -> None:
    """Without the shape of what a layer reads, nothing tells how many blobs it has, and so what to freeze."""
    for one in held:
        if None in one.bottom_shapes:
            blob = one.bottoms[one.bottom_shapes.index(None)]
            raise Refusal(
                f"the shape of `{blob}`, which `{one.name}` reads, is not known",
                view.where(one.index),
                received="a size that is only in the data",
                remedy="give the size of the data: --shape " + shell.word(f"{view.plan.sources[0].tops[0]}:3x227x227"),
            )


def _refuse_all(view: View, held: dict[int, PlannedLayer], options: FreezeOptions) -> None:
    def learns(one: PlannedLayer) -> bool:
        return any(use.spec.learned and use.lr_mult for use in one.params)

    rest = [one for one in view.plan.layers if one.index not in held and learns(one)]
    if not rest and not view.deploy_only:
        what = f"freezing up to `{options.to}`" if options.to else "freezing these layers"
        raise Refusal(
            f"{what} would leave nothing to learn",
            view.where(max(held)),
            received=f"--freeze-to {options.to}" if options.to else f"--freeze {' --freeze '.join(options.layers)}",
            remedy=f"name a layer before the classifier {', '.join(one.name for one in view.classifiers)}",
        )


def _sharers(view: View, held: dict[int, PlannedLayer], one: PlannedLayer, notes: list[Note]) -> list[Edit]:
    """A shared blob is one tensor: where another layer states a rate for it, that is set to 0 as well."""
    edits: list[Edit] = []
    names = {block.name for block in one.layer.param.param if block.name}
    if not names:
        return edits
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
