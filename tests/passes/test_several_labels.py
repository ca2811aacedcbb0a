"""Rewrites of a net that answers on several labels, and which of its classifiers they mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffelungo.definition.reader import Definition, parse_net, parse_recipe
from caffelungo.definition.template import meant_for
from caffelungo.errors import UserError
from caffelungo.passes.base import run, step
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.head import HeadOptions, head
from caffelungo.passes.one_label import OneLabelOptions, one_label
from caffelungo.passes.read import ReadOptions, read
from caffelungo.passes.view import View
from caffelungo.rewriting import recipes
from caffelungo.rewriting.rewrite import RewriteOptions, rewrite
from tests.lungo import lungo

DATA = """
layer { name: "d" type: "DummyData" top: "data" top: "a" top: "b"
  dummy_data_param { shape { dim: 4 dim: 8 } shape { dim: 4 } shape { dim: 4 } } }
"""


def fc(name: str, outputs: int, bottom: str) -> str:
    return (
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}" '
        f"inner_product_param {{ num_output: {outputs} }} }}\n"
    )


def relu(blob: str) -> str:
    return f'layer {{ name: "relu_{blob}" type: "ReLU" bottom: "{blob}" top: "{blob}" }}\n'


def ends(head: str, label: str) -> str:
    return (
        f'layer {{ name: "loss_{label}" type: "SoftmaxWithLoss" bottom: "{head}" bottom: "{label}" '
        f'top: "loss_{label}" }}\n'
        f'layer {{ name: "acc_{label}" type: "Accuracy" bottom: "{head}" bottom: "{label}" top: "acc_{label}" '
        "include { phase: TEST } }\n"
    )


TRUNK = DATA + fc("fc6", 12, "data") + relu("fc6")
ONE_LAYER = (
    TRUNK + fc("fc7", 10, "fc6") + relu("fc7") + fc("fc_a", 2, "fc7") + fc("fc_b", 3, "fc7") + ends("fc_a", "a")
    + ends("fc_b", "b")
)  # fmt: skip
TWO_LAYERS = (
    TRUNK + fc("fc7", 10, "fc6") + relu("fc7") + fc("fc_a", 2, "fc7") + fc("side", 10, "fc6") + relu("side")
    + fc("fc_b", 3, "side") + ends("fc_a", "a") + ends("fc_b", "b")
)  # fmt: skip


def made(net: str, card: str, chosen: str | None = None, **variables: str) -> Definition:
    path = recipes.find(card)
    opened = recipes.open_recipe(path, meant_for(path, {"units": "4", "tune": "TOP", **variables}))
    return run(parse_net(net), opened.steps, None, chosen or opened.message.classifier or None).definition


def names(definition: Definition) -> list[str]:
    return [layer.name for layer in definition.message.layer]


GROWING = {"wider": {"fc7_new"}, "deeper": {"fc7_deep"}, "joint": {"fc7_new"}, "normalized": {"norm7"}}


@pytest.mark.parametrize(("card", "new"), GROWING.items())
def test_classifiers_that_read_one_layer_need_no_choice_and_all_read_what_is_new(card: str, new: set[str]) -> None:
    grown = made(ONE_LAYER, card)
    assert new <= set(names(grown))
    heads = [one.head for one in View(grown).answers]
    assert [one.name.split("_")[1] for one in heads] == ["a", "b"]
    assert len({one.bottoms[0] for one in heads}) == 1
    assert heads[0].bottoms[0] != "fc7"


@pytest.mark.parametrize("card", sorted(recipes.cards()))
@pytest.mark.parametrize(("chosen", "grown"), [("fc_a", "fc7"), ("fc_b", "side")])
def test_the_classifier_that_is_named_is_the_one_that_is_meant(card: str, chosen: str, grown: str) -> None:
    other = {"fc_a": "fc_b", "fc_b": "fc_a"}[chosen]
    before = parse_net(TWO_LAYERS)
    after = made(TWO_LAYERS, card, chosen)
    assert after.text != before.text
    left = {layer.name: layer for layer in after.message.layer}
    kept = "side" if grown == "fc7" else "fc7"
    for layer in before.message.layer:
        if layer.name in (other, kept):
            assert left[layer.name].bottom == layer.bottom
            assert left[layer.name].inner_product_param == layer.inner_product_param


@pytest.mark.parametrize("card", sorted(recipes.cards()))
def test_a_recipe_takes_the_classifier_as_a_variable(card: str) -> None:
    assert made(TWO_LAYERS, card, head="fc_b").text == made(TWO_LAYERS, card, "fc_b").text


@pytest.mark.parametrize("card", sorted(recipes.cards()))
def test_without_a_choice_the_remedy_names_an_option_that_the_verb_has(card: str, tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt"
    net.write_text(TWO_LAYERS)
    words = ["grow", net, "--recipe", card, "-o", tmp_path / "out.prototxt", "--quiet", "--weights", "none.caffemodel"]
    refused = lungo(*words)
    assert refused.status == 2
    assert "--head fc_a or --head fc_b" in refused.err
    again = lungo(*words, "--head", "fc_b")
    assert "No such option" not in again.err
    assert "more than one label" not in again.err


def test_the_choice_is_followed_through_new_names() -> None:
    steps = [step(head, HeadOptions(classes=7)), step(read, ReadOptions(("fc6",))), step(deploy, DeployOptions())]
    result = run(parse_net(TWO_LAYERS), steps, head="fc_a")
    answers = View(result.definition).answers
    assert [(one.name, one.classes) for one in answers] == [("fc_a_new_read", 7)]
    assert "fc_b" not in names(result.definition)


def test_a_classifier_that_is_none_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no layer called `fc_c`"):
        run(parse_net(ONE_LAYER), [step(head, HeadOptions(classes=7))], head="fc_c")
    with pytest.raises(UserError, match="is not a classifier"):
        run(parse_net(ONE_LAYER), [step(head, HeadOptions(classes=7))], head="fc6")


def test_the_file_of_a_recipe_names_the_classifier(tmp_path: Path) -> None:
    net, recipe = tmp_path / "net.prototxt", tmp_path / "recipe.prototxt"
    net.write_text(TWO_LAYERS)
    recipe.write_text('classifier: "fc_b"\nhead { classes: 9 }\n')
    assert parse_recipe(recipe.read_text()).message.classifier == "fc_b"
    done = rewrite(RewriteOptions(str(net), str(tmp_path / "out.prototxt"), recipe=str(recipe)))
    assert [one.classes for one in View(done.after).answers] == [2, 9]


@pytest.mark.parametrize(("chosen", "stays"), [("fc_a", "a"), ("fc_b", "b")])
@pytest.mark.parametrize("apart", [False, True], ids=["one data layer", "a data layer a label"])
def test_what_serves_other_labels_goes_where_data_have_one(chosen: str, stays: str, apart: bool) -> None:
    text = ONE_LAYER
    if apart:
        text = text.replace(' top: "b"\n', "\n", 1).replace("shape { dim: 4 } } }", "} }", 1)
        text += 'layer { name: "e" type: "DummyData" top: "b" dummy_data_param { shape { dim: 4 } } }\n'
        lines = text.splitlines(keepends=True)
        text = "".join([lines[-1], *lines[:-1]])
    left = run(parse_net(text), [step(one_label, OneLabelOptions(chosen))]).definition
    assert [one.name for one in View(left).classifiers] == [chosen]
    assert {f"loss_{stays}", f"acc_{stays}", "d", "fc7"} <= set(names(left))
    assert not {f"loss_{one}" for one in "ab" if one != stays} & set(names(left))
    assert ("e" in names(left)) == (apart and stays == "b")
    single = run(left, [step(one_label, OneLabelOptions(chosen))])
    assert single.definition.text == left.text
