"""Rows of numbers instead of one label: in lists, in tables, and as the second top of ImageData."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.check import files
from caffelungo.data import named_pictures, target_rows
from caffelungo.data.image_list import read_list, write_list, write_names
from caffelungo.data.picture_table import PictureColumns, read_table
from caffelungo.data.sources import open_source
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST, TRAIN, NetState
from caffelungo.errors import UserError
from caffelungo.plan.build_plan import build_plan
from tests.data import make

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(
    rows=st.integers(1, 4).flatmap(lambda k: st.lists(st.lists(FINITE, min_size=k, max_size=k), min_size=1, max_size=5))
)
def test_a_list_reads_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]]) -> None:
    path = tmp_path_factory.mktemp("l") / "list.txt"
    write_list(path, [(f"my picture {number}.jpg", row) for number, row in enumerate(rows)])
    found = read_list(path, label_size=len(rows[0]))
    assert found.names == [f"my picture {number}.jpg" for number in range(len(rows))]
    assert found.targets is not None
    assert found.targets.dtype == np.float32
    np.testing.assert_array_equal(found.targets, np.array(rows, np.float32))
    again = path.with_name("again.txt")
    write_list(again, [(name, found.target(index)) for index, name in enumerate(found.names)])
    assert again.read_bytes() == path.read_bytes()


def test_numbers_are_written_as_short_as_they_read() -> None:
    assert target_rows.row_text([1, 0, -1, 0.1, 1 / 3, 1e30]) == "1 0 -1 0.1 0.33333334 1e+30"


def test_every_wrong_line_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("a.jpg 1 0\nb.jpg 1\nc 1.jpg 1 x\nd.jpg nan 0\ne.jpg 1e39 0\n f.jpg 0.5 -2\n")
    with pytest.raises(UserError) as caught:
        read_list(path, label_size=2)
    assert [one.where.line for one in caught.value.problems if one.where] == [2, 3, 4, 5]
    assert {one.what for one in caught.value.problems} == {"the line does not end with 2 numbers"}
    assert [one.received for one in caught.value.problems] == ["1 number", "`x`", "`nan`", "`1e39`"]
    slips: list[Any] = []
    kept = read_list(path, label_size=2, problems=slips)
    assert (kept.names, len(slips), kept.target(1)) == (["a.jpg", "f.jpg"], 4, (0.5, -2.0))


def test_names_of_the_numbers_stand_beside_the_list(tmp_path: Path) -> None:
    write_list(tmp_path / "list.txt", [("a.jpg", (1, 0))])
    assert read_list(tmp_path / "list.txt", label_size=2).target_names == ()
    write_names(tmp_path / "labels.txt", ["cat", "tall grass"])
    assert read_list(tmp_path / "list.txt", label_size=2).target_names == ("cat", "tall grass")
    write_names(tmp_path / "labels.txt", ["cat", "grass", "dog"])
    assert read_list(tmp_path / "list.txt", label_size=2).target_names == ()
    assert read_list(tmp_path / "list.txt", label_size=2).where(0).text == "a.jpg 1 0"


def test_a_folder_has_no_numbers(tmp_path: Path) -> None:
    make.classes(tmp_path, {"a": 1, "b": 1})
    with pytest.raises(UserError, match="need a list"):
        read_list(tmp_path, label_size=3)


def rows_of(folder: Path, cells: list[list[str]], columns: PictureColumns) -> named_pictures.NamedPictures:
    for number in range(len(cells) - 1):
        make.save(folder / f"{number}.png", make.picture(number))
    with (folder / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows(["path" if n == 0 else f"{n - 1}.png", *row] for n, row in enumerate(cells))
    return named_pictures.resolve(folder / "t.csv", columns, rows=True)


def test_columns_of_labels(tmp_path: Path) -> None:
    named = rows_of(tmp_path, [["cat", "dog"], ["1", "0"], ["?", "1"], ["", "-1"]], PictureColumns(label="cat,dog"))
    pictures = named.lists["train"]
    assert (pictures.target_names, named.label_size) == (("cat", "dog"), 2)
    assert pictures.targets is not None
    assert pictures.targets.tolist() == [[1, 0], [-1, 1], [-1, -1]]
    assert target_rows.are_labels(pictures.targets)
    assert "3 labels are unknown" in named.notices[-1]
    listed = read_list(named.source, label_size=2)
    assert listed.target_names == ("cat", "dog")
    np.testing.assert_array_equal(listed.targets, pictures.targets)


def test_columns_of_numbers(tmp_path: Path) -> None:
    named = rows_of(tmp_path, [["age", "size"], ["1", "0.5"], ["3e1", "-7"]], PictureColumns(label="age, size"))
    targets = named.lists["train"].targets
    assert targets is not None
    assert targets.tolist() == [[1, 0.5], [30, -7]]
    assert not target_rows.are_labels(targets)
    one = rows_of(tmp_path, [["age"], ["1"], ["0"]], PictureColumns(label="age", numbers=True)).lists["train"]
    assert one.targets is not None
    assert one.targets.tolist() == [[1], [0]]
    assert one.target_names == ("age",)


def test_a_value_to_predict_is_a_finite_number(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        rows_of(tmp_path, [["a", "b"], ["1", ""], ["x", "2"], ["2", "inf"], ["1", "2"]], PictureColumns(label="a,b"))
    assert [(one.where.line if one.where else 0, one.received) for one in caught.value.problems] == [
        (2, "column b: empty"), (3, "column a: x"), (4, "column b: inf"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "names", "rows"),
    [
        (["cat|grass", "grass", "", "?"], ["cat", "grass"], [[1, 1], [0, 1], [0, 0], [-1, -1]]),
        (["b; a", "a;c", "c"], ["a", "b", "c"], [[1, 1, 0], [1, 0, 1], [0, 0, 1]]),
        (["cat,dog", "dog", "cat"], ["cat", "dog"], [[1, 1], [0, 1], [1, 0]]),
    ],
)
def test_several_labels_in_a_cell(tmp_path: Path, cells: list[str], names: list[str], rows: list[list[int]]) -> None:
    named = rows_of(tmp_path, [["tags"], *([cell] for cell in cells)], PictureColumns())
    pictures = named.lists["train"]
    assert pictures.targets is not None
    assert (list(pictures.target_names), pictures.targets.tolist()) == (names, rows)
    assert "hold several labels" in " ".join(named.notices)


@pytest.mark.parametrize("cells", [["tench, Tinca tinca", "goldfish, Carassius auratus"], ["a b, c"], ["cat", "dog"]])
def test_a_comma_may_belong_to_a_name(cells: list[str]) -> None:
    assert target_rows.separator(cells) is None


def test_columns_that_do_not_go_together(tmp_path: Path) -> None:
    cells = [["cat", "dog"], ["1", "0"]]
    with pytest.raises(UserError, match="did you mean --label-column cat"):
        rows_of(tmp_path, cells, PictureColumns(label="cta,dog"))
    with pytest.raises(UserError, match="same column"):
        rows_of(tmp_path, cells, PictureColumns(label="path,dog"))
    (tmp_path / "u.csv").write_text('path,"a,b"\n0.png,x\n0.png,y\n')
    assert read_table(tmp_path / "u.csv", PictureColumns(label="a,b")).pictures.classes == ("x", "y")


@pytest.mark.parametrize(
    ("text", "names", "rows"),
    [
        ("im0.png 1 0\nim1.png 0 1\n", (), [[1, 0], [0, 1]]),
        ("im0.png cat\nim1.png dog cat\n", ("cat", "dog"), [[1, 0], [1, 1]]),
        ("im0.png cat|dog\n\nim1.png\n", ("cat", "dog"), [[1, 1], [0, 0]]),
    ],
)
def test_lists_are_recognised(tmp_path: Path, text: str, names: tuple[str, ...], rows: list[list[int]]) -> None:
    make.pictures(tmp_path, 2)
    (tmp_path / "tags.txt").write_text(text)
    named = named_pictures.resolve(tmp_path / "tags.txt", rows=True)
    pictures = named.lists["train"]
    assert pictures.targets is not None
    assert (pictures.target_names, pictures.targets.tolist()) == (names, rows)
    np.testing.assert_array_equal(read_list(named.source, label_size=2).targets, pictures.targets)
    with pytest.raises(UserError, match="several labels, where one"):
        named_pictures.resolve(tmp_path / "tags.txt")


@pytest.mark.parametrize("text", ["my cat 1.jpg 0\n", "a.jpg 0\nb.jpg 1\n", "pictures/a 1\n", "a.jpg cat\nb.jpg dog\n"])
def test_lists_of_one_label_stay_what_they_are(text: str) -> None:
    assert target_rows.kind_of_list(text.splitlines()) == "label"


def data_layer(source: Path, own: str = "label_size: 2", more: str = "", fields: str = "") -> str:
    return (
        f'name: "d" type: "ImageData" top: "data" top: "label" image_data_param {{ source: "{source}" batch_size: 2 '
        f"new_height: 8 new_width: 8 {fields} }} lungo {{ image_data {{ {own} }} }} {more}"
    )


def in_net(text: str) -> Any:
    return parse_net(f"layer {{ {text} }}").message.layer[0]


def rows_list(folder: Path) -> Path:
    make.pictures(folder, 3)
    path = folder / "rows.txt"
    write_list(path, [(f"im{number}.png", (number, 0.5 * number)) for number in range(3)])
    return path


def test_the_layer_gives_rows(tmp_path: Path) -> None:
    source: Any = open_source(in_net(data_layer(rows_list(tmp_path))), TEST)
    batch = source.finish(source.batch(1))
    assert batch[1].tolist() == [[2, 1], [0, 0]]
    assert source.shapes[1] == (2, 2)
    assert source.labels() is None
    assert [block.tolist() for _, block in source.blocks(1)] == [[[0, 0], [1, 0.5], [2, 1]]]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(source)).batch(1).arrays[1], batch[1])
    train: Any = open_source(in_net(data_layer(tmp_path / "rows.txt")), TRAIN, seed=3)
    order = np.concatenate([train.order.samples(k)[1] for k in range(3)])
    assert np.concatenate([train.batch(k).arrays[1] for k in range(3)])[:, 0].tolist() == order.tolist()


def test_shapes_of_the_plan_and_mistakes() -> None:
    def plan(text: str) -> Any:
        return build_plan(parse_net(f"layer {{ {text} }}").message, NetState(phase=TRAIN))

    path = Path("x.txt")
    assert plan(data_layer(path)).layers[0].top_shapes == ((2, 3, 8, 8), (2, 2))
    assert plan(data_layer(path, "")).layers[0].top_shapes[1] == (2,)
    with pytest.raises(UserError) as caught:
        plan(data_layer(path, "label_size: 2 class_balanced: true", "transform_param { lungo { label_offset: 1 } }"))
    text = str(caught.value)
    assert "class_balanced needs pictures with one label" in text
    assert "label_offset is for pictures with one label" in text
    with pytest.raises(UserError, match="label_size"):
        plan(data_layer(path, "label_size: 10001"))


def test_check_judges_the_lines_as_the_layer_reads_them(tmp_path: Path) -> None:
    path = rows_list(tmp_path)
    net = tmp_path / "net.prototxt"
    net.write_text(f"layer {{ {data_layer(path)} }}")
    assert not files.check([net, path]).problems
    path.write_text(path.read_text() + "im0.png 1\nnowhere.png 1 2\n")
    problems = files.check([net]).problems
    assert [(one.what, one.where.line if one.where else 0) for one in problems] == [
        ("the line does not end with 2 numbers", 4), ("picture not found", 5),
    ]  # fmt: skip


def test_labels_in_the_order_of_a_net(tmp_path: Path) -> None:
    named = rows_of(tmp_path, [["tags"], ["dog|cat"], ["dog"], [""]], PictureColumns())
    again = named_pictures.with_labels(named, ["dog", "bird", "cat"])
    pictures = again.lists["train"]
    assert pictures.targets is not None
    assert pictures.targets.tolist() == [[1, -1, 1], [1, -1, 0], [0, -1, 0]]
    assert "nothing is known of 1 label: bird" in again.notices[-1]
    np.testing.assert_array_equal(read_list(again.source, label_size=3).targets, pictures.targets)
    assert named_pictures.with_labels(named, ["cat", "dog"]) is named
    with pytest.raises(UserError, match="labels that the net does not tell") as caught:
        named_pictures.with_labels(named, ["cats", "bird"])
    assert caught.value.problems[0].received == "cat, dog"
    assert "did you mean cats" in str(caught.value)
