"""The page in a real browser: a picture is dropped on it, and what it then shows is what the service said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.serving.chromium import BROWSER, Chromium
from tests.serving.running import Running

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    one = Chromium(tmp_path / "profile")
    yield one
    one.close()


def test_a_picture_is_dropped_and_its_classes_and_map_are_seen(
    browser: Chromium, start: Callable[..., Running], photos: list[bytes]
) -> None:
    service = start()
    home = f"http://127.0.0.1:{service.port}/"
    browser.open(home)
    assert "5 classes, on cpu" in browser.run("document.getElementById('about').textContent")
    assert browser.run("document.getElementById('result').hidden")

    expected = service.post("/map?top=5", photos[3])[2]
    browser.drop("#drop", "my <i>photo</i>.jpg", photos[3])
    browser.wait("document.body.dataset.state === 'done'")
    rows = browser.run("[...document.querySelectorAll('button.class')].map(b => b.innerText.split('\\n'))")
    labels = ["tench", "two", "<b>drei</b> €", "four", "fünf"]
    assert [row[0] for row in rows] == [labels[one["index"]] for one in expected["classes"]]
    for row, one in zip(rows, expected["classes"], strict=True):
        assert abs(float(row[1].removesuffix(" %")) / 100 - one["probability"]) < 1e-3
    assert browser.run("document.getElementById('name').textContent") == "my <i>photo</i>.jpg"
    assert browser.run("document.getElementById('how').textContent") == expected["map"]["how"]
    assert browser.run("document.querySelectorAll('button.class[aria-pressed=true]').length") == 1

    # The map colours the picture, and without it the picture is what the net saw.
    pixel = """(() => { const c = document.getElementById('picture');
        return [c.width, c.height, ...c.getContext('2d').getImageData(%d, %d, 1, 1).data]; })()"""
    values = expected["map"]["values"]
    row = max(range(len(values)), key=lambda k: max(values[k]))
    column = values[row].index(max(values[row]))
    width, height = browser.run(pixel % (0, 0))[:2]
    assert height == 448
    spot = (int((column + 0.5) * width / len(values[0])), int((row + 0.5) * height / len(values)))
    slide = """(() => { const s = document.getElementById('strength');
        s.value = %d; s.dispatchEvent(new Event('input')); })()"""
    browser.run(slide % 100)
    red, green, blue = browser.run(pixel % spot)[2:5]
    assert red > 200
    assert green > 200
    assert blue < 90
    browser.run(slide % 0)
    assert browser.run(pixel % spot)[2:5] != [red, green, blue]

    # Another class has another map.
    last = expected["classes"][-1]
    browser.run("document.querySelectorAll('button.class')[4].click()")
    browser.wait("document.body.dataset.state === 'done' && "
                 "document.querySelectorAll('button.class')[4].getAttribute('aria-pressed') === 'true'")  # fmt: skip
    assert labels[last["index"]] in browser.run("document.getElementById('picture').getAttribute('aria-label')")

    # What is no picture is told, and its words are text.
    browser.drop("#drop", "<img src=x onerror=alert(1)>", b"no picture")
    browser.wait("document.body.dataset.state === 'refused'")
    told = browser.run("document.getElementById('problem').innerText")
    assert "unsupported picture format" in told
    assert "to do: send JPEG" in told
    assert browser.run("document.getElementById('result').hidden")

    assert all(url.startswith((home, "data:", "blob:")) for url in browser.requested())
    # The refused picture's status is the only thing the console may speak of.
    assert all("415" in str(event) for event in browser.complaints()), browser.complaints()
