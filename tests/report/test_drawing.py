from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from caffelungo.definition import catalogue
from caffelungo.definition.reader import read_net
from caffelungo.passes.base import run, step
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.recursive import RecursiveOptions, recursive
from caffelungo.passes.view import View
from caffelungo.plan.cost import costs
from caffelungo.report.cost_table import amount, print_costs
from caffelungo.report.drawing import NEW, draw, layout
from tests.passes.nets import ALEX, net

GROWN = run(net(ALEX), [step(recursive, RecursiveOptions((("fc7", UnitOptions(6)),)))]).definition


def test_new_parts_are_coloured_and_far_ones_folded() -> None:
    boxes = layout(View(net(ALEX)).plan, View(GROWN).plan)
    states = {box.lines[0]: box.state for box in boxes}
    assert {name for name, state in states.items() if state == "new"} >= {
        "fc6_new",
        "fc7_new",
        "norm6",
        "fc8_recursive",
    }
    assert states["fc6"] == states["fc7"] == "old"
    assert states["loss"] == "changed"
    places = [(box.row, round(box.x, 3)) for box in boxes]
    assert len(set(places)) == len(places)
    assert all(boxes[source].row < box.row for box in boxes for source in box.above)


def test_a_large_net_is_folded() -> None:
    found = catalogue.find("resnet50")
    before = read_net(found.deploy, found.deploy_variables)
    after = run(before, [step(recursive, RecursiveOptions((("res5c", UnitOptions(6)),)))]).definition
    boxes = layout(View(before).plan, View(after).plan)
    assert len(boxes) < 40
    assert any(box.state == "folded" and box.count > 30 for box in boxes)


def test_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "net.png"
    draw(View(net(ALEX)).plan, View(GROWN).plan, path, "grown")
    pixels = np.asarray(Image.open(path).convert("RGB"))
    colour = np.array([int(NEW[k : k + 2], 16) for k in (1, 3, 5)])
    assert (pixels == colour).all(-1).sum() > 1000


def test_the_table_marks_what_changed() -> None:
    stream = io.StringIO()
    print_costs(costs(View(net(ALEX)).plan), costs(View(GROWN).plan), Console(file=stream, width=160))
    lines = stream.getvalue().splitlines()
    assert any(line.startswith("+") and "fc7_new" in line for line in lines)
    assert any(line.startswith("-") and " fc8 " in line for line in lines)
    assert "total" in lines[-2]


def test_amounts() -> None:
    assert [amount(value) for value in (0, 999, 1000, 37_748_736, None)] == ["0", "999", "1K", "37.7M", "?"]
    assert amount(2048, memory=True) == "2KB"
