"""Cells: their address, their order, what they are made of; and the files they read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.errors import UserError
from caffelungo.study.cells import Cell, CellPlace, Inputs, in_order, load
from caffelungo.study.cells.cell import packed, unpacked, version_of

ADD = "tests.study.kinds:add"
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def cell(value: object = 1, *needs: Cell, title: str = "") -> Cell:
    return Cell(ADD, {"value": value}, needs, title)


def test_the_address_is_the_content() -> None:
    assert cell(1).key == cell(1, title="other").key == cell(1.0).key
    assert Cell(ADD, {"a": 1, "b": [2, "x"]}).key == Cell(ADD, {"b": (2, "x"), "a": 1}).key
    different = [
        cell(1), cell(2), cell(1.5), cell(True), cell("1"), cell(None), cell([1]), cell(1, cell(1)),
        cell(1, cell(1), cell(2)), cell(1, cell(2), cell(1)), cell(1, cell(1, cell(1))),
        Cell(ADD, {}), Cell(ADD, {"valuf": 1}), Cell("tests.study.kinds:fail", {"value": 1}),
    ]  # fmt: skip
    assert len({one.key for one in different}) == len(different)
    assert len({cell(1), cell(1.0), cell(2)}) == 2


def test_the_address_stays_the_same_from_version_to_version() -> None:
    """Results that people have computed are found again; the number is SHA-256 of the canonical text, by hand."""
    assert cell(0.5, cell(2.0)).key == "a593b52cf3f919d91cf97907d39f648b173a0b60d485aa46792197b9ef11c056"


def test_a_new_version_of_the_code_is_another_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "counted_up.py").write_text("VERSION = 1\n")
    before = Cell("counted_up:f", {}).key
    (tmp_path / "counted_up.py").write_text("import gone\nVERSION = 2\n")
    version_of.cache_clear()
    assert Cell("counted_up:f", {}).key != before
    version_of.cache_clear()


def test_a_module_without_version_and_one_that_is_not_there_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "uncounted.py").write_text("version = 1\n")
    with pytest.raises(UserError, match=r"uncounted.py: a cell's module has no VERSION"):
        _ = Cell("uncounted:f", {}).key
    for kind in ("nowhere.at.all:f", "nowhere:f", ":f", ""):
        with pytest.raises(UserError, match="a missing module"):
            _ = Cell(kind, {}).key


def test_fields_are_copied_and_must_be_json() -> None:
    fields = {"list": [1]}
    one = Cell(ADD, fields)
    key = one.key
    fields["list"].append(2)
    assert Cell(ADD, one.fields).key == key == Cell(ADD, {"list": [1]}).key
    for bad in (float("nan"), float("inf"), {1}, b"x", Path("x")):
        with pytest.raises(UserError, match="not JSON"):
            Cell(ADD, {"value": bad})


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=4), st.dictionaries(st.text(), JSON_VALUES, max_size=4))
def test_a_cell_survives_the_way_to_its_worker(fields: dict, others: dict) -> None:
    base = Cell(ADD, others, title="base")
    one = Cell(ADD, fields, (base, Cell(ADD, {"x": fields}, (base,))), "top")
    back = unpacked(json.loads(json.dumps(packed(one))))
    assert back == one
    assert (back.title, back.needs[1].needs[0].title) == ("top", "base")
    assert len(packed(one)) == len({each.key for each in in_order([one])})


def test_needs_come_first_and_each_once() -> None:
    a = cell("a")
    b, c = cell("b", a), cell("c", a)
    d = cell("d", b, c)
    assert [one.fields["value"] for one in in_order([c, d, a, d])] == ["a", "c", "b", "d"]


def test_a_long_chain_of_shared_needs_stays_small() -> None:
    one = cell(0)
    for level in range(40):
        one = cell(level, one, Cell(ADD, {"beside": level}, (one,)))
    assert len(packed(one)) == 81


def test_a_result_that_something_else_changed_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "cells" / "abc"
    folder.mkdir(parents=True)
    assert load(tmp_path, "abc") is None
    for text in ("", "{", "[]", "{}", '{"status": "done"}'):
        (folder / "result.json").write_text(text)
        with pytest.raises(UserError, match=r"result.json: this is not the result"):
            load(tmp_path, "abc")


def test_inputs_are_named_by_their_content(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path / "study")
    file = tmp_path / "a.caffemodel"
    file.write_bytes(b"weights")
    name = inputs.add(file)
    # printf weights | sha256sum
    assert name == "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c.caffemodel"
    assert inputs.add(b"weights", ".caffemodel") == inputs.add("weights", ".caffemodel") == name
    assert inputs.path(name).read_bytes() == b"weights"
    file.write_bytes(b"changed")
    assert inputs.path(name).read_bytes() == b"weights"
    assert inputs.add(file) != name
    assert inputs.add("weights") == name.partition(".")[0]
    assert len(list((tmp_path / "study" / "inputs").iterdir())) == 3
    assert CellPlace(tmp_path, tmp_path / "study").inputs.path(name) == inputs.path(name)


def test_inputs_that_are_missing_or_no_ids(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path)
    with pytest.raises(UserError, match="missing"):
        inputs.path("0" * 64 + ".txt")
    for name in ("../secret", "0" * 63, "0" * 64 + "/x", "0" * 64 + "./../../x", ""):
        with pytest.raises(UserError, match="not the id"):
            inputs.path(name)
    with pytest.raises(FileNotFoundError):
        inputs.add(tmp_path / "gone.txt")
    with pytest.raises(UserError, match="not the id"):
        inputs.add("text", "/../x")
    assert not (tmp_path / "inputs").exists()


def test_a_cell_is_addressed_without_its_module_being_imported() -> None:
    code = (
        "import sys; from caffelungo.study.cells import Cell\n"
        "Cell('tests.study.kinds:torch', {}).key; sys.exit('tests.study.kinds' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
