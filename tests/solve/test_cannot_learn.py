"""What of a net cannot learn, named before it trains; and nothing said of nets that can."""

from __future__ import annotations

import pytest

from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net, parse_solver
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.plan.build_plan import build_plan
from caffelungo.solve import cannot_learn

DATA = """layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: %d dim: 3 dim: 8 dim: 8 } shape { dim: %d } } }
"""
XAVIER = 'weight_filler { type: "xavier" }'
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }'


def conv(name: str = "conv", filler: str = XAVIER, bottom: str = "data", more: str = "") -> str:
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" {more} '
        f"convolution_param {{ num_output: 4 kernel_size: 3 {filler} }} }}\n"
    )


def fc(bottom: str, filler: str = XAVIER, name: str = "fc", more: str = "") -> str:
    return (
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}" {more} '
        f"inner_product_param {{ num_output: 3 {filler} }} }}\n"
    )


def relu(blob: str, more: str = "") -> str:
    return f'layer {{ name: "relu_{blob}" type: "ReLU" bottom: "{blob}" top: "{blob}" {more} }}\n'


def norm(blob: str, options: str = "") -> str:
    return f'layer {{ name: "bn" type: "BatchNorm" bottom: "{blob}" top: "{blob}" batch_norm_param {{ {options} }} }}\n'


def plan(body: str, batch: int = 8, phase: int = TRAIN, loss: str = LOSS):
    net = parse_net(DATA % (batch, batch) + body + loss)
    return build_plan(net.message, net_state(net.message, phase))


def told(body: str, batch: int = 8, loss: str = LOSS, loaded=(), settled: bool = True) -> str:
    return "\n".join(cannot_learn.train_notices(plan(body, batch, loss=loss), loaded, settled=settled))


HELD = "param { lr_mult: 0 } param { lr_mult: 0 }"

CANNOT = {
    "all rates 0": (conv(more=HELD) + fc("conv", more=HELD), "lr_mult is 0 for all layers"),
    "nothing to learn": (
        'layer { name: "fc" type: "Pooling" bottom: "data" top: "fc" pooling_param { global_pooling: true } }',
        "no layer of the train net has weights",
    ),
    "zero before ReLU": (conv(filler="") + relu("conv") + fc("conv"), "layer `conv` starts at zero weights"),
    "zero before ReLU, by a filler of spread 0": (
        conv(filler='weight_filler { type: "gaussian" std: 0 }') + relu("conv") + fc("conv"),
        "layer `conv` starts at zero weights",
    ),
    "zero, normalized, before ReLU": (
        conv(filler="") + norm("conv") + relu("conv") + fc("conv"), "layer `conv` starts at zero weights",
    ),
    "two zeros in a row": (conv(filler="") + fc("conv", ""), "layers `conv`, `fc` start at zero weights"),
    "two zeros around TanH": (
        conv(filler="") + 'layer { name: "t" type: "TanH" bottom: "conv" top: "t" }' + fc("t", ""),
        "layers `conv`, `fc` start at zero weights",
    ),
    "alike around Sigmoid": (
        conv(filler="") + 'layer { name: "t" type: "Sigmoid" bottom: "conv" top: "t" }' + fc("t", ""),
        "all units of layer `conv` start alike",
    ),
    "alike, not 0": (
        conv(filler='weight_filler { value: 0.1 }') + relu("conv") + fc("conv", 'weight_filler { value: 0.2 }'),
        "all units of layer `conv` start alike",
    ),
    "propagate_down false": (
        conv() + fc("conv", more="propagate_down: false"),
        "no gradient reaches layer `conv`: `propagate_down: false` stops it",
    ),
    "no path to a loss": (conv() + fc("conv") + fc("conv", name="side"), "no loss depends on layer `side`"),
    "behind an ArgMax": (
        conv() + fc("data") + 'layer { name: "a" type: "ArgMax" bottom: "conv" top: "a" }'
        'layer { name: "s" type: "Silence" bottom: "a" }',
        "no loss depends on layer `conv`",
    ),
    "blank statistics": (
        conv() + norm("conv", "use_global_stats: true") + fc("conv"),
        "layer `bn` (BatchNorm) has `use_global_stats: true` and no statistics",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CANNOT)
def test_what_cannot_learn_is_named(case):
    body, text = CANNOT[case]
    assert text in told(body)


CAN = {
    "an ordinary net": conv() + relu("conv") + fc("conv"),
    "a classifier at zero": conv() + relu("conv") + fc("conv", ""),
    "a zero layer under a random one": conv(filler="") + fc("conv"),
    "a zero layer with a bias": conv(filler="bias_filler { value: 0.1 }") + relu("conv") + fc("conv"),
    "a leaky ReLU": conv(filler="") + relu("conv", "relu_param { negative_slope: 0.1 }") + fc("conv"),
    "a zero branch beside another": conv() + conv("side", "") + (
        'layer { name: "sum" type: "Eltwise" bottom: "conv" bottom: "side" top: "sum" }' + relu("sum") + fc("sum", "")
    ),
    "a zero layer that is held": conv(filler="", more=HELD) + relu("conv") + fc("conv"),
    "a held layer below propagate_down": conv(more=HELD) + fc("conv", more="propagate_down: false"),
    "large batches": conv() + norm("conv") + fc("conv"),
}  # fmt: skip


@pytest.mark.parametrize("case", CAN)
def test_nothing_is_said_of_what_can_learn(case):
    assert told(CAN[case]) == ""


def test_weights_that_are_loaded_start_as_they_are():
    body = conv(filler="") + norm("conv", "use_global_stats: true") + relu("conv") + fc("conv")
    net = plan(body)
    assert len(cannot_learn.train_notices(net)) == 2
    assert cannot_learn.train_notices(net, set(net.params)) == []
    # Before weights are named, statistics that nothing has filled say that some will be.
    assert cannot_learn.train_notices(net, settled=False) == []


def test_a_net_without_any_filler_waits_for_weights():
    body = conv(filler="") + relu("conv") + fc("conv", "")
    assert told(body, settled=False) == ""
    assert "never change" in told(body)
    # One filler shows that the net is meant to start from fillers.
    assert "layer `conv`" in told(conv(filler="") + relu("conv") + fc("conv"), settled=False)


@pytest.mark.parametrize(
    ("batch", "body", "text"),
    [
        (1, conv() + norm("conv") + fc("conv"), "takes mean and variance from batches of 1 in TRAIN"),
        (4, conv() + norm("conv") + fc("conv"), "takes mean and variance from batches of 4 in TRAIN"),
        (5, conv() + norm("conv") + fc("conv"), ""),
        (1, fc("data", name="hidden") + norm("hidden") + fc("hidden"), "sees one value per channel"),
        (2, fc("data", name="hidden") + norm("hidden") + fc("hidden"), "from batches of 2 in TRAIN"),
    ],
)
def test_batches_too_small_for_statistics(batch, body, text):
    found = told(body, batch)
    assert text in found if text else found == ""


@pytest.mark.parametrize(
    ("options", "notices"), [("use_global_stats: false", 1), ("", 0), ("use_global_stats: true", 0)]
)
def test_statistics_of_the_test_batch(options, notices):
    found = cannot_learn.test_notices(plan(conv() + norm("conv", options) + fc("conv"), phase=TEST))
    assert len(found) == notices


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (LOSS.replace("top:", "loss_weight: 0 top:"), "every loss_weight is 0"),
        ("", "the train net has no loss"),
    ],
)
def test_a_net_without_a_loss(loss, text):
    problem = cannot_learn.loss_problem(plan(conv() + fc("conv"), loss=loss), lambda *path: None)
    assert problem is not None
    assert text in problem.what
    assert cannot_learn.loss_problem(plan(conv() + fc("conv")), lambda *path: None) is None


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ('lr_policy: "fixed" base_lr: 0', "base_lr is 0, so nothing is learned"),
        ('lr_policy: "step" base_lr: 0.1 gamma: 0 stepsize: 10', "is 0 from about iteration 10 of 100 on"),
        ('lr_policy: "exp" base_lr: 0.1 gamma: 0', "is 0 from about iteration 1 of 100 on"),
        ('lr_policy: "multistep" base_lr: 0.1 gamma: 0 stepvalue: 20', "is 0 from about iteration 20 of 100 on"),
        ('lr_policy: "fixed" base_lr: 0.1 lungo { warmup_iter: 1000 warmup_start: 0 }', ""),
        ('lr_policy: "step" base_lr: 0.1 gamma: 0.1 stepsize: 10', ""),
        ('lr_policy: "poly" base_lr: 0.1 power: 1', ""),
        ('lr_policy: "cosine" base_lr: 0.1', ""),
        ('lr_policy: "step" base_lr: 0.1 gamma: 0 stepsize: 90', ""),
    ],
)
def test_rates_that_are_0(fields, text):
    found = "\n".join(cannot_learn.rate_notices(parse_solver(f"max_iter: 100 {fields}").message))
    assert text in found if text else found == ""
