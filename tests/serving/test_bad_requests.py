"""Pictures that are none, or not as the net's own, over HTTP: each is told for itself, and the service goes on."""

from __future__ import annotations

import base64
import json
import resource
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest

from caffelungo.inference.classify import Classifier
from caffelungo.inference.onnx_engine import OnnxEngine
from caffelungo.serving.options import ServeOptions
from caffelungo.serving.service import Service
from tests.deploy import bad_files
from tests.deploy.test_bad_files import COLOURS
from tests.serving.running import Running
from tests.serving.test_bodies import FORM, form

JPEG, PNG = (bad_files.encoded(bad_files.photo(), kind) for kind in ("JPEG", "PNG"))
BAD: dict[str, tuple[bytes, int, str, str]] = {
    "a text": (b"this is no picture", 415, "unsupported picture format", "18 bytes"),
    "a page": (b"<!doctype html><title>404</title>", 415, "unsupported picture format", "33 bytes"),
    "half a JPEG": (JPEG[: len(JPEG) // 2], 422, "cannot be read", "truncated"),
    "half a PNG": (PNG[: len(PNG) // 2], 422, "cannot be read", "truncated"),
    "a JPEG's first bytes": (JPEG[:20], 422, "", "20 bytes"),
    "a PNG of 40,000": (bad_files.png(40_000, 40_000), 413, "too many pixels", "1600000000 pixels"),
    "a JPEG of 40,000": (bad_files.huge_jpeg(), 413, "too many pixels", "1600000000 pixels"),
    "a PNG of 6,000": (bad_files.png(6_000, 6_000), 413, "too many pixels", "6000x6000 = 36000000 pixels"),
    "an ONNX file": (b"\x08\x0a" + bytes(40), 415, "unsupported picture format", "42 bytes"),
}


@pytest.fixture(scope="module")
def service(model: Path) -> Iterator[Running]:
    running = Running(Service(Classifier(model, "cpu", threads=1), ServeOptions(model)))
    yield running
    running.stop()


@pytest.mark.parametrize("way", ["raw", "form", "JSON"])
@pytest.mark.parametrize("name", BAD)
def test_no_picture(service: Running, name: str, way: str) -> None:
    data, status, what, received = BAD[name]
    sent: dict[str, tuple[bytes, str]] = {
        "raw": (data, "image/jpeg"),
        "form": (form(("a", "mine.jpg", data)), FORM),
        "JSON": (json.dumps({"image": base64.b64encode(data).decode()}).encode(), "application/json"),
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in ("/classify", "/map"):
        got, _, answer = service.post(path, *sent[way])
        assert got == status or (name == "a JPEG's first bytes" and got == 415), answer
        assert what in answer["what"]
        assert received in answer["received"]
        assert answer["remedy"]
        assert answer["where"] == {"raw": "picture", "form": "mine.jpg", "JSON": "picture 1"}[way]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    assert service.post("/classify", PNG)[0] == 200
    assert service.service.admission.taken == 0


def test_a_refused_size_names_one_limit(service: Running) -> None:
    answer = service.post("/classify", bad_files.huge_jpeg())[2]
    assert "25000000" in answer["remedy"]
    assert "89478485" not in answer["received"]


def test_an_empty_file_in_a_form(service: Running) -> None:
    status, _, answer = service.post("/classify", form(("a", "empty.jpg", b""), ("b", "whole.png", PNG)), FORM)
    assert (status, answer["where"], answer["received"]) == (415, "empty.jpg", "no bytes")


def test_a_method_that_does_not_fit_names_the_one_that_does(service: Running) -> None:
    status, headers, answer = service.request("PUT", "/classify", PNG, "image/png")
    assert (status, headers["Allow"]) == (405, "POST")
    assert "POST" in answer["remedy"]


@pytest.fixture(scope="module")
def grey_model(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``model`` for grey pictures: its first filter's channels are summed up, which is the net of R = G = B."""
    made = onnx.load(model)
    by_name = {one.name: one for one in made.graph.initializer}
    conv = next(node for node in made.graph.node if node.op_type == "Conv")
    weight = onnx.numpy_helper.to_array(by_name[conv.input[1]])
    by_name[conv.input[1]].CopyFrom(onnx.numpy_helper.from_array(weight.sum(1, keepdims=True), conv.input[1]))
    mean = next(one for one in made.graph.initializer if tuple(one.dims) in ((1, 3, 1, 1), (3, 1, 1)))
    values = onnx.numpy_helper.to_array(mean).mean(-3, keepdims=True)
    mean.CopyFrom(onnx.numpy_helper.from_array(values, mean.name))
    gather = next(node for node in made.graph.node if node.op_type == "Gather")
    for node in made.graph.node:
        node.input[:] = [gather.input[0] if name == gather.output[0] else name for name in node.input]
    made.graph.node.remove(gather)
    del made.graph.value_info[:]
    made.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 1
    for entry in made.metadata_props:
        if entry.key == "input":
            entry.value = entry.value.replace("RGB", "GRAY")
        if entry.key == "preprocessing":
            entry.value = "resize_height: 15 resize_width: 12 crop_height: 13 crop_width: 11 channel_order: GRAY"
    path = tmp_path_factory.mktemp("grey") / "grey.onnx"
    onnx.save(made, path)
    return path


@pytest.mark.parametrize("grey", [False, True])
def test_other_channels_are_taken_as_opencv_takes_them(
    grey: bool, model: Path, grey_model: Path, service: Running, tmp_path: Path
) -> None:
    file = grey_model if grey else model
    running = Running(Service(Classifier(file, "cpu", threads=1), ServeOptions(file))) if grey else service
    engine = OnnxEngine(file, "cpu")
    try:
        for name, write in COLOURS.items():
            path = tmp_path / name
            write(str(path))
            read = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
            small = cv2.resize(read, (12, 15), interpolation=cv2.INTER_LINEAR)[1:14, 0:11]
            given = small[:, :, None] if grey else small[:, :, ::-1]
            row = engine.run({"image": np.ascontiguousarray(given)[None]})["prob"][0]
            status, _, answer = running.post("/classify?top=5", path.read_bytes())
            assert status == 200, (name, answer)
            found = {one["index"]: one["probability"] for one in answer["predictions"][0]["classes"]}
            near = 2e-2 if name in ("cmyk.jpg", "deep.png") else 2e-6
            assert [found[index] for index in range(5)] == pytest.approx(row, abs=near), name
    finally:
        if grey:
            running.stop()


def test_bytes_that_were_made_to_fail(service: Running) -> None:
    """Headers of many kinds of files with nonsense behind them are the client's mistake, never the service's."""
    rng = np.random.default_rng(0)
    heads = [JPEG[:200], PNG[:60],
             b"RIFF\x40\0\0\0WEBPVP8 ", b"BM" + struct.pack("<IIIII", 60, 0, 54, 40, 9), b"GIF89a",
             b"II*\0\x08\0\0\0", b"P6 9 9 255\n", b"\0\0\0\x0cjP  \r\n\x87\n"]  # fmt: skip
    for head in heads:
        for length in (0, 40, 400):
            status, _, answer = service.post("/classify", head + rng.bytes(length))
            assert status in (413, 415, 422) or (status == 200 and head[:2] == b"P6"), (head, answer)


def test_the_page_names_the_picture(start: Callable[..., Running], tmp_path: Path, photos: list[bytes]) -> None:
    from tests.serving.chromium import BROWSER, Chromium

    if BROWSER is None:
        pytest.skip("needs Chromium")
    browser: Any = Chromium(tmp_path / "profile")
    try:
        running = start()
        browser.open(f"http://127.0.0.1:{running.port}/")
        assert browser.run("document.getElementById('curl').textContent") == (
            f"curl -F a=@photo.jpg http://127.0.0.1:{running.port}/classify"
        )
        for data, what in ((JPEG[:700], "cut <b>.jpg: picture cannot be read"),
                           (bad_files.huge_jpeg(), "cut <b>.jpg: picture has too many pixels")):  # fmt: skip
            browser.drop("#drop", "cut <b>.jpg", data)
            browser.wait(f"document.getElementById('problem').innerText.includes({json.dumps(what)})")
        browser.drop("#drop", "whole.png", photos[0], "image/png")
        browser.wait("document.body.dataset.state === 'done'")
        assert browser.run("document.getElementById('problem').hidden")
        for width in (1200, 390):
            browser.screenshot(tmp_path / f"{width}.png", width)
            assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    finally:
        browser.close()
