"""One training of a study: from features and from pictures alike, and what it reports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from caffelungo import resources
from caffelungo.definition.reader import Definition, parse_solver, read_net
from caffelungo.errors import RunError, UserError
from caffelungo.passes.base import run
from caffelungo.projects.finetune_project import ProjectOptions, finetune_project
from caffelungo.rewriting import recipes
from caffelungo.solve.engine import make_engine
from caffelungo.solve.options import EngineOptions
from caffelungo.solve.solver import make_solver
from caffelungo.solve.training_setup import Setup
from caffelungo.study.cells import JSON, Cell, CellPlace, Inputs
from caffelungo.study.train_cell import MODEL, train
from caffelungo.weights import formats
from tests.solve.helpers import Losses
from tests.study.nets import STILL, convolution, data, head, layer, write

ARMS = ("finetune", "deeper", "wider", "joint", "recursive", "normalized", "features")
TEXT = (
    data()
    + convolution("conv", "data")
    + layer("BatchNorm", "norm", "conv", "conv", "batch_norm_param { use_global_stats: true eps: 1 }")
    + layer("ReLU", "relu", "conv", "conv")
    + layer("Dropout", "drop", "conv", "conv", "dropout_param { dropout_ratio: 0.3 }")
    + convolution("new", "conv", rate=1)
    + head("new")
)


class Study:
    """A folder of a study with small pictures and a small net."""

    def __init__(self, folder: Path, text: str = TEXT) -> None:
        self.folder, self.inputs, self.count = folder, Inputs(folder), 0
        self.fields: dict[str, JSON] = {
            "net": self.inputs.add(text, ".prototxt"),
            "fit": self.inputs.add(write(folder / "pictures", 14, seed=1), ".txt"),
            "validation": self.inputs.add(write(folder / "pictures", 5, seed=2), ".txt"),
            "test": self.inputs.add(write(folder / "pictures", 7, seed=3), ".txt"),
            "rate": 0.02, "seed": 1, "iterations": 12, "batch": 4,
        }  # fmt: skip

    def cell(self, *needs: Cell, **changes: JSON) -> Cell:
        return Cell("caffelungo.study.train_cell:train", {**self.fields, **changes}, needs)

    def run(self, cell: Cell) -> dict[str, JSON]:
        """Run ``cell`` as a runner does, without its processes."""
        folder = self.folder / "cells" / cell.key
        folder.mkdir(parents=True)
        values = train(cell, CellPlace(folder, self.folder))
        result = {"status": "done", "values": values, "error": None, "seconds": 1.0, "cpu_seconds": 1.0}
        (folder / "result.json").write_text(json.dumps(result, allow_nan=False))
        return values


def curve(values: dict[str, JSON]) -> list[float]:
    return [loss for _, loss in values["loss_curve"]]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


def test_values(study: Study) -> None:
    values = study.run(study.cell(iterations=60))
    assert [at for at, _ in values["loss_curve"]][-1] == 59
    assert len(values["loss_curve"]) == 50
    assert curve(values)[-1] < curve(values)[0]
    assert values["iterations"] == 60
    assert values["labels"] == [0, 1, 2, 0, 1, 2, 0]
    assert values["test_accuracy"] == np.mean(np.equal(values["predictions"], values["labels"]))
    assert values["validation_accuracy"] in [number / 5 for number in range(6)]
    assert values["parameters_learned"] == 5 * 5 * 9 + 5 + 3 * 5 * 12 * 12 + 3
    assert values["cached"] is True
    assert values["features"] == ["conv"]


def test_learned_colours(study: Study) -> None:
    """The class is a colour: a training that works finds it."""
    values = study.run(study.cell(iterations=100, rate=0.05))
    assert values["test_accuracy"] == 1


def test_with_and_without_features(study: Study) -> None:
    one, two = study.run(study.cell()), study.run(study.cell(cache=False))
    assert (one["cached"], two["cached"]) == (True, False)
    assert curve(one) == pytest.approx(curve(two), rel=1e-5)
    assert one["predictions"] == two["predictions"]
    assert one["validation_loss"] == pytest.approx(two["validation_loss"], rel=1e-5)


def test_as_the_solver_trains_files(study: Study, tmp_path: Path) -> None:
    """The losses are those of `lungo train` with the same net, list, rate and seed."""
    (tmp_path / "list.txt").write_bytes(study.inputs.path(study.fields["fit"]).read_bytes())
    (tmp_path / "net.prototxt").write_text(TEXT)
    solver = parse_solver(
        'train_net: "net.prototxt" base_lr: 0.02 lr_policy: "multistep" gamma: 0.1 stepvalue: 8 stepvalue: 11 '
        "momentum: 0.9 weight_decay: 0.0005 max_iter: 12 random_seed: 1",
        str(tmp_path / "solver.prototxt"),
    )
    expected = Losses()
    engine = make_engine(EngineOptions(device="cpu"))
    make_solver(solver, engine, Setup(workers=0), observers=[expected]).step(12)
    assert curve(study.run(study.cell())) == pytest.approx(list(expected.seen.values()), rel=1e-5)


def test_the_seed_is_all_that_is_drawn(study: Study) -> None:
    again = Study(study.folder / "elsewhere")
    first = study.run(study.cell())
    assert curve(first) == curve(again.run(again.cell()))
    assert curve(first) != curve(study.run(study.cell(seed=2)))


def test_pictures_cut_at_random_unless_they_are_wanted_whole(tmp_path: Path) -> None:
    study = Study(tmp_path, TEXT.replace("mean_value: 100", "mean_value: 100 crop_size: 10"))
    cut = study.run(study.cell())
    assert not cut["cached"]
    assert "at random" in cut["why_not_cached"]
    whole = study.run(study.cell(whole=True))
    assert whole["cached"]
    assert curve(whole) == pytest.approx(curve(study.run(study.cell(whole=True, cache=False))), rel=1e-5)
    assert curve(whole) != pytest.approx(curve(cut), rel=1e-3)


def test_the_rate_falls_at_the_steps(study: Study) -> None:
    """Where it falls to nothing, the weights stay those of a shorter training."""
    plain = {"momentum": 0, "weight_decay": 0, "keep": "weights"}
    short = study.cell(iterations=8, steps=[], **plain)
    long = study.cell(iterations=12, steps=[8 / 12], gamma=0, **plain)
    other = study.cell(iterations=12, steps=[9 / 12], gamma=0, **plain)
    for cell in (short, long, other):
        study.run(cell)
    assert np.array_equal(weights(study, short)["head"][0], weights(study, long)["head"][0])
    assert not np.array_equal(weights(study, short)["head"][0], weights(study, other)["head"][0])


def weights(study: Study, cell: Cell) -> dict[str, list[np.ndarray]]:
    return formats.read(study.folder / "cells" / cell.key / MODEL).layers


def test_weights_are_kept_and_started_from(study: Study) -> None:
    first = study.cell(keep="weights")
    study.run(first)
    kept = weights(study, first)
    assert set(kept) == {"conv", "norm", "new", "head"}
    second = study.cell(first, start_from=0, rate=STILL, keep="weights")
    study.run(second)
    # So small a rate leaves all as it was, whether it was trained from features or loaded.
    for name, blobs in weights(study, second).items():
        assert all(np.array_equal(a, b) for a, b in zip(blobs, kept[name], strict=True))
    third = study.cell(weights=study.inputs.add(study.folder / "cells" / first.key / MODEL), rate=STILL)
    assert study.run(third)["predictions"] == study.run(study.cell(first, start_from=0, rate=STILL))["predictions"]


def test_weights_that_were_not_kept(study: Study) -> None:
    first = study.cell()
    study.run(first)
    with pytest.raises(UserError, match="did not keep") as error:
        study.run(study.cell(first, start_from=0))
    assert "weights" in str(error.value.problems[0].remedy)


def test_what_is_frozen_stays(study: Study) -> None:
    """Frozen blobs are those of the file, whether or not they took part in the training."""
    still, moved = study.cell(rate=STILL, keep="weights"), study.cell(keep="weights", cache=False)
    study.run(still)
    study.run(moved)
    before, after = weights(study, still), weights(study, moved)
    assert all(
        np.array_equal(a, b) for name in ("conv", "norm") for a, b in zip(before[name], after[name], strict=True)
    )
    assert not np.array_equal(before["new"][0], after["new"][0])


@pytest.mark.parametrize("cache", [True, False])
def test_a_loss_that_is_not_finite(cache: bool, study: Study) -> None:
    with pytest.raises(RunError, match=r"iteration \d+: .*non-finite") as error:
        study.run(study.cell(rate=1e30, iterations=200, cache=cache))
    assert "learning rate 1e+30" in str(error.value)


def test_weights_that_are_not_finite_after_the_last_iteration(tmp_path: Path) -> None:
    study = Study(tmp_path, TEXT.replace("scale: 0.01", "scale: 10"))
    with pytest.raises(RunError, match="a weight is not finite after iteration 0"):
        study.run(study.cell(rate=3e38, iterations=1, validation="", test=""))


def test_wrong_fields(study: Study) -> None:
    wrong = dict(study.fields, iteration=3, batch=0)
    del wrong["rate"]
    with pytest.raises(UserError) as error:
        train(Cell("caffelungo.study.train_cell:train", wrong), CellPlace(study.folder, study.folder))
    assert error.value.problems[0].received == "rate is missing; iteration is unknown; batch is 0"


def test_a_net_without_pictures(tmp_path: Path) -> None:
    study = Study(tmp_path, TEXT.replace("ImageData", "DummyData"))
    with pytest.raises(UserError, match="no ImageData layer in phase TRAIN"):
        study.run(study.cell())


def test_a_label_without_an_output(study: Study) -> None:
    wrong = study.inputs.add(write(study.folder / "more", 6).replace(" 2\n", " 3\n"), ".txt")
    with pytest.raises(UserError, match="3"):
        study.run(study.cell(test=wrong))


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Definition]:
    """SqueezeNet with its ImageNet weights, made ready for the animals' silhouettes, and some of them."""
    folder = tmp_path_factory.mktemp("squeezenet")
    animals = resources.folder("examples") / "animals" / "train"
    finetune_project(
        ProjectOptions("squeezenet1.1", str(animals), str(folder / "net"), size=64, resize=64, classic=True)
    )
    study = Study(folder)
    classes = sorted(path.name for path in animals.iterdir() if path.is_dir())
    paths = sorted(animals.rglob("*.png"))
    lines = [f"{path} {classes.index(path.parent.name)}\n" for path in paths]
    study.fields |= {
        "fit": study.inputs.add("".join(lines[::10]), ".txt"),
        "validation": "",
        "test": study.inputs.add("".join(lines[1::30]), ".txt"),
        "weights": study.inputs.add(resources.folder("nets") / "squeezenet" / "squeezenet_v1.1.caffemodel"),
        "rate": 0.001, "iterations": 5, "batch": 8,
    }  # fmt: skip
    return study, read_net(folder / "net" / "train_val.prototxt")


FRONTIERS = {
    "finetune": ["fire9/concat"], "deeper": ["fire9/concat"], "normalized": ["fire9/concat"],
    "wider": ["fire9/squeeze1x1", "fire9/concat"], "joint": ["fire9/squeeze1x1", "fire9/concat"],
    "features": ["fire9/squeeze1x1", "fire9/concat"],
    "recursive": ["fire8/concat", "fire9/squeeze1x1", "fire9/concat"],
}  # fmt: skip


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_trains_from_features(arm: str, squeezenet: tuple[Study, Definition]) -> None:
    study, base = squeezenet
    settings = {"tune": "NEW"} | ({"units": "32"} if arm in ("deeper", "wider", "joint", "recursive") else {})
    recipe = recipes.open_recipe(recipes.find(arm), settings)
    net = study.inputs.add(run(base, recipe.steps).definition.text, ".prototxt")
    one, two = study.run(study.cell(net=net)), study.run(study.cell(net=net, cache=False))
    assert one["features"] == FRONTIERS[arm]
    assert curve(one) == pytest.approx(curve(two), rel=1e-4)
    assert one["test_loss"] == pytest.approx(two["test_loss"], rel=1e-4)
    assert one["predictions"] == two["predictions"]
    assert len(set(curve(one))) == 5
