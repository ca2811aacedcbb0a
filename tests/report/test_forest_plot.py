"""The forest picture shows each number where it belongs, in words too, and keeps its words apart."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from PIL import Image

from caffelungo.report.forest_plot import (
    ABOVE,
    BELOW,
    CROSSING,
    LONGEST_TITLE,
    PLAIN,
    IntervalRow,
    draw,
    figure,
    shortened,
)
from caffelungo.study.statistics import Interval, MeanDifference

NEW, ALL = "only new layers learn", "everything learns"
ROWS = [
    IntervalRow("fine-tuning", group=NEW, value=Interval(76.9, 73.1, 80.4), reference=True),
    IntervalRow("fine-tuning", group=ALL, value=Interval(79.6, 76.0, 83.1), reference=True),
    IntervalRow("wider", MeanDifference(4.6, 1.3, 8.1), NEW, value=Interval(81.5, 78.0, 84.7)),
    IntervalRow("wider, raw $x_1$", MeanDifference(-6.7, -10.2, -3.1), ALL, value=Interval(72.9, 68.8, 76.7)),
    IntervalRow("deeper", MeanDifference(-0.4, -3.0, 2.2), NEW, value=Interval(76.5, 72.6, 80.1)),
    IntervalRow(
        "wide from the start " * 5,
        group=ALL,
        failed="the loss is not finite, at every one of the rates that were tried\n2",
    ),
    IntervalRow("recursive", group=NEW, failed=""),
]


def drawn(axis) -> dict[int, tuple[float, float, float, str]]:
    """By line of the picture: mean, low, high and colour."""
    found: dict[int, list] = {}
    for line in axis.lines:
        xs, ys = np.atleast_1d(line.get_xdata()), np.atleast_1d(line.get_ydata())
        if len(set(ys)) == 1:
            found.setdefault(int(ys[0]), []).append((list(xs), to_hex(line.get_color())))
    return {
        at: (point[0], *ends, colour) for at, [(ends, colour), (point, _)] in found.items() if len(ends) == 2
    }  # fmt: skip


def test_numbers_are_where_they_belong() -> None:
    left, right = figure(ROWS, "title").axes
    grouped = {1: 0, 2: 2, 3: 4, 6: 1, 7: 3}
    """Lines 0 and 5 are the names of the groups; 4 and 8 failed."""
    values, differences = drawn(left), drawn(right)
    assert values.keys() == grouped.keys()
    for at, index in grouped.items():
        value = ROWS[index].value
        assert value is not None
        assert values[at] == (value.mean, value.low, value.high, PLAIN)
    assert differences == {
        2: (4.6, 1.3, 8.1, ABOVE.lower()), 3: (-0.4, -3.0, 2.2, CROSSING.lower()),
        7: (-6.7, -10.2, -3.1, BELOW.lower()),
    }  # fmt: skip
    for axis in (left, right):
        low, high = axis.get_xlim()
        assert all(low < span[1] <= span[2] < high for span in drawn(axis).values())
    assert right.get_xlim()[0] < 0 < right.get_xlim()[1]


def test_words_and_failures() -> None:
    left, right = figure(ROWS, "title").axes
    of_left, of_right = ({text.get_text() for text in axis.texts} for axis in (left, right))
    assert {NEW, ALL, "fine-tuning", "wider, raw $x_1$", "81.5 [78.0, 84.7]"} <= of_left
    assert {"failed: the loss is not finite, at every one of the r…", "failed"} <= of_left
    assert {"reference", "+4.6 [+1.3, +8.1]", "-6.7 [-10.2, -3.1]", "failed"} <= of_right


@pytest.mark.parametrize("rows", [ROWS, [row for row in ROWS if not row.reference], ROWS[-2:], ROWS[:1], ROWS * 6])
def test_words_lie_within_the_picture_and_apart(rows: list[IntervalRow]) -> None:
    picture = figure(rows, "Which arm is best")
    canvas = FigureCanvasAgg(picture)
    canvas.draw()
    boxes = [text.get_window_extent() for axis in picture.axes for text in axis.texts if text.get_text()]
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= picture.bbox.x1
        assert box.y1 <= picture.bbox.y1
    for one, other in combinations(boxes, 2):
        assert not (one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1)
    assert min(axis.get_window_extent().width for axis in picture.axes) > 0.15 * picture.bbox.width


def test_only_panels_with_numbers_are_drawn() -> None:
    gains = [IntervalRow(row.title, row.difference, row.group, row.failed) for row in ROWS if not row.reference]
    assert [axis.get_xlabel() for axis in figure(gains).axes] == ["difference, points"]
    values = [IntervalRow("a", value=Interval(50, 40, 60))]
    assert [axis.get_xlabel() for axis in figure(values, value="accuracy").axes] == ["accuracy"]
    assert "not compared" in {text.get_text() for text in figure([*gains, IntervalRow("x")]).axes[0].texts}


def test_differences_on_one_side_still_show_zero() -> None:
    (axis,) = figure([IntervalRow("a", MeanDifference(50, 49, 51))]).axes
    assert axis.get_xlim()[0] < 0


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        [],
        [IntervalRow("a", failed="x")],
        [IntervalRow("名前 ßж", MeanDifference(0, 0, 0), "类")],
        [IntervalRow("a", group="b")],
    ],
)
def test_it_is_written(rows: list[IntervalRow], tmp_path: Path) -> None:
    path = tmp_path / "intervals.png"
    draw(rows, path, title="名")
    with Image.open(path) as picture:
        assert picture.width > 800
        assert np.asarray(picture.convert("L")).min() < 60
    assert [one.name for one in tmp_path.iterdir()] == ["intervals.png"]


def test_colours_are_on_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "intervals.png"
    draw(ROWS, path)
    with Image.open(path) as picture:
        colours = {to_hex(np.array(colour[:3]) / 255) for _, colour in picture.convert("RGB").getcolors(2**20)}
    assert {ABOVE.lower(), BELOW.lower(), CROSSING.lower(), PLAIN} <= colours


def test_long_words_are_cut() -> None:
    assert shortened("a" * LONGEST_TITLE, LONGEST_TITLE) == "a" * LONGEST_TITLE
    assert shortened("a" * 100, 10) == "a" * 9 + "…"
    assert shortened("one\ntwo", 10) == "one"
    assert shortened("", 10) == ""
