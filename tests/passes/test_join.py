from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.definition import catalogue, editor
from caffelungo.definition.reader import Definition, parse_recipe, read_net
from caffelungo.definition.schema import TEST
from caffelungo.deploy.caffe_export import export_caffe
from caffelungo.deploy.export import export
from caffelungo.errors import UserError
from caffelungo.passes.base import Result, run, step
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.finetune import finetune
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.freeze import FreezeOptions, freeze
from caffelungo.passes.join import JoinedOptions, Read, columns, head_name, joined, weights_for
from caffelungo.passes.moves import Blobs
from caffelungo.passes.rates import RatesOptions, rates
from caffelungo.passes.stage_ends import stage_ends
from caffelungo.passes.view import View
from caffelungo.rewriting.recipes import recipe
from caffelungo.weights.weights import Weights
from tests.passes.nets import ALEX, ANSWER, FIRE, RESIDUAL, THREE_HEADS, apply, comments, layer, lines, net, view
from tests.passes.numbers import blobs, picture, random_blobs

DATA = """
layer { name: "data" type: "ImageData" top: "data" top: "label" transform_param { crop_size: 16 }
  image_data_param { source: "train.txt" batch_size: 4 } }
"""


def asked(
    *words: str, normalize: bool = True, pools: tuple[str, ...] = ("mean", "max"), **more: object
) -> JoinedOptions:
    return JoinedOptions(tuple(Read(word, pools, normalize) for word in words), **more)  # type: ignore[arg-type]


def rewritten(text: str, options: JoinedOptions) -> Result:
    return apply(text, step(joined, options))


def test_maps_are_pooled_both_ways_and_joined() -> None:
    assert lines(rewritten(FIRE, asked("conv1", "fire9/concat", classes=5)).definition)[9:] == [
        "fire9/concat Concat fire9/expand1x1,fire9/expand3x3 -> fire9/concat",
        "conv1_mean Pooling conv1 -> conv1_mean",
        "conv1_mean_norm Normalize conv1_mean -> conv1_mean_norm",
        "conv1_max Pooling conv1 -> conv1_max",
        "conv1_max_norm Normalize conv1_max -> conv1_max_norm",
        "fire9/concat_mean Pooling fire9/concat -> fire9/concat_mean",
        "fire9/concat_mean_norm Normalize fire9/concat_mean -> fire9/concat_mean_norm",
        "fire9/concat_max Pooling fire9/concat -> fire9/concat_max",
        "fire9/concat_max_norm Normalize fire9/concat_max -> fire9/concat_max_norm",
        "conv10_probe_in Concat conv1_mean_norm,conv1_max_norm,fire9/concat_mean_norm,fire9/concat_max_norm"
        " -> conv10_probe_in",
        "conv10_probe InnerProduct conv10_probe_in -> conv10_probe",
        "prob Softmax conv10_probe -> prob",
    ]


def test_the_new_layers_say_what_they_are() -> None:
    after = rewritten(FIRE, asked("conv1", "fire9/concat", classes=5)).definition
    assert comments(after.text) == [
        "# A small SqueezeNet that only answers.",
        "# The classifier reads conv1 and fire9/concat, averaged and maximised over the plane, each at unit length.",
        "# 40 features, 5 classes.",
    ]
    pools = [layer(after, f"conv1_{name}").pooling_param for name in ("mean", "max")]
    assert [(one.pool, one.global_pooling, one.kernel_size) for one in pools] == [(1, True, 0), (0, True, 0)]
    norm = layer(after, "conv1_mean_norm")
    assert (norm.norm_param.across_spatial, norm.norm_param.channel_shared) == (False, True)
    assert (norm.norm_param.scale_filler.type, norm.norm_param.scale_filler.value) == ("constant", 1)
    assert [(one.lr_mult, one.decay_mult) for one in norm.param] == [(0, 0)]
    head = layer(after, "conv10_probe")
    assert head.inner_product_param.num_output == 5
    assert [(one.lr_mult, one.decay_mult) for one in head.param] == [(10, 1), (20, 0)]


def test_a_head_on_an_early_layer_cuts_the_net_there() -> None:
    found = lines(rewritten(FIRE, asked("conv1", pools=("mean",))).definition)
    assert found == [
        "data Input  -> data",
        "conv1 Convolution data -> conv1",
        "relu1 ReLU conv1 -> conv1",
        "conv1_mean Pooling conv1 -> conv1_mean",
        "conv1_mean_norm Normalize conv1_mean -> conv1_mean_norm",
        "conv10_probe InnerProduct conv1_mean_norm -> conv10_probe",
        "prob Softmax conv10_probe -> prob",
    ]


def test_vectors_stand_beside_flattened_maps_and_dropout_is_read_before() -> None:
    result = rewritten(ALEX, asked("conv1", "fc6", "fc7", classes=4))
    assert lines(result.definition)[3:] == [
        "relu1 ReLU conv1 -> conv1",
        "pool1 Pooling conv1 -> pool1",
        "fc6 InnerProduct pool1 -> fc6",
        "relu6 ReLU fc6 -> fc6",
        "drop6 Dropout fc6 -> drop6_out",
        "fc7 InnerProduct drop6_out -> fc7",
        "relu7 ReLU fc7 -> fc7",
        "conv1_mean Pooling conv1 -> conv1_mean",
        "conv1_mean_flat Flatten conv1_mean -> conv1_mean_flat",
        "conv1_mean_norm Normalize conv1_mean_flat -> conv1_mean_norm",
        "conv1_max Pooling conv1 -> conv1_max",
        "conv1_max_flat Flatten conv1_max -> conv1_max_flat",
        "conv1_max_norm Normalize conv1_max_flat -> conv1_max_norm",
        "norm6 Normalize fc6 -> norm6",
        "norm7 Normalize fc7 -> norm7",
        "fc8_probe_in Concat conv1_mean_norm,conv1_max_norm,norm6,norm7 -> fc8_probe_in",
        "fc8_probe InnerProduct fc8_probe_in -> fc8_probe",
        "accuracy Accuracy fc8_probe,label -> accuracy",
        "loss SoftmaxWithLoss fc8_probe,label -> loss",
    ]
    explained = " ".join(str(note) for note in result.notes)
    assert "`drop6` (Dropout) makes `drop6_out` (the classifier reads `fc6` before it)" in explained
    assert "`accuracy_top5` (Accuracy) removed (top 5 of 4 is always right)" in explained
    assert "`drop7` (Dropout) removed (no other layer needs it)" in explained
    assert [one.include[0].phase for one in result.definition.message.layer if one.name == "accuracy"] == [TEST]


def test_two_dropouts_in_place_give_way() -> None:
    twice = ALEX.replace(
        'layer { name: "drop6"',
        'layer { name: "drop5" type: "Dropout" bottom: "fc6" top: "fc6" }\nlayer { name: "drop6"',
    )
    found = lines(rewritten(twice, asked("fc6", "fc7")).definition)
    assert [one for one in found if "Dropout" in one or one.startswith("fc7 ")] == [
        "drop5 Dropout fc6 -> drop5_out",
        "drop6 Dropout drop5_out -> drop6_out",
        "fc7 InnerProduct drop6_out -> fc7",
    ]


def test_one_part_as_it_is_makes_a_plain_classifier() -> None:
    options = asked("fc7", normalize=False)
    found = lines(rewritten(ANSWER, options).definition)
    assert found[-3:] == [
        "relu7 ReLU fc7 -> fc7", "fc8_probe InnerProduct fc7 -> fc8_probe", "prob Softmax fc8_probe -> prob"
    ]  # fmt: skip
    assert columns(view(ANSWER), options) == [("fc7", "mean", 10)]
    assert "pool InnerProduct" not in found
    plane_of_one = lines(rewritten(RESIDUAL, asked("pool", normalize=False)).definition)
    assert plane_of_one[-2] == "fc_probe InnerProduct pool -> fc_probe"


def test_the_old_classifiers_size_suits_again() -> None:
    after = rewritten(ANSWER, asked("conv1")).definition
    assert layer(after, "fc8_probe").inner_product_param.num_output == 9
    assert layer(rewritten(ANSWER, asked("conv1", name="fc8_birds")).definition, "fc8_birds").type == "InnerProduct"
    again = run(after, [step(joined, asked("conv1", normalize=False, pools=("max",)))]).definition
    assert lines(again)[-3:-1] == [
        "conv1_max2 Pooling conv1 -> conv1_max2", "fc8_probe2 InnerProduct conv1_max2 -> fc8_probe2"
    ]  # fmt: skip


def test_auxiliary_classifiers_go_with_their_losses() -> None:
    found = lines(rewritten(THREE_HEADS, asked("conv1", "conv2", pools=("max",), normalize=False)).definition)
    assert found[2:] == [
        "conv1 Convolution data -> conv1",
        "conv2 Convolution conv1 -> conv2",
        "conv1_max Pooling conv1 -> conv1_max",
        "conv2_max Pooling conv2 -> conv2_max",
        "loss3/classifier_probe_in Concat conv1_max,conv2_max -> loss3/classifier_probe_in",
        "loss3/classifier_probe InnerProduct loss3/classifier_probe_in -> loss3/classifier_probe",
        "loss3/loss SoftmaxWithLoss loss3/classifier_probe,label -> loss3/loss",
    ]


def test_a_loss_that_stood_before_what_is_read_moves_behind_it() -> None:
    after = rewritten(THREE_HEADS, asked("conv2", pools=("max",), normalize=False, head="loss1/classifier")).definition
    assert lines(after)[3:] == [
        "conv2 Convolution conv1 -> conv2",
        "conv2_max Pooling conv2 -> conv2_max",
        "loss1/classifier_probe InnerProduct conv2_max -> loss1/classifier_probe",
        "loss1/loss SoftmaxWithLoss loss1/classifier_probe,label -> loss1/loss",
    ]
    assert layer(after, "loss1/loss").loss_weight[0] == pytest.approx(0.3)


def test_another_label_keeps_its_classifier() -> None:
    text = THREE_HEADS.replace(
        'bottom: "loss1/classifier" bottom: "label"', 'bottom: "loss1/classifier" bottom: "label2"'
    )
    text = text.replace('top: "label"', 'top: "label" top: "label2"').replace("ImageData", "HDF5Data")
    text = text.replace("image_data_param", "hdf5_data_param").replace("transform_param { crop_size: 16 }", "")
    shapes = {"data": [(4, 3, 16, 16), (4,), (4,)]}
    options = asked("conv1", pools=("max",), normalize=False)
    with pytest.raises(UserError, match="more than one label"):
        run(net(text), [step(joined, options)], shapes)
    named = asked("conv1", pools=("max",), normalize=False, head="loss3/classifier")
    found = lines(run(net(text), [step(joined, named)], shapes).definition)
    assert found[2:] == [
        "conv1 Convolution data -> conv1",
        "loss1/classifier InnerProduct conv1 -> loss1/classifier",
        "loss1/loss SoftmaxWithLoss loss1/classifier,label2 -> loss1/loss",
        "conv1_max Pooling conv1 -> conv1_max",
        "loss3/classifier_probe InnerProduct conv1_max -> loss3/classifier_probe",
        "loss3/loss SoftmaxWithLoss loss3/classifier_probe,label -> loss3/loss",
    ]


def test_a_softmax_before_the_loss_stays() -> None:
    text = (
        DATA
        + "".join(ANSWER.split("\n", 2)[2:])
        + ('layer { name: "log" type: "MultinomialLogisticLoss" bottom: "prob" bottom: "label" top: "log" }\n')
    )
    found = lines(rewritten(text, asked("conv1", pools=("max",))).definition)
    assert found[-3:] == [
        "fc8_probe InnerProduct conv1_max_norm -> fc8_probe",
        "prob Softmax fc8_probe -> prob",
        "log MultinomialLogisticLoss prob,label -> log",
    ]


def test_a_shared_weight_keeps_the_rate_that_a_layer_taken_out_had_stated() -> None:
    text = (
        DATA
        + """
    layer { name: "a" type: "Convolution" bottom: "data" top: "a" param { name: "w" lr_mult: 0 decay_mult: 0 }
      convolution_param { num_output: 3 kernel_size: 3 pad: 1 bias_term: false } }
    layer { name: "b" type: "Convolution" bottom: "data" top: "b" param { name: "w" }
      convolution_param { num_output: 3 kernel_size: 3 pad: 1 bias_term: false } }
    layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
    layer { name: "fc" type: "InnerProduct" bottom: "sum" top: "fc" inner_product_param { num_output: 4 } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
    """
    )
    after = rewritten(text, asked("b", pools=("mean",))).definition
    assert not [one for one in lines(after) if one.startswith("a ")]
    spec = layer(after, "b").param[0]
    assert (spec.lr_mult, spec.decay_mult) == (0, 0)


def test_the_names_of_the_nets_answers_follow() -> None:
    text = ANSWER + 'lungo { head { name: "fc8" task: "birds" label: "wren" label: "tit" } head { name: "old" } }\n'
    heads = rewritten(text, asked("conv1")).definition.message.lungo.head
    assert [(one.name, list(one.label)) for one in heads] == [("fc8_probe", ["wren", "tit"]), ("old", [])]
    heads = rewritten(text, asked("conv1", classes=3)).definition.message.lungo.head
    assert (heads[0].name, heads[0].task, list(heads[0].label)) == ("fc8_probe", "birds", [])


def test_a_recipe_joins_what_it_names_or_the_end_of_every_stage() -> None:
    named = recipe(
        parse_recipe('step { join { blob: "fc6" blob: "conv1" pool: MAX normalize: false suffix: "mine" } }')
    )
    found = lines(run(net(ANSWER), named.steps).definition)
    assert found[-4:] == [
        "conv1_max_flat Flatten conv1_max -> conv1_max_flat",
        "fc8_mine_in Concat fc6,conv1_max_flat -> fc8_mine_in",
        "fc8_mine InnerProduct fc8_mine_in -> fc8_mine",
        "prob Softmax fc8_mine -> prob",
    ]
    every = run(net(ANSWER), recipe(parse_recipe("head { classes: 3 } step { join { } }")).steps).definition
    assert stage_ends(view(ANSWER)) == ["conv1", "fc6", "fc7"]
    assert layer(every, "fc8_probe_in").bottom == ["conv1_mean_norm", "conv1_max_norm", "norm6", "norm7"]
    assert layer(every, "fc8_probe").inner_product_param.num_output == 3


# --- numbers -----------------------------------------------------------------------------------------------------


def expected(before: Definition, weights: Blobs, options: JoinedOptions, weight: np.ndarray, bias: np.ndarray,
             *inputs: np.ndarray) -> np.ndarray:  # fmt: skip
    """The logits by numpy, from the blobs of the net before."""
    blob = blobs(before, weights, *inputs)
    rows = []
    for read in options.reads:
        value = blob(read.blob).astype(np.float64)
        flat = value.reshape(*value.shape[:2], -1)
        pools = ("mean",) if flat.shape[2] == 1 else [one for one in ("mean", "max") if one in read.pools]
        for pool in pools:
            row = flat.mean(2) if pool == "mean" else flat.max(2)
            rows.append(row / np.linalg.norm(row, axis=1, keepdims=True) if read.normalize else row)
    return np.concatenate(rows, axis=1) @ weight.T.astype(np.float64) + bias


@pytest.mark.parametrize(
    ("text", "size", "options"),
    [
        (FIRE, 21, asked("conv1", "fire9/squeeze", "fire9/concat", classes=6)),
        (FIRE, 21, asked("fire9/concat", pools=("max",), normalize=False)),
        (ANSWER, 20, asked("fc7", "conv1", "fc6", classes=3)),
        (ANSWER, 20, JoinedOptions((Read("pool1", ("max",), False), Read("fc6")))),
        (RESIDUAL, 16, asked("conv1", "res2", "pool", classes=4)),
    ],
)
def test_the_net_answers_as_numpy_does_from_the_same_features(text: str, size: int, options: JoinedOptions) -> None:
    before, weights = net(text), random_blobs(net(text))
    classes = options.classes or View(before).heads()[-1].classes
    width = sum(channels for _, _, channels in columns(View(before), options))
    rng = np.random.default_rng(7)
    weight = rng.normal(0, 1, (classes, width)).astype(np.float32)
    bias = rng.normal(0, 1, classes).astype(np.float32)
    image = picture(size, batch=View(before).plan.sources[0].top_shapes[0][0])  # type: ignore[index]
    placed = {**weights, **weights_for(View(before), options, weight, bias)}
    after = run(before, [step(joined, options)]).definition
    assert set(placed) >= {one.name for one in View(after).plan.layers if one.params}
    found = blobs(after, placed, image)(head_name(View(before), options))
    wanted = expected(before, weights, options, weight, bias, image)
    scale = max(1.0, float(np.abs(wanted).max()))
    np.testing.assert_allclose(found / scale, wanted / scale, rtol=0, atol=1e-5)


def test_weights_of_another_size_are_refused() -> None:
    options = asked("conv1", classes=3)
    with pytest.raises(UserError, match="not have the shapes of `fc8_probe`") as error:
        weights_for(view(ANSWER), options, np.zeros((3, 8), np.float32), np.zeros(3, np.float32))
    assert "3x16" in str(error.value).replace(" x ", "x")


# --- nets as they ship -------------------------------------------------------------------------------------------

REAL = {
    "squeezenet1.1": ("fire5/concat", "fire9/concat"),
    "caffenet": ("conv5", "fc6", "fc7"),
    "googlenet": ("inception_3b/output", "inception_4e/output", "pool5/7x7_s1"),
    "resnet50": ("res3d", "res5c"),
    "mobilenet": ("conv4_2/sep", "conv6/sep"),
    "lenet": ("pool2", "ip1"),
}
WIDTHS = {
    "squeezenet1.1": 2 * (256 + 512), "caffenet": 2 * 256 + 2 * 4096, "googlenet": 2 * (480 + 832) + 1024,
    "resnet50": 2 * (512 + 2048), "mobilenet": 2 * (512 + 1024), "lenet": 2 * 50 + 500,
}  # fmt: skip


def train_val(name: str) -> Definition:
    """The net on the user's pictures."""
    found = catalogue.find(name)
    given = FinetuneOptions(7, "train.txt", "val.txt", size=28 if name == "lenet" else None)
    return run(read_net(found.train_val, dict(found.variables) or None), [step(finetune, given)]).definition


@pytest.mark.parametrize("name", REAL)
def test_nets_of_the_catalogue_fit_together_in_both_phases(name: str) -> None:
    before = train_val(name)
    options = asked(*REAL[name])
    rewrite = joined(View(before), options)
    after = editor.apply(before, rewrite.edits)
    assert after.message == editor.apply_message(before.message, rewrite.edits)
    problems: list = []
    found = View(after, problems)
    assert not problems
    assert len(found.graphs) == 2
    (head,) = found.classifiers
    assert head.head.layer.type == "InnerProduct"
    assert head.classes == 7
    assert head.head.params[0].shape == (7, WIDTHS[name])
    losses = [one for one in found.plan.layers if any(one.loss_weights)]
    assert [one.bottoms for one in losses] == [(head.name, "label")]
    assert not [one for one in found.plan.outputs if one not in losses[0].tops]
    assert set(comments(after.text)) >= {f"# {WIDTHS[name]} features, 7 classes."}


@pytest.mark.parametrize("name", ["squeezenet1.1", "googlenet"])
def test_other_passes_take_the_result(name: str) -> None:
    after = run(train_val(name), [step(joined, asked(*REAL[name]))]).definition
    answers = run(after, [step(deploy, DeployOptions())]).definition
    assert answers.message.layer[-1].type == "Softmax"
    (head,) = View(answers).classifiers
    frozen = run(after, [step(freeze, FreezeOptions(f"{head.name}_in"))]).definition
    learning = {one.name for one in View(frozen).plan.layers for use in one.params if use.spec.learned and use.lr_mult}
    assert learning == {head.name}
    slower = run(after, [step(rates, RatesOptions((("*_norm", 0.5),), 0.9))]).definition
    assert View(slower).plan.layer(head.name).params[0].lr_mult == 10


def answering(text: str, options: JoinedOptions) -> tuple[Definition, Weights]:
    """A net whose classifier has random weights, and those."""
    before, weights = net(text), random_blobs(net(text))
    width = sum(channels for _, _, channels in columns(View(before), options))
    weight = np.random.default_rng(2).normal(0, 1, (5, width)).astype(np.float32)
    weights |= weights_for(View(before), options, weight, np.zeros(5, np.float32))
    after = run(before, [step(joined, options)]).definition
    kept = {one.name for one in after.message.layer}
    return after, Weights({name: arrays for name, arrays in weights.items() if name in kept})


def test_it_leaves_as_onnx_with_proof_of_equal_answers(tmp_path: Path) -> None:
    done = export(*answering(ANSWER, asked("conv1", "fc6", classes=5)), tmp_path / "net.onnx")
    assert done.parity.worst["prob"].largest < 1e-5
    assert (done.operators["GlobalAveragePool"], done.operators["GlobalMaxPool"]) == (1, 1)
    assert "Reshape" not in done.operators


@pytest.mark.parametrize("normalize", [True, False])
def test_it_leaves_for_caffe_with_proof_of_equal_answers(tmp_path: Path, normalize: bool) -> None:
    asked_for = asked("conv1", "fire9/concat", classes=5, normalize=normalize)
    done = export_caffe(*answering(FIRE, asked_for), tmp_path / "net.prototxt")
    types = {one.type for one in read_net(done.prototxt).message.layer}
    assert "Normalize" not in types
    assert len(done.notes) == (4 if normalize else 0)
    assert done.proof.worst["prob"].largest < 1e-5


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        (FIRE, asked("fire9/concatt"), "did you mean `fire9/concat`"),
        (FIRE, asked("data"), "has no features"),
        (FIRE, asked("pool10"), "depends on classifier `conv10`, which is replaced"),
        (FIRE, asked("prob"), "depends on classifier `conv10`, which is replaced"),
        (FIRE, asked(), "would read nothing"),
        (FIRE, asked("conv1", pools=("median",)), "give one or both of mean, max"),
        (FIRE, asked("conv1", pools=()), "has no such pooling"),
        (FIRE, asked("conv1", "conv1"), "is read twice"),
        (FIRE, asked("conv1", "relu1"), "is read twice"),
        (FIRE, asked("conv1", classes=1), "at least two classes"),
        (FIRE, asked("conv1", head="fire9/squeeze"), "is not a classifier"),
        (ALEX, asked("loss"), "depends on classifier `fc8`, which is replaced"),
        (ALEX, asked("label"), "has no features"),
        (ALEX + 'layer { name: "sum" type: "Eltwise" bottom: "fc8" bottom: "fc8" top: "sum" }', asked("fc7"),
         "`sum` .Eltwise. reads the output of classifier `fc8`"),
        (ALEX.replace('"SoftmaxWithLoss"', '"InfogainLoss"'),
         asked("fc7", classes=3), "InfogainLoss"),
    ],
)  # fmt: skip
def test_refusals(text: str, options: JoinedOptions, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        rewritten(text, options)


def test_every_wrong_blob_is_told_at_once() -> None:
    with pytest.raises(UserError) as error:
        rewritten(FIRE, asked("conv1x", "data", "fire9/concat", "prob"))
    assert len(error.value.problems) == 3


def test_a_blob_of_unknown_size_is_refused() -> None:
    text = THREE_HEADS.replace("ImageData", "HDF5Data").replace("image_data_param", "hdf5_data_param")
    with pytest.raises(UserError, match="channels of `conv2` are not known"):
        rewritten(text.replace("transform_param { crop_size: 16 }", ""), asked("conv2"))


def test_the_size_of_the_plane_need_not_be_known() -> None:
    text = ALEX.replace("crop_size: 20", "")
    shapes = {"data": [(4, 3, None, None), (4,)]}
    found = View(net(text), [], sources=shapes)
    assert found.plan.blobs["conv1"] == (4, 8, None, None)
    assert columns(found, asked("conv1")) == [("conv1", "mean", 8), ("conv1", "max", 8)]


def test_a_blob_of_one_phase_is_refused() -> None:
    text = ALEX.replace(
        'layer { name: "loss"',
        'layer { name: "seen" type: "ReLU" bottom: "fc7" top: "seen" include { phase: TEST } }\nlayer { name: "loss"',
    )
    with pytest.raises(UserError, match="in one phase only"):
        rewritten(text, asked("seen"))


def test_several_answers_without_a_label_must_be_told_apart() -> None:
    text = ANSWER + (
        'layer { name: "fc9" type: "InnerProduct" bottom: "fc6" top: "fc9" inner_product_param { num_output: 5 } }\n'
        'layer { name: "prob9" type: "Softmax" bottom: "fc9" top: "prob9" }\n'
    )
    with pytest.raises(UserError, match="--head fc9"):
        rewritten(text, asked("fc6"))
    found = lines(rewritten(text, asked("fc6", head="fc8")).definition)
    assert found[4:] == [
        "fc6 InnerProduct pool1 -> fc6",
        "relu6 ReLU fc6 -> fc6",
        "drop6 Dropout fc6 -> drop6_out",
        "norm6 Normalize fc6 -> norm6",
        "fc8_probe InnerProduct norm6 -> fc8_probe",
        "prob Softmax fc8_probe -> prob",
        "fc9 InnerProduct drop6_out -> fc9",
        "prob9 Softmax fc9 -> prob9",
    ]
