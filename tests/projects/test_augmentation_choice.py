"""`lungo finetune --augment`: words, values and mistakes, and the data layer that they end up in."""

from __future__ import annotations

import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.errors import UserError
from caffelungo.passes.base import run
from caffelungo.projects.augmentation_choice import steps

NET = """
layer { name: "d" type: "ImageData" top: "x" top: "y" include { phase: TRAIN }
  image_data_param { source: "a" batch_size: 2 new_height: 8 new_width: 8 }
  transform_param { mirror: true
    lungo { augmentation { type: "RandomResizedCrop" random_resized_crop { min_scale: 0.35 } } } } }
layer { name: "d" type: "ImageData" top: "x" top: "y" include { phase: TEST }
  image_data_param { source: "a" batch_size: 2 new_height: 8 new_width: 8 } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "loss" }
"""


def augmented(words: str, net: str = NET) -> list[str]:
    """The augmentations of TRAIN after `--augment words`, as text on one line each."""
    layers = run(parse_net(net), list(steps(words))).definition.message.layer
    assert not layers[1].transform_param.lungo.augmentation
    return [" ".join(str(one).split()) for one in layers[0].transform_param.lungo.augmentation]


CROP = 'type: "RandomResizedCrop" [lungo.augmentations.random_resized_crop] { min_scale: 0.35 }'


def test_words_come_behind_what_is_there() -> None:
    assert augmented("") == [CROP]
    assert augmented("none") == []
    assert augmented("randaugment, Color_Jitter { hue: 0.25 contrast: 0 },cutmix") == [
        CROP, 'type: "RandAugment"',
        'type: "ColorJitter" [lungo.augmentations.color_jitter] { hue: 0.25 contrast: 0 }', 'type: "CutMix"',
    ]  # fmt: skip
    assert augmented("trivialaugment")[1:] == ['type: "TrivialAugmentWide"']


def test_one_that_is_there_is_replaced() -> None:
    (crop,) = augmented("random_resized_crop { min_scale: 0.5 }")
    assert "min_scale: 0.5" in crop


def test_a_layer_without_transformations() -> None:
    start, end = NET.index("  transform_param"), NET.index('layer { name: "d" type: "ImageData" top: "x"', 20)
    without = NET[:start] + "}\n" + NET[end:]
    assert augmented("mixup", without) == ['type: "Mixup"']


def test_all_mistakes_are_reported_with_remedies() -> None:
    words = "randaugmnt,color_jitter { hue: 0.7 },mixup { beta: 1 },,random_erasing { min_area: 0.5 max_area: 0.1 }"
    with pytest.raises(UserError) as error:
        steps(words)
    assert error.value.problems[0].what.startswith("--augment names")
    assert len(error.value.problems) == 5
    assert "did you mean rand_augment?" in str(error.value)
    assert "hue" in str(error.value)


def test_mixing_needs_classes() -> None:
    assert len(steps("rand_augment", mixed=False)) == 1
    with pytest.raises(UserError, match="Mixup mixes pictures with their classes"):
        steps("mixup", mixed=False)
