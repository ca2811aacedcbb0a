"""Files that are no pictures or no models, as users and strangers have them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from PIL import Image

from tests.deploy.nets import SMALL

HUGE = 40_000
"""Pixels on a side: 4.8 GB when decoded."""


def photo(height: int = 40, width: int = 50, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(image: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def png(width: int, height: int, rows: bytes = bytes(100)) -> bytes:
    """A PNG whose header claims a size; ``rows`` are what is behind it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def huge_jpeg() -> bytes:
    """A JPEG of 40 x 50 whose frame header claims ``HUGE`` x ``HUGE``."""
    data = bytearray(encoded(photo(), "JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", HUGE, HUGE)
    return bytes(data)


def pictures(folder: Path) -> None:
    """``text.jpg``, ``empty.jpg``, ``cut.jpg``, ``cut.png``, ``huge.png``, ``huge.jpg``."""
    folder.mkdir(exist_ok=True)
    whole = {kind: encoded(photo(), kind.upper().replace("JPG", "JPEG")) for kind in ("jpg", "png")}
    (folder / "text.jpg").write_text("this is no picture\n")
    (folder / "empty.jpg").touch()
    for kind, data in whole.items():
        (folder / f"cut.{kind}").write_bytes(data[: len(data) // 2])
    (folder / "huge.png").write_bytes(png(HUGE, HUGE))
    (folder / "huge.jpg").write_bytes(huge_jpeg())


def models(folder: Path, good: Path) -> None:
    """What is no model, made of the exported classifier ``good``: see ``MODELS`` in ``test_bad_files``."""
    folder.mkdir(exist_ok=True)
    data = good.read_bytes()
    (folder / "empty.onnx").touch()
    (folder / "text.onnx").write_text("no model\n")
    (folder / "cut.onnx").write_bytes(data[: len(data) // 2])
    (folder / "folder.onnx").mkdir()
    (folder / "net.prototxt").write_text(SMALL)
    (folder / "photo.onnx").write_bytes(encoded(photo(), "PNG"))
    (folder / "link").symlink_to("/etc/passwd")
    for name, location in {"relative": "../../etc/passwd", "absolute": "/etc/passwd", "through_link": "link"}.items():
        model = onnx.load(good)
        tensor = next(one for one in model.graph.initializer if len(one.dims) == 4)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
    model = onnx.load(good)
    model.graph.node[0].op_type = "NoSuchOperator"
    (folder / "operator.onnx").write_bytes(model.SerializeToString())
    for name, key, value in (
        ("input", "input", "{broken"),
        ("labels", "labels", '{"a": 1}'),
        ("old", "caffelungo.format", "0"),
        ("name", "input", '{"name": [], "layout": "NHWC", "type": "uint8", "channels": "RGB", "resize": ""}'),
        ("half", "labels", '["a", "b", "\\ud83d", "d", "e"]'),
        ("scale", "preprocessing", "scale: nan"),
    ):
        model = onnx.load(good)
        for entry in model.metadata_props:
            if entry.key == key:
                entry.value = value
        onnx.save(model, folder / f"{name}.onnx")
    model = onnx.load(good)
    model.graph.node[-1].input[0] = "nowhere"
    (folder / "nowhere.onnx").write_bytes(model.SerializeToString())
    model = onnx.load(good)
    model.opset_import[0].version = 99
    (folder / "future.onnx").write_bytes(model.SerializeToString())
    model = onnx.load(good)
    del model.metadata_props[:]
    onnx.save(model, folder / "foreign.onnx")
    model = onnx.load(good)
    model.graph.output[0].name = model.graph.node[-1].input[0]
    model.graph.node.pop()
    model.metadata_props.remove(next(entry for entry in model.metadata_props if entry.key == "classifier"))
    onnx.save(model, folder / "scores.onnx")
    strings = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.STRING, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.STRING, ["n"])],
    )  # fmt: skip
    onnx.save(helper.make_model(strings, opset_imports=[helper.make_opsetid("", 20)], ir_version=10),
              folder / "strings.onnx")  # fmt: skip
