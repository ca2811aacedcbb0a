"""The writer of JSON: what values become, where they go, and what is refused before work begins."""

from __future__ import annotations

import io
import json
import math
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from enum import Enum, IntEnum
from pathlib import Path

import numpy as np
import pytest

from caffelungo.errors import Location, Problem, UserError
from caffelungo.report import json_output


class Colour(Enum):
    RED = "red"


class Number(IntEnum):
    TWO = 2


@dataclass(frozen=True)
class Point:
    x: float
    where: Path


def test_values_become_json() -> None:
    given = {
        "float": math.nan, "inf": [math.inf, -math.inf, 1.5], "numpy": np.float32(0.5),
        "array": np.arange(4).reshape(2, 2),
        "none": None, "bool": True, "enum": Colour.RED, "int enum": Number.TWO, "path": Path("a/b"), 3: (1, 2),
        "point": Point(1.0, Path("p")), "generator": (k for k in range(2)), "object": Ellipsis,
        "problem": Problem("what", Location("f", 2, 3, "text"), "got", "do"),
    }  # fmt: skip
    read = json.loads(json_output.text(given))
    assert read == {
        "float": None, "inf": [None, None, 1.5], "numpy": 0.5, "array": [[0, 1], [2, 3]], "none": None, "bool": True,
        "enum": "red", "int enum": 2, "path": "a/b", "3": [1, 2], "point": {"x": 1.0, "where": "p"},
        "generator": [0, 1], "object": "Ellipsis",
        "problem": {"what": "what", "file": "f", "line": 2, "column": 3, "received": "got", "remedy": "do"},
    }  # fmt: skip


def test_a_document_is_ascii_and_cannot_steer_a_terminal() -> None:
    text = json_output.text({"name": "\x1b[2J\u202eä\udcff"})
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text) == {"name": "\x1b[2J\u202eä\udcff"}


def test_standard_output_has_the_document_alone() -> None:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        with json_output.kept_free("-") as stdout:
            print("for people")
            assert json_output.is_taken()
        assert not json_output.is_taken()
        json_output.write("-", {"a": 1}, stdout)
        print("afterwards")
    assert (out.getvalue(), err.getvalue()) == ('{\n  "a": 1\n}\nafterwards\n', "")


def test_a_file_leaves_standard_output_as_it_is(tmp_path: Path) -> None:
    out = io.StringIO()
    target = tmp_path / "a.json"
    with redirect_stdout(out):
        with json_output.kept_free(str(target)) as stdout:
            print("for people")
        json_output.write(str(target), [1], stdout)
    assert out.getvalue() == "for people\n"
    assert json.loads(target.read_text()) == [1]


def test_standard_output_takes_one_document() -> None:
    with (
        redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), json_output.kept_free("-"),
        pytest.raises(UserError, match="one document"), json_output.kept_free("-"),
    ):  # fmt: skip
        pass
    assert sys.stdout is not sys.stderr


@pytest.mark.parametrize(
    ("name", "overwrite", "told"),
    [
        ("weights.caffemodel", None, "ends in .json or .sarif"), ("list", None, "ends in .json"),
        ("there.json", False, "exists"), ("no/where.json", None, "does not exist"), ("folder", None, "a folder"),
        ("new", True, "ends in .json"),
    ],
)  # fmt: skip
def test_other_targets_are_refused(
    name: str, overwrite: bool | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights.caffemodel").write_bytes(b"weights")
    Path("there.json").write_text("{}")
    Path("folder").mkdir()
    with pytest.raises(UserError, match=told):
        json_output.refuse(name, overwrite)


def test_reports_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.json").write_text("{}")
    for name, overwrite in (("-", None), ("there.json", None), ("there.json", True), ("new.SARIF", False)):
        json_output.refuse(name, overwrite)
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe")
        json_output.refuse("pipe", False)
        json_output.refuse("pipe", None)
