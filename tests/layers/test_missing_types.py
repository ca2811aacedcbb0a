"""One table of remedies: what is said of a type that does not exist does not depend on the verb that meets it."""

from __future__ import annotations

import pytest

from caffelungo.definition.filter import net_state
from caffelungo.definition.forks import TYPES
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST
from caffelungo.deploy.exportable_part import cut
from caffelungo.errors import Problem, UserError, grouped
from caffelungo.layers import registry
from caffelungo.plan.build_plan import build_plan

DATA = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n'
FOREIGN = [*(one for types in TYPES.values() for one in types), "BN", "SyncBN", "Axpy", "RNN", "Python", "Convolutoin"]


def net(*kinds: str, bottoms: str = 'bottom: "data"') -> str:
    layers = (f'layer {{ name: "n{k}" type: "{kind}" {bottoms} top: "t{k}" }}\n' for k, kind in enumerate(kinds))
    ends = 'layer { name: "end" type: "Concat" ' + "".join(f'bottom: "t{k}" ' for k in range(len(kinds))) + 'top: "e" }'
    return DATA + "".join(layers) + ends


def planned(text: str) -> list[Problem]:
    definition, problems = parse_net(text, "net.prototxt"), []
    build_plan(definition.message, net_state(definition.message, TEST), where=definition.where, problems=problems)
    return problems


def cut_out(text: str) -> list[Problem]:
    return [one for one in cut(parse_net(text, "net.prototxt")).problems if "type" in one.what]


@pytest.mark.parametrize("kind", FOREIGN)
def test_every_verb_gives_the_same_remedy(kind: str) -> None:
    text = net(kind)
    assert [(one.where, one.remedy) for one in planned(text)] == [
        (parse_net(text, "net.prototxt").where("layer", 1, "type"), registry.suggestion(kind))
    ]
    measured = kind.endswith(("Loss", "Accuracy", "Evaluate"))  # left out where a net only answers
    assert measured or cut_out(text) == planned(text)


@pytest.mark.parametrize("kind", ["ConvolutionDepthwise", "Permute", "BN", "RNN", "Relu"])
def test_all_layers_of_a_type_are_one_block(kind: str) -> None:
    shown = str(UserError(planned(net(*[kind] * 17, "Zork"))))
    assert shown.count("to do:") == 2
    assert f"17 layers of type {kind}, which is " in shown
    assert "`n0` (line 2), `n1` (line 3), " in shown
    assert "`n11` (line 13) and 5 more" in shown


def test_depthwise_says_what_does_its_work() -> None:
    (one,) = planned(net("ConvolutionDepthwise"))
    assert "write Convolution with group: C (its channels); the weights are kept" in str(one)
    assert "MobileNet" in str(one)


def test_an_upsample_that_reads_a_mask_is_another_one_than_that_which_reads_none() -> None:
    assert "max-unpooling" in str(planned(net("Upsample", bottoms='bottom: "data" bottom: "data"'))[0])
    assert "max-unpooling" not in str(planned(net("Upsample"))[0])


def test_what_differs_by_more_than_its_place_is_not_grouped() -> None:
    twice = planned(net("Permute", "Relu"))
    assert grouped(twice) == twice
    assert [one.what for one in grouped([*twice, *twice])] != [one.what for one in twice]
