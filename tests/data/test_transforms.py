"""Augmentations: the registry, its entry point, and RandomResizedCrop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffelungo import packages
from caffelungo.data import transforms
from caffelungo.data.sources import open_source
from caffelungo.definition.schema import TEST, TRAIN, message_class
from caffelungo.errors import UserError
from tests.data.make import layer, pictures

Augmentation: Any = message_class("lungo.Augmentation")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(transforms, "_registered", dict(transforms._registered))
    transforms._load.cache_clear()
    yield
    transforms._load.cache_clear()


def train(path: Path, kind: str, phase: int = TRAIN, extra: str = "") -> Any:
    transform = f'transform_param {{ crop_size: 10 lungo {{ augmentation {{ type: "{kind}" {extra} }} }} }}'
    options = f'image_data_param {{ source: "{path}" batch_size: 4 shuffle: false }}'
    return open_source(layer(f'name: "d" type: "ImageData" top: "x" top: "y" {transform} {options}'), phase, seed=2)


def test_random_resized_crop_differs_by_sample_and_epoch_and_repeats(tmp_path: Path) -> None:
    path = pictures(tmp_path, 4)
    source = train(path, "RandomResizedCrop")
    first, second = (source.batch(k).arrays[0] for k in (0, 1))
    assert first.shape == (4, 3, 10, 10)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(train(path, "RandomResizedCrop").batch(1).arrays[0], second)
    assert (source.record.resize_shorter, source.record.crop_height) == (11, 10)
    assert list(source.record.assumed) == ["resize_shorter"]
    test = train(path, "RandomResizedCrop", TEST)
    assert not test.record.assumed
    np.testing.assert_array_equal(test.batch(0).arrays[0], test.batch(1).arrays[0])


def test_random_resized_crop_keeps_to_its_ranges() -> None:
    """On a picture whose pixels tell their place, the part taken shows its area and ratio."""
    rows, columns = np.mgrid[0:200, 0:250]
    image = np.stack([rows, columns, rows * 0], axis=2).astype(np.uint8)
    options = Augmentation(type="RandomResizedCrop", min_scale=0.2, max_scale=0.5)
    areas, ratios = [], []
    for seed in range(200):
        part = transforms.random_resized_crop(image, options, (64, 64), np.random.default_rng(seed)).astype(float)
        high, wide = np.ptp(part[:, :, 0]) * 64 / 63, np.ptp(part[:, :, 1]) * 64 / 63
        areas.append(high * wide / 50_000)
        ratios.append(wide / high)
    assert 0.18 < min(areas) < 0.25
    assert 0.45 < max(areas) < 0.53
    assert 0.7 < min(ratios) < 0.85
    assert 1.2 < max(ratios) < 1.4
    assert np.mean(areas) == pytest.approx(0.35, abs=0.03)


def test_a_part_that_cannot_fit_is_the_largest_at_the_centre() -> None:
    image = np.zeros((10, 100, 3), np.uint8)
    image[:, 43:56] = 255
    options = Augmentation(min_scale=1, max_scale=1)
    part = transforms.random_resized_crop(image, options, (10, 13), np.random.default_rng(0))
    assert part.shape == (10, 13, 3)
    assert (part == 255).all()


def test_an_unknown_augmentation_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='did you mean "RandomResizedCrop"') as error:
        train(pictures(tmp_path, 4), "RandomResizeCrop")
    assert 'type: "RandomResizeCrop"' in str(error.value)
    with pytest.raises(UserError, match="available: RandomResizedCrop"):
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
    assert transforms.names() == ["Invert", "RandomResizedCrop"]


@pytest.mark.parametrize("name", ["scale", "ratio"])
@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_a_range_that_ends_below_its_beginning(tmp_path: Path, name: str, phase: int) -> None:
    with pytest.raises(UserError, match=f"min_{name} of an augmentation is above its max_{name}"):
        train(pictures(tmp_path, 4), "RandomResizedCrop", phase, f"min_{name}: 0.5 max_{name}: 0.25")


@pytest.mark.usefixtures("registry")
def test_a_name_can_be_registered_once() -> None:
    transforms.register("RandomResizedCrop")(transforms.random_resized_crop)

    def other(image: Any, options: Any, size: Any, rng: Any) -> Any:
        return image

    with pytest.raises(UserError, match="registered twice"):
        transforms.register("RandomResizedCrop")(other)
