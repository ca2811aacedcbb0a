"""New units beside old ones."""

from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from caffelungo.passes.base import Refusal, Result, step
from caffelungo.passes.finetune import finetune
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.widen import WidenOptions, widen
from tests.passes.nets import ALEX, FIRE, RESIDUAL, THREE_HEADS, apply, comments, layer, lines


def widened(text: str, name: str, units: int = 6, **unit: object) -> Result:
    return apply(text, step(widen, WidenOptions(name, UnitOptions(units, **unit))))  # type: ignore[arg-type]


def test_the_picture_at_the_top_of_the_file() -> None:
    after = widened(ALEX, "fc7").definition
    start = [line.split()[0] for line in lines(after)].index("fc7")
    assert lines(after)[start : start + 10] == [
        "fc7 InnerProduct fc6 -> fc7",
        "relu7 ReLU fc7 -> fc7",
        "norm7 Normalize fc7 -> norm7",
        "drop7 Dropout norm7 -> norm7",
        "fc7_new InnerProduct fc6 -> fc7_new",
        "relu7_new ReLU fc7_new -> fc7_new",
        "norm7_new Normalize fc7_new -> norm7_new",
        "drop7_new Dropout norm7_new -> norm7_new",
        "fc7_wide Concat norm7,norm7_new -> fc7_wide",
        "fc8_wide InnerProduct fc7_wide -> fc8_wide",
    ]


def test_rates_and_scales_are_written_out() -> None:
    after = widened(ALEX, "fc7", scale=10.0, new_scale=3.5).definition
    for name in ("fc7_new", "fc8_wide"):
        assert [(one.lr_mult, one.decay_mult) for one in layer(after, name).param] == [(10, 1), (20, 0)]
    for name, scale in (("norm7", 10), ("norm7_new", 3.5)):
        norm = layer(after, name)
        assert [(one.lr_mult, one.decay_mult) for one in norm.param] == [(1, 0)]
        assert norm.norm_param.scale_filler.value == scale
        assert norm.norm_param.HasField("across_spatial")
        assert not norm.norm_param.across_spatial
        assert not norm.norm_param.channel_shared


def test_new_units_are_made_as_the_old_ones() -> None:
    new = layer(widened(ALEX, "fc7").definition, "fc7_new")
    assert new.inner_product_param.num_output == 6
    assert new.inner_product_param.weight_filler.type == "gaussian"
    assert (
        layer(widened(ALEX, "fc7", filler="msra").definition, "fc7_new").inner_product_param.weight_filler.type
        == "msra"
    )


def test_old_layers_stay() -> None:
    before, after = apply(ALEX).definition, widened(ALEX, "fc7").definition
    for name in ("data", "conv1", "fc6", "drop6", "fc7", "relu7"):
        assert layer(before, name) == layer(after, name)
    assert all(comment in after.text for comment in comments(ALEX))


def test_without_normalization() -> None:
    after = widened(ALEX, "fc7", normalize=False).definition
    assert "Normalize" not in "\n".join(lines(after))
    assert "fc7_wide Concat fc7,fc7_new -> fc7_wide" in lines(after)


def test_beside_a_fire_module() -> None:
    after = widened(FIRE, "fire9/concat").definition
    found = lines(after)
    start = found.index("fire9/concat Concat fire9/expand1x1,fire9/expand3x3 -> fire9/concat")
    assert found[start + 1 :] == [
        "fire9/concat_norm Normalize fire9/concat -> fire9/concat_norm",
        "drop9 Dropout fire9/concat_norm -> fire9/concat_norm",
        "fire9/concat_new Convolution fire9/squeeze -> fire9/concat_new",
        "fire9/relu3x3_new ReLU fire9/concat_new -> fire9/concat_new",
        "fire9/concat_norm_new Normalize fire9/concat_new -> fire9/concat_norm_new",
        "drop9_new Dropout fire9/concat_norm_new -> fire9/concat_norm_new",
        "fire9/concat_wide Concat fire9/concat_norm,fire9/concat_norm_new -> fire9/concat_wide",
        "conv10_wide Convolution fire9/concat_wide -> conv10_wide",
        "relu10 ReLU conv10_wide -> conv10_wide",
        "pool10 Pooling conv10_wide -> pool10",
        "prob Softmax pool10 -> prob",
    ]
    new = layer(after, "fire9/concat_new").convolution_param
    assert (list(new.kernel_size), list(new.pad), new.weight_filler.type) == ([3], [1], "msra")


def test_beside_a_residual_block() -> None:
    after = widened(RESIDUAL, "res2").definition
    found = lines(after)
    start = found.index("res2 Eltwise conv1,conv2 -> res2")
    assert found[start + 1 :] == [
        "relu2 ReLU res2 -> res2",
        "res2_norm Normalize res2 -> res2_norm",
        "res2_new Convolution conv1 -> res2_new",
        "bn2_new BatchNorm res2_new -> res2_new",
        "scale2_new Scale res2_new -> res2_new",
        "relu2_new ReLU res2_new -> res2_new",
        "res2_norm_new Normalize res2_new -> res2_norm_new",
        "res2_wide Concat res2_norm,res2_norm_new -> res2_wide",
        "pool Pooling res2_wide -> pool",
        "fc_wide InnerProduct pool -> fc_wide",
        "prob Softmax fc_wide -> prob",
    ]
    assert not layer(after, "res2_new").convolution_param.bias_term
    assert [one.lr_mult for one in layer(after, "scale2_new").param] == [10, 10]


def test_stored_statistics_are_not_copied_to_new_units() -> None:
    text = RESIDUAL.replace(
        'bottom: "conv2" top: "conv2" }',
        'bottom: "conv2" top: "conv2" batch_norm_param { use_global_stats: true } }',
        1,
    )
    after = widened(text, "res2").definition
    assert layer(after, "bn2").batch_norm_param.use_global_stats
    assert not layer(after, "bn2_new").batch_norm_param.HasField("use_global_stats")


def test_the_blob_of_a_block_may_be_named() -> None:
    text = RESIDUAL.replace('name: "res2" type: "Eltwise"', 'name: "sum2" type: "Eltwise"')
    assert "res2_wide Concat res2_norm,res2_norm_new -> res2_wide" in lines(widened(text, "res2").definition)


def test_one_of_three_heads() -> None:
    after = widened(THREE_HEADS, "conv2").definition
    names = [line.split()[0] for line in lines(after)]
    assert {"conv2_wide", "loss2/classifier_wide", "loss3/classifier_wide", "loss1/classifier"} <= set(names)


def test_a_second_group_joins_the_first() -> None:
    first = step(widen, WidenOptions("fc7", UnitOptions(6)))
    second = step(widen, WidenOptions("fc7_wide", UnitOptions(4)))
    found = lines(apply(ALEX, first, second).definition)
    assert "fc7_new2 InnerProduct fc6 -> fc7_new2" in found
    assert "fc7_wide2 Concat fc7_wide,norm7_new2 -> fc7_wide2" in found
    assert sum(" Normalize " in line for line in found) == 3


def test_after_fine_tuning() -> None:
    tuned = step(finetune, FinetuneOptions(classes=3, train_source="t", val_source="v", suffix="pets"))
    after = apply(ALEX, tuned, step(widen, WidenOptions("fc7", UnitOptions(6)))).definition
    assert layer(after, "fc8_pets_wide").inner_product_param.num_output == 3


def test_notes_say_what_where_and_why() -> None:
    note = widened(ALEX, "fc7").notes[0]
    assert "6 new units `fc7_new` beside `fc7`" in note.what
    assert note.where is not None
    assert note.where.line == 38
    assert "`fc6`" in note.why


def refused(text: str, name: str, **unit: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        widened(text, name, **unit)
    return caught.value


def test_refuses_to_change_a_pretrained_layer() -> None:
    error = refused(ALEX, "fc6")
    assert error.reason == "`fc6` feeds `fc7` (InnerProduct); widening it would change `fc7`, which is pre-trained"
    assert error.problems[0].where is not None
    assert "fc7" in str(error.problems[0].remedy)


def test_refuses_what_feeds_an_eltwise() -> None:
    assert "`conv2` feeds `res2` (Eltwise); widening it would change `res2`" in refused(RESIDUAL, "conv2").reason


def test_refuses_the_classifier() -> None:
    error = refused(ALEX, "fc8")
    assert "is the classifier" in error.reason
    assert "fc7" in str(error.problems[0].remedy)


def test_refuses_layers_without_units() -> None:
    assert "no units to widen" in refused(ALEX, "pool1").reason


def test_refuses_no_units() -> None:
    assert "no units to add" in refused(ALEX, "fc7", units=0).reason


def test_refuses_a_layer_of_one_phase() -> None:
    text = ALEX.replace(
        'name: "fc7" type: "InnerProduct"',
        'name: "fc7" include { phase: TRAIN } include { phase: TEST } type: "InnerProduct"',
    )
    assert "one phase" in refused(text, "fc7").reason


def test_refuses_unknown_sizes_beside_a_block() -> None:
    text = FIRE.replace(
        'type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 21 dim: 21 } }',
        'type: "Data" top: "data" data_param { source: "x" batch_size: 2 }',
    )
    assert "not known" in refused(text, "fire9/concat").reason


def test_shapes_of_opened_data_may_be_told() -> None:
    from caffelungo.passes.base import run
    from tests.passes.nets import net

    text = FIRE.replace(
        'type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 21 dim: 21 } }',
        'type: "Data" top: "data" data_param { source: "x" batch_size: 2 }',
    )
    one = step(widen, WidenOptions("fire9/concat", UnitOptions(6)))
    after = run(net(text), [one], sources={"data": [(2, 3, 21, 21)]}).definition
    assert "fire9/concat_wide" in "\n".join(lines(after))


def test_unknown_layer() -> None:
    with pytest.raises(UserError, match="did you mean `fc7`"):
        widened(ALEX, "fc77")
