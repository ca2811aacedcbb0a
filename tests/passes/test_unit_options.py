"""Every field of ``UnitOptions`` can be said on the command line, in a recipe and in Python, and does what it says."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffelungo as cl
from caffelungo.definition.reader import parse_recipe, read_net
from caffelungo.passes.base import Refusal, Step, run, step
from caffelungo.passes.deepen import DeepenOptions, deepen
from caffelungo.passes.joint import JointOptions, joint
from caffelungo.passes.new_units import UnitOptions, check_units
from caffelungo.passes.option_fields import fields_of
from caffelungo.passes.registry import GROW, passes
from caffelungo.passes.widen import WidenOptions, widen
from caffelungo.rewriting import grow_steps, recipes
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.lungo import lungo
from tests.passes.nets import ALEX, ANSWER, RESIDUAL, layer, net
from tests.passes.numbers import random_blobs

WAYS: dict[str, tuple[Any, list[str], str, dict[str, Any]]] = {
    # field: (value, flags, recipe, Python)
    "units": (5, [], "units: 5", {}),
    "normalize": (False, ["--no-normalize"], "normalize: false", {"normalize": False}),
    "scale": (7.5, ["--scale", "7.5"], "scale: 7.5", {"scale": 7.5}),
    "new_scale": (0.75, ["--new-scale", "0.75"], "new_scale: 0.75", {"new_scale": 0.75}),
    "suffix": ("extra", ["--unit-suffix", "extra"], 'suffix: "extra"', {"unit_suffix": "extra"}),
    "kernel": (1, ["--kernel", "1"], "kernel: 1", {"kernel": 1}),
    "filler": ("msra", ["--filler", "msra"], 'filler: "msra"', {"filler": "msra"}),
    "rates": (
        ((4.0, 0.5), (8.0, 0.25)), ["--unit-rates", "4:0.5,8:0.25"],
        "param { lr_mult: 4 decay_mult: 0.5 } param { lr_mult: 8 decay_mult: 0.25 }", {"unit_rates": "4:0.5,8:0.25"},
    ),
    "start": ("copy", ["--start", "copy"], "start: COPY", {"start": "copy"}),
    "noise": (0.25, ["--noise", "0.25"], "noise: 0.25", {"noise": 0.25}),
    "seed": (11, ["--seed", "11"], "seed: 11", {"seed": 11}),
    "keep_head": (True, ["--keep-head"], "keep_head: true", {"keep_head": True}),
}  # fmt: skip
NAMES = [one.name for one in fields(UnitOptions)]
GROWTH = [name for name, one in passes().items() if one.verb == GROW and any(len(f.path) > 1 for f in one.fields)]


def wanted(name: str) -> UnitOptions:
    return UnitOptions(**{"units": 5, name: WAYS[name][0]})


def wanted_of_flags(name: str) -> UnitOptions:
    """The same, with the scale that nothing reads where nothing is normalized."""
    unit = wanted(name)
    return unit if unit.normalize else replace(unit, scale=1.0)


def bound(one: Step) -> UnitOptions:
    """The units that a step adds."""
    given: Any = one
    options = given.args[1] if hasattr(given, "args") else given.chain
    return options.unit if hasattr(options, "unit") else options.layers[0][1]  # type: ignore[no-any-return]


def test_no_field_is_left_out() -> None:
    assert list(WAYS) == NAMES
    assert [one.name for one in fields_of(UnitOptions)] == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("growth", GROWTH)
def test_in_a_recipe(growth: str, name: str) -> None:
    words = " ".join(dict.fromkeys(["units: 5", WAYS[name][2]]))
    (made,) = recipes.recipe(parse_recipe(f"step {{ {growth} {{ {words} }} }}")).steps
    assert bound(made) == wanted(name)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[UnitOptions]]:
    """The units of the passes that a command asks for, which are noted and not run."""
    found: list[Step] = []
    real = grow_steps.growth_steps

    def noted(options: grow_steps.GrowOptions) -> list[Step]:
        steps = real(options)
        found.extend(steps)
        return steps

    monkeypatch.setattr(grow_steps, "growth_steps", noted)
    return lambda: [bound(one) for one in found]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("growth", GROWTH)
def test_on_the_command_line(
    asked: Callable[[], list[UnitOptions]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, growth: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("alex.prototxt").write_text(ALEX)
    lungo("grow", "alex.prototxt", f"--{growth}", "fc7:5", *WAYS[name][1], "-o", "out.prototxt")
    assert asked() == [wanted_of_flags(name)]


@pytest.mark.parametrize("name", NAMES)
def test_in_python(
    asked: Callable[[], list[UnitOptions]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("alex.prototxt").write_text(ALEX)
    with contextlib.suppress(cl.UserError):  # some need weights, which comes after what is looked at
        cl.grow("alex.prototxt", output="out.prototxt", widen={"fc7": 5}, **WAYS[name][3])
    assert asked() == [wanted_of_flags(name)]


def test_all_three_write_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything at once, but for what excludes each other; the weights too."""
    monkeypatch.chdir(tmp_path)
    Path("answer.prototxt").write_text(ANSWER)
    formats.write("answer.caffemodel", Weights(random_blobs(net(ANSWER))))
    names = [name for name in NAMES if name not in ("normalize", "keep_head")]
    flags = [word for name in names for word in WAYS[name][1]]
    weights = ["--weights", "answer.caffemodel"]
    ran = lungo("grow", "answer.prototxt", "--widen", "fc7:5", *flags, *weights, "-o", "flags.prototxt")
    assert ran.status == 0, ran.err
    Path("r.prototxt").write_text(f"step {{ widen {{ {' '.join(WAYS[name][2] for name in names)} }} }}")
    ran = lungo("grow", "answer.prototxt", "--recipe", "r.prototxt", *weights, "-o", "recipe.prototxt")
    assert ran.status == 0, ran.err
    unit = UnitOptions(**{name: WAYS[name][0] for name in names})
    done = run(read_net("answer.prototxt"), [step(widen, WidenOptions("fc7", unit))])
    assert Path("flags.prototxt").read_text() == Path("recipe.prototxt").read_text() == done.definition.text
    assert Path("flags.caffemodel").read_bytes() == Path("recipe.caffemodel").read_bytes()
    new = layer(done.definition, "fc7_extra")
    assert [(one.lr_mult, one.decay_mult) for one in new.param] == [(4.0, 0.5), (8.0, 0.25)]
    assert new.inner_product_param.weight_filler.type == "msra"
    assert layer(done.definition, "norm7_extra").norm_param.scale_filler.value == 0.75
    assert np.isfinite(formats.read("flags.caffemodel").layers["fc7_extra"][0]).all()


def test_the_kernel_of_new_convolutions() -> None:
    made = run(net(RESIDUAL), [step(widen, WidenOptions("res2", UnitOptions(4, kernel=1)))]).definition
    assert list(layer(made, "res2_new").convolution_param.kernel_size) == [1]


def test_the_suffix_of_both_new_layers_of_joint() -> None:
    made = run(net(ALEX), [step(joint, JointOptions("fc7", UnitOptions(4, suffix="more")))]).definition
    assert layer(made, "fc7_more").inner_product_param.num_output == 4


@pytest.mark.parametrize(
    ("rate", "pace"),
    [(10.0, "ten times as fast"), (4.0, "4 times as fast"), (1.0, "as fast as pre-trained ones"), (0.0, "not at all")],
)
def test_comments_say_how_fast_new_layers_learn(rate: float, pace: str) -> None:
    unit = UnitOptions(4, rates=((rate, 1.0), (20.0, 0.0)))
    made = run(net(ALEX), [step(widen, WidenOptions("fc7", unit)), step(deepen, DeepenOptions("fc7_wide", unit))])
    assert f"and learn {pace}.\n" in made.definition.text
    assert f"and learns {pace}.\n" in made.definition.text


def test_one_rate_in_a_recipe_leaves_the_other_one() -> None:
    text = "step { widen { units: 5 param { lr_mult: 4 } } }"
    (made,) = recipes.recipe(parse_recipe(text)).steps
    assert bound(made).rates == ((4.0, 1.0), (20.0, 0.0))
    with pytest.raises(cl.UserError) as caught:
        recipes.recipe(parse_recipe(text.replace("} }", "} param { } param { lr_mult: 1 } }", 1), "r.prototxt"))
    assert "r.prototxt:1:56: param may be written 2 times at most" in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"suffix": ""}, "one word"),
        ({"suffix": "a b"}, "one word"),
        ({"kernel": 0}, "a kernel size must be at least 1"),
        ({"rates": ((-1.0, 1.0), (1.0, 0.0))}, "cannot be negative"),
        ({"rates": ((1.0, 1.0), (float("nan"), 0.0))}, "cannot be negative"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        check_units("fc7", UnitOptions(5, **wrong))


@pytest.mark.parametrize("text", ["10", "10,20,30", "10:x,20", ",", "10:-1,20", "nan,1"])
def test_rates_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("alex.prototxt").write_text(ALEX)
    ran = lungo("grow", "alex.prototxt", "--widen", "fc7:5", "--unit-rates", text, "-o", "out.prototxt")
    assert (ran.status, "--unit-rates" in ran.err, "to do:" in ran.err) == (2, True, True)
    assert not Path("out.prototxt").exists()
