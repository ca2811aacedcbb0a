"""Recipes: what they ask for, the cards that ship, and mistakes with their places."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format

from caffelungo import resources
from caffelungo.definition import catalogue, editor
from caffelungo.definition.reader import Definition, parse_recipe, read_net
from caffelungo.definition.schema import NetParameter
from caffelungo.errors import UserError
from caffelungo.passes.base import Result, run
from caffelungo.passes.tune import tune_step
from caffelungo.passes.view import View
from caffelungo.rewriting import recipes
from tests.passes.nets import ALEX, FIRE, RESIDUAL, layer, lines, net

CARDS = sorted((resources.folder("solvers") / "growing").glob("*.prototxt.j2"))
EVERYTHING = """
head { classes: 7 suffix: "pets" }
step { widen { units: 4 } }                      # beside fc7
step { recursive { units: 6 below_units: 2 } }
step { deepen { units: 5 normalize: false } }
step { read { layer: "fc6" scale: 10 } }
freeze: "conv*"
rate { layer: "fc6" lr_mult: 0.5 }
rate_decay: 0.9
solver { name: "base_lr" value: "0.002" }
solver { name: "lr_policy" value: "fixed" }
"""


def done(text: str, definition: Definition) -> Result:
    return run(definition, recipes.recipe(parse_recipe(text, "r.prototxt")).steps)


def rates(definition: Definition) -> dict[str, float]:
    return {one.name: one.params[0].lr_mult for one in View(definition).plan.layers if one.params}


def test_everything_in_its_order() -> None:
    after = done(EVERYTHING, net(ALEX)).definition
    names = [line.split()[0] for line in lines(after)]
    assert "fc8_pets_wide_recursive_deep_read" in names
    assert {"fc7_new", "fc7_new2", "fc6_new", "fc7_deep", "norm6_read"} <= set(names)
    assert layer(after, "fc7_new2").inner_product_param.num_output == 6
    assert rates(after)["conv1"] == 0
    assert rates(after)["fc6"] == 0.5


@pytest.mark.parametrize("text", [ALEX, FIRE, RESIDUAL])
@pytest.mark.parametrize(
    "recipe",
    [EVERYTHING.replace('"fc6"', '"conv1"'), *(f"step {{ {name} {{ }} }}" for name in ("normalize", "read", "side"))],
)
def test_text_and_message_become_the_same_net(text: str, recipe: str) -> None:
    result = done(recipe, net(text))
    message = net(text).message
    for rewrite in result.rewrites:
        message = editor.apply_message(message, rewrite.edits)
    assert message == result.definition.message


@pytest.mark.parametrize(
    ("tune", "learning"),
    [
        ("ALL", {"conv1", "fc6", "fc7"}),
        ("TOP_TWO", {"fc6", "fc7"}),
        ("TOP", {"fc7"}),
        ("NEW", set()),
    ],
)
@pytest.mark.parametrize("step", ["", "step { widen { units: 4 } }", "step { recursive { units: 4 } }"])
def test_how_deep_is_tuned(tune: str, learning: set[str], step: str) -> None:
    found = rates(done(f"head {{ }} {step} tune: {tune}", net(ALEX)).definition)
    assert {name for name in ("conv1", "fc6", "fc7") if found[name]} == learning
    assert all(rate for name, rate in found.items() if name not in ("conv1", "fc6", "fc7"))


def test_tuning_a_block_holds_its_batch_norm() -> None:
    after = done('step { widen { layer: "res2" units: 4 } } tune: NEW', net(RESIDUAL)).definition
    assert layer(after, "bn2").batch_norm_param.use_global_stats
    assert not layer(after, "bn2_new").batch_norm_param.use_global_stats


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
@pytest.mark.parametrize("tune", ["NEW", "TOP", "TOP_TWO", "all"])
def test_cards_apply_to_nets_of_every_kind(card: Path, tune: str) -> None:
    steps = recipes.open_recipe(card, {"tune": tune, **({"units": 8} if "{{ units" in card.read_text() else {})}).steps
    for name in ("caffenet", "squeezenet1.1", "resnet18", "googlenet"):
        found = catalogue.find(name)
        result = run(read_net(found.train_val, dict(found.variables) or None), steps)
        classifier = View(result.definition).classifiers[-1].name
        assert classifier.split("_")[-1] in ("new", "deep", "wide", "joint", "recursive", "norm", "read")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
@pytest.mark.parametrize("name", ["lenet", "caffenet", "squeezenet1.1", "resnet18", "googlenet", "mobilenet", "vgg16"])
def test_cards_do_to_the_message_what_they_do_to_the_text(card: Path, name: str) -> None:
    units = {"units": 8} if "{{ units" in card.read_text() else {}
    steps = recipes.open_recipe(card, {"tune": "TOP_TWO", **units}).steps
    found = catalogue.find(name)
    before = read_net(found.train_val, dict(found.variables) or None)
    result = run(before, steps)
    message = before.message
    for rewrite in result.rewrites:
        message = editor.apply_message(message, rewrite.edits)
    assert message == result.definition.message
    assert text_format.Parse(result.definition.text, NetParameter()) == message


def test_every_card_is_in_the_list() -> None:
    listed = (resources.folder("solvers") / "README.md").read_text("utf-8")
    assert [card.name for card in CARDS if f"growing/{card.name}" not in listed] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("step { widn { units: 4 } }", ["r.prototxt:1:8", "did you mean `widen`"]),
        ("step { widen { } }", ["r.prototxt:1:8", "missing: units"]),
        ("tune: ALL\nstep { }", ["r.prototxt:2:1", "exactly one pass"]),
        ("step { widen { units: 4 } fold { } }", ["exactly one pass", "widen, fold"]),
        ("tune: TOPP", ["r.prototxt:1:7", "TOP"]),
        ('rate { layer: "fc6" }', ["r.prototxt:1:1", "missing: layer and lr_mult"]),
        ('solver { name: "base_lrr" value: "1" }', ["r.prototxt:1:16", "did you mean `base_lr`"]),
        ('solver { name: "max_iter" value: "many" }', ["r.prototxt:1:34", "many"]),
        ("", ["the recipe is empty"]),
    ],
)
def test_mistakes_have_a_place(text: str, told: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        recipes.recipe(parse_recipe(text, "r.prototxt"))
    for part in told:
        assert part in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(UserError) as caught:
        recipes.recipe(parse_recipe('step { widen { } }\nstep { }\nsolver { name: "no" }'))
    assert len(caught.value.problems) == 3


def test_an_unknown_depth() -> None:
    with pytest.raises(UserError, match="did you mean top_two"):
        tune_step("TOP_TOW")


def test_check_knows_recipes(tmp_path: Path) -> None:
    from caffelungo.check.files import check

    for card in CARDS:
        report = check([card])
        assert (report.files[0].kind, report.problems) == ("recipe", [])
    wrong = tmp_path / "r.prototxt"
    wrong.write_text("step { widn { units: 4 } }\ntune: NEW\n")
    assert "did you mean `widen`" in str(check([wrong]).problems[0])
