"""The net at another size of picture, with the weights it has: SqueezeNet, made for 227, at 112 or at 448.

    before:  ImageData (new_height 256, crop_size 227) -> conv1 -> ... -> pool10 (global)   or: Input 227 x 227
    after:   ImageData (new_height 128, crop_size 112) -> conv1 -> ... the same layers      or: Input 112 x 112

Sizes of windows and weights stay. What pictures are scaled to before the crop changes with it, so that the net sees as
much of them as before. A net whose weights depend on the size is refused (``picture_size.judge``); see ``cast`` for
those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from caffelungo.definition import augmentation_provider, editor
from caffelungo.definition.definition import Definition
from caffelungo.definition.edits import Edit, Path, SetField
from caffelungo.layers import registry
from caffelungo.layers.base import Shape
from caffelungo.passes import picture_size
from caffelungo.passes.base import Note, Refusal, Result, Rewrite, Step, step
from caffelungo.passes.picture_size import Size
from caffelungo.passes.registry import REWRITE, Given, register
from caffelungo.passes.view import View

COLORS = (1, 3)


@dataclass(frozen=True)
class ResizeOptions:
    """``size``: height and width of the net's input in pixels. ``resize``: the side that pictures are scaled to before
    it is cropped out of them (None: in proportion to what the file says). ``phases`` and ``only`` (layers by name) say
    what of the net will run, and so must fit (None: all)."""

    size: Size
    resize: int | None = None
    phases: tuple[int, ...] | None = None
    only: frozenset[str] | None = None
    gives_sizes: ClassVar[bool] = True


@dataclass
class _Work:
    view: View
    options: ResizeOptions
    edits: list[Edit] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    pictures: dict[str, list[bool]] = field(default_factory=dict)
    old: Size | None = None

    @property
    def size(self) -> Size:
        return self.options.size


def _asked(given: Given) -> list[Step]:
    """With layers to cast, ``cast`` sees to the size."""
    return [step(resized, ResizeOptions(given["size"]))] if given.get("size") and not given.get("cast") else []


@register("resize", verb=REWRITE, order=240, flag="--size", in_recipe=False, asked=_asked,
          help="Another size of the input, in data layers or the Input.")  # fmt: skip
def resized(view: View, options: ResizeOptions) -> Rewrite:
    """The rewrite; Refusal when the net's weights depend on the size, a plane gets smaller than a window, or the
    pictures come from where no file says their size. UserError for a size that no picture has."""
    work = _with_edits(view, options)
    runs = picture_size.Runs(options.phases, options.only)
    for text in picture_size.judge(view, work.pictures, options.size, work.old, runs):
        work.notes.append(Note(text))
    return Rewrite(tuple(work.edits), (), tuple(work.notes))


def size_edits(view: View, size: Size) -> tuple[list[Edit], list[Note]]:
    """The edits alone, for a pass that also changes the layers whose weights depend on the size."""
    work = _with_edits(view, ResizeOptions(size))
    return work.edits, work.notes


def at(definition: Definition, options: ResizeOptions | None) -> Result:
    """``definition`` at another size, for a verb that runs it (None: as it is); UserError as ``resized``.

    A net that has mistakes already keeps them, for those who plan it to tell.
    """
    if options is None:
        return Result(definition)
    rewrite = resized(View(definition, []), options)
    return Result(editor.apply(definition, rewrite.edits) if rewrite.edits else definition, (rewrite,))


def asked(size: Size | None, phases: tuple[int, ...] | None = None) -> ResizeOptions | None:
    """What ``--size`` asks of a net that runs in ``phases``; None for None."""
    return None if size is None else ResizeOptions(size, phases=phases)


def resize_for(crop: int) -> int:
    """To what side pictures are scaled before ``crop`` is cut out: 256 for 224 and 227 as in ImageNet's nets, in that
    proportion for others, and no margin for thumbnails, where it would cut off the object."""
    if crop <= 64:
        return crop
    return 256 if 200 <= crop <= 256 else round(crop * 8 / 7)


def before_crop(crop: int, old_crop: int = 0, old_resize: int = 0) -> int:
    """To what side pictures are scaled before ``crop`` is cut out, where it was ``old_resize`` before ``old_crop``.

    The usual margin (see ``resize_for``) stays the usual one, any other keeps its proportion.
    """
    if not (old_crop and old_resize) or old_resize == resize_for(old_crop):
        return resize_for(crop)
    return max(crop, round(old_resize * crop / old_crop))


def _with_edits(view: View, options: ResizeOptions) -> _Work:
    picture_size.checked(options.size)
    if options.resize is not None and options.resize < max(options.size):
        raise Refusal(
            "pictures would be smaller than the crop",
            received=f"--resize {options.resize} for a crop of {picture_size.text(options.size)}",
            remedy=f"write --resize {max(options.size)} or more",
        )
    work = _Work(view, options)
    found = {one.index: one for graph in view.graphs.values() for one in graph.plan.sources}
    for index, layer in enumerate(view.net.layer):
        kind = registry.find(layer.type)
        if kind is None or not kind.source:
            continue
        known = found[index].top_shapes if index in found else ()
        _SOURCES.get(layer.type, _refused)(work, index, layer, known)
    if not work.pictures:
        _place_holders(work)
    if not work.pictures:
        raise Refusal(
            "the net has no picture input, so there is no size to change",
            received=f"--size {picture_size.text(options.size)}",
            remedy="omit the size",
        )
    return work


def _sees(work: _Work, index: int, name: str, old: Size | None, tops: list[bool]) -> None:
    """Note that the tops of a source that are pictures get the new size."""
    if old is not None and work.old is not None and old != work.old:
        raise Refusal(
            "the net takes pictures of several sizes, and one size was given",
            work.view.where(index),
            received=f"{picture_size.text(work.old)} and {picture_size.text(old)}",
            remedy="change them in the file",
        )
    work.old = old or work.old
    work.pictures[name] = tops
    if old == work.size:
        return
    was = f"it took {picture_size.text(old)}" if old is not None else "its size was left to the data"
    work.notes.append(Note(f"`{name}` takes {picture_size.text(work.size)}", work.view.where(index), was))


def _plain(work: _Work, index: int, layer: Any, known: Sequence[Shape | None]) -> None:
    """Input and DummyData: the shapes themselves."""
    name = "input_param" if layer.type == "Input" else "dummy_data_param"
    given = getattr(layer, name)
    shapes = list(given.shape)
    planar = [len(one.dim) == 4 and (one.dim[2], one.dim[3]) != (1, 1) for one in shapes]
    legacy = layer.type == "DummyData" and not shapes
    if legacy and len(given.height) == 1 == len(given.width):
        edits = [SetField(("layer", index, name, side, 0), value)
                 for side, value in zip(("height", "width"), work.size, strict=True)]  # fmt: skip
        work.edits += edits
        _sees(work, index, layer.name, (given.height[0], given.width[0]), [True] * len(layer.top))
        return
    if not any(planar) and (shapes or not known):
        return
    if not shapes:
        _refused(work, index, layer, known)
    for k, (one, is_planar) in enumerate(zip(shapes, planar, strict=True)):
        if not is_planar:
            continue
        for axis, value in enumerate(work.size):
            if one.dim[2 + axis] != value:
                work.edits.append(SetField(("layer", index, name, "shape", k, "dim", 2 + axis), value))
        tops = planar if len(shapes) == len(layer.top) else planar * len(layer.top)
        _sees(work, index, layer.name, (int(one.dim[2]), int(one.dim[3])), tops)


def _place_holders(work: _Work) -> None:
    """Where no Input has a plane, one of 1 x 1 with 1 or 3 channels is used for pictures of unknown size."""
    for index, layer in enumerate(work.view.net.layer):
        shapes = list(layer.input_param.shape)
        if layer.type != "Input" or not any(len(one.dim) == 4 and one.dim[1] in COLORS for one in shapes):
            continue
        found = [len(one.dim) == 4 and one.dim[1] in COLORS for one in shapes]
        for k, one in enumerate(shapes):
            for axis, value in enumerate(work.size):
                if found[k] and one.dim[2 + axis] != value:
                    work.edits.append(SetField(("layer", index, "input_param", "shape", k, "dim", 2 + axis), value))
        _sees(work, index, layer.name, picture_size.PLACE_HOLDER, found if len(found) == len(layer.top) else
              found * len(layer.top))  # fmt: skip


def _pictures(work: _Work, index: int, layer: Any, known: Sequence[Shape | None]) -> None:
    """Data and ImageData: the crop, and what pictures are scaled to before it."""
    path, transform = ("layer", index), layer.transform_param
    crop = int(transform.crop_size)
    listed = layer.type == "ImageData" and (layer.image_data_param.new_height or not transform.lungo.resize_height)
    said, prefix = (layer.image_data_param, "new") if listed else (transform.lungo, "resize")
    before = int(getattr(said, f"{prefix}_height")), int(getattr(said, f"{prefix}_width"))
    place: Path = (*path, "image_data_param") if listed else (*path, "transform_param", "lungo")
    tops = [True, *[False] * (len(layer.top) - 1)]
    shape = known[0] if known else None
    old: Size | None = (crop, crop) if crop else before if before[0] else None
    if old is None and shape is not None and len(shape) == 4 and shape[2] and shape[3]:
        old = (shape[2], shape[3])
    margin = crop or work.options.resize is not None
    if margin and work.size[0] != work.size[1]:
        raise Refusal(
            f"`{layer.name}` crops squares: crop_size is one number",
            work.view.where(index, "transform_param", "crop_size"),
            received=f"--size {picture_size.text(work.size)}",
            remedy=f"write --size {work.size[0]}",
        )
    _sees(work, index, layer.name, old, tops)
    if old == work.size and work.options.resize is None:
        return
    if not margin:
        scaled = work.size
    elif work.options.resize is not None:
        scaled = (work.options.resize,) * 2
    else:
        scaled = (before_crop(work.size[0], crop, before[0]), before_crop(work.size[1], crop, before[1]))
    if margin and crop != work.size[0]:
        work.edits.append(SetField((*path, "transform_param", "crop_size"), work.size[0]))
    augmented = any(augmentation_provider.gives_the_size(one.type) for one in transform.lungo.augmentation)
    if not before[0] and augmented and crop:
        return  # such pictures are cut at random, and scaled to the crop, from whatever size they have
    for side, value, was in zip(("height", "width"), scaled, before, strict=True):
        if value != was:
            work.edits.append(SetField((*place, f"{prefix}_{side}"), value))
    if margin and scaled != before:
        why = f"before it was {picture_size.text(before)}" if before[0] else "it did not scale them"
        what = f"`{layer.name}` scales pictures to {picture_size.text(scaled)} before the crop"
        work.notes.append(Note(what, work.view.where(index), why))


def _refused(work: _Work, index: int, layer: Any, known: Sequence[Shape | None]) -> None:
    if layer.type == "HDF5Data" and known and all(shape is not None and len(shape) != 4 for shape in known):
        return
    raise Refusal(
        f"`{layer.name}` ({layer.type}) takes its size from the data",
        work.view.where(index),
        received=f"--size {picture_size.text(work.size)}",
        remedy="provide data of that size, or rewrite the deploy net: "
        "lungo rewrite NET --deploy --shape data:3x224x224 --size N",
    )


_SOURCES = {"Input": _plain, "DummyData": _plain, "Data": _pictures, "ImageData": _pictures}
