"""What the engine says of a choice of device and precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from caffelungo.solve.engine import make_engine
from caffelungo.solve.options import EngineOptions, TrainOptions
from caffelungo.solve.run_training import train
from tests.solve import helpers


@pytest.mark.parametrize(
    ("capabilities", "precision", "said"),
    [
        ({"architecture": "x86_64", "avx2": True, "avx512_bf16": False, "amx_bf16": False}, "bf16", True),
        ({"architecture": "x86_64", "avx2": True, "avx512_bf16": False, "amx_bf16": False}, "fp32", False),
        ({"architecture": "x86_64", "avx512_bf16": True, "amx_bf16": False}, "bf16", False),
        ({"architecture": "x86_64", "avx512_bf16": False, "amx_bf16": True}, "bf16", False),
        ({"architecture": "aarch64"}, "bf16", False),
        ({}, "bf16", False),
    ],
)
def test_emulated_bf16_is_said(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, Any], precision: str, said: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    notices = make_engine(EngineOptions(device="cpu", precision=precision)).notices()
    assert bool(notices) is said
    assert all("--precision fp32" in one for one in notices)


def test_a_training_says_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "x86_64"}, raising=False)
    monkeypatch.chdir(helpers.make(tmp_path, max_iter="1"))
    train(TrainOptions(solver="solver.prototxt", device="cpu", precision="bf16"))
    assert "this CPU has no instructions for bf16" in "".join(capsys.readouterr())
