"""torchvision's sets, laid in place as torchvision keeps them on disk; nothing is downloaded."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from caffelungo.data import named_pictures
from caffelungo.data.packed import torchvision_sets
from caffelungo.errors import RunError, UserError
from tests.data.packed import make


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def test_mnist_in_torchvisions_own_place(tmp_path: Path) -> None:
    held = make.mnist(tmp_path / "root" / "MNIST" / "raw")
    for part, (pixels, labels) in held.items():
        assert make.same(make.read(f"torchvision:MNIST?root={tmp_path / 'root'}", part), pixels, labels)


def test_cifar_is_read_from_its_binary_version(tmp_path: Path) -> None:
    folder = tmp_path / "root" / "cifar-10-batches-bin"
    pixels = make.cifar(folder / "data_batch_1.bin", [3, 1, 9])
    make.cifar(folder / "test_batch.bin", [2, 0])
    assert make.same(make.read(f"torchvision:CIFAR10?root={tmp_path / 'root'}", "train"), pixels, [3, 1, 9])


def test_torchvisions_pickles_of_cifar_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"\x80\x02}q\x01.")
    with pytest.raises(UserError, match="pickle"):
        named_pictures.resolve(f"torchvision:CIFAR10?root={tmp_path}")


def test_a_generated_set_is_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "torchvision:FakeData?size=70&num_classes=3&image_size=3,8,9"
    wanted = datasets.FakeData(70, (3, 8, 9), 3)
    pixels = np.stack([np.asarray(one) for one, _ in (wanted[i] for i in range(70))])
    labels = [int(wanted[i][1]) for i in range(70)]
    for cache in ("one", "two"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))
        assert make.same(make.read(name, "train"), pixels, labels)


def test_a_set_of_picture_files(tmp_path: Path) -> None:
    from PIL import Image

    pixels = make.random(6, 5, 5, 3)
    for number, one in enumerate(pixels):
        folder = tmp_path / "eurosat" / "2750" / ("Forest" if number < 3 else "River")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one).save(folder / f"{number}.png")
    named = named_pictures.resolve(f"torchvision:EuroSAT?root={tmp_path}")
    assert named.lists["train"].classes == ("Forest", "River")
    assert make.same(make.read(f"torchvision:EuroSAT?root={tmp_path}", "train"), pixels, [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("torchvision:MINST", r"did you mean torchvision:MNIST\?"),
        ("torchvision:CocoDetection", "use one of"),
        ("torchvision:FakeData?sizes=3", "use one of: root, size"),
        ("torchvision:CIFAR10?size=3", "no such option"),
    ],
)
def test_names_and_options_that_there_are_none_of(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        named_pictures.resolve(name)


def test_without_a_network(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot open the data set"):
        named_pictures.resolve("torchvision:MNIST")
    with pytest.raises(RunError, match=r"could not be downloaded[\s\S]*cifar-10-batches-bin"):
        named_pictures.resolve("torchvision:CIFAR10")


def test_the_table_fits_torchvisions_constructors() -> None:
    for name, parts in torchvision_sets.SETS.items():
        takes = inspect.signature(getattr(datasets, name).__init__).parameters
        for options in parts.values():
            assert set(options) <= set(takes), name
        assert ("split" in takes) == any("split" in options for options in parts.values()), name
