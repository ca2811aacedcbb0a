"""The old classifier beside a fresh one, and the frozen net that teaches it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.definition.reader import Definition, parse_recipe, read_solver
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.deploy.deploy_net import deploy_net
from caffelungo.errors import UserError
from caffelungo.passes.adapters import AdapterOptions, adapters
from caffelungo.passes.base import Result, Step, run, step
from caffelungo.passes.deepen import DeepenOptions, deepen
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.head import HeadOptions, head
from caffelungo.passes.joint import JointOptions, joint
from caffelungo.passes.moves import moved
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.normalize import NormalizeOptions, normalize
from caffelungo.passes.read import ReadOptions, read
from caffelungo.passes.recursive import RecursiveOptions, recursive
from caffelungo.passes.remember import Remembering, RememberOptions, remember
from caffelungo.passes.side import SideOptions, side
from caffelungo.passes.view import View
from caffelungo.passes.widen import WidenOptions, widen
from caffelungo.report.glog import CaffeLog
from caffelungo.rewriting import rewrite
from caffelungo.rewriting.recipes import recipe
from caffelungo.rewriting.rewrite_steps import Changes
from caffelungo.solve.solver import Solver, make_solver
from caffelungo.solve.training_setup import Setup
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.passes.nets import ALEX, ANSWER, FIRE, RESIDUAL, THREE_HEADS, comments, layer, lines, net
from tests.passes.numbers import blobs, picture, random_blobs

LABEL = 'layer { name: "label" type: "Input" top: "label" input_param { shape { dim: %d } } }\n'
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "%s" bottom: "label" top: "loss" }\n'


def learning(text: str, scores: str) -> str:
    """An answering net as one that learns."""
    at = text.rindex('layer { name: "prob"')
    first = text.index("layer")
    return text[:first] + LABEL % (2 if "dim: 2 " in text else 1) + text[first:at] + LOSS % scores


NET = learning(ANSWER, "fc8")
HEAD = step(head, HeadOptions(4, suffix="pets"))


def remembering(**options: object) -> Remembering:
    return Remembering(RememberOptions(**options))  # type: ignore[arg-type]


def apply(text: str, *steps: Step) -> Result:
    return run(net(text), list(steps))


def there(definition: Definition, phase: int) -> list[str]:
    return [one.name for one in View(definition).graphs[phase].plan.layers]


def test_the_wiring() -> None:
    result = apply(ALEX, HEAD, remembering())
    found = lines(result.definition)
    before = lines(apply(ALEX, HEAD).definition)
    assert found[: len(before)] == before
    assert found[len(before) :] == [
        "fc8 InnerProduct fc7 -> fc8",
        "teacher/conv1 Convolution data -> teacher/conv1",
        "teacher/relu1 ReLU teacher/conv1 -> teacher/conv1",
        "teacher/pool1 Pooling teacher/conv1 -> teacher/pool1",
        "teacher/fc6 InnerProduct teacher/pool1 -> teacher/fc6",
        "teacher/relu6 ReLU teacher/fc6 -> teacher/fc6",
        "teacher/fc7 InnerProduct teacher/fc6 -> teacher/fc7",
        "teacher/relu7 ReLU teacher/fc7 -> teacher/fc7",
        "teacher/fc8 InnerProduct teacher/fc7 -> teacher/fc8",
        "fc8_remember DistillationLoss fc8,teacher/fc8 -> fc8_remember",
        "fc8_silence Silence fc8 -> ",
    ]
    assert not set(comments(ALEX)) - set(comments(result.definition.text))


def test_the_loss_and_what_learns() -> None:
    result = apply(ALEX, HEAD, remembering(weight=0.5, temperature=3.0))
    loss = layer(result.definition, "fc8_remember")
    assert list(loss.loss_weight) == [0.5]
    assert loss.lungo.temperature == 3
    plan = View(result.definition).plan
    rates = {one.name: {use.lr_mult for use in one.params} for one in plan.layers if one.params}
    assert all(rates[name] == {0.0} for name in rates if name.startswith("teacher/"))
    assert all(0 not in rates[name] for name in rates if not name.startswith("teacher/"))


def test_training_only() -> None:
    result = apply(ALEX, HEAD, remembering())
    tested, before = there(result.definition, TEST), there(apply(ALEX, HEAD).definition, TEST)
    assert tested == [*before, "fc8", "fc8_silence"]
    plan = View(result.definition).graphs[TEST].plan
    assert plan.outputs == View(apply(ALEX, HEAD).definition).graphs[TEST].plan.outputs
    assert "fc8_silence" not in there(result.definition, TRAIN)


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [step(widen, WidenOptions("fc7", UnitOptions(6)))],
        [step(widen, WidenOptions("fc7", UnitOptions(6, normalize=False)))],
        [step(deepen, DeepenOptions("fc7", UnitOptions(6)))],
        [step(joint, JointOptions("fc7", UnitOptions(6)))],
        [step(recursive, RecursiveOptions((("fc6", UnitOptions(4)), ("fc7", UnitOptions(6)))))],
        [step(normalize, NormalizeOptions("fc7"))],
        [step(read, ReadOptions(("fc6",)))],
    ],
    ids=["plain", "WA", "WA raw", "DA", "DWA", "WWA", "normalize", "read"],
)
def test_old_answers_at_the_first_step(steps: list[Step]) -> None:
    """The old classifier and the teacher answer as the original did, bit for bit, whatever was grown."""
    inputs = picture(20), np.array([0.0, 1.0], np.float32)
    weights = random_blobs(net(NET))
    wanted = blobs(net(NET), weights, inputs[1], inputs[0])("fc8")
    result = apply(NET, HEAD, *steps, remembering())
    plan = View(result.definition).plan
    text = result.definition.text.replace("include { phase: TRAIN }", "").replace("phase: TRAIN", "phase: TEST")
    got = blobs(net(text), moved(weights, result.moves), inputs[1], inputs[0])
    np.testing.assert_array_equal(got("fc8"), wanted)
    np.testing.assert_array_equal(got("teacher/fc8"), wanted)
    assert got("fc8_remember") == 0
    assert plan.layer("fc8_remember").loss_weights == (1.0,)


@pytest.mark.parametrize("later", [step(side, SideOptions("fc7")), step(adapters, AdapterOptions(("fc6",)))])
def test_what_leads_to_both_classifiers_may_be_rewritten_afterwards(later: Step) -> None:
    inputs = picture(20), np.array([0.0, 1.0], np.float32)
    weights = random_blobs(net(NET))
    result = apply(NET, HEAD, remembering(), later)
    got = blobs(result.definition, moved(weights, result.moves), inputs[1], inputs[0])
    wanted = blobs(net(NET), weights, inputs[1], inputs[0])
    np.testing.assert_allclose(got("fc8"), wanted("fc8"), rtol=1e-5, atol=1e-4)


def test_a_kept_classifier_with_zero_columns_is_taught() -> None:
    result = apply(NET, step(widen, WidenOptions("fc7", UnitOptions(6, keep_head=True))), remembering())
    weights = random_blobs(net(NET))
    new = moved(weights, result.moves)
    assert new["fc8"][0].shape == (9, 16)
    np.testing.assert_array_equal(new["teacher/fc8"][0], weights["fc8"][0])
    found = lines(result.definition)
    assert found[-1] == "fc8_remember DistillationLoss fc8,teacher/fc8 -> fc8_remember"
    assert sum(line.startswith("fc8 ") for line in found) == 1


def test_scores_behind_a_pooling() -> None:
    found = lines(apply(learning(FIRE, "pool10"), HEAD, remembering()).definition)
    assert found[found.index("conv10 Convolution fire9/concat -> conv10") :][:3] == [
        "conv10 Convolution fire9/concat -> conv10",
        "relu10_old ReLU conv10 -> relu10_old",
        "pool10_old Pooling relu10_old -> pool10_old",
    ]
    assert "conv10_remember DistillationLoss pool10_old,teacher/pool10 -> conv10_remember" in found
    concat = next(line for line in found if line.startswith("teacher/fire9/concat "))
    assert concat.endswith("Concat teacher/fire9/expand1x1,teacher/fire9/expand3x3 -> teacher/fire9/concat")


def test_batch_norm_of_the_teacher_uses_its_statistics() -> None:
    result = apply(learning(RESIDUAL, "fc"), HEAD, remembering())
    assert layer(result.definition, "teacher/bn1").batch_norm_param.use_global_stats
    assert not layer(result.definition, "bn1").batch_norm_param.use_global_stats
    new = moved(random_blobs(net(RESIDUAL)), result.moves)
    assert all((a == b).all() for a, b in zip(new["bn1"], new["teacher/bn1"], strict=True))


def test_the_main_classifier_of_three() -> None:
    found = lines(apply(THREE_HEADS, HEAD, remembering()).definition)
    assert not any("loss1/classifier " in line and "_pets" not in line for line in found)
    assert "loss3/classifier InnerProduct pool -> loss3/classifier" in found
    assert "teacher/loss3/classifier InnerProduct teacher/pool -> teacher/loss3/classifier" in found


def test_a_third_task() -> None:
    first = apply(ALEX, HEAD, remembering()).definition
    result = run(first, [step(head, HeadOptions(6, suffix="cars")), remembering()])
    found = lines(result.definition)
    assert "fc8_pets_remember DistillationLoss fc8_pets,teacher2/fc8_pets -> fc8_pets_remember" in found
    assert "fc8_remember DistillationLoss fc8,teacher/fc8 -> fc8_remember" in found
    assert sum(line.startswith("teacher2/") for line in found) == 8


def test_the_net_that_answers_has_no_teacher() -> None:
    plain = apply(ALEX, HEAD, step(deploy, DeployOptions())).definition
    taught = apply(ALEX, HEAD, remembering(), step(deploy, DeployOptions())).definition
    assert lines(taught) == lines(plain)


def test_a_recipe() -> None:
    text = 'head { classes: 4 suffix: "pets" } step { widen { units: 6 } } step { remember { weight: 2 } }'
    found = run(net(ALEX), recipe(parse_recipe(text)).steps).definition
    assert list(layer(found, "fc8_remember").loss_weight) == [2]
    assert layer(found, "fc8_remember").lungo.temperature == 2
    assert "drop7_old Dropout fc7 -> drop7_old" in lines(found)


def test_alone_it_teaches_the_classifier_that_is_there() -> None:
    found = apply(ALEX, step(remember, RememberOptions()))
    assert lines(found.definition)[-1] == "fc8_remember DistillationLoss fc8,teacher/fc8 -> fc8_remember"
    assert "kept" in found.explain()


def test_refusals() -> None:
    with pytest.raises(UserError, match="no loss"):
        apply(ANSWER, HEAD, remembering())
    with pytest.raises(UserError, match="`fc7` no longer has the same input"):
        apply(NET, HEAD, step(adapters, AdapterOptions(("fc6",))), remembering())
    with pytest.raises(UserError, match="weight of remembering must be above 0"):
        apply(NET, HEAD, remembering(weight=-1))
    with pytest.raises(UserError, match="temperature of remembering must be above 0"):
        apply(NET, HEAD, remembering(temperature=0))
    with pytest.raises(UserError, match="no layer called `fc9`"):
        apply(NET, HEAD, remembering(head="fc9"))
    inside = NET.replace(
        'layer {\n  name: "conv1"',
        'layer { name: "mend" type: "Scale" bottom: "data" top: "data" }\nlayer {\n  name: "conv1"',
    )
    with pytest.raises(UserError, match="`mend` works in place on the data"):
        apply(inside, HEAD, remembering())


def test_what_changes_the_data_in_place_without_learning_is_shared() -> None:
    text = NET.replace(
        'layer {\n  name: "conv1"',
        'layer { name: "shift" type: "Power" bottom: "data" top: "data" }\nlayer {\n  name: "conv1"',
    )
    found = lines(apply(text, HEAD, remembering()).definition)
    assert "teacher/conv1 Convolution data -> teacher/conv1" in found
    assert not any("teacher/shift" in line for line in found)


def test_the_exported_net_answers_for_the_new_classes_alone() -> None:
    shapes = {"data": (3, 20, 20)}
    exported = deploy_net(apply(ALEX, HEAD, remembering()).definition, shapes=shapes)
    assert exported.outputs == ["prob"]
    assert [one.name for one in exported.message.layer] == [
        one.name for one in deploy_net(apply(ALEX, HEAD).definition, shapes=shapes).message.layer
    ]


# --- training ----------------------------------------------------------------------------------------------------

TRAINED = NET.replace(
    ANSWER[ANSWER.index("layer {") : ANSWER.index("\n", ANSWER.index("layer {"))] + "\n",
    """layer { name: "data" type: "DummyData" top: "data" dummy_data_param { shape { dim: 2 dim: 3 dim: 20 dim: 20 }
  data_filler { type: "gaussian" } } }
""",
).replace(
    LABEL % 2,
    """layer { name: "label" type: "DummyData" top: "label" dummy_data_param { shape { dim: 2 }
  data_filler { type: "constant" value: 2 } } }
""",
)


def train(folder: Path, definition: Definition, weights: dict[str, list[np.ndarray]] | None) -> Solver:
    """A solver of two iterations on ``definition``, not yet begun."""
    (folder / "net.prototxt").write_text(definition.text)
    (folder / "solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.01 momentum: 0.9 lr_policy: "fixed" max_iter: 2 random_seed: 1'
    )
    if weights is None:
        return make_solver(read_solver("solver.prototxt"), log=CaffeLog())
    formats.write("start.caffemodel", Weights(weights))
    return make_solver(read_solver("solver.prototxt"), setup=Setup(weights=["start.caffemodel"]), log=CaffeLog())


def test_the_teacher_stays_as_it_is_while_the_rest_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    old = random_blobs(net(TRAINED))
    result = apply(TRAINED, HEAD, step(widen, WidenOptions("fc7", UnitOptions(6))), remembering())
    solver = train(tmp_path, result.definition, moved(old, result.moves))
    solver.step(2)
    new = formats.read(solver.snapshot().weights).layers
    for name, arrays in old.items():
        for k, array in enumerate(arrays):
            assert np.array_equal(new[f"teacher/{name}"][k], array), name
        assert not np.array_equal(new[name][0], arrays[0]), name


def test_without_weights_of_the_new_task_the_old_answers_hardly_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    drifts = []
    old = random_blobs(net(TRAINED))
    old = {name: [array * 0.3 for array in arrays] for name, arrays in old.items()}
    for steps in ([HEAD], [HEAD, remembering(weight=5.0)]):
        result = apply(TRAINED, *steps)
        solver = train(tmp_path, result.definition, moved(old, result.moves))
        solver.step(12)
        layers = formats.read(solver.snapshot().weights).layers
        layers.setdefault("fc8", old["fc8"])
        inputs = picture(20, batch=2), np.zeros(2, np.float32)
        scores = [blobs(net(NET), one, inputs[1], inputs[0])("fc8") for one in (old, layers)]
        drifts.append(np.abs(scores[0] - scores[1]).mean())
        for path in tmp_path.glob("*_iter_*"):
            path.unlink()
    assert drifts[1] < drifts[0]


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights are asked for, and written under both names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.prototxt").write_text(TRAINED)
    steps = Changes(classes=4, remember=True, remember_weight=2, temperature=3).steps()
    with pytest.raises(UserError, match="needs them"):
        rewrite.rewrite(rewrite.RewriteOptions("old.prototxt", "new.prototxt", steps))
    assert not Path("new.prototxt").exists()
    old = random_blobs(net(TRAINED))
    formats.write("old.caffemodel", Weights(old))
    steps = Changes(classes=4, remember=True, remember_weight=2, temperature=3).steps()
    rewrite.rewrite(rewrite.RewriteOptions("old.prototxt", "new.prototxt", steps, weights="old.caffemodel"))
    new = formats.read("new.caffemodel").layers
    assert set(new) == set(old) | {f"teacher/{name}" for name in old}
    assert "temperature: 3" in Path("new.prototxt").read_text()
