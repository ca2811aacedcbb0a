"""Decoded pictures are what OpenCV reads; what cannot be decoded whole is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from caffelungo.data.decode import decode, to_grey
from caffelungo.errors import UserError
from tests.data.make import picture

RGB = Image.fromarray(picture(0, 40, 60))
RGBA = RGB.convert("RGBA")
RGBA.putalpha(Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)))
DEEP = np.random.default_rng(1).integers(0, 65536, (10, 12, 3), dtype=np.uint16)


def exif(orientation: int) -> Any:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


FILES: dict[str, tuple[Callable[[str], object], int]] = {
    "rgb.png": (RGB.save, 0),
    "grey.png": (RGB.convert("L").save, 0),
    "palette.png": (RGB.convert("P").save, 0),
    "palette_with_hole.png": (lambda path: RGB.convert("P").save(path, transparency=3), 0),
    "bits.png": (RGB.convert("1").save, 0),
    "alpha.png": (RGBA.save, 0),
    "grey_alpha.png": (RGBA.convert("LA").save, 0),
    "deep_grey.png": (lambda path: cv2.imwrite(path, DEEP[:, :, 0]), 0),
    "deep.png": (lambda path: cv2.imwrite(path, DEEP), 1),
    "deep_grey.tif": (lambda path: cv2.imwrite(path, DEEP[:, :, 0]), 0),
    "deep.tif": (lambda path: cv2.imwrite(path, DEEP), 1),
    "rgb.jpg": (RGB.save, 0),
    "grey.jpg": (RGB.convert("L").save, 0),
    "progressive.jpg": (lambda path: RGB.save(path, progressive=True), 0),
    "cmyk.jpg": (RGB.convert("CMYK").save, 2),
    "cmyk.tif": (RGB.convert("CMYK").save, 1),
    "rgb.webp": (RGB.save, 0),
    "alpha.webp": (lambda path: RGBA.save(path, lossless=True), 0),
    "rgb.bmp": (RGB.save, 1),
    "rgb.ppm": (RGB.save, 1),
    "rgb.tif": (RGB.save, 1),
    "animation.gif": (lambda path: RGB.save(path, save_all=True, append_images=[RGB.rotate(90)]), 0),
    "Überblick ñ 日本.png": (RGB.save, 0),
    "jpeg without a suffix": (lambda path: RGB.save(path, "JPEG"), 0),
    **{f"turned{n}.jpg": (lambda path, n=n: RGB.save(path, exif=exif(n)), 0) for n in range(2, 9)},
    "turned6.png": (lambda path: RGB.save(path, exif=exif(6)), 0),
    "turned6.webp": (lambda path: RGB.save(path, exif=exif(6), lossless=True), 0),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("color", [True, False])
def test_equals_opencv(tmp_path: Path, name: str, color: bool) -> None:
    write, tolerance = FILES[name]
    path = tmp_path / name
    write(str(path))
    expected = cv2.imread(str(path), cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE)
    found = decode(path, color=color)
    assert found.dtype == np.uint8
    assert found.shape == (*expected.shape[:2], 3 if color else 1)
    assert np.abs(found.astype(int) - expected.reshape(found.shape)).max() <= tolerance
    assert np.array_equal(found, decode(path.read_bytes(), color=color))


@pytest.mark.parametrize(
    ("name", "channels"),
    [("rgb.png", 3), ("grey.png", 1), ("bits.png", 1), ("palette.png", 3), ("grey.jpg", 1), ("deep_grey.png", 1)],
)
def test_native_channels(tmp_path: Path, name: str, channels: int) -> None:
    FILES[name][0](str(tmp_path / name))
    assert decode(tmp_path / name, color=None).shape[2] == channels


def test_grey_of_a_grey_palette_is_one_channel(tmp_path: Path) -> None:
    RGB.convert("L").convert("P").save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", color=None).shape[2] == 1


def test_to_grey_equals_opencv() -> None:
    image = picture(3)
    assert np.array_equal(to_grey(image)[:, :, 0], cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


def refused(path: Path | bytes) -> str:
    with pytest.raises(UserError) as error:
        decode(path)
    assert error.value.problems[0].remedy
    if isinstance(path, Path):
        assert str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["rgb.jpg", "rgb.png", "rgb.webp", "rgb.bmp", "rgb.tif", "animation.gif"])
def test_a_truncated_picture_is_refused(tmp_path: Path, name: str) -> None:
    FILES[name][0](str(tmp_path / name))
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    assert f"received: {len(data) // 2} bytes" in refused(tmp_path / name)


def test_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("I am no picture")
    (tmp_path / "empty.jpg").touch()
    assert "15 bytes that Pillow does not recognise as a picture" in refused(tmp_path / "text.jpg")
    assert "an empty file" in refused(tmp_path / "empty.jpg")
    assert "no such file" in refused(tmp_path / "missing.jpg")
    assert "correct the path" in refused(tmp_path / "missing.jpg")
    assert "this is a folder, not a file" in refused(tmp_path)
    assert "does not recognise" in refused(b"GIF89a")


def test_floats_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "f.tif")
    assert "floating-point" in refused(tmp_path / "f.tif")


@pytest.mark.parametrize("limit", [500, 1500])
def test_a_picture_beyond_the_pixel_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    RGB.save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert "too large to be decoded safely" in refused(tmp_path / "a.png")


def test_random_bytes_never_end_in_another_exception(tmp_path: Path) -> None:
    RGB.save(tmp_path / "a.png")
    RGB.save(tmp_path / "a.jpg")
    rng = np.random.default_rng(0)
    for name in ("a.png", "a.jpg"):
        whole = np.frombuffer((tmp_path / name).read_bytes(), np.uint8)
        for _ in range(40):
            data = whole.copy()
            data[rng.integers(0, len(data), 5)] = rng.integers(0, 256, 5)
            try:
                decode(data.tobytes())
            except UserError:
                continue
