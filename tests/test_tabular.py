"""CSV files: what a spreadsheet would compute is text, numbers are numbers, and names come back."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffelungo import tabular
from caffelungo.inference import result_files
from caffelungo.inference.predictions import Guess, Prediction, as_csv
from caffelungo.report import confusion, metrics_csv
from tests.support import REPOSITORY

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", "＝1+1", "-x.jpg", "=\"a\", 'b'"]


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_would_be_a_formula_is_text(text: str) -> None:
    assert tabular.escaped(text) == "'" + text
    assert tabular.plain(tabular.escaped(text)) == text
    cells = next(csv.reader(io.StringIO(tabular.as_text([text, 1], []), newline="")))
    assert cells == ["'" + text, "1"]


@pytest.mark.parametrize("cell", [-0.5, "-0.5", "+3", "-1e-7", "-inf", "-", "", "a=1", "'quoted", None, np.float32(-2)])
def test_everything_else_stays(cell: Any) -> None:
    assert tabular.escaped(cell) is cell
    if isinstance(cell, str):
        assert tabular.plain(cell) == cell


def test_names_in_every_table_are_text(tmp_path: Path) -> None:
    made = Prediction("=1+1.jpg", (Guess(0, "@cmd", 0.5),))
    rows = list(csv.reader(io.StringIO(as_csv([made]))))
    assert rows[1] == ["'=1+1.jpg", "1", "0", "'@cmd", "0.500000"]
    with result_files.csv_file(tmp_path / "infer.csv") as sink:
        sink.add(["=1+1.jpg"], [made], {})
    assert list(csv.reader((tmp_path / "infer.csv").read_text().splitlines())) == rows

    counted = metrics_csv.MetricsFile()
    counted.open(tmp_path / "metrics.csv")
    counted.add(1, 0.5, "train", {"=loss": -0.25})
    text = (tmp_path / "metrics.csv").read_text()
    assert "1,0.500,train,0,'=loss,-0.25" in text
    assert metrics_csv.read(tmp_path / "metrics.csv")[0][0] == metrics_csv.Point(1, "train", 0, "=loss", -0.25)

    confusion._csv(tmp_path / "c.csv", [["picture"], ["caf\udce9/=1.jpg"], ["=\udce9"]])
    assert (tmp_path / "c.csv").read_bytes() == b"picture\r\ncaf\xe9/=1.jpg\r\n'=\xe9\r\n"


def test_no_file_has_a_writer_of_its_own() -> None:
    own = [
        path.name
        for path in sorted((REPOSITORY / "engine").rglob("*.py"))
        if re.search(r"csv\.(writer|DictWriter)\(", path.read_text("utf-8"))
    ]
    assert own == ["tabular.py"]
