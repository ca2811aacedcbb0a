"""Fully connected layers as convolutions with the same weights, so that the net runs on larger pictures.

    before:  pool5 (512 x 7 x 7) -> fc6 (InnerProduct, 4096 x 25088) -> relu6 -> fc7 (4096 x 4096) -> fc8
    after:   pool5 (512 x 7 x 7) -> fc6_conv (Convolution 7 x 7, 4096 x 512 x 7 x 7) -> relu6 -> fc7_conv (1 x 1) -> ...
             on the old size the answers are those of before, 1 x 1; on a larger picture they are a map

The names change, so that weights of the old shape are not loaded by mistake. Flatten layers between are taken out.
Long, Shelhamer, Darrell 2015, section 3.1; 384 x 384 through VGG (224 x 224) gives 6 x 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from caffelungo import shell
from caffelungo.bounds import WHOLE
from caffelungo.definition.edits import ClearField, DeleteLayer, Edit, RenameBlob, RenameField, SetField
from caffelungo.layers.base import Shape, shape_text
from caffelungo.layers.kinds import FLAT, NEURONS, SIZED
from caffelungo.passes import moves, select
from caffelungo.passes.base import Note, Refusal, Rewrite, Step, step
from caffelungo.passes.moves import Move
from caffelungo.passes.option_fields import EVERY, option
from caffelungo.passes.registry import REWRITE, Given, register
from caffelungo.passes.resize import size_edits
from caffelungo.passes.view import Graph, View
from caffelungo.plan.plan import PlannedLayer


@dataclass(frozen=True)
class CastOptions:
    """``layers``: names, ranges and patterns (none: every InnerProduct); ``size``: height and width of the Input."""

    layers: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    suffix: str = "conv"


@dataclass
class _Work:
    view: View
    graph: Graph
    cast: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Layer key -> channels, height and width of what it reads, for every layer that is cast."""
    flattens: dict[int, PlannedLayer] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What a recipe says of ``cast``: the two sides by themselves, of which one may be given for both; 0: as it is."""

    layers: tuple[str, ...] = option("The layers (default: every InnerProduct).", default=(), recipe="layer",
                                     flag="--cast", asks=True, metavar="LAYERS")  # fmt: skip
    height: int = option("Height of the Input.", default=0, bounds=WHOLE)
    width: int = option("Width of the Input.", default=0, bounds=WHOLE)


def _bound(given: Asked) -> Step:
    size = (given.height or given.width, given.width or given.height) if given.height or given.width else None
    return step(cast, CastOptions(given.layers, size))


def _asked(given: Given) -> list[Step]:
    layers = tuple(given.get("cast") or ())
    return [step(cast, CastOptions(() if EVERY in layers else layers, given.get("size")))] if layers else []


@register("cast", verb=REWRITE, order=230, options=Asked, bind=_bound, asked=_asked,
          help="InnerProduct layers as Convolutions, for larger pictures.")  # fmt: skip
def cast(view: View, options: CastOptions) -> Rewrite:
    """The rewrite; Refusal when a layer reads no picture's axes, shares its weights, or there is none."""
    chosen = _chosen(view, options)
    work = _Work(view, view.graph)
    for one in chosen:
        if one.layer.options.axis != 1:
            raise Refusal(
                f"`{one.name}` does not flatten from axis 1",
                view.where(one.index, "inner_product_param", "axis"),
                remedy="only layers that read whole samples (axis: 1) can become convolutions",
            )
        work.cast[one.key] = _places(work, one, one.bottom_values[0])
    _refuse_sharing(view, chosen)
    edits: list[Edit] = []
    moved: list[Move] = []
    notes: list[Note] = []
    for one in chosen:
        changes, steps, note = _convolution(view, one, work.cast[one.key], options)
        edits += changes
        moved += steps
        notes.append(note)
    for flatten in work.flattens.values():
        edits.append(DeleteLayer(flatten.index))
        for reader in work.graph.consumers(flatten.top_values[0]):
            for k, value in enumerate(reader.bottom_values):
                if value == flatten.top_values[0]:
                    edits.append(SetField(("layer", reader.index, "bottom", k), flatten.bottoms[0]))
        notes.append(
            Note(f"`{flatten.name}` (Flatten) removed", view.where(flatten.index), "a convolution needs the axes")
        )
    if options.size is not None:
        edits += _size(view, options.size, notes)
    return Rewrite(tuple(edits), tuple(moved), tuple(notes))


def _chosen(view: View, options: CastOptions) -> list[PlannedLayer]:
    every = [one for one in view.graph.plan.layers if one.layer.type == "InnerProduct"]
    if not options.layers:
        if not every:
            raise Refusal(
                "the net has no InnerProduct layer: it is fully convolutional already",
                received="--cast",
                remedy="omit the cast; the net already accepts pictures of other sizes",
            )
        return every
    named = {one.index for one in select.select(view, options.layers, "--cast")}
    found = [one for one in every if one.index in named]
    if not found:
        raise Refusal(
            "none of these layers is an InnerProduct",
            view.where(min(named)),
            received=", ".join(options.layers),
            remedy=f"the InnerProduct layers: {', '.join(one.name for one in every) or 'none'}",
        )
    return found


def _places(work: _Work, one: PlannedLayer, value: int) -> tuple[int, int, int]:
    """Channels, height and width of ``value`` once all cast layers are convolutions."""
    shape = work.graph.shape(value)
    if shape is not None and len(shape) == 4:
        if None in shape[1:]:
            raise _unknown(work.view, one, shape)
        return int(shape[1] or 0), int(shape[2] or 0), int(shape[3] or 0)
    maker = work.graph.producer.get(value)
    if maker is not None and maker.key in work.cast:
        return int(maker.layer.options.num_output), 1, 1
    if maker is not None and maker.layer.type == "Flatten":
        inner = work.graph.shape(maker.bottom_values[0])
        if inner is None or len(inner) != 4 or None in inner[1:] or work.graph.shape(value) is None:
            raise _unknown(work.view, one, inner)
        work.flattens[maker.index] = maker
        return int(inner[1] or 0), int(inner[2] or 0), int(inner[3] or 0)
    if maker is not None and (maker.layer.type in NEURONS or maker.layer.type in FLAT):
        below = [_places(work, one, bottom) for bottom in maker.bottom_values]
        if (
            all((height, width) == (1, 1) for _, height, width in below)
            and shape is not None
            and len(shape) > 1
            and shape[1] is not None
        ):
            return shape[1], 1, 1
        if maker.layer.type in NEURONS - SIZED and len(below) == 1:
            return below[0]
    raise Refusal(
        f"`{one.name}` reads a vector that was not flattened from the axes of a picture",
        work.view.where(one.index),
        received=f"bottom {shape_text(shape)}" + (f" of `{maker.name}` ({maker.layer.type})" if maker else ""),
        remedy="name only layers that read convolutions or other cast layers: --cast fc6",
    )


def _unknown(view: View, one: PlannedLayer, shape: Shape | None) -> Refusal:
    return Refusal(
        f"the size of the input of `{one.name}` is not known, and so the size of its kernel",
        view.where(one.index),
        received=shape_text(shape),
        remedy="write crop_size into the data layers' transform_param, or give it: --shape data:3x227x227",
    )


def _refuse_sharing(view: View, chosen: Sequence[PlannedLayer]) -> None:
    mine = {one.key for one in chosen}
    for one in chosen:
        for use in one.params:
            for other in view.graph.plan.layers:
                if other.key not in mine and use.key in {param.key for param in other.params}:
                    raise Refusal(
                        f"`{one.name}` shares its weights with `{other.name}`, which is not cast",
                        view.where(one.index, "param"),
                        remedy=f"cast both: --cast {shell.word(one.name)} --cast {shell.word(other.name)}",
                    )


def _convolution(
    view: View, one: PlannedLayer, size: tuple[int, int, int], options: CastOptions
) -> tuple[list[Edit], list[Move], Note]:
    channels, height, width = size
    new = view.free(f"{one.name}_{options.suffix}")
    units = int(one.layer.options.num_output)
    edits: list[Edit] = []
    for index in view.named(one.name):
        path, given = ("layer", index), view.net.layer[index].inner_product_param
        edits += [SetField((*path, "name"), new), SetField((*path, "type"), "Convolution")]
        edits += [
            ClearField((*path, "inner_product_param", name)) for name in ("axis", "transpose") if given.HasField(name)
        ]
        edits.append(RenameField((*path, "inner_product_param"), "convolution_param"))
        inside = (*path, "convolution_param")
        if height == width:
            edits.append(SetField((*inside, "kernel_size", 0), height))
        else:
            edits += [SetField((*inside, "kernel_h"), height), SetField((*inside, "kernel_w"), width)]
    if one.tops[0] == one.name:
        edits.append(RenameBlob(one.name, new, min(view.named(one.name))))
    moved = [moves.rename(one.name, new)]
    if one.layer.options.transpose:
        moved.append(moves.transpose(new, 0, (channels * height * width, units)))
    moved.append(moves.reshape(new, 0, (units, channels, height, width)))
    note = Note(
        f"`{one.name}` (InnerProduct) -> `{new}` (Convolution {height}x{width})",
        view.where(one.index),
        "the same weights in another shape",
    )
    return edits, moved, note


def _size(view: View, size: tuple[int, int], notes: list[Note]) -> list[Edit]:
    """The Input layers of pictures get another height and width."""
    for one in view.plan.sources:
        if one.layer.type != "Input":
            raise Refusal(
                f"`{one.name}` ({one.layer.type}) takes its size from the data",
                view.where(one.index),
                received="--size",
                remedy="cast the deployed net, whose answer may be a map: add --deploy",
            )
    edits, size_notes = size_edits(view, size)
    notes += size_notes
    return edits
