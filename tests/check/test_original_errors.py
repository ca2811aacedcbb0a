"""The files that the original Caffe dies of: each is told with its place, and those it takes pass."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from caffelungo.check import check_files
from tests.support import needs_shared, shared

DEPARTURES = {
    "solver_solver_mode_gpu_in_cpu_build": "the device is chosen at the run, not in the file",
    "solver_test_net_no_iter": "without test_iter the whole set is tested once",
    "net_loss_weight_count": "the original takes it and reads past the end",
}
"""Where our answer differs from the original's on purpose."""


def cases() -> list[dict[str, object]]:
    try:
        found = json.loads(shared("reference", "caffe", "errors", "errors.json").read_text())
    except AssertionError:
        return []
    return [
        one for one in found if str(one["name"]).startswith(("net_", "solver_")) and "missing_file" not in one["name"]
    ]


@needs_shared
@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case["name"]))
def test_every_error_of_the_original(case: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in shared("reference", "caffe", "errors").glob("*.prototxt"):
        shutil.copy(path, tmp_path)
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    name = str(case["name"])
    file = f"{name.removeprefix('net_')}.prototxt"
    problems = check_files([file])
    wrong = case["returncode"] != 0
    if name in DEPARTURES:
        wrong = not wrong
    assert bool(problems) == wrong
    for problem in problems:
        assert problem.where is not None
        assert problem.where.file == file
        assert problem.where.line is not None
        assert problem.remedy
        assert problem.received or name == "net_include_exclude"
