"""The page stands alone, is well-formed, and shows text as it was given."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from caffelungo.report.html_page import Page, TableCell, embedded, number, thumbnail
from tests.report.html import read

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"></svg>'


def figure() -> Figure:
    drawn = Figure(figsize=(1, 1))
    drawn.subplots().plot([0, 1])
    return drawn


def full_page() -> Page:
    page = Page("A & B", lead="a <lead>", foot="a foot")
    first = page.section("Same title", "Some <script>alert(1)</script> text.")
    first.table(["name", "value"], [["x", 1.5], ["<y>", None], ["z", TableCell("0.5", tone="good", hint='say "so"')]])
    first.figure(figure(), "a caption").figure(SVG, alt="a drawing").notice("look here").code("lungo inspect")
    second = page.section("Same title")
    second.facts({"a": 1, "b": "c"}).pictures([thumbnail(np.zeros((4, 6), np.uint8), "cat")])
    second.table(["unit", "pictures"], [[3, [thumbnail(np.zeros((4, 6, 3), np.uint8), alt="dog")]]], folded="all")
    page.section("").files([Path("report") / "numbers.csv"])
    return page


def test_stands_alone_and_is_well_formed(tmp_path: Path) -> None:
    path = full_page().write(tmp_path / "index.html")
    reader = read(path.read_text(encoding="utf-8"))
    assert {"Some <script>alert(1)</script> text.", "<y>", "a <lead>", "look here"} <= set(reader.texts)
    assert "numbers.csv" in reader.values("href")
    assert 'say "so"' in reader.values("title")


def test_columns_of_numbers_are_right_aligned() -> None:
    page = Page("t")
    page.section("s").table(["a", "b", "c"], [["x1", 1, "+4.6 [1.3, 8.1]"], ["y", None, "-"]])
    head = page.html().split("<thead>")[1].split("</thead>")[0]
    assert head.count('class="number"') == 2
    assert '<th scope="col">a</th>' in head


def test_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells under 1"):
        Page("t").section("s").table(["a"], [[1, 2]])


def test_unknown_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="neither PNG"):
        embedded(b"GIF89a")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (float("nan"), "–"), (0.123456, "0.1235"), (3, "3"), (np.float32(2), "2"), ("2 %", "2 %")],
)
def test_number(value: object, text: str) -> None:
    assert number(value) == text


def test_exact_thumbnail_keeps_pixels() -> None:
    pixels = np.arange(4, dtype=np.uint8).reshape(2, 2) * 60
    source = thumbnail(pixels, side=8, exact=True).source
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))
    assert np.array_equal(image, pixels.repeat(4, 0).repeat(4, 1))


def test_large_thumbnail_is_made_small() -> None:
    source = thumbnail(np.zeros((900, 1200, 3), np.uint8), side=96).source
    assert Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).size == (192, 144)
