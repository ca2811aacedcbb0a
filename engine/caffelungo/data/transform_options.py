"""What is wrong with how a data layer prepares pictures, as far as its text alone says: mean, sizes, augmentations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caffelungo.data import augment_pictures, augmentation_options
from caffelungo.data.decode import MOST_PIXELS
from caffelungo.definition.schema import LayerParameter
from caffelungo.errors import Location, Problem
from caffelungo.wording import counted

At = Callable[[str], Location | None]
"""The place of a field of the layer."""

PICTURES = ("Data", "ImageData")
"""Types whose mean and sizes are applied."""


def problems(param: Any, train: bool, at: At) -> list[Problem]:
    """What the data layer ``param`` says wrong beside what the layer type itself refuses; ``train``: it augments."""
    transform = param.transform_param
    found = augmentation_options.problems(transform, train, at)
    if train and not found and transform.lungo.augmentation:
        found += augment_pictures.trial(transform, stated_channels(param) or 3, _stated_size(param), at)
    if param.type in PICTURES:
        count = _count_problem(param.name, transform, stated_channels(param), at)
        found += [] if count is None else [count]
        for holder, high, wide in _sizes(param):
            height, width = int(getattr(holder, high)), int(getattr(holder, wide))
            problem = size_problem(param.name, height, width, at(high if height else wide))
            if problem is not None and (high != "new_height" or (height and width)):
                found.append(problem)
    return found


def mended(param: Any) -> tuple[Any, bool]:
    """``param`` without what is wrong with it, so that its data can be looked at; whether all its sizes were right."""
    copy = LayerParameter.FromString(param.SerializeToString())
    transform = copy.transform_param
    augmentation_options.mend(transform)
    if mean_problems(copy.name, transform, stated_channels(copy), lambda _: None):
        transform.ClearField("mean_file")
        transform.ClearField("mean_value")
    if transform.force_color and transform.force_gray:
        transform.ClearField("force_gray")
    sized = True
    for holder, high, wide in _sizes(copy):
        height, width = int(getattr(holder, high)), int(getattr(holder, wide))
        too_small = bool(height) and transform.crop_size > min(height, width)
        if too_small or size_problem(copy.name, height, width, None) is not None:
            holder.ClearField(high)
            holder.ClearField(wide)
            sized = False
    return copy, sized


def stated_channels(param: Any) -> int | None:
    """How many channels the pictures of ``param`` have, where the layer says so."""
    if param.type == "ImageData":
        return 3 if param.image_data_param.is_color else 1
    transform = param.transform_param
    return 3 if transform.force_color else 1 if transform.force_gray else None


def mean_problems(name: str, transform: Any, channels: int | None, at: At) -> list[Problem]:
    """Two means, or values that are not one per channel; ``channels`` is None where the data will say."""
    found = []
    if transform.mean_file and (values := len(transform.mean_value)):
        found.append(
            Problem(
                f"layer `{name}` has both mean_file and mean_value",
                at("mean_value"),
                f'mean_file: "{transform.mean_file}" and {values} mean_value',
                "keep one of them",
            )
        )
    count = _count_problem(name, transform, channels, at)
    return found if count is None else [*found, count]


def _count_problem(name: str, transform: Any, channels: int | None, at: At) -> Problem | None:
    values = len(transform.mean_value)
    if channels is None or values in (0, 1, channels):
        return None
    return Problem(
        f"layer `{name}` needs one mean_value, or one for each channel",
        at("mean_value"),
        f"{values} for {counted(channels, 'channel')}",
        "write one `mean_value:` line" + (f", or {channels}" if channels > 1 else ""),
    )


def size_problem(name: str, height: int, width: int, where: Location | None) -> Problem | None:
    """What is wrong with resizing pictures to ``height`` and ``width``; 0 and 0 leave them as they are."""
    if bool(height) != bool(width):
        return Problem(
            f"layer `{name}` sets only one side of the resize",
            where,
            f"height {height}, width {width}",
            "set both, or none",
        )
    if height * width > MOST_PIXELS:
        return Problem(
            f"layer `{name}` resizes pictures to more pixels than the limit",
            where,
            f"height {height}, width {width}: {height * width:,} pixels",
            f"set a size of at most {MOST_PIXELS:,} pixels",
        )
    return None


def _stated_size(param: Any) -> tuple[int, int] | None:
    """Height and width that pictures are resized to, where the layer says both."""
    sides = [(int(getattr(one, high)), int(getattr(one, wide))) for one, high, wide in _sizes(param)]
    return next((both for both in reversed(sides) if all(both)), None)


def _sizes(param: Any) -> list[tuple[Any, str, str]]:
    """Height and width that pictures are resized to, with the message that holds them."""
    found = [(param.transform_param.lungo, "resize_height", "resize_width")]
    return [*found, (param.image_data_param, "new_height", "new_width")] if param.type == "ImageData" else found
