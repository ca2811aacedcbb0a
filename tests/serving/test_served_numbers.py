"""A served net that predicts numbers: requests, and the page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.deploy.export import export
from caffelungo.deploy.options import ExportOptions
from caffelungo.inference.classify import open_judge
from caffelungo.serving.options import ServeOptions
from caffelungo.serving.service import Service
from tests.deploy.nets import random_weights
from tests.inference.test_number_answers import AGES
from tests.serving.chromium import BROWSER, Chromium
from tests.serving.conftest import RECORD
from tests.serving.running import Running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    path = tmp_path_factory.mktemp("served") / "ages.onnx"
    export(parse_net(AGES), random_weights(AGES), path, ExportOptions(record=RECORD))
    one = Running(Service(open_judge(path, "cpu", threads=1), ServeOptions(path)))
    yield one
    one.stop()


def test_numbers_by_name(service: Running, photos: list[bytes]) -> None:
    status, _, body = service.post("/classify", photos[0])
    assert status == 200
    (found,) = body["predictions"]
    assert list(found["numbers"]) == ["age", "height"]
    assert all(isinstance(value, float) for value in found["numbers"].values())
    about = service.get("/model")[2]
    assert about["numbers"] == [{"name": "age", "unit": "years"}, {"name": "height", "unit": ""}]
    assert about["classes"] is None
    assert about["map"] is None


def test_there_is_no_map(service: Running, photos: list[bytes]) -> None:
    status, _, body = service.post("/map", photos[0])
    assert status == 404
    assert "has no map" in body["what"]
    assert "/classify" in body["remedy"]


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_the_page_shows_numbers_with_their_units(service: Running, photos: list[bytes], tmp_path: Path) -> None:
    browser = Chromium(tmp_path / "profile")
    try:
        browser.open(f"http://127.0.0.1:{service.port}/")
        wanted = service.post("/classify", photos[3])[2]["predictions"][0]["numbers"]
        browser.drop("#drop", "a <b>photo</b>.jpg", photos[3])
        browser.wait("document.body.dataset.state === 'done'")
        rows = browser.run("[...document.querySelectorAll('li.value')].map(b => b.innerText.split('\\n'))")
        assert [row[0] for row in rows] == ["age", "height"]
        assert rows[0][1].endswith(" years")
        shown = [float(row[1].split()[0]) for row in rows]
        assert shown == pytest.approx(list(wanted.values()), rel=1e-3)
        assert browser.run("document.getElementById('map').hidden && document.getElementById('hint').hidden")
        assert browser.run("document.getElementById('picture').width") > 0
        assert not browser.complaints()
    finally:
        browser.close()
