"""Tables, files and pictures of what training changed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from caffelungo.report import weight_change_figure, weight_change_files, weight_change_table
from caffelungo.weights.compare_weights import compare
from caffelungo.weights.weight_changes import WeightChanges
from caffelungo.weights.weights import Weights

KINDS = {"conv1": "Convolution", "bn1": "BatchNorm", "fc": "InnerProduct", "old": "InnerProduct", "new": "InnerProduct"}


def weights(seed: int, path: str, *names: str) -> Weights:
    rng = np.random.default_rng(seed)
    layers = {
        "conv1": [rng.normal(size=(4, 3, 3, 3)).astype(np.float32), np.ones(4, np.float32)],
        "bn1": [np.full(4, seed + 1.0, np.float32), np.ones(4, np.float32), np.ones(1, np.float32)],
        "fc": [rng.normal(size=(3, 4 + (seed > 0))).astype(np.float32)],
        **{name: [rng.normal(size=(2, 2)).astype(np.float32)] for name in names},
    }
    return Weights(layers, KINDS, path=path)


@pytest.fixture
def found() -> list[WeightChanges]:
    first = weights(0, "start.caffemodel", "old")
    return [compare(first, weights(k, f"s_iter_{k * 10}.caffemodel", "new")) for k in (1, 2, 3)]


def printed(differences: list[WeightChanges]) -> str:
    text = io.StringIO()
    weight_change_table.show(differences, Console(file=text, width=200))
    return text.getvalue()


def test_the_table_of_two(found: list[WeightChanges]) -> None:
    text = printed(found[:1])
    lines = [line for line in text.splitlines() if line.startswith(("conv1", "bn1", "fc", "old", "new"))]
    assert [line.split()[0] for line in lines] == ["conv1", "bn1", "fc", "old", "new"]
    assert "3x4 became 3x5: the shared part is compared; 1 input added" in text
    assert "only in the later file: new" in text
    assert "only in the earlier file: old" in text


def test_the_table_of_many(found: list[WeightChanges]) -> None:
    text = printed(found)
    assert text.splitlines()[1].split() == ["layer", "10", "20", "30"]
    assert next(line for line in text.splitlines() if line.startswith("new")).split() == ["new"] * 4


def test_unchanged_and_broken_are_said() -> None:
    same = weights(0, "a", "old")
    assert "unchanged: all 4 layers" in printed([compare(same, same)])
    bad = weights(0, "b", "old")
    bad.layers["fc"][0][1, 2] = np.nan
    assert "NOT A NUMBER: fc weight: 1 NaN after, first at [1, 2]" in printed([compare(same, bad)])


def test_csv(found: list[WeightChanges], tmp_path: Path) -> None:
    weight_change_files.write_layers(found, tmp_path / "l.csv")
    weight_change_files.write_units(found, tmp_path / "u.csv")
    rows = list(csv.DictReader((tmp_path / "l.csv").read_text().splitlines()))
    assert len(rows) == 3 * 7
    first = next(row for row in rows if (row["layer"], row["blob"]) == ("conv1", "weight"))
    assert float(first["relative"]) == pytest.approx(found[0].layers[0].blobs[0].relative, rel=1e-6)
    units = [
        row
        for row in csv.DictReader((tmp_path / "u.csv").read_text().splitlines())
        if row["file"] == "s_iter_10.caffemodel"
    ]
    assert [row["old"] for row in units if row["layer"] == "new"] == ["0", "0"]
    assert len([row for row in units if (row["layer"], row["blob"]) == ("conv1", "weight")]) == 4


def test_json_is_json(found: list[WeightChanges]) -> None:
    read = json.loads(weight_change_files.as_json(found[:1]))
    assert [layer["status"] for layer in read["layers"]] == [
        "compared", "compared", "shared part", "gone", "new"
    ]  # fmt: skip
    assert read["layers"][3]["relative"] is None
    zero = Weights({"a": [np.zeros((1, 1), np.float32)]})
    one = Weights({"a": [np.ones((1, 1), np.float32)]})
    assert json.loads(weight_change_files.as_json([compare(zero, one)]))["layers"][0]["relative"] == "inf"
    assert len(json.loads(weight_change_files.as_json(found))) == 3


def test_pictures(found: list[WeightChanges], tmp_path: Path) -> None:
    for name, some in (("two.png", found[:1]), ("many.png", found)):
        weight_change_figure.picture(some, tmp_path / name)
        with Image.open(tmp_path / name) as picture:
            colours = {colour for _, colour in picture.convert("RGB").getcolors(10**6) or []}
            assert picture.width > 500
            assert len(colours) > 20
    with Image.open(tmp_path / "two.png") as picture:
        present = {colour for _, colour in picture.convert("RGB").getcolors(10**6) or []}
        assert (0x6B, 0xAE, 0xD6) in present


def test_pictures_of_what_has_no_numbers(tmp_path: Path) -> None:
    same = weights(0, "a", "old")
    bad = weights(0, "b", "old")
    bad.layers["conv1"][0][:] = np.inf
    bad.layers["fc"][0][:] = np.nan
    weight_change_figure.picture([compare(same, same)], tmp_path / "same.png")
    weight_change_figure.picture([compare(same, bad)], tmp_path / "bad.png")
    weight_change_figure.picture([compare(same, same), compare(same, same)], tmp_path / "never.png")
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("same.png", "bad.png", "never.png"))


def test_many_layers_stand_side_by_side(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first, second = (
        Weights({f"conv{k}": [rng.normal(size=(3, 2)).astype(np.float32)] for k in range(100)}) for _ in range(2)
    )
    second.layers["conv50"][0][0, 0] = np.nan
    second.layers["conv100_new"] = [np.ones((2, 2), np.float32)]
    weight_change_figure.picture([compare(first, second)], tmp_path / "wide.png")
    with Image.open(tmp_path / "wide.png") as picture:
        assert picture.width > picture.height
        colours = {colour for _, colour in picture.convert("RGB").getcolors(10**6) or []}
    assert (0x6B, 0xAE, 0xD6) in colours
