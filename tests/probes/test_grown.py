"""The classifier of a grown net fitted to old and new units: what the new ones held then is what is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.definition.reader import read_net
from caffelungo.errors import UserError
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.view import View
from caffelungo.rewriting.grow_steps import GrowOptions, grow
from caffelungo.rewriting.rewrite import RewriteOptions
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.probes.places import Place, answers, place

NEW = "fire9/concat_new"


@pytest.fixture
def grown(tmp_path: Path) -> tuple[Place, Path]:
    """A probed net with new units beside the layer that its classifier reads, the weights it grew from; an output."""
    spot = place(tmp_path)
    spot.probe(layers=("fire9/concat",), penalty=1.0, output=str(tmp_path / "probed"))
    net = tmp_path / "probed" / "grown.prototxt"
    files = RewriteOptions(str(tmp_path / "probed" / "train_val.prototxt"), str(net))
    grow(GrowOptions(files, widen=[("fire9/concat", UnitOptions(3))]))
    return Place(net, tmp_path / "probed" / "probe.caffemodel", spot.data, spot.test), tmp_path / "out"


def test_the_written_weights_answer_as_the_classifier_that_was_judged(grown: tuple[Place, Path]) -> None:
    spot, out = grown
    assert NEW not in formats.read(spot.weights).layers
    found = spot.probe(layers=("head",), penalty=1.0, test=str(spot.test), output=str(out))
    assert found.head.weight.shape == View(read_net(spot.net)).heads()[-1].head.params[0].shape
    assert any(NEW in notice and "fillers" in notice for notice in found.notices)
    written = formats.read(out / "probe.caffemodel").layers
    assert np.abs(written[NEW][0]).max() > 0
    assert {f"{NEW}_mean_norm", f"{NEW}_max_norm"} <= set(written)
    (head,) = [name for name, arrays in written.items() if arrays[0].shape[:1] == (3,) and name.endswith("_wide")]
    scores, labels = answers(out / "train_val.prototxt", out / "probe.caffemodel", head)
    assert found.tested is not None
    assert np.mean(scores[head].argmax(1) == labels) == pytest.approx(found.tested.accuracy)


def test_weights_that_know_nothing_of_what_the_classifier_reads_are_refused(grown: tuple[Place, Path]) -> None:
    spot, _ = grown
    head = View(read_net(spot.net)).heads()[-1].head
    shapes = [[int(size or 0) for size in use.shape] for use in head.params]
    formats.write(spot.weights, Weights({head.name: [np.ones(shape, np.float32) for shape in shapes]}))
    with pytest.raises(UserError, match="layers that these blobs need are missing"):
        spot.probe(layers=("head",), penalty=1.0)
