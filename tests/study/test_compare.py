"""`lungo compare` from end to end on a tiny net and tiny pictures, and what it says of wrong input."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffelungo.definition.reader import parse_net, read_net
from caffelungo.errors import UserError
from caffelungo.study import cells
from caffelungo.study.arms import ARMS, Configuration
from caffelungo.study.cells import Inputs
from caffelungo.study.compare import Study, _lengthen, anchored
from caffelungo.study.options import CompareOptions
from caffelungo.study.search import ArmCandidate
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.lungo import Ran, lungo
from tests.passes.numbers import random_blobs
from tests.study.compared import TASK, Here

NET = """# A tiny net that answers.
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 16 dim: 16 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 4 kernel_size: 5
  stride: 2 GROUP } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "fc1" type: "InnerProduct" bottom: "conv1" top: "fc1" inner_product_param { num_output: 6 } }
layer { name: "relu2" type: "ReLU" bottom: "fc1" top: "fc1" }
layer { name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc2" top: "prob" }
"""


def photos(root: Path, count: int, seed: int, names: tuple[str, ...] = ("blue", "green", "red")) -> None:
    """``count`` noisy pictures of 16 x 16 a class, each class of another colour."""
    rng = np.random.default_rng(seed)
    for label, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for number in range(count):
            image = rng.integers(0, 120, (16, 16, 3))
            image[..., label] += 120
            Image.fromarray(image.astype(np.uint8)).save(root / name / f"{number}.png")


@dataclass(frozen=True)
class Place:
    """A folder with pictures, a net and its weights."""

    folder: Path

    def words(self, out: str = "study", *more: str) -> list[str]:
        root = self.folder
        given = {
            "data": root / "photos" / "train", "test": root / "photos" / "test", "model": root / "tiny.prototxt",
            "weights": root / "tiny.caffemodel", "output": root / out, "tune": "new,all", "arms": "wider", "units": 4,
            "seeds": 1, "iterations": 4, "batch-size": 4, "extend": 0, "workers": 1, "device": "cpu", "start": "filler",
        }  # fmt: skip
        pairs = dict(zip(more[::2], more[1::2], strict=True))
        merged = {**{f"--{name}": str(value) for name, value in given.items()}, **pairs}
        return ["compare", *(word for pair in merged.items() if pair[1] != "-" for word in pair)]

    def run(self, out: str = "study", *more: str, flags: tuple[str, ...] = ()) -> Ran:
        return lungo(*self.words(out, *more), *flags)

    def results(self, out: str = "study") -> list[dict[str, str]]:
        with (self.folder / out / "results.csv").open() as file:
            return list(csv.DictReader(file))

    def cells(self, out: str = "study", kind: str = "") -> dict[str, int]:
        """The cells of a study (of one kind), and when each was written."""
        return {
            path.parent.name: path.stat().st_mtime_ns
            for path in (self.folder / out / "cells").glob("*/result.json")
            if json.loads(path.read_text())["kind"].endswith(kind)
        }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("compare")
    photos(folder / "photos" / "train", 6, 1)
    photos(folder / "photos" / "test", 4, 2)
    photos(folder / "other", 6, 3, ("one", "two"))
    (folder / "tiny.prototxt").write_text(NET.replace("GROUP", ""))
    (folder / "grouped.prototxt").write_text(NET.replace("GROUP", "").replace("ReLU", "MVN"))
    net = read_net(folder / "tiny.prototxt")
    formats.write(folder / "tiny.caffemodel", Weights(random_blobs(net)), net.message)
    return Place(folder)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells are computed in this process."""
    monkeypatch.setattr(cells, "CellRunner", Here)


def test_workers_train_and_what_is_done_is_not_done_again(place: Place) -> None:
    first = place.run("workers", "--rates", "0.01", "--tune", "new")
    assert (first.status, first.err.count("failed")) == (0, 0)
    made = place.cells("workers")
    # Fine-tuning, width, fine-tuning for as long; and the linear classifiers.
    assert (len(place.cells("workers", ":train")), len(made)) == (3, 4)
    page = place.folder / "workers" / "index.html"
    assert f"open {page}" in first.out
    page.unlink()
    again = place.run("workers", "--rates", "0.01", "--tune", "new")
    assert again.status == 0
    assert place.cells("workers") == made
    assert page.exists()
    # The tables are the same, whatever ran.
    assert again.out == first.out


@pytest.mark.usefixtures("here")
def test_measured_rates(place: Place) -> None:
    ran = place.run("measured", "--tune", "new", "--arms", "wide")
    assert ran.status == 0, ran.err
    with (place.folder / "measured" / "rates.csv").open() as file:
        tried = [float(line["rate"]) for line in csv.DictReader(file)]
    assert len(tried) == 9
    for low, middle, high in (tried[:3], tried[3:6], tried[6:]):
        assert (middle / low, high / middle) == (pytest.approx(3, rel=0.1), pytest.approx(3, rel=0.1))
    made = place.cells("measured")
    # The two nets of fine-tuning are one.
    assert [len(place.cells("measured", kind)) for kind in (":train", ":measure", ":probe")] == [9, 2, 1]
    # One arm more is its trainings more, and nothing of the others again.
    assert place.run("measured", "--tune", "new", "--arms", "wide,normalized").status == 0
    assert [len(place.cells("measured", kind)) for kind in (":train", ":measure", ":probe")] == [12, 3, 1]
    assert made.items() <= place.cells("measured").items()


@pytest.mark.usefixtures("here")
def test_a_task_between(place: Place) -> None:
    more = ("--rates", "0.01", "--seeds", "2", "--tune", "all", "--via", str(place.folder / "other"))
    ran = place.run("via", *more)
    assert ran.status == 0, ran.err
    rows = place.results("via")
    assert [(row["arm"], row["tune"], row["after"]) for row in rows if row["arm"] != "probe"] == [
        *((arm, "all", "") for arm in ("finetune", "wider", "longer")),
        *((arm, "all", "finetune") for arm in ("finetune", "wider", "remember", "wider-remember")),
        ("wider", "all", "wider"),
    ]
    assert not any(row["failure"] for row in rows)
    assert all(0 <= float(row["accuracy"]) <= 100 for row in rows)
    summary = json.loads((place.folder / "via" / "summary.json").read_text())
    # 7 rows and two hops, with two seeds; as much as width trains are four iterations here, too.
    assert summary["trainings"] == (7 + 2) * 2
    assert len(summary["recalls"]) == 5
    made = place.cells("via")
    assert len(place.cells("via", ":train")) == (7 + 2) * 2
    assert place.run("via", *more).status == 0
    assert place.cells("via") == made


def test_seeds_go_on_from_the_net_between_of_the_same_seed(place: Place) -> None:
    """Two seeds leave two nets; each training after them starts from, and recalls, that of its own seed."""
    records = [json.loads(path.read_text()) for path in (place.folder / "via" / "cells").glob("*/result.json")]
    left: dict[tuple[str, int], str] = {}
    for record in records:
        fields = record["fields"]
        model = place.folder / "via" / "cells" / record["key"] / "model.caffemodel"
        if fields.get("keep"):
            left[fields["net"], fields["seed"]] = Inputs(place.folder / "via").add(model)
    assert len(left) == len(set(left.values())) == 2 * 2
    after = [record["fields"] for record in records if "recall" in record["fields"]]
    assert len(after) == 5 * 2
    for fields in after:
        assert fields["recall"]["weights"] == left[fields["recall"]["net"], fields["seed"]]
    # A net to which no weights were carried starts from them as they are.
    assert sum(fields["weights"] == fields["recall"]["weights"] for fields in after) >= 3 * 2


@pytest.mark.usefixtures("here")
def test_seeds_draw_splits_and_classifiers_start_converged(place: Place) -> None:
    """Without --test each seed has its own three lists, and a start that all its rates share."""
    more = ("--test", "-", "--tune", "new", "--seeds", "2", "--rates", "0.001,0.003", "--start", "probe")
    ran = place.run("seeds", *more)
    assert ran.status == 0, ran.err
    records = [json.loads(path.read_text()) for path in (place.folder / "seeds" / "cells").glob("*/result.json")]
    trained = [record["fields"] for record in records if record["kind"].endswith(":train")]
    assert all(fields["heads"] == 0 for fields in trained)
    for part in ("fit", "validation", "test"):
        lists = {seed: {fields[part] for fields in trained if fields["seed"] == seed} for seed in (0, 1)}
        assert [len(names) for names in lists.values()] == [1, 1]
        assert lists[0] != lists[1]
    # Fine-tuning (for as long, too) and width, two seeds each.
    assert len(place.cells("seeds", ":start")) == 2 * 2
    assert len(trained) == 3 * 2 * 2
    text = (place.folder / "seeds" / "tables.md").read_text()
    assert "drawn anew for each seed" in text
    rows = place.results("seeds")
    assert [row["read"] for row in rows if row["arm"] == "probe"] == ["conv1", "fc1", "all 2 layers"]
    assert sum(row["bar"] == "True" for row in rows) == 1
    assert all(row["over_bar"] for row in rows if row["bar"] == "False")
    assert "not run" in text


def test_an_estimate_by_what_is_done(place: Place) -> None:
    ran = place.run("seeds", "--test", "-", "--tune", "new", "--seeds", "2", "--rates", "0.001", flags=("--dry-run",))
    assert ran.status == 0, ran.err
    assert "(from finished trainings)" in ran.out


@pytest.mark.usefixtures("here")
def test_failures_are_rows(place: Place) -> None:
    """A pass that refuses, and rates at which the loss is not finite."""
    grouped = str(place.folder / "grouped.prototxt")
    ran = place.run("failing", "--model", grouped, "--arms", "wide", "--rates", "1e30", "--tune", "all")
    assert ran.status == 0, ran.err
    assert "wide 4, all: cannot be built: `relu2` (MVN) would compute something else" in ran.out
    finetune, wide, _ = [row for row in place.results("failing") if row["arm"] != "probe"]
    assert "cannot be built" in wide["failure"]
    assert "non-finite" in finetune["failure"] or "not finite" in finetune["failure"]
    # The linear classifiers came through, and what is left to use is the best of them.
    page = (place.folder / "failing" / "index.html").read_text()
    assert "Highest accuracy on the validation pictures:" in page
    assert "Nothing could be trained." not in page
    made = place.cells("failing")
    assert place.run("failing", "--model", grouped, "--arms", "wide", "--rates", "1e30", "--tune", "all").status == 0
    assert place.cells("failing") == made


def test_a_dry_run_trains_nothing(place: Place) -> None:
    ran = place.run("dry", flags=("--dry-run", "-q"))
    assert ran.status == 0
    assert "6 nets x 3 rates x 1 seed: 18 trainings of 4 to" in ran.out
    assert "from steps of 2 nets timed now); linear classifiers and extended" in ran.out
    assert "3 classes: 15 training pictures, 3 for choosing rates, 12 for testing" in ran.out
    assert not (place.folder / "dry" / "cells").exists()
    assert not (place.folder / "dry" / "index.html").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (("--arms", "widr"), ("unknown arm", "did you mean wider")),
        (("--tune", "deep"), ("unknown value of --tune", "new, top, top_two, all")),
        (("--tune", ""), ("no depth of tuning is given",)),
        (("--units", ""), ("no number of units is given",)),
        (("--units", "many"), ("--units takes numbers",)),
        (("--iterations", "new:9,deep:3"), ("unknown value of --tune", "deep")),
        (("--iterations", "-4"), ("--iterations must be at least 1",)),
        (("--seeds", "-1", "--batch-size", "0"), ("--seeds must be at least 1", "--seeds -1", "--batch-size 0")),
        (("--units", "-2", "--rates", "0.1,-0.1"), ("--units -2",)),
        (("--rates", "inf"), ("--rates must be a finite number", "--rates inf")),
        (("--size", "-3"), ("--size must be at least 1", "--size -3")),
        (("--extend", "-1"), ("--extend must be at least 0",)),
        (("--start", "prob"), ("unknown value of --start", "probe, filler")),
        (("--device", "gpu"), ("gpu",)),
        (("--per-class", "1"), ("one for choosing rates", "2 or more")),
        (("--weights", "none.caffemodel"), ("weights file not found", "none.caffemodel")),
        (("--weights", "-"), ("there are no", "--weights")),
        (("--model", "none.prototxt"), ("none.prototxt",)),
        (("--data", "no_such_folder"), ("no_such_folder",)),
        (("--test", "no_such_folder"), ("no_such_folder",)),
        (("--via", "somewhere", "--tune", "new"), ("add all to --tune",)),
        (("--workers", "-1"), ("--workers must be from 0 to 1024",)),
    ],
)  # fmt: skip
def test_wrong_input(place: Place, changes: tuple[str, ...], words: tuple[str, ...]) -> None:
    ran = place.run("wrong", *changes)
    assert ran.status == 2
    assert all(word in ran.err for word in words), ran.err
    assert "Traceback" not in ran.err
    assert not (place.folder / "wrong" / "index.html").exists()


def test_weights_that_do_not_fit(place: Place) -> None:
    other = parse_net(NET.replace("GROUP", "").replace("num_output: 6", "num_output: 7"))
    path = place.folder / "other.caffemodel"
    formats.write(path, Weights(random_blobs(other)), other.message)
    ran = place.run("wrong", "--weights", str(path))
    assert ran.status == 2
    assert "fc1" in ran.err
    assert "tiny.prototxt:6" in ran.err


def test_data_is_required() -> None:
    assert lungo("compare", "--model", "squeezenet1.1", "-o", "x").status == 2


def test_from_scratch(place: Place) -> None:
    options = CompareOptions(
        data=str(place.folder / "photos" / "train"), output=str(place.folder / "scratch"),
        model=str(place.folder / "tiny.prototxt"), weights="none", arms=("wide",), units=(4,), tune=("all", "new"),
    )  # fmt: skip
    plan = Study(options).plan()
    assert [one.configuration.tune for one in plan] == ["NEW"] * 3 + ["ALL"] * 3
    assert all(one.weights == [""] * 5 and one.refusal is None for one in plan)


def test_what_trains_longer_gets_the_operations_of_the_largest() -> None:
    def one(arm: str, tune: str, effort: float) -> ArmCandidate:
        return ArmCandidate(Configuration(ARMS[arm], tune), TASK, effort=effort, iterations=100)

    plan = [
        one("finetune", "NEW", 2), one("wider", "NEW", 7), one("longer", "NEW", 2), one("longer", "ALL", 5),
        one("wider", "ALL", 500),
    ]  # fmt: skip
    _lengthen(plan)
    assert [each.iterations for each in plan] == [100, 100, 350, 1000, 100]


def test_mean_files_are_found_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "mean.binaryproto").write_bytes(b"x")
    path = tmp_path / "net.prototxt"
    path.write_text(
        'layer { name: "data" type: "ImageData" top: "data" top: "label" '
        'transform_param { mean_file: "mean.binaryproto" } image_data_param { source: "list.txt" } }\n'
    )
    found = anchored(read_net(path), path)
    assert found.message.layer[0].transform_param.mean_file == str(tmp_path / "mean.binaryproto")
    (tmp_path / "mean.binaryproto").unlink()
    with pytest.raises(UserError, match="mean file"):
        anchored(read_net(path), path)


def test_comments_are_no_part_of_what_is_trained(place: Place) -> None:
    text = (place.folder / "tiny.prototxt").read_text()
    (place.folder / "elsewhere.prototxt").write_text(text.replace("# A tiny net", "# Found elsewhere: a tiny net"))
    nets = []
    for name in ("tiny", "elsewhere"):
        options = CompareOptions(
            data=str(place.folder / "photos" / "train"), output=str(place.folder / "commented"),
            model=str(place.folder / f"{name}.prototxt"), weights=str(place.folder / "tiny.caffemodel"), units=(4,),
        )  # fmt: skip
        nets.append([one.net for one in Study(options).plan()])
    assert nets[0] == nets[1]
    assert all(nets[0])
