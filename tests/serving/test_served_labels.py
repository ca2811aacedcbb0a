"""A served net that tells several labels: requests, and the page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from caffelungo.inference.classify import open_judge
from caffelungo.serving.options import ServeOptions
from caffelungo.serving.service import Service
from tests.inference.test_label_answers import NAMES, exported
from tests.serving.chromium import BROWSER, Chromium
from tests.serving.running import Running


@pytest.fixture(scope="module", params=[0.0, 1.0], ids=["all", "none"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Thresholds that every label reaches, and that none does."""
    path = exported(tmp_path_factory.mktemp("served"), thresholds=(request.param,) * 3).path
    one = Running(Service(open_judge(path, "cpu", threads=1), ServeOptions(path)))
    yield one
    one.stop()


def test_labels_above_their_thresholds(service: Running, photos: list[bytes]) -> None:
    about = service.get("/model")[2]
    assert about["classes"] == list(NAMES)
    every = about["thresholds"] == [0.0] * 3
    status, _, body = service.post("/classify", photos[0])
    assert status == 200
    (found,) = body["predictions"]
    assert list(found["scores"]) == list(NAMES)
    given = [one["label"] for one in found["labels"]]
    assert given == (sorted(NAMES, key=lambda name: -found["scores"][name]) if every else [])


def test_a_map_is_of_the_most_probable_label_or_the_one_asked_for(service: Running, photos: list[bytes]) -> None:
    status, _, body = service.post("/map", photos[0])
    assert status == 200
    assert body["class"]["label"] == max(body["scores"], key=lambda name: body["scores"][name])
    assert service.post("/map?class=2", photos[0])[2]["class"]["label"] == "dog"


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_the_page_shows_the_labels(service: Running, photos: list[bytes], tmp_path: Path) -> None:
    browser = Chromium(tmp_path / "profile")
    try:
        browser.open(f"http://127.0.0.1:{service.port}/")
        wanted = service.post("/classify", photos[3])[2]["predictions"][0]["labels"]
        browser.drop("#drop", "photo.jpg", photos[3])
        browser.wait("document.body.dataset.state === 'done'")
        rows = browser.run("[...document.querySelectorAll('#classes li')].map(b => b.innerText.split('\\n')[0])")
        assert rows == ([one["label"] for one in wanted] or ["None of the labels"])
        assert not browser.complaints()
    finally:
        browser.close()
