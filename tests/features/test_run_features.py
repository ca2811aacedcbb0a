"""`lungo features`: the numbers of a forward pass, from pictures named in any way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from caffelungo.definition.schema import Preprocessing, message_class
from caffelungo.errors import UserError
from tests.features.made import COUNT, CROP, NET, SIDE, Blobs, centre, close, forward, keep, pictures, run


def test_the_numbers_of_a_forward_pass(folder: Path) -> None:
    done = run(folder)
    expected = forward(centre(pictures(folder)))
    with np.load(folder / "out.npz") as found:
        close(found["conv"], expected["conv"].mean((2, 3)))
        close(found["fc"], expected["fc"])
        assert found["label"].tolist() == [n % 3 for n in range(COUNT)]
        assert found["files"].tolist() == [str(folder / "pictures" / f"0_{n}.png") for n in range(COUNT)]
        record = text_format.Parse(str(found["extras"]), message_class("lungo.NetExtras")()).preprocessing
    assert (record.crop_height, record.resize_height, list(record.mean_value)) == (CROP, SIDE, [100])
    assert dict(done.shapes) == {"conv": (4,), "fc": (5,)}
    assert (done.count, done.before, done.labelled) == (COUNT, 0, True)
    assert not (folder / "out.npz.part").exists()


@pytest.mark.parametrize("pool", ["max", "none"])
def test_other_poolings(pool: str, folder: Path) -> None:
    run(folder, pool=pool, blobs=["conv"])
    expected = forward(centre(pictures(folder)))["conv"]
    with np.load(folder / "out.npz") as found:
        close(found["conv"], expected.max((2, 3)) if pool == "max" else expected)


def test_ten_crops_are_the_mean_of_caffes_ten(folder: Path) -> None:
    run(folder, crops=10, blobs=["fc", "conv"])
    images, spare = pictures(folder), SIDE - CROP
    total: Blobs = {"conv": np.zeros((COUNT, 4), np.float32), "fc": np.zeros((COUNT, 5), np.float32)}
    for row, column in ((0, 0), (0, spare), (spare, 0), (spare, spare), (spare // 2, spare // 2)):
        crop = images[:, :, row : row + CROP, column : column + CROP]
        for one in (crop, crop[:, :, :, ::-1]):
            made = forward(one)
            total["conv"] += made["conv"].mean((2, 3)) / 10
            total["fc"] += made["fc"] / 10
    with np.load(folder / "out.npz") as found:
        close(found["conv"], total["conv"])
        close(found["fc"], total["fc"])


def test_ten_crops_of_what_is_not_cropped(folder: Path) -> None:
    for text, told in (
        (NET.replace(f"crop_size: {CROP}", "").replace(str(SIDE), str(CROP)), "uses the whole picture"),
        (
            NET.replace(f"_height: {SIDE} new_width: {SIDE}", f"_height: {CROP} new_width: {CROP}"),
            "all crops are the same",
        ),
    ):
        (folder / "net.prototxt").write_text(text)
        with pytest.raises(UserError, match=told):
            run(folder, crops=10)
    assert not (folder / "out.npz.part").exists()


def test_a_deploy_net_takes_the_preprocessing_of_its_weights(folder: Path) -> None:
    extras = message_class("lungo.NetExtras")()
    extras.preprocessing.mean_value[:] = [90.0]
    extras.preprocessing.scale = 0.02
    extras.preprocessing.resize_height = extras.preprocessing.resize_width = SIDE
    extras.preprocessing.crop_height = extras.preprocessing.crop_width = CROP
    extras.label.extend(["a", "b", "c"])
    keep(folder, extras)
    run(folder, net=str(folder / "deploy.prototxt"))
    with np.load(folder / "out.npz") as found:
        close(found["fc"], forward(centre(pictures(folder)), 90, 0.02)["fc"])
        assert found["classes"].tolist() == ["a", "b", "c"]


def test_a_mean_picture_in_the_weights(folder: Path) -> None:
    extras = message_class("lungo.NetExtras")()
    mean = np.random.default_rng(5).uniform(80, 120, (3, CROP, CROP)).astype(np.float32)
    extras.preprocessing.channel_order = Preprocessing.BGR
    extras.preprocessing.mean_image.extend(mean.ravel().tolist())
    extras.preprocessing.mean_image_shape.extend(mean.shape)
    extras.preprocessing.resize_height = extras.preprocessing.resize_width = SIDE
    extras.preprocessing.crop_height = extras.preprocessing.crop_width = CROP
    keep(folder, extras)
    run(folder, net=str(folder / "deploy.prototxt"))
    with np.load(folder / "out.npz") as found:
        close(found["fc"], forward(centre(pictures(folder)) - mean, 0, 1)["fc"])


def test_another_size_where_only_what_runs_must_fit(folder: Path) -> None:
    run(folder, size=SIDE, blobs=["conv"])
    with np.load(folder / "out.npz") as found:
        assert found["conv"].shape == (COUNT, 4)
    with pytest.raises(UserError):
        run(folder, "other.npz", size=SIDE, blobs=["fc"])


# -- pictures


def test_a_folder_of_classes(folder: Path) -> None:
    for number in range(COUNT):
        place = folder / "classes" / "abc"[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        (folder / "pictures" / f"0_{number}.png").rename(place / f"{number}.png")
    (folder / "classes" / "loose.png").write_bytes((folder / "classes" / "a" / "0.png").read_bytes())
    done = run(folder, data=str(folder / "classes"))
    with np.load(folder / "out.npz") as found:
        assert found["label"].tolist() == [0] * 4 + [1] * 3 + [2] * 3
        assert found["classes"].tolist() == ["a", "b", "c"]
        assert found["files"][0] == "a/0.png"
    assert any("loose.png" in notice for notice in done.notices)


def test_a_flat_folder_has_no_labels(folder: Path) -> None:
    done = run(folder, data=str(folder / "pictures"))
    expected = forward(centre(pictures(folder)))
    with np.load(folder / "out.npz") as found:
        close(found["fc"], expected["fc"])
        assert "label" not in found
        assert [Path(name).name for name in found["files"]] == [f"0_{n}.png" for n in range(COUNT)]
    assert not done.labelled
    run(folder, "out.lmdb", data=str(folder / "pictures"), blobs=["fc"])


def test_pictures_that_are_missing_are_all_told(folder: Path) -> None:
    for number in (3, 7):
        (folder / "pictures" / f"0_{number}.png").unlink()
    with pytest.raises(UserError) as error:
        run(folder)
    assert len(error.value.problems) == 2
    assert not list(folder.glob("out*"))


@pytest.mark.parametrize("blobs", [["fc"], ["conv", "fc"]])
def test_other_files_of_a_databases_folder_are_not_replaced(folder: Path, blobs: list[str]) -> None:
    run(folder, "out.lmdb", blobs=blobs)
    place = folder / "out.lmdb" / ("" if len(blobs) == 1 else "conv") / "notes.txt"
    place.write_text("mine")
    with pytest.raises(UserError, match=r"contains other files[^$]*notes\.txt"):
        run(folder, "out.lmdb", blobs=blobs, overwrite=True)
    assert place.read_text() == "mine"
    place.unlink()
    run(folder, "out.lmdb", blobs=["fc"], overwrite=True)
    assert not list(folder.glob(".*"))


def test_a_users_own_file_among_the_rows_stays(folder: Path) -> None:
    part = folder / "out.npz.part"
    part.mkdir()
    for name in ("notes.rows", "a.txt"):
        (part / name).write_text("mine")
    run(folder)
    assert sorted(path.name for path in part.iterdir()) == ["a.txt", "notes.rows"]
