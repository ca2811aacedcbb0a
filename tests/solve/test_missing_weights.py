"""A training without weights, where the solver or the net shows that some were meant."""

from __future__ import annotations

import pytest

from caffelungo.definition import catalogue
from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net, parse_solver, read_net, read_solver
from caffelungo.definition.schema import TRAIN
from caffelungo.plan.build_plan import build_plan
from caffelungo.solve import missing_weights, run_training
from tests.solve import helpers

RATES = "param {{ lr_mult: {0} }} param {{ lr_mult: {0} }} "


def plan(*rates: float):
    layers = ['layer { name: "data" type: "Input" top: "x0" input_param { shape { dim: 2 dim: 3 } } }']
    for k, rate in enumerate(rates):
        layers.append(
            f'layer {{ name: "fc{k}" type: "InnerProduct" bottom: "x{k}" top: "x{k + 1}" {RATES.format(rate)}'
            "inner_product_param { num_output: 3 } }"
        )
    return build_plan(parse_net("\n".join(layers)).message, net_state(parse_net("\n".join(layers)).message, TRAIN))


def notice(rates=(1, 1, 1, 1), comment: str = "", base_lr: float = 0.01) -> str:
    return missing_weights.notice(parse_solver(f"{comment}\nbase_lr: {base_lr}\n"), plan(*rates)) or ""


@pytest.mark.parametrize(
    ("comment", "name"),
    [
        ("#   lungo train --solver s.prototxt --weights W.caffemodel", "W.caffemodel"),
        ("# caffe train -solver s.prototxt -weights=models/a.caffemodel  # so", "models/a.caffemodel"),
        ("# lungo train --weights 'a b.caffemodel' --solver s", "'a b.caffemodel'"),
        ("# --weights none starts from scratch: train --weights none", ""),
        ("#   lungo train --solver s \\\n#     --weights W.caffemodel", "W.caffemodel"),
        ("# these weights are good", ""),
        ("# What training starts from; --weights names others.", ""),
        ('net: "a --weights b"', ""),
    ],
)
def test_a_comment_that_names_weights(comment, name):
    told = notice(comment=comment)
    assert (f"(--weights {name})" in told) if name else told == ""


@pytest.mark.parametrize(
    ("rates", "text"),
    [
        ((0, 0, 1), "2 of 3 layers are frozen"),
        ((1, 1, 1, 10), "some layers learn 10 times as fast"),
        ((0.1, 0.1, 1), "some layers learn 10 times as fast"),
        ((1, 1, 1), ""),
        ((1, 10), ""),
        ((1, 1, 2), ""),
        ((0, 0, 0), ""),
    ],
)
def test_rates_of_fine_tuning(rates, text):
    told = notice(rates)
    assert text in told if text else told == ""


@pytest.mark.parametrize("name", ["squeezenet1.1", "caffenet"])
@pytest.mark.parametrize("share", [1.0, 0.1])
def test_a_known_net_at_a_tenth_of_its_rate(name, share):
    net = catalogue.find(name)
    definition = read_net(net.train_val, dict(net.variables) or None)
    known = build_plan(definition.message, net_state(definition.message, TRAIN), problems=[])
    rate = read_solver(net.solver, net.solver_variables or None).message.base_lr
    told = (
        missing_weights.notice(parse_solver(f"base_lr: {min(rate * share, 1e-3) if share < 1 else rate}"), known) or ""
    )
    assert (f"{name}, which this net resembles" in told) == (share < 1)


def test_no_net_of_the_catalogue_is_accused_with_its_own_solver():
    for name in ("lenet", "cifar10_quick", "cifar10_full", "caffenet", "squeezenet1.1", "mobilenet"):
        net = catalogue.find(name)
        definition = read_net(net.train_val, dict(net.variables) or None)
        known = build_plan(definition.message, net_state(definition.message, TRAIN), problems=[])
        assert missing_weights.notice(read_solver(net.solver, net.solver_variables or None), known) is None


def test_a_training_says_it_unless_there_are_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    helpers.make(tmp_path, max_iter="2", snapshot="2", extra="# lungo train --solver s --weights W")
    run_training.train(helpers.options())
    assert "(--weights W): is --weights FILE missing?" in capsys.readouterr().err
    run_training.train(helpers.options(weights=["out/s_iter_2.caffemodel"], overwrite=True))
    run_training.train(helpers.options(snapshot="out/s_iter_2.solverstate"))
    assert "is --weights FILE missing?" not in capsys.readouterr().err
