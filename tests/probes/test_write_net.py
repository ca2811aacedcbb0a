"""Rows that are kept, commands for a shell, and classifiers put into the place of their own weights."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.probes.candidates import ProbeCandidate
from caffelungo.probes.choose_candidate import LinearHead, TriedCandidate
from caffelungo.probes.penalty_path import PenaltyRow
from caffelungo.probes.write_net import commands, load_row, own_blobs, save_row
from tests.passes.nets import ANSWER, FIRE, view

ONE = ProbeCandidate("a", ("a",))
TRIED = TriedCandidate(
    ONE, 7, (PenaltyRow(1.0, 0.25, 0.5, 0.5, 3, True), PenaltyRow(0.1, 1 / 3, 0.4, 0.4, 9, False)), 0, 5, 10, 0.2, 0.8
)


def test_a_row_that_is_kept_is_the_same_row(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.row.json"
    assert load_row(path, ONE) is None
    save_row(path, TRIED)
    assert load_row(path, ONE) == TRIED
    other = ProbeCandidate("all", ("a", "b"))
    assert load_row(path, other) == TriedCandidate(other, *list(vars(TRIED).values())[1:])


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"rows": [{}]}', '{"rows": 3}', '{"rows": [], "more": 1}'])
def test_what_is_no_row_is_made_again(text: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(text)
    assert load_row(tmp_path / "x", ONE) is None


def test_commands_hold_for_any_name() -> None:
    for command, what in commands(Path("my photos 照片/it's")):
        words = shlex.split(command)
        assert words[0] == "lungo"
        assert any(word.startswith("my photos 照片/it's/") for word in words)
        assert what


def head(classes: int, features: int) -> LinearHead:
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(classes, features)), rng.normal(size=classes)
    return LinearHead(weight.astype(np.float32), bias.astype(np.float32), 1.0, True)


@pytest.mark.parametrize("transpose", [False, True])
def test_the_blobs_of_a_fully_connected_layer(transpose: bool) -> None:
    text = ANSWER.replace("num_output: 9", f"num_output: 9 transpose: {str(transpose).lower()}")
    given = head(9, 10)
    blobs = own_blobs(view(text).heads()[-1], given)["fc8"]
    assert np.array_equal(blobs[0], given.weight.T if transpose else given.weight)
    assert blobs[0].flags.c_contiguous
    assert np.array_equal(blobs[1], given.bias)


def test_the_blobs_of_a_convolution() -> None:
    blobs = own_blobs(view(FIRE).heads()[-1], head(1000, 12))["conv10"]
    assert blobs[0].shape == (1000, 12, 1, 1)


def test_a_classifier_without_a_bias_is_refused() -> None:
    with pytest.raises(UserError, match="`fc8` has no bias") as error:
        own_blobs(view(ANSWER.replace("num_output: 9", "num_output: 9 bias_term: false")).heads()[-1], head(9, 10))
    assert "remove bias_term" in str(error.value)
