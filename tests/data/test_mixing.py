"""Pictures and labels mixed in pairs: values by hand, batches of a source, and layers that cannot read them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from caffelungo.check.files import check
from caffelungo.data.mixing import Mixing, Mixture
from caffelungo.data.sources import open_source
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from tests.data.make import pictures

MIXUP = 'lungo { augmentation { type: "Mixup" mixup { alpha: 1 } } }'
CUTMIX = 'lungo { augmentation { type: "CutMix" } }'


def images(
    path: Path, transform: str, batch: int = 4, phase: int = TRAIN, label: str = 'top: "label"', **more: Any
) -> Any:
    options = f'image_data_param {{ source: "{path}" batch_size: {batch} new_height: 16 new_width: 18 }}'
    text = f'name: "d" type: "ImageData" top: "data" {label} transform_param {{ {transform} }} {options}'
    return open_source(parse_net(f"layer {{ {text} }}").message.layer[0], phase, **more)


def test_by_hand() -> None:
    """Three pictures of one pixel; the partner of each is the one before it."""
    values = torch.tensor([10.0, 20.0, 40.0]).reshape(3, 1, 1, 1)
    blended = Mixing(Mixture(0.75), 1)
    assert blended.pictures(values.clone()).flatten().tolist() == [17.5, 17.5, 35.0]
    assert blended.labels(np.array([5, 6, 7], np.float32)).tolist() == [[5, 7, 0.75], [6, 5, 0.75], [7, 6, 0.75]]
    plane = torch.arange(3.0).reshape(3, 1, 1, 1).expand(3, 2, 2, 3).clone()
    boxed = Mixing(Mixture(5 / 6, (0, 1, 1, 2)), 2).pictures(plane)
    assert boxed[0].tolist() == [[[0, 1, 0], [0, 0, 0]]] * 2
    assert boxed[2, 0].tolist() == [[2, 0, 2], [2, 2, 2]]


@pytest.mark.parametrize("mix", [MIXUP, CUTMIX, f"{MIXUP[:-1]} {CUTMIX[8:]}"])
def test_a_batch_is_a_function_of_seed_and_number(tmp_path: Path, mix: str) -> None:
    """Also in a process that opens the source again; other seeds and batches are mixed otherwise."""
    path = pictures(tmp_path, 9)
    source = images(path, f"crop_size: 12 mean_value: 100 mirror: true {mix}", seed=3)
    assert source.shapes == [(4, 3, 12, 12), (4, 3)]
    again = pickle.loads(pickle.dumps(images(path, f"crop_size: 12 mean_value: 100 mirror: true {mix}", seed=3)))
    for k in (5, 0):
        for one, other in zip(source.finish(source.batch(k)), again.finish(again.batch(k).tensors()), strict=True):
            assert torch.equal(one, other)
    mixtures = {source.batch(k).mixing for k in range(6)} | {images(path, mix, seed=4).batch(0).mixing}
    assert len(mixtures) == 7


def test_pictures_are_mixed_as_the_labels_say(tmp_path: Path) -> None:
    """Of a batch that is not mixed the mixed one follows, after mean and scale."""
    path = pictures(tmp_path, 9, classes=9)
    plain, mixed = (images(path, f"mean_value: 90 scale: 0.1 {mix}", seed=3) for mix in ("", MIXUP))
    for k in range(3):
        (before, labels), (after, rows) = plain.finish(plain.batch(k)), mixed.finish(mixed.batch(k))
        assert torch.equal(rows[:, 0], labels)
        share = rows[0, 2]
        assert (rows[:, 2] == share).all()
        partners = [labels.tolist().index(one) for one in rows[:, 1].tolist()]
        torch.testing.assert_close(after, share * before + (1 - share) * before[partners], rtol=1e-4, atol=1e-4)


def test_tests_are_not_mixed(tmp_path: Path) -> None:
    path = pictures(tmp_path, 4)
    for source in (images(path, MIXUP, phase=TEST), images(path, MIXUP, once=True)):
        assert source.shapes[1] == (4,)
        assert source.batch(0).mixing is None


def test_a_batch_of_one_has_no_partner(tmp_path: Path) -> None:
    source = images(pictures(tmp_path, 3), CUTMIX, batch=1)
    assert "CutMix has no effect" in " ".join(source.notices)
    (_, rows) = source.finish(source.batch(0))
    assert rows[0, 0] == rows[0, 1]


NET = """
layer {{ name: "d" type: "ImageData" top: "data" top: "label" include {{ phase: TRAIN }}
  transform_param {{ {transform} }}
  image_data_param {{ source: "{path}" batch_size: 3 new_height: 8 new_width: 8 }} }}
layer {{ name: "d" type: "ImageData" top: "data" top: "label" include {{ phase: TEST }}
  image_data_param {{ source: "{path}" batch_size: 3 new_height: 8 new_width: 8 }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
{more}
"""


def found(folder: Path, more: str, transform: str = MIXUP) -> list[str]:
    """The problems of the net with ``more`` layers, as `lungo check` reports them."""
    path = folder / "net.prototxt"
    path.write_text(NET.format(path=pictures(folder, 6), transform=transform, more=more))
    return [str(one) for one in check([path]).problems]


def test_layers_that_cannot_read_mixed_labels(tmp_path: Path) -> None:
    accuracy = 'layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" %s }'
    assert found(tmp_path, accuracy % "include { phase: TEST }") == []
    (problem,) = found(tmp_path, accuracy % "")
    assert "layer `acc` (Accuracy) reads labels of pictures that are mixed in pairs" in problem
    assert "include { phase: TEST }" in problem
    (problem,) = found(tmp_path, 'layer { name: "h" type: "HingeLoss" bottom: "ip" bottom: "label" top: "h" }')
    assert "use a SoftmaxWithLoss" in problem


def test_options_are_judged(tmp_path: Path) -> None:
    (problem,) = found(tmp_path, "", 'lungo { augmentation { type: "Mixup" mixup { alpha: 0 } } }')
    assert "alpha" in problem


def test_rows_of_numbers_are_no_labels(tmp_path: Path) -> None:
    pictures(tmp_path, 4)
    (tmp_path / "rows.txt").write_text("".join(f"im{k}.png 0.5 1.5\n" for k in range(4)))
    with pytest.raises(UserError, match="no class label to be mixed"):
        images(tmp_path / "rows.txt", MIXUP, label='top: "y" lungo { image_data { label_size: 2 } }')
