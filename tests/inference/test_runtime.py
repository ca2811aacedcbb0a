from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from caffelungo.errors import RunError, UserError
from caffelungo.inference import runtime
from caffelungo.inference.onnx_engine import OnnxEngine
from caffelungo.inference.runtime import open_session, refuse_external_data


def model(*, external: str = "") -> onnx.ModelProto:
    """y = x + w, with ``w`` in another file when ``external`` is "initializer" or "attribute"."""
    weight = numpy_helper.from_array(np.ones(3, np.float32), "w")
    if external:
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value="../../secret")
    nodes = [helper.make_node("Add", ["x", "w"], ["y"], name="add")]
    initializers = [weight]
    if external == "attribute":
        branch = helper.make_graph([helper.make_node("Constant", [], ["c"], value=weight)], "branch", [], [])
        nodes.append(helper.make_node("If", ["x"], ["z"], then_branch=branch, else_branch=branch))
        initializers = []
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph(nodes, "g", [x], [y], initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    made.metadata_props.add(key="k", value="v")
    return made


def test_runs_from_bytes_and_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(model().SerializeToString())
    for given in (model().SerializeToString(), tmp_path / "m.onnx", str(tmp_path / "m.onnx")):
        session = open_session(given, "cpu")
        assert (session.device, session.inputs, session.outputs) == ("cpu", ["x"], ["y"])
        assert session.shapes == {"x": ["n", 3]}
        assert session.metadata == {"k": "v"}
        assert session.run({"x": np.zeros((2, 3), np.float32)})["y"].tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("place", ["initializer", "attribute"])
def test_external_data_is_refused(place: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(model(external=place).SerializeToString())
    with pytest.raises(UserError, match="stores its weights in other files") as caught:
        open_session(path)
    assert caught.value.problems[0].where is not None
    assert caught.value.problems[0].where.file == str(path)


@pytest.mark.parametrize("data", [b"", b"no model", bytes(range(256))])
def test_no_onnx_file(data: bytes) -> None:
    with pytest.raises(UserError, match="not an ONNX file"):
        refuse_external_data(data, "m.onnx")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ONNX file not found") as caught:
        open_session(tmp_path / "m.onnx")
    assert str(tmp_path) in (caught.value.problems[0].received or "")


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:1", "cuda:", ""])
def test_unknown_device(device: str) -> None:
    if device == "cuda:":
        assert runtime.parse_device(device) == ("cuda", 0)
        return
    with pytest.raises(UserError, match="unknown device"):
        open_session(model().SerializeToString(), device)


@pytest.mark.skipif(runtime.cuda_devices() > 0, reason="this machine has a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_cuda_never_falls_back(device: str) -> None:
    with pytest.raises(RunError, match=r"cannot be used: .*\n  to do: use --device cpu, or install"):
        open_session(model().SerializeToString(), device)


def test_a_session_that_fell_back_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the CUDA provider's libraries do not load: the runtime goes on with the CPU under a warning."""
    real = runtime._runtime()

    class FellBack:
        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    class Runtime:
        SessionOptions = real.SessionOptions

        @staticmethod
        def get_available_providers() -> list[str]:
            return ["CUDAExecutionProvider", "CPUExecutionProvider"]

        @staticmethod
        def InferenceSession(data: bytes, options: object, providers: list[object]) -> object:  # noqa: N802
            return real.InferenceSession(data, options, providers=providers) if "CPU" in str(providers) else FellBack()

    monkeypatch.setattr(runtime, "_runtime", Runtime)
    monkeypatch.setattr(runtime, "cuda_devices", lambda: 1)
    with pytest.raises(RunError, match="the session runs on CPUExecutionProvider instead"):
        open_session(model().SerializeToString(), "cuda")
    with pytest.raises(RunError, match="1 CUDA device was found"):
        open_session(model().SerializeToString(), "cuda:1")
    left_to_the_machine = OnnxEngine(model().SerializeToString(), "auto")
    assert left_to_the_machine.device == "cpu"
    assert "device cuda:0 cannot be used: the session runs on CPUExecutionProvider" in str(left_to_the_machine)


@pytest.mark.gpu
def test_cuda() -> None:
    session = open_session(model().SerializeToString(), "cuda")
    assert session.device == "cuda:0"
    assert session.run({"x": np.zeros((1, 3), np.float32)})["y"].tolist() == [[1, 1, 1]]


def test_a_failing_run_is_told_in_one_line() -> None:
    with pytest.raises(RunError, match="ONNX Runtime failed on cpu") as caught:
        open_session(model().SerializeToString(), "cpu").run({"x": np.zeros((2, 4), np.float32)})
    assert "\n" not in str(caught.value)


def test_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    open_session(model().SerializeToString())
    assert capfd.readouterr() == ("", "")
