"""Which record of preprocessing leaves with a net, and what is said where the net itself says another."""

from __future__ import annotations

import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import Preprocessing, message_class
from caffelungo.deploy.exportable_net import record_and_shapes
from caffelungo.deploy.options import ExportOptions
from caffelungo.weights.weights import Weights

NET = """layer {{ name: "data" type: "ImageData" top: "data" top: "label" transform_param {{ crop_size: 8 {transform} }}
  image_data_param {{ source: "nowhere.txt" batch_size: 1 }} }}
layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param {{ num_output: 2 }} }}
layer {{ name: "prob" type: "Softmax" bottom: "fc" top: "prob" }}
"""
MEANS = "mean_value: 104 mean_value: 117 mean_value: 123"


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        (f"{MEANS} scale: 0.5", None), (f"{MEANS} scale: 1", "scale 0.5 and 1"),
        ("scale: 0.5", "mean 104/117/123 and none"),
        (f"{MEANS} scale: 0.5 lungo {{ channel_order: RGB }}", "channel order BGR and RGB"),
        ('mean_file: "nowhere.npy" scale: 1', None),
    ],
)  # fmt: skip
def test_a_net_that_contradicts_its_weights_is_named(transform: str, said: str | None) -> None:
    extras = message_class("lungo.NetExtras")()
    extras.preprocessing.CopyFrom(
        Preprocessing(crop_height=8, crop_width=8, mean_value=[104, 117, 123], scale=0.5, channel_order="BGR")
    )
    weights = Weights(extras=extras)
    _, record, notes = record_and_shapes(parse_net(NET.format(transform=transform)), weights, ExportOptions())
    assert record is not None
    assert record.scale == 0.5
    found = [note for note in notes if "the net's data layer says otherwise" in note]
    assert len(found) == (said is not None)
    assert all(str(said) in note for note in found)
