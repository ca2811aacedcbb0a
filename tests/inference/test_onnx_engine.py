from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffelungo.errors import RunError, UserError
from caffelungo.inference import onnx_engine as engines
from caffelungo.inference import profile
from caffelungo.inference.onnx_engine import OnnxEngine


def inputs(batch: int, seed: int = 0) -> dict[str, np.ndarray]:
    return {"image": np.random.default_rng(seed).integers(0, 256, (batch, 13, 11, 3), dtype=np.uint8)}


def test_bound_buffers_give_the_numbers_of_plain_runs(classifier_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "KEPT", 2)
    plain, bound = (
        OnnxEngine(classifier_file, "cpu", threads=1),
        OnnxEngine(classifier_file, "cpu", threads=1, binding=True),
    )
    assert not plain.binding
    kept = []
    for seed, batch in enumerate((2, 3, 2, 5, 1, 3)):
        feeds = inputs(batch, seed)
        kept.append((bound.run(feeds)["prob"], plain.run(feeds)["prob"]))
    for got, expected in kept:  # all answers are their own memory, not the buffers
        np.testing.assert_array_equal(got, expected)
    assert len(bound._bound) == 2


def test_warm_up(classifier_file: Path) -> None:
    engine = OnnxEngine(classifier_file, "cpu", binding=True)
    engine.warm_up([1, 4])
    assert [dict(key)["image"][0] for key, _ in engine._bound] == [1, 4]
    assert engine.zeros(4)["image"].shape == (4, 13, 11, 3)


def test_where_it_runs_is_said(classifier_file: Path) -> None:
    engine = OnnxEngine(classifier_file, "cpu")
    assert str(engine) == "cpu (CPUExecutionProvider)"
    assert engine.session.raw.get_providers() == list(engine.providers)
    with pytest.raises(UserError, match="CUDA graphs need a GPU"):
        OnnxEngine(classifier_file, "cpu", graphs=True)


@pytest.mark.parametrize("binding", [True, False])
def test_inputs_that_do_not_fit_are_all_told(classifier_file: Path, binding: bool) -> None:
    engine = OnnxEngine(classifier_file, "cpu", binding=binding)
    good = inputs(2)
    wrong: list[tuple[dict[str, Any], list[str] | None, str, str]] = [
        ({"image": good["image"][:, :, :4]}, None, "does not fit input `image`", "uint8, 2x13x4x3"),
        ({"image": good["image"][0]}, None, "does not fit input `image`", "uint8, 13x11x3"),
        ({"image": good["image"].astype(np.float32)}, None, "does not fit input `image`", "float32, 2x13x11x3"),
        ({}, None, "input `image` is missing", "none"),
        ({"data": good["image"]}, None, "the file has no input `data`", "data"),
        (good, ["probability"], "the file has no output `probability`", "probability"),
    ]
    if binding:  # the runtime itself takes lists
        wrong.append(({"image": good["image"].tolist()}, None, "input `image` is not an array", "list"))
    for feeds, outputs, what, received in wrong:
        with pytest.raises(UserError) as caught:
            engine.run(feeds, outputs)
        problems = caught.value.problems
        assert any(what in one.what and received == one.received and one.remedy for one in problems), problems
        assert len(problems) == (2 if feeds.keys() == {"data"} else 1)
    assert engine.run(good)["prob"].shape == (2, 5)
    with pytest.raises(UserError, match="does not fit"):  # a shape that was bound already
        engine.run({"image": good["image"].astype(np.int32)})


def test_each_file_has_a_folder_of_engines(
    classifier_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = engines._tensorrt(classifier_file, tmp_path / "a", graphs=True)
    assert settings["trt_engine_cache_enable"] == settings["trt_cuda_graph_enable"] == "1"
    assert Path(settings["trt_engine_cache_path"]).is_dir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    other = engines._tensorrt(b"another", None, graphs=False)
    assert Path(other["trt_engine_cache_path"]).is_relative_to(tmp_path / "caffelungo" / "tensorrt")
    assert Path(other["trt_engine_cache_path"]).name != Path(settings["trt_engine_cache_path"]).name


@pytest.mark.gpu
@pytest.mark.parametrize("graphs", [False, True])
def test_a_gpu_gives_the_numbers_of_the_cpu(classifier_file: Path, graphs: bool) -> None:
    cpu, gpu = OnnxEngine(classifier_file, "cpu"), OnnxEngine(classifier_file, "cuda", graphs=graphs)
    assert gpu.providers == ("CUDAExecutionProvider",)
    gpu.warm_up([1, 8])
    for seed, batch in enumerate((1, 8, 3, 8)):
        feeds = inputs(batch, seed)
        np.testing.assert_allclose(gpu.run(feeds)["prob"], cpu.run(feeds)["prob"], rtol=1e-3, atol=1e-4)


@pytest.mark.gpu
def test_tensorrt_keeps_its_engine(classifier_file: Path, tmp_path: Path) -> None:
    gpu = OnnxEngine(classifier_file, "cuda", provider="tensorrt", cache=tmp_path)
    assert gpu.providers == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    feeds = inputs(2)
    np.testing.assert_allclose(
        gpu.run(feeds)["prob"], OnnxEngine(classifier_file, "cpu").run(feeds)["prob"], rtol=1e-3, atol=1e-4
    )
    assert list(tmp_path.rglob("*.engine"))


def test_a_profile_that_was_cut_off(tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text('[{"name": "conv1_kernel_time", "args"')
    for name in ("cut.json", "gone.json"):
        with pytest.raises(RunError, match=r"profile cannot be read: .*\n  to do: free space"):
            profile.nodes(tmp_path / name)
