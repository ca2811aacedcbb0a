"""Augmentations: the registry, its entry points, options, and what an augmentation must keep to."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffelungo import packages
from caffelungo.check.files import check_files
from caffelungo.data import augmentation, transforms
from caffelungo.data.source import places
from caffelungo.data.sources import open_source
from caffelungo.definition.option_blocks import Option
from caffelungo.definition.reader import parse_net, read_net
from caffelungo.definition.schema import TEST, TRAIN, NetState
from caffelungo.errors import UserError
from caffelungo.plan.build_plan import build_plan
from tests.data.make import layer, pictures


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    augmentation.augmentation_types()
    monkeypatch.setattr(augmentation, "_registered", dict(augmentation._registered))
    augmentation._load.cache_clear()
    yield
    augmentation._load.cache_clear()


def train(path: Path, kind: str, phase: int = TRAIN, extra: str = "") -> Any:
    transform = f'transform_param {{ crop_size: 10 lungo {{ augmentation {{ type: "{kind}" {extra} }} }} }}'
    options = f'image_data_param {{ source: "{path}" batch_size: 4 shuffle: false }}'
    return open_source(layer(f'name: "d" type: "ImageData" top: "x" top: "y" {transform} {options}'), phase, seed=2)


def test_an_unknown_augmentation_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='did you mean "RandomResizedCrop"') as error:
        train(pictures(tmp_path, 4), "RandomResizeCrop")
    assert 'type: "RandomResizeCrop"' in str(error.value)
    with pytest.raises(
        UserError, match=r"use one of: ColorJitter, .*RandomResizedCrop, RandomRotation, RandomVerticalFlip"
    ):
        train(tmp_path / "list.txt", "xyz")


@pytest.mark.usefixtures("registry")
def test_a_transform_of_another_package_comes_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Point:
        def load(self) -> None:
            @transforms.register("Invert")
            def invert(image: Any, options: Any, size: Any, rng: Any) -> Any:
                assert options.param_str == "hello"
                assert size == (10, 10)
                return 255 - image

    monkeypatch.setattr(packages, "entry_points", lambda group: [Point()] * (group == "caffelungo.transforms"))
    path = pictures(tmp_path, 4, height=10, width=10)
    plain = train(path, "Invert", TEST).batch(0).arrays[0]
    np.testing.assert_array_equal(train(path, "Invert", extra='param_str: "hello"').batch(0).arrays[0], 255 - plain)
    assert "Invert" in augmentation.augmentation_types()


@pytest.mark.parametrize("name", ["scale", "ratio"])
@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_a_range_that_ends_below_its_beginning(tmp_path: Path, name: str, phase: int) -> None:
    with pytest.raises(UserError, match=f"min_{name} of an augmentation is above its max_{name}"):
        train(pictures(tmp_path, 4), "RandomResizedCrop", phase, f"min_{name}: 0.5 max_{name}: 0.25")


@pytest.mark.usefixtures("registry")
def test_a_name_can_be_registered_once() -> None:
    augmentation.register("RandomResizedCrop")(augmentation.find("RandomResizedCrop").function)

    def other(image: Any, options: Any, size: Any, rng: Any) -> Any:
        return image

    with pytest.raises(UserError, match="registered twice"):
        transforms.register("RandomResizedCrop")(other)


FLIP = 'type: "RandomVerticalFlip"'
CROP = 'type: "RandomResizedCrop"'
NET = """layer {{
  name: "d" type: "ImageData" top: "x" top: "y" include {{ phase: TRAIN }}
  image_data_param {{ source: "{source}" batch_size: 4 shuffle: false {sizes} }}
  transform_param {{
    crop_size: {crop}
    lungo {{ augmentation {{
      {text}
    }} }}
  }}
}}
"""


def checked(path: Path, text: str, crop: int = 10, sizes: str = "") -> list[str]:
    """What `lungo check` and the opening of a training's data say of an augmentation; both say the same."""
    net = path.with_name("net.prototxt")
    net.write_text(NET.format(source=path.name, text=text, crop=crop, sizes=sizes))
    found = check_files([net])
    try:
        opened(net).batch(0)
        trained = []
    except UserError as error:
        trained = error.problems
    assert [(one.what, one.received, str(one.where)) for one in trained] == [
        (one.what, one.received, str(one.where)) for one in found
    ]
    return [f"{one.where.line if one.where else None}: {one.what} | {one.received} | {one.remedy}" for one in found]


def opened(net: Path) -> Any:
    definition = read_net(net)
    (planned,) = build_plan(definition.message, NetState(phase=TRAIN)).sources
    where = definition.where("layer", 0)
    found = places(planned, definition.where)
    return open_source(planned.layer.param, TRAIN, beside=str(net), seed=2, where=where, places=found)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"{FLIP}\n random_resized_crop {{ min_scale: 0.5 }}", "8: this block has the options of another augmentation"),
        (f"{FLIP}\n min_scale: 0.5", "8: augmentation `RandomVerticalFlip` has no option `min_scale`"),
        (f'{FLIP}\n param_str: "0.5"', "8: augmentation `RandomVerticalFlip` has no option `param_str`"),
        (
            f"{CROP} min_scale: 0.2\n random_resized_crop {{ min_scale: 0.5 }}",
            "7: `min_scale` of an augmentation is wr",
        ),
        (
            f"{CROP} random_resized_crop {{\n min_scale: 0.5 max_scale: 0.4 }}",
            "8: min_scale of an augmentation is above",
        ),
        (
            f"{CROP} random_resized_crop {{ max_scale: 0.5 }}\n min_scale: 0.6",
            "7: min_scale of an augmentation is above",
        ),
        (
            f"{CROP} random_resized_crop {{\n max_ratio: 0.5 }}",
            "8: min_ratio of an augmentation is above its max_ratio",
        ),
        ('\ntype: "RandomVerticalFlap"', "8: unknown augmentation"),
    ],
)
def test_mistakes_in_options_have_a_place(tmp_path: Path, text: str, what: str) -> None:
    (found,) = checked(pictures(tmp_path, 4), text)
    assert found.startswith(what)


@pytest.mark.parametrize(
    "written", ["random_vertical_flip { probability: 1.5 }", "random_resized_crop { max_ratio: 0 }"]
)
def test_ranges_of_options_are_judged_by_check(tmp_path: Path, written: str) -> None:
    kind = CROP if "crop" in written else FLIP
    net = pictures(tmp_path, 4).with_name("net.prototxt")
    net.write_text(NET.format(source="list.txt", text=f"{kind}\n {written}", crop=10, sizes=""))
    (found,) = check_files([net])
    assert found.what.partition(": ")[2] in ("probability must be from 0 to 1", "max_ratio must be above 0")
    assert found.where is not None
    assert found.where.line == 8


def plain_noise(image: Any, options: Any, size: Any, rng: Any) -> Any:
    return np.random.default_rng().integers(0, 256, image.shape, np.uint8)


def grown(image: Any, options: Any, size: Any, rng: Any) -> Any:
    return np.pad(image, ((1, 1), (0, 0), (0, 0)))


def brighter(image: Any, options: Any, size: Any, rng: Any) -> Any:
    image += 1
    return image


RULES: dict[str, tuple[Any, str, str]] = {
    "another size": (grown, "14x15x3 uint8 for a picture of noise of 12x15x3 uint8", "return 12x15x3, or register"),
    "floats": (lambda image, *_: image / 2, "12x15x3 float64 for", "np.clip(np.rint(pixels), 0, 255)"),
    "not finite": (lambda image, *_: image * np.nan, "float64, with values that are not finite", "uint8"),
    "no array": (lambda *_: None, "an object of type NoneType", "return a NumPy array of 12x15x3, uint8"),
    "no channels": (lambda image, *_: image[:, :, 0], "12x15 uint8", "return 12x15x3"),
    "an error": (
        lambda image, *_: image[99],
        "IndexError: index 99 is out of bounds",
        "correct its options or its code",
    ),
    "written in place": (brighter, "read-only", "copy it before changing pixels"),
    "numbers of its own": (plain_noise, "two different pictures for one picture", "use `rng` for all that is drawn"),
}


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("rule", RULES)
def test_what_an_augmentation_returns_is_judged(tmp_path: Path, rule: str) -> None:
    """By check and when a training starts, with its name; those that resize return `size`."""
    function, received, remedy = RULES[rule]
    augmentation.register("Mine")(function)
    (found,) = checked(pictures(tmp_path, 4), '\ntype: "Mine"')
    assert found.startswith("8: augmentation `Mine` of the package `tests` ")
    assert received in found
    assert remedy in found


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(("resizes", "what"), [(True, "10x10x3"), (False, "12x15x3")])
def test_who_resizes_returns_the_size_that_the_net_wants(tmp_path: Path, resizes: bool, what: str) -> None:
    augmentation.register("Mine", resizes=resizes)(lambda image, options, size, rng: np.zeros((10, 10, 3), np.uint8))
    assert [f"return {what}" in one for one in checked(pictures(tmp_path, 4), 'type: "Mine"')] == [True] * (not resizes)


@pytest.mark.usefixtures("registry")
def test_what_only_some_pictures_show_is_said_with_the_picture(tmp_path: Path) -> None:
    """A rule that noise does not break: the picture is named where it is broken, in training."""

    def narrow(image: Any, options: Any, size: Any, rng: Any) -> Any:
        return image if image.shape[1] == 15 else image[:, :5]

    augmentation.register("Mine")(narrow)
    source = opened_with(pictures(tmp_path, 4), 'type: "Mine"')
    with pytest.raises(UserError, match=r"augmentation `Mine` (.*\n)+.*20x5x3 uint8 for .*list\.txt:1:1 of 20x24x3"):
        source.batch(0)


def opened_with(path: Path, text: str, crop: int = 10, sizes: str = "") -> Any:
    net = path.with_name("net.prototxt")
    net.write_text(NET.format(source=path.name, text=text, crop=crop, sizes=sizes))
    return opened(net)


def test_only_who_resizes_changes_what_sizes_are_asked_of_pictures(tmp_path: Path) -> None:
    """Pictures of 20 x 24 for a crop of 30: too small, unless an augmentation brings them to it."""
    path = pictures(tmp_path, 4)
    (found,) = checked(path, FLIP, crop=30)
    assert "pictures are smaller than the crop" in found
    assert checked(path, CROP, crop=30) == []
    assert (opened_with(path, CROP).record.resize_shorter, opened_with(path, FLIP).record.resize_shorter) == (11, 0)
    assert opened_with(path, FLIP, crop=0).shapes[0] == (4, 3, 20, 24)


def test_random_numbers_follow_from_seed_epoch_and_sample(tmp_path: Path) -> None:
    source, again = (opened_with(pictures(tmp_path, 4), CROP) for _ in range(2))
    first, second = (source.batch(k).arrays[0] for k in (0, 1))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(again.batch(1).arrays[0], second)


def test_a_process_that_opens_the_source_anew_knows_the_options(tmp_path: Path) -> None:
    """A worker that does not inherit memory has read no text: the block is a field of the message for it, too."""
    source = opened_with(pictures(tmp_path, 4), f"{FLIP} random_vertical_flip {{ probability: 1 }}")
    (tmp_path / "source.pickle").write_bytes(pickle.dumps(source))
    code = f"import pickle; s = pickle.load(open({str(tmp_path / 'source.pickle')!r}, 'rb')); "
    code += "print(s.batch(0).arrays[0].sum(axis=(1, 3)).tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(source.batch(0).arrays[0].sum(axis=(1, 3)).tolist())


def test_a_binary_net_keeps_the_options(tmp_path: Path) -> None:
    text = NET.format(source="list.txt", text=f"{FLIP} random_vertical_flip {{ probability: 0.25 }}", crop=10, sizes="")
    path = tmp_path / "net.binaryproto"
    path.write_bytes(parse_net(text).message.SerializeToString())
    code = "from caffelungo.definition import reader, printer\n"
    code += f"print(printer.print_net(reader.read_net({str(path)!r}).message))\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "random_vertical_flip { probability: 0.25 }" in done.stdout


@pytest.mark.usefixtures("registry")
def test_a_range_names_options_that_exist() -> None:
    with pytest.raises(ValueError, match="'low', which is none of its options"):
        augmentation.register("Mine", ranges=(("low", "high"),))
    options = (Option("low", 2, "Least."), Option("high", 1, "Most."))
    with pytest.raises(ValueError, match="the default of 'low' is above that of 'high'"):
        augmentation.register("Mine", options=options, ranges=(("low", "high"),))
