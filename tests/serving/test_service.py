"""The service over HTTP, as a client meets it."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from caffelungo.errors import RunError, UserError
from caffelungo.inference.classify import Classifier
from caffelungo.serving.options import ServeOptions
from caffelungo.serving.service import Service
from tests.serving.conftest import encoded
from tests.serving.running import Running
from tests.serving.test_bodies import FORM, form
from tests.serving.test_screening import png

Start = Callable[..., Running]


def test_answers_are_those_of_classify(start: Start, model: Path, photos: list[bytes], tmp_path: Path) -> None:
    service = start()
    paths = []
    for number, data in enumerate(photos):
        paths.append(tmp_path / f"{number}.img")
        paths[-1].write_bytes(data)
    expected = [[(guess.index, guess.label, pytest.approx(guess.probability, abs=2e-6)) for guess in one.guesses]
                for one in Classifier(model, "cpu").classify(paths, top=3)]  # fmt: skip

    def classes(answer: tuple[int, Any, Any]) -> Any:
        assert answer[0] == 200, answer
        return [[(one["index"], one["label"], one["probability"]) for one in each["classes"]]
                for each in answer[2]["predictions"]]  # fmt: skip

    assert [classes(service.post("/classify?top=3", data, "image/*"))[0] for data in photos] == expected
    files = form(*(("file", f"{number}.img", data) for number, data in enumerate(photos)), ("top", None, b"3"))
    answer = service.post("/classify", files, FORM)
    assert classes(answer) == expected
    assert [each["picture"] for each in answer[2]["predictions"]] == [path.name for path in paths]
    content = {"images": [base64.b64encode(data).decode() for data in photos], "top": 3}
    assert classes(service.post("/classify", json.dumps(content), "application/json")) == expected


def test_the_map_of_a_class(start: Start, photos: list[bytes]) -> None:
    service = start(max_batch=8)
    status, _, answer = service.post("/map?top=2", photos[0])
    assert status == 200
    assert answer["class"] == answer["classes"][0]
    assert answer["map"]["method"] == "occlusion"
    assert len(answer["map"]["values"]) == 19
    assert answer["view"].startswith("data:image/png;base64,")
    other = service.post("/map?class=2", photos[0])[2]
    assert other["class"]["label"] == "<b>drei</b> €"
    assert [one["probability"] for one in other["classes"] if one["index"] == 2] == [other["class"]["probability"]]
    assert service.metric("caffelungo_batch_size_bucket", le="8.0") == service.metric("caffelungo_batch_size_count")


def test_pictures_of_many_clients_go_through_the_net_together(start: Start, photos: list[bytes]) -> None:
    sizes = []

    def net(own: Any, images: Any) -> Any:
        sizes.append(len(images))
        time.sleep(0.02)
        return own(images)

    service = start(net, max_batch=8, deadline_ms=50)
    sizes.clear()
    with ThreadPoolExecutor(24) as clients:
        answers = list(clients.map(lambda k: service.post("/classify?top=5", photos[k % 6]), range(48)))
    assert {status for status, _, _ in answers} == {200}
    assert sum(sizes) == 48
    assert max(sizes) == 8
    assert len(sizes) <= 24
    for k, (_, _, answer) in enumerate(answers):  # nobody got another one's answer
        assert answer["predictions"][0]["classes"][0] == pytest.approx(
            answers[k % 6][2]["predictions"][0]["classes"][0]
        )
    assert service.metric("caffelungo_pictures_total") == 48
    assert service.metric("caffelungo_batch_size_count") == len(sizes)


def test_overload_is_told_at_once_and_passes(start: Start, photos: list[bytes]) -> None:
    go = threading.Event()
    go.set()

    def net(own: Any, images: Any) -> Any:
        go.wait(20)
        return own(images)

    service = start(net, max_batch=2, queue=4)
    go.clear()
    with ThreadPoolExecutor(4) as clients:
        held = [clients.submit(service.post, "/classify", photos[0]) for _ in range(4)]
        until = time.monotonic() + 10
        while service.service.admission.taken < 4 and time.monotonic() < until:
            time.sleep(0.01)
        for path in ("/classify", "/map"):
            started = time.monotonic()
            status, headers, body = service.post(path, photos[0] + bytes(200_000))
            assert time.monotonic() - started < 2
            assert status == 503
            assert int(headers["Retry-After"]) >= 1
            assert body["what"] == "the service is busy"
        assert service.get("/health")[0] == 200
        assert service.metric("caffelungo_refused_total", reason="overload") == 2
        go.set()
        assert [each.result()[0] for each in held] == [200] * 4
    assert service.post("/classify", photos[0])[0] == 200
    assert service.service.admission.taken == 0
    assert service.service.admission.held == 0


@pytest.mark.parametrize(
    ("body", "kind", "status", "what"),
    [
        (b"no picture", "image/jpeg", 415, "unsupported picture format"),
        (png(40_000, 40_000), "image/png", 413, "too many pixels"),
        (png(300, 300), "image/png", 422, "cannot be read"),
        (encoded(Image.new("F", (20, 20)), "tiff"), "image/tiff", 422, "cannot be read"),
        (encoded(Image.new("RGB", (40, 40)), "jpeg")[:-90], "image/jpeg", 422, "cannot be read"),
        (bytes(70_000), "image/png", 413, "too large"),
        (b"{", "application/json", 400, "not JSON"),
        (b"abc", "text/plain", 415, "unsupported Content-Type"),
        (form(*[("a", "a.png", b"x")] * 65), FORM, 413, "too many"),
    ],
)
def test_bad_requests(shared_service: Running, body: bytes, kind: str, status: int, what: str) -> None:
    for path in ("/classify", "/map"):
        got, headers, answer = shared_service.post(path, body, kind)
        assert (got, what in answer["what"]) == (status, True), answer
        assert {"what", "received", "remedy"} <= set(answer)
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert shared_service.service.admission.taken == 0


@pytest.fixture(scope="module")
def shared_service(model: Path) -> Any:
    running = Running(Service(Classifier(model, "cpu", threads=1), ServeOptions(model, max_bytes=65_536)))
    yield running
    running.stop()


def test_every_bad_picture_of_a_request_is_told(shared_service: Running, photos: list[bytes]) -> None:
    data = form(("a", "good.png", photos[0]), ("a", "text.txt", b"hello"), ("a", "cut.png", photos[0][:200]))
    status, _, answer = shared_service.post("/classify", data, FORM)
    assert status == 415
    assert [each["where"] for each in answer["problems"]] == ["text.txt", "cut.png"]


@pytest.mark.parametrize("query", ["top=0", "top=x", "top=", "top=1.5", "class=5", "class=-1"])
def test_options_that_are_none(shared_service: Running, photos: list[bytes], query: str) -> None:
    status, _, answer = shared_service.post(f"/map?{query}", photos[0])
    assert status == 400
    assert query.partition("=")[0] in answer["what"]


def test_the_other_routes(shared_service: Running, photos: list[bytes]) -> None:
    assert shared_service.get("/health")[::2] == (200, {"status": "live"})
    assert shared_service.get("/ready")[::2] == (200, {"status": "ready"})
    about = shared_service.get("/model")[2]
    assert about["model"] == "small.onnx"
    assert about["limits"]["bytes"] == 65_536
    assert about["size"] == [13, 11]
    status, _, answer = shared_service.get("/nothing")
    assert (status, answer["received"]) == (404, "GET /nothing")
    status, headers, answer = shared_service.get("/classify")
    assert (status, headers["Allow"]) == (405, "POST")
    assert "remedy" in answer
    shared_service.post("/classify", photos[0])
    status, headers, text = shared_service.get("/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert shared_service.metric("caffelungo_requests_total", route="/classify", status="200") >= 1
    assert shared_service.metric("caffelungo_request_seconds_count", route="/classify") >= 1
    assert shared_service.metric("caffelungo_ready") == 1
    assert b"process_resident_memory_bytes" in text


def test_not_ready_and_a_net_that_fails(start: Start, photos: list[bytes]) -> None:
    broken: list[bool] = []

    def net(own: Any, images: Any) -> Any:
        if broken:
            raise RunError("the device is gone")
        return own(images)

    service = start(net)
    broken.append(True)
    status, _, answer = service.post("/classify", photos[0])
    assert (status, answer["received"]) == (500, "the device is gone")
    broken.clear()
    assert service.post("/classify", photos[0])[0] == 200
    service.service.state = "stopping"
    assert service.get("/ready")[0] == 503
    assert service.get("/health")[0] == 200
    status, headers, _ = service.post("/classify", photos[0])
    assert (status, headers["Retry-After"]) == (503, "1")


def test_a_fixed_batch_is_refused(model: Path) -> None:
    classifier = Classifier(model, "cpu")
    classifier.session.shapes[classifier.input.name][0] = 4
    with pytest.raises(UserError, match="fixed batch size"):
        Service(classifier, ServeOptions(model))
    classifier.session.shapes[classifier.input.name][0] = 1
    assert Service(classifier, ServeOptions(model)).max_batch == 1
