"""Channels are called what they are, in every file that names them."""

from __future__ import annotations

import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.passes.base import run, step
from caffelungo.passes.channel_names import named
from caffelungo.passes.deploy import DeployOptions, deploy

NET = """layer {{ name: "data" type: "{kind}" top: "data" top: "label" transform_param {{ mean_value: 33 {transform} }}
  {options} }}
layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param {{ num_output: 3 }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }}
"""
LIST = 'image_data_param {{ source: "x" batch_size: 2 new_height: 8 new_width: 8 {} }}'


@pytest.mark.parametrize(
    ("channels", "kind", "transform", "options", "told"),
    [
        (1, "ImageData", "", LIST.format("is_color: false"), "in grey"),
        (3, "ImageData", "", LIST.format(""), "channels blue, green, red"),
        (3, "ImageData", "lungo { channel_order: RGB }", LIST.format(""), "channels red, green, blue"),
        (1, "Data", "force_gray: true", 'data_param { source: "x" batch_size: 2 }', "in grey"),
        (4, "Data", "", 'data_param { source: "x" batch_size: 2 }', "4 channels in the order of the data"),
    ],
)
def test_a_deploy_net_says_how_its_pictures_come(
    channels: int, kind: str, transform: str, options: str, told: str
) -> None:
    definition = parse_net(NET.format(kind=kind, transform=transform, options=options))
    shape = (1, channels, 8, 8)
    text = run(definition, [step(deploy, DeployOptions(shape))]).definition.text
    assert f"# Pictures as 0..255, {told}, less the mean 33." in text


def test_names() -> None:
    assert [named(count) for count in (None, 1, 3, 4)] == [
        "blue, green, red", "grey", "blue, green, red", "4 channels in the order of the data",
    ]  # fmt: skip
    assert named(3, rgb=True) == "red, green, blue"
