"""Files that shrink while they are read, and files larger than memory: no signal ends the process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.weights import formats, meanfile, tensors, wire
from tests.weights.samples import same, small


def cut_before(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, path: Path) -> None:
    """Empty ``path`` as soon as ``module.name`` is about to look at its bytes."""
    function = getattr(module, name)

    def cutting(*args: Any) -> Any:
        os.truncate(path, 0)
        return function(*args)

    monkeypatch.setattr(module, name, cutting)


@pytest.mark.parametrize(
    ("name", "module", "function"),
    [("w.caffemodel", wire, "take_blobs"), ("w.safetensors", tensors, "load")],
)
def test_weights_are_whole_once_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: Any, function: str
) -> None:
    formats.write(tmp_path / name, small())
    cut_before(monkeypatch, module, function, tmp_path / name)
    assert same(formats.read(tmp_path / name), small())
    assert (tmp_path / name).stat().st_size == 0


def test_a_mean_is_whole_once_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, mean = tmp_path / "mean.binaryproto", np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    meanfile.write(path, mean)
    cut_before(monkeypatch, wire, "one_blob", path)
    np.testing.assert_array_equal(meanfile.read(path), mean)


@pytest.mark.parametrize("name", ["w.caffemodel", "w.safetensors", "mean.binaryproto"])
def test_a_file_larger_than_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = tmp_path / name
    mean = name.startswith("mean")
    if mean:
        meanfile.write(path, np.zeros((3, 8, 8), np.float32))
    else:
        formats.write(path, small())
    monkeypatch.setattr("caffelungo.plan.memory_limits.available", lambda: 20)
    with pytest.raises(UserError, match="does not fit into memory"):
        (meanfile if mean else formats).read(path)
