"""`lungo verify`, and that what grows a net names it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.lungo import lungo
from tests.passes.nets import ANSWER, net
from tests.passes.numbers import random_blobs


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("answer.prototxt").write_text(ANSWER)
    formats.write("answer.caffemodel", Weights(random_blobs(net(ANSWER))), net(ANSWER).message)


def told(out: str) -> list[str]:
    """The words of the command that a verb named as the next one."""
    line = next(line for line in out.splitlines() if "lungo verify " in line)
    return shlex.split(line[line.index("lungo ") :])[1:]


@pytest.mark.parametrize(
    ("words", "status", "verdict"),
    [
        (("grow", "answer.prototxt", "--widen", "fc7:6"), 0, "the scores of `fc8_wide` for `fc8` are new"),
        (("grow", "answer.prototxt", "--widen", "fc7:6", "--keep-head"), 0, "the scores of `fc8` are "),
        (("rewrite", "answer.prototxt", "--cast", "all"), 0, "the scores of `fc8_conv` for `fc8` are equal"),
        (("rewrite", "answer.prototxt", "--normalize", "fc7", "--keep-head"), 1, "CHANGED: the first old blob"),
    ],
)
def test_the_next_command_verifies(words: tuple[str, ...], status: int, verdict: str) -> None:
    made = lungo(*words, "--weights", "answer.caffemodel", "-o", "out.prototxt")
    assert made.status == 0
    ran = lungo(*told(made.out))
    assert ran.status == status
    assert verdict in ran.out.splitlines()[-1]


def test_kinds_of_output() -> None:
    made = lungo("grow", "answer.prototxt", "--widen", "fc7:6", "-o", "out.prototxt")
    words = told(made.out)
    assert words == ["verify", "answer.prototxt", "out.prototxt"]
    assert lungo(*words, "-q").out == ""
    read = json.loads(lungo(*words, "--json").out)
    assert read["kept"] is True
    whole, short = lungo(*words, "--all").out, lungo(*words).out
    assert len(whole.splitlines()) > len(short.splitlines())
    assert "data ... relu7" in short
    assert lungo("grow", "answer.prototxt", "--widen", "fc7:6", "-o", "two.prototxt", "-q").out == ""


def test_refusals() -> None:
    ran = lungo("verify", "answer.prototxt", "none.prototxt")
    assert ran.status == 2
    assert "there is no such file" in ran.err
    ran = lungo("verify", "answer.prototxt", "answer.prototxt", "--shape", "data")
    assert ran.status == 2
    changed = random_blobs(net(ANSWER), seed=9)
    formats.write("other.caffemodel", Weights(changed))
    ran = lungo("verify", "answer.prototxt", "answer.prototxt", "--weights", "answer.caffemodel", "--after-weights",
                "other.caffemodel", "-q")  # fmt: skip
    assert ran.status == 1
    assert ran.err.startswith("CHANGED: ")
