"""Names of a user's files on a terminal: shown, never obeyed."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from caffelungo.cli.main import run
from caffelungo.errors import Location, Problem
from caffelungo.report.glog import CaffeLog
from caffelungo.report.terminal import Terminal
from caffelungo.visible import VisibleStream, on_one_line, shortened, visible

STEERING = "".join(
    map(chr, [*range(9), *range(11, 32), *range(127, 160), 0x202E, 0x2066, 0x2028, 0xFEFF, 0xDCE9, 0xD800])
)
STRAY = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2066\u2028\ufeff\ud800-\udfff]")
NAME = r"x\033[31m\033]0;pwned\007\nI0101 forged] line"
NET = f"""
name: "{NAME}"
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 2 }} }} }}
layer {{ name: "{NAME}" type: "InnerProduct" bottom: "data" top: "{NAME}" inner_product_param {{ num_output: 2 }} }}
layer {{ name: "{NAME}2" type: "Nope" bottom: "{NAME}" top: "b" }}
"""


def test_every_character_that_steers_is_written_out() -> None:
    assert not STRAY.search(visible(STEERING))
    assert visible("a\x1b[2J\r\x9b\u202e\udce9\tb\nc é 漢 \u200d") == "a\\x1b[2J\\r\\x9b\\u202e\\xe9\tb\nc é 漢 \u200d"
    assert on_one_line("a\nb") == "a\\nb"
    assert visible(visible(STEERING)) == visible(STEERING)
    assert shortened("a" * 30, 30) == "a" * 30
    assert len(shortened("a" * 100_000, 30)) < 40


def test_a_problem_keeps_its_caret_and_its_lines() -> None:
    line = "layer { na\x1bme: 3 }"
    shown = str(Problem("wrong `a\n/etc/passwd: b`", Location("f\nile", 1, 16, line), "\x1b]0;", "x" * 9000))
    first, second, third, fourth, fifth, *_ = shown.split("\n")
    assert (first, second) == ("f\\nile:1:16: wrong `a", "    /etc/passwd: b`")
    assert third == "    layer { na\\x1bme: 3 }"
    assert third[fourth.index("^")] == line[15] == "3"
    assert fifth == "  received: \\x1b]0;"
    assert len(shown) < 3000


def test_a_table_shows_a_name_as_it_is() -> None:
    out = io.StringIO()
    table = Table()
    table.add_column("layer")
    table.add_row("a\x1b[2Jb [red]c[/] :smile:")
    console = Terminal(file=out, force_terminal=True, width=80, color_system="standard")
    console.print(table)
    console.print("d\x1b[2Je", style="bold")
    text = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())  # its own colours
    assert "a\\x1b[2Jb [red]c[/] :smile:" in text
    assert "d\\x1b[2Je" in text
    assert "\x1b" not in text


def test_a_name_begins_no_line_of_the_log(tmp_path: Path) -> None:
    said: list[str] = []
    log = CaffeLog(echo=said.append)
    log.info("net.cpp:1", "layer a\nI0101 00:00:00 1 solver.cpp:1] Iteration 9, loss = 0\x1b[2J", below="name: 1\n")
    log.open(tmp_path / "train.log")
    log.close()
    for text in (said[0], (tmp_path / "train.log").read_text().rstrip("\n")):
        first, second = text.split("\n")
        assert first.endswith("layer a\\nI0101 00:00:00 1 solver.cpp:1] Iteration 9, loss = 0\\x1b[2J")
        assert second == "name: 1"


def test_a_stream_writes_what_it_is_given_and_is_else_the_stream_below() -> None:
    stream = VisibleStream(below := io.StringIO())
    assert stream.write("a\x1bb\n") == 4
    stream.writelines(["c\x07"])
    assert below.getvalue() == "a\\x1bb\nc\\x07"
    assert not stream.isatty()


@pytest.mark.parametrize("verb", ["check", "time --iterations 1 --model"])
def test_no_verb_sends_an_escape(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = tmp_path / "net.prototxt"
    net.write_text(NET if verb == "check" else NET[: NET.rindex("layer")])
    monkeypatch.chdir(tmp_path)
    before = sys.stdout, sys.stderr
    with pytest.raises(SystemExit):
        run([*verb.split(), str(net)])
    assert (sys.stdout, sys.stderr) == before
    written = "".join(capsys.readouterr())
    assert "x\\x1b[31m" in written or r"x\033[31m" in written
    assert not STRAY.search(written)
    assert not any(line.startswith("I0101") for line in written.splitlines())


def test_nothing_reaches_a_real_terminal(tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt"
    net.write_text(NET)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "caffelungo", "check", str(net)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 65536):
                written += piece
        except OSError:  # the end of a terminal
            pass
    os.close(ours)
    assert b"x\\x1b[31m" in written
    assert b"\x1b[31m" not in written
    assert b"\x1b]" not in written
    assert b"\x07" not in written
    assert b"\x1b[?25l" in written  # the progress bar hides the cursor
    assert b"\\x1b[2K" not in written
