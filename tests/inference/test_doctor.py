"""Doctor tries, and names what is wrong with its fix: real trials on this machine, made-up facts for others."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from caffelungo.cli.main import call
from caffelungo.inference import device_trial, doctor, machine_facts
from caffelungo.inference.device_trial import CPU
from caffelungo.inference.doctor import BAD, GOOD, NOTE, judge
from caffelungo.inference.machine_facts import CUDA, TENSORRT, Facts, trial

FAILED = (
    "2026 [E:onnxruntime:Default, provider_bridge_ort.cc:2458] [ONNXRuntimeError] : 1 : FAIL : Failed to load library "
    "/x/libonnxruntime_providers_cuda.so with error: {library}: cannot open shared object file: "
    "No such file or directory"
)
CARD = Facts(
    machine={"system": "Linux", "python": "3.12.1", "cores": 16, "quota": None, "threads": {}, "memory": 2**36,
             "free": 2**35, "shm": 2**33},
    packages={"torch": "2.15.0", "onnxruntime-gpu": "1.31.1"},
    wanted={"torch": "2.11"},
    driver={"cuda": "13.2", "devices": 1},
    torch={
        "cpu": {"version": "2.15.0", "cuda": "13.2", "devices": 1, "threads": 16, "error": 1e-7, "seconds": 1e-3},
        "cuda:0": {"version": "2.15.0", "cuda": "13.2", "devices": 1, "name": "A card", "free": 2**36, "total": 2**37,
                   "bf16": True, "error": 1e-4, "seconds": 1e-3},
    },
    onnxruntime={
        CPU: {"version": "1.31.1", "providers": [TENSORRT, CUDA, CPU], "cuda": "13.0", "error": 1e-7, "ran_on": CPU},
        CUDA: {"version": "1.31.1", "providers": [TENSORRT, CUDA, CPU], "cuda": "13.0", "error": 1e-4, "ran_on": CUDA},
    },
)  # fmt: skip


def bad(facts: Facts) -> str:
    return "\n".join(f"{one.text} => {one.remedy}" for one in judge(facts) if one.state == BAD)


def with_runtime(**changes: dict[str, Any]) -> Facts:
    runtime = {provider: {**CARD.onnxruntime.get(provider, CARD.onnxruntime[CUDA]), **change}
               for provider, change in changes.items()}  # fmt: skip
    return replace(CARD, onnxruntime={**CARD.onnxruntime, **runtime})


def test_the_reference_convolution_is_one() -> None:
    x, kernel = device_trial.picture_and_kernel()
    expected = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(kernel)).numpy()
    np.testing.assert_allclose(device_trial.convolved(x, kernel), expected, atol=1e-4)
    assert device_trial.error(expected + np.float32(0.5)) > device_trial.TOLERANCE
    assert device_trial.error(expected[:1]) == float("inf")


def test_this_machine() -> None:
    for kind, target in (("torch", "cpu"), ("onnxruntime", CPU)):
        facts = trial(kind, target)
        assert facts["ran_on"] == target
        assert facts["error"] < 1e-5


def test_a_trial_that_fails_crashes_or_hangs_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "NoSuchProvider" not in trial("onnxruntime", CPU)["providers"]
    assert "built without" in trial("onnxruntime", "NoSuchProvider")["failure"]
    crash = [sys.executable, "-c", "import os; os.abort()"]
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **kwargs: run(crash, **kwargs))
    assert "signal 6" in trial("torch", "cpu")["failure"]
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(subprocess, "run", lambda command, **kwargs: run(sleep, **kwargs))
    assert "no response within 0.3" in trial("torch", "cpu", timeout=0.3)["failure"]


def test_silent_fallback_is_seen_where_it_happens() -> None:
    providers = trial("onnxruntime", CPU)["providers"]
    if CUDA not in providers or torch.cuda.is_available():
        pytest.skip("needs an onnxruntime-gpu on a machine without a card")
    facts = trial("onnxruntime", CUDA)
    assert facts["ran_on"] == CPU
    told = bad(replace(CARD, onnxruntime={CPU: CARD.onnxruntime[CPU], CUDA: facts}))
    assert "silently ran on CPUExecutionProvider (lib" in told


def test_all_is_well() -> None:
    assert not bad(CARD)
    assert "everything works" in doctor.render(judge(CARD))


@pytest.mark.parametrize(
    ("library", "remedy"),
    [("libcurand.so.10", "nvidia-curand"), ("libcudnn.so.9", "nvidia-cudnn-cu13"), ("libcuda.so.1", "--gpus all"),
     ("libcublasLt.so.13", "onnxruntime-gpu[cuda,cudnn]")],
)  # fmt: skip
def test_the_missing_library_is_named_with_its_fix(library: str, remedy: str) -> None:
    told = bad(with_runtime(**{CUDA: {"ran_on": CPU, "log": FAILED.format(library=library)}}))
    assert "silently" in told
    assert f"({library}: cannot open shared object file: No such file or directory)" in told
    assert remedy in told.split("=>")[1]


def test_tensorrt_is_an_extra() -> None:
    facts = with_runtime(**{TENSORRT: {"ran_on": CPU, "log": FAILED.format(library="libnvinfer.so.10")}})
    assert not bad(facts)
    assert any(one.state == NOTE and "TensorRT" in one.text.replace("Tensorrt", "TensorRT") for one in judge(facts))


def test_versions_that_do_not_match() -> None:
    older = replace(CARD, driver={"cuda": "12.4", "devices": 1})
    assert "PyTorch was built for CUDA 13.2, the driver supports at most 12.4 => update the driver" in bad(older)
    mixed = with_runtime(**{CPU: {"cuda": "12.8"}})
    assert "ONNX Runtime is for CUDA 12.8, PyTorch for CUDA 13.2" in bad(mixed)
    cpu_only = with_runtime(**{CPU: {"providers": [CPU]}})
    assert "no CUDA provider => pip uninstall -y onnxruntime" in bad(cpu_only)
    blind = replace(CARD, torch={"cpu": {**CARD.torch["cpu"], "devices": 0, "cuda": ""}})
    assert "built for the CPU" in bad(blind)


def test_wrong_numbers_and_packages() -> None:
    assert "wrong by 0.3" in bad(with_runtime(**{CUDA: {"error": 0.3}}))
    assert "wrong by nan" in bad(with_runtime(**{CUDA: {"error": float("nan")}}))
    assert "torch 2.9.1 is older than 2.11" in bad(replace(CARD, packages={**CARD.packages, "torch": "2.9.1"}))
    assert "torch is missing" in bad(replace(CARD, packages={"onnxruntime": "1.30"}))
    both = {**CARD.packages, "onnxruntime": "1.30"}
    assert "both installed" in bad(replace(CARD, packages=both))
    assert "cuInit returned error 999" in bad(replace(CARD, driver={"failure": "cuInit returned error 999"}))


def test_machine() -> None:
    narrow = replace(CARD, machine={**CARD.machine, "quota": 2.0, "shm": 64 * 2**20, "free": 2**30})
    told = bad(narrow)
    for part in ("OMP_NUM_THREADS=2", "--shm-size", "1.0 GiB free"):
        assert part in told


def test_verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(machine_facts, "examine", lambda progress=None: CARD)
    assert call(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["facts"]["driver"]["cuda"] == "13.2"
    assert {one["state"] for one in told["findings"]} <= {GOOD, NOTE}
    monkeypatch.setattr(machine_facts, "examine", lambda progress=None: replace(CARD, packages={}))
    assert call(["doctor"]) == 1
    assert "to do: pip install 'torch>=2.11'" in capsys.readouterr().out
