"""Whatever a verb prints to run next works from where the user is, with outputs in another folder, copied as it is."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from caffelungo.probes import finetune_start
from tests.lungo import lungo
from tests.probes.places import place

COMMAND = re.compile(r"^(?:.*: |  )?(lungo .*)$", re.MULTILINE)
OTHER = Path("it's mine")
"""The folder of everything that is written: a blank and a quote in its name."""


@pytest.fixture(scope="module")
def began(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project, trained, and a photo."""
    folder = tmp_path_factory.mktemp("printed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finetune_start, "PENALTIES", (0.01, 1.0))
        patch.chdir(folder)
        made = place(folder)
        shutil.copy(next(made.data.rglob("*.png")), "photo.jpg")
        given = ["--data", "photos", "--val", 0.34, "--batch-size", 4, "--passes", 1, "-o", OTHER / "project"]
        done = lungo("finetune", "net.prototxt", "--weights", "net.caffemodel", *given)
        assert done.status == 0, done.err
        Path("finetune.out").write_text(done.out)
        follow(COMMAND.findall(done.out))
    return folder


@pytest.fixture(autouse=True)
def here(began: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(began)


def follow(commands: list[str]) -> None:
    """Run ``commands`` as they were printed."""
    for command in commands:
        words = shlex.split(command)[1:]
        done = lungo(*words)
        assert done.status == 0, f"{command}\n{done.err}"


def test_finetune(began: Path) -> None:
    verbs = [shlex.split(line)[1] for line in COMMAND.findall((began / "finetune.out").read_text())]
    assert verbs == ["check", "train", "test", "probe", "export", "classify"]
    assert (began / OTHER / "project" / "model.onnx").exists()


PROJECT = OTHER / "project"
MINE = [PROJECT / "train_val.prototxt", "--weights", PROJECT / "solver_best.caffemodel"]
VERBS: dict[str, tuple[list[object], list[str]]] = {
    "train": (["train", "--solver", PROJECT / "solver.prototxt", "--overwrite"], ["inspect", "export"]),
    "probe": (["probe", *MINE, "--data", "photos", "--layers", "auto", "-o", OTHER / "probe"], ["export", "classify"]),
    "grow": (
        ["grow", *MINE, "--solver", PROJECT / "solver.prototxt", "--widen", "fire9/concat:2", "-o", OTHER / "grown"],
        ["train", "verify"],
    ),
    "grow --task": (
        ["grow", *MINE, "--task", "others", "--passes", 1, "-o", OTHER / "task"],
        ["check", "train", "test", "verify", "export", "classify"],
    ),
    "rewrite": (["rewrite", *MINE, "--freeze-to", "conv1", "-o", OTHER / "frozen.prototxt"], ["train", "verify"]),
    "rewrite --deploy": (["rewrite", *MINE, "--deploy", "-o", OTHER / "deploy.prototxt"], ["verify"]),
    "export": (["export", "--model", *MINE, "-o", OTHER / "exported.onnx"], ["classify"]),
}  # fmt: skip


@pytest.mark.parametrize("name", VERBS)
def test_what_is_printed_runs(name: str) -> None:
    words, expected = VERBS[name]
    done = lungo(*words)
    assert done.status == 0, done.err
    commands = [line for line in COMMAND.findall(done.out + done.err) if "--help" not in line]
    assert [shlex.split(line)[1] for line in commands] == expected
    follow(commands)
