"""Files in, files out: weights through a rewrite, solvers with a recipe's changes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.definition.reader import parse_recipe, read_net, read_solver
from caffelungo.definition.schema import message_class
from caffelungo.errors import UserError
from caffelungo.rewriting import recipe_solver
from caffelungo.rewriting.rewrite import RewriteOptions, Rewritten, rewrite
from caffelungo.rewriting.rewrite_steps import Changes
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.passes.nets import ALEX, ANSWER, RESIDUAL, net
from tests.passes.numbers import blobs, picture, random_blobs

SOLVER = '# A card.\nnet: "answer.prototxt"\nbase_lr: 0.1  # high\nmax_iter: 5\nsnapshot_prefix: "s/answer"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("answer", ANSWER), ("residual", RESIDUAL), ("alex", ALEX), ("solver", SOLVER)):
        Path(f"{name}.prototxt").write_text(text)
    for name, text in (("answer", ANSWER), ("residual", RESIDUAL)):
        extras = message_class("lungo.NetExtras")(label=["cat", "dog"])
        formats.write(f"{name}.caffemodel", Weights(random_blobs(net(text)), extras=extras), net(text).message)


def asked(
    recipe: str = "", net: str | None = "answer.prototxt", output: str = "out.prototxt", **more: object
) -> Rewritten:
    if recipe:
        Path("r.prototxt").write_text(recipe)
        more["recipe"] = "r.prototxt"
    return rewrite(RewriteOptions(net, output, **more))  # type: ignore[arg-type]


def answers(name: str, size: int, blob: str) -> np.ndarray:
    batch = 2 if size == 20 else 1
    return blobs(read_net(f"{name}.prototxt"), formats.read(f"{name}.caffemodel").layers, picture(size, batch=batch))(
        blob
    )


def test_weights_go_through() -> None:
    done = asked("step { widen { units: 6 keep_head: true } }", weights="answer.caffemodel")
    assert [str(path) for path in done.written] == ["out.prototxt", "out.caffemodel"]
    np.testing.assert_allclose(answers("out", 20, "fc8"), answers("answer", 20, "fc8"), atol=1e-5)
    kept = formats.read("out.caffemodel")
    assert kept.extras.label == ["cat", "dog"]
    assert "fc7_new" not in kept.layers or not kept.layers["fc7_new"]
    assert any("fc7_new" in notice for notice in done.notices)


def test_cast_and_fold_write_weights_that_fit() -> None:
    asked("step { cast { } }", weights="answer.caffemodel")
    scores = answers("out", 20, "fc8_conv")[:, :, 0, 0]
    np.testing.assert_allclose(scores, answers("answer", 20, "fc8"), rtol=1e-4, atol=1e-4)
    asked("step { fold { } }", "residual.prototxt", "flat.prototxt", weights="residual.caffemodel")
    np.testing.assert_allclose(answers("flat", 16, "fc"), answers("residual", 16, "fc"), rtol=1e-4, atol=1e-4)


def test_weights_that_fit_as_they_are_are_not_copied() -> None:
    done = asked("step { widen { units: 6 } }", weights="answer.caffemodel")
    assert [str(path) for path in done.written] == ["out.prototxt"]
    assert "--weights answer.caffemodel" in done.notices[0]


def test_a_recipe_may_name_net_and_weights_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    recipe = tmp_path / "sub" / "r.prototxt"
    recipe.write_text('net: "a.prototxt" weights: "a.caffemodel" step { cast { layer: "fc6" } }')
    Path("answer.prototxt").rename("sub/a.prototxt")
    Path("answer.caffemodel").rename("sub/a.caffemodel")
    done = rewrite(RewriteOptions(None, "made/", recipe=str(recipe)))
    assert [str(path) for path in done.written] == ["made/a.prototxt", "made/a.caffemodel"]


def test_the_solver_is_copied_with_the_changes() -> None:
    recipe = 'step { widen { units: 6 } }\nsolver { name: "base_lr" value: "0.001" }'
    asked(recipe, solver="solver.prototxt")
    solver = read_solver("out_solver.prototxt")
    assert solver.message.net == "out.prototxt"
    assert solver.message.base_lr == pytest.approx(0.001)
    assert solver.message.snapshot_prefix == "s/out"
    assert "# high" in solver.text
    assert any("--solver" in notice for notice in asked(recipe, output="two.prototxt").notices)


def test_solver_values_of_every_kind() -> None:
    text = "".join(
        f'solver {{ name: "{name}" value: "{value}" }}\n'
        for name, value in (
            ("lr_policy", "step"),
            ("stepvalue", "[3, 4]"),
            ("solver_mode", "CPU"),
            ("debug_info", "true"),
        )
    )
    values = {edit.path[0]: edit.value for edit in recipe_solver.solver_edits(parse_recipe(text))}  # type: ignore[union-attr]
    assert values == {"lr_policy": "step", "stepvalue": [3, 4], "solver_mode": 0, "debug_info": True}


def test_tune_on_the_command_line_goes_before_the_recipes() -> None:
    done = asked("step { widen { units: 6 } }\ntune: NEW", tune="ALL")
    assert not any("frozen" in str(note) for note in done.notes)


def test_costs_before_and_after() -> None:
    before, after = asked("step { widen { units: 6 } }").costs()
    assert {one.name for one in after} - {one.name for one in before} >= {"fc7_new", "norm7", "fc8_wide"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"recipe": "step { cast { } }"}, ["changes pre-trained weights", "--weights net.caffemodel"]),
        (
            {"recipe": "step { cast { } }", "weights": "residual.caffemodel"},
            ["residual.caffemodel: these are the weights of another net", "`conv1`"],
        ),
        ({"recipe": "step { cast { } }", "weights": "no.caffemodel"}, ["not found"]),
        ({"net": None, "recipe": "step { fold { } }"}, ["no net is named"]),
        ({"recipe": 'net: "x"'}, ["nothing to do"]),
        ({"output": "out.caffemodel", "recipe": "step { normalize { } }"}, ["the output is the net's file"]),
    ],
)
def test_refusals_write_nothing(options: dict, told: list[str]) -> None:
    before = {path for path in Path().iterdir() if path.name != "r.prototxt"}
    with pytest.raises(UserError) as caught:
        asked(**options)
    for part in told:
        assert part in str(caught.value)
    assert {path for path in Path().iterdir() if path.name != "r.prototxt"} == before


def test_changes_are_done_in_their_order() -> None:
    changes = Changes(
        classes=3, normalize="fc7", read=("fc6",), adapters=("conv1",), rank=2, tune="NEW",
        rates=(("fc8*", 5.0),), deploy=True, cast=("all",),
    )  # fmt: skip
    assert len(changes.steps()) == 8


def test_data_that_is_named_relative_to_the_old_folder_is_still_found() -> None:
    Path("mine").mkdir()
    Path("mine/train.txt").write_text("a.png 0\n")
    Path("mine/train_val.prototxt").write_text(ALEX.replace("train_lmdb", "train.txt"))
    grow = "step { widen { units: 6 } }"
    moved = asked(grow, "mine/train_val.prototxt", "out.prototxt")
    assert [notice.split(" is")[0] for notice in moved.notices] == ["train.txt"]
    assert f'source: "{Path("mine/train.txt").resolve()}"' in Path("out.prototxt").read_text()
    assert asked(grow, "mine/train_val.prototxt", "mine/out.prototxt").notices == []


UNSIZED = """
layer {
  name: "mnist" type: "Data" top: "data" top: "label"
  data_param { source: "train_lmdb" batch_size: 4 backend: LMDB }
}
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1" inner_product_param { num_output: 5 } }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""


def test_a_size_that_only_the_data_know_can_be_told() -> None:
    Path("mnist.prototxt").write_text(UNSIZED)
    rng = np.random.default_rng(0)
    old = {"ip1": [rng.normal(size=(5, 784)), np.zeros(5)], "ip2": [rng.normal(size=(3, 5)), np.zeros(3)]}
    old = {name: [one.astype(np.float32) for one in blobs] for name, blobs in old.items()}
    formats.write("mnist.caffemodel", Weights(old), net(UNSIZED).message)
    for recipe in ("step { cast { } }", "step { deploy { } }"):
        with pytest.raises(UserError) as caught:
            asked(recipe, "mnist.prototxt", weights="mnist.caffemodel")
        assert "--shape data:" in str(caught.value)
    with pytest.raises(UserError, match="`date`, which no data layer") as caught:
        asked("step { cast { } }", "mnist.prototxt", weights="mnist.caffemodel", shapes={"date": (1, 28, 28)})
    assert "data, label" in str(caught.value)
    done = asked("step { cast { } }", "mnist.prototxt", weights="mnist.caffemodel", shapes={"data": (1, 28, 28)})
    new = formats.read("out.caffemodel").layers
    np.testing.assert_array_equal(new["ip1_conv"][0], old["ip1"][0].reshape(5, 1, 28, 28))
    assert [one.name for one in done.costs()[1]] == ["mnist", "ip1_conv", "ip2_conv", "loss"]
    done = asked("step { deploy { } }", "mnist.prototxt", "answers.prototxt", shapes={"data": (1, 28, 28)})
    assert list(done.after.message.layer[0].input_param.shape[0].dim) == [1, 1, 28, 28]
