"""New units beside a block start as copies of units of its branches, with all that stands behind those."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.passes.base import Refusal, step
from caffelungo.passes.moves import moved
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.normalize import NormalizeOptions, normalize
from caffelungo.passes.widen import WidenOptions, widen
from tests.passes.nets import ANSWER, FIRE, RESIDUAL, apply, layer, lines, net
from tests.passes.numbers import before_and_after, blobs, picture, random_blobs


def branch(name: str, bottom: str, top: int, kernel: int, norm: bool, more: str = "") -> str:
    """A convolution that keeps the size, BatchNorm with Scale, and ReLU."""
    text = f"""layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"
      convolution_param {{ num_output: {top} kernel_size: {kernel} pad: {kernel // 2} {more} }} }}
    """
    if norm:
        text += f"""layer {{ name: "{name}_bn" type: "BatchNorm" bottom: "{name}" top: "{name}" }}
        layer {{ name: "{name}_scale" type: "Scale" bottom: "{name}" top: "{name}" scale_param {{ bias_term: true }} }}
        """
    return text + f'layer {{ name: "{name}_relu" type: "ReLU" bottom: "{name}" top: "{name}" }}\n'


def module(norm: bool = False, after: str = "", tail: str = "out") -> str:
    """An inception module on 6 channels: 5 units of 1x1 on its input, 4 of 3x3 and 2 of 5x5 behind reductions."""
    return (
        """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 6 dim: 8 dim: 8 } } }
"""
        + branch("a1", "data", 5, 1, norm)
        + branch("r3", "data", 3, 1, norm)
        + branch("a3", "r3", 4, 3, norm)
        + branch("r5", "data", 3, 1, norm)
        + branch("a5", "r5", 2, 5, norm)
        + 'layer { name: "out" type: "Concat" bottom: "a1" bottom: "a3" bottom: "a5" top: "out" }\n'
        + after
        + f"""
layer {{ name: "pool" type: "Pooling" bottom: "{tail}" top: "pool" pooling_param {{ pool: AVE global_pooling: true }} }}
layer {{ name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param {{ num_output: 5 }} }}
"""
    )


BN_AFTER = """
layer { name: "bn" type: "BatchNorm" bottom: "out" top: "bn" }
layer { name: "scale" type: "Scale" bottom: "bn" top: "bn" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "bn" top: "bn" }
"""
ONE_INPUT = module()
for _name, _reads in (("a3", "r3"), ("a5", "r5")):
    _layer = f'name: "{_name}" type: "Convolution" bottom: '
    ONE_INPUT = ONE_INPUT.replace(f'{_layer}"{_reads}"', f'{_layer}"data"')
BLOCK = 'bottom: "conv1" bottom: "conv2" top: "res2"'
RES = 'layer { name: "res2"'
PROJECTED = RESIDUAL.replace(
    RES,
    'layer { name: "side" type: "Convolution" bottom: "conv1" top: "side" '
    f"convolution_param {{ num_output: 8 kernel_size: 1 }} }}\n{RES}",
).replace(BLOCK, 'bottom: "side" bottom: "conv2" top: "res2" eltwise_param { coeff: 0.5 coeff: -1 }')
LARGER = RESIDUAL.replace(BLOCK, f"{BLOCK} eltwise_param {{ operation: MAX }}")
RELU = 'layer { name: "relu2"'
BEFORE = RESIDUAL.replace(
    RELU,
    'layer { name: "bn3" type: "BatchNorm" bottom: "res2" top: "res2" }\n'
    f'layer {{ name: "scale3" type: "Scale" bottom: "res2" top: "res2" }}\n{RELU}',
)
NET2NET = UnitOptions(13, start="net2net")


@pytest.mark.parametrize(
    ("text", "size", "channels", "place", "answers"),
    [
        (FIRE, 21, 3, "fire9/concat", "conv10"),
        (module(), 8, 6, "out", "fc"),
        (module(norm=True), 8, 6, "out", "fc"),
        (module(norm=True, after=BN_AFTER, tail="bn"), 8, 6, "out", "fc"),
        (ONE_INPUT, 8, 6, "out", "fc"),
        (RESIDUAL, 16, 3, "res2", "fc"),
        (PROJECTED, 16, 3, "res2", "fc"),
        (LARGER, 16, 3, "res2", "fc"),
        (BEFORE, 16, 3, "res2", "fc"),
    ],
)
def test_net2net_keeps_the_answers(text: str, size: int, channels: int, place: str, answers: str) -> None:
    result = apply(text, step(widen, WidenOptions(place, NET2NET)))
    before, after = before_and_after(net(text), result, picture(size, channels, batch=1))
    np.testing.assert_allclose(after(answers), before(answers), rtol=1e-4, atol=2e-5)
    new = [one for one in lines(result.definition) if "_wide Concat" in one]
    assert len(new) == 1


def test_each_copy_computes_what_its_original_does() -> None:
    result = apply(module(norm=True), step(widen, WidenOptions("out", NET2NET)))
    before, after = before_and_after(net(module(norm=True)), result, picture(8, 6, batch=1))
    old, new = before("out"), after(next(one for one in result.definition.message.layer if one.type == "Concat"
                                         and one.name.endswith("_wide")).name)[:, 11:]  # fmt: skip
    found = {int(np.abs(old - new[:, k : k + 1]).max((0, 2, 3)).argmin()) for k in range(13)}
    assert all(np.abs(old - new[:, k : k + 1]).max((0, 2, 3)).min() < 1e-5 for k in range(13))
    assert found <= set(range(5)), "units that read the module's input"


def test_kernels_of_a_fire_module_meet_in_the_larger() -> None:
    result = apply(FIRE, step(widen, WidenOptions("fire9/concat", UnitOptions(40, start="net2net"))))
    made = layer(result.definition, "fire9/concat_new")
    assert made.bottom == ["fire9/squeeze"]
    assert made.convolution_param.kernel_size == [3]
    assert made.convolution_param.pad == [1]
    assert "those of `fire9/expand1x1`, `fire9/expand3x3`" in result.explain()
    weights = random_blobs(net(FIRE))
    kernels = moved(weights, result.moves)["fire9/concat_new"][0]
    small, large = weights["fire9/expand1x1"][0], weights["fire9/expand3x3"][0]
    alike_small = [(kernels[:, :, 1:2, 1:2] == one).all((1, 2, 3)) for one in small]
    alike_large = [(kernels == one).all((1, 2, 3)) for one in large]
    assert (np.sum(alike_small, 0) + np.sum(alike_large, 0) == 1).all()
    of_small = np.any(alike_small, 0)
    assert 0 < of_small.sum() < 40
    assert not np.delete(kernels[of_small].reshape(-1, 4, 9), 4, axis=2).any()


def test_noise_follows_the_spread_of_the_branch_it_is_added_to() -> None:
    weights = random_blobs(net(FIRE))
    weights["fire9/expand3x3"][0] *= 10

    def made(noise: float) -> np.ndarray:
        unit = UnitOptions(200, start="copy", noise=noise, seed=3)
        return moved(weights, apply(FIRE, step(widen, WidenOptions("fire9/concat", unit))).moves)["fire9/concat_new"][0]

    clean, added = made(0.0), made(0.1) - made(0.0)
    of_small = ~np.delete(clean.reshape(200, 4, 9), 4, axis=2).any((1, 2))
    assert not np.delete(added[of_small].reshape(-1, 4, 9), 4, axis=2).any()
    np.testing.assert_allclose(added[of_small][:, :, 1, 1].std(), 0.1 * weights["fire9/expand1x1"][0].std(), rtol=0.2)
    np.testing.assert_allclose(added[~of_small].std(), 0.1 * weights["fire9/expand3x3"][0].std(), rtol=0.2)


def test_statistics_of_several_branches_keep_their_meaning() -> None:
    text = ONE_INPUT
    for name in ("a1", "a3", "a5"):
        text = text.replace(
            f'layer {{ name: "{name}_relu"',
            f'layer {{ name: "{name}_bn" type: "BatchNorm" bottom: "{name}" top: "{name}" }}\n'
            f'layer {{ name: "{name}_relu"',
        )
    result = apply(text, step(widen, WidenOptions("out", UnitOptions(30, start="net2net", seed=1))))
    weights = random_blobs(net(text))
    weights["a3_bn"][2] = np.array([7.0], np.float32)
    image = picture(8, 6, batch=1)
    before = blobs(net(text), weights, image)("fc")
    after = blobs(result.definition, moved(weights, result.moves), image)("fc")
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=2e-5)


def refusal(text: str, place: str, unit: UnitOptions) -> str:
    with pytest.raises(Refusal) as caught:
        apply(text, step(widen, WidenOptions(place, unit)))
    assert all(problem.remedy for problem in caught.value.problems)
    return str(caught.value)


def test_a_copied_channel_of_a_residual_block() -> None:
    result = apply(RESIDUAL, step(widen, WidenOptions("res2", NET2NET)))
    found = lines(result.definition)
    assert "res2_new_shortcut Convolution conv1 -> res2_new_shortcut" in found
    assert "res2_new Eltwise res2_new_shortcut,conv2_new -> res2_new" in found
    assert "made of channels of `conv1` and units of `conv2`" in result.explain()
    before, after = before_and_after(net(RESIDUAL), result, picture(16, batch=1))
    old, new = before("res2"), after("res2_new")
    assert all(np.abs(old - new[:, k : k + 1]).max((0, 2, 3)).min() < 1e-5 for k in range(13))


def test_noise_is_added_to_the_units_of_a_residual_block() -> None:
    result = apply(RESIDUAL, step(widen, WidenOptions("res2", UnitOptions(6, start="copy", seed=2))))
    weights = random_blobs(net(RESIDUAL))
    made = moved(weights, result.moves)
    picks = made["res2_new_shortcut"][0].argmax(1).ravel()
    added = made["conv2_new"][0] - weights["conv2"][0][picks]
    np.testing.assert_allclose(added.std(), 0.1 * weights["conv2"][0].std(), rtol=0.2)


def test_what_has_no_units_of_one_layer_is_refused() -> None:
    pools = "".join(
        f'layer {{ name: "{name}" type: "Pooling" bottom: "conv1" top: "{name}" '
        "pooling_param { kernel_size: 3 pad: 1 stride: 1 } }\n"
        for name in ("p", "q")
    )
    pooled = RESIDUAL.replace(RES, pools + RES).replace(BLOCK, 'bottom: "p" bottom: "q" top: "res2"')
    told = refusal(pooled, "res2", UnitOptions(6, start="copy"))
    assert "no branch of `res2` ends in an ungrouped Convolution" in told
    grouped = FIRE.replace('kernel_size: 1 weight_filler { type: "msra" }', "kernel_size: 1 group: 2").replace(
        'kernel_size: 3 pad: 1 weight_filler { type: "msra" }', "kernel_size: 3 pad: 1 group: 2"
    )
    assert "ungrouped" in refusal(grouped, "fire9/concat", NET2NET)


def test_exact_copies_behind_a_normalization_are_refused() -> None:
    text = apply(ANSWER, step(normalize, NormalizeOptions("fc7"))).definition.text
    assert "length of the whole group" in refusal(text, "fc7", NET2NET)
    apply(text, step(widen, WidenOptions("fc7", UnitOptions(6, start="copy"))))


def test_a_grown_net_is_copied_again() -> None:
    first = step(widen, WidenOptions("fc7", UnitOptions(4, normalize=False, keep_head=True)))
    again = step(widen, WidenOptions("fc7_wide", NET2NET))
    grown = apply(ANSWER, first).definition
    result = apply(grown.text, again)
    before, after = before_and_after(net(grown.text), result, picture(20))
    np.testing.assert_allclose(after("fc8"), before("fc8"), rtol=1e-4, atol=2e-5)
    assert "those of `fc7`, `fc7_new`" in result.explain()
