"""The page of an inspection of pictures: whole, standing alone, with what a reader looks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffelungo.cli.main import call
from caffelungo.errors import UserError
from caffelungo.report import inspection
from caffelungo.study.inspect.options import InspectOptions
from caffelungo.study.inspect.run_inspect import find, inspect
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.report.html import read
from tests.study.inspect import nets

NET = """
layer { name: "data" type: "ImageData" top: "data" top: "label"
  image_data_param { source: "pictures" batch_size: 4 } transform_param { crop_size: 8 mean_value: 100 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 5 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "conv_new" type: "Convolution" bottom: "data" top: "conv_new"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu_new" type: "ReLU" bottom: "conv_new" top: "conv_new" }
layer { name: "wide" type: "Concat" bottom: "conv" bottom: "conv_new" top: "wide" }
layer { name: "pool" type: "Pooling" bottom: "wide" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
CLASSES = ("<b>cat & 'dog", "$zebra_{")


@pytest.fixture
def options(tmp_path: Path) -> InspectOptions:
    rng = np.random.default_rng(0)
    for shade, name in enumerate(CLASSES):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(0, 128, (9, 9, 3)) + 100 * shade
            pixels[..., 0] //= 1 + shade
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "pictures" / name / f"{number}.png")
    (tmp_path / "net.prototxt").write_text(NET)
    blobs = {
        name: [rng.normal(size=shape).astype(np.float32), np.zeros(shape[0], np.float32)]
        for name, shape in {"conv": (5, 3, 3, 3), "conv_new": (4, 3, 3, 3), "fc": (2, 9)}.items()
    }
    formats.write(tmp_path / "run_iter_2.caffemodel", Weights(blobs))
    formats.write(tmp_path / "run_iter_4.caffemodel", Weights({**blobs, "fc": [-2 * blobs["fc"][0], blobs["fc"][1]]}))
    formats.write(tmp_path / "before.caffemodel", Weights({"conv": [blobs["conv"][0] * 1.5, blobs["conv"][1]]}))
    return InspectOptions(
        model=tmp_path / "net.prototxt", weights=[str(tmp_path / "run_iter_4.caffemodel")],
        before=str(tmp_path / "before.caffemodel"), out=tmp_path / "report", device="cpu", quiet=True,
    )  # fmt: skip


def test_page(options: InspectOptions) -> None:
    path = inspect(options)
    reader = read(path.read_text(encoding="utf-8"))
    for title in ("Old and new units", "Layer by layer", "What units answer to", "First filters", "Hardest pictures"):
        assert title in reader.texts
    assert any(CLASSES[0] in text for text in reader.texts)
    linked = [link for link in reader.values("href") if not link.startswith("#")]
    assert linked
    assert all((path.parent / link).is_file() for link in linked)
    assert sum(attrs.get("alt", "").endswith(".png") for tag, attrs in reader.tags if tag == "img") > 20


def test_pictures_are_as_the_net_sees_them(options: InspectOptions) -> None:
    found, samples = find(options)
    assert samples.name(7) == f"{CLASSES[0]}/1.png" or samples.name(7).endswith("/1.png")
    for number in (0, 7, 11):
        original = np.asarray(Image.open(Path(options.model).parent / "pictures" / samples.name(number)))
        assert np.array_equal(samples.image(number), original[:8, :8])
    assert found.filters is not None
    kernels = found.tuned.test.net.store.blobs("conv")[0].detach().numpy()
    assert np.array_equal(found.filters.after[2, :, :, 0], kernels[2, 2])  # the net reads BGR, the page shows RGB
    assert found.filters.before is not None
    assert np.allclose(found.filters.before, 1.5 * found.filters.after)


def test_command_line(options: InspectOptions, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["inspect", "--model", str(options.model), "--weights", options.weights[0], "--before", str(options.before)]
    status = call([*words, "-o", str(options.out), "--units", "conv:0,3", "--units", "conv_new:1", "--device", "cpu"])
    assert status == 0
    out, err = capsys.readouterr()
    assert f"wrote {options.out}/index.html" in out
    assert "evaluating the snapshots" in err
    text = (Path(options.out) / "units.csv").read_text()
    assert {line.split(",")[0] + line.split(",")[1] for line in text.splitlines()[1:]} == {
        "conv0",
        "conv3",
        "conv_new1",
    }


def test_plain_net_on_other_pictures(options: InspectOptions, tmp_path: Path) -> None:
    both = formats.read(options.weights[0])
    formats.write(tmp_path / "all.caffemodel", both)
    page = inspect(replace(options, before=str(tmp_path / "all.caffemodel"), data=tmp_path / "pictures", per_class=3))
    reader = read(page.read_text(encoding="utf-8"))
    assert "Over the run" in reader.texts
    assert "Old and new units" not in reader.texts
    assert any("The weights of 3 of 3 pre-trained layers are as they were." in text for text in reader.texts)


def test_no_picture(options: InspectOptions, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no pictures in class folders"):
        find(replace(options, data=tmp_path / "empty"))
    with pytest.raises(UserError, match="only a net that reads pictures"):
        find(replace(nets.make(tmp_path), data=tmp_path / "pictures"))


def test_filters_side_by_side() -> None:
    values = np.stack([np.full((2, 2), level) for level in (-1.0, 0.0, 1.0)])
    sheet = inspection.tiled(values, 1.0, 2)
    assert sheet.shape == (5, 5)
    assert (sheet[0, 0], sheet[0, 3], sheet[3, 0], sheet[0, 2]) == (0, 0.5, 1, 1)


def test_labels_apart() -> None:
    assert inspection.apart([0.5, 0.2, 0.49], 0.05) == pytest.approx([0.54, 0.2, 0.49])
