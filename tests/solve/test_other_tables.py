"""`lungo test --data`: tables whose columns are matched by name with the labels and numbers that a net tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST
from caffelungo.errors import UserError
from caffelungo.solve import nets
from caffelungo.solve.open_test_net import _named
from caffelungo.solve.options import TestOptions
from tests.data import make

NUMBERS = 'number { name: "a" unit: "s" } number { name: "b" }'
LABELS = 'label: "bright" label: "clear"'


def read(folder: Path, told: str, text: str, columns: str | None = None, size: int = 2) -> tuple[np.ndarray, str]:
    """The rows of the pictures in the order of the net, and what is said of them."""
    make.pictures(folder, 3)
    table = folder / ("t.csv" if text.startswith("path") else "t.txt")
    table.write_text(text)
    net = nets.from_definition(
        parse_net(f"""lungo {{ {told} }}
        layer {{ name: "d" type: "ImageData" top: "data" top: "label" image_data_param {{ source: "x" batch_size: 1 }}
                 lungo {{ image_data {{ label_size: {size} }} }} }}""")
    )
    options = TestOptions(model="x", data=str(table), label_column=columns)
    named = _named(options, net, net_state(net.message, TEST))
    targets = named.lists["train"].targets
    assert targets is not None
    rows = [line.split()[1:] for line in named.judging.read_text().splitlines()]
    np.testing.assert_array_equal(np.array(rows, np.float32), targets)  # what the data layer will read
    return targets, "\n".join(named.notices)


@pytest.mark.parametrize("columns", [None, "b,a [s]", "a [s],b"])
def test_numbers_by_name(tmp_path: Path, columns: str | None) -> None:
    targets, _ = read(tmp_path, NUMBERS, "path,b,c,a [s]\nim0.png,1,9,2.5\nim1.png,3,9,4\n", columns)
    assert targets.tolist() == [[2.5, 1], [4, 3]]


@pytest.mark.parametrize(
    ("header", "columns", "said"),
    [
        ("path,b,a [min]", None, r"another unit[\s\S]*`a \[min\]`; the net predicts `a \[s\]`"),
        ("path,b,a", None, r"`a`; the net predicts `a \[s\]`"),
        ("path,b,aa [s]", "b,aa [s]", r"columns b, aa \[s\]; the net predicts a \[s\], b[\s\S]*`aa` may be `a`"),
        ("path,b,c", "b", r"columns b; the net predicts a \[s\], b"),
        ("path,u,v", None, r"which column holds the labels[\s\S]*the net tells a, b"),
    ],
)
def test_other_numbers_are_refused(tmp_path: Path, header: str, columns: str | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(tmp_path, NUMBERS, f"{header}\nim0.png,1,2.5\n", columns)


def test_a_list_has_no_names(tmp_path: Path) -> None:
    targets, said = read(tmp_path, NUMBERS, "im0.png 1 2.5\nim1.png 3 4\n")
    assert targets.tolist() == [[1, 2.5], [3, 4]]
    assert "in the order of the net: a [s], b" in said
    with pytest.raises(UserError, match="the net reads 2 numbers per picture"):
        read(tmp_path, NUMBERS, "im0.png 1 2.5 3\nim1.png 3 4 5\n")


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["clear", "bright", ""], [[0, 1], [1, 0], [0, 0]]),
        (["bright|clear", "?", "clear"], [[1, 1], [-1, -1], [0, 1]]),
        (["bright,clear", "", ""], [[1, 1], [0, 0], [0, 0]]),
        (["clear", "clear", "clear"], [[-1, 1]] * 3),
    ],
)
def test_tags_by_name(tmp_path: Path, cells: list[str], wanted: list[list[int]]) -> None:
    lines = "".join(f'im{number}.png,"{cell}"\n' for number, cell in enumerate(cells))
    assert read(tmp_path, LABELS, f"path,tags\n{lines}")[0].tolist() == wanted


def test_columns_of_labels_without_their_names(tmp_path: Path) -> None:
    targets, said = read(tmp_path, LABELS, "path,clear,note,bright\nim0.png,1,x,0\nim1.png,?,y,1\n")
    assert targets.tolist() == [[0, 1], [1, -1]]
    assert "labels are taken from columns `bright`, `clear`, as in the net" in said
    with pytest.raises(UserError, match="labels that the net does not tell"):
        read(tmp_path, LABELS, "path,tags\nim0.png,brigth\n")


def test_one_label(tmp_path: Path) -> None:
    text = "path,ripe\nim0.png,1\nim1.png,0\n"
    assert read(tmp_path, 'label: "ripe"', text, size=1)[0].tolist() == [[1], [0]]


def test_a_net_without_names_takes_any_columns(tmp_path: Path) -> None:
    text = "path,u,v\nim0.png,1,2.5\n"
    targets, said = read(tmp_path, 'number { name: "number1" } number { name: "number2" }', text, "v,u")
    assert targets.tolist() == [[2.5, 1]]
    assert "the net has no names of numbers" in said
