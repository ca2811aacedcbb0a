"""A net opened from and saved to files; its pictures and its data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import caffelungo as cl


def test_saved_files_are_the_net(work: Path, tmp_path: Path) -> None:
    net = cl.open("squeezenet1.1").grow(widen={"fire9/concat": 4}).rewrite(size=64)
    x = torch.randn(1, 3, 64, 64)
    for suffix in (".caffemodel", ".caffemodel.h5", ".safetensors"):
        written = net.save(tmp_path / f"a{suffix}.prototxt", tmp_path / f"a{suffix}")
        again = cl.open(*written)
        assert again.text == net.text
        assert torch.equal(again(x), net(x))
        assert again.fresh == ()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    net = cl.open("lenet")
    (tmp_path / "b.caffemodel").write_text("mine")
    with pytest.raises(cl.UserError, match="would be lost"):
        net.save(tmp_path / "a.prototxt", tmp_path / "b.caffemodel")
    assert not (tmp_path / "a.prototxt").exists()
    net.save(tmp_path / "a.prototxt", tmp_path / "b.caffemodel", overwrite=True)
    assert cl.open(tmp_path / "a.prototxt", tmp_path / "b.caffemodel").fresh == ()
    with pytest.raises(cl.UserError, match="ends as weights do"):
        net.save(tmp_path / "c.caffemodel")


def test_data_is_found_from_another_folder(work: Path, tmp_path: Path) -> None:
    net = cl.open("mine/train_val.prototxt", "mine/start.caffemodel")
    net.save(tmp_path / "elsewhere.prototxt", tmp_path / "elsewhere.caffemodel")
    moved = cl.open(tmp_path / "elsewhere.prototxt", tmp_path / "elsewhere.caffemodel")
    (mine,), (theirs,) = net.batches(), moved.batches()
    assert torch.equal(mine["data"], theirs["data"])
    assert mine["label"].tolist() == theirs["label"].tolist()


def test_weights_by_name(work: Path) -> None:
    assert cl.open("squeezenet1.1").fresh == ()
    assert cl.open("squeezenet1.1", "none").weights_from == ""
    drawn = [cl.open("squeezenet1.1", "none", seed=seed).conv1.weight for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    merged = cl.open("mine/train_val.prototxt", [Path("mine/start.caffemodel")])
    assert merged.fresh == ()
    partial = cl.open("squeezenet1.1", "mine/start.caffemodel")
    assert partial.fresh == ("conv10",)
    with pytest.raises(cl.UserError) as caught:
        cl.open("lenet", "mine/start.caffemodel")
    assert caught.value.problems


def test_a_name_that_is_none_is_told_with_the_nearest(work: Path) -> None:
    with pytest.raises(cl.UserError) as caught:
        cl.open("squeezenet")
    assert "squeezenet1." in str(caught.value.problems[0].remedy)
    with pytest.raises(cl.UserError) as caught:
        cl.open("wrong.prototxt")
    assert str(caught.value.problems[0].where).startswith("wrong.prototxt:2:")


def test_variables_of_a_template(work: Path) -> None:
    for units in (4, 6):
        assert cl.open("nets/own.prototxt.j2", set={"units": units}).fc.weight.shape == (units, 6)
        assert cl.open("nets/own.prototxt.j2", set=[f"units={units}"]).fc.weight.shape == (units, 6)
    with pytest.raises(cl.UserError, match="units"):
        cl.open("nets/own.prototxt.j2")


def test_shapes_that_the_file_leaves_open(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(
        'layer { name: "d" type: "Data" top: "data" top: "label" data_param { source: "absent" batch_size: 2 } }\n'
        'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 3 } }\n'
    )
    with pytest.raises(cl.UserError):
        cl.open(path)
    for shape in ({"data": (1, 4, 5)}, "data:1x4x5", ["data:1x4x5"]):
        assert cl.open(path, shape=shape).fc.weight.shape == (3, 20)  # type: ignore[arg-type]
    with pytest.raises(cl.UserError, match="no data layer of the net"):
        cl.open(path, shape={"dta": (1, 4, 5)})


def test_pictures_are_prepared_as_testing_prepares_them(work: Path) -> None:
    """The same numbers by three ways: the net's own test data, the paths of its list, and arrays in RGB."""
    net = cl.open("mine/train_val.prototxt", "mine/start.caffemodel")
    (batch,) = net.batches()
    paths = [line.rsplit(" ", 1)[0] for line in Path("mine/val.txt").read_text().splitlines()]
    files = [path if Path(path).exists() else str(Path("photos", path)) for path in paths]
    assert torch.equal(net.preprocess(files), batch["data"])
    arrays = [np.asarray(Image.open(path).convert("RGB")) for path in files]
    assert torch.equal(net.preprocess(arrays), batch["data"])
    assert torch.equal(net.preprocess(arrays[0])[0], batch["data"][0])
    with pytest.raises(cl.UserError, match="not a picture"):
        net.preprocess(np.zeros((3, 4, 4), np.float32))
    with pytest.raises(cl.UserError, match="does not take pictures"):
        cl.open("nets/own.prototxt.j2", set={"units": 2}).preprocess("photos/red/0.png")


def test_a_net_in_memory_is_tested_and_exported_as_its_files_are(work: Path, tmp_path: Path) -> None:
    net = cl.open("mine/train_val.prototxt", "mine/start.caffemodel")
    mine = cl.test(net, quiet=True)
    theirs = cl.test("mine/train_val.prototxt", "mine/start.caffemodel", quiet=True)
    assert mine.plain() == theirs.plain()
    assert mine.confusion.tolist() == theirs.confusion.tolist()
    (batch,) = net.batches()
    with torch.no_grad():
        assert mine.outputs["loss"] == pytest.approx(float(net(**batch)["loss"]), rel=1e-5)
        right = (net(batch["data"]).flatten(1).argmax(1) == batch["label"]).float().mean()
    assert mine.accuracy == pytest.approx(float(right))
    net.export(tmp_path / "memory.onnx")
    found = [
        [(one.best.label, one.best.probability) for one in cl.classify(path, "photos").predictions]
        for path in (tmp_path / "memory.onnx", "model.onnx")
    ]
    assert found[0] == found[1]
    for call in (cl.test, cl.export):
        with pytest.raises(cl.UserError, match="brings its own weights"):
            call(net, "mine/start.caffemodel", **({"output": "x.onnx"} if call is cl.export else {}))
