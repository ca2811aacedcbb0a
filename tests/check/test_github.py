"""GitHub's workflow commands: one line each, with the place, whatever a name contains."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from caffelungo.check.files import Report
from caffelungo.check.github import workflow_commands
from caffelungo.errors import Location, Problem
from tests.lungo import lungo

COMMAND = re.compile(r"::(error|notice|warning) ([^:]*)::(.*)")
"""How a runner reads a line: name, properties, data (actions/toolkit, command.ts)."""


def read(line: str) -> tuple[str, dict[str, str], str]:
    match = COMMAND.fullmatch(line)
    assert match, line
    properties = dict(one.split("=", 1) for one in match[2].split(","))
    return match[1], {name: unescaped(text) for name, text in properties.items()}, unescaped(match[3])


def unescaped(text: str) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


def test_a_problem_and_a_notice_are_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text('layer { name: "r" type: "ReLu" bottom: "x" top: "r" }\n')
    Path("solver.prototxt").write_text('net: "net.prototxt"\nbase_lr: 0.1 lr_policy: "fixed"\n')
    ran = lungo("check", "solver.prototxt", "--github")
    assert ran.status == 2
    found = [read(line) for line in ran.out.splitlines() if line.startswith("::")]
    (problem,) = [one for one in found if "unknown layer type" in one[2]]
    assert problem[:2] == ("error", {"file": "net.prototxt", "line": "1", "col": "25", "title": "lungo check"})
    assert problem[2].splitlines()[1:] == ['received: type: "ReLu"', 'to do: did you mean "ReLU"?']
    assert ("notice", {"file": "solver.prototxt", "title": "lungo check"}) in [one[:2] for one in found]


def test_no_name_makes_a_line_or_a_property_of_its_own() -> None:
    hostile = "a,line=9::\n::set-env name=X::100%\r"
    report = Report(problems=[Problem(hostile, Location(hostile, 3, 4), hostile, hostile)], notices=[hostile])
    lines = list(workflow_commands(report))
    assert len(lines) == 2
    assert all("\n" not in line and "\r" not in line for line in lines)
    kind, properties, text = read(lines[0])
    assert (kind, properties) == ("error", {"file": hostile, "line": "3", "col": "4", "title": "lungo check"})
    assert text == f"{hostile}\nreceived: {hostile}\nto do: {hostile}"
    assert read(lines[1]) == ("notice", {"title": "lungo check"}, hostile)


def test_alike_problems_are_one_annotation() -> None:
    same = [Problem("x", Location("f", line, 1), "r", "do") for line in (2, 5)]
    (line,) = workflow_commands(Report(problems=same))
    assert read(line)[1]["line"] == "2"
    assert "on lines 2, 5" in line


def test_nothing_wrong_is_no_line() -> None:
    assert list(workflow_commands(Report())) == []
