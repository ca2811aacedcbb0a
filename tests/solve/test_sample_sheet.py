"""The sheet of samples: the colours of a screen, the classes, and what the net's order, mean and scale are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.report import sheet
from caffelungo.report import sheet as drawing
from caffelungo.solve import nets, run_training, sample_sheet
from tests.data.make import database
from tests.solve import helpers

NET = """layer {{ name: "data" type: "ImageData" top: "data" top: "label" transform_param {{ {transform} }}
  image_data_param {{ source: "photos.txt" batch_size: 4 shuffle: false {more} }} }}
layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param {{ num_output: 2 }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }}
"""
RED, GREEN = (230, 20, 10), (10, 200, 30)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, colour in (("red", RED), ("green", GREEN)):
        Image.new("RGB", (40, 30), colour).save(f"{name}.png")
    Path("photos.txt").write_text("red.png 0\ngreen.png 1\nred.png 0\n")
    Path("labels.txt").write_text("apple\npear\n")
    return tmp_path


def rows_of(text: str, monkeypatch: pytest.MonkeyPatch, test: bool = True) -> tuple[list[Any], list[str]]:
    """What is drawn for a net, and the lines above it."""
    drawn: list[Any] = []
    monkeypatch.setattr(drawing, "draw", lambda rows, path, head: drawn.extend([rows, head]))
    definition = parse_net(text)
    net = nets.from_definition(definition)
    opened = [nets.open_net_with_data(net, net_state(definition.message, phase)) for phase in (TRAIN, TEST)]
    assert sample_sheet.write(Path("x.png"), opened[0], opened[1:] if test else [])
    return drawn[0], drawn[1]


@pytest.mark.parametrize("order", ["BGR", "RGB"])
def test_colours_are_those_of_the_files_whatever_the_nets_order(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    transform = f"crop_size: 20 mirror: true mean_value: 100 scale: 0.5 lungo {{ channel_order: {order} }}"
    rows, head = rows_of(NET.format(transform=transform, more=""), monkeypatch)
    train, epochs, channels, test = rows
    assert [caption for _, caption in train.pictures] == ["0: apple", "1: pear", "0: apple", "0: apple"]
    assert [tuple(image[3, 3]) for image, _ in train.pictures[:2]] == [RED, GREEN]
    assert tuple(test.pictures[1][0][3, 3]) == GREEN
    assert "crop 20x20, mirror" in epochs.title
    assert len(epochs.pictures) == sample_sheet.SHOWN
    names = ["blue", "green", "red"] if order == "BGR" else ["red", "green", "blue"]
    assert [caption for _, caption in channels.pictures] == [f"channel {n}: {name}" for n, name in enumerate(names)]
    values = dict(zip(["red", "green", "blue"], RED, strict=True))
    assert [image[0, 0] for image, _ in channels.pictures] == [values[name] for name in names]
    assert order in head[0]
    assert "mean 100 subtracted, times 0.5" in head[0]
    numbers = ", ".join(f"{(values[name] - 100) * 0.5:.4g}" for name in names)
    assert f"numbers: -45 to 65, mean {numbers} ({', '.join(names)})" in head[1]


def test_a_grey_net_and_one_without_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, head = rows_of(NET.format(transform="", more="is_color: false"), monkeypatch, test=False)
    assert len(rows) == 1
    assert rows[0].pictures[0][0].shape == (30, 40)
    assert "(grey)" in head[1]


def test_floats_are_stretched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [np.linspace(-3, 5, 48, dtype=np.float32).reshape(3, 4, 4)] * 3
    database(folder / "db", samples, [0, 1, 0])
    text = NET.replace("ImageData", "Data").replace("image_data_param", "data_param").replace("photos.txt", "db")
    text = text.replace("shuffle: false", "backend: LMDB")
    rows, _ = rows_of(text.format(transform="", more=""), monkeypatch)
    image = rows[0].pictures[0][0]
    assert (image.dtype, image.min(), image.max()) == (np.uint8, 0, 255)


def test_training_leaves_it_and_survives_pictures_that_it_cannot_show(folder: Path) -> None:
    helpers.make(folder, NET.format(transform="mirror: true", more=""), max_iter="2")
    run_training.train(helpers.options(tensorboard=False))
    with Image.open("out/s_run_001/samples.png") as image:
        assert image.width > sample_sheet.SHOWN * drawing.SIDE
        assert image.getpixel((drawing.GAP + 5, 100)) == RED
    helpers.make(folder, max_iter="2")
    run_training.train(helpers.options(tensorboard=False, overwrite=True))
    assert not Path("out/s_run_002/samples.png").exists()


def test_long_names_fit(folder: Path) -> None:
    picture = np.zeros((300, 10, 3), np.uint8)
    drawing.draw(
        [sheet.SheetRow("title", [(picture, "n01440764 tench, Tinca tinca, and more")])], "a.png", ["head " * 60]
    )
    with Image.open("a.png") as image:
        assert image.width > 1000
    drawing.draw([], "b.png")
    assert not Path("b.png").exists()
