"""What a net says of its augmentations: what is wrong with it, and the options that each of them gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from caffelungo.data import augmentation
from caffelungo.data.augmentation import AugmentationType
from caffelungo.definition.option_blocks import AUGMENTATIONS
from caffelungo.errors import Location, Problem, UserError

At = Callable[[str], Location | None]
"""The place of a field of the layer."""


def places(param: Any, where: Callable[..., Location | None], *path: str | int) -> dict[str, Location | None]:
    """Where each field of the augmentations of ``param`` (a layer at ``path``) is written, by its dotted name."""
    found: dict[str, Location | None] = {}

    def add(message: Any, *inner: str | int) -> None:
        name = ".".join(map(str, inner))
        found[name] = where(*path, "transform_param", "lungo", *inner)
        for field, value in message.ListFields():
            if field.message_type is not None and not field.is_repeated:
                add(value, *inner, field.name)
            else:
                found[f"{name}.{field.name}"] = where(*path, "transform_param", "lungo", *inner, field.name)

    for number, one in enumerate(param.transform_param.lungo.augmentation):
        add(one, "augmentation", number)
    return found


def settings(kind: AugmentationType, written: Any) -> Any:
    """The options of ``kind`` as ``written`` (a lungo.Augmentation) gives them, with the defaults of the rest."""
    if not kind.options:
        return written
    block = AUGMENTATIONS.value(written, kind.block)
    result = type(block)()
    result.CopyFrom(block)
    for name in _directly(kind, written):
        setattr(result, name, getattr(written, name))
    return result


def problems(transform: Any, train: bool, at: At) -> list[Problem]:
    """All that is wrong with the text of the augmentations of ``transform`` (a TransformationParameter).

    ``train``: they are used; an unknown one does no harm elsewhere.
    """
    found: list[Problem] = []
    for number, one in enumerate(transform.lungo.augmentation):
        try:
            kind = augmentation.find(one.type, at(f"augmentation.{number}.type"))
            found += _problems(kind, one, f"augmentation.{number}", at)
        except UserError as error:
            found += error.problems if train else []
    return found


def mend(transform: Any) -> None:
    """Take out of ``transform`` what is wrong with its augmentations; what they ask of the sizes of pictures stays.

    In place of one that does not exist is one that takes pictures of any size.
    """
    known = augmentation.augmentation_types()
    for one in transform.lungo.augmentation:
        kind = known.get(one.type) or next(kind for kind in known.values() if kind.resizes)
        if one.type not in known or any(_problems(kind, one, "", lambda name: None)):
            one.Clear()
            one.type = kind.name


def _directly(kind: AugmentationType, written: Any) -> list[str]:
    """The options of ``kind`` in the older spelling, outside of its block."""
    known = {one.name for one in kind.options if isinstance(one.default, float) and not one.repeated}
    return [field.name for field, _ in written.ListFields() if not field.is_extension and field.name in known]


def _problems(kind: AugmentationType, written: Any, name: str, at: At) -> Iterator[Problem]:
    known = {one.name for one in kind.options}
    for field, value in written.ListFields():
        place = at(f"{name}.{field.name}")
        if field.is_extension and field.name != kind.block:
            remedy = f"write {kind.block} {{ ... }}" if kind.options else "delete the block"
            yield Problem(
                "this block has the options of another augmentation",
                place,
                f'{field.name} {{ ... }} in type: "{kind.name}"',
                f"{remedy}, or correct the type",
            )
        elif kind.options and not field.is_extension and field.name not in {"type", *known}:
            yield Problem(
                f"{kind} has no option `{field.name}`",
                place,
                f"{field.name}: {value:g}" if isinstance(value, float) else f'{field.name}: "{value}"',
                f"use one of: {', '.join(sorted(known))}",
            )
    if not kind.options:
        return
    block = AUGMENTATIONS.value(written, kind.block)
    direct = _directly(kind, written)
    for option in direct:
        if block.HasField(option):
            yield Problem(
                f"`{option}` of an augmentation is written twice",
                at(f"{name}.{option}"),
                f"{getattr(written, option):g} and {getattr(block, option):g}",
                f"keep the one in {kind.block} {{ ... }}",
            )
    given = settings(kind, written)
    for low, high in kind.ranges:
        least, most = getattr(given, low), getattr(given, high)
        if least > most:
            inside = next((one for one in (low, high) if block.HasField(one)), None)
            path = f"{kind.block}.{inside}" if inside else next(one for one in (low, high) if one in direct)
            yield Problem(
                f"{low} of an augmentation is above its {high}",
                at(f"{name}.{path}"),
                f"{low}: {least:g}, {high}: {most:g}",
                f"lower {low}, or raise {high}",
            )
