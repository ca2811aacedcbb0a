"""Fillers: the original's values where nothing is random, its statistics where something is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TRAIN, FillerParameter
from caffelungo.errors import UserError
from caffelungo.layers import fillers
from caffelungo.layers.base import LayerError
from caffelungo.plan.build_plan import build_plan
from tests.layers.helper import net
from tests.support import SHARED, needs_shared, shared

SPECS = json.loads(shared("reference/caffe/rng/filler_specs.json").read_text(encoding="utf-8")) if SHARED else {}


def filler(text: str) -> object:
    return text_format.Parse(text, FillerParameter())


def draw(text: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return fillers.fill(filler(text), shape, np.random.default_rng(seed))


@needs_shared
@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("blob", ["ip", "conv"])
def test_statistics_are_the_original_s(name: str, blob: str) -> None:
    with np.load(shared("reference/caffe/rng/fillers.npz")) as archive:
        pair = [archive[f"{name}/{blob}/seed{seed}"] for seed in (1, 42) if f"{name}/{blob}/seed{seed}" in archive]
    if not pair:
        pytest.skip("the original has no such case")
    ours = np.concatenate([draw(SPECS[name], pair[0].shape, seed).ravel() for seed in range(20)])
    theirs = np.concatenate([values.ravel() for values in pair])
    spread = theirs.std()
    if spread < 1e-7 or name == "bilinear":
        np.testing.assert_allclose(ours[: pair[0].size], pair[0].ravel(), atol=1e-7)
        return
    error = spread / np.sqrt(theirs.size)
    assert abs(ours.mean() - theirs.mean()) < 5 * error
    assert abs(ours.std() / spread - 1) < 5 / np.sqrt(theirs.size) + 0.05
    assert abs((ours == 0).mean() - (theirs == 0).mean()) < 0.1
    if name.startswith(("uniform", "xavier")):
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.05)
    if name == "positive_unitball":
        rows = draw(SPECS[name], pair[0].shape).reshape(pair[0].shape[0], -1).sum(1)
        np.testing.assert_allclose(rows, 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("norm", "scale"), [("FAN_IN", 2 * 4 * 4), ("FAN_OUT", 6 * 4 * 4), ("AVERAGE", (2 + 6) * 4 * 4 / 2)]
)
def test_fans(norm: str, scale: float) -> None:
    # A convolution blob 6 x 2 x 4 x 4: fan-in is the count over 6, fan-out the count over 2.
    assert np.abs(draw(f'type: "xavier" variance_norm: {norm}', (6, 2, 4, 4))).max() <= np.sqrt(3 / scale)
    many = np.stack([draw(f'type: "msra" variance_norm: {norm}', (6, 2, 4, 4), seed) for seed in range(50)])
    assert many.std() == pytest.approx(np.sqrt(2 / scale), rel=0.05)


def test_bilinear_is_interpolation() -> None:
    line = np.array([0.25, 0.75, 0.75, 0.25])
    np.testing.assert_allclose(draw('type: "bilinear"', (1, 1, 4, 4))[0, 0], np.outer(line, line))


@given(
    st.sampled_from(sorted(set(fillers.FILLERS) - {"bilinear"})),
    st.lists(st.integers(1, 5), max_size=4).map(tuple),
    st.integers(0, 9),
)
def test_a_seed_gives_the_same_numbers(name: str, shape: tuple[int, ...], seed: int) -> None:
    first, second = draw(f'type: "{name}"', shape, seed), draw(f'type: "{name}"', shape, seed)
    assert first.dtype == np.float32
    assert first.shape == shape
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("text", "shape", "message", "remedy"),
    [
        ('type: "xaver"', (2, 3), "unknown filler", 'did you mean "xavier"?'),
        ('type: "zzz"', (2, 3), "unknown filler", "use one of constant"),
        ('type: "bilinear"', (2, 3), "4 axes", "square kernel"),
        ('type: "bilinear"', (2, 3, 4, 5), "square", "square kernel"),
        ('type: "uniform" min: 0.5 max: -0.5', (2, 3), "min is above max", "swap"),
        ('type: "uniform" sparse: 2', (2, 3), "sparse", "remove"),
    ],
)
def test_a_filler_that_does_not_fit(text: str, shape: tuple[int, ...], message: str, remedy: str) -> None:
    with pytest.raises(LayerError, match=message) as caught:
        fillers.check(filler(text), shape)
    assert remedy in (caught.value.remedy or "")


def test_the_plan_names_the_filler_s_place() -> None:
    places: list[tuple[object, ...]] = []
    message = net(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } } '
        'layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" '
        'inner_product_param { num_output: 2 weight_filler { type: "xavier" } bias_filler { type: "konstant" } } }'
    )
    with pytest.raises(UserError, match=r'did you mean "constant"\?'):
        build_plan(message, net_state(message, TRAIN), where=lambda *path: places.append(path))
    assert ("layer", 1, "inner_product_param", "bias_filler", "type") in places
