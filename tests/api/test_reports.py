"""What public functions return: tables for people and for pandas, JSON, HTML; the options they take."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import caffelungo as cl
from caffelungo.api import values
from caffelungo.api.verb_report import ROWS


def test_a_table_is_rows_and_columns() -> None:
    table = cl.DataTable([{"a": 1, "b": "x"}, {"a": 2, "c": 0.5}])
    assert table[1]["a"] == 2
    assert isinstance(table[:1], cl.DataTable)
    assert table.names == ["a", "b", "c"]
    assert table.columns == {"a": [1, 2], "b": ["x", None], "c": [None, 0.5]}
    assert repr(table).splitlines() == ["a  b    c", "1  x", "2     0.5"]
    assert repr(cl.DataTable()) == "(no rows)"


def test_a_long_table_is_shown_without_its_middle() -> None:
    table = cl.DataTable({"k": k} for k in range(10 * ROWS))
    lines = repr(table).splitlines()
    assert len(lines) == ROWS + 2
    assert (lines[1].strip(), lines[-1].strip()) == ("0", str(10 * ROWS - 1))
    assert "..." in lines[ROWS // 2 + 1]
    assert table._repr_html_().count("<tr>") == ROWS + 2
    assert len(table.columns["k"]) == 10 * ROWS


def test_html_holds_no_markup_of_names() -> None:
    table = cl.DataTable([{"<i>": "<script>alert(1)</script>"}])
    assert "<script>" not in table._repr_html_()
    assert "<i>" not in table._repr_html_()
    assert cl.Text("a < b")._repr_html_() == "<pre>a &lt; b</pre>"


def test_reports_are_json(work: Path) -> None:
    report = cl.check(["mine/solver.prototxt", "wrong.prototxt"])
    assert not report
    plain = json.loads(json.dumps(report.plain(), allow_nan=False))
    assert [row["path"] for row in plain["files"]][:1] == ["mine/solver.prototxt"]
    assert plain["problems"][0]["line"] == 2
    with pytest.raises(cl.UserError) as caught:
        report.raise_problems()
    assert caught.value.problems == report.problems
    assert "InnerProdct" in repr(report)
    assert "InnerProdct" in report._repr_html_()
    cl.check("mine/solver.prototxt").raise_problems()


def test_values_that_are_not_finite_are_null() -> None:
    table = cl.DataTable([{"x": math.nan, "y": np.float32(0.5), "z": np.arange(2)}])
    assert table.plain() == [{"x": None, "y": 0.5, "z": [0, 1]}]


def test_what_python_gives_is_what_the_command_line_takes() -> None:
    assert (
        values.names("a.caffemodel, b.h5") == values.names(["a.caffemodel", Path("b.h5")]) == ["a.caffemodel", "b.h5"]
    )
    assert values.paths("a,b.png") == ["a,b.png"]
    assert values.units({"fc7": 8}, "--widen") == values.units("fc7:8", "--widen") == [("fc7", 8)]
    assert values.side(64) == values.side("64") == values.side((64, 64)) == (64, 64)
    assert values.height_width((3, 4), "--resize") == (3, 4)
    assert values.height_width(3, "--resize") == (3, 0)
    assert values.numbers([1, 2], "--batch", int) == values.numbers("1,2", "--batch", int) == [1, 2]
    assert values.shapes({"data": [1, 2]}) == {"data": (1, 2)}
    assert values.variables({"a": 1}) == values.variables(["a=1"]) == {"a": 1}
    assert values.settings({"max_iter": 3, "debug_info": True}) == ["max_iter=3", "debug_info=true"]
    for wrong in (lambda: values.numbers([0], "--batch", int), lambda: values.units({"fc7": 0}, "--widen")):
        with pytest.raises(cl.UserError, match="must be"):
            wrong()


def test_a_file_may_have_a_comma_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert values.names("a,b.h5") == ["a", "b.h5"]
    Path("a,b.h5").touch()
    assert values.names("a,b.h5") == ["a,b.h5"]


def test_grow_and_task_options_do_not_mix(work: Path) -> None:
    with pytest.raises(cl.UserError, match="goes with `task=`"):
        cl.grow("squeezenet1.1", output="x.prototxt", widen={"fire9/concat": 4}, passes=3)
    with pytest.raises(cl.UserError, match="leaves the old net as it is"):
        cl.grow("squeezenet1.1", output="x", task="photos", deepen={"fire9/concat": 4})
    with pytest.raises(cl.UserError, match="none is named"):
        cl.grow(output="x", task="photos")
    assert not Path("x.prototxt").exists()


def test_a_task_is_added(work: Path, tmp_path: Path) -> None:
    made = cl.grow("mine/train_val.prototxt", weights="mine/start.caffemodel", task="photos", name="again",
                   output=tmp_path / "two", passes=1, quiet=True)  # fmt: skip
    assert made.tasks[-1] == "again"
    assert made.solver == str(tmp_path / "two" / "solver.prototxt")
    assert Path(made.solver).is_file()


def test_costs_and_figures_of_a_rewrite(work: Path, tmp_path: Path) -> None:
    made = cl.grow("squeezenet1.1", output=tmp_path / "g.prototxt", widen={"fire9/concat": 4}, draw=tmp_path / "g.png")
    rows = {row["layer"]: row for row in made.costs}
    assert rows["fire9/concat_new"]["parameters before"] is None
    assert rows["fire9/concat_new"]["parameters after"] > 0
    assert (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")
    assert made.diff.startswith("---")


def test_differences_are_drawn(work: Path) -> None:
    found = cl.diff(["mine/start.caffemodel", "mine/start.caffemodel"])
    assert len(found.draw().axes[0].get_yticklabels()) == len(found.layers)
    with pytest.raises(cl.UserError, match="two or more"):
        cl.diff(["mine/start.caffemodel"])
