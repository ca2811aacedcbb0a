"""What is said of nets before and after each rewrite, and of nets that are not what they should be."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from caffelungo.definition.reader import read_net
from caffelungo.errors import UserError
from caffelungo.passes.adapters import AdapterOptions, adapters
from caffelungo.passes.base import Step, step
from caffelungo.passes.cast import CastOptions, cast
from caffelungo.passes.deepen import DeepenOptions, deepen
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.fold import FoldOptions, fold
from caffelungo.passes.freeze import FreezeOptions, freeze
from caffelungo.passes.head import HeadOptions, head
from caffelungo.passes.joint import JointOptions, joint
from caffelungo.passes.moves import moved
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.normalize import NormalizeOptions, normalize
from caffelungo.passes.read import ReadOptions, read
from caffelungo.passes.recursive import RecursiveOptions, recursive
from caffelungo.passes.side import SideOptions, side
from caffelungo.passes.widen import WidenOptions, widen
from caffelungo.verify.matching_blobs import Blob, apart
from caffelungo.verify.verified import Verified
from caffelungo.verify.verify import VerifyOptions, verify
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.passes.nets import ALEX, ANSWER, FIRE, RESIDUAL, THREE_HEADS, apply, net
from tests.passes.numbers import random_blobs

MINE = (
    ALEX.replace('type: "Data"', 'type: "ImageData"')
    .replace("data_param {", "image_data_param {")
    .replace(" backend: LMDB", "")
)
"""ALEX on colour pictures from a list."""
UNITS, KEEP = UnitOptions(6), UnitOptions(6, keep_head=True)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rewritten(text: str, *steps: Step, known: bool = True) -> None:
    """b.prototxt, a.prototxt, and the weights of each, as a rewrite writes them."""
    result = apply(text, *steps)
    Path("b.prototxt").write_text(text)
    Path("a.prototxt").write_text(result.definition.text)
    blobs = random_blobs(net(text))
    formats.write("b.caffemodel", Weights(blobs))
    names = {layer.name for layer in result.definition.message.layer}
    kept = {name: arrays for name, arrays in moved(blobs, result.moves).items() if name in names}
    formats.write("a.caffemodel", Weights(kept))


def check(**more: object) -> Verified:
    given = {"weights": "b.caffemodel", "after_weights": "a.caffemodel", **more}
    return verify(VerifyOptions("b.prototxt", "a.prototxt", **given))  # type: ignore[arg-type]


def blob(found: Verified, layer: str) -> Blob:
    return next(one for one in found.blobs if one.layer == layer)


def statuses(found: Verified, *layers: str) -> list[str]:
    return [blob(found, layer).status for layer in layers]


IDENTICAL, EQUAL, NEW = "identical", "equal", "new"


@pytest.mark.parametrize(
    ("text", "one", "scores"),
    [
        (MINE, step(widen, WidenOptions("fc7", KEEP)), "fc8"),
        (MINE, step(widen, WidenOptions("fc7", UnitOptions(6, start="copy", keep_head=True))), "fc8"),
        (MINE, step(widen, WidenOptions("fc7", UnitOptions(14, start="net2net"))), "fc8"),
        (MINE, step(deepen, DeepenOptions("fc7", UnitOptions(10, keep_head=True))), "fc8"),
        (MINE, step(side, SideOptions("fc7")), "fc8"),
        (MINE, step(adapters, AdapterOptions(("conv*",), rank=2)), "fc8"),
        (MINE, step(freeze, FreezeOptions("fc6")), "fc8"),
        (MINE, step(deploy, DeployOptions()), "fc8"),
        (FIRE, step(widen, WidenOptions("fire9/concat", KEEP)), "conv10"),
        (RESIDUAL, step(widen, WidenOptions("res2", KEEP)), "fc"),
        (RESIDUAL, step(fold, FoldOptions()), "fc"),
    ],
)
def test_rewrites_that_keep_the_answers(text: str, one: Step, scores: str) -> None:
    rewritten(text, one)
    found = check()
    assert found.exit_status == 0
    assert found.verdict.startswith("All old blobs are ")
    assert blob(found, scores).status in (IDENTICAL, EQUAL)
    assert blob(found, scores).difference < 1e-6
    answer = found.answers[0]
    assert (answer.layer, answer.now) == (scores, scores)
    assert answer.same is not None
    assert answer.same[0] == answer.same[1] > 0


@pytest.mark.parametrize(
    ("text", "one", "kept", "classifier", "reads"),
    [
        (MINE, step(widen, WidenOptions("fc7", UNITS)), "relu7", "fc8_wide", "norm7_new"),
        (MINE, step(widen, WidenOptions("fc7", UnitOptions(6, normalize=False))), "drop7", "fc8_wide", "fc7_new"),
        (MINE, step(deepen, DeepenOptions("fc7", UNITS)), "drop7", "fc8_deep", "norm7_deep"),
        (MINE, step(joint, JointOptions("fc7", UNITS)), "relu7", "fc8_joint", "norm7_new"),
        (MINE, step(recursive, RecursiveOptions((("fc6", UNITS), ("fc7", UNITS)))), "relu7", "fc8_recursive",
         "norm6_new"),
        (MINE, step(read, ReadOptions(("fc6",))), "relu7", "fc8_read", "norm6_read"),
        (MINE, step(normalize, NormalizeOptions("fc7")), "relu7", "fc8_norm", "norm7"),
        (FIRE, step(widen, WidenOptions("fire9/concat", UNITS)), "fire9/concat", "conv10_wide",
         "fire9/concat_norm_new"),
        (RESIDUAL, step(widen, WidenOptions("res2", UNITS)), "relu2", "fc_wide", "res2_norm"),
    ],
)  # fmt: skip
def test_a_fresh_classifier_is_new_and_all_before_it_identical(
    text: str, one: Step, kept: str, classifier: str, reads: str
) -> None:
    rewritten(text, one)
    found = check()
    assert found.exit_status == 0
    assert statuses(found, kept, classifier) == [IDENTICAL, NEW]
    assert "starts from its filler" in blob(found, classifier).why
    assert "the input of the classifier changed" in found.verdict
    assert f"`{reads}`" in found.verdict
    assert re.search(rf"; the scores of `{classifier}`( for `\w+`)? are new\.$", found.verdict)
    assert not [one for one in found.blobs if one.status == "changed"]
    measures = [one for one in found.blobs if one.type in ("Accuracy", "SoftmaxWithLoss", "Softmax")]
    assert {one.status for one in measures} == {NEW}


def test_a_kept_classifier_that_reads_normalized_features_is_changed() -> None:
    rewritten(MINE, step(normalize, NormalizeOptions("fc7", keep_head=True)))
    found = check()
    assert found.exit_status == 1
    assert found.first is not None
    assert (found.first.layer, found.first.blob) == ("fc8", "fc8")
    assert found.verdict.startswith("CHANGED: the first old blob that differs is `fc8`, made by layer `fc8`")
    assert "`norm7` (Normalize)" in found.verdict
    assert statuses(found, "relu7", "norm7", "drop7") == [IDENTICAL, NEW, NEW]


def test_old_columns_and_new_ones() -> None:
    rewritten(MINE, step(widen, WidenOptions("fc7", KEEP)))
    found = {one.layer: one for one in check().parameters}
    assert (found["fc8"].status, found["fc8"].note) == (IDENTICAL, "the old part; 6 inputs added, all zero")
    assert (found["fc7"].status, found["fc7"].note) == (IDENTICAL, "")
    assert (found["fc7_new"].status, found["fc7_new"].note) == (NEW, "starts from its filler")


def test_a_fresh_head_of_other_classes() -> None:
    rewritten(MINE, step(head, HeadOptions(7)))
    found = check()
    assert found.exit_status == 0
    assert blob(found, "fc8_new").status == NEW
    assert found.verdict.endswith("the scores of `fc8_new` for `fc8` are new.")


def test_cast_is_compared_at_the_old_size() -> None:
    rewritten(ANSWER, step(cast, CastOptions(size=(40, 40))))
    found = check()
    assert found.exit_status == 0
    assert statuses(found, "fc6_conv", "relu6", "fc8_conv") == [EQUAL] * 3
    assert blob(found, "fc6_conv").was == "fc6"
    assert next(one for one in found.parameters if one.layer == "fc6_conv").note == "moved from `fc6`"
    assert any("compared at 3x20x20" in notice for notice in found.notices)


def test_a_deployed_and_cast_net_against_the_one_that_trained() -> None:
    rewritten(MINE, step(deploy, DeployOptions()), step(cast, CastOptions()))
    found = check()
    assert found.exit_status == 0
    assert statuses(found, "fc8_conv", "loss", "prob") == [EQUAL, "gone", NEW]


def test_folded_layers_are_compared_where_their_results_are() -> None:
    rewritten(RESIDUAL, step(fold, FoldOptions()))
    found = check()
    conv = blob(found, "conv1_folded")
    assert (conv.status, conv.was, conv.blob) == (EQUAL, "scale1", "conv1")
    assert [one.layer for one in found.blobs if one.status == "gone"] == ["conv1", "bn1", "conv2", "bn2"]
    assert conv.difference > 0


def test_auxiliary_classifiers_that_go() -> None:
    rewritten(THREE_HEADS, step(deploy, DeployOptions()))
    found = check()
    assert found.exit_status == 0
    assert [(one.layer, one.status) for one in found.answers][-1] == ("loss3/classifier", IDENTICAL)
    assert "the classifier `loss1/classifier` is gone" in found.verdict


def test_weights_that_changed_are_found_where_they_first_matter() -> None:
    rewritten(MINE, step(freeze, FreezeOptions("fc6")))
    blobs = formats.read("a.caffemodel").layers
    blobs["fc6"][0][3, 5] += 0.5
    formats.write("a.caffemodel", Weights(blobs))
    found = check()
    assert found.exit_status == 1
    assert found.first is not None
    assert found.first.layer == "fc6"
    assert found.first.why == "its weights or its options differ"
    assert statuses(found, "pool1", "relu6") == [IDENTICAL, "changed"]
    assert next(one for one in found.parameters if one.layer == "fc6").status == "changed"


def test_another_wiring_or_option_is_found() -> None:
    rewritten(ANSWER, step(freeze, FreezeOptions("fc6")))
    text = Path("b.prototxt").read_text()
    Path("a.prototxt").write_text(text.replace("kernel_size: 2 stride: 2", "kernel_size: 2 stride: 2 pool: AVE"))
    found = check(after_weights=None)
    assert found.first is not None
    assert found.first.layer == "pool1"
    extra = 'layer { name: "half" type: "Power" bottom: "fc8" top: "half" power_param { scale: 0.5 } }\n'
    changed = text.replace('layer { name: "prob" type: "Softmax" bottom: "fc8"',
                           extra + 'layer { name: "prob" type: "Softmax" bottom: "half"')  # fmt: skip
    Path("a.prototxt").write_text(changed)
    found = check(weights=None, after_weights=None)
    assert found.exit_status == 1
    assert found.first is not None
    assert (found.first.layer, found.first.why) == ("prob", "it reads `half` instead of `fc8`")


def test_without_weights_both_nets_get_the_same() -> None:
    rewritten(MINE, step(widen, WidenOptions("fc7", UNITS)))
    found = check(weights=None, after_weights=None)
    assert found.exit_status == 0
    assert statuses(found, "relu7", "fc7_new") == [IDENTICAL, NEW]
    assert any("same random" in notice for notice in found.notices)


def test_moved_weights_must_be_named() -> None:
    rewritten(MINE, step(widen, WidenOptions("fc7", KEEP)))
    with pytest.raises(UserError, match=r"--after-weights a\.caffemodel"):
        check(after_weights=None)
    with pytest.raises(UserError, match=r"--weights before\.caffemodel --after-weights a\.caffemodel"):
        check(weights=None, after_weights=None)
    rewritten(ANSWER, step(cast, CastOptions()))
    found = check(after_weights=None)
    assert found.exit_status == 1
    assert any("--after-weights a.caffemodel" in notice for notice in found.notices)


def test_another_net() -> None:
    rewritten(ANSWER, step(freeze, FreezeOptions("fc6")))
    Path("a.prototxt").write_text(FIRE.replace("conv1", "first").replace("21", "20").replace('"prob"', '"p"'))
    for weights in ("b.caffemodel", None):
        with pytest.raises(UserError, match="no layer of the net has the name"):
            check(weights=weights, after_weights=None)


def test_nets_of_which_nothing_can_be_compared() -> None:
    Path("b.prototxt").write_text(ANSWER)
    Path("a.prototxt").write_text(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 20 dim: 20 } } }\n'
        'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 2 } }\n'
    )
    formats.write("b.caffemodel", Weights(random_blobs(net(ANSWER))))
    formats.write("a.caffemodel", Weights(random_blobs(net(Path("a.prototxt").read_text()))))
    found = check()
    assert found.exit_status == 1
    assert found.verdict.startswith("Nothing was compared")


def test_bad_inputs() -> None:
    rewritten(MINE, step(freeze, FreezeOptions("fc6")))
    for more, told in (
        ({"weights": "no.caffemodel"}, "not found"),
        ({"phase": "VAL"}, "a phase is TRAIN or TEST"),
        ({"data": "nowhere"}, "nowhere"),
    ):
        with pytest.raises((UserError, OSError), match=told):
            check(**more)
    with pytest.raises(UserError, match="no such file"):
        verify(VerifyOptions("none.prototxt", "a.prototxt"))


def test_values_that_are_no_numbers_are_named() -> None:
    rewritten(MINE, step(freeze, FreezeOptions("fc6")))
    blobs = formats.read("b.caffemodel").layers
    blobs["fc7"][1][0] = np.nan
    formats.write("b.caffemodel", Weights(blobs))
    found = check()
    assert any("NaN or infinite values, first in blob `fc7` of the first net" in notice for notice in found.notices)
    assert found.exit_status == 1
    assert check(after_weights=None).exit_status == 0  # in both nets, and the same


def test_a_size_that_only_the_data_know() -> None:
    text = MINE.replace("crop_size: 20", "")
    Path("b.prototxt").write_text(text)
    Path("a.prototxt").write_text(text)
    with pytest.raises(UserError, match="--shape data:3x227x227"):
        check(weights=None, after_weights=None)
    found = check(weights=None, after_weights=None, shapes={"data": (3, 24, 24)})
    assert found.exit_status == 0
    assert blob(found, "conv1").shape == (4, 8, 20, 20)


def test_pictures_and_the_nets_own_data() -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        Path("photos", name).mkdir(parents=True)
        for k in range(3):
            pixels = rng.integers(0, 255, (30, 26, 3), np.uint8)
            Image.fromarray(pixels).save(f"photos/{name}/{k}.png")
    rewritten(MINE, step(widen, WidenOptions("fc7", UNITS)))
    assert check(data="photos").inputs == "6 pictures of photos, phase TEST".replace("6", "4")
    assert check(data="photos", random=2).inputs.startswith("2 pictures")
    Path("list.txt").write_text("".join(f"photos/{name}/{k}.png {c}\n" for k in range(3) for c, name in
                                        enumerate(("cat", "dog"))))  # fmt: skip
    text = THREE_HEADS.replace('"val.txt" batch_size: 4', '"list.txt" batch_size: 3')
    Path("b.prototxt").write_text(text)
    Path("a.prototxt").write_text(text)
    found = check(weights=None, after_weights=None)
    assert found.inputs.startswith("3 samples of the net's own data")
    assert found.exit_status == 0


def test_apart() -> None:
    one = np.array([[1, -4]], np.float32)
    assert apart(one, one.copy()) == 0
    assert apart(one, one.reshape(1, 2, 1, 1)) == 0
    assert apart(one, np.array([[1, -3]], np.float32)) == 0.25
    assert 0 < apart(np.zeros((1, 1), np.float32), np.full((1, 1), -0.0, np.float32)) < 1e-300
    assert apart(one, one.T) == float("inf")
    nan = np.array([[np.nan, 1]], np.float32)
    assert apart(nan, nan) == 0
    assert apart(nan, one) == float("inf")
    inf = np.array([[np.inf, 1]], np.float32)
    assert apart(inf, -inf) == float("inf")


def test_facts_are_json() -> None:
    rewritten(MINE, step(widen, WidenOptions("fc7", UNITS)))
    found = check()
    read_back = json.loads(json.dumps(found.facts()))
    assert read_back["kept"] is True
    assert len(read_back["blobs"]) == len(found.blobs)
    assert read_net("a.prototxt").message.layer  # the files stay as they were
