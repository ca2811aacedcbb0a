"""The table and the picture of a probe."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from PIL import Image
from rich.console import Console

from caffelungo.probes.candidates import ProbeCandidate
from caffelungo.probes.choose_candidate import TriedCandidate
from caffelungo.probes.penalty_path import PenaltyRow
from caffelungo.probes.table import draw, table

ROWS = [
    TriedCandidate(
        ProbeCandidate(name, (name,)),
        10 * place,
        (PenaltyRow(0.5, 0.321, 0.75, 0.625, 3, True),),
        0,
        75,
        100,
        0.657,
        0.825,
    )
    for place, name in enumerate(("conv1", "fire9/concat", "a[b]"), 1)
]


def test_a_row_a_layer_and_the_choice_is_marked() -> None:
    out = StringIO()
    Console(file=out, width=120).print(table(ROWS, ROWS[1]))
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert len(lines) == 4
    assert [line[0] for line in lines[1:]] == ["conv1", ">", "a[b]"]
    values = ["20", "0.5", "75.0%", "65.7%", "to", "82.5%", "62.5%", "0.321"]
    assert lines[2] == [">", "fire9/concat", *values]


def test_the_picture_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw(ROWS, ROWS[1], tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 600
        assert len(image.convert("RGB").getcolors(1 << 20) or []) > 10
    draw(ROWS, ROWS[0], tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes() != (tmp_path / "a.png").read_bytes()
