"""One trial of `lungo doctor`, in a separate process: a convolution, and whether its numbers are right.

    python -m caffelungo.inference.device_trial torch cpu            -> one line of JSON
    python -m caffelungo.inference.device_trial onnxruntime CUDAExecutionProvider

A library that crashes, or hangs, then takes nothing with it. Each trial tells versions, where it really ran, the
largest error against NumPy, and how long a second run took.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo import processes
from caffelungo.inference.profile import nodes

Array = NDArray[np.float32]
CPU = "CPUExecutionProvider"
TOLERANCE = 5e-3
"""Of the largest value: TF32, which GPUs may use for convolutions, keeps ten bits."""


def picture_and_kernel() -> tuple[Array, Array]:
    """[2, 3, 32, 32] and [8, 3, 3, 3]."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((2, 3, 32, 32), np.float32), rng.standard_normal((8, 3, 3, 3), np.float32)


def convolved(x: Array, kernel: Array) -> Array:
    """The convolution without padding, by NumPy."""
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], axis=(2, 3))  # type: ignore[call-overload]
    return np.asarray(np.einsum("nchwij,ocij->nohw", windows, kernel), np.float32)


def error(got: Array) -> float:
    """The largest error of ``got`` as a share of the largest right value."""
    right = convolved(*picture_and_kernel())
    return float(np.abs(got - right).max() / np.abs(right).max()) if got.shape == right.shape else float("inf")


def with_torch(device: str) -> dict[str, Any]:
    """PyTorch's convolution on ``device``: ``cpu``, ``cuda:N``, or another that it knows."""
    import torch

    facts: dict[str, Any] = {"version": torch.__version__, "cuda": torch.version.cuda or ""}
    facts["threads"] = torch.get_num_threads()
    facts["devices"] = torch.cuda.device_count()
    if torch.version.cuda:
        facts["cudnn"] = torch.backends.cudnn.version() if torch.cuda.is_available() else None
    x, kernel = (torch.from_numpy(array).to(device) for array in picture_and_kernel())
    if device.startswith("cuda"):
        place = torch.device(device)
        facts["name"] = torch.cuda.get_device_name(place)
        free, total = torch.cuda.mem_get_info(place)
        facts |= {"free": free, "total": total, "capability": list(torch.cuda.get_device_capability(place))}
        facts["bf16"] = torch.cuda.is_bf16_supported()
    with torch.no_grad():
        y = torch.nn.functional.conv2d(x, kernel).cpu().numpy()
        start = time.perf_counter()
        torch.nn.functional.conv2d(x, kernel).cpu()
    return {**facts, "seconds": time.perf_counter() - start, "error": error(y), "ran_on": device}


def with_onnxruntime(provider: str) -> dict[str, Any]:
    """ONNX Runtime's convolution on ``provider``; ``ran_on`` is the provider that its profile names for the node."""
    import onnxruntime

    facts: dict[str, Any] = {"version": onnxruntime.__version__, "providers": onnxruntime.get_available_providers()}
    try:
        from onnxruntime.capi import build_and_package_info

        facts["package"] = getattr(build_and_package_info, "package_name", "")
        facts["cuda"] = getattr(build_and_package_info, "cuda_version", "") or ""
    except ImportError:
        facts |= {"package": "", "cuda": ""}
    if provider not in facts["providers"]:
        return {**facts, "failure": "the installed onnxruntime was built without it"}
    if provider != CPU and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = f"{sys.argv[3]}/profile" if len(sys.argv) > 3 else "profile"
    session = onnxruntime.InferenceSession(_model(), options, providers=list(dict.fromkeys([provider, CPU])))
    x, _ = picture_and_kernel()
    y = np.asarray(session.run(None, {"x": x})[0])
    start = time.perf_counter()
    session.run(None, {"x": x})
    facts |= {"seconds": time.perf_counter() - start, "error": error(y), "session": session.get_providers()}
    facts["ran_on"] = next((provider for _, provider in nodes(session.end_profiling())), "")
    return facts


def _model() -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    _, kernel = picture_and_kernel()
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], name="conv")],
        "trial",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 8, 30, 30])],
        [numpy_helper.from_array(kernel, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def main() -> None:
    """Run the trial that the arguments name and print what it found."""
    kind, target = sys.argv[1:3]
    try:
        facts = with_torch(target) if kind == "torch" else with_onnxruntime(target)
    except Exception as problem:  # whatever a library raises is the finding
        facts = {"failure": f"{type(problem).__name__}: {' '.join(str(problem).split())}"[:600]}
    print(json.dumps(facts))


if __name__ == "__main__":
    processes.end_with(os.getppid(), by_system=False)
    main()
