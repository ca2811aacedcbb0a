"""A command refuses to write where another one is writing, before it does anything, and says who that is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from caffelungo.cli.main import call
from caffelungo.data.convert_imageset import convert_imageset
from caffelungo.errors import UserError
from caffelungo.features.run_features import FeatureOptions, extract
from caffelungo.probes.options import ProbeOptions
from caffelungo.probes.run_probe import probe
from caffelungo.projects.finetune_project import ProjectOptions, finetune_project
from caffelungo.projects.task_project import TaskProjectOptions, task_project
from caffelungo.rewriting.folder_files import staged
from caffelungo.study import compare
from tests.data.make import pictures
from tests.test_locks import HOLD


def finetune(out: Path) -> None:
    finetune_project(ProjectOptions("absent.prototxt", "absent", str(out)))


def task(out: Path) -> None:
    task_project(TaskProjectOptions("absent.prototxt", "absent", str(out)))


def probed(out: Path) -> None:
    probe(ProbeOptions(net="absent.prototxt", data="absent", output=str(out)))


def database(out: Path) -> None:
    pictures(out.parent, 3)
    convert_imageset(f"{out.parent}/", out.parent / "list.txt", out)


def features(out: Path) -> None:
    extract(FeatureOptions(net="absent.prototxt", data="absent", output=out.with_suffix(".npz")))


def folder(out: Path) -> None:
    with staged(out):
        pass


def compared(out: Path) -> None:
    call(["compare", "--data", "absent", "--model", "absent", "-o", str(out), "-q"])


@pytest.mark.parametrize("write", [finetune, task, probed, database, features, folder, compared])
def test_the_second_is_refused(tmp_path, monkeypatch, write):
    def study(options, progress):
        return SimpleNamespace(plan=list, folder=Path(options.output))

    monkeypatch.setattr(compare, "Study", study)
    held = tmp_path / ("out.npz.part" if write is features else "out")
    before = set()
    command = [sys.executable, "-c", HOLD, str(held)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="another process is writing") as caught:
            write(tmp_path / "out")
        before = {path.name for path in tmp_path.iterdir()} - {"list.txt"}
        first.communicate("\n")
    assert f"process {first.pid} on " in caught.value.problems[0].received
    assert {name for name in before if not name.endswith(".png")} == {f".{held.name}.lock"}
