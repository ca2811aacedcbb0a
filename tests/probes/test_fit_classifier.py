"""A new task's classifier fitted in place: its weights answer as it does, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from caffelungo.definition.reader import read_net
from caffelungo.errors import UserError
from caffelungo.probes.choose_candidate import fit_head
from caffelungo.probes.fit_classifier import fitted_head
from caffelungo.probes.picture_entries import own
from caffelungo.solve.engine import Engine
from caffelungo.weights.load import load
from tests.probes.own_nets import HEADS, POOL, own_net
from tests.probes.places import blobs_of

CPU = Engine(torch.device("cpu"))
KINDS = {kind: HEADS[kind] for kind in ("InnerProduct", "transpose", "Convolution")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_weights_answer_as_the_converged_classifier(kind: str, mirrored: bool, tmp_path: Path) -> None:
    spot = own_net(tmp_path, kind)
    definition, weights = read_net(spot.net), load(str(spot.weights))
    _, name, top = KINDS[kind]
    gathered = own(definition)
    assert gathered.aside is not None
    judges = [entry for entry, each in zip(gathered.entries, gathered.aside, strict=True) if each]
    del weights.layers[name]  # a classifier that is new
    # Fitted to what TEST reads, so that its own answers there can be compared.
    found = fitted_head(definition, weights, judges, 3, CPU, name, mirrored=mirrored)
    blobs, labels = blobs_of(definition, found.weights.layers, "conv", top)
    x = blobs["conv"].mean((2, 3))
    assert found.energy == pytest.approx(float((x.astype(np.float64) ** 2).sum(1).mean()), rel=1e-5)
    assert (found.row.features, found.row.held) == (8, len(judges))
    for layer, arrays in weights.layers.items():
        assert [one.tobytes() for one in arrays] == [one.tobytes() for one in found.weights.layers[layer]]
    assert set(found.weights.layers) == {*weights.layers, name}
    if not mirrored:
        head = fit_head(torch.from_numpy(x), labels, 3, found.row.penalty)
        expected = x @ head.weight.T + head.bias
        np.testing.assert_allclose(blobs[top].reshape(-1, 3), expected, rtol=2e-2, atol=2e-3 * np.abs(expected).max())


def test_copies_of_a_picture_stay_on_one_side(tmp_path: Path) -> None:
    spot = own_net(tmp_path)
    definition, weights = read_net(spot.net), load(str(spot.weights))
    entries = own(definition).entries
    # Every picture twice: whoever is judged by a copy of what it learned is judged too well.
    twice, count = [*entries, *entries], len(entries)
    groups = [[place, place + count] for place in range(count)]
    apart = fitted_head(definition, weights, twice, 3, CPU, "fc", groups=groups).row
    mixed = fitted_head(definition, weights, twice, 3, CPU, "fc").row
    assert apart.loss > mixed.loss


def test_answers_that_bend_are_refused(tmp_path: Path) -> None:
    spot = own_net(tmp_path, "Convolution")
    relu = 'layer { name: "bend" type: "ReLU" bottom: "score" top: "score" }\n'
    pool = POOL % ("mean", "score", "mean")
    spot.net.write_text(spot.net.read_text().replace(pool, relu + pool))
    definition = read_net(spot.net)
    with pytest.raises(UserError, match="not linear"):
        fitted_head(definition, load(str(spot.weights)), own(definition).entries, 3, CPU, "score")


def test_the_same_pictures_and_seed_give_the_same_weights(tmp_path: Path) -> None:
    spot = own_net(tmp_path)
    definition, weights = read_net(spot.net), load(str(spot.weights))
    one, two = (fitted_head(definition, weights, own(definition).entries, 3, CPU, "fc", seed=4) for _ in range(2))
    assert one.row == two.row
    assert one.weights.layers["fc"][0].tobytes() == two.weights.layers["fc"][0].tobytes()
