"""From a table of numbers and a net to a folder that trains, and on to a served answer."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from caffelungo.check import check
from caffelungo.data.table_columns import name_and_unit
from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import read_net
from caffelungo.definition.schema import TEST
from caffelungo.deploy.export import export
from caffelungo.errors import UserError
from caffelungo.inference.classify import open_judge
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.passes.view import View
from caffelungo.projects.finetune_project import ProjectOptions, finetune_project
from caffelungo.projects.project_options import Summary
from caffelungo.report.number_scores import NumberScore
from caffelungo.serving.options import ServeOptions
from caffelungo.serving.service import Service
from caffelungo.solve import nets, run_training
from caffelungo.solve.evaluate import run_test
from caffelungo.solve.load_weights import Loaded
from caffelungo.solve.observer import Observer
from caffelungo.solve.options import TestOptions, TrainOptions
from caffelungo.weights import formats
from tests.lungo import lungo
from tests.projects import labelled
from tests.serving.running import Running

COUNT = 30


def table(folder: Path, count: int = COUNT) -> Path:
    """Grey pictures with a bright square: their brightness, with a unit, and the square's side, which is whole."""
    rng = np.random.default_rng(4)
    rows = ["path,brightness [%],side,kind"]
    for number in range(count):
        level, side = int(rng.integers(20, 180)), int(rng.integers(3, 12))
        pixels = rng.integers(level, level + 12, (16, 16, 3), np.uint8)
        pixels[2 : 2 + side, 3 : 3 + side] = 250
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{level / 2.55:.2f},{100 * side},{number % 3}")
    (folder / "t.csv").write_text("\n".join(rows) + "\n")
    return folder / "t.csv"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("numbers")
    table(folder)
    labelled.net(folder)
    return folder


def make(place: Path, out: str, columns: str = "brightness [%],side", **options: object) -> Summary:
    given = {"weights": str(place / "tiny.caffemodel"), "batch_size": 8, "passes": 4, **options}
    wanted = ProjectOptions(str(place / "tiny.prototxt"), str(place / "t.csv"), str(place / out), label_column=columns,
                            **given)  # type: ignore[arg-type]  # fmt: skip
    return finetune_project(wanted)


@pytest.fixture(scope="module")
def made(place: Path) -> Summary:
    return make(place, "made")


def test_what_is_written(made: Summary, place: Path) -> None:
    out = place / "made"
    names = ["README.md", "deploy.prototxt", "run.sh", "solver.prototxt", "start.caffemodel", "train.txt",
             "train_val.prototxt", "val.txt"]  # fmt: skip
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == names
    assert (made.train, made.val) == (24, 6)
    assert [(one.name, one.unit) for one in made.numbers] == [("brightness", "%"), ("side", "")]
    rows = np.array([line.split()[1:] for line in (out / "train.txt").read_text().splitlines()], float)
    np.testing.assert_allclose([one.mean for one in made.numbers], rows.mean(0))
    np.testing.assert_allclose([one.deviation for one in made.numbers], rows.std(0))
    assert not check([out / "solver.prototxt"]).problems
    told = (out / "README.md").read_text()
    assert "| brightness | % |" in told
    assert "solver_best.caffemodel" in (out / "run.sh").read_text()
    assert "to predict: brightness (%), side" in (out / "solver.prototxt").read_text()


def read_by_head(out: Path, listed: str, mirrored: bool) -> tuple[np.ndarray, np.ndarray]:
    """What the layer of the numbers reads in the net as it starts, of the pictures of a list, and their numbers."""
    text = nets.from_definition(read_net(out / "train_val.prototxt"))
    state = net_state(text.message, TEST)
    root = text.message.layer[0].image_data_param.root_folder
    whole = out.parent / f"whole_{listed}"
    whole.write_text("".join(f"{root}{line}\n" for line in (out / listed).read_text().splitlines()))
    opened = nets.open_net_with_data(nets.elsewhere(text, state, whole), state, once=True, shuffle=False)
    store = Store(opened.plan, seed=0)
    Loaded([str(out / "start.caffemodel")], (), opened.plan, text.where, beside=text.path).load(store)
    net, (source,) = StepNet(opened.plan, store), opened.sources
    head = View(read_net(out / "train_val.prototxt")).heads()[-1].head
    features, numbers = [], []
    for flip in (False, True)[: 1 + mirrored]:
        for k in range(source.batches or 0):
            data, targets = (torch.as_tensor(one) for one in source.finish(source.batch(k)))
            with torch.no_grad():
                net.forward(data.flip(3) if flip else data, targets)
            features.append(net.blob(head.bottoms[0]).flatten(1).double().numpy())
            numbers.append(targets.double().numpy())
    return np.concatenate(features), np.concatenate(numbers)


def test_it_starts_as_the_best_ridge_regression(made: Summary, place: Path) -> None:
    """What it predicts before it is trained is what scikit-learn's Ridge does with the features that it computes."""
    out, tried = place / "made", made.regressions
    assert tried is not None
    assert tried.chosen.loss == min(row.loss for row in tried.rows)
    (mean, deviation) = (np.array([getattr(one, name) for one in made.numbers]) for name in ("mean", "deviation"))
    x, y = read_by_head(out, "train.txt", mirrored=True)
    whole = x[: len(x) // 2]
    scale = np.sqrt(whole.var(0).mean())  # one for all features, as the probes have it
    theirs = Ridge(tried.chosen.penalty * len(x)).fit(x / scale, (y - mean) / deviation)
    tested, truth = read_by_head(out, "val.txt", mirrored=False)
    wanted = theirs.predict(tested / scale) * deviation + mean
    ran = run_test(
        TestOptions(model=str(out / "train_val.prototxt"), weights=(str(out / "start.caffemodel"),), quiet=True)
    )
    assert ran.numbers is not None
    np.testing.assert_allclose(ran.numbers.targets, truth)
    np.testing.assert_allclose(ran.numbers.predicted, wanted, rtol=2e-3)
    assert [one.r2 for one in ran.numbers.numbers] == pytest.approx(
        r2_score(truth, wanted, multioutput="raw_values"), abs=0.01
    )


def train(out: Path, **more: object) -> int:
    return run_training.train(TrainOptions(solver=str(out / "solver.prototxt"), device="cpu", quiet=True, **more))  # type: ignore[arg-type]


def test_from_a_table_to_a_served_answer(made: Summary, place: Path) -> None:
    out = place / "made"
    assert train(out) == 0
    best = out / "solver_best.caffemodel"
    frozen = formats.read(best).layers["brightness_side"]
    np.testing.assert_array_equal(frozen, formats.read(out / "start.caffemodel").layers["brightness_side"])
    ran = lungo("test", "--model", out / "train_val.prototxt", "--weights", best, "--json", place / "test.json")
    assert ran.status == 0
    assert "brightness (%)" in ran.out
    found_by_test = json.loads((place / "test.json").read_text())["numbers"]
    assert [one["name"] for one in found_by_test] == ["brightness", "side"]
    assert found_by_test[0]["r2"] > 0.9
    exported = export(read_net(out / "train_val.prototxt"), str(best), out / "model.onnx")
    assert exported.outputs == ["brightness_side"]
    model = open_judge(exported.path, "cpu", threads=1)
    first = (out / "val.txt").read_text().split()[0]
    (found,) = model.classify([place / first])
    running = Running(Service(model, ServeOptions(exported.path)))
    try:
        status, _, body = running.post("/classify", (place / first).read_bytes())
    finally:
        running.stop()
    assert status == 200
    served = body["predictions"][0]["numbers"]
    assert served == {one.name: pytest.approx(one.value, rel=1e-5) for one in found.numbers}
    ours = run_test(TestOptions(model=str(out / "train_val.prototxt"), weights=(str(best),), quiet=True)).numbers
    assert ours is not None
    assert list(served.values()) == pytest.approx(ours.predicted[0], rel=1e-4)


class Killed(Exception):  # noqa: N818
    """What no part of the engine expects, as it does not expect a signal 9."""


class Killer(Observer):
    def on_iteration(self, iteration: int) -> None:
        if iteration == 9:
            raise Killed


def test_killed_and_resumed_it_ends_as_an_unbroken_run(place: Path) -> None:
    for name in ("whole", "killed"):
        make(place, name, overwrite=True)
        solver = place / name / "solver.prototxt"
        solver.write_text(re.sub(r"snapshot: \d+", "snapshot: 4", solver.read_text()))
    assert train(place / "whole") == 0
    wanted = TrainOptions(solver=str(place / "killed" / "solver.prototxt"), device="cpu", quiet=True)
    with pytest.raises(Killed):
        run_training.train(wanted, callbacks=[Killer()])
    assert not (place / "killed" / "solver_iter_12.caffemodel").exists()
    assert train(place / "killed", resume=True) == 0
    whole, resumed = (formats.read(place / name / "solver_iter_12.caffemodel").layers for name in ("whole", "killed"))
    assert all(np.array_equal(a, b) for name in whole for a, b in zip(whole[name], resumed[name], strict=True))
    best = [formats.read(place / name / "solver_best.caffemodel").layers for name in ("whole", "killed")]
    assert all(np.array_equal(a, b) for name in best[0] for a, b in zip(best[0][name], best[1][name], strict=True))


def judged(out: Path, weights: str) -> NumberScore:
    """The first number of a test."""
    named = (str(out / f"{weights}.caffemodel"),)
    found = run_test(TestOptions(model=str(out / "train_val.prototxt"), weights=named, quiet=True)).numbers
    assert found is not None
    return found.numbers[0]


def test_other_pictures_are_tested_on(made: Summary, place: Path) -> None:
    out = place / "made"
    words = [
        "test",
        "--model",
        out / "train_val.prototxt",
        "--weights",
        out / "start.caffemodel",
        "--data",
        place / "t.csv",
    ]
    ran = lungo(*words, "--label-column", "brightness [%],side")
    assert ran.status == 0
    assert f"samples  {COUNT}" in ran.out
    wrong = lungo(*words, "--label-column", "side")
    assert wrong.status == 2
    assert "the net predicts brightness [%], side" in wrong.err


@pytest.mark.parametrize("options", [{"classic": True}, {"weights": "none"}], ids=["classic", "scratch"])
def test_other_starts_have_the_units_too(place: Path, options: dict[str, object]) -> None:
    found = make(
        place, f"other_{len(options)}_{next(iter(options))}", "brightness [%]", loss="euclidean", passes=2, **options
    )
    out = found.files["start.caffemodel"].parent
    deviation, mean = formats.read(out / "start.caffemodel").layers["brightness"]
    assert (deviation, mean) == (pytest.approx(found.numbers[0].deviation), pytest.approx(found.numbers[0].mean))
    assert found.regressions is None
    before = judged(out, "start")
    assert train(out) == 0
    assert judged(out, "solver_best").rmse <= before.rmse
    assert "EuclideanLoss" in (out / "train_val.prototxt").read_text()


def test_whole_numbers_are_predicted_where_asked_for(place: Path) -> None:
    assert make(place, "asked", "kind", predict="numbers").numbers[0].name == "kind"


def test_refusals(place: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        make(place, "no", remember=True, balance="inverse", loss="hubber")
    assert {problem.received.split()[0] for problem in caught.value.problems} == {"--remember", "--balance", "--loss"}
    assert not (place / "no").exists()
    with pytest.raises(UserError, match="no such thing to predict"):
        make(place, "no", predict="ages")
    same = table(tmp_path, 6)
    rows = [line.split(",") for line in same.read_text().splitlines()]
    same.write_text("\n".join(",".join([row[0], "1.5", *row[2:]] if k else row) for k, row in enumerate(rows)) + "\n")
    wanted = ProjectOptions(
        str(place / "tiny.prototxt"), str(same), str(tmp_path / "no"), weights=str(place / "tiny.caffemodel"),
        label_column="brightness [%]", predict="numbers",
    )  # fmt: skip
    with pytest.raises(UserError, match="the same for every training picture"):
        finetune_project(wanted)


@pytest.mark.parametrize(
    ("column", "wanted"),
    [("age [years]", ("age", "years")), ("height (cm)", ("height", "cm")), (" plain ", ("plain", "")),
     ("(odd)", ("(odd)", "")), ("a (b) [c]", ("a (b)", "c")), ("x [", ("x [", ""))],
)  # fmt: skip
def test_units_stand_behind_names(column: str, wanted: tuple[str, str]) -> None:
    assert name_and_unit(column) == wanted
