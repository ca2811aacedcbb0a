"""What a rewrite prints as the next step trains the new net, as it is printed; and commands are quoted."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest

from caffelungo import shell
from caffelungo.definition.reader import read_solver
from caffelungo.rewriting.rewrite import commented
from caffelungo.weights import Weights, formats
from tests.lungo import lungo

NET = """name: "n"
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 4 dim: 5 } shape { dim: 4 } data_filler { type: "gaussian" std: 1 } data_filler { value: 1 } } }
layer { name: "fc7" type: "InnerProduct" bottom: "data" top: "fc7"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "relu7" type: "ReLU" bottom: "fc7" top: "fc7" }
layer { name: "fc8" type: "InnerProduct" bottom: "fc7" top: "fc8"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc8" bottom: "label" }
"""
SOLVER = """# A card.
#
#   lungo train --solver {old} --weights W     # this one
#
# What to change: base_lr.
net: "train_val.prototxt"
weights: "start.caffemodel"
base_lr: 0.01
lr_policy: "fixed"
max_iter: 2
"""
W = "w of mine.caffemodel"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a folder with a blank and a quote in its name."""
    monkeypatch.chdir(tmp_path)
    mine = Path("it's mine")
    mine.mkdir()
    (mine / "train_val.prototxt").write_text(NET)
    (mine / "solver.prototxt").write_text(SOLVER.format(old=shlex.quote(str(mine / "solver.prototxt"))))
    rng = np.random.default_rng(0)
    shapes = {"fc7": [(5, 5), (5,)], "fc8": [(3, 5), (3,)]}
    made = {name: [rng.normal(size=shape).astype(np.float32) for shape in both] for name, both in shapes.items()}
    for name in (W, mine / "start.caffemodel"):
        formats.write(Path(name), Weights(made))
    return mine


def following(out: str) -> tuple[list[str], list[str]]:
    """The words of the training and of the verification that a verb printed."""
    train = next(line for line in out.splitlines() if line.startswith("next: "))
    verify = next(line for line in out.splitlines() if "lungo verify" in line)
    return shlex.split(train)[2:], shlex.split(verify[verify.index("lungo ") :])[1:]


GROW = (
    "grow",
    "it's mine/train_val.prototxt",
    "--shape",
    "data:5",
    "--widen",
    "fc7:3",
    "-o",
    "it's mine/wide.prototxt",
)


@pytest.mark.parametrize(
    ("more", "start"),
    [
        ((), "it's mine/start.caffemodel"),
        (("--weights", W), W),
        (("--weights", W, "--keep-head"), "it's mine/wide.caffemodel"),
        (("--solver", "it's mine/solver.prototxt"), "it's mine/start.caffemodel"),
        (("--solver", "it's mine/solver.prototxt", "--weights", W), W),
        (("--solver", "it's mine/solver.prototxt", "--weights", W, "--keep-head"), "it's mine/wide.caffemodel"),
    ],
)
def test_what_is_printed_trains_the_new_net_from_the_right_weights(more: tuple[str, ...], start: str) -> None:
    ran = lungo(*GROW, *more)
    assert ran.status == 0, ran.err
    train, verify = following(ran.out)
    trained = lungo(*train, "--device", "cpu")
    assert trained.status == 0, trained.err
    assert f"Weights from {Path(start)}" in trained.err.replace(f"{Path.cwd()}/", "")
    written = formats.read(sorted(Path("it's mine").glob("wide*_iter_2.caffemodel"))[-1])
    assert "fc7_new" in written.layers
    assert lungo(*verify).status in (0, 1)


def test_the_grown_solver_names_itself() -> None:
    assert lungo(*GROW, "--solver", "it's mine/solver.prototxt", "-q").status == 0
    text = Path("it's mine/wide_solver.prototxt").read_text()
    line = next(line for line in text.splitlines() if "lungo train" in line)
    assert shlex.split(line.lstrip("# ")) == ["lungo", "train", "--solver", "it's mine/wide_solver.prototxt"]
    assert "/solver.prototxt" not in text
    assert text.splitlines()[:2] == ["# A card.", "#"]


def test_weights_beside_the_old_solver_are_found_from_another_folder() -> None:
    words = list(GROW)
    words[-1] = "elsewhere/wide.prototxt"
    assert lungo(*words, "--solver", "it's mine/solver.prototxt", "-q").status == 0
    (named,) = read_solver("elsewhere/wide_solver.prototxt").message.weights
    assert Path(named).samefile("it's mine/start.caffemodel")


def test_a_net_that_answers_is_not_trained() -> None:
    ran = lungo("rewrite", "it's mine/train_val.prototxt", "--deploy", "-o", "d.prototxt")
    assert ran.status == 0, ran.err
    assert "lungo train" not in ran.out
    assert "next: lungo verify" in ran.out


def test_the_variables_of_a_recipe_are_not_those_of_the_net() -> None:
    words = [
        "grow",
        GROW[1],
        "--shape",
        "data:5",
        "--recipe",
        "wider",
        "--set",
        "units=3",
        "-o",
        "it's mine/wide.prototxt",
    ]
    _, verify = following(lungo(*words).out)
    assert "--set" not in verify
    assert lungo(*verify).status == 0


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("#   lungo train --solver old.prototxt", "#   lungo train --solver 'a b.prototxt'"),
        ("# lungo train --solver=old.prototxt --weights W  # so", "# lungo train --solver 'a b.prototxt'"),
        ("  #lungo train --set a=b --solver card.j2", "  #lungo train --solver 'a b.prototxt'"),
        ("# lungo grow net --solver old.prototxt", None),
        ('net: "lungo train --solver x"', None),
        ("# train it with lungo train", None),
    ],
)
def test_only_comments_that_train_are_replaced(line: str, becomes: str | None) -> None:
    text = f"# first\n{line}\nbase_lr: 1\n"
    assert commented(text, Path("a b.prototxt")) == text.replace(line, becomes or line)


@pytest.mark.parametrize("word", ["a", "a b", "it's", "$HOME", "a\nb", "--x", "*", ""])
def test_words_come_back_from_a_shell_as_they_were(word: str) -> None:
    assert shlex.split(shell.command("lungo", "train", word)) == ["lungo", "train", word]
    assert shlex.split(f"lungo {shell.word(word)}") == ["lungo", word]


def test_a_net_of_stages_is_trained_next_too(folder: Path) -> None:
    """DIGITS' form: without its stages the net has no data, and with them it learns."""
    text = NET.replace('type: "DummyData"', 'type: "DummyData" include { stage: "train" }')
    text = text.replace('type: "SoftmaxWithLoss"', 'type: "SoftmaxWithLoss" exclude { stage: "deploy" }')
    text = (
        'layer { name: "in" type: "Input" top: "data" include { stage: "deploy" }\n'
        "  input_param { shape { dim: 1 dim: 5 } } }\n" + text
    )
    (folder / "train_val.prototxt").write_text(text)
    solver = (folder / "solver.prototxt").read_text().replace('weights: "start.caffemodel"\n', "")
    (folder / "solver.prototxt").write_text(solver + 'train_state { stage: "train" }\n')
    ran = lungo("grow", folder / "train_val.prototxt", "--widen", "fc7:2", "-o", folder / "grown.prototxt")
    assert ran.status == 0, ran.err
    train = shlex.split(next(line for line in ran.out.splitlines() if line.startswith("next: ")))[1:]
    assert train[:2] == ["lungo", "train"]
    ran = lungo(*train[1:], "--device", "cpu")
    assert ran.status == 0, ran.err
