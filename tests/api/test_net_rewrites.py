"""Nets grown and rewritten in memory are those that the command line writes, weights and all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import caffelungo as cl
from caffelungo.passes.base import Refusal
from tests.lungo import lungo

FIRE = "fire9/concat"


@pytest.fixture(scope="module")
def net() -> cl.Net:
    return cl.open("squeezenet1.1", set={"deploy": True})


def pictures() -> torch.Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 50


def same(mine: cl.Net, text: Path, weights: Path) -> None:
    """``mine`` has the text and the weights of the files; of layers that these lack, nothing is compared."""
    assert mine.text == text.read_text()
    theirs = cl.open(text, weights)
    for name, blobs in theirs.weights().layers.items():
        if name not in theirs.fresh:
            for one, other in zip(blobs, mine.weights().layers[name], strict=True):
                np.testing.assert_array_equal(one, other, err_msg=name)
    assert mine.fresh == theirs.fresh


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({"widen": {FIRE: 8}}, ["--widen", f"{FIRE}:8"]),
        ({"widen": {FIRE: 8}, "keep_head": True}, ["--widen", f"{FIRE}:8", "--keep-head"]),
        (
            {"widen": f"{FIRE}:8", "start": "copy", "seed": 3},
            ["--widen", f"{FIRE}:8", "--start", "copy", "--seed", "3"],
        ),
        ({"enlarge": ["fire9/squeeze1x1:8"]}, ["--enlarge", "fire9/squeeze1x1:8"]),
        ({"recipe": "wider", "set": {"units": 8}}, ["--recipe", "wider", "--set", "units=8"]),
    ],
)
def test_growth_is_that_of_the_command_line(tmp_path: Path, options: dict[str, object], flags: list[str]) -> None:
    source, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    opened = cl.open("squeezenet1.1")
    opened.save(source, weights)
    done = lungo("grow", source, *flags, "--weights", weights, "-o", tmp_path / "grown.prototxt")
    assert done.status == 0, done.err
    mine = cl.open(source, weights).grow(**options)  # type: ignore[arg-type]
    written = tmp_path / "grown.caffemodel"
    same(mine, tmp_path / "grown.prototxt", written if written.exists() else weights)


def test_a_rewrite_is_that_of_the_command_line(tmp_path: Path) -> None:
    source, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    cl.open("squeezenet1.1").save(source, weights)
    flags = ["--classes", "7", "--freeze-to", "fire4", "--rate", "fire9*=0.5", "--fold", "--size", "64"]
    done = lungo("rewrite", source, *flags, "--weights", weights, "-o", tmp_path / "new.prototxt")
    mine = None
    if done.status == 0:
        mine = cl.open(source, weights).rewrite(classes=7, freeze_to="fire4", rate={"fire9*": 0.5}, fold=True, size=64)
        written = tmp_path / "new.caffemodel"
        same(mine, tmp_path / "new.prototxt", written if written.exists() else weights)
    else:
        with pytest.raises(cl.UserError) as caught:
            cl.open(source, weights).rewrite(classes=7, freeze_to="fire4", rate={"fire9*": 0.5}, fold=True, size=64)
        assert all(problem.what in done.err for problem in caught.value.problems)


def test_a_net_that_keeps_its_head_answers_as_before(net: cl.Net) -> None:
    grown = net.grow(widen={FIRE: 8}, keep_head=True)
    x = pictures()
    with torch.no_grad():
        assert torch.allclose(grown(x), net(x), atol=1e-6)
    assert sum(blob.numel() for blob in grown.parameters()) > sum(blob.numel() for blob in net.parameters())


def test_enlarging_leaves_the_answers_and_goes_on_from_there(net: cl.Net) -> None:
    """Rewrites of rewrites: weights that were moved once are moved again."""
    x = pictures()
    twice = net.grow(enlarge={"fire9/squeeze1x1": 8}).grow(enlarge={"fire8/squeeze1x1": 8})
    assert twice.layer("fire9/squeeze1x1").any.params[0].shape[0] == 72
    with torch.no_grad():
        assert torch.allclose(twice(x), net(x), atol=1e-5)


def test_the_net_stays_as_it_is(net: cl.Net) -> None:
    text, values = net.text, net.conv1.weight.detach().clone()
    grown = net.grow(widen={FIRE: 8}, tune="new")
    with torch.no_grad():
        grown.conv1.weight.zero_()
    assert net.text == text
    assert torch.equal(net.conv1.weight, values)
    assert net.conv1.weight.requires_grad
    assert not grown.conv1.weight.requires_grad


def test_trained_weights_move_along(net: cl.Net) -> None:
    """What is moved are the weights as they are now, not those of the file."""
    mine = cl.open("squeezenet1.1", set={"deploy": True})
    with torch.no_grad():
        mine.conv10.bias.add_(1)
    frozen = mine.rewrite(freeze_to="fire4")
    assert torch.equal(frozen.conv10.bias, net.conv10.bias + 1)
    assert frozen.train().training
    assert not mine.rewrite(freeze_to="fire4").training
    assert mine.train().rewrite(freeze_to="fire4").training


def test_layers_that_were_fresh_stay_named(net: cl.Net) -> None:
    grown = cl.open("squeezenet1.1").grow(widen={FIRE: 8})
    again = grown.rewrite(freeze_to="conv1")
    assert again.fresh == grown.fresh != ()
    for name in grown.fresh:
        for one, other in zip(grown.layer(name).blobs, again.layer(name).blobs, strict=True):
            assert torch.equal(one, other)


def test_diff_is_of_the_text(net: cl.Net, tmp_path: Path) -> None:
    grown = net.grow(widen={FIRE: 8})
    assert '+  name: "fire9/concat_new"' in grown.diff().splitlines()
    assert grown.diff(net) == grown.diff()
    net.save(tmp_path / "net.prototxt")
    theirs = grown.diff(tmp_path / "net.prototxt").splitlines()
    assert theirs[3:] == grown.diff().splitlines()[3:]
    assert "`fire9/concat_new`" in grown.notes[0]


def test_refusals_are_those_of_the_passes(net: cl.Net) -> None:
    with pytest.raises(Refusal) as caught:
        net.grow(widen={"pool10": 8})
    assert caught.value.problems[0].what
    with pytest.raises(cl.UserError, match="nothing to add"):
        net.grow()
    with pytest.raises(cl.UserError, match="nothing to do"):
        net.rewrite()
    with pytest.raises(cl.UserError, match='write it as widen="fc7:2048"'):
        net.grow(widen="fire9/concat")
    with pytest.raises(cl.UserError, match="`noise=` must be"):
        net.grow(widen={FIRE: 8}, noise=-1.0)
    with pytest.raises(cl.UserError, match="`scale=` takes a number"):
        net.grow(widen={FIRE: 8}, scale="large")
    with pytest.raises(cl.UserError, match="can be measured only"):
        net.grow(widen={FIRE: 8}, scale="measured")


def test_a_picture_of_the_net_is_a_figure(net: cl.Net) -> None:
    from matplotlib.figure import Figure

    figure = net.grow(widen={FIRE: 8}).draw()
    assert isinstance(figure, Figure)
    shown = {text.get_text() for text in figure.axes[0].texts}
    assert {"fire9/concat_new", "conv10_wide"} <= shown
    assert figure._repr_png_().startswith(b"\x89PNG")
