from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from caffelungo.errors import UserError
from caffelungo.inference import picture_input
from caffelungo.serving.failures import Refused
from caffelungo.serving.screening import picture
from tests.serving.conftest import RECORD, encoded

MOST = 1_000_000


def png(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, with next to nothing behind it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_pictures_are_what_classify_reads(photos: list[bytes]) -> None:
    for data in photos:
        np.testing.assert_array_equal(picture(RECORD, data, "x", MOST), picture_input.read(RECORD, data, "x"))


@pytest.mark.parametrize("size", [(40_000, 40_000), (1001, 1000), (2_000_000_000, 2), (10_000, 10_000)])
def test_a_large_picture_is_refused_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(Refused) as caught:
        picture(RECORD, png(*size), "bomb.png", MOST)
    assert caught.value.status == 413
    body = caught.value.body()
    assert body["where"] == "bomb.png"
    assert "--max-pixels" in body["remedy"]
    assert str(size[0] * size[1]) in body["received"]


def test_a_strip_that_resizing_would_blow_up_is_refused() -> None:
    record = type(RECORD)(resize_shorter=256, crop_height=224, crop_width=224)
    strip = encoded(Image.new("RGB", (20_000, 2)), "png")
    with pytest.raises(Refused, match="too many pixels") as caught:
        picture(record, strip, "strip.png", MOST)
    assert "20000x2, resized to 2560000x256" in caught.value.body()["received"]
    assert picture(record, encoded(Image.new("RGB", (40, 20)), "png"), "x", MOST).shape == (224, 224, 3)


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
     bytes(1000)],
)  # fmt: skip
def test_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(Refused) as caught:
        picture(RECORD, data, "x", MOST)
    assert caught.value.status == 415
    assert "JPEG" in caught.value.body()["remedy"]


def test_damaged_pictures(photos: list[bytes]) -> None:
    for data in photos:
        with pytest.raises(UserError, match="cannot be read"):
            picture(RECORD, data[: len(data) * 2 // 3], "cut", MOST)
    with pytest.raises(UserError, match="floating-point"):
        picture(RECORD, encoded(Image.new("F", (20, 20)), "tiff"), "float", MOST)
