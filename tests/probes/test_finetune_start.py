"""A training that starts where the best linear classifier stands: the net, its weights, and what iteration 0 gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from caffelungo.errors import UserError
from caffelungo.probes import finetune_start
from caffelungo.probes.finetune_start import Started, start
from caffelungo.probes.picture_entries import gather
from caffelungo.probes.start_candidates import SCALE
from caffelungo.rewriting.retarget import Pictures, PointOptions, open_net, point
from caffelungo.solve.engine import Engine
from caffelungo.weights import formats
from tests.passes.nets import ANSWER, FIRE, THREE_HEADS
from tests.probes.places import CLASSES, Place, blobs_of, place, pooled

CPU = Engine(torch.device("cpu"))


@pytest.fixture(autouse=True)
def few_penalties(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetune_start, "PENALTIES", (0.01, 1.0))


def started(spot: Place, folder: Path, **more: object) -> Started:
    """A start on the pictures of ``spot``, whose list stands in ``folder``."""
    found = gather(str(spot.data))
    (folder / "train.txt").write_text("".join(f"{name} {label}\n" for name, label in found.entries))
    wanted = PointOptions(str(spot.net), str(spot.weights), batch_size=5)
    pictures = Pictures(len(CLASSES), len(found.entries), len(found.entries), "train.txt", "train.txt")
    pointed = point(open_net(wanted), wanted, pictures).definition
    return start(replace(pointed, path=folder / "net.prototxt"), str(spot.weights), found.entries, CLASSES, CPU,
                 groups=found.groups, **more)  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "layers"), [(FIRE, ("conv1", "fire9/concat")), (ANSWER, ("fc6+fc7",)), (THREE_HEADS, ("conv1+conv2",))]
)
def test_the_net_starts_with_the_answers_of_the_classifier(text: str, layers: tuple[str, ...], tmp_path: Path) -> None:
    spot = place(tmp_path, text)
    found = started(spot, tmp_path, layers=layers, mirrored=False)
    assert found.chosen in found.rows
    assert found.chosen.loss == min(row.loss for row in found.rows)
    name = next(iter(found.weights.layers.keys() - formats.read(spot.weights).layers.keys() - _norms(found)))
    read = found.chosen.candidate.blobs
    blobs, labels = blobs_of(found.definition, found.weights.layers, name, *read)
    answers = np.concatenate([pooled(blobs[blob]) for blob in read], 1) @ found.head.weight.T + found.head.bias
    np.testing.assert_allclose(blobs[name], answers, rtol=1e-4, atol=1e-5 * np.abs(answers).max())
    assert (answers.argmax(1) == labels).mean() > 0.5
    # The parts are SCALE long, and the classifier's weights as much smaller; what is below it is as it was.
    assert {float(found.weights.layers[norm][0]) for norm in _norms(found)} == {SCALE}
    np.testing.assert_allclose(found.weights.layers[name][0] * SCALE, found.head.weight, rtol=1e-6)
    for layer, arrays in formats.read(spot.weights).layers.items():
        for one, other in zip(arrays, found.weights.layers.get(layer, arrays), strict=True):
            assert np.array_equal(one, other)
    assert tuple(found.weights.extras.label) == CLASSES


def _norms(found: Started) -> set[str]:
    return {layer.name for layer in found.definition.message.layer if layer.type == "Normalize"}


def test_the_same_seed_gives_the_same_start(tmp_path: Path) -> None:
    spot = place(tmp_path)
    one, two = (started(spot, tmp_path, layers=("fire9/concat",), cache=cache, seed=3) for cache in (None, tmp_path))
    assert one.definition.text == two.definition.text
    assert one.rows == two.rows
    assert np.array_equal(one.head.weight, two.head.weight)


def test_layers_that_are_none(tmp_path: Path) -> None:
    spot = place(tmp_path)
    with pytest.raises(UserError, match="did you mean `fire9/concat`"):
        started(spot, tmp_path, layers=("fire9/concatt",))
