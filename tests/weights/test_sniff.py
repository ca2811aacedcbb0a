"""Files that are not what they are given for: each is named, with what to do."""

from __future__ import annotations

import io
import zipfile

import pytest

from caffelungo.errors import UserError
from caffelungo.weights import formats, solverstate
from tests.weights.samples import small


@pytest.mark.parametrize("read", [formats.read, solverstate.read])
@pytest.mark.parametrize(
    ("content", "message", "remedy"),
    [
        (b"", "the file is empty", "copy or download it again"),
        (b'name: "net"\nlayer {\n}\n', "this is a text file", "--model"),
        (b"# comment \xc3\xa9\n\nnet: 'x'\n", "this is a text file", "--solver"),
        (b"<html><title>404 Not Found</title></html>", "this is not a file of weights", "download the file itself"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "this is a picture", ".caffemodel"),
        (b"\xff\xd8\xff\xe0" + bytes(40), "this is a picture", ".caffemodel"),
        (b"\x80\x04\x95rest", "a Python pickle", "safetensors"),
        (b"\xff\xfe\x00\x01" * 20, "damaged or truncated", "compare its size"),
        (b"\x89HDF\r\n\x1a\nrest", "damaged or truncated", "compare its size"),
    ],
)
def test_other_files(tmp_path, read, content, message, remedy):
    path = tmp_path / "x.caffemodel"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read(path)
    assert error.value.exit_status == 2
    assert message in str(error.value)
    assert remedy in str(error.value)
    assert str(path) in str(error.value)


def test_a_torch_checkpoint_is_not_opened(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80")
    path = tmp_path / "x.pth"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(UserError, match="may run code") as error:
        formats.read(path)
    assert "torchvision:NAME" in str(error.value)


def test_a_missing_file_names_its_neighbours(tmp_path):
    formats.write(tmp_path / "b.caffemodel", small())
    with pytest.raises(UserError, match=r"holds b\.caffemodel"):
        formats.read(tmp_path / "a.caffemodel")
    with pytest.raises(UserError, match="does not exist"):
        formats.read(tmp_path / "no" / "a.caffemodel")
    with pytest.raises(UserError, match="a folder"):
        formats.read(tmp_path)


def test_the_content_counts_not_the_name(tmp_path):
    for suffix in (".caffemodel", ".caffemodel.h5", ".safetensors"):
        formats.write(tmp_path / f"x{suffix}", small())
        odd = tmp_path / "odd.bin"
        odd.write_bytes((tmp_path / f"x{suffix}").read_bytes())
        assert set(formats.read(odd).layers) == {"inc/3x3", "fc"}


def test_an_unknown_ending_is_refused_when_writing(tmp_path):
    with pytest.raises(UserError, match="suffix is not a weights format") as error:
        formats.write(tmp_path / "x.pth", small())
    assert ".caffemodel.h5" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_an_onnx_file_is_called_one(tmp_path):
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    (tmp_path / "m.onnx").write_bytes(helper.make_model(graph, producer_name="p").SerializeToString())
    with pytest.raises(UserError, match=r"this is an ONNX file, not a weights file") as error:
        formats.read(tmp_path / "m.onnx")
    assert ".caffemodel" in str(error.value)
    with pytest.raises(UserError, match=r"this is an ONNX file, not a solver state"):
        solverstate.read(tmp_path / "m.onnx")
