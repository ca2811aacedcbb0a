"""What the passes promise of the numbers, on nets as people use them: pre-trained SqueezeNet, VGG, a deep ResNet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from caffelungo.data.decode import decode
from caffelungo.data.resize_pixels import resize
from caffelungo.definition import catalogue
from caffelungo.definition.editor import apply as edited
from caffelungo.definition.edits import SetField
from caffelungo.definition.reader import Definition, parse_recipe, read_net
from caffelungo.definition.schema import TEST
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.passes.base import run, step
from caffelungo.passes.cast import CastOptions, cast
from caffelungo.passes.fold import FoldOptions, fold
from caffelungo.passes.moves import Blobs, moved
from caffelungo.passes.view import View
from caffelungo.rewriting import recipes
from caffelungo.rewriting.rewrite import RewriteOptions, rewrite
from caffelungo.weights import formats
from caffelungo.weights.match_layers import match
from caffelungo.weights.weights import Weights
from tests.passes.numbers import random_blobs
from tests.support import REPOSITORY, needs_shared, shared

SQUEEZENET = catalogue.find("squeezenet1.1")
MEAN = np.array([104, 117, 123], np.float32)
Array = NDArray[np.float32]


def squeezenet() -> Definition:
    return read_net(SQUEEZENET.deploy, SQUEEZENET.deploy_variables)


def photo(size: int) -> Array:
    """A picture as these nets take it: 1 x 3 x size x size, blue, green, red, less the mean."""
    path = sorted((REPOSITORY / "examples" / "animals" / "test").rglob("*.*"))[0]
    pixels = resize(decode(path), size, size).astype(np.float32)
    return np.ascontiguousarray((pixels - MEAN).transpose(2, 0, 1)[None])


class Ran:
    """The TEST net of ``definition`` with ``weights``, run forward; what they lack starts from fillers."""

    def __init__(self, definition: Definition, weights: Weights, *inputs: Array) -> None:
        self.graph = View(definition).graphs[TEST]
        plan = self.graph.plan
        table = match(plan, weights)
        assert not table.problems
        store = Store(plan, seed=5)
        store.load(table.arrays)
        self.net = StepNet(plan, store)
        with torch.no_grad():
            self.net.forward(*(torch.from_numpy(one) for one in inputs))

    def behind(self, layer: str) -> Array:
        """What ``layer`` made, before any layer behind it worked in place."""
        planned = next(one for one in self.graph.plan.layers if one.name == layer)
        return self.net.data[planned.top_values[0]].numpy().copy()


@pytest.mark.parametrize("card", ["deeper", "wider", "joint", "recursive", "features", "normalized"])
def test_below_the_new_head_pretrained_layers_compute_what_they_did(card: str) -> None:
    variables = {"units": 32} if card not in ("features", "normalized") else {}
    before, weights = squeezenet(), formats.read(SQUEEZENET.weights)
    after = run(before, recipes.open_recipe(recipes.find(card), variables).steps).definition
    old, new = Ran(before, weights, photo(227)), Ran(after, weights, photo(227))
    last = next(one for one in old.graph.plan.layers if one.name == "fire9/concat")
    pretrained = [one.name for one in old.graph.upstream([last]) if not one.layer.source]
    assert len(pretrained) > 60
    for name in pretrained:
        np.testing.assert_array_equal(new.behind(name), old.behind(name), err_msg=name)


def test_a_kept_classifier_of_real_weights_gives_its_logits(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(squeezenet().text)
    (tmp_path / "r.prototxt").write_text("step { widen { units: 32 keep_head: true } }")
    asked = RewriteOptions(
        str(tmp_path / "net.prototxt"), str(tmp_path / "out.prototxt"), recipe=str(tmp_path / "r.prototxt"),
        weights=str(SQUEEZENET.weights),
    )  # fmt: skip
    done = rewrite(asked)
    kept = formats.read(tmp_path / "out.caffemodel")
    original = formats.read(SQUEEZENET.weights)
    np.testing.assert_array_equal(kept.layers["conv10"][0][:, :512], original.layers["conv10"][0])
    assert kept.layers["conv10"][0].shape == (1000, 544, 1, 1)
    assert not kept.layers["conv10"][0][:, 512:].any()
    old, new = Ran(done.before, original, photo(227)), Ran(done.after, kept, photo(227))
    grown = next(one.name for one in done.after.message.layer if one.name.endswith("_new"))
    assert new.behind(grown).any()
    # Zeros add nothing, but a longer sum may be added up in another order.
    np.testing.assert_allclose(new.behind("conv10"), old.behind("conv10"), rtol=0, atol=2e-5)


def small_vgg() -> Definition:
    """VGG-16 with a sixteenth of the units: the same graph, sizes and strides."""
    found = catalogue.find("vgg16")
    whole = read_net(found.deploy, found.deploy_variables)
    edits = []
    for k, layer in enumerate(whole.message.layer):
        for name in ("convolution_param", "inner_product_param"):
            if layer.HasField(name):
                edits.append(SetField(("layer", k, name, "num_output"), getattr(layer, name).num_output // 16))
    return edited(whole, edits)


def test_a_cast_vgg_gives_its_answer_at_224_and_a_map_of_6_by_6_at_384() -> None:
    before = small_vgg()
    weights = {name: [0.3 * one for one in arrays] for name, arrays in random_blobs(before).items()}
    same = run(before, [step(cast, CastOptions())])
    old = Ran(before, Weights(weights), photo(224))
    new = Ran(same.definition, Weights(moved(weights, same.moves)), photo(224))
    expected = old.behind("fc8")
    scale = np.abs(expected).max()
    assert new.behind("fc8_conv").shape == (1, 62, 1, 1)
    np.testing.assert_allclose(new.behind("fc8_conv")[:, :, 0, 0] / scale, expected / scale, rtol=0, atol=1e-5)

    larger = run(before, [step(cast, CastOptions(size=(384, 384)))])
    wide = Ran(larger.definition, Weights(moved(weights, larger.moves)), photo(384))
    features, found = wide.behind("pool5"), wide.behind("fc8_conv")
    assert (features.shape[2:], found.shape) == ((12, 12), (1, 62, 6, 6))
    for y, x in ((0, 0), (2, 3), (5, 5)):
        expected = classified(features[:, :, y : y + 7, x : x + 7], weights)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[:, :, y, x] / scale, expected / scale, rtol=0, atol=1e-5)


def classified(window: Array, weights: Blobs) -> Array:
    """What the fully connected layers of VGG make of 7 x 7 features, by plain products."""
    value = window.reshape(1, -1).astype(np.float64)
    for name in ("fc6", "fc7", "fc8"):
        weight, bias = weights[name]
        value = value @ weight.astype(np.float64).T + bias
        value = value if name == "fc8" else np.maximum(value, 0)
    return value.astype(np.float32)


@needs_shared
def test_folding_a_trained_resnet_changes_answers_by_rounding_alone() -> None:
    folder = shared("models", "open_nsfw")
    before = read_net(next(path for path in folder.glob("*.prototxt")))
    weights = formats.read(next(path for path in folder.glob("*.caffemodel")))
    result = run(before, [step(fold, FoldOptions())])
    assert "BatchNorm" not in result.definition.text
    old = Ran(before, weights, photo(224))
    new = Ran(result.definition, Weights(moved(weights.layers, result.moves)), photo(224))
    np.testing.assert_allclose(new.behind("prob"), old.behind("prob"), rtol=0, atol=1e-5)
    logits, folded = old.behind("fc_nsfw"), new.behind("fc_nsfw")
    np.testing.assert_allclose(folded / np.abs(logits).max(), logits / np.abs(logits).max(), rtol=0, atol=1e-5)


def test_only_what_is_new_learns_in_a_grown_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from caffelungo.definition.reader import parse_net, read_solver
    from caffelungo.report.glog import CaffeLog
    from caffelungo.solve.solver import make_solver
    from tests.passes.nets import RESIDUAL

    data = """layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
      shape { dim: 4 dim: 3 dim: 16 dim: 16 } shape { dim: 4 }
      data_filler { type: "gaussian" } data_filler { type: "constant" value: 2 } } }
    """
    text = data + "".join(RESIDUAL.split("\n", 2)[2:])
    text = text.replace('type: "Softmax" bottom: "fc"', 'type: "SoftmaxWithLoss" bottom: "fc" bottom: "label"')
    text = text.replace("bias_term: false }", 'bias_term: false weight_filler { type: "msra" } }')
    recipe = recipes.recipe(parse_recipe('step { widen { layer: "res2" units: 4 } } tune: NEW'))
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(run(parse_net(text), recipe.steps).definition.text)
    Path("solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 3 weight_decay: 0.1'
    )
    solver = make_solver(read_solver("solver.prototxt"), log=CaffeLog())
    before = {name: [one.copy() for one in arrays] for name, arrays in solver.training.weights().layers.items()}
    solver.step(3)
    after = solver.training.weights().layers
    old = ("conv1", "bn1", "scale1", "conv2", "bn2", "scale2")
    for name in old:
        for first, last in zip(before[name], after[name], strict=True):
            np.testing.assert_array_equal(first, last, err_msg=name)
    new = [name for name in after if name not in old]
    assert "bn2_new" in new
    assert all(any((a != b).any() for a, b in zip(before[name], after[name], strict=True)) for name in new)
