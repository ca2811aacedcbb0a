"""A Triton repository as its documents describe it, from files that were exported here."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from google.protobuf import text_format
from onnx import TensorProto, helper

from caffelungo.cli.main import call
from caffelungo.errors import UserError
from caffelungo.inference.triton import TritonOptions, message, read_config, triton

RECORD = '{"name": "image", "layout": "NHWC", "type": "uint8", "channels": "RGB"}'


def model(path: Path, batch: str | int = "batch", classes: int = 3, height: int | str = 8, **properties: str) -> Path:
    """image [batch, height, 8, 3] uint8 -> prob [batch, classes] float."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["x", "axes"], ["m"], keepdims=0),
            helper.make_node("Softmax", ["m"], ["prob"]),
        ],
        "net",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [batch, height, 8, classes])],
        [helper.make_tensor_value_info("prob", TensorProto.FLOAT, [batch, classes])],
        [helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    for key, value in {"input": RECORD, "classifier": "prob", **properties}.items():
        made.metadata_props.add(key=key, value=value)
    onnx.save(made, path)
    return path


def test_a_repository(tmp_path: Path) -> None:
    source = model(tmp_path / "my net.onnx", labels='["cat", "dog\\nhound", "fish"]')
    call(["triton", str(source), "-o", str(tmp_path / "repo"), "--instances", "2", "--device", "gpu", "--gpus", "0,1",
          "--preferred", "8,16", "--max-batch", "32", "--delay", "500", "--keep", "2"])  # fmt: skip
    folder = tmp_path / "repo" / "my_net"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == [
        "1", "1/model.onnx", "config.pbtxt", "labels.txt",
    ]  # fmt: skip
    assert (folder / "1" / "model.onnx").read_bytes() == source.read_bytes()
    assert (folder / "labels.txt").read_text() == "cat\ndog hound\nfish\n"
    expected = """
        name: "my_net" backend: "onnxruntime" max_batch_size: 32
        input { name: "image" data_type: TYPE_UINT8 format: FORMAT_NHWC dims: [8, 8, 3] }
        output { name: "prob" data_type: TYPE_FP32 dims: [3] label_filename: "labels.txt" }
        version_policy { latest { num_versions: 2 } }
        instance_group { count: 2 kind: KIND_GPU gpus: [0, 1] }
        dynamic_batching { preferred_batch_size: [8, 16] max_queue_delay_microseconds: 500 }
    """
    config = read_config((folder / "config.pbtxt").read_text())
    assert config == text_format.Parse(expected, message("ModelConfig")())


def test_the_repository_with_or_without_its_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, repo = str(model(tmp_path / "net.onnx")), str(tmp_path / "my repo")
    assert call(["triton", source, repo]) == 0
    assert f"tritonserver --model-repository '{repo}'" in capsys.readouterr().out
    assert call(["triton", source, "-o", repo]) == 0
    for words in ([], [repo, "-o", repo]):
        with pytest.raises(UserError, match="name one model repository") as caught:
            call(["triton", source, *words])
        assert "lungo triton" in str(caught.value)


def test_versions(tmp_path: Path) -> None:
    first = triton(model(tmp_path / "net.onnx"), tmp_path / "repo")
    again = triton(tmp_path / "net.onnx", tmp_path / "repo")
    assert (first.version, again.version) == (1, 1)
    assert "already" in again.notes[0]
    other = triton(model(tmp_path / "net.onnx", accuracy="0.9"), tmp_path / "repo")
    assert other.version == 2
    assert sorted(p.name for p in other.folder.iterdir()) == ["1", "2", "config.pbtxt"]
    seven = triton(model(tmp_path / "net.onnx", accuracy="1"), tmp_path / "repo", TritonOptions(version=7))
    assert seven.version == 7
    with pytest.raises(UserError, match="the next is 8"):
        triton(model(tmp_path / "net.onnx", accuracy="2"), tmp_path / "repo", TritonOptions(version=7))
    assert sorted(p.name for p in (tmp_path / "repo").iterdir()) == ["net"]


def test_a_version_with_another_interface_is_refused(tmp_path: Path) -> None:
    triton(model(tmp_path / "net.onnx"), tmp_path / "repo")
    with pytest.raises(UserError, match=r"image 8x8x3, prob 3"):
        triton(model(tmp_path / "net.onnx", classes=1), tmp_path / "repo")
    assert sorted(p.name for p in (tmp_path / "repo" / "net").iterdir()) == ["1", "config.pbtxt"]


def test_a_fixed_batch_and_free_sizes(tmp_path: Path) -> None:
    placed = triton(model(tmp_path / "net.onnx", batch=4), tmp_path / "repo")
    config = read_config(placed.config)
    assert config.max_batch_size == 0
    assert list(config.input[0].dims) == [4, 8, 8, 3]
    assert not config.HasField("dynamic_batching")
    assert "fixed batch size" in placed.notes[0]
    free = triton(model(tmp_path / "free.onnx", height="height"), tmp_path / "repo")
    assert list(read_config(free.config).input[0].dims) == [-1, 8, 3]


def test_mistakes_are_told_together_and_nothing_is_written(tmp_path: Path) -> None:
    wrong = TritonOptions(name="a b", max_batch=0, instances=0, device="tpu", delay=-1, version=0, keep=0)
    with pytest.raises(UserError) as raised:
        triton(model(tmp_path / "net.onnx"), tmp_path / "repo", wrong)
    assert len(raised.value.problems) == 7
    with pytest.raises(UserError, match="preferred"):
        triton(tmp_path / "net.onnx", tmp_path / "repo", TritonOptions(preferred=[128]))
    with pytest.raises(UserError, match="not found"):
        triton(tmp_path / "gone.onnx", tmp_path / "repo")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(UserError, match="not an ONNX file"):
        triton(tmp_path / "text.onnx", tmp_path / "repo")
    assert not (tmp_path / "repo").exists()


def test_a_configuration_that_was_changed_by_hand(tmp_path: Path) -> None:
    placed = triton(model(tmp_path / "net.onnx"), tmp_path / "repo")
    (placed.folder / "config.pbtxt").write_text(placed.config + "ensemble_scheduling { }\n")
    with pytest.raises(UserError, match="ensemble_scheduling"):
        triton(model(tmp_path / "net.onnx", accuracy="1"), tmp_path / "repo")
