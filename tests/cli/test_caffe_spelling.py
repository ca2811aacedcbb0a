"""Caffe's way of writing flags, and what must stay as it was typed."""

from __future__ import annotations

import shlex

import pytest
import typer.main

from caffelungo.cli.caffe_spelling import caffe_spelling
from caffelungo.cli.main import app

VERBS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        ("train -solver x -weights y -gpu 0", "train --solver x --weights y --gpu 0"),
        ("train --solver=x --weights=y", "train --solver=x --weights=y"),
        ("train -solver=a=b", "train --solver=a=b"),
        ("train --solver x --sighup_effect=stop", "train --solver x --sighup-effect=stop"),
        ("train -sigint_effect none -solver x", "train --sigint-effect none --solver x"),
        ("test -model m -weights w -iterations 50", "test --model m --weights w --iterations 50"),
        ("time -model m -phase TEST -level 1 -stage a,b", "time --model m --phase TEST --level 1 --stage a,b"),
        ("convert_imageset -resize_height=256 -encode_type png a/ b c",
         "convert_imageset --resize-height=256 --encode-type png a/ b c"),
        ("convert_imageset -gray=true --shuffle=false --encoded=1 -check_size=0 a/ b c",
         "convert_imageset --gray --encoded a/ b c"),
        ("grow n -normalize=false -o g", "grow n --no-normalize -o g"),
        ("train -solver x --debug", "train --solver x --debug"),
    ],
)  # fmt: skip
def test_caffes_flags(given: str, ours: str) -> None:
    assert caffe_spelling(shlex.split(given), VERBS) == shlex.split(ours)


@pytest.mark.parametrize(
    "line",
    [
        "train --solver x --early-stop -1",
        "train --solver x --gpu -1",
        "train --solver -my_solver.prototxt",
        "grow net.prototxt -o -my_net.prototxt --widen fc_7:10",
        "grow -- -my_net.prototxt -o_o",
        "test --model m --weights w -q -o out_folder",
        "finetune net --data my_photos --set head_name=fc_8 -o mine",
        "check -1.5 - -.5 -5_x",
        "compute_image_mean some_db",
        "-h",
        "",
    ],
)
def test_values_stay_as_they_are(line: str) -> None:
    assert caffe_spelling(shlex.split(line), VERBS) == shlex.split(line)


def test_an_option_without_its_value_is_left_to_be_told() -> None:
    assert caffe_spelling(["train", "-solver"], VERBS) == ["train", "--solver"]


def test_verbs_keep_their_underscores() -> None:
    for verb in VERBS:
        assert caffe_spelling([verb], VERBS) == [verb]
