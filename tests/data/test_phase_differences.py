"""TRAIN and TEST that prepare pictures differently are named; what is meant to differ is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.check import check
from caffelungo.weights import meanfile
from tests.data.make import database, pictures

SAME = "crop_size: 16 mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.5"
RESIZE = "new_height: 20 new_width: 20"


def net(train: str, test: str, resize: tuple[str, str] = (RESIZE, RESIZE)) -> str:
    layers = "".join(
        f'layer {{ name: "{name}" type: "ImageData" top: "data" top: "label" include {{ phase: {phase} }} '
        f'transform_param {{ {text} }} image_data_param {{ source: "list.txt" batch_size: 2 {size} }} }}\n'
        for name, phase, text, size in (("a", "TRAIN", train, resize[0]), ("b", "TEST", test, resize[1]))
    )
    return layers + (
        'layer { name: "fc" type: "Convolution" bottom: "data" top: "fc" convolution_param { num_output: 3 '
        'kernel_size: 3 } }\nlayer { name: "pool" type: "Pooling" bottom: "fc" top: "p" pooling_param { pool: AVE '
        'global_pooling: true } }\nlayer { name: "loss" type: "SoftmaxWithLoss" bottom: "p" bottom: "label" top: "l" }'
    )


def told(folder: Path, text: str) -> list[str]:
    pictures(folder, 6)
    (folder / "net.prototxt").write_text(text)
    report = check([folder / "net.prototxt"])
    assert report.problems == []
    return [notice for notice in report.notices if "prepares pictures differently from training" in notice]


@pytest.mark.parametrize(
    ("train", "test", "resize", "said"),
    [
        (SAME, SAME.replace("0.5", "1"), (RESIZE, RESIZE), "scale 1 and 0.5"),
        (SAME, "crop_size: 16 scale: 0.5", (RESIZE, RESIZE), "mean none and 104/117/123"),
        (SAME, f"{SAME} lungo {{ channel_order: RGB }}", (RESIZE, RESIZE), "channel order RGB and BGR"),
        (SAME, SAME.replace("16", "18"), (RESIZE, RESIZE), "size 18x18 and 16x16"),
        (SAME, SAME, (RESIZE, "new_height: 16 new_width: 16"), "resized to 16x16 and resized to 20x20 before the crop"),
        (SAME, SAME, (RESIZE, ""), "not resized and resized to 20x20 before the crop"),
    ],
)
def test_what_differs_is_named_once(tmp_path: Path, train: str, test: str, resize: tuple[str, str], said: str) -> None:
    (notice,) = told(tmp_path, net(train, test, resize))
    assert "layer `b`" in notice
    assert said in notice


@pytest.mark.parametrize(
    ("train", "test", "resize"),
    [
        (SAME, SAME, (RESIZE, RESIZE)),
        (f"{SAME} mirror: true", SAME, (RESIZE, RESIZE)),
        (f'{SAME} lungo {{ augmentation {{ type: "RandomResizedCrop" }} }}', SAME, ("", RESIZE)),
        (SAME.replace("104", "105"), SAME, (RESIZE, RESIZE)),
        (SAME, SAME.replace("mean_value: 104 mean_value: 117 mean_value: 123", 'mean_file: "m.npy"'), (RESIZE, RESIZE)),
    ],
)
def test_augmentation_and_rounding_are_no_difference(
    tmp_path: Path, train: str, test: str, resize: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    meanfile.write("m.npy", np.broadcast_to(np.float32([104, 117, 123])[:, None, None], (3, 20, 20)))
    assert told(tmp_path, net(train, test, resize)) == []


def test_a_database_of_label_maps_is_not_accused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    database(tmp_path / "pictures", list(rng.integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)), [0] * 4)
    database(tmp_path / "maps", list(rng.integers(0, 3, (4, 1, 8, 8), dtype=np.uint8)), [0] * 4)
    layers = "".join(
        f'layer {{ name: "{name}" type: "Data" top: "{top}" include {{ phase: {phase} }} transform_param {{ {text} }} '
        f'data_param {{ source: "{source}" batch_size: 2 backend: LMDB }} }}\n'
        for phase in ("TRAIN", "TEST")
        for name, top, source, text in (
            (f"p{phase}", "data", "pictures", "mean_value: 100 scale: 0.5"), (f"m{phase}", "label", "maps", ""),
        )
    )  # fmt: skip
    text = layers + (
        'layer { name: "fc" type: "Convolution" bottom: "data" top: "fc" convolution_param { num_output: 3 '
        'kernel_size: 1 } }\nlayer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }'
    )
    assert told(tmp_path, text) == []
