"""A project that starts from the best linear classifier: what is written, what iteration 0 gives, and where it runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from caffelungo.definition.reader import read_net, read_solver
from caffelungo.errors import UserError
from caffelungo.probes import finetune_start
from caffelungo.projects.finetune_project import FILES, ProjectOptions, Summary, finetune_project
from caffelungo.report import metrics_csv
from caffelungo.rewriting.folder_files import STARTED, reference
from caffelungo.weights import formats
from tests.lungo import Ran, lungo
from tests.passes.nets import RESIDUAL
from tests.probes.places import Place, photos, place


@pytest.fixture(autouse=True)
def few_penalties(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetune_start, "PENALTIES", (0.01, 1.0))


@pytest.fixture
def fire(tmp_path: Path) -> Place:
    return place(tmp_path)


def make(spot: Place, out: Path, **more: object) -> Summary:
    given = {"weights": str(spot.weights), "batch_size": 4, "passes": 1, **more}
    return finetune_project(ProjectOptions(str(spot.net), str(spot.data), str(out), **given))  # type: ignore[arg-type]


def test_iteration_0_is_the_classifier(fire: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = make(fire, tmp_path / "mine", val=0.34)
    assert found.probe is not None
    monkeypatch.chdir(tmp_path)
    ran = lungo("test", "--model", "mine/train_val.prototxt", "--weights", "mine/start.caffemodel", "--device", "cpu")
    assert ran.status == 0, ran.err
    printed = dict(re.findall(r"^(accuracy|loss) = (\S+)$", ran.out, re.MULTILINE))
    before = {"accuracy": float(printed["accuracy"].removesuffix("%")) / 100, "loss": float(printed["loss"])}
    ran = lungo("train", "--solver", "mine/solver.prototxt", "--device", "cpu")
    assert ran.status == 0, ran.err
    points = [point for point, _ in metrics_csv.read(Path("mine/solver_run_001/metrics.csv"))]
    values = {point.name: point.value for point in points if point.phase == "test" and point.iteration == 0}
    assert values["accuracy"] == pytest.approx(before["accuracy"], abs=0.0005)
    assert values["loss"] == pytest.approx(before["loss"], rel=1e-4)
    # The best weights are named at the end, and the commands that come next name them.
    best = Path("mine/solver_best.caffemodel")
    assert f"best weights in {best}" in ran.err.replace(f"{tmp_path}/", "")
    following = next(line for line in ran.err.splitlines() if "next: " in line)
    assert str(best) in following
    assert any(str(tmp_path / best) in shlex.split(command) for command, _ in found.commands)


def test_the_solver_names_what_it_starts_from(fire: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = make(fire, tmp_path / "mine")
    assert set(found.files) == {*FILES, STARTED}
    solver = read_solver(tmp_path / "mine" / "solver.prototxt").message
    assert list(solver.weights) == [STARTED]
    assert solver.lungo.keep_best
    assert solver.lungo.watch in {top for layer in read_net(found.files["train_val.prototxt"]).message.layer
                                  for top in layer.top}  # fmt: skip
    (tmp_path / "mine" / STARTED).unlink()
    monkeypatch.chdir(tmp_path)
    ran = lungo("train", "--solver", "mine/solver.prototxt", "--device", "cpu")
    assert ran.status == 2
    assert "weights file not found" in ran.err
    assert STARTED in ran.err
    assert not list(Path("mine").glob("solver_*"))


def test_the_same_seed_gives_the_same_files(fire: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / name / "mine" for name in ("a", "b")]
    for folder in folders:
        folder.parent.mkdir()
        monkeypatch.chdir(folder.parent)
        make(fire, Path("mine"), seed=5)
    for name in (*FILES, STARTED):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


@pytest.mark.skipif(os.name != "posix", reason="run.sh is for a shell")
def test_run_sh_runs_from_anywhere(fire: Place, tmp_path: Path) -> None:
    data = tmp_path / "it's my photos 照片"
    fire.data.rename(data)
    out = tmp_path / "my net's 网络"
    make(Place(fire.net, fire.weights, data, fire.test), out)
    commands = tmp_path / "bin"
    commands.mkdir()
    # Starting Python for each command takes most of the time, so one that stands for it notes what it is asked.
    (commands / "lungo").write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"with open({str(tmp_path / 'asked')!r}, 'a') as file:\n"
        "    file.write(json.dumps([os.getcwd(), *sys.argv[1:]]) + '\\n')\n"
    )
    (commands / "lungo").chmod(0o755)
    environment = {**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["sh", str(out / "run.sh")], cwd="/", env=environment, check=True)
    asked = [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]
    assert [words[1] for words in asked] == ["check", "train", "test", "probe", "export"]
    assert {words[0] for words in asked} == {str(out)}
    # The net names its pictures itself, those set aside as well, and they choose the penalty.
    assert asked[3][2] == "train_val.prototxt"
    assert not {"--data", "--penalty"} & set(asked[3])
    for _, *words in asked:
        ran = _in(out, words)
        assert ran.status == 0, (words, ran.err)
    assert (out / "model.onnx").is_file()
    assert (out / "final" / "probe.caffemodel").is_file()


def _in(folder: Path, words: list[str]) -> Ran:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return lungo(*words)


def test_photos_set_aside_by_the_user_only_choose(fire: Place, tmp_path: Path) -> None:
    """Between the weights before and after training: a lowest loss may be luck on few photos, whoever chose them."""
    both = tmp_path / "both"
    shutil.copytree(fire.data, both / "train")
    shutil.copytree(fire.test, both / "val")
    out = tmp_path / "mine"
    found = make(Place(fire.net, fire.weights, both, fire.test), out)
    words = [shlex.split(command) for command, _ in found.commands]
    assert [each[1] for each in words] == ["check", "train", "test", "probe", "export", "classify"]
    assert "--no-refit" in words[3]
    assert words[4][words[4].index("--weights") + 1] == str(out / "final" / "probe.caffemodel")
    start = formats.read(out / STARTED)
    # What training left is worse, so the start stays, and no photo of the user's is learned from.
    worse = {name: [-blob for blob in blobs] if "joined" in name else blobs for name, blobs in start.layers.items()}
    formats.write(out / "solver_best.caffemodel", replace(start, layers=worse))
    ran = _in(tmp_path, words[3][1:])
    assert ran.status == 0, ran.err
    final = formats.read(out / "final" / "probe.caffemodel").layers
    for name, blobs in start.layers.items():
        assert [one.tobytes() for one in final[name]] == [one.tobytes() for one in blobs], name
    judges = (out / "final" / "test.txt").read_text().splitlines()
    assert judges
    assert all("/val/" in line for line in judges)
    assert not any("/val/" in line for line in (out / "final" / "train.txt").read_text().splitlines())


def test_without_photos_set_aside_nothing_chooses(fire: Place, tmp_path: Path) -> None:
    found = make(fire, tmp_path / "mine", val=0.0)
    words = [shlex.split(command) for command, _ in found.commands]
    assert [each[1] for each in words] == ["check", "train", "test", "export", "classify"]
    assert words[3][words[3].index("--weights") + 1] == str(tmp_path / "mine" / "solver_best.caffemodel")


def test_caffes_way_names_its_weights_from_every_folder(
    fire: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = make(fire, Path("mine"), classic=True, weights="net.caffemodel")
    assert found.probe is None
    assert STARTED not in found.files
    solver = read_solver("mine/solver.prototxt").message
    assert list(solver.weights) == [str(fire.weights)]
    assert (solver.type, solver.lr_policy) == ("SGD", "multistep")
    assert "RandomResizedCrop" not in Path("mine/train_val.prototxt").read_text()
    assert not read_solver("mine/solver.prototxt").message.lungo.keep_best


def test_from_scratch_and_contradictions(fire: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = make(fire, Path("fresh"), weights="none")
    assert (found.probe, found.weights) == (None, None)
    assert not read_solver("fresh/solver.prototxt").message.weights
    for more in ({"classic": True}, {"remember": True}, {"weights": "none"}):
        with pytest.raises(UserError, match="--layers needs a training"):
            make(fire, Path("other"), layers=("all",), **more)
    assert not Path("other").exists()
    ran = lungo("finetune", fire.net, "--data", fire.data, "--scratch", "--weights", fire.weights, "-o", "other")
    assert ran.status == 2
    assert "remove one of the two" in ran.err


def test_layers_are_held_and_statistics_kept(tmp_path: Path) -> None:
    spot = place(tmp_path, RESIDUAL)
    found = make(spot, tmp_path / "mine", freeze_to="res2", layers=("conv1+res2",))
    assert found.probe is not None
    assert found.probe.chosen.candidate.blobs == ("conv1", "res2")
    layers = {layer.name: layer for layer in read_net(found.files["train_val.prototxt"]).message.layer}
    for name in ("conv1", "conv2"):
        assert [block.lr_mult for block in layers[name].param] == [0]
    assert all(layers[name].batch_norm_param.use_global_stats for name in ("bn1", "bn2"))
    made, old = formats.read(found.files[STARTED]).layers, formats.read(spot.weights).layers
    for name in ("conv1", "bn1", "scale1", "conv2"):
        assert all(np.array_equal(one, other) for one, other in zip(made[name], old[name], strict=True))


def test_few_pictures_of_two_classes(fire: Place, tmp_path: Path) -> None:
    found = make(Place(fire.net, fire.weights, photos(tmp_path / "tiny", 3, ("a", "b")), fire.test), tmp_path / "mine")
    assert (found.train, found.val) == (4, 2)
    assert found.probe is not None
    assert np.isfinite(found.probe.head.weight).all()


def test_the_readme_tells_what_the_classifiers_reach(fire: Place, tmp_path: Path) -> None:
    found = make(fire, tmp_path / "mine", layers=("conv1", "fire9/concat"))
    assert found.probe is not None
    text = (tmp_path / "mine" / "README.md").read_text()
    rows = re.findall(r"^\| (\S+) \| (\d+) \| ([\d.]+) \|", text, re.MULTILINE)
    assert rows == [(row.candidate.name, str(row.features), f"{100 * row.accuracy:.1f}") for row in found.probe.rows]
    assert f"`{found.probe.chosen.candidate.name}`" in text


def test_names_that_mean_another_file_here_are_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert reference(Path("mine"), "train.txt") == "train.txt"
    Path("train.txt").write_text("")
    assert reference(Path("mine"), "train.txt") == str(tmp_path / "mine" / "train.txt")
    shutil.move("train.txt", tmp_path / "val.txt")
    assert reference(Path(), "val.txt") == "val.txt"
