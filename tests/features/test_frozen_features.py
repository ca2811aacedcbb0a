"""Features on disk: the same numbers as from pictures, in the same batches."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.features import frozen_features, prefix
from caffelungo.features.frozen_features import FeatureSource, Shortened, shorten
from caffelungo.net.graph import GraphNet
from caffelungo.net.store import Store
from caffelungo.solve.engine import Engine
from caffelungo.solve.feed import Feed
from caffelungo.solve.nets import OpenedNet
from tests.study.nets import convolution, data, head, layer, opened, write

CPU = torch.device("cpu")
FORMATS = [torch.contiguous_format, torch.channels_last]
NET = (
    convolution("conv", "data", units=6)
    + layer("ReLU", "relu", "conv", "conv")
    + convolution("new", "conv", rate=1)
    + layer("Pooling", "pool", "conv", "pool", "pooling_param { pool: AVE global_pooling: true }")
    + layer("Pooling", "pool2", "new", "pool2", "pooling_param { pool: MAX global_pooling: true }")
    + layer("Flatten", "flat", "pool", "flat")
    + layer("Flatten", "flat2", "pool2", "flat2")
    + layer("Concat", "both", "flat flat2", "both")
    + layer("Dropout", "drop", "both", "both", "dropout_param { dropout_ratio: 0.5 }")
    + head("both")
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "list.txt").write_text(write(tmp_path))
    return tmp_path


def shortened(
    text: str, folder: Path, phase: int, engine: Engine, store: Store | None = None
) -> tuple[Shortened, OpenedNet, Store]:
    """A net from features, the same from pictures, and their weights."""
    net = opened(text, phase, folder, once=phase == TEST)
    plain = opened(text, phase, folder, once=phase == TEST)
    store = store or Store(net.plan, seed=2)
    store.adopt(net.plan)
    engine.lay_out(store.tensors.values())
    found = shorten(net, store, prefix.moving(net.plan, store.key), engine, folder / "study")
    return found, plain, store


def losses(net: OpenedNet, store: Store, engine: Engine, batches: int) -> list[float]:
    run, found = GraphNet(net.plan, store), []
    for k, tensors in enumerate(Feed(net, engine, 0).batches(0, batches)):
        torch.manual_seed(k)
        with torch.no_grad():
            found.append(float(run(*tensors)[0]))
    return found


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_as_from_pictures(layout: torch.memory_format, phase: int, folder: Path) -> None:
    """Over several passes, some pictures mirrored; in TEST once, the last batch short."""
    engine = Engine(CPU, memory_format=layout)
    found, plain, store = shortened(data() + NET, folder, phase, engine)
    assert found.why_not is None
    assert found.blobs == ("conv", "flat")
    batches = 9 if phase == TRAIN else 3
    expected = losses(plain, store, engine, batches)
    assert losses(found.opened, store, engine, batches) == pytest.approx(expected, rel=1e-5)
    assert len(set(np.round(expected, 6))) > 1
    assert found.opened.sources[0].labels().tolist() == plain.sources[0].labels().tolist()


def test_mirrored_rows_are_those_of_mirrored_pictures(folder: Path) -> None:
    found, plain, store = shortened(data() + NET, folder, TRAIN, Engine(CPU))
    source, pictures = found.opened.sources[0], plain.sources[0]
    assert isinstance(source, FeatureSource)
    seen = set()
    for k in range(8):
        epoch, index = pictures.order.samples(k)  # type: ignore[union-attr]
        mirrored = source.inner.mirrored(epoch, index)
        seen |= set(zip(index.tolist(), mirrored.tolist(), strict=True))
        expected = torch.relu(
            torch.nn.functional.conv2d(
                pictures.finish(pictures.batch(k))[0], store.tensor("conv", 0), store.tensor("conv", 1), padding=1
            )
        )
        torch.testing.assert_close(source.finish(source.batch(k))[0], expected)
    assert len(seen) > 12


def test_mean_pictures_and_learned_layers_on_the_picture(folder: Path) -> None:
    text = data() + convolution("conv", "data") + convolution("new", "data", rate=1)
    text += layer("Concat", "both", "new conv", "both") + head("both")
    for layout in FORMATS:
        engine = Engine(CPU, memory_format=layout)
        found, plain, store = shortened(text, folder, TRAIN, engine)
        assert found.opened.sources[0].names == ("conv", "data", "label")
        assert losses(found.opened, store, engine, 6) == pytest.approx(losses(plain, store, engine, 6), rel=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("layout", FORMATS)
def test_on_a_gpu(layout: torch.memory_format, folder: Path) -> None:
    engine = Engine(torch.device("cuda", 0), memory_format=layout)
    net, plain = opened(data() + NET, TEST, folder, once=True), opened(data() + NET, TEST, folder, once=True)
    store = Store(net.plan, seed=2, device=engine.device)
    found = shorten(net, store, prefix.moving(net.plan, store.key), engine, folder / "study")
    assert losses(found.opened, store, engine, 3) == pytest.approx(losses(plain, store, engine, 3), rel=1e-3)


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "study" / "features").glob("*.npy")}


def test_nothing_is_computed_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, store = shortened(data() + NET, folder, TRAIN, Engine(CPU))
    first = files(folder)
    assert len(first) == 5  # two values, each mirrored too, and the pictures
    with monkeypatch.context() as patch:
        patch.setattr(frozen_features._Maker, "write", lambda *_: pytest.fail("computed again"))
        patch.setattr(frozen_features, "_decode", lambda *_: pytest.fail("decoded again"))
        shortened(data() + NET, folder, TRAIN, Engine(CPU), store)
        # The unmirrored rows serve a test on the same pictures.
        shortened(data() + NET, folder, TEST, Engine(CPU), store)
    assert files(folder) == first
    store.tensor("conv", 0).data.mul_(2)
    shortened(data() + NET, folder, TRAIN, Engine(CPU), store)
    assert len(files(folder)) == 9


def test_other_pictures_under_the_same_names(folder: Path) -> None:
    found, plain, store = shortened(data() + NET, folder, TRAIN, Engine(CPU))
    write(folder, seed=0)
    for number in range(10):
        path = folder / f"0_{number}.png"
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    again, plain, store = shortened(data() + NET, folder, TRAIN, Engine(CPU), store)
    expected = losses(plain, store, Engine(CPU), 3)
    assert losses(again.opened, store, Engine(CPU), 3) == pytest.approx(expected, rel=1e-5)
    assert losses(found.opened, store, Engine(CPU), 3) != pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kept", [0, 300, -4])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_damaged_file_is_written_anew(kept: int, mirrored: bool, folder: Path) -> None:
    found, plain, store = shortened(data() + NET, folder, TRAIN, Engine(CPU))
    expected = losses(plain, store, Engine(CPU), 3)
    del found
    for path in (folder / "study" / "features").glob("*.npy"):
        if not path.name.endswith(".pictures.npy") and path.name.endswith(".mirrored.npy") == mirrored:
            path.write_bytes(path.read_bytes()[:kept])
    again, _, _ = shortened(data() + NET, folder, TRAIN, Engine(CPU), store)
    assert losses(again.opened, store, Engine(CPU), 3) == pytest.approx(expected, rel=1e-5)


def test_a_file_with_other_numbers_is_written_anew(folder: Path) -> None:
    found, plain, store = shortened(data() + NET, folder, TRAIN, Engine(CPU))
    expected = losses(plain, store, Engine(CPU), 3)
    del found
    for path in (folder / "study" / "features").glob("*.npy"):
        if not path.name.endswith(".pictures.npy"):
            np.save(path, np.load(path) * 2)
    again, _, _ = shortened(data() + NET, folder, TRAIN, Engine(CPU), store)
    assert losses(again.opened, store, Engine(CPU), 3) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("transform", "options", "why"),
    [
        ("mirror: true crop_size: 8", "new_height: 12 new_width: 12", "at random"),
        (
            'crop_size: 8 lungo { augmentation { type: "RandomResizedCrop" } }',
            "new_height: 12 new_width: 12",
            "at random",
        ),
        ("crop_size: 8", "", "at random"),
    ],
)
def test_pictures_that_change_from_pass_to_pass(transform: str, options: str, why: str, folder: Path) -> None:
    found, plain, store = shortened(data(transform, options) + NET, folder, TRAIN, Engine(CPU))
    assert found.why_not is not None
    assert why in found.why_not
    assert losses(found.opened, store, Engine(CPU), 4) == losses(plain, store, Engine(CPU), 4)
    assert len(files(folder)) == (1 if options else 0)


@pytest.mark.parametrize("crop", ["", "crop_size: 12"])
def test_whole_pictures_of_one_size(crop: str, folder: Path) -> None:
    options = "new_height: 12 new_width: 12" if crop else ""
    found, plain, store = shortened(data(f"mirror: true {crop}", options) + NET, folder, TRAIN, Engine(CPU))
    assert found.why_not is None
    expected = losses(plain, store, Engine(CPU), 4)
    assert losses(found.opened, store, Engine(CPU), 4) == pytest.approx(expected, rel=1e-5)


def test_nothing_frozen(folder: Path) -> None:
    text = data() + convolution("conv", "data", rate=1) + head("conv")
    found, plain, store = shortened(text, folder, TRAIN, Engine(CPU))
    assert found.why_not == "no layer after the pictures is frozen"
    assert losses(found.opened, store, Engine(CPU), 4) == losses(plain, store, Engine(CPU), 4)
    assert [name.endswith(".pictures.npy") for name in files(folder)] == [True]


@pytest.mark.parametrize("short", ["memory", "disk"])
def test_no_room(short: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if short == "memory":
        monkeypatch.setattr(frozen_features.memory, "available", lambda device: 1000)
    else:
        usage = namedtuple("usage", "total used free")(10, 5, 5)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    found, plain, store = shortened(data() + NET, folder, TRAIN, Engine(CPU))
    assert found.why_not is not None
    assert ("of memory are free" if short == "memory" else "on disk") in found.why_not
    assert losses(found.opened, store, Engine(CPU), 4) == losses(plain, store, Engine(CPU), 4)
    assert files(folder) == {}


def test_a_failure_leaves_nothing_half_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put, calls = frozen_features._Maker._put, []

    def failing(self: object, *args: object) -> None:
        calls.append(1)
        if len(calls) == 5:
            raise OSError(28, "No space left on device")
        put(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(frozen_features._Maker, "_put", failing)
    with pytest.raises(OSError, match="No space"):
        shortened(data() + NET, folder, TRAIN, Engine(CPU))
    assert [name.endswith(".pictures.npy") for name in files(folder)] == [True]
    assert not list((folder / "study" / "features").glob("*.tmp"))
